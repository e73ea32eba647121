"""Plain findings: pictures, scores and answers, of units whose facets are not looked for.

Of signals, volumes and vectors, which have no color and no shape, nothing is claimed of what a
unit's gain is due to, nor of facets, which are told apart by it. Of units that no gradient leads
back from, of images too, there are answers alone.
"""

import copy
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from prober.ascent.batched_objectives import BatchedObjectives
from prober.ascent.objectives import ChannelMean, Objective
from prober.findings.batches import forward_batches, images_at_once
from prober.findings.dead_units import looks_dead, why_dead
from prober.findings.evolutions import draw_evolutions
from prober.findings.finding import Evidence, Field, Finding, ScoreRange
from prober.findings.finished_sweep import FinishedSweep
from prober.findings.picture_folder import PictureFolder
from prober.findings.real_evidence import real_evidence
from prober.findings.real_images import RealImages
from prober.findings.real_responses import RealResponses
from prober.findings.responses import Responses, check_finite
from prober.findings.styled_pictures import draw_styles
from prober.findings.survey import AllResponses
from prober.findings.tuning import tuning_of
from prober.findings.units import Site, Unit
from prober.findings.verdict import Verdict
from prober.subject import LOGITS, Subject

VALUES = (0.5, 0.0, 1.0)
"""Of inputs of one value that units are shown; the first is the neutral one."""

NOISE = 8
"""Inputs of noise that they are shown, too."""

Answers = dict[Unit, Tensor]
"""What each unit answers to N inputs, `[N]`: its score by what is maximized for it."""


def plain_findings(
    subject: Subject,
    sweep: FinishedSweep | None,
    cut: Sequence[Unit],
    other_style: FinishedSweep | None,
    real: RealImages | None,
    folder: Path,
) -> tuple[list[Finding], RealResponses | None]:
    """Gathers what can be said of units, and writes their pictures.

    A unit's score is that of its first visualization, of a channel its mean, say.

    Args:
        subject: The CNN under study.
        sweep: The visualizations of its units; None where none could be made.
        cut: The units that no gradient leads back from.
        other_style: A picture of each unit in another style; None without any.
        real: Real inputs, or None.
        folder: The report's folder.

    Returns:
        The findings, one for each unit, and what the CNN answers to real inputs.

    Raises:
        InputError: A unit answers with what is no number, or a picture is damaged.
    """
    objectives: dict[Unit, Objective] = {
        unit: ChannelMean(unit.layer, unit.channel) for unit in cut
    }
    if sweep is not None:
        objectives |= {unit: sweep.of(unit)[0].objective for unit in sweep.units()}
    simple = _simple(subject)
    to_simple = _answers(subject, simple, objectives)
    for unit, answers in to_simple.items():
        check_finite(subject, unit, answers, "an input of one value, or of noise,", "input")
    exact = _answers(copy.deepcopy(subject).double(), simple, objectives)
    responses = _to_real(subject, real, objectives) if real else None
    answered = [to_simple]
    if responses is not None:
        plain = responses.plain
        answered.append({u: plain[u.site].strongest[:, u.channel] for u in objectives})
    if sweep is not None:
        pictures = sweep.best_images(images_at_once(subject))
        answered.append(_answers(subject, pictures, objectives))
    styles = [made for made in (sweep, other_style) if made is not None]
    saw_real = ", real inputs" if real else ""

    def found_of(unit: Unit) -> Finding:
        answers = torch.cat([each[unit] for each in answered])
        pictures = PictureFolder(folder, unit.folder(subject))
        made = sweep.of(unit) if sweep is not None else []
        dead = looks_dead(answers, (to_simple[unit] - exact[unit]).abs().amax())
        dead = dead and all(shown.record["dead"] for shown in made)
        neutral, best = to_simple[unit][0].item(), answers.max().item()
        if made:
            best = max(shown.score for shown in made if shown.objective == objectives[unit])
        score = ScoreRange(neutral, neutral if dead else best)
        evidence = Evidence(
            score=score,
            neuron=unit.position,
            pictures=draw_evolutions(sweep, unit, {}, pictures) if sweep else None,
            starts={},
            data=real_evidence(responses, unit, None, score, pictures) if responses else None,
            styles=draw_styles(styles, unit, pictures),
        )
        shown = "noise, inputs of one value"
        if unit in cut:
            why = _why_cut(subject, unit.layer, dead, f"{shown}{saw_real}")
        else:
            others = f"pictures of other units{saw_real}, and no ascent moves its score"
            why = (why_dead(f"{shown}, {others}"),) if dead else ()
        return _plain(why, dead).finding(unit, evidence)

    return [found_of(unit) for unit in objectives], responses


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
        pictures = PictureFolder(folder, unit.folder(subject))
        shown = f"flat and striped images{', real images' if real else ''}"
        evidence = Evidence(
            score=score,
            field=Field(window.top, window.left, window.height, window.width),
            neuron=window.neuron,
            starts={},
            tuning=tuning_of(curves),
            data=real_evidence(real, unit, curves, score, pictures) if real else None,
        )
        return _plain(_why_cut(subject, unit.layer, dead, shown), dead).finding(unit, evidence)

    return [found_of(unit) for unit in units]


