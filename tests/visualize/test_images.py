import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from prober.errors import InputError
from prober.visualize.images import (
    GaussianNoise,
    GrayNoise,
    LowFrequencyNoise,
    gaussian_blur,
)

RECIPES = [
    GaussianNoise(),
    GaussianNoise(mean=0.5, std=0.1),
    GrayNoise(),
    LowFrequencyNoise(),
    LowFrequencyNoise(sigma=0.5, gray=0.3, contrast=0.6),
]
recipes = pytest.mark.parametrize("recipe", RECIPES, ids=repr)
LARGE = (3, 300, 301)


def normal_cdf(x):
    return (1 + math.erf(x / math.sqrt(2))) / 2


@recipes
def test_same_seed_same_image_other_seed_another(recipe):
    first = recipe.make((3, 28, 28), 7)
    assert torch.equal(first, recipe.make((3, 28, 28), 7))
    assert not torch.equal(first, recipe.make((3, 28, 28), 8))


@recipes
def test_noise_has_a_generator_of_its_own(recipe):
    torch.manual_seed(1)
    first = recipe.make((3, 28, 28), 7)
    after = torch.rand(3)
    torch.manual_seed(1)
    assert torch.equal(torch.rand(3), after)
    torch.manual_seed(99)
    recipe.make((1, 5, 5), 3)
    assert torch.equal(first, recipe.make((3, 28, 28), 7))


@recipes
def test_start_is_the_same_whatever_the_precision_of_the_run(recipe):
    first = recipe.make((3, 28, 28), 7)
    torch.set_default_dtype(torch.float64)
    try:
        again = recipe.make((3, 28, 28), 7)
    finally:
        torch.set_default_dtype(torch.float32)
    assert again.dtype == first.dtype == torch.float32
    assert torch.equal(first, again)


@given(
    st.sampled_from(RECIPES),
    st.integers(1, 4),
    st.integers(1, 33),
    st.integers(1, 33),
    st.integers(0, 2**63 - 1),
)
def test_image_of_any_shape_and_seed_is_in_range(recipe, channels, height, width, seed):
    image = recipe.make((channels, height, width), seed)
    assert image.shape == (channels, height, width)
    assert image.min() >= 0
    assert image.max() <= 1


def test_gaussian_noise_is_the_noise_of_the_method():
    generator = torch.Generator().manual_seed(5)
    expected = torch.randn((3, 28, 28), generator=generator).clamp(0, 1)
    assert torch.equal(GaussianNoise().make((3, 28, 28), 5), expected)
    scaled = GaussianNoise(mean=0.4, std=0.2).make((3, 28, 28), 5)
    generator = torch.Generator().manual_seed(5)
    expected = np.clip(0.4 + 0.2 * torch.randn((3, 28, 28), generator=generator).numpy(), 0, 1)
    np.testing.assert_allclose(scaled.numpy(), expected, atol=1e-6)


def test_gaussian_noise_is_cut_off_at_0_and_1():
    image = GaussianNoise(mean=0.3, std=0.4).make(LARGE, 0)
    assert (image == 0).double().mean().item() == pytest.approx(normal_cdf(-0.75), abs=0.004)
    assert (image == 1).double().mean().item() == pytest.approx(normal_cdf(-1.75), abs=0.003)
    assert (image < 0.5).double().mean().item() == pytest.approx(normal_cdf(0.5), abs=0.004)


def test_gray_noise_has_its_gray_and_its_spread():
    image = GrayNoise(gray=0.4, noise=0.03).make(LARGE, 0).double()
    assert image.mean().item() == pytest.approx(0.4, abs=0.001)
    assert image.std().item() == pytest.approx(0.03, abs=0.001)
    assert torch.equal(GrayNoise(0.4, 0).make((3, 4, 5), 0), torch.full((3, 4, 5), 0.4))


