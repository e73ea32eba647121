"""The input of a CNN that nobody has described: found by forward passes of usual shapes."""

import math
from typing import Any

import torch
from torch import Tensor, nn

from prober.common.errors import InputError
from prober.subject.frozen_copy import copied
from prober.subject.passes import watched

SMALL, LARGE = 32, 224
"""Sides in pixels of most images that CNNs were trained on: CIFAR's and ImageNet's."""

OTHERS = (28, 64, 96, 128, 256, 299, 384, 512, 227, 16)
"""Sides in pixels that are tried where a CNN takes neither of them, the most usual first."""

SHRINKS = 16
"""A CNN that takes any size and shrinks its maps so many times or more was made for large images.

Such a CNN has a map of 2 x 2 or less left of a small image. ImageNet's CNNs shrink 32 times,
CIFAR's 8 times at the most."""

Shape = tuple[int, int, int]


def guessed_input_shape(cnn: nn.Module) -> tuple[Shape, str]:
    """Finds the shape of image that a CNN was probably made for.

    The first convolution tells the channels, or, in a network without one, the first linear layer
    tells how many numbers an image has. Height and width are the first usual ones that the CNN
    takes; of a CNN that takes any, 224 or 32 pixels, by how many times it shrinks its maps.

    Args:
        cnn: Any CNN; a copy of it is tried, and it stays as it is.

    Returns:
        Channels, height and width, and a sentence that says how they were found.

    Raises:
        InputError: No usual shape fits, or the CNN cannot be copied.
    """
    tried, _ = copied(cnn)
    trial = _Trial(tried.eval())
    first = _first(tried, nn.Conv2d)
    for shape, reason in _flat_shapes(tried) if first is None else []:
        if trial.run(shape) is not None:
            return _found(shape, reason)
    reasons = {3: "it takes color", 1: "it takes gray"}
    if first is not None:
        name, number = first[0], first[1].in_channels
        known = {number: f"layer '{name}' takes {number} channel{'s' * (number > 1)}"}
        reasons = known | {c: reason for c, reason in reasons.items() if c not in known}
    for channels, reason in reasons.items():
        small, large = (trial.run((channels, side, side)) for side in (SMALL, LARGE))
        if small is not None and large is not None:
            left = _smallest(small, large)
            side = LARGE if SHRINKS * left <= LARGE else SMALL
            reason += f", any size fits, and in the smallest map {LARGE} pixels become {left}"
            return _found((channels, side, side), reason)
        if large is not None:
            return _found((channels, LARGE, LARGE), f"{reason}, this usual size fits")
        for side in (SMALL, *OTHERS):
            if (small if side == SMALL else trial.run((channels, side, side))) is not None:
                return _found((channels, side, side), f"{reason}, this usual size fits")
    said = f" Of {list(trial.first)} it said: {trial.error}" if trial.first else ""
    raise InputError(
        f"{type(cnn).__name__} takes no image of a usual shape; give "
        f"input_shape=(channels, height, width).{said}"
    )


class _Trial:
    """Tries shapes on a CNN.

    Attributes:
        first: The first shape that was rejected.
        error: What the CNN said then.
    """

    def __init__(self, cnn: nn.Module) -> None:
        self._cnn = cnn
        self.first: Shape | None = None
        self.error: Exception | None = None

    @torch.no_grad()
    def run(self, shape: Shape) -> dict[str, tuple[int, ...]] | None:
        """Returns height and width of each module's map, None if the CNN rejects the shape."""
        sizes: dict[str, tuple[int, ...]] = {}

        def note(name: str, _inputs: tuple[Any, ...], given: Any) -> None:
            if isinstance(given, Tensor) and given.ndim == 4:
                sizes[name] = tuple(given.shape[2:])

        try:
            with watched(dict(self._cnn.named_modules()), note):
                self._cnn(torch.zeros(1, *shape, dtype=torch.float32, device="cpu"))
        except Exception as error:  # whatever a forward pass may raise
            self.first, self.error = self.first or shape, self.error or error
            return None
        return sizes


def _first(cnn: nn.Module, kind: type[nn.Module]) -> tuple[str, Any] | None:
    """The first module of a kind, with its name."""
    return next(((n, m) for n, m in cnn.named_modules() if isinstance(m, kind)), None)


def _flat_shapes(cnn: nn.Module) -> list[tuple[Shape, str]]:
    """Square shapes of as many numbers as the first linear layer takes, of 3 channels or 1."""
    if (first := _first(cnn, nn.Linear)) is None:
        return []
    name, linear = first
    sides = {channels: math.isqrt(linear.in_features // channels) for channels in (3, 1)}
    return [
        ((channels, side, side), f"layer '{name}' takes {linear.in_features} numbers")
        for channels, side in sides.items()
        if channels * side**2 == linear.in_features
    ]


def _smallest(small: dict[str, tuple[int, ...]], large: dict[str, tuple[int, ...]]) -> int:
    """The smallest side of a map of a large image, of those whose size goes with the image's.

    After adaptive pooling a map has its own size, whatever the image's; that says nothing.
    """
    sides = [min(size) for name, size in large.items() if size != small.get(name)]
    return min(sides, default=LARGE)


def _found(shape: Shape, reason: str) -> tuple[Shape, str]:
    return shape, f"Assumed input_shape={shape}: {reason}. Give input_shape if it is another."
