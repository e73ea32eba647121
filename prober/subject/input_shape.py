"""The input of a CNN that nobody has described: found by forward passes of usual shapes."""

import math
from collections.abc import Callable, Sequence
from functools import cache, partial
from numbers import Integral
from typing import Any

import torch
from torch import Tensor, nn

from prober.common.errors import InputError, check_kinds, listed
from prober.common.inputs import InputKind, Shape
from prober.subject.channel_layout import CONVOLUTIONS
from prober.subject.frozen_copy import copied
from prober.subject.nested_outputs import tensors
from prober.subject.passes import watched

SHIPPED = (3, 28, 28)
"""The shape of the images that the reference CNN takes."""

SMALL_SIDE, LARGE_SIDE = 32, 224
"""Sides in pixels of most images that CNNs were trained on: CIFAR's and ImageNet's."""

OTHERS = (28, 84, 64, 96, 128, 256, 299, 384, 512, 227, 16, 48, 112, 160, 192, 320, 331, 448, 640)
"""Sides in pixels that are tried where a CNN takes neither of them, the most usual first: 84 of
Atari's games."""

LENGTHS = (1024, 256, 1000, 128, 512, 187, 2048, 4096, 5000, 3000, 8000, 16_000, 64, 360, 720, 32)
"""Lengths of signals: 187 and 360 are usual of heartbeats, 3,000 of sleep, 16,000 of speech."""

CLIPS = ((16, 112, 112), (8, 112, 112), (32, 112, 112), (8, 224, 224), (16, 224, 224), (32, 32, 32))
SCANS = ((32, 32, 32), (64, 64, 64), (16, 64, 64), (16, 32, 32), (96, 96, 96), (28, 28, 28))
"""Depth, height and width of volumes of three channels, and of others."""

SHRINKS = 16
"""A CNN that takes any size and shrinks its maps so many times or more was made for large images.

Such a CNN has a map of 2 x 2 or less left of a small image. ImageNet's CNNs shrink 32 times,
CIFAR's 8 times at the most."""


def known_input_shape(
    given: Sequence[int] | None, cnn: nn.Module, call: Callable[[nn.Module, Tensor], Any]
) -> tuple[Shape, list[str]]:
    """Checks the shape that a person gives; where none is given, finds one.

    Args:
        given: Channels first.
        cnn: The CNN.
        call: How it is called.

    Returns:
        The shape, and what is to be said of it.

    Raises:
        InputError: There are no inputs of such a shape.
    """
    if given is not None:
        given = given.tolist() if isinstance(given, Tensor) else given
        check_kinds("input_shape", given, Integral, "[3, 28, 28]")
        if not 1 <= len(given) <= 4 or min(given) < 1:
            forms = listed([f"{kind.written} of {kind.plural}" for kind in InputKind], 4)
            raise InputError(
                f"input_shape {list(given)} is none of {forms}, each number 1 or more."
            )
        return tuple(given), []
    if takes(cnn, call, SHIPPED):
        return SHIPPED, []
    shape, said = guessed_input_shape(cnn, call)
    return shape, [said]


def guessed_input_shape(
    cnn: nn.Module, call: Callable[[nn.Module, Tensor], Any] = lambda cnn, images: cnn(images)
) -> tuple[Shape, str]:
    """Finds the shape of input that a CNN was probably made for.

    The first convolution tells the channels, and whether it takes images, signals or volumes; in a
    network without one the first linear layer tells how many numbers an input has. Height and width
    are the first usual ones that the CNN takes; of a CNN that takes any, 224 or 32 pixels, by how
    many times it shrinks its maps, or one pixel where it looks at each alone.

    Args:
        cnn: Any CNN; a copy of it is tried, and it stays as it is.
        call: How it is called.

    Returns:
        The shape, channels first, and a sentence that says how it was found. Where no usual shape
        fits, the one that was tried first, by what the first layer takes; the CNN may reject it.

    Raises:
        InputError: The CNN cannot be copied.
    """
    tried = copied(cnn)[0].eval()
    sizes = cache(partial(_sizes, tried, call))
    others = _other_than_images(tried)
    for shape, reason in others:
        if sizes(shape) is not None:
            return _found(shape, reason)
    first2d = _first(tried, nn.Conv2d)
    reasons = {3: "it takes color", 1: "it takes gray"}
    if first2d is not None:
        name, number = first2d[0], first2d[1].in_channels
        known = {number: f"layer '{name}' takes {number} channel{'s' * (number > 1)}"}
        reasons = known | {c: reason for c, reason in reasons.items() if c not in known}
    for channels, reason in reasons.items():
        small, large = (sizes((channels, side, side)) for side in (SMALL_SIDE, LARGE_SIDE))
        if small is not None and large is not None:
            left = _smallest(small, large)
            kernels = {
                each.kernel_size for each in tried.modules() if isinstance(each, CONVOLUTIONS)
            }
            pixel = (channels, 1, 1)
            if left == LARGE_SIDE and kernels == {(1, 1)} and sizes(pixel) is not None:
                return _found(pixel, f"{reason}, and no kernel is larger than a pixel")
            side = LARGE_SIDE if SHRINKS * left <= LARGE_SIDE else SMALL_SIDE
            reason += f", any size fits, and in the smallest map {LARGE_SIDE} pixels become {left}"
            return _found((channels, side, side), reason)
        for side in (LARGE_SIDE, SMALL_SIDE, *OTHERS):
            if sizes((channels, side, side)) is not None:
                return _found((channels, side, side), f"{reason}, this usual size fits")
    return _found(others[0][0] if others else (next(iter(reasons)), SMALL_SIDE, SMALL_SIDE))


