"""The contact sheets of a sweep: channels down, seeds across."""

from collections.abc import Callable, Sequence
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from prober.ascent.objectives import Neuron
from prober.common.drawing import GAP, SMALLEST, font, paste_framed, thumb, wrapped
from prober.common.drawn_inputs import drawn_one
from prober.common.files import read_npy, write_whole
from prober.common.pictures import png
from prober.subject import LOGITS
from prober.sweep.planned import PlannedTarget
from prober.sweep.store import Store

ROWS = 22
"""Rows below each other on a sheet; more go into blocks beside them."""

WIDTH = 1600
"""Pixels that the blocks of a sheet may take; a layer with more gets several sheets."""

LEAST_ROWS = 4
"""Rows below each other at the least, before others go beside them to use the width."""

LABEL = SMALLEST
"""Pixels of a row's label at the most; longer ones go on in the next line."""

LETTERS = 13
"""The height of the labels' letters in pixels."""

COLUMNS = 20
"""Images beside each other at the most, before what is looked at goes into rows of its own."""


Records = dict[str, dict[str, Any]]
"""What came of targets, by their paths."""


def sheet_writers(store: Store, targets: Sequence[PlannedTarget]) -> list[Callable[[], Path]]:
    """Plans for each layer its contact sheets: channels down, seeds across, labelled.

    A channel that is looked at in several ways (positions, initial images, regularizers) has them
    across, too, or, where these are many, a row for each. A target that failed or is missing
    leaves its place empty.

    Returns:
        What writes each, and returns its file: `sheets/conv2.png`, or `sheets/conv2_1.png` … where
        one is not enough. One sheet at a time is in memory, however many there are.
    """
    records = {record["stem"]: record for record in store.all_records()}
    folders = {each.layer_folder.casefold() for each in targets}
    writers: list[Callable[[], Path]] = []
    for layer, group in groupby(targets, key=lambda each: each.layer):
        of_layer = list(group)
        rows = _rows(of_layer)
        size = _cell(store, rows, records)
        beside = max(1, WIDTH // (max(map(len, rows)) * (size[1] + GAP) + LABEL))
        below = min(ROWS, max(LEAST_ROWS, -(-len(rows) // beside)))
        parts = [rows[i : i + below] for i in range(0, len(rows), below)]
        pages = [parts[i : i + beside] for i in range(0, len(parts), beside)]
        title = _title(layer, targets, records, wide=_is_wide(of_layer))
        for number, page in enumerate(pages, 1):
            name = of_layer[0].layer_folder
            if len(pages) > 1:
                # A layer may be called so, as the second convolution of a traced CNN is.
                taken = f"{name}_{number}".casefold() in folders
                name += f"__{number}" if taken else f"_{number}"
            file = store.folder / "sheets" / f"{name}.png"
            writers.append(partial(_write_sheet, store, page, records, size, title, file))
    return writers


def _write_sheet(
    store: Store,
    page: Sequence[list[list[PlannedTarget]]],
    records: Records,
    size: tuple[int, int],
    title: str,
    file: Path,
) -> Path:
    """Writes a sheet of some blocks of rows beside each other, and returns its file."""
    blocks = [_block(store, part, records, size) for part in page]
    box = ImageDraw.Draw(Image.new("RGB", (1, 1))).textbbox((GAP, GAP), title, font(15))
    width = max(sum(block.width for block in blocks), int(box[2]) + GAP)
    height = int(box[3]) + 3 * GAP
    sheet = Image.new("RGB", (width, height + max(block.height for block in blocks)), "white")
    ImageDraw.Draw(sheet).text((GAP, GAP), title, "black", font(15))
    left = 0
    while blocks:
        block = blocks.pop(0)  # a large page need not be in memory twice
        sheet.paste(block, (left, height))
        left += block.width
    write_whole(file, png(np.asarray(sheet)))
    return file


def _cell(store: Store, rows: list[list[PlannedTarget]], records: Records) -> tuple[int, int]:
    """The height and width of a cell: those of the first picture that there is, if wide enough."""
    made = (each for row in rows for each in row if _status(each, records) == "finished")
    first = next(made, None)
    height, width = (SMALLEST, 0) if first is None else _thumb(store, first).shape[:2]
    return height, max(width, SMALLEST)  # what stands below it has room


def _status(planned: PlannedTarget, records: Records) -> str:
    """What has become of a target: `finished`, `failed`, `missing`."""
    return records.get(planned.path, {}).get("status", "missing")


def _thumb(store: Store, planned: PlannedTarget) -> np.ndarray:
    return thumb(drawn_one(read_npy(store.target_files(planned.path)[1], "a picture")))


def _title(layer: str, targets: Sequence[PlannedTarget], records: Records, wide: bool) -> str:
    """Says what a sheet shows, in which style, and what its sets of regularizers are.

    Args:
        layer: The sheet's.
        targets: Those of all layers.
        records: What came of them.
        wide: Whether each variant has a row of its own.
    """
    what = "the classes" if layer == LOGITS else f"the channels of {layer}"
    own = [each for each in targets if each.layer == layer]
    several = len({each.variant for each in own}) > 1
    down = "each and each variant" if several and wide else "each"
    across = "each variant and seed" if several and not wide else "each seed"
    lines = [
        f"What {what} want to see: a row for {down}, a column for {across}, below each picture "
        "its score"
    ]
    looks = (each.target.objective for each in own)
    if neuron := next((each for each in looks if isinstance(each, Neuron)), None):
        place = f"row {neuron.h} and column {neuron.w}"
        lines.append(f"{neuron.variant}: the neuron in {place} of its map, counted from 0")
    made = [records[each.path] for each in own if _status(each, records) == "finished"]
    # Records from before there were others do not say.
    styles = {each.get("style", "plain") for each in made}
    if len(styles) == 1:
        lines.append(f"Style: {styles.pop()}")
    sets = dict.fromkeys(each.target.regularizers for each in targets)
    if len(sets) > 1:
        for i, each in enumerate(sets):
            said = " + ".join(map(str, each or ())) or "no regularizer"
            lines.append(f"reg{i}: {said}")
    return "\n".join(lines)


def _is_wide(targets: Sequence[PlannedTarget]) -> bool:
    """Tells whether the variants and seeds of a layer are too many to go across."""
    variants = {each.variant for each in targets}
    seeds = {each.target.seed for each in targets}
    return len(variants) * len(seeds) > COLUMNS


def _rows(targets: list[PlannedTarget]) -> list[list[PlannedTarget]]:
    """Lays the targets of a layer out in rows: one a channel, or one a channel and variant."""
    wide = _is_wide(targets)

    def row(each: PlannedTarget) -> tuple[str, str]:
        return each.folder, each.variant if wide else ""

    rows = [list(group) for _, group in groupby(targets, key=row)]
    # More seeds than fit across go on in the next row.
    return [row[i : i + COLUMNS] for row in rows for i in range(0, len(row), COLUMNS)]


def _block(
    store: Store, rows: list[list[PlannedTarget]], records: Records, size: tuple[int, int]
) -> Image.Image:
    """Draws some rows with what is across above them."""
    letters = font(LETTERS)
    wide = len({each.variant for each in rows[0]}) == 1
    columns = list(dict.fromkeys(_column(each, wide) for row in rows for each in row))
    overflowing = len(columns) > COLUMNS
    columns = [("", 0)] * COLUMNS if overflowing else columns
    names = [_name(row[0], records) + (f" {row[0].variant}" if wide else "") for row in rows]
    folded = [wrapped(name, LETTERS, LABEL) for name in names]
    left = int(max(letters.getlength(line) for lines in folded for line in lines)) + 3 * GAP
    line = 18
    (height, width), step = size, size[1] + GAP
    cell = height + line + GAP
    head = line if wide else 2 * line
    block = Image.new("RGB", (left + len(columns) * step + GAP, head + len(rows) * cell), "white")
    draw = ImageDraw.Draw(block)
    for column, (variant, seed) in enumerate(columns):
        said = "" if overflowing else f"seed {seed}" if wide else f"{variant}\nseed {seed}"
        draw.text((left + column * step, 0), said, "black", letters)
    for i, row in enumerate(rows):
        top = head + i * cell
        middle = top + (height - len(folded[i]) * line) // 2
        draw.multiline_text((GAP, middle), "\n".join(folded[i]), "black", letters)
        for j, each in enumerate(row):
            column = j if overflowing else columns.index(_column(each, wide))
            corner = (left + column * step, top)
            if (status := _status(each, records)) != "finished":
                draw.rectangle((*corner, corner[0] + width, top + height), outline="gray")
                draw.text((corner[0] + GAP, top + GAP), status, "gray", letters)
                continue
            paste_framed(block, _thumb(store, each), *corner)
            record = records[each.path]
            score = "dead" if record["dead"] else f"{record['score_end']:.3g}"
            score += " (penalties)" if record.get("penalties_won") and not record["dead"] else ""
            score += f"  seed {each.target.seed}" if overflowing else ""
            draw.text((corner[0], top + height), score, "dimgray", letters)
    return block


def _name(planned: PlannedTarget, records: Records) -> str:
    """What a row is called: a class by its name, if it has one."""
    return records.get(planned.path, {}).get("class_name", planned.folder)


def _column(planned: PlannedTarget, wide: bool) -> tuple[str, int]:
    return "" if wide else planned.variant, planned.target.seed
