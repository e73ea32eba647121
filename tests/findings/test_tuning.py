"""Tuning: peaks and phases of made-up curves, and the curves of units known by construction."""

import colorsys
import math

import numpy as np
import pytest
import torch
from torch import nn

from prober.findings.tuning import Battery, dip, peaks, phase
from prober.findings.windows import window_of
from prober.subject import Subject

CIRCLE = torch.arange(72) * 5.0
CONV = ("conv", None)


def around(middle, sharp=4.0, curve=CIRCLE):
    """A bump around the circle."""
    return torch.exp(sharp * (torch.cos(torch.deg2rad(curve - middle)) - 1)).double()


def test_the_phase_is_that_of_a_wave():
    for degrees in (0.0, 12.0, 123.4, 301.0):
        wave = 3 + 2 * torch.cos(torch.deg2rad(CIRCLE.double() - degrees))
        found = phase(wave)
        assert 0 <= found < 360
        assert (found - degrees + 180) % 360 - 180 == pytest.approx(0, abs=1e-6)


def test_the_phase_is_less_than_360_degrees():
    """Just below the start of the circle, rounding may lead to its end."""
    wave = torch.cos(torch.deg2rad(CIRCLE.double()) + 1e-16)
    wave[1] -= 1e-15
    assert 0 <= phase(wave) < 360


def test_the_phase_is_that_of_fourier():
    for curve in torch.rand(5, 24, generator=torch.Generator().manual_seed(0)).double():
        expected = -np.angle(np.fft.fft(curve.numpy())[1]) / (2 * np.pi) * 360 % 360
        assert phase(curve) == pytest.approx(expected, abs=1e-9)


def test_one_bump_is_one_peak_and_two_are_two():
    assert peaks(around(100), 0.0, 0.7) == [20]
    two = around(100) + 0.8 * around(280)
    assert peaks(two, 0.0, 0.7) == [20, 56]


def test_a_plateau_is_one_peak():
    curve = torch.zeros(24)
    curve[5:9] = 1.0
    found = peaks(curve, 0.0, 0.7)
    assert len(found) == 1 and 5 <= found[0] < 9
    curve[15:20] = 0.9
    found = peaks(curve, 0.0, 0.7)
    assert len(found) == 2 and 15 <= found[1] < 20


def test_a_plateau_across_the_end_of_the_circle_is_one_peak():
    curve = torch.zeros(24)
    curve[[22, 23, 0, 1]] = 1.0
    assert len(peaks(curve, 0.0, 0.7)) == 1


def test_ripple_is_no_second_peak():
    curve = around(100, 1.0) + 0.01 * torch.cos(torch.deg2rad(CIRCLE * 18)).double()
    assert len(peaks(curve, 0.0, 0.7)) == 1


def test_a_low_bump_is_no_peak_unless_asked_for():
    curve = around(100) + 0.4 * around(280)
    assert len(peaks(curve, 0.0, 0.7)) == 1
    assert len(peaks(curve, 0.0, 0.3)) == 2


def test_heights_count_from_the_neutral_response():
    curve = 10 + around(100) + 0.4 * around(280)
    assert len(peaks(curve, 0.0, 0.7)) == 1  # everything is one plateau
    assert len(peaks(curve, 10.0, 0.3)) == 2
    assert peaks(curve, 12.0, 0.7) == []
    assert peaks(torch.full((72,), 3.0), 3.0, 0.7) == []


class Known(nn.Module):
    """Unit 0 wants a hue, unit 1 a stroke of 30 degrees, unit 2 nothing."""

    def __init__(self, weights):
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 9, padding=4)
        rows, columns = np.mgrid[-4:5, -4:5]
        # Rows run downward: a stroke of 30 degrees goes 0.87 to the right and 0.5 up.
        across = columns * math.sin(math.radians(30)) + rows * math.cos(math.radians(30))
        gabor = np.cos(across * 2 * np.pi / 6) * np.exp(-(rows**2 + columns**2) / 8)
        with torch.no_grad():
            self.conv.weight[:] = 0
            self.conv.bias[:] = torch.tensor([0.0, 0.0, 1.5])
            self.conv.weight[0, :, 4, 4] = torch.tensor(weights)
            self.conv.weight[1] = torch.from_numpy(gabor - gabor.mean()).float()

    def forward(self, images):
        return self.conv(images)


@pytest.fixture(scope="module")
def battery():
    subject = Subject(Known([0.2, 1.0, -0.5]), input_shape=(3, 24, 24))
    return Battery(subject, {CONV: window_of(subject, *CONV)})


def test_the_curve_of_hues_is_what_a_linear_unit_answers_to_them(battery):
    curves = battery.curves(CONV, 0)
    colors = np.array([colorsys.hsv_to_rgb(hue / 360, 1, 1) for hue in range(0, 360, 5)])
    assert curves.flat.numpy() == pytest.approx(colors @ [0.2, 1.0, -0.5], abs=1e-5)
    assert curves.neutral == pytest.approx(0.5 * 0.7)
    assert curves.grays.numpy() == pytest.approx(np.arange(9) / 8 * 0.7, abs=1e-6)


def test_the_curve_of_strokes_peaks_at_the_stroke_s_angle(battery):
    curves = battery.curves(CONV, 1)
    assert curves.bars.shape == curves.gratings.shape == (24,)
    for curve in (curves.bars, curves.gratings):
        assert int(curve.argmax()) * 7.5 == 30
    assert int(curves.frequencies.argmax()) == 3  # a sixth of a cycle per pixel


def test_the_curves_of_a_unit_that_sees_nothing_are_flat(battery):
    curves = battery.curves(CONV, 2)
    for curve in (curves.flat, curves.tinted, curves.bars, curves.gratings, curves.frequencies):
        assert curve.unique().tolist() == [1.5]


def test_tinted_strokes_are_told_apart_by_hue_and_angle(battery):
    best = battery.curves(CONV, 0).tinted.amax(1)
    colors = np.array([colorsys.hsv_to_rgb(hue / 360, 1, 1) for hue in range(0, 360, 30)])
    # The linear unit's best pixel: of the tint, its complement, or black.
    answers = colors @ [0.2, 1.0, -0.5]
    expected = np.maximum(np.maximum(answers, np.roll(answers, 6)), 0)
    assert best.numpy() == pytest.approx(expected, abs=0.05)


def test_a_stimulus_is_made_again_as_it_was(battery):
    hues = battery.numbers("hue")
    images = battery.images([int(hues[24]), 0, int(hues[0])])
    assert images[0, :, 3, 3].tolist() == pytest.approx([0, 1, 0], abs=1e-6)
    assert images[1].unique().tolist() == [0.0]
    assert images[2, :, 3, 3].tolist() == [1, 0, 0]


def test_a_dip_is_the_lowest_place_of_the_better_side_in_parts_of_the_lower_end():
    height = torch.tensor([1.0, 4.0, 2.0, 3.0, 0.5, 0.0])
    assert dip(height, 1, 3) == pytest.approx(2 / 3)  # over 2, from 3
    assert dip(height, 3, 1) == pytest.approx(2 / 3)
    assert dip(height, 0, 3) == pytest.approx(1.0)  # over 4 and 2, and not over 0
    assert dip(height, 1, 5) == 1.0  # of what excites no more than mid gray nothing is lost
