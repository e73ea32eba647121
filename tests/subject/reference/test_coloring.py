import colorsys
from collections import Counter

import pytest
import torch

from prober.subject.reference import (
    HUES,
    conflicting_hues,
    draw_hues,
    matching_hues,
    tint,
)


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


def python_rgb(degrees):
    return colorsys.hsv_to_rgb(degrees / 360 % 1, 1, 1)


def test_ten_hues_36_degrees_apart():
    assert HUES.tolist() == [0, 36, 72, 108, 144, 180, 216, 252, 288, 324]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_tint_multiplies_each_image_with_its_own_color(dtype):
    digits = torch.rand(10, 4, 6, generator=rng(), dtype=dtype)
    images = tint(digits, HUES)
    assert images.shape == (10, 3, 4, 6)
    assert images.dtype == dtype
    for n in range(10):
        for c, share in enumerate(python_rgb(36 * n)):
            torch.testing.assert_close(images[n, c], digits[n] * share, rtol=0, atol=1e-6)


def test_tint_leaves_black_black_and_stays_in_range():
    digits = torch.rand(10, 8, 8, generator=rng())
    digits[:, :3] = 0
    images = tint(digits, HUES)
    assert (images[:, :, :3] == 0).all()
    assert images.min() == 0
    # Full value: the strongest of the three colors is the gray value itself.
    assert torch.equal(images.amax(dim=1), digits)
    # Full saturation: the weakest is zero.
    assert (images.amin(dim=1) == 0).all()


@pytest.mark.parametrize(
    ("digits", "hues", "error", "message"),
    [
        (torch.zeros(2, 4, 4, dtype=torch.uint8), torch.zeros(2), TypeError, "uint8"),
        (torch.zeros(2, 4, 4), torch.tensor([1, 2]), TypeError, "HUES"),
        (torch.zeros(2, 4, 4), torch.zeros(1), ValueError, r"\[2, 4, 4\] and \[1\]"),
        (torch.zeros(2, 1, 4, 4), torch.zeros(2), ValueError, r"\[2, 1, 4, 4\]"),
    ],
)
def test_tint_refuses_what_it_would_color_wrongly(digits, hues, error, message):
    with pytest.raises(error, match=message):
        tint(digits, hues)


LABELS = torch.arange(10).repeat(9_000)


@pytest.mark.parametrize("p", [0.0, 0.3, 0.995, 1.0])
def test_own_hue_comes_with_frequency_p(p):
    hues = draw_hues(LABELS, p, rng())
    own = sum(hue == label for hue, label in zip(hues.tolist(), LABELS.tolist(), strict=True))
    four_sigma = 4 * (p * (1 - p) / len(LABELS)) ** 0.5
    assert abs(own / len(LABELS) - p) <= four_sigma


def test_other_hues_are_equally_likely_for_every_digit():
    hues = draw_hues(LABELS, 0.1, rng())
    pairs = Counter(zip(LABELS.tolist(), hues.tolist(), strict=True))
    # 9,000 of each digit, a tenth in each hue: 900, give or take 28.
    assert len(pairs) == 100
    assert all(abs(count - 900) < 5 * 28.5 for count in pairs.values())


def test_drawing_depends_on_its_generator_alone():
    torch.manual_seed(1)
    first = draw_hues(LABELS, 0.5, rng(3))
    torch.manual_seed(2)
    assert torch.equal(first, draw_hues(LABELS, 0.5, rng(3)))
    assert not torch.equal(first, draw_hues(LABELS, 0.5, rng(4)))


@pytest.mark.parametrize("p", [-0.1, 1.1, float("nan")])
def test_p_is_a_probability(p):
    with pytest.raises(ValueError, match="probability"):
        draw_hues(LABELS, p, rng())


def test_matching_hues_are_the_labels():
    labels = torch.tensor([3, 0, 9])
    hues = matching_hues(labels)
    assert hues.tolist() == [3, 0, 9]
    hues[0] = 5
    assert labels.tolist() == [3, 0, 9]


def test_conflicting_hues_never_match_and_are_fixed():
    hues = conflicting_hues(LABELS)
    assert not (hues == LABELS).any()
    pairs = Counter(zip(LABELS.tolist(), hues.tolist(), strict=True))
    assert len(pairs) == 90
    assert all(abs(count - 1000) < 5 * 30 for count in pairs.values())
    assert torch.equal(hues, conflicting_hues(LABELS, seed=0))
    assert not torch.equal(hues, conflicting_hues(LABELS, seed=1))
