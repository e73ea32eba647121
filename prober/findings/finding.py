"""What is found of a unit, as types: the one place that says what `findings.json` holds.

Scores are in the units of the layer. A *share* of the gain is (score - score of mid gray) / (best
score - score of mid gray): 0 is mid gray, 1 the best picture; it may be below 0 or above 1. What is
not known is `null`. Paths are relative to the folder of the `findings.json` that names them.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from prober.common.files import write_whole
from prober.common.typed_json import KEY, finite, read_json, to_plain

FINDINGS_FILE = "findings.json"


class Kind(StrEnum):
    """What a facet wants, or what is said of a unit in its place.

    Attributes:
        COLOR: A share of 0.6 or more of its gain is due to color.
        SHAPE: A share of 0.6 or more of its gain is due to shape.
        COLOR_AND_SHAPE: Neither share is so large, and brightness is not the largest.
        BRIGHTNESS: Neither share is so large, and brightness, light or dark, is the largest.
        UNCLEAR: The search did not settle, or its figures contradict each other or rest on a spike:
            on one flat image, as one that is slightly darker or lighter would give another kind; of
            units alone.
    """

    COLOR = "color"
    SHAPE = "shape"
    COLOR_AND_SHAPE = "color+shape"
    BRIGHTNESS = "brightness"
    UNCLEAR = "unclear"


WANTED = (Kind.COLOR, Kind.SHAPE, Kind.COLOR_AND_SHAPE, Kind.BRIGHTNESS)
"""What a unit can want."""


@dataclass(frozen=True)
class Sprite:
    """Small pictures of equal size side by side in one file.

    Attributes:
        sprite: The file.
        cell: Height and width of one picture, in pixels.
    """

    sprite: str
    cell: tuple[int, ...]


@dataclass(frozen=True)
class Shares:
    """What the gain of a unit, or of a facet, is due to.

    Attributes:
        color: What color adds, on average over the two orders in which color and shape can be
            added.
        shape: What shape adds, likewise.
        brightness: What a flat gray gives.
        interaction: Above 0 color and shape are needed at once, below 0 either alone will do.

    With A, G, F and B the largest scores of all, gray, flat and flat gray images and n that of mid
    gray: color is [(A - G) + (F - B)] / 2, shape [(A - F) + (G - B)] / 2, brightness B - n and the
    interaction A - G - F + B, each as a share of A - n. The first three are at least 0 and add up
    to 1.
    """

    color: float
    shape: float
    brightness: float
    interaction: float

    @property
    def largest(self) -> str:
        """What most of the gain is due to: `color`, `shape` or `brightness`."""
        return max(("color", "shape", "brightness"), key=lambda part: getattr(self, part))

    @property
    def color_beside_shape(self) -> float | None:
        """Color's part of color and shape together, as real images tell it; None without both."""
        together = self.color + self.shape
        return self.color / together if together else None


@dataclass(frozen=True)
class Maximum:
    """The image that excites a unit most in some set of images.

    Attributes:
        score: Its score.
        share: The share of the gain.
        picture: File: the image, cropped to what the neuron sees.
    """

    score: float
    share: float | None
    picture: str


@dataclass(frozen=True)
class Maxima:
    """What is left when something is taken away: the best image, and the best without it.

    Attributes:
        all: Of all images, A.
        gray: Without color: in every pixel red, green and blue are equal, G.
        flat: Without shape: one color, F.
        flat_gray: With neither, B.
        level: Of that flat gray, 0 (black) to 1 (white); `null` if an older version wrote the
            report.
    """

    all: Maximum
    gray: Maximum
    flat: Maximum
    flat_gray: Maximum
    level: float | None = None


@dataclass(frozen=True)
class StyledFacet:
    """A facet's picture in one style.

    Attributes:
        style: `legible`, such that people can read it, or `plain`: what excites the unit most.
        score: Its score.
        picture: File: the picture, cropped to what the neuron sees.
    """

    style: str
    score: float
    picture: str


