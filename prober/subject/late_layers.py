"""CNNs that make layers, or their weights, when they first see an image."""

import torch
from torch import nn
from torch.nn.parameter import is_lazy

from prober.common.errors import InputError
from prober.common.inputs import Shape
from prober.subject.input_shape import some_input


def is_unfinished(cnn: nn.Module) -> bool:
    """Tells whether any weight of a CNN is lazy: without a shape until it first sees an image."""
    return any(map(is_lazy, (*cnn.parameters(), *cnn.buffers())))


def finish(cnn: nn.Module, shape: Shape | None) -> None:
    """Shows a CNN an image, so that it has all of its weights.

    Args:
        cnn: The CNN, changed in place as by any first call: lazy weights cannot be copied.
        shape: That of its images, channels first; None if nobody has said it.

    Raises:
        InputError: Nobody has, or the CNN does not take such an image.
    """
    name = type(cnn).__name__
    if shape is None:
        raise InputError(
            f"{name} is lazy: it has no weights until it sees an image. Say the shape of its "
            "images as model.subject.input_shape: [3, 28, 28], say."
        )
    training = cnn.training
    try:
        with torch.no_grad(), torch.random.fork_rng(devices=[]):
            cnn.eval()(some_input(shape))
    except Exception as error:  # whatever a forward pass may raise
        raise InputError(
            f"{name} is lazy, and cannot be run on an image of input_shape {tuple(shape)}: {error} "
            "Build it with all its sizes, or run it once on an image before."
        ) from error
    finally:
        cnn.train(training)


def gains_layers(cnn: nn.Module, shape: Shape | None) -> bool:
    """Tells whether a CNN makes more layers of itself once it sees an image; then it has them.

    Args:
        cnn: The CNN, changed in place.
        shape: That of its images, channels first; None if nobody has said it, and none is shown.
    """
    if shape is None:
        return False
    before = len(cnn.state_dict())
    try:
        with torch.no_grad():
            cnn.eval()(some_input(shape))
    except Exception:  # whatever a forward pass may raise; the CNN is run again where it is told
        return False
    return len(cnn.state_dict()) > before
