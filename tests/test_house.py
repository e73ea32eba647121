"""The house: imports go one way, and the drawing of it is up to date."""

import ast
import sys
from pathlib import Path

import pytest

from tests.command_line import ROOT

sys.path.insert(0, str(ROOT / "docs"))
import make_house

sys.path.remove(str(ROOT / "docs"))

MODULES = sorted((ROOT / "prober").rglob("*.py"))
ROOMS = [room.removesuffix(".py") for room in make_house.ROOMS]


def rank(module):
    """How far down a module `prober.x.y` stands; the door is behind `cli`, which enters by it."""
    parts = module.split(".")
    return ROOMS.index(parts[1]) if len(parts) > 1 else ROOMS.index("cli") + 0.5


def known(source):
    """The modules of the project that a file imports."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Import(names):
                found = [each.name for each in names]
            case ast.ImportFrom("prober", names):
                found = [f"prober.{each.name}" for each in names]
            case ast.ImportFrom(str(module)):
                found = [module]
            case _:
                continue
        yield from (each for each in found if each.split(".")[0] == "prober")


def upward(module, source):
    return [each for each in known(source) if rank(each) < rank(module)]


@pytest.mark.parametrize("file", MODULES, ids=lambda file: str(file.relative_to(ROOT)))
def test_imports_go_one_way(file):
    parts = Path(file).relative_to(ROOT).with_suffix("").parts
    module = ".".join(parts).removesuffix(".__init__")
    assert upward(module, file.read_text(encoding="utf-8")) == []


def test_what_looks_up_is_found():
    source = (
        "from prober.common.errors import InputError\n"
        "from prober.sweep.grid import Grid\n"
        "def f():\n    import prober.cli.main\n"
        "from prober import report\n"
    )
    wrong = ["prober.sweep.grid", "prober.report", "prober.cli.main"]
    assert sorted(upward("prober.ascent.module", source)) == sorted(wrong)
    assert upward("prober.cli.parser", source) == []


def test_the_drawing_is_up_to_date():
    page = make_house.PAGE.read_text(encoding="utf-8")
    shown = make_house.DRAWING.search(page)[0]
    assert shown == make_house.house(), "run: python docs/make_house.py"
    for file in MODULES:
        if file.name != "__init__.py":
            assert f" {file.name} " in shown
