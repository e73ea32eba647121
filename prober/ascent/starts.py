"""Initial images: where gradient ascent starts from."""

from abc import abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F
from typing_extensions import override

from prober.ascent.fitting import fitting
from prober.ascent.given_images import NO_PICTURE, check_unit_range, read_picture
from prober.ascent.records import Recorded
from prober.common.errors import InputError, check_finite, check_not_negative
from prober.common.files import find_file, read_npy
from prober.common.frequencies import frequencies, gaussian_blur
from prober.common.inputs import InputKind, Shape, input_kind


class InitialImage(Recorded):
    """A recipe for the image that an optimization starts from.

    Settings of one meaning have one name in all recipes, and others differ, because the command
    line keeps a setting of the same name when another recipe is chosen.
    """

    @abstractmethod
    def draw(self, shape: Shape, generator: torch.Generator) -> Tensor:
        """Draws one input `[C, *sides]`, not yet clamped to [0, 1], from a generator on the CPU."""

    def make(self, shape: Shape, seed: int) -> Tensor:
        """Makes the image of a seed; its noise comes from a generator of its own.

        Args:
            shape: Channels, and the sides: height and width of an image.
            seed: The same seed gives the same image, whatever was drawn before.

        Returns:
            `[C, *sides]` in [0, 1], float32, on the CPU.

        Raises:
            InputError: It cannot be drawn, or is of another shape.
        """
        generator = torch.Generator().manual_seed(seed)
        name = f"{type(self).__name__}.draw"
        try:
            drawn = self.draw(shape, generator)
        except (InputError, OSError):
            raise
        except Exception as error:  # whatever a person's own start does
            raise InputError(f"{name} failed: {type(error).__name__}: {error}") from error
        return fitting(drawn, shape, name, "one input").clamp(0, 1)


@dataclass(frozen=True)
class GaussianNoise(InitialImage):
    """Independent Gaussian noise in every pixel and channel, cut off at 0 and 1.

    Args:
        mean: Mean of the noise before it is cut off.
        std: Standard deviation of the noise before it is cut off, at least 0.
    """

    mean: float = 0.0
    std: float = 1.0

    def __post_init__(self) -> None:
        """Checks the settings."""
        check_not_negative(self, "std")
        check_finite(self, "mean")

    @override
    def draw(self, shape: Shape, generator: torch.Generator) -> Tensor:
        return self.mean + self.std * _normal(shape, generator)


@dataclass(frozen=True)
class GrayNoise(InitialImage):
    """Constant gray with a little Gaussian noise in every pixel and channel.

    Args:
        gray: The gray, in [0, 1].
        noise: Standard deviation of the noise, at least 0.
    """

    gray: float = 0.5
    noise: float = 0.05

    def __post_init__(self) -> None:
        """Checks the settings."""
        check_not_negative(self, "noise")
        check_finite(self, "gray")

    @override
    def draw(self, shape: Shape, generator: torch.Generator) -> Tensor:
        return self.gray + self.noise * _normal(shape, generator)


@dataclass(frozen=True)
class LowFrequencyNoise(InitialImage):
    """Noise of large soft patches: Gaussian noise, blurred, brought back to its contrast.

    Args:
        sigma: Standard deviation of the Gaussian blur in pixels, at least 0.
        gray: Mean of the noise, in [0, 1].
        contrast: Standard deviation of the blurred noise over the image, at least 0.
    """

    sigma: float = 2.0
    gray: float = 0.5
    contrast: float = 0.25

    def __post_init__(self) -> None:
        """Checks the settings."""
        check_not_negative(self, "sigma", "contrast")
        check_finite(self, "gray")

    @override
    def draw(self, shape: Shape, generator: torch.Generator) -> Tensor:
        blurred = gaussian_blur(_normal(shape, generator), self.sigma, len(shape) - 1)
        return self.gray + self.contrast * blurred / blurred.std(correction=0).clamp_min(1e-12)


