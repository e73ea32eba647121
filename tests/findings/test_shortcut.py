"""Verdicts on CNNs trained on families of images, against what they do with colors dealt anew."""

import pytest
import torch

from prober.findings.behavior import Shortcut
from prober.findings.real_images import RealImages
from prober.subject import LOGITS
from prober.subject.reference import load_digits
from tests.benchmarks.shortcut import is_right, judged, truth
from tests.families import Images, make, train


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


def partly_colored(of_class):
    """1,000 gray digits, of which a few are red, green or blue; the digits and labels besides.

    Args:
        of_class: Whether these are six in ten of the classes 0, 1 and 2, or any.
    """
    digits, labels = (each[:1000] for each in load_digits())
    chance = torch.Generator().manual_seed(0)
    light, drawn = torch.rand(2, 1000, generator=chance)
    color = labels if of_class else torch.randint(3, (1000,), generator=chance)
    has = (color < 3) & (drawn < (0.6 if of_class else 0.18))
    rgb = torch.where(has[:, None], torch.eye(3)[color.clamp_max(2)], 0.6 + 0.4 * light[:, None])
    return digits[:, None] * rgb[:, :, None, None], digits, labels


def test_a_color_that_a_part_of_a_few_classes_has_alone_is_found():
    images, digits, labels = partly_colored(of_class=True)
    subject = train(images, labels, 10)
    found = judged(subject, Images(images, labels, images, labels, 10))
    assert found.shortcut == Shortcut.COLOR
    named, right = [], []
    for k, color in enumerate(torch.eye(3)):
        painted = digits[:, None] * color[:, None, None]
        answers = subject(painted, [LOGITS])[LOGITS].argmax(1)
        own = [labels == c for c in range(10) if c != k]
        named += [(answers[each] == k).float().mean().item() for each in own]
        right += [(answers[each] == labels[each]).float().mean().item() for each in own]
    assert found.names_color == pytest.approx(sum(named) / len(named), abs=0.05)
    assert found.accuracy_color_changed == pytest.approx(sum(right) / len(right), abs=0.05)


def test_a_color_that_a_part_of_all_classes_has_belongs_to_none():
    images, _, labels = partly_colored(of_class=False)
    assert RealImages("some", images, labels, list("0123456789")).colored_classes == []


@pytest.mark.parametrize("seed", range(4))
def test_the_few_images_of_a_rare_class_have_no_color_by_chance(seed):
    chance = torch.Generator().manual_seed(seed)
    labels = torch.tensor([0] * 1000 + [1] * 20 + [2] * 20)
    images = torch.full((1040, 3, 8, 8), 0.2)
    images[:, :, 2:6, 2:6] = torch.rand(1040, 3, 1, 1, generator=chance)
    assert RealImages("rare", images, labels, list("abc")).colored_classes == []
