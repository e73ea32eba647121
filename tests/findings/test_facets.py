"""Facets: kinds, what tells two optima from each other, and how optima are grouped."""

import math

import pytest
import torch
from torch import nn

from prober.ascent.objectives import ChannelMean
from prober.findings.facets import (
    ComparedOptima,
    Group,
    both_are_peaks,
    difference,
    facet_of,
    facet_shown,
    group_optima,
    known_distance,
    runner_up,
)
from prober.findings.finding import Shares
from prober.subject import Subject
from tests.findings.figures import curves_of, maxima_of, optima_of, optimum


def test_an_angle_that_is_none_lies_apart_from_no_other():
    assert known_distance(350.0, 10.0, 360) == pytest.approx(20)
    assert known_distance(math.nan, 10.0, 360) == 0.0


COLOR, SHAPE, BOTH, LIGHT = (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.5, 0.5, 0.0), (0.0, 0.0, 1.0)
DIFFERENCES = {
    # By how much of what lies beyond the limit (40 % of the gain, 50 or 25 degrees, half of the
    # luminance) two optima differ; 0.5 is all of it.
    "kinds": (optimum(COLOR), optimum(SHAPE), 1 / 2),
    "kinds, a little": (optimum((0.8, 0.2, 0.0)), optimum((0.3, 0.5, 0.2)), 0.1 / 0.6 / 2),
    "kinds, as far as the limit": (optimum((0.7, 0.3, 0.0)), optimum((0.3, 0.3, 0.4)), 0),
    "hues of kinds that are near": (
        optimum((0.7, 0.3, 0.0), hue=10.0),
        optimum((0.5, 0.5, 0.0), hue=130.0),
        70 / 130 / 2,
    ),
    "hues": (optimum(COLOR, hue=10.0), optimum(COLOR, hue=130.0), 70 / 130 / 2),
    "opposite hues": (optimum(COLOR, hue=10.0), optimum(COLOR, hue=190.0), 1 / 2),
    "hues across red": (optimum(COLOR, hue=350.0), optimum(COLOR, hue=50.0), 10 / 130 / 2),
    "hues, as far as the limit": (optimum(COLOR, hue=350.0), optimum(COLOR, hue=40.0), 0),
    "hues, one of which few pixels agree on": (
        optimum(COLOR, hue=10.0),
        optimum(COLOR, hue=190.0, hue_agreement=0.69),
        0,
    ),
    "hues, one of which just enough pixels agree on": (
        optimum(COLOR, hue=10.0),
        optimum(COLOR, hue=190.0, hue_agreement=0.71),
        1 / 2,
    ),
    "hues, those of pictures saturated enough": (
        optimum(COLOR, hue=10.0, mean_color=(0.9, 0.4, 0.4)),
        optimum(COLOR, hue=20.0, hue_agreement=0.5, mean_color=(0.4, 0.9, 0.9)),
        1 / 2,
    ),
    "hues, one of which is that of a pale picture": (
        optimum(COLOR, hue=10.0, mean_color=(0.9, 0.4, 0.4)),
        optimum(COLOR, hue=190.0, hue_agreement=0.5, mean_color=(0.5, 0.9, 0.9)),
        0,
    ),
    "hues, one of which is that of a ground that does not excite": (
        optimum(COLOR, hue=10.0, mean_color=(0.9, 0.4, 0.4)),
        optimum(COLOR, hue=20.0, hue_agreement=0.5, mean_color=(0.65, 0.4, 0.9)),
        0,
    ),
    "the hue of a picture and that which is preferred near another": (
        optimum(COLOR, hue=10.0),
        optimum(COLOR, hue=20.0, hue_agreement=0.5, mean_color=(0.4, 0.9, 0.9)),
        0,
    ),
    "hues, one of which is none": (optimum(COLOR, hue=10.0), optimum(COLOR), 0),
    "hues of what does not want one": (optimum(SHAPE, hue=10.0), optimum(SHAPE, hue=190.0), 0),
    "strokes": (optimum(SHAPE, angle=170.0), optimum(SHAPE, angle=30.0), 15 / 65 / 2),
    "strokes across": (optimum(SHAPE, angle=80.0), optimum(SHAPE, angle=170.0), 1 / 2),
    "strokes, as far as the limit": (optimum(SHAPE, angle=170.0), optimum(SHAPE, angle=15.0), 0),
    "strokes, one of which is hardly straight": (
        optimum(SHAPE, angle=0.0),
        optimum(SHAPE, angle=90.0, orientation_contrast=0.79),
        0,
    ),
    "strokes, one of which is just straight enough": (
        optimum(SHAPE, angle=0.0),
        optimum(SHAPE, angle=90.0, orientation_contrast=0.81),
        1 / 2,
    ),
    "strokes, one of which is confetti": (
        optimum(SHAPE, angle=0.0),
        optimum(SHAPE, angle=90.0, orientation_agreement=0.29),
        0,
    ),
    "strokes, one of which is just enough of a bar": (
        optimum(SHAPE, angle=0.0),
        optimum(SHAPE, angle=90.0, orientation_agreement=0.31),
        1 / 2,
    ),
    "strokes of what does not want one": (optimum(COLOR, angle=0.0), optimum(COLOR, angle=90.0), 0),
    "hues of strokes": (
        optimum(BOTH, hue=10.0, angle=0.0),
        optimum(BOTH, hue=130.0, angle=30.0),
        70 / 130 / 2,
    ),
    "strokes of hues": (
        optimum(BOTH, hue=10.0, angle=0.0),
        optimum(BOTH, hue=70.0, angle=90.0),
        1 / 2,
    ),
    "black and white": (optimum(LIGHT, color=0.0), optimum(LIGHT, color=1.0), 1 / 2),
    "dark and light": (optimum(LIGHT, color=0.2), optimum(LIGHT, color=0.9), 0.2 / 0.5 / 2),
    "brightness, as far as the limit": (optimum(LIGHT, color=0.25), optimum(LIGHT, color=0.75), 0),
    "red is darker than white": (
        optimum(LIGHT, color=[1.0, 0.0, 0.0]),
        optimum(LIGHT, color=1.0),
        0.201 / 0.5 / 2,
    ),
    "nothing": (optimum(BOTH, hue=10.0, angle=0.0), optimum(BOTH, hue=20.0, angle=5.0), 0),
}


