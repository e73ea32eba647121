"""Kinds: what a unit wants, named by what it survives. One rule for all claims."""

from prober.findings.finding import Kind

SURVIVING_SHARE = 0.5
"""A unit survives an intervention if this share of the gain is left."""

KIND_MARGIN = 0.03
"""A kind whose deciding share is this near to the limit is not sure."""


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
