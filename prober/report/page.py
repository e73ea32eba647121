"""A report as a page to browse: `index.html`, with a script for each layer beside it."""

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from jinja2.utils import htmlsafe_json_dumps
from markupsafe import Markup

from prober.common.files import safe_name, write_whole
from prober.common.typed_json import to_plain
from prober.findings.finding import Finding, Kind
from prober.report.caveats import without_pictures
from prober.report.filled_templates import TEMPLATES, filled
from prober.report.plain_summary import why_plain
from prober.report.probed import (
    COUNTED_AS,
    Probed,
    counts,
    flagged,
    load_report,
    mean_shares,
    picture_of,
)
from prober.report.words import (
    changed_words,
    facet_words,
    hue_words,
    order_words,
    percent,
    unit_sentence,
)

SCRIPTS = (
    "elements.js",
    "words.js",
    "overview.js",
    "unit.js",
    *sorted(f"sections/{file.name}" for file in (TEMPLATES / "sections").glob("*.js")),
    "page.js",
)
"""What the page runs, in this order. Each file in `sections` is a part of a unit's page, in the
order of their names."""

FLAGS: dict[str, Callable[[Finding], bool]] = {
    "polysemantic": lambda finding: bool(finding.polysemantic),
    "dead": lambda finding: finding.dead,
    "not trusted": flagged,
}
"""What units are counted by beside their kinds; `overview.js` filters by the same."""


def write_page(folder: Path) -> Path:
    """Writes the page of a report: `index.html`, and `page/<layer>.js` for each layer.

    A page that is opened from the file system cannot fetch data, but it can add scripts. So
    `index.html` holds what the overview shows, and the evidence on the units of a layer waits in
    a script of its own until one of them is opened.

    Args:
        folder: Where `findings.json`, `report.json` and the pictures are, and those of a second
            subject in `against/`, if there is one. Paths of pictures are relative to the folder
            that holds the `findings.json` which names them.

    Returns:
        The path of `index.html`.

    Raises:
        InputError: The folder holds no report, or one that cannot be read.
        OSError: The folder cannot be written.
    """
    probed = load_report(folder)
    for layer, findings in probed.layers.items():
        script = _script(layer, findings, probed.against)
        write_whole(folder / "page" / _file(layer, probed), script)
    page = folder / "index.html"
    write_whole(page, _index(probed))
    return page


def _file(layer: str, probed: Probed) -> str:
    return f"{safe_name(layer, probed.layers)}.js"


def _script(layer: str, findings: Sequence[Finding], against: Probed | None) -> str:
    """Returns the script that hands the units of a layer to the page.

    Each unit comes whole, with what is said of it in `words`, and with that of the second subject
    as `other`, of which the page shows less: its evidence keeps only the scores and the pictures in
    each style.
    """
    units = {}
    for finding in findings:
        beside = against.same_unit(finding) if against else None
        other = None
        if beside is not None:
            other = to_plain(beside) | {"words": _words(beside)}
            other["evidence"] = {name: other["evidence"][name] for name in ("score", "styles")}
        units[finding.key] = to_plain(finding) | {"words": _words(finding), "other": other}
    return f"receive({_json(layer)}, {_json(units)});\n"


def _words(finding: Finding) -> dict[str, Any]:
    """Says of a unit what is said in words: what it wants, its facets, the hues of real images."""
    data = finding.evidence.data
    return {
        "wants": unit_sentence(finding),
        "facets": [facet_words(finding, facet) for facet in finding.facets],
        "examples": [_hue(example.hue) for example in data.examples.items] if data else [],
        "columns": [_hue(hue) for hue in data.columns] if data else [],
        "class_hue": _hue(data.label.hue) if data and data.label else None,
    }


def _hue(hue: float | None) -> str | None:
    return None if hue is None else hue_words(hue)


def _index(probed: Probed) -> str:
    """Returns `index.html`."""
    rows = [_row(layer, probed) for layer in probed.layers]
    data = {
        "subject": probed.record.subject.name,
        "class_colors": probed.record.data is not None and probed.record.data.colors is not None,
        "against": probed.against.record.subject.name if probed.against else None,
        "input": probed.record.subject.input_shape,
        "facets": probed.has_facets,
        "noun": probed.color_noun,
        "shares": COUNTED_AS,
        "layers": rows,
    }
    return filled(
        "index.html.j2",
        probed=probed,
        rows=rows,
        total=_counts(probed.findings),
        why=None if probed.has_facets else why_plain(probed),
        without_pictures=without_pictures(probed),
        kinds=tuple(Kind),
        flags=tuple(FLAGS),
        percent=percent,
        order=order_words(behavior) if (behavior := probed.record.behavior) else "",
        changed_words=changed_words,
        data=_json(data),
        style=Markup(_template("page.css")),
        script=Markup("\n".join(map(_template, SCRIPTS))),
    )


def _template(name: str) -> str:
    """Returns a file that goes into the page as it is."""
    return (TEMPLATES / name).read_text(encoding="utf-8")


def _row(layer: str, probed: Probed) -> dict[str, Any]:
    """Returns what the overview needs of a layer."""
    findings = probed.layers[layer]
    others = probed.against.layers.get(layer, []) if probed.against else []
    return {
        "name": layer,
        "file": _file(layer, probed),
        "flat": layer in probed.record.subject.flat_layers,
        "counts": _counts(findings),
        "shares": counts(findings),
        "other_shares": counts(others),
        "mix": mean_shares(findings),
        "other_mix": mean_shares(others),
        "largest": Counter(f.shares and f.shares.largest for f in findings),
        "units": [_entry(finding, probed) for finding in findings],
    }


def _entry(finding: Finding, probed: Probed) -> dict[str, Any]:
    """Returns what the overview needs of a unit."""
    return {
        "key": finding.key,
        "class_name": probed.class_name(finding),
        "kinds": finding.kinds,
        "dead": finding.dead,
        "polysemantic": finding.polysemantic,
        "trusted": finding.trusted,
        "confidence": finding.confidence,
        "hue": finding.hue,
        "orientation": finding.orientation,
        "facets": len(finding.facets),
        "picture": picture_of(finding),
        "mix": mean_shares([finding]) or None,
        "largest": finding.shares and finding.shares.largest,
    }


def _counts(findings: Sequence[Finding]) -> dict[str, int]:
    """Counts units by kind and flag; one of several kinds counts for each of them."""
    found = Counter(kind for finding in findings for kind in finding.kinds)
    return {
        "units": len(findings),
        **{kind: found[kind] for kind in Kind},
        **{flag: sum(map(has, findings)) for flag, has in FLAGS.items()},
    }


def _json(value: Any) -> Markup:
    """Returns compact JSON that no text in it can end a script."""
    return htmlsafe_json_dumps(value, separators=(",", ":"))
