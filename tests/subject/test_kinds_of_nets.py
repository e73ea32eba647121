"""Every kind of net that people bring: what can be probed in it, and what it is told if not."""

import copy
import re

import pytest
import torch
from torch import nn
from torch.nn import functional as F

import prober
from prober.ascent.module import single_target
from prober.ascent.objectives import ChannelMean
from prober.common.errors import InputError
from prober.subject import Subject
from prober.subject.passes import watched
from prober.subject.receptive_fields import receptive_fields
from tests import plain
from tests.subject.nets import IMAGES, KINDS, Net, conv, state, subject_of


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
    assert subject.listing.batch == 1
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
    assert subject_of(cnn).listing.batch is None
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


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_layers_of_all_kinds_are_those_of_a_plain_pass(kind, dtype):
    torch.manual_seed(0)
    cnn = KINDS[kind]()
    before = state(cnn)
    subject = subject_of(cnn).to(dtype)
    assert state(cnn) == before
    plainly = plain_copy(cnn, dtype)
    for layer in [name for name in subject.layers if "@" not in name]:
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


def as_float(net, x):
    return net.head(net.conv(x.float()).mean((2, 3)))


def only_float32(net, x):
    if x.dtype != torch.float32:
        raise TypeError("give float32")
    return net.head(net.conv(x).mean((2, 3)))


def as_half(net, x):
    return net.head(net.conv(x.half()).mean((2, 3)))


def as_complex(net, x):
    return net.head(net.conv(x.to(torch.complex64)).abs().mean((2, 3)))


FLOAT_HEAD = {"conv": conv(), "head": lambda: nn.Linear(4, 2)}
COMPLEX_HEAD = {"conv": conv(dtype=torch.complex64), "head": lambda: nn.Linear(4, 2)}
HALF_HEAD = {"conv": lambda: conv()().half(), "head": lambda: nn.Linear(4, 2).half()}


@pytest.mark.parametrize(
    ("make", "precision"),
    [
        (Single, torch.float32),
        (lambda: Net(as_float, **FLOAT_HEAD), torch.float32),
        (lambda: Net(only_float32, **FLOAT_HEAD), torch.float32),
        (lambda: Net(as_half, **HALF_HEAD), torch.float16),
        (lambda: Net(as_complex, **COMPLEX_HEAD), torch.float32),
    ],
    ids=["constant", "float()", "check", "half()", "complex"],
)
def test_cnn_that_computes_in_one_precision_alone_just_runs(make, precision):
    cnn = make()
    subject = subject_of(cnn).double()
    images = IMAGES.double().requires_grad_()
    found = subject(images, ["logits"])["logits"]
    assert found.dtype == torch.float64
    expected = cnn(IMAGES.float() if precision == torch.float32 else IMAGES)
    torch.testing.assert_close(found, expected.double(), rtol=1e-4, atol=1e-4)
    found.sum().backward()
    assert images.grad.abs().sum() > 0
    assert {b.dtype for b in subject.cnn.buffers() if b.is_floating_point()} <= {precision}
    assert subject.hash_weights() == subject.sha256
    kind = str(precision).removeprefix("torch.")
    assert sum(f"computes in {kind} wherever" in note for note in subject.notes) == 1
    for shape in ((3, 8, 8),) if make is Single else ((3, 8, 8), None):
        made = prober.visualize(cnn, "logits:1", input_shape=shape, steps=2)
        assert made.record["precision"] == "64-true"


def of_four(net, x):
    return net.head(net.conv(x).view(4, -1))


def test_cnn_of_a_fixed_batch_is_given_so_many():
    cnn = Net(of_four, conv=conv(), head=lambda: nn.Linear(256, 5))
    subject = subject_of(cnn)
    assert subject.listing.batch == 4
    assert plain.shapes(subject) == {"conv": (4, 8, 8), "head": (5,), "logits": (5,)}
    six = torch.cat([IMAGES, 1 - IMAGES])
    expected = cnn.head(cnn.conv(six).flatten(1))
    for number in (1, 3, 4, 6):
        found = subject(six[:number], ["head", "conv"])
        torch.testing.assert_close(found["head"], expected[:number])
        torch.testing.assert_close(found["conv"], cnn.conv(six[:number]))
    assert receptive_fields(subject)["conv"] == (3, 3)
    assert prober.visualize(subject, "head:2", steps=2).record["status"] == "finished"


