"""Optima: what is left of a score without color or shape, and what a unit prefers nearby."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from prober.ascent.objectives import Neuron
from prober.findings.kinds import kind_of
from prober.findings.optima import INTERVENTIONS, measure_optima
from prober.findings.windows import Window
from prober.subject import Subject
from tests.findings.figures import optima_of, optimum
from tests.planted.detectors import brightness_atom, hue_atom, stroke_atom
from tests.planted.stimuli import apart

SIDE = 9


def detector(kernel, bias=0.0):
    """A subject whose only neuron is linear in the image, with its best image."""
    conv = nn.Conv2d(3, 1, SIDE)
    with torch.no_grad():
        conv.weight[0] = torch.from_numpy(kernel)
        conv.bias[:] = bias
    return Subject(nn.Sequential(conv), input_shape=(3, SIDE, SIDE))


def measured(kernel, image, bias=0.0):
    images = torch.from_numpy(np.ascontiguousarray(image)).float()[None]
    return measure_optima(
        detector(kernel, bias), [Neuron("0", 0, 0, 0)], images, Window((0, 0), 0, 0, SIDE, SIDE)
    )


def atoms(make, *args, number=8, **kwargs):
    rng = np.random.default_rng(5)
    return [make(rng, SIDE, *args, **kwargs) for _ in range(number)]


HUES, STROKES = atoms(hue_atom, at_least=3), atoms(stroke_atom)
LIGHTS = [*atoms(brightness_atom, False, number=3), *atoms(brightness_atom, True, number=3)]


@pytest.mark.parametrize("atom", [*HUES, *STROKES, *LIGHTS], ids=lambda atom: atom.name)
def test_at_its_optimum_a_unit_of_one_thing_is_seen_to_want_it(atom):
    """Its hue and its orientation are those that it was measured to have by flat patches, bars."""
    found = measured(atom.kernel, atom.optimum())
    kind, margin = kind_of(*found.left[0].tolist())
    assert kind == atom.kind and margin > 0.03
    if atom.hue is not None:
        assert found.hue_agreement > 0.7 and apart(found.hue.item(), atom.hue, 360) < 6
    if atom.orientation is not None:
        assert (
            found.orientation_contrast > 0.5
            and apart(found.orientation.item(), atom.orientation, 180) < 10
        )


@pytest.mark.parametrize("atom", STROKES[:4], ids=lambda atom: atom.name)
def test_scores_after_interventions_are_those_of_the_changed_image(atom):
    rng = np.random.default_rng(0)
    image, bias = rng.random((3, SIDE, SIDE)), -0.3
    found = measured(atom.kernel, image, bias)
    luminance = np.tensordot([0.299, 0.587, 0.114], image, 1)
    after = dict(zip(INTERVENTIONS, found.after[0].tolist(), strict=False))
    score = lambda x: (atom.kernel * x).sum() + bias  # noqa: E731
    assert found.score.item() == pytest.approx(score(image), abs=1e-5)
    assert after["neutral gray"] == pytest.approx(score(0.5), abs=1e-5)
    assert after["without color"] == pytest.approx(score(luminance), abs=1e-5)
    # One flat color, whichever of those that stand for the image does best.
    assert after["one flat color"] >= score(image.mean((1, 2))[:, None, None]) - 1e-5
    assert after["one flat color"] <= bias + np.clip(atom.kernel.sum((1, 2)), 0, None).sum() + 1e-5
    assert after["flat gray"] <= bias + max(atom.kernel.sum(), 0) + 1e-5
    assert found.after.shape == (1, len(INTERVENTIONS) + 5)


SHARES = [
    # what is left without color, shape, both; by the gradient; what decides
    ((0.2, 0.9, 0.1), (0.0, 0.0, 0.0), (0.2, 0.9, 0.1)),
    ((0.5, 0.5, 0.49), (0.1, 0.8, 0.0), (0.1, 0.8, 0.0)),
    ((0.5, 0.49, 0.49), (0.1, 0.8, 0.0), (0.5, 0.49, 0.49)),
    ((0.9, 0.9, 0.5), (0.1, 0.8, 0.0), (0.9, 0.9, 0.5)),
]


@pytest.mark.parametrize(("left", "by_gradient", "expected"), SHARES)
@pytest.mark.parametrize("neutral", [0.0, -2.5])
def test_where_an_image_shows_two_things_the_gradient_decides(left, by_gradient, expected, neutral):
    found = optima_of(
        optimum(left, by_gradient=by_gradient), optimum((0.0, 1.0, 0.0)), neutral=neutral
    )
    assert found.left[0].tolist() == pytest.approx(expected)
    assert found.left[1].tolist() == pytest.approx([0.0, 1.0, 0.0])


def test_shares_count_from_mid_gray_to_the_image_itself():
    found = optima_of(optimum((0.25, 0.5, -1.0), score=3.0), neutral=1.0)
    assert found.neutral.tolist() == [1.0]
    assert found.after[0].tolist() == pytest.approx([1.0, 1.5, 1.0, 2.0, -1.0])
    assert found.shares[0].tolist() == pytest.approx([0.0, 0.25, 0.0, 0.5, -1.0])


def test_a_gray_image_has_no_hue_and_a_unit_of_one_pixel_no_orientation():
    conv = nn.Conv2d(1, 1, SIDE)
    subject = Subject(nn.Sequential(conv), input_shape=(1, SIDE, SIDE))
    image = torch.rand(1, 1, SIDE, SIDE, generator=torch.Generator().manual_seed(0))
    found = measure_optima(subject, [Neuron("0", 0, 0, 0)], image, Window((0, 0), 0, 0, SIDE, SIDE))
    assert math.isnan(found.hue.item()) and found.hue_agreement.item() == 0
    assert found.after.shape == (1, len(INTERVENTIONS))
    pixel = measure_optima(subject, [Neuron("0", 0, 0, 0)], image, Window((0, 0), 4, 4, 1, 1))
    assert math.isnan(pixel.orientation.item()) and pixel.orientation_contrast.item() == 0
