"""Frozen dataclasses as JSON and back, so that what a file holds is written down as types.

An object becomes an object of JSON with its fields in their order, a tuple a list, an enum its
value. A field whose key in the file is no good name in Python says so:
`label: Annotated[str, Key("class")]`.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, fields, is_dataclass
from enum import Enum
from functools import cache
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from typing_extensions import override

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


class Misfit(ValueError):
    """Something in a file is not what it should be.

    Args:
        said: What is wrong with it.

    Attributes:
        where: Where it stands, `[3].facets[0].hue`.
    """

    def __init__(self, said: str) -> None:
        super().__init__(said)
        self.where = ""

    def within(self, where: str) -> None:
        """Adds in what it stands."""
        self.where = where + self.where

    @override
    def __str__(self) -> str:
        return f"{self.where} {super().__str__()}".strip()


def from_plain(kind: Any, value: Any) -> Any:
    """Turns what `json` has read into objects.

    Args:
        kind: What it should be: a dataclass, an enum, `X | None`, `tuple[X, ...]`, `dict[str, X]`,
            a plain type, or Any.
        value: What was read.

    Raises:
        Misfit: It is something else.
    """
    return _reader(kind)(value)


Reader = Callable[[Any], Any]


@cache
def _reader(kind: Any) -> Reader:
    """Returns what turns plain values into a kind; made once for each, since files are large."""
    if kind is Any:
        return lambda value: value
    if get_origin(kind) in (Union, UnionType):
        (other,) = (each for each in get_args(kind) if each is not NoneType)
        read = _reader(other)
        return lambda value: None if value is None else read(value)
    if get_origin(kind) is tuple:
        return _tuple_reader(_reader(get_args(kind)[0]))
    if get_origin(kind) is dict:
        return _dict_reader(_reader(get_args(kind)[1]))
    if is_dataclass(kind):
        return _object_reader(kind)
    if issubclass(kind, Enum):
        return _enum_reader(kind)
    return _checker(kind)


def _tuple_reader(read: Reader) -> Reader:
    check = _checker(list)

    def read_tuple(value: Any) -> tuple[Any, ...]:
        found = []
        for item in check(value):
            try:
                found.append(read(item))
            except Misfit as misfit:
                misfit.within(f"[{len(found)}]")
                raise
        return tuple(found)

    return read_tuple


def _dict_reader(read: Reader) -> Reader:
    check = _checker(dict)

    def read_dict(value: Any) -> dict[str, Any]:
        found = {}
        for key, item in check(value).items():
            try:
                found[key] = read(item)
            except Misfit as misfit:
                misfit.within(f".{key}")
                raise
        return found

    return read_dict


def _object_reader(kind: Any) -> Reader:
    types = get_type_hints(kind)
    names = {key: name for name, key in keys(kind).items()}
    readers = {key: _reader(types[name]) for key, name in names.items()}
    optional = {each.name for each in fields(kind) if each.default is not MISSING}
    needed = [key for key, name in names.items() if name not in optional]
    check = _checker(dict)

    def read_object(value: Any) -> Any:
        found = {}
        for key, item in check(value).items():
            if key not in readers:
                raise Misfit(f"has '{key}', which is not known here")
            try:
                found[names[key]] = readers[key](item)
            except Misfit as misfit:
                misfit.within(f".{key}")
                raise
        if missing := [key for key in needed if key not in value]:
            raise Misfit(f"has no '{missing[0]}'")
        return kind(**found)

    return read_object


def _enum_reader(kind: type[Enum]) -> Reader:
    known = {each.value: each for each in kind}

    def read_enum(value: Any) -> Enum:
        if not isinstance(value, str | int) or value not in known:
            raise Misfit(f"is {value!r}, not one of {', '.join(map(repr, known))}")
        return known[value]

    return read_enum


def _checker(kind: type) -> Reader:
    kinds = (int, float) if kind is float else (kind,)

    def check(value: Any) -> Any:
        if not isinstance(value, kinds) or (isinstance(value, bool) and kind is not bool):
            raise Misfit(f"is {value!r}, not of type {kind.__name__}")
        return value

    return check


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
