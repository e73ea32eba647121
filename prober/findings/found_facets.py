"""What the search has found of a unit: its optima and its facets."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from prober.ascent.styles import Style
from prober.common.inputs import plane_of
from prober.findings.evolutions import shown_of
from prober.findings.facets import ComparedOptima, Group, facet_shown, group_optima, runner_up
from prober.findings.finding import ScoreRange
from prober.findings.finished_sweep import FinishedSweep, SweepPicture
from prober.findings.maxima import FourMaxima
from prober.findings.optima import Optima, measure_optima
from prober.findings.preferences import preferences
from prober.findings.search_starts import Start
from prober.findings.survey import Survey
from prober.findings.units import Unit
from prober.findings.verdict import settled
from prober.findings.windows import Window


@dataclass(frozen=True)
class Found:
    """What the search has found of a unit that is not dead.

    Attributes:
        maxima: Its maxima.
        visualizations: Those whose images the optima are; none if every start has failed.
        optima: The optima.
        groups: The facets, the best first.
        runner_up: How far what comes nearest to another facet goes, see `facets.runner_up`.
    """

    maxima: FourMaxima
    visualizations: list[SweepPicture]
    optima: Optima
    groups: list[Group]
    runner_up: float | None

    @property
    def score(self) -> ScoreRange:
        """How far the unit's score goes."""
        return ScoreRange(self.maxima.neutral.item(), self.maxima.scores[0].item())

    @property
    def starts(self) -> dict[str, int]:
        """How many starts of each origin there were."""
        origins = [v.record["initial_image"].get("sort", "noise") for v in self.visualizations]
        return {origin: origins.count(origin) for origin in dict.fromkeys(origins)}

    @property
    def bests_of_several(self) -> list[tuple[Start, Style]]:
        """The best optimum of each facet, as a start, and its style, if there are several."""
        if len(self.groups) < 2:
            return []
        bests = [group.members[0] for group in self.groups]
        return [
            (Start.of("facet", self.optima.images[i]), self.visualizations[i].style) for i in bests
        ]


def find_facets(
    survey: Survey,
    units: Sequence[Unit],
    maxima: Mapping[Unit, FourMaxima],
    searched: FinishedSweep | None,
) -> dict[Unit, Found]:
    """Measures all optima of units of one site and groups them.

    Args:
        survey: What units answer to images that are at hand.
        units: The units; those that are dead are left out.
        maxima: The maxima of every unit that is not dead.
        searched: What the search for facets has made; None if every unit is dead.
    """
    live = [unit for unit in units if unit in maxima]
    if not live or searched is None:
        return {}
    shown, images = zip(*(_optima_of(survey, unit, searched) for unit in live), strict=True)
    measured = measure_optima(survey, live, images, [maxima[unit] for unit in live])
    return {
        unit: _grouped(survey, unit, maxima[unit], optima, own)
        for unit, optima, own in zip(live, measured, shown, strict=True)
    }


def _optima_of(
    survey: Survey, unit: Unit, searched: FinishedSweep
) -> tuple[list[SweepPicture], Tensor]:
    own, more = survey.candidates(unit), searched.of(unit)
    images = [sweep.images(v) for sweep, v in ((survey.sweep, own), (searched, more)) if v]
    # Should every start have failed, mid gray is all that there is to show.
    gray = torch.full((1, *survey.subject.input_shape), 0.5)
    return [*own, *more], torch.cat(images or [gray])


def _grouped(
    survey: Survey, unit: Unit, maxima: FourMaxima, optima: Optima, shown: list[SweepPicture]
) -> Found:
    compared = ComparedOptima(survey.subject, survey.objective(unit), optima, survey.curves(unit))
    # Should the search for facets have found more, that is the maximum.
    maxima = maxima.or_better(optima.images[optima.score.argmax()], optima.score.max())
    groups = group_optima(compared, maxima)
    second = runner_up(compared, groups, maxima)
    groups = settled(groups, compared.curves, maxima.gain.item())
    return Found(maxima, shown, optima, groups, second)


def facets_by_stem(survey: Survey, unit: Unit, found: Found) -> dict[str, int | None]:
    """Tells which facet the sweep's pictures of a unit show, by their stems.

    Also those of the whole channel and of other positions, and those of this neuron that had to be
    robust against being moved: their scores cannot come near to those of the search.
    """
    shown: dict[str, int | None] = {}
    objective = survey.objective(unit)
    others = [
        other
        for other in shown_of(survey.sweep, unit)
        if other.objective != objective or other.record.get("transforms")
    ]
    if others:
        whole = Window(None, 0, 0, *plane_of(survey.subject.input_shape)[1:])
        objectives = [other.objective for other in others]
        images = survey.sweep.images(others)
        near = preferences(survey.subject, objectives, images, whole)
        numbers = facet_shown(near, found.groups)
        shown |= {v.record["stem"]: n for v, n in zip(others, numbers, strict=True)}
    if found.visualizations:
        stems = [v.record["stem"] for v in found.visualizations]
        shown |= {stems[m]: n for n, group in enumerate(found.groups) for m in group.members}
    return shown
