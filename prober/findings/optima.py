"""Optima: what is left of a unit's score when its images' color or shape is taken away."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from prober.ascent.objectives import Objective
from prober.common.colors import without_color
from prober.findings.interventions import TURNS, flat, flat_colors, hue_turned, shuffled
from prober.findings.kinds import SURVIVING_SHARE
from prober.findings.preferences import local_hue, local_orientation
from prober.findings.responses import gradients, scores
from prober.findings.windows import Window
from prober.subject import Subject

INTERVENTIONS = ("neutral gray", "without color", "pixels shuffled", "one flat color", "flat gray")
"""The interventions, in the order of `Optima.after`; the turns of the hue follow."""


@dataclass(frozen=True)
class Optima:
    """N images that excite units, and what becomes of their scores under interventions.

    Attributes:
        images: `[N, C, H, W]`.
        score: `[N]`.
        after: `[N, 5 + turns]`, the score after each of `INTERVENTIONS`, then after each turn of
            the hue (none where images have no three channels).
        left_by_gradient: `[N, 3]`, the shares of the gain that are left without color, without
            shape and without both by the score's own gradient at the image, see `left`.
        flat_color: `[N, C]`, the flat color that did best.
        flat_gray: `[N, C]`, the flat gray that did best.
        hue: `[N]`, degrees, the hue that the unit prefers near the image; NaN where there is none.
        hue_agreement: `[N]`, how far the pixels agree on it, 0 (each wants another hue) to 1.
        orientation: `[N]`, degrees, the orientation that it prefers near the image; NaN likewise.
        orientation_contrast: `[N]`, how well it is oriented, 0 to 1: how much less the orientation
            that it agrees with least has than the one that it agrees with most.
    """

    images: Tensor
    score: Tensor
    after: Tensor
    left_by_gradient: Tensor
    flat_color: Tensor
    flat_gray: Tensor
    hue: Tensor
    hue_agreement: Tensor
    orientation: Tensor
    orientation_contrast: Tensor

    @property
    def neutral(self) -> Tensor:
        """`[N]`, the score of mid gray."""
        return self.after[:, 0]

    @property
    def gain(self) -> Tensor:
        """`[N]`, how far each score lies above that of mid gray."""
        return self.score - self.neutral

    @property
    def shares(self) -> Tensor:
        """`[N, 5 + turns]`, each score in `after` as a share of the image's own gain."""
        return (self.after - self.neutral[:, None]) / self.gain.clamp_min(1e-30)[:, None]

    @property
    def left(self) -> Tensor:
        """`[N, 3]`, the shares of the gain left without color, without shape, without both.

        An image may survive either loss by the other thing that is in it: where a unit takes the
        maximum of two things, what shows one of them may have some of the other. So where both
        shares survive, but not the loss of both, those of the gradient decide: it leads to what
        won.
        """
        shares = self.shares[:, [1, 3, 4]]
        survives = shares >= SURVIVING_SHARE
        mixed = survives[:, 0] & survives[:, 1] & ~survives[:, 2]
        return torch.where(mixed[:, None], self.left_by_gradient, shares)

    def __len__(self) -> int:
        """Returns N."""
        return len(self.images)


def measure_optima(
    subject: Subject, objectives: Sequence[Objective], images: Tensor, window: Window
) -> Optima:
    """Intervenes on images and computes what is left of their scores.

    Args:
        subject: The CNN under study.
        objectives: N objectives of one layer.
        images: `[N, C, H, W]` in [0, 1].
        window: Where they look.
    """
    gradient = gradients(subject, objectives, images)
    gray = without_color(images)
    colors = flat_colors(images, gradient.abs().sum(1), window)
    patches = [flat(color, images) for color in colors]

    def score(changed: Tensor) -> Tensor:
        return scores(subject, objectives, changed).double()

    orders = shuffled(images, window)
    of_patches = torch.stack([score(patch) for patch in patches])
    of_grays = torch.stack([score(without_color(patch)) for patch in patches])
    number = torch.arange(len(images))
    hue, hue_agreement = local_hue(subject, objectives, images)
    orientation, contrast = local_orientation(subject, objectives, images, patches[0], window)
    after = [
        score(torch.full_like(images, 0.5)),
        score(gray),
        torch.stack([score(order) for order in orders]).mean(0),
        of_patches.amax(0),
        of_grays.amax(0),
    ]
    if images.shape[1] == 3:
        after += [score(hue_turned(images, degrees)) for degrees in TURNS]
    best_gray = colors[of_grays.argmax(0), number, :, None, None]
    return Optima(
        images=images,
        score=score(images),
        after=torch.stack(after, 1),
        left_by_gradient=_left_by_gradient(gradient, images, gray, patches),
        flat_color=colors[of_patches.argmax(0), number],
        flat_gray=without_color(best_gray)[..., 0, 0],
        hue=hue,
        hue_agreement=hue_agreement,
        orientation=orientation,
        orientation_contrast=contrast,
    )


def _left_by_gradient(
    gradient: Tensor, images: Tensor, gray: Tensor, patches: Sequence[Tensor]
) -> Tensor:
    """The shares left without color, shape and both, were the score as linear as its gradient."""

    def rise(changed: Tensor) -> Tensor:
        return (gradient * (changed - 0.5)).sum((1, 2, 3)).double()

    of_patches = torch.stack([rise(patch) for patch in patches]).amax(0)
    of_grays = torch.stack([rise(without_color(patch)) for patch in patches]).amax(0)
    left = torch.stack([rise(gray), of_patches, of_grays], 1)
    return left / rise(images)[:, None].clamp_min(1e-30)
