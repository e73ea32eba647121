"""One chunk: its targets are optimized as one batch, in one `Trainer.fit`."""

import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from lightning.fabric.plugins.environments import LightningEnvironment
from lightning.pytorch import Callback, Trainer
from lightning.pytorch.strategies import SingleDeviceStrategy
from torch import Tensor
from typing_extensions import override

from prober.ascent.datamodule import StepsDataModule
from prober.ascent.method import Method
from prober.ascent.module import ActivationMaximization, ScoreNotFinite
from prober.ascent.profiler import NoProfiler
from prober.ascent.progress import ProgressBar
from prober.ascent.snapshots import AtSnapshots
from prober.ascent.target_records import target_records
from prober.common.drawn_inputs import drawn
from prober.subject import Subject
from prober.sweep.planned import PlannedTarget


@dataclass(frozen=True)
class Settings:
    """How chunks are optimized.

    Attributes:
        method: How the images are optimized.
        every: Steps from one snapshot to the next.
        trainer: Arguments of the Trainer: accelerator, steps, precision, whatever else was given.
        threads: Torch's threads in each process.
        progress: Whether a bar is shown.
        channels_last: Whether a subject that is not run in float64 has its channels last in memory.
    """

    method: Method
    every: int
    trainer: dict[str, Any]
    threads: int
    progress: bool
    channels_last: bool = True


@dataclass
class ChunkResult:
    """What has become of the targets of a chunk.

    Attributes:
        images: float32 `[N, C, H, W]` in [0, 1].
        evolution: uint8 `[N, S, H, W, 3]`, the images at each snapshot; those that have settled
            as they were then.
        steps: `[S]`, the steps of the snapshots.
        scores: float32 `[N, T]`, the score curves; from where an image has settled on its score.
        score_steps: `[T]`, the steps of the score curves.
        records: One for each target.
        opacity: uint8 `[N, H, W]`, how much each pixel matters; None if they are no images.
    """

    images: Tensor
    evolution: np.ndarray
    steps: np.ndarray
    scores: np.ndarray
    score_steps: np.ndarray
    records: list[dict[str, Any]]
    opacity: np.ndarray | None


def optimize(
    subject: Subject,
    chunk: Sequence[PlannedTarget],
    settings: Settings,
    device: torch.device,
    progress: ProgressBar | None = None,
) -> ChunkResult:
    """Optimizes the targets of a chunk as one batch in one `Trainer.fit`.

    Args:
        subject: The CNN under study; its precision and its memory layout may change.
        chunk: N targets.
        settings: How to optimize.
        device: What computes.
        progress: The bar that shows the chunk's score.

    Returns:
        What has become of them; a target whose score became NaN is recorded as failed.
    """
    began = time.perf_counter()
    torch.set_num_threads(settings.threads)
    module = ActivationMaximization(subject, [each.target for each in chunk], settings.method)
    if settings.channels_last and "64" not in str(settings.trainer["precision"]):
        # Convolutions are a third faster so, forward and backward; the penalties are not, so the
        # image keeps its layout.
        module.subject.lay_out_channels_last()
    snapshots, curves = KeptSnapshots(settings.every), ScoreCurves()
    callbacks: list[Callback] = [snapshots, curves]
    if progress:
        callbacks.append(progress)
    trainer = chunk_trainer(settings.trainer, device, callbacks)
    with suppress(ScoreNotFinite):  # every target has failed, and its record says so
        trainer.fit(module, datamodule=StepsDataModule())
    end = module.to(device).evaluate()  # the Trainer has left it on the CPU
    curves.add(trainer.global_step, end.score)
    curves.hold_last(module.settled_at.numpy())
    seconds = (time.perf_counter() - began) / len(chunk)
    return ChunkResult(
        images=module.pictures().detach().float().cpu().contiguous(),
        evolution=np.stack(snapshots.frames, axis=1),
        steps=np.array(snapshots.steps),
        scores=np.stack(curves.scores, axis=1),
        score_steps=np.array(curves.steps),
        records=target_records(module, end, trainer, seconds),
        opacity=None if module.matters is None else module.matters.opacity().numpy(),
    )


def chunk_trainer(
    arguments: dict[str, Any], device: torch.device, callbacks: list[Callback]
) -> Trainer:
    """Makes the Trainer of a chunk, which does nothing but steps.

    Args:
        arguments: Its arguments but for those that are chosen here.
        device: What computes.
        callbacks: What happens beside the steps.
    """
    return Trainer(
        **arguments | {"profiler": arguments.get("profiler") or NoProfiler()},
        strategy=SingleDeviceStrategy(device=device),
        plugins=[LightningEnvironment()],
        logger=False,
        enable_progress_bar=False,
        callbacks=callbacks,
    )


class KeptSnapshots(AtSnapshots):
    """Keeps the snapshots of a chunk, uint8 `[N, H, W, 3]` each."""

    def __init__(self, every: int) -> None:
        super().__init__(every)
        self.steps: list[int] = []
        self.frames: list[np.ndarray] = []

    @override
    def take(self, trainer: Trainer, module: ActivationMaximization, step: int) -> None:
        self.steps.append(step)
        self.frames.append(drawn(module.pictures().detach()))


class ScoreCurves(Callback):
    """Keeps the scores `[N]` of a chunk, every `log_every_n_steps`."""

    def __init__(self) -> None:
        self.steps: list[int] = []
        self.scores: list[np.ndarray] = []

    @override
    def on_train_batch_end(self, trainer: Trainer, pl_module: Any, *_: Any) -> None:
        # What the step saw before it changed the image.
        step = trainer.global_step - 1
        every = trainer.log_every_n_steps  # type: ignore[attr-defined]  # Lightning sets it
        if step == 0 or (every > 0 and step % every == 0):
            self.add(step, pl_module.measures.score)

    def hold_last(self, at: np.ndarray) -> None:
        """Continues the curves of targets that settled, `[N]` steps, with their last score."""
        for step, scores in zip(self.steps, self.scores, strict=True):
            ended = (at >= 0) & (at <= step)
            scores[ended] = self.scores[-1][ended]

    def add(self, step: int, score: Tensor) -> None:
        """Adds a point to the curves."""
        self.steps.append(step)
        self.scores.append(score.float().cpu().numpy().copy())