@dataclass(frozen=True)
class Facet:
    """One of the different things that excite a unit.

    Attributes:
        kind: `color`, `shape`, `color+shape` or `brightness`, by its shares.
        shares: What its gain is due to: that of the unit, or, of several facets, of what can be
            reached from its best optimum without leaving it.
        strength: How far the score goes in it, as a share of the unit's gain.
        hue: Degrees on the HSV circle, of its best optimum; `null` if color has no part in it.
        orientation: Degrees along the stroke, counter-clockwise from horizontal, modulo 180, of
            its best optimum; `null` if it has no shape, or one without a direction.
        score: Of its best optimum.
        share: The share of all starts that led to it.
        pictures: Files: optima cropped to what the neuron sees, the best first, then those least
            like it.
        full: File: the best one, whole; a small one is enlarged, each pixel a square of several.
        styles: Of several facets: the best one in its own style, and what gradient ascent in the
            other style made of it, the legible one first. The best one alone where that ascent has
            left the facet; `[]` where only plain pictures were asked for.

    A facet counts if its best optimum reaches at least half of the unit's gain, or is the best of
    all. Two optima are of two facets if they plainly differ (in what is due to what by 44 % of the
    gain, in hue by 58°, in orientation by 29° if the strokes are straight or bars of both
    orientations excite the unit, in brightness by 0.53) and the score falls to less than 85 % of
    the lower one's gain somewhere on the straight line between them. Within one linear detector, or
    a minimum of such, it cannot fall there.

    `hue` is the hue of the tint that raises the score most near the optimum; of a unit whose only
    facet is a color, the phase of the first harmonic of its answers to flat patches around the
    circle. If there it answers with less than 70 % of its best, it is the hue of that best answer;
    of a color among several facets, of the next peak uphill. It is `null` if color makes up less
    than a tenth of the gain, of mostly brightness than a quarter, or the pixels do not agree on a
    hue (their agreement is below 0.3; for two hues to be two facets it must be 0.7), or if, beside
    a shape, neither a flat patch nor a stroke of it answers 45 % of the way from the least to the
    most around the circle.
    `orientation` is that of the bar which the unit's gradient by brightness near the optimum agrees
    with best; `null` if no bar does clearly better than another, or, of a unit's only facet, if
    its answers to bars (to those in the best color, if it needs color and shape at once) differ by
    less than 25 % of the gain, or the best of them lies more than 20 degrees away. The `hue` is
    `null`, too, of a unit that may want several, see `several_hues`.
    """

    kind: Kind
    shares: Shares
    strength: float
    hue: float | None
    orientation: float | None
    score: float
    share: float
    pictures: tuple[str, ...]
    full: str
    styles: tuple[StyledFacet, ...] = ()


@dataclass(frozen=True)
class ScoreRange:
    """How far a unit's score goes.

    Attributes:
        neutral: The score of mid gray.
        best: The score of its best picture, or, where none can be made for want of a gradient, its
            largest answer to what it was shown; that of mid gray if the unit is dead.
    """

    neutral: float
    best: float

    def share(self, score: float) -> float | None:
        """Returns a score as a share of the gain; None if there is no gain."""
        if self.best == self.neutral:
            return None
        return finite((score - self.neutral) / (self.best - self.neutral))


@dataclass(frozen=True)
class Field:
    """The receptive field of the neuron examined, in pixels.

    Attributes:
        top: Its first row.
        left: Its first column.
        height: Its rows.
        width: Its columns.
    """

    top: int
    left: int
    height: int
    width: int


@dataclass(frozen=True)
class Picture:
    """One of the sweep's visualizations of a unit.

    Attributes:
        variant: Which of its channel's targets it is, whatever the seed: `mean`, `h07_w07`.
        objective: What was maximized: `ChannelMean`, ….
        position: `[h, w]` of the neuron; `null` for a channel.
        seed: The seed.
        initial_image: What it started from: `GaussianNoise`, ….
        regularizers: Their weights and names, or `none`.
        score: The score at the end.
        share: The share of the gain of the best of its variant; `null` if there is none.
        facet: The number of the facet that it shows; `null` if it shows none.
        record: The record of its run.
    """

    variant: str = field(metadata={KEY: "look"})
    objective: str
    position: tuple[int, ...] | None
    seed: int
    initial_image: str
    regularizers: str
    score: float
    share: float | None
    facet: int | None
    record: dict[str, Any]


@dataclass(frozen=True)
class Pictures(Sprite):
    """Visualizations of a unit and how they came about.

    Attributes:
        sprite: File with a row for each of `items` and a column for each of `steps`.
        cell: Height and width of a cell, in pixels.
        steps: The steps of the snapshots shown.
        items: The visualizations, at most 12, see below.
    """

    steps: tuple[int, ...]
    items: tuple[Picture, ...]


