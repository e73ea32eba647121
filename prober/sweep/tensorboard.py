"""What TensorBoard shows of a sweep."""

from collections.abc import Sequence
from contextlib import suppress

import numpy as np
from torch.utils.tensorboard import SummaryWriter
from torch.utils.tensorboard.summary import hparams

from prober.ascent.tensorboard import hyperparameters
from prober.common.drawing import side_by_side
from prober.sweep.planned import PlannedTarget
from prober.sweep.store import Store

HISTOGRAM_END = 1e19
"""TensorBoard's histograms have no bin for larger numbers, and refuse to be empty."""

SESSIONS = 1000
"""Targets on TensorBoard's HParams page at the most.

Each is a run of its own there, and TensorBoard starts with none selected where there are more than
40 runs. So they have a folder of their own, beside that of the images and curves."""


def write_tensorboard(store: Store, targets: Sequence[PlannedTarget]) -> None:
    """Writes for each layer its evolving image and score curves, and HParams over the targets.

    The image has all channels of the layer side by side, each as its first target has it.
    """
    for old in store.folder.rglob("events.out.tfevents.*"):
        with suppress(PermissionError):  # TensorBoard reads it, and Windows keeps it
            old.unlink()
    writer = SummaryWriter(str(store.folder / "tensorboard"))
    layers: dict[str, list[int]] = {each.layer: [] for each in targets}
    for index in store.finished():
        layers[store.chunks[index][0].layer].append(index)
    for layer, chunks in layers.items():
        _write_evolution(writer, store, layer, chunks)
        _write_curves(writer, store, layer, chunks)
    writer.close()
    _write_hparams(store)


def _write_evolution(writer: SummaryWriter, store: Store, layer: str, chunks: list[int]) -> None:
    first: dict[str, tuple[np.ndarray, np.ndarray]] = {}
    for index in chunks:
        steps, evolutions = store.read(index, "steps", "evolution")
        for planned, evolution in zip(store.chunks[index], evolutions, strict=True):
            first.setdefault(planned.folder, (steps, evolution.copy()))
    every: list[list[int]] = [steps.tolist() for steps, _ in first.values()]
    longest = max(every, key=len, default=[])
    for i, step in enumerate(longest):
        frames = [evolution[min(i, len(evolution) - 1)] for _, evolution in first.values()]
        writer.add_image(layer, side_by_side(frames), step, dataformats="HWC")


def _write_curves(writer: SummaryWriter, store: Store, layer: str, chunks: list[int]) -> None:
    curves: dict[int, list[np.ndarray]] = {}
    for index in chunks:
        steps, curve = store.read(index, "score_steps", "scores")
        for step, scores in zip(steps, curve.T, strict=True):
            curves.setdefault(int(step), []).append(scores[np.isfinite(scores)])
    for step, parts in sorted(curves.items()):
        scores = np.concatenate(parts)
        if len(scores):
            if np.abs(scores).max() < HISTOGRAM_END:
                writer.add_histogram(f"score/{layer}", scores, step)
            spread = zip(("lowest", "median", "highest"), (0, 50, 100), strict=True)
            for name, percent in spread:
                writer.add_scalar(f"score_{name}/{layer}", np.percentile(scores, percent), step)


def _write_hparams(store: Store) -> None:
    records = [record for i in store.finished() for record in store.records(i)]
    for record in records[:SESSIONS]:
        writer = SummaryWriter(str(store.folder / "hparams" / record["stem"].replace("/", "_")))
        settings, metrics = hyperparameters(record)
        for summary in hparams(settings, metrics):
            writer.file_writer.add_summary(summary)  # type: ignore[attr-defined]  # it has one
        writer.add_scalar("score", metrics["score"], record["steps"])
        writer.close()