class OnGPU(nn.Module):
    def forward(self, x):
        return x.cuda().mean((2, 3))


class Tokens(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Embedding(10, 4), nn.Linear(4, 2))


class Bytes(nn.Module):
    def forward(self, x):
        if x.dtype != torch.uint8:
            raise ValueError("expected uint8 images")
        return x.float().mean((2, 3))


class BareCheck(nn.Module):
    def forward(self, x):
        if x.dtype != torch.uint8:
            raise AssertionError
        return x.float().mean((2, 3))


class OfValues(nn.Module):
    """Takes values that a check lets through, of which black alone is none."""

    def __init__(self, fits):
        super().__init__()
        self.conv, self.fits = nn.Conv2d(3, 4, 3), fits

    def forward(self, x):
        if not self.fits(x):
            raise ValueError(f"got values from {x.min():.1f} to {x.max():.1f}")
        return self.conv(x).mean((2, 3))


CHECKS = {
    "bytes": (lambda x: x.min() >= 0 and 1 < x.max() <= 255, (0, 255), ""),
    "normalized": (lambda x: x.min() < 0, (-1, 1), ", or mean and std"),
    "both signs": (lambda x: -1 <= x.min() < 0 and x.max() <= 1, (-1, 1), ", or mean and std"),
    "standard": (lambda x: x.min() < -1, (-2, 2), ", or mean and std"),
}


@pytest.mark.parametrize("fits, values, more", CHECKS.values(), ids=CHECKS)
def test_a_cnn_that_rejects_values_is_told_which_it_takes(fits, values, more):
    low, high = values
    said = rf"got values from 0.0 to 1.0. It takes values from {low} to {high}: set value_range"
    with pytest.raises(InputError, match=said) as told:
        subject_of(OfValues(fits))
    assert f"value_range to {list(values)}{more}" in str(told.value)
    assert "input_shape" not in str(told.value)
    subject = Subject(OfValues(fits), input_shape=(3, 70, 70), value_range=values)
    assert [*subject.layers] == ["conv", "logits"]
    subject.lay_out_channels_last()
    subject.settle_precision()
    assert not subject.notes  # it computes in float64
    assert receptive_fields(subject)["conv"] == (3, 3)


def test_a_cnn_that_rejects_some_images_alone_is_told():
    subject = Subject(OfValues(lambda x: x.max() > 1), input_shape=(3, 8, 8), value_range=(0, 255))
    subject(IMAGES, ["logits"])
    said = r"values from 0 to 0, before .*: got values from 0.0 to 0.0\. .*without the check"
    with pytest.raises(InputError, match=said):
        subject(IMAGES * 0, ["conv"])


class OfDictionary(nn.Module):
    def __init__(self, key="image"):
        super().__init__()
        self.key = key

    def forward(self, observations):
        return observations[self.key].mean((2, 3))


class OfObject(nn.Module):
    def forward(self, batch):
        return batch.pixel_values.mean((2, 3))


class OfList(nn.Module):
    def forward(self, images):
        assert isinstance(images, list), "give a list"
        return torch.stack(images).mean((2, 3))


def of_frames(net, x):
    return net.conv(x.flatten(0, x.dim() - 4)[:, :3]).mean((2, 3)) + x[:, 0, :4, 0, 0]


def channels_last(net, x):
    return net.conv(x.permute(0, 3, 1, 2)).mean((2, 3))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        pytest.param(
            OnGPU,
            r"moves something to a GPU by itself.*without \.cuda\(\)",
            marks=pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU"),
        ),
        (Tokens, r"takes tokens: its layer '0' looks up whole numbers"),
        (Bytes, r"takes bytes.*value_range to \[0, 255\]"),
        (BareCheck, r"takes bytes: AssertionError.*value_range to \[0, 255\]"),
        (OfDictionary, r"something that holds one.*Wrap the CNN in a module"),
        (lambda: OfDictionary("x"), r"something that holds one.*Wrap the CNN in a module"),
        (lambda: OfDictionary("pixel_values"), r"something that holds one.*Wrap the CNN in a"),
        (OfObject, r"something that holds one.*no attribute 'pixel_values'.*Wrap the CNN"),
        (OfList, r"takes a list of images: give a list.*gives it list\(images\)"),
        (
            lambda: Net(channels_last, conv=conv()),
            r"takes the channels last: .*gives it images\.movedim\(1, -1\)",
        ),
        (lambda: Net(as_half, **FLOAT_HEAD), r"precision that its weights have not"),
        (lambda: nn.Conv1d(2, 4, 3), r"It takes \[2, 1024\]: set input_shape .*length\]"),
        (lambda: nn.Conv3d(1, 4, 3), r"It takes \[1, 32, 32, 32\]: .*depth, height, width\]"),
        (lambda: nn.Linear(240, 4), r"It takes \[240\]: set input_shape .*\[channels\]"),
    ],
)
def test_what_no_image_can_be_given_to_is_told_with_what_to_do(make, message):
    with pytest.raises(InputError, match=message) as told:
        subject_of(make())
    if "It takes" not in message:
        assert "input_shape" not in str(told.value)
    if "It takes" not in message and "precision" not in message:
        with pytest.raises(InputError, match=message):
            prober.visualize(make(), "logits:0")


