"""From the targets of a sweep to chunks that are optimized together."""

from collections.abc import Sequence
from itertools import groupby

from prober.subject.frozen import Subject
from prober.sweep.grid import Planned

WORKING_SET = 20 * 2**20
"""Bytes of activations that a chunk may hold on a CPU.

A larger chunk spreads the cost of a step over more images, a smaller one stays in the cache.
Measured on the reference CNN, conv2, milliseconds a step and image in one process: chunks of 16
0.18, of 32 0.15, of 64 0.134, of 95 0.136; and on two processes 64 was 8 % faster than 32."""

MOST = 64
"""Images in a chunk at the most: more gained nothing, and what is lost with a chunk grows."""


def automatic_size(subject: Subject, layer: str, memory: int | None) -> int:
    """Returns a good number of images for the chunks of a layer.

    Args:
        subject: The CNN under study.
        layer: The layer of the chunk.
        memory: Bytes of the accelerator's memory, None on a CPU.

    Returns:
        As many images as keep the activations up to this layer, with their gradients, within the
        working set (on an accelerator: within a quarter of its memory), 1 to 64.
    """
    budget = WORKING_SET if memory is None else memory // 4
    return max(1, min(MOST, budget // (2 * subject.bytes_to(layer))))


def cut(planned: Sequence[Planned], sizes: dict[str, int]) -> list[list[Planned]]:
    """Cuts targets into chunks, each of one layer, so that no target goes deeper than it needs.

    Args:
        planned: All targets, layer by layer.
        sizes: For each layer the images in a chunk at the most.
    """
    chunks = []
    for layer, group in groupby(planned, key=lambda each: each.layer):
        targets = list(group)
        size = sizes[layer]
        chunks += [targets[i : i + size] for i in range(0, len(targets), size)]
    return chunks
