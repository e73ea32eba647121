"""From the targets of a sweep to chunks that are optimized together."""

import math
from collections import Counter
from collections.abc import Container, Iterable, Sequence
from itertools import groupby

from prober.ascent.method import is_large
from prober.ascent.objectives import Objective
from prober.ascent.scorer import neurons_of, share_seen
from prober.common.errors import InputError
from prober.subject import Subject
from prober.sweep.planned import PlannedTarget

WORKING_SET = 40 * 2**20
"""Bytes of activations that a chunk may hold on a CPU.

A larger chunk spreads the cost of a step over more images, a smaller one stays in the cache.
Measured on the reference CNN, milliseconds a step and image in one process, in chunks of 64, of 128
and of 256: conv2 0.094, 0.091 and 0.087, conv3 0.152, 0.137 and 0.138, classes 0.203, 0.180 and
0.178; the same that settle 0.116, 0.106 and 0.097, 0.163, 0.154 and 0.150, 0.227, 0.199 and 0.193.
"""

FEW = 8
"""Images in a chunk of a large CNN, whose activations are never in the cache.

Measured on a ResNet-18 at 224 pixels, milliseconds a pass and image in one process: one image 86,
chunks of 2 74, of 4 66, of 8 64; in bfloat16, into which each pass converts the weights, 46, 31, 23
and 18. And the fewer there are, the more chunks the processes have to share."""

ROOM = 2**30
"""Bytes of activations that so few images may hold."""

MOST_IN_CHUNK = 256
"""Images in a chunk at the most: more gained little, and what is lost with a chunk grows; what a
step takes in chunks of 64 to 256 is in `docs/speed.md`."""


MOST_ON_GPU = 2048
"""The same of small images on a GPU, which is idle with few."""


def automatic_size(
    subject: Subject,
    layer: str,
    memory: int | None,
    share: float = 1.0,
    settles: bool = False,
) -> int:
    """Returns a good number of images for chunks that need the CNN up to a layer.

    Args:
        subject: The CNN under study.
        layer: The deepest layer that is needed.
        memory: Bytes of the accelerator's memory, None on a CPU.
        share: What share of each image goes through the CNN.
        settles: Whether targets settle: on a CPU twice as many then stay in the cache, on average.

    Returns:
        As many images as keep the activations up to this layer, with their gradients, within
        the working set, but `FEW` if these keep to `ROOM`; on an accelerator within a quarter of
        its memory; 1 to `MOST_IN_CHUNK`, or `MOST_ON_GPU`.
    """
    image = 4 * math.prod(subject.input_shape)
    each = 2 * (image + int(share * (subject.bytes_to(layer) - image)))
    if memory is None:
        cached = (1 + settles) * (WORKING_SET // each)
        number, most = max(cached, min(FEW, ROOM // each)), MOST_IN_CHUNK
    else:
        large = is_large(subject.input_shape)
        number, most = memory // 4 // each, MOST_IN_CHUNK if large else MOST_ON_GPU
    return max(1, min(most, number))


def by_kind(
    targets: Iterable[PlannedTarget], known: Container[str] | None = None
) -> dict[str, list[PlannedTarget]]:
    """Groups targets by what they are optimized with: their layer, or `neurons of` their layer.

    Of an image for neurons a part may go through the CNN, so that more of them fit, and whole
    images among them would make each step two.

    Args:
        targets: The targets.
        known: The kinds that there are. Where an older version has saved none for neurons, they are
            among the others. None for all.
    """
    kinds: dict[str, list[PlannedTarget]] = {}
    for each in targets:
        kind, of_neurons = each.layer, f"neurons of {each.layer}"
        if neurons_of(each.target.objective) and (known is None or of_neurons in known):
            kind = of_neurons
        kinds.setdefault(kind, []).append(each)
    return kinds


def needed_layers(targets: Iterable[PlannedTarget]) -> set[str]:
    """Returns the layers whose outputs the objectives of some targets need."""
    return {layer for each in targets for layer in each.target.objective.layers}


def sizes_for(
    subject: Subject,
    targets: Sequence[PlannedTarget],
    memory: int | None,
    settles: bool = False,
    processes: int = 1,
) -> dict[str, int]:
    """Returns for each kind of targets a good number of images for its chunks.

    Args:
        subject: The CNN under study.
        targets: All targets.
        memory: Bytes of the accelerator's memory, None on a CPU.
        settles: Whether targets settle. They end one by one, and on average less than half of a
            chunk's images are there, so on a CPU twice as many stay in the cache. Measured on 128
            targets of the reference CNN, milliseconds of processor time a step and image in chunks
            of 64 and of 128: conv1 0.113 and 0.113, conv2 0.187 and 0.161, conv3 0.242 and 0.203.
        processes: How many share the chunks, of which each has as many.
    """
    sizes = {}
    for kind, own in by_kind(targets).items():
        deepest = max(needed_layers(own), key=subject.depth)
        objectives = [each.target.objective for each in own]
        share = share_seen(subject, objectives)
        size = automatic_size(subject, deepest, memory, share, settles)
        sizes[kind] = _even(objectives, size, processes)
    return sizes


def _even(objectives: Sequence[Objective], most: int, processes: int) -> int:
    """Returns the size of chunks with which every process has as many targets, about.

    Images that are compared stay together, if a chunk can hold them.
    """
    compared = Counter(objective for objective in objectives if objective.compares)
    rounds = math.ceil(len(objectives) / (processes * most))
    even = math.ceil(len(objectives) / (processes * rounds))
    return max(even, min(most, max(compared.values(), default=0)))


def cut(targets: Sequence[PlannedTarget], sizes: dict[str, int]) -> list[list[PlannedTarget]]:
    """Cuts targets into chunks, each of one layer, so that no target goes deeper than it needs.

    Neurons are in chunks of their own. So are images that their objective compares, that they come
    out the same whatever else the sweep has.

    Args:
        targets: All targets, layer by layer.
        sizes: For each kind of targets the images in a chunk at the most.

    Raises:
        InputError: An objective compares images, and there is one alone, or more than there may be
            in a chunk.
    """

    def compared_in(each: PlannedTarget) -> Objective | None:
        return each.target.objective if each.target.objective.compares else None

    chunks = []
    for kind, own in by_kind(targets, known=sizes).items():
        size = sizes[kind]
        for compared, group in groupby(own, key=compared_in):
            alike = list(group)
            if compared and len(alike) < 2:
                raise InputError(
                    f"{compared.name} compares the images of several seeds, and there is one: set "
                    "grid.seeds to 2 or more."
                )
            if compared and size < len(alike):
                raise InputError(
                    f"{compared.name} compares the images of {len(alike)} seeds, which are "
                    f"optimized together, and a chunk has {size} at the most: use fewer seeds, or "
                    "larger chunks."
                )
            chunks += [alike[i : i + size] for i in range(0, len(alike), size)]
    return chunks
