"""Ascents of the search's own: what they push away from, and how they wake a unit."""

import pytest
import torch
from torch import nn

from prober.ascent.method import Method
from prober.ascent.objectives import Neuron
from prober.ascent.parameterizations import Pixels
from prober.findings.ascents import awaken, descriptors
from prober.subject import Subject

PIXELS = Method(parameterization=Pixels(), transforms=(), style="plain")


def stroke(row, column, vertical=True, color=(1.0, 0.2, 0.0)):
    """A stroke of 2 x 8 pixels on black, 32 pixels on a side."""
    image = torch.zeros(3, 32, 32)
    height, width = (8, 2) if vertical else (2, 8)
    image[:, row : row + height, column : column + width] = torch.tensor(color)[:, None, None]
    return image


def likeness(one, other):
    return float((descriptors(one[None]) * descriptors(other[None])).sum())


def test_descriptors_ignore_position():
    assert likeness(stroke(3, 4), stroke(17, 22)) == pytest.approx(1, abs=1e-5)


def test_descriptors_tell_directions_and_colors_apart():
    same = likeness(stroke(3, 4), stroke(10, 4))
    across = likeness(stroke(3, 4), stroke(3, 4, vertical=False))
    assert across < same - 0.15
    red, blue = torch.zeros(2, 3, 8, 8)
    red[0], blue[2] = 1, 1
    assert likeness(red, blue) < 0.5
    assert likeness(red, red) == pytest.approx(1)


class LargerThanZero(nn.Module):
    """As a ReLU, but as maxout has it: the larger of two maps, of which one is a constant."""

    def forward(self, maps):
        return torch.stack([maps, torch.zeros_like(maps)], 2).amax(2)


class Deep(nn.Module):
    """Unit 0 answers a checkerboard only that noise is never near to; unit 1 never answers."""

    def __init__(self, relu):
        super().__init__()
        self.conv = nn.Conv2d(1, 2, 6)
        rows, columns = torch.meshgrid(torch.arange(6), torch.arange(6), indexing="ij")
        board = ((rows + columns) % 2).float() * 2 - 1
        with torch.no_grad():
            self.conv.weight[:] = 0
            self.conv.weight[0, 0] = board / 18
            self.conv.bias[:] = torch.tensor([-0.9, -2.0])
        self.relu = relu()

    def forward(self, images):
        return self.relu(self.conv(images))


@pytest.mark.parametrize("relu", [nn.ReLU, LargerThanZero])
def test_an_ascent_through_leaky_relus_wakes_what_noise_does_not(relu):
    subject = Subject(Deep(relu), input_shape=(1, 8, 8))
    noise = torch.rand(200, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    assert not subject(noise, ["relu"])["relu"].any()
    awake = awaken(subject, [Neuron("relu", 0, 1, 1), Neuron("relu", 1, 1, 1)], PIXELS)
    answers = subject(awake, ["relu"])["relu"][:, :, 1, 1]
    assert answers[0, 0] > 0.05
    assert answers[1, 1] == 0
    assert awake.min() >= 0 and awake.max() <= 1
