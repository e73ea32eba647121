"""ProberCLI: LightningCLI with this project's defaults and commands."""

import os
import re
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch import LightningDataModule, LightningModule, Trainer
from lightning.pytorch.cli import ArgsType, LightningCLI, SaveConfigCallback
from lightning.pytorch.loggers import TensorBoardLogger

from prober.ascent.datamodule import StepsDataModule
from prober.ascent.hardware import accelerator_for, note_of, threads_for
from prober.ascent.method import Method, various_initial_images
from prober.ascent.module import visualization
from prober.ascent.profiler import NoProfiler
from prober.ascent.progress import ProgressBar
from prober.ascent.run_files import RunRecord, SnapshotFiles, run_folder
from prober.ascent.tensorboard import (
    TensorBoardImages,
    TensorBoardScalars,
    tensorboard,
    tensorboard_command,
)
from prober.cli.layers import layers_json, layers_table
from prober.cli.parser import ProberParser
from prober.common.console import forgive_code_pages
from prober.common.errors import InputError
from prober.common.files import claim_version, write_whole
from prober.common.quiet import quiet_lightning
from prober.report.command import Report
from prober.subject import Subject
from prober.sweep.command import Sweep
from prober.sweep.engine import Engine
from prober.sweep.grid import Grid
from prober.sweep.interpolate import Interpolation

RUNS = "lightning_logs"
"""The folder of all runs, in the working directory or in `trainer.default_root_dir`."""

PENALTIES: list[dict[str, Any]] = [
    {"class_path": "prober.L2"},
    {"class_path": "prober.TotalVariation"},
]
"""The regularizers where none are given, as a config writes them, so that it can be written."""

REPORT_GRID: dict[str, Any] = {
    "layers": "all",
    "channels": "all",
    "classes": "all",
    "objectives": ["ChannelMean", "Neuron"],
    "positions": 2,
    "seeds": 8,
    "regularizers": [
        [
            {"class_path": "prober.L2", "init_args": {"weight": l2}},
            {
                "class_path": "prober.TotalVariation",
                "init_args": {"weight": tv},
            },
        ]
        for l2, tv in ((1e-4, 1e-3), (1e-3, 1e-2))
    ],
    "in_turn": True,
}
"""What a report looks at if its config does not say otherwise.

Its initial images, where none are given, are those that `various_initial_images` gives."""


class RunLogger(TensorBoardLogger):
    """TensorBoard's logger of one run, in a folder of its own: `<runs>/<name>/version_N`.

    The folder is made when the run starts, and by no two runs at once.

    Args:
        runs: The folder that holds all runs.
        name: What is probed.
    """

    def __init__(self, runs: Path, name: str) -> None:
        super().__init__(runs, name=name, default_hp_metric=False)
        self._claimed: int | None = None

    @property
    def version(self) -> int:
        """The run's number among those that probe the same."""
        if self._claimed is None:
            self._claimed = int(claim_version(Path(self.root_dir)).name.removeprefix("version_"))
        return self._claimed

    def save(self) -> None:
        """Leaves out `hparams.yaml`: `config.yaml` has it all."""


class SaveRunConfig(SaveConfigCallback):
    """Writes `config.yaml` into the run's folder and shows it in TensorBoard as text."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, save_to_log_dir=False, **kwargs)

    def save_config(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Writes everything that is needed to run it again."""
        text = self.parser.dump(self.config, skip_none=False)
        if folder := run_folder(trainer):
            write_whole(folder / "config.yaml", text)
        if writer := tensorboard(trainer):
            indented = "".join(f"    {line}\n" for line in text.splitlines())
            writer.add_text("config", indented)


