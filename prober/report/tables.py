"""The tables of a summary: layers, examples, behavior, classes, facets."""

from collections.abc import Iterable, Sequence

from prober.findings.finding import WANTED, ClassLogit, Finding
from prober.report.answers import SAME_HUE_DEGREES, class_link, hue_distance
from prober.report.markdown import plain, table
from prober.report.probed import (
    COUNTED_AS,
    Probed,
    class_of,
    clearest,
    counts,
    counts_as,
    flag,
    flagged,
    link,
    living,
    shares,
)
from prober.report.words import counted, facet_words, hue_words, joined, percent, unit_words

EXAMPLES = 2
"""Pictures for each kind and layer."""

POLYSEMANTIC_UNITS = 6
"""Polysemantic units whose facets are shown."""

FACETS = 4
"""Facets of a unit that are shown."""

CLASSES = 20
"""Classes that are shown."""

EMPTY = "-"
"""What an empty cell holds."""

HUE_EXPLAINS = "hue explains"
"""The column that says how much of the answers to real images the hue explains."""

BEHAVIOR_COLUMNS = {
    "accuracy": "right",
    "accuracy_color_changed": "right with the color changed",
    "accuracy_without_color": "right without color",
    "names_color": "names the class of the color",
    "chance": "chance",
}
"""What a CNN does with real images, and how it is said."""

LOGIT_COLUMNS = {
    "own": "as they are",
    "color_changed": "color changed",
    "shape_changed": "shape changed",
    "both_changed": "both changed",
}
"""What real images of a class were shown, and how it is said."""


def layer_table(probed: Probed, against: Probed | None) -> str:
    """Counts the units of each layer by what they want, beside those of the second subject."""
    rows = []
    for layer, findings in probed.layers.items():
        rows.append(_counts(f"**{plain(layer)}**", findings))
        if against and (others := against.layers.get(layer)):
            rows.append(_counts(plain(f"{layer}, {against.name}"), others))
    header = ["layer", "units", *COUNTED_AS, "polysemantic", "⚠", HUE_EXPLAINS]
    kept = [
        i for i in range(len(header)) if i < 2 or any(row[i] not in ("0", EMPTY) for row in rows)
    ]
    return table([header[i] for i in kept], [[row[i] for i in kept] for row in rows])


def _counts(name: str, findings: Sequence[Finding]) -> list[str]:
    def said(count: int) -> str:
        return f"{count} ({percent(count / len(findings))})" if count else "0"

    counted_as = counts(findings)
    polysemantic = sum(finding.polysemantic for finding in living(findings))
    flags = sum(map(flagged, findings))
    kinds = [said(counted_as[column]) for column in COUNTED_AS]
    explained = _percent(mean_hue_share(findings))
    return [name, str(len(findings)), *kinds, said(polysemantic), said(flags), explained]


def mean_hue_share(findings: Iterable[Finding]) -> float | None:
    """Returns the mean share of the variance that the hue explains; None if there is none."""
    sections = [finding.evidence.data for finding in living(findings)]
    explained = [data.variance.hue for data in sections if data and data.variance]
    return sum(explained) / len(explained) if explained else None


def _percent(share: float | None) -> str:
    return EMPTY if share is None else percent(share)


def example_table(probed: Probed) -> str:
    """Shows for each layer and kind the units that are surest; `""` if nothing is clear."""
    there = counts(probed.findings)
    kinds = [kind.value for kind in WANTED if there[kind]]
    rows = []
    for layer, findings in probed.layers.items():
        cells = []
        for kind in kinds:
            own = clearest(f for f in findings if counts_as(f) == kind)
            cells.append("<br>".join(_example(probed, finding) for finding in own[:EXAMPLES]))
        if any(cells):
            rows.append([f"**{plain(layer)}**", *cells])
    return table(["layer", *kinds], rows) if rows else ""


def _example(probed: Probed, finding: Finding) -> str:
    pictures = [probed.picture(finding, facet) for facet in finding.facets[:1]]
    # The column says the kind.
    words = [facet_words(facet).partition(": ")[2] for facet in finding.facets[:1]]
    words += [f"1 of {len(finding.facets)} facets"] if len(finding.facets) > 1 else []
    caption = " ".join([link(finding), plain(", ".join(filter(None, words)))]).strip()
    return "<br>".join(filter(None, [*pictures, caption]))


