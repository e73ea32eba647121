"""The tensors in what a module gives: alone, or in dictionaries, tuples, distributions of them."""

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

from torch import Tensor
from torch.distributions import Distribution

Path = tuple[Any, ...]
"""The keys that lead to a tensor in nested containers; `()` where there is no container."""

MADE_OF = ("base_dist", "mixture_distribution", "component_distribution")
"""What distributions have that are made of others: `Independent`, `MixtureSameFamily`."""


def tensors(output: Any, path: Path = ()) -> Iterator[tuple[Path, Tensor]]:
    """Yields the tensors in a module's output, however deep, each with the keys that lead to it.

    Mappings, tuples and lists, named tuples and dataclasses are looked into. Those of a
    distribution, as policies give it, are its parameters: `logits` and `probs` of a `Categorical`,
    `loc` and `scale` of a `Normal`.
    """
    if isinstance(output, Tensor):
        yield path, output
        return
    for key, value in _parts(output):
        yield from tensors(value, (*path, key))


def joined(name: str, path: Path) -> str:
    """Returns the name of a tensor in what the module of a name gives: `attention.0`."""
    return ".".join(map(str, (name, *path)))


def pick(output: Any, path: Path) -> Any:
    """Returns what lies at the end of a path that `tensors` has given."""
    for key in path:
        output = dict(_parts(output))[key]
    return output


def _parts(output: Any) -> list[tuple[Any, Any]]:
    if isinstance(output, Mapping):
        return list(output.items())
    if isinstance(output, tuple) and hasattr(output, "_fields"):
        return list(zip(output._fields, output, strict=True))
    if isinstance(output, tuple | list):
        return list(enumerate(output))
    if dataclasses.is_dataclass(output) and not isinstance(output, type):
        return [(field.name, getattr(output, field.name)) for field in dataclasses.fields(output)]
    if isinstance(output, Distribution):
        names = [*output.arg_constraints, *MADE_OF]
        return [(name, getattr(output, name)) for name in names if hasattr(output, name)]
    return []
