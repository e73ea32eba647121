"""Profiles: what is left of a unit's score when its image's color or shape is taken away."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional as F

from prober.ascent.objectives import Objective
from prober.common.colors import angle_of, preferred_hue, without_color
from prober.findings import interventions, stimuli
from prober.findings.interventions import TURNS
from prober.findings.units import Window, gradients, scores
from prober.subject import Subject

SURVIVES = 0.5
"""A unit survives an intervention if this share of the way is left."""

OF_ONE_HUE = 0.3
"""A unit prefers a hue if its pixels agree on it so far. Measured: with weights that were planted
for a hue 0.88 to 1, in the reference CNN's conv3 mostly 0.3 to 0.9, with random weights 0.04."""

ORIENTED = 0.5
"""A unit prefers an orientation if its agreement with bars falls by this share of the best."""

KERNEL = 32
"""Pixels of a side to which a large gradient is brought down before bars are compared with it."""

SQUARES = (6, 8, 10, 12, 16, 20, 24, KERNEL)
MOST_OF_IT = 0.95
"""The smallest square of these sides that has this share of a gradient is looked at alone."""

BAR_ANGLES = torch.arange(60) * 3.0
"""Orientations of the bars that a gradient is compared with, in degrees."""

NAMES = ("neutral gray", "without color", "pixels shuffled", "one flat color", "flat gray")
"""The interventions, in the order of `Profiles.scores`; the turns of the hue follow."""


@dataclass
class Profiles:
    """What becomes of the scores of N images under interventions.

    Attributes:
        images: `[N, C, H, W]`.
        score: `[N]`.
        scores: `[N, 5 + turns]`, after each intervention of `NAMES`, then after each turn of the
            hue (none where images have no three channels).
        color: `[N, C]`, the flat color that did best.
        gray: `[N, C]`, the flat gray that did best.
        hue: `[N]`, degrees, the hue that the unit prefers near the image; NaN where there is none.
        hued: `[N]`, how far the pixels agree on it, 0 (each wants another hue) to 1.
        angle: `[N]`, degrees, the orientation that it prefers near the image; NaN likewise.
        oriented: `[N]`, how well it is oriented, 0 to 1: how much less the orientation that it
            agrees with least has than the one that it agrees with most.
        near: `[N, 3]`, the shares of the way that are left without color, without shape and
            without both by the score's own gradient at the image, see `decisive`.
    """

    images: Tensor
    score: Tensor
    scores: Tensor
    near: Tensor
    color: Tensor
    gray: Tensor
    hue: Tensor
    hued: Tensor
    angle: Tensor
    oriented: Tensor

    @property
    def neutral(self) -> Tensor:
        """`[N]`, the score of mid gray."""
        return self.scores[:, 0]

    @property
    def shares(self) -> Tensor:
        """`[N, 5 + turns]`, each score as a share of the way from mid gray to the image's own."""
        way = (self.score - self.neutral).clamp_min(1e-30)
        return (self.scores - self.neutral[:, None]) / way[:, None]

    @property
    def decisive(self) -> Tensor:
        """`[N, 3]`, the shares left without color, without shape, without both.

        An image may survive either loss by the other thing that is in it: where a unit takes the
        maximum of two things, what shows one of them may have some of the other. So where both
        shares survive, but not the loss of both, those of the gradient decide: it leads to what
        won.
        """
        shares = self.shares[:, [1, 3, 4]]
        survives = shares >= SURVIVES
        mixed = survives[:, 0] & survives[:, 1] & ~survives[:, 2]
        return torch.where(mixed[:, None], self.near, shares)

    def __len__(self) -> int:
        """Returns N."""
        return len(self.images)


def profile(
    subject: Subject, objectives: Sequence[Objective], images: Tensor, window: Window
) -> Profiles:
    """Intervenes on images and computes what is left of their scores.

    Args:
        subject: The CNN under study.
        objectives: N objectives of one layer.
        images: `[N, C, H, W]` in [0, 1].
        window: Where they look.
    """
    gradient = gradients(subject, objectives, images)
    weights = gradient.abs().sum(1)
    gray = without_color(images)
    mixed = interventions.shuffled(images, window)
    colors = interventions.flat_colors(images, weights, window)
    flats = [interventions.flat(each, images) for each in colors]

    def score(variant: Tensor) -> Tensor:
        return scores(subject, objectives, variant).double()

    of_flats = torch.stack([score(patch) for patch in flats])
    of_grays = torch.stack([score(without_color(patch)) for patch in flats])
    best, best_gray = of_flats.argmax(0), of_grays.argmax(0)
    each = torch.arange(len(images))
    hue, hued = _local_hue(subject, objectives, images)
    angle, oriented = _local_angle(subject, objectives, images, flats[0], window)
    after = [
        score(torch.full_like(images, 0.5)),
        score(gray),
        torch.stack([score(order) for order in mixed]).mean(0),
        of_flats.amax(0),
        of_grays.amax(0),
    ]
    if images.shape[1] == 3:
        after += [score(interventions.hue_turned(images, turn)) for turn in TURNS]
    return Profiles(
        images=images,
        score=score(images),
        scores=torch.stack(after, 1),
        color=colors[best, each],
        gray=without_color(colors[best_gray, each, :, None, None])[..., 0, 0],
        hue=hue,
        hued=hued,
        angle=angle,
        oriented=oriented,
        near=_shares_near(gradient, images, gray, flats),
    )


