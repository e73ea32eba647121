"""The 1,000 handwritten digits that ship with the project."""

from pathlib import Path

import torch
from torch import Tensor

from prober.common.files import read_arrays

DIGITS_FILE = Path(__file__).with_name("digits.npz")


def load_digits() -> tuple[Tensor, Tensor]:
    """Load the first 100 digits of each class of MNIST's test set, in the test set's order.

    Returns:
        The images, gray in [0, 1], float32, `[1000, 28, 28]`, white strokes on black; and their
        labels, 0 to 9, int64, `[1000]`.
    """
    images, labels = map(torch.from_numpy, read_arrays(DIGITS_FILE, ["images", "labels"]))
    return images.float() / 255, labels.long()
