"""Class colors: which colors of images go with their class, and images in another class's color."""

from dataclasses import dataclass

import torch
from torch import Tensor

from prober.common.intervals import wilson
from prober.findings.palettes import NEAR, Palettes

OWN_COLOR = 0.4
"""A class has a color of its own if the color names it for this share of its images, from chance to
always; some of its images may have another class's color."""

PART_COLOR = 0.2
"""A class has one, too, if some of its images, at least so large a part, have a color that hardly
another class's images have: where three in ten of them are red, and nothing else is."""

FEWEST_IN_PART = 6
"""Images that such a part has at the least."""

SURE_NEIGHBORS = 10
"""Images of the likest colors that tell whether hardly another class's images have a color."""

SURE_CLASS = 0.25
"""Of these so many have to be of the class, from chance to always, at the lower end of the 95 %
interval: of ten classes seven, of two all ten."""

CARRIES_CLASS = 0.2
"""A role in the palette carries the class if its color names this share of all images, likewise;
that of a texture needs as many as the color of a class."""

TELLS_CLASS = 0.06
"""Colors tell nothing of the class if they name this share of all images or fewer, likewise."""

SAME_COLOR = 0.03
"""Noise on colors, its standard deviation in each channel: what differs by less is the same."""

MOST_NEIGHBORS = 50
"""Images whose classes name the class of a color, at the most."""

EVEN_AREA = 0.4
"""Share of the pixels of an area, in the median of each class, that have to be of its color. Else
it is texture, light and dark by what it is: there only hue and saturation may tell the class."""

DARKEST = 0.05
"""Brightness from which on down hue and saturation count the less."""

FREE_COLORS = 3
"""Colors up to which a palette is plain, so that its colors can be dealt without classes, too."""

FREE_PART = 0.9
"""The share of images that must have a role whose colors are dealt without classes."""


@dataclass(frozen=True)
class Dealer:
    """Deals the colors of images to other images.

    Attributes:
        palettes: The colors of the N images.
        roles: `[R]`, the roles whose colors are dealt: those that carry the class, or vary if none
            does.
        classes: The classes that have a color of their own, two or more; or none.
        donors: For each of `classes` the images whose color is typical of it; if there are none,
            one entry, all images.
        dealable: `[N]`, which images have all of the roles.
    """

    palettes: Palettes
    roles: Tensor
    classes: list[int]
    donors: list[Tensor]
    dealable: Tensor

    def drawn(self, number: int) -> Tensor:
        """Draws whose colors the images get, `[N]`: of entry `number` of `donors`, always the same.

        Images that have the color of the class keep their own. Without classes, each `number` draws
        anew.
        """
        generator = torch.Generator().manual_seed(number)
        donors = self.donors[number if self.classes else 0]
        drawn = donors[torch.randint(len(donors), self.dealable.shape, generator=generator)]
        if self.classes:
            drawn[donors] = donors
        return drawn

    def color(self, number: int) -> Tensor:
        """Returns the median color `[3]` of a class, of the role where that is most colorful."""
        colors, _ = self.palettes.by_role()
        own = colors[self.donors[number]][:, self.roles].median(0).values
        return own[(own.amax(1) - own.amin(1)).argmax()]


def dealer_of(palettes: Palettes, labels: Tensor) -> Dealer | None:
    """Finds which colors of images go with their class, or, if none do, which vary.

    Colors are compared as colors, hue, saturation and brightness alike: an image's color names the
    class that most of the images of the likest colors have, each class weighing the same.

    Args:
        palettes: The colors of N images.
        labels: `[N]`, their classes, -1 where there is none.

    Returns:
        None if there are no colors that could be dealt.
    """
    colors, there = palettes.by_role()
    present, labels = _present(labels)
    classes = len(present)
    if classes >= 2:
        carrying = _carrying(palettes, labels, classes)
        if carrying:
            roles = torch.tensor(carrying)
            dealable = there[:, roles].all(1) & (labels >= 0)
            own = _typical(colors[:, roles], dealable, labels, classes)
            if len(own) >= 2:
                return Dealer(
                    palettes, roles, [present[k] for k in own], list(own.values()), dealable
                )
    chroma = colors - colors.mean(2, keepdim=True)
    free = [
        role
        for role in range(there.shape[1])
        if there[:, role].float().mean() >= FREE_PART
        and chroma[there[:, role], role].std(0, correction=0).norm() > NEAR
    ]
    if not free or there.sum(1).float().median() > FREE_COLORS:
        return None
    roles = torch.tensor(free)
    dealable = there[:, roles].all(1)
    return Dealer(palettes, roles, [], [dealable.nonzero()[:, 0]], dealable)


def color_tells(palettes: Palettes, labels: Tensor) -> bool:
    """Whether the color of an area tells anything of the class, if only by being there."""
    present, labels = _present(labels)
    classes = len(present)
    if classes < 2:
        return False
    colors, there = palettes.by_role()
    known = labels >= 0  # wherever an area lacks there is the ground's color
    return any(
        _is_area(even, own, labels, classes)
        and _Named.by(colors[:, [role]], known, labels, classes).rate >= TELLS_CLASS
        for role, (even, own) in enumerate(zip(palettes.even_by_role().T, there.T, strict=True))
    )


def _present(labels: Tensor) -> tuple[list[int], Tensor]:
    """The classes that some images are of, and the labels as numbers of these, -1 where none is.

    Of a thousand classes images may show ten: chance among these is a tenth.
    """
    present = labels[labels >= 0].unique()
    return present.tolist(), torch.searchsorted(present, labels).where(labels >= 0, -1)


