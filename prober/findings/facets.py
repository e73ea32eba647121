"""Facets: the optima of a unit, grouped by what they are."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from prober.findings import interventions, stimuli
from prober.findings.interventions import TURNS
from prober.findings.units import Window, gradients, scores
from prober.subject.frozen import Subject
from prober.visualize.objectives import Objective

NEAR = 0.75
"""A facet counts if its best optimum goes at least this share of the best one's way."""

SURVIVES = 0.5
"""A unit survives an intervention if this share of the way is left."""

THIN = 0.03
"""A kind whose deciding share is this near to the limit is not sure."""

OTHER_PROFILE = 0.4
"""Interventions that differ by this share of the way are not the same profile."""

OTHER_HUE = 50.0
"""Degrees between the preferred hues of two optima that are not the same color."""

OTHER_ANGLE = 25.0
"""Degrees between the orientations of two optima that are not the same stroke."""

ORIENTED = 0.5
"""A unit prefers an orientation if its agreement with bars falls by this share of the best."""

WELL_ORIENTED = 0.8
"""Only strokes that are oriented so well can be told from each other. A straight stroke's kernel
reaches 0.9 and more; a digit's curve does not, and has no one direction that could be another."""

OTHER_BRIGHTNESS = 0.5
"""Difference of luminance between two optima that are not the same brightness."""

VALLEY = 0.9
"""Two optima are of two facets only if the score falls below this share of the lower one's way
somewhere between them. It cannot on the way between two optima of one quasi-concave detector, as
every linear one, minimum or threshold of such is; the maximum of two unrelated ones has it."""

BLENDS = (0.25, 0.5, 0.75)

NAMES = {
    "neutral gray": 0,
    "without color": 1,
    "pixels shuffled": 2,
    "one flat color": 3,
    "flat gray": 4,
}
"""The interventions, by their place in `Profiles.scores`; the turns of the hue follow."""


@dataclass
class Profiles:
    """What becomes of the scores of N images under interventions.

    Attributes:
        images: `[N, C, H, W]`.
        score: `[N]`.
        scores: `[N, 5 + turns]`, after each intervention of `NAMES`, then after each turn of the
            hue (none where images have no three channels).
        color: `[N, C]`, the flat color that did best.
        hue: `[N]`, degrees, the hue that the unit prefers near the image; NaN where there is none.
        angle: `[N]`, degrees, the orientation that it prefers near the image; NaN likewise.
        oriented: `[N]`, how well it is oriented, 0 to 1: how much less the orientation that it
            agrees with least has than the one that it agrees with most.
        near: `[N, 3]`, the shares of the way that are left without color, without shape and
            without both by the score's own gradient at the image, see `decisive`.
    """

    images: Tensor
    score: Tensor
    scores: Tensor
    near: Tensor
    color: Tensor
    hue: Tensor
    angle: Tensor
    oriented: Tensor

    @property
    def neutral(self) -> Tensor:
        """`[N]`, the score of mid gray."""
        return self.scores[:, 0]

    @property
    def shares(self) -> Tensor:
        """`[N, 5 + turns]`, each score as a share of the way from mid gray to the image's own."""
        way = (self.score - self.neutral).clamp_min(1e-30)
        return (self.scores - self.neutral[:, None]) / way[:, None]

    @property
    def decisive(self) -> Tensor:
        """`[N, 3]`, the shares left without color, without shape, without both.

        An image may survive either loss by the other thing that is in it: where a unit takes the
        maximum of two things, what shows one of them may have some of the other. So where both
        shares survive, but not the loss of both, those of the gradient decide: it leads to what
        won.
        """
        shares = self.shares[:, [1, 3, 4]]
        survives = shares >= SURVIVES
        mixed = survives[:, 0] & survives[:, 1] & ~survives[:, 2]
        return torch.where(mixed[:, None], self.near, shares)

    def __len__(self) -> int:
        """Returns N."""
        return len(self.images)


