"""Maxima nearby: what can be reached from an image without leaving its facet.

Of a unit with several facets each is due to something of its own. So from each image is climbed
among all images, from its gray version among gray ones, and from its color among flat ones.
What is reached, and what is started from, belongs to the same facet if the score does not fall on
the straight line there.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from prober.findings.box_ascent import LAST_STEP, climb
from prober.findings.cut_cnn import CutCNN
from prober.findings.maxima import FLAT_LAST_STEP, KNOWN_FIRST_STEP, FourMaxima, breadth_for, nested

FACET_VALLEY = 0.9
"""Two optima are of two facets only if the score falls below this share of the lower one's gain
somewhere between them. It cannot on the way between two optima of one quasi-concave detector, as
every linear one, minimum or threshold of such is; the maximum of two unrelated ones has it."""

BLENDS = (0.25, 0.5, 0.75)
"""How far between two optima the valley is looked for."""


def maxima_nearby(
    cut: CutCNN, channels: Tensor, images: Tensor, maxima: Sequence[FourMaxima]
) -> tuple[Tensor, Tensor]:
    """Finds the maxima that can be reached from images without leaving their facet.

    Args:
        cut: The CNN cut down to what units of one layer see.
        channels: `[N]`, the channel that each image is to excite.
        images: `[N, C, H, W]` in [0, 1].
        maxima: The maxima of these N units, which are tried as well.

    Returns:
        The scores `[N, 4]` over all, gray, flat and flat gray images, and the colors `[N, C]` of
        the flat ones.
    """
    fields = cut.crop(images)
    neutral = torch.stack([each.neutral for each in maxima])
    if not all(each.near_zero for each in maxima):
        cut = cut.in_float32()
    own = cut.own_scores(fields, channels)
    steps = breadth_for(cut, int(channels[0])).local_steps
    top_score, top = climb(cut, fields, channels, KNOWN_FIRST_STEP, steps)
    lowest = lowest_between(cut, channels, fields, top)
    inside = (lowest - neutral) >= FACET_VALLEY * (own - neutral)
    top = torch.where(inside[:, None, None, None], top, fields)
    reached = [torch.where(inside, top_score, own)]
    mean = _mean_color(cut, channels, fields)
    starts = (fields.mean(1, keepdim=True), mean, mean.mean(1, keepdim=True))
    colors = mean[..., 0, 0]
    for number, start in enumerate(starts, 1):
        last = FLAT_LAST_STEP if number > 1 else LAST_STEP
        near_score, near = climb(cut, start, channels, KNOWN_FIRST_STEP, steps, last)
        found = neutral
        best = torch.stack([cut.crop(each.images[number]) for each in maxima])
        # Of a unit that looks at several places a climb may end at another one: at a flat top a
        # rounding error is enough. Then what it started from counts.
        for known, field, score in (
            (fields, start, cut.own_scores(start, channels)),
            (top, near, near_score),
            (top, best, torch.stack([each.scores[number] for each in maxima])),
        ):
            field = field.expand(-1, *cut.shape)
            lower = torch.minimum(score, reached[0]) - neutral
            same = lowest_between(cut, channels, known, field) - neutral >= FACET_VALLEY * lower
            better = same & (score > found)
            found = torch.where(better, score, found)
            if number == 2:
                colors = torch.where(better[:, None], field[..., 0, 0], colors)
        reached.append(found)
    return nested(torch.stack(reached, 1)).double(), colors


def _mean_color(cut: CutCNN, channels: Tensor, fields: Tensor) -> Tensor:
    """The colors `[N, C, 1, 1]` of fields, where the gradient says that they matter.

    The parts of a picture that matter less are dark.
    """
    weights = torch.ones_like(fields[:, :1])
    for batch in cut.batches(len(fields)):
        x = fields[batch].clone().requires_grad_()
        score = cut.own(x, channels[batch]).sum()
        if score.requires_grad:
            weight = torch.autograd.grad(score, x)[0].nan_to_num().abs().sum(1, keepdim=True)
            matters = weight.flatten(1).amax(1) > 0
            weights[batch][matters] = weight[matters]
    return (fields * weights).sum((2, 3), keepdim=True) / weights.sum((2, 3), keepdim=True)


def lowest_between(cut: CutCNN, channels: Tensor, ones: Tensor, others: Tensor) -> Tensor:
    """The lowest scores `[N]` on the straight lines between fields `[N, C, h, w]`."""
    between = torch.cat([torch.lerp(ones, others, blend) for blend in BLENDS])
    scores = cut.own_scores(between, channels.repeat(len(BLENDS)))
    return scores.view(len(BLENDS), -1).amin(0)
