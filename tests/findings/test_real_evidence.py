"""Answers to real images: means and shares of variance by plain numpy, a class's logit."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from prober.findings.finding import (
    ClassLogit,
    Example,
    Examples,
    Kind,
    RealEvidence,
    ScoreRange,
    UsedShares,
    Variance,
)
from prober.findings.picture_folder import PictureFolder
from prober.findings.real_evidence import (
    by_class_and_color,
    class_evidence,
    real_doubts,
    real_evidence,
    used_shares,
    variance_of,
)
from prober.findings.real_images import RealImages
from prober.findings.real_responses import LOGIT_SITE, respond_to_real
from prober.findings.units import Unit
from prober.findings.windows import Window
from prober.subject import Subject
from tests.findings.figures import curves_of, data_of, logits, responses_of


@pytest.mark.parametrize("labels", [[0, 1, 2] * 4, [0, 0, 0, 0, 0, 0, 1, 1, 2, 1, 0, 2]])
def test_the_shares_of_variance_are_those_of_an_analysis_of_variance(labels):
    rng = np.random.default_rng(0)
    data, labels = data_of(labels), np.array(labels)
    response = rng.normal(size=(6, 3, len(labels))) + labels
    response += np.arange(6)[:, None, None] + np.array([0.0, 2.0, 5.0])[:, None]
    responses = replace(
        responses_of(data, np.zeros((3, len(labels), 1))),
        turned={LOGIT_SITE: torch.from_numpy(response[..., None])},
    )
    found = variance_of(responses, LOGIT_SITE, 0)
    # Each cell's part by itself, over all cells.
    mean, parts = response.mean(), dict.fromkeys(("hue", "brightness", "label", "rest"), 0.0)
    for (h, b, i), value in np.ndenumerate(response):
        effects = {
            "hue": response[h].mean() - mean,
            "brightness": response[:, b].mean() - mean,
            "label": response[:, :, labels == labels[i]].mean() - mean,
        }
        effects["rest"] = value - mean - sum(effects.values())
        for name, effect in effects.items():
            parts[name] += effect**2
    total = ((response - mean) ** 2).sum()
    assert sum(parts.values()) == pytest.approx(total)
    parts["hue_by_class"] = 0.0
    for (h, _, i), _ in np.ndenumerate(response):
        own = labels == labels[i]
        alone = response[h].mean() + response[:, :, own].mean() - mean
        parts["hue_by_class"] += (response[h][:, own].mean() - alone) ** 2
    within = 0.0  # what the hue does in each image of a class otherwise
    for (h, _, i), _ in np.ndenumerate(response):
        own = labels == labels[i]
        cell = response[h][:, own].mean()
        within += (
            response[h, :, i].mean() - cell - response[:, :, i].mean() + response[:, :, own].mean()
        ) ** 2
    chance = within * (3 - 1) / (len(labels) - 3)
    parts["hue_by_class"] = max(0, parts["hue_by_class"] - chance)
    assert vars(found) == pytest.approx({k: v / total for k, v in parts.items()}, abs=1e-6)


def test_what_the_hue_does_in_each_class_otherwise_is_told():
    """As of red circles and blue squares in one class, the others in the other."""
    signs = np.array([1, -1]) * np.array([1, 1, 1, -1, -1, -1])[:, None, None]
    response = np.broadcast_to(signs, (6, 3, 2)).repeat(4, 2).astype(float)
    responses = replace(
        responses_of(data_of([0] * 4 + [1] * 4), np.zeros((2, 8, 1))),
        turned={LOGIT_SITE: torch.from_numpy(response[..., None])},
    )
    found = variance_of(responses, LOGIT_SITE, 0)
    assert (found.hue, found.label, found.hue_by_class, found.rest) == pytest.approx((0, 0, 1, 1))


@pytest.mark.parametrize("images", [1, 2, 8])
def test_of_chance_nothing_goes_with_the_hue_in_each_class_otherwise(images):
    """Three classes of so few images: the mean of 40 draws, where raw means give 0.07 to 0.8."""
    labels, rng, found = [0, 1, 2] * images, np.random.default_rng(0), []
    for _ in range(40):
        response = np.repeat(rng.normal(size=(6, 1, len(labels), 1)), 3, 1)
        responses = replace(
            responses_of(data_of(labels), np.zeros((3, len(labels), 1))),
            turned={LOGIT_SITE: torch.from_numpy(response)},
        )
        found.append(variance_of(responses, LOGIT_SITE, 0).hue_by_class)
    assert np.mean(found) < 0.07


def test_the_table_has_the_means_by_class_and_color():
    data = data_of([0, 1, 2, 2] * 4)
    response, labels = np.random.default_rng(0).normal(size=(3, 16)), data.labels.numpy()
    table = by_class_and_color(responses_of(data, response[:, :, None]), LOGIT_SITE, 0)
    cells = [[response[h, labels == c].mean() for h in range(3)] for c in range(3)]
    assert np.array(table) == pytest.approx(np.array(cells), abs=1e-5)


def test_a_constant_response_has_no_variance_to_share():
    data = data_of([0, 1, 2])
    constant = {LOGIT_SITE: torch.full((6, 3, 3, 1), 7.0)}
    responses = replace(responses_of(data, np.zeros((3, 3, 1))), turned=constant)
    assert variance_of(responses, LOGIT_SITE, 0) is None


def test_rows_are_named_after_the_classes_of_the_images_that_were_shown(tmp_path):
    """Of gray images nothing is asked in other hues."""
    torch.manual_seed(0)
    subject = Subject(nn.Sequential(nn.Flatten(), nn.Linear(3 * 8 * 8, 3)), input_shape=(3, 8, 8))
    images, labels = torch.rand(12, 3, 8, 8), torch.arange(12) % 3
    images[labels == 1] = images[labels == 1].mean(1, keepdim=True).expand(-1, 3, -1, -1)
    real = RealImages("some", images, labels, ["a", "b", "c"])
    responses = respond_to_real(subject, real, {LOGIT_SITE: Window(None, 0, 0, 8, 8)})
    folder = PictureFolder(tmp_path, "logits/ch000")
    found = real_evidence(responses, Unit("logits", 0), None, ScoreRange(0.0, 1.0), folder)
    assert found.rows == ("a", "c") and len(found.table) == 2


def test_images_without_classes_are_one_row():
    data = RealImages("two", torch.rand(2, 3, 2, 2), torch.tensor([-1, -1]), [])
    response = np.arange(36.0).reshape(6, 3, 2, 1)
    responses = replace(
        responses_of(data, np.zeros((3, 2, 1))),
        turned={LOGIT_SITE: torch.from_numpy(response)},
    )
    table = by_class_and_color(responses, LOGIT_SITE, 0)
    assert table == (pytest.approx(response.mean((1, 2, 3)).tolist()),)
    assert variance_of(responses, LOGIT_SITE, 0).label == pytest.approx(0)


NO_CURVES = curves_of()


def test_a_class_s_logit_with_its_color_and_its_shape_changed():
    rng = np.random.default_rng(1)
    labels = np.array([0, 1, 2] * 4 + [1, 0])
    data, dealt = data_of(labels.tolist()), rng.normal(size=(3, 14, 3))
    flat = torch.arange(72) == 17
    found = class_evidence(responses_of(data, dealt), 1, curves_of(flat=flat.float()))
    assert found.flat_hue == 17 * 5
    own, other = labels == 1, labels != 1
    assert found.label == "b" and found.hue == pytest.approx(120, abs=0.01)
    assert found.color == pytest.approx((0, 1, 0), abs=0.01)
    assert vars(found.logit) == pytest.approx(
        {
            "own": dealt[1, own, 1].mean(),
            "color_changed": dealt[[0, 2]][:, own, 1].mean(),
            "shape_changed": dealt[1, other, 1].mean(),
            "both_changed": dealt[[0, 2]][:, other, 1].mean(),
        },
        abs=1e-5,
    )


@pytest.mark.parametrize(
    ("logit", "color"), [((8.5, -1.7, 6.4, -3.6), 0.84), ((8.9, 8.0, -3.2, -2.9), 0.03)]
)
def test_color_and_shape_as_used_are_what_each_adds(logit, color):
    used = used_shares(ClassLogit(*logit))
    assert used.color == pytest.approx(color, abs=0.01)
    assert used.shape == pytest.approx(1 - color, abs=0.01)


@pytest.mark.parametrize(
    ("logit", "color"), [((5.0, 7.0, -3.0, 0.0), 0), ((5.0, -3.0, 7.0, 0.0), 1)]
)
def test_what_lowers_a_logit_has_no_share_of_what_raises_it(logit, color):
    assert used_shares(ClassLogit(*logit)) == UsedShares(color, 1 - color)


@pytest.mark.parametrize("gain", [0.0, 0.5, 1.5, 3.0])
def test_nothing_is_said_to_be_used_of_what_may_be_chance(gain):
    rng = np.random.default_rng(0)
    labels = np.array([0, 1, 2] * 8)
    dealt = rng.normal(size=(3, 24, 3)) + rng.normal(size=(1, 24, 1))  # as each image is
    dealt[1, labels == 1, 1] += gain
    found = class_evidence(responses_of(data_of(labels.tolist()), dealt), 1, NO_CURVES)
    own, both = dealt[1, labels == 1, 1], dealt[[0, 2]][:, labels != 1, 1].mean(0)
    errors = np.sqrt(own.var(ddof=1) / 8 + both.var(ddof=1) / 16)
    assert (found.used is not None) == (own.mean() - both.mean() > 2 * errors)
    assert (found.used is not None) == (gain >= 1.5)


def test_nothing_is_used_where_own_images_excite_a_class_no_more_than_others():
    assert used_shares(ClassLogit(1.0, 0.5, 0.5, 1.0)) is None
    assert used_shares(ClassLogit(1.0, None, 0.5, 0.0)) is None


def test_a_logit_that_is_no_class_of_the_data_is_none():
    """Five logits and three classes: which logit is which class cannot be known."""
    responses = responses_of(data_of([0, 1, 2]), logits([[0, 1, 2]] * 3, 5))
    assert class_evidence(responses, 4, NO_CURVES) is None
    assert class_evidence(responses, 1, NO_CURVES) is None


@pytest.mark.parametrize(
    ("kinds", "hue", "doubted"),
    [
        ([Kind.SHAPE], 0.6, True),
        ([Kind.BRIGHTNESS], 0.6, True),
        ([Kind.SHAPE], 0.4, False),
        ([Kind.COLOR], 0.6, False),
        ([Kind.COLOR_AND_SHAPE], 0.6, False),
        ([Kind.SHAPE, Kind.COLOR], 0.6, False),
    ],
)
def test_answers_by_hue_are_told_of_a_unit_whose_picture_has_no_color_to_it(kinds, hue, doubted):
    examples = Examples("", (4, 6), (Example(2.0, 0.5, None, None),))
    found = RealEvidence(None, (), (), (), Variance(hue, 0.1, 0.1, 0.1), None, examples)
    assert any("go by the hue" in said for said in real_doubts(kinds, found)) == doubted


def test_it_is_told_that_no_real_image_excites_a_unit():
    examples = Examples("", (4, 6), (Example(-0.2, 0.1, None, None),))
    found = RealEvidence(None, (), (), (), None, None, examples)
    assert real_doubts([Kind.COLOR], found) == [
        "No real image brings its score above 0; the best reaches -0.2."
    ]


@pytest.mark.parametrize(("share", "far"), [(0.02, True), (0.11, False)])
def test_it_is_told_that_no_real_image_comes_near_the_picture(share, far):
    examples = Examples("", (4, 6), (Example(2.0, share, None, None),))
    found = RealEvidence(None, (), (), (), None, None, examples)
    said = "No real image comes near: the best brings 2% of its picture's gain."
    assert real_doubts([Kind.COLOR], found) == ([said] if far else [])
