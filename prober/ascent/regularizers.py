"""Penalties on the image, each with a weight."""

from abc import abstractmethod
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch
from torch import Tensor
from typing_extensions import override

from prober.ascent.fitting import fitting
from prober.ascent.records import Recorded, settings
from prober.common.errors import check_not_negative


class Regularizer(Recorded):
    """A penalty on an image that the loss counts with a weight.

    A subclass is a frozen dataclass with a `weight`, which comes first, and whatever other settings
    it has, all with defaults; a check of these calls `super().__post_init__()`, too. Those of many
    images that are equal but for the weight are computed together.

    Attributes:
        name: What the penalty is called in records and in TensorBoard.
        weight: How much it counts beside the score, at least 0.
        of_change: Whether it is a penalty on what the pictures have changed since their start.
    """

    of_change: ClassVar[bool] = False
    weight: float

    def __post_init__(self) -> None:
        """Checks the weight."""
        check_not_negative(self, "weight")

    @abstractmethod
    def penalties(self, images: Tensor) -> Tensor:
        """Computes the unweighted penalties `[N]` of pictures `[N, C, H, W]`.

        Of signals, volumes and vectors there are fewer or more sides. Where there are none that
        the penalty needs, it is 0, as that of neighboring values is for vectors.

        If the penalty is `of_change`, of the pictures less those they started from.
        """

    @property
    def label(self) -> str:
        """The name with all settings but the weight: `l2`, `huber(delta=0.5)`."""
        others = settings(self, but=("weight",))
        said = ", ".join(f"{key}={value}" for key, value in others.items())
        return f"{self.name}({said})" if others else self.name

    def __str__(self) -> str:
        """The weight and the label: `0.0001 l2`."""
        return f"{self.weight:g} {self.label}"


@dataclass(frozen=True)
class L2(Regularizer):
    """Mean of the squared pixels: prefers dark images.

    Args:
        weight: How much the penalty counts, at least 0.
    """

    name: ClassVar[str] = "l2"
    weight: float = 1e-4

    def penalties(self, images: Tensor) -> Tensor:
        """Computes the means of x², `[N]`."""
        return _MeanSquares.apply(images)


@dataclass(frozen=True)
class TotalVariation(Regularizer):
    """Mean difference of neighboring pixels, down plus across: prefers smooth images.

    Of signals that is along their length, of volumes along all three axes.

    Args:
        weight: How much the penalty counts, at least 0.
    """

    name: ClassVar[str] = "total_variation"
    weight: float = 1e-3

    def penalties(self, images: Tensor) -> Tensor:
        """Computes the mean absolute differences along each side, added up, `[N]`."""
        # A side of one pixel has no neighbors, and a mean of nothing is no number.
        sides = [dim for dim in range(2, images.dim()) if images.shape[dim] > 1]
        return _MeanDifferences.apply(images, sides)[0] if sides else images.new_zeros(len(images))


@dataclass(frozen=True)
class Distance(Regularizer):
    """Mean squared difference from the initial image: stay near it.

    For feature accentuation, which starts from a given image, after Hamblin et al., "Feature
    accentuation: revealing 'what' features respond to in natural images" (2024); there the distance
    is taken in a layer of the CNN, here in the picture.

    Args:
        weight: How much the penalty counts, at least 0.
    """

    name: ClassVar[str] = "distance"
    of_change: ClassVar[bool] = True
    weight: float = 10.0

    def penalties(self, images: Tensor) -> Tensor:
        """Computes the means of the squared changes, `[N]`."""
        return _MeanSquares.apply(images)


class _MeanSquares(torch.autograd.Function):
    """The mean of each image's squares; a gradient in one pass over the images, not in three."""

    generate_vmap_rule = True

    @staticmethod
    @override
    def forward(images: Tensor) -> Tensor:
        return _mean(images.square())

    @staticmethod
    @override
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        ctx.save_for_backward(*inputs)

    @staticmethod
    @override
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        (images,) = ctx.saved_tensors
        return images * _each(2 * gradient / images[0].numel(), images)


class _MeanDifferences(torch.autograd.Function):
    """The means of each image's differences along some sides, added up; and these differences.

    Autograd would make an image of zeros for each of two slices along each side. The terms are
    added up in its order, which is seen in their last bit.
    """

    generate_vmap_rule = True

    @staticmethod
    @override
    def forward(images: Tensor, sides: Sequence[int]) -> tuple[Tensor, ...]:
        differences = [images.diff(dim=dim) for dim in sides]
        means = [_mean(difference.abs()) for difference in differences]
        return sum(means[1:], start=means[0]), *differences

    @staticmethod
    @override
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
        images, ctx.sides = inputs
        ctx.shape = images.shape
        ctx.save_for_backward(*output[1:])
        ctx.mark_non_differentiable(*output[1:])
        ctx.set_materialize_grads(False)

    @staticmethod
    @override
    def backward(ctx: Any, gradient: Tensor, *_: None) -> tuple[Tensor, None]:
        found = gradient.new_zeros(ctx.shape)
        for dim, difference in zip(ctx.sides[::-1], ctx.saved_tensors[::-1], strict=True):
            step = difference.sign().mul_(_each(gradient / difference[0].numel(), difference))
            found.narrow(dim, 1, difference.shape[dim]).add_(step)
            found.narrow(dim, 0, difference.shape[dim]).sub_(step)
        return found, None


def _mean(values: Tensor) -> Tensor:
    """The mean of each image's values, `[N]`."""
    return values.sum(tuple(range(1, values.dim()))) / values[0].numel()


def _each(numbers: Tensor, images: Tensor) -> Tensor:
    """Numbers `[N]` so that each counts for all values of an image."""
    return numbers.view(-1, *[1] * (images.dim() - 1))


PLAIN_REGULARIZERS: tuple[Regularizer, ...] = (L2(), TotalVariation())
"""The penalties of plain pictures, where none are given."""


class Penalties:
    """The penalties of N images by N lists of regularizers, each kind computed once for all.

    Args:
        regularizers: One list for each image.

    Attributes:
        of_change: Whether any of them needs to know where the pictures started.
    """

    def __init__(self, regularizers: Sequence[Sequence[Regularizer]]) -> None:
        weights: dict[Regularizer, list[float]] = defaultdict(lambda: [0.0] * len(regularizers))
        for image, own in enumerate(regularizers):
            for regularizer in own:
                weights[replace(regularizer, weight=1.0)][image] += regularizer.weight
        # In one order always: the order in which gradients are added up is seen in their last bit.
        self._weights = dict(sorted(weights.items(), key=lambda pair: pair[0].label))
        self.of_change = any(kind.of_change for kind in self._weights)

    def __call__(
        self, images: Tensor, starts: Tensor | None = None
    ) -> tuple[dict[str, Tensor], Tensor | float]:
        """Computes the penalties.

        Args:
            images: `[N, C, H, W]`, the pictures.
            starts: `[N, C, H, W]`, what they were at the start, if any penalty is `of_change`.

        Returns:
            The unweighted penalties, `[N]` for each regularizer's label, and their weighted sum
            `[N]`.
        """
        changes = images if starts is None else images - starts
        penalties: dict[str, Tensor] = {}
        total: Tensor | float = 0.0
        for kind, weights in self._weights.items():
            given = kind.penalties(changes if kind.of_change else images)
            name = f"{type(kind).__name__}.penalties"
            penalty = fitting(given, [len(images)], name, "one number for each image")
            alike = len(set(weights)) == 1
            total = total + (weights[0] if alike else images.new_tensor(weights)) * penalty
            penalties[kind.label] = penalty
        return penalties, total
