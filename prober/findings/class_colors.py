"""Class colors: which colors of images go with their class, and images in another class's color."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from prober.common.intervals import wilson
from prober.findings.palettes import NEAR, Palettes
from prober.findings.tints import Tints

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

SHARED_COLOR = 0.6
"""Two classes share a color if among the images of the likest colors so many are of the other as of
their own class, as a share, each class weighing the same."""

FEWEST_SHARING = 10
"""Images that a class has at the least, in the median, where classes are said to share colors. With
fewer those whose images happen to be alike would go together, and so name their group: of random
colors 5 images of each of ten classes did in one of six cases, 20 in none."""

LEFT_BY_SHARING = 0.5
"""Of what colors leave unnamed of the classes they leave no more than this of groups that share
them. Data in which two or five classes have each color have 0. Of 20 others one has 0.1, two of
whose classes are about as light, the rest 0.52 and more."""

FAR_BETTER = 0.1
"""By how much more often colors of their own have to name the classes than shared ones, or those of
one description of the images than those of another, to be the ones that count."""

HAD_BY = 0.5
"""The share of a class's images, of two classes or more, that have a role which is dealt beside
others."""

NOT_SHARED = 0.75
"""Of a class that shares its color with another that names about half of the images; if it names
so many, the color is the class's own."""

CARRIES_CLASS = 0.2
"""A role in the palette carries the class if its color names this share of all images, likewise;
that of a texture needs as many as the color of a class."""

TELLS_CLASS = 0.06
"""Colors tell nothing of the class if they name this share of all images or fewer, likewise."""

SAME_COLOR = 0.03
"""Noise on colors, its standard deviation in each channel: what differs by less is the same."""

PLAIN_COLOR = 0.4
"""The distance in RGB to their median within which the colors of most images of a class lie, at
least `PLAIN_PART` of them, if that is the class's color; else they have several."""

PLAIN_PART = 2 / 3

PLAIN_HUE = 0.7
"""The length of the mean of the colors' differences from gray, in parts of their mean length, from
which on they are of one hue: hues that scatter by 30 degrees have 0.87, by 55 degrees 0.63."""

ABOUT_AS_COLORFUL = 0.75
"""Parts of the chroma of the most colorful role that another one needs to be about as colorful."""

MOST_NEIGHBORS = 50
"""Images whose classes name the class of a color, at the most."""

EVEN_AREA = 0.4
"""Share of the pixels of an area, in the median of each class, that have to be of its color. Else
it is texture, light and dark by what it is: there only hue and saturation may tell the class."""

DARKEST = 0.05
"""Brightness from which on down hue and saturation count the less."""

KEPT_CONTRAST, MANY_LOSE = 0.5, 0.2
"""An image loses its shape with a color that is nearer to its other colors than half of what its
own was, and than half of what the new one is where it comes from. Colors with which more than a
fifth of the other images do are not dealt. Of 22 sets of images whose classes have colors or
brightnesses 2 % did at the most, of 8 whose colors go with no class none; of two whose classes have
textures 86 and 89 %, of one of these that was dealt colors without classes 25 %."""

DEALT = 3
"""How often colors that go with no class are dealt anew."""

