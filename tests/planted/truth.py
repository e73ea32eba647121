"""The truth about a CNN whose units are known."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(eq=False)
class Facet:
    """One thing that a unit wants.

    Attributes:
        kind: `color`, `shape`, `color+shape` or `brightness`.
        hue: Degrees, where the kind has color.
        orientation: Degrees along the stroke, counterclockwise from horizontal, modulo 180.
        image: `[3, H, W]`, an image that shows it to the neuron in the middle of the map.
    """

    kind: str
    hue: float | None = None
    orientation: float | None = None
    image: Tensor | None = None


@dataclass(eq=False)
class Unit:
    """The truth about one channel.

    Attributes:
        facets: What it wants; none if it is dead.
        recipe: How it is built, in a few words.
        quiet: No gradient comes from noise, although it is not dead.
    """

    layer: str
    channel: int
    facets: list[Facet]
    recipe: str
    quiet: bool = False

    @property
    def dead(self) -> bool:
        return not self.facets

    @property
    def polysemantic(self) -> bool:
        return len(self.facets) > 1

    @property
    def kinds(self) -> list[str]:
        return sorted({facet.kind for facet in self.facets})

    @property
    def hue(self) -> float | None:
        """The hue of a unit with one facet. Of several facets, each has its own."""
        return self.facets[0].hue if len(self.facets) == 1 else None

    @property
    def orientation(self) -> float | None:
        """The orientation of a unit with one facet. Of several facets, each has its own."""
        return self.facets[0].orientation if len(self.facets) == 1 else None


@dataclass(eq=False)
class Planted:
    """A CNN, how to feed it, which layers to probe, and the truth about their channels."""

    seed: int
    style: str
    cnn: nn.Module
    input_shape: tuple[int, int, int]
    mean: list[float] | None
    std: list[float] | None
    layers: list[str]
    units: list[Unit]
    disputable: list[Unit]

    class_path = "tests.planted.PlantedCNN"

    @property
    def init_args(self) -> dict:
        return {"seed": self.seed, "style": self.style}

    def config(self, steps: int | None = None) -> dict:
        """What the command line is given to report on it."""
        subject = {
            "cnn": {"class_path": self.class_path, "init_args": self.init_args},
            "input_shape": list(self.input_shape),
        }
        if self.mean is not None:
            subject |= {"mean": self.mean, "std": self.std}
        whole = {
            "seed_everything": 0,
            "model": {"subject": subject},
            # The logits of these CNNs are the layer itself. Fewer pictures than a person would want
            # to see: what decides is the search for facets, which comes after them.
            "grid": {"layers": self.layers, "classes": None, "seeds": 3, "positions": 1},
            "data": "none",
        }
        return whole | ({"trainer": {"max_steps": steps}} if steps else {})

    @torch.no_grad()
    def middle(self, images: Tensor, layer: str | None = None) -> Tensor:
        """Responses `[N, channels]` of the neurons in the middle of a layer, without the prober."""
        output = run(self, images, layer or self.layers[0])
        return (
            output[:, :, output.shape[2] // 2, output.shape[3] // 2]
            if output.dim() == 4
            else output
        )


def run(planted: Planted, images: Tensor, layer: str) -> Tensor:
    """The output of a layer for images in [0, 1]."""
    mean = torch.tensor(planted.mean or [0.0] * 3).view(3, 1, 1)
    std = torch.tensor(planted.std or [1.0] * 3).view(3, 1, 1)
    kept = {}
    hook = lambda _module, _inputs, output: kept.update(output=output)  # noqa: E731
    handle = planted.cnn.get_submodule(layer).register_forward_hook(hook)
    try:
        planted.cnn((images.float() - mean) / std)
    finally:
        handle.remove()
    return kept["output"]
