"""Batches: how many images go through a subject at once."""

import math
from collections.abc import Iterator

from prober.subject import Subject
from prober.sweep.chunks import FEW

ACTIVATION_BYTES = {"CPU": 40 * 2**20, "GPU": 2**30}
"""Bytes of activations of one batch of images, by what computes: few stay in a CPU's cache, and a
GPU is idle with few."""

MOST_IN_BATCH = {"CPU": 512, "GPU": 4096}
"""Images in one batch, where their activations are few."""

FEW_BYTES = 2**29
"""Bytes of activations that a few images may hold which no cache does, see `FEW`."""

IMAGE_BYTES = 64 * 2**20
"""Bytes of images that are made at once, where there are many."""


def batches(number: int, size: int) -> Iterator[slice]:
    """Cuts `number` images into slices of at most `size`."""
    for start in range(0, number, size):
        yield slice(start, min(number, start + size))


def forward_batches(
    subject: Subject, layer: str, number: int, share: float = 1.0
) -> Iterator[slice]:
    """Cuts `number` images into batches for passes through the subject up to a layer.

    Args:
        subject: The CNN.
        layer: The layer.
        number: How many images there are.
        share: What share of each image goes through the subject.
    """
    return batches(number, _batch_size(subject, layer, share, passes=1))


def gradient_batches(
    subject: Subject, layer: str, number: int, share: float = 1.0
) -> Iterator[slice]:
    """Cuts `number` images into batches for passes forth and back, which keep the activations."""
    return batches(number, _batch_size(subject, layer, share, passes=2))


def images_at_once(subject: Subject) -> int:
    """Returns how many images are made at once, where there are many."""
    return max(1, IMAGE_BYTES // (4 * math.prod(subject.input_shape)))


def what_computes(subject: Subject) -> str:
    """Returns `CPU`, or `GPU` for whatever else there is: its batches are large."""
    return "CPU" if subject.mean.device.type == "cpu" else "GPU"


def _batch_size(subject: Subject, layer: str, share: float, passes: int) -> int:
    where = what_computes(subject)
    most = (subject.listing.batch or MOST_IN_BATCH[where]) // passes
    needed = passes * share * subject.bytes_to(layer)
    number = max(ACTIVATION_BYTES[where] / needed, min(FEW, FEW_BYTES / needed))
    return max(1, min(most, int(number)))
