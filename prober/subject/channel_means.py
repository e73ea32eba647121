"""The means of a convolution's channels, without the convolution.

A convolution is linear, so that the mean over the map of a channel is a weighted sum of what enters
it, plus the bias. Where each of many images is scored by one channel, the convolution would compute
all of their channels for every image, forth and back; the weighted sum costs next to nothing.
"""

from collections.abc import Sequence
from weakref import WeakKeyDictionary

import torch
from torch import Tensor

from prober.common.errors import InputError
from prober.subject.input_shape import some_input
from prober.subject.passes import about_the_same, exact_float32
from prober.subject.subject import Subject

CHECKED = 8
"""Channels with which it is checked."""

AT_ONCE = 32
"""Channels whose weights are computed at once."""

_AGREE: WeakKeyDictionary[Subject, dict[str, bool | None]] = WeakKeyDictionary()


class ChannelMeans:
    """Computes for each of N images the mean over the map of its own channel.

    Args:
        subject: The CNN.
        layer: A layer of it for which `Subject.gives_channels` is true.
        channels: N channels of it.
    """

    def __init__(self, subject: Subject, layer: str, channels: Sequence[int]) -> None:
        self._subject, self._layer, self._channels = subject, layer, channels
        self._weights = self._offsets = torch.empty(0)

    def __call__(self, images: Tensor) -> Tensor:
        """Computes the means `[N]` of images `[N, C, H, W]` in [0, 1]; on their graph."""
        entering = self._subject.entering(images, self._layer)
        if self._weights.shape != entering.shape or self._weights.device != entering.device:
            self._weights, self._offsets = self._weights_for(entering)
        return (entering * self._weights).sum((1, 2, 3)) + self._offsets

    def _weights_for(self, entering: Tensor) -> tuple[Tensor, Tensor]:
        """Returns the gradients of the means by what enters the layer, and the means of zeros."""
        convolution = self._subject.cnn.get_submodule(self._layer)
        needed = sorted(set(self._channels))
        weights: list[Tensor] = []
        offsets: list[Tensor] = []
        places = [needed.index(channel) for channel in self._channels]
        with exact_float32():
            for first in range(0, len(needed), AT_ONCE):
                own = needed[first : first + AT_ONCE]
                zeros = torch.zeros(
                    len(own), *entering.shape[1:], device=entering.device, requires_grad=True
                )
                means = convolution(zeros).mean((2, 3))[range(len(own)), own]
                weights += torch.autograd.grad(means.sum(), zeros)
                offsets.append(means.detach())
            # In the layout of what enters: to multiply what lies otherwise takes three times as
            # long.
            like = torch.empty_like(entering, dtype=torch.float32, requires_grad=False)
            return like.copy_(torch.cat(weights)[places]), torch.cat(offsets)[places]


def channel_means(subject: Subject, layer: str, channels: Sequence[int]) -> ChannelMeans | None:
    """Returns what computes the means of a layer's channels without the layer, if that agrees.

    Whether it does is checked on the CNN itself, with noise. In float64, the exact precision, the
    convolution is computed as it is; so it is in a precision that is the CNN's own.

    Args:
        subject: The CNN.
        layer: One of its layers.
        channels: For each of N images its channel.

    Returns:
        None if the layer has to be computed.
    """
    if subject.mean.dtype != torch.float32 or subject.own_precision is not None:
        return None
    if subject.listing.batch is not None:  # it takes so many images, whatever is asked for
        return None
    if not subject.gives_channels(layer):
        return None
    agree = _AGREE.setdefault(subject, {})
    if agree.get(layer) is None:
        agree[layer] = _agrees(subject, layer, list(dict.fromkeys(channels))[:CHECKED])
    return ChannelMeans(subject, layer, channels) if agree[layer] else None


def _agrees(subject: Subject, layer: str, channels: Sequence[int]) -> bool | None:
    """Compares the sums with the means of maps; None if that cannot be had now."""
    noise = some_input(subject.input_shape, len(channels)).to(subject.mean)
    try:
        with exact_float32(), torch.no_grad():
            sums = ChannelMeans(subject, layer, channels)(noise)
            maps = subject(noise, [layer])[layer]
    except (IndexError, InputError):  # it is called otherwise, or not at all
        return False
    except RuntimeError:  # out of memory, say: the layer is computed, and whatever fails is told
        return None
    means = maps.mean((2, 3))[range(len(channels)), list(channels)]
    return about_the_same(sums, means, maps)
