"""The facets of a unit in both styles: each one's best, and what the other style makes of it."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import torch

from prober.ascent.styles import Style
from prober.ascent.targets import Target
from prober.common.frequencies import gaussian_blur
from prober.findings.examination import Examined
from prober.findings.facets import ComparedOptima, facet_of
from prober.findings.finding import Finding, StyledFacet
from prober.findings.finished_sweep import FinishedSweep
from prober.findings.maxima import FourMaxima
from prober.findings.optima import measure_optima
from prober.findings.picture_folder import PictureFolder
from prober.findings.search_starts import Start
from prober.findings.styled_pictures import FIRST
from prober.findings.survey import Survey
from prober.findings.units import Unit
from prober.findings.windows import Window
from prober.sweep.on_cores import on_cores
from prober.sweep.planned import PlannedTarget

SOFTENED, LEAST_SOFTENED = 0.05, 16
"""The width of the blur that takes the confetti out of a start, in parts of what a neuron sees, and
the pixels that this has at the least: in smaller fields single pixels are the picture."""


def plan_styled_facets(
    survey: Survey, examined: Sequence[Examined], style: Style
) -> list[PlannedTarget]:
    """Plans a picture in a style for each facet whose best optimum was made in the other one.

    Of units that have several. The ascent starts at that optimum, and maximizes what it does. A
    legible one starts at the optimum without its confetti, too, which it would not get rid of.
    """
    return [
        PlannedTarget(
            Target(survey.objective(each.unit).resolved(survey.subject), start, None, seed=0),
            f"{each.unit.folder(survey.subject)}/{variant}_seed0",
            variant,
        )
        for each in examined
        for number, (best, made_in) in enumerate(each.bests)
        if made_in != style
        for variant, start in _starts(number, best, survey.window(each.unit), style).items()
    ]


def _starts(number: int, optimum: Start, window: Window, style: Style) -> dict[str, Start]:
    """Returns where a facet's ascents in the other style start, by their variants."""
    as_it_is, soft = _variants(number)
    starts = {as_it_is: optimum}
    side = min(window.height, window.width)
    if style == FIRST and side >= LEAST_SOFTENED:
        blurred = gaussian_blur(optimum.image, SOFTENED * side)
        starts[soft] = Start.of(optimum.origin, blurred.clamp(0, 1))
    return starts


def _variants(number: int) -> tuple[str, str]:
    """What the pictures of a facet are called: from its optimum as it is, and softened."""
    return f"facet{number}", f"facet{number}_soft"


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
    return on_cores(lambda each: _styled(survey, each, made, maxima, folder), list(examined), cores)


def _styled(
    survey: Survey,
    examined: Examined,
    made: Sequence[FinishedSweep],
    maxima: Mapping[Unit, FourMaxima],
    folder: Path,
) -> Finding:
    """Adds both styles to the facets of one unit, if it has several."""
    if not examined.bests:
        return examined.finding
    unit, bests, facets = examined.unit, examined.bests, examined.finding.facets
    subject, window = survey.subject, survey.window(unit)
    pictures = PictureFolder(folder, unit.folder(subject))
    made_of = {shown.variant: (sweep, shown) for sweep in made for shown in sweep.of(unit)}
    images, others = [start.image for start, _ in bests], []
    for number in range(len(bests)):
        for variant in reversed(_variants(number)):  # the softened one before the other
            if variant in made_of:  # else it was not asked for, or failed
                sweep, shown = made_of[variant]
                images.append(sweep.image(shown))
                others.append((number, shown))
    (optima,) = measure_optima(survey, [unit], [torch.stack(images)], [maxima[unit]])
    styles = [
        [StyledFacet(style, facet.score, facet.pictures[0])]
        for (_, style), facet in zip(bests, facets, strict=True)
    ]
    compared = ComparedOptima(subject, survey.objective(unit), optima, survey.curves(unit))
    for one, (number, shown) in enumerate(others, len(facets)):
        if len(styles[number]) == 1 and facet_of(compared, range(len(facets)), one) == number:
            name = f"facet{number}_{shown.style}.png"
            path = pictures.draw(name, window.crop(optima.images[one]))
            styles[number].append(StyledFacet(shown.style, shown.score, path))
    return replace(
        examined.finding,
        facets=tuple(
            replace(facet, styles=tuple(sorted(own, key=lambda each: each.style != FIRST)))
            for facet, own in zip(facets, styles, strict=True)
        ),
    )