def _carrying(palettes: Palettes, labels: Tensor, classes: int) -> list[int]:
    """The roles whose color goes with the class."""
    colors, there = palettes.by_role()
    light = colors.mean(2, keepdim=True)
    tints = (colors - light) / light.clamp_min(DARKEST)
    found = []
    for role, (even, own) in enumerate(zip(palettes.even_by_role().T, there.T, strict=True)):
        if _is_area(even, own, labels, classes):
            asked, needed = colors, CARRIES_CLASS
        else:
            asked, needed = tints, OWN_COLOR
        known = own & (labels >= 0)
        named = _Named.by(asked[:, [role]], known, labels, classes)
        in_part = _in_part(named.surely, known, labels, classes)
        if named.rate >= needed or len(in_part) >= 2:
            found.append(role)
    return found


@dataclass(frozen=True)
class _Named:
    """What the color of each of N images says of its class, by the images of the likest colors.

    Attributes:
        likeliest: `[N]`, the class that most of those have, each class weighing the same; -1 where
            an image has no such color, or there are no others.
        surely: `[N]`, the same where hardly an image of another class has about the color; else -1.
        rate: How often `likeliest` is right, each class weighing the same: 0 by chance, 1 always.
    """

    likeliest: Tensor
    surely: Tensor
    rate: float

    @classmethod
    def by(cls, colors: Tensor, dealable: Tensor, labels: Tensor, classes: int) -> "_Named":
        """Asks colors `[N, roles, 3]` of the images that are `dealable`, `[N]`."""
        likeliest, surely = torch.full_like(labels, -1), torch.full_like(labels, -1)
        own, counts = labels[dealable], labels[dealable].bincount(minlength=classes)
        if len(own) < 2:
            return cls(likeliest, surely, 0.0)
        generator = torch.Generator().manual_seed(0)
        points = colors[dealable].flatten(1)
        points = points + SAME_COLOR * torch.randn(points.shape, generator=generator)
        away = torch.cdist(points, points).fill_diagonal_(torch.inf)
        usual = int(counts[counts > 0].median())
        neighbors = min(max(1, usual // 2), MOST_NEIGHBORS, len(own) - 1)
        asked = min(max(neighbors, SURE_NEIGHBORS), len(own) - 1)
        nearest = own[away.topk(asked, largest=False).indices]  # the nearest first
        named, _ = _most(nearest[:, :neighbors], counts)
        likeliest[dealable] = named
        if len(own) > SURE_NEIGHBORS:
            few, share = _most(nearest[:, :SURE_NEIGHBORS], counts)
            needed = 1 / classes + SURE_CLASS * (1 - 1 / classes)
            sure = [wilson(each, SURE_NEIGHBORS)[0] >= needed for each in share.tolist()]
            surely[dealable] = few.where(torch.tensor(sure), -1)
        right = (named == own).float()
        rates = [right[own == k].mean().item() for k in own.unique()]
        return cls(likeliest, surely, (sum(rates) / classes - 1 / classes) / (1 - 1 / classes))


def _most(near: Tensor, counts: Tensor) -> tuple[Tensor, Tensor]:
    """The class that most of the neighbors `[N, n]` of images have, `[N]`, and their share, `[N]`.

    Each class weighs the same; the share is no more than it is with each image weighing the same,
    lest the few images of a rare class be many.
    """
    counted = torch.nn.functional.one_hot(near, len(counts)).sum(1)
    votes = counted / counts.clamp_min(1)
    most, likeliest = votes.max(1)
    plain = counted.gather(1, likeliest[:, None])[:, 0] / near.shape[1]
    return likeliest, torch.minimum(most / votes.sum(1), plain)


def _is_area(even: Tensor, there: Tensor, labels: Tensor, classes: int) -> bool:
    """Whether a role is an area of one color in each class that has it, not texture."""
    own = [each for k in range(classes) if len(each := even[there & (labels == k)])]
    return len(own) > 0 and all(each.median() >= EVEN_AREA for each in own)


def _typical(colors: Tensor, dealable: Tensor, labels: Tensor, classes: int) -> dict[int, Tensor]:
    """The classes that have a color of their own, and the numbers of the images that have it."""
    found = _Named.by(colors, dealable, labels, classes)
    named, in_part = found.likeliest, _in_part(found.surely, dealable, labels, classes)
    typical = {}
    for k in range(classes):
        mine = dealable & (labels == k)
        rate = (named[mine] == k).float().mean().item() if mine.any() else 0.0
        sure = bool(mine.any()) and wilson(rate, int(mine.sum()))[0] > 1 / classes
        if sure and rate >= 1 / classes + OWN_COLOR * (1 - 1 / classes):
            typical[k] = (mine & (named == k)).nonzero()[:, 0]
        elif k in in_part:
            typical[k] = in_part[k]
    return typical


def _in_part(sure: Tensor, dealable: Tensor, labels: Tensor, classes: int) -> dict[int, Tensor]:
    """The classes of which a part have a color that others hardly have, and those images."""
    found = {}
    for k in range(classes):
        mine, surely = dealable & (labels == k), (sure == k) & (labels == k)
        if int(surely.sum()) >= max(FEWEST_IN_PART, PART_COLOR * int(mine.sum())):
            found[k] = surely.nonzero()[:, 0]
    return found
