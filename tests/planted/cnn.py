"""Planted CNNs: a style drawn from a seed, as a module, and the truth about it."""

from collections import OrderedDict

import numpy as np
import torch
from torch import Tensor, nn

from tests.planted.collinear import draw_collinear
from tests.planted.drafts import Design
from tests.planted.styles import (
    draw_flat,
    draw_maxout,
    draw_mix,
    draw_opponent,
    draw_pool,
    draw_single,
    draw_smooth,
)
from tests.planted.truth import Planted, Unit, run

DRAW = {
    "single": draw_single,
    "mix": draw_mix,
    "pool": draw_pool,
    "smooth": draw_smooth,
    "maxout": draw_maxout,
    "opponent": draw_opponent,
    "collinear": draw_collinear,
    "flat": draw_flat,
}
STYLES = tuple(DRAW)


class PlantedCNN(nn.Module):
    """A CNN whose weights are set by hand, all of them drawn from a seed.

    Args:
        seed: What it is drawn from.
        style: One of `STYLES`; where none is given, the seed's turn.
    """

    def __init__(self, seed: int = 0, style: str | None = None):
        super().__init__()
        self.style = style or STYLES[seed % len(STYLES)]
        rng = np.random.default_rng([seed, STYLES.index(self.style)])
        self.design = DRAW[self.style](rng)
        for parameter in (p for _, module in self.design.modules for p in module.parameters()):
            parameter.requires_grad_(False)
        self.nested = bool(rng.random() < 0.3)
        layers = nn.Sequential(OrderedDict(self.design.modules))
        self.names = [name for name, _ in self.design.modules]
        if self.nested:
            self.features = layers
        else:
            for name, module in layers.named_children():
                self.add_module(name, module)
        self.eval()

    def forward(self, x: Tensor) -> Tensor:
        if self.nested:
            return self.features(x)
        for name in self.names:
            x = getattr(self, name)(x)
        return x


def plant(seed: int, style: str | None = None) -> Planted:
    """A CNN and the truth about it."""
    cnn = PlantedCNN(seed, style)
    design = cnn.design
    layer = f"features.{design.layer}" if cnn.nested else design.layer
    units, disputable = [], []
    planted = Planted(
        seed,
        cnn.style,
        cnn,
        (3, design.side, design.side),
        design.mean,
        design.std,
        [layer],
        units,
        disputable,
    )
    with torch.no_grad():
        output = run(planted, torch.zeros(1, *planted.input_shape), layer)
    top_left = _top_left(design, output)
    for channel, drawn in enumerate(design.recipes):
        for facet, image in zip(drawn.facets, drawn.images, strict=True):
            facet.image = _place(image, facet.kind, top_left, design)
            if any(isinstance(module, nn.AvgPool2d) for _, module in design.modules):
                facet.image = _climb(planted, facet.image, channel)
        unit = Unit(layer, channel, drawn.facets, f"{cnn.style}: {drawn.name}", drawn.quiet)
        (disputable if drawn.disputable else units).append(unit)
    return planted


def _climb(planted: Planted, image: Tensor, channel: int) -> Tensor:
    """A better image for a neuron that averages several places, of which `image` suits one."""
    best = image
    for _ in range(10):
        x = best[None].clone().requires_grad_()
        output = run(planted, x, planted.layers[0])
        value = output[0, channel, output.shape[2] // 2, output.shape[3] // 2]
        (slope,) = torch.autograd.grad(value, x)
        new = torch.where(slope[0] == 0, best, (slope[0] > 0).float())
        if planted.middle(new[None])[0, channel] <= value * (1 + 1e-6):
            break
        best = new
    return best


def _top_left(design: Design, output: Tensor) -> int:
    """The first row, and column, of the field of the neuron in the middle of the map."""
    modules = [module for _, module in design.modules]
    names = [name for name, _ in design.modules]
    until = names.index("pool") if "pool" in names else names.index(design.layer) + 1
    if output.dim() == 4:
        place = output.shape[2] // 2
    else:
        place = (design.side - design.modules[0][1].kernel_size[0]) // 2
    for module in reversed(modules[:until]):
        if isinstance(module, nn.Conv2d | nn.MaxPool2d | nn.AvgPool2d):
            stride, padding = module.stride, module.padding
            stride = stride if isinstance(stride, int) else stride[0]
            padding = padding if isinstance(padding, int) else padding[0]
            place = place * stride - padding
    return place


def _place(patch: np.ndarray, kind: str, top_left: int, design: Design) -> Tensor:
    """A whole image with the patch where the neuron looks; flat things fill all of it."""
    image = np.full((3, design.side, design.side), 0.5)
    if kind in ("color", "brightness"):
        middle = patch.shape[-1] // 2
        image[:] = patch[:, middle, middle][:, None, None]
    patch = patch.repeat(design.dilation, 1).repeat(design.dilation, 2)
    size = patch.shape[-1] - design.dilation + 1
    here = slice(top_left, top_left + size)
    # A crosstalk's or a window's pixels without weight stay as they are.
    own = patch[:, :size, :size]
    image[:, here, here] = np.where(own == 0.5, image[:, here, here], own)
    return torch.from_numpy(image).float()
