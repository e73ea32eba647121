"""The verdict: what is concluded from facets, and how surely."""

import math

import numpy as np
import pytest
import torch

from prober.findings.facets import Group
from prober.findings.verdict import CONFIDENCE, conclude, confidence, doubts, of_the_dead, settled
from tests.findings.figures import curves_of

NOTHING = curves_of(flat=torch.zeros(0))


def group(kind, hue=None, orientation=None, margin=0.5, separation=0.5):
    return Group(kind, (0,), hue, orientation, margin, separation)


VERDICTS = {
    # facets; kinds, polysemantic, hue, orientation; the deciding distance; what is said
    "a color": ([group("color", 40.0)], (["color"], False, 40.0, None), 0.5, []),
    "a shape": ([group("shape", None, 30.0)], (["shape"], False, None, 30.0), 0.5, []),
    "both": ([group("color+shape", 40.0, 30.0)], (["color+shape"], False, 40.0, 30.0), 0.5, []),
    "brightness": ([group("brightness")], (["brightness"], False, None, None), 0.5, []),
    "a kind near its limit": (
        [group("color", 40.0, margin=0.1)],
        (["color"], False, 40.0, None),
        0.1,
        [],
    ),
    "two kinds": (
        [group("shape", None, 30.0), group("color", 40.0, separation=0.2)],
        (["color", "shape"], True, 40.0, 30.0),
        0.2,
        [],
    ),
    "two of a kind": (
        [group("color", 40.0), group("color", 200.0)],
        (["color"], True, 40.0, None),
        0.5,
        [],
    ),
    "the first that has one": (
        [group("brightness"), group("shape"), group("shape", None, 30.0), group("color", 200.0)],
        (["brightness", "color", "shape"], True, 200.0, 30.0),
        0.5,
        [],
    ),
    "the least sure of its facets": (
        [group("shape", margin=0.4, separation=0.5), group("color", margin=0.3, separation=0.25)],
        (["color", "shape"], True, None, None),
        0.25,
        [],
    ),
    "a second facet that is thin": (
        [group("shape"), group("color", 40.0, margin=0.02)],
        (["color", "shape"], True, 40.0, None),
        0.02,
        [],
    ),
    "thin": (
        [group("color", 40.0, margin=0.029)],
        (["unclear"], False, 40.0, None),
        0.029,
        ["within 3% of the limit of 50%"],
    ),
    "just not thin": (
        [group("color", 40.0, margin=0.031)],
        (["color"], False, 40.0, None),
        0.031,
        [],
    ),
    "mixed": ([group("mixed")], (["unclear"], False, None, None), 0.5, ["two things at once"]),
    "no optimum": ([], (["unclear"], False, None, None), 0.0, ["more than mid gray"]),
}


@pytest.mark.parametrize(("facets", "expected", "distance", "why"), VERDICTS.values(), ids=VERDICTS)
def test_what_is_said_of_a_unit(facets, expected, distance, why):
    found = conclude(facets, NOTHING, 1.0)
    kinds, *rest = expected
    assert list(found.kinds) == kinds
    assert [found.polysemantic, found.hue, found.orientation] == rest
    assert found.dead is False
    assert len(found.why) == len(why)
    for said, words in zip(found.why, why, strict=True):
        assert words in said
    xs, ys = zip(*CONFIDENCE, strict=True)
    assert found.confidence == pytest.approx(np.interp(distance, xs, ys), abs=5e-4)


def test_of_a_unit_that_nothing_moves_it_is_said_what_was_tried():
    with_images, without = of_the_dead(True), of_the_dead(False)
    for found in (with_images, without):
        assert found.dead is True and found.kinds == ()
        assert (found.polysemantic, found.hue, found.orientation) == (False, None, None)
        assert found.confidence == 0.98 and len(found.why) == 1
    assert "real images" in with_images.why[0] and "real images" not in without.why[0]


