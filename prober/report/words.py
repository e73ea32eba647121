"""What was found in words: hues, directions, facets, units, shares, numbers.

The summary and the page take them from here; the page gets them ready-made.
"""

from collections import Counter
from collections.abc import Sequence

from prober.common.colors import distance
from prober.findings.behavior import Behavior, ColorChange
from prober.findings.finding import ClassEvidence, Facet, Finding, Kind, RealEvidence
from prober.findings.kinds import LITTLE, NAMED_BESIDE

HUE_NAMES = (
    "red",
    "orange",
    "yellow",
    "yellow-green",
    "green",
    "sea green",
    "cyan",
    "sky blue",
    "blue",
    "violet",
    "magenta",
    "pink",
)
"""Names of hues, each for 30 degrees around its multiple of 30: red from 345 to 15."""

DIRECTION_NAMES = ("horizontal", "rising", "upright", "falling")
"""Names of orientations, each for 45 degrees around its multiple of 45."""

PLAINLY = {
    Kind.COLOR: "color",
    Kind.SHAPE: "a shape",
    Kind.COLOR_AND_SHAPE: "a shape in color",
    Kind.BRIGHTNESS: "brightness",
    Kind.UNCLEAR: "unclear",
}
"""What is said of a facet that has neither a hue nor an orientation."""

SAME_HUE_DEGREES = 18.0
"""Degrees up to which two hues count as the same: half the step between ten hues on the circle."""

DARK, LIGHT = 0.35, 0.65
"""Levels of a flat gray up to which it is dark, and from which on it is light."""

BLACK, WHITE = 0.1, 0.9
"""Levels of a gray up to which it is black, and from which on it is white."""

DARK_COLOR, PALE_COLOR = 0.6, 0.5
"""The value up to which a color is dark, and the saturation up to which it is pale, of HSV."""

AND_BRIGHTNESS = " and brightness"
"""What says beside color or shape that much of the gain is brightness's."""

NAMED_CLASSES = 10
"""Classes that are named of those whose order is likely to be another."""

SAID_COLOR = 0.1
"""The share of color from which on the shape of a class is said with a color."""

DENIED = 0.5
"""How far a class's images in a hue must raise its logit, on the way from the least to their own
hue's, for the class to be said with it. Of 88 logits of trained CNNs that were said with a color 22
were with another than their class's; of 9 of these the own images denied it."""


def hue_name(degrees: float) -> str:
    """Names a hue of the HSV circle; any angle in degrees will do."""
    return HUE_NAMES[round(degrees % 360 / 30) % len(HUE_NAMES)]


def class_colors(
    colors: Sequence[Sequence[float] | None], hues: Sequence[float | None]
) -> list[str]:
    """Names the colors of classes: `red`, `dark red`, `gray`; `""` where one has none of its own.

    Where two that differ would have the same name their hues are said, too: `blue (225°)`.

    Args:
        colors: Red, green and blue in [0, 1]; None where a class has none.
        hues: Degrees; None for grays.
    """
    named = list(map(_color_name, colors, hues))
    angles = ["" if hue is None else f" ({round(hue) % 360}°)" for hue in hues]
    different = set(zip(named, angles, strict=True))
    alike = Counter(name for name, _ in different)
    return [
        name + angle if alike[name] > 1 else name for name, angle in zip(named, angles, strict=True)
    ]


def _color_name(color: Sequence[float] | None, hue: float | None) -> str:
    if color is None:
        return ""
    high, low = max(color), min(color)
    if hue is None:
        if high <= BLACK or low >= WHITE:
            return "black" if high <= BLACK else "white"
        return "dark gray" if high <= DARK else "light gray" if low >= LIGHT else "gray"
    shade = "dark " if high <= DARK_COLOR else "pale " if high - low <= PALE_COLOR * high else ""
    return shade + hue_name(hue)


def is_extreme(degrees: float) -> bool:
    """Whether pixels at the bounds show a hue as what it is called.

    They are red, yellow, green, cyan, blue or magenta. A hue between two of these is shown by both
    side by side: pink by red and magenta.
    """
    return round(degrees % 360 / 30) % 2 == 0


