"""Convolutions of few channels, as of RGB images: their gradient, computed in blocks of pixels.

oneDNN, which computes convolutions on the processors of Intel and AMD, gives 16 channels in the
time of one. So the gradient of an image of 3 channels takes it four times as long as the pass forth
(measured: 64 images of 28 pixels, 3x3, 16 filters: 2.2 ms and 0.6 ms). If 2 x 2 pixels of it are
computed as the 12 channels of one, which is a convolution of the same numbers by a larger kernel,
and these are put in their places, it takes 1.35 ms; of 7x7 kernels 3.7 instead of 10.2 ms; of the
7x7 kernels with a stride of 2 of a ResNet-18 at 224 pixels 37 instead of 92 ms.
"""

from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager
from functools import cache, partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from typing_extensions import override

from prober.common.patches import OWN_FORWARD

FEW = 4
"""Channels of such an input, at the most."""

BLOCK = 2
"""Pixels of a block's side, but where the stride is longer."""

LONGEST = 4
"""Pixels of a block's side at the most."""

SMALL = 2**14
"""Numbers in a batch of images below which it takes longer to lay out the kernels."""


def takes_few_channels(module: nn.Module) -> bool:
    """Tells whether a module is a convolution whose gradient is faster in blocks."""
    return (
        type(module) is nn.Conv2d
        and not OWN_FORWARD & vars(module).keys()
        and torch.backends.mkldnn.is_available()
        and module.in_channels <= FEW
        and module.groups == 1
        and module.dilation == (1, 1)
        and module.padding_mode == "zeros"
        and not module.weight.is_complex()  # whose gradient is its conjugate's
        and not isinstance(module.padding, str)
        and module.stride[0] == module.stride[1] <= LONGEST
        and max(module.kernel_size) > 1
    )


@contextmanager
def gradients_in_blocks(convolutions: Collection[nn.Conv2d]) -> Iterator[None]:
    """While it is active, the gradients of some convolutions' inputs are computed in blocks.

    They are the same but for rounding.

    Args:
        convolutions: Those for which `takes_few_channels` is true.
    """
    with ExitStack() as stack:
        for convolution in convolutions:
            vars(convolution)["forward"] = partial(_forward, convolution)
            stack.callback(vars(convolution).pop, "forward")
        yield


def _forward(convolution: nn.Conv2d, input: Tensor) -> Tensor:
    weight, bias = convolution.weight, convolution.bias
    stride, padding = convolution.stride[0], convolution.padding
    assert not isinstance(padding, str)  # then there are no gradients in blocks
    worth = input.numel() >= SMALL and input.dim() == 4 and input.device.type == "cpu"
    if worth and input.requires_grad:
        return _InBlocks.apply(input, weight, bias, stride, padding)
    return F.conv2d(input, weight, bias, stride, padding)


class _InBlocks(torch.autograd.Function):
    """A convolution that computes the gradient of its input in blocks."""

    generate_vmap_rule = True

    @staticmethod
    @override
    def forward(
        images: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        stride: int,
        padding: tuple[int, int],
    ) -> Tensor:
        return F.conv2d(images, weight, bias, stride, padding)

    @staticmethod
    @override
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        images, weight, _, stride, padding = inputs
        ctx.save_for_backward(weight)
        ctx.settings = images.shape[2:], stride, padding

    @staticmethod
    @override
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None, None, None]:
        (weight,) = ctx.saved_tensors
        return _gradient(gradient, weight.to(gradient.dtype), *ctx.settings), None, None, None, None


def _gradient(
    gradient: Tensor, weight: Tensor, size: tuple[int, int], stride: int, padding: tuple[int, int]
) -> Tensor:
    """Computes the gradient of a convolution's input from that of its output.

    Line y of the input counts in line o of the output by line q of the kernel where
    y = stride * o + q - padding. So line d of block Y, y = block * Y + d, has its gradient from the
    lines o = block / stride * Y + u with q = d + padding - stride * u: that is a convolution with a
    stride of block / stride.

    Args:
        gradient: `[N, filters, h, w]`.
        weight: `[filters, C, k, l]`.
        size: Height and width of the input.
        stride: Of the convolution.
        padding: Of both sides.

    Returns:
        `[N, C, *size]`.
    """
    block = max(BLOCK, stride)
    step = block // stride
    height, width = weight.shape[2:]
    firsts, places = _places((height, width), stride, padding, block)
    numbers = F.pad(weight.flatten(2), (0, 1))  # the last one, 0, is for what has no weight
    kernels = numbers.permute(1, 2, 0)[:, places].flatten(0, 2).permute(0, 3, 1, 2)
    # How many lines the blocks need beside those that there are, before them and after.
    top, left = (-first for first in firsts)
    bottom, right = (
        step * (-(-side // block) - 1) + first + taps - there
        for side, first, taps, there in zip(
            size, firsts, kernels.shape[2:], gradient.shape[2:], strict=True
        )
    )
    if top == bottom >= 0 and left == right >= 0:  # the convolution pads by itself, at no cost
        blocks = F.conv2d(gradient, kernels, stride=step, padding=(top, left))
    else:
        blocks = F.conv2d(F.pad(gradient, (left, right, top, bottom)), kernels, stride=step)
    return F.pixel_shuffle(blocks, block)[..., : size[0], : size[1]]


@cache
def _places(
    kernel: tuple[int, int], stride: int, padding: tuple[int, int], block: int
) -> tuple[tuple[int, int], Tensor]:
    """Returns the first lines in which a block counts, and `[block, block, k, l]`.

    These are the places of a filter's weights in the larger kernels, in a filter laid out flat; one
    past its end where there is none.
    """
    (first, rows), (left, columns) = (
        _lines(length, stride, pad, block) for length, pad in zip(kernel, padding, strict=True)
    )
    rows, columns = rows[:, None, :, None], columns[None, :, None, :]
    inside = (rows < kernel[0]) & (columns < kernel[1])
    return (first, left), (rows * kernel[1] + columns).where(inside, kernel[0] * kernel[1])


def _lines(kernel: int, stride: int, padding: int, block: int) -> tuple[int, Tensor]:
    """Returns the first line in which a block counts, and for each of its lines the weights' lines.

    These are `[block, taps]`, from the first line on; `kernel` where there is no weight.
    """
    first = -((kernel - 1 - padding) // stride)
    last = (block - 1 + padding) // stride
    lines = torch.arange(block)[:, None] + padding - stride * torch.arange(first, last + 1)
    return first, lines.where((lines >= 0) & (lines < kernel), kernel)
