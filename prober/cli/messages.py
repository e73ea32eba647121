"""What people are told of a wrong option or config, in place of what the parser says."""

import inspect
import re
from argparse import SUPPRESS, Action, ArgumentParser
from collections.abc import Callable, Iterator
from difflib import get_close_matches
from typing import Any, get_args

import prober
from prober.ascent.records import concrete
from prober.cli.overview import no_command, no_such_command
from prober.common.errors import suggestion
from prober.common.patches import options_of, type_of


def explain(message: str, parser: ArgumentParser, file: str) -> str:
    """Returns what a person is told: what the first row that fits makes of it.

    Args:
        message: What the parser says.
        parser: The parser that says it; that of a class, if it is among a class's arguments.
        file: The config file that it was reading, "" if none; then what stands after `--config`.
    """
    message = " ".join(message.split())
    for said, row in MESSAGES.items():
        if found := re.search(said, message):
            named = {"file": file or "--config", **found.groupdict()}
            if told := row(found, parser) if callable(row) else row.format(**named):
                return told
    return message


def choices(parser: ArgumentParser, option: str) -> list[str]:
    """Returns the classes that a person can choose for an option, by name.

    They are those that `prober` offers and the person's own, of the project's kinds; none for
    other kinds, such as CNNs, of which there are hundreds.
    """
    options = list(_options_below(parser))
    found = [each for each in options if each.dest == option] or [
        # Within a class's settings the option has a shorter name.
        each
        for each in options
        if each.dest.endswith(f".{option}")
    ]
    return sorted({kind.__name__ for each in found for kind in _offered_for(each)})


def _suggested(parser: ArgumentParser, option: str) -> str:
    """Suggests a name in place of the first part of an option that does not exist."""
    parts = option.split(".")
    known = [each for each in _options_below(parser) if not each.dest.endswith("help")]
    options = [each.dest.split(".") for each in known]
    within = {
        ".".join(each[: each.index(parts[0]) + 1]) for each in options if parts[0] in each[1:]
    }
    if len(within) == 1:  # a level of indentation is missing
        return f" Did you mean '{within.pop()}'?"
    for i, part in enumerate(parts):
        siblings = {each[i] for each in options if each[:i] == parts[:i] and len(each) > i}
        if part not in siblings:
            break
    if near := suggestion(part, siblings):
        return near
    if all(len(each) == 1 for each in options):  # the settings of the class that was chosen
        return f" Those here: {', '.join(sorted(siblings))}." if siblings else ""
    of_class = {
        each.dest
        for each in known
        if inspect.isclass(type_of(each))
        and any(part in inspect.signature(kind).parameters for kind in _offered_for(each))
    }
    if len(of_class) == 1:
        return f" Did you mean '{of_class.pop()}.{part}'?"
    shown = {each.dest.split(".")[-1]: each.dest for each in known if each.help != SUPPRESS}
    nearest = get_close_matches(part, shown, n=1)
    return f" Did you mean '{shown[nearest[0]]}'?" if nearest else ""


def _no_option(found: re.Match[str], parser: ArgumentParser) -> str:
    option = found["option"]
    commands = _commands_of(parser)
    if command := found.groupdict().get("command"):
        parser = commands[command]
    elif commands and any(
        each.dest.split(".")[0] == option.split(".")[0] for each in _options_below(parser)
    ):
        return f"'{option}' is of a command: write --config after its name, as in fit --config ..."
    for group, hint in OF_OTHER_COMMANDS.items():
        within = [f"{each.dest}.".startswith(f"{group}.") for each in _options_below(parser)]
        if f"{option}.".startswith(f"{group}.") and not any(within):
            return f"This command takes no {group}, {hint}"
    hint = _suggested(parser, option) or " --help after the command lists what there is."
    return f"There is no option '{option}'.{hint}"


def _no_value(found: re.Match[str], parser: ArgumentParser) -> str:
    key = found["key"]
    for each in _options_below(parser):
        if each.dest == key and not each.option_strings:
            return f"{each.metavar or key} is missing: --help after the command says what it is."
    return f"{key} is null: give it a value, or leave the key out."


def _no_class(found: re.Match[str], parser: ArgumentParser) -> str | None:
    key, name = found["key"], found["name"]
    names = choices(parser, key)
    if not names or name.split(".")[-1] in names:
        return None
    near = suggestion(name.split(".")[-1], names)
    return f"{key}: there is no '{name}'.{near} Choose {', '.join(names)}."


def _no_import_path(found: re.Match[str], parser: ArgumentParser) -> str:
    name = found["name"]
    dotted = re.sub(r"^(?:[A-Za-z]:)?\W*|\.py(?=:|$)|\(.*\)$", "", name)
    dotted = re.sub(r"[/\\:]+", ".", dotted)
    if not all(part.isidentifier() for part in dotted.split(".")) or name.endswith(".py"):
        dotted = "such as folder.file.Class"
    return f"{found['key']}: '{name}' is no import path. Write it with dots: {dotted}."