def _shares_near(gradient: Tensor, images: Tensor, gray: Tensor, flats: Sequence[Tensor]) -> Tensor:
    """The shares left without color, shape and both, were the score as linear as its gradient."""

    def rise(variant: Tensor) -> Tensor:
        return (gradient * (variant - 0.5)).sum((1, 2, 3)).double()

    of_flats = torch.stack([rise(each) for each in flats]).amax(0)
    of_grays = torch.stack([rise(without_color(each)) for each in flats]).amax(0)
    left = torch.stack([rise(gray), of_flats, of_grays], 1)
    return left / rise(images)[:, None].clamp_min(1e-30)


def _local_hue(
    subject: Subject, objectives: Sequence[Objective], images: Tensor
) -> tuple[Tensor, Tensor]:
    """The hues that units prefer near images, and how far all pixels agree on them.

    With the color drawn halfway back to gray, so that in a unit that needs color and shape it is
    the color that there is too little of. The sum of the gradient over the image is the response
    to a uniform tint, and the shape has no part in it.
    """
    none = torch.full((len(images),), math.nan)
    if images.shape[1] != 3:
        return none, torch.zeros(len(images))
    gray = without_color(images)
    x = y = length = torch.zeros(len(images), dtype=torch.float64)
    for share in (0.3, 0.6, 0.9):
        gradient = gradients(subject, objectives, torch.lerp(gray, images, share)).double()
        hue, strength = preferred_hue(gradient.movedim(1, -1))
        x = x + (strength * torch.deg2rad(hue).cos()).sum((1, 2))
        y = y + (strength * torch.deg2rad(hue).sin()).sum((1, 2))
        length = length + strength.sum((1, 2))
    hued = torch.hypot(x, y) / length.clamp_min(1e-300)
    return angle_of(x, y).where(hued >= OF_ONE_HUE, math.nan), hued


def _local_angle(
    subject: Subject,
    objectives: Sequence[Objective],
    images: Tensor,
    flats: Tensor,
    window: Window,
) -> tuple[Tensor, Tensor]:
    """The orientations that units prefer near images, and how well they are oriented.

    Of the gradient by brightness, with the shape drawn halfway back to the mean color, so that it
    is the shape that there is too little of: the bar that it agrees with best.
    """
    total = torch.zeros(len(images), *images.shape[2:])
    for share in (0.4, 0.7, 1.0):
        total += gradients(subject, objectives, torch.lerp(flats, images, share)).sum(1)
    kernel = window.crop(total)
    if min(kernel.shape[1:]) < 2:
        return torch.full((len(images),), math.nan), torch.zeros(len(images))
    kernel = torch.stack([_centered(each) for each in kernel])
    bars = _bars(*kernel.shape[1:])
    kernel = _normalized(kernel)
    agreement = (kernel @ bars.T).abs().view(len(images), -1, len(BAR_ANGLES)).amax(1)
    top, bottom = agreement.amax(1), agreement.amin(1)
    oriented = (top - bottom) / top.clamp_min(1e-30)
    angle = torch.stack([_peak_angle(curve) for curve in agreement])
    return angle.where(oriented >= ORIENTED, math.nan), oriented


def _centered(kernel: Tensor) -> Tensor:
    """Brings what a gradient `[h, w]` has into the middle, and a large one down to `KERNEL` pixels.

    The smallest square that has most of it comes alone into the middle of zeros, where bars of all
    angles pass through it alike. If that is too large, the whole is averaged over squares, which
    keeps angles.
    """
    height, width = (min(KERNEL, side) for side in kernel.shape)
    total = kernel.abs().sum()
    small = F.avg_pool2d(kernel[None], math.ceil(max(kernel.shape) / KERNEL))[0]
    for side in SQUARES:
        size = (min(side, height), min(side, width))
        mass = F.avg_pool2d(kernel.abs()[None], size, stride=1, divisor_override=1)[0]
        if mass.max() >= MOST_OF_IT * total:
            top, left = divmod(int(mass.argmax()), mass.shape[1])
            small = kernel[top : top + size[0], left : left + size[1]]
            break
    above, before = (height - small.shape[0]) // 2, (width - small.shape[1]) // 2
    below, after = height - small.shape[0] - above, width - small.shape[1] - before
    return F.pad(small, (before, after, above, below))


@lru_cache(maxsize=8)
def _bars(height: int, width: int) -> Tensor:
    """Normalized bars `[widths x offsets x angles, height x width]`, angles changing fastest."""
    return _normalized(stimuli.fine_bars((1, height, width), BAR_ANGLES))


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
    away = (torch.arange(n) - peak + n // 2) % n - n // 2
    if not top > bottom or curve[away.abs() >= n // 4].max() >= bottom + 0.9 * (top - bottom):
        return torch.tensor(math.nan)
    # What rises above the level of three quarters, next to the peak.
    level = bottom + 0.75 * (top - bottom)
    rise = (curve - level).clamp_min(0) * (away.abs() <= n // 6)
    return (((peak + (rise * away).sum() / rise.sum()) * 180 / n) % 180).float()
