"""Facets: the optima of a unit, grouped by what they are."""

import math
from collections.abc import Sequence
from colorsys import rgb_to_hsv
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from prober.ascent.objectives import Objective
from prober.common.colors import distance, on_circle, without_color
from prober.findings.finding import Kind, Shares
from prober.findings.kinds import LITTLE, NAMED_BESIDE, kind_of
from prober.findings.maxima import FourMaxima
from prober.findings.nearby_maxima import BLENDS, FACET_VALLEY
from prober.findings.optima import Optima
from prober.findings.preferences import Preferences
from prober.findings.responses import scores
from prober.findings.tuning import Curves, dip, peaks
from prober.subject import Subject

FACET_GAIN = 0.5
"""A facet counts if its best optimum reaches this share of the unit's gain, or is the best."""

CLEARLY_APART = 0.03
"""A facet counts if it lies so far beyond the limits below and that of a valley, of 0.5 at most.
Planted ones lie 0.05 and more beyond them; pictures of trained units that were nearer looked alike.
So the limit of shares is 0.44, of hues 58 degrees, of orientations 29, of brightness 0.53, of a
valley 0.85."""

SHARE_DIFFERENCE = 0.4
"""Optima of two kinds are of two facets if what their gain is due to differs by this share."""

HUE_DIFFERENCE = 50.0
"""Degrees between the preferred hues of two optima that are not the same color."""

SURE_HUE_AGREEMENT = 0.7
"""Only hues that the pixels agree on so far can be told from each other. Else each pixel has a hue
of its own, as with random weights, and their mean could be any."""

SURE_SATURATION = 0.55
"""Or those of pictures whose mean color is so saturated: they are of that hue to the eye, though
what the unit prefers near them goes several ways."""

ORIENTATION_DIFFERENCE = 25.0
"""Degrees between the orientations of two optima that are not the same stroke."""

SURE_ORIENTATION_CONTRAST = 0.8
"""Only strokes that are oriented so well can be told from each other. A straight stroke's kernel
reaches 0.9 and more; a digit's curve does not, and has no one direction that could be another."""

SURE_ORIENTATION_AGREEMENT = 0.3
"""Only what is a stroke so far has an orientation that can be told from another. Of the same
confetti any two pictures have two: units of a small CNN that goes by a colored patch, seen with few
steps, and of EfficientNet-Lite0 were said to want two shapes for it, which agree with bars by 0.12
to 0.24. Where strokes were planted, 19 of 21 pairs have 0.49 and more, the others 0.26 and 0.29."""

STROKE_GAIN = 0.2
"""Only orientations are told from each other of which a bar or a grating each reaches this share of
the gain. Deep units want strokes in what they want as a whole, and their pictures differ by what
these began with. Where two strokes were planted, those of the weaker one reach 0.41 and more (21
pairs), in four units of trained CNNs that were said to want two orientations and do not, 0.05 and
less."""

OTHER_STROKES, STROKES_BETWEEN, VALLEY_OF_STROKES = 0.5, 0.72, 0.1
"""And if strokes of the angles between excite by no more than the second share of the lesser one;
or if those of some other angle do by no more than the first one of the best, and those between by
the third share of the gain less. Of two small edges that were planted the second is 0.67 and less;
units that go by how fine stripes are, in any direction, have 0.6 and 0.74 and more. Of others that
were planted 42 degrees apart those between do 0.82 and 0.15 less. A class of pale digits that wants
nearly level strokes, and was said to want some at 13 and some at 151 degrees, has 0.84 and 0.06."""

BAR_PEAK = 0.4
"""A peak of the answers to bars confirms an orientation if it reaches this share of the gain, and
of the highest peak."""

BAR_DISTANCE = 20.0
"""Degrees that the bar at a peak may differ from the orientation that it confirms."""

BRIGHTNESS_DIFFERENCE = 0.5
"""Difference of luminance between two optima that are not the same brightness."""


@dataclass(frozen=True)
class Group:
    """Optima of a unit that are one facet.

    Attributes:
        kind: What they want: `color`, `shape`, `color+shape` or `brightness`.
        shares: What the gain is due to: that of the unit, or, where it has several facets, what can
            be reached from the best optimum without leaving its facet.
        strength: How far the score goes in it, as a share of the unit's gain.
        members: The optima, by their number among the unit's, best first.
        hue: Degrees, None if it has no color.
        orientation: Degrees, None if it has no shape, or one without a direction.
        margin: How clear its kind is, 0 to 0.5, see `kinds.kind_of`.
        separation: How clear it is that it is not the facet before it, 0 to 0.5.
    """

    kind: Kind
    shares: Shares
    strength: float
    members: tuple[int, ...]
    hue: float | None
    orientation: float | None
    margin: float
    separation: float


