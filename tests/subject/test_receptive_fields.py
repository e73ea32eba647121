import pytest
import torch
from torch import nn
from torch.nn import functional as F

from prober.subject import Subject
from prober.subject.receptive_fields import pixels_seen, receptive_fields
from tests import plain


def fields_by_nan(subject):
    """What each layer's neurons see, found by poking: a pixel that is no number spreads.

    In float64, where convolutions are computed without tricks that would spread it further.
    """
    subject = subject.double()
    sizes = {name: [] for name in subject.listing.measured}
    for axis in (0, 1):
        side = subject.input_shape[1 + axis]
        pokes = torch.full((side, *subject.input_shape), 0.5, dtype=torch.float64)
        for i in range(side):
            pokes[i].select(1 + axis, i).fill_(float("nan"))
        with torch.no_grad():
            outputs = subject(pokes, list(subject.listing.measured))
        for name, output in outputs.items():
            for dim in range(2, output.dim()):
                places = output.shape[dim]
                output = output.narrow(dim, places // 4, places - 2 * (places // 4))
            seen = output.isnan().flatten(1)  # [pixel lines, neurons]
            first = seen.long().argmax(0)
            last = side - 1 - seen.long().flip(0).argmax(0)
            sizes[name].append(int(torch.where(seen.any(0), last - first + 1, 0).max()))
    return {name: tuple(size) for name, size in sizes.items()}


def test_reference_cnn():
    # Each convolution adds 2 of its steps, each pooling 1; steps double at each pooling.
    assert receptive_fields(plain.subject()) == {
        "conv1": (3, 3),
        "relu1": (3, 3),
        "pool1": (4, 4),
        "conv2": (8, 8),
        "relu2": (8, 8),
        "pool2": (10, 10),
        "conv3": (18, 18),
        "relu3": (18, 18),
        "pool3": (22, 22),
        "classifier": (28, 28),
        "logits": (28, 28),
    }


class Lambda(nn.Module):
    """Any function as a layer."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


class Residual(nn.Module):
    def __init__(self, *layers, join=torch.add):
        super().__init__()
        self.body = nn.Sequential(*layers)
        self.join = join

    def forward(self, x):
        return self.join(self.body(x), x)


class SqueezeExcitation(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Conv2d(4, 4, 1)

    def forward(self, x):
        return x * torch.sigmoid(self.fc(x.mean((2, 3), keepdim=True)))


class Attention(nn.Module):
    def __init__(self, **kwargs):
        super().__init__()
        self.attention = nn.MultiheadAttention(4, 2, batch_first=True)
        self.kwargs = kwargs

    def forward(self, x):
        tokens = x.flatten(2).transpose(1, 2)
        tokens = tokens + self.attention(tokens, tokens, tokens, **self.kwargs)[0]
        return tokens.transpose(1, 2).view_as(x)


class Windows(nn.Module):
    """Attention within windows of 4x4 positions, moved by 2 (Swin)."""

    def __init__(self, shift=0):
        super().__init__()
        self.shift = shift

    def forward(self, x):
        x = torch.roll(x, (-self.shift, -self.shift), (2, 3))
        n, c, h, w = x.shape
        rows = x.view(n, c, h // 4, 4, w // 4, 4).permute(0, 2, 4, 3, 5, 1).reshape(-1, 16, c)
        rows = F.scaled_dot_product_attention(rows, rows, rows)
        x = rows.view(n, h // 4, w // 4, 4, 4, c).permute(0, 5, 1, 3, 2, 4).reshape(n, c, h, w)
        return torch.roll(x, (self.shift, self.shift), (2, 3))


class Written(nn.Module):
    """Writes two results into places of an empty map."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(4, 2, 5, padding=2)

    def forward(self, x):
        out = torch.zeros_like(x)
        out[:, :2] = self.conv(x)
        out[:, 2:].copy_(x[:, :2])
        return out.mul_(2)


class ClassToken(nn.Module):
    def __init__(self):
        super().__init__()
        self.token = nn.Parameter(torch.rand(1, 1, 4))

    def forward(self, x):
        tokens = x.flatten(2).transpose(1, 2)
        return torch.cat([self.token.expand(len(x), -1, -1), tokens], 1).transpose(1, 2)[..., None]


def conv(kernel=3, *args, **kwargs):
    return nn.Conv2d(4, 4, kernel, *args, **kwargs)


NETS = {
    "plain": [conv(), nn.ReLU(), conv(5, padding=2), conv(1)],
    "uneven": [conv((1, 5)), conv((3, 1), padding=(1, 0)), conv((2, 4), (1, 2))],
    "strided": [conv(3, 2, 1), conv(3, 2, 1), conv(3, padding=1)],
    "dilated": [
        conv(3, dilation=3, padding=3),
        conv(3, dilation=2),
        nn.MaxPool2d(2, 1, dilation=2),
    ],
    "grouped": [conv(3, padding=1, groups=2), conv(5, padding=2, groups=4), nn.ChannelShuffle(2)],
    "groups apart": [
        Residual(conv(7, padding=3), join=lambda a, b: torch.cat([a[:, :2], b[:, 2:]], 1)),
        conv(3, padding=1, groups=4),
        Lambda(lambda x: x[:, 2:]),
    ],
    "transposed": [
        conv(3, 2, 1),
        nn.ConvTranspose2d(4, 4, 3, 2, 1, output_padding=1),
        nn.ConvTranspose2d(4, 4, 4, 2, padding=1, groups=2),
        nn.ConvTranspose2d(4, 4, 3, dilation=2),
    ],
    "transposed and cropped": [conv(5, 3), nn.ConvTranspose2d(4, 4, 2, 3, padding=2)],
    "padded around": [conv(3, padding=1, padding_mode="circular"), conv(3, padding=1)],
    "padded by reflection": [conv(3, padding=1, padding_mode="reflect"), nn.ReplicationPad2d(2)],
    "residual": [Residual(conv(3, padding=1), nn.ReLU(inplace=True)), nn.ReLU(inplace=True)],
    "dense": [
        Residual(conv(3, padding=1), join=lambda *both: torch.cat(both, 1)),
        Residual(nn.Conv2d(8, 2, 5, padding=2), join=lambda *both: torch.cat(both, 1)),
        nn.Conv2d(10, 3, 1),
    ],
    "squeeze-excitation": [conv(3, padding=1), SqueezeExcitation(), conv(3, padding=1)],
    "batch norm": [conv(3, padding=1), nn.BatchNorm2d(4), nn.PReLU(4), nn.Dropout(), conv()],
    "instance norm": [conv(3, padding=1), nn.InstanceNorm2d(4)],
    "group norm": [conv(3, padding=1), nn.GroupNorm(2, 4)],
    "layer norm of the channels": [
        conv(3, padding=1),
        Lambda(lambda x: F.layer_norm(x.permute(0, 2, 3, 1), (4,)).permute(0, 3, 1, 2)),
        Lambda(lambda x: F.normalize(x, dim=1)),
        nn.LocalResponseNorm(3),
    ],
    "mean square of the channels": [
        conv(3, padding=1),
        Lambda(lambda x: F.rms_norm(x.movedim(1, 3), (4,)).movedim(3, 1)),
    ],
    "linear on the channels": [conv(), Lambda(lambda x: F.linear(x.mT.mT.movedim(1, 3), WEIGHT))],
    "pooling": [
        nn.MaxPool2d(3, 2, 1),
        nn.AvgPool2d(3, 1, 1),
        nn.LPPool2d(2, 2, 1),
        nn.MaxPool2d(2, ceil_mode=True),
    ],
    "pooling to bins": [nn.AdaptiveAvgPool2d((5, 3)), nn.AdaptiveMaxPool2d(2)],
    "pooling to one": [conv(), nn.AdaptiveAvgPool2d(1), nn.Flatten()],
    "maximum of the map": [conv(), Lambda(lambda x: x.amax((2, 3)))],
    "flat": [conv(3, 2), nn.Flatten(), nn.Linear(4 * 7 * 7, 5), nn.Softmax(1)],
    "larger": [
        nn.MaxPool2d(2),
        nn.Upsample(scale_factor=2),
        nn.MaxPool2d(4),
        nn.Upsample(scale_factor=(2, 4), mode="bilinear"),
    ],
    "shuffled": [conv(), nn.PixelUnshuffle(2), nn.Conv2d(16, 16, 3, padding=1), nn.PixelShuffle(2)],
    "unfolded": [
        Lambda(lambda x: F.unfold(x, 3, padding=1).unflatten(2, (16, 16))),
        nn.Conv2d(36, 2, 3),
    ],
    "attention": [conv(4, 4), Attention()],
    "attention without weights": [conv(4, 4), Attention(need_weights=False)],
    "transformer": [
        conv(4, 4),
        Lambda(lambda x: x.flatten(2).transpose(1, 2)),
        nn.TransformerEncoderLayer(4, 2, 8, batch_first=True),
        Lambda(lambda x: x[:, 0]),
    ],
    "windows": [Windows(), conv(1), Windows(2)],
    "class token": [conv(4, 4), ClassToken()],
    "written in place": [Written(), nn.ReLU(inplace=True), Written()],
    "gated": [conv(3, padding=1), nn.GLU(1)],
    "picked": [
        conv(3, padding=1),
        Lambda(lambda x: x[:, torch.tensor([3, 1])]),
        Lambda(lambda x: x.flip(1).repeat(1, 2, 1, 1)),
        Lambda(lambda x: torch.einsum("nchw,cd->ndhw", x, WEIGHT)),
    ],
    "batch of rows": [conv(), Lambda(lambda x: torch.stack([x, x * 2], 2).flatten(1, 2))],
    "sees nothing": [conv(), Lambda(lambda x: torch.ones_like(x))],
}
if not hasattr(F, "rms_norm"):  # which PyTorch has from 2.4 on
    del NETS["mean square of the channels"]
WEIGHT = torch.rand(4, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def subject_of(layers, side=16):
    torch.manual_seed(0)
    for layer in layers:  # functions of the table take their weight in the subject's precision
        if isinstance(layer, Lambda):
            layer.function = in_the_precision_of_its_input(layer.function)
    return Subject(nn.Sequential(*layers), input_shape=(4, side, side))


def in_the_precision_of_its_input(function):
    return lambda x: function(x.double()).to(x.dtype)


@pytest.mark.parametrize("net", NETS)
def test_are_the_pixels_from_which_no_number_spreads(net):
    subject = subject_of(NETS[net])
    expected = fields_by_nan(subject)
    if net == "sees nothing":
        assert expected["1"] == (0, 0)
    else:
        assert min(expected["0"]) > 0
    assert receptive_fields(subject) == expected


PLACES = {
    "the largest": (lambda x: x.gather(3, x.mean(2, True).argmax(3, True).expand_as(x)), (16, 16)),
    "in their order": (lambda x: x.gather(2, x.argsort(2)), (16, 3)),
    "through a mask": (lambda x: x.masked_fill(x > 0.5, 0), (3, 3)),
    "into a mask": (lambda x: x.index_put((x > 0.5,), torch.zeros(()).to(x)), (3, 3)),
    "one of several": (lambda x: F.one_hot(x.argmax(3), 16).to(x), None),
    "by chance": (lambda x: x.flatten(2)[..., x[0, 0, 0].softmax(0).multinomial(3)], None),
}
"""What the image tells where it goes: what a neuron then sees of it, None if it is not known."""


@pytest.mark.parametrize("way", PLACES)
def test_where_a_value_comes_from_counts_as_much_as_the_value(way):
    function, expected = PLACES[way]
    subject = subject_of([conv(padding=1), Lambda(function)])
    assert receptive_fields(subject)["1"] == expected


NOT_BY_NUMBER = {"GLU", "LogSoftmax", "MultiheadAttention", "Softmax", "Softmax2d", "Softmin"}


@pytest.mark.parametrize(
    "activation", sorted(set(nn.modules.activation.__all__) - NOT_BY_NUMBER - {"Threshold"})
)
def test_activations_leave_it_as_it_is(activation):
    layer = getattr(nn, activation)()
    subject = Subject(nn.Sequential(conv((3, 5)), layer), input_shape=(4, 16, 16))
    assert receptive_fields(subject)["1"] == (3, 5)


class Basic(nn.Module):
    """The basic block of He et al., "Deep Residual Learning" (2016)."""

    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.shortcut = nn.Conv2d(inputs, outputs, 1, stride)

    def forward(self, x):
        y = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        return self.relu(y.add_(self.shortcut(x)))


class Bottleneck(nn.Module):
    """The bottleneck block, its stride in the middle."""

    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, 2, 1)
        self.conv2 = nn.Conv2d(2, 2, 3, stride, 1)
        self.conv3 = nn.Conv2d(2, outputs, 1)
        self.shortcut = nn.Conv2d(inputs, outputs, 1, stride)

    def forward(self, x):
        y = self.conv3(self.conv2(self.conv1(x).relu()).relu())
        return (y + self.shortcut(x)).relu()


def resnet(block, numbers, strides):
    layers = [nn.Conv2d(3, 4, 7, 2, 3), nn.MaxPool2d(3, 2, 1)]
    for stage, number in enumerate(numbers):
        layers.append(nn.Sequential(*(block(4, 4, strides(stage, i)) for i in range(number))))
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2))


