"""Facets: the optima of a unit, grouped by what they are."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from prober.ascent.objectives import Objective
from prober.common.colors import distance, on_circle, without_color
from prober.findings.profiles import SURVIVES, Profiles
from prober.findings.tuning import Curves, peaks
from prober.findings.units import scores
from prober.subject import Subject

NEAR = 0.75
"""A facet counts if its best optimum goes at least this share of the best one's way."""

THIN = 0.03
"""A kind whose deciding share is this near to the limit is not sure."""

OTHER_PROFILE = 0.4
"""Interventions that differ by this share of the way are not the same profile."""

OTHER_HUE = 50.0
"""Degrees between the preferred hues of two optima that are not the same color."""

WELL_HUED = 0.7
"""Only hues that the pixels agree on so far can be told from each other. Else each pixel has a hue
of its own, as with random weights, and their mean could be any."""

OTHER_ANGLE = 25.0
"""Degrees between the orientations of two optima that are not the same stroke."""

WELL_ORIENTED = 0.8
"""Only strokes that are oriented so well can be told from each other. A straight stroke's kernel
reaches 0.9 and more; a digit's curve does not, and has no one direction that could be another."""

PEAK = 0.4
"""A peak of the answers to bars confirms an orientation if it reaches this share of the way, and of
the highest peak."""

ABOUT = 20.0
"""Degrees that the bar at a peak may differ from the orientation that it confirms."""

OTHER_BRIGHTNESS = 0.5
"""Difference of luminance between two optima that are not the same brightness."""

VALLEY = 0.9
"""Two optima are of two facets only if the score falls below this share of the lower one's way
somewhere between them. It cannot on the way between two optima of one quasi-concave detector, as
every linear one, minimum or threshold of such is; the maximum of two unrelated ones has it."""

BLENDS = (0.25, 0.5, 0.75)


@dataclass
class Facet:
    """One of the different things that excite a unit.

    Attributes:
        kind: `color`, `shape`, `color+shape` or `brightness`.
        members: Its optima, by their number among the unit's, best first.
        hue: Degrees, None if it has no color.
        orientation: Degrees, None if it has no shape, or one without a direction.
        margin: How clear its kind is, 0 to 0.5: how far the shares of the way are from the half.
        clear: How clear it is that it is not the facet before it, 0 to 0.5.
    """

    kind: str
    members: list[int]
    hue: float | None
    orientation: float | None
    margin: float
    clear: float


def kind_of(without_color: float, without_shape: float, without_both: float) -> tuple[str, float]:
    """Names what a unit wants by what it survives, and how clear that is.

    Args:
        without_color: Share of the way that is left without color.
        without_shape: Share of the way that is left without shape.
        without_both: Share of the way that is left without either.

    Returns:
        The kind, and the distance of the share that decided it from `SURVIVES`, 0 to 0.5.
        A unit that survives either loss, but not both at once, is shown a picture of two things
        and is called `mixed`.
    """
    gray, flat, none = without_color, without_shape, without_both
    distance = min(abs(gray - SURVIVES), abs(flat - SURVIVES))
    if none >= SURVIVES:
        return "brightness", min(0.5, none - SURVIVES)
    if gray >= SURVIVES and flat >= SURVIVES:
        return "mixed", min(0.5, distance)
    if gray >= SURVIVES:
        return "shape", min(0.5, distance)
    if flat >= SURVIVES:
        return "color", min(0.5, distance)
    return "color+shape", min(0.5, distance)


def group_facets(
    subject: Subject, objective: Objective, profiles: Profiles, curves: Curves
) -> list[Facet]:
    """Groups the optima of one unit into facets.

    Args:
        subject: The CNN under study.
        objective: The unit's objective.
        profiles: Of its N optima.
        curves: What it answers to bars and gratings.

    Returns:
        The facets, the one with the best score first. Pictures of two things at once belong to
        none, unless there are no others.
    """
    way = profiles.score - profiles.neutral
    best = way.max()
    kinds = [kind_of(*row) for row in profiles.decisive.tolist()]
    near = [i for i in way.argsort(descending=True).tolist() if best > 0 and way[i] >= NEAR * best]
    left = [i for i in near if kinds[i][0] != "mixed"] or near
    facets, clear = [], 0.5
    while left:
        first = left[0]
        others = {
            i: d for i in left[1:] if (d := difference(profiles, kinds, curves, first, i)) > 0
        }
        valleys = _valleys(subject, objective, profiles, first, list(others))
        parted = {
            i: min(d, (VALLEY - depth) / VALLEY / 2)
            for (i, d), depth in zip(others.items(), valleys, strict=True)
            if depth < VALLEY
        }
        members = [i for i in left if i not in parted]
        if not facets or kinds[first][1] >= THIN:  # of a thin one it is not sure that it is one
            facets.append(_facet(profiles, kinds, members, clear))
        left = list(parted)
        clear = parted[left[0]] if left else clear
    return facets


