"""What TensorBoard shows of a sweep."""

import time
from collections.abc import Sequence
from contextlib import suppress

import numpy as np
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.summary.writer.record_writer import RecordWriter
from torch.utils.tensorboard import SummaryWriter
from torch.utils.tensorboard.summary import hparams, scalar

from prober.ascent.tensorboard import add_png, hyperparameters
from prober.common.drawing import side_by_side
from prober.common.pictures import png
from prober.sweep.planned import PlannedTarget
from prober.sweep.store import Store, latest

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
    for step in sorted({int(step) for steps, _ in first.values() for step in steps}):
        frames = [evolution[latest(steps, step)] for steps, evolution in first.values()]
        add_png(writer, layer, png(side_by_side(frames)), step)


def _write_curves(writer: SummaryWriter, store: Store, layer: str, chunks: list[int]) -> None:
    curves = [store.read(index, "score_steps", "scores") for index in chunks]
    for step in sorted({int(step) for steps, _ in curves for step in steps}):
        every = np.concatenate([scores[:, latest(steps, step)] for steps, scores in curves])
        scores = every[np.isfinite(every)]
        if len(scores):
            if np.abs(scores).max() < HISTOGRAM_END:
                writer.add_histogram(f"score/{layer}", scores, step)
            spread = zip(("lowest", "median", "highest"), (0, 50, 100), strict=True)
            for name, percent in spread:
                writer.add_scalar(f"score_{name}/{layer}", np.percentile(scores, percent), step)


def _write_hparams(store: Store) -> None:
    for record in store.all_records()[:SESSIONS]:
        settings, metrics = hyperparameters(record)
        folder = store.folder / "hparams" / record["stem"].replace("/", "_")
        folder.mkdir(parents=True, exist_ok=True)
        now = time.time()
        # A SummaryWriter starts a thread, which for each target costs more than the events do.
        with (folder / f"events.out.tfevents.{time.time_ns()}").open("wb") as file:
            writer = RecordWriter(file)
            writer.write(Event(wall_time=now, file_version="brain.Event:2").SerializeToString())
            for summary in (*hparams(settings, metrics), scalar("score", metrics["score"])):
                event = Event(wall_time=now, step=record["steps"], summary=summary)
                writer.write(event.SerializeToString())
