"""The verdict: what the evidence lets one say of a unit, and how surely."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from prober.common.colors import on_circle
from prober.findings.facets import Group
from prober.findings.finding import Kind
from prober.findings.kinds import KIND_MARGIN, SURVIVING_SHARE
from prober.findings.tuning import Curves, phase

DEAD_CONFIDENCE = 0.98
"""How sure it is that a unit is dead which nothing moves."""

CONFIDENCE = ((0.0, 0.5), (0.1, 0.8), (0.2, 0.92), (0.35, 0.96), (0.5, 0.97))
"""How often claims were right, by the distance of their deciding figure from the limit; straight
in between. On planted units, and on others that were built without a look at these; lower than
there where few of them lie."""


@dataclass(frozen=True)
class Verdict:
    """What is said of a unit; see `finding.Finding`.

    Attributes:
        kinds: What it wants, sorted; none if it is dead, `unclear` if the evidence is thin.
        confidence: How sure that is, 0 to 1.
        why: Sentences: why it is unclear or dead, and what speaks against it.
        dead: Whether nothing moves it.
        polysemantic: Whether it has two facets or more.
        hue: Degrees, of its first facet that has one.
        orientation: Degrees, of its first facet that has one.
    """

    kinds: tuple[Kind, ...]
    confidence: float
    why: tuple[str, ...]
    dead: bool = False
    polysemantic: bool = False
    hue: float | None = None
    orientation: float | None = None


def of_the_dead(saw_real_images: bool) -> Verdict:
    """Returns the verdict on a unit that nothing moves."""
    real = ", real images" if saw_real_images else ""
    why = (
        "Nothing that was tried makes a difference to it: noise, flat and striped images, "
        f"pictures of other units{real}, an ascent with ReLUs that let the gradient through."
    )
    return Verdict((), DEAD_CONFIDENCE, (why,), dead=True)


def conclude(groups: Sequence[Group], curves: Curves, best: float) -> Verdict:
    """Draws the conclusions about a unit that is not dead.

    Args:
        groups: Its facets, settled, the best first.
        curves: What it answers to flat and striped images.
        best: The score of its best picture.
    """
    kinds, why = tuple(sorted({group.kind for group in groups})), []
    if not groups:
        why.append("No start led to an image that excites it more than mid gray does.")
    elif groups[0].margin < KIND_MARGIN:
        why.append(
            "Its evidence is thin: what is left of the score without color or without shape is "
            f"within {KIND_MARGIN:.0%} of the limit of {SURVIVING_SHARE:.0%} that tells its kind."
        )
    elif Kind.MIXED in kinds:
        why.append("Its pictures show two things at once, and none shows one of them alone.")
    against = doubts(groups, curves, best)
    clearest = min((min(group.margin, group.separation) for group in groups), default=0.0)
    return Verdict(
        kinds=(Kind.UNCLEAR,) if why else kinds,
        confidence=confidence(0.0 if against else clearest),
        why=(*why, *against),
        polysemantic=len(groups) > 1,
        hue=next((group.hue for group in groups if group.hue is not None), None),
        orientation=next((g.orientation for g in groups if g.orientation is not None), None),
    )


def doubts(groups: Sequence[Group], curves: Curves, best: float) -> list[str]:
    """Says what speaks against the kind of a unit with one facet: flat patches of other colors.

    The kind goes by what is left of the picture's own shape and color. That a patch which has
    nothing of either excites the unit as well is not seen in it.
    """
    if len(groups) != 1 or groups[0].kind == Kind.BRIGHTNESS or best <= curves.neutral:
        return []
    found = []
    patches = {"gray": curves.grays}
    if "shape" in groups[0].kind and len(curves.flat):
        patches["hue"] = curves.flat
    for name, answers in patches.items():
        share = ((answers.max() - curves.neutral) / (best - curves.neutral)).item()
        if share >= SURVIVING_SHARE:
            found.append(
                f"A flat patch of another {name} than its picture's excites it, too: {share:.0%} "
                "of the way."
            )
    return found


def settled(groups: Sequence[Group], curves: Curves) -> list[Group]:
    """Takes the hue of a unit whose only facet is a color from its whole tuning curve.

    There the preferred hue is by definition the phase of the first harmonic of the response to
    flat patches; what was found near the picture is an estimate of it, and the only one where
    there are several facets or where a flat patch alone does not excite the unit. Of a curve with
    several hills, a class's logit say, the phase may lie in a valley between them: then the hue is
    that of the highest.

    Returns:
        The facets, those of any other unit as they were.
    """
    if [group.kind for group in groups] != [Kind.COLOR] or not len(curves.flat):
        return list(groups)
    if groups[0].hue is None:
        return list(groups)
    hue, number = on_circle(phase(curves.flat, 360), 360), len(curves.flat)
    height = curves.flat - curves.neutral
    if height[round(hue / 360 * number) % number] < SURVIVING_SHARE * height.max():
        hue = height.argmax().item() / number * 360
    return [replace(groups[0], hue=hue)]


def confidence(margin: float) -> float:
    """Returns how sure a claim is, from the distance of its deciding figure from the limit."""
    for (low, at_low), (high, at_high) in pairwise(CONFIDENCE):
        if margin <= high:
            part = (margin - low) / (high - low)
            return round(at_low + part * (at_high - at_low), 3)
    return CONFIDENCE[-1][1]
