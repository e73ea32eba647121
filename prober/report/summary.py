"""The summary: short Markdown for the person who will act on what was found."""

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from prober.common.files import write_whole
from prober.report.answers import color_answer, polysemantic_answer, shortcut_answer
from prober.report.caveats import distrusted, how_made, unsettled
from prober.report.charts import write_charts
from prober.report.markdown import plain
from prober.report.opening import (
    classes_chart,
    layers_chart,
    unit_to_show,
    what_figures_rest_on,
)
from prober.report.plain_summary import (
    plain_answers,
    plain_class_table,
    plain_doubts,
    plain_layer_table,
    why_plain,
)
from prober.report.probed import load_report
from prober.report.tables import (
    CLASSES,
    behavior_table,
    class_logit_table,
    class_sentence,
    class_table,
    example_table,
    facet_table,
    hue_table,
    layer_table,
    logit_sentence,
    no_classes,
)


def write_summary(folder: Path) -> Path:
    """Writes `SUMMARY.md`, and its charts into `charts/`, from what was found.

    Args:
        folder: The report's folder, with `findings.json` and `report.json`, and with the same two
            in `against/` if a second subject was probed.

    Returns:
        The file.

    Raises:
        InputError: The folder holds no report, or one that cannot be read.
        OSError: The summary cannot be written.
    """
    probed, against = load_report(folder)
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    file = folder / "SUMMARY.md"
    if not probed.has_facets:
        text = environment.get_template("PLAIN_SUMMARY.md.j2").render(
            title=plain(probed.record.subject.name),
            why=why_plain(probed),
            answers=plain_answers(probed, against),
            layer_table=plain_layer_table(probed, against),
            class_table=plain_class_table(probed, against),
            no_classes=no_classes(probed),
            output_noun=probed.output_noun,
            other_classes=max(0, len(probed.classes) - CLASSES),
            doubts=plain_doubts(probed, against),
            made=how_made(probed, against),
        )
        write_whole(file, text)
        return file
    write_charts(folder, probed, against)
    text = environment.get_template("SUMMARY.md.j2").render(
        title=plain(probed.record.subject.name),
        against=against,
        has_pictures=probed.has_pictures,
        chart=layers_chart(probed, against),
        unit_to_show=unit_to_show(probed),
        rest_on=what_figures_rest_on(probed, against),
        color=color_answer(probed, against),
        shortcut=shortcut_answer(probed, against),
        polysemantic=polysemantic_answer(probed, against),
        layer_table=layer_table(probed, against),
        example_table=example_table(probed),
        behavior_table=behavior_table(probed, against),
        hue_table=hue_table(probed, against),
        classes_chart=classes_chart(probed),
        class_sentence=class_sentence(probed, against),
        class_table=class_table(probed, against),
        no_classes=no_classes(probed),
        other_classes=max(0, len(probed.classes) - CLASSES),
        class_logit_table=class_logit_table(probed, against),
        logit_sentence=logit_sentence(probed, against),
        facet_table=facet_table(probed),
        distrusted=distrusted(probed),
        unsettled=unsettled(probed, against),
        made=how_made(probed, against),
    )
    write_whole(file, text)
    return file
