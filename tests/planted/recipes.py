"""Units as sums of rectified detectors."""

from dataclasses import dataclass, field

import numpy as np

from tests.planted.detectors import (
    Atom,
    bottom,
    brightness_atom,
    hue_atom,
    jointly,
    single,
    stroke_atom,
    top,
)
from tests.planted.pairs import VALLEY, both_of, either_of, valley
from tests.planted.stimuli import FLAT, apart, phase
from tests.planted.truth import Facet


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


def recipe(rng: np.random.Generator, size: int, kind: str, act: str, final: str) -> Recipe:
    """Draws a unit.

    Args:
        rng: Draws it.
        size: The kernels' size.
        kind: `color`, `shape`, `brightness`, `both`, `either`, `dead` or `disputable`.
        act: Behind the kernels: `relu`, or `smooth` for what only comes close to one.
        final: Behind the sum: `relu`, or `none`.
    """
    match kind:
        case "color" | "shape":
            return _one_thing(rng, size, kind, act, final)
        case "brightness":
            return _brightness(rng, size, final)
        case "both":
            return _both(rng, size, act, final)
        case "either":
            return _either(rng, size, act, final)
        case "dead":
            return _dead(rng, size, act, final)
    return _disputable(rng, size)


def _pick(rng: np.random.Generator, *choices: str) -> str:
    return str(rng.choice(choices))


def _one_thing(rng: np.random.Generator, size: int, kind: str, act: str, final: str) -> Recipe:
    """A hue or a stroke: as it is, saturating, or above a threshold that noise does not reach."""
    how = _pick(
        rng, "linear", *(["saturating", "quiet", "quiet"] if act == "relu" else ["saturating"])
    )
    atom = single(rng, size, kind, at_least=5 if how == "quiet" else 1)
    k, facet, images = atom.kernel, atom.facet(), [atom.optimum()]
    if how == "linear":
        threshold = rng.uniform(-0.2, 0.3) if final == "relu" else 0.0
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
            return _one_thing(rng, size, kind, act, final)
    if final == "relu" and rng.random() < 0.5:
        unit = Recipe([(k, 0, None)], [facet], name, threshold=threshold, images=images)
    else:
        unit = Recipe([(k, -threshold, 1.0)], [facet], name, 1 - threshold, images=images)
    unit.quiet = True
    return unit


def _brightness(rng: np.random.Generator, size: int, final: str) -> Recipe:
    """White, or black."""
    dark = rng.random() < 0.4
    atom = brightness_atom(rng, size, dark)
    return Recipe(
        [(atom.kernel, 1.0 if dark else 0.0, None)],
        [atom.facet()],
        atom.name,
        threshold=rng.uniform(-0.2, 0.6) if final == "relu" else 0.0,
        images=[atom.optimum()],
    )


def _both(rng: np.random.Generator, size: int, act: str, final: str) -> Recipe:
    """A hue and a stroke at once: a minimum, a sum above a threshold, or one gated by the other."""
    hue, stroke, value, image = both_of(rng, size)
    facet = Facet("color+shape", hue.hue, stroke.orientation)
    a, b = hue.kernel, stroke.kernel
    how = _pick(
        rng, "minimum", "minimum", *(["and", "gate"] if final == "relu" and act == "relu" else [])
    )
    names = f"{hue.name} and {stroke.name}"
    if how == "minimum":
        rows = (
            [(a, 0, None), (a - b, 0, -1.0)]
            if rng.random() < 0.5
            else [(b, 0, None), (b - a, 0, -1.0)]
        )
        share = (
            rng.uniform(0.5, 0.75)
            if final == "relu" and act == "relu" and rng.random() < 0.5
            else 0.0
        )
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


def _either(rng: np.random.Generator, size: int, act: str, final: str) -> Recipe:
    """Either of two things: their maximum, or a sum of which no image reaches both thresholds."""
    pair = _pick(rng, "hue or stroke", "two hues", "two strokes")
    how = _pick(rng, "maximum", "maximum", *(["quiet", "sum"] if act == "relu" else []))
    if how == "maximum" and pair == "two hues" and act == "relu" and rng.random() < 0.3:
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
        return _sum(rng, size, pair)
    threshold = rng.uniform(0.5, 0.75) if how == "quiet" and final == "relu" else 0.0
    one, other, weaker = either_of(rng, size, pair, threshold, 5 if threshold else 1)
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


def _dead(rng: np.random.Generator, size: int, act: str, final: str) -> Recipe:
    """A unit that nothing moves: without weights, past its bound, or reading what is dead."""
    how = _pick(
        rng,
        "zero",
        *(["bound", "parents"] if act == "relu" else []),
        *(["final"] if final == "relu" else []),
    )
    atom = single(rng, size, _pick(rng, "color", "shape"))
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


def _disputable(rng: np.random.Generator, size: int) -> Recipe:
    """A unit of which people could say different things."""
    how = _pick(rng, "or", "contrast", "opponent")
    hue, stroke = hue_atom(rng, size), stroke_atom(rng, size)
    if how == "or":
        rows = [(hue.kernel, 0, 1.0), (stroke.kernel, 0, 1.0)]
        return Recipe(
            rows,
            [hue.facet(), stroke.facet()],
            "sum of a hue and a stroke",
            disputable=True,
            images=[hue.optimum(), stroke.optimum()],
        )
    if how == "contrast":
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


def _sum(rng: np.random.Generator, size: int, pair: str) -> Recipe:
    """The sum of two rectified detectors of which no image reaches both thresholds: a maximum."""
    for _ in range(100):
        one, other, _ = either_of(rng, size, pair)
        threshold = jointly(one.kernel, other.kernel)[0] + 0.02
        if threshold > 0.8:
            continue
        weaker = rng.uniform(0.86, 1.0)
        facets = [one.facet(), other.facet()]
        rows = [(one.kernel, -threshold, 1.0), (other.kernel, -threshold, weaker)]
        name = f"sum of {one.name} and {weaker:.2f} of {other.name}, each above {threshold:.2f}"
        return Recipe(rows, facets, name, 1 - threshold, images=[one.optimum(), other.optimum()])
    return _sum(rng, size, "hue or stroke")
