"""Runs the code of `docs/python.md` and puts its outputs there: pictures and texts.

Run by hand: `python docs/make_python.py`. As in a notebook, the output of a block is what it prints
and the value of its last line.
"""

import ast
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).parents[1]
PAGE = PROJECT / "docs" / "python.md"

BLOCK = re.compile(
    r"```python\n(?P<code>.*?)```\n"
    r"(?P<shown>\n!\[[^]]+\]\((?P<picture>[^)]+)\)\n|\n```text\n(?P<text>.*?)```\n)?",
    re.DOTALL,
)
"""A block of code, and the picture or text that stands below it as its output."""


def main() -> None:
    """Makes the page's pictures, and writes its texts anew."""
    sys.path.insert(0, str(PROJECT))
    page = PAGE.read_text(encoding="utf-8")
    for block, output in run(page):
        if isinstance(output, bytes):
            (PAGE.parent / block["picture"]).write_bytes(output)
        elif output:
            page = page.replace(block[0], block[0].replace(f"```text\n{block['text']}", output))
    PAGE.write_text(page, encoding="utf-8")


def run(page: str) -> Iterator[tuple[re.Match, bytes | str]]:
    """Runs the code of a page, block after block.

    The code runs in a folder of its own, which sees the project as the project's folder does, so
    that what it saves is gone afterwards.

    Yields:
        Each block with its output: a PNG file, or a text as it stands on the page, "" for none.

    Raises:
        ValueError: A block's output and what the page shows below it are of different kinds.
    """
    before, names = Path.cwd(), {}
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "prober").symlink_to(PROJECT / "prober")
        os.chdir(folder)
        try:
            for block in BLOCK.finditer(page):
                output = _output(block["code"], names)
                shown = bytes if block["picture"] else str
                if not isinstance(output, shown) or bool(output) != bool(block["shown"]):
                    raise ValueError(f"The page does not show the output of:\n{block['code']}")
                yield block, output
        finally:
            os.chdir(before)


def _output(code: str, names: dict[str, Any]) -> bytes | str:
    """Runs one block with the names of those before it."""
    tree, value, printed = ast.parse(code), None, StringIO()
    last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
    with redirect_stdout(printed):
        exec(compile(tree, PAGE.name, "exec"), names)
        if last is not None:
            value = eval(compile(ast.Expression(last.value), PAGE.name, "eval"), names)
    if hasattr(value, "_repr_png_"):
        return value._repr_png_()
    text = printed.getvalue() + (f"{value!r}\n" if value is not None else "")
    return text and f"```text\n{text}"


if __name__ == "__main__":
    main()
