"""A CNN cut down to what one neuron of each channel sees, for searches of many steps.

Only the field of the neuron is cut out of the image and run through a copy of the CNN, without
padding where that gives the same score, at a quarter to a fortieth of the cost.
"""

import copy
import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from prober.findings.batches import batches, gradient_batches, what_computes
from prober.findings.windows import Window
from prober.subject import Subject
from prober.subject.crops import crop_of

MOST_AT_ONCE = {"CPU": 128, "GPU": 4096}
"""Fields in one batch at the most, by what computes: small ones then stay in a CPU's cache."""


class CutCNN:
    """A CNN as far as a layer, of images that are as large as the field of the layer's neuron.

    Args:
        subject: The CNN under study, of which a copy is cut.
        layer: The layer.
        window: Where its neuron looks.
        whole: Leaves it as it is, so that fields are whole images.
        half: Whether it computes in bfloat16 within `roughly`. That is for scores that go as far
            as they lie from 0, see `FourMaxima.near_zero`.

    Attributes:
        shape: `(C, h, w)` of the fields; of the images where nothing can be cut.
        crop_of_images: What is cut out of images; None for the whole.
    """

    def __init__(
        self,
        subject: Subject,
        layer: str,
        window: Window,
        whole: bool = False,
        half: bool = False,
    ) -> None:
        self.half = half
        self._layer, self._neuron = layer, window.neuron or (0, 0)
        # A copy, since how its weights are laid out is the search's own affair: half the time.
        self._subject = copy.deepcopy(subject)
        self._subject.lay_out_channels_last()
        self.crop_of_images = None
        if window.neuron is not None and not whole:
            channels = range(subject.layers[layer].shape[0])
            # Of the subject, of which it is remembered, not of the copy.
            self.crop_of_images = crop_of(subject, layer, window.neuron, channels)
        size = subject.input_shape[1:]
        if self.crop_of_images is not None:
            size, self._neuron = self.crop_of_images.size, self.crop_of_images.neuron
        self.shape = (subject.input_shape[0], *size)
        share = math.prod(size) / math.prod(subject.input_shape[1:])
        most = MOST_AT_ONCE[what_computes(subject)]
        self._at_once = next(gradient_batches(subject, layer, most, share)).stop

    def roughly(self) -> torch.autocast:
        """Lets it compute in bfloat16 for a time, if that was asked for."""
        return torch.autocast(self._subject.mean.device.type, torch.bfloat16, enabled=self.half)

    def in_float32(self) -> "CutCNN":
        """Returns the same, but such that it never computes in bfloat16."""
        other = copy.copy(self)
        other.half = False
        return other

    def crop(self, images: Tensor) -> Tensor:
        """Cuts the field out of images `[..., H, W]`; flat ones `[..., 1, 1]` stay so."""
        if images.shape[-2:] == (1, 1):
            return images
        return images if self.crop_of_images is None else self.crop_of_images.of(images)

    def embedded(self, fields: Tensor) -> Tensor:
        """Puts fields `[N, c, h, w]` into images `[N, C, H, W]`, mid gray around.

        Of gray fields c may be 1; flat ones, whose h and w are 1, fill the image.
        """
        shape = self._subject.input_shape
        if fields.shape[2:] == (1, 1):
            return fields.expand(-1, *shape)
        images = fields.new_full((len(fields), *shape), 0.5)
        self.crop(images).copy_(fields.expand(-1, *self.shape))
        return images

    def activations(self, fields: Tensor, channels: Sequence[int]) -> Tensor:
        """Computes channels, ascending, for one batch of fields: `[N, len(channels)]`.

        Args:
            fields: `[N, c, h, w]`; c may be 1 for gray ones, h and w for flat ones.
            channels: Which.
        """
        fields = fields.to(self._subject.mean).expand(-1, *self.shape)
        if self.crop_of_images is None:
            values = self._subject(fields, [self._layer], channels)[self._layer]
        else:
            values = self.crop_of_images.outputs(self._subject, fields, self._layer, channels)
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

    def own(self, fields: Tensor, channels: Tensor) -> Tensor:
        """Computes what each of one batch of N fields excites its own channel to: `[N]`.

        Args:
            fields: `[N, c, h, w]`, as for `activations`.
            channels: `[N]`, the channel of each.
        """
        needed, column = channels.unique(return_inverse=True)
        values = self.activations(fields, needed.tolist()).to(fields)
        return values.gather(1, column[:, None])[:, 0]

    @torch.no_grad()
    def own_scores(self, fields: Tensor, channels: Tensor) -> Tensor:
        """Computes what `own` does of any number of fields; what is no number excites nothing."""
        parts = [self.own(fields[b], channels[b]).cpu() for b in self.batches(len(fields))]
        return torch.cat(parts).nan_to_num(-torch.inf, torch.inf, -torch.inf)

    def batches(self, number: int) -> list[slice]:
        """Cuts a number of fields into batches for passes forth and back."""
        return list(batches(number, self._at_once))

    @torch.no_grad()
    def operations(self, channel: int) -> int:
        """Counts the floating-point operations of one field's forward pass to a channel."""
        with FlopCounterMode(display=False) as counter:
            self.activations(torch.full((1, 1, 1, 1), 0.5), [channel])
        return counter.get_total_flops()