def stride_first(stage, i):
    return 2 if stage and i == 0 else 1


def mobilenet():
    strides = [1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1]
    blocks = [
        part
        for stride in strides
        for part in (nn.Conv2d(4, 4, 3, stride, 1, groups=4), nn.Conv2d(4, 4, 1))
    ]
    return nn.Sequential(nn.Conv2d(3, 4, 3, 2, 1), *blocks)


def vgg16():
    layers, inputs = [], 3
    for number in (2, 2, 3, 3, 3):
        for _ in range(number):
            layers.append(nn.Conv2d(inputs, 4, 3, padding=1))
            inputs = 4
        layers.append(nn.MaxPool2d(2))
    return nn.Sequential(*layers)


def alexnet():
    return nn.Sequential(
        nn.Conv2d(3, 4, 11, 4),
        nn.MaxPool2d(3, 2),
        nn.Conv2d(4, 4, 5, padding=2),
        nn.MaxPool2d(3, 2),
        *(nn.Conv2d(4, 4, 3, padding=1) for _ in range(3)),
        nn.MaxPool2d(3, 2),
    )


@pytest.mark.parametrize(
    ("cnn", "side", "layer", "published"),
    [
        # Araujo, Norris and Sim (2019), the table of receptive fields of modern networks.
        (alexnet, 320, "7", 195),
        (vgg16, 320, "17", 212),
        (mobilenet, 416, "26", 315),
        # Its ResNet-50 has the stride in the last block of a stage, PyTorch's in the first.
        (
            lambda: resnet(
                Bottleneck,
                (3, 4, 6, 3),
                lambda stage, i: 2 if stage < 3 and i == (3, 4, 6)[stage] - 1 else 1,
            ),
            608,
            "5",
            483,
        ),
    ],
)
def test_published_sizes(cnn, side, layer, published):
    torch.manual_seed(0)
    subject = Subject(cnn(), input_shape=(3, side, side))
    assert receptive_fields(subject)[layer] == (published, published)


