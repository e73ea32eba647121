"""Figures of a unit as they might be, without a CNN that has such a unit."""

import math

import torch

from prober.findings.profiles import Profiles
from prober.findings.stimuli import choice
from prober.findings.tuning import Curves


def curves_of(**answers):
    """Tuning curves that are zero wherever nothing else is given."""
    sizes = {"grays": 9, "flat": 72, "strokes": 12, "bars": 36, "gratings": 36, "frequencies": 6}
    zeros = {name: torch.zeros(size) for name, size in sizes.items()}
    given = {name: torch.as_tensor(values) for name, values in answers.items()}
    return Curves(choice((3, 28, 28)), **({**zeros, "tinted": torch.zeros(12, 12)} | given))


def optimum(
    left, score=1.0, hue=math.nan, hued=1.0, angle=math.nan, oriented=1.0, color=0.5, near=None
):
    """One optimum: what is left without color, shape, both; its own color is that of its image."""
    color = [color] * 3 if isinstance(color, float) else color
    return {
        "left": left,
        "near": near or left,
        "score": score,
        "hue": hue,
        "hued": hued,
        "angle": angle,
        "oriented": oriented,
        "color": color,
    }


def profiles_of(*optima, neutral=0.0):
    """Profiles of optima whose images are flat, 2 x 2 pixels of their color."""
    columns = {
        key: torch.tensor([each[key] for each in optima], dtype=torch.float64) for key in optima[0]
    }
    without_color, without_shape, without_both = columns.pop("left").T
    gain = columns["score"] - neutral
    shares = [0 * gain, without_color, 0 * gain, without_shape, without_both]
    colors = columns["color"].float()
    return Profiles(
        images=colors[:, :, None, None].expand(-1, -1, 2, 2),
        scores=torch.stack([neutral + share * gain for share in shares], 1),
        gray=colors,
        **(columns | {"color": colors}),
    )