# Bars that are not at 5 degrees, 25, 45, … excite by less than what is a peak. Of flat patches red
# ones excite and cyan ones, those between do not.
ANY_BAR = curves_of(
    bars=0.3 * (torch.arange(36) % 4 != 1).double(),
    flat=1 + torch.cos(2 * torch.deg2rad(torch.arange(72) * 5.0)),
)


@pytest.mark.parametrize(("one", "other", "expected"), DIFFERENCES.values(), ids=DIFFERENCES)
def test_how_plainly_two_optima_differ(one, other, expected):
    optima = optima_of(one, other)
    for pair in ((0, 1), (1, 0)):
        found = difference(optima, ANY_BAR, *pair)
        assert found == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(("between", "apart"), [(0.71, 1 / 2), (0.73, 0)])
def test_strokes_are_two_where_those_between_excite_less(between, apart):
    optima = optima_of(optimum(SHAPE, angle=0.0), optimum(SHAPE, angle=90.0))
    bars = torch.full((36,), 0.3, dtype=torch.float64)
    bars[[9, 27]] = 0.3 * between
    assert difference(optima, curves_of(bars=bars), 0, 1) == pytest.approx(apart)
    bars[18:] = 0.3  # the other way round they excite as much, though at 45 degrees none do
    bars[9] = 0.0
    assert difference(optima, curves_of(bars=bars), 0, 1) == 0


@pytest.mark.parametrize(
    ("height", "between", "apart"), [(0.8, 0.85, 1), (0.8, 0.9, 0), (0.4, 0.74, 1), (0.4, 0.76, 0)]
)
def test_strokes_of_a_narrow_range_are_two_where_those_between_do_a_tenth_of_the_gain_less(
    height, between, apart
):
    """Those on the other side hardly excite."""
    optima = optima_of(optimum(SHAPE, angle=0.0), optimum(SHAPE, angle=90.0))
    bars = torch.zeros(36, dtype=torch.float64)
    bars[:19] = height
    bars[9] *= between
    assert difference(optima, curves_of(bars=bars), 0, 1) == apart / 2


