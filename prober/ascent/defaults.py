"""What is used where nothing is said: it goes by the size of the subject's input."""

from prober.ascent.parameterizations import Fourier, Parameterization, Pixels
from prober.ascent.starts import (
    GaussianNoise,
    GrayNoise,
    InitialImage,
    LowFrequencyNoise,
    PinkNoise,
)
from prober.ascent.transforms import Jitter, Rotation, Scale, Transform, robust

LARGE = 64
"""Images whose height and width are of so many pixels, or more, are large ones.

In smaller ones each pixel counts, and they are optimized as they are. In larger ones gradient
ascent on pixels finds high frequencies that excite a CNN and tell people little."""


def is_large(shape: tuple[int, int, int]) -> bool:
    """Tells whether images `[C, H, W]` are large ones."""
    return min(shape[1:]) >= LARGE


def default_parameterization(shape: tuple[int, int, int]) -> Parameterization:
    """Pixels for small images, Fourier for large ones."""
    return Fourier() if is_large(shape) else Pixels()


def default_initial_image(parameterization: Parameterization) -> InitialImage:
    """Gaussian noise in pixels; in the other bases, which do not get rid of it, soft noise."""
    return GaussianNoise() if isinstance(parameterization, Pixels) else PinkNoise()


def default_transforms(shape: tuple[int, int, int]) -> tuple[Transform, ...]:
    """None for small images; for large ones those that make an image robust."""
    return robust(shape) if is_large(shape) else ()


def gentle_transforms(shape: tuple[int, int, int]) -> tuple[Transform, ...]:
    """What suits a neuron, which wants something at its place, as the others suit a channel.

    To be moved by more than a stroke's width, as large pictures are by default, would blur whatever
    fine strokes it wants; not to be moved at all lets high frequencies have their way.
    """
    return (Jitter(2), Scale(0.95, 1.05), Rotation(5.0)) if is_large(shape) else ()


def various_initial_images(shape: tuple[int, int, int]) -> list[InitialImage]:
    """Initial images that lead to different optima, where a unit has several."""
    if is_large(shape):
        return [PinkNoise(), PinkNoise(contrast=0.25), LowFrequencyNoise(sigma=min(shape[1:]) / 16)]
    return [GaussianNoise(), GrayNoise(), LowFrequencyNoise()]
