"""The verdict: what is concluded from facets, and how surely."""

import colorsys
import math

import numpy as np
import pytest
import torch

from prober.findings.facets import Group
from prober.findings.finding import Shares, SingleHue
from prober.findings.verdict import (
    FACETS_CONFIDENCE,
    KIND_CONFIDENCE,
    conclude,
    confidence,
    of_the_dead,
    settled,
)
from tests.findings.figures import curves_of, maxima_of

SHARES = {
    "color": Shares(1.0, 0.0, 0.0, 0.0),
    "shape": Shares(0.0, 1.0, 0.0, 0.0),
    "color+shape": Shares(0.5, 0.5, 0.0, 0.0),
    "brightness": Shares(0.0, 0.0, 1.0, 0.0),
}


def group(kind, hue=None, orientation=None, margin=0.5, separation=0.5):
    return Group(kind, SHARES[kind], 1.0, (0,), hue, orientation, margin, separation)


VERDICTS = {
    # facets; kinds, polysemantic, hue, orientation; what is said
    "a color": ([group("color", 40.0)], (["color"], False, 40.0, None), []),
    "a shape": ([group("shape", None, 30.0)], (["shape"], False, None, 30.0), []),
    "both": ([group("color+shape", 40.0, 30.0)], (["color+shape"], False, 40.0, 30.0), []),
    "brightness": ([group("brightness")], (["brightness"], False, None, None), []),
    "a kind near its limit": (
        [group("color", 40.0, margin=0.1)],
        (["color"], False, 40.0, None),
        [],
    ),
    "two kinds": (
        [group("shape", None, 30.0), group("color", 40.0, separation=0.2)],
        (["color", "shape"], True, 40.0, 30.0),
        [],
    ),
    "two of a kind": (
        [group("color", 40.0), group("color", 200.0)],
        (["color"], True, 40.0, None),
        [],
    ),
    "the first that has one": (
        [group("brightness"), group("shape"), group("shape", None, 30.0), group("color", 200.0)],
        (["brightness", "color", "shape"], True, 200.0, 30.0),
        [],
    ),
    "the least sure of its facets": (
        [group("shape", margin=0.4, separation=0.5), group("color", margin=0.3, separation=0.25)],
        (["color", "shape"], True, None, None),
        [],
    ),
    "a second facet that is thin": (
        [group("shape"), group("color", 40.0, margin=0.02)],
        (["color", "shape"], True, 40.0, None),
        [],
    ),
    "no optimum": ([], (["unclear"], False, None, None), ["more than mid gray"]),
}


@pytest.mark.parametrize(("facets", "expected", "why"), VERDICTS.values(), ids=VERDICTS)
def test_what_is_said_of_a_unit(facets, expected, why):
    found = conclude(facets, maxima_of())
    kinds, *rest = expected
    assert list(found.kinds) == kinds
    assert [found.polysemantic, found.hue, found.orientation] == rest
    assert found.dead is False
    assert len(found.why) == len(why)
    for said, words in zip(found.why, why, strict=True):
        assert words in said
    expected = 0.5
    if facets:
        apart = min(each.separation for each in facets)
        expected = min(
            np.interp(min(each.margin for each in facets), *zip(*KIND_CONFIDENCE, strict=True)),
            np.interp(apart, *zip(*FACETS_CONFIDENCE, strict=True)),
        )
    assert found.confidence == pytest.approx(expected, abs=5e-4)


def test_of_a_unit_that_nothing_moves_it_is_said_what_was_tried():
    with_images, without = of_the_dead(True), of_the_dead(False)
    for found in (with_images, without):
        assert found.dead is True and found.kinds == ()
        assert (found.polysemantic, found.hue, found.orientation) == (False, None, None)
        assert found.confidence == 0.98 and len(found.why) == 1
    assert "real images" in with_images.why[0] and "real images" not in without.why[0]


