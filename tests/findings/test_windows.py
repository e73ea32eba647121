"""Windows: where neurons look, worked out by hand."""

import pytest
import torch
from torch import nn

from prober.ascent.objectives import ChannelMean, Neuron
from prober.findings.units import Unit
from prober.findings.windows import Window, window_of
from prober.subject import Subject
from tests import plain

REFERENCE = {
    # conv1: 3 x 3 around the pixel. conv2's row 7 sees rows 6 to 8 of pool1, that is 12 to 17 of
    # conv1, that is pixels 11 to 18. conv3's row 3: 2 to 4 of pool2, 4 to 9 of conv2, 3 to 10 of
    # pool1, 6 to 21 of conv1, pixels 5 to 22.
    ("conv1", None): ((14, 14), 13, 3),
    ("conv2", None): ((7, 7), 11, 8),
    ("conv3", None): ((3, 3), 5, 18),
    ("conv3", (0, 0)): ((0, 0), 0, 10 + 1),
    ("conv2", (13, 13)): ((13, 13), 23, 5),
}


@pytest.mark.parametrize(("layer", "position"), REFERENCE)
def test_a_neuron_of_the_reference_cnn_looks_where_the_kernels_lead(layer, position):
    neuron, start, side = REFERENCE[layer, position]
    window = window_of(plain.subject(), layer, position)
    assert window.neuron == neuron
    assert (window.top, window.height) == (start, side)
    assert (window.left, window.width) == (start, side)


def test_a_flat_unit_looks_at_the_whole_image():
    window = window_of(plain.subject(), "logits", None)
    assert window == Window(None, 0, 0, 28, 28)
    assert window.objective(Unit("logits", 3)) == ChannelMean("logits", 3)


def test_a_window_s_objective_is_its_neuron():
    window = window_of(plain.subject(), "conv2", None)
    assert window.objective(Unit("conv2", 5)) == Neuron("conv2", 5, 7, 7)


def strided(*args, image=(1, 24, 18), **kwargs):
    """A CNN of one convolution."""
    cnn = nn.Sequential()
    cnn.add_module("conv", nn.Conv2d(image[0], 2, *args, **kwargs))
    return Subject(cnn, input_shape=image)


def test_stride_and_dilation_widen_the_field():
    # Kernel 3, dilation 2: five pixels, every second of them; neuron n starts at pixel 2 n.
    window = window_of(strided(3, stride=2, dilation=2), "conv", None)  # map 10 x 7
    assert (window.neuron, window.top, window.left) == ((5, 3), 10, 6)
    assert (window.height, window.width) == (5, 5)


def test_the_kernel_may_be_oblong():
    window = window_of(strided((1, 7), padding=(0, 3)), "conv", (2, 9))
    assert (window.top, window.height, window.left, window.width) == (2, 1, 6, 7)


@pytest.mark.parametrize(
    ("subject", "layer", "rows", "columns"),
    [
        # conv1 of 28: the first and last rows see the padding. conv2: row n sees 2 n - 3 to
        # 2 n + 4, so 2 to 11. conv3: 4 n - 7 to 4 n + 10, so 2 to 4.
        (plain.subject, "conv1", (1, 27), (1, 27)),
        (plain.subject, "conv2", (2, 12), (2, 12)),
        (plain.subject, "conv3", (2, 5), (2, 5)),
        # Without padding every neuron lies within the image.
        (lambda: strided(5), "conv", (0, 20), (0, 14)),
        # Padding 3 of a kernel of 3: row n sees n - 3 to n - 1.
        (lambda: strided(3, padding=3), "conv", (3, 25), (3, 19)),
        (lambda: strided(4, stride=4), "conv", (0, 6), (0, 4)),
    ],
    ids=["conv1", "conv2", "conv3", "no padding", "wide padding", "stride"],
)
def test_a_channel_s_neurons_count_that_see_no_padding(subject, layer, rows, columns):
    window = window_of(subject(), layer, None)
    assert (window.rows, window.columns) == (rows, columns)


def test_a_neuron_that_is_asked_for_counts_alone():
    window = window_of(plain.subject(), "conv2", (3, 9))
    assert (window.rows, window.columns) == ((3, 4), (9, 10))


@pytest.mark.parametrize("bias", [1.5, -4.5], ids=["seldom open", "open to no noise"])
def test_a_shut_relu_hides_no_field(bias):
    """Behind a ReLU only few images let a gradient through, or only a bar of white on black."""
    cnn = nn.Sequential(nn.Conv2d(1, 1, 5), nn.ReLU())
    with torch.no_grad():
        cnn[0].weight[:] = -0.5
        cnn[0].weight[..., 2] = 1
        cnn[0].bias.fill_(bias)
    window = window_of(Subject(cnn, input_shape=(1, 12, 12)), "1", None)
    assert (window.top, window.left, window.height, window.width) == (4, 4, 5, 5)


class HalfBlind(nn.Module):
    """Gives the same at the top, whatever it gets."""

    def forward(self, x):
        return torch.cat([torch.zeros_like(x[:, :, :4]), x[:, :, 4:]], 2)


def test_nothing_seen_is_the_whole_image():
    window = window_of(Subject(nn.Sequential(HalfBlind()), input_shape=(1, 9, 7)), "0", (2, 3))
    assert (window.top, window.left, window.height, window.width) == (0, 0, 9, 7)


def test_weights_of_zero_see_what_the_kernel_covers():
    cnn = nn.Sequential(nn.Conv2d(1, 1, 3))
    nn.init.zeros_(cnn[0].weight)
    window = window_of(Subject(cnn, input_shape=(1, 9, 7)), "0", None)
    assert (window.top, window.left, window.height, window.width) == (3, 2, 3, 3)


def test_a_crop_is_the_field():
    images = torch.arange(2 * 6 * 6.0).view(2, 6, 6)
    window = Window((0, 0), top=1, left=2, height=3, width=4)
    assert window.crop(images).tolist() == images.numpy()[:, 1:4, 2:6].tolist()