def test_resnet18_layer_by_layer():
    torch.manual_seed(0)
    cnn = resnet(Basic, (2, 2, 2, 2), stride_first)
    fields = receptive_fields(Subject(cnn, input_shape=(3, 512, 512)))
    # By hand: each 3x3 convolution adds 2 steps of the map that it reads.
    size, step, expected = 7 + 2 * 2, 4, {"0": 7, "1": 11}
    for stage in range(4):
        for block in range(2):
            size += 2 * step
            step *= stride_first(stage, block)
            expected[f"{stage + 2}.{block}.conv1"] = size
            size += 2 * step
            expected[f"{stage + 2}.{block}"] = size
    assert expected["5.1"] == 435
    assert {name: fields[name] for name in expected} == {
        name: (size, size) for name, size in expected.items()
    }
    assert fields["6"] == fields["logits"] == (512, 512)
    # On a smaller image the same layer sees all of it.
    assert receptive_fields(Subject(cnn, input_shape=(3, 224, 224)))["5"] == (224, 224)


class Fourier(nn.Module):
    """Mixes all positions by a Fourier transform, read as pairs of real numbers."""

    def forward(self, x):
        return torch.view_as_real(torch.fft.fft2(x))[..., 0]


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(4, 3, batch_first=True)

    def forward(self, x):
        return self.lstm(x.flatten(2).transpose(1, 2))[0][:, -1]


