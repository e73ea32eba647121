"""The command `fit`: the image that one target wants to see."""

import shutil
import sys
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from traceback import walk_tb
from typing import Any, NoReturn

import torch
from jsonargparse import Namespace
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import ProgressBar as LightningBar
from lightning.pytorch.loggers import TensorBoardLogger
from typing_extensions import override

from prober.ascent.hardware import accelerator_for, hide_idle_gpus, note_of, threads_for
from prober.ascent.module import ActivationMaximization
from prober.ascent.profiler import NoProfiler
from prober.ascent.progress import ProgressBar
from prober.ascent.run_files import RunRecord, Snapshots, run_folder
from prober.ascent.tensorboard import TensorBoardScalars, tensorboard, tensorboard_command
from prober.cli.command import RUNS, Command, add_snapshot_arguments, say_notes
from prober.cli.parser import ProberParser
from prober.cli.prober_cli import ProberCLI
from prober.cli.trainer import check_callbacks, check_trainer, rehearse
from prober.common.errors import InputError
from prober.common.files import claim_version, expanded, safe_name, write_whole

QUIET = {
    "callbacks": None,
    "enable_checkpointing": False,
    "enable_model_summary": False,
    "enable_progress_bar": False,
    "logger": False,
}
"""Arguments of a Trainer that writes and shows nothing."""


class FitCommand(Command):
    """Optimizes one image with the Trainer's `fit` and says what came of it."""

    description = "Synthesizes the image that one target wants to see."

    @override
    def add_arguments(self, cli: ProberCLI, parser: ProberParser) -> None:
        cli.add_default_arguments_to_parser(parser)
        cli.add_core_arguments_to_parser(parser)
        add_snapshot_arguments(parser)

    @override
    def check(self, config: Namespace) -> None:
        trainer = config.trainer
        check_trainer(trainer)
        single = trainer.devices in (1, "1", "auto", [0], "0,") and trainer.num_nodes == 1
        if not single:
            raise InputError(
                f"fit makes one image on one device, and trainer.devices is {trainer.devices}, "
                f"trainer.num_nodes {trainer.num_nodes}; for several, use sweep."
            )

    @override
    def run(self, cli: ProberCLI) -> int:
        module = cli.config_init.model
        if "64" in str(cli.config_init.trainer.precision):
            module.subject.settle_precision()
        say_notes(module.subject)
        torch.set_num_threads(threads_for(module.subject.input_shape, cli.threads))
        trainer, run_record = trainer_of_run(cli)
        interrupted = False
        try:
            trainer.fit(module, datamodule=cli.config_init.data)
        except (Exception, SystemExit) as error:
            # The Trainer ends so after Ctrl-C; a person's own part may end Python, too.
            ended = isinstance(error, SystemExit)
            interrupted = ended and isinstance(error.__context__, KeyboardInterrupt)
            if not interrupted:
                _fail(cli, trainer, error)
        _say_result(trainer, module, run_record.record)
        return 130 if interrupted else 0


class RunLogger(TensorBoardLogger):
    """TensorBoard's logger of one run, in a folder of its own: `<runs>/<name>/version_N`.

    The folder is made when the run starts, and by no two runs at once.

    Args:
        runs: The folder that holds all runs.
        name: What is probed.
    """

    def __init__(self, runs: Path, name: str) -> None:
        super().__init__(runs, name=name, default_hp_metric=False)

    @cached_property
    @override
    def version(self) -> int:
        return int(claim_version(Path(self.root_dir)).name.removeprefix("version_"))

    @override
    def save(self) -> None:
        """Leaves out `hparams.yaml`: `config.yaml` has it all."""

    def withdraw(self) -> None:
        """Removes the run's folder, and its parents if they hold nothing else."""
        if "version" not in vars(self):  # no folder was made
            return
        folder = Path(self.log_dir)
        shutil.rmtree(folder)
        with suppress(OSError):  # not empty
            folder.parent.rmdir()
            folder.parents[1].rmdir()


class RunConfig(Callback):
    """Writes `config.yaml` into the run's folder and shows it in TensorBoard as text.

    Args:
        text: Everything that is needed to run it again.
    """

    def __init__(self, text: str) -> None:
        self.text = text

    @override
    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if folder := run_folder(trainer):
            write_whole(folder / "config.yaml", self.text)
        if writer := tensorboard(trainer):
            indented = "".join(f"    {line}\n" for line in self.text.splitlines())
            writer.add_text("config", indented)


