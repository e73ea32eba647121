"""A CNN as a report shows it: its record, its findings, and how they are counted and named."""

import html
import re
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from urllib.parse import quote

from prober.common.inputs import input_kind
from prober.findings.behavior import NOISE_LOSS, Shortcut
from prober.findings.finding import (
    WANTED,
    ClassEvidence,
    Facet,
    Finding,
    Kind,
    Variance,
    load_findings,
)
from prober.report.markdown import plain
from prober.report.record import RECORD_FILE, ReportRecord, load_record
from prober.report.words import joined, thing
from prober.subject import LOGITS

SEVERAL = "several kinds"
DEAD = "dead"
CUT = "no gradient"
COUNTED_AS = (*WANTED, SEVERAL, Kind.UNCLEAR, DEAD, CUT)
"""What a unit counts as; each counts once."""

NAMED_UNITS = 3
"""Units, or files, that are named where more are meant."""

NAMED_LAYERS = 4
"""Layers that are named where more are meant."""

NO_HUE = 0.05
"""What the hue may explain, by chance, of the answers of a CNN that sees none."""

GRAYS_PART = 0.25
"""What gray may lose of what other colors do where these matter by their brightness alone."""

PICTURE_WIDTH = 84
"""Pixels of a picture's width on the screen; the files are larger."""


