"""What the command line says before there is a command: its help, or that there is none.

A command loads PyTorch and Lightning, which takes seconds; nothing here does.
"""

import ast
import re
import sys
from collections.abc import Sequence

from jsonargparse import ActionConfigFile, ArgumentParser

from prober.cli.commands import command_files
from prober.cli.refused import Refused
from prober.common.errors import suggestion

DESCRIPTION = "The Prober: what the channels, neurons and classes of a trained CNN want to see."

BEFORE_COMMANDS = ("--config", "--help", "--print_config")
"""The options that need no command before them."""


def answer(args: Sequence[str]) -> None:
    """Ends the program with the help, or with an error, if that is all that is needed.

    Args:
        args: The arguments of the command line.

    Raises:
        Refused: There is no command, or no such command, or an option of one stands before it, or
            one has no value but `--`.
        SystemExit: The help was asked for, and is printed.
    """
    if not args:
        raise Refused(no_command())
    first = args[0]
    if first in ("-h", "--help"):
        _overview().print_help()
        sys.exit(0)
    if not first.startswith("-") and first not in command_files():
        raise Refused(no_such_command(first))
    option, commands = first.split("=")[0], [each for each in args if each in command_files()]
    of_all = any(each.startswith(option) for each in BEFORE_COMMANDS)
    if option.startswith("--") and commands and not of_all:
        example = f"{commands[0]} {option} ..."
        raise Refused(f"{option} is of a command: write it after its name, as in {example}")
    for each in args:
        if re.fullmatch(r"(--[^=]+=|-c=?)--", each):  # some versions of argparse drop the value
            raise Refused(f"'{each}' has no value: -- is none.")


def no_command() -> str:
    """Returns what is said if no command is given."""
    return (
        f"A command is missing: one of {', '.join(command_files())}, such as fit --config "
        "configs/conv2_ch3.yaml. --help tells what they do."
    )


def no_such_command(name: str) -> str:
    """Returns what is said of a command that does not exist."""
    known = command_files()
    return f"There is no command '{name}'.{suggestion(name, known)} Choose {', '.join(known)}."


def _overview() -> ArgumentParser:
    """Makes a parser that has the help of the whole, but none of the commands' options."""
    parser = ArgumentParser(description=DESCRIPTION)
    parser.add_argument(
        "-c",
        "--config",
        action=ActionConfigFile,
        help="Path to a configuration file in json or yaml format.",
    )
    commands = parser.add_subcommands()
    for name, file in command_files().items():
        description = _description(file.read_text(encoding="utf-8"))
        commands.add_subcommand(name, ArgumentParser(), help=description)
    return parser


def _description(source: str) -> str:
    """Returns the `description` of a command, of which only the source is read."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Assign([ast.Name("description")], ast.Constant(str(description))):
                return description
    return ""
