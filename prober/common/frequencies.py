"""Frequencies of arrays of any number of sides, and the blur by which high ones are left out."""

import math
from functools import reduce

import torch
from torch import Tensor


def frequencies(*sides: int) -> Tensor:
    """Returns the frequency of each coefficient of a spectrum, in cycles per pixel, float64.

    Args:
        *sides: Height and width, or however many there are, at least one.

    Returns:
        `[*sides]`, as `torch.fft.fftn` orders them.
    """
    axes = [torch.fft.fftfreq(side, dtype=torch.float64) for side in sides]
    return reduce(torch.hypot, _across(axes)).abs()


def gaussian_blur(image: Tensor, sigma: float | Tensor, axes: int = 2) -> Tensor:
    """Blurs `[..., *sides]` by a Gaussian of `sigma` pixels; the image goes on at its far edge.

    Multiplies its spectrum by exp(-2 (pi sigma f)^2), f in cycles per pixel, which is the
    Gaussian's own spectrum, so any sigma will do, also one wider than the image.

    Args:
        image: `[..., *sides]`.
        sigma: One for all, or one for each image, `[..., 1, 1]`.
        axes: How many sides there are: 2 of images. A vector, which has none, stays as it is.
    """
    if not axes:
        return image
    sides = image.shape[-axes:]
    kind = {"dtype": image.dtype, "device": image.device}
    *before, last = sides
    squares = [
        *(torch.fft.fftfreq(side, **kind) ** 2 for side in before),
        torch.fft.rfftfreq(last, **kind) ** 2,
    ]
    gain = torch.exp(-2 * (math.pi * sigma) ** 2 * reduce(torch.add, _across(squares)))
    dims = tuple(range(-axes, 0))
    return torch.fft.irfftn(torch.fft.rfftn(image, dim=dims) * gain, s=sides, dim=dims)


def _across(axes: list[Tensor]) -> list[Tensor]:
    """Turns vectors into arrays that can be broadcast, each along a dimension of its own."""
    return [axis.view(-1, *[1] * (len(axes) - 1 - i)) for i, axis in enumerate(axes)]
