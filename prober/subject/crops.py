"""Crops: the part of an image that one neuron of each channel needs, where it gives the same.

A neuron sees its receptive field, so only that part of an image need go through the CNN. A crop
starts where the strides of all layers lie as in the whole image, and goes as far as the field.
Where the field lies within the image and the CNN is a plain sequence, it can even run on the field
without padding: then every layer gives just the values which the neuron needs.
"""

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from weakref import WeakKeyDictionary

import torch
from torch import Tensor
from torch.nn import functional as F

from prober.common.inputs import InputKind, input_kind
from prober.subject.input_shape import some_input
from prober.subject.passes import TOLERANCE, exact_float32, without_padding
from prober.subject.receptive_fields import pixels_seen
from prober.subject.subject import Subject

MORE = 3
"""Lines, at most, by which a field is grown at its end so that a layer takes it."""

LEAST_TOLERANCE = TOLERANCE / 10
"""What any channel may differ by, as a share of the layer's largest: a faint one may be the rounded
difference of what is large."""

LEAD = 3
"""Of how many images a gradient has to lead back, so that equal bits say something."""

Neuron = tuple[int, int]


@dataclass(frozen=True)
class Crop:
    """A part of an image, and where the map of a layer has the neuron for it.

    Attributes:
        rows: The first row of the image, and the one past the last.
        columns: The columns likewise.
        neuron: `(h, w)` of the neuron in the map that the part gives.
        padded: Whether the CNN pads as it does; else nothing is padded.
    """

    rows: tuple[int, int]
    columns: tuple[int, int]
    neuron: Neuron
    padded: bool

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.rows[1] - self.rows[0], self.columns[1] - self.columns[0]

    def of(self, images: Tensor) -> Tensor:
        """Cuts the part out of images `[..., H, W]`."""
        return images[..., slice(*self.rows), slice(*self.columns)]

    def outputs(
        self, subject: Subject, parts: Tensor, layer: str, channels: Sequence[int] | None = None
    ) -> Tensor:
        """Runs the CNN on parts of images.

        Args:
            subject: The CNN.
            parts: `[N, C, h, w]`, what `of` returns.
            layer: The layer whose output is wanted.
            channels: Those of its channels that are needed, see `Subject.forward`.

        Returns:
            The layer's map; what counts in it is `neuron`.
        """
        with nullcontext() if self.padded else without_padding(subject.cnn):
            return subject(parts, [layer], channels)[layer]


Key = tuple[str, Neuron, torch.dtype, tuple[int, ...]]

_FOUND: WeakKeyDictionary[Subject, dict[Key, Crop | None]] = WeakKeyDictionary()
_SEEN: WeakKeyDictionary[Subject, dict[str, Tensor]] = WeakKeyDictionary()


def crop_of(subject: Subject, layer: str, neuron: Neuron, channels: Sequence[int]) -> Crop | None:
    """Finds the smallest part of an image that gives a layer's neuron what the whole image gives.

    Whether it does, but for rounding, is checked on the CNN itself, with six images; in float64,
    the exact precision, activation and gradient of these have to be the same to the last bit. No
    part does where a neuron sees all of the image, as after a global mean (squeeze-excitation), in
    attention or in group normalization.

    Args:
        subject: The CNN.
        layer: One of its layers.
        neuron: `(h, w)` of the neuron in the layer's map.
        channels: The channels of the layer that are needed, in ascending order.

    Returns:
        None if the whole image has to go through the CNN.

    Examples:
        >>> subject = Subject()
        >>> crop_of(subject, "conv2", (7, 7), [3])
        Crop(rows=(11, 19), columns=(11, 19), neuron=(0, 0), padded=False)
        >>> crop_of(subject, "conv2", (0, 7), [3])
        Crop(rows=(0, 5), columns=(10, 19), neuron=(0, 2), padded=True)
    """
    if (
        len(subject.layers[layer].shape) != 3
        or subject.listing.mixes  # it may go by the mean of whatever it is given
        or input_kind(subject.input_shape) is not InputKind.IMAGE
    ):
        return None
    exact = subject.mean.dtype == torch.float64
    key = layer, neuron, subject.mean.dtype, tuple(channels) if exact else ()
    found = _FOUND.setdefault(subject, {})
    if key not in found:
        with exact_float32():
            if not (tries := _tries(subject, layer, neuron)):
                found[key] = None
            elif exact:
                found[key] = _same_bits(tries, subject, layer, neuron, channels)
            else:
                found[key] = _same_but_for_rounding(tries, subject, layer, neuron)
    return found[key]


def _images(subject: Subject) -> Tensor:
    """Images that find out whether a crop does, `[6, C, H, W]`: what noise excites is not all.

    Noise, dark and bright noise, black and white, and blots. None is of one value: a CNN may divide
    by the contrast.
    """
    noise = some_input(subject.input_shape, 6)
    blots = F.interpolate(noise[5:, :, :4, :4], subject.input_shape[1:])
    images = [noise[:2], noise[2:3] / 10, 1 - noise[3:4] / 10, noise[4:5].round(), blots]
    return torch.cat(images).to(subject.mean)