ASKED_AT_ONCE = 500
"""Images whose colors are compared with those of all others at once."""

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
        groups: The classes that have a color of their own, each alone, or where classes share their
            colors, those together that share one; two entries or more, or none.
        donors: For each of `groups` the images whose color is typical of it; if there are none, one
            entry, all images.
        dealable: `[N]`, which images have all of the roles.
        rate: How often the color of these names the class, each class weighing the same: 0 by
            chance, 1 always. Where classes share colors it is less, by as much as there are fewer
            groups of them.
        in_areas: Whether areas of one color have it; else it is that of textures.
    """

    palettes: Palettes | Tints
    roles: Tensor
    groups: list[tuple[int, ...]]
    donors: list[Tensor]
    dealable: Tensor
    rate: float
    in_areas: bool

    @cached_property
    def drawn(self) -> list[Tensor]:
        """Whose colors the images get, `[N]` each: for each group, or else `DEALT` times."""
        if self.groups:
            return [self._drawn_of(group) for group in range(len(self.groups))]
        return [self._drawn_anew(time) for time in range(DEALT)]

    @property
    def keeps_shapes(self) -> bool:
        """Whether the images, but for a few, keep their contrast in the colors that are dealt.

        The larger of the two tones of stripes is now the light one, now the dark one. Where one
        stripe gets the color of another image's gap, the texture is gone, and the class with it.
        """
        colors, there, _ = self.palettes.by_role()
        before = _contrast(colors, there, self.roles)
        for drawn in self.drawn:
            new = colors.clone()
            new[:, self.roles] = colors[drawn][:, self.roles]
            new = new.where((there & there[drawn])[:, :, None], colors)
            least = KEPT_CONTRAST * torch.minimum(before, before[drawn])
            lost = _contrast(new, there, self.roles) < least
            other = self.dealable & (drawn != torch.arange(len(drawn)))
            if lost[other].float().mean() > MANY_LOSE:
                return False
        return True

    def _drawn_of(self, group: int) -> Tensor:
        """Draws from those that have a group's color, which keep their own."""
        generator, donors = torch.Generator().manual_seed(group), self.donors[group]
        drawn = donors[torch.randint(len(donors), self.dealable.shape, generator=generator)]
        drawn[donors] = donors
        return drawn

    def _drawn_anew(self, time: int) -> Tensor:
        """Draws from all whose color is another than the image's own, if there are any."""
        generator, [donors] = torch.Generator().manual_seed(time), self.donors
        colors = self.palettes.by_role()[0][:, self.roles].flatten(1)
        drawn = torch.arange(len(colors))
        for block in drawn.split(ASKED_AT_ONCE):
            other = (torch.cdist(colors[block], colors[donors]) > NEAR).double()
            some = other.any(1)
            found = torch.multinomial(other[some], 1, generator=generator)[:, 0]
            drawn[block[some]] = donors[found]
        return drawn

    def color(self, number: int) -> Tensor:
        """Returns the median color `[3]` of a group, of the role where that is most colorful.

        Of roles that are about as colorful it is the largest area's: where red digits on green are
        one class and green ones on red the other, both would else be red. It is NaN where the
        group's images have several colors, or pale ones of several hues.
        """
        colors = self.palettes.by_role()[0][self.donors[number]][:, self.roles]
        medians = colors.median(0).values
        chroma = medians.amax(1) - medians.amin(1)
        role = int((chroma >= ABOUT_AS_COLORFUL * chroma.max()).nonzero()[0])
        own, median = colors[:, role], medians[role]
        plain = ((own - median).norm(dim=1) <= PLAIN_COLOR).float().mean() >= PLAIN_PART
        if (own.amax(1) - own.amin(1)).median() > NEAR:
            hues = own - own.mean(1, keepdim=True)
            plain &= hues.mean(0).norm() >= PLAIN_HUE * hues.norm(dim=1).mean()
        return median if plain else medians.new_full((3,), torch.nan)


def _contrast(colors: Tensor, there: Tensor, roles: Tensor) -> Tensor:
    """The least distance `[N]` in RGB of the colors of some roles from an image's other colors."""
    itself = torch.eye(colors.shape[1], dtype=torch.bool)
    apart = there[:, None] & there[:, :, None] & ~itself
    away = torch.cdist(colors, colors).masked_fill(~apart, torch.inf)
    return away[:, roles].amin((1, 2))


def best_dealer(descriptions: Sequence[Palettes | Tints], labels: Tensor) -> Dealer | None:
    """Finds the dealer of the first of several descriptions of the images' colors.

    That of a later one is taken if its colors name the class far more often, unless they are of
    textures where those taken so far are of areas.
    """
    best, *others = (dealer_of(each, labels) for each in descriptions)
    for other in others:
        rate, in_areas = (best.rate, best.in_areas) if best else (0.0, False)
        if other and other.rate >= rate + FAR_BETTER and other.in_areas >= in_areas:
            best = other
    return best


def dealer_of(palettes: Palettes | Tints, labels: Tensor) -> Dealer | None:
    """Finds which colors of images go with their class, or, if none do, which vary.

    Colors are compared as colors, hue, saturation and brightness alike: an image's color names the
    class that most of the images of the likest colors have, each class weighing the same.

    Args:
        palettes: The colors of N images.
        labels: `[N]`, their classes, -1 where there is none.

    Returns:
        None if there are no colors that could be dealt and leave the images their shapes.
    """
    colors, there, _ = palettes.by_role()
    present, labels = _present(labels)
    classes = len(present)
    if classes >= 2:
        found = _dealer_among(palettes, labels, present, torch.arange(classes))
        shared = _sharing(palettes, labels, classes)
        if shared is not None and not _are_alone(found, shared, labels):
            together = _dealer_among(palettes, labels, present, shared)
            if len(together.groups) >= 2 and found.rate < together.rate + FAR_BETTER:
                found = together
        if len(found.groups) >= 2 and found.keeps_shapes:
            return found
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
    dealer = Dealer(palettes, roles, [], [dealable.nonzero()[:, 0]], dealable, 0.0, in_areas=False)
    return dealer if dealer.keeps_shapes else None


