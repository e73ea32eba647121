"""A CNN cut down to what one neuron of each channel sees, for searches of many steps.

Only the field of the neuron is cut out of the image and run through a copy of the CNN that pads
nothing, so that every layer gives just the values which the neuron needs. That is the same score,
which is checked, at a quarter to a fortieth of the cost.
"""

import copy
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from prober.common.errors import InputError
from prober.findings.batches import batches, gradient_batches
from prober.findings.windows import Window
from prober.subject import Subject

ROUNDING = 1e-4
"""What cutting may change of an activation, relative to the layer's largest."""

MOST_AT_ONCE = 128
"""Fields in one batch at the most: small ones then stay in the processor's cache."""


class CutCNN:
    """A CNN as far as a layer, of images that are as large as the field of the layer's neuron.

    Args:
        subject: The CNN under study, of which a copy is cut.
        layer: The layer.
        window: Where its neuron looks.
        whole: Leaves it as it is, so that fields are whole images.

    Attributes:
        shape: `(C, h, w)` of the fields; of the images where nothing can be cut.
        cut: How the neuron is computed: `bare`, without padding; `cropped`, with it; or `whole`.
    """

    def __init__(self, subject: Subject, layer: str, window: Window, whole: bool = False) -> None:
        self._layer, self._window = layer, window
        self._image_shape = subject.input_shape
        # A copy, since how its weights are laid out is the search's own affair: half the time.
        self._subject = copy.deepcopy(subject)
        self._subject.lay_out_channels_last()
        self._neuron, self.cut = window.neuron or (0, 0), "whole"
        channels, height, width = subject.input_shape
        self._rows, self._columns = slice(0, height), slice(0, width)
        self._at_once = next(gradient_batches(subject, layer, MOST_AT_ONCE)).stop
        if window.neuron is not None and not whole:
            self._take_smallest_cut()
        rows, columns = self._rows, self._columns
        self.shape = (channels, rows.stop - rows.start, columns.stop - columns.start)

    @torch.no_grad()
    def _take_smallest_cut(self) -> None:
        """Takes the smallest cut that gives what the CNN gives for noise, if there is one."""
        generator = torch.Generator().manual_seed(0)
        images = torch.rand(4, *self._image_shape, generator=generator).to(self._subject.mean)
        maps = self._subject(images, [self._layer])[self._layer]
        h, w = self._neuron
        wanted = maps[..., h, w][..., None, None]
        stride = max(-(-images.shape[2] // maps.shape[2]), 1)
        # Without padding the grid of strides starts at the field; with it, at the image's border.
        tries = [(_without_padding(self._subject), "bare", 0, more) for more in range(3)]
        tries += [(self._subject, "cropped", more, stride) for more in range(stride)]
        for cnn, cut, before, after in tries:
            rows = _grown(self._window.top, self._window.height, before, after, images.shape[2])
            columns = _grown(self._window.left, self._window.width, before, after, images.shape[3])
            try:
                own = cnn(images[..., rows, columns], [self._layer])[self._layer]
            except (RuntimeError, InputError):
                continue  # too small for a layer, or its parts no longer fit together
            if own.dim() != 4 or not own.numel():
                continue
            error = (own - wanted).abs().amax((0, 1))
            if error.min() <= ROUNDING * maps.abs().max():
                self._neuron = divmod(int(error.argmin()), error.shape[1])
                self._subject, self._rows, self._columns, self.cut = cnn, rows, columns, cut
                self._at_once = self._at_once if cut == "cropped" else MOST_AT_ONCE
                return

    def crop(self, images: Tensor) -> Tensor:
        """Cuts the field out of images `[..., H, W]`; flat ones `[..., 1, 1]` stay so."""
        if images.shape[-2:] == (1, 1):
            return images
        return images[..., self._rows, self._columns]

    def embedded(self, fields: Tensor) -> Tensor:
        """Puts fields `[N, c, h, w]` into images `[N, C, H, W]`, mid gray around.

        Of gray fields c may be 1; flat ones, whose h and w are 1, fill the image.
        """
        if fields.shape[2:] == (1, 1):
            return fields.expand(-1, *self._image_shape)
        images = fields.new_full((len(fields), *self._image_shape), 0.5)
        self.crop(images).copy_(fields.expand(-1, *self.shape))
        return images

    def activations(self, fields: Tensor, channels: Sequence[int]) -> Tensor:
        """Computes channels, ascending, for one batch of fields: `[N, len(channels)]`.

        Args:
            fields: `[N, c, h, w]`; c may be 1 for gray ones, h and w for flat ones.
            channels: Which.
        """
        fields = fields.to(self._subject.mean).expand(-1, *self.shape)
        values = self._subject(fields, [self._layer], channels)[self._layer]
        if values.dim() == 4:
            values = values[..., *self._neuron]
        return values if values.shape[1] == len(channels) else values[:, channels]

    @torch.no_grad()
    def scores(self, fields: Tensor, channels: Sequence[int]) -> Tensor:
        """Computes what channels answer to all of N fields, `[N, len(channels)]`."""
        needed = sorted(set(channels))
        parts = [self.activations(fields[b], needed).cpu() for b in self.batches(len(fields))]
        # What is no number excites nothing.
        scores = torch.cat(parts).nan_to_num(-torch.inf, torch.inf, -torch.inf)
        return scores[:, [needed.index(channel) for channel in channels]]

    def batches(self, number: int) -> list[slice]:
        """Cuts a number of fields into batches for passes forth and back."""
        return list(batches(number, self._at_once))

    @torch.no_grad()
    def operations(self, channel: int) -> int:
        """Counts the floating-point operations of one field's forward pass to a channel."""
        with FlopCounterMode(display=False) as counter:
            self.activations(torch.full((1, 1, 1, 1), 0.5), [channel])
        return counter.get_total_flops()


def _without_padding(subject: Subject) -> Subject:
    """A copy of a CNN whose convolutions and pools pad nothing."""
    bare = copy.deepcopy(subject)
    for module in bare.cnn.modules():
        if isinstance(module, nn.Conv2d | nn.MaxPool2d | nn.AvgPool2d):
            module.padding = (0, 0)
        if isinstance(module, nn.Conv2d):
            module.padding_mode = "zeros"
    return bare


def _grown(start: int, size: int, before: int, after: int, side: int) -> slice:
    """Lines of an image, grown on both ends as far as the image goes."""
    return slice(max(0, start - before), min(side, start + size + after))
