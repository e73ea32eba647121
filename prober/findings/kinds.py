"""Kinds: what the gain of a unit is due to, and the word for it. One rule for all claims."""

import torch
from torch import Tensor

from prober.findings.finding import Kind

ALL, GRAY, FLAT, FLAT_GRAY = IMAGE_SETS = ("all", "gray", "flat", "flat_gray")
"""Sets of images: any; without color; without shape; with neither."""

SURVIVING_SHARE = 0.5
"""A unit survives an intervention if this share of the gain is left."""

KIND_MARGIN = 0.03
"""A kind whose deciding share is this near to the limit is not sure."""


def shares_of(neutral: Tensor, scores: Tensor) -> Tensor:
    """Computes what a gain is due to, from the four maxima.

    With A, G, F and B the maxima over all, gray, flat and flat gray images, and n the score of mid
    gray, the gain is A - n. The value of color and of shape is what each adds, averaged over the
    two orders in which they can be added (Shapley, "A value for n-person games", 1953):

    - color = [(A - G) + (F - B)] / 2 / gain
    - shape = [(A - F) + (G - B)] / 2 / gain
    - brightness = (B - n) / gain
    - interaction = (A - G - F + B) / gain

    The first three are at least 0 and add up to 1.

    Args:
        neutral: `[...]`, n.
        scores: `[..., 4]`, A, G, F and B, B <= G <= A and B <= F <= A.

    Returns:
        `[..., 4]`: color, shape, brightness, interaction; NaN where the gain is not above 0.
    """
    n, (most, gray, flat, both) = neutral.double(), scores.double().unbind(-1)
    parts = [
        ((most - gray) + (flat - both)) / 2,
        ((most - flat) + (gray - both)) / 2,
        both - n,
        most - gray - flat + both,
    ]
    gain = torch.where(most > n, most - n, torch.nan)
    return torch.stack(parts, -1) / gain[..., None]


def kind_of(without_color: float, without_shape: float, without_both: float) -> tuple[Kind, float]:
    """Names what a unit wants by what it survives, and how clear that is.

    Args:
        without_color: Share of the gain that is left without color.
        without_shape: Share of the gain that is left without shape.
        without_both: Share of the gain that is left without either.

    Returns:
        The kind, and the distance of the share that decided it from `SURVIVING_SHARE`, 0 to 0.5.
        A unit that survives either loss, but not both at once, is shown a picture of two things
        and is called mixed.
    """
    gray, flat, flat_gray = without_color, without_shape, without_both
    margin = min(0.5, abs(gray - SURVIVING_SHARE), abs(flat - SURVIVING_SHARE))
    if flat_gray >= SURVIVING_SHARE:
        return Kind.BRIGHTNESS, min(0.5, flat_gray - SURVIVING_SHARE)
    if gray >= SURVIVING_SHARE and flat >= SURVIVING_SHARE:
        return Kind.MIXED, margin
    if gray >= SURVIVING_SHARE:
        return Kind.SHAPE, margin
    if flat >= SURVIVING_SHARE:
        return Kind.COLOR, margin
    return Kind.COLOR_AND_SHAPE, margin