def takes(cnn: nn.Module, call: Callable[[nn.Module, Tensor], Any], shape: Shape) -> bool:
    """Tells whether a CNN takes an input of a shape; what a call changes of it stays so."""
    return _sizes(copied(cnn)[0].eval(), call, shape) is not None


def some_input(shape: Shape, number: int = 1) -> Tensor:
    """Returns inputs as there may be, `[number, *shape]` in [0, 1]: noise, the same each time.

    Those of a single value would not do: a CNN may check the range of what it gets.
    """
    generator = torch.Generator("cpu").manual_seed(0)
    return torch.rand(number, *shape, generator=generator, dtype=torch.float32, device="cpu")


def _sizes(
    cnn: nn.Module, call: Callable[[nn.Module, Tensor], Any], shape: Shape
) -> dict[str, tuple[int, ...]] | None:
    """Returns height and width of each module's map, None if the CNN rejects the shape."""
    sizes: dict[str, tuple[int, ...]] = {}

    def note(name: str, _inputs: tuple[Any, ...], given: Any) -> None:
        if isinstance(given, Tensor) and given.ndim == 4:
            sizes[name] = tuple(given.shape[2:])

    try:
        with torch.no_grad(), watched(dict(cnn.named_modules()), note):
            whole = [tensor for _, tensor in tensors(call(cnn, some_input(shape)))]
    except Exception:  # whatever a forward pass may raise
        return None
    # Else the image is taken for several, or for one without its channels.
    apart = len(shape) == 1 or not whole or any(tensor.shape[:1] == (1,) for tensor in whole)
    return sizes if apart else None


def _first(cnn: nn.Module, *kinds: type[nn.Module]) -> tuple[str, Any] | None:
    """The first module of some kinds, with its name."""
    return next(((n, m) for n, m in cnn.named_modules() if isinstance(m, kinds)), None)


def _other_than_images(cnn: nn.Module) -> list[tuple[Shape, str]]:
    """Usual shapes of signals or volumes, if the first convolution is of such, and why these.

    Without a convolution as many numbers as the first linear layer takes: square images, a vector.
    """
    named = _first(cnn, nn.Conv1d, nn.Conv2d, nn.Conv3d) or _first(cnn, nn.Linear)
    if named is None or isinstance(named[1], nn.Conv2d):
        return []
    name, first = named
    if isinstance(first, nn.Linear):
        numbers, reason = first.in_features, f"layer '{name}' takes {first.in_features} numbers"
        square = {channels: math.isqrt(numbers // channels) for channels in (3, 1)}
        shapes = [(c, side, side) for c, side in square.items() if c * side**2 == numbers]
        return [(shape, reason) for shape in [*shapes, (numbers,)]]
    channels, kind = first.in_channels, "signals"
    sides: Sequence[tuple[int, ...]] = [(length,) for length in LENGTHS]
    if isinstance(first, nn.Conv3d):
        kind, sides = "volumes", CLIPS if channels == 3 else SCANS
    reason = f"layer '{name}' takes {kind} of {channels} channel{'s' * (channels > 1)}"
    return [((channels, *each), f"{reason}, this usual size fits") for each in sides]


def _smallest(small: dict[str, tuple[int, ...]], large: dict[str, tuple[int, ...]]) -> int:
    """The smallest side of a map of a large image, of those whose size goes with the image's.

    After adaptive pooling a map has its own size, whatever the image's; that says nothing.
    """
    sides = [min(size) for name, size in large.items() if size != small.get(name)]
    return min(sides, default=LARGE_SIDE)


def _found(shape: Shape, reason: str = "") -> tuple[Shape, str]:
    because = f": {reason}" if reason else ""
    return shape, f"Assumed input_shape={shape}{because}. Give input_shape if it is another."
