"""The four maxima: closed forms, units that are known by construction, what holds of all."""

import numpy as np
import pytest
import torch
from torch import nn

from prober.findings import maxima
from prober.findings.cut_cnn import CutCNN
from prober.findings.maxima import find_maxima
from prober.findings.windows import window_of
from prober.subject import Subject
from tests.findings import figures

REFERENCE = "prober/subject/reference/{}.pt"


def maxima_of(cnn, layer, channels=(0,), shape=(3, 12, 12)):
    torch.manual_seed(0)
    subject = cnn if isinstance(cnn, Subject) else Subject(cnn, input_shape=shape)
    return find_maxima(subject, layer, list(channels), window_of(subject, layer, None))


def closed_form(weight, bias):
    """A, G, F, B and n of linear units `[U, C, h, w]`."""
    positive = lambda x: np.clip(x, 0, None)  # noqa: E731
    scores = [
        positive(weight).sum((1, 2, 3)),
        positive(weight.sum(1)).sum((1, 2)),
        positive(weight.sum((2, 3))).sum(1),
        positive(weight.sum((1, 2, 3))),
    ]
    return np.stack(scores, 1) + bias[:, None], weight.sum((1, 2, 3)) / 2 + bias


def random_cnn(colors, kernel, stride):
    torch.manual_seed(kernel)
    return Subject(
        nn.Sequential(nn.Conv2d(colors, 5, kernel, stride, kernel // 2)),
        input_shape=(colors, 15, 15),
    )


LINEAR = {
    "biased": lambda: (Subject(checkpoint=REFERENCE.format("biased")), "conv1"),
    "control": lambda: (Subject(checkpoint=REFERENCE.format("control")), "conv1"),
    "5x5": lambda: (random_cnn(3, 5, 1), "0"),
    "7x7 with a stride": lambda: (random_cnn(3, 7, 2), "0"),
    "one channel": lambda: (random_cnn(1, 5, 1), "0"),
}


@pytest.mark.parametrize("make", LINEAR.values(), ids=LINEAR)
def test_the_maxima_of_a_linear_layer_are_the_closed_form(make):
    subject, layer = make()
    module = subject.cnn.get_submodule(layer)
    weight, bias = (np.array(x.detach(), np.float64) for x in (module.weight, module.bias))
    found = maxima_of(subject, layer, range(len(weight)))
    scores, neutral = closed_form(weight, bias)
    gain = (scores[:, :1] - neutral[:, None]).clip(1e-9)
    assert np.abs((found.scores.numpy() - scores) / gain).max() < 1e-4
    assert np.abs((found.neutral.numpy() - neutral) / gain[:, 0]).max() < 1e-4
    assert found.settled.all()
    if weight.shape[1] == 1:
        assert found.shares[:, [0, 3]].abs().max() < 1e-4  # what has no color wants none


@pytest.mark.parametrize(("steep", "beside"), [(2.0, 1 - 2 / 64), (200.0, 0.0)])
def test_beside_black_a_spike_falls_and_a_hill_does_not(steep, beside):
    """A unit that wants black: of its answer, max(0, 1 - steep * mean), slightly lighter."""
    cnn = nn.Sequential(nn.Conv2d(3, 1, 3, padding=1), nn.ReLU())
    cnn[0].weight.data.fill_(-steep / 27)
    cnn[0].bias.data.fill_(1.0)
    found = maxima_of(cnn, "1")
    assert found.scores[0].tolist() == pytest.approx([1.0] * 4, abs=1e-4)
    assert found.beside[0].tolist() == pytest.approx([1.0, 1.0, beside, beside], abs=1e-4)


def test_behind_group_normalizations_the_best_gray_image_is_found():
    """A group of n values that are normalized has none above the square root of n - 1."""

    def part(channels, stride):
        return nn.Conv2d(channels, 8, 3, stride, 1, bias=False), nn.GroupNorm(4, 8), nn.ReLU()

    torch.manual_seed(0)
    cnn = nn.Sequential(*part(3, 1), *part(8, 1), *part(8, 1), *part(8, 2)[:2])
    for weight in cnn.parameters():
        if weight.dim() > 1:  # what is above 0 counts twice, as trained filters have a mean
            weight.data *= 1 + (weight.data > 0).float()
    found = maxima_of(cnn, "10", range(4)).scores
    assert found[:, :2].min() > 0.97 * (2 * 6 * 6 - 1) ** 0.5


HUE = np.zeros((3, 5, 5))
HUE[0], HUE[1:] = 1 / 25, -0.5 / 25
"""A detector of red: 1 at its best, 0 for grays."""
STROKE = np.zeros((3, 5, 5))
STROKE[:, 2], STROKE[:, [1, 3]] = 1 / 15, -0.5 / 15
"""A detector of horizontal strokes: 1 at its best, 0 for flat images."""
LIGHT = np.full((3, 5, 5), 1 / 75)


class Combined(nn.Module):
    """Linear detectors and what is made of them."""

    def __init__(self, combine, *kernels):
        super().__init__()
        self.detectors = nn.Conv2d(3, len(kernels), 5, bias=False)
        self.detectors.weight = nn.Parameter(torch.tensor(np.stack(kernels)).float())
        self.combine, self.unit = combine, nn.Identity()

    def forward(self, x):
        return self.unit(self.combine(self.detectors(x)))


def smallest(x):
    return x.amin(1, keepdim=True)


def largest(x):
    return x.amax(1, keepdim=True)


TABLE = {
    # what it wants: color, shape, brightness, interaction
    "a hue": (Combined(largest, HUE), (1, 0, 0, 0)),
    "a stroke": (Combined(largest, STROKE), (0, 1, 0, 0)),
    "both at once": (Combined(smallest, HUE, STROKE), (0.5, 0.5, 0, 1)),
    "either": (Combined(largest, HUE, STROKE), (0.5, 0.5, 0, -1)),
    "either, the stroke weaker": (Combined(largest, HUE, 0.6 * STROKE), (0.7, 0.3, 0, -0.6)),
    "light": (Combined(largest, LIGHT), (0, 0, 1, 0)),
}


class Together(nn.Module):
    """The units of several CNNs as the channels of one."""

    def __init__(self, cnns):
        super().__init__()
        self.cnns, self.unit = nn.ModuleList(cnns), nn.Identity()

    def forward(self, x):
        return self.unit(torch.cat([cnn(x) for cnn in self.cnns], 1))


@pytest.fixture(scope="module")
def known_units():
    return maxima_of(Together(cnn for cnn, _ in TABLE.values()), "unit", range(len(TABLE)))


@pytest.mark.parametrize("name", TABLE)
def test_the_shares_of_units_that_are_known(known_units, name):
    found = known_units.shares[list(TABLE).index(name)]
    assert found.tolist() == pytest.approx(TABLE[name][1], abs=0.02)


@pytest.fixture(scope="module")
def deep():
    subject = Subject(checkpoint=REFERENCE.format("biased"))
    channels = [0, 5, 9]
    return subject, channels, maxima_of(subject, "conv2", channels)


def test_the_maxima_are_nested_and_their_images_belong_to_their_sets(deep):
    subject, channels, found = deep
    most, gray, flat, both = found.scores.T
    assert (most >= gray).all() and (most >= flat).all()
    assert (gray >= both).all() and (flat >= both).all()
    assert (both >= found.neutral).all()
    _, of_gray, of_flat, of_both = found.images
    for images in found.images:
        assert images.shape == (3, 3, 28, 28)
        assert images.min() >= 0 and images.max() <= 1
    for images in (of_gray, of_both):
        assert (images == images[:, :1]).all()
    for images in (of_flat, of_both):
        assert (images == images[:, :, :1, :1]).all()
    with torch.no_grad():  # the plain CNN says the same of them
        for images, scores in zip(found.images, found.scores.T, strict=True):
            plain = subject.cnn.conv2(
                subject.cnn.pool1(subject.cnn.relu1(subject.cnn.conv1(images)))
            )
            neuron = window_of(subject, "conv2", None).neuron
            own = plain[range(3), channels, *neuron]
            torch.testing.assert_close(own, scores, rtol=1e-4, atol=1e-4)


def test_shares_add_up_to_one(deep):
    shares = deep[2].shares
    assert (shares[:, :3] >= 0).all()
    torch.testing.assert_close(shares[:, :3].sum(1), torch.ones(3, dtype=torch.float64))


def test_a_unit_alone_has_the_maxima_that_it_has_among_others(deep):
    subject, channels, found = deep
    alone = maxima_of(subject, "conv2", channels[1:2])
    torch.testing.assert_close(alone.scores[0], found.of(1).scores, rtol=0.01, atol=1e-3)
    assert found.of(1).settled == alone.settled[0]


def test_a_neuron_behind_a_shut_relu_is_found():
    class Shut(nn.Module):
        def __init__(self):
            super().__init__()
            self.detect = Combined(lambda x: torch.relu(x - 0.9), STROKE)
            self.unit = nn.Conv2d(1, 1, 1, bias=False)
            nn.init.ones_(self.unit.weight)

        def forward(self, x):
            return self.unit(self.detect(x))

    found = maxima_of(Shut(), "unit")
    assert found.scores[0].tolist() == pytest.approx([0.1, 0.1, 0, 0], abs=1e-3)


def test_where_a_constant_wins_nearly_everywhere_what_is_known_leads_on():
    cnn = Combined(lambda x: largest(x).clamp_min(0.9), STROKE)
    subject = Subject(cnn, input_shape=(3, 12, 12))
    window = window_of(subject, "unit", None)
    stroke = torch.zeros(1, 3, 12, 12)
    h, _ = window.neuron
    stroke[..., h + 2, :] = 0.95
    found = find_maxima(subject, "unit", [0], window, known=stroke)
    assert found.scores[0].tolist() == pytest.approx([1, 1, 0.9, 0.9], abs=1e-3)
    assert found.settled.all() and found.shares[0, 1] == pytest.approx(1)


def test_a_flat_layer_is_searched_on_whole_images():
    torch.manual_seed(1)
    cnn = nn.Sequential(nn.Flatten(), nn.Linear(3 * 36, 4))
    found = maxima_of(cnn, "1", range(4), shape=(3, 6, 6))
    weight, bias = (np.array(x.detach(), np.float64) for x in (cnn[1].weight, cnn[1].bias))
    scores, _ = closed_form(weight.reshape(4, 3, 6, 6), bias)
    np.testing.assert_allclose(found.scores.numpy(), scores, rtol=1e-3, atol=1e-4)


CUTS = {
    "conv2": (3, 8, 8),
    "conv3": (3, 18, 18),
    "logits": (3, 28, 28),
}


@pytest.mark.parametrize(("layer", "expected"), CUTS.items())
def test_a_cut_cnn_gives_what_the_whole_one_gives(layer, expected):
    subject = Subject(checkpoint=REFERENCE.format("biased"))
    window = window_of(subject, layer, None)
    cut = CutCNN(subject, layer, window)
    assert cut.shape == expected
    images = torch.rand(3, 3, 28, 28, generator=torch.Generator().manual_seed(4))
    with torch.no_grad():
        whole = subject(images, [layer])[layer]
    whole = whole[..., *window.neuron] if window.neuron else whole
    found = cut.scores(cut.crop(images), [7, 2])
    torch.testing.assert_close(found, whole[:, [7, 2]], rtol=1e-4, atol=1e-4)


def test_a_costly_cnn_is_searched_less_widely(deep, monkeypatch):
    monkeypatch.setattr(maxima, "NARROW_FROM", 0)
    subject, channels, found = deep
    window = window_of(subject, "conv2", None)
    narrow = find_maxima(subject, "conv2", channels, window)
    assert (narrow.scores <= found.scores + 1e-3).all()
    torch.testing.assert_close(narrow.shares, found.shares, rtol=0, atol=0.03)


def test_gradients_in_half_precision_find_the_same_and_scores_are_exact(deep):
    subject, channels, found = deep
    half = find_maxima(subject, "conv2", channels, window_of(subject, "conv2", None), half=True)
    torch.testing.assert_close(half.scores, found.scores, rtol=0.02, atol=1e-3)
    torch.testing.assert_close(half.shares, found.shares, rtol=0, atol=0.03)
    assert not torch.equal(half.images[0], found.images[0])
    # bfloat16 has 8 bits.
    h, w = window_of(subject, "conv2", None).neuron
    with torch.no_grad():
        answers = subject(half.images[0], ["conv2"])["conv2"][:, channels, h, w].diagonal()
    torch.testing.assert_close(half.scores[:, 0], answers, rtol=1e-5, atol=1e-5)


def test_half_precision_is_left_where_it_rounds_to_much_of_the_gain(monkeypatch):
    """It has 8 bits of a score, which lies far from 0 here."""
    monkeypatch.setattr(maxima, "NARROW_FROM", 0)
    torch.manual_seed(0)
    cnn = nn.Sequential(nn.Conv2d(3, 8, 5), nn.ReLU(), nn.Conv2d(8, 4, 5))
    cnn[2].bias.data += 100
    subject = Subject(cnn, input_shape=(3, 20, 20))
    window = window_of(subject, "2", None)
    half, whole = (find_maxima(subject, "2", range(4), window, half=h) for h in (True, False))
    assert (half.scores[:, 0] - half.neutral < 10).all()
    assert torch.equal(half.scores, whole.scores)


@pytest.mark.parametrize(
    ("image", "sets"),
    [
        (torch.rand(3, 2, 2), [True, False, False, False]),
        (torch.rand(1, 2, 2).expand(3, 2, 2), [True, True, False, False]),
        (torch.rand(3, 1, 1).expand(3, 2, 2), [True, False, True, False]),
        (torch.full((3, 2, 2), 0.2), [True, True, True, True]),
        (torch.rand(1, 2, 2), [True, True, False, False]),
        (torch.rand(5, 1, 1), [True, False, True, False]),
    ],
    ids=["any", "gray", "flat", "flat and gray", "of one channel", "of one pixel"],
)
def test_a_better_image_is_so_in_every_set_that_it_belongs_to(image, sets):
    known = figures.maxima_of((0.4, 0.3, 0.3), gain=2.0)
    found = known.or_better(image, torch.tensor(5.0))
    assert found.scores.tolist() == [
        5.0 if own else score for own, score in zip(sets, known.scores.tolist(), strict=True)
    ]
    assert [each is image for each in found.images] == sets
    worse = known.or_better(image, torch.tensor(-1.0))
    assert worse.scores.equal(known.scores)