def _lacks(found: re.Match[str], parser: ArgumentParser) -> str:
    key, name, names = found["key"], found["name"], found["names"]
    settings = names.replace(",", ": ...,")
    option = f", or --{key}.{names.split(',')[0]} VALUE" if "." in key else ""
    return (
        f"{key}: '{name}' cannot be made without {names.replace(', ', ' and ')}: give "
        f"{{class_path: {name}, init_args: {{{settings}: ...}}}}{option}."
    )


def _no_choice(found: re.Match[str], parser: ArgumentParser) -> str:
    literals = re.findall(r"Literal\[(.*?)\]", found["types"])
    names = [each for listed in literals for each in listed.replace("'", "").split(", ")]
    names += ["true", "false"] if "<class 'bool'>" in found["types"] else []
    return (
        f"{found['key']}: '{found['value']}' does not fit. Choose one of "
        f"{', '.join(dict.fromkeys(names))}."
    )


def _not_of_type(found: re.Match[str], parser: ArgumentParser) -> str:
    types = re.sub(r"<class '|'>|(?:\w+\.)+(?=\w)|, \.\.\.", "", found["types"])
    types = re.sub(r"\b(?:tuple|Sequence)\b", "list", types)
    parts = re.findall(r"\w+(?:\[.*?\]+)?", types)
    named = [part for part in dict.fromkeys(parts) if part != "NoneType"] or ["null"]
    value = found["value"]
    any_list = f"[{value}]" if value.isidentifier() else "[..., ...]"
    lists = [EXAMPLES.get(part, any_list) for part in named if part.startswith("list")]
    hint = f" Write a list in brackets: {lists[0]}." if lists else ""
    is_text = "str" in named and not {"int", "float"} & set(named)
    if is_text and not value.startswith(("[", "{")):  # a number, say, is no text
        hint = f" Write it in quotes: '{value}'."
    return f"{found['key']}: '{value}' is not of type {' or '.join(named)}.{hint}"


def _abstract(found: re.Match[str], parser: ArgumentParser) -> str:
    key, name = found["key"], found["name"] or found["value"]
    names = choices(parser, key)
    if name.startswith("prober.") and names:  # what the parser takes where no class is named
        return (
            f"{key} names no class, or has settings beside it: give {{class_path: ..., init_args: "
            f"{{...}}}} with the settings in init_args. Choose {', '.join(names)}."
        )
    return (
        f"{key}: nothing can be made of '{name}', which lacks a method that its base class asks "
        "for."
    )


OF_OTHER_COMMANDS = {
    "model.objective": (
        "which is what fit makes one image of: leave it out, and say with grid.layers, "
        "grid.channels, grid.classes or grid.targets what to look at."
    ),
    "grid": (
        "which is what sweep and report look at: give the config to one of them, or say with "
        "model.objective what the one image is of."
    ),
}
"""What is said of groups of settings that not all commands take."""

EXAMPLES = {
    "list[str]": "['0', '1', '2']",  # quoted, where YAML would take them for numbers
    "list[str | int]": "[conv1, '0.1']",
    "list[int]": "[1, 2, 3]",
    "list[float]": "[0.5, 0.5, 0.5]",
    "list[list[int]]": "[[0, 8], [0, 28]]",
}
"""Lists that people can write, by what the parser asks for."""

KEY = r'Parser key "(?P<key>[\w.]+)"(?: element \d+)?: .*?'
CLASS = KEY + r"class_path '?(?P<name>[\w.]+)'?: "
VALUE = r".*(?:Given|Got) value: ?(?P<value>.*)$"
NULL = (
    r"(?:(?:Given|Got) value: None(?: |$)|"
    r"of type 'NoneType' is not (?:a container or )?iterable)"  # as Python says it from 3.14 on
)