@dataclass(frozen=True)
class HueTuning:
    """Answers around the circle of hues.

    Attributes:
        degrees: The hues.
        flat: The answers to flat patches of full saturation and value.
        strokes: The answers to the best tinted stroke of each hue.
    """

    degrees: tuple[float, ...]
    flat: tuple[float | None, ...]
    strokes: tuple[float | None, ...]


@dataclass(frozen=True)
class OrientationTuning:
    """Answers around the circle of orientations.

    Attributes:
        degrees: The orientations.
        bars: The answers to the best bar of each.
        gratings: The answers to the best grating of each.
        tinted: The answers to the best tinted stroke, of any hue, of each, or of every second of
            them; empty where images have no three channels.
    """

    degrees: tuple[float, ...]
    bars: tuple[float, ...]
    gratings: tuple[float, ...]
    tinted: tuple[float, ...] = ()


@dataclass(frozen=True)
class FrequencyTuning:
    """Answers to gratings of some frequencies.

    Attributes:
        cycles_per_pixel: The frequencies, ascending.
        gratings: The answers to the best grating of each.
    """

    cycles_per_pixel: tuple[float, ...]
    gratings: tuple[float, ...]


@dataclass(frozen=True)
class Tuning:
    """What a unit answers to flat and striped images.

    Attributes:
        hue: Over the hues; `null` where images have no three channels.
        orientation: Over the orientations.
        frequency: Over the frequencies.
    """

    hue: HueTuning | None
    orientation: OrientationTuning
    frequency: FrequencyTuning


@dataclass(frozen=True)
class Variance:
    """Shares of the variance of a unit's answers to real images, each in all hues and brightnesses.

    The hues are of equal brightness, the sum of the channels; the brightnesses are 1, 3/4 and 1/2
    of the images' own. A channel's answer is its largest activation, wherever in the image.

    Attributes:
        hue: The share that the hue explains.
        brightness: The share that the brightness explains.
        label: The share that the class explains.
        rest: What is left: differences within a class, and what needs two of them at once.
        hue_by_class: The part of the rest that goes with the hue in each class otherwise, less what
            it would by chance, as it does in each image otherwise: all of it where circles that are
            red and squares that are blue are one class, and the others the other one, though
            neither color nor shape alone tells anything.
    """

    hue: float
    brightness: float
    label: float = field(metadata={KEY: "class"})
    rest: float
    hue_by_class: float = 0.0


@dataclass(frozen=True)
class ClassLogit:
    """A class's mean logit when color or shape of real images change.

    Attributes:
        own: Of its own images as they are.
        color_changed: Of its own images in other classes' colors.
        shape_changed: Of other classes' images in its color.
        both_changed: Of other classes' images in other classes' colors.

    Where classes have no colors of their own, the colors are those of images of the class, or of
    others.
    """

    own: float | None
    color_changed: float | None
    shape_changed: float | None
    both_changed: float | None


@dataclass(frozen=True)
class UsedShares:
    """How much of a class's logit is due to the color, and how much to the shape, of real images.

    The value of each is what it adds, averaged over the two orders in which they can be added (the
    Shapley value of a game of two players, Shapley 1953); its share, that of what raises the logit.
    They add up to 1. What lowers the logit, as its own color may, has a share of 0.

    Attributes:
        color: [(own - color_changed) + (shape_changed - both_changed)] / 2, of what raises it.
        shape: [(own - shape_changed) + (color_changed - both_changed)] / 2, likewise.
    """

    color: float
    shape: float


@dataclass(frozen=True)
class ClassEvidence:
    """What real images say of a class's logit.

    Attributes:
        label: The class.
        hue: Degrees: its hue in the data; `null` if it has none of its own.
        color: Red, green, blue in [0, 1]: its color in the data; `null` if it has none of its own.
        flat_hue: Degrees: the hue of the flat patch that raises its logit most.
        logit: Its mean logit when images change; `null` where they cannot, see below.
        used: Color and shape as used on real images, beside what the logit wants, see below;
            `null` where that is not known, or its own images raise the logit over others in other
            colors by no more than chance may (two standard errors).
    """

    label: str
    hue: float | None
    color: tuple[float, ...] | None
    flat_hue: float | None
    logit: ClassLogit | None
    used: UsedShares | None


