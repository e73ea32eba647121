"""Images whose color and shape are known: flat patches, bars and gratings."""

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from prober.ascent.method import LARGE, is_large
from prober.common.colors import hue_to_rgb

FLAT_HUES = torch.arange(72) * 5.0
"""Hues of the flat patches, in degrees."""

ANGLES = torch.arange(24) * 7.5
"""Orientations of gray strokes, in degrees counter-clockwise from horizontal."""

TINTED_HUES = torch.arange(12) * 30.0
"""Hues of the tinted strokes, in degrees."""

GRAYS = torch.linspace(0, 1, 9)
"""Values of the gray patches."""

FREQUENCIES = torch.tensor([1 / 16, 1 / 12, 1 / 8, 1 / 6, 1 / 4, 1 / 3])
"""Frequencies of the gratings, in cycles per pixel."""

WIDTHS = (1.2, 2.5, 4.5)
"""Widths of the bars, in pixels."""

OFFSETS = (-0.25, -0.125, -0.0625, 0.0, 0.0625, 0.125, 0.25)
"""How far bars lie from the image's middle, in parts of its smaller side."""

PHASES = (0.0, 0.25, 0.5, 0.75)
"""Phases of the gratings, in turns."""


NONE = torch.tensor(math.nan)
"""Of an image that has no hue, no angle, or no frequency."""


@dataclass(frozen=True)
class Choice:
    """Which stimuli there are for images of some size; by default, for small ones.

    Attributes:
        hues: Of the flat patches, in degrees.
        angles: Of the gray strokes.
        tinted_angles: Of the tinted strokes.
        frequencies: Of the gratings, in cycles per pixel, ascending.
        widths: Of the bars, in pixels, ascending.
        tinted_widths: Of the tinted bars.
        offsets: How far gray bars lie from the middle, in parts of the smaller side.
        tinted_offsets: How far tinted bars do.
        tinted_phases: Of the tinted gratings, in turns.
    """

    hues: Tensor = FLAT_HUES
    angles: Tensor = ANGLES
    tinted_angles: Tensor = ANGLES[::2]
    frequencies: Tensor = FREQUENCIES
    widths: tuple[float, ...] = WIDTHS
    tinted_widths: tuple[float, ...] = WIDTHS[:2]
    offsets: tuple[float, ...] = OFFSETS
    tinted_offsets: tuple[float, ...] = OFFSETS[1:-1:2]
    tinted_phases: tuple[float, ...] = PHASES


def choice(shape: tuple[int, int, int]) -> Choice:
    """Chooses the stimuli for images `[C, H, W]`.

    Large ones take a CNN long, so they get a quarter as many: every third flat hue, every second
    angle (15 degrees, and 30 for tinted strokes; what is claimed of an orientation is measured on
    pictures), few offsets, since a large map has neurons wherever a bar lies. Their first layers
    look at strokes as fine as those of small images, and their last ones at large parts of the
    image. So the finest stay, the coarsest grow with the side, and the others lie evenly between
    on a logarithmic scale: at 64 pixels what small images have, at 224 bars of 1.2 to 16 pixels
    and periods of 3 to 56.
    """
    if not is_large(shape):
        return Choice()
    grown = min(shape[1:]) / LARGE
    widths = tuple(np.geomspace(WIDTHS[0], WIDTHS[-1] * grown, len(WIDTHS)).tolist())
    low, high = FREQUENCIES[0].item() / grown, FREQUENCIES[-1].item()
    return Choice(
        hues=FLAT_HUES[::3],
        angles=ANGLES[::2],
        tinted_angles=ANGLES[::4],
        frequencies=torch.from_numpy(np.geomspace(low, high, len(FREQUENCIES))).float(),
        widths=widths,
        tinted_widths=widths[1:],
        offsets=OFFSETS[1:-1:2],
        tinted_offsets=(0.0,),
        tinted_phases=PHASES[::2],
    )


@dataclass
class Stimuli:
    """Some images and what each of them is.

    Attributes:
        images: `[N, C, H, W]` in [0, 1].
        hue: `[N]`, degrees, NaN where there is none.
        angle: `[N]`, degrees counter-clockwise from horizontal, along the stroke, NaN where there
            is none.
        frequency: `[N]`, cycles per pixel, NaN where it is no grating.
    """

    images: Tensor
    hue: Tensor = NONE
    angle: Tensor = NONE
    frequency: Tensor = NONE

    def __post_init__(self) -> None:
        """Says of each image what is said of all."""
        number = len(self.images)
        self.hue, self.angle = self.hue.expand(number), self.angle.expand(number)
        self.frequency = self.frequency.expand(number)

    def __len__(self) -> int:
        """Returns N."""
        return len(self.images)


def grays(shape: tuple[int, int, int]) -> Stimuli:
    """Flat patches from black to white, `GRAYS`."""
    return Stimuli(_flat(GRAYS[:, None].expand(-1, shape[0]), shape))


