"""Stimuli: their angles by moments, their frequencies by Fourier, their hues by colorsys."""

import colorsys
import math

import numpy as np
import pytest
import torch

from prober.findings.stimuli import (
    ANGLES,
    FLAT_HUES,
    FREQUENCIES,
    GRAYS,
    TINTED_HUES,
    fine_bars,
    flat_hues,
    gray_bars,
    gray_gratings,
    grays,
    tinted_strokes,
)

SHAPE = (3, 28, 28)


def apart(one, other):
    """The distance of two orientations, in degrees."""
    return abs((one - other + 90) % 180 - 90)


def direction(mask):
    """The orientation of what is bright, degrees counter-clockwise: the long axis of inertia."""
    height, width = mask.shape
    up, right = height / 2 - np.arange(height)[:, None], np.arange(width)[None] - width / 2
    up, right = up + 0 * right, right + 0 * up
    total = mask.sum()
    up, right = up - (mask * up).sum() / total, right - (mask * right).sum() / total
    xx, yy, xy = ((mask * part).sum() for part in (right * right, up * up, right * up))
    return math.degrees(math.atan2(2 * xy, xx - yy) / 2) % 180


def wave_of(image, size=512):
    """The frequency, in cycles per pixel, and the stroke's direction, by Fourier."""
    height, width = image.shape
    window = np.outer(np.hanning(height), np.hanning(width))
    power = np.abs(np.fft.fft2((image - image.mean()) * window, (size, size)))
    row, column = np.unravel_index(power.argmax(), power.shape)
    down, right = np.fft.fftfreq(size)[[row, column]]
    return math.hypot(down, right), (math.degrees(math.atan2(-down, right)) + 90) % 180


def test_a_bar_of_45_degrees_rises_to_the_right():
    masks = fine_bars((1, 9, 9), torch.tensor([45.0]))
    found = [mask for mask in masks if mask[4, 4] == 1 and mask[3, 4] < 1]
    for mask in found:
        assert mask[0, 8] == mask[8, 0] == 1  # the first row is the upper one
        assert mask[0, 0] == mask[8, 8] == 0
    assert found


def test_a_bar_of_0_degrees_lies_and_one_of_90_stands():
    masks = fine_bars((1, 9, 9), torch.tensor([0.0, 90.0]))
    pairs = masks.view(-1, 2, 9, 9).round(decimals=5)
    middle = [pair for pair in pairs if pair[0, 4].min() == 1 and not pair[0, 0].any()]
    for lies, stands in middle:
        assert (lies == lies[:, :1]).all()
        assert torch.equal(stands, lies.T)
    assert middle


def test_every_bar_has_its_angle_bright_on_dark_and_dark_on_bright():
    bars = gray_bars(SHAPE, ANGLES)
    images = bars.images[:, 0].double().numpy()
    half = len(bars) // 2
    assert np.allclose(images[:half], 1 - images[half:])
    assert torch.equal(bars.images[:, 0], bars.images[:, 2])
    seen = set()
    for image, angle in zip(images[:half], bars.angle[:half].tolist(), strict=True):
        assert apart(direction(image), angle) < 4
        seen.add(angle)
    assert seen == set(ANGLES.tolist()) == {7.5 * i for i in range(24)}
    assert torch.equal(bars.angle[:half], bars.angle[half:])
    assert bars.hue.isnan().all() and bars.frequency.isnan().all()


def test_every_grating_has_its_frequency_and_angle():
    gratings = gray_gratings((1, 48, 48), ANGLES)
    assert len(gratings) == len(ANGLES) * len(FREQUENCIES) * 4
    for i in range(0, len(gratings), 7):
        frequency, angle = wave_of(gratings.images[i, 0].double().numpy())
        assert frequency == pytest.approx(gratings.frequency[i].item(), abs=0.006)
        assert apart(angle, gratings.angle[i].item()) < 3


def test_the_four_phases_of_a_grating_make_gray_together():
    gratings = gray_gratings(SHAPE, ANGLES)
    for frequency in FREQUENCIES:
        for angle in (0.0, 52.5):
            same = (gratings.frequency == frequency) & (gratings.angle == angle)
            four = gratings.images[same]
            assert len(four) == 4
            assert four.mean(0).numpy() == pytest.approx(np.full(SHAPE, 0.5), abs=1e-5)
            assert four.max() > 0.8 and four.min() < 0.2


def test_flat_patches_have_the_hues_of_colorsys():
    patches = flat_hues((3, 2, 5))
    assert patches.hue.tolist() == FLAT_HUES.tolist() == [5.0 * i for i in range(72)]
    for image, hue in zip(patches.images, patches.hue.tolist(), strict=True):
        expected = np.array(colorsys.hsv_to_rgb(hue / 360, 1, 1))[:, None, None]
        assert image.numpy() == pytest.approx(np.broadcast_to(expected, (3, 2, 5)), abs=1e-6)


def test_gray_patches_go_from_black_to_white():
    images = grays((2, 3, 3)).images
    assert images[:, 1, 2, 2].tolist() == [i / 8 for i in range(9)] == GRAYS.tolist()
    assert (images == images[:, :1, :1, :1]).all()


def test_tinted_strokes_show_their_hue_its_complement_and_black_only():
    for hue in TINTED_HUES[1::5]:
        strokes = tinted_strokes((3, 16, 16), hue, ANGLES[::2])
        color = np.array(colorsys.hsv_to_rgb(hue.item() / 360, 1, 1))
        other = np.array(colorsys.hsv_to_rgb((hue.item() / 360 + 0.5) % 1, 1, 1))
        pixels = strokes.images[::11].movedim(1, -1).reshape(-1, 3).double().numpy()
        # Every pixel is a mixture of at most two: a·color + b·other with a, b ≥ 0 and a + b ≤ 1.
        shares = pixels @ np.linalg.pinv(np.stack([color, other]))
        assert shares @ np.stack([color, other]) == pytest.approx(pixels, abs=1e-5)
        assert shares.min() > -1e-5 and shares.sum(1).max() < 1 + 1e-5
        assert (strokes.hue == hue).all()
        assert set(strokes.angle.tolist()) == {15.0 * i for i in range(12)}


def test_the_angle_of_a_tinted_stroke_is_that_of_what_is_tinted():
    strokes = tinted_strokes(SHAPE, torch.tensor(0.0), ANGLES[::2])
    red = strokes.images[:, 0].double().numpy()
    bars = strokes.frequency.isnan().numpy()
    bright = red.mean((1, 2)) < 0.5  # else the stroke is the dark one
    angles = strokes.angle[bars].tolist()
    for image, angle, is_bright in zip(red[bars], angles, bright[bars], strict=True):
        assert apart(direction(image if is_bright else 1 - image), angle) < 4


def test_fine_bars_change_their_angle_fastest():
    angles = torch.tensor([0.0, 30.0, 60.0])
    masks = fine_bars((1, 12, 16), angles)
    assert masks.shape[1:] == (12, 16) and len(masks) % 3 == 0
    lying, _, rising = masks[:3]  # of one width and offset
    assert (lying == lying[:, :1]).all() and not (rising == rising[:, :1]).all()
    assert len({tuple(mask.flatten().tolist()) for mask in masks}) > len(masks) / 2
    assert masks.min() >= 0 and masks.max() <= 1
