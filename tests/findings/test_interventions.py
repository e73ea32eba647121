"""Interventions: each one set beside the same done by PIL, colorsys or by hand."""

import colorsys

import numpy as np
import pytest
import torch

from prober.findings.interventions import (
    SHUFFLES,
    TURNS,
    flat,
    flat_colors,
    hue_turned,
    mean_colors,
    shuffled,
)
from prober.findings.windows import Window

FIELD = Window(neuron=(1, 1), top=2, left=3, height=4, width=5)


def noise(*shape, seed=0):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def as_colorsys(change, image):
    """Changes each pixel's (h, s, v) by a function, on an image `[3, H, W]`."""
    pixels = np.moveaxis(image.double().numpy(), 0, 2)
    changed = [
        [colorsys.hsv_to_rgb(*change(*colorsys.rgb_to_hsv(*pixel))) for pixel in row]
        for row in pixels
    ]
    return np.moveaxis(np.array(changed), 2, 0)


@pytest.mark.parametrize("degrees", TURNS)
def test_turning_the_hue_leaves_saturation_and_value(degrees):
    image = noise(3, 6, 7)
    expected = as_colorsys(lambda h, s, v: ((h + degrees / 360) % 1, s, v), image)
    assert hue_turned(image[None], degrees)[0].numpy() == pytest.approx(expected, abs=2e-6)


def test_turning_the_hue_leaves_gray_gray():
    gray = noise(1, 1, 4, 4).expand(1, 3, 4, 4)
    assert torch.allclose(hue_turned(gray, 120), gray)


def test_shuffling_moves_whole_pixels_within_the_field_only():
    images = noise(2, 3, 8, 9)
    before = images.clone()
    results = shuffled(images, FIELD)
    assert len(results) == SHUFFLES
    assert torch.equal(images, before)
    rows, columns = slice(2, 6), slice(3, 8)
    orders = set()
    for result in results:
        outside = result.clone()
        outside[:, :, rows, columns] = images[:, :, rows, columns]
        assert torch.equal(outside, images)
        order_of = []
        for image, old in zip(result, images, strict=True):
            pixels = [tuple(p) for p in image[:, rows, columns].flatten(1).T.tolist()]
            origin = [tuple(p) for p in old[:, rows, columns].flatten(1).T.tolist()]
            assert sorted(pixels) == sorted(origin)
            order_of.append(tuple(origin.index(p) for p in pixels))
        assert order_of[0] == order_of[1] != tuple(range(20))
        orders.add(order_of[0])
    assert len(orders) == SHUFFLES


def test_the_mean_color_counts_pixels_by_their_weights():
    images, weights = noise(2, 3, 4, 5), noise(2, 4, 5, seed=1)
    expected = [
        [np.average(channel.numpy(), weights=weight.numpy()) for channel in image]
        for image, weight in zip(images, weights, strict=True)
    ]
    assert mean_colors(images, weights).numpy() == pytest.approx(np.array(expected), abs=1e-6)


def test_the_flat_colors_are_the_means_and_the_same_hue_at_its_fullest():
    image = torch.zeros(1, 3, 8, 9)
    image[0, :, 3, 4] = torch.tensor([0.6, 0.3, 0.1])  # one pixel of the field's 20, all else black
    weights = torch.zeros(1, 8, 9)
    weights[0, 3, 4] = 2
    plain, weighted, full_value, full_color = flat_colors(image, weights, FIELD)[:, 0].tolist()
    assert plain == pytest.approx([0.03, 0.015, 0.005])
    assert weighted == pytest.approx([0.6, 0.3, 0.1])
    hue, saturation, _ = colorsys.rgb_to_hsv(0.6, 0.3, 0.1)
    assert full_value == pytest.approx(colorsys.hsv_to_rgb(hue, saturation, 1), abs=1e-6)
    assert full_color == pytest.approx(colorsys.hsv_to_rgb(hue, 1, 1), abs=1e-6)


def test_a_pale_color_is_not_made_a_full_one():
    image = torch.tensor([0.5, 0.45, 0.4]).view(1, 3, 1, 1).expand(1, 3, 8, 9)
    colors = flat_colors(image, torch.zeros(1, 8, 9), FIELD)[:, 0]
    assert colors.flatten().tolist() == pytest.approx([0.5, 0.45, 0.4] * 4)


def test_a_flat_image_has_one_color():
    image = flat(torch.tensor([[0.1, 0.2, 0.3]]), torch.zeros(1, 3, 2, 2))
    assert image.flatten(2)[0].T.flatten().tolist() == pytest.approx([0.1, 0.2, 0.3] * 4)
