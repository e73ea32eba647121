"""The search for facets: an ascent for every live unit from each of its starts."""

from collections.abc import Sequence

import torch
from torch import Tensor

from prober.ascent.regularizers import L2, TotalVariation
from prober.ascent.starts import InitialImage
from prober.ascent.targets import Target
from prober.findings.ascents import push_away
from prober.findings.batches import images_at_once
from prober.findings.effort import effort
from prober.findings.responses import scores
from prober.findings.search_starts import Start, choose_starts, various_initial_images
from prober.findings.survey import Survey
from prober.findings.units import Unit
from prober.sweep.on_cores import on_cores
from prober.sweep.planned import PlannedTarget

PENALTY = 0.02
"""The weight of the search's penalties, as a share of the gain: whatever the scale of a unit,
pixels that hardly matter to it come out dark and smooth."""

KNOWN_IMAGES = 12
"""Images that a start is pushed away from, at the most."""

KNOWN_SHARE = 0.5
"""The share of the gain from which on an image is one that excites its unit."""

HELD_IMAGES = 32
"""Images that the search holds for one unit while it chooses its starts, at the most."""


def plan_search(survey: Survey, cores: int) -> list[PlannedTarget]:
    """Plans the search for facets: for every live unit a target from each of its starts.

    Args:
        survey: What units answer to images that are at hand.
        cores: How many processes may share the work.
    """
    at_once = max(1, images_at_once(survey.subject) // HELD_IMAGES)
    planned = on_cores(lambda units: _plan(survey, units), survey.live(at_once), cores)
    return [target for of_units in planned for target in of_units]


def _plan(survey: Survey, units: Sequence[Unit]) -> list[PlannedTarget]:
    """Plans for units of one site."""
    starts = [
        [*([Start.of("awakened", survey.awakened[unit])] if unit in survey.awakened else []), *own]
        for unit, own in zip(units, choose_starts(survey, units), strict=True)
    ]
    known, gains = _known(survey, units, starts)
    pushed = _pushed_away(survey, units, known, gains)
    return [
        planned
        for unit, own, more, gain in zip(units, starts, pushed, gains, strict=True)
        for planned in _targets(survey, unit, [*own, *more], gain)
    ]


def _known(
    survey: Survey, units: Sequence[Unit], starts: Sequence[Sequence[Start]]
) -> tuple[list[Tensor], list[float]]:
    """The images `[K, C, H, W]` that are known to excite each unit, and how far its score goes."""
    known, gains = [], []
    for unit, own in zip(units, starts, strict=True):
        images = torch.stack([start.image for start in own])
        if candidates := survey.candidates(unit):
            images = torch.cat([images, survey.sweep.images(candidates)])
        objectives = [survey.objective(unit)] * len(images)
        score = scores(survey.subject, objectives, images).double()
        neutral = survey.curves(unit).neutral
        gain = (score.max() - neutral).item()
        gain = gain if gain > 0 else (score.max() - score.min()).item()
        gains.append(gain if gain > 0 else 1.0)
        best = score.argsort(descending=True)[:KNOWN_IMAGES]
        known.append(images[best[score[best] - neutral >= KNOWN_SHARE * gain]])
    return known, gains


def _pushed_away(
    survey: Survey, units: Sequence[Unit], known: Sequence[Tensor], gains: Sequence[float]
) -> list[list[Start]]:
    """For each unit starts that are pushed away from what excites it."""
    objectives = [survey.objective(unit) for unit in units]
    scale, window = torch.tensor(gains, dtype=torch.float64), survey.window(units[0])
    subject, method = survey.subject, survey.method
    with torch.autocast(subject.mean.device.type, torch.bfloat16, enabled=survey.half):
        pushed = push_away(subject, objectives, known, scale, window, method)
    return [[Start.of("pushed away", image) for image in own] for own in zip(*pushed, strict=True)]


def _targets(
    survey: Survey, unit: Unit, starts: Sequence[Start], gain: float
) -> list[PlannedTarget]:
    subject = survey.subject
    penalties = (L2(PENALTY * gain), TotalVariation(PENALTY * gain))
    objective = survey.objective(unit).resolved(subject)
    named: list[tuple[str, InitialImage]] = [
        ("noise", noise)
        for noise in various_initial_images(subject.input_shape)[: effort(subject).noises]
    ]
    named += [(start.origin.replace(" ", "_"), start) for start in starts]
    return [
        PlannedTarget(
            Target(objective, start, penalties, seed=0),
            f"{unit.folder(subject)}/{i:02d}_{name}_seed0",
            f"{i:02d}_{name}",
        )
        for i, (name, start) in enumerate(named)
    ]
