"""The verdict: what the evidence lets one say of a unit, and how surely."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from prober.common.colors import distance, on_circle
from prober.findings.dead_units import why_dead
from prober.findings.facets import Group
from prober.findings.finding import Evidence, Finding, Kind, Shares, SingleHue
from prober.findings.kinds import kind_of, shares_of
from prober.findings.maxima import SETTLED, FourMaxima
from prober.findings.tuning import Curves, phase
from prober.findings.units import Unit

EITHER = -0.5
"""An interaction from which on down color and shape are two things, either of which will do."""

HILL_HEIGHT = 0.7
"""The phase of a tuning curve is its hue if it answers there with this share of its highest: with
less it lies on a slope, or between hills, and a hue beside it excites the unit far more. The six
corners of the RGB cube that have a hue, yellow say beside a planted orange, excite a little more:
at 0.9 of 66 planted hues 8 were moved there, at 0.7 none."""

ORIENTED, NEAR_DEGREES = 0.25, 20.0
"""A unit is about an orientation if bars of all orientations differ by this share of its gain, and
the best of them by so many degrees from it. Of strokes that were planted bars differ by 0.54 and
more, and by 8 degrees at the most."""

AT_ONCE = 0.5
"""The interaction from which on a unit needs color and shape at once; of planted ones 0.77 on."""

SAME_PEAK = 5.0
"""Degrees between two hues up to which they are of one peak."""

DEAD_CONFIDENCE = 0.98
"""How sure it is that a unit is dead which nothing moves. Set by hand: of 89 such claims on 28
planted CNNs 88 were right, though made without pictures, which move the other; none was missed."""

UNCLEAR_CONFIDENCE = 0.5
"""That of an unclear unit, of which nothing is claimed, and of one that may want other colors, too:
a guess, not counted."""

KIND_CONFIDENCE = ((0.0, 0.5), (0.03, 0.9), (0.1, 0.95), (0.3, 0.97))
"""How sure the word for a facet is, by how far its shares lie from another word; straight in
between. The points are set by hand, near or below what was counted on 49 units of four trained
CNNs, against 64 starts of 1,000 steps, and on 315 planted ones, together: right were 75 of 76 at
0.03 to 0.1, 282 of 282 further away, and 6 of 6 nearer, where either word will do. Of 76 the 95 %
interval begins at 0.93, of 282 at 0.99."""

FACETS_CONFIDENCE = ((0.0, 0.5), (0.1, 0.8), (0.2, 0.92), (0.35, 0.96), (0.5, 0.97))
"""How sure it is that facets are several, by how far the figure that tells them apart lies from its
limit; likewise. Counted on planted units, and on others that were built without a look at these. Of
315 more all 82 that have several were found, 6, 23, 26 and 27 of them at 0.03, 0.1, 0.2 and 0.35
and more; of the 233 others one was said to, at 0.08. Below 0.03 no facets are told apart."""


@dataclass(frozen=True)
class Verdict:
    """What is said of a unit; see `finding.Finding`.

    Attributes:
        kinds: What it wants, sorted; none if it is dead, `unclear` if the evidence is thin.
        confidence: How sure that is, 0 to 1; None where facets were not looked for.
        why: Sentences: why it is unclear or dead, and what speaks against it.
        dead: Whether nothing moves it.
        polysemantic: Whether it has two facets or more; None likewise.
        hue: Degrees, of its first facet that has one.
        orientation: Degrees, of its first facet that has one.
    """

    kinds: tuple[Kind, ...]
    confidence: float | None
    why: tuple[str, ...]
    dead: bool = False
    polysemantic: bool | None = False
    hue: float | None = None
    orientation: float | None = None

    def finding(self, unit: Unit, evidence: Evidence) -> Finding:
        """Returns a finding that says this of a unit, as one does that has no facets."""
        # What a unit is and what is said of it have the same names in a finding.
        return Finding(**vars(unit), **vars(self), evidence=evidence)


def of_the_dead(saw_real_images: bool) -> Verdict:
    """Returns the verdict on a unit that nothing moves."""
    real = ", real images" if saw_real_images else ""
    why = why_dead(
        f"noise, flat and striped images, pictures of other units{real}, an ascent with ReLUs that "
        "let the gradient through"
    )
    return Verdict((), DEAD_CONFIDENCE, (why,), dead=True)


def conclude(
    groups: Sequence[Group], maxima: FourMaxima, hues: Sequence[SingleHue] = ()
) -> Verdict:
    """Draws the conclusions about a unit that is not dead.

    Args:
        groups: Its facets, settled, the best first.
        maxima: Its maxima.
        hues: The hues that each excite it, if they are several, see `several_hues`.
    """
    why = []
    if not groups:
        why.append("No start led to an image that excites it more than mid gray does.")
    elif not maxima.settled:
        why.append("Its search did not settle: two halves of it find other shares.")
    elif _rests_on_a_spike(maxima):
        fall = maxima.scores - maxima.beside
        highest = 3 if fall[3] >= fall[2] else 2  # the best flat color may be a gray
        why.append(
            f"Its figures rest on a spike: the best flat {'color' if highest == 2 else 'gray'} "
            f"brings it to {maxima.scores[highest]:.3g}, one that is slightly darker or lighter to "
            f"{maxima.beside[highest]:.3g}."
        )
    elif len(groups) == 1 and maxima.shares[3] <= EITHER:
        why.append(
            "Its figures contradict each other: color alone or shape alone would do, which is two "
            "things, but its pictures show one."
        )
    others = _other_colors(hues)
    return Verdict(
        kinds=(Kind.UNCLEAR,) if why else tuple(sorted({group.kind for group in groups})),
        confidence=UNCLEAR_CONFIDENCE if why or others else confidence(groups),
        why=tuple(why or others),
        polysemantic=len(groups) > 1,
        hue=next((group.hue for group in groups if group.hue is not None), None),
        orientation=next((g.orientation for g in groups if g.orientation is not None), None),
    )


def _other_colors(hues: Sequence[SingleHue]) -> list[str]:
    """Says which hues each excite a unit that has one facet; nothing if they are not several."""
    if not hues:
        return []
    said = [f"{hue.share:.0%} of its gain at {hue.degrees:.0f}°" for hue in hues]
    return [
        "It may want several colors: images of one hue beside grays bring "
        f"{' and '.join(said)}, at hues between less."
    ]


def _rests_on_a_spike(maxima: FourMaxima) -> bool:
    """Tells whether a unit would plainly have another kind if its flat images were a little off.

    A normalization by the image's own figures has a spike where an image is black, or nearly:
    there nothing varies that it could divide by.
    """
    own, beside = (shares_of(maxima.neutral, s) for s in (maxima.scores, maxima.beside))
    kinds = [kind_of(Shares(*shares.tolist()))[0] for shares in (own, beside)]
    return kinds[0] != kinds[1] and bool((own - beside)[:3].abs().max() > SETTLED)


def settled(groups: Sequence[Group], curves: Curves, gain: float) -> list[Group]:
    """Takes hues and orientations from the unit's tuning curves, where these know better.

    What was found near the picture is an estimate. Of a unit whose only facet is a color the hue is
    the phase of the first harmonic of the whole curve of flat patches. Of a curve with several
    hills, or a crooked one, a class's logit say, the phase may lie beside what excites most: then
    it is that of the highest answer. Of several facets each that is a color keeps its own, or
    likewise has that of the next peak uphill, unless another has that, too.

    Args:
        groups: The unit's facets.
        curves: Its answers to flat patches, bars and tinted strokes.
        gain: How far its score goes.

    Returns:
        The facets; one that is no color alone loses a hue that neither flat patches nor strokes of
        it bear out, and the only one an orientation that bars do not.
    """
    hues = _settled_hues(groups, curves) if len(curves.flat) else [each.hue for each in groups]
    found = [replace(group, hue=hue) for group, hue in zip(groups, hues, strict=True)]
    if len(found) == 1 and not _bars_bear_out(found[0], curves, gain):
        found = [replace(found[0], orientation=None)]
    return found


def _settled_hues(groups: Sequence[Group], curves: Curves) -> list[float | None]:
    number, height = len(curves.flat), (curves.flat - curves.neutral).tolist()
    hues = []
    for group in groups:
        hue = group.hue
        if group.kind == Kind.COLOR and hue is not None:
            hue = on_circle(phase(curves.flat), 360) if len(groups) == 1 else hue
            place = round(hue / 360 * number) % number
            peak = height.index(max(height)) if len(groups) == 1 else _uphill(height, place)
            if height[place] < HILL_HEIGHT * height[peak]:
                hue = peak / number * 360
        elif hue is not None and not curves.wants_hue(hue):
            hue = None
        hues.append(hue)
    found = []
    for i, (group, hue) in enumerate(zip(groups, hues, strict=True)):
        others = [each for each in hues[:i] + hues[i + 1 :] if each is not None]
        taken = hue is not None and any(distance(hue, each, 360) <= SAME_PEAK for each in others)
        found.append(group.hue if taken else hue)
    return found


def _bars_bear_out(group: Group, curves: Curves, gain: float) -> bool:
    """Whether a unit is about the orientation of its facet, if this has one.

    The bar nearest to it must be the one that excites most, or nearly, and others clearly less. Of
    a unit that needs color and shape at once bars without color say nothing: those in the best
    color are asked, where there are any.
    """
    angle, together = group.orientation, group.shares.interaction >= AT_ONCE
    if angle is None or (together and not len(curves.tinted)):
        return True
    bars = curves.tinted.amax(0) if together else curves.bars
    best = int(bars.argmax()) * 180 / len(bars)
    clear = (bars.max() - bars.min()).item() >= ORIENTED * gain
    return clear and distance(best, angle, 180) <= NEAR_DEGREES


def _uphill(curve: Sequence[float], place: int) -> int:
    """Goes uphill on a closed curve from a place to the next peak."""
    while (
        higher := max(place, place - 1, place + 1, key=lambda i: curve[i % len(curve)])
    ) != place:
        place = higher % len(curve)
    return place


def confidence(groups: Sequence[Group]) -> float:
    """Returns how sure facets are: as sure as the least sure thing that is said of them."""
    kinds = min(between(KIND_CONFIDENCE, group.margin) for group in groups)
    return min(kinds, *(between(FACETS_CONFIDENCE, group.separation) for group in groups))


def between(measured: Sequence[tuple[float, float]], distance: float) -> float:
    """Returns a confidence: straight between what was measured at some distances."""
    distances, confidences = zip(*measured, strict=True)
    return round(float(np.interp(distance, distances, confidences)), 3)
