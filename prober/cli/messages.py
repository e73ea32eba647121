"""What people are told of a wrong option or config, in place of what the parser says."""

from __future__ import annotations

import argparse
import inspect
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, get_args

import prober
from prober.ascent.records import concrete
from prober.cli.commands import command_files
from prober.cli.overview import no_command, no_such_command
from prober.common.errors import suggestion
from prober.common.patches import options_of, type_of


@dataclass(frozen=True)
class Parsed:
    """Where something wrong was found.

    Attributes:
        parser: The parser that found it; that of a class, if it is among a class's arguments.
        file: The config file that it was reading, "" if none.
    """

    parser: argparse.ArgumentParser
    file: str

    @cached_property
    def options(self) -> list[argparse.Action]:
        """The parser's options, and those of its commands."""
        return list(_with_those_of_commands(self.parser))

    def choices(self, option: str) -> list[str]:
        """Returns the classes that a person can choose for an option, by name.

        They are those that `prober` offers and the person's own, of the project's kinds; none for
        other kinds, such as CNNs, of which there are hundreds.
        """
        found = [each for each in self.options if each.dest == option] or [
            # Within a class's settings the option has a shorter name.
            each
            for each in self.options
            if each.dest.endswith(f".{option}")
        ]
        kinds = {kind for each in found for kind in _classes_within(type_of(each))}
        own = [kind for kind in kinds if kind.__module__.partition(".")[0] == prober.__name__]
        below = {each for kind in own for each in [kind, *concrete(kind)]}
        return sorted({each.__name__ for each in below if _offered(each)})

    def suggestion(self, option: str) -> str:
        """Suggests a name in place of the first part of an option that does not exist."""
        parts = option.split(".")
        options = [each.dest.split(".") for each in self.options]
        for i, part in enumerate(parts):
            siblings = {each[i] for each in options if each[:i] == parts[:i] and len(each) > i}
            if part not in siblings:
                break
        if len(parts) == 1 or not siblings:  # perhaps an argument of a class
            siblings = {part for each in options for part in each}
            for name in prober.__all__:
                with suppress(ValueError):  # a class of Python's own has none
                    siblings |= inspect.signature(getattr(prober, name)).parameters.keys()
        if part in siblings:
            return " Other choices have it, this one has not."
        return suggestion(part, siblings)


@dataclass(frozen=True)
class Message:
    """A row of the table: what the parser says, and what people are told.

    Attributes:
        said: What the parser says, on one line.
        told: Returns what people are told; None if it is another row's.
        example: What the parser said for which the row was made.
    """

    said: re.Pattern[str]
    told: Callable[[re.Match[str], Parsed], str | None]
    example: str


def explain(message: str, parsed: Parsed) -> str:
    """Returns what a person is told: what the first row that fits makes of it."""
    message = " ".join(message.split())
    for row in MESSAGES:
        found = row.said.search(message)
        if found and (told := row.told(found, parsed)):
            return told
    return message


def _no_option(found: re.Match[str], parsed: Parsed) -> str:
    option = found["option"]
    if command := found.groupdict().get("command"):
        parsed = replace(parsed, parser=_commands_of(parsed.parser)[command])
    takes_objective = any(each.dest.startswith("model.objective") for each in parsed.options)
    if f"{option}.".startswith("model.objective.") and not takes_objective:
        return (
            "This command takes no model.objective, which is what fit makes one image of: "
            "leave it out, and say with grid.layers, grid.channels, grid.classes or "
            "grid.targets what to look at."
        )
    takes_grid = any(each.dest.startswith("grid.") for each in parsed.options)
    if f"{option}.".startswith("grid.") and not takes_grid:
        return (
            "This command takes no grid, which is what sweep and report look at: give the config "
            "to one of them, or say with model.objective what the one image is of."
        )
    hint = parsed.suggestion(option) or " --help after the command lists what there is."
    return f"There is no option '{option}'.{hint}"


def _no_value(found: re.Match[str], parsed: Parsed) -> str:
    key = found["key"]
    for each in parsed.options:
        if each.dest == key and not each.option_strings:
            return f"{each.metavar or key} is missing: --help after the command says what it is."
    return f"{key} is null: give it a value, or leave the key out."


