"""Facets: the optima of a unit, grouped by what they are."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from prober.ascent.objectives import Objective
from prober.common.colors import distance, on_circle, without_color
from prober.findings.finding import Kind
from prober.findings.kinds import KIND_MARGIN, kind_of
from prober.findings.optima import Optima
from prober.findings.responses import scores
from prober.findings.tuning import Curves, peaks
from prober.subject import Subject

FACET_GAIN = 0.75
"""A facet counts if its best optimum reaches this share of the gain of the best of all."""

SHARE_DIFFERENCE = 0.4
"""Optima of two kinds are of two facets if what they survive differs by this share of the gain."""

HUE_DIFFERENCE = 50.0
"""Degrees between the preferred hues of two optima that are not the same color."""

SURE_HUE_AGREEMENT = 0.7
"""Only hues that the pixels agree on so far can be told from each other. Else each pixel has a hue
of its own, as with random weights, and their mean could be any."""

ORIENTATION_DIFFERENCE = 25.0
"""Degrees between the orientations of two optima that are not the same stroke."""

SURE_ORIENTATION_CONTRAST = 0.8
"""Only strokes that are oriented so well can be told from each other. A straight stroke's kernel
reaches 0.9 and more; a digit's curve does not, and has no one direction that could be another."""

BAR_PEAK = 0.4
"""A peak of the answers to bars confirms an orientation if it reaches this share of the gain, and
of the highest peak."""

BAR_DISTANCE = 20.0
"""Degrees that the bar at a peak may differ from the orientation that it confirms."""

BRIGHTNESS_DIFFERENCE = 0.5
"""Difference of luminance between two optima that are not the same brightness."""

FACET_VALLEY = 0.9
"""Two optima are of two facets only if the score falls below this share of the lower one's gain
somewhere between them. It cannot on the way between two optima of one quasi-concave detector, as
every linear one, minimum or threshold of such is; the maximum of two unrelated ones has it."""

BLENDS = (0.25, 0.5, 0.75)
"""How far between two optima the valley is looked for."""


@dataclass(frozen=True)
class Group:
    """Optima of a unit that are one facet.

    Attributes:
        kind: What they want: `color`, `shape`, `color+shape`, `brightness` or `mixed`.
        members: The optima, by their number among the unit's, best first.
        hue: Degrees, None if it has no color.
        orientation: Degrees, None if it has no shape, or one without a direction.
        margin: How clear its kind is, 0 to 0.5, see `kinds.kind_of`.
        separation: How clear it is that it is not the facet before it, 0 to 0.5.
    """

    kind: Kind
    members: tuple[int, ...]
    hue: float | None
    orientation: float | None
    margin: float
    separation: float


def group_optima(
    subject: Subject, objective: Objective, optima: Optima, curves: Curves
) -> list[Group]:
    """Groups the optima of one unit into facets.

    Args:
        subject: The CNN under study.
        objective: The unit's objective.
        optima: Its N optima.
        curves: What it answers to bars and gratings.

    Returns:
        The facets, the one with the best score first. Pictures of two things at once belong to
        none, unless there are no others.
    """
    gain = optima.gain
    best = gain.max()
    kinds = [kind_of(*left) for left in optima.left.tolist()]
    order = gain.argsort(descending=True).tolist()
    near = [i for i in order if best > 0 and gain[i] >= FACET_GAIN * best]
    left = [i for i in near if kinds[i][0] != Kind.MIXED] or near
    groups: list[Group] = []
    separation = 0.5
    while left:
        first = left[0]
        others = {
            i: apart for i in left[1:] if (apart := difference(optima, kinds, curves, first, i)) > 0
        }
        valleys = _valleys(subject, objective, optima, first, list(others))
        parted = {
            i: min(apart, (FACET_VALLEY - valley) / FACET_VALLEY / 2)
            for (i, apart), valley in zip(others.items(), valleys, strict=True)
            if valley < FACET_VALLEY
        }
        members = [i for i in left if i not in parted]
        # Of one whose kind is not sure it is not sure either that it is a facet of its own.
        if not groups or kinds[first][1] >= KIND_MARGIN:
            groups.append(_group(optima, kinds, members, separation))
        left = list(parted)
        separation = parted[left[0]] if left else separation
    return groups