def difference(
    profiles: Profiles, kinds: list[tuple[str, float]], curves: Curves, one: int, other: int
) -> float:
    """Tells how plainly two optima are of different kinds, hues, directions or brightness.

    Returns:
        0 if they are not, else how far beyond the limit the difference lies, up to 0.5.
    """
    a, b = kinds[one][0], kinds[other][0]
    shares = profiles.decisive[[one, other]].clamp(0, 1)
    if a != b:
        return _beyond((shares[0] - shares[1]).abs().max().item(), OTHER_PROFILE, 1)
    found = 0.0
    if "color" in a and profiles.hued[[one, other]].min() >= WELL_HUED:
        hue = apart(profiles.hue[one].item(), profiles.hue[other].item(), 360)
        found = max(found, _beyond(hue, OTHER_HUE, 180))
    if "shape" in a:
        angles = profiles.angle[[one, other]].tolist()
        sure = profiles.oriented[[one, other]].min() >= WELL_ORIENTED
        if sure or both_are_peaks(curves, angles, float(profiles.score.max())):
            found = max(found, _beyond(apart(*angles, 180), OTHER_ANGLE, 90))
    if a == "brightness":
        light = without_color(profiles.color[[one, other], :, None, None])[:, 0]
        found = _beyond((light[0] - light[1]).abs().item(), OTHER_BRIGHTNESS, 1)
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
            for i in peaks(curve, curves.neutral, PEAK)
            if curve[i] - curves.neutral >= PEAK * (best - curves.neutral)
        ]
        nearest = [min(found, key=lambda i, a=a: distance(i, a, 180), default=None) for a in angles]
        near = [
            n is not None and distance(n, a, 180) <= ABOUT
            for n, a in zip(nearest, angles, strict=True)
        ]
        if all(near) and nearest[0] != nearest[1]:
            return True
    return False


def _beyond(value: float, limit: float, most: float) -> float:
    """How far a value lies between its limit and the most that it can be, 0 to 0.5."""
    return max(0.0, (value - limit) / (most - limit) / 2)


def alike(other: Profiles, facets: Sequence[Facet]) -> list[int | None]:
    """Tells which facet other pictures of the unit show, those of its whole channel, say.

    Args:
        other: Of M pictures.
        facets: The facets.

    Returns:
        For each picture the number of the first facet of its kind, about its hue and its
        orientation, or None.
    """
    found: list[int | None] = []
    for row in range(len(other)):
        kind, _ = kind_of(*other.decisive[row].tolist())
        same = [
            number
            for number, facet in enumerate(facets)
            if facet.kind == kind
            and (facet.hue is None or apart(facet.hue, other.hue[row].item(), 360) < OTHER_HUE)
            and (
                facet.orientation is None
                or apart(facet.orientation, other.angle[row].item(), 180) < OTHER_ANGLE
            )
        ]
        found.append(same[0] if same else None)
    return found


def apart(one: float, other: float, period: float) -> float:
    """Returns the distance of two angles on a circle; 0 if one of them is none (NaN)."""
    away = distance(one, other, period)
    return 0.0 if math.isnan(away) else away


def _valleys(
    subject: Subject, objective: Objective, profiles: Profiles, first: int, others: list[int]
) -> list[float]:
    """Returns for some optima how deep the score falls on the way to the first.

    The lowest score between them, as a share of the lower one's way.
    """
    if not others:
        return []
    ends = profiles.images[others]
    images = torch.cat([torch.lerp(profiles.images[[first]], ends, t) for t in BLENDS])
    between = scores(subject, [objective] * len(images), images).double()
    lowest = between.view(len(BLENDS), -1).amin(0) - profiles.neutral[first]
    way = profiles.score - profiles.neutral
    return (lowest / torch.minimum(way[first], way[others])).tolist()


def _facet(
    profiles: Profiles, kinds: list[tuple[str, float]], members: list[int], clear: float
) -> Facet:
    best = members[0]
    kind, margin = kinds[best]
    hue, angle = profiles.hue[best].item(), profiles.angle[best].item()
    return Facet(
        kind=kind,
        members=members,
        hue=_angle(hue, 360) if "color" in kind else None,
        orientation=_angle(angle, 180) if "shape" in kind else None,
        margin=margin,
        clear=clear,
    )


def _angle(value: float, period: float) -> float | None:
    return None if math.isnan(value) else on_circle(value, period)