@pytest.mark.parametrize(
    ("margin", "separation", "expected"),
    [(0.0, 0.5, 0.5), (0.03, 0.5, 0.9), (0.065, 0.5, 0.925), (0.4, 0.5, 0.97), (0.4, 0.1, 0.8)],
)
def test_confidence_goes_straight_between_what_was_measured(margin, separation, expected):
    facets = [group("color"), group("shape", margin=margin, separation=separation)]
    assert confidence(facets) == pytest.approx(expected, abs=5e-4)


UNCLEAR = {
    "half of the search finds other shares": (1, maxima_of(moved=0.06), "did not settle"),
    "it does so, but little": (1, maxima_of(moved=0.04), None),
    "either will do, but one facet": (
        1,
        maxima_of((0.5, 0.5, 0.0), interaction=-0.6),
        "contradict each other",
    ),
    "either will do, and two facets": (2, maxima_of((0.5, 0.5, 0.0), interaction=-0.6), None),
    "either will nearly do": (1, maxima_of((0.5, 0.5, 0.0), interaction=-0.4), None),
}


@pytest.mark.parametrize(("facets", "maxima", "said"), UNCLEAR.values(), ids=UNCLEAR)
def test_what_did_not_settle_or_contradicts_itself_is_unclear(facets, maxima, said):
    found = conclude([group("color"), group("shape")][:facets], maxima)
    assert (found.kinds == ("unclear",)) is (said is not None)
    assert len(found.why) == (said is not None)
    if said:
        assert said in found.why[0] and found.confidence == 0.5


DEGREES = torch.arange(72) * 5.0


def hill(middle, width=15.0):
    away = (DEGREES - middle + 180) % 360 - 180
    return torch.exp(-((away / width) ** 2))


COSINE = torch.cos(torch.deg2rad(DEGREES - 130))
SETTLED = {
    "the phase of the curve": ([group("color", 100.0)], COSINE, [130.0]),
    "whatever gray gives": ([group("color", 100.0)], COSINE + 4, [130.0]),
    "the highest hill, if the phase is a valley": (
        [group("color", 100.0)],
        0.9 * hill(60) + hill(240) + 0.2 * torch.cos(torch.deg2rad(DEGREES - 150)),
        [240.0],
    ),
    "two near hills": ([group("color", 100.0)], hill(100, 40) + hill(160, 40), [130.0]),
    "not of a color with a shape": ([group("color+shape", 100.0)], COSINE, [100.0]),
    "none that excites least": ([group("color+shape", 300.0)], COSINE, [None]),
    "uphill of several": (
        [group("color", 85.0), group("color", 280.0), group("shape", None, 30.0)],
        hill(125, 40) + 0.8 * hill(250, 40),
        [125.0, 250.0, None],
    ),
    "none of several where all is flat": (
        [group("color", 100.0), group("color", 22.0)],
        torch.ones(72),
        [100.0, 22.0],
    ),
    "its own of two that would have one peak": (
        [group("color", 60.0), group("color", 300.0)],
        COSINE,
        [60.0, 300.0],
    ),
    "none where the pixels agree on none": ([group("color")], COSINE, [None]),
    "none of a shape": ([group("shape", None, 30.0)], COSINE, [None]),
    "no three channels": ([group("color", 100.0)], torch.zeros(0), [100.0]),
}


@pytest.mark.parametrize(("facets", "flat", "expected"), SETTLED.values(), ids=SETTLED)
def test_the_hue_of_a_flat_color_is_that_of_its_whole_tuning_curve(facets, flat, expected):
    before = list(facets)
    found = settled(facets, curves_of(flat=flat.double()), 1.0)
    assert [each.hue for each in found] == [
        hue if hue is None else pytest.approx(hue, abs=1e-4) for hue in expected
    ]
    assert facets == before


@pytest.mark.parametrize("planted", [41.0, 76.0, 164.0, 264.0, 334.0])
@pytest.mark.parametrize("threshold", [0.0, 0.3, 0.6])
def test_a_planted_hue_is_not_that_of_the_corner_of_colors_beside_it(planted, threshold):
    """Yellow lies farther from gray than orange does, and excites what wants orange more."""
    corners = np.exp(2j * np.pi * np.arange(3) / 3)  # red, green and blue around gray
    around = np.array([colorsys.hsv_to_rgb(degrees / 360, 1, 1) for degrees in DEGREES]) @ corners
    answers = (around * np.exp(-1j * np.radians(planted))).real
    flat = torch.tensor(np.maximum(answers - threshold * answers.max(), 0))
    for facets in ([group("color", planted)], [group("color", planted), group("shape")]):
        assert settled(facets, curves_of(flat=flat), 1.0)[0].hue == pytest.approx(planted, abs=5)