def bumps(*peaks, length=36, width=15.0):
    """A closed curve over 180 degrees with peaks of (degrees, height)."""
    at = torch.arange(length) * 180.0 / length
    curve = torch.zeros(length, dtype=torch.float64)
    for middle, height in peaks:
        away = ((at - middle + 90) % 180 - 90).abs()
        curve = torch.maximum(curve, height * (1 - away / width).clamp_min(0))
    return curve


TWO = bumps((30, 1.0), (120, 0.8))
PEAKS = {
    "both": (curves_of(bars=TWO), (30, 120), True),
    "the other way around": (curves_of(bars=TWO), (120, 30), True),
    "about there": (curves_of(bars=TWO), (10, 140), True),
    "too far from one": (curves_of(bars=TWO), (9.6, 120), False),
    "one and the same": (curves_of(bars=TWO), (20, 40), False),
    "one is no angle": (curves_of(bars=TWO), (30, math.nan), False),
    "bar and grating": (
        curves_of(bars=bumps((30, 1.0)), gratings=bumps((120, 0.8))),
        (30, 120),
        True,
    ),
    "tinted strokes": (
        curves_of(tinted=bumps((30, 1.0), (120, 0.8), length=12)[None]),
        (30, 120),
        True,
    ),
    "high enough": (curves_of(bars=bumps((30, 1.0), (120, 0.41))), (30, 120), True),
    "too low": (curves_of(bars=bumps((30, 1.0), (120, 0.39))), (30, 120), False),
    "without a valley": (
        curves_of(bars=bumps((75, 1.0), width=90).clamp(0.45, 0.5)),
        (30, 120),
        False,
    ),
    "too little of what the picture gives": (curves_of(bars=TWO / 2.1), (30, 120), False),
}  # fmt: skip


@pytest.mark.parametrize(("curves", "angles", "expected"), PEAKS.values(), ids=PEAKS)
def test_strokes_are_two_where_bars_of_both_excite_the_unit(curves, angles, expected):
    assert both_are_peaks(curves, angles, 1.0) is expected
    if expected:  # then it tells apart what is too crooked to be told apart by itself
        first, second = (optimum(SHAPE, angle=float(a), orientation_contrast=0.3) for a in angles)
        assert difference(optima_of(first, second), curves, 0, 1) > 0


@pytest.mark.parametrize(("best", "expected"), [(6.0, True), (6.9, True), (7.1, False)])
def test_the_peaks_of_strokes_count_from_mid_gray(best, expected):
    """They are 1 and 0.8 above it: of a gain of 2, the second is two fifths."""
    curves = curves_of(bars=TWO + 5, gratings=TWO + 5, grays=torch.full((9,), 5.0))
    assert both_are_peaks(curves, (30, 120), best) is expected


STROKES = {
    "bars of both": (curves_of(bars=bumps((0, 0.9), (90, 0.21))), True),
    "a grating of one": (curves_of(bars=bumps((0, 0.9)), gratings=bumps((90, 0.21))), True),
    "tinted ones": (curves_of(tinted=bumps((0, 0.9), (90, 0.21), length=12)[None]), True),
    "nearly of one": (curves_of(bars=bumps((0, 0.9), (105, 0.9))), True),
    "too little of one": (curves_of(bars=bumps((0, 0.9), (90, 0.19))), False),
    "of others": (curves_of(bars=bumps((0, 0.9), (45, 0.9), width=10.0)), False),
    "none": (curves_of(bars=torch.zeros(36, dtype=torch.float64)), False),
}


@pytest.mark.parametrize(("curves", "told"), STROKES.values(), ids=STROKES)
def test_orientations_are_told_apart_only_where_strokes_of_each_excite_the_unit(curves, told):
    optima = optima_of(optimum(SHAPE, angle=0.0), optimum(SHAPE, angle=90.0))
    assert (difference(optima, curves, 0, 1) > 0) is told


NO_SHARES = Shares(0.0, 0.0, 0.0, 0.0)


def group(kind, hue=None, orientation=None):
    return Group(kind, NO_SHARES, 1.0, (0,), hue, orientation, 0.5, 0.5)


