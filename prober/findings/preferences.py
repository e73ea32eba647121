"""Preferences: the hue and the orientation that a unit prefers near an image."""

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from prober.ascent.objectives import Objective
from prober.common.colors import angle_of, preferred_hue, turn, without_color
from prober.findings.responses import gradients
from prober.findings.stimuli import fine_bars
from prober.findings.windows import Window
from prober.subject import Subject

HUE_AGREEMENT = 0.3
"""A unit prefers a hue if its pixels agree on it so far. Measured: with weights that were planted
for a hue 0.88 to 1, in the reference CNN's conv3 mostly 0.3 to 0.9, with random weights 0.04."""

ORIENTATION_CONTRAST = 0.5
"""A unit prefers an orientation if its agreement with bars falls by this share of the best."""

ORIENTATION_AGREEMENT = 0.2
"""... and if it agrees with the best bar so far (the cosine of the angle between them). Measured:
strokes that were planted 0.23 and more, units of the reference CNN 0.28 and more; what a ResNet-18
with random weights wants, which is confetti, 0.12 to 0.21."""

KERNEL_SIDE = 32
"""Pixels of a side to which a large gradient is brought down before bars are compared with it."""

SQUARE_SIDES = (6, 8, 10, 12, 16, 20, 24, KERNEL_SIDE)
SQUARE_SHARE = 0.95
"""The smallest square of these sides that has this share of a gradient is looked at alone."""

BAR_ANGLES = torch.arange(60) * 3.0
"""Orientations of the bars that a gradient is compared with, in degrees."""


class Preferences(NamedTuple):
    """What units prefer near N images.

    Attributes:
        hue: `[N]`, degrees, the hue; NaN where there is none.
        hue_agreement: `[N]`, how far the pixels agree on it, 0 (each wants another hue) to 1.
        orientation: `[N]`, degrees, the orientation; NaN likewise.
        orientation_contrast: `[N]`, how well it is oriented, 0 to 1: how much less the orientation
            that it agrees with least has than the one that it agrees with most.
        orientation_agreement: `[N]`, how far it is a bar at all, 0 to 1: how much of what it wants
            is the bar that it agrees with most.
    """

    hue: Tensor
    hue_agreement: Tensor
    orientation: Tensor
    orientation_contrast: Tensor
    orientation_agreement: Tensor


def preferences(
    subject: Subject, objectives: Sequence[Objective], images: Tensor, window: Window
) -> Preferences:
    """Finds what units prefer near images.

    Args:
        subject: The CNN under study.
        objectives: N objectives of one layer.
        images: `[N, C, H, W]` in [0, 1].
        window: Where they look.
    """
    return Preferences(
        *_hues(subject, objectives, images), *_orientations(subject, objectives, images, window)
    )


def _hues(
    subject: Subject, objectives: Sequence[Objective], images: Tensor
) -> tuple[Tensor, Tensor]:
    """Finds the hues that units prefer near images, and how far all pixels agree on them.

    With the color drawn halfway back to gray, so that in a unit that needs color and shape it is
    the color that there is too little of. The sum of the gradient over the image is the response
    to a uniform tint, and the shape has no part in it.
    """
    if images.shape[1] != 3:
        return torch.full((len(images),), math.nan), torch.zeros(len(images))
    gray = without_color(images)
    x = y = length = torch.zeros(len(images), dtype=torch.float64)
    for share in (0.3, 0.6, 0.9):
        gradient = gradients(subject, objectives, torch.lerp(gray, images, share)).double()
        hue, strength = preferred_hue(gradient.movedim(1, -1))
        x = x + (strength * torch.deg2rad(hue).cos()).sum((1, 2))
        y = y + (strength * torch.deg2rad(hue).sin()).sum((1, 2))
        length = length + strength.sum((1, 2))
    agreement = torch.hypot(x, y) / length.clamp_min(1e-300)
    return angle_of(x, y).where(agreement >= HUE_AGREEMENT, math.nan), agreement


