"""The engine of a sweep: it takes targets and makes their pictures, on as many cores as there are.

It knows what to make and where, and nothing of what it is for.
"""

import copy
import json
import math
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from prober.ascent.hardware import accelerator_for, free_cores, note_of
from prober.ascent.method import Method
from prober.ascent.module import ActivationMaximization, ScoreNotFinite
from prober.ascent.progress import ProgressBar
from prober.ascent.strangeness import normalizations_before
from prober.ascent.targets import Target
from prober.common.errors import InputError
from prober.common.interrupts import interrupts
from prober.subject import Subject
from prober.sweep.allocator import settle_memory
from prober.sweep.chunks import by_kind, cut, needed_layers, sizes_for
from prober.sweep.memory import bytes_of_image, fit_to
from prober.sweep.optimize import ChunkResult, KeptSnapshots, Settings, optimize
from prober.sweep.planned import PlannedTarget
from prober.sweep.processes import Outcome, Processes, processes_for
from prober.sweep.resume import Config, check_unchanged, no_folder_of
from prober.sweep.store import Store

HANDLED = {
    "callbacks",
    "devices",
    "enable_progress_bar",
    "logger",
    "num_nodes",
    "plugins",
    "strategy",
}
"""Arguments of the Trainer that the engine chooses itself."""


class Stopped(Exception):
    """Not all pictures could be made, and what is finished is kept.

    Its text ends in `go on`, for whoever asked for them to say how.
    """

    @classmethod
    def by(cls, error: OSError) -> "Stopped":
        """Says which file could not be written, and why."""
        said = f"{error.strerror}: '{error.filename}'" if error.filename else str(error)
        return cls(f"{said}. What is finished is kept; once it can be written, go on")


