"""How far what passes a CNN's batch normalizations is from what passed them in training.

A batch normalization keeps the mean and the variance that its channels had in training: all that a
CNN says of the images it was trained on. Yin et al., "Dreaming to distill: data-free knowledge
transfer via DeepInversion" (CVPR 2020), hold a batch of images near them; here it is each picture.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from typing_extensions import override

from prober.ascent.objectives import Objective
from prober.subject import Subject

LEAST_VARIANCE = 0.1
"""Of that in training. A picture that leaves a channel as it is everywhere is no farther off than
one of so small a variance: the maps of a small CNN's last layers have few numbers."""

LEAST_FACTOR = 1e-3
"""A channel that is multiplied by less, of the largest factor in its layer, is switched off."""


class Hold(NamedTuple):
    """What holds a picture to the training.

    Attributes:
        weight: How strongly, in parts of the score.
        normalizations: The names of the batch normalizations that it is held by.
    """

    weight: float = 0.0
    normalizations: tuple[str, ...] = ()


def hold_of(subject: Subject, objective: Objective, weight: float) -> Hold:
    """Returns what holds the picture of a unit without a map, such as a logit, to the training.

    Of a unit that has a map the batch normalizations see more than it does, or are its own.

    Args:
        subject: The CNN under study.
        objective: What is maximized, resolved.
        weight: How strongly its picture shall be held.

    Returns:
        All batch normalizations before the unit; of weight 0 if there are none.
    """
    names = _normalizations_before(subject, objective) if weight else ()
    return Hold(weight, names) if names else Hold()


def _normalizations_before(subject: Subject, objective: Objective) -> tuple[str, ...]:
    layers = {term.objective.layer for term in objective.terms}
    if any(len(subject.check_layer(layer)) > 1 for layer in layers):
        return ()
    probed = subject.layers
    names = list(probed)
    return tuple(
        name
        for name in names[: max(map(names.index, layers))]
        if isinstance(module := subject.cnn.get_submodule(probed[name].module), nn.BatchNorm2d)
        and module.running_mean is not None
    )


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
    bias, factor, share = map(torch.cat, zip(*map(_of_training, modules), strict=True))
    mean, square = torch.cat(means, 1), torch.cat(squares, 1)
    variance = (square - mean.square()).clamp_min(0) / factor.square()
    far = ((mean - bias) / factor).square()
    spread = ((variance + LEAST_VARIANCE) / (1 + LEAST_VARIANCE)).log().square() / 4
    return ((far + spread) * (share / len(modules))).sum(1)


def _of_training(module: nn.Module) -> tuple[Tensor, Tensor, Tensor]:
    """The means and standard deviations of the channels that leave a batch normalization.

    Returns:
        `[channels]` each, and the share that each channel has in their mean: that of those that are
        switched off is 0, and their deviation 1.
    """
    assert isinstance(module, nn.BatchNorm2d) and module.running_var is not None
    ones = torch.ones_like(module.running_var)
    factor = ones if module.weight is None else module.weight.abs()
    on = factor > LEAST_FACTOR * factor.max()
    bias = 0 * ones if module.bias is None else module.bias
    return bias, factor.where(on, ones), on / on.sum().clamp_min(1)


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