def test_a_hue_stays_where_no_flat_patch_and_no_stroke_of_any_hue_excites():
    """A digit in color, say, is none of them."""
    (one,) = settled([group("color+shape", 300.0)], curves_of(), 1.0)
    assert one.hue == 300.0


def test_a_hue_of_strokes_stays_though_flat_patches_of_it_excite_least():
    strokes = torch.zeros(12, 12)
    strokes[10, 3] = 1.0  # of 300 degrees
    (one,) = settled([group("color+shape", 300.0)], curves_of(flat=COSINE, tinted=strokes), 1.0)
    assert one.hue == 300.0


def test_the_phase_of_a_curve_is_that_of_its_first_harmonic():
    flat = torch.rand(72, generator=torch.Generator().manual_seed(0)).double()
    flat += 2 * COSINE  # the highest answers lie about the phase
    (only,) = settled([group("color", 0.0)], curves_of(flat=flat), 1.0)
    spectrum = np.fft.rfft(flat.numpy())[1]
    assert only.hue == pytest.approx(math.degrees(-np.angle(spectrum)) % 360, abs=0.006)


def test_of_a_unit_that_rests_on_a_spike_nothing_is_claimed():
    dark = {"shares": (0.0, 0.2, 0.8)}
    found = conclude([group("brightness")], maxima_of(**dark, spike=0.02))
    assert found.why == ()
    found = conclude([group("brightness")], maxima_of(**dark, spike=0.7))
    assert list(found.kinds) == ["unclear"] and found.confidence == 0.5
    assert "spike: the best flat gray brings" in found.why[0]


def test_a_spike_that_changes_no_word_is_not_held_against_a_unit():
    found = conclude([group("shape")], maxima_of(shares=(0.0, 0.8, 0.2), spike=0.15))
    assert list(found.kinds) == ["shape"] and found.why == ()


def test_of_a_color_beside_another_that_excites_as_much_nothing_is_sure():
    hues = [SingleHue(0.0, 0.68), SingleHue(180.0, 0.6)]
    found = conclude([group("color", 0.0)], maxima_of(), hues)
    assert found.confidence == 0.5 and found.kinds == ("color",)
    assert found.why == (
        "It may want several colors: images of one hue beside grays bring 68% of its gain at 0° "
        "and 60% of its gain at 180°, at hues between less.",
    )


@pytest.mark.parametrize(
    ("angle", "height", "tinted", "interaction", "is_about"),
    [
        (80.0, 0.6, 0.0, 0.1, True),
        (80.0, 0.2, 1.0, 0.1, False),  # bars differ by a fifth of the gain
        (50.0, 0.6, 0.0, 0.1, False),  # others excite it more
        (80.0, 0.0, 0.4, 0.6, True),  # bars in color do
        (80.0, 0.6, 0.0, 0.6, False),
        (80.0, 0.0, None, 0.6, True),  # there are none in color
    ],
)
def test_a_unit_has_an_orientation_only_if_it_is_about_one(
    angle, height, tinted, interaction, is_about
):
    bars = torch.zeros(36)
    bars[15] = height  # at 75 degrees
    strokes = torch.zeros(12, 12)
    strokes[3, 5] = tinted or 0.0  # at 75 degrees, too
    curves = curves_of(bars=bars, tinted=torch.zeros(0) if tinted is None else strokes)
    own = Group("shape", Shares(0.2, 0.7, 0.1, interaction), 1.0, (0,), None, angle, 0.5, 0.5)
    (found,) = settled([own], curves, 1.0)
    assert found.orientation == (angle if is_about else None)
    assert [each.orientation for each in settled([own, own], curves, 1.0)] == [angle, angle]
