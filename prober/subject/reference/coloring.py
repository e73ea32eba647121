"""Colors for digits: ten hues, and how a digit is tinted.

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


def matching_hues(labels: Tensor) -> Tensor:
    """Give each digit its own hue.

    Args:
        labels: The digits, 0 to 9, int64, `[N]`.

    Returns:
        Hue indices, 0 to 9, int64, `[N]`.
    """
    return labels.clone()
