"""Colors and circles: hues, luminance, and angles that go around."""

from typing import TypeVar

import torch
from torch import Tensor

LUMINANCE = (0.299, 0.587, 0.114)
"""The weights of red, green and blue in the luminance of ITU-R BT.601."""


Angle = TypeVar("Angle", float, Tensor)


def turn(start: Angle | float, end: Angle, period: float) -> Angle:
    """Returns the shorter turn from one angle to another, in [-period / 2, period / 2).

    Args:
        start: Angles of any unit and shape, or one.
        end: Angles likewise.
        period: How much goes once around: 360 for hues in degrees, 180 for orientations.

    >>> turn(350.0, 10.0, 360)
    20.0
    """
    return (end - start + period / 2) % period - period / 2


def distance(one: float, other: float, period: float) -> float:
    """Returns how far two angles lie apart on a circle, 0 to half its period.

    >>> distance(175.0, 5.0, 180)
    10.0
    """
    return abs(turn(one, other, period))


def on_circle(value: float, period: float) -> float:
    """Brings an angle in degrees, to two digits, into [0, period): never the period itself.

    >>> on_circle(359.999, 360)
    0.0
    """
    return round(value % period, 2) % period


def angle_of(x: Tensor, y: Tensor) -> Tensor:
    """Returns the angles `[...]`, in degrees in [0, 360), of vectors (x `[...]`, y `[...]`)."""
    # Twice, since the remainder of a very small negative number is the period itself.
    return torch.rad2deg(torch.atan2(y, x)).remainder(360).remainder(360)


def hue_to_rgb(degrees: Tensor) -> Tensor:
    """Turns hues into the RGB colors of full saturation and full value.

    Args:
        degrees: Hues in degrees, of any shape `[...]`; they wrap around at 360.

    Returns:
        RGB in [0, 1], `[..., 3]`.

    >>> hue_to_rgb(torch.tensor([0.0, 60.0]))
    tensor([[1., 0., 0.],
            [1., 1., 0.]])
    """
    # Red, green and blue are the same tent over the circle, with its top at 0, 120 and 240 degrees:
    # 1 within 60 degrees of its top, 0 beyond 120 degrees, straight in between.
    tops = degrees.new_tensor([0, 120, 240])
    away = 180 - ((degrees.unsqueeze(-1) - tops).remainder(360) - 180).abs()
    return (2 - away / 60).clamp(0, 1)


def rgb_to_hue(colors: Tensor) -> Tensor:
    """Returns the HSV hues `[...]`, in degrees in [0, 360), of RGB colors `[..., 3]`; 0 for gray.

    >>> rgb_to_hue(torch.tensor([0.0, 0.5, 0.0])).item()
    120.0
    """
    red, green, blue = colors.unbind(-1)
    top, spread = colors.amax(-1), colors.amax(-1) - colors.amin(-1)
    safe = spread.clamp_min(1e-12)
    hue = torch.where(
        top == red,
        (green - blue) / safe,
        torch.where(top == green, 2 + (blue - red) / safe, 4 + (red - green) / safe),
    )
    return torch.where(spread > 0, (60 * hue).remainder(360), torch.zeros_like(hue))


def preferred_hue(weights: Tensor) -> tuple[Tensor, Tensor]:
    """Returns the hue that a linear response to red, green and blue prefers, and how strongly.

    The phase of the first harmonic of `weights · rgb(hue)` around the HSV circle, since red, green
    and blue of the saturated hues are one wave, a third of the circle apart.

    Args:
        weights: `[..., 3]`.

    Returns:
        Degrees `[...]` and amplitudes `[...]`, the length of the weights' chromatic part.
    """
    red, green, blue = weights.unbind(-1)
    x, y = red - (green + blue) / 2, (green - blue) * 3**0.5 / 2
    return angle_of(x, y), torch.hypot(x, y)


def without_color(images: Tensor) -> Tensor:
    """Leaves of images `[N, C, H, W]` their luminance alone, in every channel.

    Of RGB images that of ITU-R BT.601, else the mean of the channels.
    """
    if images.shape[1] == 3:
        weights = images.new_tensor(LUMINANCE).view(-1, 1, 1)
        luminance = (images * weights).sum(1, keepdim=True)
    else:
        luminance = images.mean(1, keepdim=True)
    return luminance.expand_as(images)


def turned_hues(images: Tensor, degrees: Tensor | float) -> Tensor:
    """Turns the hue of every pixel at equal brightness, the sum of red, green and blue.

    A turn around the axis of grays; where the color would leave [0, 1] so, it is paler. White stays
    white, gray gray, black black.

    Args:
        images: `[N, 3, H, W]` in [0, 1].
        degrees: How far, one for all images or `[N]`; 120 turns red into green.

    Returns:
        `[N, 3, H, W]` in [0, 1].

    >>> turned_hues(torch.tensor([1.0, 0.0, 0.0]).view(1, 3, 1, 1), 180.0).flatten()
    tensor([0.0000, 0.5000, 0.5000])
    """
    radians = torch.deg2rad(torch.as_tensor(degrees, dtype=images.dtype)).expand(len(images))
    cosine, sine = radians.cos()[:, None, None], radians.sin()[:, None, None] / 3**0.5
    across = images.new_tensor([[0, -1, 1], [1, 0, -1], [-1, 1, 0]])
    brightness = images.mean(1, keepdim=True)
    color = images - brightness
    turned = ((cosine * torch.eye(3, dtype=images.dtype) + sine * across) @ color.flatten(2)).view(
        images.shape
    )
    room = torch.where(turned > 0, 1 - brightness, brightness) / turned.abs().clamp_min(1e-12)
    return (brightness + turned * room.amin(1, keepdim=True).clamp_max(1)).clamp(0, 1)
