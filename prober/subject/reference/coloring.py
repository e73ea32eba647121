"""Colors for digits: ten hues, how a digit is tinted, and how hues are dealt to digits.

Two ways to name a color are used here. A *hue index* is a whole number from 0 to 9; index k is
digit k's own color. A *hue* is an angle in degrees on the HSV circle, as `HUES[index]` gives it.
Dealing works with indices, for they compare with labels; tinting works with degrees, so that hues
between the ten can be tried as well.
"""

import torch
from torch import Tensor

from prober.common.colors import hue_to_rgb

HUES = torch.arange(10) * 36.0
"""The hue of each digit, in degrees, `[10]`: 0 (red), 36, 72, ... 324."""


def tint(digits: Tensor, hues: Tensor) -> Tensor:
    """Color the strokes of gray digits; black stays black.

    Args:
        digits: Gray images in [0, 1], floating point, `[N, H, W]`.
        hues: One hue for each image, in degrees, floating point, `[N]`: `HUES[indices]`, or any
            other angle.

    Returns:
        RGB images in [0, 1], `[N, 3, H, W]`, of the digits' type.

    Raises:
        TypeError: One of the two is of whole numbers: digits that were not brought to [0, 1], or
            hue indices where degrees belong.
        ValueError: The shapes do not fit.
    """
    if not digits.is_floating_point():
        raise TypeError(f"digits must be floating point in [0, 1], not {digits.dtype}")
    if not hues.is_floating_point():
        raise TypeError(f"hues must be floating point degrees, HUES[indices], not {hues.dtype}")
    if digits.ndim != 3 or hues.shape != digits.shape[:1]:
        raise ValueError(
            "digits must be [N, H, W] and hues [N], "
            f"not {list(digits.shape)} and {list(hues.shape)}"
        )
    colors = hue_to_rgb(hues.to(digits.dtype))
    return digits.unsqueeze(1) * colors[:, :, None, None]


def draw_hues(labels: Tensor, p: float, generator: torch.Generator) -> Tensor:
    """Deal a hue to each digit: its own with probability p, otherwise a random other one.

    With p = 1/10 every hue is equally likely, whatever the digit.

    Args:
        labels: The digits, 0 to 9, int64, `[N]`.
        p: The probability of the digit's own hue, 0 to 1.
        generator: Where the randomness comes from; on the labels' device.

    Returns:
        Hue indices, 0 to 9, int64, `[N]`.

    Raises:
        ValueError: p is not between 0 and 1.
    """
    if not 0 <= p <= 1:
        raise ValueError(f"p is a probability, between 0 and 1, not {p}")
    own = torch.rand(labels.shape, generator=generator, device=labels.device) < p
    to_another = torch.randint(1, 10, labels.shape, generator=generator, device=labels.device)
    return torch.where(own, labels, (labels + to_another) % 10)


def matching_hues(labels: Tensor) -> Tensor:
    """Give each digit its own hue.

    Args:
        labels: The digits, 0 to 9, int64, `[N]`.

    Returns:
        Hue indices, 0 to 9, int64, `[N]`.
    """
    return labels.clone()


def conflicting_hues(labels: Tensor, seed: int = 0) -> Tensor:
    """Give each digit the hue of a random other digit, always the same for the same seed.

    Args:
        labels: The digits, 0 to 9, int64, `[N]`.
        seed: The seed of the choice.

    Returns:
        Hue indices, 0 to 9, int64, `[N]`; none equals its label.
    """
    generator = torch.Generator(labels.device).manual_seed(seed)
    return draw_hues(labels, p=0.0, generator=generator)