@dataclass(frozen=True)
class Engine:
    """Makes the pictures of targets.

    Attributes:
        subject: The CNN under study.
        method: How the images are optimized.
        every: Steps from one snapshot to the next.
        trainer: Arguments of the Trainer.
        threads: Torch's threads on this machine, shared by its processes.
        chunk_size: Images in a chunk at the most, None for a good number.
        memory: GiB that the processes may take together (of an accelerator, of its own memory);
            None for no bound.
        channels_last: Whether the subject has its channels last in memory, but in float64.
    """

    subject: Subject
    method: Method
    every: int
    trainer: dict[str, Any]
    threads: int
    chunk_size: int | None = None
    memory: float | None = None
    channels_last: bool = True

    @property
    def accelerator(self) -> str:
        """What computes: `cpu`, `cuda`, ….

        Raises:
            InputError: What was asked for is not there, or cannot compute in this precision.
        """
        shape, precision = self.subject.input_shape, self.trainer["precision"]
        return accelerator_for(self.trainer["accelerator"], shape, precision)

    def check(self, targets: Sequence[PlannedTarget]) -> None:
        """Finds out before any work what would go wrong in it.

        Raises:
            InputError: Something asked for cannot be done.
        """
        self.cores()
        KeptSnapshots(self.every)
        if self.memory is not None and not 0 < self.memory < math.inf:
            raise InputError(f"memory is {self.memory}; it must be greater than 0, in GiB.")
        if self.chunk_size is not None and self.chunk_size < 1:
            raise InputError(f"chunk_size is {self.chunk_size}; choose 1 or more.")
        asked = [each.target for each in targets]
        # The last of each kind is of the deepest layer: what leads there leads to the others, too.
        for last in {type(target.objective): target for target in asked}.values():
            alike = [target for target in asked if target.objective == last.objective]
            if not last.objective.compares:
                self._rehearse([last])
            elif len(alike) > 1:  # one alone has nothing to be compared with, which is told later
                self._rehearse(alike)

    def _rehearse(self, targets: Sequence[Target]) -> None:
        """Makes the gradient of a first step, for which all parts of a person's own are called."""
        try:
            ActivationMaximization(self.subject, targets, self.method).loss_of_step().backward()
        except ScoreNotFinite:  # others may do better
            pass
        except InputError:
            raise
        except (Exception, SystemExit) as error:  # whatever a person's own part does
            said = f"{type(error).__name__}: {error}"
            raise InputError(
                f"{targets[0].objective} fails at the first step: {said.rstrip('.')}."
            ) from error

    def begun(self, folder: Path, config: Config) -> dict[str, Any]:
        """Returns what a sweep that was begun in a folder has saved, if it is to be gone on with.

        Raises:
            InputError: The folder is of other pictures, or of such as were begun with other
                settings or weights.
        """
        saved = read_saved(folder)
        others = saved["sha256"] != self.subject.sha256
        known = ["the subject has other weights"] if others else []
        check_unchanged(folder, config, "sweep", known)
        return saved

    def plan(
        self,
        targets: Sequence[PlannedTarget],
        config: Config,
        begun: dict[str, Any] | None = None,
    ) -> "Job":
        """Cuts targets into chunks, and chooses the processes that share them.

        Args:
            targets: All targets, layer by layer, those of one channel next to each other.
            config: Everything that is set.
            begun: What was saved where they were begun, None if they were not. They stay in the
                chunks that they were in.

        Raises:
            InputError: Something asked for cannot be done.
        """
        accelerator = self.accelerator
        devices = self.cores() if accelerator == "cpu" else self.trainer["devices"]
        reduced: list[str] = []
        if begun is not None:
            sizes = begun["sizes"]
            if self.memory is not None:
                devices = begun.get("devices", devices)
        else:
            sizes = self._sizes(targets, accelerator)
            if self.memory is not None:
                sizes, devices, reduced = self._bounded(self.memory, targets, sizes, devices)
        chunks = cut(targets, sizes)
        processes = processes_for(accelerator, devices, self.trainer["num_nodes"], len(chunks))
        number = processes.number
        settings = Settings(
            method=self.method,
            every=self.every,
            trainer={k: v for k, v in self.trainer.items() if k not in HANDLED}
            | {"accelerator": accelerator},
            threads=max(1, self.threads // number),
            progress=self.trainer["enable_progress_bar"] is not False,
            channels_last=self.channels_last,
        )
        saved = {
            "sizes": sizes,
            "devices": devices,
            "sha256": self.subject.sha256,
            "targets": len(targets),
        }
        notes = []
        if note := note_of(self.trainer["accelerator"], accelerator):
            notes.append(note)
        if reduced:
            notes.append(f"To keep to {self.memory:g} GiB of memory: {', '.join(reduced)}.")
        return Job(self.subject, settings, chunks, processes, saved, config, notes)

    def cores(self) -> int:
        """Returns how many processes share the work on a CPU, or prepare it for an accelerator.

        Raises:
            InputError: `trainer.devices` is no such number.
        """
        if self.accelerator != "cpu":
            return 1
        devices = self.trainer["devices"]
        if devices in ("auto", -1, "-1"):
            return free_cores()
        number = int(devices) if str(devices).strip().isdecimal() else 0
        if number < 1:
            raise InputError(
                f"trainer.devices is {devices}; on a CPU it is how many processes share the work: "
                "choose 1 or more, or auto."
            )
        return number

    def _sizes(self, targets: Sequence[PlannedTarget], accelerator: str) -> dict[str, int]:
        if self.chunk_size is not None:
            return dict.fromkeys(by_kind(targets), self.chunk_size)
        memory = None
        if accelerator == "cuda":
            # The least of all cards: `devices` names those that are used in many ways.
            cards = map(torch.cuda.get_device_properties, range(torch.cuda.device_count()))
            memory = min(card.total_memory for card in cards)
        return sizes_for(self.subject, targets, memory, bool(self.method.settle), self.cores())

    def _bounded(
        self,
        memory: float,
        targets: Sequence[PlannedTarget],
        sizes: dict[str, int],
        devices: Any,
    ) -> tuple[dict[str, int], Any, list[str]]:
        """Makes chunks, and if need be processes, fewer to keep to the memory; says what."""
        subject = self.subject
        if "64" in str(self.trainer["precision"]):
            subject = copy.deepcopy(subject).double()
        snapshots = self.trainer["max_steps"] // self.every + 2
        held = self.method.resolved(subject.input_shape).batchnorm_statistics
        needs = {}
        for kind, own in by_kind(targets).items():
            layers = needed_layers(own)
            if held:
                layers.update(normalizations_before(subject, layers))
            needs[kind] = bytes_of_image(subject, layers, snapshots)
        weights = sum(buffer.nbytes for buffer in subject.buffers())
        shared = self.accelerator == "cpu"
        processes = devices if shared else 1
        smaller, fitting = fit_to(memory, shared, sizes, needs, weights, processes)
        reduced = [
            f"{smaller[kind]} instead of {size} images in a chunk of {kind}"
            for kind, size in sizes.items()
            if smaller[kind] < size
        ]
        if fitting < processes:
            reduced.append(f"{fitting} instead of {processes} processes")
        return smaller, fitting if processes > 1 else devices, reduced


@dataclass(frozen=True)
class Job:
    """Targets that are ready to be made.

    Attributes:
        subject: The CNN under study.
        settings: How to optimize.
        chunks: The targets that are optimized together.
        processes: Who makes them.
        saved: What is to be known when they are gone on with.
        config: Everything that is set.
        notes: What was chosen that nobody asked for, as sentences.
    """

    subject: Subject
    settings: Settings
    chunks: list[list[PlannedTarget]]
    processes: Processes
    saved: dict[str, Any]
    config: Config
    notes: list[str]


def read_saved(folder: Path) -> dict[str, Any]:
    """Reads what a folder of pictures was begun with: `sizes`, `devices`, `sha256`, `targets`.

    Raises:
        InputError: It is no such folder.
    """
    try:
        saved = json.loads((folder / "sweep.json").read_text(encoding="utf-8"))
        sizes = saved["sizes"].values()
        if "sha256" not in saved or any(type(size) is not int or size < 1 for size in sizes):
            raise ValueError("it is of something else")
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise no_folder_of("sweep", folder, "sweep.json") from error
    return saved


@interrupts(signal.default_int_handler)
def make_chunks(
    subject: Subject,
    store: Store,
    settings: Settings,
    device: torch.device,
    first: bool,
    stop: Callable[[], bool],
) -> Outcome:
    """Makes, in one process, the chunks that no other process has taken.

    No gradient is exchanged: the processes share nothing but the folder.

    Args:
        subject: The CNN under study.
        store: Where the pictures go.
        settings: How to optimize.
        device: What computes.
        first: Whether this is the process that shows the bar.
        stop: Tells whether Ctrl-C came before this process could hear it.
    """
    settle_memory()
    subject = copy.deepcopy(subject)  # whose precision and memory layout may change
    total = sum(map(len, store.chunks))
    shown = settings.progress and first and store.targets_done() < total
    bar = ProgressBar(total, " targets", store.targets_done, shown=shown, every=50)
    try:
        with bar:
            # Those of the deepest layers come first: they take longest, and a process that is left
            # with one at the end lets the others wait.
            for index in reversed(range(len(store.chunks))):
                if stop():
                    return Outcome(interrupted=True)
                if store.claim(index):
                    try:
                        chunk = store.chunks[index]
                        store.write(index, _optimized(subject, chunk, settings, device, bar))
                    finally:
                        store.release(index)
                bar.refresh()
            while first and store.in_hand() and not stop():  # what the others have left to do
                time.sleep(0.1)
                bar.refresh()
    except (KeyboardInterrupt, SystemExit):  # SystemExit is how a Trainer ends after Ctrl-C
        return Outcome(interrupted=True)
    except OSError as error:
        return Outcome(problem=str(Stopped.by(error)))
    except Stopped as stopped:
        return Outcome(problem=str(stopped))
    return Outcome()


def _optimized(
    subject: Subject,
    chunk: Sequence[PlannedTarget],
    settings: Settings,
    device: torch.device,
    bar: ProgressBar,
) -> ChunkResult:
    """Optimizes a chunk; raises Stopped if a person's own part raises anything."""
    try:
        return optimize(subject, chunk, settings, device, bar)
    except InputError:
        raise
    except Exception as error:  # an OSError, too, which here is none of writing
        said = f"{type(error).__name__}: {error}".rstrip(".")
        raise Stopped(f"A picture failed: {said}. What is finished is kept; go on") from error
