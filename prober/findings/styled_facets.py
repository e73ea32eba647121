"""The facets of a unit in both styles: each one's best, and what the other style makes of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import torch

from prober.ascent.styles import Style
from prober.ascent.targets import Target
from prober.common.drawn_inputs import drawn_one
from prober.common.pictures import enlarged_png
from prober.findings.cut_cnn import CutCNN
from prober.findings.facets import facet_of
from prober.findings.finding import Facet, Finding, StyledFacet
from prober.findings.finished_sweep import FinishedSweep
from prober.findings.found_facets import Found
from prober.findings.maxima import FourMaxima
from prober.findings.on_cores import on_cores
from prober.findings.optima import measure_optima
from prober.findings.picture_folder import PictureFolder
from prober.findings.starts import Start
from prober.findings.styled_pictures import FIRST, style_beside
from prober.findings.survey import Survey
from prober.findings.units import Site, Unit
from prober.sweep.planned import PlannedTarget


@dataclass(frozen=True, eq=False)
class FacetBests:
    """The best optima of the facets of a unit that has several.

    Attributes:
        unit: The unit.
        starts: For each facet its best optimum, as a start.
        styles: The styles that they were made in.
    """

    unit: Unit
    starts: tuple[Start, ...]
    styles: tuple[Style, ...]


def bests_of_several(unit: Unit, found: Found) -> list[FacetBests]:
    """Returns the best optima of a unit's facets; nothing if it has not several."""
    if len(found.groups) < 2:
        return []
    bests = [group.members[0] for group in found.groups]
    starts = (Start.of("facet", found.optima.images[best]) for best in bests)
    styles = (found.visualizations[best].record.get("style", "plain") for best in bests)
    return [FacetBests(unit, tuple(starts), tuple(styles))]


def plan_styled_facets(
    survey: Survey, several: Sequence[FacetBests], style: Style
) -> list[PlannedTarget]:
    """Plans a picture in a style for each facet whose best optimum was made in the other one.

    The ascent starts at that optimum, and maximizes what it does.
    """
    return [
        PlannedTarget(
            Target(survey.objective(bests.unit).resolved(survey.subject), start, None, seed=0),
            f"{bests.unit.folder}/{_variant(number)}_seed0",
            _variant(number),
        )
        for bests in several
        for number, (start, own) in enumerate(zip(bests.starts, bests.styles, strict=True))
        if own != style
    ]


def _variant(number: int) -> str:
    return f"facet{number}"


def draw_styled_facets(
    survey: Survey,
    maxima: Mapping[Unit, FourMaxima],
    findings: Sequence[Finding],
    several: Sequence[FacetBests],
    made: Mapping[Style, FinishedSweep],
    folder: Path,
    cores: int,
) -> list[Finding]:
    """Writes the pictures of facets in the other style, and adds both styles to the findings.

    Args:
        survey: What units answer to images that are at hand.
        maxima: The maxima of every unit that is not dead.
        findings: What was found of the units.
        several: The best optima of those that have several facets.
        made: For each style the pictures that were planned in it.
        folder: The report's folder.
        cores: How many processes may share the work.

    Returns:
        The findings, in the same order.
    """
    facets = {Unit(each.layer, each.channel, each.position): each.facets for each in findings}

    @lru_cache(1)  # a copy of the CNN, for the units of one site
    def cut(site: Site) -> CutCNN:
        return CutCNN(survey.subject, site[0], survey.windows[site])

    def styled(bests: FacetBests) -> tuple[Facet, ...]:
        unit = bests.unit
        own = facets[unit], maxima[unit], cut(unit.site), PictureFolder(folder, unit)
        return _styled(survey, bests, made, *own)

    drawn = on_cores(styled, list(several), cores)
    facets |= {bests.unit: own for bests, own in zip(several, drawn, strict=True)}
    return [
        replace(finding, facets=own) for finding, own in zip(findings, facets.values(), strict=True)
    ]


def _styled(
    survey: Survey,
    bests: FacetBests,
    made: Mapping[Style, FinishedSweep],
    facets: Sequence[Facet],
    maxima: FourMaxima,
    cut: CutCNN,
    folder: PictureFolder,
) -> tuple[Facet, ...]:
    """Adds both styles to the facets of one unit."""
    unit, objective = bests.unit, survey.objective(bests.unit)
    window, curves = survey.window(unit), survey.curves(unit)
    shown_in = {
        style: {shown.variant: shown for shown in sweep.of(unit)} for style, sweep in made.items()
    }
    images, others = [start.image for start in bests.starts], []
    for number, own in enumerate(bests.styles):
        style = style_beside(own)
        if shown := shown_in[style].get(_variant(number)):  # else it failed
            images += made[style].images([shown])
            others.append((number, style, shown.score))
    (optima,) = measure_optima(
        survey.subject, [objective], [unit.channel], [torch.stack(images)], [maxima], window, cut
    )
    styles = [
        [StyledFacet(own, facet.score, facet.pictures[0])]
        for own, facet in zip(bests.styles, facets, strict=True)
    ]
    firsts = range(len(facets))
    for one, (number, style, score) in enumerate(others, len(facets)):
        if facet_of(survey.subject, objective, optima, curves, firsts, one) == number:
            picture = enlarged_png(drawn_one(window.crop(optima.images[one])))
            path = folder.write(f"facet{number}_{style}.png", picture)
            styles[number].append(StyledFacet(style, score, path))
    return tuple(
        replace(facet, styles=tuple(sorted(own, key=lambda each: each.style != FIRST)))
        for facet, own in zip(facets, styles, strict=True)
    )
