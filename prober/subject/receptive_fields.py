"""Receptive fields: the pixels that a layer's neurons see."""

from collections.abc import Callable, Collection
from typing import TypeVar
from weakref import WeakKeyDictionary

import torch
from torch import Tensor

from prober.subject.boxes import Boxes
from prober.subject.input_shape import some_input
from prober.subject.layers import seen_at
from prober.subject.subject import Subject

Measure = TypeVar("Measure")


def receptive_fields(subject: Subject) -> dict[str, tuple[int, ...] | None]:
    """Finds how many pixels a neuron of each layer sees.

    A pixel is seen if it can have an influence on the neuron, however weak: after a global mean,
    as in squeeze-excitation, or a normalization over the whole map, as in group normalization,
    every pixel is. Araujo, Norris and Sim, "Computing Receptive Fields of Convolutional Neural
    Networks" (Distill, 2019), compute sizes from kernels and strides. Here one forward pass with
    one image carries for each number the box of pixels it depends on, which also holds where
    values are moved about or where neurons of a layer differ.

    Args:
        subject: The CNN under study.

    Returns:
        For each layer of `subject.listing.measured` height and width, in pixels, of the smallest
        rectangle around what a neuron sees: the largest among the channels and the neurons in the
        middle half of the map, away from the border, where padding takes the place of pixels. It
        ends at the image's border: the whole image is `(H, W)`, nothing is `(0, 0)`. None where
        the CNN uses an operation that is not known here. Of a signal it is the length, of a volume
        depth, height and width, of a vector how many of its numbers from the first that is seen to
        the last.
    """
    axes = len(subject.input_shape[1:]) or 1
    return _measured(subject, list(subject.listing.measured), lambda box: _size(box, axes))


_FIELDS: "WeakKeyDictionary[Subject, dict[str, tuple[int, ...] | None]]" = WeakKeyDictionary()


def receptive_field(subject: Subject, layer: str) -> tuple[int, ...] | None:
    """Returns what `receptive_fields` finds for one layer; a subject is measured once.

    A flat layer sees the whole image, as far as is known without looking.
    """
    if len(subject.check_layer(layer)) == 1:
        return subject.input_shape[1:]
    if subject not in _FIELDS:
        _FIELDS[subject] = receptive_fields(subject)
    return _FIELDS[subject][layer]


def pixels_seen(subject: Subject, layer: str) -> Tensor:
    """Finds which pixels the neurons of a layer see, as `receptive_fields` does.

    Args:
        subject: The CNN under study.
        layer: One of its layers with maps.

    Returns:
        `[4, h, w]`, int64: for each neuron the first row that one of its channels sees, the row
        past the last, the first column and the column past the last; all 0 where nothing is seen,
        and the whole image where the CNN uses an operation that is not known here.
    """
    _, h, w = subject.listing.measured[layer].shape
    _, height, width = subject.input_shape

    def ends(box: Tensor | None) -> Tensor:
        if box is None:
            return torch.zeros(4, h, w, dtype=torch.int64)
        box = box[:, 0].amax(1)
        seen = torch.stack([-box[0], box[1] + 1, -box[2], box[3] + 1])
        whole = torch.tensor([0, height, 0, width], dtype=seen.dtype, device=seen.device)
        seen = torch.where(seen.isnan(), whole[:, None, None], seen)
        return torch.where(seen.isinf().any(0), 0, seen).long().cpu()

    return _measured(subject, [layer], ends)[layer]


def _measured(
    subject: Subject, layers: Collection[str], measure: Callable[[Tensor | None], Measure]
) -> dict[str, Measure]:
    """Follows an image through the CNN and measures the boxes of some layers.

    Args:
        subject: The CNN under study.
        layers: The layers.
        measure: Takes the boxes of one, `[4, N, channels, h, w]`, None if it has none.
    """
    images = some_input(subject.input_shape, subject.listing.batch or 1).to(subject.mean)
    sides = subject.input_shape[1:] or subject.input_shape  # the numbers of a vector are its places
    axes = torch.meshgrid(*map(torch.arange, sides), indexing="ij")
    places = torch.stack([end for axis in axes for end in (-axis, axis)])
    wanted = {name: subject.listing.measured[name] for name in layers}
    measures: dict[str, Measure] = {}

    def note(name: str, _call: int, given: Tensor) -> None:
        measures[name] = measure(boxes.read(given))  # at once, so that no more is kept

    with torch.no_grad(), Boxes(len(places)) as boxes, seen_at(subject.cnn, wanted, note):
        boxes.write(images, places.view(len(places), *[1] * (images.dim() - len(sides)), *sides))
        subject.run(images)
    return {name: measures[name] for name in layers}


def _size(box: Tensor | None, axes: int) -> tuple[int, ...] | None:
    """Height and width of the largest box in the middle half of `[4, N, channels, h, w]`."""
    if box is None:
        return (0,) * axes
    for axis in range(3, box.dim()):
        side = box.shape[axis]
        box = box.narrow(axis, side // 4, side - 2 * (side // 4))
    if box.isnan().any():
        return None
    return tuple(
        int((box[i] + box[i + 1] + 1).amax().clamp(min=0))  # nothing is -inf - inf
        for i in range(0, 2 * axes, 2)
    )
