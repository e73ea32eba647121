"""Every kind of net that people bring: what can be probed in it, and what it is told if not."""

import copy
import dataclasses
import warnings
from collections import namedtuple

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils import prune
from torch.utils import checkpoint

import prober
from prober.ascent.module import visualization
from prober.ascent.objectives import ChannelMean
from prober.common.errors import InputError
from prober.subject import Subject
from tests import plain

IMAGES = torch.rand(3, 3, 8, 8, generator=torch.Generator().manual_seed(1))


def subject_of(cnn, channels=3, side=8):
    return Subject(cnn, input_shape=(channels, side, side))


def state(cnn):
    """Everything about a CNN that a look at it could change."""
    modules = [
        (
            module.training,
            {key: id(value) for key, value in vars(module).items() if key != "training"},
            [list(getattr(module, key)) for key in vars(module) if key.endswith("_hooks")],
            list(module._modules.keys()),
        )
        for module in cnn.modules()
    ]
    tensors = [*cnn.parameters(), *cnn.buffers()]
    values = [(id(t), t.dtype, t.device, t.requires_grad, t._version, t.grad) for t in tensors]
    return modules, values


class Net(nn.Module):
    """A forward pass as a function over some modules."""

    def __init__(self, run, **modules):
        super().__init__()
        torch.manual_seed(0)
        self.run = run
        for name, module in modules.items():
            setattr(self, name, module())

    def forward(self, x):
        return self.run(self, x)


def conv(inputs=3, outputs=4, **given):
    return lambda: nn.Conv2d(inputs, outputs, 3, padding=1, **given)


# Tokens and channels that come last.


def encode(net, x):
    x = net.patches(x).flatten(2).transpose(1, 2)
    return net.head(net.norm(net.block(x)).mean(1))


def transformer():
    return Net(
        encode,
        patches=lambda: nn.Conv2d(3, 12, 2, stride=2),
        block=lambda: nn.TransformerEncoderLayer(12, 3, 20, batch_first=True),
        norm=lambda: nn.LayerNorm(12),
        head=lambda: nn.Linear(12, 5),
    )


def test_tokens_are_a_map_of_one_column():
    cnn = transformer().eval()
    subject = subject_of(cnn)
    assert plain.shapes(subject) == {
        "patches": (12, 4, 4),
        "block.self_attn.0": (12, 16, 1),
        "block.dropout1": (12, 16, 1),
        "block.norm1": (12, 16, 1),
        "block.linear1": (20, 16, 1),
        "block.dropout": (20, 16, 1),
        "block.linear2": (12, 16, 1),
        "block.dropout2": (12, 16, 1),
        "block.norm2": (12, 16, 1),
        "block": (12, 16, 1),
        "norm": (12, 16, 1),
        "head": (5,),
        "logits": (5,),
    }
    assert subject.layers["block.linear1"].output == [1, 16, 20]
    assert subject.layers["block.self_attn.0"].kind == "MultiheadAttention"
    tokens = cnn.block(cnn.patches(IMAGES).flatten(2).transpose(1, 2))
    outputs = subject(IMAGES, ["block", "logits"])
    for channel, patch in ((0, 0), (11, 15), (3, 7)):
        neurons = outputs["block"][:, channel, patch, 0]
        torch.testing.assert_close(neurons, tokens[:, patch, channel])
    torch.testing.assert_close(outputs["logits"], cnn(IMAGES))


def test_gradient_of_a_token_is_that_of_the_plain_pass():
    cnn = transformer().eval()
    ours, theirs = (IMAGES.clone().requires_grad_() for _ in range(2))
    subject_of(cnn)(ours, ["block.linear1"])["block.linear1"][:, 3].mean().backward()
    kept = []
    handle = cnn.block.linear1.register_forward_hook(lambda _m, _i, output: kept.append(output))
    cnn(theirs)
    handle.remove()
    kept[0][:, :, 3].mean().backward()
    assert ours.grad.abs().sum() > 0
    torch.testing.assert_close(ours.grad, theirs.grad)


class Permute(nn.Module):
    def __init__(self, *dims):
        super().__init__()
        self.dims = dims

    def forward(self, x):
        return x.permute(self.dims)


class FirstNorm(nn.LayerNorm):
    """As torchvision's: derived from a norm of the last dimension, but of the second."""

    def forward(self, x):
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


def convnext(width):
    return nn.Sequential(
        nn.Conv2d(3, width, 3, padding=1),
        FirstNorm(width),
        Permute(0, 2, 3, 1),
        nn.LayerNorm(width),
        nn.Linear(width, 20),
        nn.GELU(),
        nn.Linear(20, width),
        Permute(0, 3, 1, 2),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
    )