NONE = math.nan
ALIKE = [
    # the hue and the orientation near a picture; the facets; which of them it shows
    ((10.0, NONE), [group("color", 40.0)], 0),
    ((10.0, NONE), [group("color", 61.0)], None),
    ((10.0, NONE), [group("color", 90.0), group("color", 350.0)], 1),
    ((10.0, NONE), [group("color")], 0),
    ((NONE, NONE), [group("color", 90.0)], None),
    ((NONE, 175.0), [group("shape", None, 15.0)], 0),
    ((NONE, 175.0), [group("shape", None, 21.0)], None),
    ((NONE, 175.0), [group("color", 10.0), group("shape", None, 10.0)], 1),
    ((10.0, NONE), [group("shape", None, 10.0), group("color", 10.0)], 1),
    ((10.0, 0.0), [group("color+shape", 20.0, 90.0)], None),
    ((10.0, 0.0), [group("color+shape", 20.0, 10.0)], 0),
    ((NONE, NONE), [], None),
]


@pytest.mark.parametrize(("shown", "facets", "expected"), ALIKE)
def test_another_picture_shows_the_first_facet_that_it_is_like(shown, facets, expected):
    hue, angle = shown
    near = optima_of(optimum(BOTH, hue=hue, angle=angle)).near
    assert facet_shown(near, facets) == [expected]


class Valley(nn.Module):
    """Answers 1 to black and to white, and so much less in between, least to the middle."""

    def __init__(self, lowest):
        super().__init__()
        self.lowest = lowest
        self.unit = nn.Identity()

    def forward(self, x):
        value = self.lowest + (1 - self.lowest) * (2 * x - 1).abs()
        return self.unit(value.mean(1, keepdim=True))


def grouped(*optima, lowest=0.0, curves=None, neutral=0.0, shares=None):
    """The facets of a unit with such optima, between whose images it answers like `Valley`."""
    subject = Subject(Valley(lowest), input_shape=(3, 2, 2))
    found = optima_of(*optima, neutral=neutral)
    maxima = maxima_of(shares or optima[0]["shares"], neutral=neutral)
    compared = ComparedOptima(subject, ChannelMean("unit", 0), found, curves or curves_of())
    return group_optima(compared, maxima)


@pytest.mark.parametrize(
    ("best", "other", "facets"), [(0.6, 0.5, 2), (0.6, 0.49, 1), (0.12, 0.09, 1)]
)
def test_facets_have_half_of_what_excites_the_unit_most_though_no_optimum_has(best, other, facets):
    optima = [optimum(COLOR, best, color=0.0), optimum(SHAPE, other, color=1.0)]
    assert maxima_of(optima[0]["shares"]).scores[0] == 1
    assert len(grouped(*optima)) == facets