@pytest.mark.parametrize("distance", [-0.1, 0.0, 0.05, 0.1, 0.16, 0.2, 0.31, 0.35, 0.4, 0.5, 0.9])
def test_confidence_goes_straight_between_what_was_measured(distance):
    xs, ys = (0.0, 0.1, 0.2, 0.35, 0.5), (0.5, 0.8, 0.92, 0.96, 0.97)
    expected = np.interp(distance, xs, ys)
    if distance >= 0:  # no figure lies on the wrong side of its limit
        assert confidence(distance) == pytest.approx(expected, abs=5e-4)
    assert confidence(distance) <= confidence(distance + 0.01)


GRAY = torch.tensor([0.6, 0, 0, 0, 0, 0, 0, 0, 0])
HUES = torch.zeros(72)
HUES[3] = 0.6
DOUBTS = {
    "none": (group("shape"), {}, 1.0, []),
    "gray excites a shape": (group("shape"), {"grays": GRAY}, 1.0, ["gray.*60%"]),
    "a hue excites a shape": (group("shape"), {"flat": HUES}, 1.0, ["hue.*60%"]),
    "both do": (group("shape"), {"grays": GRAY, "flat": HUES}, 1.0, ["gray.*60%", "hue.*60%"]),
    "a hue excites a color": (group("color"), {"flat": HUES}, 1.0, []),
    "gray excites a color": (group("color"), {"grays": GRAY}, 1.0, ["gray.*60%"]),
    "a hue excites color and shape": (group("color+shape"), {"flat": HUES}, 1.0, ["hue.*60%"]),
    "gray excites brightness": (group("brightness"), {"grays": GRAY, "flat": HUES}, 1.0, []),
    "half of the gain": (group("shape"), {"grays": GRAY}, 1.2, ["gray.*50%"]),
    "less than half": (group("shape"), {"grays": GRAY}, 1.21, []),
    "no three channels": (group("shape"), {"flat": torch.zeros(0)}, 1.0, []),
    "counted from mid gray": (
        group("shape"),
        {"grays": GRAY + 2, "flat": HUES + 2},
        2.9,
        ["gray.*67%", "hue.*67%"],
    ),
    "no picture is better than gray": (group("shape"), {"grays": GRAY}, 0.0, []),
}


@pytest.mark.parametrize(("only", "answers", "best", "said"), DOUBTS.values(), ids=DOUBTS)
def test_a_flat_patch_that_excites_the_unit_speaks_against_its_kind(only, answers, best, said):
    curves = curves_of(**answers)
    found = doubts([only], curves, best)
    assert len(found) == len(said)
    for sentence, words in zip(found, said, strict=True):
        first, second = words.split(".*")
        assert f"of another {first} " in sentence and second in sentence
    assert doubts([only, group("brightness")], curves, best) == []  # that is another facet then
    concluded = conclude([only], curves, best)
    assert list(concluded.why) == found
    assert concluded.confidence == (0.5 if said else 0.97)
    assert concluded.kinds == (only.kind,)


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
    "not of several": ([group("color", 100.0), group("color", 20.0)], COSINE, [100.0, 20.0]),
    "none where the pixels agree on none": ([group("color")], COSINE, [None]),
    "none of a shape": ([group("shape", None, 30.0)], COSINE, [None]),
    "no three channels": ([group("color", 100.0)], torch.zeros(0), [100.0]),
}


@pytest.mark.parametrize(("facets", "flat", "expected"), SETTLED.values(), ids=SETTLED)
def test_the_hue_of_a_flat_color_is_that_of_its_whole_tuning_curve(facets, flat, expected):
    before = list(facets)
    found = settled(facets, curves_of(flat=flat.double()))
    assert [each.hue for each in found] == [
        hue if hue is None else pytest.approx(hue, abs=1e-4) for hue in expected
    ]
    assert facets == before


def test_the_phase_of_a_curve_is_that_of_its_first_harmonic():
    flat = torch.rand(72, generator=torch.Generator().manual_seed(0)).double()
    flat += 2 * COSINE  # the highest answers lie about the phase
    (only,) = settled([group("color", 0.0)], curves_of(flat=flat))
    spectrum = np.fft.rfft(flat.numpy())[1]
    assert only.hue == pytest.approx(math.degrees(-np.angle(spectrum)) % 360, abs=0.006)
