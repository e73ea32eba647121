"""How units respond to many images, and the gradients of their scores."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from prober.ascent.objectives import Objective
from prober.ascent.scorer import Scorer, share_seen
from prober.common.errors import InputError
from prober.findings.batches import batches, forward_batches, gradient_batches, images_at_once
from prober.findings.units import Site, Unit
from prober.findings.windows import Window
from prober.subject import Subject
from prober.sweep.on_cores import on_cores

MANY_BATCHES = 16
"""Batches from which on it pays to start processes for them."""


class Responses(NamedTuple):
    """How strongly the channels of a site respond to N images.

    Attributes:
        strongest: `[N, channels]`, the largest activation among the neurons of a channel that see
            as much as the one that stands for it, so that it does not matter where in the image
            something is.
        at_neuron: `[N, channels]`, the activation of the neuron that stands for its channel.
        anywhere: `[N, channels]`, the largest activation of all neurons of a channel, those at the
            border among them: what real images show there counts, too.
    """

    strongest: Tensor
    at_neuron: Tensor
    anywhere: Tensor


def responses(
    subject: Subject, images: Tensor, windows: Mapping[Site, Window], cores: int = 1
) -> dict[Site, Responses]:
    """Computes how strongly every channel of some sites responds to images.

    Args:
        subject: The CNN under study.
        images: `[N, C, H, W]` in [0, 1].
        windows: The sites, and where they look.
        cores: How many processes may share the work, where it is much.
    """
    layers = list(dict.fromkeys(layer for layer, _ in windows))
    deepest = max(layers, key=subject.depth)

    @torch.no_grad()
    def answers(batch: slice) -> dict[Site, Responses]:
        outputs = subject(images[batch].to(subject.mean), layers)
        found = {}
        for (layer, position), window in windows.items():
            output = outputs[layer].cpu()
            if window.neuron is None:
                found[layer, position] = Responses(output, output, output)
                continue
            h, w = window.neuron
            whole = output[:, :, slice(*window.rows), slice(*window.columns)]
            found[layer, position] = Responses(
                whole.amax((2, 3)), output[:, :, h, w].clone(), output.amax((2, 3))
            )
        return found

    pieces = list(forward_batches(subject, deepest, len(images)))
    parts = on_cores(answers, pieces, cores if len(pieces) >= MANY_BATCHES else 1)
    return together(torch.cat, parts)


def responses_in_blocks(
    subject: Subject,
    make: Callable[[slice], Tensor],
    number: int,
    windows: Mapping[Site, Window],
    cores: int = 1,
) -> dict[Site, Responses]:
    """Computes `responses` to many images, of which only some are in memory at once.

    Args:
        subject: The CNN under study.
        make: Makes those of a slice, `[n, C, H, W]` in [0, 1].
        number: How many there are.
        windows: The sites, and where they look.
        cores: How many processes may share the work.
    """
    blocks = batches(number, images_at_once(subject))
    return together(
        torch.cat, [responses(subject, make(block), windows, cores) for block in blocks]
    )


def together(
    how: Callable[[tuple[Tensor, ...]], Tensor], parts: Sequence[Mapping[Site, Responses]]
) -> dict[Site, Responses]:
    """Puts the responses of sites to several batches together, by `torch.cat` or `torch.stack`."""
    return {
        site: Responses(*map(how, zip(*(part[site] for part in parts), strict=True)))
        for site in (parts[0] if parts else ())
    }


@torch.no_grad()
def scores(subject: Subject, objectives: Sequence[Objective], images: Tensor) -> Tensor:
    """Computes the scores `[N]` of N images `[N, C, H, W]` by N objectives of one layer."""
    parts = []
    share = share_seen(subject, objectives)
    for batch in forward_batches(subject, objectives[0].layer, len(images), share):
        score = Scorer(subject, objectives[batch])
        parts.append(score(images[batch].to(subject.mean)).cpu())
    return torch.cat(parts)


def gradients(subject: Subject, objectives: Sequence[Objective], images: Tensor) -> Tensor:
    """Computes the gradients `[N, C, H, W]` of the scores of N images; 0 where there are none."""
    parts = []
    share = share_seen(subject, objectives)
    for batch in gradient_batches(subject, objectives[0].layer, len(images), share):
        part = images[batch].to(subject.mean).detach().requires_grad_()
        total = Scorer(subject, objectives[batch])(part).sum()
        gradient = torch.zeros_like(part)
        if total.requires_grad:
            (gradient,) = torch.autograd.grad(total, part, materialize_grads=True)
        parts.append(gradient.detach().cpu())
    return torch.cat(parts)


def check_finite(subject: Subject, unit: Unit, answers: Tensor, shown: str, each: str) -> None:
    """Checks what a unit answers to the inputs that every unit is shown first.

    Args:
        subject: The CNN under study.
        unit: The unit.
        answers: `[N]`.
        shown: What it was shown, for the message.
        each: What one of these is called there.

    Raises:
        InputError: An answer is NaN or infinite.
    """
    if not answers.isfinite().all():
        raise InputError(
            f"{subject.name} answers {shown} with NaN or infinity in channel {unit.channel} of "
            f"'{unit.layer}', so nothing can be said of it. Does it divide by the spread of each "
            f"{each}? Leave the channel out (grid.channels), or the layer."
        )
