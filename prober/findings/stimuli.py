"""Images whose color and shape are known: flat patches, bars and gratings."""

import math
from dataclasses import dataclass, field

import torch
from torch import Tensor

from prober.subject.reference import hue_to_rgb

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
    hue: Tensor
    angle: Tensor
    frequency: Tensor = field(default_factory=lambda: torch.zeros(0))

    def __post_init__(self) -> None:
        """Fills in what there is not."""
        if not len(self.frequency):
            self.frequency = torch.full((len(self.images),), math.nan)

    def __len__(self) -> int:
        """Returns N."""
        return len(self.images)


def grays(shape: tuple[int, int, int]) -> Stimuli:
    """Flat patches from black to white, `GRAYS`."""
    return _flat(GRAYS[:, None].expand(-1, shape[0]), None, shape)


def flat_hues(shape: tuple[int, int, int]) -> Stimuli:
    """Flat patches of full saturation and value around the hue circle, `FLAT_HUES`."""
    return _flat(hue_to_rgb(FLAT_HUES), FLAT_HUES, shape)


def gray_bars(shape: tuple[int, int, int]) -> Stimuli:
    """Bars of `ANGLES`, `WIDTHS` and `OFFSETS`, bright on dark and dark on bright."""
    masks, angles = _bars(shape, ANGLES, WIDTHS, OFFSETS)
    images = torch.cat([masks, 1 - masks])[:, None].expand(-1, shape[0], -1, -1)
    return Stimuli(images, torch.full((len(images),), math.nan), angles.repeat(2))


def gray_gratings(shape: tuple[int, int, int]) -> Stimuli:
    """Sine gratings of full contrast, of `ANGLES`, `FREQUENCIES` and four phases."""
    masks, angles, frequencies = _gratings(shape, ANGLES, FREQUENCIES)
    images = masks[:, None].expand(-1, shape[0], -1, -1)
    return Stimuli(images, torch.full((len(images),), math.nan), angles, frequencies)


def tinted_strokes(shape: tuple[int, int, int], hue: Tensor) -> Stimuli:
    """Bars and gratings of one hue, in every second of `ANGLES`, for images of three channels.

    A tinted bar on black, a black bar on the tint, a bar of the tint on its complement; gratings of
    the tint and black.
    """
    bars, bar_angles = _bars(shape, ANGLES[::2], WIDTHS[:2], OFFSETS[1:-1:2])
    waves, wave_angles, frequencies = _gratings(shape, ANGLES[::2], FREQUENCIES[1::2])
    color, complement = (hue_to_rgb(h)[:, None, None] for h in (hue, hue + 180))
    bar, wave = bars[:, None], waves[:, None]
    looks = [bar * color, (1 - bar) * color, bar * color + (1 - bar) * complement, wave * color]
    return Stimuli(
        torch.cat(looks),
        hue.expand(sum(map(len, looks))),
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


def _flat(colors: Tensor, hues: Tensor | None, shape: tuple[int, int, int]) -> Stimuli:
    images = colors[:, :, None, None].expand(-1, -1, *shape[1:])
    none = torch.full((len(images),), math.nan)
    return Stimuli(images, none if hues is None else hues, none)


def _across(shape: tuple[int, int, int], angles: Tensor) -> Tensor:
    """Distances `[A, H, W]` of the pixels from a line through the middle, in pixels.

    Rows run downward, so an angle counted counter-clockwise has the direction (cos, -sin).
    """
    rows = torch.arange(shape[1]) - (shape[1] - 1) / 2
    columns = torch.arange(shape[2]) - (shape[2] - 1) / 2
    radians = torch.deg2rad(angles)[:, None, None]
    return rows[:, None] * radians.cos() + columns * radians.sin()


def _bars(
    shape: tuple[int, int, int], angles: Tensor, widths: tuple[float, ...], offsets: tuple
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
    shape: tuple[int, int, int], angles: Tensor, frequencies: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Sine waves `[N, H, W]` in [0, 1], their angles `[N]` and frequencies `[N]`."""
    across = _across(shape, angles)
    waves, cycles = [], []
    for frequency in frequencies:
        for phase in range(4):
            turns = across * frequency + phase / 4
            waves.append(0.5 + 0.5 * torch.sin(2 * math.pi * turns))
            cycles.append(frequency.expand(len(angles)))
    return torch.cat(waves), angles.repeat(len(waves)), torch.cat(cycles)