@pytest.mark.parametrize("sigma", [0, 1, 2, 4])
def test_low_frequency_noise_is_smooth_at_the_asked_contrast(sigma):
    recipe = LowFrequencyNoise(sigma=sigma, gray=0.45, contrast=0.07)
    image = recipe.make(LARGE, 0).double()
    assert image.mean().item() == pytest.approx(0.45, abs=0.01)
    assert image.std().item() == pytest.approx(0.07, abs=0.001)
    # White noise blurred by sigma correlates over a distance d as exp(-d^2 / (4 sigma^2)).
    centered = image - image.mean()
    for distance in (1, 3):
        for shifted in (centered.roll(distance, 1), centered.roll(distance, 2)):
            correlation = ((centered * shifted).mean() / centered.var()).item()
            expected = math.exp(-(distance**2) / (4 * sigma**2)) if sigma else 0
            assert correlation == pytest.approx(expected, abs=0.05)


def test_blur_of_any_width_gives_finite_images():
    for shape in ((3, 28, 28), (1, 7, 3), (1, 1, 1)):
        for sigma in (0.0, 1e-3, 1e3, 1e6):
            assert LowFrequencyNoise(sigma=sigma).make(shape, 0).isfinite().all()


def direct_blur(image, sigma):
    """Convolution with a Gaussian that goes on at the far edge, sample by sample."""
    height, width = image.shape[-2:]

    def kernel(size):
        turns = np.arange(-12, 13)[:, None] * size
        values = np.exp(-((np.arange(size) + turns) ** 2) / (2 * sigma**2)).sum(0)
        return values / values.sum()

    down, across = kernel(height), kernel(width)
    blurred = np.zeros(image.shape)
    for i in range(height):
        for j in range(width):
            blurred += down[i] * across[j] * np.roll(image, (i, j), (-2, -1))
    return blurred


@pytest.mark.parametrize("sigma", [1.5, 2.0, 5.0, 20.0])
@pytest.mark.parametrize("shape", [(2, 28, 28), (1, 15, 22), (1, 9, 13)])
def test_blur_is_a_direct_convolution(sigma, shape):
    image = np.random.default_rng(0).standard_normal(shape)
    blurred = gaussian_blur(torch.from_numpy(image), sigma).numpy()
    np.testing.assert_allclose(blurred, direct_blur(image, sigma), atol=1e-4)


def test_blur_by_zero_is_none_and_keeps_the_mean():
    image = torch.rand(2, 9, 12, dtype=torch.float64)
    torch.testing.assert_close(gaussian_blur(image, 0.0), image)
    means = image.mean((1, 2))
    torch.testing.assert_close(gaussian_blur(image, 3.0).mean((1, 2)), means)
    flat = gaussian_blur(image, 1e4)
    torch.testing.assert_close(flat, means[:, None, None].expand_as(flat))


@pytest.mark.parametrize(
    ("recipe", "name", "key"),
    [
        (GaussianNoise, "GaussianNoise", "std"),
        (GrayNoise, "GrayNoise", "noise"),
        (LowFrequencyNoise, "LowFrequencyNoise", "sigma"),
        (LowFrequencyNoise, "LowFrequencyNoise", "contrast"),
    ],
)
@pytest.mark.parametrize("value", [-0.1, math.nan, math.inf])
def test_spread_out_of_range_is_told(recipe, name, key, value):
    with pytest.raises(InputError, match=f"{key} of {name} is {value}"):
        recipe(**{key: value})


def test_record_has_name_and_settings():
    assert LowFrequencyNoise(sigma=3).record() == {
        "name": "LowFrequencyNoise",
        "sigma": 3,
        "gray": 0.5,
        "contrast": 0.25,
    }
    assert GrayNoise().record() == {"name": "GrayNoise", "gray": 0.5, "noise": 0.05}
    assert GaussianNoise().record() == {"name": "GaussianNoise", "mean": 0.0, "std": 1.0}
