"""What a sweep shows as a whole: contact sheets and TensorBoard."""

from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from torch.utils.tensorboard import SummaryWriter
from torch.utils.tensorboard.summary import hparams

from prober.ascent.callbacks import hyperparameters
from prober.common.files import read_npy, write_whole
from prober.common.pictures import enlarge, png, to_bytes
from prober.sweep.grid import Planned
from prober.sweep.store import Store

THUMB = 84
"""The height in pixels of an image on a sheet: three pixels for one at 28 px."""

GAP = 4
ROWS = 22
"""Rows below each other on a sheet; more go into blocks beside them."""

WIDTH = 1600
"""Pixels that the blocks of a sheet may take; a layer with more gets several sheets."""

LABEL = 80
"""Pixels, about, of a row's label."""

COLUMNS = 20
"""Images beside each other at the most, before what is looked at goes into rows of its own."""

HISTOGRAM_END = 1e19
"""TensorBoard's histograms have no bin for larger numbers, and refuse to be empty."""

SESSIONS = 1000
"""Targets on TensorBoard's HParams page at the most.

Each is a run of its own there, and TensorBoard starts with none selected where there are more than
40 runs. So they have a folder of their own, beside that of the images and curves."""


def write_sheets(store: Store, planned: Sequence[Planned]) -> list[Path]:
    """Writes for each layer its contact sheets: channels down, seeds across, labelled.

    A channel that is looked at in several ways (positions, initial images, regularizers) has them
    across, too, or, where these are many, a row for each. A target that failed or is missing
    leaves its place empty.

    Returns:
        The files, `sheets/conv2.png`, or `sheets/conv2_1.png` … where one is not enough.
    """
    records = {r["stem"]: r for i in store.finished() for r in store.records(i)}
    files = []
    for layer, of_layer in groupby(planned, key=lambda each: each.layer):
        rows = _rows(list(of_layer))
        parts = [rows[i : i + ROWS] for i in range(0, len(rows), ROWS)]
        beside = max(1, WIDTH // (max(map(len, rows)) * (THUMB + GAP) + LABEL))
        pages = [parts[i : i + beside] for i in range(0, len(parts), beside)]
        for number, page in enumerate(pages, 1):
            name = layer if len(pages) == 1 else f"{layer}_{number}"
            file = store.folder / "sheets" / f"{name}.png"
            # One page at a time is in memory, however many there are.
            blocks = [_block(store, part, records) for part in page]
            write_whole(file, png(_sheet(blocks, _title(layer, planned))))
            files.append(file)
    return files


def _title(layer: str, planned: Sequence[Planned]) -> str:
    """Says what a sheet shows, and what its sets of regularizers are."""
    lines = [f"{layer}: channels down, seeds across; below each image its score"]
    sets = dict.fromkeys(each.target.regularizers for each in planned)
    if len(sets) > 1:
        for i, each in enumerate(sets):
            said = " + ".join(map(str, each)) or "no regularizer"
            lines.append(f"reg{i}: {said}")
    return "\n".join(lines)


def write_tensorboard(store: Store, planned: Sequence[Planned]) -> None:
    """Writes for each layer its evolving image and score curves, and HParams over the targets.

    The image has all channels of the layer side by side, each as its first target has it.
    """
    for old in store.folder.rglob("events.out.tfevents.*"):
        old.unlink()
    writer = SummaryWriter(str(store.folder / "tensorboard"))
    layers = {each.layer: [] for each in planned}
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
    steps = max((steps.tolist() for steps, _ in first.values()), key=len, default=[])
    for i, step in enumerate(steps):
        frames = [evolution[min(i, len(evolution) - 1)] for _, evolution in first.values()]
        writer.add_image(layer, _side_by_side(frames), step, dataformats="HWC")


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
            writer.file_writer.add_summary(summary)
        writer.add_scalar("score", metrics["score"], record["steps"])
        writer.close()


def _rows(planned: list[Planned]) -> list[list[Planned]]:
    """Lays the targets of a layer out in rows: one a channel, or one a channel and look."""
    looks = {each.look for each in planned}
    seeds = {each.target.seed for each in planned}
    wide = len(looks) * len(seeds) > COLUMNS

    def row(each: Planned) -> tuple[str, str]:
        return each.folder, each.look if wide else ""

    rows = [list(group) for _, group in groupby(planned, key=row)]
    # More seeds than fit across go on in the next row.
    return [row[i : i + COLUMNS] for row in rows for i in range(0, len(row), COLUMNS)]


def _sheet(blocks: list[Image.Image], title: str) -> np.ndarray:
    """Puts blocks beside each other below a title, uint8 `[H, W, 3]`."""
    font = ImageFont.load_default(15)
    box = ImageDraw.Draw(Image.new("RGB", (1, 1))).textbbox((GAP, GAP), title, font)
    width = max(sum(block.width for block in blocks), int(box[2]) + GAP)
    height = int(box[3]) + 3 * GAP
    sheet = Image.new("RGB", (width, height + max(block.height for block in blocks)), "white")
    ImageDraw.Draw(sheet).text((GAP, GAP), title, "black", font)
    left = 0
    while blocks:
        block = blocks.pop(0)  # a large page need not be in memory twice
        sheet.paste(block, (left, height))
        left += block.width
    return np.asarray(sheet)


def _block(
    store: Store, rows: list[list[Planned]], records: dict[str, dict[str, Any]]
) -> Image.Image:
    """Draws some rows with what is across above them."""
    font = ImageFont.load_default(13)
    wide = len({each.look for each in rows[0]}) == 1
    columns = list(dict.fromkeys(_column(each, wide) for row in rows for each in row))
    wrapped = len(columns) > COLUMNS
    columns = [("", "")] * COLUMNS if wrapped else columns
    names = [row[0].folder + (f" {row[0].look}" if wide else "") for row in rows]
    left = int(max(font.getlength(name) for name in names)) + 3 * GAP
    line = 18
    cell, step = THUMB + line + GAP, THUMB + GAP
    head = line if wide else 2 * line
    block = Image.new("RGB", (left + len(columns) * step + GAP, head + len(rows) * cell), "white")
    draw = ImageDraw.Draw(block)
    for column, (look, seed) in enumerate(columns):
        said = "" if wrapped else f"seed {seed}" if wide else f"{look}\nseed {seed}"
        draw.text((left + column * step, 0), said, "black", font)
    for i, row in enumerate(rows):
        top = head + i * cell
        draw.text((GAP, top + THUMB // 2 - 8), names[i], "black", font)
        for j, each in enumerate(row):
            column = j if wrapped else columns.index(_column(each, wide))
            place = (left + column * step, top)
            record = records.get(each.stem)
            if record is None or record["status"] != "finished":
                said = "missing" if record is None else record["status"]
                draw.rectangle((*place, place[0] + THUMB, top + THUMB), outline="gray")
                draw.text((place[0] + GAP, top + GAP), said, "gray", font)
                continue
            _, array = store.target_files(each)
            block.paste(Image.fromarray(thumb(to_bytes(read_npy(array, "a picture")))), place)
            score = "dead" if record["dead"] else f"{record['score_end']:.3g}"
            score += f"  seed {each.target.seed}" if wrapped else ""
            draw.text((place[0], top + THUMB), score, "dimgray", font)
    return block


def _column(planned: Planned, wide: bool) -> tuple[str, int]:
    return "" if wide else planned.look, planned.target.seed


def thumb(pixels: np.ndarray) -> np.ndarray:
    """Brings pixels `[H, W, 3]` to a height of at most `THUMB`, small ones by a whole number."""
    height, width = pixels.shape[:2]
    if max(height, width) <= THUMB:
        return enlarge(pixels, THUMB)
    shrink = THUMB / max(height, width)
    size = (max(1, round(width * shrink)), max(1, round(height * shrink)))
    return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BOX))


def _side_by_side(frames: list[np.ndarray]) -> np.ndarray:
    """Lays images `[H, W, 3]` out in a near-square grid with white lines between them."""
    border = ((0, GAP), (0, GAP), (0, 0))
    frames = [np.pad(thumb(frame), border, constant_values=255) for frame in frames]
    columns = int(np.ceil(np.sqrt(len(frames))))
    frames += [np.full_like(frames[0], 255)] * (-len(frames) % columns)
    rows = [np.concatenate(frames[i : i + columns], 1) for i in range(0, len(frames), columns)]
    return np.concatenate(rows)
