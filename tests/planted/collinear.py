"""A style of four convolutions, whose detectors are rectified parts of parts."""

import math

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tests.planted.detectors import (
    Atom,
    brightness_atom,
    embed,
    hue_atom,
    orientation_of,
    stroke_kernel,
    window,
)
from tests.planted.drafts import Design, Draft, convolution, counted, gains, padding_of
from tests.planted.pairs import VALLEY, valley
from tests.planted.recipes import Recipe
from tests.planted.stimuli import ANGLES, FLAT, across, apart, bars_of, offsets_of, phase
from tests.planted.truth import Facet


class _Stage:
    """A detector of two layers: rectified small kernels, and a spatial kernel on each."""

    def __init__(self, small: list[np.ndarray], wide: list[np.ndarray]):
        self.small, self.wide = small, wide  # [3, k, k] each, [K, K] each

    def respond(self, images: np.ndarray) -> np.ndarray:
        """Responses to images `[N, 3, k + K - 1, k + K - 1]`."""
        return self._forward(torch.from_numpy(np.asarray(images, np.float64))).numpy()

    def gray(self, images: np.ndarray) -> np.ndarray:
        """Responses to gray images `[N, K, K]`, whose three colors are the same."""
        small = torch.from_numpy(np.array([kernel.sum(0) for kernel in self.small])).float()
        wide = torch.from_numpy(np.array(self.wide)).float()
        x = torch.from_numpy(images).float()[:, None]
        return F.conv2d(F.conv2d(x, small[:, None]).relu(), wide[None])[:, 0, 0, 0].numpy()

    def climb(self, image: np.ndarray, steps: int = 20) -> np.ndarray:
        """A better image; a sum of rectified detectors is convex, so each step goes up."""
        best, value = image, self.respond(image[None])[0]
        for _ in range(steps):
            x = torch.from_numpy(np.asarray(best, np.float64)[None]).requires_grad_()
            self._forward(x).sum().backward()
            slope = x.grad[0].numpy()
            new = np.where(slope == 0, best, slope > 0)
            if self.respond(new[None])[0] <= value * (1 + 1e-9):
                break
            best, value = new, self.respond(new[None])[0]
        return best

    def scaled(self, factor: float) -> "_Stage":
        return _Stage(self.small, [kernel * factor for kernel in self.wide])

    def _forward(self, x: Tensor) -> Tensor:
        small, wide = (torch.from_numpy(np.array(k, np.float64)) for k in (self.small, self.wide))
        return F.conv2d(F.conv2d(x, small).relu(), wide[None])[:, 0, 0, 0]


def _gray(kernel: np.ndarray) -> np.ndarray:
    return np.stack([kernel / 3] * 3)


def stage_hue(rng: np.random.Generator, small: int, wide: int) -> tuple[_Stage, Facet, np.ndarray]:
    """A window of small rectified patches of one hue."""
    while True:
        atom = hue_atom(rng, small)
        own = window(rng, int(rng.choice([3, wide])))
        stage = _Stage([atom.kernel], [embed(own / own.sum(), wide)])
        hue = phase(np.clip(FLAT @ atom.kernel.sum((1, 2)), 0, None))
        if apart(hue, atom.hue, 360) <= 5:
            break
    color = (atom.kernel.sum((1, 2)) > 0).astype(float)
    size = small + wide - 1
    image = np.broadcast_to(color[:, None, None], (3, size, size)).copy()
    return stage.scaled(1 / stage.respond(image[None])[0]), Facet("color", hue), image


def stage_stroke(
    rng: np.random.Generator, small: int, wide: int, angle: float | None = None
) -> tuple[_Stage, Facet, np.ndarray]:
    """Small collinear lines, or the two edges of a bar side by side."""
    size = small + wide - 1
    for _ in range(100):
        design = rng.uniform(0, 180) if angle is None else angle % 180
        distance = across(wide, design)
        columns, rows = offsets_of(wide)
        length = np.exp(-(columns**2 + rows**2) / (2 * (wide / 3) ** 2))
        if rng.random() < 0.5:
            line = stroke_kernel(rng, small, design, "line") * rng.choice([1, -1])
            weights = np.exp(-(distance**2) / (2 * 0.6**2)) * length
            stage = _Stage([_gray(line)], [weights / weights.sum()])
        else:
            edge = stroke_kernel(rng, small, design, "edge")
            sides = [np.exp(-((distance - s) ** 2) / (2 * 0.6**2)) * length for s in (-1, 1)]
            # The edges rise toward the bar's middle, from either side.
            stage = _Stage([_gray(edge), _gray(-edge)], [s / s.sum() for s in sides])
        measured = orientation_of(stage.gray, size, design)
        if measured is None:
            continue
        bars = bars_of(size)[round(design / 5) % len(ANGLES)]
        image = stage.climb(np.repeat(bars[stage.gray(bars).argmax()][None], 3, 0))
        return (
            stage.scaled(1 / stage.respond(image[None])[0]),
            Facet("shape", None, measured),
            image,
        )
    raise AssertionError("no such stroke")


