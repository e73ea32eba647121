"""Writes `docs/findings.md`: the fields of a report's files, from the docstrings of their types.

Run by hand: `python docs/make_findings.py`.
"""

import inspect
import re
import sys
from collections.abc import Iterator
from dataclasses import is_dataclass
from enum import Enum
from pathlib import Path
from typing import Any, get_args, get_type_hints

PROJECT = Path(__file__).parents[1]
sys.path.insert(0, str(PROJECT))

from prober.common.typed_json import keys  # noqa: E402
from prober.findings import finding  # noqa: E402
from prober.report.record import ReportRecord  # noqa: E402

PAGE = PROJECT / "docs" / "findings.md"


def main() -> None:
    """Writes the page anew."""
    PAGE.write_text(document(), encoding="utf-8")


def document() -> str:
    """Returns the page."""
    _, *introduction = (inspect.getdoc(finding) or "").split("\n\n")
    parts = [
        "# The fields of a report",
        "\n\n".join(introduction),
        "## `findings.json`: a list of such, one for each unit",
        *(section(kind) for kind in kinds_of(finding.Finding)),
        "## `report.json`: one such",
        *(section(kind) for kind in kinds_of(ReportRecord)),
        "This page is made from the docstrings of `prober/findings/finding.py` and "
        "`prober/report/record.py` by `python docs/make_findings.py`.",
    ]
    return "\n\n".join(parts) + "\n"


def kinds_of(kind: Any) -> Iterator[type]:
    """Goes through a dataclass and all dataclasses and enums in it, each where it comes first."""
    seen: dict[type, None] = {}

    def visit(hint: Any) -> None:
        known = inspect.isclass(hint) and (is_dataclass(hint) or issubclass(hint, Enum))
        if known and hint not in seen:
            seen[hint] = None
            hints = get_type_hints(hint) if is_dataclass(hint) else {}
            for name in hints:
                visit(hints[name])
        for argument in get_args(hint):
            visit(argument)

    visit(kind)
    return iter(seen)


def section(kind: type) -> str:
    """Returns what a type's docstring says: a sentence, a table of its fields, the rest."""
    said, described, rest = parsed(kind)
    if issubclass(kind, Enum):
        head, named = "value", {each.name: each.value for each in kind}
    else:
        head, named = "field", keys(kind)
    rows = [f"| `{named[name]}` | {described[name]} |" for name in named]
    lines = [f"| {head} | what |", "|---|---|", *rows]
    return "\n\n".join([f"### {title(kind)}", said, "\n".join(lines), *rest])


def title(kind: type) -> str:
    """Returns a type's name in words: `RealEvidence` is `Real evidence`."""
    return re.sub(r"(?<=[a-z])[A-Z]", lambda found: f" {found[0].lower()}", kind.__name__)


def parsed(kind: type) -> tuple[str, dict[str, str], list[str]]:
    """Splits a Google style docstring into its summary, its attributes and what follows them."""
    summary, attributes, rest = [], {}, []
    name = None
    for paragraph in (inspect.getdoc(kind) or "").split("\n\n"):
        if not paragraph.startswith("Attributes:"):
            (rest if attributes else summary).append(paragraph)
            continue
        for line in paragraph.splitlines()[1:]:
            if found := re.fullmatch(r" {4}(\w+): (.*)", line):
                name = found[1]
                attributes[name] = found[2]
            else:
                attributes[name] += f" {line.strip()}"
    return "\n\n".join(summary), attributes, rest


if __name__ == "__main__":
    main()