@pytest.mark.parametrize("width", [6, 12])
def test_channels_that_come_last_are_found(width):
    cnn = convnext(width)
    subject = subject_of(cnn)
    last = {"2": width, "3": width, "4": 20, "5": 20, "6": width}
    first = {"0": width, "1": width, "7": width}
    for name, channels in (last | first).items():
        assert subject.layers[name].shape == (channels, 8, 8), name
        output = cnn[: int(name) + 1](IMAGES)
        expected = output.movedim(3, 1) if name in last else output
        torch.testing.assert_close(subject(IMAGES, [name])[name], expected)
    assert subject.layers["4"].output == [1, 8, 8, 20]


def test_module_that_knows_its_layout_where_the_size_does_not_tell():
    """As many channels as rows and columns: 8 x 8 x 8."""
    cnn = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Linear(8, 8), nn.GELU())
    subject = subject_of(cnn)
    x = cnn[:2](IMAGES)
    torch.testing.assert_close(subject(IMAGES, ["1"])["1"], x)
    torch.testing.assert_close(subject(IMAGES, ["2"])["2"], cnn[2](x).movedim(3, 1))
    torch.testing.assert_close(subject(IMAGES, ["3"])["3"], cnn(IMAGES[:]).movedim(3, 1))


def test_one_dimensional_convolution_has_its_channels_first():
    cnn = nn.Sequential(nn.Flatten(2), nn.Conv1d(3, 5, 9), nn.BatchNorm1d(5), nn.ReLU()).eval()
    subject = subject_of(cnn)
    for name in ("1", "2", "3"):
        assert subject.layers[name].shape == (5, 56, 1)
        expected = cnn[: int(name) + 1](IMAGES)[..., None]
        torch.testing.assert_close(subject(IMAGES, [name])[name], expected)


# Containers.


Pair = namedtuple("Pair", "low high")


@dataclasses.dataclass
class Features:
    maps: torch.Tensor
    others: list


class Gives(nn.Module):
    def __init__(self, make):
        super().__init__()
        self.make = make

    def forward(self, x):
        return self.make(x)


@pytest.mark.parametrize(
    ("make", "names"),
    [
        (lambda x: (x, None, x * 2), {"body.0": 1, "body.2": 2}),
        (lambda x: [x, [x * 2, {"deep": x * 3}]], {"body.0": 1, "body.1.0": 2, "body.1.1.deep": 3}),
        (lambda x: {"out": x, "aux": x * 2}, {"body.out": 1, "body.aux": 2}),
        (lambda x: Pair(x, x * 2), {"body.low": 1, "body.high": 2}),
        (lambda x: Features(x, [x * 2]), {"body.maps": 1, "body.others.0": 2}),
    ],
)
def test_tensors_in_a_container_have_names_with_a_dot(make, names):
    cnn = Net(
        lambda net, x: net.head(next(leaves(net.body(x)))), body=lambda: Gives(make), head=conv()
    )
    subject = subject_of(cnn)
    assert list(subject.layers) == [*names, "head", "logits"]
    for name, factor in names.items():
        assert torch.equal(subject(IMAGES, [name])[name], IMAGES * factor)
    together = subject(IMAGES, [*names, "head"])
    assert set(together) == {*names, "head"}
    assert torch.equal(together[name], IMAGES * factor)
    with pytest.raises(InputError, match=f"'body' .*name one of its tensors: {next(iter(names))}"):
        subject(IMAGES, ["body"])


def leaves(output):
    """The first tensor of the containers above."""
    if isinstance(output, torch.Tensor):
        yield output
    elif isinstance(output, Features):
        yield output.maps
    else:
        for value in output.values() if isinstance(output, dict) else output:
            yield from leaves(value)


@pytest.mark.parametrize(
    ("make", "factor"),
    [
        (lambda x: {"features": x, "logits": x * 2}, 2),
        (lambda x: {"features": x, "more": {"logits": x * 3}}, 3),
        (lambda x: {"loss": x.sum(), "out": x * 4}, 4),
        (lambda x: (x.flatten()[:3], [x * 5, x]), 5),
        (lambda x: Pair(None, x * 6), 6),
    ],
)
def test_logits_are_the_entry_of_that_name_or_the_first_that_can_be_probed(make, factor):
    subject = subject_of(Gives(make))
    assert torch.equal(subject(IMAGES, ["logits"])["logits"], IMAGES * factor)


def test_layer_that_gives_the_logits_is_found_within_a_container():
    cnn = Net(
        lambda net, x: {"features": net.body(x), "logits": net.head(x)[1]},
        body=conv(),
        head=lambda: Gives(lambda x: (x, x.mean((2, 3)))),
    )
    assert subject_of(cnn).listing.gives_logits == "head.1"