def behavior_table(probed: Probed, against: Probed | None) -> str:
    """Sets how two subjects answer real images side by side; `""` if that was not examined."""
    rows = [
        [plain(cnn.name), *(_percent(getattr(behavior, name)) for name in BEHAVIOR_COLUMNS)]
        for cnn in (probed, against)
        if cnn and (behavior := cnn.record.behavior)
    ]
    return table(["on real images", *BEHAVIOR_COLUMNS.values()], rows) if rows else ""


def class_picture_table(probed: Probed, against: Probed | None) -> str:
    """Shows for each class what its logit wants, and how near its hue is to the class's own."""
    hued = any((known := class_of(f)) and known.hue is not None for f in probed.classes)
    columns = ["picture", "wants", *(["best flat hue"] if hued else [])]
    rows = []
    for finding in probed.classes[:CLASSES]:
        row = [class_link(finding)]
        if hued:
            known = class_of(finding)
            row.append(EMPTY if known is None or known.hue is None else hue_words(known.hue))
        row += _class_pictures(probed, finding)[: len(columns)]
        if against:
            other = against.same_unit(finding)
            cells = _class_pictures(against, other) if other else [EMPTY] * 3
            row += cells[: len(columns)]
        rows.append(row)
    header = ["class", *(["its hue in the data"] if hued else []), *columns]
    if against:
        header += [f"{plain(against.name)}: picture", *columns[1:]]
    return table(header, rows) if rows else ""


def _class_pictures(probed: Probed, finding: Finding) -> list[str]:
    pictures = [probed.picture(finding, facet) for facet in finding.facets[:1]]
    away, known = hue_distance(finding), class_of(finding)
    said = EMPTY
    if away is not None and known and known.flat_hue is not None:
        match = "same hue" if away <= SAME_HUE_DEGREES else "another hue"
        said = f"{hue_words(known.flat_hue)}: {match}"
    return ["".join(pictures) or EMPTY, plain(unit_words(finding)) + flag(finding), said]


def class_logit_table(probed: Probed, against: Probed | None) -> str:
    """Shows what each class's logit does when real images change; `""` if there are none."""
    both = against is not None and any(_logit(finding) for finding in against.classes)
    rows = []
    for finding in probed.classes[:CLASSES]:
        if logit := _logit(finding):
            row = [class_link(finding), *_figures(logit)]
            if against and both:
                other = against.same_unit(finding)
                row += _figures(_logit(other) if other else None)
            rows.append(row)
    header = ["class", *LOGIT_COLUMNS.values()]
    if against and both:
        as_they_are, *changed = LOGIT_COLUMNS.values()
        header += [f"{plain(against.name)}: {as_they_are}", *changed]
    return table(header, rows) if rows else ""


def _logit(finding: Finding) -> ClassLogit | None:
    known = class_of(finding)
    return None if known is None else known.logit


def _figures(logit: ClassLogit | None) -> list[str]:
    values = [None if logit is None else getattr(logit, name) for name in LOGIT_COLUMNS]
    return [EMPTY if value is None else f"{value:.1f}" for value in values]


def logit_sentence(probed: Probed, against: Probed | None) -> str:
    """Says for how many classes the color counts more than the shape; `""` without real images."""
    said = []
    for cnn in filter(None, (probed, against)):
        logits = filter(None, map(_logit, cnn.classes))
        pairs = [
            (logit.color_changed, logit.shape_changed)
            for logit in logits
            if logit.color_changed is not None and logit.shape_changed is not None
        ]
        if pairs:
            lower = sum(color < shape for color, shape in pairs)
            number = counted(len(pairs), "class", "classes")
            said.append(f"{lower} of {number} of {plain(cnn.name)}")
    if not said:
        return ""
    return f"It is lower with another color than with another shape in {joined(said)}."


def facet_table(probed: Probed) -> str:
    """Shows the facets of the clearest polysemantic units side by side; `""` if there are none."""
    shown = probed.polysemantic[:POLYSEMANTIC_UNITS]
    most = min(FACETS, max((len(finding.facets) for finding in shown), default=0))
    rows = []
    for finding in shown:
        cells = []
        for facet, share in zip(finding.facets, shares(finding), strict=True):
            words = (
                f"{facet_words(facet)}; {percent(share)} of the gain, "
                f"from {percent(facet.share)} of the starts"
            )
            picture = probed.picture(finding, facet)
            cells.append("<br>".join(filter(None, [picture, plain(words)])))
        more = len(cells) - most
        head = f"{link(finding)}<br>confidence {finding.confidence:.2f}"
        head += f"<br>{counted(more, 'more facet')}" if more > 0 else ""
        rows.append([head, *cells[:most], *[EMPTY] * -more])
    return table(["unit", *(f"facet {i + 1}" for i in range(most))], rows) if rows else ""
