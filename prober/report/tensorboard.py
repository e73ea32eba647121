"""The report in TensorBoard: the summary, the contact sheets, and all pictures in the projector."""

import re
import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from torch.utils.tensorboard import SummaryWriter

from prober.ascent.tensorboard import add_png
from prober.common.evenly import evenly
from prober.findings.points import Point, effects

MOST_POINTS = 4096
"""Points at the most: the projector's browser page becomes slow with many. Their pictures of 32
pixels are then a sprite of 2048, which every graphics card takes, made from a quarter of a GiB."""


def write_report_tensorboard(folder: Path, sheets: Sequence[str], points: Sequence[Point]) -> None:
    """Writes `tensorboard/` anew: text, images, and the projector.

    The summary becomes text, without its pictures and links; each contact sheet an image; each
    optimum a point of the projector. What stood there before is replaced as a whole.

    Args:
        folder: The report's folder, with `SUMMARY.md` and the sheets.
        sheets: The contact sheets, relative to the folder.
        points: The optima; of more than 4,096, that many are taken evenly.

    Raises:
        OSError: A file cannot be read or written.
    """
    with TemporaryDirectory(prefix=".tensorboard.", dir=folder) as place:
        beside = Path(place) / "tensorboard"
        writer = SummaryWriter(str(beside))
        _write_events(writer, folder, sheets)
        if points:
            _write_projector(writer, [points[i] for i in evenly(len(points), MOST_POINTS)])
        writer.close()
        for file in beside.glob("events.out.tfevents.*"):
            # The writer's own name for it tells the host it was made on.
            file.rename(beside / f"events.out.tfevents.{int(time.time())}.report")
        shutil.rmtree(folder / "tensorboard", ignore_errors=True)
        beside.rename(folder / "tensorboard")


def _write_events(writer: SummaryWriter, folder: Path, sheets: Sequence[str]) -> None:
    summary = (folder / "SUMMARY.md").read_text(encoding="utf-8")
    writer.add_text("summary", words_alone(summary))
    for sheet in sheets:
        add_png(writer, f"sheets/{Path(sheet).stem}", (folder / sheet).read_bytes())


def _write_projector(writer: SummaryWriter, points: Sequence[Point]) -> None:
    columns = list(points[0].label)
    pictures = torch.from_numpy(np.stack([point.picture for point in points])).permute(0, 3, 1, 2)
    writer.add_embedding(
        effects(points),
        metadata=[[_cell(point.label[column]) for column in columns] for point in points],
        # Half a level more, for the writer rounds down.
        label_img=(pictures + 0.5) / 255,
        metadata_header=columns,
        tag="visualizations",
    )


def _cell(value: Any) -> str:
    return "-" if value is None else " ".join(str(value).split())


def words_alone(markdown: str) -> str:
    """Takes pictures and links out of a summary, for TensorBoard's text can follow neither.

    The words of a link stay. What a picture shows is said below it or beside it.
    """
    markdown = re.sub(r"\[<img [^>]*>\]\([^)]*\)(<br>)?", "", markdown)
    return re.sub(r"(?<!\\)\[((?:\\.|[^]\\])*)\]\([^)]*\)", r"\1", markdown)
