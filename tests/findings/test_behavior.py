"""Behavior: what is concluded of a CNN by how it names real images in other colors."""

import numpy as np
import pytest
import torch

from prober.findings.behavior import behavior
from tests.findings.figures import data_of, logits, responses_of

LABELS = [0, 1, 2] * 10


def test_a_cnn_that_follows_the_color_has_a_shortcut():
    data = data_of(LABELS)
    by_color = logits([[h] * 30 for h in range(3)])
    found = behavior(responses_of(data, by_color, white=torch.zeros(30, 3)))
    assert found.shortcut == "color"
    assert found.accuracy == found.names_color == 1
    assert found.accuracy_color_changed == 0
    assert found.accuracy_without_color == pytest.approx(1 / 3)  # always class 0
    assert found.chance == pytest.approx(1 / 3)


def test_a_cnn_that_follows_the_shape_has_none():
    found = behavior(responses_of(data_of(LABELS), logits([LABELS] * 3)))
    assert found.shortcut == "none"
    assert found.accuracy_color_changed == 1 and found.names_color == 0


def test_a_cnn_that_knows_nothing_has_no_shortcut_to_show():
    rng = np.random.default_rng(0)
    found = behavior(responses_of(data_of(LABELS), rng.normal(size=(3, 30, 3)) * 0.01))
    assert found.shortcut == "cannot say"


def test_a_cnn_that_the_color_confuses_without_leading_it_cannot_be_said_to_follow_it():
    """Right in the class's own hue; in another it names the third class, never the hue's."""
    answer = [[c if h == c else 3 - h - c for c in LABELS] for h in range(3)]
    found = behavior(responses_of(data_of(LABELS), logits(answer)))
    assert found.accuracy == 1 and found.accuracy_color_changed == 0
    assert found.names_color == 0
    assert found.shortcut == "cannot say"


def test_nothing_is_said_of_the_behavior_if_classes_and_logits_are_not_as_many():
    assert behavior(responses_of(data_of(LABELS), logits([LABELS] * 3, 5))) is None
