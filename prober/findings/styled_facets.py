"""The facets of a unit in both styles: each one's best, and what the other style makes of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Self

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

    @classmethod
    def of(cls, unit: Unit, found: Found) -> Self:
        """Takes them from what the search has found of a unit."""
        bests = [group.members[0] for group in found.groups]
        return cls(
            unit,
            tuple(Start.of("facet", found.optima.images[best]) for best in bests),
            tuple(found.visualizations[best].record.get("style", "plain") for best in bests),
        )


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
    unit, number = bests.unit, len(facets)
    objective, window = survey.objective(unit), survey.window(unit)
    beside = [style_beside(own) for own in bests.styles]
    found = {
        (style, shown.variant): (sweep, shown)
        for style, sweep in made.items()
        for shown in sweep.of(unit)
    }
    others = [
        found.get((style, _variant(n))) for n, style in enumerate(beside)
    ]  # None if it failed
    images = [start.image for start in bests.starts]
    images += [sweep.images([shown])[0] for sweep, shown in filter(None, others)]
    (optima,) = measure_optima(
        survey.subject, [objective], [unit.channel], [torch.stack(images)], [maxima], window, cut
    )
    styled, last = [], number
    for n, (facet, own, style, other) in enumerate(
        zip(facets, bests.styles, beside, others, strict=True)
    ):
        pictures = [StyledFacet(own, facet.score, facet.pictures[0])]
        if other is not None:
            curves, one, last = survey.curves(unit), last, last + 1
            if facet_of(survey.subject, objective, optima, curves, range(number), one) == n:
                picture = enlarged_png(drawn_one(window.crop(optima.images[one])))
                path = folder.write(f"facet{n}_{style}.png", picture)
                pictures.append(StyledFacet(style, other[1].score, path))
        in_order = sorted(pictures, key=lambda each: each.style != FIRST)
        styled.append(replace(facet, styles=tuple(in_order)))
    return tuple(styled)
