"""One number for each image: what objectives and penalties give, a person's own, too."""

from torch import Tensor

from prober.common.errors import InputError, named_kind


def one_for_each(found: object, number: int, giver: str) -> Tensor:
    """Returns what somebody's own part has given, once it is known to be fit for use.

    Without this a single number would pass for all images, and mix them.

    Args:
        found: What it has given.
        number: N, how many images there are.
        giver: What has given it, for the message: `Huber.penalties`.

    Raises:
        InputError: It is no tensor `[N]` of floating-point numbers.
    """
    if isinstance(found, Tensor) and found.shape == (number,) and found.is_floating_point():
        return found
    given = f"{list(found.shape)} of {found.dtype}" if isinstance(found, Tensor) else ""
    raise InputError(
        f"{giver} gives {given or named_kind(found)}; it must be a tensor of one floating-point "
        f"number for each image, here [{number}]."
    )