@dataclass(frozen=True)
class ComparedOptima:
    """The optima of one unit, and what tells them apart.

    Attributes:
        subject: The CNN under study.
        objective: The unit's objective.
        optima: Its N optima.
        curves: What it answers to bars and gratings.
    """

    subject: Subject
    objective: Objective
    optima: Optima
    curves: Curves

    def apart(self, first: int, others: Sequence[int]) -> dict[int, float]:
        """Tells how clear it is that some optima are not of the first one's facet, up to 0.5.

        Those that do not differ from it are left out; 0 or less if there is no valley between.
        """
        plain = {i: difference(self.optima, self.curves, first, i) for i in others}
        differ = [i for i in others if plain[i] > 0]
        depths = self.depths(first, differ)
        return {i: min(plain[i], depth) for i, depth in zip(differ, depths, strict=True)}

    def depths(self, first: int, others: Sequence[int]) -> list[float]:
        """Tells how far the valleys between some optima and the first lie below their limit.

        0.5 if the score falls to that of mid gray, below 0 if there is no valley.
        """
        if not others:
            return []
        images, gain = self.optima.images, self.optima.gain
        ends = images[others]
        line = torch.cat([torch.lerp(images[[first]], ends, blend) for blend in BLENDS])
        between = scores(self.subject, [self.objective] * len(line), line).double()
        lowest = between.view(len(BLENDS), -1).amin(0) - self.optima.neutral
        valleys = (lowest / torch.minimum(gain[first], gain[others])).tolist()
        return [(FACET_VALLEY - valley) / FACET_VALLEY / 2 for valley in valleys]


def group_optima(compared: ComparedOptima, maxima: FourMaxima) -> list[Group]:
    """Groups the optima of one unit into facets.

    Args:
        compared: The optima.
        maxima: The unit's maxima. The optima of large images, which are searched as people can read
            them, may stay far below.

    Returns:
        The facets, the one with the best score first.
    """
    optima = compared.optima
    gain, best = optima.gain, optima.gain.max()
    order = gain.argsort(descending=True).tolist()
    needed = min(FACET_GAIN * maxima.gain, best)
    left = [i for i in order if best > 0 and gain[i] >= needed]
    found: list[tuple[list[int], float]] = []
    separation = 0.5
    while left:
        apart = compared.apart(left[0], left[1:])
        parted = {i: clear for i, clear in apart.items() if clear >= CLEARLY_APART}
        found.append(([i for i in left if i not in parted], separation))
        left = list(parted)
        separation = parted[left[0]] if left else separation
    shares = optima.shares
    groups = [_group(optima, maxima, shares[own[0]], own, apart) for own, apart in found]
    colors = [group for group in groups if group.kind == Kind.COLOR]
    unnamed = len(colors) > 1 and any(group.hue is None for group in colors)
    if unnamed:
        # Which hue the one has cannot be said, so it may be any, and that of the others, too.
        members = sorted((i for group in colors for i in group.members), key=order.index)
        one = replace(colors[0], members=tuple(members), hue=None)
        groups = [
            one if group is colors[0] else group for group in groups if group not in colors[1:]
        ]
    if len(groups) == 1:
        whole = Shares(*maxima.shares.tolist())
        one = _group(optima, maxima, whole, groups[0].members, groups[0].separation)
        return [replace(one, hue=None) if unnamed else one]
    return groups


def runner_up(
    compared: ComparedOptima, groups: Sequence[Group], maxima: FourMaxima
) -> float | None:
    """Tells how far the best optimum goes that is apart from all facets and too weak for one.

    Args:
        compared: The optima.
        groups: Its facets.
        maxima: The unit's maxima.

    Returns:
        A share of the unit's gain, above 0 and below `FACET_GAIN`; None if there is no such
        optimum.
    """
    gain, most = compared.optima.gain, maxima.gain
    left = [i for i in gain.argsort(descending=True).tolist() if 0 < gain[i] < FACET_GAIN * most]
    for group in groups:
        apart = compared.apart(group.members[0], left)
        left = [i for i, clear in apart.items() if clear > 0]
    return (gain[left[0]] / most).item() if left and groups else None


