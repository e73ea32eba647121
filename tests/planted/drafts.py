"""What all styles share: how recipes become layers."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from tests.planted.detectors import bottom
from tests.planted.recipes import Recipe


@dataclass(eq=False)
class Design:
    """What a style puts together: named layers, the probed one, and the recipe of each channel."""

    modules: list[tuple[str, nn.Module]]
    layer: str
    recipes: list[Recipe]
    side: int
    mean: list[float] | None
    std: list[float] | None
    dilation: int = 1


def convolution(
    weight: np.ndarray, bias: np.ndarray, stride: int = 1, padding: int = 0, dilation: int = 1
) -> nn.Conv2d:
    """A convolution with these weights."""
    conv = nn.Conv2d(weight.shape[1], weight.shape[0], weight.shape[2], stride, padding, dilation)
    with torch.no_grad():
        conv.weight.copy_(torch.from_numpy(np.ascontiguousarray(weight)))
        conv.bias.copy_(torch.from_numpy(np.asarray(bias, dtype=float)))
    return conv


def gains(rng: np.random.Generator, count: int) -> np.ndarray:
    """Gains over four orders of magnitude."""
    return 10 ** rng.uniform(-2, 2, count)


def counted(rng: np.random.Generator, **counts: int) -> list[str]:
    """The kinds of a CNN's units, in random order."""
    kinds = [kind for kind, count in counts.items() for _ in range(count)]
    return [str(kind) for kind in rng.permutation(kinds)]


class Draft:
    """What all styles share: the size of the input, its normalization, and how to build layers."""

    def __init__(self, rng: np.random.Generator):
        self.rng = rng
        self.side = int(rng.integers(20, 41))
        self.mean = self.std = None
        if rng.random() < 0.5:
            self.mean = [round(float(v), 3) for v in rng.uniform(0.3, 0.6, 3)]
            self.std = [round(float(v), 3) for v in rng.uniform(0.15, 0.35, 3)]

    def first(self, kernels: np.ndarray, biases: np.ndarray, **options: int) -> nn.Conv2d:
        """A convolution that has these kernels and biases on images in [0, 1]."""
        mean, std = (
            np.array(v) if v else d for v, d in ((self.mean, np.zeros(3)), (self.std, np.ones(3)))
        )
        biases = np.asarray(biases, float) + np.einsum("ncij,c->n", kernels, mean)
        return convolution(kernels * std[:, None, None], biases, **options)

    def design(self, modules: list, layer: str, recipes: list[Recipe], dilation: int = 1) -> Design:
        return Design(modules, layer, recipes, self.side, self.mean, self.std, dilation)


def two_layers(
    rng: np.random.Generator,
    recipes: list[Recipe],
    size: int,
    leak: float = 0.0,
    scale: float = 1.0,
    offsets: bool = True,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """The two layers of all recipes: kernels and biases, then outer weights and biases.

    A detector goes through the rectifiers as it is either as a pair of opposites, which is exact
    for ReLU, GELU and SiLU, and up to 1 + leak for LeakyReLU, or lifted above zero by a bias.
    """
    kernels, biases, entries = [], [], []
    outer_bias = np.zeros(len(recipes))
    for unit, drawn in enumerate(recipes):
        for kernel, bias, weight in drawn.rows:
            if weight is not None:
                new = [(kernel, bias, weight)]
            elif offsets and rng.random() < 0.5:
                lift = max(0.1 - bottom(kernel) - bias, 0.0)
                new = [(kernel, bias + lift, 1.0)]
                outer_bias[unit] -= lift
            else:
                new = [(kernel, bias, 1 / (1 + leak)), (-kernel, -bias, -1 / (1 + leak))]
            for k, b, w in new:
                entries.append((unit, len(kernels), w))
                kernels.append(k)
                biases.append(b)
    own = gains(rng, len(kernels)) if scale == 1 else np.full(len(kernels), scale)
    order = rng.permutation(len(kernels))
    place = np.argsort(order)
    outer = np.zeros((len(recipes), len(kernels)))
    for unit, row, weight in entries:
        outer[unit, place[row]] = weight / own[row]
    kernels = np.array(kernels).reshape(-1, 3, size, size) * own[:, None, None, None]
    return kernels[order], (np.array(biases) * own)[order], outer, outer_bias


def with_gains(
    rng: np.random.Generator, outer: np.ndarray, bias: np.ndarray, recipes: list[Recipe], final: str
) -> tuple[np.ndarray, np.ndarray]:
    """The outer weights with a gain for each unit, and with its threshold or any bias."""
    gain = gains(rng, len(recipes))
    if final == "relu":
        shift = np.array([-drawn.threshold if drawn.rows else -0.1 for drawn in recipes])
    else:
        # GELU and SiLU fall before they rise: the best has to lie well beyond that.
        wide = 0.3 if final == "smooth" else 1.0
        shift = np.array([rng.uniform(-wide, wide) * drawn.best for drawn in recipes])
    return outer * gain[:, None], (bias + shift) * gain


def padding_of(rng: np.random.Generator, size: int, dilation: int = 1) -> int:
    return int(rng.choice([0, (size - 1) * dilation // 2]))


def with_normalization(
    rng: np.random.Generator, conv: nn.Conv2d, name: str, bn_name: str
) -> list[tuple[str, nn.Module]]:
    """Splits a convolution into one and a batch normalization, half of its scales negative."""
    count = conv.out_channels
    bn = nn.BatchNorm2d(count)
    scale = 10 ** rng.uniform(-1, 1, count) * rng.choice([1, -1], count)
    variance, mean = 10 ** rng.uniform(-2, 1, count), rng.normal(size=count)
    beta = rng.normal(size=count)
    slope = torch.from_numpy(scale / np.sqrt(variance + bn.eps))
    with torch.no_grad():
        bn.weight.copy_(torch.from_numpy(scale))
        bn.running_mean.copy_(torch.from_numpy(mean))
        bn.running_var.copy_(torch.from_numpy(variance))
        bias = conv.bias.double()
        # The two together are what the convolution was.
        conv.weight.copy_(conv.weight.double() / slope.view(-1, 1, 1, 1))
        conv.bias.copy_((bias - torch.from_numpy(beta)) / slope + torch.from_numpy(mean))
        bn.bias.copy_(torch.from_numpy(beta))
    return [(name, conv), (bn_name, bn)]
