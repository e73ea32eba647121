"""The summary: short Markdown for the person who will act on what was found."""

from pathlib import Path

from prober.common.files import write_whole
from prober.report import answers, caveats, opening, plain_summary, tables
from prober.report.charts import write_charts
from prober.report.filled_templates import filled
from prober.report.markdown import plain
from prober.report.probed import load_report


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
    probed = load_report(folder)
    if probed.has_facets:
        write_charts(folder, probed)
    template = "SUMMARY.md.j2" if probed.has_facets else "PLAIN_SUMMARY.md.j2"
    text = filled(
        template,
        probed=probed,
        plain=plain,
        answers=answers,
        caveats=caveats,
        opening=opening,
        plain_summary=plain_summary,
        tables=tables,
    )
    file = folder / "SUMMARY.md"
    write_whole(file, text)
    return file