@dataclass(frozen=True)
class Probed:
    """A CNN and what was found of its units.

    Attributes:
        record: What the report is about.
        findings: Of its units.
        prefix: Where in the report's folder its files lie: nowhere else, or in `against/`.
        name: What it is called beside the other.
        against: The second CNN, that it is set beside; None without one.
    """

    record: ReportRecord
    findings: tuple[Finding, ...]
    prefix: str
    name: str
    against: "Probed | None" = None

    @classmethod
    def load(cls, folder: Path, prefix: str = "") -> "Probed":
        """Reads `report.json` and `findings.json`.

        Raises:
            InputError: One of them is missing or cannot be read.
        """
        record = load_record(folder / prefix)
        return cls(record, load_findings(folder / prefix), prefix, record.subject.name)

    @property
    def cnns(self) -> "list[Probed]":
        """It, and the CNN that it is set beside, if there is one."""
        return [self, self.against] if self.against else [self]

    @property
    def has_facets(self) -> bool:
        """Whether its input has color and shape, by which it is said what units want."""
        return input_kind(self.record.subject.input_shape).has_color_and_shape

    @property
    def color_is_difference(self) -> bool:
        """Whether an image's channels are not red, green and blue: frames, bands, or a mask, too.

        Then what is called color is how far the channels differ.
        """
        return self.record.subject.input_shape[0] not in (1, 3)

    @property
    def color_noun(self) -> str:
        """What goes with the class of real images: `color` or `brightness`.

        It is their brightness where the classes' colors are grays, and where that is all that the
        CNN goes by: it sees only one mix of red, green and blue; or it names them as well in gray,
        and the hue explains none of its answers, those of the logits where they were asked.
        """
        if self.record.subject.mix is not None or self.record.subject.input_shape[0] == 1:
            return "brightness"
        data = self.record.data
        hues: set[float | None] = set()
        if data and data.colors and data.hues:  # a class of several colors has none
            hues = {hue for color, hue in zip(data.colors, data.hues, strict=True) if color}
        behavior = self.record.behavior
        blind = (
            behavior is not None
            and behavior.shortcut != Shortcut.NONE
            and behavior.knows_classes
            and not behavior.hurt_by_color
            and behavior.lost > NOISE_LOSS
            and behavior.lost_in_gray is not None
            and behavior.lost_in_gray <= min(NOISE_LOSS, GRAYS_PART * behavior.lost)
            and self.hue_shares.get(LOGITS, max(self.hue_shares.values(), default=1.0)) <= NO_HUE
        )
        return "brightness" if blind or hues == {None} else "color"

    @cached_property
    def layers(self) -> dict[str, list[Finding]]:
        """The findings of each layer that has some, in order of the forward pass."""
        layers: dict[str, list[Finding]] = {}
        for finding in self.findings:
            layers.setdefault(finding.layer, []).append(finding)
        return layers

    @cached_property
    def shares(self) -> dict[str, dict[str, float]]:
        """What the gain of each layer's units is due to, see `mean_shares`; of layers with some."""
        shares = {layer: mean_shares(findings) for layer, findings in self.layers.items()}
        return {layer: own for layer, own in shares.items() if own}

    @cached_property
    def hue_shares(self) -> dict[str, float]:
        """What the hue explains of the answers of each layer's units to real images, likewise.

        By itself: without what it does in each class otherwise. Of a CNN that sees only one mix of
        the channels it explains nothing: hues are as light as others by the sum of these, and not
        by that mix.
        """
        return self._of_variance(lambda variance: variance.hue)

    @cached_property
    def hue_by_class_shares(self) -> dict[str, float]:
        """What goes with the hue in each class otherwise, likewise."""
        return self._of_variance(lambda variance: variance.hue_by_class)

    def _of_variance(self, part: Callable[[Variance], float]) -> dict[str, float]:
        if self.record.subject.mix is not None:
            return {}
        shares: dict[str, list[float]] = {}
        for finding in self.live:
            if (data := finding.evidence.data) and data.variance:
                shares.setdefault(finding.layer, []).append(part(data.variance))
        return {layer: sum(own) / len(own) for layer, own in shares.items()}

    @cached_property
    def live(self) -> list[Finding]:
        """The units that something excites."""
        return [finding for finding in self.findings if not finding.dead]

    @cached_property
    def searched(self) -> list[Finding]:
        """Those of which it was looked for what they want: a gradient leads back from them."""
        return [finding for finding in self.live if not finding.is_cut]

    @cached_property
    def cut(self) -> list[Finding]:
        """The units that no gradient leads back from, so that there are answers alone."""
        return [finding for finding in self.findings if finding.is_cut]

    @property
    def has_pictures(self) -> bool:
        """Whether pictures could be made of a unit."""
        return len(self.cut) < len(self.findings)

    @property
    def starts_tried(self) -> str:
        """From how many starts what a unit wants was looked for: `25 to 28 starts`."""
        starts = [sum(finding.evidence.starts.values()) for finding in self.searched]
        spread = sorted({min(starts), max(starts)})
        return " to ".join(map(str, spread)) + (" start" if spread == [1] else " starts")

    @cached_property
    def classes(self) -> list[Finding]:
        """The units of the output: the logits of the classes, if it has some."""
        return [finding for finding in self.findings if finding.layer == LOGITS]

    @property
    def classes_by_color(self) -> list[Finding]:
        """Those of which it is said how far they go by color: none where that is brightness."""
        return self.classes if self.color_noun == "color" else []

    @property
    def has_classes(self) -> bool:
        """Whether logits are known to be those of classes, and not boxes, values or features.

        So they are where the classes have names, or where real images have as many.
        """
        named = self.record.subject.classes is not None or self.record.behavior is not None
        return named or any(map(class_of, self.findings))

    @property
    def output_noun(self) -> str:
        """What a unit of the output is called: `class` if it is known to be of one, or `output`."""
        return "class" if self.has_classes else "output"

    @cached_property
    def polysemantic(self) -> list[Finding]:
        """The polysemantic units, the clearest first and flagged ones last.

        Of two units in which there is the same confidence, that one is clearer whose second facet
        comes nearer to the first one's score.
        """

        def unclear(finding: Finding) -> tuple[bool, float, float]:
            return flagged(finding), -(finding.confidence or 0), -finding.facets[1].strength

        return sorted((finding for finding in self.live if finding.polysemantic), key=unclear)

    @property
    def several_colors(self) -> list[Finding]:
        """Those of one facet that may want several colors, each by itself; flagged ones last."""
        several = [each for each in self.live if each.evidence.several_hues]
        return sorted((each for each in several if Kind.UNCLEAR not in each.kinds), key=flagged)

    def class_name(self, finding: Finding) -> str | None:
        """Returns the name of the class whose logit a unit is, where it has one."""
        names = self.record.subject.classes
        return names[finding.channel] if names and finding.layer == LOGITS else None

    def link(self, finding: Finding) -> str:
        """Links in Markdown to a unit, by its name and that of its class if it has one."""
        own = self.class_name(finding)
        known = own not in (None, str(finding.channel))
        return link(finding, f"{finding.name}, {own}" if known else "")

    def links(self, findings: Iterable[Finding]) -> str:
        """Links in Markdown to the first few units, and says how many more there are."""
        return joined([self.link(finding) for finding in findings], NAMED_UNITS)

    def same_unit(self, finding: Finding) -> Finding | None:
        """Returns what was found here of the unit of this name."""
        return self._by_name.get(finding.name)

    @cached_property
    def _by_name(self) -> dict[str, Finding]:
        return {finding.name: finding for finding in self.findings}

    def picture(self, finding: Finding, facet: Facet) -> str:
        """Shows in Markdown the picture of a facet, as a link to its unit; `""` without.

        That of the first facet is the unit's.
        """
        best = picture_of(finding) if facet is finding.facets[0] else next(iter(facet.pictures), "")
        return self._linked(best, finding, thing(finding, facet)) if best else ""

    def styled_picture(self, finding: Finding) -> str:
        """Shows in Markdown a unit's picture in the first style, likewise."""
        styles = finding.evidence.styles
        return self._linked(styles[0].picture, finding, styles[0].style) if styles else ""

    def _linked(self, picture: str, finding: Finding, what: str) -> str:
        said = f"{self.name} {finding.name}: {what}"
        # A bar would end the cell of a table, even within quotes.
        said = html.escape(said).replace("|", "&#124;").replace("\\", "")
        source = quote(self.prefix + picture)
        return f'[<img src="{source}" alt="{said}" width="{PICTURE_WIDTH}">]({_address(finding)})'


