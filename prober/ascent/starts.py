"""Initial images: where gradient ascent starts from."""

import math
from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F
from typing_extensions import override

from prober.ascent.given_images import read_picture
from prober.ascent.records import Recorded
from prober.common.errors import InputError, check_not_negative
from prober.common.files import find_file, read_npy


class InitialImage(Recorded):
    """A recipe for the image that an optimization starts from.

    Settings of one meaning have one name in all recipes, and others differ, because the command
    line keeps a setting of the same name when another recipe is chosen.
    """

    kind: ClassVar[str] = "initial image"

    @abstractmethod
    def draw(self, shape: tuple[int, int, int], generator: torch.Generator) -> Tensor:
        """Draws one image `[C, H, W]`, not yet clamped to [0, 1], from a generator on the CPU."""

    def make(self, shape: tuple[int, int, int], seed: int) -> Tensor:
        """Makes the image of a seed; its noise comes from a generator of its own.

        Args:
            shape: Channels, height and width.
            seed: The same seed gives the same image, whatever was drawn before.

        Returns:
            `[C, H, W]` in [0, 1], float32, on the CPU.
        """
        generator = torch.Generator().manual_seed(seed)
        return self.draw(shape, generator).clamp(0, 1)


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

    @override
    def draw(self, shape: tuple[int, int, int], generator: torch.Generator) -> Tensor:
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

    @override
    def draw(self, shape: tuple[int, int, int], generator: torch.Generator) -> Tensor:
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
        check_not_negative(self, "sigma")
        check_not_negative(self, "contrast")

    @override
    def draw(self, shape: tuple[int, int, int], generator: torch.Generator) -> Tensor:
        blurred = gaussian_blur(_normal(shape, generator), self.sigma)
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

    @override
    def draw(self, shape: tuple[int, int, int], generator: torch.Generator) -> Tensor:
        height, width = shape[1:]
        gain = 1 / frequencies(height, width).clamp_min(1 / max(height, width)).float()
        gain[0, 0] = 0  # the mean is gray's
        spectrum = torch.fft.rfft2(_normal(shape, generator)) * gain[:, : width // 2 + 1]
        noise = torch.fft.irfft2(spectrum, s=(height, width))
        return self.gray + self.contrast * noise / noise.std(correction=0).clamp_min(1e-12)


@dataclass(frozen=True)
class GivenImage(InitialImage):
    """A picture that the user gives; it has no noise, so the seed does not matter.

    A picture of another size is brought to the subject's: the middle of it, as much as has the
    right proportions. For a subject of one channel it becomes gray.

    Args:
        path: A picture (`.png`, `.jpg` or another that Pillow opens), or an array (`.npy`), float
            `[C, H, W]` in [0, 1].
    """

    path: str

    @override
    def draw(self, shape: tuple[int, int, int], generator: torch.Generator) -> Tensor:
        """Reads the picture.

        Raises:
            InputError: The file is missing, is no picture, or does not fit the subject.
        """
        path = find_file(self.path, "Picture")
        if path.suffix == ".npy":
            return _fitted(_read_array(str(path)), shape, self.path)
        try:
            return read_picture(path, shape)
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
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
    def draw(self, shape: tuple[int, int, int], generator: torch.Generator) -> Tensor:
        """Blends the arrays.

        Raises:
            InputError: A file is missing, is no array, or has another shape.
        """
        first, second = (_read_array(path) for path in (self.first, self.second))
        for path, image in ((self.first, first), (self.second, second)):
            if image.shape != tuple(shape):
                raise InputError(
                    f"'{path}' is {list(image.shape)}; the subject takes {list(shape)}."
                )
        return torch.lerp(first, second, self.share)


def frequencies(height: int, width: int) -> Tensor:
    """Returns the frequency of each coefficient of a spectrum, in cycles per pixel, float64.

    Returns:
        `[H, W]`, as `torch.fft.fft2` orders them.
    """
    rows = torch.fft.fftfreq(height, dtype=torch.float64)[:, None]
    return torch.hypot(rows, torch.fft.fftfreq(width, dtype=torch.float64)[None])


def gaussian_blur(image: Tensor, sigma: float | Tensor) -> Tensor:
    """Blurs `[..., H, W]` by a Gaussian of `sigma` pixels; the image goes on at its far edge.

    Multiplies its spectrum by exp(-2 (pi sigma f)^2), f in cycles per pixel, which is the
    Gaussian's own spectrum, so any sigma will do, also one wider than the image.

    Args:
        image: `[..., H, W]`.
        sigma: One for all, or one for each image, `[..., 1, 1]`.
    """
    height, width = image.shape[-2:]
    rows = torch.fft.fftfreq(height, dtype=image.dtype, device=image.device)[:, None]
    columns = torch.fft.rfftfreq(width, dtype=image.dtype, device=image.device)[None]
    gain = torch.exp(-2 * (math.pi * sigma) ** 2 * (rows**2 + columns**2))
    return torch.fft.irfft2(torch.fft.rfft2(image) * gain, s=(height, width))


def _read_array(path: str) -> Tensor:
    image = read_npy(path, "an image's array")
    if not (image.numel() and image.min() >= 0 and image.max() <= 1):
        raise InputError(f"'{path}' has values outside [0, 1]; divide bytes by 255.")
    return image


def _fitted(image: Tensor, shape: tuple[int, int, int], path: str) -> Tensor:
    """Brings an array to a subject's shape, as `read_picture` does with a picture."""
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


def _normal(shape: tuple[int, int, int], generator: torch.Generator) -> Tensor:
    # Always float32: the start is then the same whatever precision the run has.
    return torch.randn(shape, generator=generator, dtype=torch.float32)
