"""A sweep: from a grid to a folder of visualizations."""

import json
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch

from prober.ascent.hardware import free_cores
from prober.ascent.tensorboard import tensorboard_command
from prober.common.errors import InputError
from prober.common.files import claim_version, safe_name, write_whole
from prober.sweep.engine import Engine, Job, Stopped, make_chunks
from prober.sweep.grid import Grid
from prober.sweep.interpolate import Interpolation, interpolate, pair_of_records, pairs_of_grid
from prober.sweep.on_cores import on_cores
from prober.sweep.planned import PlannedTarget
from prober.sweep.resume import Config
from prober.sweep.sheets import sheet_writers
from prober.sweep.store import Store
from prober.sweep.tensorboard import write_tensorboard

DONE, FAILED, INTERRUPTED = 0, 2, 130
"""How a command ends, as its exit code."""

MANY = 20_000
"""More targets than this need `--yes`."""


@dataclass
class Sweep:
    """A sweep as the command line describes it.

    Attributes:
        engine: Makes the pictures.
        grid: Of which targets.
        seed: The first seed, where the grid gives only a number of seeds.
        runs: The folder of all runs.
        config: Everything that was set.
        interpolation: What to interpolate after it, if anything.
        resume: The folder of a sweep that was interrupted, None for a new one.
        yes: Whether to go on with a very large grid.
    """

    engine: Engine
    grid: Grid
    seed: int
    runs: Path
    config: Config
    interpolation: Interpolation | None = None
    resume: str | None = None
    yes: bool = False

    def run(self) -> int:
        """Runs the sweep, or what is missing of it, and says what came of it.

        Returns:
            The exit code: 0, 130 after Ctrl-C, 2 if something is missing.

        Raises:
            InputError: Something asked for cannot be done, and nothing has been written; or not
                everything could be made, and what is finished is kept; or every target failed.
            OSError: The folder cannot be written.
        """
        begun = Path(self.resume) if self.resume else None
        # What differs is told before what is missing of a grid.
        saved = self.engine.begun(begun, self.config) if begun else None
        targets = self.check()
        self.say_left_out()
        job = self.engine.plan(targets, self.config, saved)
        folder = job.processes.from_first(lambda: begun or self._new_folder(targets))
        try:
            made = make_pictures(job, folder)
            if job.processes.first:
                if not made.interrupted:
                    self._interpolate(job, made.store, targets)
                made.show(targets)
        except Stopped as stopped:
            raise InputError(f"{stopped} with the same command and --resume {folder}") from stopped
        if made.missing:
            print(f"Go on with the same command and --resume {folder}")
        job.processes.close()
        if made.all_failed:
            raise InputError(
                "Every target failed, for its score became NaN or infinite. Weights that are not "
                "finite can cause it, or a learning rate that is too large."
            )
        return INTERRUPTED if made.interrupted else FAILED if made.missing else DONE

    def check(self) -> list[PlannedTarget]:
        """Plans the targets, and finds out before any work what would go wrong in it.

        Raises:
            InputError: Something asked for cannot be done.
        """
        targets = self._plan()
        self.engine.check(targets)
        subject = self.engine.subject
        # Starts may be files, of which each is used only in its turn.
        for start in self.grid.initial_images or []:
            start.make(subject.input_shape, seed=0)
        if self.interpolation and any(each.target.objective.compares for each in targets):
            raise InputError(
                "An interpolation goes between optima that were found alone: leave out "
                "grid.diversity and targets with a Diversity, or interpolate."
            )
        if self.interpolation and self.interpolation.records:
            pair_of_records(self.interpolation.records, subject)
        elif self.interpolation and len({each.target.seed for each in targets}) < 2:
            raise InputError("An interpolation needs two seeds: set grid.seeds to 2 or more.")
        return targets

    def say_left_out(self) -> None:
        """Prints which layers have fewer channels than are asked for."""
        if left_out := self.grid.left_out(self.engine.subject):
            print(f"Note: {left_out}")

    def _plan(self) -> list[PlannedTarget]:
        records = self.interpolation and self.interpolation.records
        if records and not (self.grid.layers or self.grid.targets or self.grid.classes is not None):
            return []
        number = self.grid.count(self.engine.subject)
        if number > MANY and not self.yes:
            raise InputError(self._estimate(number))
        return self.grid.plan(self.engine.subject, self.seed)

    def _estimate(self, number: int) -> str:
        """Says how much a very large grid is, from a few steps of its deepest layer."""
        subject, steps = self.engine.subject, self.engine.trainer["max_steps"]
        deepest = max(self.grid.probed_layers(subject), key=subject.depth)
        images = torch.rand(16, *subject.input_shape, requires_grad=True)
        seconds = []
        for _ in range(4):
            began = time.perf_counter()
            subject(images, [deepest])[deepest].sum().backward()
            seconds.append((time.perf_counter() - began) / len(images))
        cores = free_cores()
        hours = min(seconds) * steps * number / cores / 3600
        pixels = math.prod(subject.input_shape)
        snapshots = steps // self.engine.every + 2
        gigabytes = number * (4 * pixels + 4000 + snapshots * pixels / 3) / 1e9
        return (
            f"The grid has {number:,} targets: about {hours:,.1f} hours on {cores} cores and "
            f"{gigabytes:,.1f} GB on disk. Give --yes true to go on, or make the grid smaller."
        )

    def _new_folder(self, targets: Sequence[PlannedTarget]) -> Path:
        layers = list(dict.fromkeys(each.layer for each in targets))
        name = "_".join(layers) if len(layers) <= 4 else f"{len(layers)}_layers"
        return claim_version(self.runs / safe_name(f"sweep_{name or 'interpolation'}"))

    def _interpolate(self, job: Job, store: Store, targets: Sequence[PlannedTarget]) -> None:
        if self.interpolation is None:
            return
        subject = self.engine.subject
        if self.interpolation.records:
            pairs = [pair_of_records(self.interpolation.records, subject)]
        else:
            pairs = pairs_of_grid(store, targets)
        folder = store.folder / "interpolation"
        for pair in pairs:
            if (folder / f"{pair.name}.json").exists():
                continue
            number, device = self.interpolation.blends, job.processes.device
            found = interpolate(pair, number, subject, job.settings, device, folder)
            said = "join" if found["joined"] else "have a valley between them"
            print(f"{pair.name}: the two optima {said}.")
        print(f"Interpolations: {folder}")


