"""CNNs that compute parts of their forward pass twice, to save memory while they are trained."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from torch.utils import checkpoint

from prober.common.patches import replaced


class _Straight:
    """Stands in for the function with which `torch.utils.checkpoint` runs a part of a CNN."""

    def __init__(self) -> None:
        self.used = False

    def apply(self, function: Callable[..., Any], _preserve: bool, *args: Any) -> Any:
        self.used = True
        return function(*args)


@contextmanager
def straight_checkpoints() -> Iterator[_Straight]:
    """While it is active, `torch.utils.checkpoint` with `use_reentrant=True` just runs the part.

    Otherwise it would run it without a graph, so that no gradient would lead from a layer within
    the part to the image. Outputs and gradients are the same.

    Yields:
        An object whose `used` tells whether the CNN has used such a checkpoint.
    """
    straight = _Straight()
    with replaced(checkpoint, "CheckpointFunction", straight):
        yield straight
