"""Frozen dataclasses as JSON and back, so that what a file holds is written down as types.

An object becomes an object of JSON with its fields in their order, a tuple a list, an enum its
value. A field whose key in the file is no good name in Python says so:
`label: str = field(metadata={KEY: "class"})`.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from enum import Enum
from functools import cache
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from prober.common.errors import InputError

KEY = "key"
"""In a field's metadata what it is called in files, where that is not its name."""


def keys(kind: type) -> dict[str, str]:
    """Returns for each field of a dataclass, in order, what it is called in files."""
    return {each.name: each.metadata.get(KEY, each.name) for each in fields(kind)}


def finite(value: float) -> float | None:
    """Returns a number, or None for what JSON does not know: NaN and infinity."""
    return value if math.isfinite(value) else None


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
        where: Where it stands in the file, for the message.

    Raises:
        ValueError: It is something else; the text says where, `.facets[0].hue`.
    """
    origin, parts = _origin(kind)
    if origin is Any:
        return value
    if origin is Union:
        return None if value is None else from_plain(parts[0], value, where)
    if origin is tuple:
        _check(list, value, where)
        return tuple(from_plain(parts[0], x, f"{where}[{i}]") for i, x in enumerate(value))
    if origin is dict:
        _check(dict, value, where)
        return {key: from_plain(parts[1], x, f"{where}.{key}") for key, x in value.items()}
    if is_dataclass(origin):
        return _object(kind, value, where)
    if issubclass(origin, Enum):
        known = {each.value: each for each in origin}
        if not isinstance(value, str | int) or value not in known:
            said = ", ".join(map(repr, known))
            raise ValueError(f"{where} is {value!r}, not one of {said}")
        return known[value]
    _check(origin, value, where)
    return value


@cache
def _origin(kind: Any) -> tuple[Any, tuple[Any, ...]]:
    """Takes a type apart: `tuple` and its items, `Union` and what it is besides None, or itself."""
    origin, parts = get_origin(kind) or kind, get_args(kind)
    if origin in (Union, UnionType):
        return Union, tuple(each for each in parts if each is not NoneType)
    return origin, parts


@cache
def _fields(kind: Any) -> dict[str, tuple[str, Any, bool]]:
    """By its key in files each field of a dataclass: its name, its type, if a file must have it."""
    types, named = get_type_hints(kind), keys(kind)
    return {
        named[each.name]: (each.name, types[each.name], each.default is MISSING)
        for each in fields(kind)
    }


def _object(kind: Any, value: Any, where: str) -> Any:
    _check(dict, value, where)
    known, found = _fields(kind), {}
    for key, item in value.items():
        if key not in known:
            raise ValueError(f"{where} has '{key}', which is not known here".strip())
        name, type_, _ = known[key]
        found[name] = from_plain(type_, item, f"{where}.{key}")
    for key, (_, _, needed) in known.items():
        if needed and key not in value:
            raise ValueError(f"{where} has no '{key}'".strip())
    return kind(**found)


def _check(kind: type, value: Any, where: str) -> None:
    kinds = (int, float) if kind is float else (kind,)
    if not isinstance(value, kinds) or (isinstance(value, bool) and kind is not bool):
        raise ValueError(f"{where} is {value!r}, not of type {kind.__name__}".strip())


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
