"""ProberCLI: LightningCLI with this project's defaults and commands."""

import inspect
import re
import sys
from argparse import SUPPRESS
from contextlib import suppress
from pkgutil import resolve_name
from typing import Any

import torch
from jsonargparse import Namespace
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.cli import ArgsType, LightningArgumentParser, LightningCLI
from typing_extensions import override

import prober
from prober.ascent.datamodule import StepsDataModule
from prober.ascent.module import single_target
from prober.cli.class_paths import reading_configs
from prober.cli.commands import command_files, load_commands
from prober.cli.overview import DESCRIPTION
from prober.cli.parser import ProberParser
from prober.cli.refused import Refused
from prober.cli.trainer import TRAINER_DEFAULTS
from prober.common.errors import InputError
from prober.common.patches import options_of


class ProberCLI(LightningCLI):
    """Reads the command line, and builds what it describes; the command then does what it says.

    LightningCLI's own commands are the Trainer's methods. These here are those of
    `prober/cli/commands`; so it is used as one without commands, whose parser is the command's.

    Args:
        args: Arguments in place of those of the command line.

    Attributes:
        command: The command that was asked for.
        parser: Its parser.
        config: What was asked for.
        text: The same as YAML, with everything that was not.
        config_init: What was asked for, with all classes built.
        threads: How many threads torch would use by itself.

    Raises:
        InputError: Something asked for cannot be built; nothing has been written.
        Refused: The options or the YAML cannot be read.
    """

    def __init__(self, args: ArgsType = None) -> None:
        for name in prober.__all__:  # what is not loaded cannot be named in short
            getattr(prober, name)
        known = list(command_files())
        first = (sys.argv[1:] if args is None else list(args))[:1]
        # Another command than the one that is asked for is not even loaded.
        self._commands = load_commands(first if set(first) & set(known) else known)
        self._parsers: dict[str, ProberParser] = {}
        super().__init__(
            single_target,
            StepsDataModule,
            save_config_callback=None,
            trainer_defaults=TRAINER_DEFAULTS,
            seed_everything_default=0,
            parser_class=ProberParser,
            parser_kwargs={"description": DESCRIPTION},
            auto_configure_optimizers=False,
            load_from_checkpoint_support=False,
            args=args,
            run=False,
        )

    @override
    def setup_parser(
        self, add_subcommands: bool, main_kwargs: dict[str, Any], subparser_kwargs: dict[str, Any]
    ) -> None:
        self.parser = self.init_parser(**main_kwargs)
        subcommands = self.parser.add_subcommands()
        for name, command in self._commands.items():
            parser = self.init_parser(description=command.description)
            assert isinstance(parser, ProberParser)  # as `parser_class` says
            self._parsers[name] = parser
            command.add_arguments(self, parser)
            if all(option.dest != "seed_everything" for option in options_of(parser)):
                # LightningCLI reads it of every command; by False nothing is seeded.
                parser.add_argument(
                    "--seed_everything", type=bool | int, default=False, help=SUPPRESS
                )
            parser.shorten_help()
            subcommands.add_subcommand(name, parser, help=command.description)

    @override
    def parse_arguments(self, parser: LightningArgumentParser, args: ArgsType) -> None:
        with reading_configs():
            super().parse_arguments(parser, args)
        name = self.config.subcommand
        self.command, self.parser = self._commands[name], self._parsers[name]
        self.config = self.config[name]
        seed = self.config.get("seed_everything", 0)
        if not 0 <= seed < 2**32:
            raise InputError(f"seed_everything is {seed}; choose 0 to {2**32 - 1}.")

    @override
    def before_instantiate_classes(self) -> None:
        self.threads = torch.get_num_threads()
        # On a GPU, too, float32 is float32, and convolutions give the same again.
        torch.backends.cudnn.allow_tf32, torch.backends.cudnn.deterministic = False, True
        self.command.check(self.config)

    @override
    def instantiate_classes(self) -> None:
        config = self.config.clone()
        seed = config.get("seed_everything", False)
        # Asked of torch, once all is built, it would be that of a CNN that seeds as it is built.
        if seed is not False and "model.seed" in config and config.model.seed is None:
            config.model.seed = seed
        self.config_init = self.built(config)

    @property
    def text(self) -> str:
        """The config as YAML."""
        with reading_configs():
            return self.parser.dump(self.config, skip_none=False)

    def today(self, text: str) -> str:
        """Returns what a config of this command says today that an earlier version has written.

        Args:
            text: The config, as YAML.

        Returns:
            The same with the settings that have been added since, and classes where they are now;
            as it is, if it can no longer be read.
        """
        try:
            with reading_configs():
                return self.parser.dump(self.parser.parse_string(text), skip_none=False)
        except Refused:
            return text

    def built(self, config: Namespace) -> Namespace:
        """Builds what a config describes; what goes wrong on the way is told, not thrown.

        Raises:
            InputError: It cannot be built.
        """
        try:
            with reading_configs():
                return self.parser.instantiate_classes(config)
        except (InputError, Refused):
            raise
        except MisconfigurationException as error:
            raise InputError(str(error)) from error
        except (Exception, SystemExit) as error:  # whatever a person's own CNN does
            # The parser wraps what a constructor raised into what else it had expected.
            inner = re.search(r"Errors:\s+- (.*?)\s+- Expected", str(error), re.DOTALL)
            said = inner[1] if inner else f"{type(error).__name__}: {error}"
            if missing := _nulls(config):
                said += f" ({', '.join(missing)}: without a default, and null; give a value)"
            raise InputError(f"What the configuration describes cannot be built: {said}") from error


def _nulls(config: Namespace) -> list[str]:
    """Names the arguments that are null, having neither a default nor a type."""
    names = []
    for key, value in config.items():
        owner, within, name = key.rpartition(".init_args.")
        if value is None and within:
            with suppress(Exception):  # whatever a person's own class does
                own = inspect.signature(resolve_name(config[f"{owner}.class_path"])).parameters
                if own[name].default is own[name].annotation is inspect.Parameter.empty:
                    names.append(f"{owner}.{name}")
    return names
