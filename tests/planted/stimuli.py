"""Flat colors, bars, and angles of what responds to them."""

import math
from functools import cache

import numpy as np


def rgb(hues: np.ndarray) -> np.ndarray:
    """Colors `[..., 3]` of the hues in degrees, at full saturation and value."""
    sector = (np.asarray(hues)[..., None] / 60 + np.array([0.0, 4.0, 2.0])) % 6
    return np.clip(np.abs(sector - 3) - 1, 0, 1)


HUES = np.arange(0, 360, 3.0)
FLAT = rgb(HUES)
ANGLES = np.arange(0, 180, 5.0)


def offsets_of(size: int) -> tuple[np.ndarray, np.ndarray]:
    """Columns and rows relative to the middle of a square."""
    rows, columns = np.mgrid[:size, :size] - (size - 1) / 2
    return columns, rows


def across(size: int, angle: float) -> np.ndarray:
    """Each pixel's distance from the line of this angle through the middle of a square."""
    columns, rows = offsets_of(size)
    phi = math.radians(angle)
    return columns * math.sin(phi) + rows * math.cos(phi)


def bar(size: int, angle: float, width: float, offset: float = 0.0) -> np.ndarray:
    """An antialiased bar in a square, 1 on 0."""
    return np.clip(width / 2 + 0.5 - np.abs(across(size, angle) - offset), 0, 1)


@cache
def bars_of(size: int) -> np.ndarray:
    """All bars `[angles, bars, size, size]`, 1 on 0 and 0 on 1."""
    widths, offsets = (1.0, 1.5, 2.0, 3.0, 4.0), np.arange(-size / 2, size / 2 + 0.1, 0.5)
    bars = np.array(
        [[bar(size, a, w, o) for w in widths for o in offsets] for a in ANGLES], dtype=np.float32
    )
    return np.concatenate([bars, 1 - bars], axis=1)


def phase(responses: np.ndarray) -> float:
    """The phase in degrees of the first harmonic of responses to the hues `HUES`."""
    return math.degrees(np.angle((responses * np.exp(1j * np.radians(HUES))).sum())) % 360


def axial(responses: np.ndarray) -> float:
    """The axial mean of the upper half of responses to the angles `ANGLES`."""
    upper = np.clip(responses - (responses.max() + responses.min()) / 2, 0, None)
    return math.degrees(np.angle((upper * np.exp(2j * np.radians(ANGLES))).sum())) / 2 % 180


def apart(one: float, other: float, period: float) -> float:
    """The distance of two angles in degrees."""
    return abs((one - other + period / 2) % period - period / 2)
