"""The parser of the command line: help that a person can read, errors that help."""

import argparse
import os
from functools import partial
from typing import Any, NoReturn

from jsonargparse import Namespace
from lightning.pytorch.cli import LightningArgumentParser
from typing_extensions import override

from prober.cli.messages import choices, explain
from prober.cli.refused import Refused
from prober.cli.resolved import resolved
from prober.cli.yaml_bounds import MOST_OF_YAML
from prober.common.patches import list_in_help, option_groups_of, options_of

SHOWN = ("max_steps", "precision", "accelerator", "log_every_n_steps", "enable_progress_bar")
"""The Trainer's options that `--help` lists; the others work, too."""


class ProberParser(LightningArgumentParser):
    """Parses options and YAML."""

    only: str | None = None
    """The part of a config that is read where the command needs no other; None for all of it."""

    _reading = ""

    @override
    def parse_string(self, *args: Any, **kwargs: Any) -> Namespace:
        config = super().parse_string(*args, **kwargs)
        self._check_groups(config)  # before options of a group take the place of what stands there
        if self.only is None:
            return config
        part = Namespace()
        if self.only in config:
            part[self.only] = config[self.only]
        return part

    @override
    def parse_path(self, path: str, *args: Any, **kwargs: Any) -> Namespace:
        self._reading = str(path)
        try:
            if os.path.getsize(path) > MOST_OF_YAML:
                self.error(
                    f"Problems parsing config: it is longer than {MOST_OF_YAML // 2**20} MB."
                )
            return super().parse_path(path, *args, **kwargs)
        except UnicodeDecodeError as error:
            self.error(f"Problems parsing config: {error}")
        finally:
            self._reading = ""

    @override
    def validate(self, namespace: Namespace, *args: Any, **kwargs: Any) -> None:
        """Refuses null, too, where it means nothing: YAML has it where a key has no value."""
        super().validate(namespace, *args, **kwargs)
        super().validate(namespace, skip_unset=False, skip_required=True)

    @override
    def dump(self, cfg: Namespace, *args: Any, **kwargs: Any) -> str:
        """Writes a config; `--print_config` with what the style stands for."""
        parser: Any = self
        while hasattr(parser, "parent_parser"):
            parser = parser.parent_parser
        asked = hasattr(parser, "print_config")  # is taken away once it is printed
        return super().dump(resolved(cfg) if asked else cfg, *args, **kwargs)

    @override
    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        """Says what is wrong and what there is instead.

        Raises:
            Refused: Always; but that a class lacks arguments is left to the parser that asked for
                the class, which knows for what.
        """
        of_class = not self.exit_on_error
        if of_class and message.startswith("the following arguments are required: "):
            super().error(message, ex)
        raise Refused(explain(message, self, self._reading))

    def _check_groups(self, config: Namespace) -> None:
        """Checks that what stands for a group of settings is one; jsonargparse takes anything.

        Args:
            config: What was read.

        Raises:
            Refused: Something else stands in the place of a group.
        """
        options = [option.dest for option in options_of(self)]
        parts = [option.split(".") for option in options if not option.endswith(".help")]
        groups = {".".join(names[:i]): names[i] for names in parts for i in range(1, len(names))}
        for group, example in sorted(groups.items()):
            if group in config and not isinstance(config[group], Namespace):
                found = "null" if config[group] is None else repr(config[group])
                raise Refused(
                    f"{group} is {found}; it is a group of settings, such as {group}.{example}."
                )

    def shorten_help(self) -> None:
        """Leaves out of the help what hardly anybody sets for a visualization."""
        titles = {
            "trainer": "The Trainer (all its other arguments work, too, as --trainer.NAME VALUE)",
            "model": "The image to synthesize",
            "model.subject": "The CNN under study",
        }
        for group, options in option_groups_of(self):
            title = titles.get(next((each.dest for each in options), ""))
            group.title = title or group.title
        if all(option.option_strings for option in options_of(self)):
            self.usage = "%(prog)s --config CONFIG [--OPTION VALUE ...]"
        for option in options_of(self):
            name = option.dest.removeprefix("trainer.")
            hidden = name != option.dest and name not in SHOWN
            nested = isinstance(option.default, dict) or option.dest in titles
            if hidden or nested or option.dest.endswith(".help"):
                option.help = argparse.SUPPRESS
            list_in_help(option, partial(self._choices_not_in_help, option))

    def _choices_not_in_help(self, option: argparse.Action) -> list[str]:
        """Returns the classes that an option takes, unless what is said of it names them all."""
        names = choices(self, option.dest)
        known = all(name in (option.help or "") for name in names)
        return [] if known or len(names) < 2 else names