def test_module_has_its_name_before_what_a_container_holds():
    class Couple(nn.Sequential):
        def forward(self, x):
            return self[0](x), x

    cnn = Net(lambda net, x: net.pair(x)[0], pair=lambda: Couple(nn.Conv2d(3, 4, 3)))
    subject = subject_of(cnn)
    assert plain.shapes(subject) == {"pair.0": (4, 6, 6), "pair.1": (3, 8, 8), "logits": (4, 6, 6)}
    assert subject.layers["pair.0"].kind == "Conv2d"


# What cannot be probed.


def odd(net, x):
    x = net.conv(x)
    net.volume(x)
    net.second(x)
    net.position(x)
    net.windows(x)
    net.whole(x)
    net.counts(x)
    net.spectrum(x)
    net.nothing(x)
    return net.squeeze(x)


def odd_net():
    return Net(
        odd,
        conv=conv(),
        volume=lambda: nn.Unflatten(3, (4, 2)),
        second=lambda: Gives(lambda x: x.flatten(2).permute(2, 0, 1)),
        position=lambda: Gives(lambda x: torch.ones(1, 7, 4)),
        windows=lambda: Gives(lambda x: x.reshape(-1, 4, 4, 2)),
        whole=lambda: Gives(torch.sum),
        counts=lambda: Gives(lambda x: x.argmax(1)[:, None]),
        spectrum=lambda: Gives(torch.fft.fft2),
        nothing=lambda: Gives(lambda x: {"a": [None, "text"]}),
        squeeze=lambda: Gives(lambda x: x.mean((2, 3)).squeeze()),
    )


@pytest.mark.parametrize(
    ("layer", "why"),
    [
        ("volume", r"\[1, 4, 8, 4, 2\], none of \[N, units\], \[N, channels, h, w\]"),
        ("second", r"\[64, 1, 4\] has the images second.*batch_first"),
        ("position", r"\[1, 7, 4\] for any number of images"),
        ("windows", r"\[8, 4, 4, 2\] does not start with the images: for two .* \[16, 4, 4, 2\]"),
        ("whole", r"output is \[\]"),
        ("counts", r"type torch\.int64, which has no gradient"),
        ("spectrum", r"complex"),
        ("nothing", r"a dict without tensors"),
        ("squeeze", r"loses the dimension of the images.* \[4\], for two \[2, 4\]"),
        ("logits", r"loses the dimension of the images"),
    ],
)
def test_layer_without_channels_says_why(layer, why):
    subject = subject_of(odd_net())
    assert list(subject.layers) == ["conv"]
    assert not subject.listing.one_by_one
    with pytest.raises(InputError, match=f"'{layer}' of Net cannot be probed: .*{why}.*: conv\\."):
        subject(IMAGES, [layer])


def partly(net, x):
    return net.blocks[0](net.conv(x)) + net.conv.forward(x).mean()


def partly_used():
    return Net(
        partly,
        conv=conv(3, 3),
        unused=conv(),
        blocks=lambda: nn.ModuleList([nn.Conv2d(3, 2, 1), nn.Conv2d(3, 2, 1)]),
    )


@pytest.mark.parametrize(
    ("layer", "parts"),
    [("unused", "."), ("blocks.1", "."), ("blocks", ", but its parts: blocks.0.")],
)
def test_layer_that_is_never_reached_is_told_so(layer, parts):
    subject = subject_of(partly_used())
    assert subject.listing.unreached == ["unused", "blocks", "blocks.1"]
    with pytest.raises(InputError) as raised:
        subject(IMAGES, [layer])
    assert f"'{layer}' of Net is never reached in the forward pass" in str(raised.value)
    assert f"{parts} Layers that can be probed: conv, blocks.0, logits." in str(raised.value)


def test_of_hundreds_of_layers_a_message_names_the_nearest():
    cnn = nn.Sequential(*[nn.Sequential(nn.Conv2d(3, 3, 1), nn.ReLU()) for _ in range(60)])
    with pytest.raises(InputError) as raised:
        subject_of(cnn)(IMAGES, ["14.conv"])
    message = str(raised.value)
    assert "181 layers can be probed, the nearest are 14" in message
    assert "python main.py layers --config" in message
    assert len(message) < 250


def test_module_of_two_names_is_probed_by_its_first():
    cnn = Net(lambda net, x: net.second(net.first(x)), first=conv(3, 3))
    cnn.second = cnn.first
    subject = subject_of(cnn)
    assert subject.layers["first"].calls == 2
    torch.testing.assert_close(subject(IMAGES, ["first"])["first"], cnn(IMAGES))
    with pytest.raises(InputError, match="'second' of Net is also 'first'"):
        subject(IMAGES, ["second"])