def facet_of(compared: ComparedOptima, firsts: Sequence[int], one: int) -> int | None:
    """Tells which of several facets an optimum is of, as they were told apart.

    Args:
        compared: The optima of a unit.
        firsts: The best optima of the facets.
        one: The optimum.

    Returns:
        The number of the facet from which it is least apart; None if it is of none, or excites the
        unit no more than mid gray.
    """
    if compared.optima.gain[one] <= 0:
        return None
    depths = compared.depths(one, firsts)
    apart = [
        min(difference(compared.optima, compared.curves, first, one), depth)
        for first, depth in zip(firsts, depths, strict=True)
    ]
    nearest = min(range(len(firsts)), key=apart.__getitem__)
    return nearest if apart[nearest] < CLEARLY_APART else None


def difference(optima: Optima, curves: Curves, one: int, other: int) -> float:
    """Tells how plainly two optima are of different kinds, hues, directions or brightness.

    Returns:
        0 if they are not, else how far beyond the limit the difference lies, up to 0.5.
    """
    shares = [optima.shares[i] for i in (one, other)]
    kinds = [kind_of(own)[0] for own in shares]
    near, pair = optima.near, [one, other]
    found = 0.0
    if kinds[0] != kinds[1]:
        parts = [(own.color, own.shape, own.brightness) for own in shares]
        apart = max(abs(a - b) for a, b in zip(*parts, strict=True))
        found = max(found, _beyond(apart, SHARE_DIFFERENCE, 1))
    if all("color" in kind for kind in kinds):
        hue, other_hue = _sure_hues(optima, curves, pair)
        found = max(found, _beyond(known_distance(hue, other_hue, 360), HUE_DIFFERENCE, 180))
    if all("shape" in kind for kind in kinds):
        angles = near.orientation[pair].tolist()
        apart = _beyond(known_distance(angles[0], angles[1], 180), ORIENTATION_DIFFERENCE, 90)
        if apart > found and _are_two_directions(optima, curves, pair, angles):
            found = apart
    if kinds == [Kind.BRIGHTNESS] * 2:
        light = without_color(optima.flat_color[pair][:, :, None, None])[:, 0]
        found = _beyond((light[0] - light[1]).abs().item(), BRIGHTNESS_DIFFERENCE, 1)
    return found


def _sure_hues(optima: Optima, curves: Curves, pair: Sequence[int]) -> list[float]:
    """The hues of two optima in degrees, found in one way; NaN if they cannot be told apart.

    What is preferred near a picture and what it shows may be two hues: like is compared with like.
    What it shows may be a ground that the unit does not want.
    """
    if optima.near.hue_agreement[pair].min() >= SURE_HUE_AGREEMENT:
        return optima.near.hue[pair].tolist()
    if optima.color.shape[1] != 3:
        return [math.nan, math.nan]
    colors = [rgb_to_hsv(*color) for color in optima.color[pair].tolist()]
    return [
        360 * hue if saturated >= SURE_SATURATION and curves.wants_hue(360 * hue) else math.nan
        for hue, saturated, _ in colors
    ]


def _are_two_directions(
    optima: Optima, curves: Curves, pair: Sequence[int], angles: Sequence[float]
) -> bool:
    """Whether the strokes of two optima are such that their orientations can be told apart."""
    best, near = float(optima.score.max()), optima.near
    sure = (
        near.orientation_contrast[pair].min() >= SURE_ORIENTATION_CONTRAST
        and near.orientation_agreement[pair].min() >= SURE_ORIENTATION_AGREEMENT
        and all(_stroke_excites(curves, angle, best) for angle in angles)
    )
    strokes = sure or both_are_peaks(curves, angles, best)
    return bool(strokes) and _others_do_less(curves, angles, best)


def both_are_peaks(curves: Curves, angles: Sequence[float], best: float) -> bool:
    """Tells whether bars of two orientations each excite a unit, and those between them less.

    Short strokes, whose kernels are hardly better oriented than a digit's curve, are so told from
    each other.

    Args:
        curves: What the unit answers to gray, and to tinted, strokes.
        angles: Two orientations in degrees, NaN for none.
        best: The score of the unit's best picture.
    """
    needed = BAR_PEAK * (best - curves.neutral)
    for curve in _of_angles(curves):
        found = [
            i * 180 / len(curve)
            for i in peaks(curve, curves.neutral, BAR_PEAK)
            if curve[i] - curves.neutral >= needed
        ]
        nearest = [_nearest(found, angle) for angle in angles]
        near = [distance(at, a, 180) <= BAR_DISTANCE for at, a in zip(nearest, angles, strict=True)]
        if all(near) and nearest[0] != nearest[1]:
            return True
    return False


