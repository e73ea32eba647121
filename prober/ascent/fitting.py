"""What parts of a person's own give: tensors of the shape that they are asked for, or a message."""

from collections.abc import Sequence

from torch import Tensor

from prober.common.errors import InputError, named_kind


def fitting(found: object, shape: Sequence[int], giver: str, meaning: str) -> Tensor:
    """Returns what a part has given, once it is known to fit.

    Without this a single number would pass for those of all images, say, and mix them.

    Args:
        found: What it has given.
        shape: That which was asked for.
        giver: What has given it, for the message: `Huber.penalties`.
        meaning: What it should be: `one number for each image`.

    Raises:
        InputError: It is no tensor of floating-point numbers, or of another shape.
    """
    if isinstance(found, Tensor) and found.shape == tuple(shape) and found.is_floating_point():
        return found
    given = f"{list(found.shape)} of {found.dtype}" if isinstance(found, Tensor) else ""
    raise InputError(
        f"{giver} gives {given or named_kind(found)}; it must give {meaning}: a tensor "
        f"{list(shape)} of floating-point numbers."
    )
