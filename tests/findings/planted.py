"""CNNs whose units are known by construction: the only test of what is claimed about a unit.

    planted = plant(3)
    planted.cnn, planted.layers, planted.input_shape, planted.mean, planted.std
    planted.units[0].kinds, planted.units[0].facets[0].hue, planted.units[0].recipe

In a YAML file the same CNN is `tests.findings.planted.PlantedCNN` with `init_args: {seed: 3}`; no
checkpoint is needed, its weights follow from the seed. `STYLES` are the ways in which a whole CNN
is put together; eight seeds in a row are of eight styles. Within a CNN the units are put together
by different recipes. Seeds below 100 are for setting thresholds, those from 100 on for the figures.

Nothing here comes from the code that is tested. Where the construction alone does not say what is
true, it is computed from the isolated detector:

- Most detectors are linear in the image. The largest value over all images in [0, 1] is then the
  sum of the positive weights, and the largest value that two of them reach together follows from
  minimax in one dimension. So thresholds, ties and impossibilities are exact.
- A hue is the phase of the first harmonic of the response to flat patches of all hues, s = v = 1.
- An orientation is the axial mean over antialiased bars of all angles, the best width and offset
  at each. It is counterclockwise from the horizontal, while the rows of an image run downward.

What could be disputed is drawn again, or kept in `Planted.disputable`, which is never scored:

- Two hues are at least 75 degrees apart. Closer ones peak at the same corner of the color cube or
  at neighboring ones, so one would rather speak of one broad range of hues. Two strokes are at
  least 35 degrees apart, for bars of the angles between would excite both.
- Whatever the distance, the response falls by at least 15 % between the two optima of a maximum:
  on the straight line between them, and on the way by turning the hue or the bar.
- A sum of two things that one image may have at once is no "either ... or". Sums count as a maximum
  only where no image reaches both thresholds.
- Not scored: a saturating sum of two things, a stroke of either contrast, and a linear stroke of
  one color on its opposite.
"""

import math
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

STYLES = ("single", "mix", "pool", "smooth", "maxout", "opponent", "collinear", "flat")
VALLEY = 0.85  # between two optima the response falls to this share of the lower one, or below


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

    class_path = "tests.findings.planted.PlantedCNN"

    @property
    def init_args(self) -> dict:
        return {"seed": self.seed, "style": self.style}

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


# ------------------------------------------------------------------------------ stimuli


def rgb(hues: np.ndarray) -> np.ndarray:
    """Colors `[..., 3]` of the hues in degrees, at full saturation and value."""
    sector = (np.asarray(hues)[..., None] / 60 + np.array([0.0, 4.0, 2.0])) % 6
    return np.clip(np.abs(sector - 3) - 1, 0, 1)


HUES = np.arange(0, 360, 3.0)
FLAT = rgb(HUES)
ANGLES = np.arange(0, 180, 5.0)


def _offsets(size: int) -> tuple[np.ndarray, np.ndarray]:
    """Columns and rows relative to the middle of a square."""
    rows, columns = np.mgrid[:size, :size] - (size - 1) / 2
    return columns, rows


def across(size: int, angle: float) -> np.ndarray:
    """Each pixel's distance from the line of this angle through the middle of a square."""
    columns, rows = _offsets(size)
    phi = math.radians(angle)
    return columns * math.sin(phi) + rows * math.cos(phi)


def bar(size: int, angle: float, width: float, offset: float = 0.0) -> np.ndarray:
    """An antialiased bar in a square, 1 on 0."""
    return np.clip(width / 2 + 0.5 - np.abs(across(size, angle) - offset), 0, 1)


@cache
def _bars(size: int) -> np.ndarray:
    """All bars `[angles, bars, size, size]`, 1 on 0 and 0 on 1."""
    widths, offsets = (1.0, 1.5, 2.0, 3.0, 4.0), np.arange(-size / 2, size / 2 + 0.1, 0.5)
    bars = np.array(
        [[bar(size, a, w, o) for w in widths for o in offsets] for a in ANGLES], dtype=np.float32
    )
    return np.concatenate([bars, 1 - bars], axis=1)


