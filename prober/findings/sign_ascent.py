"""Ascent by the gradient's sign: from starts to the corners of [0, 1] where scores are largest.

The score of a ReLU CNN is nearly linear in pieces, so what maximizes it lies at the corners of the
box: of 3x3 fields all pixels are 0 or 1, of larger ones nearly all. A first step that is longer
than the box is wide puts every pixel where the linear approximation of the score has its maximum:
the step of Frank and Wolfe, "An algorithm for quadratic programming" (1956), taken in full, which
for a linear layer is the closed form. The steps then shrink geometrically, so that fewer and fewer
pixels change sides. 150 such steps find more than 1,000 of Adam.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from prober.findings.cut_cnn import CutCNN
from prober.subject.leaky_relus import LeakyReLUs

LAST_STEP = 0.01
"""Length of the last step of fields with a shape."""


def climb(
    cnn: CutCNN,
    fields: Tensor,
    channels: Tensor,
    first: Tensor,
    steps: int,
    last: float = LAST_STEP,
    choose: Callable[[Tensor], Tensor] | None = None,
) -> tuple[Tensor, Tensor]:
    """Ascends by the sign of the gradient, in steps that shrink geometrically.

    x <- clamp(x + length * sign(gradient), 0, 1). The best that is met is kept.

    Args:
        cnn: What scores them.
        fields: `[N, c, h, w]` in [0, 1]: c = 1 for gray ones, h = w = 1 for flat ones, which stay
            gray and flat.
        channels: `[N]`, the channel that each is to excite.
        first: `[N]`, the length of the first step; above 1 every pixel goes to a bound.
        steps: How many.
        last: Length of the last step.
        choose: From the best scores `[N]` half way to the numbers of those that are gone on with;
            None for all.

    Returns:
        The best scores `[N]` and the fields that had them.
    """
    lengths = torch.arange(steps) / max(1, steps - 1)
    legs = [lengths] if choose is None else [lengths[: steps // 2], lengths[steps // 2 :]]
    best, kept = torch.full((len(fields),), -torch.inf), fields.clone()
    now, going = fields.clone(), torch.arange(len(fields))
    for leg in legs:
        for part in cnn.batches(len(going)):
            own = going[part]
            scale = (last / first[own])[:, None] ** leg * first[own, None]
            now[own], best[own], kept[own] = _climb(
                cnn, now[own], channels[own], scale, best[own], kept[own]
            )
        if choose is not None:
            going = choose(best)
    if not cnn.half:
        return best, kept
    # Which was best was told roughly: what it began with may have been better.
    begun, reached = cnn.own_scores(fields, channels), cnn.own_scores(kept, channels)
    kept = torch.where((begun > reached)[:, None, None, None], fields.to(kept), kept)
    return torch.maximum(begun, reached), kept


def _climb(
    cnn: CutCNN, fields: Tensor, channels: Tensor, lengths: Tensor, best: Tensor, kept: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Makes steps of `lengths` `[N, steps]`; returns where they end, and the best that was met."""
    x = fields
    for length in (*lengths.T, None):
        x = x.detach().requires_grad_()
        with cnn.roughly():
            score = cnn.own(x, channels)
        better = score.detach() > best
        best = torch.where(better, score.detach(), best)
        kept = torch.where(better[:, None, None, None], x.detach(), kept)
        if length is None or not score.requires_grad:
            break
        (gradient,) = torch.autograd.grad(score.sum(), x)
        shut = (gradient == 0).flatten(1).all(1)
        if shut.any():
            gradient[shut] = _through_shut_relus(cnn, x.detach()[shut], channels[shut])
        step = length.view(-1, 1, 1, 1) * gradient.nan_to_num().sign()
        x = (x.detach() + step).clamp(0, 1)
    return x.detach(), best, kept


def _through_shut_relus(cnn: CutCNN, fields: Tensor, channels: Tensor) -> Tensor:
    """Gradients of fields that find all ReLUs shut: what would come through if they leaked."""
    x = fields.requires_grad_()
    with LeakyReLUs(), cnn.roughly():
        score = cnn.own(x, channels)
        if not score.requires_grad:
            return torch.zeros_like(fields)
        return torch.autograd.grad(score.sum(), x)[0]
