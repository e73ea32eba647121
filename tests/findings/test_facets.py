"""Facets: the table of kinds, and distances on circles."""

import math

import pytest

from prober.findings.facets import apart, kind_of

KINDS = [
    # what is left without color, without shape, without both
    ((0.0, 1.0, 0.0), "color"),
    ((0.3, 0.8, 0.2), "color"),
    ((1.0, 0.0, 0.0), "shape"),
    ((0.7, 0.4, 0.1), "shape"),
    ((0.1, 0.2, 0.0), "color+shape"),
    ((-0.5, -2.0, -1.0), "color+shape"),
    ((1.0, 1.0, 1.0), "brightness"),
    ((0.9, 0.8, 0.75), "brightness"),
]


@pytest.mark.parametrize(("left", "kind"), KINDS)
def test_a_kind_is_what_a_unit_survives(left, kind):
    assert kind_of(*left)[0] == kind


def test_what_survives_either_loss_but_not_both_is_none_of_the_four():
    assert kind_of(1.0, 1.0, 0.0)[0] not in {"color", "shape", "color+shape", "brightness"}


@pytest.mark.parametrize(("left", "kind"), KINDS)
def test_a_margin_is_the_distance_from_the_next_other_kind(left, kind):
    """Moving every share by less than the margin leaves the kind as it is."""
    margin = kind_of(*left)[1]
    assert 0 < margin <= 0.5
    for signs in [(a, b, c) for a in (-1, 1) for b in (-1, 1) for c in (-1, 1)]:
        moved = [x + 0.99 * margin * s for x, s in zip(left, signs, strict=True)]
        # What survives without both survives without one.
        moved[2] = min(moved)
        assert kind_of(*moved)[0] == kind or (kind == "brightness" and min(moved) < 0.5)


def test_the_margin_is_small_next_to_the_limit():
    assert kind_of(0.51, 0.0, 0.0)[1] == pytest.approx(0.01)
    assert kind_of(0.0, 0.48, 0.0)[1] == pytest.approx(0.02)


def test_an_angle_that_is_none_lies_apart_from_no_other():
    assert apart(350.0, 10.0, 360) == pytest.approx(20)
    assert apart(math.nan, 10.0, 360) == 0.0
