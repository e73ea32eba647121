"""The examination: from what the search has found of each unit to its finding."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from prober.ascent.method import is_large
from prober.ascent.styles import Style
from prober.findings.batches import batches
from prober.findings.dead_units import why_faint
from prober.findings.evidence import gather
from prober.findings.facet_pictures import draw_facet
from prober.findings.finding import Finding
from prober.findings.finished_sweep import FinishedSweep
from prober.findings.found_facets import Found, find_facets
from prober.findings.maxima import FourMaxima
from prober.findings.picture_folder import PictureFolder
from prober.findings.points import Point, points_of
from prober.findings.real_evidence import real_doubts
from prober.findings.search_starts import Start
from prober.findings.survey import Survey
from prober.findings.trust import judge
from prober.findings.units import Unit
from prober.findings.verdict import conclude, of_the_dead
from prober.sweep.on_cores import on_cores

UNITS_AT_ONCE = 4
"""Units that are examined together; processes share the work by them."""


@dataclass(frozen=True)
class Examined:
    """What the examination of a unit gives.

    Attributes:
        unit: The unit.
        finding: What is found of it.
        points: The best optima of its facets for TensorBoard's projector.
        bests: If it has several facets, the best optimum of each, as a start, and the style that it
            was made in; else none.
    """

    unit: Unit
    finding: Finding
    points: list[Point]
    bests: list[tuple[Start, Style]]


def examine(
    survey: Survey,
    maxima: Mapping[Unit, FourMaxima],
    searched: FinishedSweep | None,
    folder: Path,
    cores: int,
) -> list[Examined]:
    """Gathers the evidence, writes its pictures and draws the conclusions.

    Args:
        survey: What units answer to images that are at hand.
        maxima: The maxima of every unit that is not dead.
        searched: What the search for facets has made; None if every unit is dead.
        folder: The report's folder.
        cores: How many processes may share the work.

    Returns:
        What that gives for each unit, of those that are dead, too.
    """
    strongest: dict[str, float] = {}
    for unit, own in maxima.items():
        strongest[unit.layer] = max(own.gain.item(), strongest.get(unit.layer, 0.0))

    def examined(units: list[Unit]) -> list[Examined]:
        found = find_facets(survey, units, maxima, searched)
        return [
            _examined(survey, unit, found.get(unit), strongest.get(unit.layer, 0.0), folder)
            for unit in units
        ]

    # Of large images those of one unit fill a batch.
    most = 1 if is_large(survey.subject.input_shape) else UNITS_AT_ONCE
    pieces = [
        units[part]
        for units in survey.units.values()
        for part in batches(len(units), min(most, -(-len(units) // cores)))
    ]
    return [each for of_units in on_cores(examined, pieces, cores) for each in of_units]


def _examined(
    survey: Survey, unit: Unit, found: Found | None, strongest: float, folder: Path
) -> Examined:
    pictures = PictureFolder(folder, unit.folder(survey.subject))
    evidence = gather(survey, unit, found, pictures)
    if found is None:
        dead = of_the_dead(survey.known.real is not None)
        return Examined(unit, dead.finding(unit, evidence), points=[], bests=[])
    if evidence.several_hues:  # the hue of their mix is none of them
        found = replace(found, groups=[replace(group, hue=None) for group in found.groups])
    verdict = conclude(found.groups, found.maxima, evidence.several_hues)
    doubts = why_faint(found.maxima.gain.item(), strongest)
    doubts += real_doubts(verdict.kinds, evidence.data)
    trusted, distrust = judge(evidence.trust) if evidence.trust else (None, [])
    facets = [draw_facet(i, found, survey.window(unit), pictures) for i in range(len(found.groups))]
    finding = replace(
        verdict.finding(unit, evidence),
        shares=found.maxima.known_shares,
        why=(*verdict.why, *doubts, *distrust),
        trusted=trusted,
        facets=tuple(facets),
        runner_up=found.runner_up,
    )
    return Examined(unit, finding, points_of(survey, unit, found), found.bests_of_several)