@pytest.mark.parametrize("layer", [Fourier(), Recurrent()])
def test_of_an_operation_that_is_not_known_is_unknown(layer):
    subject = Subject(nn.Sequential(conv(), layer), input_shape=(4, 8, 8))
    fields = receptive_fields(subject)
    assert fields["0"] == (3, 3)
    assert fields["1"] is None
    assert fields["logits"] is None


@pytest.mark.parametrize("layer", [nn.ReLU(inplace=True), Lambda(lambda x: x.mul_(2).add_(x))])
def test_how_the_weights_lie_in_memory_makes_no_difference(layer):
    cnn = nn.Sequential(conv(), layer, nn.MaxPool2d(2), conv())
    subject = Subject(cnn, input_shape=(4, 16, 16))
    before = receptive_fields(subject)
    assert before["3"] == (8, 8)
    subject.lay_out_channels_last()
    assert receptive_fields(subject) == before


def test_every_neuron_s_pixels_are_those_that_it_takes():
    cnn = nn.Sequential(nn.Conv2d(1, 2, 3, stride=2, padding=1), nn.ReLU(), nn.MaxPool2d(2))
    subject = Subject(cnn, input_shape=(1, 16, 12))
    seen = pixels_seen(subject, "2")
    assert seen.shape == (4, 4, 3)
    for h in range(4):
        for w in range(3):
            # Row n of the convolution sees 2 n - 1 to 2 n + 1, of the pooling rows 2 n and 2 n + 1.
            rows = max(0, 4 * h - 1), min(16, 4 * h + 4)
            columns = max(0, 4 * w - 1), min(12, 4 * w + 4)
            assert seen[:, h, w].tolist() == [*rows, *columns]