def _dealer_among(
    palettes: Palettes | Tints, labels: Tensor, present: Sequence[int], groups: Tensor
) -> Dealer:
    """Finds which groups of classes have a color of their own, and deals these, however few.

    Args:
        palettes: The colors of N images.
        labels: `[N]`, numbers of classes, -1 where there is none.
        present: What these classes are called in the end.
        groups: `[classes]`, which group each is of.
    """
    labels, number = groups[labels].where(labels >= 0, -1), int(groups.max()) + 1
    colors, there, even = palettes.by_role()
    roles = torch.tensor(_carrying(palettes, labels, number), dtype=torch.long)
    dealable = there[:, roles].all(1) & (labels >= 0)
    if not len(roles):
        return Dealer(palettes, roles, [], [], dealable, 0.0, in_areas=False)
    named = _Named.by(colors[:, roles], dealable, labels, number)
    own = _typical(named, dealable, labels, number)
    members = [(groups == group).nonzero()[:, 0].tolist() for group in own]
    return Dealer(
        palettes=palettes,
        roles=roles,
        groups=[tuple(present[k] for k in each) for each in members],
        donors=list(own.values()),
        dealable=dealable,
        rate=named.rate * (number - 1) / (len(groups) - 1),
        in_areas=any(_is_area(even[:, i], there[:, i], labels, number) for i in roles.tolist()),
    )


def _sharing(palettes: Palettes | Tints, labels: Tensor, classes: int) -> Tensor | None:
    """Puts classes together that share a color, by the role whose color then names most.

    Returns:
        The number of the group of each class, `[classes]`; None where the colors of a group do not
        name it far better than those of a class name that.
    """
    if labels[labels >= 0].bincount().float().median() < FEWEST_SHARING:
        return None
    colors, there, _ = palettes.by_role()
    best, rate = None, CARRIES_CLASS
    for role in range(there.shape[1]):
        known = there[:, role] & (labels >= 0)
        alone = _Named.by(colors[:, [role]], known, labels, classes)
        share = alone.alike / alone.alike.diagonal().clamp_min(1e-9)[:, None]
        share = torch.minimum(share, share.T)
        together = ((share >= SHARED_COLOR) | torch.eye(classes, dtype=torch.bool)).float()
        for _ in range(classes.bit_length()):  # what is shared with one of a group, with all
            together = (together @ together).clamp_max(1)
        groups = together.argmax(1).unique(return_inverse=True)[1]
        number = int(groups.max()) + 1
        if 2 <= number < classes:
            grouped = groups[labels].where(labels >= 0, -1)
            named = _Named.by(colors[:, [role]], known, grouped, number).rate
            if named >= max(rate, 1 - (1 - alone.rate) * LEFT_BY_SHARING):
                best, rate = groups, named
    return best


def _are_alone(found: Dealer, shared: Tensor, labels: Tensor) -> bool:
    """Whether classes with a color of their own, two or more, share it with none.

    Then what the others share, gray say, is no news. A class shares none, either, whose colors,
    those of all roles together, name most of its images, though one role does not tell it.
    """
    together = shared.bincount()[shared] > 1
    for typical in found.donors:
        own = labels[typical[0]]
        if together[own] and len(typical) / int((labels == own).sum()) < NOT_SHARED:
            return False
    return len(found.groups) >= 2


def color_tells(palettes: Palettes | Tints, labels: Tensor) -> bool:
    """Whether the color of an area tells anything of the class, if only by being there."""
    present, labels = _present(labels)
    classes = len(present)
    if classes < 2:
        return False
    colors, there, even = palettes.by_role()
    known = labels >= 0  # wherever an area lacks there is the ground's color
    return any(
        _is_area(even[:, role], there[:, role], labels, classes)
        and _Named.by(colors[:, [role]], known, labels, classes).rate >= TELLS_CLASS
        for role in range(there.shape[1])
    )


def _present(labels: Tensor) -> tuple[list[int], Tensor]:
    """The classes that some images are of, and the labels as numbers of these, -1 where none is.

    Of a thousand classes images may show ten: chance among these is a tenth.
    """
    present = labels[labels >= 0].unique()
    return present.tolist(), torch.searchsorted(present, labels).where(labels >= 0, -1)


