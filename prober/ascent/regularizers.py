"""Penalties on the image, each with a weight."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from prober.ascent.objectives import check_weight


class Regularizer(ABC):
    """A penalty on an image that the loss counts with a weight.

    Attributes:
        name: What the penalty is called in records and in TensorBoard.
        weight: How much it counts beside the score, at least 0.
        of_change: Whether it is a penalty on what the pictures have changed since their start.
    """

    name: ClassVar[str]
    of_change: ClassVar[bool] = False
    weight: float

    def __post_init__(self) -> None:
        """Checks the weight."""
        check_weight(self)

    @staticmethod
    @abstractmethod
    def penalties(images: Tensor) -> Tensor:
        """Computes the unweighted penalties `[N]` of pictures `[N, C, H, W]`.

        If the penalty is `of_change`, of the pictures less those they started from.
        """

    def record(self) -> dict[str, Any]:
        """Returns the regularizer's name and weight."""
        return {"name": self.name, "weight": self.weight}


@dataclass(frozen=True)
class L2(Regularizer):
    """Mean of the squared pixels: prefers dark images.

    Args:
        weight: How much the penalty counts, at least 0.
    """

    name: ClassVar[str] = "l2"
    weight: float = 1e-4

    @staticmethod
    def penalties(images: Tensor) -> Tensor:
        """Means of x²; see `Regularizer.penalties`."""
        return images.square().mean((1, 2, 3))


@dataclass(frozen=True)
class TotalVariation(Regularizer):
    """Mean difference of neighboring pixels, down plus across: prefers smooth images.

    Args:
        weight: How much the penalty counts, at least 0.
    """

    name: ClassVar[str] = "total_variation"
    weight: float = 1e-3

    @staticmethod
    def penalties(images: Tensor) -> Tensor:
        """Mean absolute differences, vertical plus horizontal; see `Regularizer.penalties`."""
        # A side of one pixel has no neighbors, and a mean of nothing is no number.
        parts = [images.diff(dim=dim) for dim in (2, 3) if images.shape[dim] > 1]
        means = [torch.linalg.vector_norm(p, 1, (1, 2, 3)) / p[0].numel() for p in parts]
        return sum(means[1:], start=means[0]) if means else images.new_zeros(len(images))


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

    @staticmethod
    def penalties(images: Tensor) -> Tensor:
        """Means of the squared changes; see `Regularizer.penalties`."""
        return images.square().mean((1, 2, 3))


class Penalties:
    """The penalties of N images by N lists of regularizers, each kind computed once for all.

    Args:
        regularizers: One list for each image.

    Attributes:
        of_change: Whether any of them needs to know where the pictures started.
    """

    def __init__(self, regularizers: Sequence[Sequence[Regularizer]]) -> None:
        # In one order always: the order in which gradients are added up is seen in their last bit.
        kinds = sorted({type(r) for each in regularizers for r in each}, key=lambda k: k.name)
        self._weights = {
            kind: [sum(r.weight for r in each if type(r) is kind) for each in regularizers]
            for kind in kinds
        }
        self.of_change = any(kind.of_change for kind in kinds)

    def __call__(
        self, images: Tensor, starts: Tensor | None = None
    ) -> tuple[dict[str, Tensor], Tensor | float]:
        """Computes the penalties.

        Args:
            images: `[N, C, H, W]`, the pictures.
            starts: `[N, C, H, W]`, what they were at the start, if any penalty is `of_change`.

        Returns:
            The unweighted penalties, `[N]` for each kind's name, and their weighted sum `[N]`.
        """
        penalties = {
            kind.name: kind.penalties(images - starts if kind.of_change else images)
            for kind in self._weights
        }
        total: Tensor | float = 0.0
        for kind, weights in self._weights.items():
            alike = len(set(weights)) == 1
            weight = weights[0] if alike else images.new_tensor(weights)
            total = total + weight * penalties[kind.name]
        return penalties, total