def _orientations(
    subject: Subject, objectives: Sequence[Objective], images: Tensor, window: Window
) -> tuple[Tensor, Tensor, Tensor]:
    """Finds the orientations that units prefer near images, their contrast and agreement.

    Of the gradient by brightness, with the shape drawn halfway back to the mean color, so that it
    is the shape that there is too little of: the bar that it agrees with best.
    """
    shapeless = window.crop(images).mean((2, 3), keepdim=True).expand_as(images)
    total = torch.zeros(len(images), *images.shape[2:])
    for share in (0.4, 0.7, 1.0):
        total += gradients(subject, objectives, torch.lerp(shapeless, images, share)).sum(1)
    kernels = window.crop(total)
    if min(kernels.shape[1:]) < 2:
        return torch.full((len(images),), math.nan), *torch.zeros(2, len(images))
    kernels = torch.stack([_centered(kernel) for kernel in kernels])
    bars = _bars(*kernels.shape[1:])
    agreement = (_normalized(kernels) @ bars.T).abs()
    agreement = agreement.view(len(images), -1, len(BAR_ANGLES)).amax(1)
    top, bottom = agreement.amax(1), agreement.amin(1)
    contrast = (top - bottom) / top.clamp_min(1e-30)
    angle = torch.stack([_peak_angle(curve) for curve in agreement])
    oriented = (contrast >= ORIENTATION_CONTRAST) & (top >= ORIENTATION_AGREEMENT)
    return angle.where(oriented, math.nan), contrast, top


def _centered(kernel: Tensor) -> Tensor:
    """Brings what a gradient `[h, w]` has into the middle, and a large one down to 32 pixels.

    The smallest square that has most of it comes alone into the middle of zeros, where bars of all
    angles pass through it alike. If that is too large, the whole is averaged over squares, which
    keeps angles.
    """
    height, width = (min(KERNEL_SIDE, side) for side in kernel.shape)
    total = kernel.abs().sum()
    square = math.ceil(max(kernel.shape) / KERNEL_SIDE)
    small = F.avg_pool2d(kernel[None], [min(square, side) for side in kernel.shape])[0]
    for side in SQUARE_SIDES:
        size = (min(side, height), min(side, width))
        mass = F.avg_pool2d(kernel.abs()[None], size, stride=1, divisor_override=1)[0]
        if mass.max() >= SQUARE_SHARE * total:
            top, left = divmod(int(mass.argmax()), mass.shape[1])
            small = kernel[top : top + size[0], left : left + size[1]]
            break
    above, before = (height - small.shape[0]) // 2, (width - small.shape[1]) // 2
    below, after = height - small.shape[0] - above, width - small.shape[1] - before
    return F.pad(small, (before, after, above, below))


@lru_cache(maxsize=8)
def _bars(height: int, width: int) -> Tensor:
    """Normalized bars `[widths x offsets x angles, height x width]`, angles changing fastest."""
    return _normalized(fine_bars((1, height, width), BAR_ANGLES))


def _normalized(images: Tensor) -> Tensor:
    """Flattens images `[N, h, w]` and brings each to mean 0 and length 1."""
    flat = images.flatten(1).double()
    flat = flat - flat.mean(1, keepdim=True)
    return flat / flat.norm(dim=1, keepdim=True).clamp_min(1e-30)


def _peak_angle(curve: Tensor) -> Tensor:
    """The middle, in degrees, of a closed curve's peak; NaN if there are none or several."""
    top, bottom = curve.max(), curve.min()
    n = len(curve)
    peak = int(curve.argmax())
    away = turn(peak, torch.arange(n), n)
    if not top > bottom or curve[away.abs() >= n // 4].max() >= bottom + 0.9 * (top - bottom):
        return torch.tensor(math.nan)
    # What rises above the level of three quarters, next to the peak.
    level = bottom + 0.75 * (top - bottom)
    rise = (curve - level).clamp_min(0) * (away.abs() <= n // 6)
    return (((peak + (rise * away).sum() / rise.sum()) * 180 / n) % 180).float()
