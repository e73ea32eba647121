"""Optima: images that excite a unit, what is near them, and what their gain is due to."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from prober.ascent.objectives import Objective
from prober.common.colors import distance
from prober.findings.cut_cnn import CutCNN
from prober.findings.finding import Shares
from prober.findings.kinds import shares_of
from prober.findings.maxima import FourMaxima
from prober.findings.nearby_maxima import FACET_VALLEY, lowest_between, maxima_nearby
from prober.findings.preferences import local_hue, local_orientation
from prober.findings.responses import scores
from prober.findings.windows import Window
from prober.subject import Subject


class Preferences(NamedTuple):
    """What units prefer near N images.

    Attributes:
        hue: `[N]`, degrees, the hue; NaN where there is none.
        hue_agreement: `[N]`, how far the pixels agree on it, 0 (each wants another hue) to 1.
        orientation: `[N]`, degrees, the orientation; NaN likewise.
        orientation_contrast: `[N]`, how well it is oriented, 0 to 1: how much less the orientation
            that it agrees with least has than the one that it agrees with most.
    """

    hue: Tensor
    hue_agreement: Tensor
    orientation: Tensor
    orientation_contrast: Tensor


@dataclass(frozen=True)
class Optima:
    """N images that excite one unit.

    Attributes:
        images: `[N, C, H, W]`.
        score: `[N]`.
        neutral: The score of mid gray.
        reached: `[N, 4]`, the largest scores with and without color and shape that can be reached
            from each image without leaving its facet, see `nearby_maxima`; of an image that is of
            the best one's facet, those of the best one.
        flat_color: `[N, C]`, the color of the flat image that reached most; likewise.
        near: What the unit prefers near them; likewise.
    """

    images: Tensor
    score: Tensor
    neutral: float
    reached: Tensor
    flat_color: Tensor
    near: Preferences

    @property
    def gain(self) -> Tensor:
        """`[N]`, how far each score lies above that of mid gray."""
        return self.score - self.neutral

    @property
    def shares(self) -> list[Shares]:
        """What the gain of each is due to."""
        found = shares_of(torch.tensor(self.neutral), self.reached).nan_to_num(0.0)
        return [Shares(*row) for row in found.tolist()]

    def __len__(self) -> int:
        """Returns N."""
        return len(self.images)


def measure_optima(
    subject: Subject,
    objective: Objective,
    images: Tensor,
    window: Window,
    cut: CutCNN,
    maxima: FourMaxima,
    channel: int,
) -> Optima:
    """Measures what excites a unit.

    Args:
        subject: The CNN under study.
        objective: The unit's objective.
        images: `[N, C, H, W]` in [0, 1].
        window: Where it looks.
        cut: The CNN cut down to that.
        maxima: Its maxima.
        channel: Its channel.
    """
    score = scores(subject, [objective] * len(images), images).double()
    neutral = maxima.neutral.item()
    best = int(score.argmax())
    # Where no valley lies between an image and the best one, it is of the same facet whatever is
    # near it, which is what costs most to find out.
    fields = cut.crop(images)
    lowest = lowest_between(cut, channel, fields[[best]].expand_as(fields), fields).double()
    apart = lowest - neutral < FACET_VALLEY * (score - neutral)
    apart[best] = True
    reached, colors = maxima_nearby(cut, channel, images[apart], maxima)
    near = preferences(subject, [objective] * len(reached), images[apart], window)
    own = apart.cumsum(0) - 1  # where what is apart is found
    of = own.where(apart, own[best])
    return Optima(
        images=images,
        score=score,
        neutral=neutral,
        reached=reached[of],
        flat_color=colors[of],
        near=Preferences(*(preferred[of] for preferred in near)),
    )


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
    mean = window.crop(images).mean((2, 3), keepdim=True).expand_as(images)
    return Preferences(
        *local_hue(subject, objectives, images),
        *local_orientation(subject, objectives, images, mean, window),
    )


def known_distance(one: float, other: float, period: float) -> float:
    """Returns the distance of two angles on a circle; 0 if one of them is none (NaN)."""
    away = distance(one, other, period)
    return away if away == away else 0.0