def _ascend(one: _Stage, other: _Stage, image: np.ndarray) -> np.ndarray:
    """A better image for the minimum of two detectors."""
    x = torch.from_numpy(np.array(image, np.float64))[None].requires_grad_()
    optimizer = torch.optim.Adam([x], lr=0.05)
    best, value = image, -math.inf
    for _ in range(80):
        score = torch.minimum(one._forward(x), other._forward(x)).sum()
        if score.item() > value:
            best, value = x.detach()[0].numpy().copy(), score.item()
        optimizer.zero_grad()
        (-score).backward()
        optimizer.step()
        x.data.clamp_(0, 1)
    return best


def _low(one: _Stage, other: _Stage, x: np.ndarray, y: np.ndarray) -> float:
    """The least of the maximum of two detectors on the line between their optima."""
    way = np.array([x * (1 - t) + y * t for t in np.linspace(0, 1, 41)])
    return float(np.maximum(one.respond(way), other.respond(way)).min())


def draw_collinear(rng: np.random.Generator) -> Design:
    """Four convolutions: small rectified detectors, larger ones of them, two that combine these."""
    draft = Draft(rng)
    small, wide = 5, int(rng.choice([5, 7]))
    size = small + wide - 1
    stages: list[_Stage] = []  # rows of conv2; a row may be a difference of two detectors
    units: list[tuple[Recipe, list[tuple[list[tuple[int, float]], float]]]] = []

    def row(*terms: tuple[_Stage, float]) -> int:
        small_kernels = [k for stage, _ in terms for k in stage.small]
        wide_kernels = [k * factor for stage, factor in terms for k in stage.wide]
        stages.append(_Stage(small_kernels, wide_kernels))
        return len(stages) - 1

    for kind in counted(rng, color=6, shape=8, brightness=2, both=5, either=6, dead=3):
        if kind in ("color", "both", "dead"):
            hue, color, red = stage_hue(rng, small, wide)
        if kind in ("shape", "both"):
            stroke, shape, line = stage_stroke(rng, small, wide)
        if kind in ("color", "shape"):
            stage, facet, image = (hue, color, red) if kind == "color" else (stroke, shape, line)
            drawn = Recipe([], [facet], f"{kind} of rectified parts", images=[image])
            units.append((drawn, [([(row((stage, 1.0)), 1.0)], 1.0)]))
        elif kind == "brightness":
            atom = brightness_atom(rng, small, False)
            own = window(rng, wide)
            stage = _Stage([atom.kernel], [own / own.sum()])
            drawn = Recipe(
                [],
                [Facet("brightness")],
                "bright of rectified parts",
                images=[np.ones((3, size, size))],
            )
            units.append((drawn, [([(row((stage, 1.0)), 1.0)], 1.0)]))
        elif kind == "both":
            flipped = rng.random() < 0.5
            a, b = (stroke, hue) if flipped else (hue, stroke)
            rows = [(row((a, 1.0)), 1.0), (row((a, 1.0), (b, -1.0)), -1.0)]
            tint = red[:, :1, :1]
            mean = line.mean(0)
            looks = [
                tint * mean,
                np.maximum(tint, mean),
                np.where(mean > 0.5, 1.0, tint * 0.6),
                tint * np.clip(mean * 2, 0, 1),
            ]
            looks = np.array([np.broadcast_to(x, line.shape) for x in looks])
            values = np.minimum(hue.respond(looks), stroke.respond(looks))
            facet = Facet("color+shape", color.hue, shape.orientation)
            image = _ascend(hue, stroke, looks[values.argmax()])
            drawn = Recipe([], [facet], "minimum of rectified parts", images=[image])
            units.append((drawn, [(rows, 1.0)]))
        elif kind == "either":
            one, first, x, other, second, y = _two(rng, small, wide)
            weaker = rng.uniform(0.86, 1.0)
            other = other.scaled(weaker)
            strength = rng.uniform(1.5, 3)
            own = [
                other.respond(y[None])[0] - strength * one.respond(y[None])[0],
                one.respond(x[None])[0] - strength * other.respond(x[None])[0],
            ]
            if first.kind != second.kind and min(own) > 0.86 * max(own):
                how = "winner takes all"
                i, j = row((one, 1.0)), row((other, 1.0))
                parts = [([(i, 1.0), (j, -strength)], 1.0), ([(j, 1.0), (i, -strength)], 1.0)]
            else:
                how = "maximum"
                parts = [([(row((other, 1.0)), 1.0), (row((one, 1.0), (other, -1.0)), 1.0)], 1.0)]
            name = f"{how} of rectified parts, {first.kind} or {second.kind}, {weaker:.2f}"
            units.append((Recipe([], [first, second], name, images=[x, y]), parts))
        else:
            drawn = Recipe([], [], "dead: the third convolution subtracts too much")
            past = -float(rng.uniform(1.1, 3))
            units.append((drawn, [([(row((hue, 1.0)), 1.0), (-1, past)], 1.0)]))
    # conv1: all small kernels; conv2: the rows; conv3: their combinations; conv4: the units.
    inner = [k for stage in stages for k in stage.small]
    owners = [i for i, stage in enumerate(stages) for _ in stage.small]
    spatial = [k for stage in stages for k in stage.wide]
    loud = gains(rng, len(inner))
    conv2 = np.zeros((len(stages), len(inner), wide, wide))
    for place, (owner, kernel) in enumerate(zip(owners, spatial, strict=True)):
        conv2[owner, place] = kernel / loud[place]
    parts = [(unit, part) for unit, (_, own) in enumerate(units) for part in own]
    conv3, bias3 = np.zeros((len(parts), len(stages))), np.zeros(len(parts))
    conv4 = np.zeros((len(units), len(parts)))
    for place, (unit, (terms, weight)) in enumerate(parts):
        conv4[unit, place] = weight
        for stage, factor in terms:
            if stage < 0:
                bias3[place] = factor
            else:
                conv3[place, stage] = factor
    louder = gains(rng, len(units))
    modules = [
        ("conv1", draft.first(np.array(inner) * loud[:, None, None, None], np.zeros(len(inner)))),
        ("relu1", nn.ReLU()),
        ("conv2", convolution(conv2, np.zeros(len(stages)), padding=padding_of(rng, wide))),
        ("relu2", nn.ReLU()),
        ("conv3", convolution(conv3[:, :, None, None], bias3)),
        ("relu3", nn.ReLU()),
        (
            "conv4",
            convolution(
                (conv4 * louder[:, None])[:, :, None, None], rng.uniform(-1, 1, len(units)) * louder
            ),
        ),
    ]
    return draft.design(modules, "conv4", [drawn for drawn, _ in units])