def trainer_of_run(cli: ProberCLI) -> tuple[Trainer, RunRecord]:
    """Makes the Trainer of a run, with its folder named after the target, and its callbacks.

    Raises:
        InputError: A Trainer of these arguments makes no step, or refuses the callbacks among them.
    """
    settings = cli.config_init
    shape, asked = settings.model.subject.input_shape, settings.trainer
    accelerator = accelerator_for(asked.accelerator, shape, asked.precision)
    hide_idle_gpus(accelerator)
    arguments = vars(asked) | {"accelerator": accelerator}
    given = _listed(asked.callbacks)
    check_callbacks(given)
    rehearse(lambda changed: Trainer(**changed | QUIET), arguments)
    if note := note_of(asked.accelerator, accelerator):
        print(note)
    every, run_record = settings.snapshots.every, RunRecord()
    # The record first: should the disk be full at the end, the image comes first.
    callbacks: list[Callback] = [run_record, Snapshots(every), TensorBoardScalars()]
    other_bar = any(isinstance(each, LightningBar) for each in given)
    if arguments["enable_progress_bar"] and not other_bar:
        callbacks.append(ProgressBar(file=sys.stdout))
    callbacks.append(RunConfig(cli.text))
    arguments["callbacks"] = [*given, *callbacks]
    # By itself Lightning would show one of its own.
    arguments["enable_progress_bar"] = other_bar and arguments["enable_progress_bar"]
    if arguments["logger"] in (None, True):
        runs = expanded(arguments["default_root_dir"] or ".") / RUNS
        arguments["logger"] = RunLogger(runs, safe_name(settings.model.targets[0].name))
    if arguments["profiler"] is None:
        arguments["profiler"] = NoProfiler()
    try:
        return Trainer(**arguments), run_record
    except Exception as error:  # callbacks, which are not rehearsed, raise whatever they do
        raise InputError(f"The Trainer cannot be used: {error}") from error


def _listed(callbacks: Callback | list[Callback] | None) -> list[Callback]:
    """Returns the callbacks that were given, of which one may stand without a list."""
    return [callbacks] if isinstance(callbacks, Callback) else callbacks or []


def _fail(cli: ProberCLI, trainer: Trainer, error: BaseException) -> NoReturn:
    """Says why a run failed, of which nothing stays if it made no step."""
    if trainer.global_step == 0 and isinstance(trainer.logger, RunLogger):
        trainer.logger.withdraw()
    if isinstance(error, InputError):
        raise error
    callback = _failed_callback(_listed(cli.config_init.trainer.callbacks), error)
    if isinstance(error, OSError) and callback is None:  # a full disk, say
        raise error
    raise InputError(_failure(trainer, callback, error)) from error


def _failed_callback(given: list[Callback], error: BaseException) -> Callback | None:
    """Returns that of the callbacks which raised an error, None if none did."""
    objects = [frame.f_locals.get("self") for frame, _ in walk_tb(error.__traceback__)]
    return next((each for each in given if any(found is each for found in objects)), None)


def _failure(trainer: Trainer, callback: Callback | None, error: BaseException) -> str:
    """Says what failed, when, and what there is of the run."""
    failed = "the run" if callback is None else f"the callback {type(callback).__name__}"
    said = f"{failed} failed: {type(error).__name__}: {error}".rstrip(".") + "."
    if trainer.global_step == 0:
        return f"Before the first step was made {said}"
    folder = run_folder(trainer)
    kept = f" What there is of the run is in '{folder}'." if folder else ""
    return f"After step {trainer.global_step} {said}{kept}"


def _say_result(
    trainer: Trainer, module: ActivationMaximization, record: dict[str, Any] | None
) -> None:
    [target], [method] = module.targets, module.methods
    name = target.name
    if record is None:
        print("Interrupted before the first step.")
        return
    if record["status"] == "interrupted":
        print(f"Interrupted after {record['steps']} steps.")
    print(
        f"{name}: score {record['score_start']:.4g} at the start, {record['score_end']:.4g} "
        f"after {record['steps']} steps, style {record['style']}."
    )
    if others := method.other_than_style(target, module.subject.input_shape):
        print(f"Other than the style's: {', '.join(others)}.")
    leaky = record["leaky_steps"]
    steps = f"{leaky} step" + ("s" if leaky > 1 else "")
    if record["dead"] and leaky:
        print(
            f"Nothing excites {name} from this start: its ReLUs stayed shut, though {steps} went "
            "through ReLUs that leak."
        )
    elif record["dead"]:
        print(
            f"Nothing excites {name} from this start: no gradient that would move its score leads "
            "back from it, not even through ReLUs that leak."
        )
    elif leaky:
        print(f"{name} was silent at the start: {steps} went through ReLUs that leak.")
    if record["penalties_won"]:
        print(
            f"The picture is what the penalties want: they fell by more than the score of {name} "
            "rose. Add --model.regularizers '[]' to see what it wants without them."
        )
    if folder := run_folder(trainer):
        print(f"Run: {folder}")
        print(f"Evolution: {tensorboard_command(Path(folder).parents[1])}")
