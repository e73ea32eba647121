"""Parameterizations: in which basis the image is optimized.

What gradient ascent finds depends on the basis it moves in. In pixels it finds high frequencies
first, which fool a CNN and tell people little; on images of 64 pixels and more a basis that favors
low frequencies, as photographs do, gives pictures that can be read (Olah et al., "Feature
visualization", Distill 2017, section "Preconditioning and parameterization").
"""

import copy
import math
from abc import abstractmethod
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from typing_extensions import override

from prober.ascent.given_images import read_images
from prober.ascent.records import Recorded
from prober.ascent.starts import GaussianNoise, InitialImage, PinkNoise
from prober.common.errors import InputError, check_not_negative
from prober.common.files import expanded
from prober.common.frequencies import frequencies
from prober.common.inputs import Shape

SQUEEZE = 0.01
"""Before a sigmoid is undone, pictures are brought to [0.01, 0.99], where its inverse is finite."""

LUCID_COLORS = ((0.26, 0.09, 0.02), (0.27, 0.00, -0.05), (0.27, -0.09, 0.03))
"""The square root of the correlation of red, green and blue over ImageNet, a row for each.

The columns are brightness, red against blue, and green against both. The figures are those of
Lucid (`lucid/optvis/param/color.py`), the library of Olah et al. (2017).
"""

LUCID_DAMPING = 4.0
"""Lucid divides what the inverse Fourier transform gives by 4 (`lucid/optvis/param/spatial.py`).

Adam's rate of 0.05, made for pixels, then suits the spectrum, too.
"""


class Basis(nn.Module):
    """Turns pictures of one shape into the image that is optimized, and back.

    It has no parameters; its constants are buffers, so it goes along with the module's device and
    precision. The image always has the pictures' shape `[N, C, H, W]`, or that of signals, volumes
    or vectors.
    """

    def encode(self, pictures: Tensor) -> Tensor:
        """Finds the image that shows pictures, or comes nearest to them.

        Args:
            pictures: `[N, C, H, W]` in [0, 1].

        Returns:
            `[N, C, H, W]` of the same dtype, of any values.
        """
        raise NotImplementedError

    def decode(self, image: Tensor) -> Tensor:
        """Computes the pictures that an image stands for; gradients go through.

        Args:
            image: `[N, C, H, W]`.

        Returns:
            `[N, C, H, W]` in [0, 1], of the same dtype. The pictures of a batch do not mix.
        """
        raise NotImplementedError

    def keep_valid(self, image: Tensor) -> None:
        """Brings an image, in place, back to where it means a picture; for after each step."""


class Parameterization(Recorded):
    """A recipe for the basis that images are optimized in.

    Settings of one meaning have one name in all recipes, and others differ, because the command
    line keeps a setting of the same name when another recipe is chosen.

    Attributes:
        initial_image: Where the optimization starts if nothing is said.
    """

    initial_image: ClassVar[InitialImage] = PinkNoise()

    @abstractmethod
    def basis(self, shape: Shape) -> Basis:
        """Makes the basis for images of a shape.

        Args:
            shape: Channels, height and width.

        Raises:
            InputError: What the basis is measured from cannot be used.
        """


@dataclass(frozen=True)
class Pixels(Parameterization):
    """The image is the picture; it is clamped to [0, 1] after every step.

    The right one for small images, each pixel of which counts.
    """

    # The other bases do not get rid of hard noise, and start from a soft one.
    initial_image: ClassVar[InitialImage] = GaussianNoise()

    @override
    def basis(self, shape: Shape) -> Basis:
        return PixelBasis()


class PixelBasis(Basis):
    """The basis of `Pixels`."""

    @override
    def encode(self, pictures: Tensor) -> Tensor:
        return pictures.clone()

    @override
    def decode(self, image: Tensor) -> Tensor:
        return image

    @torch.no_grad()
    def keep_valid(self, image: Tensor) -> None:
        """Clamps to [0, 1]."""
        image.clamp_(0, 1)


