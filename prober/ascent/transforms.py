"""Transformation robustness: random transformations of the picture before each step.

A picture that excites a unit only as long as no pixel moves says little of what the unit looks
for. So the subject sees it a little moved, turned, scaled, blurred or noisy, otherwise at each
step, and only what survives that is worth changing (Mordvintsev et al., "Inceptionism", 2015; Olah
et al., "Feature visualization", Distill 2017, section "Transformation robustness").

All is done in the plane: a signal is an image of one row here, and the slices of a volume are the
channels of one, which move together.
"""

import hashlib
import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F
from typing_extensions import override

from prober.ascent.records import Recorded
from prober.common.errors import InputError, check_not_negative
from prober.common.frequencies import gaussian_blur
from prober.common.inputs import InputKind, Shape, input_kind, plane_of

PLANNED = 64
"""Steps whose random numbers are drawn at once."""


class Stage(ABC):
    """What is done to pictures in one go: a transformation, or several that move pixels."""

    @property
    @abstractmethod
    def numbers(self) -> int:
        """How many random numbers it takes for one picture at one step."""

    @abstractmethod
    def plan(self, uniform: Tensor, shape: Shape) -> Tensor:
        """Turns random numbers into what is done.

        Args:
            uniform: Random numbers in [0, 1), float64 `[B, numbers]`.
            shape: Channels, height and width of the pictures.

        Returns:
            Float64 `[B, ...]`, one plan for each row.
        """

    @abstractmethod
    def apply(self, pictures: Tensor, plans: Tensor) -> Tensor:
        """Transforms pictures `[M, C, H, W]` by their plans `[M, ...]`; keeps shape and dtype."""


class Transform(Recorded):
    """A random transformation, with the range that it is drawn from.

    Settings of different meaning have different names in all transformations, because the command
    line keeps a setting of the same name when another one is chosen.
    """

    numbers: ClassVar[int] = 1

    @abstractmethod
    def __post_init__(self) -> None:
        """Checks the range.

        Raises:
            InputError: It is no range.
        """

    def check(self, shape: Shape) -> None:
        """Checks the range against the pictures' shape.

        Raises:
            InputError: The range is too large, or there is nothing of which it could be.
        """


class Affine(Transform):
    """A transformation that moves pixels. Neighbors in a list of transformations become one."""

    @override
    def check(self, shape: Shape) -> None:
        if input_kind(shape) is InputKind.VECTOR:
            raise InputError(
                f"{type(self).__name__} moves pixels, and the subject takes vectors of {shape[0]} "
                "numbers, which have no places: leave it out."
            )

    def check_less(self, name: str, most: float, shape: Shape) -> None:
        """Raises an InputError unless a setting in pixels is less than pictures allow."""
        if getattr(self, name) >= most:
            raise InputError(
                f"{name} of {type(self).__name__} is {getattr(self, name)}; the pictures are "
                f"{' x '.join(map(str, shape[1:]))}, so it must be less than {most:g}."
            )

    @abstractmethod
    def sources(self, uniform: Tensor, size: tuple[int, int]) -> Tensor:
        """Computes where transformed pictures take their pixels from.

        Args:
            uniform: Random numbers in [0, 1), float64 `[B, numbers]`.
            size: Height and width in pixels.

        Returns:
            Float64 `[B, 3, 3]`: matrices from (x, y, 1) in the transformed picture to (x, y, 1) in
            the given one, in pixels from the picture's middle.
        """


@dataclass(frozen=True)
class Jitter(Affine):
    """Moves the picture by whole pixels, down or up and sideways.

    Args:
        pixels: How far at the most in each direction, at least 0.
    """

    numbers: ClassVar[int] = 2
    pixels: int = 8

    def __post_init__(self) -> None:
        """Checks the range."""
        check_not_negative(self, "pixels")

    @override
    def check(self, shape: Shape) -> None:
        super().check(shape)
        self.check_less("pixels", _narrowest(shape), shape)

    @override
    def sources(self, uniform: Tensor, size: tuple[int, int]) -> Tensor:
        moved = (uniform * (2 * self.pixels + 1)).floor() - self.pixels
        if size[0] == 1:
            moved[:, 1] = 0  # a signal has one row
        matrices = _identities(len(uniform))
        matrices[:, :2, 2] = moved
        return matrices


