"""The tables of a summary: layers, examples, behavior, classes, facets."""

from collections.abc import Iterable, Sequence

from prober.findings.behavior import Behavior, ColorChange
from prober.findings.finding import WANTED, ClassLogit, Finding, Kind, Shares
from prober.report.markdown import plain, table
from prober.report.probed import (
    COUNTED_AS,
    Probed,
    class_of,
    clearest,
    color_of_class,
    counts,
    counts_as,
    flag,
    flagged,
    link,
    living,
    strengths,
)
from prober.report.words import (
    changed_words,
    class_color,
    counted,
    hue_name,
    is_own,
    joined,
    percent,
    things,
    unit_words,
)

EXAMPLES = 2
"""Pictures for each kind and layer."""

DIFFERS = 0.2
"""The part of color from which on what a class goes by differs from what it wants."""

LEAST_COLOR = 0.05
"""The part of color in what a class wants below which no hue is said to excite it most."""

DOUBTFUL = 0.8
"""The confidence below which it is told beside an example."""

POLYSEMANTIC_UNITS = 6
"""Polysemantic units whose facets are shown."""

FACETS = 4
"""Facets of a unit that are shown."""

CLASSES = 20
"""Classes that are shown."""

EMPTY = "-"
"""What an empty cell holds."""

BEHAVIOR_COLUMNS = {
    "accuracy": "named right",
    "accuracy_color_changed": "right in another color",
    "accuracy_without_color": "right in gray",
    "names_color": "named as the class of the new color",
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
    header = ["layer", "units", *COUNTED_AS, "polysemantic", "⚠"]
    kept = [
        i for i in range(len(header)) if i < 2 or any(row[i] not in ("0", EMPTY) for row in rows)
    ]
    return table([header[i] for i in kept], [[row[i] for i in kept] for row in rows])


def _counts(name: str, findings: Sequence[Finding]) -> list[str]:
    def said(count: int) -> str:
        return f"{count} ({percent(count / len(findings))})" if count else "0"

    counted_as = counts(findings)
    polysemantic = sum(bool(finding.polysemantic) for finding in living(findings))
    flags = sum(map(flagged, findings))
    kinds = [said(counted_as[column]) for column in COUNTED_AS]
    return [name, str(len(findings)), *kinds, said(polysemantic), said(flags)]


def hue_table(probed: Probed, against: Probed | None) -> str:
    """Says for each layer what the hue explains of its units' answers to real images.

    Returns:
        `""` if that is known of none.
    """
    cnns = [cnn for cnn in (probed, against) if cnn]
    rows = []
    for layer in probed.layers:
        explained = [mean_hue_share(cnn.layers.get(layer, [])) for cnn in cnns]
        if any(share is not None for share in explained):
            rows.append([f"**{plain(layer)}**", *map(_percent, explained)])
    header = ["layer", *(f"{plain(cnn.name)}: due to the hue" for cnn in cnns)]
    return table(header, rows) if rows else ""


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
            own = [finding for finding in own if not flagged(finding)] or own
            cells.append("<br>".join(_example(probed, finding) for finding in own[:EXAMPLES]))
        if any(cells):
            rows.append([f"**{plain(layer)}**", *cells])
    return table(["layer", *kinds], rows) if rows else ""


def _example(probed: Probed, finding: Finding) -> str:
    pictures = [probed.picture(finding, facet) for facet in finding.facets[:1]]
    wants = unit_words(finding)
    words = [plain(wants) if wants != Kind.BRIGHTNESS else "", share_words(finding.shares)]
    if finding.confidence is not None and finding.confidence < DOUBTFUL:
        words.append(f"confidence {percent(finding.confidence)}")
    caption = [probed.link(finding), "; ".join(filter(None, words))]
    return "<br>".join(filter(None, [*pictures, *caption]))


def share_words(shares: Shares | None) -> str:
    """Says the largest part of what excites a unit: `67% color`; `""` of a dead unit."""
    if shares is None:
        return ""
    return f"{percent(getattr(shares, shares.largest))} {shares.largest}"


def behavior_table(probed: Probed, against: Probed | None) -> str:
    """Sets how two subjects name real images side by side; `""` if that was not examined.

    A column that is known of neither is left out.
    """
    cnns = [(cnn.name, cnn.record.behavior) for cnn in (probed, against) if cnn]
    known = [(name, behavior) for name, behavior in cnns if behavior]
    columns = [
        column
        for column in BEHAVIOR_COLUMNS
        if any(getattr(behavior, column) is not None for _, behavior in known)
    ]
    rows = [
        [plain(name), *(with_interval(behavior, column) for column in columns)]
        for name, behavior in known
    ]
    header = ["on real images", *(BEHAVIOR_COLUMNS[column] for column in columns)]
    return table(header, rows) if rows else ""


def with_interval(behavior: Behavior, name: str) -> str:
    """Says a share with its interval: `20% (18 to 23%)`."""
    said = _percent(getattr(behavior, name))
    if said != EMPTY and name in behavior.intervals:
        low, high = behavior.intervals[name]
        said += f" ({percent(low).removesuffix('%')} to {percent(high)})"
    return said


def class_table(probed: Probed, against: Probed | None) -> str:
    """Shows for each class, or unit of the output, what it wants, and how far it goes by color."""
    hued = any((known := class_of(f)) and known.hue is not None for f in probed.classes)
    known_ones = map(class_of, probed.classes)
    colors = [class_color(known.color, known.hue) if known else "" for known in known_ones]
    used = any((known := class_of(f)) and known.used for f in probed.classes)
    columns = ["picture", "wants", *(["color wanted"] if used else [])]
    columns += ["color used"] if used else []
    columns += ["hue that excites it most"] if hued else []
    rows = []
    for finding, color in list(zip(probed.classes, colors, strict=True))[:CLASSES]:
        row = [class_link(probed, finding)]
        if any(colors):
            row.append(color or EMPTY)
        row += _class_cells(probed, finding, used, hued)
        if against:
            other = against.same_unit(finding)
            row += _class_cells(against, other, used, hued) if other else [EMPTY] * len(columns)
        rows.append(row)
    header = [probed.output_noun, *(["its color"] if any(colors) else []), *columns]
    if against:
        header += [f"{plain(against.name)}: picture", *columns[1:]]
    return table(header, rows) if rows else ""


def no_classes(probed: Probed) -> str:
    """Says why the units of the output are not taken for classes; `""` if they are."""
    if probed.has_classes:
        return ""
    data, real = probed.record.data, f"real {'images' if probed.has_facets else 'inputs'}"
    if data is None:
        has = f"no {real} were given"
    elif data.classes:
        has = f"the {real} have {counted(len(data.classes), 'class', 'classes')}, not as many"
    else:
        has = f"the {real} have none"
    return (
        "Whether the units of the output are classes is not known: they have no names "
        f"(`model.subject.classes`), and {has}."
    )


def class_link(probed: Probed, finding: Finding) -> str:
    """Links to the logit of a class by the class's name, or its number where it has none."""
    known = class_of(finding)
    name = probed.class_name(finding) or (known.label if known else str(finding.channel))
    return link(finding, name)


def _class_cells(probed: Probed, finding: Finding, used: bool, hued: bool) -> list[str]:
    pictures = [probed.picture(finding, facet) for facet in finding.facets[:1]]
    cells = ["".join(pictures) or EMPTY, plain(unit_words(finding)) + flag(finding)]
    known = class_of(finding)
    wanted = finding.shares.color_beside_shape if finding.shares else None
    if used:
        goes_by = known.used.color if known and known.used else None
        differ = (
            wanted is not None and goes_by is not None and abs(_farther(goes_by, wanted)) >= DIFFERS
        )
        mark = "**" if differ else ""
        cells += [_percent(wanted), f"{mark}{_percent(goes_by)}{mark}"]
    if hued:
        said = EMPTY
        if known and known.hue is not None and known.flat_hue is not None and not finding.dead:
            own = is_own(known.flat_hue, known)
            said = "its own" if own else f"{hue_name(known.flat_hue)}, not its own"
            if finding.shares and (wanted or 0) < LEAST_COLOR:
                said = "none"
        cells.append(said)
    return cells


def _farther(goes_by: float, wanted: float) -> float:
    """By how much a class goes farther by color than it wants it, of shares as they are said."""
    return round(round(goes_by, 2) - round(wanted, 2), 2)


def class_sentence(probed: Probed, against: Probed | None) -> str:
    """Says where classes go by color more than their pictures show; `""` without real images.

    Nor where classes have grays of their own: the pictures tell brightness from color.
    """
    said = []
    for cnn in filter(None, (probed, against) if probed.color_noun == "color" else ()):
        pairs = [
            (_farther(used, wanted), label)
            for wanted, used, label in filter(None, map(color_of_class, cnn.classes))
        ]
        more = [pair for pair in pairs if pair[0] >= DIFFERS]
        if pairs:
            most = f", class {plain(max(more)[1])} the most" if more else ""
            said.append(f"{len(more)} of {len(pairs)} of {plain(cnn.name)}{most}")
    if not said:
        return ""
    return f"Classes that go more by color than their picture shows: {'; '.join(said)}."


def class_logit_table(probed: Probed, against: Probed | None) -> str:
    """Shows what each class's logit does when real images change; `""` if there are none."""
    both = against is not None and any(_logit(finding) for finding in against.classes)
    rows = []
    for finding in probed.classes[:CLASSES]:
        if logit := _logit(finding):
            row = [class_link(probed, finding), *_figures(logit)]
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
    return [EMPTY if value is None else f"{value:z.1f}" for value in values]


def logit_images(probed: Probed) -> str:
    """Says which real images the mean logits of classes are of."""
    behavior, how = probed.record.behavior, "in the color of another class"
    others = "with the shape of another class in its own color, and with both"
    if behavior and behavior.color_change != ColorChange.CLASS:
        how = changed_words(behavior)
        others = f"on those of other classes as they are, and on these {how}"
    return f"The mean logit of each class on real images: as they are, {how}, {others}."


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
        facets = zip(finding.facets, things(finding), strengths(finding), strict=True)
        for facet, wants, share in facets:
            words = (
                f"{wants}; {percent(share)} of the gain, from {percent(facet.share)} of the starts"
            )
            picture = probed.picture(finding, facet)
            cells.append("<br>".join(filter(None, [picture, plain(words)])))
        more = len(cells) - most
        head = f"{probed.link(finding)}<br>confidence {percent(finding.confidence or 0)}"
        head += f"<br>{counted(more, 'more facet')}" if more > 0 else ""
        rows.append([head, *cells[:most], *[EMPTY] * -more])
    return table(["unit", *(f"facet {i + 1}" for i in range(most))], rows) if rows else ""
