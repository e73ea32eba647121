"""Kinds: the table of what a unit wants by what it survives, and how clear that is."""

import pytest

from prober.findings.kinds import kind_of

KINDS = [
    # what is left without color, without shape, without both; the kind; the deciding distance
    ((0.0, 1.0, 0.0), "color", 0.5),
    ((0.3, 0.8, 0.2), "color", 0.2),
    ((0.49, 0.5, 0.0), "color", 0.0),
    ((1.0, 0.0, 0.0), "shape", 0.5),
    ((0.7, 0.4, 0.1), "shape", 0.1),
    ((0.5, 0.49, 0.49), "shape", 0.0),
    ((0.51, 0.0, 0.0), "shape", 0.01),
    ((0.1, 0.2, 0.0), "color+shape", 0.3),
    ((0.0, 0.48, 0.0), "color+shape", 0.02),
    ((-0.5, -2.0, -1.0), "color+shape", 0.5),
    ((1.0, 1.0, 1.0), "brightness", 0.5),
    ((0.9, 0.8, 0.75), "brightness", 0.25),
    ((1.0, 1.0, 0.5), "brightness", 0.0),
    ((2.0, 2.0, 2.0), "brightness", 0.5),
    ((1.0, 1.0, 0.0), "mixed", 0.5),
    ((0.5, 0.9, 0.49), "mixed", 0.0),
    ((0.8, 0.6, 0.3), "mixed", 0.1),
]


@pytest.mark.parametrize(("left", "kind", "margin"), KINDS)
def test_a_kind_is_what_a_unit_survives_and_its_margin_the_deciding_distance(left, kind, margin):
    found = kind_of(*left)
    assert found == (kind, pytest.approx(margin, abs=1e-9))


@pytest.mark.parametrize(("left", "kind", "_"), [case for case in KINDS if case[2] > 0])
def test_shares_that_move_by_less_than_the_margin_leave_the_kind(left, kind, _):
    margin = kind_of(*left)[1]
    for signs in [(a, b, c) for a in (-1, 1) for b in (-1, 1) for c in (-1, 1)]:
        moved = [x + 0.99 * margin * s for x, s in zip(left, signs, strict=True)]
        # What survives without both survives without one.
        moved[2] = min(moved)
        assert kind_of(*moved)[0] == kind or (kind == "brightness" and min(moved) < 0.5)
