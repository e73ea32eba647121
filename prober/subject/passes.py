"""What is done to the modules of a CNN for the time of a forward pass."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn
from torch.utils import checkpoint

from prober.common.patches import buffers_of, replaced


@contextmanager
def watched(
    modules: Mapping[str, nn.Module], see: Callable[[str, tuple[Any, ...], Any], Any]
) -> Iterator[None]:
    """While it is active, every call of some modules is seen: the one place that puts hooks on.

    Args:
        modules: The modules, by the names that `see` gets.
        see: Called at the end of each call of one of them, in the order in which the calls end,
            with the module's name, its inputs by position and what it gives. If it returns
            anything but None, the CNN goes on with that.
    """
    handles = []
    try:
        for name, module in modules.items():
            hook = lambda _module, inputs, given, name=name: see(name, inputs, given)  # noqa: E731
            handles.append(module.register_forward_hook(hook))
        yield
    finally:
        for handle in handles:
            handle.remove()


@contextmanager
def other_weights(module: nn.Module, **tensors: Tensor) -> Iterator[None]:
    """While it is active, a module has these tensors in place of its buffers.

    A forward pass of a small CNN does it for every image. `torch.func.functional_call`, or to set
    the attributes, takes 0.1 ms: as long as the first layer.
    """
    buffers = buffers_of(module)
    own = {name: buffers[name] for name in tensors}
    buffers.update(tensors)
    try:
        yield
    finally:
        buffers.update(own)


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
