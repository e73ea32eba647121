"""Styles of one layer of detectors, and what combines them."""

import numpy as np
import torch
from torch import Tensor, nn

from tests.planted.detectors import brightness_atom, single
from tests.planted.drafts import (
    Design,
    Draft,
    convolution,
    counted,
    gains,
    padding_of,
    two_layers,
    with_gains,
    with_normalization,
)
from tests.planted.pairs import both_of, either_of
from tests.planted.recipes import Recipe, recipe
from tests.planted.stimuli import FLAT, apart, phase
from tests.planted.truth import Facet

MIXED = {
    "color": 6,
    "shape": 6,
    "brightness": 2,
    "both": 5,
    "either": 7,
    "dead": 3,
    "disputable": 1,
}


class Maxout(nn.Module):
    """The largest of every so many channels in a row."""

    def __init__(self, pieces: int):
        super().__init__()
        self.pieces = pieces

    def forward(self, x: Tensor) -> Tensor:
        return x.unflatten(1, (-1, self.pieces)).amax(2)


def draw_single(rng: np.random.Generator) -> Design:
    """Linear detectors before or behind an activation and a pooling."""
    draft = Draft(rng)
    size = int(rng.choice([7, 9, 11]))
    act = str(rng.choice(["none", "relu", "relu", "gelu", "silu", "leaky"]))
    recipes = []
    for kind in counted(rng, color=10, shape=10, brightness=4, dead=4):
        while True:
            drawn = recipe(rng, size, kind, "smooth", "relu" if act == "relu" else "none")
            if len(drawn.rows) < 2:
                break
        if act == "relu" and kind in ("color", "shape") and rng.random() < 0.5:
            atom = single(rng, size, kind, at_least=5)
            share = float(rng.uniform(0.5, 0.8))
            facet = atom.facet()
            if kind == "color":
                facet.hue = phase(np.clip(FLAT @ atom.kernel.sum((1, 2)) - share, 0, None))
            if kind == "shape" or apart(facet.hue, atom.hue, 360) <= 5:
                drawn = Recipe(
                    [(atom.kernel, 0, None)],
                    [facet],
                    f"{atom.name} above {share:.2f}",
                    quiet=True,
                    threshold=share,
                    images=[atom.optimum()],
                )
        recipes.append(drawn)
    zero = (np.zeros((3, size, size)), 0.0, None)
    rows = [(drawn.rows or [zero])[0] for drawn in recipes]
    kernels, bias = np.array([row[0] for row in rows]), np.array([row[1] for row in rows])
    final = {"relu": "relu", "gelu": "smooth", "silu": "smooth"}.get(act, "none")
    outer, shifted = with_gains(rng, np.eye(len(rows)), bias, recipes, final)
    kernels = np.einsum("ij,jckl->ickl", outer, kernels)
    modules = [("conv1", draft.first(kernels, shifted, padding=padding_of(rng, size)))]
    if rng.random() < 0.5:
        modules = with_normalization(rng, modules[0][1], "conv1", "bn1")
    activations = {
        "relu": nn.ReLU(),
        "gelu": nn.GELU(),
        "silu": nn.SiLU(),
        "leaky": nn.LeakyReLU(0.1),
    }
    if act != "none":
        modules.append(("act1", activations[act]))
        pool = str(rng.choice(["none", "max", "average"]))
        if pool != "none":
            modules.append(("pool1", nn.MaxPool2d(2) if pool == "max" else nn.AvgPool2d(2)))
    return draft.design(modules, modules[-1][0], recipes)


def draw_mix(rng: np.random.Generator) -> Design:
    """Detectors, a ReLU, and a second convolution that is probed before its own ReLU."""
    draft = Draft(rng)
    size, dilation = (int(rng.choice([7, 9, 11])), 1) if rng.random() < 0.7 else (7, 2)
    recipes = [recipe(rng, size, kind, "relu", "none") for kind in counted(rng, **MIXED)]
    kernels, biases, outer, bias = two_layers(rng, recipes, size)
    weight, bias = with_gains(rng, outer, bias, recipes, "none")
    first = draft.first(
        kernels,
        biases,
        stride=int(rng.choice([1, 1, 2])),
        padding=padding_of(rng, size, dilation),
        dilation=dilation,
    )
    modules = [
        ("conv1", first),
        ("relu1", nn.ReLU()),
        ("conv2", convolution(weight[:, :, None, None], bias)),
    ]
    return draft.design([*modules, ("relu2", nn.ReLU())], "conv2", recipes, dilation)