MESSAGES: dict[str, str | Callable[[re.Match[str], ArgumentParser], str | None]] = {
    r'expected "subcommand" to be one of ': lambda found, parser: no_command(),
    r"invalid choice: '(?P<name>.*?)' ": lambda found, parser: no_such_command(found["name"]),
    r'Parser key "model\.objective": .*Got value: None |are required: fit\.model\.objective$': (
        "model.objective is missing, which is what the image is of: give a config that says "
        "it, such as --config configs/conv2_ch3.yaml, or --model.objective ChannelMean "
        "--model.objective.layer conv2 --model.objective.channel 3."
    ),
    r"^Problems parsing config: (?P<why>.*)": "'{file}' is not valid YAML: {why}",
    r"^Unexpected config:": "'{file}' holds no settings (keys with values).",
    r"Option '(?P<option>[\w.]+)' is not accepted": _no_option,
    r"Subcommand '(?P<command>\w+)' does not accept option '(?P<option>[\w.]+)'": _no_option,
    r"^unrecognized arguments: --(?P<option>[\w.]+)": _no_option,
    r"^unrecognized arguments: (?P<file>\S+\.ya?ml)$": (
        "'{file}' follows no option: give a config as --config {file}."
    ),
    r'Parser key "summands": .*import path string': (
        "summands: each is an objective with its weight: {{objective: {{class_path: ..., "
        "init_args: ...}}, weight: ...}}."
    ),
    KEY + NULL: _no_value,
    KEY + r"import path string: ?(?P<name>.*?)(?: ?- | Given value|$)": _no_class,
    KEY + r"Unexpected import path format: (?P<name>.+?)(?: - | Given value|$)": _no_import_path,
    CLASS + r"cannot be imported: (?P<why>.*?)(?: - Expected a <class| Given value|$)": (
        "{key}: cannot import '{name}': {why}."
    ),
    CLASS + r"the following arguments are required: (?P<names>.*?)(?: - | Given value|$)": _lacks,
    CLASS: _no_class,
    CLASS + r".*object has no attribute 'keys'": (
        "{key}: the init_args of '{name}' are settings: keys with values."
    ),
    CLASS + r"No module named '(?P<module>.*?)'": (
        "{key}: cannot import '{name}': there is no module '{module}' in this folder, nor is one "
        "installed."
    ),
    CLASS + r"(?P<why>.*?)(?: - Expected| Given value|$)": "{key}: cannot use '{name}': {why}.",
    KEY + r"(?:does not correspond to a subclass of|import path string)" + VALUE: (
        "{key}: '{value}' is not the import path of a class that fits here, such as file.Class."
    ),
    KEY + r"instantiatable class, but (?P<name>[\w.]*) ?is abstract(?:" + VALUE + ")?": _abstract,
    KEY + r"Subtypes: \[(?P<types>.*?Literal.*)\] Errors: " + VALUE: _no_choice,
    KEY + r"Expected a (?P<types>typing\.Literal\[.*?\])" + VALUE: _no_choice,
    KEY + r"Subtypes: \[(?P<types>.*?)\] Errors: " + VALUE: _not_of_type,
    KEY + r"Expected a (?P<types><class '[\w.]+'>)" + VALUE: _not_of_type,
    KEY + r"Unable to load config (?P<quote>['\"])(?P<value>.*?)(?P=quote)(?: - |$)": (
        "{key} is a group of settings, keys with values; '{value}' is none."
    ),
    KEY + r"Not a valid subclass of (?P<kind>\w+)\. Got value: (?P<value>.*?) Subclass ": (
        "{key}: '{value}' describes no {kind}: give {{class_path: ..., init_args: {{...}}}}."
    ),
    r"Subclasses are disabled for \w+, thus '(?P<value>.*?)' is not accepted": (
        "'{value}' cannot stand for a group of settings: give keys with values."
    ),
    r'Parser key "(?P<key>[\w.]+)"(?: element \d+)?: (?P<why>.*)': "{key}: {why}",
}
"""What the parser says, as regular expressions, and what people are told.

This is a text, in which `{key}` stands for what the expression finds under this name, or a function
that makes it, or that gives None and so leaves it to a later row. The first row that fits counts;
where none does, the parser's own words stay. `tests/cli/test_messages.py` has for each row what the
parser really says, and when."""


def _options_below(parser: ArgumentParser) -> Iterator[Action]:
    """Gives the options of a parser, and those of its commands."""
    yield from options_of(parser)
    for command in _commands_of(parser).values():
        yield from _options_below(command)


def _commands_of(parser: ArgumentParser) -> dict[str, ArgumentParser]:
    return next((o.choices for o in options_of(parser) if isinstance(o.choices, dict)), {})


def _classes_within(hint: Any) -> Iterator[type]:
    """Gives the classes in a type hint: InitialImage in `list[InitialImage] | None`."""
    if inspect.isclass(hint) and not get_args(hint):
        yield hint
    for each in get_args(hint):
        yield from _classes_within(each)


def _offered_for(option: Action) -> set[type]:
    """Returns the classes of the project's kinds that people can choose for an option."""
    kinds = _classes_within(type_of(option))
    own = [kind for kind in kinds if kind.__module__.partition(".")[0] == prober.__name__]
    return {each for kind in own for each in [kind, *concrete(kind)] if _offered(each)}


def _offered(kind: type) -> bool:
    """Tells whether a class is for people: all their own are, of this project's those it offers."""
    own = kind.__module__.partition(".")[0] == prober.__name__
    offered = not own or getattr(prober, kind.__name__, None) is kind
    return offered and not inspect.isabstract(kind)
