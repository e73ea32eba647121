"""Real images, whose color and shape can be set apart: their hues, and those of their classes."""

import math
from dataclasses import dataclass, field

import torch
from lightning.pytorch import LightningDataModule
from torch import Tensor

from prober.ascent.given_images import DIGITS, LabelledImages, read_images
from prober.ascent.method import is_large
from prober.common.colors import angle_of, hue_to_rgb, on_circle, rgb_to_hue, turn

NO_IMAGES = "none"
"""What is given where no real images are wanted."""

SHARE_NEAR_HUE = 0.7
"""A class has a hue of its own if this share of its images is near it; a biased data set may hold
some in other hues."""

DEGREES_NEAR_HUE = 30.0
"""Degrees around a class's hue in which its images count as near it."""

DEGREES_BETWEEN_CLASSES = 5.0
"""Degrees that the hues of two classes must lie apart to tell them from each other."""


@dataclass
class RealImages(LabelledImages):
    """Real images as a subject takes them, and their hues.

    Attributes:
        image_hues: The hue of each image in degrees, `[N]`, NaN where it has none.
        class_hues: The hue of each class in degrees, `[classes]`, NaN where it has none of its own.
    """

    image_hues: Tensor = field(init=False)
    class_hues: Tensor = field(init=False)

    def __post_init__(self) -> None:
        """Measures the hues."""
        # In blocks, since the way to the hues takes some times the memory of the images.
        self.image_hues = torch.cat([_hues_of_images(part) for part in self.images.split(64)])
        self.class_hues = torch.tensor([self._class_hue(i) for i in range(len(self.classes))])

    def _class_hue(self, label: int) -> float:
        own = self.image_hues[self.labels == label]
        hues = own[~own.isnan()]
        # A few photographs of one hue, among others of none, give nothing away.
        if not len(hues) or len(hues) < len(own) / 2:
            return math.nan
        turns = turn(hues, hues[:, None], 360)
        near = turns.abs() <= DEGREES_NEAR_HUE
        middle = near.sum(0).argmax()
        if near[:, middle].float().mean() < SHARE_NEAR_HUE:
            return math.nan
        return on_circle((hues[middle] + turns[near[:, middle], middle].mean()).item(), 360)

    @property
    def every_class_has_a_hue(self) -> bool:
        """Whether the color gives every class away, no two classes having the same."""
        if self.class_hues.isnan().any() or len(self.classes) < 2:
            return False
        hues = self.class_hues.sort().values
        gaps = (hues.roll(-1) - hues).remainder(360)
        return bool((gaps >= DEGREES_BETWEEN_CLASSES).all())

    @property
    def shown_hues(self) -> Tensor:
        """The hues in which every image is shown to a unit, in degrees, ascending."""
        if self.every_class_has_a_hue:
            return self.class_hues.sort().values
        # Each is a pass over all images, which takes long with large ones.
        return torch.arange(0, 360, 60 if is_large(self.shape) else 30).float()

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height and width."""
        channels, height, width = self.images.shape[1:]
        return channels, height, width

    def tinted(self, hue: float | Tensor, numbers: Tensor | slice | None = None) -> Tensor:
        """Shows images in hues: their value (HSV) keeps the shape, the hue is put on it.

        Args:
            hue: Degrees, one for all images or `[M]`.
            numbers: `[M]`, or a slice, which images; all N where none are given.

        Returns:
            `[M, 3, H, W]`.
        """
        images = self.images if numbers is None else self.images[numbers]
        hues = torch.as_tensor(hue, dtype=torch.float32).expand(len(images))
        return images.amax(1, keepdim=True) * hue_to_rgb(hues)[:, :, None, None]

    def in_white(self, numbers: slice = slice(None)) -> Tensor:
        """Shows images in white: their value alone."""
        images = self.images[numbers]
        return images.amax(1, keepdim=True).expand_as(images)


def read_real_images(
    given: str | LightningDataModule | None, shape: tuple[int, int, int], is_reference: bool
) -> RealImages | None:
    """Reads real images.

    Args:
        given: What `read_images` takes, or `none`; None for the digits with the reference CNN, and
            for no images with any other.
        shape: What the subject takes.
        is_reference: Whether the subject is the reference CNN.

    Raises:
        InputError: There is no such folder, no image in it can be used, or the shape is another.
    """
    if given is None:
        given = DIGITS if is_reference else NO_IMAGES
    if given == NO_IMAGES:
        return None
    # A small picture of another size was hardly meant for this CNN; a photograph mostly is larger.
    images = read_images(given, shape, resize=is_large(shape))
    return RealImages(**vars(images))


def _hues_of_images(images: Tensor) -> Tensor:
    """The mean hue of each image, weighted by its pixels' chroma; NaN for gray ones."""
    if images.shape[1] != 3:
        return torch.full((len(images),), math.nan)
    chroma = images.amax(1) - images.amin(1)
    radians = torch.deg2rad(rgb_to_hue(images.movedim(1, -1)))
    x, y = (chroma * radians.cos()).sum((1, 2)), (chroma * radians.sin()).sum((1, 2))
    # Gray, or of so many hues that none is the image's.
    total = chroma.sum((1, 2))
    return angle_of(x, y).where(torch.hypot(x, y) > 0.2 * total.clamp_min(1e-6), math.nan)
