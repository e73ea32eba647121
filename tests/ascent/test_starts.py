import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from prober.ascent.starts import (
    Blend,
    GaussianNoise,
    GivenImage,
    GrayNoise,
    LowFrequencyNoise,
    PinkNoise,
)
from prober.common.errors import InputError

RECIPES = [
    GaussianNoise(),
    GaussianNoise(mean=0.5, std=0.1),
    GrayNoise(),
    LowFrequencyNoise(),
    LowFrequencyNoise(sigma=0.5, gray=0.3, contrast=0.6),
    PinkNoise(),
    PinkNoise(contrast=0.7, gray=0.3),
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


@pytest.mark.parametrize("shape", [(3, 128, 128), (3, 101, 150)])
def test_pink_noise_falls_with_frequency_at_the_asked_contrast(shape):
    images = torch.stack([PinkNoise(0.04, 0.45).make(shape, seed) for seed in range(20)]).double()
    means, stds = images.mean((1, 2, 3)), images.std((1, 2, 3), correction=0)
    torch.testing.assert_close(means, torch.full_like(means, 0.45), rtol=0, atol=1e-4)
    torch.testing.assert_close(stds, torch.full_like(stds, 0.04), rtol=0, atol=1e-4)
    spectra = np.abs(np.fft.fft2(images.numpy() - 0.45))
    power = (spectra**2).mean((0, 1))
    f = np.hypot(np.fft.fftfreq(shape[1])[:, None], np.fft.fftfreq(shape[2])[None])
    bands = [(0.02, 0.04), (0.04, 0.08), (0.08, 0.16), (0.16, 0.32), (0.32, 0.64)]
    within = [(f >= low) & (f < high) for low, high in bands]
    amplitude = np.sqrt([power[band].mean() for band in within])
    middle = [np.sqrt((f[band] ** -2.0).mean()) for band in within]
    np.testing.assert_allclose(amplitude / amplitude[0], middle / middle[0], rtol=0.05)


def test_blur_of_any_width_gives_finite_images():
    for shape in ((3, 28, 28), (1, 7, 3), (1, 1, 1)):
        for sigma in (0.0, 1e-3, 1e3, 1e6):
            assert LowFrequencyNoise(sigma=sigma).make(shape, 0).isfinite().all()


@pytest.mark.parametrize(
    ("recipe", "name", "key"),
    [
        (GaussianNoise, "GaussianNoise", "std"),
        (GrayNoise, "GrayNoise", "noise"),
        (LowFrequencyNoise, "LowFrequencyNoise", "sigma"),
        (LowFrequencyNoise, "LowFrequencyNoise", "contrast"),
        (PinkNoise, "PinkNoise", "contrast"),
    ],
)
@pytest.mark.parametrize("value", [-0.1, math.nan, math.inf])
def test_spread_out_of_range_is_told(recipe, name, key, value):
    with pytest.raises(InputError, match=f"{key} of {name} is {value}"):
        recipe(**{key: value})


@pytest.mark.parametrize("value", [math.nan, -math.inf, math.inf, "x"])
def test_a_mean_that_is_not_finite_is_told(value):
    for recipe, key in (
        *((GaussianNoise, "mean"), (GrayNoise, "gray")),
        *((LowFrequencyNoise, "gray"), (PinkNoise, "gray")),
    ):
        with pytest.raises(InputError, match=f"{key} of {recipe.__name__} is {value}; it must be"):
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
    assert PinkNoise().record() == {"name": "PinkNoise", "contrast": 0.05, "gray": 0.5}
    assert GivenImage("a.png").record() == {"name": "GivenImage", "path": "a.png"}


def ramp(height, width):
    """Red grows to the right, green downward, blue is constant; bytes `[H, W, 3]`."""
    y, x = np.mgrid[:height, :width]
    red, green = 255 * (x + 0.5) / width, 255 * (y + 0.5) / height
    return np.stack([red, green, np.full((height, width), 102.0)], 2).round().astype(np.uint8)


def write_picture(path, pixels):
    if path.suffix == ".npy":
        np.save(path, pixels.transpose(2, 0, 1).astype(np.float32) / 255)
    else:
        Image.fromarray(pixels).save(path)
    return GivenImage(str(path))


endings = pytest.mark.parametrize("ending", [".png", ".npy", ".bmp"])


@endings
def test_given_image_of_the_right_size_is_taken_as_it_is(tmp_path, ending):
    pixels = ramp(20, 30)
    image = write_picture(tmp_path / f"picture{ending}", pixels).make((3, 20, 30), 0)
    assert image.dtype == torch.float32
    np.testing.assert_allclose(image.numpy(), pixels.transpose(2, 0, 1) / 255, atol=1e-6)


@endings
@pytest.mark.parametrize("shape", [(3, 20, 20), (3, 24, 12), (3, 150, 100), (3, 7, 21)])
def test_given_image_of_another_size_shows_its_middle(tmp_path, ending, shape):
    height, width = 60, 90
    recipe = write_picture(tmp_path / f"picture{ending}", ramp(height, width))
    red, green, blue = recipe.make(shape, 0).numpy()
    # The largest part of the right proportions, in the middle: so far the ramps go.
    factor = min(height / shape[1], width / shape[2])
    across, down = shape[2] * factor / width, shape[1] * factor / height
    x = 0.5 + across * ((np.arange(shape[2]) + 0.5) / shape[2] - 0.5)
    y = 0.5 + down * ((np.arange(shape[1]) + 0.5) / shape[1] - 0.5)
    np.testing.assert_allclose(red, np.tile(x, (shape[1], 1)), atol=0.03)
    np.testing.assert_allclose(green, np.tile(y[:, None], (1, shape[2])), atol=0.03)
    np.testing.assert_allclose(blue, 0.4, atol=0.005)


@endings
def test_given_image_is_averaged_where_it_is_shrunk(tmp_path, ending):
    y, x = np.mgrid[:64, :64]
    checkered = np.repeat(((x + y) % 2 * 255).astype(np.uint8)[..., None], 3, 2)
    recipe = write_picture(tmp_path / f"picture{ending}", checkered)
    inner = recipe.make((3, 13, 13), 0)[:, 2:-2, 2:-2]
    assert (inner - 0.5).abs().max() < 0.05


def test_given_image_becomes_gray_for_a_subject_of_one_channel(tmp_path):
    image = write_picture(tmp_path / "picture.png", ramp(10, 12)).make((1, 10, 12), 0)
    red, green, blue = ramp(10, 12).transpose(2, 0, 1) / 255
    luma = 0.299 * red + 0.587 * green + 0.114 * blue  # ITU-R BT.601, as in JPEG
    np.testing.assert_allclose(image[0].numpy(), luma, atol=0.005)


def test_given_array_of_many_channels(tmp_path):
    values = np.random.default_rng(0).random((5, 8, 8))
    np.save(tmp_path / "a.npy", values)
    image = GivenImage(str(tmp_path / "a.npy")).make((5, 8, 8), 0)
    np.testing.assert_allclose(image.numpy(), values, atol=1e-6)


def test_given_image_that_cannot_be_used_is_told(tmp_path):
    def told(name, message, shape=(3, 8, 8)):
        with pytest.raises(InputError, match=message) as error:
            GivenImage(str(tmp_path / name)).make(shape, 0)
        assert name in str(error.value)

    told("none.png", "is not a file. Looked in")
    told("none.npy", "is not a file. Looked in")
    (tmp_path / "text.png").write_text("no picture", encoding="utf-8")
    told("text.png", "cannot be used as a picture: cannot identify")
    (tmp_path / "text.npy").write_text("no array", encoding="utf-8")
    told("text.npy", "is not an image's array")
    write_picture(tmp_path / "rgb.png", ramp(8, 8))
    told("rgb.png", "the subject takes 4 channels", (4, 8, 8))
    np.save(tmp_path / "bytes.npy", np.full((3, 8, 8), 255.0))
    told("bytes.npy", r"has values outside \[0, 1\], or NaN; divide bytes by 255")
    np.save(tmp_path / "nan.npy", np.full((3, 8, 8), np.nan))
    told("nan.npy", r"has values outside \[0, 1\], or NaN")
    np.save(tmp_path / "two.npy", np.zeros((2, 8, 8)))
    told("two.npy", r"is \[2, 8, 8\]; the subject takes 3 channels, so give \[3, height, width\]")
    np.save(tmp_path / "batch.npy", np.zeros((1, 3, 8, 8)))
    told("batch.npy", r"is \[1, 3, 8, 8\]; the subject takes 3 channels")


def test_blend_wants_two_images_of_the_subjects_shape(tmp_path):
    first, second = np.random.default_rng(0).random((2, 3, 8, 9))
    np.save(tmp_path / "first.npy", first)
    np.save(tmp_path / "second.npy", second)
    blend = Blend(str(tmp_path / "first.npy"), str(tmp_path / "second.npy"), 0.25)
    expected = 0.75 * first + 0.25 * second
    np.testing.assert_allclose(blend.make((3, 8, 9), 0).numpy(), expected, atol=1e-6)
    with pytest.raises(
        InputError, match=r"first.npy' is \[3, 8, 9\]; the subject takes \[3, 9, 9\]"
    ):
        blend.make((3, 9, 9), 0)