def hue_words(degrees: float) -> str:
    """Says a hue as its name and its angle: `orange (36°)`."""
    return f"{hue_name(degrees)} ({round(degrees) % 360}°)"


def direction_name(degrees: float) -> str:
    """Names an orientation, degrees counterclockwise from horizontal."""
    return DIRECTION_NAMES[round(degrees % 180 / 45) % 4]


def orientation_words(degrees: float) -> str:
    """Says an orientation as its name and its angle: `rising (45°)`."""
    return f"{direction_name(degrees)} ({round(degrees) % 180}°)"


def facet_words(finding: Finding, facet: Facet) -> str:
    """Says what a facet wants, with angles: `color+shape: red (4°), strokes rising (45°)`.

    The logit of a class wants no stroke but a whole shape: `color+shape: a red shape`.
    """
    found = _without_angles(finding, facet)
    if found.endswith(AND_BRIGHTNESS):
        return found  # more plainly than its kind
    if not found:
        angle = facet.orientation
        hue = None if facet.hue is None else hue_words(facet.hue)
        strokes = None if angle is None else f"strokes {orientation_words(angle)}"
        found = ", ".join(filter(None, [hue, strokes])) + _in_color(facet)
    if found in ("", PLAINLY[facet.kind]):
        return facet.kind
    return f"{facet.kind}: {found}"


def thing(finding: Finding, facet: Facet) -> str:
    """Says what a facet wants in plain words, without angles: `red, rising strokes`."""
    if said := _without_angles(finding, facet):
        return said
    angle = facet.orientation
    if facet.hue is not None and "shape" in facet.kind and angle is None:
        return _shape_of(facet.hue)
    hue = None if facet.hue is None else hue_name(facet.hue)
    strokes = None if angle is None else f"{direction_name(angle)} strokes{_in_color(facet)}"
    return ", ".join(filter(None, [hue, strokes])) or PLAINLY[facet.kind]


def _in_color(facet: Facet) -> str:
    """What is said of strokes in color that no hue is known of; `""` of others."""
    strokes = facet.kind == Kind.COLOR_AND_SHAPE and facet.orientation is not None
    return " in color" if strokes and facet.hue is None else ""


def things(finding: Finding) -> list[str]:
    """Says what each facet wants; of those of the same words, at which angle: `…strokes at 5°`."""
    said = [thing(finding, facet) for facet in finding.facets]
    return [
        words
        if facet.orientation is None or said.count(words) == 1
        else f"{words} at {round(facet.orientation) % 180}°"
        for words, facet in zip(said, finding.facets, strict=True)
    ]


def _without_angles(finding: Finding, facet: Facet) -> str:
    """Says what a facet wants that is told by neither a hue nor an orientation; `""` of others."""
    return (
        _in_several_hues(finding, facet)
        or _with_brightness(facet)
        or _brightness(finding, facet)
        or _of_class(finding, facet)
    )


def _in_several_hues(finding: Finding, facet: Facet) -> str:
    """Names the hues of a unit that may want several, `red or cyan`; `""` of others."""
    hues = [each.degrees for each in finding.evidence.several_hues]
    if not hues or facet.kind == Kind.BRIGHTNESS:
        return ""
    named = list(map(hue_name, hues))
    names = " or ".join(named if len(set(named)) == len(named) else map(hue_words, hues))
    if facet.kind == Kind.COLOR:
        return names
    return f"{names}{AND_BRIGHTNESS}" if _with_brightness(facet) else f"a shape in {names}"


def _with_brightness(facet: Facet) -> str:
    """Names color or shape with brightness, where there is less of the other; `""` elsewhere."""
    shares = facet.shares
    if facet.kind != Kind.COLOR_AND_SHAPE:
        return ""
    if shares.color < LITTLE:
        return f"a shape{AND_BRIGHTNESS}"
    if shares.shape >= max(LITTLE, min(shares.brightness, NAMED_BESIDE)):
        return ""
    return f"{'color' if facet.hue is None else hue_name(facet.hue)}{AND_BRIGHTNESS}"


