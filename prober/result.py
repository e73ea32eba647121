"""Visualizations in Python's hands: they show themselves in a notebook, and save themselves."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Self, SupportsIndex, overload

import numpy as np
import torch
from PIL import Image, ImageDraw

from prober.ascent.image_files import write_image
from prober.common.drawing import (
    CURVE,
    FAINT,
    INK,
    PAPER,
    Box,
    Paragraph,
    curve_points,
    font,
    paste_framed,
    text_block,
)
from prober.common.drawn_inputs import drawn_one
from prober.common.errors import InputError
from prober.common.files import expanded, npy, safe_name, write_whole
from prober.common.pictures import enlarge, gif, png, shrunk

CELL = 168
"""The height in pixels that pictures are brought to in a sheet of several."""

WRAP = 5
"""Pictures in a row of a sheet at the most, if their targets and seeds do not say how many."""

PLOT, MARGIN, LINE = 300, 12, 22
"""Width of a score curve, the margin around everything, and a line of text, in pixels."""


class Curve(NamedTuple):
    """How the score rose.

    Attributes:
        steps: int `[T]`.
        values: float32 `[T]`, the score before each of these steps changed the image, and last
            that of the finished one. Under transforms all but the last are of the transformed
            picture.
    """

    steps: np.ndarray
    values: np.ndarray


class Evolution(NamedTuple):
    """How the picture came about.

    Attributes:
        steps: int `[S]`.
        frames: uint8 `[S, H, W, 3]`, the picture at each of these steps.
    """

    steps: np.ndarray
    frames: np.ndarray


@dataclass(frozen=True, eq=False, repr=False)
class Visualization:
    """What one target wants to see. In a notebook it shows itself, with its score curve.

    Attributes:
        name: What was probed: `conv2_ch3`.
        array: float32 `[C, H, W]` in [0, 1], the picture.
        record: What `record.json` holds of a run: the target, the seed, score and loss at start
            and end, the subject's name and the SHA-256 of its weights. Beside it `notes`: what was
            assumed of the CNN, and what of it was left out, as sentences.
        scores: The score curve.
        evolution: The picture at every tenth of the steps.
        opacity: uint8 `[H, W]`, how much each pixel matters to the score, by its gradient over the
            last steps; None where the input is no image.
    """

    name: str
    array: np.ndarray
    record: dict[str, Any]
    scores: Curve
    evolution: Evolution
    opacity: np.ndarray | None = None

    @property
    def image(self) -> Image.Image:
        """The picture for people: small ones enlarged by whole-number nearest neighbor."""
        return Image.fromarray(enlarge(self._pixels))

    def save(self, path: str | Path) -> None:
        """Saves the picture; what stood at the path is replaced.

        Args:
            path: `.png` for the enlarged picture, `.npy` for the array, or a folder (a name
                without an ending, or that ends in `/`), which gets `final.png`, `final.npy`,
                `record.json` and `evolution.gif`, as that of a run has them; of an image of one
                or three channels `matters.png`, too, of a volume `slices.gif`.

        Raises:
            InputError: The path has another ending.
            OSError: The file cannot be written.
        """
        given, (path, ending) = path, _place(path)
        if not ending:
            self._save_folder(path)
        elif ending == ".png":
            write_whole(path, png(enlarge(self._pixels)))
        elif ending == ".npy":
            write_whole(path, npy(self.array))
        else:
            raise InputError(f"'{given}' ends in '{ending}'; choose .png, .npy, or a folder.")

    def __repr__(self) -> str:
        """Says what was probed, what came of it, and what was assumed."""
        record, shape = self.record, list(self.array.shape)
        what = (
            f"{self.name}: {_outcome(record)} after {record['steps']} steps, seed {record['seed']}"
        )
        return "\n".join([f"<Visualization of {what}, image {shape}>", *record["notes"]])

    def _repr_png_(self) -> bytes:
        """Draws picture and score curve side by side, for notebooks."""
        picture = enlarge(self._pixels)
        height, width = picture.shape[:2]
        plot = max(height, 120)
        panel = Image.new("RGB", (width + PLOT + 2 * MARGIN, plot + LINE), PAPER)
        paste_framed(panel, picture, 1, 1)
        left = width + MARGIN
        _draw_curve(ImageDraw.Draw(panel), self.scores, Box(left, 1, left + PLOT - 4, plot + 1))
        below = f"{_outcome(self.record)}, seed {self.record['seed']}"
        title = [Paragraph(_title(self), INK, 16), Paragraph(below, FAINT, 13)]
        return _framed(panel, title, self.record["notes"])

    @property
    def _pixels(self) -> np.ndarray:
        return drawn_one(torch.from_numpy(self.array))

    def _save_folder(self, folder: Path) -> None:
        write_image(folder, torch.from_numpy(self.array), self.opacity, self.record)
        frames = [enlarge(frame) for frame in self.evolution.frames]
        write_whole(folder / "evolution.gif", gif(frames))


class Visualizations(list[Visualization]):
    """What several targets, or one from several seeds, want to see.

    A list that shows itself in a notebook as one sheet: a row for each target, its seeds side by
    side; rows of five if each target has one seed, or there is one target.
    """

    @overload
    def __getitem__(self, index: SupportsIndex) -> Visualization: ...

    @overload
    def __getitem__(self, index: slice) -> Self: ...

    def __getitem__(self, index: SupportsIndex | slice) -> Visualization | Self:
        """Returns one of them, or for a slice several, which show themselves, too."""
        found = super().__getitem__(index)
        return type(self)(found) if isinstance(found, list) else found

    def save(self, path: str | Path) -> None:
        """Saves them all.

        Args:
            path: `.png` for one sheet, or a folder, in which each gets one of its own:
                `conv2_ch3_seed0`.

        Raises:
            InputError: The path has another ending, or two have one name.
            OSError: A file cannot be written.
        """
        given, (path, ending) = path, _place(path)
        if ending == ".png":
            write_whole(path, self._repr_png_())
            return
        if ending:
            raise InputError(f"'{given}' ends in '{ending}'; choose .png, or a folder.")
        names = [f"{each.name}_seed{each.record['seed']}" for each in self]
        for name in names:
            if names.count(name) > 1:
                raise InputError(f"Two of them are named {name}: save them one by one.")
        for name, each in zip(names, self, strict=True):
            each._save_folder(path / safe_name(name, names))

    def __repr__(self) -> str:
        """Says of each what came of it."""
        lines = [repr(each).splitlines()[0] for each in self]
        return "\n".join([f"<{len(self)} Visualizations>", *lines, *self._notes()])

    def _repr_png_(self) -> bytes:
        """Draws all pictures with their names and scores, for notebooks."""
        titles = []
        for each in self:
            width = max(CELL, _in_cell(each).shape[1])
            title = Paragraph(f"{_title(each)}, seed {each.record['seed']}", INK, 13)
            titles.append(text_block([title], width))
        room = max((title.height for title in titles), default=0)
        cells = [_cell(each, title, room) for each, title in zip(self, titles, strict=True)]
        columns = self._columns()
        rows = [cells[i : i + columns] for i in range(0, len(cells), columns)]
        width = max((cell.width for cell in cells), default=0) + MARGIN
        height = max((cell.height for cell in cells), default=0) + MARGIN
        most = max(map(len, rows), default=0)
        sheet = Image.new("RGB", (max(most * width, 1), max(len(rows) * height, 1)), PAPER)
        for i, row in enumerate(rows):
            for j, cell in enumerate(row):
                sheet.paste(cell, (j * width, i * height))
        return _framed(sheet, [], self._notes())

    def _notes(self) -> list[str]:
        return list(dict.fromkeys(note for each in self for note in each.record["notes"]))

    def _columns(self) -> int:
        """As many as each target has seeds, if each has several and there are several targets."""
        names = [each.name for each in self]
        counts = {names.count(name) for name in names}
        several = len(set(names)) > 1 and len(counts) == 1 and counts != {1}
        return counts.pop() if several else WRAP


def _place(given: str | Path) -> tuple[Path, str]:
    """Returns where something is to be saved, and the ending of a file's name, `""` of a folder's.

    A folder's has none, or ends in `/`, or the folder is there already.
    """
    path = expanded(given)
    is_folder = str(given).endswith("/") or path.is_dir()
    return path, "" if is_folder else path.suffix.lower()


def _title(shown: Visualization) -> str:
    """The name, of a class with that of the class, if it has one."""
    own = shown.record.get("class_name")
    return f"{shown.name}, {own}" if own else shown.name


def _outcome(record: dict[str, Any]) -> str:
    """What came of a target, in a few words."""
    if record["status"] == "failed":
        return f"failed at step {record['failed_at_step']}, where its score was no number"
    scores = f"score {record['score_start']:.4g} to {record['score_end']:.4g}"
    if record["dead"]:
        return f"{scores}, nothing excites it from this start"
    return f"{scores}, this is what the penalties want" if record["penalties_won"] else scores


def _cell(shown: Visualization, title: Image.Image, room: int) -> Image.Image:
    """One picture of a sheet, below its title, which gets so much room, and above its score."""
    picture = _in_cell(shown)
    below = text_block([Paragraph(_outcome(shown.record), FAINT, 12)], title.width)
    bottom = room + picture.shape[0] + 4
    cell = Image.new("RGB", (title.width + 2, bottom + below.height), PAPER)
    cell.paste(title, (1, room - title.height))
    paste_framed(cell, picture, 1, room)
    cell.paste(below, (1, bottom))
    return cell


def _in_cell(shown: Visualization) -> np.ndarray:
    """The picture as large as it is in a sheet."""
    picture = shown._pixels
    return enlarge(picture, CELL) if picture.shape[0] <= CELL else shrunk(picture, CELL)


def _framed(panel: Image.Image, title: Sequence[Paragraph], notes: Sequence[str]) -> bytes:
    """Draws a title above a panel and notes below it, with a margin around all; returns a PNG."""
    above = text_block(title, panel.width)
    below = text_block([Paragraph(note, FAINT, 12) for note in notes], panel.width)
    height = above.height + panel.height + below.height
    sheet = Image.new("RGB", (panel.width + 2 * MARGIN, height + 2 * MARGIN), PAPER)
    for part, top in ((above, 0), (panel, above.height), (below, above.height + panel.height)):
        sheet.paste(part, (MARGIN, MARGIN + top))
    return png(np.asarray(sheet))


def _draw_curve(draw: ImageDraw.ImageDraw, scores: Curve, box: Box) -> None:
    """Draws a score curve with its axes into a rectangle; the steps stand below it."""
    values = scores.values[np.isfinite(scores.values)]
    if not len(values):
        return
    low, high = float(values.min()), float(values.max())
    labels, letters = [f"{value:.4g}" for value in (low, high)], font(12)
    box = box._replace(left=box.left + max(map(letters.getlength, labels)) + 8)
    left, top, right, bottom = box
    draw.line((left, top, left, bottom, right, bottom), FAINT)
    last = max(int(scores.steps[-1]), 1)
    across = (scores.steps / last).tolist()
    points = curve_points(across, scores.values.tolist(), (low, high), box)
    if len(points) > 1:
        draw.line(points, CURVE, 2, joint="curve")
    for label, y in zip(labels, (bottom, top), strict=True):
        draw.text((left - 5, y), label, FAINT, letters, anchor="rs" if y == bottom else "rt")
    draw.text((left, bottom + 5), "0", FAINT, letters)
    draw.text((right, bottom + 5), f"step {last}", FAINT, letters, anchor="ra")
