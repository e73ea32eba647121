"""The charts of a summary, as SVG: what excites the units of each layer, and the classes."""

import html
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from prober.common.files import write_whole
from prober.findings.finding import Finding
from prober.report.probed import Probed, class_of
from prober.report.words import percent

LAYERS_CHART = "charts/layers.svg"
CLASSES_CHART = "charts/classes.svg"

FILLS = {"color": "#c2255c", "shape": "#1d4f80", "brightness": "#f1d57a"}
"""What the parts of a bar are filled with; told apart by their lightness, too."""

INKS = {"color": "#ffffff", "shape": "#ffffff", "brightness": "#2b2b2b"}

ROWS = 24
"""Layers, or classes, that a chart shows at most."""

LETTER, SWATCH, BAR_NAME, BAR, GAP = 9, 24, 56, 300, 16
"""Pixels: the width of a letter, of a color, of the name of a bar, of a bar, and of what is
between."""

LINE, BESIDE, THICK = 26, 19, 18
"""Pixels: from one row to the next, from one bar to the next of a row, and how thick bars are."""

LONGEST_NAME = 16
"""Letters of a name that there is room for."""

LEAST_SAID = 0.09
"""The part of a bar from which on its figure fits into it."""

Parts = Mapping[str, float]
"""A bar: for each of `FILLS` its share, together 1; none if they are not known."""


@dataclass(frozen=True)
class Row:
    """What a chart shows of a layer, or of a class.

    Attributes:
        name: Its name.
        color: Its color as SVG has it; may be empty.
        columns: For each CNN the bars, one below the other, by what stands before them; none if it
            was not examined in a second CNN.
    """

    name: str
    color: str
    columns: Sequence[Mapping[str, Parts]]


def write_charts(folder: Path, probed: Probed) -> None:
    """Writes the charts into a report's folder: `charts/layers.svg` and `charts/classes.svg`.

    Both hold a column for each CNN. That of the classes has two bars for each: what the logit
    wants, and what it goes by on real images. It is left out where that is not known.

    Raises:
        OSError: The folder cannot be written.
    """
    names = [cnn.name for cnn in probed.cnns]
    layers = [
        Row(name, "", [{"": cnn.shares.get(name, {})} for cnn in probed.cnns])
        for name in probed.layers
    ]
    write_whole(
        folder / LAYERS_CHART,
        _chart("What excites the units, in synthesized images", names, layers),
    )
    (folder / CLASSES_CHART).unlink(missing_ok=True)
    rows = (_class_row(unit, probed.cnns) for unit in probed.classes_by_color)
    if classes := list(filter(None, rows)):
        title = "Wants: in synthesized images. Goes by: on real ones"
        write_whole(folder / CLASSES_CHART, _chart(title, names, classes))


def _class_row(finding: Finding, cnns: Sequence[Probed]) -> Row | None:
    """What a class wants and goes by; None if the latter is not known of the first CNN."""
    known = class_of(finding)
    if known is None or known.used is None:
        return None
    color = ""
    if known.color is not None:
        color = "#" + "".join(f"{round(255 * value):02x}" for value in known.color)
    units = [cnn.same_unit(finding) for cnn in cnns]
    return Row(known.label, color, [_class_bars(unit) if unit else {} for unit in units])


def _class_bars(finding: Finding) -> dict[str, Parts]:
    """What a logit wants, without brightness, which real images do not tell; what it goes by."""
    known = class_of(finding)
    color = finding.shares.color_beside_shape if finding.shares else None
    return {
        "wants": {} if color is None else {"color": color, "shape": 1 - color},
        "goes by": asdict(known.used) if known and known.used else {},
    }


def _chart(title: str, cnns: Sequence[str], rows: Sequence[Row]) -> str:
    """Draws rows of bars, a column for each CNN."""
    rows = rows[:ROWS]
    every_bar = [bar for row in rows for bars in row.columns for bar in bars.values()]
    parts = [part for part in FILLS if any(part in bar for bar in every_bar)]
    left = 4 + (SWATCH if any(row.color for row in rows) else 0)
    bars_name = left + GAP + LETTER * max(len(_short(row.name, LONGEST_NAME)) for row in rows)
    before = bars_name + (BAR_NAME if any(rows[0].columns[0]) else 0)
    width = before + len(cnns) * (BAR + GAP)
    drawn, top = [_text(4, 18, title), _legend(before, LINE, parts)], 3 * LINE
    for column, name in enumerate(cnns):
        drawn.append(_text(before + column * (BAR + GAP), top - 8, _short(name, 36), "bold"))
    for row in rows:
        drawn.append(_text(left, top + 14, _short(row.name, LONGEST_NAME), "bold"))
        if row.color:
            drawn.append(_rect(4, top + 2, 14, 14, row.color))
        for column, bars in enumerate(row.columns):
            for line, (name, bar) in enumerate(bars.items()):
                at = top + line * BESIDE
                if column == 0:
                    drawn.append(_text(bars_name, at + 14, name))
                drawn.append(_bar(before + column * (BAR + GAP), at, bar))
        top += LINE + (len(row.columns[0]) - 1) * BESIDE
    height = top + 6
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" role="img" font-family="system-ui, sans-serif" '
        f'font-size="13">\n{_rect(0, 0, width, height, "#ffffff")}\n'
        + "\n".join(filter(None, drawn))
        + "\n</svg>\n"
    )


def _legend(left: int, top: int, parts: Iterable[str]) -> str:
    drawn = []
    for part in parts:
        drawn += [_rect(left, top + 6, 14, 14, FILLS[part]), _text(left + 20, top + 18, part)]
        left += 100
    return "\n".join(drawn)


def _bar(left: float, top: float, parts: Parts) -> str:
    """A bar of parts that sum up to 1, each with its figure if it is wide enough."""
    if not parts:
        return _text(left, top + 14, "not known")
    drawn = []
    for part, share in parts.items():
        wide = BAR * share
        drawn.append(_rect(left, top, wide, THICK, FILLS[part], f"{part} {percent(share)}"))
        if share >= LEAST_SAID:
            middle = left + wide / 2
            drawn.append(_text(middle, top + 13, percent(share), anchor="middle", fill=INKS[part]))
        left += wide
    return "\n".join(drawn)


def _rect(left: float, top: float, width: float, height: float, fill: str, title: str = "") -> str:
    said = f"<title>{html.escape(title)}</title>" if title else ""
    return (
        f'<rect x="{left:.1f}" y="{top:.1f}" width="{width:.1f}" height="{height:.1f}" '
        f'fill="{fill}">{said}</rect>'
    )


def _text(
    left: float,
    top: float,
    text: str,
    weight: str = "normal",
    anchor: str = "start",
    fill: str = "#2b2b2b",
) -> str:
    if not text:
        return ""
    return (
        f'<text x="{left:.1f}" y="{top:.1f}" font-weight="{weight}" text-anchor="{anchor}" '
        f'fill="{fill}">{html.escape(text)}</text>'
    )


def _short(name: str, most: int) -> str:
    """Leaves out the middle of a name that is too long."""
    half = (most - 1) // 2
    return name if len(name) <= most else f"{name[:half]}…{name[-half:]}"