@dataclass(frozen=True)
class Scale(Affine):
    """Enlarges or shrinks the picture around its middle, evenly between two factors.

    Args:
        low: The smallest factor, greater than 0.
        high: The largest factor, at least `low`.
    """

    low: float = 0.9
    high: float = 1.1

    def __post_init__(self) -> None:
        """Checks the range."""
        if not 0 < self.low <= self.high < math.inf:
            raise InputError(
                f"Scale goes from low = {self.low} to high = {self.high}; low must be greater than "
                "0 and high at least low."
            )

    @override
    def sources(self, uniform: Tensor, size: tuple[int, int]) -> Tensor:
        factor = self.low + (self.high - self.low) * uniform[:, 0]
        matrices = _identities(len(uniform))
        matrices[:, 0, 0] = matrices[:, 1, 1] = 1 / factor
        return matrices


@dataclass(frozen=True)
class Rotation(Affine):
    """Turns the picture around its middle, as far one way as the other.

    Args:
        degrees: How far at the most, 0 to 180.
    """

    degrees: float = 10.0

    def __post_init__(self) -> None:
        """Checks the range."""
        if not 0 <= self.degrees <= 180:
            raise InputError(f"degrees of Rotation is {self.degrees}; it must be 0 to 180.")

    @override
    def check(self, shape: Shape) -> None:
        super().check(shape)
        if input_kind(shape) is InputKind.SIGNAL:
            raise InputError(
                "Rotation turns pictures, and a signal has no plane to be turned in: leave it out."
            )

    @override
    def sources(self, uniform: Tensor, size: tuple[int, int]) -> Tensor:
        angle = math.radians(self.degrees) * (2 * uniform[:, 0] - 1)
        matrices = _identities(len(uniform))
        matrices[:, 0, 0] = matrices[:, 1, 1] = angle.cos()
        matrices[:, 1, 0] = angle.sin()
        matrices[:, 0, 1] = -angle.sin()
        return matrices


@dataclass(frozen=True)
class Padding(Affine):
    """Shows the picture smaller, with mid gray around it.

    With a padding among them, its neighbors that move pixels, too, show gray where they reach
    beyond the picture; without one, they show the picture reflected at its edge.

    Args:
        border: How many pixels of gray at the most on each side, at least 0.
    """

    border: int = 12

    def __post_init__(self) -> None:
        """Checks the range."""
        check_not_negative(self, "border")

    @override
    def check(self, shape: Shape) -> None:
        super().check(shape)
        self.check_less("border", _narrowest(shape) / 2, shape)

    @override
    def sources(self, uniform: Tensor, size: tuple[int, int]) -> Tensor:
        border = self.border * uniform[:, 0]
        matrices = _identities(len(uniform))
        matrices[:, 0, 0] = size[1] / (size[1] - 2 * border)
        if size[0] > 1:  # a signal has one row, and no gray above it
            matrices[:, 1, 1] = size[0] / (size[0] - 2 * border)
        return matrices


@dataclass(frozen=True)
class Blur(Transform, Stage):
    """Blurs the picture by a Gaussian. The picture goes on at its far edge.

    Args:
        sigma: Standard deviation of the widest Gaussian in pixels, at least 0.
    """

    sigma: float = 1.0

    def __post_init__(self) -> None:
        """Checks the range."""
        check_not_negative(self, "sigma")

    @override
    def plan(self, uniform: Tensor, shape: Shape) -> Tensor:
        """The sigma of each Gaussian."""
        return self.sigma * uniform

    @override
    def apply(self, pictures: Tensor, plans: Tensor) -> Tensor:
        return gaussian_blur(pictures, plans.to(pictures)[..., None, None])