def test_calls_are_counted_and_the_last_one_settles_the_place():
    cnn = Net(
        lambda net, x: net.head(net.conv(net.between(net.conv(x)))),
        conv=conv(3, 3),
        between=nn.Tanh,
        head=lambda: nn.Conv2d(3, 2, 1),
    )
    subject = subject_of(cnn)
    calls = [(name, layer.calls) for name, layer in subject.layers.items()]
    assert calls == [("between", 1), ("conv", 2), ("head", 1), ("logits", 1)]


class TwoInputs(nn.Module):
    def forward(self, image, mask):
        return image * mask


class NoInput(nn.Module):
    def forward(self):
        return torch.zeros(1, 3)


@pytest.mark.parametrize(
    ("cnn", "message"),
    [
        (TwoInputs, r"of TwoInputs takes 2 inputs \(image, mask\).*Wrap the CNN in a module"),
        (NoInput, r"of NoInput takes no input.*Wrap the CNN in a module"),
        (lambda: nn.LazyConv2d(4, 3), r"LazyConv2d cannot be probed\. It is lazy"),
        (
            lambda: nn.Sequential(nn.ReLU(), nn.LazyConv2d(4, 3)),
            r"module '1' is lazy and has no weights yet",
        ),
        (lambda: nn.Conv2d(3, 4, 3, device="meta"), r"on the device 'meta'"),
        (lambda: torch.jit.trace(nn.Conv2d(3, 4, 3), IMAGES), r"TorchScript"),
        (
            lambda: nn.Sequential(torch.jit.script(nn.Conv2d(3, 4, 3)), nn.ReLU()),
            r"module '0' is TorchScript",
        ),
        (lambda: quantized(), r"module '0' is quantized"),
        (lambda: Gives(iter_()), r"Gives cannot be copied: .*generator"),
    ],
)
def test_cnn_of_a_kind_that_cannot_be_probed_is_told_once(cnn, message):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        cnn = cnn()
    before = state(cnn)
    with pytest.raises(InputError, match=message):
        subject_of(cnn)
    assert state(cnn) == before


def iter_():
    yield


def quantized():
    from torch.ao.nn.quantized import dynamic

    return nn.Sequential(dynamic.Linear(8, 4), nn.ReLU())


# One image at a time.


@pytest.mark.parametrize(
    "run",
    [
        lambda net, x: net.head(net.conv(x).view(1, 4 * 8 * 8)),
        lambda net, x: torch.cat([net.head(net.conv(each[None]).flatten(1)) for each in x]),
        lambda net, x: net.head(net.conv(x).view(1, -1)[:, :256]),
    ],
    ids=["refuses two", "takes them in a loop", "takes two as one"],
)
def test_cnn_of_one_image_is_given_one_at_a_time(run):
    cnn = Net(run, conv=conv(), head=lambda: nn.Linear(256, 5))
    subject = subject_of(cnn)
    assert subject.listing.one_by_one
    assert plain.shapes(subject) == {"conv": (4, 8, 8), "head": (5,), "logits": (5,)}
    images = IMAGES.clone().requires_grad_()
    for layers in (["conv"], ["head"], ["conv", "logits"]):
        outputs = subject(images, layers)
        assert set(outputs) == set(layers)
        for name in layers:
            whole = cnn.conv if name == "conv" else cnn
            expected = torch.cat([whole(image) for image in IMAGES.split(1)])
            torch.testing.assert_close(outputs[name], expected)
    outputs["logits"].sum().backward()
    assert (images.grad.abs().sum((1, 2, 3)) > 0).all()
    alone = subject(IMAGES, ["conv"], [2])["conv"]
    torch.testing.assert_close(alone, cnn.conv(IMAGES)[:, [2]])


def test_fixed_size_is_no_fixed_batch():
    cnn = Net(
        lambda net, x: net.head(net.conv(x).view(-1, 4 * 8 * 8)),
        conv=conv(),
        head=lambda: nn.Linear(256, 5),
    )
    assert not subject_of(cnn).listing.one_by_one
    with pytest.raises(InputError, match=r"rejects an input of shape \[1, 3, 9, 9\].*input_shape"):
        subject_of(cnn, side=9)


