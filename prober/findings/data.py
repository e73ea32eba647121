"""Real images, whose color and shape can be set apart: classes, hues, and what cannot be read."""

import math
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path

import numpy as np
import torch
from lightning.pytorch import LightningDataModule
from PIL import Image
from torch import Tensor

from prober.errors import InputError
from prober.findings.interventions import hues_of, on_circle
from prober.subject.reference import HUES, hue_to_rgb, load_digits, matching_hues

DIGITS = "digits"
NONE = "none"

MOST = 2000
"""Real images at the most; of a folder, more are thinned out evenly."""

ONE_HUE = 0.8
"""A class has a hue of its own if the mean of its images' hues, as unit vectors, is this long."""

OTHER_HUE = 5.0
"""Degrees that the hues of two classes must lie apart to tell them from each other."""

ENDINGS = {".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".ppm", ".pgm", ".tif", ".tiff"}


@dataclass
class RealData:
    """Real images as a subject takes them.

    Attributes:
        name: What they are, for people.
        images: `[N, C, H, W]` in [0, 1], as they are.
        labels: `[N]`, the class of each, -1 where there is none.
        classes: The names of the classes.
        shown: The hue of each image in degrees, `[N]`, NaN where it has none.
        hues: The hue of each class in degrees, `[classes]`, NaN where it has none of its own.
        skipped: The files that could not be read, and why.
    """

    name: str
    images: Tensor
    labels: Tensor
    classes: list[str]
    skipped: list[tuple[str, str]] = field(default_factory=list)
    shown: Tensor = field(init=False)
    hues: Tensor = field(init=False)

    def __post_init__(self) -> None:
        """Measures the hues."""
        self.shown = _hues_of_images(self.images)
        self.hues = torch.tensor([self._hue(i) for i in range(len(self.classes))])

    def _hue(self, label: int) -> float:
        of = self.shown[self.labels == label]
        of = torch.deg2rad(of[~of.isnan()])
        if not len(of):
            return math.nan
        x, y = of.cos().mean(), of.sin().mean()
        if torch.hypot(x, y) < ONE_HUE:
            return math.nan
        return on_circle(torch.rad2deg(torch.atan2(y, x)).item(), 360)

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
        return torch.arange(12) * 30.0

    def tinted(self, hue: float | Tensor, numbers: Tensor | None = None) -> Tensor:
        """Shows images in hues: their value (HSV) keeps the shape, the hue is put on it.

        Args:
            hue: Degrees, one for all images or `[M]`.
            numbers: `[M]`, which images; all N where none are given.

        Returns:
            `[M, 3, H, W]`.
        """
        images = self.images if numbers is None else self.images[numbers]
        hues = torch.as_tensor(hue, dtype=torch.float32).expand(len(images))
        return images.amax(1, keepdim=True) * hue_to_rgb(hues)[:, :, None, None]

    def without_color(self) -> Tensor:
        """Shows all images in white: their value alone."""
        return self.images.amax(1, keepdim=True).expand_as(self.images)


def shipped_digits() -> RealData:
    """The 1,000 digits that ship with the project, each in its class's hue."""
    digits, labels = load_digits()
    images = digits[:, None] * hue_to_rgb(HUES[matching_hues(labels)])[:, :, None, None]
    name = "the 1,000 shipped digits, each in the hue of its class"
    return RealData(name, images, labels, [str(i) for i in range(10)])


def read_data(
    given: str | LightningDataModule | None, shape: tuple[int, int, int], is_reference: bool
) -> RealData | None:
    """Reads real images.

    Args:
        given: `digits`; `none`; the path of a folder of images, whose subfolders are classes if
            there are any; a datamodule, whose training batches are images and labels; None for the
            digits with the reference CNN, and for no data with any other.
        shape: What the subject takes.
        is_reference: Whether the subject is the reference CNN.

    Raises:
        InputError: There is no such folder, no image in it can be used, or the shape is another.
    """
    if given is None:
        given = DIGITS if is_reference else NONE
    if isinstance(given, LightningDataModule):
        return _of_datamodule(given, shape)
    if given == NONE:
        return None
    if given == DIGITS:
        data = shipped_digits()
        if data.images.shape[1:] != tuple(shape):
            raise InputError(
                f"data: the shipped digits are [3, 28, 28], the subject takes {list(shape)}. Give "
                "a folder of images, or none."
            )
        return data
    if not Path(given).exists() and (module := _imported(given)):
        return _of_datamodule(module, shape)
    return _of_folder(Path(given), shape)


def _imported(path: str) -> LightningDataModule | None:
    """Builds the datamodule that an import path without arguments names; None if it names none."""
    if path.startswith("{"):
        raise InputError(f"data: {path} cannot be built: is the class_path right?")
    module, _, name = path.rpartition(".")
    if not module or not all(part.isidentifier() for part in path.split(".")):
        return None
    try:
        found = getattr(import_module(module), name)
        is_one = isinstance(found, type) and issubclass(found, LightningDataModule)
        return found() if is_one else None
    except (ImportError, AttributeError):
        return None
    except Exception as error:
        raise InputError(f"data: {path} cannot be built: {error}") from error


def _of_folder(folder: Path, shape: tuple[int, int, int]) -> RealData:
    if not folder.is_dir():
        raise InputError(
            f"data: there is no folder '{folder}'. Give a folder of images (subfolders are "
            "classes), a LightningDataModule by its import path, 'digits' or 'none'."
        )
    classes = sorted(p.name for p in folder.iterdir() if p.is_dir() and not p.name.startswith("."))
    files = [
        (file, classes.index(file.relative_to(folder).parts[0]) if classes else -1)
        for file in sorted(folder.rglob("*"))
        if file.is_file()
        and file.suffix.lower() in ENDINGS
        and (not classes or file.relative_to(folder).parts[0] in classes)
    ]
    if not files:
        raise InputError(f"data: there is no image ({', '.join(sorted(ENDINGS))}) in '{folder}'.")
    files = _thinned(files)
    images, labels, skipped = [], [], []
    for file, label in files:
        try:
            images.append(_read_image(file, shape))
            labels.append(label)
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
            skipped.append((str(file.relative_to(folder)), " ".join(str(error).split())))
    if not images:
        name, why = skipped[0]
        raise InputError(f"data: no image in '{folder}' can be used. '{name}': {why}")
    name = f"{len(images):,} images of the folder {folder.name}"
    return RealData(name, torch.stack(images), torch.tensor(labels), classes, skipped)


def _read_image(file: Path, shape: tuple[int, int, int]) -> Tensor:
    with Image.open(file) as picture:
        picture.load()
        if (picture.height, picture.width) != tuple(shape[1:]):
            raise ValueError(
                f"it is {picture.height} x {picture.width} pixels, the subject takes "
                f"{shape[1]} x {shape[2]}"
            )
        if shape[0] not in (1, 3):
            raise ValueError(f"the subject takes {shape[0]} channels, an image file has 1 or 3")
        if picture.mode.startswith(("I", "F")):  # 16 bits or floats, which convert() cuts off
            most = 2**16 - 1 if picture.mode.startswith("I") else 1
            pixels = np.asarray(picture, np.float32) / most
            picture = Image.fromarray((pixels.clip(0, 1) * 255).round().astype(np.uint8))
        if picture.has_transparency_data:
            picture = picture.convert("RGBA")
            picture = Image.alpha_composite(Image.new("RGBA", picture.size, "black"), picture)
        pixels = np.asarray(picture.convert("L" if shape[0] == 1 else "RGB"))
    image = torch.from_numpy(pixels.copy()).float() / 255
    return image[None] if image.ndim == 2 else image.movedim(2, 0)


def _of_datamodule(module: LightningDataModule, shape: tuple[int, int, int]) -> RealData:
    name = f"images of {type(module).__name__}"
    try:
        module.prepare_data()
        module.setup("fit")
        loader = module.train_dataloader()
        images, labels = [], []
        for batch in loader:
            batch_images, batch_labels = batch[0], batch[1]
            images.append(torch.as_tensor(batch_images).float())
            labels.append(torch.as_tensor(batch_labels).long())
            if sum(map(len, images)) >= MOST:
                break
        found, classes = torch.cat(images)[:MOST], torch.cat(labels)[:MOST]
        if classes.shape != (len(found),) or classes.min() < 0:
            raise ValueError("labels must be one whole number of at least 0 for each image")
    except InputError:
        raise
    except Exception as error:
        raise InputError(
            f"data: {type(module).__name__} gives no batches of images and labels: {error}"
        ) from error
    if found.shape[1:] != tuple(shape):
        raise InputError(
            f"data: the images of {type(module).__name__} are {list(found.shape[1:])}, the subject "
            f"takes {list(shape)}."
        )
    if found.min() < 0 or found.max() > 1:
        raise InputError(
            f"data: the images of {type(module).__name__} lie in [{found.min():.3g}, "
            f"{found.max():.3g}]; give them in [0, 1], and the subject's mean and std for the rest."
        )
    number = int(classes.max()) + 1 if len(classes) else 0
    return RealData(f"{len(found):,} {name}", found, classes, [str(i) for i in range(number)])


def _thinned(items: list) -> list:
    if len(items) <= MOST:
        return items
    return [items[i * len(items) // MOST] for i in range(MOST)]


def _hues_of_images(images: Tensor) -> Tensor:
    """The mean hue of each image, weighted by its pixels' chroma; NaN for gray ones."""
    if images.shape[1] != 3:
        return torch.full((len(images),), math.nan)
    chroma = images.amax(1) - images.amin(1)
    radians = torch.deg2rad(hues_of(images.movedim(1, -1)))
    x, y = (chroma * radians.cos()).sum((1, 2)), (chroma * radians.sin()).sum((1, 2))
    hue = torch.rad2deg(torch.atan2(y, x)).remainder(360)
    # Gray, or of so many hues that none is the image's.
    total = chroma.sum((1, 2))
    return hue.where(torch.hypot(x, y) > 0.2 * total.clamp_min(1e-6), math.nan)
