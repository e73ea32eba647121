"""Windows: where the neurons of a layer look."""

from dataclasses import dataclass

from torch import Tensor

from prober.ascent.objectives import ChannelMean, Neuron, Objective
from prober.findings.units import Unit
from prober.subject import Subject
from prober.subject.receptive_fields import pixels_seen


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


def window_of(subject: Subject, layer: str, position: tuple[int, ...] | None) -> Window:
    """Finds where a neuron of a layer looks: its receptive field.

    Args:
        subject: The CNN under study.
        layer: The layer.
        position: The neuron; the middle one where none is given.
    """
    _, *sides = subject.listing.measured[layer].shape
    height, width = subject.input_shape[1:]
    if not sides:
        return Window(None, 0, 0, height, width)
    h, w = position or (sides[0] // 2, sides[1] // 2)
    seen = pixels_seen(subject, layer)
    top, bottom, left, right = seen[:, h, w].tolist()
    if top == bottom:
        return Window((h, w), 0, 0, height, width)
    whole = [(h, h + 1), (w, w + 1)]
    if position is None:
        # Near the border padding takes the place of pixels.
        rows, columns = seen[1] - seen[0], seen[3] - seen[2]
        lines = (rows[:, w] >= bottom - top, columns[h] >= right - left)
        whole = [(int(full.nonzero()[0]), int(full.nonzero()[-1]) + 1) for full in lines]
    return Window((h, w), top, left, bottom - top, right - left, *whole)
