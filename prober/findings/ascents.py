"""Ascents that lead to starts where nothing else does: away from what is known, through ReLUs."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.nn.utils.rnn import pad_sequence

from prober.ascent.method import Method, is_large
from prober.ascent.objectives import Objective
from prober.ascent.scorer import Scorer, share_seen
from prober.ascent.starts import PinkNoise
from prober.ascent.targets import Target
from prober.ascent.transforms import Transforms
from prober.common.colors import without_color
from prober.findings.batches import gradient_batches
from prober.findings.effort import effort
from prober.findings.windows import Window
from prober.subject import Subject
from prober.subject.leaky_relus import LeakyReLUs

Loss = Callable[[slice, Tensor, Tensor], Tensor]
"""From which of N images they are, images `[n, C, H, W]` and their scores `[n]` to what shall be
small, `[n]`."""


def push_away(
    subject: Subject,
    objectives: Sequence[Objective],
    known: Sequence[Tensor],
    gains: Tensor,
    window: Window,
    method: Method,
) -> list[Tensor]:
    """Makes starts that excite their unit and look unlike what is known to excite it.

    The diversity term is the likeness, after Olah et al., "Feature visualization" (2017), but of
    descriptors that ignore position: the mean color and the structure tensor of the field.

    Args:
        subject: The CNN under study.
        objectives: N objectives of one layer.
        known: For each the pictures `[K, C, H, W]` that are known, K may be 0.
        gains: `[N]`, how far the score goes, for scale.
        window: Where they look.
        method: How images are optimized: as the rest, or a start that need not be robust to being
            moved would win by that alone.

    Returns:
        As often as the effort says, from other noise each time, `[N, C, H, W]` in [0, 1]; every
        second time through ReLUs that let the gradient through, see `awaken`: to what else excites
        a unit there may lead no gradient from here.
    """
    described = [descriptors(window.crop(pictures)) for pictures in known]
    away = pad_sequence(described, batch_first=True)
    scale = gains.clamp_min(1e-30).to(subject.mean)

    def loss(batch: slice, x: Tensor, score: Tensor) -> Tensor:
        likeness = (descriptors(window.crop(x))[:, None] * away[batch].to(x)).sum(2)
        # Likeness to one known facet counts as much as the whole gain.
        return likeness.clamp_min(0).sum(1) - score / scale[batch]

    steps, relus = effort(subject).pushes, (nullcontext, LeakyReLUs)
    return [
        _descend(subject, objectives, loss, steps, seed, relus[seed % 2], method)
        for seed in range(effort(subject).pushed)
    ]


def awaken(
    subject: Subject, objectives: Sequence[Objective], method: Method, nearest: bool = False
) -> Tensor:
    """Makes starts for units that look dead: ascends with ReLUs that let the gradient through.

    Behind a ReLU that is shut there is no gradient to follow. So the search, and it alone, goes
    through a CNN whose ReLUs leak; whether the unit answers is then asked of the CNN as it is.

    Args:
        subject: The CNN under study.
        objectives: N objectives of one layer.
        method: How images are optimized.
        nearest: Whether ReLUs that are nearest to opening leak most.

    Returns:
        `[N, C, H, W]` in [0, 1].
    """

    def loss(_: slice, x: Tensor, score: Tensor) -> Tensor:
        return -score

    steps, relus = 2 * effort(subject).pushes, partial(LeakyReLUs, nearest)
    return _descend(subject, objectives, loss, steps, 0, relus, method)


def _noise(subject: Subject, number: int, seed: int) -> Tensor:
    """Draws images `[N, C, H, W]` to push: of all values; soft ones where a spectrum is pushed."""
    generator = torch.Generator().manual_seed(seed)
    shape = subject.input_shape
    if not is_large(shape):
        return torch.rand(number, *shape, generator=generator)
    soft = PinkNoise(contrast=0.25)
    return torch.stack([soft.draw(shape, generator).clamp(0, 1) for _ in range(number)])


def _descend(
    subject: Subject,
    objectives: Sequence[Objective],
    loss: Loss,
    steps: int,
    seed: int,
    relus: Callable[[], AbstractContextManager[Any]],
    method: Method,
) -> Tensor:
    """Makes a loss of images and of their scores small, from noise on: `[N, C, H, W]`."""
    shape = subject.input_shape
    targets = [Target(objective, None, None, seed=0) for objective in objectives]
    methods = [method.of_target(target, subject)[0] for target in targets]
    parameterization, lr = methods[0].parameterization, methods[0].lr
    assert parameterization is not None and lr is not None  # they are resolved
    basis = parameterization.basis(shape).to(subject.mean)
    moved = [own.transforms or () for own in methods]
    images = _noise(subject, len(objectives), seed)
    share = share_seen(subject, objectives)
    for batch in gradient_batches(subject, objectives[0].layer, len(images), share):
        with relus():
            score = Scorer(subject, objectives[batch])
            transform = Transforms(moved[batch], [0] * len(moved[batch]), shape)
            x = basis.encode(images[batch].to(subject.mean)).requires_grad_()
            optimizer = torch.optim.Adam([x], lr=lr)
            for _ in range(steps):
                optimizer.zero_grad()
                picture = basis.decode(x)
                value = loss(batch, picture, score(transform(picture, transform.draw()))).sum()
                if not value.requires_grad:
                    break
                value.backward()
                assert x.grad is not None
                x.grad.nan_to_num_(0, 0, 0)  # one image's must not end the others' search
                optimizer.step()
                basis.keep_valid(x)
            images[batch] = basis.decode(x).detach().cpu()
    return images


def descriptors(fields: Tensor) -> Tensor:
    """Describes images by mean color and direction, wherever in the image they are.

    Args:
        fields: `[N, C, h, w]` in [0, 1].

    Returns:
        `[N, C + 2]`, of length 1: the mean of the colors, 0 for gray, and the two parts of the
        luminance's structure tensor that say a direction.
    """
    color = fields.mean((2, 3)) - 0.5
    luminance = without_color(fields)[:, :1]
    down = F.pad(luminance.diff(dim=2), (0, 0, 0, 1))
    across = F.pad(luminance.diff(dim=3), (0, 1, 0, 0))
    tensor = torch.cat([across**2 - down**2, 2 * across * down], 1).mean((2, 3))
    tensor = tensor / (across**2 + down**2).mean((1, 2, 3))[:, None].clamp_min(1e-3)
    return F.normalize(torch.cat([2 * color, tensor], 1), dim=1)
