"""Findings as a file: what is loaded is saved as it was, and the document says all of it."""

import json
import runpy
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from prober.common.errors import InputError
from prober.findings.finding import Kind, ScoreRange, load_findings, save_findings
from tests.plain import FOLDER
from tests.report.reports import facet, finding

SHIPPED = FOLDER.parents[2] / "lightning_logs" / "reference"


def without_new(written, before):
    """What was written, without the fields that are newer than a file; these must be empty."""
    if isinstance(before, list):
        return [without_new(*each) for each in zip(written, before, strict=True)]
    if not isinstance(before, dict):
        return written
    assert all(written[key] in (None, []) for key in written.keys() - before.keys())
    return {key: without_new(written[key], before[key]) for key in written if key in before}


@pytest.mark.parametrize("folder", [SHIPPED, SHIPPED / "against"], ids=["biased", "control"])
def test_the_shipped_findings_are_saved_as_they_were(folder, tmp_path):
    findings = load_findings(folder)
    save_findings(findings, tmp_path)
    written, before = (
        (place / "findings.json").read_text(encoding="utf-8") for place in (tmp_path, folder)
    )
    kept = without_new(json.loads(written), json.loads(before))
    assert json.dumps(kept, separators=(",", ":")) + "\n" == before
    assert len(findings) == 122 and {type(kind) for f in findings for kind in f.kinds} == {Kind}


def test_numbers_are_saved_with_six_digits(tmp_path):
    save_findings([finding("conv", 3, confidence=1 / 3)], tmp_path)
    (found,) = json.loads((tmp_path / "findings.json").read_text(encoding="utf-8"))
    assert found["confidence"] == 0.333333


def test_what_no_json_knows_is_not_saved(tmp_path):
    with pytest.raises(ValueError, match="JSON"):
        save_findings([finding("conv", 3, confidence=float("nan"))], tmp_path)
    assert not list(tmp_path.iterdir())


def test_findings_of_another_version_are_told(tmp_path):
    save_findings([finding("conv", 3, facet("color", 40.0))], tmp_path)
    file = tmp_path / "findings.json"
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace('"kinds":["color"]', '"kinds":["colour"]'), encoding="utf-8")
    with pytest.raises(InputError, match=r"\[0\]\.kinds\[0\] is 'colour'"):
        load_findings(tmp_path)


def test_a_unit_is_named_by_layer_channel_and_position():
    channel = finding("conv2", 3)
    neuron = replace(channel, position=(7, 12))
    assert (channel.name, channel.key) == ("conv2/3", "3")
    assert (neuron.name, neuron.key) == ("conv2/3/7,12", "3/7,12")


def test_a_share_counts_from_mid_gray_to_the_best():
    assert ScoreRange(neutral=-1.0, best=3.0).share(2.0) == pytest.approx(0.75)
    assert ScoreRange(neutral=-1.0, best=3.0).share(-2.0) == pytest.approx(-0.25)
    assert ScoreRange(neutral=1.0, best=1.0).share(1.0) is None


def test_the_document_is_what_the_docstrings_say(monkeypatch):
    docs = Path(__file__).parents[2] / "docs"
    monkeypatch.setattr(sys, "path", list(sys.path))
    written = (docs / "findings.md").read_text(encoding="utf-8")
    made = runpy.run_path(str(docs / "make_findings.py"))["document"]()
    assert written == made, "run: python docs/make_findings.py"
