"""The command `sweep`: from a grid to a folder of visualizations."""

import copy
import json
import math
import os
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.distributed
from lightning.fabric import Fabric
from lightning.fabric.utilities.exceptions import MisconfigurationException
from torch.multiprocessing import ProcessExitedException, ProcessRaisedException

from prober.ascent.callbacks import tensorboard_command
from prober.ascent.method import Method
from prober.ascent.module import ActivationMaximization
from prober.common.errors import InputError
from prober.common.files import claim_version, write_whole
from prober.subject import Subject
from prober.sweep.chunks import automatic_size, cut, needed_layers
from prober.sweep.grid import Grid, Listed, Planned
from prober.sweep.interpolate import Interpolation, interpolate, pair_of_records, pairs_of_grid
from prober.sweep.memory import Bound, bytes_of_image
from prober.sweep.resume import check_unchanged, no_folder_of
from prober.sweep.run import DONE, FAILED, ChunkEvolution, Settings, launcher, run_chunks
from prober.sweep.sheets import write_sheets, write_tensorboard
from prober.sweep.store import Store

MANY = 20_000
"""More targets than this need `--yes`."""

HANDLED = {
    "callbacks",
    "devices",
    "enable_progress_bar",
    "logger",
    "num_nodes",
    "plugins",
    "strategy",
}
"""Arguments of the Trainer that the sweep settles itself."""