def test_channels_last_is_left_where_the_cnn_does_not_take_it():
    head = {"conv": conv(), "head": lambda: nn.Linear(256, 5)}
    views = Net(lambda net, x: net.head(net.conv(x).view(len(x), -1)), **head)
    flattens = Net(lambda net, x: net.head(net.conv(x).flatten(1)), **head)
    for cnn, last in ((views, False), (flattens, True)):
        subject = subject_of(cnn)
        for _ in range(2):
            subject.lay_out_channels_last()
            weight = subject.cnn.conv.weight
            assert weight.is_contiguous(memory_format=torch.channels_last) == last
            assert weight.is_contiguous() != last
            torch.testing.assert_close(subject(IMAGES, ["logits"])["logits"], cnn(IMAGES))
        assert subject.hash_weights() == subject.sha256


# Layers of all kinds: the same outputs and gradients as the CNN itself, also in float64.


def in_place_on_views(net, x):
    x = net.conv(x)
    x[:, 2:].mul_(0.5).add_(1)
    x[:, :2].relu_()
    return net.head(x.mean((2, 3)))


def squeeze_excite(net, x):
    x = net.conv(x)
    return x * net.up(net.down(x.mean((2, 3), keepdim=True)).relu_()).sigmoid_()


def dense(net, x):
    first = torch.cat([x, net.first(x)], 1)
    return torch.cat([first, net.second(first)], 1)


def residual(net, x):
    x = net.relu(net.first(x))
    y = net.norm(net.second(x))
    y += x
    return net.relu(y)