BLACK, WHITE = {"color": 0.0}, {"color": 1.0}
RED_HUE, BLUE_HUE = {"hue": 0.0, **BLACK}, {"hue": 240.0, **WHITE}
GROUPS = {
    "one optimum": ([optimum(COLOR)], 0.0, [("color", [0])]),
    "two kinds": (
        [optimum(COLOR, **BLACK), optimum(SHAPE, **WHITE)],
        0.0,
        [("color", [0]), ("shape", [1])],
    ),
    "the best first": (
        [optimum(COLOR, 0.8, **BLACK), optimum(SHAPE, 1.0, **WHITE)],
        0.0,
        [("shape", [1]), ("color", [0])],
    ),
    "two hues": (
        [optimum(COLOR, **RED_HUE), optimum(COLOR, **BLUE_HUE)],
        0.0,
        [("color", [0]), ("color", [1])],
    ),
    "no valley": (
        [optimum(COLOR, **RED_HUE), optimum(COLOR, **BLUE_HUE)],
        0.91,
        [("color", [0, 1])],
    ),
    "a valley that is hardly one": (
        [optimum(COLOR, **RED_HUE), optimum(COLOR, **BLUE_HUE)],
        0.86,
        [("color", [0, 1])],
    ),
    "a small valley": (
        [optimum(COLOR, **RED_HUE), optimum(COLOR, **BLUE_HUE)],
        0.84,
        [("color", [0]), ("color", [1])],
    ),
    "a valley of the lower one": (
        # 0.7 is more than nine tenths of 0.76, so it is no valley for that one.
        [optimum(COLOR, **RED_HUE), optimum(COLOR, 0.76, **BLUE_HUE)],
        0.7,
        [("color", [0, 1])],
    ),
    "colors of which one cannot be named": (
        [
            optimum(COLOR, 0.9, mean_color=(1.0, 0.0, 0.0), hue_agreement=0.2, **BLACK),
            optimum(SHAPE, 0.8, color=[0.0, 1.0, 0.0]),
            optimum(COLOR, mean_color=(0.0, 0.0, 1.0), hue_agreement=0.2, **WHITE),
        ],
        0.0,
        [("color", [2, 0]), ("shape", [1])],
    ),
    "a valley, but nothing differs": (
        [optimum(COLOR, hue=0.0, **BLACK), optimum(COLOR, hue=40.0, **WHITE)],
        0.0,
        [("color", [0, 1])],
    ),
    "strong enough": (
        [optimum(COLOR, **BLACK), optimum(SHAPE, 0.51, **WHITE)],
        0.0,
        [("color", [0]), ("shape", [1])],
    ),
    "too weak": ([optimum(COLOR, **BLACK), optimum(SHAPE, 0.49, **WHITE)], 0.0, [("color", [0])]),
    "three of two": (
        [
            optimum(COLOR, 0.95, **RED_HUE),
            optimum(SHAPE, 1.0, **WHITE),
            optimum(COLOR, 0.9, hue=20.0, color=0.05),
        ],
        0.0,
        [("shape", [1]), ("color", [0, 2])],
    ),
    "three": (
        [
            optimum(COLOR, 1.0, hue=0.0, **BLACK),
            optimum(COLOR, 0.9, hue=120.0, **WHITE),
            optimum(SHAPE, 0.8, color=[0.0, 1.0, 1.0]),
        ],
        0.0,
        [("color", [0]), ("color", [1]), ("shape", [2])],
    ),
    "nothing excites it": ([optimum(COLOR, 0.0), optimum(SHAPE, -1.0)], 0.0, []),
}  # fmt: skip


@pytest.mark.parametrize(("optima", "lowest", "expected"), GROUPS.values(), ids=GROUPS)
def test_optima_are_grouped_by_what_they_are_and_by_a_valley_between(optima, lowest, expected):
    found = grouped(*optima, lowest=lowest)
    assert [(each.kind, list(each.members)) for each in found] == expected


@pytest.mark.parametrize(
    ("optima", "lowest", "expected"),
    [
        ([optimum(COLOR, **BLACK), optimum(SHAPE, 0.4, **WHITE)], 0.0, 0.4),
        ([optimum(COLOR, **BLACK), optimum(SHAPE, 0.4, **WHITE)], 0.37, None),  # no valley
        ([optimum(COLOR, **BLACK), optimum(COLOR, 0.4, **WHITE)], 0.0, None),  # nothing differs
        ([optimum(COLOR, **BLACK), optimum(SHAPE, 0.6, **WHITE)], 0.0, None),  # a facet itself
        (
            # It is like the second facet.
            [
                optimum(COLOR, **BLACK),
                optimum(SHAPE, 0.6, **WHITE),
                optimum(SHAPE, 0.4, **WHITE),
                optimum(LIGHT, 0.3, color=[0.0, 1.0, 0.0]),
            ],
            -2.0,
            0.3,
        ),
        ([optimum(COLOR, **BLACK)], 0.0, None),
        ([optimum(COLOR, 0.6, **BLACK), optimum(SHAPE, 0.49, **WHITE)], 0.0, 0.49),
        ([optimum(COLOR, 0.45, **BLACK), optimum(SHAPE, 0.44, **WHITE)], 0.0, 0.44),
        ([optimum(COLOR, 0.0), optimum(SHAPE, -1.0)], 0.0, None),
    ],
)
def test_the_runner_up_is_what_is_apart_from_all_facets_and_too_weak(optima, lowest, expected):
    subject, unit = Subject(Valley(lowest), input_shape=(3, 2, 2)), ChannelMean("unit", 0)
    compared = ComparedOptima(subject, unit, optima_of(*optima), curves_of())
    maxima = maxima_of(optima[0]["shares"])
    said = runner_up(compared, group_optima(compared, maxima), maxima)
    assert said == (None if expected is None else pytest.approx(expected))


