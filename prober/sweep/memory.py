"""What the images of a chunk need in memory, and how many keep to a bound."""

from collections.abc import Collection

import torch
from torch import Tensor

from prober.common.errors import InputError
from prober.subject import Subject
from prober.subject.input_shape import some_input
from prober.sweep.processes import start_method

APART_BYTES = {"fork": 128 * 2**20, "spawn": 384 * 2**20}
"""What each of several processes takes for itself beside weights and images.

Measured 120 MB for a forked one; a spawned one loads everything once more, measured 232 MB of its
own before it computes."""

ALONE_BYTES = 32 * 2**20
"""What a single one takes beside what it has when the sweep begins: measured up to 20 MB."""

USUAL_BYTES = 400 * 2**20
"""What the program takes before it makes a picture: measured 320 MB, and some more with a CNN."""

MOST_GIGABYTES = 2**20
"""GiB that count at the most: no machine has more, and what is far more is no number of bytes."""

SAFETY = 1.25
"""What a chunk is taken to need more than is counted: allocators and kernels keep some for them.

Measured on a ResNet-18 at 224 pixels and on the reference CNN: 0.6 to 1.1 of what is counted."""


def fit_to(
    gigabytes: float,
    shared: bool,
    sizes: dict[str, int],
    needs: dict[str, int],
    weights: int,
    processes: int,
) -> tuple[dict[str, int], int]:
    """Makes chunks, and if need be processes, fewer, to keep to a bound on memory.

    Args:
        gigabytes: GiB that all processes may take together.
        shared: Whether they share one memory with this process; else each has a device of its own.
        sizes: For each kind of targets the images in a chunk that would be good.
        needs: For each kind the bytes that one image needs.
        weights: Bytes of the subject, which each process copies.
        processes: How many would be good.

    Returns:
        The images in a chunk of each kind, and the processes.

    Raises:
        InputError: Not even one image fits.
    """
    room = int(min(gigabytes, MOST_GIGABYTES) * 2**30) - (resident_bytes() if shared else 0)
    most = max(needs.values(), default=0)
    for fitting in range(processes, 0, -1):
        beside = APART_BYTES[start_method()] if fitting > 1 else ALONE_BYTES
        each = room // fitting - weights - beside * shared
        if each >= most:
            smaller = {kind: min(size, each // needs[kind]) for kind, size in sizes.items()}
            return smaller, fitting
    least = gigabytes + (most - each) / 2**30
    raise InputError(
        f"memory is {gigabytes:g} GiB, but one image of this subject needs {least:.2f} GiB with "
        "the program itself: choose more, or layers that are less deep."
    )


def resident_bytes() -> int:
    """Returns the memory that this process has now, `USUAL_BYTES` where it cannot be known."""
    try:
        import psutil  # here: no other command fails where it does

        return psutil.Process().memory_info().rss
    except Exception:  # a bound that is a little off is better than none
        return USUAL_BYTES


def bytes_of_image(subject: Subject, layers: Collection[str], snapshots: int) -> int:
    """Measures what one image of a chunk needs in memory, in bytes.

    What the forward pass of one image keeps for the backward pass, what that needs on the way
    (three times the largest activation), the image with its gradient, Adam's moments and
    transformed copies, and its snapshots; times `SAFETY`. Where `ChannelMeans` stand in place of a
    layer, their weights are as large as what enters it, and its output and the way through it are
    not needed: measured 0.5 to 0.85 of what is counted.

    Args:
        subject: The CNN under study, in the precision that it will run in.
        layers: The layers whose outputs the chunk needs.
        snapshots: How many snapshots are kept of each image.
    """
    kept: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    image = some_input(subject.input_shape).to(subject.mean).requires_grad_()
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        outputs = subject(image, layers)
    for buffer in subject.buffers():
        kept.pop(buffer.untyped_storage().data_ptr(), None)
    pixels = image.numel()
    largest = max(kept.values(), default=0)
    of_image = (12 * image.element_size() + snapshots) * pixels
    counted = sum(kept.values()) + 3 * largest + of_image
    del outputs
    return int(SAFETY * counted)
