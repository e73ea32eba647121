import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
NOT_TEXT = {"Image", "os"}  # open() of these is of pictures and of file descriptors


def without_encoding(source):
    """Lines that read or write text by the locale's encoding; ruff sees only some of them."""
    found = []
    for call in ast.walk(ast.parse(source)):
        if not isinstance(call, ast.Call):
            continue
        match call.func:
            case ast.Name("open"):
                mode = call.args[1:2]
            case ast.Attribute(owner, "open") if getattr(owner, "id", "") not in NOT_TEXT:
                mode = call.args[:1]
            case ast.Attribute(_, "read_text" | "write_text"):
                mode = []
            case _:
                continue
        binary = any("b" in str(getattr(argument, "value", "")) for argument in mode)
        if not binary and not any(keyword.arg == "encoding" for keyword in call.keywords):
            found.append(call.lineno)
    return found


@pytest.mark.parametrize("folder", ["prober", "docs", "tests"])
def test_every_text_file_is_opened_with_its_encoding_by_name(folder):
    files = sorted((ROOT / folder).rglob("*.py"))
    assert files
    found = {file: without_encoding(file.read_text(encoding="utf-8")) for file in files}
    assert not {str(file): lines for file, lines in found.items() if lines}


@pytest.mark.parametrize(
    "line",
    [
        "path.read_text()",
        "path.write_text('x')",
        "path.open()",
        "path.open('a')",
        "open(name)",
        "open(name, 'w')",
        "(folder / 'a').read_text()",
    ],
)
def test_a_file_without_encoding_is_found(line):
    assert without_encoding(line) == [1]


@pytest.mark.parametrize(
    "line",
    [
        "path.read_text(encoding='utf-8')",
        "path.open('rb')",
        "open(name, 'rb')",
        "open(name, encoding='utf-8')",
        "Image.open(path)",
        "os.open(path, flags)",
    ],
)
def test_a_file_with_its_encoding_or_of_bytes_is_not_found(line):
    assert without_encoding(line) == []
