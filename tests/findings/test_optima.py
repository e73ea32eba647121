"""Optima: what can be reached from them, and what a unit prefers nearby."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from prober.ascent.objectives import Neuron
from prober.findings.cut_cnn import CutCNN
from prober.findings.finding import Shares
from prober.findings.kinds import kind_of, shares_of
from prober.findings.maxima import find_maxima
from prober.findings.nearby_maxima import maxima_nearby
from prober.findings.optima import measure_optima
from prober.findings.preferences import preferences
from prober.findings.units import Unit
from prober.findings.windows import Window
from prober.subject import Subject
from tests.planted.detectors import brightness_atom, hue_atom, stroke_atom
from tests.planted.stimuli import apart

SIDE = 9
WINDOW = Window((0, 0), 0, 0, SIDE, SIDE)


def detectors(kernels, bias=0.0):
    """A subject with a neuron for each kernel, which is linear in the image."""
    conv = nn.Conv2d(3, len(kernels), SIDE)
    with torch.no_grad():
        conv.weight[:] = torch.from_numpy(np.stack(kernels))
        conv.bias[:] = bias
    return Subject(nn.Sequential(conv), input_shape=(3, SIDE, SIDE))


def surveyed(subject, layer="0", window=WINDOW):
    """What of a survey says where the units of a layer look."""
    cut = CutCNN(subject, layer, window)
    return SimpleNamespace(subject=subject, window=lambda _: window, cut_cnn=lambda _: cut)


def measured(subject, images):
    """What is measured at an image of each of a layer's units."""
    maxima = find_maxima(subject, "0", list(range(len(images))), WINDOW)
    units = [Unit("0", number) for number in range(len(images))]
    images = [torch.from_numpy(np.ascontiguousarray(image)).float()[None] for image in images]
    known = [maxima.of(number) for number in range(len(images))]
    return measure_optima(surveyed(subject), units, images, known)


def atoms(make, *args, number=8, **kwargs):
    rng = np.random.default_rng(5)
    return [make(rng, SIDE, *args, **kwargs) for _ in range(number)]


HUES, STROKES = atoms(hue_atom, at_least=3), atoms(stroke_atom)
LIGHTS = [*atoms(brightness_atom, False, number=3), *atoms(brightness_atom, True, number=3)]


ATOMS = [*HUES, *STROKES, *LIGHTS]


@pytest.fixture(scope="module")
def at_optima():
    """What is measured at the optimum of each atom's unit."""
    subject = detectors([atom.kernel for atom in ATOMS])
    return measured(subject, [atom.optimum() for atom in ATOMS])


@pytest.mark.parametrize("number", range(len(ATOMS)), ids=[atom.name for atom in ATOMS])
def test_at_its_optimum_a_unit_of_one_thing_is_seen_to_want_it(at_optima, number):
    """Its hue and its orientation are those that it was measured to have by flat patches, bars."""
    atom, found = ATOMS[number], at_optima[number]
    kind, margin = kind_of(found.shares[0])
    assert kind == atom.kind and margin > 0.03
    near = found.near
    if atom.hue is not None:
        assert near.hue_agreement > 0.7 and apart(near.hue.item(), atom.hue, 360) < 6
    if atom.orientation is not None:
        assert (
            near.orientation_contrast > 0.5
            and apart(near.orientation.item(), atom.orientation, 180) < 10
        )


def test_what_can_be_reached_in_a_linear_unit_is_its_maxima():
    rng = np.random.default_rng(0)
    image, bias, kernels = rng.random((3, SIDE, SIDE)), -0.3, [atom.kernel for atom in STROKES[:4]]
    positive = lambda x: np.clip(x, 0, None).sum()  # noqa: E731
    for kernel, found in zip(kernels, measured(detectors(kernels, bias), [image] * 4), strict=True):
        expected = [positive(kernel), positive(kernel.sum(0)), positive(kernel.sum((1, 2)))]
        expected.append(positive(kernel.sum()))
        assert found.score.item() == pytest.approx((kernel * image).sum() + bias, abs=1e-5)
        assert found.neutral == pytest.approx(kernel.sum() / 2 + bias, abs=1e-5)
        assert found.reached[0].tolist() == pytest.approx(np.array(expected) + bias, abs=1e-3)


def either(hue, stroke):
    """A subject whose only unit is excited by either of two things, and the unit's maxima."""
    conv = nn.Conv2d(3, 2, SIDE, bias=False)
    conv.weight = nn.Parameter(torch.from_numpy(np.stack([hue.kernel, stroke.kernel])).float())

    class Either(nn.Module):
        def __init__(self):
            super().__init__()
            self.detectors, self.unit = conv, nn.Identity()

        def forward(self, x):
            return self.unit(self.detectors(x).amax(1, keepdim=True))

    subject = Subject(Either(), input_shape=(3, SIDE, SIDE))
    return subject, find_maxima(subject, "unit", [0], WINDOW).of(0)


