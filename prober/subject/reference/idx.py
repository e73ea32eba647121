"""Reading MNIST as it is published: four IDX files, gzipped or not."""

import gzip
import math
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

SIDE = 28
UNSIGNED_BYTE = 0x08


class IdxError(Exception):
    """A folder or a file that is not MNIST; the message tells a person what is wrong."""


@dataclass(frozen=True)
class DigitSet:
    """Handwritten digits and what they show.

    Attributes:
        images: Gray images, 0 to 255, uint8, `[N, 28, 28]`.
        labels: Their digits, 0 to 9, int64, `[N]`.
    """

    images: Tensor
    labels: Tensor


def read_mnist(folder: Path) -> tuple[DigitSet, DigitSet]:
    """Read the training set and the test set.

    Args:
        folder: The folder that holds the four IDX files, each with or without `.gz`.

    Returns:
        The training set and the test set.

    Raises:
        IdxError: The folder does not exist, or a file is missing, broken or not what its name says.
    """
    if not folder.is_dir():
        raise IdxError(f"{folder} is not a folder")
    names = {
        "training images": "train-images-idx3-ubyte",
        "training labels": "train-labels-idx1-ubyte",
        "test images": "t10k-images-idx3-ubyte",
        "test labels": "t10k-labels-idx1-ubyte",
    }
    paths = {what: _find(folder, name) for what, name in names.items()}
    missing = [names[what] for what, path in paths.items() if path is None]
    if missing:
        raise IdxError(
            f"{folder} lacks {', '.join(missing)}; "
            "it must hold the four IDX files of MNIST, each with or without .gz"
        )
    arrays = {what: _read_idx(path) for what, path in paths.items() if path is not None}
    return (
        _digit_set(arrays["training images"], arrays["training labels"], f"{folder}, training set"),
        _digit_set(arrays["test images"], arrays["test labels"], f"{folder}, test set"),
    )


def _find(folder: Path, name: str) -> Path | None:
    """Find a file by its name, with or without `.gz`; None if there is neither."""
    candidates = (folder / name, folder / f"{name}.gz")
    return next((path for path in candidates if path.is_file()), None)


def _read_idx(path: Path) -> np.ndarray:
    """Read one IDX file of unsigned bytes into an array of the shape that it declares.

    The format: two zero bytes, the type of the data, the number of dimensions, each dimension as a
    big-endian 32-bit number, and then the data.
    """
    try:
        content = path.read_bytes()
        if path.suffix == ".gz":
            content = gzip.decompress(content)
    except (OSError, EOFError, zlib.error) as error:
        raise IdxError(f"{path} cannot be read: {error}") from error
    if len(content) < 4 or content[:3] != bytes([0, 0, UNSIGNED_BYTE]):
        raise IdxError(f"{path} is not an IDX file of unsigned bytes")
    dimensions = content[3]
    start = 4 + 4 * dimensions
    if len(content) < start:
        raise IdxError(f"{path} ends within its header")
    shape = struct.unpack(f">{dimensions}I", content[4:start])
    if len(content) - start != math.prod(shape):
        raise IdxError(
            f"{path} declares {math.prod(shape)} bytes of data but holds {len(content) - start}"
        )
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)


def _digit_set(images: np.ndarray, labels: np.ndarray, name: str) -> DigitSet:
    """Check that images and labels belong together, and hand them over as tensors."""
    if images.ndim != 3 or images.shape[1:] != (SIDE, SIDE):
        raise IdxError(f"{name}: the images are {images.shape}, not (N, {SIDE}, {SIDE})")
    if labels.shape != images.shape[:1]:
        raise IdxError(f"{name}: {len(images)} images, but labels of shape {labels.shape}")
    if len(labels) == 0:
        raise IdxError(f"{name}: it is empty")
    if labels.max() > 9:
        raise IdxError(f"{name}: a label is {labels.max()}, but digits end at 9")
    # The copies are writable, which tensors want to be, and no longer hold on to the file's bytes.
    return DigitSet(torch.tensor(images), torch.tensor(labels, dtype=torch.int64))