@dataclass(frozen=True)
class Fourier(Parameterization):
    """The image is the picture's spectrum, scaled by 1/f, of decorrelated colors.

    After Olah et al., "Feature visualization" (Distill 2017), and their library Lucid:

        picture = sigmoid( colors · F⁻¹( image / max(f, 1/max(H, W))^decay ) · √(HW) / 4 )

    with f in cycles per pixel. F is the Hartley transform (the real part of the Fourier transform
    less its imaginary part), which holds a real picture's spectrum in as many real numbers as the
    picture has pixels (Bracewell, "Discrete Hartley transform", 1983). Three channels are taken
    for red, green and blue, whose correlation over ImageNet is Lucid's; others, and those of
    signals, are left as they are. Of signals and volumes the transform is along their own axes.

    Args:
        decay: Exponent of 1/f, at least 0. Photographs have about 1; more gives smoother pictures,
            0 treats all frequencies alike.
        least_slope: The sigmoid's slope, at least, where the gradient leads a pixel back to the
            middle: without it, pixels that went the wrong way at first stay black or white. 0 for
            the slope as it is, which is 0.25 at the most.

    Examples:
        Pictures as the images of the basis, and back:

        >>> basis = Fourier(decay=1.0).basis((3, 64, 64))
        >>> pictures = torch.full((2, 3, 64, 64), 0.3)
        >>> images = basis.encode(pictures)
        >>> torch.allclose(basis.decode(images), pictures, atol=1e-5)
        True
    """

    decay: float = 1.0
    least_slope: float = 0.0

    def __post_init__(self) -> None:
        """Checks the settings."""
        check_not_negative(self, "decay", "least_slope")

    @override
    def basis(self, shape: Shape) -> Basis:
        return FourierBasis(shape, self.decay, self.least_slope)


class FourierBasis(Basis):
    """The basis of `Fourier`."""

    scale: Tensor
    colors: Tensor

    def __init__(self, shape: Shape, decay: float, least_slope: float = 0.0) -> None:
        super().__init__()
        self.least_slope = least_slope
        channels, *sides = shape
        _check_sides(shape, "Fourier")
        f = frequencies(*sides).clamp_min(1 / max(sides))
        # √(HW) makes the transform unitary: at decay 0 the rate means for the spectrum what it
        # means for pixels. The inverse Hartley transform would divide by HW.
        scale = f**-decay / math.sqrt(math.prod(sides)) / LUCID_DAMPING
        colors = torch.eye(channels, dtype=torch.float64)
        if channels == 3 and len(sides) > 1:
            colors = torch.tensor(LUCID_COLORS, dtype=torch.float64)
            colors = colors / torch.linalg.vector_norm(colors, dim=0).max()
        self.register_buffer("scale", scale.float(), persistent=False)
        self.register_buffer("colors", colors.float(), persistent=False)

    @override
    def encode(self, pictures: Tensor) -> Tensor:
        """The spectrum of the pictures, brought to [0.01, 0.99]."""
        latent = mix_channels(torch.linalg.inv(self.colors), squeezed_logit(pictures))
        return hartley(latent, self.scale.dim()) / self.scale / latent[0, 0].numel()

    @override
    def decode(self, image: Tensor) -> Tensor:
        with torch.autocast(image.device.type, enabled=False):  # half precision has no spectra
            latent = hartley(image * self.scale, self.scale.dim())
            latent = mix_channels(self.colors, latent)
            return (
                _LeastSlopeSigmoid.apply(latent, self.least_slope)
                if self.least_slope
                else latent.sigmoid()
            )


class _LeastSlopeSigmoid(torch.autograd.Function):
    """A sigmoid whose slope is at least so much where a descent leads back to the middle."""

    generate_vmap_rule = True

    @staticmethod
    @override
    def forward(latent: Tensor, least_slope: float) -> Tensor:
        return latent.sigmoid()

    @staticmethod
    @override
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        latent, ctx.least_slope = inputs
        ctx.save_for_backward(latent, output)

    @staticmethod
    @override
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        latent, pictures = ctx.saved_tensors
        slope = pictures * (1 - pictures)
        back = latent * gradient > 0
        return gradient * torch.where(back, slope.clamp_min(ctx.least_slope), slope), None


