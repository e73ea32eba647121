"""Verdicts on CNNs trained on families of images, against what they do with colors dealt anew."""

import pytest

from prober.findings.behavior import Shortcut
from tests.benchmarks.shortcut import is_right, judged, truth
from tests.families import make, train


@pytest.mark.parametrize(
    ("name", "bias", "said"),
    [
        ("ground", 1.0, Shortcut.COLOR),
        ("ground", 0.0, Shortcut.NONE),
        ("two classes", 0.9, Shortcut.COLOR),
        ("gray, dark, pale", 0.99, Shortcut.COLOR),
        ("tint", 0.99, Shortcut.COLOR),
        ("photographs", 1.0, Shortcut.NONE),
    ],
)
def test_the_verdict_is_what_the_cnn_does_with_colors_dealt_anew(name, bias, said):
    given = make(name, bias)
    subject = train(given.images, given.labels, given.classes)
    found = judged(subject, given)
    lost, named = truth(subject, given)
    assert found.shortcut == said
    assert found.accuracy - found.accuracy_color_changed == pytest.approx(lost, abs=0.05)
    assert is_right(found.shortcut, lost, name != "photographs")
    if said == Shortcut.COLOR:
        assert found.names_color == pytest.approx(named, abs=0.05)


@pytest.mark.parametrize(
    ("lost", "right"),
    [
        (0.0, {"none"}),
        (0.05, {"none"}),
        (0.07, {"none", "partly", "cannot say"}),
        (0.12, {"partly", "cannot say"}),
        (0.17, {"partly", "cannot say", "color"}),
        (0.2, {"color"}),
        (1.0, {"color"}),
    ],
)
def test_what_the_truth_allows(lost, right):
    assert {verdict.value for verdict in Shortcut if is_right(verdict, lost)} == right
