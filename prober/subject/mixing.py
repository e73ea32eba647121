"""Whether images mix: whether what a CNN gives for one depends on those beside it."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from prober.subject.nested_outputs import tensors
from prober.subject.passes import straight_checkpoints, watched

Output = tuple[str, Tensor]


def images_mix(cnn: nn.Module, run: Callable[[Tensor], Any], image: Tensor) -> bool:
    """Tells whether a CNN gives another answer to an image if another one is beside it.

    So it is with batch normalization that has no running statistics, with `x - x.mean()`, or with
    Python that goes one way or another by the batch as a whole. Two images are tried that are
    unlike in their mean, least and largest value, together and each alone.

    Args:
        cnn: A CNN that takes any number of images.
        run: Runs it on images `[N, C, H, W]`, each time as if it were the first.
        image: One that it takes, `[1, C, H, W]` in [0, 1].

    Returns:
        False, too, if it does not take such images.
    """
    unlike = image / 2, (1 + image) / 2
    try:
        alone = [_outputs(cnn, run, each) for each in unlike]
        together = _outputs(cnn, run, torch.cat(unlike))
    except Exception:  # whatever a forward pass may raise
        return False
    return any(_differ(own, together, place) for place, own in enumerate(alone))


def _outputs(cnn: nn.Module, run: Callable[[Tensor], Any], images: Tensor) -> list[Output]:
    """What the modules give, call by call, last the whole CNN."""
    found: list[Output] = []

    def note(name: str, _inputs: tuple[Any, ...], given: Any) -> None:
        found.extend((name, tensor) for _, tensor in tensors(given))

    parts = {name: module for name, module in cnn.named_modules() if name}
    with torch.no_grad(), straight_checkpoints(), watched(parts, note):
        note("", (), run(images))
    return found


def _differ(alone: list[Output], together: list[Output], place: int) -> bool:
    """Tells whether an image's outputs are others than at a place in a batch, but for rounding."""
    if [name for name, _ in alone] != [name for name, _ in together]:
        return True
    for (_, own), (_, both) in zip(alone, together, strict=True):
        of_images = own.shape[:1] == (1,) and both.shape == (2, *own.shape[1:]) and own.numel()
        if of_images and own.is_floating_point():
            rounding = torch.finfo(own.dtype).eps ** 0.5 * own.abs().amax()
            if ((both[place] - own[0]).abs() > rounding).any():
                return True
    return False
