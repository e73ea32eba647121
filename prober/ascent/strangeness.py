"""How far what passes a CNN's batch normalizations is from what passed them in training.

A batch normalization keeps the mean and the variance that its channels had in training, which tell
something of the images that the CNN knows. Yin et al., "Dreaming to distill: data-free knowledge
transfer via DeepInversion" (CVPR 2020), hold a batch of images near them; here it is each picture.
"""

import math
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from typing_extensions import override

from prober.common.patches import hooks_of
from prober.subject import Subject

LEAST_VARIANCE = 0.1
"""Of that in training. A picture that leaves a channel as it is everywhere is no farther off than
one of so small a variance: the maps of a small CNN's last layers have few numbers."""

LEAST_DEVIATION = 1e-3
"""A channel that left the normalization with less in training, of the largest standard deviation in
its layer, is switched off."""


def normalizations_before(subject: Subject, layers: Collection[str]) -> tuple[str, ...]:
    """Returns the batch normalizations of images that are called before a unit without a map.

    That is, before a logit, or any other unit of which there is one for the whole image. Of a unit
    that has a map they see more than it does, or are its own. Left out are those that have never
    been trained, or do more than to normalize.

    Args:
        subject: The CNN under study.
        layers: The layers that the unit is of, several of a sum.

    Returns:
        Their names as layers; none if there are none, or the unit has a map.
    """
    probed = subject.layers
    if any(math.prod(probed[layer].shape[1:]) > 1 for layer in layers):
        return ()
    names = list(probed)
    places = {  # the last call of a module goes by two names
        probed[name].place: name
        for name in names[: max(map(names.index, layers))]
        if _keeps_statistics(subject.cnn.get_submodule(probed[name].module))
    }
    return tuple(places.values())


def _keeps_statistics(module: nn.Module) -> bool:
    """Tells whether a module is a batch normalization that has been trained, and nothing else."""
    if type(module) is not nn.BatchNorm2d or module.training or any(hooks_of(module)):
        return False
    mean, variance = module.running_mean, module.running_var
    if mean is None or variance is None:
        return False
    return bool((mean != 0).any() or (variance != 1).any())


def strangeness(
    subject: Subject, outputs: Mapping[str, Tensor], normalizations: Sequence[str]
) -> Tensor:
    """Computes how far N pictures are from what a CNN was trained on.

    That is, over normalizations and channels, the mean of m² + ln²((v + a) / (1 + a)) / 4. Here m
    is how far the mean of the channel's map is from that in training, in its standard deviations,
    v is the map's variance in parts of that in training, and a is `LEAST_VARIANCE`. A picture whose
    maps have the means and variances of the training has 0.

    Args:
        subject: The CNN under study.
        outputs: What the normalizations give, `[N, channels, h, w]` each.
        normalizations: Their names, one at least.

    Returns:
        `[N]`, on the graph of the outputs.
    """
    modules = [subject.cnn.get_submodule(subject.layers[name].module) for name in normalizations]
    means, squares = zip(*[_moments(outputs[name]) for name in normalizations], strict=True)
    # All layers' channels at once: most maps are so small that calls take longer than they do.
    trained, deviation, share = map(torch.cat, zip(*map(_of_training, modules), strict=True))
    mean, square = torch.cat(means, 1), torch.cat(squares, 1)
    variance = (square - mean.square()).clamp_min(0) / deviation.square()
    far = ((mean - trained) / deviation).square()
    spread = ((variance + LEAST_VARIANCE) / (1 + LEAST_VARIANCE)).log().square() / 4
    return ((far + spread) * (share / len(modules))).sum(1)


def _of_training(module: nn.Module) -> tuple[Tensor, Tensor, Tensor]:
    """The means and standard deviations of the channels that leave a batch normalization.

    Returns:
        `[channels]` each, and the share that each channel has in their mean: that of those that are
        switched off is 0, and their deviation 1.
    """
    assert isinstance(module, nn.BatchNorm2d) and module.running_var is not None
    variance = module.running_var
    deviation = (variance / (variance + module.eps)).sqrt()
    if module.weight is not None:
        deviation = deviation * module.weight.abs()
    on = deviation > LEAST_DEVIATION * deviation.max()
    mean = torch.zeros_like(variance) if module.bias is None else module.bias
    return mean, deviation.where(on, 1.0), on / on.sum().clamp_min(1)


def _moments(maps: Tensor) -> tuple[Tensor, Tensor]:
    """The means of maps and of their squares, in no less than float32."""
    return _Moments.apply(maps.to(torch.promote_types(maps.dtype, torch.float32)))


class _Moments(torch.autograd.Function):
    """The means of maps and of their squares, `[N, channels]` each.

    Forward and backward it takes an eighth of the time of `torch.var_mean`, which is that of the
    convolution before.
    """

    @staticmethod
    @override
    def forward(ctx: Any, maps: Tensor) -> tuple[Tensor, Tensor]:
        ctx.save_for_backward(maps)
        return maps.mean((2, 3)), maps.square().mean((2, 3))

    @staticmethod
    @override
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        (maps,) = ctx.saved_tensors
        mean, square = (each[..., None, None] / maps[0, 0].numel() for each in gradients)
        return torch.addcmul(mean, maps, 2 * square)
