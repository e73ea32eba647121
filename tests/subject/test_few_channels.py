"""Gradients in blocks: those of the convolution, whatever its kernel, stride and padding."""

import itertools

import pytest
import torch
from torch import nn

from prober.subject import Subject
from prober.subject.few_channels import SMALL, gradients_in_blocks, takes_few_channels

pytestmark = pytest.mark.skipif(
    not torch.backends.mkldnn.is_available(), reason="there they are not computed in blocks"
)


def gradient(convolution, images, of_output):
    return torch.autograd.grad(convolution(images), images, of_output)[0]


@pytest.mark.parametrize("kernel", [(3, 3), (7, 7), (2, 2), (5, 3), (1, 3), (8, 8)])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_the_gradient_is_that_of_the_convolution(kernel, channels):
    for stride, padding, (height, width) in itertools.product(
        (1, 2, 3, 4), ((0, 0), (1, 1), (3, 2), (2, 0)), ((28, 28), (15, 22), (11, 13))
    ):
        convolution = nn.Conv2d(channels, 2, kernel, stride, padding).double()
        assert takes_few_channels(convolution)
        number = SMALL // (channels * height * width) + 1
        images = torch.rand(number, channels, height, width, dtype=torch.float64)
        images.requires_grad_()
        plain = convolution(images)
        of_output = torch.rand_like(plain)
        with gradients_in_blocks([convolution]):
            output = convolution(images)
            in_blocks = gradient(convolution, images, of_output)
        assert "InBlocks" in output.grad_fn.name() and output.equal(plain)
        torch.testing.assert_close(in_blocks, gradient(convolution, images, of_output))


def test_a_subject_computes_in_blocks_and_gives_what_the_cnn_gives():
    torch.manual_seed(0)
    cnn = nn.Sequential(
        nn.Conv2d(3, 4, 3, stride=2, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 2, 3)
    ).eval()
    subject = Subject(cnn, input_shape=(3, 20, 20))
    images = torch.rand(16, 3, 20, 20, requires_grad=True)
    expected = gradient(cnn, images, torch.ones(16, 2, 8, 8))
    output = subject(images, ["3"])["3"]
    (found,) = torch.autograd.grad(output.sum(), images)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-6)
    names = set()
    nodes = [output.grad_fn]
    while nodes:
        node = nodes.pop()
        names.add(node.name())
        nodes += [following for following, _ in node.next_functions if following]
    assert any("InBlocks" in name for name in names)
    assert not subject.cnn[0].__dict__.get("forward")  # between passes it is as it was


@pytest.mark.parametrize(
    "module",
    [
        nn.Conv2d(8, 4, 3),
        nn.Conv2d(3, 6, 3, groups=3),
        nn.Conv2d(3, 4, 3, dilation=2),
        nn.Conv2d(3, 4, 3, padding="same"),
        nn.Conv2d(3, 4, 3, padding=1, padding_mode="reflect"),
        nn.Conv2d(3, 4, 3, stride=(1, 2)),
        nn.Conv2d(3, 4, 16, stride=16),
        nn.Conv2d(3, 4, 1),
        nn.ConvTranspose2d(3, 4, 3),
        nn.Linear(3, 4),
        nn.Conv2d(3, 4, 3, dtype=torch.complex64),
    ],
)
def test_other_modules_are_left_alone(module):
    assert not takes_few_channels(module)


def test_the_gradient_of_a_complex_convolution_is_its_own():
    torch.manual_seed(0)
    convolution = nn.Conv2d(3, 8, 3, padding=1, dtype=torch.complex64)

    class Spectrum(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.head = convolution, nn.Conv2d(8, 4, 3)

        def forward(self, x):
            return self.head(self.conv(torch.fft.fft2(x)).abs())

    cnn = Spectrum().eval()
    subject = Subject(cnn, input_shape=(3, 28, 28))
    images = torch.rand(16, 3, 28, 28).requires_grad_()
    (found,) = torch.autograd.grad(subject(images, ["head"])["head"].sum(), images)
    (wanted,) = torch.autograd.grad(cnn(images).sum(), images)
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-4 * wanted.abs().max().item())


def test_a_network_in_bfloat16_gets_a_gradient_of_the_images_precision():
    convolution = nn.Conv2d(3, 4, 3)
    images = torch.rand(16, 3, 20, 20, requires_grad=True)
    with torch.autocast("cpu", torch.bfloat16), gradients_in_blocks([convolution]):
        convolution(images).float().sum().backward()
    expected = gradient(convolution, images, torch.ones(16, 4, 18, 18))
    assert images.grad.dtype == torch.float32
    torch.testing.assert_close(images.grad, expected, rtol=0.05, atol=0.05)


def test_a_convolution_may_be_called_by_keyword():
    convolution = nn.Conv2d(3, 4, 3)
    images = torch.rand(16, 3, 20, 20)
    with gradients_in_blocks([convolution]):
        assert torch.equal(convolution(input=images), convolution(images))


def test_a_convolution_whose_forward_pass_is_somebody_s_own_keeps_it():
    for name in ("forward", "_conv_forward"):
        convolution = nn.Conv2d(3, 4, 3, padding=1)
        setattr(convolution, name, getattr(convolution, name))
        assert not takes_few_channels(convolution)


def test_a_cnn_may_map_its_convolution_over_views():
    convolution = nn.Conv2d(3, 4, 3)
    views = torch.rand(2, 16, 3, 20, 20, requires_grad=True)
    with gradients_in_blocks([convolution]):
        output = torch.func.vmap(convolution)(views)
        (found,) = torch.autograd.grad(output.sum(), views)
    expected = gradient(convolution, views.flatten(0, 1), torch.ones(32, 4, 18, 18))
    torch.testing.assert_close(found.flatten(0, 1), expected)
