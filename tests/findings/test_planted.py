"""The claims about some units that are known by construction; the whole suite is a benchmark."""

import json

import pytest
import yaml

from tests.planted import plant
from tests.planted.tally import compare


@pytest.mark.planted
def test_what_was_planted_is_found(prober, tmp_path):
    planted, channels = plant(11), [0, 1, 2, 4, 5, 7]
    units = [unit for unit in planted.units if unit.channel in channels]
    assert {(*unit.kinds, unit.polysemantic) for unit in units} == {
        ("color", False),
        ("shape", False),
        ("color+shape", False),
        ("brightness", False),
        ("color", "shape", True),
        (False,),
    }
    whole = planted.config(steps=30)
    whole["grid"] |= {"seeds": 1, "channels": channels}
    (tmp_path / "planted.yaml").write_text(yaml.safe_dump(whole), encoding="utf-8")
    ended = prober("report", "--config", "planted.yaml", "--trainer.devices", "1")
    assert ended.code == 0, ended.err
    folder = tmp_path / ended.out.split("Report: ")[-1].strip()
    findings = json.loads((folder / "findings.json").read_text(encoding="utf-8"))
    tally = compare(units, findings, "seed 11")
    assert tally.units == len(units)
    assert not tally.wrong, "\n".join(tally.lines())
    several = [each for each in findings if each["polysemantic"]]
    assert several
    for facet in (facet for each in several for facet in each["facets"]):
        assert [styled["style"] for styled in facet["styles"]] == ["legible", "plain"]
