"""Real images, whose color and shape can be set apart: in other colors, in other hues, in gray."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import torch
from lightning.pytorch import LightningDataModule
from torch import Tensor

from prober.ascent.given_images import DIGITS, LabelledImages, read_images
from prober.ascent.method import is_large
from prober.common.colors import angle_of, rgb_to_hue, turned_hues
from prober.common.inputs import Shape
from prober.findings.class_colors import Dealer, best_dealer, color_tells
from prober.findings.palettes import IMAGES_AT_ONCE, NEAR, palettes_of
from prober.findings.tints import Tints, tints_of

NO_IMAGES = "none"
"""What is given where no real images are wanted."""

TURNS = (90.0, 180.0, 270.0)
"""Degrees by which hues are turned where the images have no colors that could be dealt."""


@dataclass
class RealImages(LabelledImages):
    """Real images as a subject takes them, and their colors.

    Attributes:
        image_hues: The hue of each image in degrees, `[N]`, NaN where it has none.
        dealer: Deals their colors anew, those that go with the class if any do; None if there are
            none that could be dealt.
        color_tells: Whether an area's color tells anything of the class, if only by being there.
        in_color: `[N]`, which of them have any color, so that their hue can be turned.
    """

    image_hues: Tensor = field(init=False)
    dealer: Dealer | None = field(init=False)
    color_tells: bool = field(init=False)
    in_color: Tensor = field(init=False)

    def __post_init__(self) -> None:
        """Measures the colors."""
        number = len(self.images)
        self.image_hues = torch.full((number,), math.nan)
        self.dealer, self.color_tells = None, False
        self.in_color = torch.zeros(number, dtype=torch.bool)
        if self.images.shape[1] in (1, 3) and self.images.dim() == 4:
            images = self._as_rgb(self.images)
            # In blocks, since the way to the hues takes some times the memory of the images.
            parts = images.split(IMAGES_AT_ONCE)
            self.image_hues = torch.cat([_hues_of_images(part) for part in parts])
            chroma = [(part.amax(1) - part.amin(1)).amax((1, 2)) for part in parts]
            self.in_color = torch.cat(chroma) > NEAR
            found = palettes_of(images)
            self.color_tells = color_tells(found, self.labels)
            descriptions = (found, tints_of(images), found.in_order_of_finding())
            self.dealer = best_dealer(descriptions, self.labels)

    @property
    def colored(self) -> bool:
        """Whether most of them have any color."""
        return len(self.images) > 0 and self.in_color.float().mean().item() >= 0.5

    @property
    def color_groups(self) -> list[tuple[int, ...]]:
        """The classes that have a color, those together that share one; two groups, or none."""
        return self.dealer.groups if self.dealer else []

    @property
    def tinted(self) -> bool:
        """Whether the classes' colors are those that whole images lean to."""
        return self.dealer is not None and isinstance(self.dealer.palettes, Tints)

    @cached_property
    def group_colors(self) -> Tensor:
        """The color of each of `color_groups`, RGB, `[groups, 3]`, NaN where it has several."""
        if self.dealer is None or not self.dealer.groups:
            return torch.zeros(0, 3)
        return torch.stack([self.dealer.color(i) for i in range(len(self.dealer.groups))])

    @property
    def group_hues(self) -> Tensor:
        """The hue of each of `color_groups` in degrees, `[groups]`, NaN where it has none."""
        chroma = self.group_colors.amax(1) - self.group_colors.amin(1)
        return rgb_to_hue(self.group_colors).where(chroma > NEAR, math.nan)

    @property
    def class_colors(self) -> Tensor:
        """The color of each class, RGB, `[classes, 3]`, NaN where it has none, or several."""
        return self._of_classes(self.group_colors)

    @property
    def class_hues(self) -> Tensor:
        """The hue of each class in degrees, `[classes]`, NaN where its color has none."""
        return self._of_classes(self.group_hues)

    def _of_classes(self, of_groups: Tensor) -> Tensor:
        """Gives each class what its group has, `[classes, ...]`, NaN where it is of none."""
        found = torch.full((len(self.classes), *of_groups.shape[1:]), math.nan)
        for group, own in zip(self.color_groups, of_groups, strict=True):
            found[list(group)] = own
        return found

    def dealt(self, column: int, numbers: Tensor | slice = slice(None)) -> Tensor:
        """Shows images in the color of a group of classes, with their own shapes.

        Args:
            column: Which of `color_groups`; without any, which time the colors of the images
                are dealt among them.
            numbers: `[M]`, or a slice, which images; those whose color cannot be changed stay.

        Returns:
            `[M, C, H, W]`.
        """
        dealer = self.dealer
        assert dealer is not None, "there are no colors to deal"
        chosen = torch.arange(len(self.images))[numbers]
        images = self.images[chosen]
        dealt = dealer.palettes.recolored(
            self._as_rgb(images), chosen, dealer.roles, dealer.drawn[column][chosen]
        )
        return dealt[:, : images.shape[1]]  # grays have become grays

    @staticmethod
    def _as_rgb(images: Tensor) -> Tensor:
        """Images of one channel or three with three."""
        return images.expand(-1, 3, -1, -1)

    @cached_property
    def leading_hues(self) -> Tensor:
        """The hue `[N]` of what goes with the class, in degrees, or if nothing does, of the image.

        A tag in a corner hardly shows in the hue of the whole.
        """
        if not self.color_groups:
            return self.image_hues
        assert self.dealer is not None
        colors = self.dealer.palettes.by_role()[0][:, self.dealer.roles]
        chroma = colors.amax(2) - colors.amin(2)
        hues = rgb_to_hue(colors).gather(1, chroma.argmax(1, keepdim=True))[:, 0]
        has_hue = self.dealer.dealable & (chroma.amax(1) > NEAR)
        return hues.where(has_hue, self.image_hues)

    def in_other_colors(self, column: int) -> Tensor:
        """Returns the numbers `[M]` of the images that do not have a group's color already."""
        assert self.dealer is not None, "there are no colors to deal"
        numbers = torch.arange(len(self.images))
        return numbers[~torch.isin(numbers, self.dealer.donors[column])]

    def has_color(self, labels: Tensor) -> Tensor:
        """Tells for labels `[...]` which groups' colors they have, `[color_groups, ...]`."""
        return torch.stack([torch.isin(labels, torch.tensor(each)) for each in self.color_groups])

    def turned_by(self, degrees: float, numbers: slice = slice(None)) -> Tensor:
        """Shows images `[M, 3, H, W]` with their hues turned, at equal brightness."""
        return turned_hues(self.images[numbers], degrees)

    def turned_to(self, hue: float, numbers: Tensor) -> Tensor:
        """Shows images `[M, 3, H, W]` with their hues turned so that the leading one is given."""
        own = self.leading_hues[numbers].nan_to_num(0.0)
        return turned_hues(self.images[numbers], hue - own)

    def in_gray(self, numbers: slice = slice(None)) -> Tensor:
        """Shows images `[M, 3, H, W]` without color, at equal brightness."""
        images = self.images[numbers]
        return images.mean(1, keepdim=True).expand_as(images)

    def in_lightest_gray(self, numbers: slice = slice(None)) -> Tensor:
        """Shows images `[M, 3, H, W]` without color, as light as the lightest channel.

        At equal brightness a blue digit is hardly lighter than a dark ground.
        """
        images = self.images[numbers]
        return images.amax(1, keepdim=True).expand_as(images)

    def evenly(self, most: int, among: Tensor) -> Tensor:
        """Returns the numbers `[M]` of images of all classes alike, about `most` at the most.

        Args:
            most: How many.
            among: `[N]`, which images are asked for.
        """
        known = [((self.labels == k) & among).nonzero()[:, 0] for k in range(len(self.classes))]
        known = [own for own in known if len(own)] or [among.nonzero()[:, 0]]
        each = max(1, most // len(known))
        return torch.cat([own[:each] for own in known])


def read_real_images(
    given: str | LightningDataModule | None,
    shape: Shape,
    is_reference: bool,
    names: Sequence[str] | None = None,
) -> RealImages | None:
    """Reads real images.

    Args:
        given: What `read_images` takes, or `none`; None for the digits with the reference CNN, and
            for no images with any other.
        shape: What the subject takes.
        is_reference: Whether the subject is the reference CNN.
        names: The names of the subject's classes, if it has some: images whose classes are all
            among them are of the classes of the same names, others of those at the same places.

    Raises:
        InputError: There is no such folder, no image in it can be used, or the shape is another.
    """
    if given is None:
        given = DIGITS if is_reference else NO_IMAGES
    if given == NO_IMAGES:
        return None
    # A small picture of another size was hardly meant for this CNN; a photograph mostly is larger.
    images = read_images(given, shape, resize=is_large(shape))
    if names and images.classes and set(images.classes) <= set(names):
        places = torch.tensor([*(names.index(each) for each in images.classes), -1])
        images = replace(images, labels=places[images.labels], classes=list(names))
    return RealImages(**vars(images))


def _hues_of_images(images: Tensor) -> Tensor:
    """The mean hue of each RGB image, weighted by its pixels' chroma; NaN for gray ones."""
    chroma = images.amax(1) - images.amin(1)
    radians = torch.deg2rad(rgb_to_hue(images.movedim(1, -1)))
    x, y = (chroma * radians.cos()).sum((1, 2)), (chroma * radians.sin()).sum((1, 2))
    # Gray, or of so many hues that none is the image's.
    total = chroma.sum((1, 2))
    return angle_of(x, y).where(torch.hypot(x, y) > 0.2 * total.clamp_min(1e-6), math.nan)
