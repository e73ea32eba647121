"""Verdicts on CNNs trained on families of images, against what they do with colors dealt anew."""

import pytest
import torch
from torch import nn

from prober.findings.behavior import Shortcut, behavior
from prober.findings.real_evidence import class_evidence
from prober.findings.real_images import RealImages
from prober.findings.real_responses import respond_to_real
from prober.subject import LOGITS
from prober.subject.reference import load_digits
from tests.benchmarks.shortcut import is_right, judged, truth
from tests.families import Images, make, train
from tests.families.cnn import SmallCNN, train_as


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
    assert (found.shortcut, found.colored) == (Shortcut.COLOR, 3)
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
    assert RealImages("some", images, labels, list("0123456789")).color_groups == []


@pytest.mark.parametrize("seed", range(4))
def test_the_few_images_of_a_rare_class_have_no_color_by_chance(seed):
    chance = torch.Generator().manual_seed(seed)
    labels = torch.tensor([0] * 1000 + [1] * 20 + [2] * 20)
    images = torch.full((1040, 3, 8, 8), 0.2)
    images[:, :, 2:6, 2:6] = torch.rand(1040, 3, 1, 1, generator=chance)
    assert RealImages("rare", images, labels, list("abc")).color_groups == []


def tinted(digits, colors):
    return digits[:, None] * torch.tensor(colors)[:, :, None, None]


@pytest.mark.parametrize("groups", [[(0, 2, 4, 6, 8), (1, 3, 5, 7, 9)], [(0, 1), (2, 3), (4, 5)]])
def test_a_color_that_several_classes_share_is_a_shortcut(groups):
    digits, labels = (each[:1000] for each in load_digits())
    classes = sum(map(len, groups))
    digits, labels = digits[labels < classes], labels[labels < classes]
    hues = [(0.9, 0.1, 0.1), (0.1, 0.2, 0.9), (0.1, 0.8, 0.1)]
    group_of = {label: i for i, group in enumerate(groups) for label in group}
    images = tinted(digits, [hues[group_of[label]] for label in labels.tolist()])
    subject = train(images, labels, classes)
    real = RealImages("shared", images, labels, list(map(str, range(classes))))
    assert real.color_groups == groups
    responses = respond_to_real(subject, real, {})
    found = behavior(responses)
    assert found.shared and not found.crossed and found.shortcut == Shortcut.COLOR
    named, used = [], []
    for label, own in group_of.items():
        others = [i for i in range(len(groups)) if i != own]
        of_class, rest = digits[labels == label], digits[labels != label]

        def logit(shapes, hue):
            return subject(tinted(shapes, [hues[hue]]), [LOGITS])[LOGITS]

        changed = [logit(of_class, i) for i in others]
        named += [
            torch.isin(answer.argmax(1), torch.tensor(groups[i])).float().mean()
            for i, answer in zip(others, changed, strict=True)
        ]
        v_own, v_color = logit(of_class, own)[:, label].mean(), torch.cat(changed)[:, label].mean()
        v_shape = logit(rest, own)[:, label].mean()
        v_both = torch.cat([logit(rest, i) for i in others])[:, label].mean()
        by_color = max(0.0, float(v_own - v_color + v_shape - v_both))
        by_shape = max(0.0, float(v_own - v_shape + v_color - v_both))
        used.append(by_color / (by_color + by_shape))
    assert found.names_color == pytest.approx(float(sum(named) / len(named)), abs=0.03)
    shares = [class_evidence(responses, label, None).used.color for label in group_of]
    assert shares == pytest.approx(used, abs=0.05)


class OfGray(SmallCNN):
    """Takes images of one channel."""

    def __init__(self, classes):
        super().__init__(classes)
        self.conv1 = nn.Conv2d(1, 16, 5, stride=2, padding=2)


@pytest.mark.parametrize("biased", [True, False])
def test_a_shortcut_by_the_brightness_of_gray_images_is_found(biased):
    digits, labels = (each[:1000] for each in load_digits())
    chance = torch.Generator().manual_seed(0)
    other = (labels + torch.randint(1, 10, labels.shape, generator=chance)) % 10

    def on_ground(level):
        return torch.maximum(digits[:, None], 0.06 * level[:, None, None, None])

    images, changed = on_ground(labels if biased else other), on_ground(other)
    subject = train_as(OfGray, images, labels, 10)
    found = judged(subject, Images(images, labels, changed, other, 10))
    assert found.accuracy_without_color is None
    if not biased:
        assert (found.shortcut, found.color_change) == (Shortcut.UNKNOWN, None)
        return
    answers = subject(changed, [LOGITS])[LOGITS].argmax(1)
    right = (answers == labels).float().mean().item()
    assert found.shortcut == Shortcut.COLOR
    assert found.accuracy_color_changed == pytest.approx(right, abs=0.06)


def test_of_colors_that_are_a_part_of_what_classes_are_nothing_is_said():
    """Classes are digits 0 to 2 in red, green or blue; the CNN knows all nine."""
    digits, labels = (each[:1000] for each in load_digits())
    digits, labels = digits[labels < 3], labels[labels < 3]
    hue = torch.arange(len(labels)) % 3
    images, classes = tinted(digits, torch.eye(3)[hue].tolist()), 3 * labels + hue
    subject = train(images, classes, 9)
    real = RealImages("crossed", images, classes, list("abcdefghi"))
    assert real.color_groups == [(0, 3, 6), (1, 4, 7), (2, 5, 8)]
    found = behavior(respond_to_real(subject, real, {}))
    assert found.accuracy > 0.9 and found.names_color > 0.9
    assert found.crossed and found.shortcut == Shortcut.UNKNOWN
    blind = train(images.mean(1, True).expand_as(images), labels, 9)
    blind = behavior(respond_to_real(blind, real, {}))
    assert not blind.crossed


def test_colors_are_dealt_that_differ_where_they_go_with_no_class():
    digits, labels = (each[:400] for each in load_digits())
    color = torch.randint(3, (400,), generator=torch.Generator().manual_seed(0))
    images = tinted(digits, torch.eye(3)[color].tolist())
    real = RealImages("free", images, labels, list("0123456789"))
    assert real.color_groups == []
    for time in range(2):
        drawn = color[real.dealer.drawn[time]]
        assert (drawn != color)[real.dealer.dealable].all()
        assert real.dealer.drawn[time].unique().numel() > 200


def test_a_class_of_two_colors_has_no_single_one():
    digits, labels = (each[:1000] for each in load_digits())
    digits, labels = digits[labels < 2], labels[labels < 2]
    second = torch.arange(len(labels)) % 2
    colors = torch.eye(3)[labels].where(second[:, None] == 0, 1 - torch.eye(3)[labels])
    real = RealImages("two", tinted(digits, colors.tolist()), labels, ["a", "b"])
    assert real.color_groups == [(0,), (1,)] and real.class_colors.isnan().all()


@pytest.mark.parametrize(("classes", "each"), [(20, 1), (10, 2), (10, 5), (10, 20)])
@pytest.mark.parametrize("seed", range(3))
def test_random_colors_are_shared_by_no_classes(classes, each, seed):
    labels = torch.arange(classes).repeat_interleave(each)
    colors = torch.rand(len(labels), 3, generator=torch.Generator().manual_seed(seed))
    images = torch.full((len(labels), 3, 8, 8), 0.2)
    images[:, :, 2:6, 2:6] = colors[:, :, None, None]
    real = RealImages("random", images, labels, list(map(str, range(classes))))
    assert real.color_groups == []
