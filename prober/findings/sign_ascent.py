"""Ascent by the gradient's sign: from starts to the corners of [0, 1] where scores are largest.

The score of a ReLU CNN is nearly linear in pieces, so what maximizes it lies at the corners of the
box: of 3x3 fields all pixels are 0 or 1, of larger ones nearly all. A first step that is longer
than the box is wide puts every pixel where the linear approximation of the score has its maximum:
the step of Frank and Wolfe, "An algorithm for quadratic programming" (1956), taken in full, which
for a linear layer is the closed form. The steps then shrink geometrically, so that fewer and fewer
pixels change sides. 150 such steps find more than 1,000 of Adam.
"""

from collections.abc import Sequence

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

    Returns:
        The best scores `[N]` and the fields that had them.
    """
    found = [
        _climb(cnn, fields[batch], channels[batch], first[batch], steps, last)
        for batch in cnn.batches(len(fields))
    ]
    return torch.cat([score for score, _ in found]), torch.cat([field for _, field in found])


def _climb(
    cnn: CutCNN, fields: Tensor, channels: Tensor, first: Tensor, steps: int, last: float
) -> tuple[Tensor, Tensor]:
    needed, column = channels.unique(return_inverse=True)
    needed, column = needed.tolist(), column[:, None]
    x, first = fields.clone(), first.view(-1, 1, 1, 1)
    best, kept = torch.full((len(x),), -torch.inf), x.clone()
    for step in range(steps + 1):
        x.requires_grad_()
        score = _own_scores(cnn, x, needed, column)
        better = score.detach() > best
        best = torch.where(better, score.detach(), best)
        kept = torch.where(better[:, None, None, None], x.detach(), kept)
        if step == steps or not score.requires_grad:
            break
        (gradient,) = torch.autograd.grad(score.sum(), x)
        shut = (gradient == 0).flatten(1).all(1)
        if shut.any():
            gradient[shut] = _through_shut_relus(cnn, x.detach()[shut], needed, column[shut])
        length = first * (last / first) ** (step / max(1, steps - 1))
        x = (x.detach() + length * gradient.nan_to_num().sign()).clamp(0, 1)
    return best, kept


def _own_scores(cnn: CutCNN, fields: Tensor, needed: Sequence[int], column: Tensor) -> Tensor:
    values = cnn.activations(fields, needed).to(fields.device)
    return values.gather(1, column)[:, 0]


def _through_shut_relus(
    cnn: CutCNN, fields: Tensor, needed: Sequence[int], column: Tensor
) -> Tensor:
    """Gradients of fields that find all ReLUs shut: what would come through if they leaked."""
    x = fields.requires_grad_()
    with LeakyReLUs():
        score = _own_scores(cnn, x, needed, column)
        if not score.requires_grad:
            return torch.zeros_like(fields)
        return torch.autograd.grad(score.sum(), x)[0]