@dataclass
class Sweep:
    """A sweep as the command line describes it.

    Attributes:
        subject: The CNN under study.
        grid: What to look at.
        seed: The first seed, where the grid gives only a number of seeds.
        method: How the images are optimized.
        every: Steps from one snapshot to the next.
        trainer: Arguments of the Trainer.
        chunk_size: Images in a chunk at the most, None for a good number.
        interpolation: What to interpolate after it, if anything.
        resume: The folder of a sweep that was interrupted, None for a new one.
        yes: Whether to go on with a very large grid.
        runs: The folder of all runs.
        config: Everything that was set, as YAML.
        threads: Torch's threads on this machine, shared by its processes.
        folder: Where the sweep goes, if it is part of something else; None for a folder of its own
            among the runs.
        part_of: The folder of the report that it is part of, if it is.
        shows: Whether contact sheets and TensorBoard's files are written, and what came of it is
            said.
        memory: GiB that the processes may take together (of an accelerator, of its own memory);
            None for no bound.
        channels_last: Whether the subject has its channels last in memory, but in float64.
    """

    subject: Subject
    grid: Grid | Listed
    seed: int
    method: Method
    every: int
    trainer: dict[str, Any]
    chunk_size: int | None
    interpolation: Interpolation | None
    resume: str | None
    yes: bool
    runs: Path
    config: str
    threads: int
    folder: Path | None = None
    part_of: Path | None = None
    shows: bool = True
    memory: float | None = None
    channels_last: bool = True

    def run(self) -> int:
        """Runs the sweep, or what is missing of it, and says what came of it.

        Returns:
            The exit code: 0, 130 after Ctrl-C, 2 if something is missing.

        Raises:
            InputError: Something asked for cannot be done; nothing has been written.
            OSError: The folder cannot be written.
        """
        planned, accelerator = self.check(), self._accelerator()
        devices = self.trainer["devices"]
        if isinstance(devices, str) and devices.isdigit():  # as the command line gives it
            devices = int(devices)
        if accelerator == "cpu" and devices in ("auto", -1, "-1"):
            devices = len(os.sched_getaffinity(0))
        if self.resume:
            saved = self._saved()
            sizes = saved["sizes"]
            if self.memory is not None:
                devices = saved.get("devices", devices)
        else:
            sizes = self._sizes(planned, accelerator)
            if self.memory is not None:
                sizes, devices = self._bounded(planned, sizes, accelerator, devices)
        chunks = cut(planned, sizes)
        kept = {"sizes": sizes, "devices": devices}
        if isinstance(devices, int) and devices > 1:
            devices = max(1, min(devices, len(chunks)))  # more would have nothing to do
        try:
            fabric, decides = launcher(accelerator, devices, self.trainer["num_nodes"])
        except (ValueError, MisconfigurationException) as error:
            raise InputError(f"trainer.devices is {devices}, which cannot be: {error}") from error
        settings = Settings(
            method=self.method,
            every=self.every,
            trainer={k: v for k, v in self.trainer.items() if k not in HANDLED}
            | {"accelerator": accelerator},
            threads=max(1, self.threads // devices if isinstance(devices, int) else self.threads),
            progress=self.trainer["enable_progress_bar"] is not False,
            channels_last=self.channels_last,
        )

        def job(fabric: Fabric, folder: Path) -> int:
            return self._work(fabric, Store(folder, chunks, self.part_of), planned, settings)

        if not decides:
            fabric.launch()
            folder = self._folder(planned, chunks, kept) if fabric.global_rank == 0 else None
            return job(fabric, fabric.broadcast(folder))
        return self._launch(fabric, job, self._folder(planned, chunks, kept))

    def check(self) -> list[Planned]:
        """Plans the targets, and finds out before any work what would go wrong in it.

        Raises:
            InputError: Something asked for cannot be done.
        """
        self._accelerator()
        ChunkEvolution(self.every)
        if self.memory is not None and not 0 < self.memory < math.inf:
            raise InputError(f"memory is {self.memory}; it must be greater than 0, in GiB.")
        planned = self._plan()
        if planned:
            first = planned[0].target
            alike = [each.target for each in planned if each.target.objective == first.objective]
            targets = alike if first.objective.compares else [first]
            ActivationMaximization(self.subject, targets, self.method)
        # Starts may be files, of which each is used only in its turn.
        for start in (isinstance(self.grid, Grid) and self.grid.initial_images) or []:
            start.make(self.subject.input_shape, seed=0)
        if self.interpolation and any(each.target.objective.compares for each in planned):
            raise InputError(
                "An interpolation goes between optima that were found alone: leave out "
                "grid.diversity and targets with a Diversity, or interpolate."
            )
        if self.interpolation and self.interpolation.records:
            pair_of_records(self.interpolation.records, self.subject)
        elif self.interpolation and len({each.target.seed for each in planned}) < 2:
            raise InputError("An interpolation needs two seeds: set grid.seeds to 2 or more.")
        return planned

    def _launch(self, fabric: Fabric, job: Callable[[Fabric, Path], int], folder: Path) -> int:
        # Ctrl-C reaches all processes; the one that waits for the others only waits.
        handler = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            return fabric.launch(job, folder)
        except (ProcessExitedException, ProcessRaisedException) as error:
            error = str(error).strip().splitlines()[-1]
            sys.stderr.write(
                f"Error: a process of the sweep has died ({error}). What is finished is kept; go "
                f"on with the same command and --resume {self.part_of or folder}\n"
            )
            return FAILED
        finally:
            signal.signal(signal.SIGINT, handler)

    def _work(
        self, fabric: Fabric, store: Store, planned: list[Planned], settings: Settings
    ) -> int:
        """What each process does; returns the exit code."""
        began, before = time.perf_counter(), store.targets_done()
        ended = run_chunks(fabric, self.subject, store, settings)
        if fabric.global_rank == 0 and ended != FAILED:
            seconds = time.perf_counter() - began
            if ended == DONE:
                self._tell_interpolation(fabric, store, planned, settings)
            records = store.write_records()
            complete = len(records) == len(planned)
            if self.shows:
                sheets = write_sheets(store, planned)
                write_tensorboard(store, planned)
                self._tell(store, planned, records, sheets, seconds, before)
            ended = ended or (DONE if complete else FAILED)
        if torch.distributed.is_initialized():
            fabric.barrier()
            torch.distributed.destroy_process_group()
        return ended

    def _tell(
        self,
        store: Store,
        planned: list[Planned],
        records: list[dict[str, Any]],
        sheets: list[Path],
        seconds: float,
        before: int,
    ) -> None:
        """Says what came of it."""
        done = len(records) - before
        dead = sum(record["dead"] for record in records)
        lost = sum(record["status"] == "failed" for record in records)
        if done:
            print(f"{done} targets in {seconds:.1f} s, {seconds / done:.3f} s each.")
        print(f"{len(records)} of {len(planned)} targets done, {dead} dead, {lost} failed.")
        for record in records:
            if record["status"] == "failed":
                print(f"Failed: {record['stem']} at step {record['failed_at_step']}.")
        if sheets:
            print(f"Contact sheets: {', '.join(map(str, sheets))}")
        print(f"Sweep: {store.folder}")
        print(f"Evolution: {tensorboard_command(store.folder / 'tensorboard')}")
        print(f"HParams: tensorboard --logdir {store.folder / 'hparams'}")
        if len(records) < len(planned):
            print(f"Go on with the same command and --resume {store.resumed}")

    def _tell_interpolation(
        self, fabric: Fabric, store: Store, planned: list[Planned], settings: Settings
    ) -> None:
        if self.interpolation is None:
            return
        if self.interpolation.records:
            pairs = [pair_of_records(self.interpolation.records, self.subject)]
        else:
            pairs = pairs_of_grid(store, planned)
        folder = store.folder / "interpolation"
        for pair in pairs:
            if (folder / f"{pair.name}.json").exists():
                continue
            number = self.interpolation.blends
            found = interpolate(pair, number, self.subject, settings, fabric, folder)
            said = "join" if found["joined"] else "have a valley between them"
            print(f"{pair.name}: the two optima {said}.")
        print(f"Interpolations: {folder}")

    def _accelerator(self) -> str:
        accelerator = self.trainer["accelerator"]
        if accelerator in ("auto", "gpu", "cuda"):
            if torch.cuda.is_available():
                return "cuda"
            if accelerator != "auto":
                raise InputError("There is no GPU here; leave trainer.accelerator out.")
            return "cpu"
        return accelerator

    def _plan(self) -> list[Planned]:
        records = self.interpolation and self.interpolation.records
        if records and not (self.grid.layers or self.grid.targets or self.grid.classes is not None):
            return []
        number = self.grid.count(self.subject)
        if number > MANY and not self.yes:
            raise InputError(self._estimate(number))
        return self.grid.plan(self.subject, self.seed)

    def _sizes(self, planned: list[Planned], accelerator: str) -> dict[str, int]:
        needed = needed_layers(planned)
        if self.chunk_size is not None:
            if self.chunk_size < 1:
                raise InputError(f"chunk_size is {self.chunk_size}; choose 1 or more.")
            return dict.fromkeys(needed, self.chunk_size)
        memory = None
        if accelerator == "cuda":
            memory = torch.cuda.get_device_properties(0).total_memory
        depth = list(self.subject.layers).index
        return {
            layer: automatic_size(self.subject, max(layers, key=depth), memory)
            for layer, layers in needed.items()
        }

    def _bounded(
        self, planned: list[Planned], sizes: dict[str, int], accelerator: str, devices: Any
    ) -> tuple[dict[str, int], Any]:
        """Makes chunks, and if need be processes, fewer to keep to the memory, and says so."""
        subject = self.subject
        if "64" in str(self.trainer["precision"]):
            subject = copy.deepcopy(subject).double()
        snapshots = self.trainer["max_steps"] // self.every + 2
        needs = {
            layer: bytes_of_image(subject, layers, snapshots)
            for layer, layers in needed_layers(planned).items()
        }
        weights = sum(buffer.nbytes for buffer in subject.buffers())
        shared = accelerator == "cpu"  # else each process has a device with a memory of its own
        processes = devices if shared and isinstance(devices, int) else 1
        bound = Bound(self.memory, shared)
        smaller, fitting = bound.fit(sizes, needs, weights, processes)
        changes = [
            f"{smaller[layer]} instead of {size} images in a chunk of {layer}"
            for layer, size in sizes.items()
            if smaller[layer] < size
        ]
        if fitting < processes:
            changes.append(f"{fitting} instead of {processes} processes")
        if changes:
            print(f"To keep to {self.memory:g} GiB of memory: {', '.join(changes)}.")
        return smaller, fitting if processes > 1 else devices

    def _estimate(self, number: int) -> str:
        """Says how much a very large grid is, from a few steps of its deepest layer."""
        layers = [layer for layer, _ in self.grid.looks(self.subject)]
        deepest = max(layers, key=list(self.subject.layers).index)
        images = torch.rand(16, *self.subject.input_shape, requires_grad=True)
        seconds = []
        for _ in range(4):
            began = time.perf_counter()
            self.subject(images, [deepest])[deepest].sum().backward()
            seconds.append((time.perf_counter() - began) / len(images))
        cores = len(os.sched_getaffinity(0))
        hours = min(seconds) * self.trainer["max_steps"] * number / cores / 3600
        pixels = math.prod(self.subject.input_shape)
        snapshots = self.trainer["max_steps"] // self.every + 2
        gigabytes = number * (4 * pixels + 4000 + snapshots * pixels / 3) / 1e9
        return (
            f"The grid has {number:,} targets: about {hours:,.1f} hours on {cores} cores and "
            f"{gigabytes:,.1f} GB on disk. Give --yes to go on, or make the grid smaller."
        )

    def _folder(self, planned: list[Planned], chunks: list, kept: dict[str, Any]) -> Path:
        """Makes the sweep's folder, or looks through the one that is resumed."""
        if self.resume:
            folder = Path(self.resume)
            store = Store(folder, chunks)
            for found in store.repair():
                print(f"Repairing: {found}.")
        else:
            layers = list(dict.fromkeys(each.layer for each in planned))
            name = "_".join(layers) if len(layers) <= 4 else f"{len(layers)}_layers"
            folder = self.folder
            if folder is None:
                folder = claim_version(self.runs / ("sweep_" + (name or "interpolation")))
            store = Store(folder, chunks)
            number = len(planned)
            saved = {**kept, "sha256": self.subject.sha256, "targets": number}
            write_whole(folder / "sweep.json", json.dumps(saved, indent=2) + "\n")
            write_whole(folder / "config.yaml", self.config)
        store.clear_claims()
        missing = len(planned) - store.targets_done()
        print(f"{missing} targets in {len(chunks) - len(store.finished())} chunks: {folder}")
        return folder

    def _saved(self) -> dict[str, Any]:
        """Reads what a resumed sweep was started with.

        Raises:
            InputError: It is no sweep, or it was started with other settings.
        """
        folder = Path(self.resume)
        try:
            saved = json.loads((folder / "sweep.json").read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise no_folder_of("sweep", folder) from error
        others = saved["sha256"] != self.subject.sha256
        known = ["the subject has other weights"] if others else []
        check_unchanged(folder, self.config, "sweep", known)
        return saved
