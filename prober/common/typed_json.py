"""Frozen dataclasses as JSON and back, so that what a file holds is written down as types.

An object becomes an object of JSON with its fields in their order, a tuple a list, an enum its
value. A field whose key in the file is no good name in Python says so:
`label: Annotated[str, Key("class")]`.
"""

import json
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields, is_dataclass
from enum import Enum
from functools import cache
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from prober.common.errors import InputError


@dataclass(frozen=True)
class Key:
    """What a field is called in files, where that is not its name."""

    name: str


@cache
def keys(kind: type) -> dict[str, str]:
    """Returns for each field of a dataclass, in order, what it is called in files."""
    hints = get_type_hints(kind, include_extras=True)
    named = {
        name: extra.name
        for name, hint in hints.items()
        for extra in getattr(hint, "__metadata__", ())
        if isinstance(extra, Key)
    }
    return {each.name: named.get(each.name, each.name) for each in fields(kind)}


def to_plain(value: Any) -> Any:
    """Turns objects, however deep, into what `json` can write."""
    if is_dataclass(value) and not isinstance(value, type):
        return {key: to_plain(getattr(value, name)) for name, key in keys(type(value)).items()}
    if isinstance(value, Mapping):
        return {key: to_plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [to_plain(item) for item in value]
    return value.value if isinstance(value, Enum) else value


def from_plain(kind: Any, value: Any, where: str = "") -> Any:
    """Turns what `json` has read into objects.

    Args:
        kind: What it should be: a dataclass, an enum, `X | None`, `tuple[X, ...]`, `dict[str, X]`,
            a plain type, or Any.
        value: What was read.
        where: Where it stands, for the message: `[3].facets[0].hue`.

    Raises:
        ValueError: It is something else; the text says where and what.
    """
    if kind is Any:
        return value
    if get_origin(kind) in (Union, UnionType):
        return _from_union(get_args(kind), value, where)
    if get_origin(kind) is tuple:
        items = _checked(list, value, where)
        return tuple(
            from_plain(get_args(kind)[0], item, f"{where}[{i}]") for i, item in enumerate(items)
        )
    if get_origin(kind) is dict:
        items = _checked(dict, value, where)
        return {k: from_plain(get_args(kind)[1], v, f"{where}.{k}") for k, v in items.items()}
    if is_dataclass(kind):
        return _from_object(kind, _checked(dict, value, where), where)
    if issubclass(kind, Enum):
        known = [each.value for each in kind]
        if value not in known:
            raise ValueError(f"{where} is {value!r}, not one of {', '.join(map(repr, known))}")
        return kind(value)
    return _checked((int, float) if kind is float else kind, value, where)


def _from_union(kinds: tuple[Any, ...], value: Any, where: str) -> Any:
    if value is None and NoneType in kinds:
        return None
    (kind,) = (each for each in kinds if each is not NoneType)
    return from_plain(kind, value, where)


def _from_object(kind: Any, value: dict[str, Any], where: str) -> Any:
    known = keys(kind)
    if unknown := value.keys() - known.values():
        raise ValueError(f"{where} has '{min(unknown)}', which is not known here")
    needed = {each.name for each in fields(kind) if each.default is each.default_factory is MISSING}
    if missing := [key for name, key in known.items() if name in needed and key not in value]:
        raise ValueError(f"{where} has no '{missing[0]}'")
    return kind(
        **{
            name: from_plain(_types(kind)[name], value[key], f"{where}.{key}")
            for name, key in known.items()
            if key in value
        }
    )


@cache
def _types(kind: type) -> dict[str, Any]:
    return get_type_hints(kind)


def _checked(kind: Any, value: Any, where: str) -> Any:
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        wanted = "a number" if kind == (int, float) else f"of type {kind.__name__}"
        raise ValueError(f"{where} is {value!r}, not {wanted}")
    return value


def read_json(path: Path, kind: Any, what: str) -> Any:
    """Reads a JSON file as objects.

    Args:
        path: The file.
        kind: What it holds, see `from_plain`.
        what: What its folder should be, for the message: `report`.

    Raises:
        InputError: It is missing or broken, holds a number that is not finite, or something else
            than `kind`.
    """

    def refuse(number: str) -> None:
        raise ValueError(f"{number} is no number that JSON knows")

    try:
        value = json.loads(path.read_text(encoding="utf-8"), parse_constant=refuse)
        return from_plain(kind, value)
    except FileNotFoundError:
        raise InputError(f"{path.parent} holds no {what}: {path.name} is missing.") from None
    except ValueError as error:
        raise InputError(f"{path} cannot be read: {error}.") from error
