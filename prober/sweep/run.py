"""A sweep: chunk after chunk, on as many processes as there are."""

import copy
import ctypes
import os
import signal
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning.fabric import Fabric
from lightning.fabric.plugins.environments import LightningEnvironment
from lightning.pytorch import Callback, Trainer
from lightning.pytorch.strategies import SingleDeviceStrategy
from tqdm import tqdm

from prober.ascent.callbacks import AtSnapshots, target_records
from prober.ascent.datamodule import StepsDataModule
from prober.ascent.method import Method
from prober.ascent.module import ActivationMaximization, ScoreNotFinite
from prober.ascent.profiler import NoProfiler
from prober.common.pictures import to_bytes
from prober.subject import Subject
from prober.sweep.grid import Planned
from prober.sweep.store import ChunkResult, Store

DONE, FAILED, INTERRUPTED = 0, 2, 130
"""How a process ends, as its exit code."""


@dataclass
class Settings:
    """How the chunks of a sweep are optimized.

    Attributes:
        method: How the images are optimized.
        every: Steps from one snapshot to the next.
        trainer: Arguments of the Trainer: steps, precision and whatever else was given.
        threads: Torch's threads in each process.
        progress: Whether to show the bar.
        channels_last: Whether a subject that is not run in float64 has its channels last in memory.
    """

    method: Method
    every: int
    trainer: dict[str, Any]
    threads: int
    progress: bool
    channels_last: bool = True


def launcher(accelerator: str, devices: Any, nodes: int) -> tuple[Fabric, bool]:
    """Chooses how the processes of a sweep are started.

    Under torchrun or SLURM they run already, one for each device. Else a CPU's processes are
    forked, which costs them no import, and those of several accelerators are started as scripts.

    Args:
        accelerator: `cpu`, `cuda`, ….
        devices: Processes on this machine, or its devices, as the Trainer takes them.
        nodes: Machines.

    Returns:
        The Fabric, and whether this process alone decides what the others do (it forks them, or
        there are none), or is one of several that were started alike.
    """
    if "TORCHELASTIC_RUN_ID" in os.environ:
        devices = int(os.environ["LOCAL_WORLD_SIZE"])
        nodes = int(os.environ["WORLD_SIZE"]) // devices
    elif nodes == 1 and "SLURM_NTASKS" not in os.environ:
        if devices in (1, "1"):
            return Fabric(accelerator=accelerator, devices=1), True
        if accelerator == "cpu":
            # One that is left over, of another launch say, may be taken; a free one is found.
            os.environ.pop("MASTER_PORT", None)
            return Fabric(accelerator="cpu", devices=devices, strategy="ddp_fork"), True
    fabric = Fabric(accelerator=accelerator, devices=devices, num_nodes=nodes, strategy="ddp")
    return fabric, False


