"""Colors and circles, set beside colorsys, Pillow, complex numbers and Fourier's transform."""

import cmath
import colorsys
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from prober.common.colors import (
    angle_of,
    distance,
    hue_to_rgb,
    on_circle,
    preferred_hue,
    rgb_to_hue,
    turn,
    without_color,
)

ANGLES = st.floats(-720, 720)


def noise(*shape, seed=0):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


@given(ANGLES, ANGLES, st.sampled_from([360, 180]))
def test_a_turn_is_the_phase_between_two_points_of_a_circle(start, end, period):
    ratio = cmath.exp(2j * math.pi * end / period) / cmath.exp(2j * math.pi * start / period)
    expected = cmath.phase(ratio) * period / (2 * math.pi)
    found = turn(start, end, period)
    assert -period / 2 <= found < period / 2
    assert distance(start, end, period) == pytest.approx(abs(expected), abs=1e-6)
    # Half a circle is as far one way as the other.
    assert abs(found - expected) < 1e-6 or abs(expected) == pytest.approx(period / 2)


def test_turns_of_tensors_are_those_of_their_numbers():
    starts, ends = torch.tensor([350.0, 10.0, 0.0]), torch.tensor([[10.0], [200.0]])
    expected = [[turn(start, end, 360) for start in starts.tolist()] for end in (10.0, 200.0)]
    assert turn(starts, ends, 360).tolist() == expected


def test_an_angle_is_never_the_period_itself():
    assert on_circle(359.999, 360) == 0 and on_circle(-0.001, 180) == 0
    assert on_circle(725.127, 360) == 5.13
    tiny = torch.tensor(-1e-30, dtype=torch.float64)
    assert angle_of(torch.tensor(1.0, dtype=torch.float64), tiny).item() == 0


@given(st.floats(-10, 10), st.floats(-10, 10))
def test_the_angle_of_a_vector_is_that_of_a_complex_number(x, y):
    expected = math.degrees(cmath.phase(complex(x, y)))
    found = angle_of(*torch.tensor([x, y], dtype=torch.float64)).item()
    assert 0 <= found < 360
    assert distance(found, expected, 360) == pytest.approx(0, abs=1e-9)


@given(st.lists(st.floats(-1000, 1000), min_size=1, max_size=5))
def test_the_color_of_a_hue_is_that_of_colorsys(degrees):
    colors = hue_to_rgb(torch.tensor(degrees, dtype=torch.float64))
    expected = [colorsys.hsv_to_rgb(hue / 360 % 1, 1, 1) for hue in degrees]
    expected = torch.tensor(expected, dtype=torch.float64)
    torch.testing.assert_close(colors, expected, rtol=0, atol=1e-10)


def test_hues_may_have_any_shape():
    assert hue_to_rgb(torch.tensor(120.0)).tolist() == [0, 1, 0]
    assert hue_to_rgb(torch.zeros(2, 5)).shape == (2, 5, 3)


def test_without_color_is_the_gray_that_pil_makes_of_it():
    bytes_of = (noise(28, 28, 3) * 255).round().byte().numpy()
    expected = np.asarray(Image.fromarray(bytes_of).convert("L")) / 255
    image = torch.from_numpy(bytes_of).movedim(2, 0)[None] / 255
    gray = without_color(image)
    assert gray.shape == image.shape
    for channel in gray[0]:
        assert channel.numpy() == pytest.approx(expected, abs=1 / 255)


def test_of_other_than_three_channels_the_mean_is_left():
    image = noise(2, 5, 4, 4)
    expected = np.repeat(image.numpy().mean(1, keepdims=True), 5, 1)
    assert without_color(image).numpy() == pytest.approx(expected, abs=1e-6)
    assert torch.equal(without_color(image[:, :1]), image[:, :1])


def test_hues_are_those_of_colorsys():
    colors = [[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0], [0.5, 0.5, 0.5], [0, 0, 0], [1, 0, 0.01]]
    colors = torch.cat([torch.tensor(colors, dtype=torch.float64), noise(50, 3).double()])
    expected = [360 * colorsys.rgb_to_hsv(*color)[0] for color in colors.tolist()]
    assert rgb_to_hue(colors).tolist() == pytest.approx(expected, abs=1e-9)


def test_the_preferred_hue_is_the_first_harmonic_around_the_hue_circle():
    circle = np.arange(720) / 720
    colors = np.array([colorsys.hsv_to_rgb(h, 1, 1) for h in circle])
    wave = np.exp(2j * np.pi * circle)
    ratios = []
    for weights in noise(20, 3, seed=1).double() * 4 - 2:
        harmonic = (colors @ weights.numpy() * wave).mean()
        hue, strength = preferred_hue(weights)
        away = (hue.item() - np.degrees(np.angle(harmonic)) + 180) % 360 - 180
        assert away == pytest.approx(0, abs=1e-6)
        ratios.append(strength.item() / abs(harmonic))
    assert ratios == pytest.approx([ratios[0]] * 20)
    assert preferred_hue(torch.tensor([0.7, 0.7, 0.7]))[1].item() == pytest.approx(0, abs=1e-6)
