"""The 1,000 handwritten digits that ship with the project."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

DIGITS_FILE = Path(__file__).with_name("digits.npz")


def load_digits() -> tuple[Tensor, Tensor]:
    """Load the first 100 digits of each class of MNIST's test set, in the test set's order.

    Returns:
        The images, gray in [0, 1], float32, `[1000, 28, 28]`, white strokes on black; and their
        labels, 0 to 9, int64, `[1000]`.
    """
    with np.load(DIGITS_FILE, allow_pickle=False) as file:
        images = torch.from_numpy(file["images"]).float() / 255
        labels = torch.from_numpy(file["labels"]).long()
    return images, labels