@dataclass(frozen=True)
class Noise(Transform, Stage):
    """Adds Gaussian noise. What the subject sees may then lie a little outside of [0, 1].

    Args:
        noise_std: Standard deviation of the strongest noise, at least 0.
    """

    numbers: ClassVar[int] = 2
    noise_std: float = 0.05

    def __post_init__(self) -> None:
        """Checks the range."""
        check_not_negative(self, "noise_std")

    @override
    def plan(self, uniform: Tensor, shape: Shape) -> Tensor:
        """The strength of each noise, and its own seed."""
        # A number of `torch.rand` is a multiple of 2^-24.
        return uniform * torch.tensor([self.noise_std, 2**24], dtype=torch.float64)

    @override
    def apply(self, pictures: Tensor, plans: Tensor) -> Tensor:
        stds, seeds = plans.unbind(1)
        generators = [torch.Generator().manual_seed(int(seed)) for seed in seeds]
        # Always float32 and on the CPU: the same noise whatever precision and device the run has.
        shape = pictures.shape[1:]
        noise = [torch.randn(shape, generator=g, dtype=torch.float32) for g in generators]
        return pictures + (stds[:, None, None, None] * torch.stack(noise)).to(pictures)


def robust(shape: Shape) -> tuple[Transform, ...]:
    """Returns transformations that suit the whole of a large picture.

    They are Lucid's (`standard_transforms` in `lucid/optvis/transform.py`): 12 pixels of gray
    around the picture, jitter of 8, scales of 0.9 to 1.1, rotations of 10 degrees, jitter of 4.
    Those were made for pictures of 224 pixels; here what is in pixels goes with the smaller side,
    so that a picture of another size is changed as much. A signal is not turned.

    Args:
        shape: Channels, height and width of the pictures.
    """
    side = _narrowest(shape)
    border, first, second = (round(pixels * side / 224) for pixels in (12, 8, 4))
    turned = () if input_kind(shape) is InputKind.SIGNAL else (Rotation(10.0),)
    return Padding(border), Jitter(first), Scale(0.9, 1.1), *turned, Jitter(second)


@dataclass(frozen=True)
class Draw:
    """How the pictures of M targets are transformed at one step.

    Attributes:
        targets: `[M]`, the numbers of the targets.
        plans: For each list of transformations, and each stage of it, `[K, ...]` for the K of all
            targets that have this list, on the CPU.
    """

    targets: Tensor
    plans: list[list[Tensor]]

    def __getitem__(self, rows: slice | list[int] | Tensor) -> "Draw":
        """Returns the draw of some of the targets, in the order given."""
        return Draw(self.targets[rows], self.plans)


class Transforms:
    """The transformations of N targets, each of which may have others, applied in their order.

    Each target's random numbers come from a generator of its own, so how its picture is
    transformed does not depend on what it is optimized with.

    Args:
        transforms: For each target what is done to its picture, at each step.
        seeds: The seeds of the N targets. From each follow other numbers than the initial image's.
        shape: Channels, height and width of the pictures.

    Raises:
        InputError: A range is too large for the shape.
    """

    def __init__(
        self, transforms: Sequence[Sequence[Transform]], seeds: Sequence[int], shape: Shape
    ) -> None:
        self._plane = plane_of(shape)
        self._targets = torch.arange(len(transforms))
        # For each list its stages, the generators of its targets, and the row of every target among
        # these, -1 of those that have another list.
        self._kinds: list[tuple[list[Stage], list[torch.Generator], Tensor]] = []
        lists = [tuple(own) for own in transforms]
        for own in dict.fromkeys(filter(None, lists)):
            for transform in own:
                transform.check(shape)
            targets = [i for i, each in enumerate(lists) if each == own]
            rows = torch.full((len(lists),), -1)
            rows[targets] = torch.arange(len(targets))
            self._kinds.append((_stages(own), [_generator(seeds[i]) for i in targets], rows))
        self._step = 0
        self._blocks: list[list[Tensor]] = []

    def draw(self) -> Draw:
        """Draws how the pictures of all targets are transformed at the next step."""
        step = self._step % PLANNED
        if step == 0:
            self._blocks = [self._planned(stages, own) for stages, own, _ in self._kinds]
        self._step += 1
        plans = [[block[step] for block in blocks] for blocks in self._blocks]
        return Draw(self._targets, plans)

    def __call__(self, pictures: Tensor, draw: Draw) -> Tensor:
        """Transforms pictures.

        Args:
            pictures: `[M, C, H, W]` in [0, 1], or signals, volumes or vectors.
            draw: What is done to each, M rows.

        Returns:
            The same shape and dtype; gradients go through. The pictures do not mix.
        """
        seen = pictures
        for (stages, _, row_of), plans in zip(self._kinds, draw.plans, strict=True):
            rows = row_of[draw.targets]
            own = rows >= 0
            if own.all():
                return self._transformed(pictures, stages, [plan[rows] for plan in plans])
            if own.any():
                here = own.nonzero()[:, 0].to(pictures.device)
                some = [plan[rows[own]] for plan in plans]
                seen = seen.index_copy(0, here, self._transformed(pictures[here], stages, some))
        return seen

    def _transformed(self, pictures: Tensor, stages: list[Stage], plans: list[Tensor]) -> Tensor:
        """Transforms pictures, all by the same stages, by a plan for each."""
        plane = pictures.reshape(len(pictures), *self._plane)
        with torch.autocast(pictures.device.type, enabled=False):  # coordinates need their digits
            for stage, own in zip(stages, plans, strict=True):
                plane = stage.apply(plane, own)
            return plane.view_as(pictures)

    def _planned(self, stages: list[Stage], generators: list[torch.Generator]) -> list[Tensor]:
        """Plans the next steps of K targets, `[PLANNED, K, ...]` for each stage.

        One target after the other and always whole blocks: so nothing is rounded otherwise in a
        batch.
        """
        numbers = [stage.numbers for stage in stages]
        plans = []
        for generator in generators:
            uniform = torch.rand((PLANNED, sum(numbers)), generator=generator, dtype=torch.float32)
            own = uniform.double().split(numbers, 1)
            plans.append([s.plan(u, self._plane) for s, u in zip(stages, own, strict=True)])
        return [torch.stack(of_stage, 1) for of_stage in zip(*plans, strict=True)]


