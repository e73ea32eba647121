"""The tables of a summary: layers, examples, behavior, classes, facets."""

from collections.abc import Iterator, Sequence

from prober.findings.behavior import Behavior
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
)
from prober.report.words import (
    class_colors,
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


def layer_table(probed: Probed) -> str:
    """Counts the units of each layer by what they want, beside those of the second subject.

    A column of zeros is left out.
    """
    rows = [[name, *_counts(findings)] for name, _, findings in layer_rows(probed)]
    header = ["layer", "units", *COUNTED_AS, "polysemantic", "⚠"]
    kept = [i for i in range(len(header)) if any(row[i] != "0" for row in rows)]
    return table([header[i] for i in kept], [[row[i] for i in kept] for row in rows])


def layer_rows(probed: Probed) -> Iterator[tuple[str, Probed, list[Finding]]]:
    """Yields what each layer is called in a table, whose it is, and its findings.

    Each is followed by that of the second subject.
    """
    for layer, findings in probed.layers.items():
        yield f"**{plain(layer)}**", probed, findings
        if (against := probed.against) and (others := against.layers.get(layer)):
            yield plain(f"{layer}, {against.name}"), against, others


def _counts(findings: Sequence[Finding]) -> list[str]:
    counted_as = counts(findings)
    numbers = [counted_as[column] for column in COUNTED_AS]
    numbers += [sum(bool(f.polysemantic) for f in findings), sum(map(flagged, findings))]
    units = len(findings)
    return [str(units), *(f"{n} ({percent(n / units)})" if n else "0" for n in numbers)]


def hue_table(probed: Probed) -> str:
    """Says for each layer what the hue explains of its units' answers to real images.

    Returns:
        `""` if that is known of none.
    """
    rows = [
        [f"**{plain(layer)}**", *(_percent(cnn.hue_shares.get(layer)) for cnn in probed.cnns)]
        for layer in probed.layers
        if any(layer in cnn.hue_shares for cnn in probed.cnns)
    ]
    header = ["layer", *(f"{plain(cnn.name)}: due to the hue" for cnn in probed.cnns)]
    return table(header, rows)


def _percent(share: float | None) -> str:
    return EMPTY if share is None else percent(share)


def example_table(probed: Probed) -> str:
    """Shows for each layer and kind the units that are surest; `""` if nothing is clear."""
    there = counts(probed.findings)
    kinds = [kind for kind in WANTED if there[kind]]
    rows = []
    for layer, findings in probed.layers.items():
        cells = []
        for kind in kinds:
            own = clearest(f for f in findings if counts_as(f) == kind)
            own = [finding for finding in own if not flagged(finding)] or own
            cells.append("<br>".join(_example(probed, finding) for finding in own[:EXAMPLES]))
        if any(cells):
            rows.append([f"**{plain(layer)}**", *cells])
    return table(["layer", *kinds], rows)


def _example(probed: Probed, finding: Finding) -> str:
    picture, wants = probed.picture(finding, finding.facets[0]), unit_words(finding)
    words = [plain(wants) if wants != Kind.BRIGHTNESS else "", share_words(finding.shares)]
    if finding.confidence is not None and finding.confidence < DOUBTFUL:
        words.append(f"confidence {percent(finding.confidence)}")
    lines = [picture, probed.link(finding), "; ".join(filter(None, words))]
    return "<br>".join(filter(None, lines))


def share_words(shares: Shares | None) -> str:
    """Says the largest part of what excites a unit: `67% color`; `""` of a dead unit."""
    if shares is None:
        return ""
    return f"{percent(getattr(shares, shares.largest))} {shares.largest}"


def behavior_table(probed: Probed) -> str:
    """Sets how two subjects name real images side by side; `""` if that was not examined.

    A column that is known of neither is left out.
    """
    known = [(cnn.name, cnn.record.behavior) for cnn in probed.cnns if cnn.record.behavior]
    columns = [
        column
        for column in BEHAVIOR_COLUMNS
        if any(getattr(behavior, column) is not None for _, behavior in known)
    ]
    rows = [
        [plain(name), *(with_interval(behavior, column) for column in columns)]
        for name, behavior in known
    ]
    said = [BEHAVIOR_COLUMNS[column].replace("color", probed.color_noun) for column in columns]
    header = ["on real images", *said]
    return table(header, rows)


def with_interval(behavior: Behavior, name: str) -> str:
    """Says a share with its interval: `20% (18 to 23%)`."""
    said = _percent(getattr(behavior, name))
    if said != EMPTY and name in behavior.intervals:
        low, high = behavior.intervals[name]
        said += f" ({percent(low).removesuffix('%')} to {percent(high)})"
    return said


def class_table(probed: Probed) -> str:
    """Shows for each class, or unit of the output, what it wants, and how far it goes by color."""
    known = list(filter(None, map(class_of, probed.classes)))
    colors = class_colors([each.color for each in known], [each.hue for each in known])
    color_of = dict(zip([each.label for each in known], colors, strict=True))
    own = ["its color"] if any(colors) else []
    columns = ["picture", "wants"]
    if any(each.used for each in known) and probed.classes_by_color:
        columns += ["color wanted", "color used"]
    if any(each.hue is not None for each in known):
        columns.append("flat hue that excites it most")
    rows = []
    for finding in probed.classes[:CLASSES]:
        row = [class_link(probed, finding)]
        if own:
            its = class_of(finding)
            row.append((color_of[its.label] if its else "") or EMPTY)
        for cnn in probed.cnns:
            unit = cnn.same_unit(finding)
            cells = _class_cells(cnn, unit) if unit else {}
            row += [cells.get(column, EMPTY) for column in columns]
        rows.append(row)
    return table([probed.output_noun, *own, *_headers(probed.cnns, columns)], rows)


def _headers(cnns: Sequence[Probed], columns: Sequence[str]) -> list[str]:
    """What stands above the columns of each CNN: the name of a second one before its first."""
    first, *others = columns
    beside = [header for cnn in cnns[1:] for header in (f"{plain(cnn.name)}: {first}", *others)]
    return [*columns, *beside]


def no_classes(probed: Probed) -> str:
    """Says why the units of the output are not taken for classes; `""` if they are."""
    if probed.has_classes:
        return ""
    data, real = probed.record.data, f"real {'images' if probed.has_facets else 'inputs'}"
    has = f"the {real} have {data.unlike_logits}" if data else f"no {real} were given"
    return (
        "Whether the units of the output are classes is not known: they have no names "
        f"(`model.subject.classes`), and {has}."
    )


def class_link(probed: Probed, finding: Finding) -> str:
    """Links to the logit of a class by the class's name, or its number where it has none."""
    known = class_of(finding)
    name = probed.class_name(finding) or (known.label if known else str(finding.channel))
    return link(finding, name)


def _class_cells(probed: Probed, finding: Finding) -> dict[str, str]:
    """Says by its column what is known of a class."""
    known = class_of(finding)
    wanted = finding.shares.color_beside_shape if finding.shares else None
    used = known.used.color if known and known.used else None
    differ = wanted is not None and used is not None and abs(_farther(used, wanted)) >= DIFFERS
    mark = "**" if differ else ""
    unclear = Kind.UNCLEAR in finding.kinds
    cells = {
        "picture": "".join(probed.picture(finding, each) for each in finding.facets[:1]) or EMPTY,
        "wants": ("unclear" if unclear else plain(unit_words(finding))) + flag(finding),
        "color wanted": _percent(wanted),
        "color used": f"{mark}{_percent(used)}{mark}",
    }
    if known and known.hue is not None and known.flat_hue is not None and not finding.dead:
        name = hue_name(known.flat_hue)
        said = f"{'another ' * (name == hue_name(known.hue))}{name}, not its own"
        if is_own(known.flat_hue, known):
            said = "its own"
        if finding.shares and (wanted or 0) < LEAST_COLOR:
            said = "none"
        cells["flat hue that excites it most"] = said
    return cells


def _farther(goes_by: float, wanted: float) -> float:
    """By how much a class goes farther by color than it wants it, of shares as they are said."""
    return round(round(goes_by, 2) - round(wanted, 2), 2)


def class_sentence(probed: Probed) -> str:
    """Says where classes go by color more than their pictures show; `""` without real images.

    Nor where classes have grays of their own: the pictures tell brightness from color.
    """
    said = []
    for cnn in probed.cnns if probed.color_noun == "color" else ():
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


def class_logit_table(probed: Probed) -> str:
    """Shows what each class's logit does when real images change; `""` if there are none."""
    cnns = [cnn for cnn in probed.cnns if any(map(_logit, cnn.classes))]
    rows = [
        [class_link(probed, unit), *(f for cnn in cnns for f in _figures(cnn.same_unit(unit)))]
        for unit in probed.classes[:CLASSES]
        if _logit(unit)
    ]
    return table(["class", *_headers(cnns, [*LOGIT_COLUMNS.values()])], rows)


def _logit(finding: Finding) -> ClassLogit | None:
    known = class_of(finding)
    return None if known is None else known.logit


def _figures(finding: Finding | None) -> list[str]:
    logit = _logit(finding) if finding else None
    values = [getattr(logit, name, None) for name in LOGIT_COLUMNS]
    return [EMPTY if value is None else f"{value:z.1f}" for value in values]


def logit_images(probed: Probed) -> str:
    """Says which real images the mean logits of classes are of."""
    return (
        f"The mean logit of each class on real images: as they are, in the {probed.color_noun} of "
        f"another class, with the shape of another class in its own {probed.color_noun}, and with "
        "both."
    )


def logit_sentence(probed: Probed) -> str:
    """Says for how many classes the color counts more than the shape; `""` without real images."""
    said = []
    for cnn in probed.cnns:
        lower = [
            logit.color_changed < logit.shape_changed
            for logit in filter(None, map(_logit, cnn.classes))
            if logit.color_changed is not None and logit.shape_changed is not None
        ]
        if lower:
            number = counted(len(lower), "class", "classes")
            said.append(f"{sum(lower)} of {number} of {plain(cnn.name)}")
    if not said:
        return ""
    changed = probed.color_noun
    return f"It is lower with another {changed} than with another shape in {joined(said)}."


def facet_table(probed: Probed) -> str:
    """Shows the facets of the clearest polysemantic units side by side; `""` if there are none."""
    shown = probed.polysemantic[:POLYSEMANTIC_UNITS]
    most = min(FACETS, max((len(finding.facets) for finding in shown), default=0))
    rows = []
    for finding in shown:
        cells = []
        for facet, wants in zip(finding.facets, things(finding), strict=True):
            reached, starts = percent(facet.strength), percent(facet.share)
            words = plain(f"{wants}; {reached} of the gain, from {starts} of the starts")
            cells.append("<br>".join(filter(None, [probed.picture(finding, facet), words])))
        more = len(cells) - most
        head = f"{probed.link(finding)}<br>confidence {percent(finding.confidence or 0)}"
        head += f"<br>{counted(more, 'more facet')}" if more > 0 else ""
        rows.append([head, *cells[:most], *[EMPTY] * -more])
    return table(["unit", *(f"facet {i + 1}" for i in range(most))], rows)