def load_report(folder: Path) -> Probed:
    """Reads what a report has of its CNN, and of the second one if there is one.

    Raises:
        InputError: The folder holds no report, or one that cannot be read.
    """
    probed = Probed.load(folder)
    if not (folder / "against" / RECORD_FILE).exists():
        return probed
    against = Probed.load(folder, "against/")
    names = short_names(probed.name, against.name)
    return replace(probed, name=names[0], against=replace(against, name=names[1]))


def short_names(one: str, other: str) -> tuple[str, str]:
    """Leaves out what two names share: of `CNN (a)` and `CNN (b)` stay `a` and `b`.

    Two equal names become `CNN` and `the second CNN`.
    """
    if one == other:
        return one, f"the second {other}"
    pattern = re.compile(r"(.+) \((.+)\)")
    first, second = pattern.fullmatch(one), pattern.fullmatch(other)
    if first and second and first[1] == second[1]:
        return first[2], second[2]
    return one, other


def link(finding: Finding, text: str = "") -> str:
    """Links in Markdown to a unit, by its name unless told; flags it if it is not trusted."""
    return f"[{plain(text or finding.name)}]({_address(finding)}){flag(finding)}"


def _address(finding: Finding) -> str:
    """Where the page shows a unit."""
    return f"index.html#{quote(finding.layer, safe='')}/{quote(finding.key, safe=',')}"


def picture_of(finding: Finding) -> str | None:
    """Returns the file of the picture that stands for a unit, None if it has none.

    That of its best facet, which is of what one neuron sees; but of a unit that sees the whole
    image, as people do, the one in the first style.
    """
    pictures = [picture for facet in finding.facets for picture in facet.pictures]
    if finding.evidence.neuron is None or not pictures:
        pictures = [styled.picture for styled in finding.evidence.styles] + pictures
    return next(iter(pictures), None)


def flag(finding: Finding) -> str:
    """Returns the mark of a unit whose pictures are not to be trusted, else `""`."""
    return " ⚠" if flagged(finding) else ""


def flagged(finding: Finding) -> bool:
    """Whether the check against real images says not to trust a unit's pictures."""
    return finding.trusted is False


def counts_as(finding: Finding) -> str:
    """Returns the one of `COUNTED_AS` that a unit counts as."""
    if finding.dead:
        return DEAD
    if finding.is_cut:
        return CUT
    if len(finding.kinds) > 1:
        return SEVERAL
    return (finding.kinds or (Kind.UNCLEAR,))[0]


def counts(findings: Iterable[Finding]) -> Counter[str]:
    """Counts units by what each of them counts as, in the order of `COUNTED_AS`."""
    return Counter(sorted(map(counts_as, findings), key=COUNTED_AS.index))


def mean_shares(findings: Iterable[Finding]) -> dict[str, float]:
    """Returns what the gain of units is due to, in the mean: color, shape, brightness.

    Returns:
        `{}` if nothing excites any of them.
    """
    of_units = [finding.shares for finding in findings if finding.shares is not None]
    if not of_units:
        return {}
    return {
        part: sum(getattr(own, part) for own in of_units) / len(of_units)
        for part in ("color", "shape", "brightness")
    }


def clearest(findings: Iterable[Finding]) -> list[Finding]:
    """Sorts units: the surest first and flagged ones last."""
    return sorted(findings, key=lambda f: (flagged(f), bool(f.why), -(f.confidence or 0)))


def color_of_class(finding: Finding) -> tuple[float, float, str] | None:
    """Returns how much of what a class wants, and of what it goes by, is color and not shape.

    Returns:
        Both parts and the class's label; None where one of them is not known.
    """
    known = class_of(finding)
    wanted = finding.shares.color_beside_shape if finding.shares else None
    if known is None or known.used is None or wanted is None:
        return None
    return wanted, known.used.color, known.label


def class_of(finding: Finding) -> ClassEvidence | None:
    """Returns what real images say of the class whose logit a unit is; None without any."""
    data = finding.evidence.data
    return None if data is None else data.label