def profile(
    subject: Subject, objectives: Sequence[Objective], images: Tensor, window: Window
) -> Profiles:
    """Intervenes on images and computes what is left of their scores.

    Args:
        subject: The CNN under study.
        objectives: N objectives of one layer.
        images: `[N, C, H, W]` in [0, 1].
        window: Where they look.
    """
    gradient = gradients(subject, objectives, images)
    weights = gradient.abs().sum(1)
    gray = interventions.without_color(images)
    mixed = interventions.shuffled(images, window)
    colors = interventions.flat_colors(images, weights, window)
    flats = [interventions.flat(each, images) for each in colors]

    def score(variant: Tensor) -> Tensor:
        return scores(subject, objectives, variant).double()

    of_flats = torch.stack([score(each) for each in flats])
    of_grays = torch.stack([score(interventions.without_color(each)) for each in flats])
    best = of_flats.argmax(0)
    angle, oriented = _local_angle(subject, objectives, images, flats[0], window)
    after = [
        score(torch.full_like(images, 0.5)),
        score(gray),
        torch.stack([score(each) for each in mixed]).mean(0),
        of_flats.amax(0),
        of_grays.amax(0),
    ]
    if images.shape[1] == 3:
        after += [score(interventions.hue_turned(images, turn)) for turn in TURNS]
    return Profiles(
        images=images,
        score=score(images),
        scores=torch.stack(after, 1),
        color=colors[best, torch.arange(len(images))],
        hue=_local_hue(subject, objectives, images),
        angle=angle,
        oriented=oriented,
        near=_shares_near(gradient, images, gray, flats),
    )


def _shares_near(gradient: Tensor, images: Tensor, gray: Tensor, flats: Sequence[Tensor]) -> Tensor:
    """The shares left without color, shape and both, were the score as linear as its gradient."""

    def rise(variant: Tensor) -> Tensor:
        return (gradient * (variant - 0.5)).sum((1, 2, 3)).double()

    of_flats = torch.stack([rise(each) for each in flats]).amax(0)
    of_grays = torch.stack([rise(interventions.without_color(each)) for each in flats]).amax(0)
    left = torch.stack([rise(gray), of_flats, of_grays], 1)
    return left / rise(images)[:, None].clamp_min(1e-30)


def _local_hue(subject: Subject, objectives: Sequence[Objective], images: Tensor) -> Tensor:
    """The hue that a unit prefers near images: where a tint of the whole image leads uphill.

    With the color drawn halfway back to gray, so that in a unit that needs color and shape it is
    the color that there is too little of. The sum of the gradient over the image is the response
    to a uniform tint, and the shape has no part in it.
    """
    if images.shape[1] != 3:
        return torch.full((len(images),), math.nan)
    gray = interventions.without_color(images)
    x = y = torch.zeros(len(images))
    for share in (0.3, 0.6, 0.9):
        tint = gradients(subject, objectives, torch.lerp(gray, images, share)).sum((2, 3))
        hue, strength = interventions.opponent_hue(tint.double())
        x = x + strength * torch.deg2rad(hue).cos()
        y = y + strength * torch.deg2rad(hue).sin()
    hue = torch.rad2deg(torch.atan2(y, x)).remainder(360)
    return hue.where(torch.hypot(x, y) > 0, math.nan)


def _local_angle(
    subject: Subject,
    objectives: Sequence[Objective],
    images: Tensor,
    flats: Tensor,
    window: Window,
) -> tuple[Tensor, Tensor]:
    """The orientations that units prefer near images, and how well they are oriented.

    Of the gradient by brightness, with the shape drawn halfway back to the mean color, so that it
    is the shape that there is too little of: the bar that it agrees with best.
    """
    total = torch.zeros(len(images), *images.shape[2:])
    for share in (0.4, 0.7, 1.0):
        total += gradients(subject, objectives, torch.lerp(flats, images, share)).sum(1)
    kernel = window.crop(total).flatten(1).double()
    kernel = kernel - kernel.mean(1, keepdim=True)
    kernel = kernel / kernel.norm(dim=1, keepdim=True).clamp_min(1e-30)
    angles = torch.arange(60) * 3.0
    shape = (1, window.height, window.width)
    if min(shape[1:]) < 2:
        return torch.full((len(images),), math.nan), torch.zeros(len(images))
    masks, _ = stimuli.fine_bars(shape, angles)
    bars = masks.flatten(1).double()
    bars = bars - bars.mean(1, keepdim=True)
    bars = bars / bars.norm(dim=1, keepdim=True).clamp_min(1e-12)
    agreement = (kernel @ bars.T).abs().view(len(images), -1, len(angles)).amax(1)
    top, bottom = agreement.amax(1), agreement.amin(1)
    oriented = (top - bottom) / top.clamp_min(1e-30)
    angle = torch.stack([_peak_angle(curve) for curve in agreement])
    return angle.where(oriented >= ORIENTED, math.nan), oriented