def _two(rng: np.random.Generator, small: int, wide: int) -> tuple:
    """Two detectors of rectified parts that are unrelated, with their facets and images."""
    pair = str(rng.choice(["hue or stroke", "two hues", "two strokes"]))
    for _ in range(300):
        if pair == "two strokes":
            one, first, x = stage_stroke(rng, small, wide)
            turned = first.orientation + rng.uniform(35, 145)
            other, second, y = stage_stroke(rng, small, wide, turned)
            curve = [max(one.gray(b).max(), other.gray(b).max()) for b in bars_of(small + wide - 1)]
            i, j = sorted(round(f.orientation / 5) % len(ANGLES) for f in (first, second))
            ways = [curve[i : j + 1], curve[j:] + curve[: i + 1]]
            low = max(min(way) for way in ways) / min(curve[i], curve[j])
        elif pair == "two hues":
            one, first, x = stage_hue(rng, small, wide)
            other, second, y = stage_hue(rng, small, wide)
            if apart(first.hue, second.hue, 360) < 75:
                continue
            kernels = [stage.small[0] for stage in (one, other)]
            low = valley(*(Atom(k, "color", "", 0.0) for k in kernels), 1.0)
        else:
            (one, first, x), (other, second, y) = (
                f(rng, small, wide) for f in (stage_hue, stage_stroke)
            )
            low = 0.0
        if max(low, _low(one, other, x, y)) <= VALLEY:
            return one, first, x, other, second, y
    raise AssertionError("no such maximum")
