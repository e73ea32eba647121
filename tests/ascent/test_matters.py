"""How much each pixel of a picture matters to its score."""

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from prober.ascent.matters import Matters, with_opacity
from prober.ascent.method import Method
from prober.ascent.module import ActivationMaximization, single_target
from prober.ascent.objectives import ChannelMean, Neuron
from prober.ascent.targets import Target
from prober.subject import Subject
from tests import plain
from tests.ascent.runs import run


def stripes():
    """A convolution of 3 x 4 pixels, each column twice as heavy as the one before."""
    conv = nn.Conv2d(2, 1, (3, 4), bias=False)
    with torch.no_grad():
        conv.weight[:] = torch.tensor([1.0, 2, 4, 8]) * torch.tensor([1.0, -1])[:, None, None]
    return Subject(nn.Sequential(conv), input_shape=(2, 9, 12))


def test_what_a_neuron_sees_matters_as_much_as_its_weights():
    module = single_target(stripes(), Neuron("0", 0, 2, 5), seed=0, style="plain")
    plain.fit(module, 60)
    expected = np.zeros((9, 12))
    expected[2:5, 5:9] = 2 * np.array([1, 2, 4, 8])  # of both channels
    gradient = module.matters.gradient[0].numpy()
    np.testing.assert_allclose(gradient, expected * (1 - 0.5**6), rtol=1e-6)
    opacity = module.matters.opacity()[0].numpy()
    level = np.sort(expected.ravel())[96]  # of 108, which nine tenths do not exceed
    assert np.abs(opacity - 255 * np.clip(expected / level, 0, 1)).max() <= 1
    assert (opacity == 255).any() and (opacity == 0).any()


def test_pictures_that_nothing_matters_to_are_opaque_and_large_ones_smooth():
    matters = Matters(2, (112, 112))
    gradient = torch.zeros(2, 3, 112, 112)
    gradient[1, 0, 50, 60] = torch.nan
    gradient[1, 1, 20, 30] = -25.0
    matters.add(gradient, torch.arange(2))
    opaque, spot = matters.opacity().numpy()
    assert (opaque == 255).all()
    seen = np.argwhere(spot > 0)
    assert seen.min(0).tolist() == [18, 28] and seen.max(0).tolist() == [22, 32]
    assert (spot[18:23, 28:33] == 255).all()


@pytest.mark.parametrize("style", ["plain", "legible"])
def test_the_picture_is_bit_for_bit_what_it_is_without_a_look(style):
    images = []
    for looked in (True, False):
        targets = [Target(ChannelMean("conv2", c), None, None, c) for c in range(2)]
        module = ActivationMaximization(plain.subject(), targets, Method(style=style))
        if not looked:
            module.matters = None
        plain.fit(module, 12)
        images.append(module.pictures().detach())
    assert torch.equal(*images)


def test_the_file_is_the_picture_with_its_opacity(tmp_path):
    folder, module, _ = run(tmp_path, 12, 12)
    found = np.asarray(Image.open(folder / "matters.png"))
    assert np.array_equal(found[..., :3], np.asarray(Image.open(folder / "final.png")))
    opacity = module.matters.opacity()[0].numpy()
    assert np.array_equal(found[5::10, 5::10, 3], opacity)
    assert with_opacity(torch.zeros(5, 9, 9), np.zeros((9, 9), np.uint8)) is None