def draw_pool(rng: np.random.Generator) -> Design:
    """Detectors, a second convolution with thresholds, a ReLU, a maximum pooling."""
    draft = Draft(rng)
    size = int(rng.choice([7, 9]))
    recipes = [recipe(rng, size, kind, "relu", "relu") for kind in counted(rng, **MIXED)]
    kernels, biases, outer, bias = two_layers(rng, recipes, size)
    weight, bias = with_gains(rng, outer, bias, recipes, "relu")
    modules = [
        ("conv1", draft.first(kernels, biases, padding=padding_of(rng, size))),
        ("relu1", nn.ReLU()),
        *with_normalization(rng, convolution(weight[:, :, None, None], bias), "conv2", "bn2"),
        ("relu2", nn.ReLU()),
        ("pool2", nn.MaxPool2d(int(rng.choice([2, 3])), 2)),
    ]
    return draft.design(modules, "pool2", recipes)


def draw_smooth(rng: np.random.Generator) -> Design:
    """GELU, SiLU or LeakyReLU in place of ReLU, and batch normalization at the end."""
    draft = Draft(rng)
    size = int(rng.choice([7, 9]))
    name, leak, scale = [("gelu", 0.0, 15.0), ("silu", 0.0, 30.0), ("leaky", 0.04, 1.0)][
        rng.integers(3)
    ]
    act = {"gelu": nn.GELU(), "silu": nn.SiLU(), "leaky": nn.LeakyReLU(leak)}[name]
    recipes = [recipe(rng, size, kind, "smooth", "none") for kind in counted(rng, **MIXED)]
    kernels, biases, outer, bias = two_layers(rng, recipes, size, leak, scale, offsets=False)
    weight, bias = with_gains(rng, outer, bias, recipes, "none")
    modules = [
        ("conv1", draft.first(kernels, biases, padding=padding_of(rng, size))),
        ("act1", act),
        *with_normalization(rng, convolution(weight[:, :, None, None], bias), "conv2", "bn2"),
    ]
    return draft.design(modules, "bn2", recipes)


def draw_maxout(rng: np.random.Generator) -> Design:
    """Maxima of three linear pieces, and a convolution of one weight a channel, half negative."""
    draft = Draft(rng)
    size = int(rng.choice([7, 9, 11]))
    never = (np.zeros((3, size, size)), -9.0)
    pieces, recipes, signs = [], [], []
    for kind in counted(rng, color=6, shape=6, brightness=2, both=6, either=7, dead=3):
        sign = 1
        if kind in ("color", "shape"):
            atom = single(rng, size, kind, at_least=5)
            facets, images, own, name = (
                [atom.facet()],
                [atom.optimum()],
                [(atom.kernel, 0)],
                atom.name,
            )
            share = float(rng.uniform(0.5, 0.8))
            quiet = rng.random() < 0.4
            if quiet and kind == "color":
                facets[0].hue = phase(np.clip(FLAT @ atom.kernel.sum((1, 2)), share, None))
                quiet = apart(facets[0].hue, atom.hue, 360) <= 5
                facets[0].hue = facets[0].hue if quiet else atom.hue
            if quiet:
                own, name = [*own, (never[0], share)], f"{name} above {share:.2f}"
            drawn = Recipe([], facets, name, quiet=quiet, images=images)
        elif kind == "brightness":
            atom = brightness_atom(rng, size, rng.random() < 0.4)
            own = [(atom.kernel, 0)]
            drawn = Recipe([], [atom.facet()], atom.name, images=[atom.optimum()])
        elif kind == "both":
            hue, stroke, value, image = both_of(rng, size)
            own, sign = [(-hue.kernel, 0), (-stroke.kernel, 0)], -1
            cut = float(rng.choice([9.0, rng.uniform(0.7, 0.95) * value]))
            own.append((never[0], -cut))
            facet = Facet("color+shape", hue.hue, stroke.orientation)
            name = f"minimum of {hue.name} and {stroke.name}" + ("" if cut == 9 else " saturating")
            drawn = Recipe([], [facet], name, value, images=[image])
        elif kind == "either":
            share = float(rng.choice([0.0, rng.uniform(0.5, 0.75)]))
            pair = str(rng.choice(["hue or stroke", "two hues", "two strokes"]))
            one, other, weaker = either_of(rng, size, pair, share, 5)
            own = [(one.kernel, 0), (other.kernel * weaker, 0)]
            if share:
                own.append((never[0], share))
            name = f"maximum of {one.name} and {weaker:.2f} of {other.name}"
            name += f" above {share:.2f}" if share else ""
            drawn = Recipe(
                [],
                [one.facet(), other.facet()],
                name,
                quiet=share > 0,
                images=[one.optimum(), other.optimum()],
            )
        else:
            atom = single(rng, size, "shape")
            own = (
                [(never[0], 0.5)]
                if rng.random() < 0.5
                else [(atom.kernel, 0), (never[0], rng.uniform(1.05, 2))]
            )
            drawn = Recipe([], [], "dead: a constant is the largest piece")
        own = [own[i] for i in rng.permutation(len(own))]
        pieces.extend([*own, *[never if kind == "dead" else own[0]] * (3 - len(own))])
        recipes.append(drawn)
        signs.append(sign)
    flips = np.array(signs)
    scale = gains(rng, len(recipes))
    kernels, biases = np.array([p[0] for p in pieces]), np.array([p[1] for p in pieces])
    inner = np.repeat(10 ** rng.uniform(-1, 1, len(recipes)), 3)
    modules = [
        (
            "conv1",
            draft.first(
                kernels * inner[:, None, None, None], biases * inner, padding=padding_of(rng, size)
            ),
        ),
        ("maxout", Maxout(3)),
        (
            "conv2",
            convolution(
                np.diag(flips * scale)[:, :, None, None], rng.normal(size=len(flips)) * scale
            ),
        ),
    ]
    return draft.design(modules, "conv2", recipes)


