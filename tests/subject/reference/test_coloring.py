import colorsys

import pytest
import torch

from prober.subject.reference import HUES, matching_hues, tint


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


def test_matching_hues_are_the_labels():
    labels = torch.tensor([3, 0, 9])
    hues = matching_hues(labels)
    assert hues.tolist() == [3, 0, 9]
    hues[0] = 5
    assert labels.tolist() == [3, 0, 9]