class ProberCLI(LightningCLI):
    """The command line: `fit` visualizes one target, `sweep` a grid of them, `report` explains.

    Args:
        args: Arguments in place of those of the command line.

    Raises:
        InputError: Something asked for cannot be done; nothing has been written.
        SystemExit: Code 2 after bad options or YAML, 130 after Ctrl-C.
    """

    def __init__(self, args: ArgsType = None) -> None:
        super().__init__(
            visualization,
            StepsDataModule,
            save_config_callback=SaveRunConfig,
            trainer_defaults={
                "max_steps": 500,
                "max_epochs": -1,
                "precision": "64-true",
                "devices": 1,
                "log_every_n_steps": 25,
                "enable_progress_bar": True,
                "enable_checkpointing": False,
                "enable_model_summary": False,
            },
            seed_everything_default=0,
            parser_class=ProberParser,
            parser_kwargs={
                "description": "The Prober: what the channels, neurons and classes of a trained "
                "CNN want to see.",
                "fit": {"description": "Synthesizes the image that one target wants to see."},
            },
            auto_configure_optimizers=False,
            load_from_checkpoint_support=False,
            args=args,
        )

    @staticmethod
    def subcommands() -> dict[str, set[str]]:
        """The Trainer's methods that are commands, with those arguments that are not options."""
        skip = {"model", "train_dataloaders", "val_dataloaders", "datamodule"}
        return {"fit": skip | {"ckpt_path", "weights_only"}}

    def _add_subcommands(self, parser: ProberParser, **kwargs: Any) -> None:
        super()._add_subcommands(parser, **kwargs)
        sweep = self.init_parser(description="Synthesizes the images of a grid of targets.")
        self._add_sweep_arguments(sweep)
        sweep.add_argument(
            "--interpolate", type=Interpolation | None, help="Interpolate between optima, too."
        )
        report = self.init_parser(
            description="Says what the units of a CNN want to see, with the evidence for it."
        )
        self._add_sweep_arguments(report)
        self._add_report_arguments(report)
        layers = self.init_parser(description="Lists the layers of a CNN that can be probed.")
        layers.only = "model.subject"
        layers.add_class_arguments(Subject, "model.subject")
        layers.add_argument("--json", action="store_true", help="As JSON, for machines.")
        commands = next(a for a in parser._actions if a.dest == "subcommand")
        for name, command in (("sweep", sweep), ("report", report), ("layers", layers)):
            command.shorten_help()
            self._subcommand_parsers[name] = command
            commands.add_subcommand(name, command, help=command.description)

    def _add_sweep_arguments(self, parser: ProberParser) -> None:
        self.add_default_arguments_to_parser(parser)
        parser.add_lightning_class_args(self.trainer_class, "trainer")
        defaults = self.trainer_defaults | {"precision": "32-true", "devices": "auto"}
        parser.set_defaults({f"trainer.{key}": value for key, value in defaults.items()})
        parser.add_class_arguments(Subject, "model.subject")
        parser.add_class_arguments(Method, "model", instantiate=False)
        parser.add_class_arguments(Grid, "grid")
        parser.set_defaults({"grid.regularizers": [PENALTIES]})
        add = parser.add_argument
        add("--chunk_size", type=int | None, help="Images in a chunk; a good number if not given.")
        add(
            "--channels_last",
            type=bool,
            default=True,
            help="The subject's channels last in memory, which is mostly faster.",
        )
        add(
            "--memory",
            type=float | None,
            help="GiB that all processes may take together; chunks shrink to it.",
        )
        add("--resume", type=str | None, help="The folder of a run to go on with.")
        add("--yes", type=bool, default=False, help="Go on with a very large grid.")
        self._add_snapshot_arguments(parser)

    def _add_report_arguments(self, parser: ProberParser) -> None:
        add = parser.add_argument
        add("--sweep", type=str | None, help="A finished sweep's folder, to take pictures from.")
        add(
            "--against",
            type=str | Subject | None,
            help="A second CNN to set beside: another checkpoint of the same, or a subject.",
        )
        add(
            "--data",
            type=str | LightningDataModule | None,
            help="Real images: 'digits' (those that ship with the project; the default with the "
            "reference CNN), a folder of images (subfolders are classes), a LightningDataModule, "
            "'none'.",
        )
        parser.set_defaults({f"grid.{key}": value for key, value in REPORT_GRID.items()})

    def _add_snapshot_arguments(self, parser: ProberParser) -> None:
        parser.add_argument(
            "--snapshots.every",
            type=int,
            default=50,
            help="Steps from one snapshot of the image to the next.",
        )

    def add_arguments_to_parser(self, parser: ProberParser) -> None:
        """Adds this project's own options and defaults."""
        self._add_snapshot_arguments(parser)
        parser.set_defaults({"model.regularizers": PENALTIES})
        parser.shorten_help()

    def _set_seed(self) -> None:
        if self.subcommand == "layers":  # takes no chances
            return
        try:
            super()._set_seed()
        except ValueError as error:
            seed = self._get(self.config, "seed_everything")
            raise InputError(f"seed_everything is {seed}; choose 0 to {2**32 - 1}.") from error

    def before_instantiate_classes(self) -> None:
        """Checks what the classes cannot check themselves."""
        if self.subcommand == "layers":
            return
        self.threads = torch.get_num_threads()
        if self.subcommand != "fit":
            # Forked processes cannot use threads that their parent has started, and wait for them
            # for ever; so this one must compute nothing, not even a layer's shape, with several.
            torch.set_num_threads(1)
        steps = self._get(self.config, "trainer").max_steps
        if steps < 1:
            raise InputError(f"trainer.max_steps is {steps}; choose 1 or more.")
        trainer = self._get(self.config, "trainer")
        _check_precision(str(trainer.precision))
        single = trainer.devices in (1, "1", "auto", [0], "0,") and trainer.num_nodes == 1
        if self.subcommand == "fit" and not single:
            raise InputError("fit makes one image on one device; for several, use sweep.")

    def instantiate_classes(self) -> None:
        """Builds module and Trainer; what goes wrong on the way is told, not thrown."""
        try:
            if self.subcommand != "fit":
                self.config_init = self.parser.instantiate_classes(self.config)
            else:
                super().instantiate_classes()
        except InputError:
            raise
        except MisconfigurationException as error:
            raise InputError(str(error)) from error
        except (Exception, SystemExit) as error:
            # The parser wraps what a constructor raised into what else it had expected.
            inner = re.search(r"Errors:\s+- (.*?)\s+- Expected", str(error), re.DOTALL)
            said = inner[1] if inner else f"{type(error).__name__}: {error}"
            raise InputError(f"What the configuration describes cannot be built: {said}") from error

    def instantiate_trainer(self, **kwargs: Any) -> Trainer:
        """Adds the run's folder, named after the target, and the callbacks of a run."""
        config = self._get(self.config_init, "trainer")
        every = self._get(self.config_init, "snapshots").every
        self.run_record = RunRecord()
        callbacks = [
            self.run_record,  # first: should the disk be full at the end, the image comes first
            SnapshotFiles(every),
            TensorBoardScalars(),
            TensorBoardImages(every),
        ]
        if config.enable_progress_bar:
            callbacks.append(ProgressBar(file=sys.stdout))
        kwargs["enable_progress_bar"] = False  # Lightning's own
        shape = self.model.subject.input_shape
        accelerator = accelerator_for(config.accelerator, shape, config.precision)
        if note := note_of(config.accelerator, accelerator):
            print(note)
        kwargs["accelerator"] = accelerator
        if config.logger in (None, True):
            runs = Path(config.default_root_dir or ".") / RUNS
            kwargs["logger"] = RunLogger(runs, self.model.targets[0].name)
        given = config.callbacks or []
        given = given if isinstance(given, list) else [given]
        if config.profiler is None:
            kwargs["profiler"] = NoProfiler()
        return super().instantiate_trainer(callbacks=[*given, *callbacks], **kwargs)

    def _run_subcommand(self, subcommand: str) -> None:
        if subcommand != "layers":  # whose table has them
            fit = subcommand == "fit"
            self._tell_notes(
                self.model.subject if fit else self.config_init[subcommand].model.subject
            )
        if subcommand == "fit":
            super()._run_subcommand(subcommand)
        else:
            commands = {"sweep": self.sweep, "report": self.report, "layers": self.layers}
            sys.exit(commands[subcommand]())

    @staticmethod
    def _tell_notes(subject: Subject) -> None:
        for note in subject.notes:
            print(f"Note: {note}")

    def layers(self) -> int:
        """Prints the layers that can be probed; returns the exit code."""
        settings = self.config_init.layers
        print((layers_json if settings.json else layers_table)(settings.model.subject))
        return 0

    def sweep(self) -> int:
        """Optimizes the targets of a grid, or what is missing of them; returns the exit code."""
        settings = self.config_init.sweep
        return self._sweep(settings, settings.interpolate).run()

    def report(self) -> int:
        """Gathers the evidence for every unit and writes it down; returns the exit code."""
        settings = self.config_init.report
        sweep = self._sweep(settings, None)
        if sweep.grid.initial_images is None:
            shape = sweep.engine.subject.input_shape
            sweep.grid.initial_images = various_initial_images(shape)
        against = settings.against
        if isinstance(against, str):
            against = self._other_checkpoint(against)
        if against is not None:
            self._tell_notes(against)
        return Report(sweep, against, settings.data, settings.sweep).run()

    def _other_checkpoint(self, path: str) -> Subject:
        """Builds the subject once more, with another checkpoint."""
        config = self.config.report.clone()
        config.update(path, "model.subject.checkpoint")
        for option in ("against", "data"):
            config.update(None, option)
        return self._parser("report").instantiate_classes(config).model.subject

    def _sweep(self, settings: Any, interpolation: Interpolation | None) -> Sweep:
        subject = settings.model.subject
        engine = Engine(
            subject=subject,
            method=Method(**{each.name: settings.model[each.name] for each in fields(Method)}),
            every=settings.snapshots.every,
            trainer=vars(settings.trainer),
            threads=threads_for(subject.input_shape, self.threads),
            chunk_size=settings.chunk_size,
            memory=settings.memory,
            channels_last=settings.channels_last,
        )
        return Sweep(
            engine=engine,
            grid=settings.grid,
            seed=settings.seed_everything or 0,
            runs=Path(settings.trainer.default_root_dir or ".") / RUNS,
            config=self._parser(self.subcommand).dump(
                self.config[self.subcommand], skip_none=False
            ),
            interpolation=interpolation,
            resume=settings.resume,
            yes=settings.yes,
        )

    def fit(self, **kwargs: Any) -> None:
        """Optimizes the image and says what came of it."""
        torch.set_num_threads(threads_for(self.model.subject.input_shape, self.threads))
        interrupted = False
        try:
            self.trainer.fit(**kwargs)
        except SystemExit:  # how the Trainer ends after Ctrl-C
            interrupted = True
        self._tell_result()
        if interrupted:
            sys.exit(130)

    def _tell_result(self) -> None:
        record = self.run_record.record
        if record is None:
            print("Interrupted before the first step.")
            return
        name = self.model.targets[0].name
        if record["status"] == "interrupted":
            print(f"Interrupted after {record['steps']} steps.")
        print(
            f"{name}: score {record['score_start']:.4g} at the start, {record['score_end']:.4g} "
            f"after {record['steps']} steps."
        )
        if record["dead"]:
            print(f"Nothing excites {name} from this start: no gradient reached the image.")
        if folder := run_folder(self.trainer):
            print(f"Run: {folder}")
            print(f"Evolution: {tensorboard_command(Path(folder).parents[1])}")


def _check_precision(precision: str) -> None:
    """Refuses precisions in which the image itself would be held in half precision, or no CPU is.

    Raises:
        InputError: The precision is one of them.
    """
    if precision.startswith(("16-true", "bf16-true", "transformer-engine")):
        raise InputError(
            f"trainer.precision {precision} would keep the image in half precision, where small "
            "steps are lost: choose bf16-mixed, which computes the CNN in it, or 32-true, 64-true."
        )
    if precision in ("16", "16-mixed") and not torch.cuda.is_available():
        raise InputError(f"trainer.precision {precision} needs a GPU: choose bf16-mixed.")


def main() -> None:
    """Runs the command line; bad input ends with one message and exit code 2, Ctrl-C with 130."""
    forgive_code_pages()
    sys.path.insert(0, os.getcwd())  # a person's own CNN in a file of the working directory
    try:
        with quiet_lightning(bool(sys.warnoptions)):
            ProberCLI()
    except KeyboardInterrupt:
        sys.exit(130)
    except InputError as error:
        message = str(error)
    except OSError as error:
        message = f"{error.strerror or error}" + (f": '{error.filename}'" if error.filename else "")
    else:
        return
    sys.stderr.write(f"Error: {message}\n")
    sys.exit(2)