def draw_opponent(rng: np.random.Generator) -> Design:
    """Rectified opponent colors first; a second convolution for space, a third to combine."""
    draft = Draft(rng)
    size = int(rng.choice([7, 9]))
    recipes = [recipe(rng, size, kind, "relu", "relu") for kind in counted(rng, **MIXED)]
    basis = np.array([[1, -1, 0], [-0.5, -0.5, 1], [1 / 3, 1 / 3, 1 / 3]])
    act, leak = [(nn.ReLU(), 0.0), (nn.GELU(), 0.0), (nn.LeakyReLU(0.1), 0.1)][rng.integers(3)]
    loud = 10 ** rng.uniform(-0.5, 0.5, 3)
    front = np.concatenate([basis, -basis]) * np.tile(loud, 2)[:, None]
    kernels, biases, outer, bias = two_layers(rng, recipes, size)
    weight, bias = with_gains(rng, outer, bias, recipes, "relu")
    coefficients = np.einsum("ji,nikl->njkl", np.linalg.inv(basis).T, kernels)
    coefficients /= loud[:, None, None] * (1 + leak)
    second = np.concatenate([coefficients, -coefficients], axis=1)
    modules = [
        ("conv1", draft.first(front[:, :, None, None], np.zeros(6))),
        ("act1", act),
        ("conv2", convolution(second, biases, padding=padding_of(rng, size))),
        ("relu2", nn.ReLU()),
        ("conv3", convolution(weight[:, :, None, None], bias)),
        ("relu3", nn.ReLU()),
    ]
    return draft.design(modules, "relu3", recipes)


def draw_flat(rng: np.random.Generator) -> Design:
    """The largest value of each channel over the whole image, and a linear layer of copies."""
    draft = Draft(rng)
    size = int(rng.choice([7, 9]))
    kinds = counted(rng, color=6, shape=6, brightness=2, both=5, either=7, dead=2)
    recipes = [recipe(rng, size, kind, "relu", "relu") for kind in kinds]
    kernels, biases, outer, bias = two_layers(rng, recipes, size)
    weight, bias = with_gains(rng, outer, bias, recipes, "relu")
    # Copies in another order, and one unit more that reads nothing.
    order = rng.permutation(len(recipes))
    head, out = nn.Linear(len(recipes), len(recipes) + 1), nn.Linear(len(recipes) + 1, 2)
    with torch.no_grad():
        copies = np.concatenate(
            [np.diag(gains(rng, len(recipes)) ** 0.25)[order], np.zeros((1, len(recipes)))]
        )
        head.weight.copy_(torch.from_numpy(copies))
        head.bias.copy_(torch.from_numpy(rng.normal(size=len(recipes) + 1)))
        out.weight.fill_(0.1)
        out.bias.zero_()
    modules = [
        # No padding: zeros beyond the edge would look like strokes to the maximum over all places.
        ("conv1", draft.first(kernels, biases)),
        ("relu1", nn.ReLU()),
        ("conv2", convolution(weight[:, :, None, None], bias)),
        ("relu2", nn.ReLU()),
        ("pool", nn.AdaptiveMaxPool2d(1)),
        ("flatten", nn.Flatten()),
        ("head", head),
        ("relu", nn.ReLU()),
        ("out", out),
    ]
    copied = [recipes[i] for i in order]
    return draft.design(modules, "head", [*copied, Recipe([], [], "dead: no weights")])
