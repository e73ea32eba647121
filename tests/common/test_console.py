import subprocess
import sys

import pytest

CODE = r"""
import sys
from prober.common.console import forgive_code_pages
forgive_code_pages()
print("\N{WARNING SIGN} 30\N{DEGREE SIGN}")
print("\N{WARNING SIGN}", file=sys.stderr)
"""


@pytest.mark.parametrize(
    ("encoding", "said"),
    [("ascii", r"\u26a0 30\xb0"), ("cp1252", "\\u26a0 30\xb0"), ("utf-8", "\u26a0 30\xb0")],
)
def test_a_character_that_the_console_lacks_is_shown_as_its_code(monkeypatch, encoding, said):
    monkeypatch.setenv("PYTHONIOENCODING", encoding)
    ended = subprocess.run([sys.executable, "-c", CODE], capture_output=True, check=True)
    assert ended.stdout.decode(encoding).strip() == said
    assert ended.stderr.decode(encoding).strip() == said.split()[0]
