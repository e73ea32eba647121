"""Tints: the color that a whole image leans to, and images that lean to another.

Where images are photographs, or of other texture, no area has the class's color; but all of the
image may lean to it, by the light, the camera or a stain.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from prober.findings.palettes import IMAGES_AT_ONCE

MOST_GAIN = 4.0
"""By what a channel is multiplied at the most: what an image has none of, no light brings out."""

DIMMEST = 0.02
"""Brightness of a pixel up to which it leans the less to any color, the darker it is."""


@dataclass(frozen=True)
class Tints:
    """The tints of N images, each of which is taken for the only color of a palette.

    Attributes:
        colors: `[N, 3]`, the median color of the pixels, all made as bright as mid gray:
            `[0.5, 0.5, 0.5]` of a gray image, and of one of which less than half leans to a color.
    """

    colors: Tensor

    def by_role(self) -> tuple[Tensor, Tensor, Tensor]:
        """Returns the colors `[N, 1, 3]`, as light as may be.

        And that all are there, and that they are of no area of one color, `[N, 1]`.
        """
        lightest = self.colors / self.colors.amax(1, keepdim=True)
        there = torch.ones(len(lightest), 1, dtype=torch.bool)
        return lightest[:, None], there, torch.zeros(len(lightest), 1)

    def recolored(self, images: Tensor, numbers: Tensor, roles: Tensor, donors: Tensor) -> Tensor:
        """Gives images the tints of other images, by a gain for each channel.

        So do von Kries, "Chromatic adaptation" (1902), and a camera's white balance.

        Args:
            images: `[M, 3, H, W]` in [0, 1].
            numbers: `[M]`, which of the N they are.
            roles: `[0]`, that of the tint; empty if it is to stay.
            donors: `[M]`, which of the N their tints come from.

        Returns:
            `[M, 3, H, W]` in [0, 1].
        """
        if not len(roles):
            return images
        gains = self.colors[donors] / self.colors[numbers].clamp_min(1e-6)
        return (images * gains.clamp_max(MOST_GAIN)[:, :, None, None]).clamp_(0, 1)


def tints_of(images: Tensor) -> Tints:
    """Measures the tints of images `[N, 3, H, W]` in [0, 1]."""
    return Tints(torch.cat([_tints(block) for block in images.split(IMAGES_AT_ONCE)]))


def _tints(images: Tensor) -> Tensor:
    brightness = images.mean(1, keepdim=True)
    gray = 1 - (brightness / DIMMEST).clamp_max(1)
    leaning = images / brightness.clamp_min(DIMMEST) + gray
    median = leaning.flatten(2).median(2).values
    mean = median.mean(1, keepdim=True)
    # Of confetti in pure colors each channel is dark in most pixels: it leans to none.
    return 0.5 * torch.where(mean >= 0.5, median / mean.clamp_min(0.5), 1)