def _of_class(finding: Finding, facet: Facet) -> str:
    """Describes the shape of a class, and its color where it counts; `""` of brightness.

    It is not called by the class's name: what a logit wants may be a background, where there is a
    shortcut above all. The flat color that excites most is its color if it is that of the class in
    the data, whatever hue one picture would rather have; or if that is not known, the flat one
    counts without shape, too, and the class has none in the data or shape is not nearly all. Else
    the largest answer to flat ones is one among equals. So it is where color is hardly used on real
    images. No other color than the class's own is named of which its images want less.
    """
    data = finding.evidence.data
    known = data.label if data else None
    if data is None or known is None or facet.kind == Kind.BRIGHTNESS:
        return ""
    hue, flat, shares = facet.hue, known.flat_hue, facet.shares
    used = shares.color >= SAID_COLOR and (known.used is None or known.used.color >= LITTLE)
    if flat is not None and used and len(finding.facets) == 1:
        alone = shares.color - shares.interaction / 2  # what a flat color adds to a flat gray
        unlike_data = known.hue is not None and facet.kind == Kind.SHAPE
        counts = hue is None and alone >= SAID_COLOR and not unlike_data
        hue = flat if counts or is_own(flat, known) else hue
    hue = _borne_out(finding, hue)
    if hue is None:
        return PLAINLY[facet.kind]
    return hue_name(hue) if facet.kind == Kind.COLOR else _shape_of(hue)


def _borne_out(finding: Finding, hue: float | None) -> float | None:
    """Returns the hue that a class is said with, that of its color in the data if it is about that.

    None where the class's own images deny it; of a unit that stands for no class, what was given.
    """
    data = finding.evidence.data
    known = data.label if data else None
    if hue is None or data is None or known is None:
        return hue
    if is_own(hue, known):
        return known.hue  # by the name that the class's color has elsewhere
    return None if _is_denied(hue, known, data) else hue


def _is_denied(hue: float, known: ClassEvidence, data: RealEvidence) -> bool:
    """Whether a class's images that are given a hue raise its logit far less than in their own.

    Less than half of the way to that from where it is lowest. False where they had no such hue.
    """
    if known.hue is None or data.table is None or known.label not in data.rows:
        return False
    row = zip(data.columns, data.table[data.rows.index(known.label)], strict=True)
    answers = [(at, each) for at, each in row if at is not None and each is not None]
    if not answers:
        return False

    def nearest(to: float) -> tuple[float, float]:
        """The nearest hue that they had, degrees away, and the most that they answered in it."""
        away, answer = min((distance(at, to, 360), -each) for at, each in answers)
        return away, -answer

    (away, shown), (_, own) = nearest(hue), nearest(known.hue)
    least = min(each for _, each in answers)
    return away <= SAME_HUE_DEGREES and shown - least < DENIED * (own - least)


def _brightness(finding: Finding, facet: Facet) -> str:
    """Says which brightness a facet wants, and what else: `red, and dark rather than gray`.

    Which brightness a unit with one facet wants is told by the flat gray that excites it most. It
    may be no more than less bad than mid gray, so what else has a part in the gain comes first.

    Returns:
        `""` of a facet that is due to something else.
    """
    if facet.kind != Kind.BRIGHTNESS:
        return ""
    level = finding.evidence.maxima.level if finding.evidence.maxima else None
    beside = _beside_brightness(facet, _borne_out(finding, facet.hue))
    if len(finding.facets) > 1 or level is None:
        return f"{beside}{AND_BRIGHTNESS}" if beside else PLAINLY[facet.kind]
    if DARK < level < LIGHT:
        return f"{beside} and a medium gray" if beside else "a medium gray"
    said = "dark" if level <= DARK else "light"
    return f"{beside}, and {said} rather than gray" if beside else said


