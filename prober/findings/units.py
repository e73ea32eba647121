"""Units: what a finding is about, where they look, and how they respond to many images."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from prober.ascent.objectives import ChannelMean, Neuron, Objective
from prober.ascent.scores import Scores
from prober.subject import Subject
from prober.subject.receptive_fields import pixels_seen

BATCH_BYTES = 40 * 2**20
"""Bytes of activations of one batch of images."""

BLOCK_BYTES = 64 * 2**20
"""Bytes of images that are made at once, where there are many."""

Place = tuple[str, tuple[int, int] | None]
"""A layer, and the position of its neuron that is looked at; None for the channels as a whole."""


@dataclass(frozen=True)
class Unit:
    """A channel, or a single neuron, of a layer.

    Attributes:
        layer: Name of the layer.
        channel: Index of the channel; in a flat layer, of the unit.
        position: `(h, w)` if the unit is a neuron, None if it is a channel.
    """

    layer: str
    channel: int
    position: tuple[int, int] | None = None

    @property
    def place(self) -> Place:
        """Where in the CNN it is, whichever its channel."""
        return self.layer, self.position

    @property
    def folder(self) -> str:
        """Where its pictures lie: `conv2/ch003`, `conv2/ch003_h07_w07`."""
        at = "" if self.position is None else "_h{:02d}_w{:02d}".format(*self.position)
        return f"{self.layer}/ch{self.channel:03d}{at}"


@dataclass(frozen=True)
class Window:
    """Where a layer's neuron looks, and which neurons of its channel look at as much.

    Attributes:
        neuron: `(h, w)` of the neuron that stands for its channel; None in a flat layer.
        top: First row of its receptive field, in pixels.
        left: First column.
        height: Rows of the receptive field.
        width: Columns.
        rows: The rows of the map whose fields lie within the image, first and past the last.
        columns: The columns likewise.
    """

    neuron: tuple[int, int] | None
    top: int
    left: int
    height: int
    width: int
    rows: tuple[int, int] = (0, 1)
    columns: tuple[int, int] = (0, 1)

    def crop(self, images: Tensor) -> Tensor:
        """Cuts the receptive field out of `[..., H, W]`."""
        rows = slice(self.top, self.top + self.height)
        return images[..., rows, self.left : self.left + self.width]

    def objective(self, unit: Unit) -> Objective:
        """Returns what is maximized for a unit of this layer: its neuron, or the flat unit."""
        if self.neuron is None:
            return ChannelMean(unit.layer, unit.channel)
        return Neuron(unit.layer, unit.channel, *self.neuron)


def look_through(subject: Subject, layer: str, position: tuple[int, int] | None) -> Window:
    """Finds where a neuron of a layer looks: its receptive field.

    Args:
        subject: The CNN under study.
        layer: The layer.
        position: The neuron; the middle one where none is given.
    """
    _, *sides = subject.check_layer(layer)
    height, width = subject.input_shape[1:]
    if not sides:
        return Window(None, 0, 0, height, width)
    neuron = position or (sides[0] // 2, sides[1] // 2)
    seen = pixels_seen(subject, layer)
    top, bottom, left, right = seen[:, neuron[0], neuron[1]].tolist()
    if top == bottom:
        return Window(neuron, 0, 0, height, width)
    whole = [(neuron[i], neuron[i] + 1) for i in range(2)]
    if position is None:
        # Near the border padding takes the place of pixels.
        rows, columns = seen[1] - seen[0], seen[3] - seen[2]
        lines = (rows[:, neuron[1]] >= bottom - top, columns[neuron[0]] >= right - left)
        whole = [(int(full.nonzero()[0]), int(full.nonzero()[-1]) + 1) for full in lines]
    return Window(neuron, top, left, bottom - top, right - left, *whole)


def batch_size(subject: Subject, layer: str) -> int:
    """Returns how many images go through the subject up to this layer at once."""
    most = 1 if subject.listing.one_by_one else 512
    return max(1, min(most, BATCH_BYTES // subject.bytes_to(layer)))


def images_at_once(subject: Subject) -> int:
    """Returns how many images are made at once, where there are many."""
    return max(1, BLOCK_BYTES // (4 * math.prod(subject.input_shape)))


def batches(number: int, size: int) -> Iterator[slice]:
    """Cuts `number` images into slices of at most `size`."""
    for start in range(0, number, size):
        yield slice(start, min(number, start + size))


@torch.no_grad()
def responses(
    subject: Subject, images: Tensor, windows: dict[Place, Window]
) -> dict[Place, tuple[Tensor, Tensor]]:
    """Computes how strongly every channel of some layers responds to images.

    A channel's response to an image is its largest activation among the neurons that see as much
    as the one that stands for it, so it does not matter where in the image something is.

    Args:
        subject: The CNN under study.
        images: `[N, C, H, W]` in [0, 1].
        windows: The layers, and where they look.

    Returns:
        For each place the channels' responses `[N, channels]`, and those of the neurons that stand
        for them alone, `[N, channels]`.
    """
    layers = list(dict.fromkeys(layer for layer, _ in windows))
    deepest = max(layers, key=list(subject.layers).index)
    parts: dict[Place, list[tuple[Tensor, Tensor]]] = {place: [] for place in windows}
    for batch in batches(len(images), batch_size(subject, deepest)):
        outputs = subject(images[batch].to(subject.mean), layers)
        for (layer, position), window in windows.items():
            output = outputs[layer].cpu()
            if window.neuron is None:
                parts[layer, position].append((output, output))
                continue
            h, w = window.neuron
            whole = output[:, :, slice(*window.rows), slice(*window.columns)]
            parts[layer, position].append((whole.amax((2, 3)), output[:, :, h, w]))
    return {place: _joined(part) for place, part in parts.items()}


def responses_in_blocks(
    subject: Subject, make: Callable[[slice], Tensor], number: int, windows: dict[Place, Window]
) -> dict[Place, tuple[Tensor, Tensor]]:
    """Computes `responses` to many images, of which only some are in memory at once.

    Args:
        subject: The CNN under study.
        make: Makes those of a slice, `[n, C, H, W]` in [0, 1].
        number: How many there are.
        windows: The layers, and where they look.
    """
    parts: dict[Place, list[tuple[Tensor, Tensor]]] = {place: [] for place in windows}
    for block in batches(number, images_at_once(subject)):
        for place, part in responses(subject, make(block), windows).items():
            parts[place].append(part)
    return {place: _joined(part) for place, part in parts.items()}


def _joined(parts: Sequence[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
    return torch.cat([part[0] for part in parts]), torch.cat([part[1] for part in parts])


@torch.no_grad()
def scores(subject: Subject, objectives: Sequence[Objective], images: Tensor) -> Tensor:
    """Computes the scores `[N]` of N images `[N, C, H, W]` by N objectives of one layer."""
    size = batch_size(subject, objectives[0].layer)
    parts = []
    for batch in batches(len(images), size):
        score = Scores(objectives[batch])
        outputs = subject(images[batch].to(subject.mean), score.layers, score.channels)
        parts.append(score(outputs).cpu())
    return torch.cat(parts)


def gradients(subject: Subject, objectives: Sequence[Objective], images: Tensor) -> Tensor:
    """Computes the gradients `[N, C, H, W]` of the scores of N images; 0 where there are none."""
    size = max(1, batch_size(subject, objectives[0].layer) // 2)
    parts = []
    for batch in batches(len(images), size):
        score = Scores(objectives[batch])
        part = images[batch].to(subject.mean).detach().requires_grad_()
        total = score(subject(part, score.layers, score.channels)).sum()
        gradient = torch.zeros_like(part)
        if total.requires_grad:
            gradient = torch.autograd.grad(total, part, allow_unused=True)[0]
            gradient = torch.zeros_like(part) if gradient is None else gradient
        parts.append(gradient.cpu())
    return torch.cat(parts)