def test_what_is_reached_across_a_valley_is_of_another_facet():
    hue, stroke = HUES[0], STROKES[0]
    subject, maxima = either(hue, stroke)
    assert maxima.shares[3] < -0.5
    cut = CutCNN(subject, "unit", WINDOW)
    images = torch.from_numpy(np.stack([hue.optimum(), stroke.optimum()])).float()
    reached, _ = maxima_nearby(cut, torch.zeros(2, dtype=torch.long), images, [maxima] * 2)
    kinds = [kind_of(Shares(*row))[0] for row in shares_of(maxima.neutral, reached).tolist()]
    assert kinds == ["color", "shape"]


class EitherPlace(nn.Module):
    """A stroke at the left or at the right, where it saturates, and the right by a hair more."""

    def __init__(self, kernel):
        super().__init__()
        self.detector, self.unit = nn.Conv2d(3, 1, SIDE, SIDE, bias=False), nn.Identity()
        with torch.no_grad():
            self.detector.weight[0] = torch.from_numpy(kernel)

    def forward(self, x):
        left, right = self.detector(x).split(1, 3)
        saturated = torch.maximum(left, right).clamp_max(0.6)
        return self.unit(saturated + 1e-3 * (right - left))


def test_what_a_climb_at_a_flat_top_leaves_is_reached_all_the_same():
    stroke = STROKES[0]
    window = Window((0, 0), 0, 0, SIDE, 2 * SIDE)
    subject = Subject(EitherPlace(stroke.kernel), input_shape=(3, SIDE, 2 * SIDE))
    maxima = find_maxima(subject, "unit", [0], window).of(0)
    image = torch.zeros(1, 3, SIDE, 2 * SIDE)
    image[..., :SIDE] = torch.from_numpy(stroke.optimum())
    reached, _ = maxima_nearby(CutCNN(subject, "unit", window), torch.tensor([0]), image, [maxima])
    assert Shares(*shares_of(maxima.neutral, reached)[0].tolist()).shape > 0.95


def test_an_image_without_a_valley_to_the_best_shares_what_the_best_reaches():
    hue = HUES[0]
    best = torch.from_numpy(hue.optimum()).float()
    images = torch.stack([torch.lerp(torch.full_like(best, 0.5), best, 0.6), best])
    subject = detectors([hue.kernel])
    maxima = find_maxima(subject, "0", [0], WINDOW).of(0)
    [found] = measure_optima(surveyed(subject), [Unit("0", 0)], [images], [maxima])
    assert found.score[0] < found.score[1]
    assert torch.equal(found.reached[0], found.reached[1])
    assert torch.equal(found.flat_color[0], found.flat_color[1])


def test_an_image_across_a_valley_reaches_what_is_its_own():
    hue, stroke = HUES[0], STROKES[0]
    subject, maxima = either(hue, stroke)
    images = torch.from_numpy(np.stack([hue.optimum(), stroke.optimum(), hue.optimum()])).float()
    survey = surveyed(subject, "unit")
    [found] = measure_optima(survey, [Unit("unit", 0)], [images], [maxima])
    assert [kind_of(own)[0] for own in found.shares] == ["color", "shape", "color"]


def test_a_gray_image_has_no_hue_and_a_unit_of_one_pixel_no_orientation():
    conv = nn.Conv2d(1, 1, SIDE)
    subject = Subject(nn.Sequential(conv), input_shape=(1, SIDE, SIDE))
    image = torch.rand(1, SIDE, SIDE, generator=torch.Generator().manual_seed(0)).numpy()
    near = measured(subject, [image])[0].near
    assert math.isnan(near.hue.item()) and near.hue_agreement.item() == 0
    pixel = preferences(
        subject, [Neuron("0", 0, 0, 0)], torch.from_numpy(image)[None], Window((0, 0), 4, 4, 1, 1)
    )
    assert math.isnan(pixel.orientation.item()) and pixel.orientation_contrast.item() == 0


def test_units_that_are_measured_together_are_measured_as_each_alone():
    stroke, hue = STROKES[0], HUES[0]
    conv = nn.Conv2d(3, 2, SIDE)
    conv.weight = nn.Parameter(torch.from_numpy(np.stack([hue.kernel, stroke.kernel])).float())
    subject = Subject(nn.Sequential(conv), input_shape=(3, SIDE, SIDE))
    found = find_maxima(subject, "0", [0, 1], WINDOW)
    survey = surveyed(subject)
    tops = torch.from_numpy(np.stack([hue.optimum(), stroke.optimum()])).float()
    images = [torch.cat([tops[:1], torch.rand(3, 3, SIDE, SIDE)]), tops[1:]]
    units = [(Unit("0", c), images[c], found.of(c)) for c in (1, 0)]
    together = measure_optima(survey, *zip(*units, strict=True))
    for unit, own in zip(units, together, strict=True):
        [alone] = measure_optima(survey, *([each] for each in unit))
        assert len(own) == len(unit[1])
        for one, other in ((own, alone), (own.near, alone.near)):
            for name, value in vars(one).items() if one is own else one._asdict().items():
                if isinstance(value, torch.Tensor):
                    torch.testing.assert_close(
                        value, getattr(other, name), rtol=1e-4, atol=1e-4, equal_nan=True
                    )
