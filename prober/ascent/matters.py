"""Where it matters: how much each pixel of a picture matters to its score, as its opacity."""

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from prober.common.drawn_inputs import drawn_one
from prober.common.pictures import enlarge, png

EVERY = 10
"""Steps from one look at the gradient to the next, so that it costs hardly anything. The newest
counts half, and the last 40 steps make up nearly all of it."""

OPAQUE = 0.9
"""A pixel is opaque if it matters more than so many of all."""

SMOOTHED = 28
"""Of larger pictures the mean over a square of a 28th of the shorter side counts."""


class Matters:
    """How much each pixel of N pictures matters: the gradient of the score, while they are made.

    The absolute gradient, added up over the channels, as Fel et al., "Unlocking feature
    visualization for deeper networks with magnitude constrained optimization" (2023), show it.

    Args:
        number: N.
        sides: Height and width.

    Attributes:
        gradient: `[N, H, W]`, the mean over the latest looks.
    """

    def __init__(self, number: int, sides: tuple[int, ...]) -> None:
        self.gradient = torch.zeros(number, *sides)

    def add(self, gradient: Tensor, going: Tensor) -> None:
        """Takes the gradient `[M, C, H, W]` of the scores of M pictures, by their numbers `[M]`."""
        now = gradient.detach().abs().sum(1).nan_to_num(0, 0, 0).float().cpu()
        self.gradient[going] = (self.gradient[going] + now) / 2

    def opacity(self) -> Tensor:
        """Returns the opacity of each pixel, uint8 `[N, H, W]`; all of it where nothing matters."""
        sides = self.gradient.shape[1:]
        reach = min(sides) // SMOOTHED // 2
        smooth = F.avg_pool2d(
            self.gradient[:, None], 2 * reach + 1, 1, reach, count_include_pad=False
        )[:, 0]
        flat = smooth.flatten(1)
        most = flat.kthvalue(round(OPAQUE * (flat.shape[1] - 1)) + 1, dim=1).values
        most = torch.where(most > 0, most, flat.amax(1))  # of a few pixels that matter alone
        dead = most == 0
        alpha = (smooth / most.masked_fill(dead, 1)[:, None, None]).clamp(0, 1)
        alpha[dead] = 1
        return (255 * alpha).round().byte()


def with_opacity(image: Tensor, opacity: np.ndarray) -> bytes | None:
    """Returns a picture that is transparent where it does not matter, enlarged, as a PNG file.

    Args:
        image: `[C, H, W]` in [0, 1].
        opacity: uint8 `[H, W]`.

    Returns:
        None if a pixel of the picture is not one of the image, whose channels are no colors.
    """
    pixels = drawn_one(image)
    if pixels.shape[:2] != opacity.shape:
        return None
    return png(enlarge(np.dstack([pixels, opacity])))
