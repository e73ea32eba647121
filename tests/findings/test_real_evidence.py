"""Answers to real images: means and shares of variance by plain numpy, a class's logit."""

import numpy as np
import pytest
import torch

from prober.findings.real_evidence import by_class_and_hue, class_evidence
from prober.findings.real_images import RealImages
from prober.findings.real_responses import LOGIT_SITE
from tests.findings.figures import curves_of, data_of, logits, responses_of


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
    responses = responses_of(data, response[:, :, None])
    table, rows, variance = by_class_and_hue(responses, LOGIT_SITE, 0)
    parts, total = sums_of_squares(response, labels)
    found = {"hue": variance.hue, "class": variance.label, "interaction": variance.interaction}
    assert parts.pop("rest") + sum(parts.values()) == pytest.approx(total)
    assert found == pytest.approx({k: v / total for k, v in parts.items()}, abs=1e-5)
    cells = [[response[h, labels == c].mean() for h in range(3)] for c in range(3)]
    assert np.array(table) == pytest.approx(np.array(cells), abs=1e-5)
    assert rows == ("a", "b", "c")


def test_a_constant_response_has_no_variance_to_share():
    data = data_of([0, 1, 2])
    responses = responses_of(data, np.full((3, 3, 1), 7.0))
    assert by_class_and_hue(responses, LOGIT_SITE, 0)[2] is None


def test_images_without_classes_are_one_row():
    data = RealImages("two", torch.rand(2, 3, 2, 2), torch.tensor([-1, -1]), [])
    response = np.arange(24.0).reshape(12, 2, 1)
    table, rows, variance = by_class_and_hue(responses_of(data, response), LOGIT_SITE, 0)
    assert rows == ("all",)
    assert table == (pytest.approx(response.mean((1, 2)).tolist()),)
    assert variance.label == pytest.approx(0)


NO_HUE = curves_of()


def test_a_class_s_logit_with_its_color_and_its_shape_changed():
    rng = np.random.default_rng(1)
    data, tinted = data_of([0, 1, 2, 1, 1, 0]), rng.normal(size=(3, 6, 3))
    flat = torch.arange(72) == 17
    found = class_evidence(responses_of(data, tinted), 1, curves_of(flat=flat.float()))
    assert found.flat_hue == 17 * 5
    own, other = [1, 3, 4], [0, 2, 5]
    assert found.label == "b" and found.hue == pytest.approx(120, abs=0.01)
    assert vars(found.logit) == pytest.approx(
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
    responses = responses_of(data_of([0, 1, 2]), logits([[0, 1, 2]] * 3, 5))
    assert class_evidence(responses, 4, NO_HUE) is None
    assert class_evidence(responses, 1, NO_HUE) is None