def phase(responses: np.ndarray) -> float:
    """The phase in degrees of the first harmonic of responses to the hues `HUES`."""
    return math.degrees(np.angle((responses * np.exp(1j * np.radians(HUES))).sum())) % 360


def axial(responses: np.ndarray) -> float:
    """The axial mean of the upper half of responses to the angles `ANGLES`."""
    upper = np.clip(responses - (responses.max() + responses.min()) / 2, 0, None)
    return math.degrees(np.angle((upper * np.exp(2j * np.radians(ANGLES))).sum())) / 2 % 180


def apart(one: float, other: float, period: float) -> float:
    """The distance of two angles in degrees."""
    return abs((one - other + period / 2) % period - period / 2)


# ------------------------------------------------------------------------------ linear detectors


@dataclass(eq=False)
class Atom:
    """A detector that is linear in the image; the largest value over all images is 1.

    Attributes:
        kernel: `[3, K, K]` weights on the image itself.
        kind: What it wants.
        hue: Measured, if it wants a color.
        orientation: Measured, if it wants a stroke.
        name: What it is, in a few words.
    """

    kernel: np.ndarray
    kind: str
    name: str
    hue: float | None = None
    orientation: float | None = None

    def optimum(self) -> np.ndarray:
        """The best image; gray where no weight is."""
        return np.where(self.kernel == 0, 0.5, self.kernel > 0)

    def facet(self) -> Facet:
        return Facet(self.kind, self.hue, self.orientation)


def top(kernel: np.ndarray) -> float:
    """The largest value of a linear detector over all images in [0, 1]."""
    return float(np.clip(kernel, 0, None).sum())


def bottom(kernel: np.ndarray) -> float:
    """The smallest value of a linear detector over all images in [0, 1]."""
    return float(np.clip(kernel, None, 0).sum())


def jointly(one: np.ndarray, other: np.ndarray) -> tuple[float, np.ndarray]:
    """The largest minimum of two linear detectors over all images in [0, 1], and such an image.

    By minimax it is the smallest over the weights l of the largest of l * one + (1 - l) * other.
    """
    weights = np.linspace(0, 1, 401)
    mixed = weights[:, None] * one.ravel() + (1 - weights)[:, None] * other.ravel()
    values = np.clip(mixed, 0, None).sum(1)
    best = int(values.argmin())
    near = [mixed[max(best - 2, 0)] > 0, mixed[min(best + 2, 400)] > 0]
    blends = [near[0] * (1 - t) + near[1] * t for t in np.linspace(0, 1, 21)]
    image = max(blends, key=lambda x: min(one.ravel() @ x, other.ravel() @ x))
    return float(values[best]), image.reshape(one.shape)


def embed(kernel: np.ndarray, size: int) -> np.ndarray:
    """Puts a kernel into the middle of a larger one of zeros."""
    margin = (size - kernel.shape[-1]) // 2
    return np.pad(kernel, [(0, 0)] * (kernel.ndim - 2) + [(margin, margin)] * 2)


def spread(kernel: np.ndarray, dilation: int) -> np.ndarray:
    """A dilated kernel, as it lies on the image."""
    if dilation == 1:
        return kernel
    size = (kernel.shape[-1] - 1) * dilation + 1
    wide = np.zeros((*kernel.shape[:-2], size, size))
    wide[..., ::dilation, ::dilation] = kernel
    return wide


def window(rng: np.random.Generator, size: int) -> np.ndarray:
    """A nonnegative window: a box, a disc or a Gaussian."""
    columns, rows = _offsets(size)
    squared = columns**2 + rows**2
    sort = rng.choice(["box", "disc", "gaussian"])
    if sort == "box":
        return np.ones((size, size))
    if sort == "disc":
        return np.clip(size / 2 + 0.5 - np.sqrt(squared), 0, 1)
    return np.exp(-squared / (2 * (size / 3.5) ** 2))


