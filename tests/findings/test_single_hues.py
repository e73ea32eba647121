"""Single hues: of a unit that sums up what it finds of red and of its opposite."""

import pytest
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


class RedAndCyan(nn.Module):
    """Answers to areas of red and of cyan, to strokes of either, and to both, with some weights."""

    def __init__(self, red, cyan, red_strokes=0.0, cyan_strokes=0.0, both=0.0, gray_strokes=0.0):
        super().__init__()
        self.weights = red, cyan, red_strokes, cyan_strokes, both, gray_strokes
        self.unit = nn.Identity()

    def forward(self, x):
        redness = (x[:, :1] - x[:, 1:].mean(1, keepdim=True)).flatten(1, 2)
        areas = F.relu(redness), F.relu(-redness)
        found = [each.mean((1, 2)) for each in areas]
        found += [each.diff(dim=2).abs().mean((1, 2)) for each in areas]
        found += [found[0] * found[1], x.mean(1).diff(dim=2).abs().mean((1, 2))]
        answer = sum(w * each for w, each in zip(self.weights, found, strict=True))
        return self.unit(answer[:, None])


COLOR = Shares(1.0, 0.0, 0.0, 0.0)


def hues_of(*weights, groups=1, shares=COLOR):
    subject = Subject(RedAndCyan(*weights), input_shape=(3, 8, 8))
    window = window_of(subject, "unit", None)
    one = Group(Kind.COLOR, shares, 1.0, (0,), None, None, 0.5, 0.5)
    found = several_hues(
        CutCNN(subject, "unit", window),
        0,
        [one] * groups,
        find_maxima(subject, "unit", [0], window).of(0),
        Battery(subject, {("unit", None): window}).curves(("unit", None), 0),
    )
    return [(each.degrees, each.share) for each in found]


@pytest.mark.parametrize(
    ("weights", "shares"),
    [
        # All red, or all cyan.
        ((1.0, 0.8, 0.0, 0.0), (1.0, 0.8)),
        # Red beside cyan has the strokes of both, 2.3 in all: red beside gray has half of it.
        ((0.3, 0.3, 1.0, 1.0), (0.5, 0.5)),
    ],
)
def test_hues_that_each_excite_are_several_though_a_mix_excites_more(weights, shares):
    found = sorted(hues_of(*weights))
    assert [hue for hue, _ in found] == [0, 180]
    assert [share for _, share in found] == pytest.approx(shares, abs=0.02)


@pytest.mark.parametrize(
    "weights",
    [
        (1.0, 0.4, 0.0, 0.0),
        (0.3, 0.3, 1.0, 0.0),  # flat cyan does as much as flat red, and hardly anything
        (1.0, 0.0, 0.0, 0.0),
        (0.2, 0.2, 0.0, 0.0, 10.0),  # it needs both at once, and each alone is hardly anything
        (0.3, 0.3, 0.0, 0.0, 0.0, 4.0),  # gray stripes are nearly all of it
    ],
)
def test_a_hue_that_excites_far_less_than_another_is_none(weights):
    assert hues_of(*weights) == []


def test_of_several_facets_and_of_little_color_nothing_is_asked():
    assert hues_of(1.0, 0.8, 0.0, 0.0, groups=2) == []
    assert hues_of(1.0, 0.8, 0.0, 0.0, shares=Shares(0.1, 0.9, 0.0, 0.0)) == []


def test_of_images_without_three_channels_nothing_is_asked():
    subject = Subject(nn.Sequential(nn.Conv2d(1, 1, 3)), input_shape=(1, 8, 8))
    window = window_of(subject, "0", None)
    curves = Battery(subject, {("0", None): window}).curves(("0", None), 0)
    one = Group(Kind.COLOR, COLOR, 1.0, (0,), None, None, 0.5, 0.5)
    maxima = find_maxima(subject, "0", [0], window).of(0)
    assert several_hues(CutCNN(subject, "0", window), 0, [one], maxima, curves) == ()
