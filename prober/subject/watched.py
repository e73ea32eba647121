"""How the modules of a CNN are looked at while it runs: the one place where hooks are put on."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from torch import nn


@contextmanager
def watched(
    modules: Mapping[str, nn.Module], see: Callable[[str, tuple[Any, ...], Any], Any]
) -> Iterator[None]:
    """While it is active, every call of some modules is seen.

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