def hue_atom(
    rng: np.random.Generator, size: int, hue: float | None = None, at_least: int = 1
) -> Atom:
    """A window of cosines on red, green and blue, in half of the cases with some brightness."""
    hue = rng.uniform(0, 360) if hue is None else hue % 360
    own = int(rng.choice([k for k in (1, 3, 5, 7) if at_least <= k <= size]))
    weights = np.cos(np.radians(hue - np.array([0.0, 120.0, 240.0])))
    leak = rng.choice([0.0, rng.uniform(-0.1, 0.1)])
    weights = weights + leak * np.clip(weights, 0, None).sum() / 3
    kernel = embed(weights[:, None, None] * window(rng, own), size)
    kernel /= top(kernel)
    name = f"hue {hue:.0f} in {own}x{own}" + (f" leak {leak:.2f}" if leak else "")
    return Atom(kernel, "color", name, hue=phase(FLAT @ kernel.sum((1, 2))))


def stroke_kernel(rng: np.random.Generator, size: int, angle: float, sort: str) -> np.ndarray:
    """A `[size, size]` kernel of zero sum that wants a bright stroke, or an edge."""
    columns, rows = _offsets(size)
    distance = across(size, angle)
    radius = np.sqrt(columns**2 + rows**2)
    disc = np.clip(size / 2 + 0.5 - radius, 0, 1)
    if sort == "line":
        envelope = disc * np.exp(-(radius**2) / (2 * (size / 3.2) ** 2))
        kernel = np.exp(-(distance**2) / (2 * rng.uniform(0.7, 1.1) ** 2)) * envelope
    elif sort == "bar":
        envelope = disc
        kernel = np.clip(rng.uniform(1.0, 2.0) / 2 + 0.5 - np.abs(distance), 0, 1) * envelope
    else:
        envelope = disc * np.exp(-(radius**2) / (2 * (size / 3.5) ** 2))
        wave = np.cos if sort == "gabor" else np.sin
        length = rng.uniform(4, 6) if sort == "gabor" else rng.uniform(0.8, 1.2) * size
        kernel = wave(2 * np.pi * distance / length) * envelope
    return kernel - envelope * kernel.sum() / envelope.sum()


def orientation_of(
    respond: Callable[[np.ndarray], np.ndarray], size: int, design: float
) -> float | None:
    """The orientation of a detector, from its responses to gray images `[N, size, size]`.

    None where its pixels turn it away from the design, or the best bar away from the mean: then
    its orientation could be disputed.
    """
    bars = _bars(size)
    responses = respond(bars.reshape(-1, size, size)).reshape(bars.shape[:2]).max(1)
    measured, best = axial(responses), float(ANGLES[responses.argmax()])
    fits = apart(measured, design, 180) <= 4 and apart(measured, best, 180) <= 6
    return measured if fits else None


def stroke_atom(
    rng: np.random.Generator, size: int, angle: float | None = None, at_least: int = 5
) -> Atom:
    """A line, bar, Gabor or edge on luminance."""
    for _ in range(100):
        own = int(rng.choice([k for k in (5, 7, 9, 11) if at_least <= k <= size]))
        design = rng.uniform(0, 180) if angle is None else angle % 180
        sort = str(rng.choice(["line", "bar", "gabor", "edge"], p=[0.3, 0.25, 0.3, 0.15]))
        gray = stroke_kernel(rng, own, design, sort) * rng.choice([1, -1])
        respond = lambda x: x.reshape(len(x), -1) @ gray.ravel()  # noqa: B023, E731
        measured = orientation_of(respond, own, design)
        if measured is None:
            continue
        rec601 = rng.random() < 0.3
        luminance = np.array([0.299, 0.587, 0.114]) if rec601 else np.full(3, 1 / 3)
        kernel = embed(luminance[:, None, None] * gray, size)
        kernel /= top(kernel)
        name = f"{sort} {measured:.0f} in {own}x{own}" + (" rec601" if rec601 else "")
        return Atom(kernel, "shape", name, orientation=measured)
    raise AssertionError("no such stroke")