def _same_but_for_rounding(
    tries: list[Crop], subject: Subject, layer: str, neuron: Neuron
) -> Crop | None:
    """Returns the first crop that gives all channels what the whole image gives, but for rounding.

    Of all, since they say more than a few, of which the images may excite none.
    """
    h, w = neuron
    asked = []
    with torch.no_grad():
        for images in _images(subject).split(2):
            whole = subject(images, [layer])[layer]
            largest = whole.abs().amax((0, 2, 3))
            tolerance = torch.maximum(TOLERANCE * largest, LEAST_TOLERANCE * largest.max())
            asked.append((images, whole[..., h, w].clone(), tolerance))

        def same(crop: Crop, images: Tensor, whole: Tensor, tolerance: Tensor) -> bool:
            own = _answers(crop, subject, images, layer)
            return own is not None and bool(((own - whole).abs() <= tolerance).all())

        return next((crop for crop in tries if all(same(crop, *each) for each in asked)), None)


def _same_bits(
    tries: list[Crop], subject: Subject, layer: str, neuron: Neuron, channels: Sequence[int]
) -> Crop | None:
    """Returns the first crop with the same activations and gradients as the whole image.

    Channels that are computed alone may round otherwise, so none but these are asked for. Where
    hardly any image excites them, that all bits are 0 says nothing.
    """
    h, w = neuron
    asked = []
    for image in _images(subject).split(1):
        x = image.requires_grad_()
        whole = subject(x, [layer], channels)[layer][..., h, w].sum(1)
        if not whole.requires_grad:
            return None
        asked.append((x, whole.detach(), *torch.autograd.grad(whole, x)))
    if sum(bool(gradient.any()) for *_, gradient in asked) < LEAD:
        return None

    def same(crop: Crop, x: Tensor, whole: Tensor, gradient: Tensor) -> bool:
        own = _answers(crop, subject, x, layer, channels)
        if own is None or not own.requires_grad or not torch.equal(own.sum(1), whole):
            return False
        return torch.equal(torch.autograd.grad(own.sum(1), x)[0], gradient)

    return next((crop for crop in tries if all(same(crop, *each) for each in asked)), None)


def _answers(
    crop: Crop, subject: Subject, images: Tensor, layer: str, channels: Sequence[int] | None = None
) -> Tensor | None:
    """What the neuron of a crop answers, `[N, channels]`; None if the CNN does not take it so."""
    try:
        found = crop.outputs(subject, crop.of(images), layer, channels)
        return found[..., *crop.neuron] if found.dim() == 4 else None
    except Exception:  # too small for a layer, or for the neuron; a CNN may raise whatever it likes
        return None


def _tries(subject: Subject, layer: str, neuron: Neuron) -> list[Crop]:
    """Returns the crops that could do, from the smallest on."""
    known = _SEEN.setdefault(subject, {})
    if layer not in known:
        known[layer] = pixels_seen(subject, layer)
    seen, sides = known[layer], subject.input_shape[1:]
    top, bottom, left, right = seen[:, neuron[0], neuron[1]].tolist()
    if top == bottom or (top, bottom, left, right) == (0, sides[0], 0, sides[1]):
        return []
    # Of a field that is cut off at the border the first neuron of a bare map would be another.
    height, width = (seen[1] - seen[0]).max().item(), (seen[3] - seen[2]).max().item()
    inside = bottom - top == height < sides[0] and right - left == width < sides[1]
    bare = [
        Crop(
            (top, min(bottom + more, sides[0])),
            (left, min(right + more, sides[1])),
            (0, 0),
            padded=False,
        )
        for more in range(MORE if inside else 0)
    ]
    first_row, row, down = _aligned(seen[0, :, neuron[1]].tolist(), neuron[0])
    first_column, column, across = _aligned(seen[2, neuron[0]].tolist(), neuron[1])
    # A layer may want a whole number of strides, such as one that goes down and up again.
    last_row = min(sides[0], first_row + -(-(bottom - first_row) // down) * down)
    last_column = min(sides[1], first_column + -(-(right - first_column) // across) * across)
    padded = [
        Crop((first_row, end), (first_column, last), (row, column), padded=True)
        for end, last in dict.fromkeys(((bottom, right), (last_row, last_column)))
    ]
    return bare + [crop for crop in padded if crop.size != sides]


def _aligned(firsts: list[int], index: int) -> tuple[int, int, int]:
    """Finds where a crop can start along one side.

    Args:
        firsts: For each neuron along the side the first pixel that it sees.
        index: The neuron.

    Returns:
        The first pixel, the neuron's index in the map of the crop, and the stride: by a multiple of
        it the image can be shifted so that the map is shifted with it.
    """
    inside = [i for i, first in enumerate(firsts) if first > 0]
    steps = [firsts[i] - firsts[i - 1] for i in inside[1:]]
    stride = max(steps, default=0)
    if stride > 0:
        for neurons in range(1, len(inside)):
            if all(firsts[i] - firsts[i - neurons] == stride for i in inside[neurons:]):
                periods = firsts[index] // stride
                return periods * stride, index - periods * neurons, stride
    return 0, index, 1
