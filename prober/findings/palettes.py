"""Palettes: the few colors that an image is mixed of, and images in other colors.

An image is described by up to four colors: the most frequent one, the color farthest from it, then
those farthest from the line and from the plane of the ones before. Each pixel is a mix of them, so
that the soft edge of a stroke is part ground, part stroke. To give an image another color is to
change some of its palette: what each pixel is mixed of, which is the shape, stays.
"""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

COLORS = 4
"""Colors of a palette at the most: red, green and blue have room for no fifth."""

SAMPLED_PIXELS = 16384
"""Pixels of an image that are looked at, at the most, evenly over it."""

COUNTED_PIXELS = 128
"""Pixels of which the most frequent color is found, at the most."""

NEAR = 0.12
"""Distance in RGB up to which colors count as one."""

LEAST_PIXELS = 4
"""Pixels looked at that have to lie off the colors found so far, for another one: a tag of 2 x 2
may be what gives a class away."""

IMAGES_AT_ONCE = 64
"""Images whose colors are measured at once."""


@dataclass(frozen=True)
class Palettes:
    """The palettes of N images; role r is the same thing in all: the ground, the stroke, ….

    Attributes:
        colors: `[N, 4, 3]`, in the order in which they were found.
        there: `[N, 4]`, which of them there are.
        even: `[N, 4]`, the share of its pixels that hardly differ from it: much where an area has
            one color, little in a texture, whose colors are only the ends of many.
        roles: `[N, 4]`, the role of each, a permutation of 0 to 3.
    """

    colors: Tensor
    there: Tensor
    even: Tensor
    roles: Tensor

    def by_role(self) -> tuple[Tensor, Tensor, Tensor]:
        """Returns the colors `[N, 4, 3]`, which there are, and how even, `[N, 4]`, by role."""
        order = self.roles.argsort(1)
        colors = self.colors.gather(1, order[:, :, None].expand(-1, -1, 3))
        return colors, self.there.gather(1, order), self.even.gather(1, order)

    def in_order_of_finding(self) -> "Palettes":
        """Returns the same with roles in the order in which the colors were found.

        Where lines on the paper have now more, now less of it than ink, their areas tell nothing.
        """
        return replace(self, roles=torch.arange(COLORS).expand_as(self.roles))

    def recolored(self, images: Tensor, numbers: Tensor, roles: Tensor, donors: Tensor) -> Tensor:
        """Gives images some colors of other images.

        Args:
            images: `[M, 3, H, W]` in [0, 1].
            numbers: `[M]`, which of the N they are.
            roles: `[R]`, the roles that take another color.
            donors: `[M]`, which of the N their colors come from.

        Returns:
            `[M, 3, H, W]` in [0, 1].
        """
        old, there, own = self.colors[numbers], self.there[numbers], self.roles[numbers]
        given, given_there, _ = self.by_role()
        given = given[donors].gather(1, own[:, :, None].expand(-1, -1, 3))
        taken = there & given_there[donors].gather(1, own) & torch.isin(own, roles)
        change = (given - old) * taken[:, :, None]
        changed = change.mT @ _mix(images.flatten(2), old, there)
        return (images + changed.view(images.shape)).clamp_(0, 1)


def palettes_of(images: Tensor) -> Palettes:
    """Finds the palettes of images `[N, 3, H, W]` in [0, 1], and the roles of their colors.

    The color of the largest area has the first role, the ground's mostly, that of the next one the
    second. By their colors roles would be told where these are what varies: a light stroke on a
    dark ground would be the same thing as a light ground.
    """
    height, width = images.shape[2:]
    stride = max(1, -(-max(height, width) // int(SAMPLED_PIXELS**0.5)))
    sampled = images[:, :, ::stride, ::stride].flatten(2)
    parts = [_colors(block) for block in sampled.split(IMAGES_AT_ONCE)]
    colors, there, even, areas = (torch.cat(part) for part in zip(*parts, strict=True))
    order = areas.masked_fill(~there, -1).argsort(dim=1, descending=True, stable=True)
    return Palettes(colors, there, even, roles=order.argsort(1))


def _colors(pixels: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The palettes of images `[n, 3, P]`: colors, which there are, how even, the share of each."""
    every, number = torch.arange(len(pixels)), pixels.shape[2]
    chance = torch.Generator().manual_seed(0)  # a stride would run down some columns
    few = pixels[:, :, torch.randperm(number, generator=chance)[:COUNTED_PIXELS]].mT
    # Each weighs the more the nearer it is, lest a soft edge be taken that has as many around it.
    most = (torch.cdist(few, few) / (NEAR / 2)).square().neg().exp().sum(2).argmax(1)
    colors = [_mean_near(pixels, few[every, most])]
    there = [torch.ones(len(pixels), dtype=torch.bool)]
    off = pixels - colors[0][:, :, None]
    for _ in range(1, COLORS):
        away = off.square().sum(1)
        there.append((away > NEAR**2).sum(1) >= LEAST_PIXELS)
        if not there[-1].any():
            colors.append(colors[0])
            continue
        farthest = away.argmax(1)
        color = _mean_near(pixels, pixels[every, :, farthest])
        colors.append(color.where(there[-1][:, None], colors[0]))
        # What is left beside the line, the plane, the space of the colors so far.
        direction = torch.nn.functional.normalize(off[every, :, farthest], dim=1)[:, :, None]
        off = off - direction * (direction.mT @ off)
    found, exist = torch.stack(colors, 1), torch.stack(there, 1)
    return found, exist, _even(pixels, found, exist), _mix(pixels, found, exist).mean(2)


def _even(pixels: Tensor, colors: Tensor, there: Tensor) -> Tensor:
    """The share `[n, 4]` of the pixels nearest to a color that hardly differ from it."""
    away = torch.cdist(pixels.mT, colors).masked_fill(~there[:, None], torch.inf)
    nearest, which = away.min(2)
    own = torch.nn.functional.one_hot(which, COLORS).float()
    near = (nearest < NEAR / 2).float()
    return (own * near[:, :, None]).sum(1) / own.sum(1).clamp_min(1)


def _mean_near(pixels: Tensor, color: Tensor) -> Tensor:
    near = ((pixels - color[:, :, None]).square().sum(1) < (NEAR / 2) ** 2).float()
    return (pixels @ near[:, :, None]).squeeze(2) / near.sum(1, keepdim=True).clamp_min(1)


def _mix(pixels: Tensor, colors: Tensor, there: Tensor) -> Tensor:
    """What pixels `[n, 3, P]` are mixed of: parts `[n, 4, P]`, each in [0, 1], 1 in all."""
    basis = (colors[:, 1:] - colors[:, :1]) * there[:, 1:, None]
    # Rounding must not make a color of one that is not there.
    parts = torch.linalg.pinv(basis, rtol=1e-3).mT @ (pixels - colors[:, 0, :, None])
    parts = parts.clamp_(0, 1)
    parts = parts / parts.sum(1, keepdim=True).clamp_min(1)
    return torch.cat([1 - parts.sum(1, keepdim=True), parts], 1)
