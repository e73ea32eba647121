"""What a record says of something with settings, and how it is made again from what it says.

Whatever can be asked for, of this project or a person's own, is found by its name among the classes
that there are; nothing has to be entered anywhere.
"""

import inspect
import re
from abc import ABC
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import Field, asdict, fields
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar, Self

import yaml

from prober.common.errors import InputError


class Recorded(ABC):
    """A frozen dataclass whose settings stand in every record: a start, a regularizer, a transform.

    Attributes:
        name: What records call it; the name of its class unless it has another.
    """

    name: ClassVar[str]
    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Names a class by its own name, unless it says another."""
        super().__init_subclass__(**kwargs)
        if "name" not in vars(cls):
            cls.name = cls.__name__

    def record(self) -> dict[str, Any]:
        """Returns the name and all settings."""
        return {"name": self.name, **asdict(self)}

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Self:
        """Makes again what a record names.

        Args:
            record: What `record` returned, perhaps read from JSON.

        Raises:
            InputError: There is no such class, or it has other settings.
        """
        settings = {key: as_setting(value) for key, value in record.items() if key != "name"}
        return made(class_named(cls, record["name"]), settings)


def concrete(base: type) -> list[Any]:
    """Returns the classes below `base` that can be made, by name, and as they were defined."""
    children: list[type] = base.__subclasses__()
    below = [found for child in children for found in [child, *concrete(child)]]
    concrete_ones = dict.fromkeys(c for c in below if not inspect.isabstract(c))
    return sorted(concrete_ones, key=lambda c: c.__name__)


def import_classes(config: Path) -> None:
    """Imports the classes that the config of a run names, for its records name them without a path.

    What cannot be read or imported is left to `class_named`, which says what is missing.

    Args:
        config: The `config.yaml` of a run of `fit` or of a sweep.
    """
    with suppress(OSError, ValueError, yaml.YAMLError):
        for path in _import_paths(yaml.safe_load(config.read_text(encoding="utf-8"))):
            with suppress(Exception):  # a person's own file, with whatever is wrong in it
                import_module(path.rpartition(".")[0])


def _import_paths(node: Any) -> Iterator[str]:
    """Gives the import paths of objectives, penalties and so on; the CNN is there already."""
    if isinstance(node, list):
        for each in node:
            yield from _import_paths(each)
    if isinstance(node, dict):
        yield from filter(None, [node.get("class_path")])
        yield from (each for each in node.get("objectives") or () if isinstance(each, str))
        for key, each in node.items():
            if key != "subject":
                yield from _import_paths(each)


def class_named(base: type, name: str) -> Any:
    """Returns the class below `base` of a name; of one that was defined again, the later.

    Raises:
        InputError: There is none, or there are several.
    """
    recorded = issubclass(base, Recorded)
    called = [c for c in concrete(base) if name == c.__name__ or (recorded and name == c.name)]
    found = {f"{each.__module__}.{each.__qualname__}": each for each in called}
    if len(found) > 1:
        raise InputError(
            f"'{name}' may be any of {', '.join(sorted(found))}. Rename your own, for records say "
            "the name alone."
        )
    if not found:
        kind = " ".join(re.findall("[A-Z][a-z]*", base.__name__)).lower()  # `initial image`
        names = ", ".join(each.__name__ for each in concrete(base))
        raise InputError(
            f"A record names '{name}', which cannot be made again: there is no such {kind} here. "
            f"Import the file that defines it, or choose what was made with {names}."
        )
    return found.popitem()[1]


def made(cls: type, settings: Mapping[str, Any]) -> Any:
    """Makes an object of a class with settings from a record.

    Raises:
        InputError: The class has other settings.
    """
    try:
        return cls(**settings)
    except TypeError as error:
        raise InputError(f"A record's {cls.__name__} has other settings: {error}.") from error


def settings(thing: Any, but: Collection[str] = ()) -> dict[str, Any]:
    """Returns the settings of a dataclass by their names, as they are, but for some of them."""
    own = [each.name for each in fields(thing) if each.init and each.name not in but]
    return {name: getattr(thing, name) for name in own}


def as_setting(value: Any) -> Any:
    """Returns a value read from JSON as a frozen dataclass holds it: lists as tuples."""
    return tuple(map(as_setting, value)) if isinstance(value, list) else value