class _Movement(Stage):
    """Neighboring transformations that move pixels, as one: the picture is resampled once."""

    def __init__(self, transforms: Sequence[Affine]) -> None:
        self._transforms = transforms
        self._on_gray = any(isinstance(t, Padding) for t in transforms)

    @property
    def numbers(self) -> int:
        """Those of its transformations."""
        return sum(t.numbers for t in self._transforms)

    def plan(self, uniform: Tensor, shape: Shape) -> Tensor:
        """The matrices `[B, 2, 3]` that `torch.nn.functional.affine_grid` takes."""
        _, height, width = shape
        whole = _identities(len(uniform))
        own = uniform.split([t.numbers for t in self._transforms], 1)
        for transform, numbers in zip(self._transforms, own, strict=True):
            # Matrices lead from the result back to the picture: the last one is applied first.
            whole = whole @ transform.sources(numbers, (height, width))
        # From pixels to halves of the side, which is what affine_grid counts in.
        halves = torch.tensor([width / 2, height / 2, 1], dtype=torch.float64)
        return (whole * halves / halves[:, None])[:, :2]

    @override
    def apply(self, pictures: Tensor, plans: Tensor) -> Tensor:
        """Resamples the pictures; between pixels it goes linearly."""
        grid = F.affine_grid(plans.to(pictures), list(pictures.shape), align_corners=False)
        if not self._on_gray:
            return F.grid_sample(pictures, grid, padding_mode="reflection", align_corners=False)
        return F.grid_sample(pictures - 0.5, grid, padding_mode="zeros", align_corners=False) + 0.5


def _stages(transforms: Sequence[Transform]) -> list[Stage]:
    stages: list[Stage] = []
    for moves, found in groupby(transforms, lambda t: isinstance(t, Affine)):
        alike: list[Any] = list(found)
        stages += [_Movement(alike)] if moves else alike  # what moves nothing is a stage itself
    return stages


def _generator(seed: int) -> torch.Generator:
    # The seed itself is the initial image's, and its neighbors are those of other targets.
    digest = hashlib.sha256(f"transformations of {seed}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8]) >> 1)


def _narrowest(shape: Shape) -> int:
    """The smaller side of the plane, of a signal its length."""
    _, height, width = plane_of(shape)
    return width if input_kind(shape) is InputKind.SIGNAL else min(height, width)


def _identities(number: int) -> Tensor:
    return torch.eye(3, dtype=torch.float64).repeat(number, 1, 1)
