"""Penalties on the image, each with a weight."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from prober.visualize.objectives import check_weight


class Regularizer(ABC):
    """A penalty on an image that the loss counts with a weight.

    Attributes:
        name: What the penalty is called in records and in TensorBoard.
        weight: How much it counts beside the score, at least 0.
    """

    name: ClassVar[str]
    weight: float

    def __post_init__(self) -> None:
        """Checks the weight."""
        check_weight(self)

    @staticmethod
    @abstractmethod
    def penalties(images: Tensor) -> Tensor:
        """Computes the unweighted penalties `[N]` of images `[N, C, H, W]`."""

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


class Penalties:
    """The penalties of N images by N lists of regularizers, each kind computed once for all.

    Args:
        regularizers: One list for each image.
    """

    def __init__(self, regularizers: Sequence[Sequence[Regularizer]]) -> None:
        # In one order always: the order in which gradients are added up is seen in their last bit.
        kinds = sorted({type(r) for each in regularizers for r in each}, key=lambda k: k.name)
        self._weights = {
            kind: [sum(r.weight for r in each if type(r) is kind) for each in regularizers]
            for kind in kinds
        }

    def __call__(self, images: Tensor) -> tuple[dict[str, Tensor], Tensor | float]:
        """Computes the penalties.

        Args:
            images: `[N, C, H, W]`.

        Returns:
            The unweighted penalties, `[N]` for each kind's name, and their weighted sum `[N]`.
        """
        penalties = {kind.name: kind.penalties(images) for kind in self._weights}
        total: Tensor | float = 0.0
        for kind, weights in self._weights.items():
            alike = len(set(weights)) == 1
            weight = weights[0] if alike else images.new_tensor(weights)
            total = total + weight * penalties[kind.name]
        return penalties, total