def test_channels_that_see_different_pixels_see_those_of_both():
    moved = Lambda(lambda x: torch.cat([x, x.roll((3, -2), (2, 3))], 1))
    subject = Subject(nn.Sequential(moved), input_shape=(1, 9, 9))
    assert receptive_fields(subject)["0"] == (1, 1)
    assert pixels_seen(subject, "0")[:, 4, 4].tolist() == [1, 5, 4, 7]


def test_where_it_is_unknown_every_pixel_may_be_seen():
    subject = Subject(nn.Sequential(conv(), Fourier()), input_shape=(4, 8, 6))
    assert (pixels_seen(subject, "1") == torch.tensor([0, 8, 0, 6])[:, None, None]).all()
    assert pixels_seen(subject, "0")[:, 4, 3].tolist() == [4, 7, 3, 6]  # without padding


def test_no_pixel_is_seen_by_what_does_not_depend_on_the_image():
    subject = Subject(nn.Sequential(Lambda(torch.zeros_like), conv()), input_shape=(4, 8, 8))
    for layer in ("0", "1"):
        assert not pixels_seen(subject, layer).any()
    # ... and only some neurons may not.
    half = Lambda(lambda x: torch.cat([x[:, :, :4], torch.ones_like(x[:, :, 4:])], 2))
    seen = pixels_seen(Subject(nn.Sequential(half), input_shape=(4, 8, 8)), "0")
    assert seen[:, 3, 5].tolist() == [3, 4, 5, 6]
    assert not seen[:, 4:].any()


def test_subject_is_as_before():
    subject = plain.subject()
    before = subject.hash_weights()
    receptive_fields(subject)
    assert subject.hash_weights() == before
    images = torch.rand(2, 3, 28, 28)
    torch.testing.assert_close(
        subject(images, ["logits"])["logits"], plain.outputs(images)["logits"]
    )


class Sparse(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)

    def forward(self, x):
        return self.conv(x).to_sparse()


def test_what_a_sparse_output_sees_is_unknown_and_what_lies_before_is_known():
    subject = Subject(Sparse(), input_shape=(3, 12, 12))
    assert pixels_seen(subject, "conv")[:, 2, 3].tolist() == [2, 5, 3, 6]
    fields = receptive_fields(subject)
    assert fields["conv"] == (3, 3) and fields["logits"] is None
