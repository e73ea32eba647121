"""Tints: colors that whole images lean to, where no area has its class's color."""

import pytest
import torch
from torch.nn.functional import interpolate

from prober.findings.real_images import RealImages
from prober.findings.tints import tints_of

CASTS = torch.tensor([[1.0, 0.75, 0.5], [0.5, 0.75, 1.0], [0.7, 1.0, 0.6], [0.95, 0.6, 0.95]])
LABELS = torch.arange(4).repeat(40)


def scenes(number=160, side=28):
    """Patches of random colors, softly blended."""
    chance = torch.Generator().manual_seed(0)
    coarse = 0.15 + 0.45 * torch.rand(number, 3, 6, 6, generator=chance)
    return interpolate(coarse, size=(side, side), mode="bilinear")


def data_of(images):
    return RealImages("scenes", images, LABELS, list("abcd"))


def test_scenes_under_the_light_of_their_class_get_that_of_another():
    plain = scenes()
    data = data_of(plain * CASTS[LABELS][:, :, None, None])
    assert data.tinted and data.color_groups == [(0,), (1,), (2,), (3,)]
    for column in range(4):
        others = data.in_other_colors(column)
        others = others[LABELS[others] != column]
        given = (plain * CASTS[column].view(3, 1, 1)).clamp(0, 1)[others]
        away = (data.dealt(column)[others] - given).abs().mean((1, 2, 3))
        as_they_are = (data.images[others] - given).abs().mean((1, 2, 3))
        assert away.mean() < as_they_are.mean() / 3


def test_scenes_under_any_light_lean_to_no_class_s_color():
    assert not data_of(scenes()).tinted
    dealt = CASTS[torch.randint(4, (160,), generator=torch.Generator().manual_seed(0))]
    assert data_of(scenes() * dealt[:, :, None, None]).color_groups == []


def test_what_less_than_half_of_an_image_has_is_no_tint():
    """A frame of a tenth of the side in the class's color; the ground is gray noise."""
    chance = torch.Generator().manual_seed(0)
    images = torch.rand(160, 1, 20, 20, generator=chance).expand(-1, 3, -1, -1).clone()
    for frame in (images, images.mT):
        frame[:, :, [0, 1, -2, -1]] = CASTS[LABELS][:, :, None, None]
    tints = tints_of(images)
    assert tints.colors.numpy() == pytest.approx(0.5, abs=0.001)
    assert not data_of(images).tinted


def test_confetti_in_pure_colors_leans_to_none():
    chance = torch.Generator().manual_seed(0)
    channel = torch.randint(3, (28, 28), generator=chance)
    confetti = torch.nn.functional.one_hot(channel, 3).movedim(2, 0).float()
    assert tints_of(confetti[None]).colors.tolist() == [[0.5] * 3]
    images = scenes() * CASTS[LABELS][:, :, None, None]
    images[0] = confetti
    data = data_of(images)
    assert data.tinted and 0 not in data.dealer.donors[0]
    assert not data.group_colors.isnan().any()


def test_a_tint_is_that_of_a_scaled_gray():
    """Dark and light pixels count alike, but for those that are black."""
    light = torch.rand(1, 1, 8, 8, generator=torch.Generator().manual_seed(0)) * 0.8 + 0.1
    light[..., :2, :] = 0
    cast = torch.tensor([0.9, 0.6, 0.3])
    (found,) = tints_of(light * cast.view(3, 1, 1)).colors
    assert found.tolist() == pytest.approx((0.5 * cast / cast.mean()).tolist())


def test_no_gain_brings_out_a_channel_that_an_image_has_none_of():
    red = torch.tensor([0.5, 0.0, 0.0]).view(1, 3, 1, 1).expand(1, 3, 4, 4)
    blue = red.flip(1)
    tints = tints_of(torch.cat([red, blue]))
    first, second = torch.tensor([0]), torch.tensor([1])
    assert tints.recolored(red, first, torch.tensor([0]), second).max() == 0
    assert torch.equal(tints.recolored(red, first, torch.tensor([0]), first), red)
    assert torch.equal(tints.recolored(red, first, torch.tensor([]), second), red)
