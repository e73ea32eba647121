"""Two detectors that make sense together: for a minimum, or for a maximum."""

import numpy as np

from tests.planted.detectors import Atom, crossed, hue_atom, jointly, stroke_atom
from tests.planted.stimuli import ANGLES, FLAT, HUES, bars_of

VALLEY = 0.85  # between two optima the response falls to this share of the lower one, or below


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
        bars = bars_of(one.kernel.shape[-1])
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
    rng: np.random.Generator, size: int, pair: str, threshold: float = 0.0, at_least: int = 1
) -> tuple[Atom, Atom, float]:
    """Two unrelated detectors and the weaker one's share of the stronger one's optimum.

    Args:
        rng: Draws them.
        size: The kernels' size.
        pair: `hue or stroke`, `two hues` or `two strokes`.
        threshold: What the unit subtracts before a ReLU, in units of the better optimum.
        at_least: The least size of the detectors themselves.
    """
    for _ in range(300):
        if pair == "hue or stroke":
            one = hue_atom(rng, size, at_least=min(at_least, 7))
            other = stroke_atom(rng, size, at_least=max(at_least, 5))
            if rng.random() < 0.4:
                share = rng.uniform(0.05, 0.13)
                one, other = crossed(one, other, share), crossed(other, one, share)
        elif pair == "two hues":
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