def brightness_atom(rng: np.random.Generator, size: int, dark: bool) -> Atom:
    """A window that wants white, or black; 1 at its best, and 0 at its worst plus the bias."""
    own = int(rng.choice([k for k in (1, 3, 5, 7) if k <= size]))
    luminance = np.array([0.299, 0.587, 0.114]) if rng.random() < 0.3 else np.full(3, 1 / 3)
    kernel = embed(luminance[:, None, None] * window(rng, own), size)
    kernel = kernel / kernel.sum() * (-1 if dark else 1)
    return Atom(kernel, "brightness", f"{'dark' if dark else 'bright'} in {own}x{own}")


def crossed(one: Atom, other: Atom, share: float) -> Atom:
    """The first detector with some crosstalk of the other; still 1 at its best."""
    kernel = one.kernel + share * other.kernel
    name = f"{one.name} +{share:.0%} of {other.name}"
    return Atom(kernel / top(kernel), one.kind, name, one.hue, one.orientation)


# ------------------------------------------------------------------------------ pairs


def single(rng: np.random.Generator, size: int, kind: str, at_least: int = 1) -> Atom:
    """A detector of one thing, often with crosstalk of the other sort."""
    hue = hue_atom(rng, size, at_least=min(at_least, 7))
    stroke = stroke_atom(rng, size, at_least=max(at_least, 5))
    one, other = (hue, stroke) if kind == "color" else (stroke, hue)
    return crossed(one, other, rng.uniform(0.05, 0.13)) if rng.random() < 0.4 else one


def both_of(rng: np.random.Generator, size: int) -> tuple[Atom, Atom, float, np.ndarray]:
    """A hue and a stroke for a minimum, its largest value and an image that reaches it.

    Neither a flat image nor one without color reaches a third of it.
    """
    for _ in range(100):
        hue, stroke = hue_atom(rng, size, at_least=3), stroke_atom(rng, size)
        if rng.random() < 0.4:
            share = rng.uniform(0.04, 0.1)
            hue, stroke = crossed(hue, stroke, share), crossed(stroke, hue, share)
        weaker = rng.uniform(0.8, 1.0)
        stroke.kernel = stroke.kernel * weaker
        value, image = jointly(hue.kernel, stroke.kernel)
        flat = max(
            min(hue.kernel.sum((1, 2)) @ c, stroke.kernel.sum((1, 2)) @ c)
            for c in [*FLAT, np.ones(3)]
        )
        gray = jointly(hue.kernel.sum(0), stroke.kernel.sum(0))[0]
        if value > 0.2 and max(flat, gray) < 0.33 * value:
            return hue, stroke, value, image
    raise AssertionError("no such minimum")


