"""Cut units: those that no gradient leads back from, so that all there is are their answers."""

from collections.abc import Sequence
from pathlib import Path

import torch

from prober.findings.dead_units import looks_dead, moved_by_rounding
from prober.findings.finding import Evidence, Field, Finding, ScoreRange
from prober.findings.picture_folder import PictureFolder
from prober.findings.plain_findings import why_cut, without_facets
from prober.findings.real_evidence import real_evidence
from prober.findings.real_images import RealImages
from prober.findings.real_responses import RealResponses, respond_to_real
from prober.findings.tuning import Battery, tuning_of
from prober.findings.units import Unit
from prober.findings.windows import window_of
from prober.subject import Subject


def cut_findings(
    subject: Subject, units: Sequence[Unit], images: RealImages | None, folder: Path, cores: int
) -> tuple[list[Finding], RealResponses | None]:
    """Shows units flat, striped and real images, and says what they answer.

    Args:
        subject: The CNN under study, which takes images.
        units: The units.
        images: Real images, or None.
        folder: The report's folder.
        cores: How many processes may share the work.

    Returns:
        The findings, one for each unit, and what the CNN answers to real images.

    Raises:
        InputError: A unit answers with what is no number.
    """
    windows = {unit.site: window_of(subject, *unit.site) for unit in units}
    battery = Battery(subject, windows, cores)
    battery.check_finite(subject, units)
    real = None if images is None else respond_to_real(subject, images, windows, cores)
    rounding = moved_by_rounding(subject, battery, windows)

    def found_of(unit: Unit) -> Finding:
        window, curves = windows[unit.site], battery.curves(unit.site, unit.channel)
        answers = battery.responses[unit.site][:, unit.channel]
        if real is not None:
            answers = torch.cat([answers, real.of_pool(unit.site).strongest[:, unit.channel]])
        dead = looks_dead(answers, rounding[unit.site][unit.channel])
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

    return [found_of(unit) for unit in units], real
