"""Images that the user gives: a folder, an array, a datamodule, the shipped digits."""

import math
from contextlib import suppress
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning.pytorch import LightningDataModule
from PIL import Image, ImageOps
from torch import Tensor

from prober.common.errors import InputError, named_kind
from prober.common.evenly import evenly
from prober.common.files import expanded, read_npy
from prober.common.inputs import Shape, input_kind
from prober.subject.reference import HUES, load_digits, matching_hues, tint

DIGITS = "digits"

MOST_IMAGES = 2000
"""Images at the most; of a folder, more are thinned out evenly."""

MOST_IMAGE_BYTES = 256 * 2**20
"""Bytes that they take at the most: 445 images of three channels and 224 pixels."""

MOST_CLASSES = 100_000
"""Classes at the most: labels that are numbers of something else would be more."""

NO_PICTURE = (OSError, ValueError, SyntaxError, Image.DecompressionBombError)
"""What is raised of a file that cannot be used as a picture: Pillow tells it in many ways."""

ENDINGS = {".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".ppm", ".pgm", ".tif", ".tiff"}


@dataclass
class LabelledImages:
    """Images as a subject takes them, with their classes.

    Attributes:
        name: What they are, for people.
        images: `[N, C, H, W]` in [0, 1], as they are.
        labels: `[N]`, the class of each, -1 where there is none.
        classes: The names of the classes.
        skipped: The files that could not be read, and why.
    """

    name: str
    images: Tensor
    labels: Tensor
    classes: list[str]
    skipped: list[tuple[str, str]] = field(default_factory=list)


def read_images(
    given: str | LightningDataModule,
    shape: Shape,
    key: str = "data",
    resize: bool = True,
) -> LabelledImages:
    """Reads images that the user gives.

    Args:
        given: `digits`; the path of a folder of images, whose subfolders are classes if there are
            any; the path of an array `[N, C, H, W]` in [0, 1] (`.npy`); a datamodule, or the import
            path of one, whose training batches are images and labels. Signals, volumes and vectors
            come as arrays or by a datamodule, in their own shape.
        shape: What the subject takes.
        key: The option that names them, for messages.
        resize: Whether pictures of another size than the subject's are brought to it; else they
            are skipped.

    Raises:
        InputError: There is no such folder, no image in it can be used, or the shape is another.
    """
    try:
        return _read(given, tuple(shape), resize)
    except InputError as error:
        raise InputError(f"{key}: {error}") from error


def _read(given: str | LightningDataModule, shape: Shape, resize: bool) -> LabelledImages:
    if isinstance(given, LightningDataModule):
        return _of_datamodule(given, shape)
    if given == DIGITS:
        if shape != (3, 28, 28):
            files = input_kind(shape).has_color_and_shape and shape[0] in (1, 3)
            instead = "a folder of images" if files else f"an array (.npy) of {_many(shape)}"
            raise InputError(
                f"the shipped digits are [3, 28, 28], the subject takes {list(shape)}. Give "
                f"{instead}."
            )
        return shipped_digits()
    path = expanded(given)
    if path.suffix == ".npy":
        return _of_array(path, shape)
    if not path.exists() and (module := _imported(given)):
        return _of_datamodule(module, shape)
    if not given or not path.is_dir():
        said = f"'{given}' is a file" if path.is_file() else f"there is no folder '{given}'"
        raise InputError(
            f"{said}. Give a folder of images (subfolders are classes), an array of them (.npy), a "
            "LightningDataModule by its import path, or 'digits'."
        )
    return _of_folder(path, shape, resize)


def shipped_digits() -> LabelledImages:
    """The 1,000 digits that ship with the project, each in its class's hue."""
    digits, labels = load_digits()
    images = tint(digits, HUES[matching_hues(labels)])
    name = "1,000 digits of MNIST's test set, each in the hue of its class"
    return LabelledImages(name, images, labels, [str(i) for i in range(10)])


def _imported(path: str) -> LightningDataModule | None:
    """Builds the datamodule that an import path without arguments names; None if it names none."""
    if path.startswith("{"):
        raise InputError(f"{path} cannot be built: is the class_path right?")
    module, _, name = path.rpartition(".")
    if not module or not all(part.isidentifier() for part in path.split(".")):
        return None
    try:
        found: Any = None
        with suppress(ImportError, AttributeError):
            found = getattr(import_module(module), name)
        is_one = isinstance(found, type) and issubclass(found, LightningDataModule)
        return found() if is_one else None
    except (Exception, SystemExit) as error:
        raise InputError(f"{path} cannot be built: {error}") from error


def _of_folder(folder: Path, shape: Shape, resize: bool) -> LabelledImages:
    if not input_kind(shape).has_color_and_shape:
        raise InputError(
            f"the subject takes {list(shape)}, which is no image of a folder: give an array (.npy) "
            f"of {_many(shape)}, or a LightningDataModule by its import path."
        )
    found = _pictures_in(folder)
    if not found:
        raise InputError(f"there is no image ({', '.join(sorted(ENDINGS))}) in '{folder}'.")
    below = [file for file in found if file.parent != folder]
    # Also folders without an image: classes go by their order, too.
    named = {p.name for p in folder.iterdir() if p.is_dir() and not _is_hidden(p.name)}
    classes = sorted(named) if below else []
    files = [
        (file, classes.index(file.relative_to(folder).parts[0]) if below else -1)
        for file in below or found
    ]
    images, labels, skipped = [], [], []
    for file, label in (files[i] for i in evenly(len(files), _most(shape))):
        try:
            images.append(read_picture(file, shape, resize))
            labels.append(label)
        except NO_PICTURE as error:
            skipped.append((str(file.relative_to(folder)), " ".join(str(error).split())))
    if not images:
        name, why = skipped[0]
        raise InputError(f"no image in '{folder}' can be used. '{name}': {why}")
    name = f"{len(images):,} images of the folder {folder.name}"
    return LabelledImages(name, torch.stack(images), torch.tensor(labels), classes, skipped)


def _pictures_in(folder: Path, above: tuple[Path, ...] = ()) -> list[Path]:
    """Finds the image files in a folder and in all below, links among them, but for hidden ones.

    Args:
        folder: The folder.
        above: Those that lead to it, to which a link in it may lead back.
    """
    here = folder.resolve()
    found: list[Path] = []
    for entry in sorted(folder.iterdir()) if here not in above else ():
        if _is_hidden(entry.name):
            continue
        if entry.is_dir():
            found += _pictures_in(entry, (*above, here))
        elif entry.suffix.lower() in ENDINGS and entry.is_file():
            found.append(entry)
    return found


def _is_hidden(name: str) -> bool:
    """Whether a system, or a tool, keeps something of its own under a name."""
    return name.startswith((".", "__MACOSX"))


def read_picture(file: Path, shape: Shape, resize: bool = True) -> Tensor:
    """Reads one picture.

    Args:
        file: A file that Pillow can open.
        shape: What the subject takes: 1 channel (the picture becomes gray) or 3, height, width.
        resize: Whether a picture of another size is brought to the subject's: the middle of it, as
            much as has the right proportions.

    Returns:
        `[C, H, W]` in [0, 1].

    Raises:
        Exception: One of `NO_PICTURE`. The file cannot be read or is no picture, the picture has
            another size, or pixels of another range than it should, or the subject takes neither 1
            nor 3 channels.
    """
    with Image.open(file) as opened:
        opened.load()
        picture: Image.Image = opened
        if not resize and (picture.height, picture.width) != tuple(shape[1:]):
            raise ValueError(
                f"it is {picture.height} x {picture.width} pixels, the subject takes "
                f"{shape[1]} x {shape[2]}"
            )
        if shape[0] not in (1, 3):
            raise ValueError(f"the subject takes {shape[0]} channels, an image file has 1 or 3")
        if picture.mode.startswith(("I", "F")):  # 16 bits or floats, which convert() cuts off
            floats = picture.mode.startswith("F")
            pixels = np.asarray(picture, np.float32) / (1 if floats else 2**16 - 1)
            if not (pixels.min() >= 0 and pixels.max() <= 1):  # NaN, too
                fits = "floats within [0, 1]" if floats else "whole numbers of 0 to 65535"
                raise ValueError(f"its pixels must be {fits}")
            picture = Image.fromarray((pixels * 255).round().astype(np.uint8))
        if picture.has_transparency_data:
            picture = picture.convert("RGBA")
            picture = Image.alpha_composite(Image.new("RGBA", picture.size, "black"), picture)
        picture = picture.convert("L" if shape[0] == 1 else "RGB")
        if picture.size != (shape[2], shape[1]):
            picture = ImageOps.fit(picture, (shape[2], shape[1]), Image.Resampling.BICUBIC)
        pixels = np.asarray(picture)
    image = torch.from_numpy(pixels.copy()).float() / 255
    return image[None] if image.ndim == 2 else image.movedim(2, 0)


def check_unit_range(images: Tensor, path: str) -> None:
    """Raises an InputError unless an array has values, and all of them lie in [0, 1]."""
    if not (images.numel() and images.min() >= 0 and images.max() <= 1):
        raise InputError(f"'{path}' has values outside [0, 1], or NaN; divide bytes by 255.")


def _of_array(file: Path, shape: Shape) -> LabelledImages:
    images = read_npy(file, "an array of images")
    if list(images.shape[1:]) != list(shape) or not len(images):
        raise InputError(f"'{file}' is {list(images.shape)}; this subject takes {_many(shape)}.")
    check_unit_range(images, str(file))
    images = images[evenly(len(images), _most(shape))]
    labels = torch.full((len(images),), -1)
    name = f"{len(images):,} {input_kind(shape).plural} of {file.name}"
    return LabelledImages(name, images, labels, [])


def _of_datamodule(module: LightningDataModule, shape: Shape) -> LabelledImages:
    called = type(module).__name__
    try:
        images, classes = _batches(module, _most(shape))
    except InputError:
        raise
    except (Exception, SystemExit) as error:
        raise InputError(f"{called} gives no batches of images and labels: {error}") from error
    if images.shape[1:] != tuple(shape):
        raise InputError(
            f"the images of {called} are {list(images.shape[1:])}, the subject takes {list(shape)}."
        )
    if not (images.min() >= 0 and images.max() <= 1):  # NaN, too
        raise InputError(
            f"the images of {called} lie in [{images.min():.3g}, {images.max():.3g}]; give them in "
            "[0, 1], and the subject's mean and std for the rest."
        )
    name = f"{len(images):,} {input_kind(shape).plural} of {called}"
    names = [str(i) for i in range(int(classes.max()) + 1)]
    return LabelledImages(name, images, classes, names)


def _batches(module: LightningDataModule, most: int) -> tuple[Tensor, Tensor]:
    """Returns the first images of a datamodule's training, and the numbers of their classes.

    Raises:
        Exception: Whatever the datamodule raises; a ValueError if it gives something else.
    """
    module.prepare_data()
    module.setup("fit")
    images: list[Tensor] = []
    labels: list[Tensor] = []
    for batch in module.train_dataloader():
        if not isinstance(batch, list | tuple) or len(batch) < 2:
            raise ValueError(
                f"each batch must be a pair (images, labels), and one is {named_kind(batch)}"
            )
        images.append(torch.as_tensor(batch[0]).float())
        labels.append(torch.as_tensor(batch[1]))
        if sum(map(len, images)) >= most:
            break
    if not any(map(len, images)):
        raise ValueError("its train_dataloader has no batch")
    found, given = (torch.cat(part)[:most] for part in (images, labels))
    classes = given.long()
    fits = given.shape == (len(found),) and bool((classes == given).all())
    if not fits or not 0 <= classes.min() <= classes.max() < MOST_CLASSES:
        raise ValueError(
            "labels must be one whole number for each image, the number of its class, from 0 "
            f"to less than {MOST_CLASSES:,}"
        )
    return found, classes


def _many(shape: Shape) -> str:
    """The shape of an array of inputs as a message writes it: `[N, 3, 28, 28]`."""
    return f"[{', '.join(map(str, ('N', *shape)))}]"


def _most(shape: Shape) -> int:
    """How many images of a shape are taken at the most."""
    return max(1, min(MOST_IMAGES, MOST_IMAGE_BYTES // (4 * math.prod(shape))))
