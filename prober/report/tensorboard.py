"""The report in TensorBoard: the summary, the contact sheets, and all pictures in the projector."""

import re
import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from google.protobuf import text_format
from tensorboard.plugins.projector.projector_config_pb2 import ProjectorConfig
from torch.utils.tensorboard import SummaryWriter

from prober.ascent.tensorboard import add_png
from prober.common.evenly import evenly
from prober.common.files import write_whole
from prober.common.pictures import laid_out, png
from prober.findings.points import Point, effects

MOST_POINTS = 10_000
"""Points at the most; the projector's browser page becomes slow with more. Their pictures of 32
pixels are then a sprite of 3200, and every graphics card takes 4096."""


def write_report_tensorboard(folder: Path, sheets: Sequence[str], points: Sequence[Point]) -> None:
    """Writes `tensorboard/` anew: text, images, and the projector.

    The summary becomes text, without its pictures and links; each contact sheet an image; each
    optimum a point of the projector. What stood there before is replaced as a whole.

    Args:
        folder: The report's folder, with `SUMMARY.md` and the sheets.
        sheets: The contact sheets, relative to the folder.
        points: The optima; of more than 10,000, that many are taken evenly.

    Raises:
        OSError: A file cannot be read or written.
    """
    with TemporaryDirectory(prefix=".tensorboard.", dir=folder) as place:
        beside = Path(place) / "tensorboard"
        _write_events(folder, sheets, beside)
        if points:
            _write_projector(beside, [points[i] for i in evenly(len(points), MOST_POINTS)])
        shutil.rmtree(folder / "tensorboard", ignore_errors=True)
        beside.rename(folder / "tensorboard")


def _write_events(folder: Path, sheets: Sequence[str], into: Path) -> None:
    writer = SummaryWriter(str(into))
    summary = (folder / "SUMMARY.md").read_text(encoding="utf-8")
    writer.add_text("summary", words_alone(summary))
    for sheet in sheets:
        add_png(writer, f"sheets/{Path(sheet).stem}", (folder / sheet).read_bytes())
    writer.close()
    for file in into.glob("events.out.tfevents.*"):
        # The writer's own name for it tells the host it was made on.
        file.rename(into / f"events.out.tfevents.{int(time.time())}.report")


def _write_projector(into: Path, points: Sequence[Point]) -> None:
    """Writes the four files that the projector reads.

    `SummaryWriter.add_embedding` would write them, too, but takes 24 bytes for each pixel value of
    the sprite, and rounds pixels down.
    """
    columns = list(points[0].label)
    rows = [columns, *([_cell(point.label[column]) for column in columns] for point in points)]
    sprites = np.stack([point.picture for point in points])
    config = ProjectorConfig()
    embedding = config.embeddings.add()
    embedding.tensor_name = "visualizations"
    # Relative to the configuration, so the folder can be moved.
    embedding.tensor_path = "points.tsv"
    embedding.metadata_path = "labels.tsv"
    embedding.sprite.image_path = "sprite.png"
    embedding.sprite.single_image_dim.extend(sprites.shape[1:3])
    # Nine digits hold a float32 exactly.
    lines = ("\t".join(f"{value:.9g}" for value in row) + "\n" for row in effects(points))
    write_whole(into / "points.tsv", "".join(lines))
    write_whole(into / "labels.tsv", "".join("\t".join(row) + "\n" for row in rows))
    write_whole(into / "sprite.png", png(sprite_of(sprites)))
    write_whole(into / "projector_config.pbtxt", text_format.MessageToString(config))


def _cell(value: Any) -> str:
    return "-" if value is None else " ".join(str(value).split())


def sprite_of(images: np.ndarray) -> np.ndarray:
    """Puts images row by row into one square image, as the projector wants it.

    Args:
        images: uint8 `[N, side, side, 3]`.

    Returns:
        uint8 `[A * side, A * side, 3]`, A being the root of N, rounded up; white where there is
        none.
    """
    number, side = images.shape[:2]
    across = int(np.ceil(np.sqrt(number)))
    cells = np.full((across**2, side, side, 3), 255, np.uint8)
    cells[:number] = images
    return laid_out(cells.reshape(across, across, side, side, 3))


def words_alone(markdown: str) -> str:
    """Takes pictures and links out of a summary, for TensorBoard's text can follow neither.

    The words of a link stay. What a picture shows is said below it or beside it.
    """
    markdown = re.sub(r"\[<img [^>]*>\]\([^)]*\)(<br>)?", "", markdown)
    return re.sub(r"(?<!\\)\[((?:\\.|[^]\\])*)\]\([^)]*\)", r"\1", markdown)
