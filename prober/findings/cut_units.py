"""Cut units: those that no gradient leads back from, so that all there is are their answers."""

from collections.abc import Sequence
from pathlib import Path

import torch

from prober.findings.dead_units import looks_dead
from prober.findings.finding import Evidence, Field, Finding, ScoreRange
from prober.findings.picture_folder import PictureFolder
from prober.findings.plain_findings import why_cut, without_facets
from prober.findings.real_evidence import real_evidence
from prober.findings.survey import AllResponses
from prober.findings.tuning import tuning_of
from prober.findings.units import Unit
from prober.subject import Subject


def cut_findings(
    subject: Subject, units: Sequence[Unit], known: AllResponses, folder: Path
) -> list[Finding]:
    """Says what units answer to flat, striped and real images.

    Args:
        subject: The CNN under study, which takes images.
        units: The units.
        known: What they answer.
        folder: The report's folder.

    Returns:
        The findings, one for each unit.
    """

    def found_of(unit: Unit) -> Finding:
        window, curves = known.windows[unit.site], known.battery.curves(unit.site, unit.channel)
        answers, real = known.battery.responses[unit.site][:, unit.channel], known.real
        if real is not None:
            answers = torch.cat([answers, real.of_pool(unit.site).strongest[:, unit.channel]])
        dead = looks_dead(answers, known.rounding[unit.site][unit.channel])
        score = ScoreRange(curves.neutral, curves.neutral if dead else answers.max().item())
        pictures = PictureFolder(folder, unit)
        shown = f"flat and striped images{', real images' if real else ''}"
        evidence = Evidence(
            score=score,
            maxima=None,
            field=Field(window.top, window.left, window.height, window.width),
            neuron=window.neuron,
            pictures=None,
            starts={},
            tuning=tuning_of(curves),
            data=real_evidence(real, unit, curves, score, pictures) if real else None,
            trust=None,
        )
        return without_facets(unit, dead, why_cut(subject, unit.layer, dead, shown), evidence)

    return [found_of(unit) for unit in units]
