"""The facets' best optima as points, for TensorBoard's projector."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from prober.common.drawn_inputs import drawn_one
from prober.common.pictures import squared
from prober.findings.facet_pictures import various
from prober.findings.found_facets import Found
from prober.findings.responses import responses
from prober.findings.survey import Survey
from prober.findings.units import Unit

THUMB_SIDE = 32
"""Pixels of a side of a point's picture."""


@dataclass(frozen=True)
class Point:
    """An optimum.

    Attributes:
        answers: `[D]`, the responses of all channels of the sites examined.
        picture: What the unit sees of it, uint8 `[THUMB_SIDE, THUMB_SIDE, 3]`.
        label: What it is: `name`, `kind`, `layer`, `channel`, `facet`, `seed` and `score`.
    """

    answers: Tensor
    picture: np.ndarray
    label: dict[str, Any]


def points_of(survey: Survey, unit: Unit, found: Found) -> list[Point]:
    """Returns some of the best optima of each facet of a unit."""
    if not found.visualizations:  # every start failed, and the optimum is mid gray
        return []
    points = []
    window = survey.window(unit)
    own_class = survey.subject.class_name(unit.layer, unit.channel)
    for number, group in enumerate(found.groups):
        members = various(group.members, found.optima)
        images = found.optima.images[members]
        answered = responses(survey.subject, images, survey.windows)
        answers = torch.cat([site.strongest for site in answered.values()], 1)
        for member, own in zip(members, answers, strict=True):
            label = {
                "name": ", ".join(filter(None, (f"{unit.layer}/{unit.channel}", own_class))),
                "kind": group.kind.value,
                "layer": unit.layer,
                "channel": unit.channel,
                "facet": number,
                "seed": found.visualizations[member].record["seed"],
                "score": round(found.optima.score[member].item(), 4),
            }
            picture = squared(drawn_one(window.crop(found.optima.images[member])), THUMB_SIDE)
            points.append(Point(own, picture, label))
    return points


def effects(points: Sequence[Point]) -> np.ndarray:
    """Returns what the points' images do to the subject, `[N, D]`.

    The responses of all channels of the sites examined, each brought to mean 0 and spread 1; but
    for those that are all the same, or no numbers.
    """
    answers = torch.stack([point.answers for point in points]).double()
    spread = answers.std(0, correction=0)
    moved = spread > 1e-9 * answers.abs().amax(0)
    return ((answers - answers.mean(0)) / spread)[:, moved].float().numpy()