@dataclass(frozen=True)
class MagnitudeConstrained(Parameterization):
    """Only the phase of the spectrum is optimized; its magnitude is that of given images.

    MACO, after Fel et al., "Unlocking feature visualization for deeper networks with magnitude
    constrained optimization" (NeurIPS 2023). As there, the colors of the images are decorrelated,
    the magnitude is their spectra's mean, and the picture is

        picture = sigmoid( mean color + colors · F⁻¹( magnitude · exp(i · phase) ) )

    Mean, correlation of the channels and magnitude are measured over the images' logits (brought
    to [0.01, 0.99] before), because what is constrained stands before the sigmoid.

    Args:
        images: What the magnitude is measured from: a folder of images, `digits` for those that
            ship with the project, or an array `[N, C, H, W]` in [0, 1] (`.npy`).
    """

    images: str

    @override
    def basis(self, shape: Shape) -> Basis:
        """Measures the images.

        Raises:
            InputError: The images cannot be read, do not fit, or are all one flat color.
        """
        _check_sides(shape, "MagnitudeConstrained")
        basis = copy.deepcopy(_measured(self.images, tuple(shape), _state(expanded(self.images))))
        if not basis.magnitude.amax() > 1e-6:
            raise InputError(
                f"The images of MagnitudeConstrained, '{self.images}', are all of one flat color, "
                "so their spectra have no magnitude. Give photographs, or others with content."
            )
        return basis


class MagnitudeBasis(Basis):
    """The basis of `MagnitudeConstrained`.

    Args:
        images: What is measured, `[M, C, H, W]` in [0, 1], M at least 1.

    Attributes:
        mean: `[C]`, the mean of the logits of each channel.
        colors: `[C, C]`, the square root of the channels' covariance: the decorrelated channels,
            the most varied first, are its columns.
        magnitude: `[C, H, W]`, the mean of the magnitudes of the spectra of each decorrelated
            channel (sums over pixels, not divided); 0 at frequency 0, whose place `mean` takes.
    """

    mean: Tensor
    colors: Tensor
    magnitude: Tensor

    def __init__(self, images: Tensor) -> None:
        super().__init__()
        # A few images at a time, in float64: thousands of large ones would not fit into memory.
        blocks = images.split(32)
        channels, pixels = images.shape[1], images[:, 0].numel()
        mean, square = torch.zeros(channels, 1).double(), torch.zeros(channels, channels).double()
        for block in blocks:
            mean += _columns(block).sum(1, keepdim=True) / pixels
        for block in blocks:
            centered = _columns(block) - mean
            square += centered @ centered.T / pixels
        mean = mean[:, 0]
        colors = _square_root(square)
        magnitude = torch.zeros(images.shape[1:], dtype=torch.float64)
        for block in blocks:
            magnitude += _spectra(block.double(), mean, colors).abs().sum(0) / len(images)
        self.register_buffer("mean", mean.float(), persistent=False)
        self.register_buffer("colors", colors.float(), persistent=False)
        self.register_buffer("magnitude", magnitude.float(), persistent=False)

    def encode(self, pictures: Tensor) -> Tensor:
        """The phases of the pictures' spectra in radians; their magnitudes are lost.

        A frequency that a picture does not hold (less than a thousandth of what white noise as
        varied as the images has) gets the phase 0, not that of a rounding error.
        """
        spectra = _spectra(pictures, self.mean, self.colors)
        enough = spectra.abs() > 1e-3 * math.sqrt(spectra[0, 0].numel())
        return spectra.angle().where(enough, 0)

    @override
    def decode(self, image: Tensor) -> Tensor:
        """Puts phases and magnitudes together.

        Of an image's phases only the antisymmetric part (p(u) - p(-u)) / 2 counts: a picture of
        real numbers has spectra of such phases.
        """
        with torch.autocast(image.device.type, enabled=False):  # half precision has no spectra
            size = image.shape[2:]
            dims = tuple(range(2, image.dim()))
            half = size[-1] // 2 + 1  # the other half of a real picture's spectrum mirrors it
            opposite = image.flip(dims).roll((1,) * len(dims), dims)
            phase = (image - opposite)[..., :half] / 2
            magnitude = self.magnitude[..., :half].to(phase.dtype).expand_as(phase)
            spectra = torch.polar(magnitude, phase)
            latent = mix_channels(self.colors, torch.fft.irfftn(spectra, s=size, dim=dims))
            return (_on_channels(self.mean, latent) + latent).sigmoid()