def run_chunks(fabric: Fabric, subject: Subject, store: Store, settings: Settings) -> int:
    """Optimizes, in this process, the chunks that no other process has taken.

    No gradient is exchanged: the processes share nothing but the folder.

    Args:
        fabric: The launched Fabric.
        subject: The CNN under study.
        store: The sweep's folder.
        settings: How to optimize.

    Returns:
        `DONE`, `INTERRUPTED` by Ctrl-C, or `FAILED` because nothing could be written any more,
        which is told; when all processes have come so far.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)
    subject = copy.deepcopy(subject)  # whose precision and memory layout may change
    _settle_memory()
    torch.set_num_threads(settings.threads)
    ended = DONE
    with Progress(store, settings.progress and fabric.global_rank == 0) as progress:
        try:
            for index, chunk in enumerate(store.chunks):
                if store.claim(index):
                    store.write(index, optimize(subject, chunk, settings, fabric, progress))
                progress.refresh()
        except (KeyboardInterrupt, SystemExit):  # SystemExit is how a Trainer ends after Ctrl-C
            ended = INTERRUPTED
        except OSError as error:
            ended = FAILED
            sys.stderr.write(
                f"Error: {error.strerror}: '{error.filename}'. What is finished is kept; make room "
                f"and go on with the same command and --resume {store.resumed}\n"
            )
        fabric.barrier()
    return ended


def _settle_memory() -> None:
    """Lets glibc keep the memory of the activations from step to step, in pages of 2 MB.

    It would give it back to the system after each step: measured on chunks of 64, 2,500 page
    faults a step, a third of its time. And in pages of 4 kB, looking up the pages takes longer
    than ReLU's backward pass takes to compute: 1.5 ms instead of 0.25.
    """
    with suppress(OSError, AttributeError, StopIteration):  # another C library or system
        libc = ctypes.CDLL("libc.so.6")
        m_trim_threshold, m_top_pad, m_mmap_threshold = -1, -2, -3  # from malloc.h
        libc.mallopt(m_mmap_threshold, 2**30)
        libc.mallopt(m_trim_threshold, 2**30)
        libc.mallopt(m_top_pad, 2**28)
        libc.malloc.restype = ctypes.c_void_p
        libc.free(ctypes.c_void_p(libc.malloc(2**26)))  # makes the heap grow by the pad
        maps = Path("/proc/self/maps").read_text(encoding="utf-8").splitlines()
        heap = next(line for line in maps if line.endswith("[heap]"))
        start, end = (int(address, 16) for address in heap.split()[0].split("-"))
        page, madv_hugepage = 2**21, 14
        start = -(-start // page) * page
        libc.madvise(ctypes.c_void_p(start), ctypes.c_size_t(end - start), madv_hugepage)


def optimize(
    subject: Subject,
    chunk: Sequence[Planned],
    settings: Settings,
    fabric: Fabric,
    progress: Callback | None = None,
) -> ChunkResult:
    """Optimizes the targets of a chunk as one batch in one `Trainer.fit`.

    Args:
        subject: The CNN under study.
        chunk: N targets.
        settings: How to optimize.
        fabric: Whose device is used.
        progress: The bar that shows the chunk's score.

    Returns:
        What has become of them; a target whose score became NaN is recorded as failed.
    """
    began = time.perf_counter()
    targets = [planned.target for planned in chunk]
    module = ActivationMaximization(subject, targets, settings.method)
    if settings.channels_last and "64" not in str(settings.trainer["precision"]):
        # Convolutions are a third faster so, forward and backward; the penalties are not, so the
        # image keeps its layout.
        module.subject.lay_out_channels_last()
    evolution, curves = ChunkEvolution(settings.every), ScoreCurves()
    callbacks: list[Callback] = [evolution, curves]
    if progress:
        callbacks.append(progress)
    trainer = Trainer(
        **settings.trainer | {"profiler": settings.trainer.get("profiler") or NoProfiler()},
        strategy=SingleDeviceStrategy(device=fabric.device),
        plugins=[LightningEnvironment()],
        logger=False,
        enable_progress_bar=False,
        callbacks=callbacks,
    )
    with suppress(ScoreNotFinite):  # every target has failed, and its record says so
        trainer.fit(module, datamodule=StepsDataModule())
    end = module.evaluate()
    curves.add(trainer.global_step, end.score)
    seconds = (time.perf_counter() - began) / len(chunk)
    return ChunkResult(
        images=module.pictures().detach().float().cpu().contiguous(),
        evolution=np.stack(evolution.frames, axis=1),
        steps=np.array(evolution.steps),
        scores=np.stack(curves.scores, axis=1),
        score_steps=np.array(curves.steps),
        records=[
            {"stem": planned.stem, **record}
            for planned, record in zip(
                chunk, target_records(module, end, trainer, seconds), strict=True
            )
        ],
    )


class ChunkEvolution(AtSnapshots):
    """Keeps the snapshots of a chunk, uint8 `[N, H, W, 3]` each."""

    def __init__(self, every: int) -> None:
        super().__init__(every)
        self.steps: list[int] = []
        self.frames: list[np.ndarray] = []

    def take(self, trainer: Trainer, module: ActivationMaximization, step: int) -> None:
        """Keeps the image of this step."""
        self.steps.append(step)
        self.frames.append(to_bytes(module.pictures().detach()))


class ScoreCurves(Callback):
    """Keeps the scores `[N]` of a chunk, every `log_every_n_steps`."""

    def __init__(self) -> None:
        self.steps: list[int] = []
        self.scores: list[np.ndarray] = []

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: ActivationMaximization, *_: Any
    ) -> None:
        """Keeps what the step saw before it changed the image."""
        step = trainer.global_step - 1
        every = trainer.log_every_n_steps
        if step == 0 or (every > 0 and step % every == 0):
            self.add(step, pl_module.measures.score)

    def add(self, step: int, score: torch.Tensor) -> None:
        """Adds a point to the curves."""
        self.steps.append(step)
        self.scores.append(score.float().cpu().numpy())


class Progress(Callback):
    """The one bar of a sweep: targets done of all, targets a second, time left, the score.

    Args:
        store: Whose finished chunks are counted, those of other processes, too.
        shown: Whether this process shows it.
    """

    def __init__(self, store: Store, shown: bool) -> None:
        self._store = store
        done = store.targets_done() if shown else 0
        total = sum(map(len, store.chunks))
        self._bar = tqdm(
            total=total, initial=done, unit=" targets", disable=not shown, dynamic_ncols=True
        )

    def __enter__(self) -> "Progress":
        """Shows the bar."""
        return self

    def __exit__(self, *_: object) -> None:
        """Leaves the bar as it is."""
        self.refresh()
        self._bar.close()

    def refresh(self) -> None:
        """Counts what is finished."""
        if not self._bar.disable:
            self._bar.n = self._store.targets_done()
            self._bar.refresh()

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: ActivationMaximization, *_: Any
    ) -> None:
        """Shows the chunk's score."""
        if not self._bar.disable and trainer.global_step % 50 == 0:
            layer = pl_module.targets[0].objective.layer
            score = pl_module.measures.score.mean().item()
            self._bar.set_postfix_str(
                f"{layer} step {trainer.global_step}, score {score:.4g}", refresh=False
            )
            self.refresh()
