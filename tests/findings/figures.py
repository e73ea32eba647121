"""Figures of a unit as they might be, without a CNN that has such a unit."""

import colorsys
import math

import numpy as np
import torch

from prober.findings.maxima import FourMaxima
from prober.findings.optima import Optima
from prober.findings.preferences import Preferences
from prober.findings.real_images import RealImages
from prober.findings.real_responses import LOGIT_SITE, RealResponses
from prober.findings.responses import Responses
from prober.findings.stimuli import choice
from prober.findings.tuning import Curves


def curves_of(**answers):
    """Tuning curves that are zero wherever nothing else is given."""
    sizes = {"grays": 9, "flat": 72, "bars": 36, "gratings": 36, "frequencies": 6}
    zeros = {name: torch.zeros(size) for name, size in sizes.items()}
    given = {name: torch.as_tensor(values) for name, values in answers.items()}
    return Curves(choice((3, 28, 28)), **({**zeros, "tinted": torch.zeros(12, 12)} | given))


def optimum(
    shares,
    score=1.0,
    hue=math.nan,
    hue_agreement=1.0,
    angle=math.nan,
    orientation_contrast=1.0,
    orientation_agreement=1.0,
    color=0.5,
    mean_color=(0.5, 0.5, 0.5),
):
    """One optimum: the shares of color, shape and brightness; its own color is that of its image.

    Nothing near it scores more than it does, and color and shape do not interact.
    """
    return {
        "shares": shares,
        "score": score,
        "hue": hue,
        "hue_agreement": hue_agreement,
        "orientation": angle,
        "orientation_contrast": orientation_contrast,
        "orientation_agreement": orientation_agreement,
        "mean_color": mean_color,
        "flat_color": [color] * 3 if isinstance(color, float) else color,
    }


def optima_of(*optima, neutral=0.0):
    """Optima whose images are flat, 2 x 2 pixels of their color."""
    columns = {
        key: torch.tensor([each[key] for each in optima], dtype=torch.float64) for key in optima[0]
    }
    color, shape, light = columns.pop("shares").T
    score = columns.pop("score")
    reached = torch.stack([color + shape + light, shape + light, color + light, light], 1)
    colors, mean_color = columns.pop("flat_color").float(), columns.pop("mean_color")
    return Optima(
        images=colors[:, :, None, None].expand(-1, -1, 2, 2),
        score=score,
        neutral=neutral,
        reached=neutral + (score - neutral)[:, None] * reached,
        flat_color=colors,
        near=Preferences(**columns),
        color=mean_color.float(),
    )


def maxima_of(shares=(1.0, 0.0, 0.0), interaction=0.0, neutral=0.0, gain=1.0, moved=0.0, spike=0.0):
    """The maxima of a unit with these shares, of which half of the search moves some color.

    By the spike, a share of the gain, its flat images excite it more than those beside them.
    """

    def scores(color, shape, light):
        gray, flat = shape + light - interaction / 2, color + light - interaction / 2
        return neutral + gain * torch.tensor([color + shape + light, gray, flat, light]).double()

    color, shape, light = shares
    halves = [scores(color, shape, light), scores(color - moved, shape + moved, light)]
    image = torch.zeros(3, 2, 2)
    beside = halves[0] - gain * spike * torch.tensor([0.0, 0.0, 1.0, 1.0])
    n, images = torch.tensor(neutral).double(), (image,) * 4
    return FourMaxima(n, halves[0], images, torch.stack(halves), beside)


def data_of(labels, hues=(0, 120, 240), classes=("a", "b", "c")):
    colors = [colorsys.hsv_to_rgb(hues[label] / 360, 1, 1) for label in labels]
    images = torch.tensor(colors, dtype=torch.float32)[:, :, None, None].expand(-1, -1, 2, 2)
    return RealImages("made up", images, torch.tensor(labels), list(classes))


def responses_of(data, dealt, plain=None, gray=None):
    """As `respond_to_real` would: `[colors, N, channels]`; plain, each in its class's color."""
    dealt = torch.as_tensor(dealt, dtype=torch.float32)
    if plain is None:
        rows = torch.arange(len(data.labels))
        plain = dealt[data.labels, rows] if len(dealt) == len(data.classes) else dealt[0]
    gray = dealt.mean(0) if gray is None else gray
    plain, colors = Responses(*[plain] * 3), Responses(*[dealt] * 3)
    return RealResponses(
        real=data,
        plain={LOGIT_SITE: plain},
        dealt={LOGIT_SITE: colors} if data.color_groups else {},
        turned={},
        turned_labels=data.labels,
        changed=dealt,
        gray=gray if gray.dim() == 3 else gray[None],
    )


def logits(answer, number=3):
    """Logits `[hues, N, classes]` that name the classes `answer[hue][image]`."""
    return np.eye(number)[np.array(answer)] * 5.0
