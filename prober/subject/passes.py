"""What is done to the modules of a CNN for the time of a forward pass."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import BaseTorchFunctionMode
from torch.utils import checkpoint

from prober.common.patches import buffers_of
from prober.common.replaced import replaced

PADDING = (nn.Conv2d, nn.MaxPool2d, nn.AvgPool2d)
"""The modules that pad an image, but for transposed convolutions, whose padding cuts off."""

TOLERANCE = 1e-5
"""By how much outputs may differ that shall be the same, as a share of the layer's largest. Float32
rounds to about 1e-7, and other kernels for other sizes to about 1e-6."""


def about_the_same(one: Tensor, other: Tensor, layer: Tensor) -> bool:
    """Tells whether outputs of one shape differ by rounding alone.

    Args:
        one: Some of what a layer gives; a detector that finds nothing gives none.
        other: What shall be the same.
        layer: All that the layer gives.
    """
    return not one.numel() or bool((one - other).abs().max() <= TOLERANCE * layer.abs().max())


@contextmanager
def watched(
    modules: Mapping[str, nn.Module], see: Callable[[str, tuple[Any, ...], Any], Any]
) -> Iterator[None]:
    """While it is active, every call of some modules is seen when it ends.

    Args:
        modules: The modules, by the names that `see` gets.
        see: Called at the end of each call of one of them, in the order in which the calls end,
            with the module's name, its inputs by position and what it gives. If it returns
            anything but None, the CNN goes on with that.
    """
    with ExitStack() as stack:
        for name, module in modules.items():
            hook = lambda _module, inputs, given, name=name: see(name, inputs, given)  # noqa: E731
            stack.enter_context(module.register_forward_hook(hook))
        yield


@contextmanager
def other_weights(module: nn.Module, **tensors: Tensor) -> Iterator[None]:
    """While it is active, a module has these tensors in place of its buffers.

    A forward pass of a small CNN does it for every image. `torch.func.functional_call`, or to set
    the attributes, takes 0.1 ms: as long as the first layer.
    """
    buffers = buffers_of(module)
    own = {name: buffers[name] for name in tensors}
    buffers.update(tensors)
    try:
        yield
    finally:
        buffers.update(own)


@contextmanager
def without_padding(cnn: nn.Module) -> Iterator[None]:
    """While it is active, the convolutions and pools of a CNN pad nothing.

    Those that are modules; what a function pads is padded.
    """
    nothing = {"padding": (0, 0), "padding_mode": "zeros"}
    with ExitStack() as stack:
        for settings in [vars(each) for each in cnn.modules() if isinstance(each, PADDING)]:
            own = {name: settings[name] for name in nothing if name in settings}
            stack.callback(settings.update, own)
            settings.update((name, nothing[name]) for name in own)
        yield


@contextmanager
def exact_float32() -> Iterator[None]:
    """Whatever the passes that it is needed for run in: it is in float32, and a graph follows.

    For what is found out of a CNN by comparing its outputs, and for what Python asks for.
    """
    with ExitStack() as stack:
        stack.enter_context(torch.inference_mode(False))
        for device in ("cpu", "cuda"):
            stack.enter_context(torch.autocast(device, enabled=False))
        # On a GPU, too, float32 is float32, and convolutions give the same again.
        stack.enter_context(
            torch.backends.cudnn.flags(enabled=True, deterministic=True, allow_tf32=False)
        )
        with suppress(RuntimeError):  # as for a session that has set single backends: they stay
            before = torch.get_float32_matmul_precision()
            if before != "highest":
                torch.set_float32_matmul_precision("highest")
                stack.callback(torch.set_float32_matmul_precision, before)
        yield


class SingleSteps(BaseTorchFunctionMode):
    """While it, or any such mode, is active, PyTorch makes no one operation of an attention.

    Where no gradient is asked for it would make one of a transformer's whole block, whose parts
    PyTorch 2.2 does not even call if somebody watches them.
    """


class _Straight:
    """Stands in for the function with which `torch.utils.checkpoint` runs a part of a CNN."""

    def apply(self, function: Callable[..., Any], _preserve: bool, *args: Any) -> Any:
        return function(*args)


def straight_checkpoints() -> AbstractContextManager[None]:
    """While it is active, `torch.utils.checkpoint` with `use_reentrant=True` just runs the part.

    Otherwise it would run it without a graph, so that no gradient would lead from a layer within
    the part to the image. Outputs and gradients are the same.
    """
    return replaced(checkpoint, "CheckpointFunction", _Straight())
