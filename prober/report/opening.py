"""What stands around the answers of a summary: charts, one unit to show, who and how many."""

import html

from prober.findings.behavior import ColorChange
from prober.findings.finding import Finding, Shares
from prober.findings.real_responses import SHOWN_IN_HUES
from prober.report.charts import CLASSES_CHART, LAYERS_CHART
from prober.report.markdown import plain
from prober.report.probed import Probed, color_of_class, flagged
from prober.report.words import (
    class_colors,
    counted,
    hue_name,
    is_extreme,
    joined,
    percent,
    says_number,
    unit_words,
)
from prober.subject.reference import TRAINED_ON

SURE = 0.9
"""The confidence from which on a unit may be recommended."""

EXAMPLE_OF_COLOR = 0.5
"""The share of color from which on a unit is an example of color."""

NAMED_COLORS = 12
"""Classes whose colors are named."""


SEVERAL_EACH = "none has one of its own, but several that others have not"
"""What is said where classes have several hues each, or shades of all hues."""


def layers_chart(probed: Probed) -> str:
    """Shows the chart of the layers in Markdown; `""` if nothing excites any unit."""
    said = []
    for cnn in probed.cnns:
        for layer, shares in cnn.shares.items():
            parts = ", ".join(f"{part} {percent(share)}" for part, share in shares.items())
            said.append(f"{cnn.name} {layer}: {parts}")
    return _chart(LAYERS_CHART, "; ".join(said))


def classes_chart(probed: Probed) -> str:
    """Shows the chart of the classes in Markdown; `""` if there is none."""
    said = [
        f"class {label}: wants {percent(wanted)} color, goes by {percent(used)}"
        for wanted, used, label in filter(None, map(color_of_class, probed.classes_by_color))
    ]
    return _chart(CLASSES_CHART, "; ".join(said))


def _chart(path: str, said: str) -> str:
    """Shows a chart with what it says; `""` if that is nothing."""
    if not said:
        return ""
    alt = html.escape(said).replace("[", "").replace("]", "").replace("\\", "")
    return f'[<img src="{path}" alt="{alt}">](index.html)'


def unit_to_show(probed: Probed) -> str:
    """Recommends one unit to show to others: what it wants, and a picture; `""` if none is clear.

    That is the one with the largest share of color, or of shape where nothing has a color, of
    those that are sure and trusted; and whose picture shows its color as what it is called, if any
    does.
    """
    sure = [
        (finding, finding.shares)
        for finding in probed.live
        if finding.shares and finding.facets and not (flagged(finding) or finding.why)
        if (finding.confidence or 0) >= SURE
    ]
    if not sure:
        return ""
    best, shares = max(sure, key=lambda pair: (_shows_its_color(*pair), pair[1].color))
    if shares.color < min(EXAMPLE_OF_COLOR, max(own.shape for _, own in sure)):
        best, shares = max(sure, key=lambda pair: pair[1].shape)
    picture, wants = probed.picture(best, best.facets[0]), plain(unit_words(best))
    hue = best.facets[0].hue
    if hue is not None and wants == hue_name(hue) and not is_extreme(hue):
        wants += f", between {hue_name(hue - 30)} and {hue_name(hue + 30)}"
    return (
        f"{picture} **One unit to show: {probed.link(best)}.** It wants {wants}; "
        f"{percent(getattr(shares, shares.largest))} of what excites it is due to {shares.largest}."
    )


def _shows_its_color(finding: Finding, shares: Shares) -> bool:
    hue = finding.facets[0].hue
    return shares.color >= EXAMPLE_OF_COLOR and hue is not None and is_extreme(hue)


def what_figures_rest_on(probed: Probed) -> list[str]:
    """Says who the CNNs are, on how many images figures rest, and which class has which color."""
    lines = [who(probed)]
    if against := probed.against:
        lines.append(f"{who(against)} It has the same layers and is there to compare with.")
    if data := probed.record.data:
        behavior = probed.record.behavior
        number = behavior.images["accuracy"] if behavior else data.images
        counted_there = "" if says_number(data.name, number) else f"{counted(number, 'image')}: "
        said = f"{counted_there}{plain(data.name)}"
        under = (
            " 95% intervals of the accuracies are under *Shortcut learning*." if behavior else ""
        )
        changed = behavior.images.get("accuracy_color_changed", number) if behavior else number
        if changed < number:
            under += f" That in other colors rests on the {changed:,} that could be shown so."
        if number > SHOWN_IN_HUES and any(probed.hue_shares.values()):
            under += f" What the hue explains rests on at most {SHOWN_IN_HUES} of them."
        lines.append(f"Figures on real images rest on {said}.{under}")
    if data and data.colors and data.hues:
        named = zip(data.classes, class_colors(data.colors, data.hues), strict=True)
        colors = [f"{plain(label)} {color}" for label, color in named if color]
        if colors:
            where = ", to which the whole image leans" if data.tinted else ""
            lines.append(f"Colors of the classes{where}: {joined(colors, NAMED_COLORS)}.")
        elif behavior and behavior.color_change == ColorChange.CLASS:
            lines.append(f"Colors of the classes: {SEVERAL_EACH}.")
    return lines


def who(cnn: Probed) -> str:
    """Says who a CNN is: what it learned from, if it ships with the project, or its weights."""
    subject = cnn.record.subject
    said = f"*{plain(cnn.name)}*"
    if cnn.name != subject.name:
        said += f" is {plain(subject.name)}; it"
    if subject.sha256 in TRAINED_ON:
        return f"{said} was trained on {TRAINED_ON[subject.sha256]}."
    weights = f"of {plain(subject.checkpoint)}" if subject.checkpoint else "that it was made with"
    return f"{said} has the weights {weights}."