class Spectral(nn.Module):
    """Complex weights on the image's spectrum."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(4, 3, dtype=torch.complex64))

    def forward(self, x):
        mixed = torch.einsum("oc,nchw->nohw", self.weight, torch.fft.rfft2(x).to(self.weight))
        return torch.fft.irfft2(mixed, s=x.shape[2:])


class Tables(nn.Module):
    """Buffers of integers and truth values, and a kernel that is no buffer."""

    def __init__(self):
        super().__init__()
        self.register_buffer("order", torch.tensor([2, 0, 1]))
        self.register_buffer("mask", torch.rand(8, 8) > 0.3)
        self.kernel = torch.rand(3, 1, 3, 3)

    def forward(self, x):
        return F.conv2d(x[:, self.order] * self.mask, self.kernel, groups=3)


KINDS = {
    "group norm": lambda: nn.Sequential(conv()(), nn.GroupNorm(2, 4), nn.ReLU(inplace=True)),
    "instance norm": lambda: nn.Sequential(
        conv()(), nn.InstanceNorm2d(4, track_running_stats=True), nn.SiLU(inplace=True)
    ),
    "layer norm": lambda: nn.Sequential(conv()(), nn.LayerNorm([4, 8, 8]), nn.LeakyReLU()),
    "batch norm and dropout": lambda: nn.Sequential(
        conv()(), nn.BatchNorm2d(4), nn.Dropout(0.5), nn.Dropout2d(0.5), nn.ReLU6(inplace=True)
    ),
    "grouped and depthwise": lambda: nn.Sequential(
        conv(3, 6, groups=3)(), conv(6, 6, groups=6)(), nn.Hardswish(inplace=True)
    ),
    "transposed and upsampled": lambda: nn.Sequential(
        nn.ConvTranspose2d(3, 4, 2, 2), nn.Upsample(scale_factor=2), nn.PixelShuffle(2)
    ),
    "residual": lambda: Net(
        residual,
        first=conv(),
        second=conv(4, 4),
        norm=lambda: nn.BatchNorm2d(4),
        relu=lambda: nn.ReLU(inplace=True),
    ),
    "dense": lambda: Net(dense, first=conv(3, 4), second=conv(7, 2)),
    "squeeze and excitation": lambda: Net(
        squeeze_excite,
        conv=conv(),
        down=lambda: nn.Conv2d(4, 2, 1),
        up=lambda: nn.Conv2d(2, 4, 1),
    ),
    "in place on views": lambda: Net(in_place_on_views, conv=conv(), head=lambda: nn.Linear(4, 2)),
    "complex weights": lambda: nn.Sequential(Spectral(), nn.ReLU()),
    "tables": lambda: nn.Sequential(Tables(), nn.Conv2d(3, 2, 3)),
    "transformer": transformer,
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_layers_of_all_kinds_are_those_of_a_plain_pass(kind, dtype):
    torch.manual_seed(0)
    cnn = KINDS[kind]()
    before = state(cnn)
    subject = subject_of(cnn).to(dtype)
    assert state(cnn) == before
    plainly = plain_copy(cnn, dtype)
    for layer in subject.layers:
        ours, theirs = (IMAGES.to(dtype).clone().requires_grad_() for _ in range(2))
        output = subject(ours, [layer])[layer]
        kept = plain_outputs(plainly, theirs)[layer]
        if subject.layers[layer].output != [1, *subject.layers[layer].shape]:
            kept = kept.movedim(-1, 1).reshape(output.shape)
        assert output.dtype == dtype
        torch.testing.assert_close(output, kept)
        signs = torch.randn(output.shape, dtype=dtype).sign()
        (output * signs).sum().backward()
        (kept * signs).sum().backward()
        assert ours.grad.abs().sum() > 0
        torch.testing.assert_close(ours.grad, theirs.grad)
    assert subject.hash_weights() == subject.sha256


def plain_copy(cnn, dtype):
    """A copy in eval mode and another precision; what `nn.Module.to` leaves out is done here."""
    cnn = copy.deepcopy(cnn).eval()
    wide = dtype == torch.float64
    for module in cnn.modules():
        for parameter in module._parameters.values():
            if parameter is not None and parameter.is_complex():
                parameter.data = parameter.data.to(torch.complex128 if wide else torch.complex64)
            elif parameter is not None:
                parameter.data = parameter.data.to(dtype)
        for name, value in [*module._buffers.items(), *vars(module).items()]:
            if isinstance(value, torch.Tensor) and value.is_floating_point():
                setattr(module, name, value.to(dtype))
    return cnn


def plain_outputs(cnn, images):
    """The outputs of all modules in their last calls, before anything changes them."""
    kept = {}

    def keep(name):
        def hook(_module, _inputs, output):
            first = output[0] if isinstance(output, tuple) else output
            kept[name + (".0" if isinstance(output, tuple) else "")] = first.clone()

        return hook

    handles = [m.register_forward_hook(keep(name)) for name, m in cnn.named_modules() if name]
    kept["logits"] = cnn(images)
    for handle in handles:
        handle.remove()
    return kept


class Single(nn.Module):
    """A matrix that is made in float32 whatever the image is in."""

    def forward(self, x):
        return x.flatten(1) @ torch.ones(192, 5, dtype=torch.float32)


def test_cnn_that_computes_in_float32_alone_is_told():
    subject = subject_of(Single())
    torch.testing.assert_close(subject(IMAGES, ["logits"])["logits"][:, 0], IMAGES.sum((1, 2, 3)))
    with pytest.raises(InputError, match=r"Single computes in float32 .*precision to 32-true"):
        subject.double()(IMAGES.double(), ["logits"])
    with pytest.raises(RuntimeError, match="shape"):
        subject(IMAGES[:, :, 1:].double(), ["logits"])


@pytest.mark.parametrize("channels", [1, 2, 5])
def test_images_of_any_number_of_channels(channels):
    cnn = nn.Conv2d(channels, 2, 3)
    subject = Subject(
        cnn, input_shape=(channels, 8, 8), mean=[0.1] * channels, std=[0.5] * channels
    )
    images = torch.rand(2, channels, 8, 8)
    expected = cnn((images - 0.1) / 0.5)
    torch.testing.assert_close(subject(images, ["logits"])["logits"], expected)


# Weights that are computed.


def old_weight_norm():
    return nn.utils.weight_norm(nn.Conv2d(3, 4, 3))


def old_spectral_norm():
    return nn.utils.spectral_norm(nn.Conv2d(3, 4, 3))


def pruned():
    return prune.l1_unstructured(nn.Conv2d(3, 4, 3), "weight", 0.5)


def new_weight_norm():
    return nn.utils.parametrizations.weight_norm(nn.Conv2d(3, 4, 3))


def new_spectral_norm():
    return nn.utils.parametrizations.spectral_norm(nn.Conv2d(3, 4, 3))


@pytest.mark.parametrize(
    "make", [old_weight_norm, old_spectral_norm, pruned, new_weight_norm, new_spectral_norm]
)
def test_computed_weights_stay_computed(make):
    cnn = nn.Sequential(make(), nn.ReLU())
    cnn(IMAGES).sum().backward()  # leaves weights on the module that are part of a graph
    before = state(cnn)
    subject = subject_of(cnn)
    assert state(cnn) == before
    assert list(subject.named_parameters()) == []
    assert subject.notes == []
    expected = cnn.eval()(IMAGES)
    for _ in range(2):
        images = IMAGES.clone().requires_grad_()
        output = subject(images, ["1"])["1"]
        torch.testing.assert_close(output, expected)
        output.sum().backward()
        assert images.grad.abs().sum() > 0
        assert not subject.gives_channels("0")
    subject = copy.deepcopy(subject).double()
    output = subject(IMAGES.double(), ["1"])["1"]
    torch.testing.assert_close(output, expected.double(), rtol=1e-5, atol=1e-5)
    assert subject.hash_weights() == subject.sha256


# Wrappers, precisions, and what is left as it was.


def test_wrappers_are_taken_off():
    inner = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU())
    for cnn in (
        nn.DataParallel(inner),
        torch.compile(inner),
        nn.DataParallel(torch.compile(inner)),
    ):
        subject = subject_of(cnn)
        assert subject.name == "Sequential"
        assert list(subject.layers) == ["0", "1", "logits"]
        assert subject.sha256 == subject_of(inner).sha256
    cnn = nn.Sequential(torch.compile(inner), nn.DataParallel(nn.Conv2d(4, 2, 1)))
    subject = subject_of(cnn)
    assert list(subject.layers) == ["0.0", "0.1", "0", "1", "logits"]
    assert subject.layers["0"].kind == "Sequential"
    torch.testing.assert_close(subject(IMAGES, ["0"])["0"], inner(IMAGES))
    assert type(cnn[0]).__name__ == "OptimizedModule"
    inner.compile()
    assert subject_of(inner).cnn._compiled_call_impl is None


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_cnn_in_another_precision_is_probed_in_float32(dtype):
    cnn = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU()).to(dtype).train()
    cnn[0].weight.requires_grad = False
    before = state(cnn)
    subject = subject_of(cnn)
    output = subject(IMAGES, ["logits"])["logits"]
    assert output.dtype == torch.float32
    assert state(cnn) == before
    torch.testing.assert_close(output, copy.deepcopy(cnn).float().eval()(IMAGES))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_cnn_on_a_gpu_is_probed_on_the_cpu():
    cnn = nn.Conv2d(3, 4, 3).cuda()
    before = state(cnn)
    output = subject_of(cnn)(IMAGES, ["logits"])["logits"]
    torch.testing.assert_close(output, cnn(IMAGES.cuda()).cpu())
    assert state(cnn) == before


def test_cnn_is_left_as_it_was_after_an_error():
    cnn = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)).half().train()
    cnn[0].register_forward_hook(lambda *_: None)
    before = state(cnn)
    with pytest.raises(InputError, match="rejects"):
        subject_of(cnn, channels=2)
    assert state(cnn) == before


# What is kept from one call to the next.


class Remembers(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.hidden = None
        self.calls = 0
        self.register_buffer("mean", torch.zeros(4))
        self.register_buffer("last", torch.zeros(1))

    def forward(self, x):
        x = self.conv(x) + self.calls + self.mean.view(-1, 1, 1) + self.last.mean()
        x = x if self.hidden is None else x + self.hidden
        self.calls += 1
        self.hidden = x.mean()
        self.mean.add_(1)
        self.last = x
        self.extra = x
        return x


def test_every_call_is_like_the_first():
    cnn = Remembers()
    expected = cnn.conv(IMAGES)
    subject = subject_of(cnn)
    for layers in (["logits"], ["conv", "logits"], ["conv"], ["logits"]):
        images = IMAGES.clone().requires_grad_()
        output = subject(images, layers)[layers[-1]]
        torch.testing.assert_close(output, expected)
    assert subject.hash_weights() == subject.sha256
    assert (cnn.calls, cnn.hidden, float(cnn.mean.sum())) == (0, None, 0)
    for other in (copy.deepcopy(subject), copy.deepcopy(subject).double()):
        for _ in range(2):
            images = IMAGES.to(other.mean).clone().requires_grad_()
            output = other(images, ["logits"])["logits"]
            torch.testing.assert_close(output, expected.to(output))
        assert other.hash_weights() == subject.sha256


def test_a_usual_cnn_keeps_nothing():
    for cnn in (transformer(), KINDS["residual"](), convnext(6)):
        assert not subject_of(cnn)._state.changes


# Gradients.


@pytest.mark.parametrize("reentrant", [True, False])
def test_gradient_leads_through_checkpoints(reentrant):
    cnn = Net(
        lambda net, x: checkpoint.checkpoint(net.body, x, use_reentrant=reentrant).mean((2, 3)),
        body=lambda: nn.Sequential(nn.Conv2d(3, 4, 3), nn.Tanh(), nn.Conv2d(4, 2, 3), nn.Tanh()),
    )
    subject = subject_of(cnn)
    for layer, depth in (("body.0", 1), ("body.2", 3), ("body", 4), ("logits", 4)):
        ours, theirs = (IMAGES.clone().requires_grad_() for _ in range(2))
        output = subject(ours, [layer])[layer]
        expected = cnn.body[:depth](theirs)
        expected = expected.mean((2, 3)) if layer == "logits" else expected
        torch.testing.assert_close(output, expected)
        output.square().sum().backward()
        expected.square().sum().backward()
        torch.testing.assert_close(ours.grad, theirs.grad)
    assert isinstance(checkpoint.CheckpointFunction, type)


def shut(net, x):
    with torch.no_grad():
        x = net.conv(x)
    return net.head(x)


@pytest.mark.parametrize("run", [shut, lambda net, x: net.head(net.conv(x.detach()))])
def test_target_that_no_gradient_reaches_ends_without_a_crash(run):
    subject = subject_of(Net(run, conv=conv(), head=lambda: nn.Conv2d(4, 2, 1)))
    for layer in ("conv", "head", "logits"):
        module = visualization(subject, ChannelMean(layer, 1), regularizers=[], seed=0)
        before = module.image.detach().clone()
        plain.fit(module, 3)
        assert not module.excited.any()
        assert torch.equal(module.image.detach(), before.to(module.image))


def test_layer_that_only_some_images_reach_is_told():
    cnn = Net(
        lambda net, x: net.dark(x) if x.mean() < 0.1 else net.light(x), dark=conv(), light=conv()
    )
    subject = subject_of(cnn)  # lists with black images
    assert "light" in subject.listing.unreached
    subject(IMAGES * 0, ["dark"])
    with pytest.raises(InputError, match=r"'dark' .* depends on the image"):
        subject(IMAGES, ["dark"])


def test_weights_that_are_not_finite_are_listed_all_the_same():
    cnn = nn.Conv2d(3, 2, 3)
    cnn.weight.data.fill_(float("nan"))
    assert plain.shapes(subject_of(cnn)) == {"logits": (2, 6, 6)}


def test_names_of_weights_are_those_of_the_parameters():
    cnn = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), Tables())
    assert subject_of(nn.Sequential(*cnn[:2])).weights == {
        name for name, _ in cnn[:2].named_parameters()
    }


class Collects(nn.Module):
    """Adds what it has seen before, which it keeps in a list, a dictionary and a tensor."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 2, 3)
        self.seen, self.last, self.total = [], {}, torch.zeros(())

    def forward(self, x):
        x = self.conv(x)
        before = sum(self.seen) + self.last.get("mean", 0) + self.total
        self.seen.append(x.mean())
        self.last["mean"] = x.mean()
        self.total = self.total + x.mean()
        return (x + before).mean((2, 3))


