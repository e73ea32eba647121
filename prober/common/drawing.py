"""Drawing: text, thumbnails and curves on sheets of paper that people look at."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw, ImageFont

INK, FAINT, CURVE, PAPER = "#111111", "#666666", "#1f4e9c", "#ffffff"

SMALLEST, LARGEST = 112, 160
"""The longer side in pixels of a thumbnail: small pictures are enlarged to so many or more, by a
whole number (28 px four times, 48 px three times), and large ones brought down to so many."""

NARROWEST = 28
"""The shorter side in pixels of a thumbnail, at least."""

GAP = 4
"""Pixels between thumbnails."""


class Paragraph(NamedTuple):
    """A text, its color, and the size of its letters in pixels."""

    text: str
    color: str
    size: int


class Box(NamedTuple):
    """A rectangle on a sheet, in pixels."""

    left: float
    top: float
    right: float
    bottom: float


def font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Pillow's own font, so that the picture does not depend on the machine's."""
    return ImageFont.load_default(size)


def text_block(paragraphs: Sequence[Paragraph], width: int) -> Image.Image:
    """Draws paragraphs in lines that fit a width."""
    lines = [
        (line, color, size)
        for text, color, size in paragraphs
        for line in wrapped(text, size, width)
    ]
    sheet = Image.new("RGB", (width, sum(size + 6 for _, _, size in lines)), PAPER)
    draw, top = ImageDraw.Draw(sheet), 0
    for line, color, size in lines:
        draw.text((0, top), line, color, font(size))
        top += size + 6
    return sheet


def wrapped(text: str, size: int, width: int) -> list[str]:
    """Cuts a text into lines that fit a width, at its spaces or, in a long word, anywhere."""
    length = font(size).getlength
    lines = [""]
    for word in text.split():
        if length(f"{lines[-1]} {word}".strip()) <= width:
            lines[-1] = f"{lines[-1]} {word}".strip()
            continue
        lines += [""] * bool(lines[-1])
        for letter in word:
            if length(lines[-1] + letter) > width:
                lines.append("")
            lines[-1] += letter
    return lines


def paste_framed(sheet: Image.Image, pixels: np.ndarray, left: int, top: int) -> None:
    """Pastes a picture `[H, W, 3]`, with a line around it so that white is seen, too."""
    height, width = pixels.shape[:2]
    sheet.paste(Image.fromarray(pixels), (left, top))
    frame = (left - 1, top - 1, left + width, top + height)
    ImageDraw.Draw(sheet).rectangle(frame, outline="#bbbbbb")


def curve_points(
    xs: Sequence[float], values: Sequence[float], limits: tuple[float, float], box: Box
) -> list[tuple[float, float]]:
    """Returns where the points of a curve lie on the sheet, but for those that are no number.

    Args:
        xs: Where they lie across, from 0 for the box's left to 1 for its right.
        values: Their values.
        limits: The values at the box's bottom and top.
        box: Where the curve is drawn.
    """
    low, high = limits
    width, height = box.right - box.left, box.bottom - box.top
    return [
        (box.left + width * x, box.bottom - height * (value - low) / ((high - low) or 1))
        for x, value in zip(xs, values, strict=True)
        if np.isfinite(value)
    ]


def thumb(pixels: np.ndarray) -> np.ndarray:
    """Brings pixels `[H, W, 3]` to a side that people can see, small ones by a whole number.

    A narrow picture is drawn `NARROWEST` pixels wide, or high.
    """
    longer = max(pixels.shape[:2])
    shrink = min(1.0, LARGEST / longer)
    times = max(1, -(-SMALLEST // longer))
    pixels = pixels.repeat(times, 0).repeat(times, 1)
    height, width = (max(NARROWEST, round(side * shrink)) for side in pixels.shape[:2])
    if (height, width) == pixels.shape[:2]:
        return pixels
    how = Image.Resampling.BOX if shrink < 1 else Image.Resampling.NEAREST
    return np.asarray(Image.fromarray(pixels).resize((width, height), how))


def side_by_side(frames: Sequence[np.ndarray]) -> np.ndarray:
    """Lays pictures `[H, W, 3]` of one size out as thumbnails, in a near-square grid."""
    border = ((0, GAP), (0, GAP), (0, 0))
    frames = [np.pad(thumb(frame), border, constant_values=255) for frame in frames]
    columns = int(np.ceil(np.sqrt(len(frames))))
    frames += [np.full_like(frames[0], 255)] * (-len(frames) % columns)
    rows = [np.concatenate(frames[i : i + columns], 1) for i in range(0, len(frames), columns)]
    return np.concatenate(rows)
