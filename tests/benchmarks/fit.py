"""What `fit` costs, as ratios to the plain loop of `plain.py`, taken in one run.

    python -m tests.benchmarks.fit [--pairs 5] [--steps 500] [--threads 1]

Both sides of a ratio are measured in turn (A B A B ...); its median is the figure, its smallest
and largest show how quiet the machine was. Beside another busy process take `--threads 1`: torch's
threads wait for each other, and one that has to wait for a core holds up all.

It is a report: its exit code is always 0.
"""

import argparse
import logging
import os
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import lightning
import torch
from lightning.pytorch import Callback, Trainer

from prober.ascent.datamodule import StepsDataModule
from prober.ascent.method import Method
from prober.ascent.module import ActivationMaximization
from prober.ascent.objectives import ChannelMean
from prober.ascent.regularizers import L2, TotalVariation
from prober.ascent.run_files import RunRecord, Snapshots
from prober.ascent.starts import GaussianNoise
from prober.ascent.targets import Target
from prober.ascent.tensorboard import TensorBoardScalars
from prober.cli.commands.fit import RunLogger, trainer_of_run
from prober.cli.prober_cli import ProberCLI
from prober.common.files import PROJECT
from prober.subject import Subject
from tests.benchmarks.plain import load_cnn, plain_batch, plain_loop

