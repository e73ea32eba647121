"""What a CNN keeps from one call to the next, and how it is put back."""

import copy
from collections import deque
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn

from prober.common.patches import Conversion, buffers_of, version_of

Table = Callable[[nn.Module], dict[str, Any]]
"""Where a module has something under a name: `vars` for its attributes, `buffers_of`."""

_CONTAINERS = (list, dict, set, deque)
"""What a module may put something into without having another attribute for it."""


class _Missing:
    """Stands for an attribute that is not there, in copies of a state, too."""


class StateBetweenCalls:
    """Puts back what a CNN's modules change in a forward pass, so that every call is the first.

    Some networks keep what they have seen: a hidden state, a cache, a counter. What a picture
    comes out as would depend on those before it, and what is kept would hold the graph of a step.

    Args:
        cnn: The CNN, before its first call.
        weights: Names of its buffers that no call changes.
    """

    def __init__(self, cnn: nn.Module, weights: Collection[str]) -> None:
        self._before = [
            (module, table, dict(table(module)))
            for module in cnn.modules()
            for table in (vars, buffers_of)
        ]
        self._versions = [
            (module, name, buffer, version_of(buffer), buffer.clone())
            for prefix, module in cnn.named_modules()
            for name, buffer in buffers_of(module).items()
            if buffer is not None and f"{prefix}.{name}".removeprefix(".") not in weights
        ]
        internal = vars(nn.Module()).keys()
        self._containers = [
            (value, copy.copy(value))
            for module in cnn.modules()
            for name, value in vars(module).items()
            if type(value) in _CONTAINERS and name not in internal
        ]
        self._names: list[tuple[nn.Module, Table, str, Any]] = []
        self._values: list[tuple[nn.Module, str, Tensor]] = []

    def find_changes(self) -> None:
        """Finds out, after the first call, what it has changed, and puts it back.

        That is nothing for nearly every CNN.
        """
        for module, table, before in self._before:
            now = table(module)
            self._names += [
                (module, table, name, before.get(name, _Missing))
                for name in before.keys() | now.keys()
                if before.get(name, _Missing) is not now.get(name, _Missing)
            ]
        self._values = [
            (module, name, value)
            for module, name, buffer, version, value in self._versions
            if version_of(buffer) != version
        ]
        self._before, self._versions = [], []
        self._containers = [pair for pair in self._containers if not _holds_the_same(*pair)]
        self.restore()

    def restore(self) -> None:
        """Puts back, after any call, what was there before the first."""
        for container, held in self._containers:
            container.clear()
            (container.extend if isinstance(container, list | deque) else container.update)(held)
        for module, table, name, value in self._names:
            if value is _Missing:
                table(module).pop(name, None)
            else:
                table(module)[name] = value
        for module, name, value in self._values:
            # Not in place: the graph of the call may still need what it left there.
            buffers_of(module)[name] = value.to(buffers_of(module)[name], copy=True)

    @contextmanager
    def put_back(self) -> Iterator[None]:
        """Puts it back when the passes inside are over, however they end."""
        try:
            yield
        finally:
            self.restore()

    def convert(self, conversion: Conversion) -> None:
        """Takes along to another precision or device what is put back, as `nn.Module` does."""
        for i, (module, table, name, value) in enumerate(self._names):
            if table is buffers_of and isinstance(value, Tensor):
                self._names[i] = module, table, name, conversion(value)


def _holds_the_same(container: Any, held: Any) -> bool:
    """Tells whether a container holds what it held, the very same things in the same order."""
    return [*map(id, _parts(container))] == [*map(id, _parts(held))]


def _parts(container: Any) -> list[Any]:
    return [*container, *container.values()] if isinstance(container, dict) else [*container]
