"""The commands, one in each file: a new one is a file more."""

from importlib import import_module
from pkgutil import iter_modules

from prober.cli.command import Command


def all_commands() -> dict[str, Command]:
    """Returns the commands by their names, those of their files."""
    found = {}
    for file in iter_modules(__path__):
        module = import_module(f"{__name__}.{file.name}")
        for each in vars(module).values():
            own = isinstance(each, type) and each.__module__ == module.__name__
            if own and issubclass(each, Command):
                found[file.name] = each()
    return found
