"""What the commands share that make the images of a grid of targets."""

from dataclasses import fields
from typing import Any

import torch
from jsonargparse import Namespace
from lightning.pytorch import Trainer
from typing_extensions import override

from prober.ascent.hardware import hide_idle_gpus, threads_for
from prober.ascent.method import Method
from prober.cli.command import RUNS, Command, add_snapshot_arguments, say_notes
from prober.cli.parser import ProberParser
from prober.cli.prober_cli import ProberCLI
from prober.cli.trainer import TRAINER_DEFAULTS, check_trainer, rehearse
from prober.common.files import expanded
from prober.subject import Subject
from prober.sweep.engine import HANDLED, Engine
from prober.sweep.grid import Grid
from prober.sweep.interpolate import Interpolation
from prober.sweep.optimize import chunk_trainer
from prober.sweep.resume import Config
from prober.sweep.sweep import Sweep


class GridCommand(Command):
    """A command that makes the images of a grid of targets, in chunks, on several processes."""

    @override
    def add_arguments(self, cli: ProberCLI, parser: ProberParser) -> None:
        cli.add_default_arguments_to_parser(parser)
        parser.add_lightning_class_args(cli.trainer_class, "trainer")
        defaults = TRAINER_DEFAULTS | {"precision": "32-true", "devices": "auto"}
        parser.set_defaults({f"trainer.{key}": value for key, value in defaults.items()})
        # The classes of people's own need no type hints.
        parser.add_class_arguments(Subject, "model.subject", fail_untyped=False)
        parser.add_class_arguments(Method, "model", instantiate=False, fail_untyped=False)
        parser.add_class_arguments(Grid, "grid", fail_untyped=False)
        parser.add_function_arguments(_work, as_group=False)
        add_snapshot_arguments(parser)

    @override
    def check(self, config: Namespace) -> None:
        check_trainer(config.trainer)
        # Forked processes cannot use threads that their parent has started, and wait for them for
        # ever; so this one must compute nothing, not even a layer's shape, with several.
        torch.set_num_threads(1)

    def sweep(self, cli: ProberCLI, interpolation: Interpolation | None = None) -> Sweep:
        """Returns the sweep that was asked for, and says what its subject's notes say."""
        settings = cli.config_init
        subject = settings.model.subject
        say_notes(subject)
        arguments = vars(settings.trainer)
        engine = Engine(
            subject=subject,
            method=Method(**{each.name: settings.model[each.name] for each in fields(Method)}),
            every=settings.snapshots.every,
            trainer=arguments,
            threads=threads_for(subject.input_shape, cli.threads),
            chunk_size=settings.chunk_size,
            memory=settings.memory,
            channels_last=settings.channels_last,
        )
        hide_idle_gpus(engine.accelerator)
        rehearse(_quiet_trainer, arguments)
        return Sweep(
            engine=engine,
            grid=settings.grid,
            seed=settings.seed_everything or 0,
            runs=expanded(settings.trainer.default_root_dir or ".") / RUNS,
            config=Config(cli.text, cli.today),
            interpolation=interpolation,
            resume=settings.resume,
            yes=settings.yes,
        )


def _work(
    chunk_size: int | None = None,
    channels_last: bool = True,
    memory: float | None = None,
    resume: str | None = None,
    yes: bool = False,
) -> None:
    """How the work is done, as the parser takes it.

    Args:
        chunk_size: Images in a chunk; a good number if not given.
        channels_last: The subject's channels last in memory, which is mostly faster.
        memory: GiB that all processes may take together; chunks shrink to it.
        resume: The folder of a run to go on with.
        yes: Go on with a very large grid.
    """


def _quiet_trainer(arguments: dict[str, Any]) -> Trainer:
    """Makes the Trainer of a chunk as its process does, but one that writes nothing."""
    quiet = {"accelerator": "cpu", "enable_checkpointing": False, "enable_model_summary": False}
    used = {key: value for key, value in arguments.items() if key not in HANDLED}
    return chunk_trainer(used | quiet, torch.device("cpu"), [])
