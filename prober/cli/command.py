"""What a command of the command line is, and what several of them share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # a command's file says what it loads; this one is read for the help, too
    from jsonargparse import Namespace

    from prober.cli.parser import ProberParser
    from prober.cli.prober_cli import ProberCLI
    from prober.subject import Subject

RUNS = "lightning_logs"
"""The folder of all runs, in the working directory or in `trainer.default_root_dir`."""


class Command(ABC):
    """A command: its options, their defaults, and what it does.

    A file of `prober/cli/commands` that defines one adds it to the command line, under the name
    of the file. It holds nothing of a run: what was asked for is in the ProberCLI that it is given.

    Attributes:
        description: What it does, in a sentence for `--help`.
    """

    description: str

    @abstractmethod
    def add_arguments(self, cli: ProberCLI, parser: ProberParser) -> None:
        """Adds its options and sets their defaults.

        Arguments that have no dashes can be among them:
        `parser.add_argument("run", type=str, metavar="RUN")`.

        `cli.add_default_arguments_to_parser` adds `seed_everything`, for what makes use of chance.

        Args:
            cli: Has the options that LightningCLI knows, to be added if the command takes them.
            parser: The command's own parser, whose `only` can name the part of a config that it
                reads.
        """

    def check(self, config: Namespace) -> None:  # noqa: B027, many have nothing to check
        """Checks what the classes that are built of a config cannot check themselves.

        Args:
            config: What was asked for, before anything is built.

        Raises:
            InputError: It cannot be done.
        """

    @abstractmethod
    def run(self, cli: ProberCLI) -> int:
        """Does it.

        Args:
            cli: What was asked for, built: `cli.config_init`.

        Returns:
            The exit code: 0, 130 after Ctrl-C, 2 if something is missing.

        Raises:
            InputError: It cannot be done; nothing has been written.
            OSError: A file cannot be read or written.
        """


def add_snapshot_arguments(parser: ProberParser) -> None:
    """Adds how often an image is kept on its way."""
    parser.add_argument(
        "--snapshots.every",
        type=int,
        default=50,
        help="Steps from one snapshot of the image to the next.",
    )


def say_notes(subject: Subject) -> None:
    """Prints what a person should know of a subject."""
    for note in subject.notes:
        print(f"Note: {note}")