@dataclass
class Made:
    """The pictures of targets, so far as they are made.

    Attributes:
        store: Where they are.
        records: What came of each.
        missing: How many are missing.
        made_now: How many were made now.
        seconds: How long that took.
        interrupted: Whether Ctrl-C ended it.
        processes: How many made them on this machine.
    """

    store: Store
    records: list[dict[str, Any]]
    missing: int
    made_now: int
    seconds: float
    interrupted: bool
    processes: int

    @property
    def all_failed(self) -> bool:
        """Whether there is not one picture, as of a CNN whose weights are NaN."""
        failed = [record["status"] == "failed" for record in self.records]
        return bool(failed) and all(failed) and not self.missing

    def show(self, targets: Sequence[PlannedTarget]) -> None:
        """Writes contact sheets and what TensorBoard shows, and says what came of it.

        Raises:
            Stopped: They cannot be written.
        """
        folder = self.store.folder
        try:
            sheets = sheet_writers(self.store, targets)
            work: list[Callable[[], Path | None]] = [*sheets]
            # The longest comes last, with which processes begin.
            work.append(partial(write_tensorboard, self.store, targets))
            *files, _ = on_cores(lambda i: work[i](), list(range(len(work))), self.processes)
        except OSError as error:
            raise Stopped.by(error) from error
        dead = sum(record["dead"] for record in self.records)
        failed = [record for record in self.records if record["status"] == "failed"]
        if self.made_now:
            each = self.seconds / self.made_now
            print(f"{self.made_now} targets in {self.seconds:.1f} s, {each:.3f} s each.")
        print(
            f"{len(self.records)} of {len(targets)} targets done, {dead} dead, "
            f"{len(failed)} failed."
        )
        for record in failed:
            print(f"Failed: {record['stem']} at step {record['failed_at_step']}.")
        if files:
            print(f"Contact sheets: {', '.join(map(str, files))}")
        print(f"Sweep: {folder}")
        print(f"Evolution: {tensorboard_command(folder / 'tensorboard')}")
        print(f"HParams: tensorboard --logdir {folder / 'hparams'}")


def make_pictures(job: Job, folder: Path) -> Made:
    """Makes the pictures that are missing in a folder, and says before how many there are.

    Args:
        job: The targets, ready to be made.
        folder: Where the pictures go.

    Raises:
        Stopped: The disk is full, say, or a process has died; what is finished is kept.
        OSError: The folder cannot be written.
    """
    total, store = sum(map(len, job.chunks)), Store(folder, job.chunks)

    def open_folder() -> int:
        """Makes the folder ready; returns how many pictures it has."""
        if (folder / "config.yaml").exists():  # it has been begun before
            for found in store.repair():
                print(f"Repairing: {found}.")
        else:
            write_whole(folder / "sweep.json", json.dumps(job.saved, indent=2) + "\n")
            write_whole(folder / "config.yaml", job.config.text)  # last: where it is, it is begun
        store.clear_claims()
        for note in job.notes:
            print(note)
        before = store.targets_done()
        chunks = len(job.chunks) - len(store.finished())
        print(f"{total - before} targets in {chunks} chunks: {folder}")
        return before

    before = job.processes.from_first(open_folder)
    began = time.perf_counter()
    outcome = job.processes.run(partial(make_chunks, job.subject, store, job.settings))
    if outcome.problem:
        raise Stopped(outcome.problem)
    seconds = time.perf_counter() - began
    try:
        records = store.write_records() if job.processes.first else []
    except OSError as error:
        raise Stopped.by(error) from error
    return Made(
        store=store,
        records=records,
        missing=total - len(records) if job.processes.first else 0,
        made_now=len(records) - before,
        seconds=seconds,
        interrupted=outcome.interrupted,
        processes=job.processes.number,
    )