def valley(one: Atom, other: Atom, weaker: float, threshold: float = 0.0) -> float:
    """How low a maximum falls between its optima, as a share of the lower one.

    The highest of the ways: the straight line between the optima, and turning the hue or the bar.
    """
    a, b = one.kernel.ravel(), other.kernel.ravel() * weaker
    x, y = one.optimum().ravel(), other.optimum().ravel()
    x, y = np.where(a == 0, y, x), np.where(b == 0, x, y)
    t = np.linspace(0, 1, 101)
    height = lambda u, v: np.clip(np.maximum(u, v) - threshold, 0, None)  # noqa: E731
    lows = [
        height(a @ x + t * (a @ (y - x)), b @ x + t * (b @ (y - x))).min() / (weaker - threshold)
    ]
    if one.kind == other.kind == "color":
        curves = [FLAT @ one.kernel.sum((1, 2)), weaker * (FLAT @ other.kernel.sum((1, 2)))]
        tips = [HUES[curve.argmax()] for curve in curves]
    elif one.kind == other.kind == "shape":
        bars = _bars(one.kernel.shape[-1])
        curves = [
            (bars.reshape(*bars.shape[:2], -1) @ k.sum(0).ravel()).max(1)
            for k in (one.kernel, other.kernel * weaker)
        ]
        tips = [one.orientation // 5 * 5, other.orientation // 5 * 5]
    else:
        return max(lows)
    positions = HUES if one.kind == "color" else ANGLES
    curve = height(*curves)
    i, j = sorted(int(np.argmin(np.abs(positions - tip))) for tip in tips)
    peak = min(height(*(c[i] for c in curves)), height(*(c[j] for c in curves)))
    for way in (curve[i : j + 1], np.concatenate([curve[j:], curve[: i + 1]])):
        lows.append(float(way.min() / max(peak, 1e-9)))
    return max(lows)


def either_of(
    rng: np.random.Generator, size: int, sort: str, threshold: float = 0.0, at_least: int = 1
) -> tuple[Atom, Atom, float]:
    """Two unrelated detectors and the weaker one's share of the stronger one's optimum.

    Args:
        rng: Draws them.
        size: The kernels' size.
        sort: `hue or stroke`, `two hues` or `two strokes`.
        threshold: What the unit subtracts before a ReLU, in units of the better optimum.
        at_least: The least size of the detectors themselves.
    """
    for _ in range(300):
        if sort == "hue or stroke":
            one = hue_atom(rng, size, at_least=min(at_least, 7))
            other = stroke_atom(rng, size, at_least=max(at_least, 5))
            if rng.random() < 0.4:
                share = rng.uniform(0.05, 0.13)
                one, other = crossed(one, other, share), crossed(other, one, share)
        elif sort == "two hues":
            one = hue_atom(rng, size, at_least=min(at_least, 7))
            turned = one.hue + rng.uniform(75, 285)
            other = hue_atom(rng, size, turned, at_least=min(at_least, 7))
        else:
            one = stroke_atom(rng, size, at_least=max(at_least, 5))
            turned = one.orientation + rng.uniform(35, 145)
            other = stroke_atom(rng, size, turned, at_least=max(at_least, 5))
        if rng.random() < 0.5:
            one, other = other, one
        # "15 % apart" holds for what comes out, after the threshold is subtracted.
        weaker = threshold + (1 - threshold) * rng.uniform(0.86, 1.0)
        if valley(one, other, weaker, threshold) <= VALLEY:
            return one, other, weaker
    raise AssertionError("no such maximum")


# ------------------------------------------------------------------------------ recipes


@dataclass(eq=False)
class Recipe:
    """A unit as a sum of rectified linear detectors: bias + sum of weight * act(kernel + bias).

    Attributes:
        rows: Kernel, bias and outer weight of each rectified detector; a weight of None stands
            for a pair of rectified opposites that lets the detector through as it is.
        facets: The truth, with each facet's image of the kernel's size.
        name: The recipe in words.
        best: The largest value.
        quiet: Rectified so that noise does not reach the threshold.
        threshold: Subtracted before a final ReLU, in units of the value.
    """

    rows: list[tuple[np.ndarray, float, float | None]]
    facets: list[Facet]
    name: str
    best: float = 1.0
    quiet: bool = False
    threshold: float = 0.0
    disputable: bool = False
    images: list[np.ndarray] = field(default_factory=list)


KINDS = ["color", "shape", "brightness", "both", "either", "dead"]


def recipe(rng: np.random.Generator, size: int, kind: str, act: str, final: str) -> Recipe:
    """Draws a unit.

    Args:
        rng: Draws it.
        size: The kernels' size.
        kind: One of `KINDS`, or `disputable`.
        act: Behind the kernels: `relu`, or `smooth` for what only comes close to one.
        final: Behind the sum: `relu`, or `none`.
    """
    pick = lambda *choices: str(rng.choice(choices))  # noqa: E731
    hard, ends = act == "relu", final == "relu"
    if kind in ("color", "shape"):
        how = pick("linear", *(["saturating", "quiet", "quiet"] if hard else ["saturating"]))
        atom = single(rng, size, kind, at_least=5 if how == "quiet" else 1)
        k, facet, images = atom.kernel, atom.facet(), [atom.optimum()]
        if how == "linear":
            threshold = rng.uniform(-0.2, 0.3) if ends else 0.0
            return Recipe([(k, 0, None)], [facet], atom.name, threshold=threshold, images=images)
        if how == "saturating":
            cut = rng.uniform(0.65, 0.9)
            facet.hue = facet.hue and phase(np.clip(FLAT @ k.sum((1, 2)), 0, cut))
            rows = [(k, 0, 1.0), (k, -cut, -1.0)]
            return Recipe(rows, [facet], f"{atom.name} saturating at {cut:.2f}", cut, images=images)
        threshold = rng.uniform(0.5, 0.8)
        name = f"{atom.name} above {threshold:.2f}"
        if facet.hue is not None:
            facet.hue = phase(np.clip(FLAT @ k.sum((1, 2)) - threshold, 0, None))
            if apart(facet.hue, atom.hue, 360) > 5:  # which of the two it wants could be disputed
                return recipe(rng, size, kind, act, final)
        if ends and rng.random() < 0.5:
            unit = Recipe([(k, 0, None)], [facet], name, threshold=threshold, images=images)
        else:
            unit = Recipe([(k, -threshold, 1.0)], [facet], name, 1 - threshold, images=images)
        unit.quiet = True
        return unit
    if kind == "brightness":
        dark = rng.random() < 0.4
        atom = brightness_atom(rng, size, dark)
        return Recipe(
            [(atom.kernel, 1.0 if dark else 0.0, None)],
            [atom.facet()],
            atom.name,
            threshold=rng.uniform(-0.2, 0.6) if ends else 0.0,
            images=[atom.optimum()],
        )
    if kind == "both":
        hue, stroke, value, image = both_of(rng, size)
        facet = Facet("color+shape", hue.hue, stroke.orientation)
        a, b = hue.kernel, stroke.kernel
        how = pick("minimum", "minimum", *(["and", "gate"] if ends and hard else []))
        names = f"{hue.name} and {stroke.name}"
        if how == "minimum":
            rows = (
                [(a, 0, None), (a - b, 0, -1.0)]
                if rng.random() < 0.5
                else [(b, 0, None), (b - a, 0, -1.0)]
            )
            share = rng.uniform(0.5, 0.75) if ends and hard and rng.random() < 0.5 else 0.0
            return Recipe(
                rows,
                [facet],
                f"minimum of {names}" + (f" above {share:.2f}" if share else ""),
                value,
                quiet=share > 0,
                threshold=share * value,
                images=[image],
            )
        if how == "and":
            cut = 0.9 * value
            rows = [(a, 0, 1.0), (a, -cut, -1.0), (b, 0, 1.0), (b, -cut, -1.0)]
            threshold = rng.uniform(1.1, 1.5) * cut
            return Recipe(
                rows,
                [facet],
                f"{names}, saturated, sum above {threshold / cut:.2f}",
                2 * cut,
                threshold=threshold,
                images=[image],
            )
        gate = 0.8 * value
        veto = rng.uniform(1.2, 2) / gate
        if rng.random() < 0.5:
            a, b = b, a
        name = f"{names}, one gated by the other"
        rows = [(a, 0, None), (-b, gate, -veto)]
        return Recipe(rows, [facet], name, value, threshold=0.0, images=[image])
    if kind == "either":
        sort = pick("hue or stroke", "two hues", "two strokes")
        how = pick("maximum", "maximum", *(["quiet", "sum"] if hard else []))
        if how == "maximum" and sort == "two hues" and hard and rng.random() < 0.3:
            atom = hue_atom(rng, size)
            k = atom.kernel
            weaker = rng.uniform(0.86, 1.0)
            opposite = Atom(-k / top(-k), "color", "", phase(-(FLAT @ k.sum((1, 2)))))
            rows = [(k, 0, 1.0), (opposite.kernel, 0, weaker)]
            if (
                valley(atom, opposite, weaker) <= VALLEY
                and bottom(k) < -0.5
                and (jointly(k, opposite.kernel)[0] < 0.02)
            ):
                return Recipe(
                    rows,
                    [atom.facet(), opposite.facet()],
                    f"{atom.name} or its opposite",
                    images=[atom.optimum(), opposite.optimum()],
                )
        if how == "sum":
            return _sum(rng, size, sort)
        threshold = rng.uniform(0.5, 0.75) if how == "quiet" and ends else 0.0
        one, other, weaker = either_of(rng, size, sort, threshold, 5 if threshold else 1)
        a, b = one.kernel, other.kernel * weaker
        rows = [(b, 0, None), (a - b, 0, 1.0)]
        name = f"maximum of {one.name} and {weaker:.2f} of {other.name}"
        return Recipe(
            rows,
            [one.facet(), other.facet()],
            name + (f" above {threshold:.2f}" if threshold else ""),
            quiet=threshold > 0,
            threshold=threshold,
            images=[one.optimum(), other.optimum()],
        )
    if kind == "dead":
        how = pick("zero", *(["bound", "parents"] if hard else []), *(["final"] if ends else []))
        atom = single(rng, size, pick("color", "shape"))
        if how == "zero":
            return Recipe([], [], "dead: no weights")
        if how == "final":
            past = rng.uniform(1.1, 2)
            return Recipe(
                [(atom.kernel, 0, None)], [], f"dead: {atom.name} above {past:.2f}", threshold=past
            )
        past = [rng.uniform(1.05, 2) for _ in range(2)]
        rows = [(atom.kernel, -past[0], 1.0)]
        if how == "parents":
            rows.append((hue_atom(rng, size).kernel, -past[1], -1.0))
        return Recipe(rows, [], f"dead: reads {len(rows)} dead detectors")
    sort = pick("or", "contrast", "opponent")
    hue, stroke = hue_atom(rng, size), stroke_atom(rng, size)
    if sort == "or":
        rows = [(hue.kernel, 0, 1.0), (stroke.kernel, 0, 1.0)]
        return Recipe(
            rows,
            [hue.facet(), stroke.facet()],
            "sum of a hue and a stroke",
            disputable=True,
            images=[hue.optimum(), stroke.optimum()],
        )
    if sort == "contrast":
        rows = [(stroke.kernel, 0, 1.0), (-stroke.kernel, 0, 1.0)]
        return Recipe(
            rows,
            [stroke.facet()],
            "a stroke of either contrast",
            disputable=True,
            images=[stroke.optimum()],
        )
    gray = stroke.kernel.sum(0)
    color = np.cos(np.radians(hue.hue - np.array([0.0, 120.0, 240.0])))
    kernel = color[:, None, None] * gray
    facet = Facet("color+shape", hue.hue, stroke.orientation)
    return Recipe(
        [(kernel / top(kernel), 0, None)],
        [facet],
        "a stroke of a hue on its opposite",
        disputable=True,
        images=[(kernel > 0).astype(float)],
    )


def _sum(rng: np.random.Generator, size: int, sort: str) -> Recipe:
    """The sum of two rectified detectors of which no image reaches both thresholds: a maximum."""
    for _ in range(100):
        one, other, _ = either_of(rng, size, sort)
        threshold = jointly(one.kernel, other.kernel)[0] + 0.02
        if threshold > 0.8:
            continue
        weaker = rng.uniform(0.86, 1.0)
        facets = [one.facet(), other.facet()]
        rows = [(one.kernel, -threshold, 1.0), (other.kernel, -threshold, weaker)]
        name = f"sum of {one.name} and {weaker:.2f} of {other.name}, each above {threshold:.2f}"
        return Recipe(rows, facets, name, 1 - threshold, images=[one.optimum(), other.optimum()])
    return _sum(rng, size, "hue or stroke")


# ------------------------------------------------------------------------------ CNNs


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


class Maxout(nn.Module):
    """The largest of every so many channels in a row."""

    def __init__(self, pieces: int):
        super().__init__()
        self.pieces = pieces

    def forward(self, x: Tensor) -> Tensor:
        return x.unflatten(1, (-1, self.pieces)).amax(2)


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


def _rows(
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


def _last(
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


def _padding(rng: np.random.Generator, size: int, dilation: int = 1) -> int:
    return int(rng.choice([0, (size - 1) * dilation // 2]))


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
    outer, shifted = _last(rng, np.eye(len(rows)), bias, recipes, final)
    kernels = np.einsum("ij,jckl->ickl", outer, kernels)
    modules = [("conv1", draft.first(kernels, shifted, padding=_padding(rng, size)))]
    if rng.random() < 0.5:
        modules = _normalized(rng, modules[0][1], "conv1", "bn1")
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


def _normalized(
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


MIXED = {
    "color": 6,
    "shape": 6,
    "brightness": 2,
    "both": 5,
    "either": 7,
    "dead": 3,
    "disputable": 1,
}


def draw_mix(rng: np.random.Generator) -> Design:
    """Detectors, a ReLU, and a second convolution that is probed before its own ReLU."""
    draft = Draft(rng)
    size, dilation = (int(rng.choice([7, 9, 11])), 1) if rng.random() < 0.7 else (7, 2)
    recipes = [recipe(rng, size, kind, "relu", "none") for kind in counted(rng, **MIXED)]
    kernels, biases, outer, bias = _rows(rng, recipes, size)
    weight, bias = _last(rng, outer, bias, recipes, "none")
    first = draft.first(
        kernels,
        biases,
        stride=int(rng.choice([1, 1, 2])),
        padding=_padding(rng, size, dilation),
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
    kernels, biases, outer, bias = _rows(rng, recipes, size)
    weight, bias = _last(rng, outer, bias, recipes, "relu")
    modules = [
        ("conv1", draft.first(kernels, biases, padding=_padding(rng, size))),
        ("relu1", nn.ReLU()),
        *_normalized(rng, convolution(weight[:, :, None, None], bias), "conv2", "bn2"),
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
    kernels, biases, outer, bias = _rows(rng, recipes, size, leak, scale, offsets=False)
    weight, bias = _last(rng, outer, bias, recipes, "none")
    modules = [
        ("conv1", draft.first(kernels, biases, padding=_padding(rng, size))),
        ("act1", act),
        *_normalized(rng, convolution(weight[:, :, None, None], bias), "conv2", "bn2"),
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
            sort = str(rng.choice(["hue or stroke", "two hues", "two strokes"]))
            one, other, weaker = either_of(rng, size, sort, share, 5)
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
                kernels * inner[:, None, None, None], biases * inner, padding=_padding(rng, size)
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
    kernels, biases, outer, bias = _rows(rng, recipes, size)
    weight, bias = _last(rng, outer, bias, recipes, "relu")
    coefficients = np.einsum("ji,nikl->njkl", np.linalg.inv(basis).T, kernels)
    coefficients /= loud[:, None, None] * (1 + leak)
    second = np.concatenate([coefficients, -coefficients], axis=1)
    modules = [
        ("conv1", draft.first(front[:, :, None, None], np.zeros(6))),
        ("act1", act),
        ("conv2", convolution(second, biases, padding=_padding(rng, size))),
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
    kernels, biases, outer, bias = _rows(rng, recipes, size)
    weight, bias = _last(rng, outer, bias, recipes, "relu")
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


# ------------------------------------------------------------------------------ several layers


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
        columns, rows = _offsets(wide)
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
        bars = _bars(size)[round(design / 5) % len(ANGLES)]
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
        ("conv2", convolution(conv2, np.zeros(len(stages)), padding=_padding(rng, wide))),
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
    sort = str(rng.choice(["hue or stroke", "two hues", "two strokes"]))
    for _ in range(300):
        if sort == "two strokes":
            one, first, x = stage_stroke(rng, small, wide)
            turned = first.orientation + rng.uniform(35, 145)
            other, second, y = stage_stroke(rng, small, wide, turned)
            curve = [max(one.gray(b).max(), other.gray(b).max()) for b in _bars(small + wide - 1)]
            i, j = sorted(round(f.orientation / 5) % len(ANGLES) for f in (first, second))
            ways = [curve[i : j + 1], curve[j:] + curve[: i + 1]]
            low = max(min(way) for way in ways) / min(curve[i], curve[j])
        elif sort == "two hues":
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
