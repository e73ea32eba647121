"""Where the channels lie in what layers give: maps, tokens, units."""

from collections.abc import Sequence
from enum import Enum
from typing import Any

import torch
from torch import Tensor, nn

from prober.subject.nested_outputs import Path, tensors


class Layout(Enum):
    """How a layer's output lies in memory; N counts the images.

    In a transformer a channel is a feature and a neuron a patch, so tokens are a map of T rows and
    one column.
    """

    NUMBERS = "[N]"
    UNITS = "[N, units]"
    MAPS = "[N, channels, h, w]"
    MAPS_LAST = "[N, h, w, channels]"
    TOKENS = "[N, tokens, channels]"
    SEQUENCES = "[N, channels, length]"
    VOLUMES = "[N, channels, d, h, w]"
    VOLUMES_LAST = "[N, d, h, w, channels]"

    def arranged(self, output: Tensor) -> Tensor:
        """Returns the output as `[N, channels, h, w]`, `[N, channels, d, h, w]` or `[N, units]`.

        It is a view. A number for each image is one unit.
        """
        if self is Layout.NUMBERS:
            return output.unsqueeze(1)
        if self in (Layout.TOKENS, Layout.MAPS_LAST, Layout.VOLUMES_LAST):
            output = output.movedim(-1, 1)
        return output.unsqueeze(3) if self in (Layout.TOKENS, Layout.SEQUENCES) else output


FIRST = {1: Layout.NUMBERS, 2: Layout.UNITS, 3: Layout.SEQUENCES, 4: Layout.MAPS, 5: Layout.VOLUMES}
"""By the number of dimensions, the layout whose channels follow the images."""

LAST = FIRST | {3: Layout.TOKENS, 4: Layout.MAPS_LAST, 5: Layout.VOLUMES_LAST}
"""By the number of dimensions, the layout whose channels come last."""

DEFAULT = FIRST | {3: Layout.TOKENS}
"""What is most usual, where nothing tells the layout."""

_COUNTS = ("out_channels", "out_features", "num_features", "num_channels", "normalized_shape")
"""The attributes in which PyTorch's modules keep the number of channels that they give."""


def _known(*names: str) -> tuple[type[nn.Module], ...]:
    """The modules of PyTorch with these names; 2.2 has no `RMSNorm` yet and no `LPPool3d`."""
    return tuple(getattr(nn, name) for name in names if hasattr(nn, name))


def _of_dimensions(*kinds: str) -> tuple[type[nn.Module], ...]:
    """The modules of PyTorch that there are for one, two and three dimensions."""
    return _known(*(f"{kind}{n}d" for kind in kinds for n in (1, 2, 3)))


CONVOLUTIONS = _of_dimensions("Conv", "ConvTranspose")

_LAST = _known("Linear", "LayerNorm", "RMSNorm", "RNNBase", "MultiheadAttention")

_FIRST = (
    *(*CONVOLUTIONS, nn.SyncBatchNorm, nn.GroupNorm, nn.LocalResponseNorm),
    *_of_dimensions("BatchNorm", "InstanceNorm", "MaxPool", "AvgPool", "LPPool"),
    *_of_dimensions("AdaptiveMaxPool", "AdaptiveAvgPool"),
    *(nn.Upsample, nn.PixelShuffle, nn.PixelUnshuffle, nn.ChannelShuffle),
)


def known_layout(module: nn.Module, output: Tensor) -> Layout | None:
    """Returns the layout of a module's output if the kind of the module tells it.

    A module that has a number of channels shows by it where they are, whatever it is derived from
    (torchvision's `LayerNorm2d` takes channels first, its base class last). Where that number fits
    both ends, or there is none, the module's class tells.
    """
    dims = output.dim()
    if dims == 1:
        return Layout.NUMBERS
    count = next((getattr(module, key) for key in _COUNTS if hasattr(module, key)), None)
    if isinstance(count, tuple):
        count = count[0] if len(count) == 1 else None
    if isinstance(count, int):
        at = [layout for layout, dim in ((FIRST, 1), (LAST, -1)) if output.shape[dim] == count]
        if len(at) == 1:
            return at[0][dims]
        if not at:
            return None
    if isinstance(module, _LAST):
        return LAST[dims]
    return FIRST[dims] if isinstance(module, _FIRST) else None


def layouts_of(
    modules: dict[str, nn.Module], given: Sequence[tuple[str, int, Any]]
) -> dict[tuple[str, int, Path], Layout]:
    """Finds the layout of every tensor of a forward pass.

    By the module that gives it if that can tell; else it is that of the same tensor where another
    module gave it; else of the same shape, where a module before gave one, or one after; else the
    most usual.

    Args:
        modules: The modules by name.
        given: What they gave, call by call: a module's name, the number of the call, its output.

    Returns:
        By module, call and path.
    """
    entries = [
        (name, call, path, tensor)
        for name, call, output in given
        for path, tensor in tensors(output)
        if tensor.dim() in DEFAULT
    ]
    known = {
        (name, call, path): known_layout(modules[name], tensor) if path in ((), (0,)) else None
        for name, call, path, tensor in entries
    }
    after: dict[torch.Size, Layout] = {}
    for name, call, path, tensor in reversed(entries):
        layout = known[name, call, path]
        after[tensor.shape] = layout or after.get(tensor.shape, DEFAULT[tensor.dim()])
    same: dict[int, Layout] = {}
    before: dict[torch.Size, Layout] = {}
    found = {}
    for name, call, path, tensor in entries:
        shape = tensor.shape
        likely = same.get(id(tensor)) or before.get(shape) or after[shape]
        key = name, call, path
        found[key] = layout = known[key] or likely
        same.setdefault(id(tensor), layout)
        if known[key]:
            before[shape] = layout
    return found