class CollectsOne(Collects):
    """... and takes one image at a time."""

    def forward(self, x):
        if len(x) != 1:
            raise ValueError("one image, please")
        return super().forward(x)


@pytest.mark.parametrize("cnn", [Collects, CollectsOne])
def test_what_is_kept_in_containers_is_forgotten_between_images(cnn):
    torch.manual_seed(0)
    subject = Subject(cnn(), input_shape=(3, 8, 8))
    images = torch.rand(3, 3, 8, 8)
    together = subject(images, ["logits"])["logits"]
    for i in (2, 0, 1):
        alone = subject(images[i : i + 1], ["logits"])["logits"]
        torch.testing.assert_close(alone, subject(images[i : i + 1], ["logits"])["logits"])
        if cnn is CollectsOne:
            torch.testing.assert_close(alone[0], together[i])


class Counts(nn.Module):
    """Multiplies by the number of its call, which a buffer counts and the graph needs."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 2, 3)
        self.register_buffer("calls", torch.zeros(()))

    def forward(self, x):
        self.calls += 1
        return (self.conv(x) * self.calls).mean((2, 3))


def test_a_gradient_goes_through_what_a_call_has_left_in_a_buffer():
    torch.manual_seed(0)
    cnn = Counts()
    subject = Subject(cnn, input_shape=(3, 8, 8))
    for of in (subject, copy.deepcopy(subject).double()):
        images = torch.rand(2, 3, 8, 8, dtype=of.mean.dtype, requires_grad=True)
        first = of(images, ["logits"])["logits"]
        of(images, ["logits"])  # a look at the pictures before the backward pass
        (gradient,) = torch.autograd.grad(first.sum(), images)
        plain = of.cnn.conv(images).mean((2, 3))
        torch.testing.assert_close(first, plain)  # every call is the first
        torch.testing.assert_close(gradient, torch.autograd.grad(plain.sum(), images)[0])


class Cut(nn.Module):
    """No gradient leads back to the image."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 2, 3)

    def forward(self, x):
        return self.conv(x.detach()).mean((2, 3))


def test_a_unit_that_no_gradient_reaches_is_dead_though_penalties_move_the_image():
    visualization = prober.visualize(Cut(), "logits:0", input_shape=(3, 8, 8), steps=5)
    assert visualization.record["dead"]
    assert visualization.record["score_end"] != visualization.record["score_start"]
