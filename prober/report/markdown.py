"""Markdown: text that it leaves as it is, and tables."""

import html
import re
from collections.abc import Sequence


def plain(text: str) -> str:
    """Marks text so that Markdown shows it letter by letter on one line, in a table, too."""
    escaped = html.escape(" ".join(text.split()), quote=False)
    return re.sub(r"([\\`*_\[\]|])", r"\\\1", escaped)


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Lays cells of Markdown out as a table of Markdown; `""` if there are no rows."""
    if not rows:
        return ""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
