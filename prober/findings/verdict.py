"""The verdict: what the evidence lets one say of a unit, and how surely."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from prober.common.colors import on_circle
from prober.findings.facets import THIN, Facet
from prober.findings.profiles import SURVIVES
from prober.findings.tuning import Curves, phase

OF_THE_DEAD = 0.98
"""How sure it is that a unit is dead which nothing moves."""

CONFIDENCE = ((0.0, 0.5), (0.1, 0.8), (0.2, 0.92), (0.35, 0.96), (0.5, 0.97))
"""How often claims were right, by the distance of their deciding figure from the limit; straight
in between. On planted units, and on others that were built without a look at these; lower than
there where few of them lie."""


def of_the_dead(saw_real_images: bool) -> dict[str, Any]:
    """Returns the conclusions about a unit that nothing moves; keys as of `conclude`."""
    real = ", real images" if saw_real_images else ""
    return {
        "kinds": [],
        "dead": True,
        "polysemantic": False,
        "hue": None,
        "orientation": None,
        "confidence": OF_THE_DEAD,
        "why": [
            "Nothing that was tried makes a difference to it: noise, flat and striped images, "
            f"pictures of other units{real}, an ascent with ReLUs that let the gradient through."
        ],
    }


def conclude(facets: Sequence[Facet], curves: Curves, best: float) -> dict[str, Any]:
    """Draws the conclusions about a unit that is not dead.

    Args:
        facets: Its facets, the best first.
        curves: What it answers to flat and striped images.
        best: The score of its best picture.

    Returns:
        `kinds`, `dead`, `polysemantic`, `hue`, `orientation`, `confidence` and `why`.
    """
    margin = min((facet.margin for facet in facets), default=0.0)
    clear = min((facet.clear for facet in facets), default=0.0)
    kinds, why = sorted({facet.kind for facet in facets}), []
    if not facets:
        why.append("No start led to an image that excites it more than mid gray does.")
    elif facets[0].margin < THIN:
        why.append(
            "Its evidence is thin: what is left of the score without color or without shape is "
            f"within {THIN:.0%} of the limit of {SURVIVES:.0%} that tells its kind."
        )
    elif "mixed" in kinds:
        why.append("Its pictures show two things at once, and none shows one of them alone.")
    unclear = bool(why)
    doubt = doubts(facets, curves, best)
    why += doubt
    settle(facets, curves)
    polysemantic = len(facets) > 1
    return {
        "kinds": ["unclear"] if unclear else kinds,
        "dead": False,
        "polysemantic": polysemantic,
        "hue": next((f.hue for f in facets if f.hue is not None), None),
        "orientation": next((f.orientation for f in facets if f.orientation is not None), None),
        "confidence": confidence(0.0 if doubt else min(margin, clear)),
        "why": why,
    }


def doubts(facets: Sequence[Facet], curves: Curves, best: float) -> list[str]:
    """Says what speaks against the kind of a unit with one facet: flat patches of other colors.

    The kind goes by what is left of the picture's own shape and color. That a patch which has
    nothing of either excites the unit as well is not seen in it.
    """
    if len(facets) != 1 or facets[0].kind == "brightness" or best <= curves.neutral:
        return []
    found = []
    patches = {"gray": curves.grays}
    if "shape" in facets[0].kind and len(curves.flat):
        patches["hue"] = curves.flat
    for name, answers in patches.items():
        way = ((answers.max() - curves.neutral) / (best - curves.neutral)).item()
        if way >= SURVIVES:
            found.append(
                f"A flat patch of another {name} than its picture's excites it, too: {way:.0%} of "
                "the way."
            )
    return found


def settle(facets: Sequence[Facet], curves: Curves) -> None:
    """Takes the hue of a unit whose only color is flat from its whole tuning curve.

    There the preferred hue is by definition the phase of the first harmonic of the response to
    flat patches; what was found near the picture is an estimate of it, and the only one where
    there are several facets or where a flat patch alone does not excite the unit. Of a curve with
    several hills, a class's logit say, the phase may lie in a valley between them: then the hue is
    that of the highest.
    """
    colors = [facet for facet in facets if facet.hue is not None]
    if len(facets) == 1 and colors and colors[0].kind == "color" and len(curves.flat):
        hue, number = on_circle(phase(curves.flat, 360), 360), len(curves.flat)
        height = curves.flat - curves.neutral
        if height[round(hue / 360 * number) % number] < SURVIVES * height.max():
            hue = height.argmax().item() / number * 360
        colors[0].hue = hue


def confidence(margin: float) -> float:
    """Returns how sure a claim is, from the distance of its deciding figure from the limit."""
    for (low, at_low), (high, at_high) in pairwise(CONFIDENCE):
        if margin <= high:
            part = (margin - low) / (high - low)
            return round(at_low + part * (at_high - at_low), 3)
    return CONFIDENCE[-1][1]