@lru_cache(maxsize=2)
def _measured(images: str, shape: Shape, state: object) -> MagnitudeBasis:
    """Measures images once for all chunks of a sweep; again if a file of them has changed."""
    return MagnitudeBasis(read_images(images, shape, "images of MagnitudeConstrained").images)


def _state(path: Path) -> tuple[tuple[str, int, int], ...]:
    """The names, times and sizes of all files at a path."""
    files = sorted(path.rglob("*")) if path.is_dir() else [path]
    stats = [(str(file), file.stat()) for file in files if file.exists()]
    return tuple((name, stat.st_mtime_ns, stat.st_size) for name, stat in stats)


def hartley(images: Tensor, axes: int = 2) -> Tensor:
    """The Hartley transform of `[..., H, W]`, sums over pixels; twice is H * W times the input.

    Args:
        images: `[..., *sides]`.
        axes: How many sides there are.
    """
    spectra = torch.fft.fftn(images, dim=tuple(range(-axes, 0)))
    return spectra.real - spectra.imag


def squeezed_logit(pictures: Tensor) -> Tensor:
    """Brings pictures to [0.01, 0.99] and undoes the sigmoid; keeps the shape."""
    return pictures.clamp(SQUEEZE, 1 - SQUEEZE).logit()


def mix_channels(matrix: Tensor, images: Tensor) -> Tensor:
    """Multiplies the channels of each pixel of `[N, C, H, W]` by a matrix `[C, C]`."""
    return (matrix.to(images.dtype) @ images.flatten(2)).view_as(images)


def _columns(images: Tensor) -> Tensor:
    """The logits of all pixels `[C, M * H * W]`, in float64."""
    return squeezed_logit(images.double()).transpose(0, 1).flatten(1)


def _square_root(covariance: Tensor) -> Tensor:
    """A matrix R `[C, C]` with R Rᵀ = covariance, its columns by descending variance.

    Directions in which the images do not vary (gray images as red, green and blue) get a column
    of zeros. The signs are made definite: a column's largest number is positive.
    """
    variances, directions = torch.linalg.eigh(covariance)
    variances, directions = variances.flip(0), directions.flip(1)
    variances = variances.where(variances > 1e-9 * variances[0].clamp_min(1e-9), 0)
    largest = directions.gather(0, directions.abs().argmax(0, keepdim=True))
    return directions * largest.sign() * variances.sqrt()


def _spectra(pictures: Tensor, mean: Tensor, colors: Tensor) -> Tensor:
    """The spectra of the decorrelated channels, without frequency 0; complex `[N, C, H, W]`."""
    latent = squeezed_logit(pictures)
    latent = latent - _on_channels(mean, latent)
    decorrelated = mix_channels(torch.linalg.pinv(colors, rtol=1e-6), latent)
    sides = tuple(range(2, pictures.dim()))
    return torch.fft.fftn(decorrelated - decorrelated.mean(sides, keepdim=True), dim=sides)


def _on_channels(values: Tensor, images: Tensor) -> Tensor:
    """A value for each channel, `[C]`, to be broadcast with `[N, C, *sides]`."""
    return values.view(-1, *[1] * (images.dim() - 2))


def _check_sides(shape: Shape, name: str) -> None:
    if len(shape) < 2:
        raise InputError(
            f"{name} needs neighboring pixels, and the subject takes vectors of {shape[0]} "
            "numbers: use Pixels."
        )
