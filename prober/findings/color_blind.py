"""Color blindness: whether a CNN sees only one mix of red, green and blue."""

import torch

from prober.common.colors import hue_to_rgb
from prober.common.inputs import input_kind
from prober.subject import Subject

NOISES, HUES = 4, 6
"""Images of noise, and flat ones of hues around the circle, whose gradients are compared. In noise
a unit that wants a color or a shape may see the shape alone."""

MOST_BESIDE = 1e-3
"""Beside the mix the gradients have so much of any other, as a share, that rounding explains it."""

ONE_CHANNEL = 0.95
"""A mix that is so far one channel is no gray: it tells colors by that channel."""


def mix_seen(subject: Subject) -> tuple[float, float, float] | None:
    """Returns the one mix of red, green and blue that a CNN sees, if it sees only one.

    Of a CNN that makes its images gray before anything else the gradients of all pixels have one
    direction in RGB. No color that is as light in that mix is another to it.

    Returns:
        What red, green and blue are of the mix, 1 in all; None if it sees more, or one channel
        alone, or has other channels, or no gradient leads back.
    """
    shape = subject.input_shape
    if shape[0] != 3 or not input_kind(shape).has_color_and_shape or not subject.layers:
        return None
    layer = list(subject.layers)[-1]
    chance = torch.Generator().manual_seed(0)
    noises = torch.rand(NOISES, *shape, generator=chance)
    colors = hue_to_rgb(torch.arange(HUES) * 360 / HUES)
    flat = colors[:, :, None, None].expand(-1, *shape)
    images = torch.cat([noises, flat]).to(subject.mean).requires_grad_()
    answers = subject(images, [layer])[layer]
    if not answers.requires_grad:
        return None
    weights = torch.randn(answers.shape, generator=chance).to(answers)
    (gradient,) = torch.autograd.grad((answers * weights).sum(), images)
    by_pixel = gradient.movedim(1, -1).reshape(-1, 3).double().cpu()
    by_pixel = by_pixel[by_pixel.isfinite().all(1)]  # flat images may have none
    if not by_pixel.any():
        return None
    _, sizes, directions = torch.linalg.svd(by_pixel, full_matrices=False)
    mix = directions[0] / directions[0].sum()
    if sizes[1] > MOST_BESIDE * sizes[0] or not (mix >= -MOST_BESIDE).all():
        return None
    if mix.max() > ONE_CHANNEL:
        return None
    red, green, blue = mix.clamp_min(0).tolist()
    return red, green, blue
