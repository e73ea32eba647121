"""Single hues: of a unit that sums up what it finds of red and of its opposite."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from prober.findings.cut_cnn import CutCNN
from prober.findings.facets import Group
from prober.findings.finding import Kind, Shares
from prober.findings.maxima import find_maxima
from prober.findings.single_hues import several_hues
from prober.findings.tuning import Battery
from prober.findings.windows import window_of
from prober.subject import Subject

SEVERAL = {  # weights, as `RedAndCyan` has them, and the shares of red and cyan
    "all red, or all cyan": ((1.0, 0.8, 0.0, 0.0, 0.0, 0.0), (1.0, 0.8)),
    # Red beside cyan has the strokes of both, 2.3 in all: red beside gray has half of it.
    "strokes of both": ((0.3, 0.3, 1.0, 1.0, 0.0, 0.0), (0.5, 0.5)),
}
NONE = {
    "far more red": (1.0, 0.4, 0.0, 0.0, 0.0, 0.0),
    "flat cyan does as much as flat red, and hardly anything": (0.3, 0.3, 1.0, 0.0, 0.0, 0.0),
    "red alone": (1.0, 0.0, 0.0, 0.0, 0.0, 0.0),
    "it needs both, and each alone is hardly anything": (0.2, 0.2, 0.0, 0.0, 10.0, 0.0),
    "gray stripes are nearly all of it": (0.3, 0.3, 0.0, 0.0, 0.0, 4.0),
}
WEIGHTS = {name: weights for name, (weights, _) in SEVERAL.items()} | NONE


class RedAndCyan(nn.Module):
    """A unit for each row of weights: of areas of red and of cyan, of strokes of either, of both
    areas at once, and of gray strokes."""

    def __init__(self, weights):
        super().__init__()
        self.register_buffer("weights", torch.tensor(weights))
        self.unit = nn.Identity()

    def forward(self, x):
        redness = (x[:, :1] - x[:, 1:].mean(1, keepdim=True)).flatten(1, 2)
        areas = F.relu(redness), F.relu(-redness)
        found = [each.mean((1, 2)) for each in areas]
        found += [each.diff(dim=2).abs().mean((1, 2)) for each in areas]
        found += [found[0] * found[1], x.mean(1).diff(dim=2).abs().mean((1, 2))]
        return self.unit(torch.stack(found, 1) @ self.weights.T)


COLOR = Shares(1.0, 0.0, 0.0, 0.0)


@pytest.fixture(scope="module")
def hues_of():
    """The hues of a unit, and their shares; the maxima of all units are searched at once."""
    subject = Subject(RedAndCyan(list(WEIGHTS.values())), input_shape=(3, 8, 8))
    window = window_of(subject, "unit", None)
    maxima = find_maxima(subject, "unit", list(range(len(WEIGHTS))), window)
    cut, battery = CutCNN(subject, "unit", window), Battery(subject, {("unit", None): window})

    def hues_of(name, groups=1, shares=COLOR):
        unit = list(WEIGHTS).index(name)
        one = Group(Kind.COLOR, shares, 1.0, (0,), None, None, 0.5, 0.5)
        curves = battery.curves(("unit", None), unit)
        found = several_hues(cut, unit, [one] * groups, maxima.of(unit), curves)
        return [(each.degrees, each.share) for each in found]

    return hues_of


@pytest.mark.parametrize("name", SEVERAL)
def test_hues_that_each_excite_are_several_though_a_mix_excites_more(hues_of, name):
    found = sorted(hues_of(name))
    assert [hue for hue, _ in found] == [0, 180]
    assert [share for _, share in found] == pytest.approx(SEVERAL[name][1], abs=0.02)


@pytest.mark.parametrize("name", NONE)
def test_a_hue_that_excites_far_less_than_another_is_none(hues_of, name):
    assert hues_of(name) == []


def test_of_several_facets_and_of_little_color_nothing_is_asked(hues_of):
    name = "all red, or all cyan"
    assert hues_of(name, groups=2) == []
    assert hues_of(name, shares=Shares(0.1, 0.9, 0.0, 0.0)) == []


def test_of_images_without_three_channels_nothing_is_asked():
    subject = Subject(nn.Sequential(nn.Conv2d(1, 1, 3)), input_shape=(1, 8, 8))
    window = window_of(subject, "0", None)
    curves = Battery(subject, {("0", None): window}).curves(("0", None), 0)
    one = Group(Kind.COLOR, COLOR, 1.0, (0,), None, None, 0.5, 0.5)
    maxima = find_maxima(subject, "0", [0], window).of(0)
    assert several_hues(CutCNN(subject, "0", window), 0, [one], maxima, curves) == ()
