import subprocess
import sys

import pytest

SETTLED = r"""
import sys
from prober.common.console import settle_console
settle_console()
"""
CODE = (
    SETTLED
    + r"""
print("\N{WARNING SIGN} 30\N{DEGREE SIGN}")
print("\N{WARNING SIGN}", file=sys.stderr)
"""
)


@pytest.mark.parametrize(
    ("encoding", "said"),
    [("ascii", r"\u26a0 30\xb0"), ("cp1252", "\\u26a0 30\xb0"), ("utf-8", "\u26a0 30\xb0")],
)
def test_a_character_that_the_console_lacks_is_shown_as_its_code(monkeypatch, encoding, said):
    monkeypatch.setenv("PYTHONIOENCODING", encoding)
    ended = subprocess.run([sys.executable, "-c", CODE], capture_output=True, check=True)
    assert ended.stdout.decode(encoding).strip() == said
    assert ended.stderr.decode(encoding).strip() == said.split()[0]


@pytest.mark.parametrize("unbuffered", [[], ["-u"]])
def test_what_nobody_reads_any_longer_is_dropped(unbuffered):
    code = SETTLED + "print('a' * 100_000)\nprint('b', flush=True)\nsys.stderr.write('end')"
    process = subprocess.Popen(
        [sys.executable, *unbuffered, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout.read(1) == b"a"
    process.stdout.close()
    assert process.stderr.read() == b"end"
    process.stderr.close()
    assert process.wait(60) == 0


@pytest.mark.skipif(sys.platform == "win32", reason="its shell closes no streams")
def test_streams_that_are_closed_take_what_is_printed():
    code = SETTLED + "print('a')\nsys.stderr.write('b')\nsys.exit(7)"
    ended = subprocess.run(["sh", "-c", f"exec '{sys.executable}' - >&- 2>&-"], input=code.encode())
    assert ended.returncode == 7