def _peak_angle(curve: Tensor) -> Tensor:
    """The middle, in degrees, of a closed curve's highest peak; NaN if there is none."""
    top, bottom = curve.max(), curve.min()
    if not top > bottom:
        return torch.tensor(math.nan)
    n = len(curve)
    peak = int(curve.argmax())
    away = (torch.arange(n) - peak + n // 2) % n - n // 2
    # What rises above the level of three quarters, next to the peak.
    level = bottom + 0.75 * (top - bottom)
    rise = (curve - level).clamp_min(0) * (away.abs() <= n // 6)
    return (((peak + (rise * away).sum() / rise.sum()) * 180 / n) % 180).float()


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


def group_facets(subject: Subject, objective: Objective, profiles: Profiles) -> list[Facet]:
    """Groups the optima of one unit into facets.

    Args:
        subject: The CNN under study.
        objective: The unit's objective.
        profiles: Of its N optima.

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
        others = {i: d for i in left[1:] if (d := difference(profiles, kinds, first, i)) > 0}
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


def difference(profiles: Profiles, kinds: list[tuple[str, float]], one: int, other: int) -> float:
    """Tells how plainly two optima are of different kinds, hues, directions or brightness.

    Returns:
        0 if they are not, else how far beyond the limit the difference lies, up to 0.5.
    """
    a, b = kinds[one][0], kinds[other][0]
    shares = profiles.decisive[[one, other]].clamp(0, 1)
    if a != b:
        return _beyond((shares[0] - shares[1]).abs().max().item(), OTHER_PROFILE, 1)
    found = 0.0
    if "color" in a:
        hue = apart(profiles.hue[one], profiles.hue[other], 360)
        found = max(found, _beyond(hue, OTHER_HUE, 180))
    if "shape" in a and profiles.oriented[[one, other]].min() >= WELL_ORIENTED:
        angle = apart(profiles.angle[one], profiles.angle[other], 180)
        found = max(found, _beyond(angle, OTHER_ANGLE, 90))
    if a == "brightness":
        light = interventions.without_color(profiles.color[[one, other], :, None, None])[:, 0]
        found = _beyond((light[0] - light[1]).abs().item(), OTHER_BRIGHTNESS, 1)
    return found


def _beyond(value: float, limit: float, most: float) -> float:
    """How far a value lies between its limit and the most that it can be, 0 to 0.5."""
    return max(0.0, (value - limit) / (most - limit) / 2)


def alike(profiles: Profiles, other: Profiles, facets: Sequence[Facet]) -> list[int | None]:
    """Tells which facet other pictures of the unit show, those of its whole channel, say.

    Args:
        profiles: Of the optima that the facets were found in.
        other: Of M other pictures.
        facets: The facets.

    Returns:
        For each picture the number of the first facet of its kind and about its hue, or None.
    """
    found: list[int | None] = []
    for row in range(len(other)):
        kind, _ = kind_of(*other.decisive[row].tolist())
        same = [
            number
            for number, facet in enumerate(facets)
            if facet.kind == kind
            and apart(profiles.hue[facet.members[0]], other.hue[row], 360) < OTHER_HUE
        ]
        found.append(same[0] if same else None)
    return found


def apart(one: Tensor | float, other: Tensor | float, period: float) -> float:
    """Returns the distance of two angles on a circle; 0 if one of them is none (NaN)."""
    distance = abs((float(one) - float(other) + period / 2) % period - period / 2)
    return 0.0 if math.isnan(distance) else distance


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
        hue=hue if "color" in kind and not math.isnan(hue) else None,
        orientation=angle if "shape" in kind and not math.isnan(angle) else None,
        margin=margin,
        clear=clear,
    )
