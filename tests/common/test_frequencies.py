"""Frequencies, and the blur by them, against a convolution sample by sample."""

import math

import numpy as np
import pytest
import torch

from prober.common.frequencies import frequencies, gaussian_blur


@pytest.mark.parametrize(("height", "width"), [(8, 8), (7, 12), (1, 5), (1, 1)])
def test_frequencies_are_those_of_the_waves(height, width):
    f = frequencies(height, width)
    assert f.dtype == torch.float64
    for i in range(height):
        for j in range(width):
            down, across = min(i, height - i) / height, min(j, width - j) / width
            assert f[i, j].item() == pytest.approx(math.hypot(down, across))


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


def test_blur_of_each_image_by_its_own_width():
    images = torch.rand(3, 2, 9, 12, dtype=torch.float64)
    sigmas = [0.0, 1.5, 4.0]
    together = gaussian_blur(images, torch.tensor(sigmas).double()[:, None, None, None])
    for image, sigma, blurred in zip(images, sigmas, together, strict=True):
        torch.testing.assert_close(blurred, gaussian_blur(image, sigma))


def test_blur_by_zero_is_none_and_keeps_the_mean():
    image = torch.rand(2, 9, 12, dtype=torch.float64)
    torch.testing.assert_close(gaussian_blur(image, 0.0), image)
    means = image.mean((1, 2))
    torch.testing.assert_close(gaussian_blur(image, 3.0).mean((1, 2)), means)
    flat = gaussian_blur(image, 1e4)
    torch.testing.assert_close(flat, means[:, None, None].expand_as(flat))


def test_blur_and_frequencies_along_one_side_are_those_of_a_row():
    row = torch.rand(2, 1, 30)
    blurred = gaussian_blur(row[:, 0], 2.0, 1)
    torch.testing.assert_close(blurred, gaussian_blur(row, 2.0)[:, 0])
    volume = torch.rand(4, 5, 6)
    spectrum = torch.fft.fftn(volume)
    f = frequencies(4, 5, 6)
    axes = torch.meshgrid(*(torch.fft.fftfreq(n).double() for n in (4, 5, 6)), indexing="ij")
    torch.testing.assert_close(f, sum(axis**2 for axis in axes).sqrt())
    gain = torch.exp(-2 * (np.pi * 1.5 * f) ** 2)
    expected = torch.fft.ifftn(spectrum * gain).real.float()
    torch.testing.assert_close(gaussian_blur(volume, 1.5, 3), expected)
