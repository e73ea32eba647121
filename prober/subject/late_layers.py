"""CNNs that make layers, or their weights, when they first see an image."""

import torch
from torch import nn
from torch.nn.parameter import is_lazy

from prober.common.errors import InputError
from prober.common.inputs import Shape
from prober.subject.input_shape import some_input


def finish(cnn: nn.Module, shape: Shape | None) -> None:
    """Shows a CNN an image if any of its weights is lazy: without a shape until it sees one.

    Args:
        cnn: The CNN, changed in place as by any first call: lazy weights cannot be copied.
        shape: That of its images, channels first; None if nobody has said it.

    Raises:
        InputError: Nobody has, or the CNN does not take such an image, or it has lazy weights that
            it does not use.
    """
    if _lazy(cnn) is None:
        return
    name = type(cnn).__name__
    if shape is None:
        raise InputError(
            f"{name} is lazy: it has no weights until it sees an image. Say the shape of its "
            "images as model.subject.input_shape: [3, 28, 28], say."
        )
    try:
        _show_an_image(cnn, shape)
    except Exception as error:  # whatever a forward pass may raise
        raise InputError(
            f"{name} is lazy, and cannot be run on an image of input_shape {tuple(shape)}: "
            f"{str(error).strip('. ') or type(error).__name__}. Build it with all its sizes, or "
            "run it once on an image before."
        ) from error
    if (lazy := _lazy(cnn)) is not None:
        raise InputError(
            f"{name} cannot be probed. Its module '{lazy}' is lazy and has no weights yet, also "
            "after a pass in eval mode. Build it with all its sizes, or take it away."
        )


def gain_layers(cnn: nn.Module, shape: Shape | None) -> bool:
    """Shows a CNN an image, and tells whether it has made more layers of itself by that.

    Args:
        cnn: The CNN, changed in place.
        shape: That of its images, channels first; None if nobody has said it, and none is shown.
    """
    before = len(cnn.state_dict())
    try:
        if shape is not None:
            _show_an_image(cnn, shape)
    except Exception:  # whatever a forward pass may raise; the CNN is run again where it is told
        return False
    return len(cnn.state_dict()) > before


def _lazy(cnn: nn.Module) -> str | None:
    """The name of a module whose weights have no shape yet, if there is one."""
    for name, module in cnn.named_modules():
        if any(map(is_lazy, (*module.parameters(recurse=False), *module.buffers(recurse=False)))):
            return name
    return None


def _show_an_image(cnn: nn.Module, shape: Shape) -> None:
    """Runs a CNN in eval mode, and leaves modes and the state of random numbers as they were."""
    modes = {module: module.training for module in cnn.modules()}
    try:
        with torch.no_grad(), torch.random.fork_rng(devices=[]):
            cnn.eval()(some_input(shape))
    finally:
        for module, training in modes.items():
            module.training = training
