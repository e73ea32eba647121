"""Behavior: what is concluded of a CNN by how it names real images in other colors."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from prober.findings.behavior import ColorChange, behavior
from prober.findings.real_images import RealImages
from tests.findings.figures import data_of, logits, responses_of

LABELS = [0, 1, 2] * 10


def test_a_cnn_that_follows_the_color_has_a_shortcut():
    data = data_of(LABELS)
    by_color = logits([[h] * 30 for h in range(3)])
    found = behavior(responses_of(data, by_color, gray=torch.zeros(30, 3)))
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


@pytest.mark.parametrize(
    ("renamed", "wrong", "order"),
    [
        ([2, 0, 1], 0, ("b", "c", "a")),
        ([0, 2, 1], 4, ("a", "c", "b")),
        ([0, 1, 2], 0, None),  # as they are
        ([2, 0, 1], 6, None),  # 40 % would be right
        ([0, 0, 1], 0, None),  # no order
    ],
)
def test_the_order_in_which_the_logits_are_likely_to_be_is_told(renamed, wrong, order):
    """Of 10 images of a class so many are named as its neighbor."""
    answer = [renamed[(c + (i // 3 < wrong)) % 3] for i, c in enumerate(LABELS)]
    found = behavior(responses_of(data_of(LABELS, classes=("a", "b", "c")), logits([answer] * 3)))
    assert found.order == order


def test_nothing_is_said_of_the_behavior_if_classes_and_logits_are_not_as_many():
    assert behavior(responses_of(data_of(LABELS), logits([LABELS] * 3, 5))) is None


def two_classes(kept):
    """20 images of two classes; in the other's color so many of each class stay right."""
    labels = [0, 1] * 10
    data = data_of(labels, hues=(0, 120), classes=("a", "b"))
    rank = [i // 2 for i in range(20)]
    answer = [
        [c if c == h or r < kept else h for c, r in zip(labels, rank, strict=True)]
        for h in range(2)
    ]
    return behavior(responses_of(data, logits(answer, 2)))


@pytest.mark.parametrize(
    ("kept", "said"), [(0, "color"), (5, "color"), (8, "color"), (9, "partly"), (10, "none")]
)
def test_with_two_classes_every_lost_answer_follows_the_color(kept, said):
    found = two_classes(kept)
    assert found.accuracy == 1
    assert found.accuracy_color_changed == pytest.approx(kept / 10)
    assert found.names_color == pytest.approx(1 - kept / 10)
    assert found.color_change == ColorChange.CLASS
    assert found.shortcut == said


def test_every_class_weighs_the_same_and_the_interval_is_wilson_s():
    """18 images of one class, all right, and 2 of another, both wrong."""
    labels = [0] * 18 + [1] * 2
    data = data_of(labels, hues=(0, 120), classes=("a", "b"))
    found = behavior(responses_of(data, logits([[0] * 20] * 2, 2)))
    assert found.accuracy == found.chance == 0.5 and found.images["accuracy"] == 20
    # As sure as 2 * 2 / (1/18 + 1/2) = 7.2 images; the roots of |p - 1/2| = 1.96 sd(p).
    number, z = 7.2, 1.959964
    for end in found.intervals["accuracy"]:
        assert (end - 0.5) ** 2 == pytest.approx(z**2 * end * (1 - end) / number)


@pytest.mark.parametrize(
    ("changed", "gray", "needs"),
    [
        (0.5, 0.4, True),
        (0.7, 0.7, True),  # 20 points, as they are rounded
        (0.5, 0.75, False),
        (0.75, 0.4, False),
        (0.5, None, False),
        (None, 0.7, True),  # as most images have no color that could be another
        (None, 0.71, False),
    ],
)
def test_a_cnn_needs_color_if_it_is_wrong_with_others_and_without(changed, gray, needs):
    known = behavior(responses_of(data_of(LABELS), logits([LABELS] * 3)))
    found = replace(known, accuracy_color_changed=changed, accuracy_without_color=gray)
    assert replace(found, accuracy=0.9).needs_color is needs
    assert not replace(found, accuracy=0.49, accuracy_color_changed=0.1).needs_color  # too few


@pytest.mark.parametrize(("in_gray", "said"), [(25, "cannot say"), (20, "color"), (21, "color")])
def test_a_cnn_that_the_classes_own_colors_hurt_takes_no_shortcut(in_gray, said):
    """Of 30 images it names 20 right, none in other colors, then all by the color."""
    data = data_of(LABELS)
    rank = [LABELS[:i].count(label) for i, label in enumerate(LABELS)]
    wrong = [(c + 1) % 3 for c in LABELS]
    own = [c if 3 * r < 20 else w for c, r, w in zip(LABELS, rank, wrong, strict=True)]
    answer = [[h if c != h else o for c, o in zip(LABELS, own, strict=True)] for h in range(3)]
    gray = [c if i < in_gray else (c + 1) % 3 for i, c in enumerate(LABELS)]
    plain = torch.tensor(logits([own])[0])
    found = behavior(responses_of(data, logits(answer), plain, torch.tensor(logits([gray])[0])))
    assert found.accuracy_color_changed == 0 and 0.6 < found.accuracy < 0.75
    assert found.shortcut == said


@pytest.mark.parametrize(("by_color", "said"), [(29, "cannot say"), (32, "partly")])
def test_errors_that_name_a_color_as_often_as_any_class_follow_none(by_color, said):
    """Of 100 images a class 55 are named right, in other colors 45; the color's class by some."""
    labels = [c for c in range(3) for _ in range(100)]
    plain = [(c + (i >= 55) + (i >= 78)) % 3 for c in range(3) for i in range(100)]
    answer = [
        [
            c if i < 45 or c == hue else hue if i < 45 + by_color else 3 - c - hue
            for c in range(3)
            for i in range(100)
        ]
        for hue in range(3)
    ]
    own = torch.tensor(logits([plain])[0])
    found = behavior(responses_of(data_of(labels), logits(answer), own, gray=own))
    assert found.accuracy == pytest.approx(0.55) and found.lost == pytest.approx(0.1)
    assert found.names_color == pytest.approx(by_color / 100)
    assert found.shortcut == said


def test_a_loss_is_no_shortcut_where_no_color_goes_with_a_class():
    """All images are gray and the answers change all the same: nobody's color is followed."""
    data = RealImages("gray", torch.full((30, 3, 4, 4), 0.5), torch.tensor(LABELS), list("abc"))
    wrong = [(c + 1) % 3 for c in LABELS]
    answer = logits([wrong] * 3)
    found = behavior(responses_of(data, answer, torch.tensor(logits([LABELS])[0])))
    assert found.accuracy == 1 and found.accuracy_color_changed == 0
    assert found.names_color is None and found.color_change == ColorChange.TURN
    assert found.shortcut == "cannot say"


def test_what_is_lost_in_one_gray_alone_is_contrast_and_no_color():
    right = torch.tensor(logits([LABELS])[0]).float()
    wrong = right.roll(1, 1)
    found = [
        behavior(responses_of(data_of(LABELS), logits([LABELS] * 3), gray=torch.stack(grays)))
        for grays in ([wrong, right], [right, wrong], [wrong, wrong])
    ]
    assert [each.accuracy_without_color for each in found] == [1, 1, 0]
    assert [each.shortcut for each in found] == ["none", "none", "cannot say"]


@pytest.mark.parametrize(("number", "without"), [(29, 29 / 30), (24, 1)])
def test_what_is_gained_in_one_gray_alone_is_contrast_unless_it_is_much(number, without):
    right = torch.tensor(logits([LABELS])[0]).float()
    named = [c if i < number else (c + 1) % 3 for i, c in enumerate(LABELS)]
    data, some = data_of(LABELS), torch.tensor(logits([named])[0]).float()
    found = [
        behavior(responses_of(data, logits([named] * 3), gray=torch.stack(grays)))
        for grays in ([some, right], [right, some], [right, right])
    ]
    expected = pytest.approx([without, without, 1])
    assert [each.accuracy_without_color for each in found] == expected


def test_a_cnn_that_is_as_right_in_gray_takes_no_shortcut_though_other_colors_confuse_it():
    """Where no color goes with a class; where some do, what it does in theirs counts."""
    gray = torch.tensor(logits([LABELS])[0])
    answer = logits([[(c + 1) % 3 for c in LABELS]] * 3)
    data = RealImages("gray", torch.full((30, 3, 4, 4), 0.5), torch.tensor(LABELS), list("abc"))
    found = behavior(responses_of(data, answer, gray, gray))
    assert found.accuracy == found.accuracy_without_color == 1
    assert found.accuracy_color_changed == 0
    assert found.shortcut == "none"
    data.color_tells = True
    assert behavior(responses_of(data, answer, gray, gray)).shortcut == "cannot say"
    same = logits([LABELS] * 3)
    assert (
        behavior(responses_of(data, same, gray, gray)).shortcut == "cannot say"
    )  # hues turned alone
    by_color = logits([[h] * 30 for h in range(3)])
    assert behavior(responses_of(data_of(LABELS), by_color, gray=gray)).shortcut == "color"


def test_a_cnn_that_is_wrong_in_colors_that_occur_may_take_a_shortcut_though_right_in_gray():
    flat = torch.eye(3)[torch.arange(30) // 3 % 3]  # each color as often in each class
    images = flat[:, :, None, None].repeat(1, 1, 4, 4)
    data = RealImages("flat", images, torch.tensor(LABELS), list("abc"))
    gray = torch.tensor(logits([LABELS])[0])
    answer = logits([[(c + 1) % 3 for c in LABELS]] * 3)
    found = behavior(responses_of(data, answer, gray, gray))
    assert found.color_change == ColorChange.IMAGE and not data.color_tells
    assert found.shortcut == "cannot say"


@pytest.mark.parametrize(
    ("others", "gray", "said"),
    [(2, 0, "none"), (4, 0, "cannot say"), (0, 2, "none"), (0, 4, "cannot say")],
)
def test_nobody_is_acquitted_whose_answers_go_with_a_color_that_was_not_found(others, gray, said):
    """Of 30 images so many become others with the color, as many right as before, or wrong in gray.

    The images of the last class are never named right, as one wrong class or the other.
    """
    flat = torch.eye(3)[torch.arange(30) // 3 % 3]  # each color as often in each class
    images = flat[:, :, None, None].repeat(1, 1, 4, 4)
    data = RealImages("flat", images, torch.tensor(LABELS), list("abc"))
    plain = [0 if c == 2 else c for c in LABELS]
    third = [i for i, c in enumerate(LABELS) if c == 2][:others]
    changed = [1 if i in third else answer for i, answer in enumerate(plain)]
    known = [i for i, c in enumerate(LABELS) if c < 2][:gray]
    in_gray = [1 - c if i in known else c for i, c in enumerate(plain)]
    found = behavior(
        responses_of(
            data,
            logits([changed] * 3),
            torch.tensor(logits([plain])[0]),
            torch.tensor(logits([in_gray])[0]),
        )
    )
    assert found.color_change == ColorChange.IMAGE
    assert found.accuracy == found.accuracy_color_changed == pytest.approx(2 / 3)
    assert found.answers_changed == pytest.approx(others / 30)
    assert found.shortcut == said


def test_colors_may_be_a_part_of_what_is_told_from_others_of_any_color():
    """Red and blue squares, among circles in red, blue and green, which are always named so."""
    labels = [0, 1, 2] * 10
    own = [(0, 2, i // 3 % 3)[c] for i, c in enumerate(labels)]
    images = torch.eye(3)[own][:, :, None, None].repeat(1, 1, 4, 4)
    data = RealImages("squares", images, torch.tensor(labels), ["red", "blue", "circle"])
    assert data.color_groups == [(0,), (1,)]
    answer = [[2 if c == 2 else which for c in labels] for which in (0, 1)]
    found = behavior(responses_of(data, logits(answer), torch.tensor(logits([labels])[0])))
    assert found.crossed and found.shortcut == "cannot say"
    led = [[which] * 30 for which in (0, 1)]  # circles, too, by their color
    found = behavior(responses_of(data, logits(led), torch.tensor(logits([labels])[0])))
    assert not found.crossed and found.shortcut == "color"
    none = [[2 if which != c else c for c in labels] for which in (0, 1)]  # no square is led
    assert not behavior(responses_of(data, logits(none), torch.tensor(logits([labels])[0]))).crossed


def test_colors_may_be_a_part_of_some_classes_beside_one_that_is_alone_in_its_own():
    """Red and blue squares, red and blue rings, and green triangles, which are always named so."""
    labels = [0, 1, 2, 3, 4] * 12
    data = data_of(labels, (0, 0, 240, 240, 120), list("abcde"))
    assert data.color_groups == [(0, 1), (2, 3), (4,)]
    red, blue, green = (0, 1, 0, 1, 4), (2, 3, 2, 3, 4), (0, 1, 2, 3, 4)
    answers = logits([[each[c] for c in labels] for each in (red, blue, green)], 5)
    plain = torch.tensor(logits([labels], 5)[0]).float()
    found = behavior(responses_of(data, answers, plain))
    assert found.crossed and found.shortcut == "cannot say"
    to_one = logits([[min(each[c], each[0]) for c in labels] for each in (red, blue, green)], 5)
    assert not behavior(responses_of(data, to_one, plain)).crossed
