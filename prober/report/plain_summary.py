"""The summary of units whose input has no color and no shape: scores, pictures and answers."""

from collections.abc import Sequence

from prober.common.inputs import input_kind
from prober.findings.finding import Finding
from prober.report.caveats import unusable, without_pictures
from prober.report.markdown import plain, table
from prober.report.opening import who
from prober.report.probed import Probed
from prober.report.tables import CLASSES, EMPTY, class_link, layer_rows
from prober.report.words import counted, order_words, percent, score_words

EXAMPLES = 3
"""Units of a layer whose pictures are shown: those whose score goes farthest."""


def why_plain(probed: Probed) -> str:
    """Says in one sentence why nothing is said of color, shape and facets."""
    shape = probed.record.subject.input_shape
    return (
        f"The input is a {input_kind(shape).name.lower()}, {list(shape)}, which has neither color "
        "nor shape: this report shows what excites the units and how far their scores go, and says "
        "nothing of color, shape, facets and shortcuts."
    )


def plain_answers(probed: Probed) -> list[str]:
    """Says of each CNN who it is, how many units move, and how well it names real inputs."""
    said = []
    for cnn in probed.cnns:
        moved = f"{len(cnn.live)} of {counted(len(cnn.findings), 'unit')} answer to something"
        behavior = cnn.record.behavior
        named = ""
        if behavior is not None:
            low, high = behavior.intervals["accuracy"]
            named = (
                f" Of {behavior.images['accuracy']:,} real inputs {percent(behavior.accuracy)} are "
                f"named right (95% interval: {percent(low)} to {percent(high)}; by chance "
                f"{percent(behavior.chance)}). {plain(order_words(behavior))}"
            ).rstrip()
        said.append(f"{who(cnn)} {moved}.{named}")
    return said


def plain_layer_table(probed: Probed) -> str:
    """Shows for each layer how many units are dead, and those whose score goes farthest."""
    rows = [[name, *_cells(cnn, findings)] for name, cnn, findings in layer_rows(probed)]
    return table(["layer", "units", "dead", "score goes farthest in", *[""] * (EXAMPLES - 1)], rows)


def _cells(probed: Probed, findings: Sequence[Finding]) -> list[str]:
    live = [finding for finding in findings if not finding.dead]
    farthest = sorted(live, key=_gain, reverse=True)[:EXAMPLES]
    shown = [_shown(probed, finding) for finding in farthest]
    units, dead = len(findings), len(findings) - len(live)
    return [str(units), str(dead), *shown, *[EMPTY] * (EXAMPLES - len(shown))]


def _gain(finding: Finding) -> float:
    score = finding.evidence.score
    return score.best - score.neutral


def _shown(probed: Probed, finding: Finding) -> str:
    """Shows a unit's picture, with its name and how far its score goes."""
    picture = probed.styled_picture(finding)
    return "<br>".join(filter(None, [picture, f"{probed.link(finding)}: {score_words(finding)}"]))


def plain_class_table(probed: Probed) -> str:
    """Shows the picture of each class, or unit of the output, and how far its score goes.

    Returns:
        `""` if none was probed.
    """
    rows = []
    for finding in probed.classes[:CLASSES]:
        row = [class_link(probed, finding)]
        for cnn in probed.cnns:
            own = cnn.same_unit(finding)
            row += [cnn.styled_picture(own), score_words(own)] if own else [EMPTY, EMPTY]
        rows.append(row)
    columns = ["picture", "score, neutral to best"]
    header = [probed.output_noun, *columns]
    if against := probed.against:
        header += [f"{plain(against.name)}: {column}" for column in columns]
    return table(header, rows)


def plain_doubts(probed: Probed) -> list[str]:
    """Says what the pictures leave open."""
    said = [
        *map(plain, without_pictures(probed)),
        "Whether a unit wants several things was not looked for: its pictures from other seeds are "
        "on the page.",
    ]
    if dead := [finding for finding in probed.findings if finding.dead]:
        number = counted(len(dead), "unit")
        said.append(f"Nothing that was tried moves {number}: {probed.links(dead)}.")
    data = probed.record.data
    if data is None:
        said.append("No real inputs were given, so nothing here says what it does with them.")
    elif probed.record.behavior is None:
        said.append(
            f"How well it names real inputs was not checked: they have {data.unlike_logits}."
        )
    said += unusable(probed)
    if probed.against is None:
        said.append(
            "No second subject was probed, so nothing here says what training made of the CNN."
        )
    return said
