"""Interventions on an image: its color taken away, its shape taken away, its hue turned."""

import torch
from torch import Tensor

from prober.common.colors import hue_to_rgb, rgb_to_hue
from prober.findings.windows import Window

SHUFFLES = 4
"""Random orders of the field's pixels; what they give is averaged."""

TURNS = (60, 120, 180, 240, 300)
"""Degrees by which the hue is turned."""

LEAST_SATURATION = 0.35
"""A mean color of at least this saturation (HSV) is a color, and may be brought to its fullest."""


def shuffled(images: Tensor, window: Window) -> Tensor:
    """Shuffles the pixels within the field, `SHUFFLES` times: `[SHUFFLES, N, C, H, W]`.

    The same orders for all images, from a generator of their own.
    """
    generator = torch.Generator().manual_seed(0)
    results = []
    for _ in range(SHUFFLES):
        order = torch.randperm(window.height * window.width, generator=generator)
        result = images.clone()
        field = window.crop(images)
        window.crop(result).copy_(field.flatten(2)[..., order].view_as(field))
        results.append(result)
    return torch.stack(results)


def mean_colors(images: Tensor, weights: Tensor) -> Tensor:
    """Returns the colors `[N, C]` of images, averaged with weights `[N, H, W]` of at least 0."""
    total = weights.sum((1, 2)).clamp_min(1e-30)
    return (images * weights[:, None]).sum((2, 3)) / total[:, None]


def flat_colors(images: Tensor, weights: Tensor, window: Window) -> Tensor:
    """Returns the candidates `[F, N, C]` for the one color that stands for an image.

    Its mean over the field; its mean where the gradient says that it matters; and, if that has a
    hue, the same at full value and at full saturation, since the parts of an image that matter
    less are dark.

    Args:
        images: `[N, C, H, W]`.
        weights: `[N, H, W]`, how much each pixel matters.
        window: The field.
    """
    field = torch.zeros_like(weights)
    window.crop(field).fill_(1)
    plain, weighted = mean_colors(images, field), mean_colors(images, weights)
    weighted = torch.where(weights.sum((1, 2))[:, None] > 0, weighted, plain)
    if images.shape[1] != 3:
        return torch.stack([plain, weighted])
    top, bottom = weighted.amax(1, keepdim=True), weighted.amin(1, keepdim=True)
    has_hue = (top - bottom) >= LEAST_SATURATION * top.clamp_min(1e-12)
    full_value = torch.where(has_hue, weighted / top.clamp_min(1e-12), weighted)
    spread = (top - bottom).clamp_min(1e-12)
    full_color = torch.where(has_hue, (weighted - bottom) / spread, weighted)
    return torch.stack([plain, weighted, full_value, full_color])


def flat(colors: Tensor, like: Tensor) -> Tensor:
    """Fills images of the shape of `like` `[N, C, H, W]` with one color each, `[N, C]`."""
    return colors[:, :, None, None].expand_as(like)


def hue_turned(images: Tensor, degrees: float) -> Tensor:
    """Turns the hue of every pixel of RGB images `[N, 3, H, W]` in HSV; the rest stays."""
    top, bottom = images.amax(1, keepdim=True), images.amin(1, keepdim=True)
    tint = hue_to_rgb(rgb_to_hue(images.movedim(1, -1)) + degrees).movedim(-1, 1)
    return bottom + (top - bottom) * tint
