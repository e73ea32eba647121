"""Inputs as pictures: images as they are, signals as curves, volumes as slices, vectors as bars."""

import math
from functools import lru_cache

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Tensor

from prober.common.drawing import CURVE, FAINT, INK, PAPER, font
from prober.common.inputs import InputKind, input_kind
from prober.common.pictures import enlarge, gif, to_bytes

HEIGHT, WIDTH = 168, 336
"""Pixels of a plot."""

LOWEST = 28
"""Pixels that the curve of one channel is high at the least."""

CURVES = 16
"""Channels that have a curve each at the most; more are the rows of an image."""

THIN = 32
"""An image of one row or column of more pixels is drawn as a curve."""

COLORS = (1, 3)
"""Channels that are gray, or red, green and blue."""

TINY = 6
"""Maps of fewer pixels on both sides are enlarged, to those of the smallest letters."""

SMALLEST_LETTERS, LETTERS_PER_SIDE = 8, 10
"""Pixels of a channel's number: at least so many, and one for so many of the longer side of all
maps together, which are brought to 160 on sheets."""

BETWEEN_MAPS = "#dbe4f3"
"""What is between the maps of channels; not gray, as they may be."""

BARS = WIDTH - 2
"""Numbers of a vector that have a bar each at the most; more are drawn as a curve."""


def drawn(inputs: Tensor) -> np.ndarray:
    """Draws inputs as pictures that people look at.

    An image of one channel is gray, of three red, green and blue; of any other number its channels
    are shown side by side, each in gray below its number, from left to right and then below, or as
    bars if it is a single pixel. A signal, or an image of one row or column, has a curve for each
    channel over its whole length; where several numbers share a pixel, from the smallest to the
    largest of them. A volume is shown by the middle slice along each of its axes: across its depth
    at the top left, across its width beside it, across its height below. A vector has a bar for
    each number.

    Args:
        inputs: `[N, C, *sides]` in [0, 1].

    Returns:
        uint8 `[N, H, W, 3]`. An image and a slice have one pixel for each of their own; the maps of
        a tiny one, which would be lost below their numbers, several.
    """
    kind = InputKind(inputs.dim() - 2)
    if kind is InputKind.VOLUME:
        return np.stack([_orthogonal(each) for each in inputs])
    if kind is InputKind.IMAGE:
        channels, height, width = inputs.shape[1:]
        if height == width == 1 and channels not in COLORS:
            kind, inputs = InputKind.VECTOR, inputs.flatten(1)
        elif min(height, width) > 1 or max(height, width) <= THIN:
            return _panels(inputs)
        else:
            inputs = inputs.flatten(2)
    values = inputs.detach().cpu().float().clamp(0, 1).numpy()
    if kind is InputKind.VECTOR:
        if values.shape[1] <= BARS:
            return np.stack([_bars(each) for each in values])
        values = values[:, None]
    if values.shape[1] > CURVES:
        return to_bytes(torch.from_numpy(values)[:, None])
    return np.stack([_curves(each) for each in values])


def drawn_one(given: Tensor) -> np.ndarray:
    """Draws one input `[C, *sides]` as `drawn` does; returns uint8 `[H, W, 3]`."""
    return drawn(given[None])[0]


def slices(volume: Tensor) -> list[np.ndarray]:
    """Draws the slices of a volume `[C, D, H, W]`, from the first to the last along its depth.

    Returns:
        D pictures, uint8 `[H, W, 3]`: the frames of an animation through the volume.
    """
    return list(_panels(volume.transpose(0, 1)))


def slices_gif(given: Tensor) -> bytes | None:
    """Returns an animation through a volume `[C, D, H, W]`, enlarged; None of any other input."""
    if input_kind(tuple(given.shape)) is not InputKind.VOLUME:
        return None
    return gif([enlarge(each) for each in slices(given)])


def _panels(images: Tensor) -> np.ndarray:
    """Images `[N, C, H, W]` as `[N, H, W, 3]`; channels that are no colors lie side by side."""
    number, channels, height, width = images.shape
    if channels in COLORS:
        return to_bytes(images)
    if max(height, width) < TINY:
        larger = math.ceil(SMALLEST_LETTERS / max(height, width))
        return _panels(images.repeat_interleave(larger, 2).repeat_interleave(larger, 3))
    paper, corners = _paper_for_maps(channels, height, width)
    sheet = paper[None].repeat(number, 0)
    for channel, (top, left) in enumerate(corners):
        panel = to_bytes(images[:, channel : channel + 1])
        sheet[:, top : top + height, left : left + width] = panel
    return sheet


