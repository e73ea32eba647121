"""A new kind of evidence is four files: its type, what computes it, where it is gathered, how it is
drawn. Here they are changed in a copy of the project, and a report has it.

The document of the fields and the drawing of the house are made of them; other tests tell where
that was forgotten.
"""

import json
import shutil
import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).parents[2]

TYPE = '''
@dataclass(frozen=True)
class Darkness:
    """What a unit answers to black.

    Attributes:
        black: The answer.
    """

    black: float


@dataclass(frozen=True, kw_only=True)
class Evidence:
'''

COMPUTED = '''"""What a unit answers to black."""

from prober.findings.finding import Darkness
from prober.findings.survey import Survey
from prober.findings.units import Unit


def darkness(survey: Survey, unit: Unit) -> Darkness:
    """Returns what a unit answers to black."""
    return Darkness(survey.curves(unit).grays[0].item())
'''

DRAWN = """
sections.push(({ evidence: { darkness } }) =>
  darkness && part("Darkness", paragraph(number(darkness.black))));
"""


def change(file, old, new):
    text = file.read_text(encoding="utf-8")
    assert text.count(old) == 1
    file.write_text(text.replace(old, new), encoding="utf-8")


def test_new_evidence_is_four_files(tmp_path):
    shutil.copytree(PROJECT / "prober", tmp_path / "prober")
    shutil.copy(PROJECT / "main.py", tmp_path)
    findings = tmp_path / "prober" / "findings"
    evidence = "\n@dataclass(frozen=True, kw_only=True)\nclass Evidence:\n"
    change(findings / "finding.py", evidence, TYPE)
    change(
        findings / "finding.py",
        "    trust: Trust | None = None\n",
        "    trust: Trust | None = None\n    darkness: Darkness | None = None\n",
    )
    (findings / "darkness.py").write_text(COMPUTED, encoding="utf-8")
    change(
        findings / "evidence.py",
        "    return Evidence(\n",
        "    from prober.findings.darkness import darkness\n\n    return Evidence(\n"
        "        darkness=darkness(survey, unit),\n",
    )
    drawn = tmp_path / "prober" / "report" / "templates" / "sections" / "35_darkness.js"
    drawn.write_text(DRAWN, encoding="utf-8")
    settings = {
        "config": PROJECT / "configs" / "report.yaml",
        "grid.layers": "conv1",
        "grid.channels": "3",
        "grid.classes": "[]",
        "grid.seeds": "1",
        "data": "none",
        "trainer.max_steps": "2",
        "trainer.devices": "1",
    }
    options = [f"--{name}={value}" for name, value in settings.items()]
    command = [sys.executable, str(tmp_path / "main.py"), "report", *options]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    (folder,) = (tmp_path / "lightning_logs").glob("report_*/version_0")
    (found,) = json.loads((folder / "findings.json").read_text(encoding="utf-8"))
    assert isinstance(found["evidence"]["darkness"]["black"], float)
    page = (folder / "index.html").read_text(encoding="utf-8")
    assert page.index("push(tuning)") < page.index(DRAWN.strip()) < page.index("push(realImages)")
    assert '"darkness":{"black":' in (folder / "page" / "conv1.js").read_text(encoding="utf-8")
