"""Optima: images that excite a unit, what is near them, and what their gain is due to."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from prober.findings.finding import Shares
from prober.findings.kinds import shares_of
from prober.findings.maxima import FourMaxima
from prober.findings.nearby_maxima import FACET_VALLEY, lowest_between, maxima_nearby
from prober.findings.preferences import Preferences, preferences
from prober.findings.responses import scores
from prober.findings.survey import Survey
from prober.findings.units import Unit


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
        color: `[N, C]`, the mean color of what the unit sees of them; likewise.
    """

    images: Tensor
    score: Tensor
    neutral: float
    reached: Tensor
    flat_color: Tensor
    near: Preferences
    color: Tensor

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
    survey: Survey,
    units: Sequence[Unit],
    images: Sequence[Tensor],
    maxima: Sequence[FourMaxima],
) -> list[Optima]:
    """Measures what excites U units of one site, together: small batches cost what large ones do.

    Args:
        survey: Of the CNN under study.
        units: The units.
        images: For each unit `[N, C, H, W]` in [0, 1], what excites it.
        maxima: Their maxima.
    """
    subject, window = survey.subject, survey.window(units[0])
    cut = survey.cut_cnn(units[0].site)
    which = [u for u, own in enumerate(images) for _ in range(len(own))]  # the unit of each image
    parts = torch.arange(len(which)).split([len(own) for own in images])
    pictures, channel = torch.cat(list(images)), torch.tensor([units[u].channel for u in which])
    objectives = [window.objective(units[u]) for u in which]
    score = scores(subject, objectives, pictures).double()
    neutral = torch.stack([maxima[u].neutral for u in which]).double()
    best = torch.stack([part[score[part].argmax()] for part in parts])
    # Where no valley lies between an image and the best one, it is of the same facet whatever is
    # near it, which is what costs most to find out.
    fields = cut.crop(pictures)
    lowest = lowest_between(cut, channel, fields[best[which]], fields).double()
    apart = lowest - neutral < FACET_VALLEY * (score - neutral)
    apart[best] = True
    measured = apart.nonzero()[:, 0].tolist()
    own_maxima = [maxima[which[i]] for i in measured]
    reached, colors = maxima_nearby(cut, channel[apart], pictures[apart], own_maxima)
    near = preferences(subject, [objectives[i] for i in measured], pictures[apart], window)
    mean = fields[apart].mean((2, 3))
    own = apart.cumsum(0) - 1  # where what is apart is found
    of = own.where(apart, own[best[which]])
    return [
        Optima(
            images=images[u],
            score=score[part],
            neutral=maxima[u].neutral.item(),
            reached=reached[of[part]],
            flat_color=colors[of[part]],
            near=Preferences(*(preferred[of[part]] for preferred in near)),
            color=mean[of[part]],
        )
        for u, part in enumerate(parts)
    ]
