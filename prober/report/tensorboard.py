"""The report in TensorBoard: the summary, the contact sheets, and all pictures in the projector."""

import os
import re
import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from google.protobuf import text_format
from PIL import Image
from tensorboard.plugins.projector.projector_config_pb2 import ProjectorConfig
from torch.utils.tensorboard import SummaryWriter

from prober.common.evenly import evenly
from prober.common.files import write_whole
from prober.common.pictures import png

LABEL_COLUMNS = ("name", "kind", "layer", "channel", "facet", "seed", "score")
"""What the projector can label, color and search its points by."""

MOST_POINTS = 10_000
"""Points at the most; the projector's browser page becomes slow with more."""

SPRITE_SIDE = 4096
"""Pixels of the sprite's width and height at the most: what every graphics card takes.

The projector itself takes 8192, but not every card it runs on does."""


def write_report_tensorboard(
    folder: Path,
    sheets: Sequence[str],
    points: np.ndarray,
    sprites: np.ndarray,
    labels: list[dict[str, Any]],
) -> None:
    """Writes `tensorboard/` anew: text, images, and the projector.

    The summary becomes text, without its pictures and links; each contact sheet an image; each
    visualization a point of the projector. What stood there before is replaced as a whole.

    Args:
        folder: The report's folder, with `SUMMARY.md` and the sheets.
        sheets: The contact sheets, relative to the folder.
        points: What each visualization does to the subject, floating point `[N, D]`. Of more than
            10,000, that many are taken evenly; rows that are not finite are left out.
        sprites: The visualizations, uint8 `[N, h, w, 3]`. They are made smaller if all of them
            would not fit into an image of 4096 by 4096 pixels.
        labels: One for each visualization, with at least the keys of `LABEL_COLUMNS`.

    Raises:
        ValueError: The three do not have the same length.
        OSError: A file cannot be read or written.
    """
    if not len(points) == len(sprites) == len(labels):
        raise ValueError(
            f"{len(points)} points, {len(sprites)} sprites and {len(labels)} labels do not fit"
        )
    beside = folder / f".tensorboard.{os.getpid()}"
    shutil.rmtree(beside, ignore_errors=True)
    try:
        _write_events(folder, sheets, beside)
        taken = np.flatnonzero(np.isfinite(points).all(axis=1))
        taken = taken[evenly(len(taken), MOST_POINTS)]
        if len(taken):
            _write_projector(beside, points[taken], sprites[taken], [labels[i] for i in taken])
        shutil.rmtree(folder / "tensorboard", ignore_errors=True)
        beside.rename(folder / "tensorboard")
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _write_events(folder: Path, sheets: Sequence[str], into: Path) -> None:
    writer = SummaryWriter(str(into))
    writer.add_text(
        "summary", without_pictures((folder / "SUMMARY.md").read_text(encoding="utf-8"))
    )
    for sheet in sheets:
        with Image.open(folder / sheet) as picture:
            pixels = np.asarray(picture.convert("RGB"))
        writer.add_image(f"sheets/{Path(sheet).stem}", pixels, dataformats="HWC")
    writer.close()
    for file in into.glob("events.out.tfevents.*"):
        # The writer's own name for it tells the host it was made on.
        file.rename(into / f"events.out.tfevents.{int(time.time())}.report")


def _write_projector(
    into: Path, points: np.ndarray, sprites: np.ndarray, labels: list[dict[str, Any]]
) -> None:
    """Writes the four files that the projector reads.

    `SummaryWriter.add_embedding` would write them, too, but takes 24 bytes for each pixel value of
    the sprite, and rounds pixels down.
    """
    sprite, cell = sprite_of(sprites)
    rows = [
        LABEL_COLUMNS,
        *([_cell(label[column]) for column in LABEL_COLUMNS] for label in labels),
    ]
    config = ProjectorConfig()
    embedding = config.embeddings.add()
    embedding.tensor_name = "visualizations"
    # Relative to the configuration, so the folder can be moved.
    embedding.tensor_path = "points.tsv"
    embedding.metadata_path = "labels.tsv"
    embedding.sprite.image_path = "sprite.png"
    embedding.sprite.single_image_dim.extend([cell, cell])
    # Nine digits hold a float32 exactly.
    coordinates = "".join("\t".join(f"{value:.9g}" for value in row) + "\n" for row in points)
    write_whole(into / "points.tsv", coordinates)
    write_whole(into / "labels.tsv", "".join("\t".join(row) + "\n" for row in rows))
    write_whole(into / "sprite.png", png(sprite))
    write_whole(into / "projector_config.pbtxt", text_format.MessageToString(config))


def _cell(value: Any) -> str:
    return "-" if value is None else " ".join(str(value).split())


def sprite_of(images: np.ndarray) -> tuple[np.ndarray, int]:
    """Puts images row by row into one square image, as the projector wants it.

    Args:
        images: uint8 `[N, h, w, 3]`. Those that are not square get white margins.

    Returns:
        The image, uint8 `[side, side, 3]`, and the side of each cell in pixels: that of the images,
        or less, so that `side` is at most 4096.
    """
    number, height, width = images.shape[:3]
    across = int(np.ceil(np.sqrt(number)))
    cell = min(max(height, width), SPRITE_SIDE // across)
    shrink = min(1.0, cell / max(height, width))
    size = max(1, round(width * shrink)), max(1, round(height * shrink))
    left, top = (cell - size[0]) // 2, (cell - size[1]) // 2
    sprite = Image.new("RGB", (across * cell, across * cell), "white")
    for i, pixels in enumerate(images):
        image = Image.fromarray(pixels)
        image = image if image.size == size else image.resize(size, Image.Resampling.BOX)
        sprite.paste(image, (i % across * cell + left, i // across * cell + top))
    return np.asarray(sprite), cell


def without_pictures(markdown: str) -> str:
    """Takes pictures and links out of a summary, for TensorBoard's text can follow neither.

    The words of a link stay. What a picture shows is said below it or beside it.
    """
    markdown = re.sub(r"\[<img [^>]*>\]\([^)]*\)(<br>)?", "", markdown)
    return re.sub(r"(?<!\\)\[((?:\\.|[^]\\])*)\]\([^)]*\)", r"\1", markdown)
