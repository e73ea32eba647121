"""Objectives of a channel as a grid names them: a class and its settings, whatever the channel."""

import inspect
from collections.abc import Mapping
from dataclasses import fields
from functools import partial
from importlib import import_module
from types import NoneType
from typing import Any, get_args, get_type_hints

from jsonargparse import ArgumentError, ArgumentParser

from prober.ascent.objectives import OfChannel, TopKMean
from prober.ascent.records import concrete
from prober.common.errors import InputError, suggestion

OF_GRID = ("layer", "channel", "h", "w", "d")
"""Settings that the grid itself gives: `layers`, `channels` and `positions`."""


def named_objective(given: str | Mapping[str, Any], k: int) -> partial[OfChannel]:
    """Reads what a grid says: a name, an import path, or one with settings.

    Args:
        given: `TopKMean`, or `{class_path: TopKMean, init_args: {k: 7}}`.
        k: The setting `k` of objectives that have one, if it is not given.

    Returns:
        Its class with those of its settings that are not the grid's.

    Raises:
        InputError: There is no such class, or it has no such settings, or needs others.

    Examples:
        >>> named_objective("TopKMean", 20)("conv2", 3)
        TopKMean(layer='conv2', channel=3, k=20)
    """
    written: dict[str, Any] = {"class_path": given}
    if isinstance(given, Mapping):
        written = dict(given)
    path, own = written.pop("class_path", None), written.pop("init_args", None) or {}
    known = isinstance(path, str) and isinstance(own, Mapping) and not written
    if not known or path.startswith("["):  # a list is read as a text
        raise InputError(
            f"grid.objectives: {given} is no objective. Write its name, or "
            "{class_path: TopKMean, init_args: {k: 7}}."
        )
    kind = _class_of_channel(path)
    free = {each.name: each for each in fields(kind) if each.name not in OF_GRID}
    if wrong := [str(name) for name in own if name not in free]:
        by_grid = " here: layers, channels and positions are the grid's" * (wrong[0] in OF_GRID)
        raise InputError(
            f"grid.objectives: {path} has no setting '{wrong[0]}'{by_grid}."
            f"{suggestion(wrong[0], free)}"
        )
    settings = ({"k": k} if kind is TopKMean else {}) | dict(own)
    unset = [
        name
        for name, each in free.items()
        if each.default is each.default_factory and name not in settings  # MISSING both
    ]
    if unset:
        raise InputError(
            f"grid.objectives: {path} has no default for {', '.join(unset)}: write "
            f"{{class_path: {path}, init_args: {{{unset[0]}: …}}}}."
        )
    return partial(kind, **{name: _typed(kind, name, value) for name, value in settings.items()})


def _typed(kind: type[OfChannel], name: str, value: Any) -> Any:
    """Reads a setting as its class declares it.

    Raises:
        InputError: It is of another type.
    """
    declared = get_type_hints(kind)[name]
    parser = ArgumentParser(exit_on_error=False)
    parser.add_class_arguments(kind, skip={each.name for each in fields(kind)} - {name})
    try:
        if value is None and NoneType not in get_args(declared):
            raise TypeError("it is null")
        return parser.instantiate_classes(parser.parse_object({name: value}))[name]
    except (ArgumentError, TypeError, ValueError) as error:
        said = declared.__name__ if isinstance(declared, type) else declared
        raise InputError(
            f"grid.objectives: {name} of {kind.__name__}: {value!r} is not of type {said}."
        ) from error


def _class_of_channel(name: str) -> type[OfChannel]:
    """Finds an objective of a channel by its class's name, or by its import path.

    Raises:
        InputError: There is none.
    """
    classes = {each.__name__: each for each in concrete(OfChannel)}
    module, _, last = name.rpartition(".")
    if not module:
        found = classes.get(name)
    else:
        try:
            found = getattr(import_module(module), last, None)
        except (Exception, SystemExit) as error:  # a person's own file, with whatever is wrong
            said = f"{type(error).__name__}: {error}"
            raise InputError(f"grid.objectives: cannot import '{name}': {said}.") from error
    if not inspect.isclass(found) or not issubclass(found, OfChannel) or inspect.isabstract(found):
        raise InputError(
            f"grid.objectives: there is no '{name}'.{suggestion(name, classes)} Choose "
            f"{', '.join(classes)}, or the import path of another objective of a channel."
        )
    return found
