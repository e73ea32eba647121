"""The commands, one in each file: a new one is a file more."""

from collections.abc import Iterable
from importlib import import_module
from pathlib import Path

from prober.cli.command import Command


def command_files() -> dict[str, Path]:
    """Returns the files of the commands by the commands' names."""
    files = [file for folder in __path__ for file in sorted(Path(folder).glob("[!_]*.py"))]
    return {file.stem: file for file in files}


def load_commands(names: Iterable[str]) -> dict[str, Command]:
    """Loads commands, and what they need; returns them by their names."""
    found = {}
    for name in names:
        module = import_module(f"{__name__}.{name}")
        for each in vars(module).values():
            own = isinstance(each, type) and each.__module__ == module.__name__
            if own and issubclass(each, Command):
                found[name] = each()
    return found