def _stroke_excites(curves: Curves, angle: float, best: float) -> bool:
    """Tells whether a gray or tinted stroke near an angle reaches `STROKE_GAIN`."""
    needed = curves.neutral + STROKE_GAIN * (best - curves.neutral)
    return any(
        curve[place] >= needed for curve in _of_angles(curves) for place in _near(curve, angle)
    )


def _others_do_less(curves: Curves, angles: Sequence[float], best: float) -> bool:
    """Tells whether strokes of other angles than two, those between above all, excite a unit less.

    Else it wants stripes in any direction, or in a broad range, and pictures show some.
    """
    heights, gain = [curve - curves.neutral for curve in _of_angles(curves)], best - curves.neutral
    strongest = max(heights, key=lambda height: height.max().item())
    narrow = bool(strongest.min() <= OTHER_STROKES * strongest.max())
    for height in heights:
        places = [_best_near(height, angle) for angle in angles]
        share = dip(height, *places)
        valley = (1 - share) * height[places].min().item()
        if share <= STROKES_BETWEEN or (narrow and valley >= VALLEY_OF_STROKES * gain):
            return True
    return False


def _best_near(curve: Tensor, angle: float) -> int:
    """The place of the highest answer, around the circle, to a stroke near an angle."""
    return max(_near(curve, angle), key=lambda place: curve[place].item())


def _near(curve: Tensor, angle: float) -> list[int]:
    """The places, around the circle, of the answers to strokes near an angle."""
    step = 180 / len(curve)
    return [i for i in range(len(curve)) if distance(i * step, angle, 180) <= BAR_DISTANCE]


def _of_angles(curves: Curves) -> list[Tensor]:
    """What the unit answers to gray and to tinted strokes, over their angles, from 0 to 180."""
    return [curves.angles, *([curves.tinted.amax(0)] if len(curves.tinted) else [])]


def _nearest(angles: Sequence[float], angle: float) -> float:
    """The nearest of some angles; NaN of none."""
    return min(angles, key=lambda other: distance(other, angle, 180), default=math.nan)


def facet_shown(near: Preferences, groups: Sequence[Group]) -> list[int | None]:
    """Tells which facet other pictures of the unit show, those of its whole channel, say.

    Args:
        near: What is preferred near M pictures.
        groups: The facets.

    Returns:
        For each picture the number of the first facet of about its hue and its orientation, or
        None. What has a hue or an orientation is not shown by what has none.
    """
    return [
        next((number for number, group in enumerate(groups) if _alike(group, hue, angle)), None)
        for hue, angle in zip(near.hue.tolist(), near.orientation.tolist(), strict=True)
    ]


def _alike(group: Group, hue: float, orientation: float) -> bool:
    """Whether a facet has a hue and an orientation, NaN for none, wherever it has one itself."""
    return (group.hue is None or distance(group.hue, hue, 360) < HUE_DIFFERENCE) and (
        group.orientation is None
        or distance(group.orientation, orientation, 180) < ORIENTATION_DIFFERENCE
    )


def known_distance(one: float, other: float, period: float) -> float:
    """Returns the distance of two angles on a circle; 0 if one of them is none (NaN)."""
    away = distance(one, other, period)
    return away if away == away else 0.0


def _beyond(value: float, limit: float, most: float) -> float:
    """How far a value lies between its limit and the most that it can be, 0 to 0.5."""
    return max(0.0, (value - limit) / (most - limit) / 2)


def _group(
    optima: Optima, maxima: FourMaxima, shares: Shares, members: Sequence[int], separation: float
) -> Group:
    best = members[0]
    kind, margin = kind_of(shares)
    near, gain = optima.near, maxima.gain.item()
    least = {Kind.SHAPE: math.inf, Kind.BRIGHTNESS: NAMED_BESIDE}.get(kind, LITTLE)
    return Group(
        kind=kind,
        shares=shares,
        strength=min(1.0, (optima.reached[best, 0].item() - optima.neutral) / gain),
        members=tuple(members),
        hue=_angle(near.hue[best], 360) if shares.color >= least else None,
        orientation=_angle(near.orientation[best], 180) if "shape" in kind else None,
        margin=margin,
        separation=separation,
    )


def _angle(value: Tensor, period: float) -> float | None:
    return None if value.isnan() else on_circle(value.item(), period)