@lru_cache(maxsize=8)
def _paper_for_maps(
    channels: int, height: int, width: int
) -> tuple[np.ndarray, list[tuple[int, int]]]:
    """Returns paper `[H, W, 3]` with the number of each channel, and where its map comes below."""
    # About as wide as high, whatever the sides of a map.
    columns = min(channels, max(1, math.ceil(math.sqrt(channels * height / width))))
    rows = -(-channels // columns)
    # To be read however far the whole is brought down; but a map is not to be lost below them.
    size = min(width, max(rows * height, columns * width) // LETTERS_PER_SIDE)
    letters = font(max(SMALLEST_LETTERS, size))
    _, above, _, deepest = letters.getbbox("".join(map(str, range(10))))
    last = letters.getlength(str(channels - 1))
    label = math.ceil(deepest - above) + 2
    down, across = label + height + 1, max(width, math.ceil(last)) + 1
    sheet = Image.new("RGB", (columns * across - 1, rows * down - 1), BETWEEN_MAPS)
    draw = ImageDraw.Draw(sheet)
    corners = []
    for channel in range(channels):
        row, column = divmod(channel, columns)
        draw.text((column * across, row * down + 1 - above), str(channel), INK, letters)
        corners.append((row * down + label, column * across))
    return np.asarray(sheet), corners


def _orthogonal(volume: Tensor) -> np.ndarray:
    """The three middle slices of a volume `[C, D, H, W]`."""
    _, depth, height, width = volume.shape
    front = _panels(volume[:, depth // 2][None])[0]
    side = _panels(volume[..., width // 2].transpose(1, 2)[None])[0]
    top = _panels(volume[:, :, height // 2][None])[0]
    rows, columns = len(front) + 1 + len(top), front.shape[1] + 1 + side.shape[1]
    sheet = np.full((rows, max(columns, top.shape[1]), 3), 255, np.uint8)
    sheet[: len(front), : front.shape[1]] = front
    sheet[: len(side), front.shape[1] + 1 : columns] = side
    sheet[len(front) + 1 :, : top.shape[1]] = top
    return sheet


def _curves(signal: np.ndarray) -> np.ndarray:
    """A curve over the length for each channel of a signal `[C, L]`, below each other."""
    channels, length = signal.shape
    each = max(LOWEST, HEIGHT // channels)
    sheet = Image.new("RGB", (WIDTH, each * channels), PAPER)
    draw = ImageDraw.Draw(sheet)
    columns = np.arange(WIDTH - 2)
    first = columns * length // len(columns)  # of each column's numbers, and the next one's first
    past = np.maximum(first + 1, (columns + 1) * length // len(columns))
    pairs = np.stack([first, past], 1).ravel()
    for channel, values in enumerate(signal):
        top, high = channel * each, each - 3
        values = np.append(values, values[-1])
        low, most = (each.reduceat(values, pairs)[::2] for each in (np.minimum, np.maximum))
        draw.rectangle((0, top, WIDTH - 1, top + each - 1), outline="#dddddd")
        draw.line((1, top + 1 + high // 2, WIDTH - 2, top + 1 + high // 2), "#dddddd")
        upper = top + 1 + np.rint((1 - most) * high)
        lower = top + 1 + np.rint((1 - low) * high)
        # Each column reaches to its neighbor, so that a jump is a line, too.
        upper[1:], lower[1:] = (
            np.minimum(upper[1:], lower[:-1]),
            np.maximum(lower[1:], upper[:-1]),
        )
        for column in columns.tolist():
            draw.line((column + 1, upper[column], column + 1, lower[column]), CURVE)
        if channels > 1:
            draw.text((3, top + 1), str(channel), FAINT, font(10))
    return np.asarray(sheet)


def _bars(vector: np.ndarray) -> np.ndarray:
    """A bar for each number of a vector `[C]`, from the left to the right."""
    sheet = Image.new("RGB", (WIDTH, HEIGHT), PAPER)
    draw = ImageDraw.Draw(sheet)
    step, high = (WIDTH - 2) / len(vector), HEIGHT - 3
    for i, value in enumerate(vector.tolist()):
        left, right = 1 + round(i * step), round((i + 1) * step) - (step >= 4)
        draw.rectangle((left, 1 + round((1 - value) * high), right, HEIGHT - 2), CURVE)
    draw.line((0, HEIGHT - 1, WIDTH - 1, HEIGHT - 1), INK)
    return np.asarray(sheet)