@dataclass(frozen=True)
class PinkNoise(InitialImage):
    """Noise whose amplitude falls with 1/f, as that of photographs does.

    The start for large images, where a spectrum is optimized: it has patches of all sizes, while
    those of `LowFrequencyNoise` are of one size. Lucid, the library of Olah et al., "Feature
    visualization" (Distill 2017), starts from such noise.

    Args:
        contrast: Standard deviation of the noise over the image, at least 0.
        gray: Mean of the noise, in [0, 1].
    """

    contrast: float = 0.05
    gray: float = 0.5

    def __post_init__(self) -> None:
        """Checks the settings."""
        check_not_negative(self, "contrast")
        check_finite(self, "gray")

    @override
    def draw(self, shape: Shape, generator: torch.Generator) -> Tensor:
        sides = shape[1:]
        noise = _normal(shape, generator)
        if sides:  # the numbers of a vector have no neighbors
            dims = tuple(range(1, len(shape)))
            gain = 1 / frequencies(*sides).clamp_min(1 / max(sides)).float()
            gain[(0,) * len(sides)] = 0  # the mean is gray's
            spectrum = torch.fft.rfftn(noise, dim=dims) * gain[..., : sides[-1] // 2 + 1]
            noise = torch.fft.irfftn(spectrum, s=sides, dim=dims)
        return self.gray + self.contrast * noise / noise.std(correction=0).clamp_min(1e-12)


@dataclass(frozen=True)
class GivenImage(InitialImage):
    """A picture that the user gives; it has no noise, so the seed does not matter.

    A picture of another size is brought to the subject's: the middle of it, as much as has the
    right proportions. For a subject of one channel it becomes gray. A subject that takes no images
    is given an array of its own shape.

    Args:
        path: A picture (`.png`, `.jpg` or another that Pillow opens), or an array (`.npy`), float
            `[C, H, W]`, or of the subject's shape, in [0, 1].
    """

    path: str

    @override
    def draw(self, shape: Shape, generator: torch.Generator) -> Tensor:
        """Reads the picture.

        Raises:
            InputError: The file is missing, is no picture, or does not fit the subject.
        """
        path = find_file(self.path, "Picture")
        if path.suffix == ".npy":
            return _fitted(_read_array(str(path)), shape, self.path)
        if input_kind(shape) is not InputKind.IMAGE:
            raise InputError(
                f"'{self.path}' is a picture, and the subject takes {list(shape)}: give an array "
                "of that shape (.npy)."
            )
        try:
            return read_picture(path, shape)
        except NO_PICTURE as error:
            raise InputError(f"'{self.path}' cannot be used as a picture: {error}") from error


@dataclass(frozen=True)
class Blend(InitialImage):
    """A blend of two finished images; it has no noise, so the seed does not matter.

    Args:
        first: Path of the first image's array, `.npy`, float `[C, H, W]` in [0, 1].
        second: Path of the second image's array.
        share: How much of the second there is in the blend, 0 to 1.
    """

    first: str
    second: str
    share: float = 0.5

    @override
    def draw(self, shape: Shape, generator: torch.Generator) -> Tensor:
        """Blends the arrays.

        Raises:
            InputError: A file is missing, is no array, or has another shape.
        """
        first, second = (_of_shape(_read_array(p), shape, p) for p in (self.first, self.second))
        return torch.lerp(first, second, self.share)


def _read_array(path: str) -> Tensor:
    image = read_npy(path, "an image's array")
    check_unit_range(image, path)
    return image


def _of_shape(image: Tensor, shape: Shape, path: str) -> Tensor:
    """Returns an array that has a subject's shape, and refuses any other."""
    if image.shape != tuple(shape):
        raise InputError(f"'{path}' is {list(image.shape)}; the subject takes {list(shape)}.")
    return image


def _fitted(image: Tensor, shape: Shape, path: str) -> Tensor:
    """Brings an array to a subject's shape, as `read_picture` does with a picture."""
    if input_kind(shape) is not InputKind.IMAGE:
        return _of_shape(image, shape, path)
    if image.ndim != 3 or image.shape[0] != shape[0]:
        raise InputError(
            f"'{path}' is {list(image.shape)}; the subject takes {shape[0]} channels, so give "
            f"[{shape[0]}, height, width]."
        )
    size = image.shape[1:]
    # The middle, as much as has the right proportions; at least one pixel of it.
    factor = min(size[0] / shape[1], size[1] / shape[2])
    height, width = (max(1, round(side * factor)) for side in shape[1:])
    top, left = (size[0] - height) // 2, (size[1] - width) // 2
    middle = image[None, :, top : top + height, left : left + width]
    return F.interpolate(middle, shape[1:], mode="bilinear", antialias=True)[0]


def _normal(shape: Shape, generator: torch.Generator) -> Tensor:
    # Always float32: the start is then the same whatever precision the run has.
    return torch.randn(shape, generator=generator, dtype=torch.float32)