def _carrying(palettes: Palettes | Tints, labels: Tensor, classes: int) -> list[int]:
    """The roles whose color goes with the class.

    Colors are dealt to images that have all of these: a role that few have is left out if others
    are there.
    """
    colors, there, even = palettes.by_role()
    light = colors.mean(2, keepdim=True)
    tints = (colors - light) / light.clamp_min(DARKEST)
    found = []
    for role in range(there.shape[1]):
        if _is_area(even[:, role], there[:, role], labels, classes):
            asked, needed = colors, CARRIES_CLASS
        else:
            asked, needed = tints, OWN_COLOR
        known = there[:, role] & (labels >= 0)
        named = _Named.by(asked[:, [role]], known, labels, classes)
        in_part = _in_part(named.surely, known, labels, classes)
        if named.rate >= needed or len(in_part) >= 2:
            found.append(role)
    had = torch.stack([there[labels == k].float().mean(0) for k in range(classes)])
    common = (had >= HAD_BY).sum(0) >= 2
    return [role for role in found if common[role]] or found


@dataclass(frozen=True)
class _Named:
    """What the color of each of N images says of its class, by the images of the likest colors.

    Attributes:
        likeliest: `[N]`, the class that most of those have, each class weighing the same; -1 where
            an image has no such color, or there are no others.
        surely: `[N]`, the same where hardly an image of another class has about the color; else -1.
        rate: How often `likeliest` is right, each class weighing the same: 0 by chance, 1 always.
        alike: `[classes, classes]`, of the images of the likest colors to those of a class, a row,
            the share that each class has, each class weighing the same.
    """

    likeliest: Tensor
    surely: Tensor
    rate: float
    alike: Tensor

    @classmethod
    def by(cls, colors: Tensor, dealable: Tensor, labels: Tensor, classes: int) -> "_Named":
        """Asks colors `[N, roles, 3]` of the images that are `dealable`, `[N]`."""
        likeliest, surely = torch.full_like(labels, -1), torch.full_like(labels, -1)
        own, counts = labels[dealable], labels[dealable].bincount(minlength=classes)
        if len(own) < 2:
            return cls(likeliest, surely, 0.0, torch.eye(classes))
        generator = torch.Generator().manual_seed(0)
        points = colors[dealable].flatten(1)
        points = points + SAME_COLOR * torch.randn(points.shape, generator=generator)
        away = torch.cdist(points, points).fill_diagonal_(torch.inf)
        usual = int(counts[counts > 0].median())
        neighbors = min(max(1, usual // 2), MOST_NEIGHBORS, len(own) - 1)
        asked = min(max(neighbors, SURE_NEIGHBORS), len(own) - 1)
        nearest = own[away.topk(asked, largest=False).indices]  # the nearest first
        votes = _votes(nearest[:, :neighbors], counts)
        named = votes.argmax(1)
        likeliest[dealable] = named
        alike = torch.zeros(classes, classes).index_add_(0, own, votes / votes.sum(1, keepdim=True))
        if len(own) > SURE_NEIGHBORS:
            few, share = _surest(nearest[:, :SURE_NEIGHBORS], counts)
            needed = 1 / classes + SURE_CLASS * (1 - 1 / classes)
            sure = [wilson(each, SURE_NEIGHBORS)[0] >= needed for each in share.tolist()]
            surely[dealable] = few.where(torch.tensor(sure), -1)
        right = (named == own).float()
        rates = [right[own == k].mean().item() for k in own.unique()]
        rate = (sum(rates) / classes - 1 / classes) / (1 - 1 / classes)
        return cls(likeliest, surely, rate, alike / counts.clamp_min(1)[:, None])


def _votes(near: Tensor, counts: Tensor) -> Tensor:
    """How many of the neighbors `[N, n]` each class has, in parts of its images, `[N, classes]`."""
    counted = torch.nn.functional.one_hot(near, len(counts)).sum(1)
    return counted / counts.clamp_min(1)


def _surest(near: Tensor, counts: Tensor) -> tuple[Tensor, Tensor]:
    """The class that most of the neighbors `[N, n]` of images have, `[N]`, and their share, `[N]`.

    Each class weighs the same; the share is no more than it is with each image weighing the same,
    lest the few images of a rare class be many.
    """
    votes = _votes(near, counts)
    most, likeliest = votes.max(1)
    plain = (near == likeliest[:, None]).float().mean(1)
    return likeliest, torch.minimum(most / votes.sum(1), plain)


def _is_area(even: Tensor, there: Tensor, labels: Tensor, classes: int) -> bool:
    """Whether a role is an area of one color in each class that has it, not texture."""
    own = [each for k in range(classes) if len(each := even[there & (labels == k)])]
    return len(own) > 0 and all(each.median() >= EVEN_AREA for each in own)


def _typical(found: _Named, dealable: Tensor, labels: Tensor, classes: int) -> dict[int, Tensor]:
    """The classes that have a color of their own, and the numbers of the images that have it."""
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