def difference(
    optima: Optima,
    kinds: Sequence[tuple[Kind, float]],
    curves: Curves,
    one: int,
    other: int,
) -> float:
    """Tells how plainly two optima are of different kinds, hues, directions or brightness.

    Returns:
        0 if they are not, else how far beyond the limit the difference lies, up to 0.5.
    """
    kind = kinds[one][0]
    if kind != kinds[other][0]:
        left = optima.left[[one, other]].clamp(0, 1)
        return _beyond((left[0] - left[1]).abs().max().item(), SHARE_DIFFERENCE, 1)
    found = 0.0
    if "color" in kind and optima.hue_agreement[[one, other]].min() >= SURE_HUE_AGREEMENT:
        apart = known_distance(optima.hue[one].item(), optima.hue[other].item(), 360)
        found = max(found, _beyond(apart, HUE_DIFFERENCE, 180))
    if "shape" in kind:
        angles = optima.orientation[[one, other]].tolist()
        sure = optima.orientation_contrast[[one, other]].min() >= SURE_ORIENTATION_CONTRAST
        if sure or both_are_peaks(curves, angles, float(optima.score.max())):
            apart = known_distance(angles[0], angles[1], 180)
            found = max(found, _beyond(apart, ORIENTATION_DIFFERENCE, 90))
    if kind == Kind.BRIGHTNESS:
        light = without_color(optima.flat_color[[one, other], :, None, None])[:, 0]
        found = _beyond((light[0] - light[1]).abs().item(), BRIGHTNESS_DIFFERENCE, 1)
    return found


def both_are_peaks(curves: Curves, angles: Sequence[float], best: float) -> bool:
    """Tells whether bars of two orientations each excite a unit, and those between them less.

    Short strokes, whose kernels are hardly better oriented than a digit's curve, are so told from
    each other.

    Args:
        curves: What the unit answers to gray, and to tinted, strokes.
        angles: Two orientations in degrees.
        best: The score of the unit's best picture.
    """
    if any(map(math.isnan, angles)):
        return False
    for curve in (curves.angles, curves.tinted.amax(0) if len(curves.tinted) else curves.angles):
        step = 180 / len(curve)
        found = [
            i * step
            for i in peaks(curve, curves.neutral, BAR_PEAK)
            if curve[i] - curves.neutral >= BAR_PEAK * (best - curves.neutral)
        ]
        if not found:
            continue
        nearest = [_nearest(found, angle) for angle in angles]
        near = [distance(at, a, 180) <= BAR_DISTANCE for at, a in zip(nearest, angles, strict=True)]
        if all(near) and nearest[0] != nearest[1]:
            return True
    return False


def _nearest(angles: Sequence[float], angle: float) -> float:
    return min(angles, key=lambda other: distance(other, angle, 180))


def facet_shown(others: Optima, groups: Sequence[Group]) -> list[int | None]:
    """Tells which facet other pictures of the unit show, those of its whole channel, say.

    Args:
        others: M pictures.
        groups: The facets.

    Returns:
        For each picture the number of the first facet of its kind, about its hue and its
        orientation, or None.
    """
    kinds = [kind_of(*left)[0] for left in others.left.tolist()]
    found: list[int | None] = []
    for kind, hue, angle in zip(
        kinds, others.hue.tolist(), others.orientation.tolist(), strict=True
    ):
        same = (
            number
            for number, group in enumerate(groups)
            if group.kind == kind
            and (group.hue is None or known_distance(group.hue, hue, 360) < HUE_DIFFERENCE)
            and (
                group.orientation is None
                or known_distance(group.orientation, angle, 180) < ORIENTATION_DIFFERENCE
            )
        )
        found.append(next(same, None))
    return found


def known_distance(one: float, other: float, period: float) -> float:
    """Returns the distance of two angles on a circle; 0 if one of them is none (NaN)."""
    away = distance(one, other, period)
    return 0.0 if math.isnan(away) else away


def _beyond(value: float, limit: float, most: float) -> float:
    """How far a value lies between its limit and the most that it can be, 0 to 0.5."""
    return max(0.0, (value - limit) / (most - limit) / 2)


def _valleys(
    subject: Subject, objective: Objective, optima: Optima, first: int, others: Sequence[int]
) -> list[float]:
    """The lowest scores between some optima and the first, as shares of the lower one's gain."""
    if not others:
        return []
    ends = optima.images[others]
    images = torch.cat([torch.lerp(optima.images[[first]], ends, blend) for blend in BLENDS])
    between = scores(subject, [objective] * len(images), images).double()
    lowest = between.view(len(BLENDS), -1).amin(0) - optima.neutral[first]
    gain = optima.gain
    return (lowest / torch.minimum(gain[first], gain[others])).tolist()


def _group(
    optima: Optima,
    kinds: Sequence[tuple[Kind, float]],
    members: Sequence[int],
    separation: float,
) -> Group:
    best = members[0]
    kind, margin = kinds[best]
    return Group(
        kind=kind,
        members=tuple(members),
        hue=_angle(optima.hue[best], 360) if "color" in kind else None,
        orientation=_angle(optima.orientation[best], 180) if "shape" in kind else None,
        margin=margin,
        separation=separation,
    )


def _angle(value: Tensor, period: float) -> float | None:
    return None if value.isnan() else on_circle(value.item(), period)
