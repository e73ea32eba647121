"""Color blindness: whether a CNN sees only one mix of red, green and blue."""

import torch

from prober.subject import Subject

LOOKED_AT = 4
"""Images of noise whose gradients are compared."""

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
    if subject.input_shape[0] != 3 or not subject.layers:
        return None
    layer = list(subject.layers)[-1]
    chance = torch.Generator().manual_seed(0)
    images = torch.rand(LOOKED_AT, *subject.input_shape, generator=chance).to(subject.mean)
    images.requires_grad_()
    answers = subject(images, [layer])[layer]
    if not answers.requires_grad:
        return None
    weights = torch.randn(answers.shape, generator=chance).to(answers)
    (gradient,) = torch.autograd.grad((answers * weights).sum(), images)
    by_pixel = gradient.movedim(1, -1).reshape(-1, 3).double().cpu()
    if not by_pixel.isfinite().all() or not by_pixel.any():
        return None
    _, sizes, directions = torch.linalg.svd(by_pixel, full_matrices=False)
    mix = directions[0] / directions[0].sum()
    if sizes[1] > MOST_BESIDE * sizes[0] or not (mix >= -MOST_BESIDE).all():
        return None
    if mix.max() > ONE_CHANNEL:
        return None
    red, green, blue = mix.clamp_min(0).tolist()
    return red, green, blue