def _no_class(found: re.Match[str], parsed: Parsed) -> str | None:
    key, name = found["key"], found["name"]
    names = parsed.choices(key)
    if not names or name.split(".")[-1] in names:
        return None
    near = suggestion(name.split(".")[-1], names)
    return f"{key}: there is no '{name}'.{near} Choose {', '.join(names)}."


def _not_of_type(found: re.Match[str], parsed: Parsed) -> str:
    types = " or ".join(dict.fromkeys(re.findall(r"(\w+)'>", found["types"])))
    return f"{found['key']}: '{found['value']}' is not of type {types}."


def _choices(text: str) -> str:
    """What is listed in a message's types: `one of warn, true, false`."""
    literals = re.findall(r"Literal\[(.*?)\]", text)
    choices = [each for found in literals for each in found.replace("'", "").split(", ")]
    choices += ["true", "false"] if "<class 'bool'>" in text else []
    return f"one of {', '.join(dict.fromkeys(choices))}"


KEY = r'Parser key "(?P<key>[\w.]+)"(?: element \d+)?: .*?'
END = r"(?: - | Given value|$)"
VALUE = r".*(?:Given|Got) value: ?(?P<value>.*)$"

MESSAGES = (
    Message(
        re.compile(r'expected "subcommand" to be one of \{(?P<commands>.*?)\}'),
        lambda found, parsed: no_command(found["commands"].split(",")),
        f'expected "subcommand" to be one of {{{",".join(command_files())}}}, but it was not '
        "provided.",
    ),
    Message(
        re.compile(r"invalid choice: '(?P<name>.*?)' \(choose from (?P<commands>.*)\)"),
        lambda found, parsed: no_such_command(found["name"], list(_commands_of(parsed.parser))),
        "argument subcommand: invalid choice: 'fitt' (choose from "
        f"{', '.join(map(repr, command_files()))})",
    ),
    Message(
        re.compile(r'Parser key "model\.objective": .*Got value: None '),
        lambda found, parsed: (
            "model.objective is missing, which is what the image is of: give a config that says "
            "it, such as --config configs/conv2_ch3.yaml, or --model.objective ChannelMean "
            "--model.objective.layer conv2 --model.objective.channel 3."
        ),
        'Parser key "model.objective": Not a valid subclass of Objective. Got value: None Subclass '
        "types expect one of: - a class path (str) - a dict with class_path entry - a dict without "
        "class_path but with init_args entry (class path given previously) - a dict with "
        "parameters accepted by the base class (implicit class_path)",
    ),
    Message(
        re.compile(r"^Problems parsing config: (?P<why>.*)"),
        lambda found, parsed: f"'{parsed.file}' is not valid YAML: {found['why']}",
        "Problems parsing config: while parsing a flow node did not find expected node content "
        'in "<unicode string>", line 2, column 1',
    ),
    Message(
        re.compile(r"^Unexpected config:"),
        lambda found, parsed: f"'{parsed.file}' holds no settings (keys with values).",
        "Unexpected config: - model",
    ),
    Message(
        re.compile(r"Option '(?P<option>[\w.]+)' is not accepted"),
        _no_option,
        "Option 'chanel' is not accepted",
    ),
    Message(
        re.compile(r"Subcommand '(?P<command>\w+)' does not accept option '(?P<option>[\w.]+)'"),
        _no_option,
        "Subcommand 'fit' does not accept option 'model.initial_imag'",
    ),
    Message(
        re.compile(r"unrecognized arguments: --(?P<option>[\w.]+)"),
        _no_option,
        "unrecognized arguments: --modle.lr 1",
    ),
    Message(
        re.compile(r'Parser key "summands": .*import path string'),
        lambda found, parsed: (
            "summands: each is an objective with its weight: {objective: {class_path: ..., "
            "init_args: ...}, weight: ...}."
        ),
        'Parser key "summands": Expected a dot import path string: ChannelMean',
    ),
    Message(
        re.compile(
            KEY + r"(?:(?:Given|Got) value: None(?: |$)|of type 'NoneType' is not (?:a container "
            r"or )?iterable)"  # as Python says it from 3.14 on
        ),
        _no_value,
        "Parser key \"snapshots.every\": Expected a <class 'int'>. Got value: None",
    ),
    Message(
        re.compile(KEY + r"import path string: (?P<name>.*?)" + END),
        _no_class,
        'Parser key "model.objective": - Expected a path but ChannelMeen either not accessible or '
        "invalid - Expected a dot import path string: ChannelMeen",
    ),
    Message(
        re.compile(
            KEY + r"class_path '?(?P<name>[\w.]+)'?: cannot be imported: (?P<why>.*?)"
            r"(?: - Expected a <class| Given value|$)"
        ),
        lambda found, parsed: f"{found['key']}: cannot import '{found['name']}': {found['why']}.",
        'Parser key "model.subject.cnn": - Expected a path but broken.Net either not accessible '
        "or invalid - Does not validate against any of the Union subtypes Subtypes: [<class "
        "'torch.nn.modules.module.Module'>, <class 'NoneType'>] Errors: - Problem with given "
        "class_path 'broken.Net': cannot be imported: SyntaxError: invalid syntax (broken.py, "
        "line 1) - Expected a <class 'NoneType'> Given value type: <class 'str'> Given value: "
        "broken.Net",
    ),
    Message(
        re.compile(KEY + r"class_path '?(?P<name>[\w.]+)'?: (?P<why>.*)"),
        _no_class,
        'Parser key "model.objective": Problem with given class_path \'prober.ascent.objectives.'
        "ChannelMeen': module 'prober.ascent.objectives' has no attribute 'ChannelMeen'",
    ),
    Message(
        re.compile(KEY + r"class_path '?(?P<name>[\w.]+)'?: .*object has no attribute 'keys'"),
        lambda found, parsed: (
            f"{found['key']}: the init_args of '{found['name']}' are settings: keys with values."
        ),
        "Parser key \"model.objective\": Problem with given class_path 'prober.ChannelMean': 'str' "
        "object has no attribute 'keys'",
    ),
    Message(
        re.compile(
            KEY + r"class_path '?(?P<name>[\w.]+)'?: (?P<why>.*?)(?: - Expected| Given value|$)"
        ),
        lambda found, parsed: f"{found['key']}: cannot use '{found['name']}': {found['why']}.",
        'Parser key "model.subject.cnn": - Expected a path but nowhere.Net either not accessible '
        "or invalid - Does not validate against any of the Union subtypes Subtypes: [<class "
        "'torch.nn.modules.module.Module'>, <class 'NoneType'>] Errors: - Problem with given "
        "class_path 'nowhere.Net': No module named 'nowhere' - Expected a <class 'NoneType'> Given "
        "value type: <class 'str'> Given value: nowhere.Net",
    ),
    Message(
        re.compile(KEY + r"(?:does not correspond to a subclass of|import path string)" + VALUE),
        lambda found, parsed: (
            f"{found['key']}: '{found['value']}' is not the import path of a class that fits here."
        ),
        'Parser key "model.subject.cnn": - Expected a path but json.JSONDecoder either not '
        "accessible or invalid - Does not validate against any of the Union subtypes Subtypes: "
        "[<class 'torch.nn.modules.module.Module'>, <class 'NoneType'>] Errors: - Import path "
        "does not correspond to a subclass of Module - Expected a <class 'NoneType'> Given value "
        "type: <class 'str'> Given value: json.JSONDecoder",
    ),
    Message(
        re.compile(
            KEY + r"instantiatable class, but (?P<name>[\w.]*) ?is abstract(?:" + VALUE + ")?"
        ),
        lambda found, parsed: (
            f"{found['key']}: nothing can be made of '{found['name'] or found['value']}', which "
            "lacks a method that its base class asks for."
        ),
        'Parser key "model.initial_image": - Expected a path but own_starts.Checkers either not '
        "accessible or invalid - Does not validate against any of the Union subtypes Subtypes: "
        "[<class 'prober.ascent.starts.InitialImage'>, <class 'NoneType'>] Errors: - Expected an "
        "instantiatable class, but is abstract - Expected a <class 'NoneType'> Given value type: "
        "<class 'str'> Given value: own_starts.Checkers",
    ),
    Message(
        re.compile(KEY + r"Subtypes: \[(?P<types>.*?Literal.*)\] Errors: " + VALUE),
        lambda found, parsed: (
            f"{found['key']}: '{found['value']}' does not fit. Choose {_choices(found['types'])}."
        ),
        'Parser key "trainer.precision": Does not validate against any of the Union subtypes '
        "Subtypes: [typing.Literal[64, 32, 16], typing.Literal['transformer-engine', "
        "'transformer-engine-float16', '16-true', '16-mixed', 'bf16-true', 'bf16-mixed', "
        "'32-true', '64-true'], typing.Literal['64', '32', '16', 'bf16'], <class 'NoneType'>] "
        "Errors: - Expected a typing.Literal[64, 32, 16] - Expected a typing.Literal["
        "'transformer-engine', 'transformer-engine-float16', '16-true', '16-mixed', 'bf16-true', "
        "'bf16-mixed', '32-true', '64-true'] - Expected a typing.Literal['64', '32', '16', 'bf16'] "
        "- Expected a <class 'NoneType'> Given value type: <class 'str'> Given value: 65",
    ),
    Message(
        re.compile(KEY + r"Subtypes: \[(?P<types>.*?)\] Errors: " + VALUE),
        _not_of_type,
        'Parser key "vector": Does not validate against any of the Union subtypes Subtypes: '
        "[<class 'str'>, <class 'prober.ascent.layer_objectives.ClassDifference'>] Errors: - "
        "Expected a <class 'str'> - Not a valid subclass of ClassDifference Subclass types expect "
        "one of: - a class path (str) - a dict with class_path entry - a dict without class_path "
        "but with init_args entry (class path given previously) - a dict with parameters accepted "
        "by the base class (implicit class_path) Given value type: <class 'list'> Given value: "
        "[1.0, 2.0]",
    ),
    Message(
        re.compile(KEY + r"Expected a (?P<types><class '[\w.]+'>)" + VALUE),
        _not_of_type,
        "Parser key \"trainer.max_steps\": Expected a <class 'int'>. Got value: ten",
    ),
    Message(
        re.compile(
            KEY + r"Unable to load config (?P<quote>['\"])(?P<value>.*?)(?P=quote)(?: - |$)"
        ),
        lambda found, parsed: (
            f"{found['key']} is a group of settings, keys with values; '{found['value']}' is none."
        ),
        "Parser key \"trainer\": Unable to load config '-0.5' - "
        'Parser key "trainer": Unable to load config "-0.5"',
    ),
    Message(
        re.compile(
            KEY + r"Not a valid subclass of (?P<kind>\w+)\. Got value: (?P<value>.*?) Subclass "
        ),
        lambda found, parsed: (
            f"{found['key']}: '{found['value']}' describes no {found['kind']}: give "
            "{class_path: ..., init_args: {...}}."
        ),
        'Parser key "model.objective": Not a valid subclass of Objective. Got value: [None] '
        "Subclass types expect one of: - a class path (str) - a dict with class_path entry - a "
        "dict without class_path but with init_args entry (class path given previously) - a dict "
        "with parameters accepted by the base class (implicit class_path)",
    ),
    Message(
        re.compile(r"Subclasses are disabled for \w+, thus '(?P<value>.*?)' is not accepted"),
        lambda found, parsed: (
            f"'{found['value']}' cannot stand for a group of settings: give keys with values."
        ),
        "Subclasses are disabled for Method, thus 'a.b' is not accepted as class_path. Only the "
        "class_path of Method itself is accepted, or its init args given directly. To accept "
        "subclasses use set_parsing_settings(subclasses_enabled=[Method]).",
    ),
    Message(
        re.compile(r'Parser key "(?P<key>[\w.]+)"(?: element \d+)?: (?P<why>.*)'),
        lambda found, parsed: f"{found['key']}: {found['why']}",
        'Parser key "model.subject.value_range": Expected a tuple with 2 elements. Got value: [3]',
    ),
)
"""The rows, of which the first that fits counts. Where none does, the parser's own words stay."""


def _with_those_of_commands(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    yield from options_of(parser)
    for command in _commands_of(parser).values():
        yield from _with_those_of_commands(command)


def _commands_of(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    return next((o.choices for o in options_of(parser) if isinstance(o.choices, dict)), {})


def _classes_within(hint: Any) -> Iterator[type]:
    """Gives the classes in a type hint: InitialImage in `list[InitialImage] | None`."""
    if inspect.isclass(hint) and not get_args(hint):
        yield hint
    for each in get_args(hint):
        yield from _classes_within(each)


def _offered(kind: type) -> bool:
    """Tells whether a class is for people: all their own are, of this project's those it offers."""
    own = kind.__module__.partition(".")[0] == prober.__name__
    offered = not own or getattr(prober, kind.__name__, None) is kind
    return offered and not inspect.isabstract(kind)