@dataclass(frozen=True)
class Example:
    """A real image that excites a unit.

    Attributes:
        score: What the unit answers to it: the largest activation of the neurons that see as much
            as the one examined.
        share: The share of the gain.
        label: Its class, if it has one.
        hue: Degrees: its hue, if it has one.
    """

    score: float
    share: float | None
    label: str | None
    hue: float | None


@dataclass(frozen=True)
class Examples(Sprite):
    """The real images that excite a unit most, tried in each class's color if classes have some.

    Attributes:
        sprite: File of one row, a cell for each of `items`.
        cell: Height and width of a cell, in pixels.
        items: The images, the most exciting first, see below.
    """

    items: tuple[Example, ...]


@dataclass(frozen=True)
class RealEvidence:
    """What a unit answers to real images.

    Attributes:
        table: Its mean answers by class and color, each its channel's largest wherever in the
            image; `null` if the images have no color.
        rows: The classes of the table.
        columns: Degrees: the hues of its columns, those of the classes' colors where classes have
            colors of their own; `null` for a gray one.
        colors: Red, green, blue in [0, 1]: the colors of its columns; `null` of several.
        variance: What explains the variance of its answers, see below; `null` if most images have
            no color, or its answers are all the same.
        label: What is known of the class, if the unit is a class's logit, see below.
        examples: The images that excite it most, see below.
    """

    table: tuple[tuple[float | None, ...], ...] | None
    rows: tuple[str, ...]
    columns: tuple[float | None, ...]
    colors: tuple[tuple[float, ...] | None, ...]
    variance: Variance | None
    label: ClassEvidence | None = field(metadata={KEY: "class"})
    examples: Examples


@dataclass(frozen=True)
class PathLikeness:
    """Cosines between what a layer's channels contribute to the score, -1 to 1.

    To first order; where the picture would take another path by that, what the score loses without
    each of the channels, those of mid gray in their place.

    Attributes:
        layer: A layer before the unit's, or several of one channel each.
        picture: In the picture and in the top real images.
        real: In the top real images among each other.
        random: In random real images and in the top ones.
    """

    layer: str
    picture: float
    real: float
    random: float


@dataclass(frozen=True)
class Trust:
    """Whether a unit's picture excites it by the path of real images.

    Attributes:
        picture: The score of the best picture.
        best_real: The score of the best real image.
        times: How far the picture goes, in gains of the best real image; `null` if that has none,
            for no real image excites the unit more than mid gray does.
        paths: For each layer before, see below.

    A picture is not trusted if it takes another path: in a layer where the top real images have a
    common one, their cosine among each other being 0.5 or more, its own is less than half of that.
    Nor is it if a real image excites the unit more, or none does so more than mid gray. Where these
    have a common path in no layer, `trusted` is `null`.
    """

    picture: float
    best_real: float
    times: float | None
    paths: tuple[PathLikeness, ...]


@dataclass(frozen=True)
class StyledPicture:
    """A unit's best picture in one style.

    Attributes:
        style: `legible`, such that people can read it, or `plain`: what excites the unit most.
        variant: What it maximizes: `mean`, `h07_w07`.
        score: Its score.
        picture: File: the picture, whole. Of a volume an animation through its slices lies beside
            it, `style_plain.gif`.
        penalties_won: Whether the penalties fell by more than the score rose, so that the picture
            is what they want.
        matters: File: the same, the more transparent the less a pixel matters to the score; `null`
            where there is none.
    """

    style: str
    variant: str
    score: float
    picture: str
    penalties_won: bool = False
    matters: str | None = None