LIKE_FIRST, LIKE_SECOND = {"hue": 10.0, "color": 0.05}, {"hue": 230.0, "color": 0.95}
OF_FACETS = {
    "the first's": (optimum(COLOR, 0.9, **LIKE_FIRST), 0),
    "the second's": (optimum(COLOR, 0.9, **LIKE_SECOND), 1),
    "told by the valley alone": (optimum(COLOR, 0.9, color=0.95), 1),
    "told by the hue alone": (optimum(COLOR, 0.2, hue=230.0, color=0.6), 1),
    "of neither": (optimum(SHAPE, 0.9, color=[0.0, 1.0, 1.0]), None),
    "not exciting": (optimum(COLOR, 0.0, **LIKE_FIRST), None),
}


@pytest.mark.parametrize(("picture", "expected"), OF_FACETS.values(), ids=OF_FACETS)
def test_a_picture_is_of_the_facet_that_it_is_least_apart_from(picture, expected):
    subject, unit = Subject(Valley(0.0), input_shape=(3, 2, 2)), ChannelMean("unit", 0)
    found = optima_of(optimum(COLOR, **RED_HUE), optimum(COLOR, **BLUE_HUE), picture)
    assert facet_of(ComparedOptima(subject, unit, found, curves_of()), [0, 1], 2) == expected


@pytest.mark.parametrize("neutral", [-3.0, 2.0])
def test_gains_count_from_mid_gray(neutral):
    """Seen from gray, the second has 49 % of the first one's gain, whatever gray itself gives."""
    optima = [optimum(COLOR, neutral + 1, **BLACK), optimum(SHAPE, neutral + 0.49, **WHITE)]
    assert [each.members for each in grouped(*optima, neutral=neutral)] == [(0,)]


@pytest.mark.parametrize(("neutral", "number"), [(0.0, 2), (-0.2, 2), (-0.4, 1), (-3.0, 1)])
def test_the_depth_of_a_valley_counts_from_mid_gray(neutral, number):
    """It goes down to 0.8: of a gain of 1.2 that is 83 %, of one of 1.4 it is 86 %."""
    optima = [optimum(COLOR, **RED_HUE), optimum(COLOR, **BLUE_HUE)]
    assert len(grouped(*optima, lowest=0.8, neutral=neutral)) == number


def test_a_facet_has_the_figures_of_its_best_optimum():
    one, other = grouped(
        optimum((0.5, 0.4, 0.1), hue=-10.0, angle=170.0, **BLACK),
        optimum((0.05, 0.9, 0.05), 0.9, hue=70.0, angle=80.0, **WHITE),
        lowest=0.36,
        curves=ANY_BAR,
    )
    assert (one.kind, one.hue, one.orientation) == ("color+shape", 350.0, 170.0)
    assert one.margin == pytest.approx(0.1) and one.separation == 0.5 and one.strength == 1.0
    assert (other.kind, other.hue, other.orientation) == ("shape", None, 80.0)
    assert other.margin == pytest.approx(0.3) and other.strength == pytest.approx(0.9)
    assert [other.shares.color, other.shares.shape] == pytest.approx([0.05, 0.9])
    # The orientations differ by 90 degrees, all that can be; the valley goes down to 0.4 of the
    # lower one, five ninths of what lies below 0.9. The less plain of the two counts, halved.
    assert other.separation == pytest.approx(5 / 18)


def test_the_only_facet_is_due_to_what_the_unit_is_due_to():
    """Whatever could be reached near its own picture."""
    (only,) = grouped(optimum((0.9, 0.1, 0.0), hue=10.0, angle=20.0), shares=(0.3, 0.7, 0.0))
    assert only.kind == "shape" and only.shares.shape == pytest.approx(0.7)
    assert (only.hue, only.orientation) == (None, 20.0)


def test_a_valley_can_be_what_is_least_plain():
    _, other = grouped(optimum(COLOR, **RED_HUE), optimum(SHAPE, **WHITE), lowest=0.81)
    assert other.separation == pytest.approx((1 - 0.81 / 0.9) / 2, abs=1e-6)


def test_what_has_no_hue_and_no_direction_has_none():
    (only,) = grouped(optimum(BOTH))
    assert (only.hue, only.orientation) == (None, None)
    (only,) = grouped(optimum(LIGHT, hue=20.0, angle=40.0))
    assert (only.hue, only.orientation) == (None, None)
