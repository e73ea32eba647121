"""Draws the house into `CONTRIBUTING.md`: every module with the first line of its docstring.

Run by hand after a module was added, renamed or moved: `python docs/make_house.py`.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

PROJECT = Path(__file__).parents[1]
PAGE = PROJECT / "CONTRIBUTING.md"

DRAWING = re.compile(r"(?<=```text\n)prober/.*?(?=```)", re.DOTALL)

INDENT = 2

ROOMS = (
    "cli",
    "api.py",
    "result.py",
    "report",
    "findings",
    "sweep",
    "ascent",
    "subject",
    "common",
)
"""The rooms of `prober/` in the direction of imports: none knows those before it."""


def main() -> None:
    """Writes the page with the house as it is now."""
    page = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(DRAWING.sub(lambda _: house(), page), encoding="utf-8")


def house() -> str:
    """Returns the packages and modules of `prober`, a line for each."""
    rows = list(_rows(PROJECT / "prober", 0))
    width = max(len(name) for name, _ in rows) + INDENT
    return "".join(f"{name.ljust(width)}{said}".rstrip() + "\n" for name, said in rows)


def _rows(folder: Path, depth: int) -> Iterator[tuple[str, str]]:
    yield f"{' ' * depth}{folder.name}/", _first_line(folder / "__init__.py")
    modules = [each for each in folder.glob("*.py") if each.name != "__init__.py"]
    packages = [each.parent for each in folder.glob("*/__init__.py")]
    inside = sorted(modules) + sorted(packages)
    if depth == 0:
        inside.sort(key=lambda each: ROOMS.index(each.name))
    for each in inside:
        if each.suffix:
            yield f"{' ' * (depth + INDENT)}{each.name}", _first_line(each)
        else:
            yield from _rows(each, depth + INDENT)


def _first_line(module: Path) -> str:
    docstring = ast.get_docstring(ast.parse(module.read_text(encoding="utf-8"))) or ""
    return docstring.partition("\n")[0]


if __name__ == "__main__":
    main()