def _plain(why: tuple[str, ...], dead: bool) -> Verdict:
    """Returns the verdict on a unit whose facets, and what is due to what, were not looked for."""
    return Verdict(kinds=(), confidence=None, why=why, dead=dead, polysemantic=None)


def _why_cut(subject: Subject, layer: str, dead: bool, saw: str) -> tuple[str, ...]:
    """Says why there is no picture of a unit, and, if nothing moves it, what it was shown."""
    why = f"No picture can be made, for {subject.listing.unprobed[layer]}."
    return (why, why_dead(saw)) if dead else (why,)


def _simple(subject: Subject) -> Tensor:
    """Inputs of one value, the neutral one first, and of noise, `[N, *shape]`."""
    shape = subject.input_shape
    values = torch.stack([torch.full(shape, value) for value in VALUES])
    noise = torch.rand(NOISE, *shape, generator=torch.Generator().manual_seed(0))
    return torch.cat([values, noise])


@torch.no_grad()
def _answers(subject: Subject, inputs: Tensor, objectives: Mapping[Unit, Objective]) -> Answers:
    layers = list(dict.fromkeys(unit.layer for unit in objectives))
    deepest = max(layers, key=subject.depth)
    parts: dict[Unit, list[Tensor]] = {unit: [] for unit in objectives}
    for batch in forward_batches(subject, deepest, len(inputs)):
        outputs = subject(inputs[batch].to(subject.mean), layers)
        number = len(inputs[batch])
        for unit, objective in objectives.items():
            parts[unit].append(BatchedObjectives([objective] * number)(outputs).cpu())
    return {unit: torch.cat(part) for unit, part in parts.items()}


def _to_real(
    subject: Subject, real: RealImages, objectives: Mapping[Unit, Objective]
) -> RealResponses:
    """The answers of units, and of all logits, to real inputs as they are."""
    logits = subject.listing.measured.get(LOGITS)
    classes = logits.shape[0] if logits is not None and len(logits.shape) == 1 else 0
    of_classes: dict[Unit, Objective] = {
        Unit(LOGITS, number): ChannelMean(LOGITS, number) for number in range(classes)
    }
    found: dict[Site, Tensor] = {}
    for unit, answers in _answers(subject, real.images, of_classes | dict(objectives)).items():
        channels = subject.listing.measured[unit.layer].shape[0]
        found.setdefault(unit.site, torch.zeros(len(answers), channels))[:, unit.channel] = answers
    plain = {site: Responses(answers, answers, answers) for site, answers in found.items()}
    return RealResponses(real, plain, {}, {}, real.labels[:0], changed=None, gray=None)