def test_a_cnn_of_more_dimensions_is_not_taken_for_one_of_a_dictionary():
    with pytest.raises(InputError) as told:
        subject_of(Net(of_frames, conv=conv()))
    said = r"rejects an input .*: too many indices .* shape that it rejects, set input_shape"
    assert re.search(said, str(told.value))


@pytest.mark.parametrize(
    ("prepare", "said"),
    [
        (lambda x: x / 255, "divides its input by 255"),
        (lambda x: x.permute(0, 1, 3, 2).float().div_(255.0), "divides its input by 255"),
        (lambda x: (x - 0.5) * (1 / 255), "divides its input by 255"),
        (lambda x: x.to(torch.uint8).float() / 255, "makes bytes of its input, and whole numbers"),
        (lambda x: x / 256 + 255, None),
        (lambda x: x, None),
    ],
)
def test_what_divides_by_255_is_told_to_be_given_bytes(prepare, said):
    def run(net, x):
        return net.conv(prepare(x)).mean((2, 3)) / 255  # which is no input any more

    cnn = Net(run, conv=conv())
    subject = subject_of(cnn)
    found = [note for note in subject.notes if "255" in note]
    assert len(found) == (said is not None)
    if said:
        assert said in found[0] and "set value_range to [0, 255]" in found[0]
    right = Subject(cnn, input_shape=(3, 8, 8), value_range=(0, 255))
    assert any("255" in note for note in right.notes) == (said is not None and "makes" in said)


@pytest.mark.parametrize("channels", [1, 2, 5])
def test_images_of_any_number_of_channels(channels):
    cnn = nn.Conv2d(channels, 2, 3)
    subject = Subject(
        cnn, input_shape=(channels, 8, 8), mean=[0.1] * channels, std=[0.5] * channels
    )
    images = torch.rand(2, channels, 8, 8)
    expected = cnn((images - 0.1) / 0.5)
    torch.testing.assert_close(subject(images, ["logits"])["logits"], expected)


def shut(net, x):
    with torch.no_grad():
        x = net.conv(x)
    return net.head(x)


def test_a_unit_that_no_gradient_reaches_is_dead_though_penalties_move_the_image():
    cnn = Net(lambda net, x: (net.conv(x) - 1000).relu().mean((2, 3)), conv=conv())
    visualization = prober.visualize(cnn, "logits:0", input_shape=(3, 8, 8), steps=5)
    assert visualization.record["dead"]
    assert visualization.record["score_end"] == visualization.record["score_start"] == 0


def dark(net, x):
    return net.head(net.conv(x).detach() if x.mean() < 0.1 else net.conv(x))


class Sign(torch.autograd.Function):
    """Forward the sign; how the gradient goes back, the classes below say."""

    @staticmethod
    def forward(ctx, x):
        return x.sign()

    @staticmethod
    def backward(ctx, gradient):
        return None


class StraightThrough(Sign):
    @staticmethod
    def backward(ctx, gradient):
        return gradient


class Nothing(Sign):
    @staticmethod
    def backward(ctx, gradient):
        return torch.zeros_like(gradient)


def between(change):
    """A CNN that changes the maps on their way from one convolution to the next."""

    def run(net, x):
        return net.head(change(net.conv(x)))

    return run


