"""Dead units, to which nothing that was tried makes a difference, and those nearly so."""

import copy
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from prober.ascent.method import Method
from prober.findings.ascents import awaken
from prober.findings.responses import responses, scores
from prober.findings.tuning import Battery
from prober.findings.units import Site, Unit
from prober.findings.windows import Window
from prober.subject import Subject

LEAST_DIFFERENCE = 1e-6
"""A unit looks dead if its responses lie this near to each other, relative to their size, …"""

ROUNDINGS = 20
"""… or no farther apart than so many times what rounding was seen to move them by."""

FAINT = 1e-4
"""A unit is faint whose score goes by less than this share as far as its layer's strongest one's.
Pruning and weight decay leave some of 1e-6 and less; of the shipped CNNs' the least has 0.08."""


def looks_dead(responses: Tensor, rounding: Tensor) -> bool:
    """Tells whether a unit's responses are all the same, but for rounding.

    Args:
        responses: `[N]`.
        rounding: By how much rounding was seen to move them.
    """
    spread = responses.max() - responses.min()
    least = torch.maximum(LEAST_DIFFERENCE * responses.abs().max(), ROUNDINGS * rounding)
    return bool(spread <= least)


def why_dead(tried: str) -> str:
    """Says of what was tried that nothing moves a unit."""
    return f"Nothing that was tried makes a difference to it: {tried}."


def why_faint(gain: float, strongest: float) -> list[str]:
    """Says that a unit is faint; nothing of one that is not, or that nothing excites.

    Args:
        gain: How far its score goes.
        strongest: How far that of the strongest unit of its layer that was probed does.
    """
    if not 0 < gain < FAINT * strongest:
        return []
    return [
        f"Its score goes up by {gain:.2g} at the most, that of its layer's strongest unit by "
        f"{strongest:.2g}: unless what follows enlarges it, it counts for nothing."
    ]


def moved_by_rounding(
    subject: Subject, battery: Battery, windows: Mapping[Site, Window]
) -> dict[Site, Tensor]:
    """Measures by how much rounding alone moves each channel of each site, `[channels]`.

    A unit whose parts cancel each other answers with what their rounding leaves over.
    """
    images = battery.images(battery.numbers("gray", "hue").tolist())
    rough = responses(subject, images, windows)
    fine = responses(copy.deepcopy(subject).double(), images, windows)
    return {site: (rough[site].strongest - fine[site].strongest).abs().amax(0) for site in windows}


def split_dead(
    subject: Subject,
    units: Sequence[Unit],
    window: Window,
    answered: Sequence[Tensor],
    rounding: Tensor,
    method: Method,
) -> tuple[list[Unit], dict[Unit, Tensor]]:
    """Looks for signs of life in units of one site.

    Flat and striped images, pictures of all units and real images may move them; if not, an ascent
    through ReLUs that leak may lead to where they are, or one in pixels.

    Args:
        subject: The CNN under study.
        units: The units.
        window: Where they look.
        answered: `[N, channels]` each, the responses to the images that were tried, the first of
            them to flat and striped ones.
        rounding: `[channels]`, by how much rounding was seen to move them.
        method: How images are optimized.

    Returns:
        The units that are dead, and for those that had to be awakened the image that did it.
    """
    suspects = list(units)
    for tried in answered:
        # Images that all move it alike look still but beside one that does not.
        with_one_flat = torch.cat([tried, answered[0][:1]])
        suspects = [
            unit
            for unit in suspects
            if looks_dead(with_one_flat[:, unit.channel], rounding[unit.channel])
        ]
    awakened: dict[Unit, Tensor] = {}
    # Pixels reach what soft pictures, which are moved, do not.
    for ascent, nearest in ((method, False), (Method(style="plain"), True)):
        if not suspects:
            break
        objectives = [window.objective(unit) for unit in suspects]
        images = awaken(subject, objectives, ascent, nearest)
        before = scores(subject, objectives, torch.full_like(images, 0.5))
        after = scores(subject, objectives, images)
        for unit, image, *pair in zip(suspects, images, before, after, strict=True):
            if not looks_dead(torch.stack(pair), rounding[unit.channel]):
                awakened[unit] = image
        suspects = [unit for unit in suspects if unit not in awakened]
    return suspects, awakened
