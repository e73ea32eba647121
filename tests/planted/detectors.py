"""Detectors of one thing that are linear in the image: of a hue, a stroke, black or white."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from tests.planted.stimuli import ANGLES, FLAT, across, apart, axial, bars_of, offsets_of, phase
from tests.planted.truth import Facet


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


def window(rng: np.random.Generator, size: int) -> np.ndarray:
    """A nonnegative window: a box, a disc or a Gaussian."""
    columns, rows = offsets_of(size)
    squared = columns**2 + rows**2
    form = rng.choice(["box", "disc", "gaussian"])
    if form == "box":
        return np.ones((size, size))
    if form == "disc":
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


def stroke_kernel(rng: np.random.Generator, size: int, angle: float, profile: str) -> np.ndarray:
    """A `[size, size]` kernel of zero sum that wants a bright stroke, or an edge."""
    columns, rows = offsets_of(size)
    distance = across(size, angle)
    radius = np.sqrt(columns**2 + rows**2)
    disc = np.clip(size / 2 + 0.5 - radius, 0, 1)
    if profile == "line":
        envelope = disc * np.exp(-(radius**2) / (2 * (size / 3.2) ** 2))
        kernel = np.exp(-(distance**2) / (2 * rng.uniform(0.7, 1.1) ** 2)) * envelope
    elif profile == "bar":
        envelope = disc
        kernel = np.clip(rng.uniform(1.0, 2.0) / 2 + 0.5 - np.abs(distance), 0, 1) * envelope
    else:
        envelope = disc * np.exp(-(radius**2) / (2 * (size / 3.5) ** 2))
        wave = np.cos if profile == "gabor" else np.sin
        length = rng.uniform(4, 6) if profile == "gabor" else rng.uniform(0.8, 1.2) * size
        kernel = wave(2 * np.pi * distance / length) * envelope
    return kernel - envelope * kernel.sum() / envelope.sum()


def orientation_of(
    respond: Callable[[np.ndarray], np.ndarray], size: int, design: float
) -> float | None:
    """The orientation of a detector, from its responses to gray images `[N, size, size]`.

    None where its pixels turn it away from the design, or the best bar away from the mean: then
    its orientation could be disputed.
    """
    bars = bars_of(size)
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
        profile = str(rng.choice(["line", "bar", "gabor", "edge"], p=[0.3, 0.25, 0.3, 0.15]))
        gray = stroke_kernel(rng, own, design, profile) * rng.choice([1, -1])
        respond = lambda x: x.reshape(len(x), -1) @ gray.ravel()  # noqa: B023, E731
        measured = orientation_of(respond, own, design)
        if measured is None:
            continue
        rec601 = rng.random() < 0.3
        luminance = np.array([0.299, 0.587, 0.114]) if rec601 else np.full(3, 1 / 3)
        kernel = embed(luminance[:, None, None] * gray, size)
        kernel /= top(kernel)
        name = f"{profile} {measured:.0f} in {own}x{own}" + (" rec601" if rec601 else "")
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


def single(rng: np.random.Generator, size: int, kind: str, at_least: int = 1) -> Atom:
    """A detector of one thing, often with crosstalk of the other sort."""
    hue = hue_atom(rng, size, at_least=min(at_least, 7))
    stroke = stroke_atom(rng, size, at_least=max(at_least, 5))
    one, other = (hue, stroke) if kind == "color" else (stroke, hue)
    return crossed(one, other, rng.uniform(0.05, 0.13)) if rng.random() < 0.4 else one
