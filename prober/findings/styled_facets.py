"""The facets of a unit in both styles: each one's best, and what the other style makes of it."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import torch

from prober.ascent.styles import Style
from prober.ascent.targets import Target
from prober.findings.examination import Examined
from prober.findings.facets import ComparedOptima, facet_of
from prober.findings.finding import Facet, Finding, StyledFacet
from prober.findings.finished_sweep import FinishedSweep
from prober.findings.maxima import FourMaxima
from prober.findings.on_cores import on_cores
from prober.findings.optima import measure_optima
from prober.findings.picture_folder import PictureFolder
from prober.findings.styled_pictures import FIRST
from prober.findings.survey import Survey
from prober.findings.units import Unit
from prober.sweep.planned import PlannedTarget


def plan_styled_facets(
    survey: Survey, examined: Sequence[Examined], style: Style
) -> list[PlannedTarget]:
    """Plans a picture in a style for each facet whose best optimum was made in the other one.

    Of units that have several. The ascent starts at that optimum, and maximizes what it does.
    """
    return [
        PlannedTarget(
            Target(survey.objective(each.unit).resolved(survey.subject), best.start, None, seed=0),
            f"{each.unit.folder(survey.subject)}/{_variant(number)}_seed0",
            _variant(number),
        )
        for each in examined
        for number, best in enumerate(each.bests)
        if best.style != style
    ]


def _variant(number: int) -> str:
    return f"facet{number}"


def draw_styled_facets(
    survey: Survey,
    maxima: Mapping[Unit, FourMaxima],
    examined: Sequence[Examined],
    made: Sequence[FinishedSweep],
    folder: Path,
    cores: int,
) -> list[Finding]:
    """Writes the pictures of facets in the other style, and adds both styles to the findings.

    Args:
        survey: What units answer to images that are at hand.
        maxima: The maxima of every unit that is not dead.
        examined: What was found of the units.
        made: The pictures that were planned, those of each style.
        folder: The report's folder.
        cores: How many processes may share the work.

    Returns:
        The findings, in the same order.
    """
    several = {each.unit: each for each in examined if each.bests}

    def styled(unit: Unit) -> tuple[Facet, ...]:
        return _styled(
            survey,
            several[unit],
            made,
            maxima[unit],
            PictureFolder(folder, unit.folder(survey.subject)),
        )

    drawn = dict(zip(several, on_cores(styled, list(several), cores), strict=True))
    return [
        replace(each.finding, facets=drawn[each.unit]) if each.unit in drawn else each.finding
        for each in examined
    ]


def _styled(
    survey: Survey,
    examined: Examined,
    made: Sequence[FinishedSweep],
    maxima: FourMaxima,
    folder: PictureFolder,
) -> tuple[Facet, ...]:
    """Adds both styles to the facets of one unit."""
    unit, bests, facets = examined.unit, examined.bests, examined.finding.facets
    subject, window = survey.subject, survey.window(unit)
    made_of = {shown.variant: (sweep, shown) for sweep in made for shown in sweep.of(unit)}
    images, others = [best.start.image for best in bests], []
    for number in range(len(bests)):
        if _variant(number) in made_of:  # else it failed
            sweep, shown = made_of[_variant(number)]
            images.append(sweep.image(shown))
            others.append((number, shown))
    (optima,) = measure_optima(
        subject, [unit], [torch.stack(images)], [maxima], window, survey.cut_cnn(unit.site)
    )
    styles = [
        [StyledFacet(best.style, facet.score, facet.pictures[0])]
        for best, facet in zip(bests, facets, strict=True)
    ]
    compared = ComparedOptima(subject, survey.objective(unit), optima, survey.curves(unit))
    for one, (number, shown) in enumerate(others, len(facets)):
        if facet_of(compared, range(len(facets)), one) == number:
            name = f"facet{number}_{shown.style}.png"
            path = folder.draw(name, window.crop(optima.images[one]))
            styles[number].append(StyledFacet(shown.style, shown.score, path))
    return tuple(
        replace(facet, styles=tuple(sorted(own, key=lambda each: each.style != FIRST)))
        for facet, own in zip(facets, styles, strict=True)
    )