CONFIG = PROJECT / "configs" / "conv2_ch3.yaml"
BATCH = 64
CHANNELS = [i % 32 for i in range(BATCH)]
SEEDS = [i // 32 for i in range(BATCH)]


@dataclass
class Ratio:
    """Two sides of a comparison: each makes one run and returns its seconds."""

    what: str
    one: Callable[[], float]
    other: Callable[[], float]
    bound: float | None = None
    unit: str = "ms/step"

    def line(self, pairs: int) -> str:
        self.one(), self.other()  # what only the first run costs: files to cache, code to load
        runs = [(self.one(), self.other()) for _ in range(pairs)]
        ratios = [one / other for one, other in runs]
        middle = statistics.median(ratios)
        ones, others = (statistics.median(side) for side in zip(*runs, strict=True))
        held = "" if self.bound is None else "held" if middle <= self.bound else "NOT HELD"
        bound = "" if self.bound is None else f"<= {self.bound}"
        return (
            f"{self.what:<58} {middle:>5.2f} ({min(ratios):.2f}-{max(ratios):.2f})  "
            f"{bound:<8}{held:<9} {ones:.3g} / {others:.3g} {self.unit}"
        )


class StepClock(Callback):
    """Measures a run from its first step to its last, snapshots and logging included."""

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        if trainer.global_step == 0:
            self.began = time.perf_counter()

    def on_train_end(self, trainer, pl_module):
        self.seconds = time.perf_counter() - self.began


def clocked(trainer: Trainer, module: ActivationMaximization) -> float:
    """Fits and returns milliseconds per step."""
    clock = StepClock()
    trainer.callbacks.insert(0, clock)  # the first callback: what the others do counts
    trainer.fit(module, StepsDataModule())
    return 1000 * clock.seconds / trainer.max_steps


def fit_one(layer: str, channel: int, steps: int) -> float:
    """A run as the command line builds it, with its progress bar, in milliseconds per step."""
    options = [
        f"--config={CONFIG}",
        f"--model.objective.layer={layer}",
        f"--model.objective.channel={channel}",
        f"--trainer.max_steps={steps}",
    ]
    with temporary_folder(), threads(1), silence():  # one thread, as the command sets it
        cli = ProberCLI(["fit", *options])
        trainer, _ = trainer_of_run(cli)
        return clocked(trainer, cli.config_init.model)


def fit_batch(layer: str, channels: list[int], precision: str, steps: int) -> float:
    """64 targets in one module, with the loggers and snapshots of a run, in ms per step."""
    regularizers = (L2(), TotalVariation())
    targets = [
        Target(ChannelMean(layer, channel), GaussianNoise(), regularizers, seed)
        for channel, seed in zip(channels, SEEDS, strict=True)
    ]
    with temporary_folder() as folder, silence():
        trainer = Trainer(
            accelerator="cpu",
            max_steps=steps,
            max_epochs=-1,
            precision=precision,
            log_every_n_steps=10,
            logger=RunLogger(folder, "batch"),
            callbacks=[RunRecord(), Snapshots(), TensorBoardScalars()],
            enable_progress_bar=False,
            enable_checkpointing=False,
            enable_model_summary=False,
        )
        module = ActivationMaximization(Subject(), targets, Method(style="plain"))
        return clocked(trainer, module)


def plain_one(layer: str, channel: int, steps: int) -> float:
    """The plain loop, in as many threads as `fit` has, in milliseconds per step."""
    cnn = load_cnn()
    with threads(1):
        began = time.perf_counter()
        plain_loop(cnn, layer, channel, steps=steps)
        return 1000 * (time.perf_counter() - began) / steps


def plain_many(layer: str, channels: list[int], steps: int) -> float:
    """The plain loop over a batch, in milliseconds per step."""
    cnn = load_cnn()
    began = time.perf_counter()
    plain_batch(cnn, layer, channels, SEEDS, steps=steps)
    return 1000 * (time.perf_counter() - began) / steps


def process(*arguments: str) -> float:
    """A whole Python process in an empty working directory, in seconds."""
    environment = os.environ | {"PYTHONPATH": str(PROJECT)}
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        subprocess.run(
            [sys.executable, *arguments],
            cwd=folder,
            env=environment,
            check=True,
            capture_output=True,
        )
        return time.perf_counter() - began


@contextmanager
def threads(number: int):
    """So many torch threads, for a while."""
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def temporary_folder():
    """A working directory of its own, for a while."""
    before = Path.cwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            yield Path(folder)
        finally:
            os.chdir(before)


@contextmanager
def silence():
    """Keeps progress bars and the Trainer's remarks out of the table; the work stays the same."""
    with (
        open(os.devnull, "w", encoding="utf-8") as nowhere,
        redirect_stdout(nowhere),
        redirect_stderr(nowhere),
    ):
        yield


def ratios(steps: int) -> list[Ratio]:
    """Everything that is compared."""
    few = max(20, steps // 5)  # for batches, whose steps are many times as long
    return [
        Ratio(
            "the fit command / a process with the plain loop",
            lambda: process(str(PROJECT / "main.py"), "fit", f"--config={CONFIG}"),
            lambda: process("-m", "tests.benchmarks.plain", "conv2", "3"),
            1.15,
            "s",
        ),
        Ratio(
            "a step of fit / of the plain loop, conv2",
            lambda: fit_one("conv2", 3, steps),
            lambda: plain_one("conv2", 3, steps),
            1.8,
        ),
        Ratio(
            f"a step of batch {BATCH} / of a plain batch, conv2, float32",
            lambda: fit_batch("conv2", CHANNELS, "32-true", few),
            lambda: plain_many("conv2", CHANNELS, few),
            1.1,
        ),
        Ratio(
            f"a step of batch {BATCH} / of a plain batch, classifier, float32",
            lambda: fit_batch("classifier", [i % 10 for i in range(BATCH)], "32-true", few),
            lambda: plain_many("classifier", [i % 10 for i in range(BATCH)], few),
        ),
        Ratio(
            f"a step of batch {BATCH} / of a plain batch, conv2, float64",
            lambda: fit_batch("conv2", CHANNELS, "64-true", few),
            lambda: plain_many("conv2", CHANNELS, few),
        ),
        Ratio(
            "a step of fit on conv1 / on classifier (the whole CNN)",
            lambda: fit_one("conv1", 3, steps),
            lambda: fit_one("classifier", 3, steps),
        ),
        Ratio(
            f"a step of batch {BATCH} on conv1 / on classifier, float32",
            lambda: fit_batch("conv1", [i % 16 for i in range(BATCH)], "32-true", few),
            lambda: fit_batch("classifier", [i % 10 for i in range(BATCH)], "32-true", few),
        ),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description="What fit costs, against a plain loop.")
    parser.add_argument("--threads", type=int, help="torch's threads, where not its own choice")
    parser.add_argument("--pairs", type=int, default=5, help="pairs measured for each ratio")
    parser.add_argument("--steps", type=int, default=500, help="steps of each run in this process")
    arguments = parser.parse_args()
    if arguments.threads:
        os.environ["OMP_NUM_THREADS"] = str(arguments.threads)  # of the processes, too
        torch.set_num_threads(arguments.threads)
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.ERROR)
    warnings.simplefilter("ignore")
    print(
        f"torch {torch.__version__}, lightning {lightning.__version__}, "
        f"Python {sys.version.split()[0]}; threads: {torch.get_num_threads()}, single images 1 "
        f"(as fit chooses); medians of {arguments.pairs} pairs; load {os.getloadavg()[0]:.1f}"
    )
    print(f"{'what':<58} {'ratio (min-max)':<18}  bound            medians of both sides")
    for ratio in ratios(arguments.steps):
        print(ratio.line(arguments.pairs), flush=True)


if __name__ == "__main__":
    main()