def flat_hues(shape: tuple[int, int, int]) -> Stimuli:
    """Flat patches of full saturation and value around the hue circle."""
    hues = choice(shape).hues
    return Stimuli(_flat(hue_to_rgb(hues), shape), hue=hues)


def gray_bars(shape: tuple[int, int, int], angles: Tensor) -> Stimuli:
    """Bars of some angles and all widths and offsets, bright on dark and dark on bright."""
    chosen = choice(shape)
    masks, angles = _bars(shape, angles, chosen.widths, chosen.offsets)
    images = torch.cat([masks, 1 - masks])[:, None].expand(-1, shape[0], -1, -1)
    return Stimuli(images, angle=angles.repeat(2))


def gray_gratings(shape: tuple[int, int, int], angles: Tensor) -> Stimuli:
    """Sine gratings of full contrast, of some angles and all frequencies and phases."""
    masks, angles, frequencies = _gratings(shape, angles, choice(shape).frequencies, PHASES)
    images = masks[:, None].expand(-1, shape[0], -1, -1)
    return Stimuli(images, angle=angles, frequency=frequencies)


def tinted_strokes(shape: tuple[int, int, int], hue: Tensor, angles: Tensor) -> Stimuli:
    """Bars and gratings of one hue and some angles, for images of three channels.

    A tinted bar on black, a black bar on the tint, a bar of the tint on its complement; gratings of
    the tint and black.
    """
    chosen = choice(shape)
    bars, bar_angles = _bars(shape, angles, chosen.tinted_widths, chosen.tinted_offsets)
    waves, wave_angles, frequencies = _gratings(
        shape, angles, chosen.frequencies[1::2], chosen.tinted_phases
    )
    color, complement = (hue_to_rgb(h)[:, None, None] for h in (hue, hue + 180))
    bar, wave = bars[:, None], waves[:, None]
    drawn = [bar * color, (1 - bar) * color, bar * color + (1 - bar) * complement, wave * color]
    return Stimuli(
        torch.cat(drawn),
        hue,
        torch.cat([bar_angles] * 3 + [wave_angles]),
        torch.cat([torch.full((3 * len(bars),), math.nan), frequencies]),
    )


def fine_bars(shape: tuple[int, int, int], angles: Tensor) -> Tensor:
    """Masks `[N, H, W]` of bars at every pixel's distance from the middle.

    The angles `[A]` change fastest, so `[N]` can be viewed as `[N / A, A]`.
    """
    side = min(shape[1:])
    steps = torch.arange(-(side // 2), side // 2 + 1).tolist()
    widths = [width for width in WIDTHS if width < side]
    masks, _ = _bars(shape, angles, tuple(widths or WIDTHS[:1]), tuple(s / side for s in steps))
    return masks


def _flat(colors: Tensor, shape: tuple[int, int, int]) -> Tensor:
    return colors[:, :, None, None].expand(-1, -1, *shape[1:])


def _across(shape: tuple[int, int, int], angles: Tensor) -> Tensor:
    """Distances `[A, H, W]` of the pixels from a line through the middle, in pixels.

    Rows run downward, so an angle counted counter-clockwise has the direction (cos, -sin).
    """
    rows = torch.arange(shape[1]) - (shape[1] - 1) / 2
    columns = torch.arange(shape[2]) - (shape[2] - 1) / 2
    radians = torch.deg2rad(angles)[:, None, None]
    return rows[:, None] * radians.cos() + columns * radians.sin()


def _bars(
    shape: tuple[int, int, int],
    angles: Tensor,
    widths: tuple[float, ...],
    offsets: tuple[float, ...],
) -> tuple[Tensor, Tensor]:
    """Masks `[N, H, W]` of bars in [0, 1], and their angles `[N]`."""
    across = _across(shape, angles)
    side = min(shape[1:])
    masks = [
        # The bar's share of a pixel's width: its edges are as smooth as a drawn line's.
        (width / 2 + 0.5 - (across - offset * side).abs()).clamp(0, 1)
        for width in widths
        for offset in offsets
    ]
    return torch.cat(masks), angles.repeat(len(masks))


def _gratings(
    shape: tuple[int, int, int], angles: Tensor, frequencies: Tensor, phases: tuple[float, ...]
) -> tuple[Tensor, Tensor, Tensor]:
    """Sine waves `[N, H, W]` in [0, 1], their angles `[N]` and frequencies `[N]`."""
    turns = _across(shape, angles) * frequencies.view(-1, 1, 1, 1, 1)
    turns = turns + torch.tensor(phases).view(-1, 1, 1, 1)  # [frequencies, phases, angles, H, W]
    waves = 0.5 + 0.5 * torch.sin(2 * math.pi * turns).flatten(0, 2)
    number = len(phases) * len(angles)
    return waves, angles.repeat(len(waves) // len(angles)), frequencies.repeat_interleave(number)
