import math

import pytest
import torch
from torch import nn

from prober.subject import Subject
from prober.subject.crops import crop_of

torch.manual_seed(0)
conv, relu, pool = nn.Conv2d, nn.ReLU, nn.MaxPool2d


class UpAndDown(nn.Module):
    """Goes down and up again, beside what stays, so that sides have to be even."""

    def __init__(self):
        super().__init__()
        self.down = conv(4, 4, 3, 2, padding=1)
        self.up = nn.ConvTranspose2d(4, 4, 2, 2)
        self.last = conv(8, 3, 3, padding=1)

    def forward(self, x):
        return self.last(torch.cat([x, self.up(self.down(x).relu())], 1))


class Residual(nn.Module):
    def __init__(self):
        super().__init__()
        self.one, self.other = conv(4, 4, 3, padding=1), conv(4, 4, 3, padding=1)

    def forward(self, x):
        return x + self.other(self.one(x).relu())


class Gate(nn.Module):
    """Squeeze-excitation: each channel by the mean of all."""

    def forward(self, x):
        return x * x.mean((2, 3), keepdim=True).sigmoid()


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.heads = nn.MultiheadAttention(4, 2, batch_first=True)

    def forward(self, x):
        tokens = x.flatten(2).transpose(1, 2)
        return self.heads(tokens, tokens, tokens)[0].transpose(1, 2).view_as(x)


class Exposure(nn.Module):
    """Answers otherwise to images that are on the whole bright, dark, or both black and white."""

    def __init__(self, of):
        super().__init__()
        self.of = of

    def forward(self, x):
        return x + self.of(x.mean((1, 2, 3), keepdim=True), x.std((1, 2, 3), keepdim=True))


class OneSize(nn.Module):
    """Takes nothing else than what it was made for."""

    def forward(self, x):
        if x.shape[2:] != (23, 25):
            raise ValueError("23 x 25, please")
        return x


LOCAL = {
    "plain": [conv(3, 4, 5), relu(), pool(2), conv(4, 4, 3)],
    "padding": [conv(3, 4, 5, padding=2), relu(), pool(2), conv(4, 4, 3, padding=1)],
    "reflection": [conv(3, 4, 3, padding=1, padding_mode="reflect"), relu(), conv(4, 4, 3)],
    "padded by a module": [nn.ZeroPad2d((1, 2, 0, 1)), conv(3, 4, 4), relu(), conv(4, 4, 3)],
    "dilation": [conv(3, 4, 3, padding=2, dilation=2), relu(), conv(4, 4, 3, dilation=3)],
    "groups": [conv(3, 4, 3, padding=1), relu(), conv(4, 4, 3, padding=1, groups=4)],
    "strides that do not divide": [
        *(conv(3, 4, 3, 2, padding=1), relu(), pool(3, 2, 1), conv(4, 4, 3, 3, padding=1)),
    ],
    "larger strides than kernels": [conv(3, 4, 2, 3), relu(), conv(4, 4, 3, padding=1)],
    "kernels of two sides": [
        conv(3, 4, (1, 5), (1, 2), padding=(0, 2)),
        relu(),
        conv(4, 4, (3, 1)),
    ],
    "ceil": [conv(3, 4, 3), nn.AvgPool2d(2, ceil_mode=True), conv(4, 4, 3, padding=1)],
    "transposed": [conv(3, 4, 3, 2, padding=1), relu(), nn.ConvTranspose2d(4, 4, 3, 2, 1, 1)],
    "up and down": [conv(3, 4, 3, padding=1), UpAndDown()],
    "residual": [conv(3, 4, 3, 2), nn.BatchNorm2d(4), relu(), Residual()],
}
"""CNNs whose neurons see a part of the image."""

GLOBAL = {
    "squeeze-excitation": [conv(3, 4, 3, padding=1), Gate(), conv(4, 4, 3)],
    "attention": [conv(3, 4, 4, 2), Attention()],
    "group normalization": [conv(3, 4, 3, padding=1), nn.GroupNorm(2, 4), conv(4, 4, 3)],
    "global pooling": [conv(3, 4, 3), nn.AdaptiveAvgPool2d(1), conv(4, 4, 1)],
    "bright images": [Exposure(lambda mean, _: (mean - 0.7).relu()), conv(3, 4, 3)],
    "dark images": [Exposure(lambda mean, _: (0.3 - mean).relu()), conv(3, 4, 3)],
    "images of much contrast": [Exposure(lambda _, std: (std - 0.4).relu()), conv(3, 4, 3)],
    "one size only": [conv(3, 4, 4), OneSize()],
    "resized": [conv(3, 4, 3), nn.Upsample((16, 16), mode="bilinear"), conv(4, 4, 1)],
}
"""CNNs whose neurons see all of it, or see otherwise if it is smaller."""

SHAPE = (3, 26, 28)


def subject_of(parts):
    return Subject(nn.Sequential(*parts), input_shape=SHAPE)


