"""The parser of the command line: help that a person can read, errors that help."""

import argparse
import inspect
import re
import sys
from collections.abc import Iterator
from typing import Any, NoReturn

from jsonargparse import Namespace
from lightning.pytorch.cli import LightningArgumentParser

from prober.ascent.objectives import Objective
from prober.ascent.parameterizations import Parameterization
from prober.ascent.regularizers import Regularizer
from prober.ascent.starts import InitialImage
from prober.ascent.transforms import Transform
from prober.cli.patches import take_functions
from prober.common.errors import suggestion

CHOICES = {
    "model.objective": Objective,
    "model.initial_image": InitialImage,
    "model.regularizers": Regularizer,
    "model.parameterization": Parameterization,
    "model.transforms": Transform,
    "grid.targets": Objective,
    "grid.initial_images": InitialImage,
    "grid.regularizers": Regularizer,
}
"""The options whose value is a class of this project, with their base class."""

SHOWN = ("max_steps", "precision", "accelerator", "log_every_n_steps", "enable_progress_bar")
"""The Trainer's options that `--help` lists; the others work, too."""


take_functions()


class ProberParser(LightningArgumentParser):
    """Parses options and YAML; on bad input prints one message and exits with code 2."""

    only: str | None = None
    """The part of a config that is read where the command needs no other; None for all of it."""

    _reading = ""

    def parse_string(self, *args: Any, **kwargs: Any) -> Namespace:
        """Parses YAML; see `LightningArgumentParser`."""
        config = super().parse_string(*args, **kwargs)
        if self.only is None:
            return config
        part = Namespace()
        if self.only in config:
            part[self.only] = config[self.only]
        return part

    def parse_path(self, path: str, *args: Any, **kwargs: Any) -> Namespace:
        """Parses a YAML file; see `LightningArgumentParser`."""
        self._reading = path
        try:
            return super().parse_path(path, *args, **kwargs)
        except UnicodeDecodeError as error:
            self.error(f"Problems parsing config: {error}")
        finally:
            self._reading = ""

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        """Says what is wrong and what there is instead."""
        sys.stderr.write(f"Error: {self._explain(message)}\n")
        sys.exit(2)

    def shorten_help(self) -> None:
        """Leaves out of the help what hardly anybody sets for a visualization."""
        titles = {
            "trainer": "The Trainer (all its other arguments work, too, as --trainer.NAME VALUE)",
            "model": "The image to synthesize",
            "model.subject": "The CNN under study",
        }
        for group in self._action_groups:
            title = titles.get(next((a.dest for a in group._group_actions), ""))
            group.title = title or group.title
        self.usage = "%(prog)s --config CONFIG [--OPTION VALUE ...]"
        for action in self._actions:
            name = action.dest.removeprefix("trainer.")
            hidden = name != action.dest and name not in SHOWN
            nested = isinstance(action.default, dict) or action.dest in titles
            if hidden or nested or action.dest.endswith(".help"):
                action.help = argparse.SUPPRESS
            # The docstrings name the project's classes; of torch's modules there are hundreds.
            action.extra_help = lambda: ""  # type: ignore[attr-defined]

    def _explain(self, message: str) -> str:
        message = " ".join(message.split())
        if message.startswith("Problems parsing config: "):
            return f"'{self._reading}' is not valid YAML: {message.split(': ', 1)[1]}"
        if message.startswith("Unexpected config:"):
            return f"'{self._reading}' holds no settings (keys with values)."
        key = found[1] if (found := re.search(r'Parser key "([\w.]+)"', message)) else ""
        value = found[1] if (found := re.search(r"(?:Given|Got) value: (\S+)$", message)) else ""
        if found := re.search(
            r"Option '([\w.]+)' is not accepted|accept option '([\w.]+)'|arguments: --([\w.]+)",
            message,
        ):
            option = found[1] or found[2] or found[3]
            if f"{option}.".startswith("model.objective.") and "fit" not in sys.argv[1:2]:
                return (
                    "This command takes no model.objective, which is what fit makes one image of: "
                    "leave it out, and say with grid.layers, grid.channels, grid.classes or "
                    "grid.targets what to look at."
                )
            hint = self._suggest(option.split("."))
            if owner := re.search(r"class_path '[\w.]*?(\w+)'", message):
                option = f"{option}' of '{owner[1]}"
            return f"There is no option '{option}'.{hint}"
        path = re.search(r"import path string: ([\w.]+)|class_path '?([\w.]+)'?: (.*)", message)
        base = CHOICES.get(key) or CHOICES.get(f"model.{key}")  # the latter within another class
        if base and path:
            name = path[1] or path[2]
            names = [each.__name__ for each in _concrete(base)]
            if name.split(".")[-1] not in names:
                return f"{key}: there is no '{name}'.{suggestion(name, names)} " + (
                    f"Choose {', '.join(names)}."
                )
        if path and key == "summands":
            return (
                "summands: each is an objective with its weight: {objective: {class_path: ..., "
                "init_args: ...}, weight: ...}."
            )
        if path and path[3]:
            why = re.split(r" - Expected| Given value", path[3])[0]
            return f"{key}: cannot use '{path[2]}': {why}."
        if "does not correspond to a subclass of" in message or (value and path):
            return f"{key}: '{value}' is not the import path of a class that fits here."
        if value and (literals := re.findall(r"Literal\[(.*?)\]", message)):
            choices = dict.fromkeys(", ".join(literals).replace("'", "").split(", "))
            return f"{key}: '{value}' does not fit. Choose one of {', '.join(choices)}."
        if value:
            types = re.findall(r"Expected a <class '([\w.]+)'>", message)
            return f"{key}: '{value}' is not of type {' or '.join(types)}."
        if found := re.search(r"Union subtypes Subtypes: \[(.*?)\] Errors: .*value: (.*)", message):
            types = re.findall(r"(\w+)'>", found[1])
            return f"{key}: '{found[2]}' is not of type {' or '.join(types)}."
        return message

    def _suggest(self, option: list[str]) -> str:
        """Suggests a name in place of the first part of an option that does not exist."""
        options = list(self._options())
        for i, part in enumerate(option):
            siblings = {each[i] for each in options if each[:i] == option[:i] and len(each) > i}
            if part not in siblings:
                break
        if len(option) == 1 or not siblings:  # perhaps an argument of a class
            siblings = {part for each in options for part in each}
            siblings |= {
                name
                for base in CHOICES.values()
                for each in _concrete(base)
                for name in inspect.signature(each).parameters
            }
        if part in siblings:
            return " Other choices have it, this one has not."
        return suggestion(part, siblings)

    def _options(self) -> Iterator[list[str]]:
        for action in self._actions:
            yield action.dest.split(".")
            for parser in (action.choices or {}).values() if action.dest == "subcommand" else ():
                yield from parser._options()


def _concrete(base: type) -> list[type]:
    """Returns the classes below `base` that can be chosen, by name."""
    below = [each for child in base.__subclasses__() for each in [child, *_concrete(child)]]
    return sorted({c for c in below if not inspect.isabstract(c)}, key=lambda c: c.__name__)
