"""What is imported is declared, and what is pinned is within what is declared."""

import ast
import sys
import tomllib
from functools import cache
from importlib.metadata import packages_distributions

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.command_line import ROOT

OWN = {"prober", "tests", "docs"} | {file.stem for file in (ROOT / "docs").glob("*.py")}
APART = {"torchvision"}  # for the tests of the zoo, which say how its environment is made
NOT_IMPORTED = {"pytest-xdist", "setuptools"}  # options of pytest; it builds the package

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
NEEDED = [Requirement(line) for line in PROJECT["dependencies"]]
OF_TESTS = [Requirement(line) for line in PROJECT["optional-dependencies"]["test"]]
PINNED = [
    Requirement(line.split("#")[0])
    for line in (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    if line.split("#")[0].strip()
]


owners_of_modules = cache(packages_distributions)


def names(requirements):
    return {canonicalize_name(each.name) for each in requirements}


def imported(source):
    """The distributions from which a file takes something."""
    modules = set()
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Import(found):
                modules |= {each.name for each in found}
            case ast.ImportFrom(module, _, 0):
                modules.add(module)
    tops = {module.split(".")[0] for module in modules} - set(sys.stdlib_module_names) - OWN - APART
    owners = owners_of_modules()
    return {canonicalize_name(owners.get(top, [top])[0]) for top in tops}


def imported_in(folder, pattern):
    files = sorted((ROOT / folder).glob(pattern))
    assert files
    return set().union(*(imported(file.read_text(encoding="utf-8")) for file in files))


@pytest.mark.parametrize(
    "source, found",
    [
        ("import os, numpy as np", {"numpy"}),
        ("def f():\n    from PIL.Image import Image", {"pillow"}),
        ("from . import a\nfrom tests.b import c", set()),
        ("import yaml, nowhere.at_all", {"pyyaml", "nowhere"}),
    ],
)
def test_imports_are_found(source, found):
    assert imported(source) == found


def test_what_the_package_imports_is_declared():
    assert imported_in("prober", "**/*.py") == names(NEEDED)


def test_what_the_tests_import_is_declared():
    found = imported_in("tests", "**/*.py") | imported_in("docs", "*.py")
    assert found - names(NEEDED) == names(OF_TESTS) - NOT_IMPORTED


@pytest.mark.parametrize(
    "system, machine",
    [("linux", "x86_64"), ("win32", "AMD64"), ("darwin", "arm64"), ("darwin", "x86_64")],
)
def test_what_is_declared_is_pinned_within_its_range(system, machine):
    def of_the_system(requirements):
        here = {"sys_platform": system, "platform_machine": machine}
        return [each for each in requirements if not each.marker or each.marker.evaluate(here)]

    pinned = of_the_system(PINNED)
    pins = {canonicalize_name(pin.name): pin for pin in pinned}
    assert len(pins) == len(pinned)
    for each in of_the_system(NEEDED + OF_TESTS):
        (pin,) = pins[canonicalize_name(each.name)].specifier
        assert pin.operator == "==" and pin.version in each.specifier, each.name
