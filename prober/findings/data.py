"""Real images, whose color and shape can be set apart: classes, hues, and what cannot be read."""

import math
from dataclasses import dataclass, field

import torch
from lightning.pytorch import LightningDataModule
from torch import Tensor

from prober.ascent.given_images import DIGITS, LabelledImages, read_images
from prober.ascent.method import is_large
from prober.common.colors import angle_of, hue_to_rgb, on_circle, rgb_to_hue, turn

NONE = "none"

ONE_HUE = 0.7
"""A class has a hue of its own if this share of its images is near it; a biased data set may hold
some in other hues."""

NEAR = 30.0
"""Degrees around a class's hue in which its images count as near it."""

OTHER_HUE = 5.0
"""Degrees that the hues of two classes must lie apart to tell them from each other."""


@dataclass
class RealData(LabelledImages):
    """Real images as a subject takes them, and their hues.

    Attributes:
        shown: The hue of each image in degrees, `[N]`, NaN where it has none.
        hues: The hue of each class in degrees, `[classes]`, NaN where it has none of its own.
    """

    shown: Tensor = field(init=False)
    hues: Tensor = field(init=False)

    def __post_init__(self) -> None:
        """Measures the hues."""
        # In blocks, since the way to the hues takes some times the memory of the images.
        self.shown = torch.cat([_hues_of_images(part) for part in self.images.split(64)])
        self.hues = torch.tensor([self._hue(i) for i in range(len(self.classes))])

    def _hue(self, label: int) -> float:
        shown = self.shown[self.labels == label]
        of = shown[~shown.isnan()]
        # A few photographs of one hue, among others of none, give nothing away.
        if not len(of) or len(of) < len(shown) / 2:
            return math.nan
        apart = turn(of, of[:, None], 360)
        near = apart.abs() <= NEAR
        most = near.sum(0).argmax()
        if near[:, most].float().mean() < ONE_HUE:
            return math.nan
        return on_circle((of[most] + apart[near[:, most], most].mean()).item(), 360)

    @property
    def every_class_has_a_hue(self) -> bool:
        """Whether the color gives every class away, no two classes having the same."""
        if self.hues.isnan().any() or len(self.classes) < 2:
            return False
        hues = self.hues.sort().values
        gaps = (hues.roll(-1) - hues).remainder(360)
        return bool((gaps >= OTHER_HUE).all())

    @property
    def columns(self) -> Tensor:
        """The hues in which every image is shown to a unit, in degrees, ascending."""
        if self.every_class_has_a_hue:
            return self.hues.sort().values
        # Each is a pass over all images, which takes long with large ones.
        return torch.arange(0, 360, 60 if is_large(self.images.shape[1:]) else 30).float()

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

    def without_color(self, numbers: slice = slice(None)) -> Tensor:
        """Shows images in white: their value alone."""
        images = self.images[numbers]
        return images.amax(1, keepdim=True).expand_as(images)


def read_data(
    given: str | LightningDataModule | None, shape: tuple[int, int, int], is_reference: bool
) -> RealData | None:
    """Reads real images.

    Args:
        given: What `read_images` takes, or `none`; None for the digits with the reference CNN, and
            for no data with any other.
        shape: What the subject takes.
        is_reference: Whether the subject is the reference CNN.

    Raises:
        InputError: There is no such folder, no image in it can be used, or the shape is another.
    """
    if given is None:
        given = DIGITS if is_reference else NONE
    if given == NONE:
        return None
    # A small picture of another size was hardly meant for this CNN; a photograph mostly is larger.
    images = read_images(given, shape, resize=is_large(shape))
    return RealData(**vars(images))


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
