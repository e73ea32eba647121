"""Kinds: what the gain of a unit is due to, and the word for it. One rule for all claims."""

import torch
from torch import Tensor

from prober.findings.finding import Kind, Shares

IMAGE_SETS = ("all", "gray", "flat", "flat_gray")
"""Sets of images: any; without color; without shape; with neither."""

NAMING_SHARE = 0.6
"""A share of the gain from which on it names the kind alone."""

LITTLE = 0.1
"""A share of less is not named beside a larger one: neither in words nor by a hue."""

NAMED_BESIDE = 0.25
"""Beside brightness that has more, a share of less is not named: a class that goes by green, whose
flat patch reaches 85 % of the gain, was said to want a green shape; and one that red excites most,
of whose gain black has 58 %, to want darkness."""


def shares_of(neutral: Tensor, scores: Tensor) -> Tensor:
    """Computes what a gain is due to, from the four maxima.

    With A, G, F and B the maxima over all, gray, flat and flat gray images, and n the score of mid
    gray, the gain is A - n. The value of color and of shape is what each adds, averaged over the
    two orders in which they can be added (Shapley, "A value for n-person games", 1953):

    - color = [(A - G) + (F - B)] / 2 / gain
    - shape = [(A - F) + (G - B)] / 2 / gain
    - brightness = (B - n) / gain
    - interaction = (A - G - F + B) / gain

    The first three are at least 0 and add up to 1. A unit that wants a hue has 1, 0, 0 and 0; one
    that wants a hue and a stroke at once 0.5, 0.5, 0 and 1, and where either will do -1.

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


def kind_of(shares: Shares) -> tuple[Kind, float]:
    """Names what a gain is due to, and how clear that is.

    A share of 0.6 or more names the kind alone. Where none is, the kind is `brightness` if that is
    the largest, else `color+shape`.

    Returns:
        The kind, and by how much shares may change without another word, 0 to 0.5.
    """
    named = {Kind.COLOR: shares.color, Kind.SHAPE: shares.shape}
    kind = max(named, key=named.__getitem__)
    larger, light = named[kind], shares.brightness
    if larger >= NAMING_SHARE:
        return kind, larger - NAMING_SHARE
    if light > larger:
        return Kind.BRIGHTNESS, min((light - larger) / 2, NAMING_SHARE - larger)
    return Kind.COLOR_AND_SHAPE, min(NAMING_SHARE - larger, (larger - light) / 2)