@dataclass(frozen=True)
class SingleHue:
    """How far a unit goes by images in which there is one hue beside grays.

    Attributes:
        degrees: The hue.
        share: The best score, as a share of the unit's gain.
    """

    degrees: float
    share: float


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What a finding rests on; each part of it is one section of the unit's page.

    But for `several_hues`, which a sentence of `why` tells.

    Attributes:
        score: How far the score goes.
        maxima: The largest scores with and without color and shape; `null` if the unit is dead, or
            no gradient leads back from it.
        field: The receptive field of the neuron examined; `null` where the input is no image.
        neuron: `[h, w]`, the neuron examined; `null` in a flat layer, and where a channel was
            examined as a whole, for the input is no image.
        pictures: The sweep's visualizations of the unit; `null` if no gradient leads back from it.
        starts: How many starts of each origin were tried.
        tuning: Answers to flat and striped images; `null` where the input is no image.
        data: Answers to real images; `null` without any.
        trust: How the picture compares with real images; `null` without any.
        styles: The unit's picture in both styles, the legible one first, see below; where only
            plain ones were asked for, `[]`, or the plain one where the input is no image.
        several_hues: Of a unit with one facet that may want several colors: the hues that each
            excite it by half of the best one and more, where those between do less, the best
            first; `[]` of others.
    """

    score: ScoreRange
    maxima: Maxima | None = None
    field: Field | None = None
    neuron: tuple[int, ...] | None
    pictures: Pictures | None = None
    starts: dict[str, int]
    tuning: Tuning | None = None
    data: RealEvidence | None
    trust: Trust | None = None
    styles: tuple[StyledPicture, ...] = ()
    several_hues: tuple[SingleHue, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What is found of one unit.

    Attributes:
        layer: The layer.
        channel: The channel; in a flat layer, the unit.
        position: `[h, w]` for a single neuron, of a volume `[d, h, w]`, `null` for a channel.
        kinds: The sorted kinds of its facets; `[]` if it is dead or its facets were not looked for;
            `["unclear"]` if the evidence is thin.
        shares: What its gain is due to; `null` if it has none, or no kinds.
        dead: Whether nothing that was tried makes a difference to it.
        polysemantic: Whether it has two facets or more; `null` where facets were not looked for,
            for the input has neither color nor shape, or no gradient leads back from the unit.
        hue: Degrees, of its first facet that has one.
        orientation: Degrees, of its first facet that has one.
        confidence: 0 to 1: how often claims of kind and number of facets with such figures were
            right, on planted units and on trained ones; 0.5 if it is unclear, for then nothing is
            claimed, or may want several colors; `null` where facets were not looked for. It is
            about pictures: whether real images excite the unit likewise is what `trusted` says.
        why: Sentences: why it is unclear, dead, faint or not trusted, and what else real images
            say.
        trusted: Whether its picture excites it by the path of real images, where layers lie before
            its own, and no real image does so more, but some more than mid gray; `null` without
            real images.
        facets: The one with the best score first, see below.
        runner_up: How far the score goes in the best picture that plainly differs from all facets
            and is too weak for one, as a share of the gain; `null` if there is none.
        evidence: What this rests on, see below.
    """

    layer: str
    channel: int
    position: tuple[int, ...] | None
    kinds: tuple[Kind, ...]
    shares: Shares | None = None
    dead: bool
    polysemantic: bool | None
    hue: float | None
    orientation: float | None
    confidence: float | None
    why: tuple[str, ...]
    trusted: bool | None = None
    facets: tuple[Facet, ...] = ()
    runner_up: float | None = None
    evidence: Evidence

    @property
    def key(self) -> str:
        """Its name within the layer: `3`, or `3/7,7` for a neuron."""
        position = "" if self.position is None else "/" + ",".join(map(str, self.position))
        return f"{self.channel}{position}"

    @property
    def is_cut(self) -> bool:
        """Whether no gradient leads back from it, so that there are answers alone."""
        return self.polysemantic is None and self.evidence.pictures is None

    @property
    def name(self) -> str:
        """Its name: `conv2/3`, or `conv2/3/7,7` for a neuron."""
        return f"{self.layer}/{self.key}"


def save_findings(findings: Sequence[Finding], folder: Path) -> None:
    """Writes `findings.json`: a list, one object for each unit.

    Numbers get six digits, which is more than is known.

    Raises:
        OSError: The folder cannot be written.
    """
    exact = json.dumps(to_plain(findings), allow_nan=False)
    rounded = json.loads(exact, parse_float=lambda digits: float(f"{float(digits):.6g}"))
    content = json.dumps(rounded, separators=(",", ":"))
    write_whole(folder / FINDINGS_FILE, content + "\n")


def load_findings(folder: Path) -> tuple[Finding, ...]:
    """Reads `findings.json`.

    Raises:
        InputError: It is missing, broken, or of another version.
    """
    return read_json(folder / FINDINGS_FILE, tuple[Finding, ...], "report")