def neurons(shape):
    """The neurons of the corners, next to them, and in the middle."""
    rows, columns = ({0, 1, side // 2, side - 2, side - 1} for side in shape[1:])
    return [(h, w) for h in rows for w in columns if h in range(shape[1]) and w in range(shape[2])]


@pytest.mark.parametrize("parts", LOCAL.values(), ids=LOCAL)
def test_a_crop_gives_a_neuron_and_the_image_what_the_whole_image_gives(parts):
    subject = subject_of(parts)
    layer = str(len(parts) - 1)
    images = torch.rand(3, *SHAPE, generator=torch.Generator().manual_seed(7)).requires_grad_()
    whole = subject(images, [layer])[layer]
    for h, w in neurons(whole.shape[1:]):
        crop = crop_of(subject, layer, (h, w), range(whole.shape[1]))
        assert crop is not None
        assert math.prod(crop.size) < 0.6 * math.prod(SHAPE[1:])
        own = crop.outputs(subject, crop.of(images), layer)[..., *crop.neuron]
        gradients = [
            torch.autograd.grad(found.sum(), images, retain_graph=True)[0]
            for found in (own, whole[..., h, w])
        ]
        largest = whole.abs().max().item()
        torch.testing.assert_close(own, whole[..., h, w], rtol=0, atol=1e-6 * largest)
        torch.testing.assert_close(*gradients, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("parts", GLOBAL.values(), ids=GLOBAL)
def test_where_no_crop_gives_the_same_there_is_none(parts):
    subject = subject_of(parts)
    layer = str(len(parts) - 1)
    shape = subject.layers[layer].shape
    assert all(crop_of(subject, layer, each, range(shape[0])) is None for each in neurons(shape))


def test_a_crop_of_the_reference_cnn_is_exact_in_every_layer_with_maps():
    subject = Subject()
    images = torch.rand(4, 3, 28, 28, generator=torch.Generator().manual_seed(1))
    sizes = {}
    for layer in ("conv1", "conv2", "conv3"):
        channels, h, w = (side // 2 for side in subject.layers[layer].shape)
        crop = crop_of(subject, layer, (h, w), [channels])
        own = crop.outputs(subject, crop.of(images), layer, [channels])[:, 0, *crop.neuron]
        whole = subject(images, [layer], [channels])[layer][:, 0, h, w]
        torch.testing.assert_close(own, whole, rtol=1e-6, atol=1e-6)
        sizes[layer] = crop.size
    assert sizes == {"conv1": (3, 3), "conv2": (8, 8), "conv3": (18, 18)}


@pytest.mark.parametrize(("layer", "neuron"), [("conv2", (7, 7)), ("conv3", (3, 3))])
def test_in_float64_a_crop_gives_the_same_bits_or_there_is_none(layer, neuron):
    subject = Subject().double()
    crop = crop_of(subject, layer, neuron, [5])
    assert crop is None or crop.size != (28, 28)
    x = torch.rand(1, 3, 28, 28, dtype=torch.float64, requires_grad=True)
    whole = subject(x, [layer], [5])[layer][0, 0, *neuron]
    own = (
        whole if crop is None else crop.outputs(subject, crop.of(x), layer, [5])[0, 0, *crop.neuron]
    )
    assert torch.equal(own, whole)
    assert torch.equal(*(torch.autograd.grad(y, x, retain_graph=True)[0] for y in (own, whole)))


def test_what_pads_is_put_back():
    subject = Subject()
    images = torch.rand(1, 3, 28, 28)
    before = subject(images, ["conv3"])["conv3"]
    crop = crop_of(subject, "conv3", (3, 3), [0])
    assert not crop.padded
    with pytest.raises(RuntimeError):
        crop.outputs(subject, images[..., :4, :4], "conv3")  # too small for it
    assert torch.equal(subject(images, ["conv3"])["conv3"], before)


class Off(nn.Module):
    """A mean over 3 x 3 that only what is brighter than noise passes, beside what always does."""

    def __init__(self, beside):
        super().__init__()
        self.beside = conv(3, 1, 1) if beside else None
        self.mean = conv(3, 1, 3, padding=1)
        with torch.no_grad():
            self.mean.weight.fill_(1 / 27)
            self.mean.bias.fill_(-0.7)

    def forward(self, x):
        found = self.mean(x).relu()
        return found if self.beside is None else found + self.beside(x)


class Faint(nn.Module):
    """A channel that knows where it is, beside a stronger one that does not."""

    def __init__(self):
        super().__init__()
        self.place = nn.Parameter(torch.rand(*SHAPE[1:]))

    def forward(self, x):
        own = x[:, :1] + self.place[: x.shape[2], : x.shape[3]]
        return torch.cat([1e4 * x[:, 1:], own], 1)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("parts", [[Off(False)], [Off(True)], [conv(3, 3, 1), Faint()]])
def test_what_noise_does_not_show_is_right_all_the_same(parts, dtype):
    subject = subject_of(parts).to(dtype)
    layer = str(len(parts) - 1)
    white = torch.ones(1, *SHAPE, dtype=dtype)
    whole = subject(white, [layer])[layer]
    for h, w in neurons(whole.shape[1:]):
        for channel in range(whole.shape[1]):
            crop = crop_of(subject, layer, (h, w), [channel])
            if crop is None:
                continue
            own = crop.outputs(subject, crop.of(white), layer)[0, channel, *crop.neuron]
            torch.testing.assert_close(own, whole[0, channel, h, w], rtol=1e-6, atol=1e-5)