def _beside_brightness(facet: Facet, hue: float | None) -> str:
    """Names color, shape or both where they have a part in what is mostly brightness, or `""`."""
    colored = facet.shares.color >= NAMED_BESIDE
    if facet.shares.shape < NAMED_BESIDE:
        return "" if not colored else "color" if hue is None else hue_name(hue)
    return "a shape" if not colored else "a shape in color" if hue is None else _shape_of(hue)


def _shape_of(hue: float) -> str:
    name = hue_name(hue)
    return f"{'an' if name[0] in 'aeio' else 'a'} {name} shape"


def is_own(hue: float, known: ClassEvidence) -> bool:
    """Whether a hue is that of the class."""
    return known.hue is not None and distance(hue, known.hue, 360) <= SAME_HUE_DEGREES


def unit_words(finding: Finding) -> str:
    """Says what a unit wants in plain words: its facets, each thing once."""
    if finding.dead:
        return "nothing excites it"
    if finding.is_cut:
        return "not known"
    return " or ".join(dict.fromkeys(things(finding))) or "unclear"


def unit_sentence(finding: Finding) -> str:
    """Says what a unit wants as a sentence, with angles."""
    if finding.dead:
        return "Dead: nothing that was tried excites it."
    if finding.is_cut:
        return f"Not known. What it was shown brings its score from {score_words(finding)}."
    if finding.polysemantic is None:
        return f"Its score goes from {score_words(finding)}."
    if Kind.UNCLEAR in finding.kinds:
        return "Unclear: the figures do not bear out a claim, or the search did not settle."
    facets = [facet_words(finding, facet) for facet in finding.facets]
    if len(facets) == 1:
        return f"Wants {facets[0]}."
    listed_facets = "; ".join(words[0].upper() + words[1:] for words in facets)
    return f"Wants {len(facets)} different things. {listed_facets}."


def score_words(finding: Finding) -> str:
    """Says how far a unit's score goes: `0.12 to 3.4`."""
    score = finding.evidence.score
    return f"{score.neutral:.3g} to {score.best:.3g}"


def changed_words(behavior: Behavior, noun: str = "color") -> str:
    """Says how the color of images was changed: `given another class's color`.

    Args:
        behavior: What the CNN did.
        noun: What the color is: `color`, or `brightness`, see `Probed.color_noun`.
    """
    if behavior.color_change is None or behavior.color_change == ColorChange.TURN:
        return "with the hue turned"
    if behavior.colored is not None:
        return f"given the {noun} of one of {behavior.colored} classes that have one"
    return f"given {behavior.color_change}".replace("color", noun)


def order_words(behavior: Behavior) -> str:
    """Says for which classes logits may stand, if not for the data's in its order; else `""`."""
    if behavior.order is None:
        return ""
    return (
        f"Far more are right if the logits stand for {joined(behavior.order, NAMED_CLASSES)}, in "
        "this order: if they do, name them so (model.subject.classes) or number the data's classes "
        "so."
    )


def percent(share: float) -> str:
    """Says a share of 1 in percent; what is not all is never rounded to all, nor to nothing."""
    share = round(share, 5) + 0.0  # what three digits do not show is nothing, without a sign
    for digits in range(4):
        said = f"{100 * share + 1e-9:.{digits}f}"  # halves go up, as on the page
        if float(said) not in (0, 100) or share in (0, 1):
            break
    return f"{said}%"


def joined(items: Sequence[str], most: int | None = None) -> str:
    """Joins items as a sentence does, `a, b and c`; beyond `most`, `a, b and 3 more`."""
    if most is not None and len(items) > most:
        items = [*items[:most], f"{len(items) - most} more"]
    return " and ".join(filter(None, [", ".join(items[:-1]), *items[-1:]]))


def says_number(name: str, number: int) -> bool:
    """Tells whether a name begins with how many there are: `1,000 digits`."""
    return name.startswith(f"{number:,} ")


def counted(number: int, noun: str, nouns: str = "") -> str:
    """Says how many there are: `1 unit`, `1,000 units`; an unusual plural is `nouns`."""
    return f"{number:,} {noun if number == 1 else nouns or noun + 's'}"
