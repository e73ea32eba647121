"""Answers to real images: means and shares of variance by plain numpy, and what is concluded."""

import colorsys

import numpy as np
import pytest
import torch

from prober.findings.answers import LOGIT, Answers, behavior, class_evidence, table
from prober.findings.data import RealData
from tests.findings.made_up import curves_of


def data_of(labels, hues=(0, 120, 240), classes=("a", "b", "c")):
    colors = [colorsys.hsv_to_rgb(hues[label] / 360, 1, 1) for label in labels]
    images = torch.tensor(colors, dtype=torch.float32)[:, :, None, None].expand(-1, -1, 2, 2)
    return RealData("made up", images, torch.tensor(labels), list(classes))


def answers_of(data, tinted, plain=None, gray=None):
    """As `ask` would: `[hues, N, channels]`; plain, each image in the hue of its class."""
    tinted = torch.as_tensor(tinted, dtype=torch.float32)
    if plain is None:
        rows = torch.arange(len(data.labels))
        plain = tinted[data.labels, rows] if len(tinted) == len(data.classes) else tinted[0]
    gray = tinted.mean(0) if gray is None else gray
    return Answers(data, {LOGIT: plain}, {LOGIT: plain}, {LOGIT: tinted}, {LOGIT: tinted}, gray)


def sums_of_squares(response, labels):
    """A two-way analysis of variance written out: response `[hues, N]`."""
    mean = response.mean()
    parts = dict.fromkeys(("hue", "class", "interaction", "rest"), 0.0)
    for h, row in enumerate(response):
        for i, value in enumerate(row):
            same = labels == labels[i]
            of_hue = response[h].mean() - mean
            of_class = response[:, same].mean() - mean
            cell = response[h][same].mean()
            parts["hue"] += of_hue**2
            parts["class"] += of_class**2
            parts["interaction"] += (cell - mean - of_hue - of_class) ** 2
            parts["rest"] += (value - cell) ** 2
    return parts, ((response - mean) ** 2).sum()


@pytest.mark.parametrize("labels", [[0, 1, 2] * 4, [0, 0, 0, 0, 0, 1, 1, 2, 1, 0]])
def test_the_shares_of_variance_are_those_of_a_two_way_analysis(labels):
    rng = np.random.default_rng(0)
    data, labels = data_of(labels), np.array(labels)
    response = rng.normal(size=(3, len(labels))) + labels + np.array([[2.0], [0.0], [1.0]])
    response[0, labels == 2] += 3
    found = table(answers_of(data, response[:, :, None]), LOGIT, 0)
    parts, total = sums_of_squares(response, labels)
    assert parts.pop("rest") + sum(parts.values()) == pytest.approx(total)
    assert found["variance"] == pytest.approx({k: v / total for k, v in parts.items()}, abs=1e-5)
    cells = [[response[h, labels == c].mean() for h in range(3)] for c in range(3)]
    assert np.array(found["table"]) == pytest.approx(np.array(cells), abs=1e-5)
    assert found["rows"] == ["a", "b", "c"]
    assert found["columns"] == pytest.approx([0, 120, 240], abs=0.01)


def test_a_constant_response_has_no_variance_to_share():
    data = data_of([0, 1, 2])
    assert table(answers_of(data, np.full((3, 3, 1), 7.0)), LOGIT, 0)["variance"] is None


def test_images_without_classes_are_one_row():
    data = RealData("two", torch.rand(2, 3, 2, 2), torch.tensor([-1, -1]), [])
    response = np.arange(24.0).reshape(12, 2, 1)
    found = table(answers_of(data, response), LOGIT, 0)
    assert found["rows"] == ["all"]
    assert found["table"] == [pytest.approx(response.mean((1, 2)).tolist())]
    assert found["variance"]["class"] == pytest.approx(0)


def logits(answer, number=3):
    """Logits `[hues, N, classes]` that name the classes `answer[hue][image]`."""
    return np.eye(number)[np.array(answer)] * 5.0


LABELS = [0, 1, 2] * 10


def test_a_cnn_that_follows_the_color_has_a_shortcut():
    data = data_of(LABELS)
    by_color = logits([[h] * 30 for h in range(3)])
    found = behavior(answers_of(data, by_color, gray=torch.zeros(30, 3)))
    assert found["shortcut"] == "color"
    assert found["accuracy"] == found["names_color"] == 1
    assert found["accuracy_color_changed"] == 0
    assert found["accuracy_without_color"] == pytest.approx(1 / 3)  # always class 0
    assert found["chance"] == pytest.approx(1 / 3)


def test_a_cnn_that_follows_the_shape_has_none():
    found = behavior(answers_of(data_of(LABELS), logits([LABELS] * 3)))
    assert found["shortcut"] == "none"
    assert found["accuracy_color_changed"] == 1 and found["names_color"] == 0


def test_a_cnn_that_knows_nothing_has_no_shortcut_to_show():
    rng = np.random.default_rng(0)
    found = behavior(answers_of(data_of(LABELS), rng.normal(size=(3, 30, 3)) * 0.01))
    assert found["shortcut"] == "cannot say"


def test_a_cnn_that_the_color_confuses_without_leading_it_cannot_be_said_to_follow_it():
    """Right in the class's own hue; in another it names the third class, never the hue's."""
    answer = [[c if h == c else 3 - h - c for c in LABELS] for h in range(3)]
    found = behavior(answers_of(data_of(LABELS), logits(answer)))
    assert found["accuracy"] == 1 and found["accuracy_color_changed"] == 0
    assert found["names_color"] == 0
    assert found["shortcut"] == "cannot say"


def test_nothing_is_said_of_the_behavior_if_classes_and_logits_are_not_as_many():
    assert behavior(answers_of(data_of(LABELS), logits([LABELS] * 3, 5))) is None


NO_HUE = curves_of()


def test_a_class_s_logit_with_its_color_and_its_shape_changed():
    rng = np.random.default_rng(1)
    data, tinted = data_of([0, 1, 2, 1, 1, 0]), rng.normal(size=(3, 6, 3))
    flat = torch.arange(72) == 17
    found = class_evidence(answers_of(data, tinted), 1, curves_of(flat=flat.float()))
    assert found["flat_hue"] == 17 * 5
    own, other = [1, 3, 4], [0, 2, 5]
    assert found["label"] == "b" and found["hue"] == pytest.approx(120, abs=0.01)
    assert found["logit"] == pytest.approx(
        {
            "own": tinted[1, own, 1].mean(),
            "color_changed": tinted[[0, 2]][:, own, 1].mean(),
            "shape_changed": tinted[1, other, 1].mean(),
            "both_changed": tinted[[0, 2]][:, other, 1].mean(),
        },
        abs=1e-5,
    )


def test_a_logit_that_is_no_class_of_the_data_is_none():
    """Five logits and three classes: which logit is which class cannot be known."""
    answers = answers_of(data_of([0, 1, 2]), logits([[0, 1, 2]] * 3, 5))
    assert class_evidence(answers, 4, NO_HUE) is None
    assert class_evidence(answers, 1, NO_HUE) is None