AFTER = r"in the forward pass of Net, after 'conv' and before 'head'"
CUTS = {
    "no_grad": (shut, r"at 'conv', which runs with gradients switched off", {"conv", "head"}),
    "detach": (between(torch.Tensor.detach), AFTER, {"head"}),
    "data": (between(lambda x: x.data), AFTER, {"head"}),
    "NumPy": (between(lambda x: torch.from_numpy(x.detach().numpy())), AFTER, {"head"}),
    "list": (between(lambda x: torch.tensor(x.tolist())), AFTER, {"head"}),
    "integer": (between(lambda x: x.long().float()), AFTER, {"head"}),
    "argmax": (
        between(lambda x: F.one_hot(x.argmax(1), 4).movedim(3, 1).float()),
        AFTER,
        {"head"},
    ),
    "mask": (between(lambda x: (x > 0).float()), AFTER, {"head"}),
    "rounding": (between(torch.round), AFTER, {"head"}),
    "whole steps": (between(lambda x: x // 0.1), AFTER, {"head"}),
    "rounded quotient": (
        between(lambda x: torch.div(x, 2, rounding_mode="floor")),
        AFTER,
        {"head"},
    ),
    "sign": (between(torch.sign), AFTER, {"head"}),
    "backward without a gradient": (between(Sign.apply), AFTER, {"head"}),
    "backward of zeros": (between(Nothing.apply), AFTER, {"head"}),
    "input": (lambda net, x: net.head(net.conv(x.detach())), r"in .* Net", {"conv", "head"}),
    "a module": (lambda net, x: net.head(net.hard(net.conv(x))), r"in 'hard' \(Hard\)", {"head"}),
    "in between": (between(lambda x: x + (x.round() - x).detach()), None, set()),
    "straight through": (between(StraightThrough.apply), None, set()),
    "shut ReLU": (between(lambda x: (x - 1000).relu()), None, set()),
    "a part": (between(lambda x: torch.cat([x[:, :2].detach(), x[:, 2:]], 1)), None, set()),
    "some starts": (dark, None, set()),
    "in place": (between(lambda x: x.relu_().mul_(2)), None, set()),
}
"""For each way that a gradient may go: the forward pass, where it ends, and what it leaves out."""


class Hard(nn.Module):
    def forward(self, x):
        return x.sign()


def test_of_several_calls_that_counts_from_which_a_gradient_leads_back():
    def twice(net, x):
        maps = net.conv(x)
        with torch.no_grad():
            return maps + net.conv(1 - x)

    for forward, call in ((twice, 0), (lambda net, x: twice(net, x) + net.conv(x.flip(3)), 2)):
        subject = subject_of(Net(forward, conv=conv()))
        assert "conv@1" in subject.listing.cut and "conv" in subject.layers
        outputs = subject(IMAGES, ["conv", f"conv@{call}"])
        assert torch.equal(outputs["conv"], outputs[f"conv@{call}"])


def test_a_forward_pass_that_leaves_gradients_switched_off_is_told():
    def off(net, x):
        torch.set_grad_enabled(False)
        return net.conv(x)

    with torch.enable_grad():
        subject = subject_of(Net(off, conv=conv()))
    why = "ends in the forward pass of Net, which runs with gradients switched off"
    assert subject.listing.cut == ["conv", "logits"]
    assert why in subject.listing.unprobed["conv"]


@pytest.mark.parametrize("way", CUTS)
def test_layers_from_which_no_gradient_leads_back_are_told_with_where_it_ends(way):
    run, where, cut = CUTS[way]
    parts = {"hard": Hard} if way == "a module" else {}
    cnn = Net(run, conv=conv(), head=lambda: nn.Conv2d(4, 2, 1), **parts)
    subject = subject_of(cnn)
    cut = cut | {"logits"} if cut else cut
    assert set(subject.listing.cut) - {"hard"} == cut
    assert not set(subject.layers) & cut
    for layer in cut:
        why = rf"no gradient leads .* it ends {where}"
        if way == "backward of zeros":
            why = rf"the gradient is zero: a function with a backward of its own .* {where}"
        assert re.search(why, subject.listing.unprobed[layer])
        with pytest.raises(InputError, match=rf"'{layer}' .* cannot be probed: {why}"):
            single_target(subject, ChannelMean(layer, 1), seed=0)
        with pytest.raises(InputError, match=why):
            prober.visualize(subject, f"{layer}:1", steps=1)
        # What it gives can be had all the same.
        torch.testing.assert_close(subject(IMAGES, [layer])[layer], plainly(cnn, layer))


def plainly(cnn, layer):
    kept = {}
    modules = {name: module for name, module in cnn.named_modules() if name}
    with watched(modules, lambda name, _, given: kept.setdefault(name, given)):
        kept["logits"] = cnn(IMAGES)
    return kept[layer]
