import pytest

from tests.planted import plant
from tests.planted.tally import compare


def claims(units):
    """Findings that are all right."""
    return [
        {
            "layer": unit.layer,
            "channel": unit.channel,
            "kinds": unit.kinds,
            "dead": unit.dead,
            "polysemantic": unit.polysemantic,
            "hue": unit.hue,
            "orientation": unit.orientation,
            "confidence": 0.97,
            "facets": [
                {"kind": facet.kind, "hue": facet.hue, "orientation": facet.orientation}
                for facet in reversed(unit.facets)
            ],
        }
        for unit in units
    ]


def test_compare_finds_nothing_wrong_in_the_truth():
    units = plant(2).units
    tally = compare(units, claims(units))
    assert (tally.kinds_right, tally.precision, tally.recall) == (1, 1, 1)
    assert not tally.wrong and not tally.missing
    assert tally.dead == {(True, True): 3, (False, False): 26}
    assert {*tally.hues, *tally.orientations, *tally.facet_hues, *tally.facet_orientations} == {0}
    assert "kinds right           100.0%" in tally.lines()
    assert tally.confidences == [(0.97, True)] * 29


def test_compare_counts_what_is_wrong():
    units = plant(2).units
    find = lambda test: next(i for i, unit in enumerate(units) if test(unit))  # noqa: E731
    findings = claims(units)
    color = find(lambda u: u.kinds == ["color"] and not u.polysemantic)
    shape = find(lambda u: u.kinds == ["shape"] and not u.polysemantic)
    either = find(lambda u: u.kinds == ["color", "shape"])
    dead = find(lambda u: u.dead)
    findings[color]["hue"] = (units[color].hue + 348) % 360
    findings[shape] |= {"kinds": ["color+shape"], "orientation": None}
    findings[either] |= {"polysemantic": False, "facets": findings[either]["facets"][:1]}
    findings[dead] |= {"kinds": ["unclear"], "dead": False}
    gone = find(lambda u: u.kinds == ["brightness"])
    del findings[gone]
    tally = compare(units, findings, "seed 2") + compare([], [])
    assert tally.kinds["shape", "color+shape"] == tally.kinds["", "unclear"] == 1
    assert tally.kinds["brightness", "nothing claimed"] == tally.missing == 1
    assert tally.kinds_right == pytest.approx(26 / 29)
    assert tally.dead[True, False] == tally.polysemantic[True, False] == 1
    assert tally.precision == 1 and tally.recall == pytest.approx(6 / 7)
    assert max(error for error in tally.hues) == pytest.approx(12)
    assert tally.orientations.count(None) == 1
    assert tally.facet_hues.count(None) + tally.facet_orientations.count(None) == 1
    assert len(tally.wrong) == 5
    assert sum(right for _, right in tally.confidences) == 25
    assert any(units[color].recipe in line and "hue" in line for line in tally.wrong)
