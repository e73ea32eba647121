"""Kinds: shares by the formulas of Shapley, and the table of the words for them."""

from itertools import permutations, product

import pytest
import torch

from prober.findings.finding import Shares
from prober.findings.kinds import kind_of, shares_of

SETS = [
    # n; A, G, F, B
    (0.0, (1.0, 0.0, 1.0, 0.0)),
    (0.0, (1.0, 0.0, 0.0, 0.0)),
    (-2.0, (3.0, 1.0, 0.5, -1.5)),
    (1.0, (9.0, 9.0, 4.0, 2.0)),
]


@pytest.mark.parametrize(("neutral", "scores"), SETS)
def test_a_share_is_what_is_added_averaged_over_both_orders(neutral, scores):
    most, gray, flat, both = scores
    worth = {(): both, ("color",): flat, ("shape",): gray, ("color", "shape"): most}
    expected = {"color": 0.0, "shape": 0.0}
    for order in permutations(expected):
        for i, added in enumerate(order):
            before, after = sorted(order[:i]), sorted(order[: i + 1])
            assert added in after
            expected[added] += (worth[tuple(after)] - worth[tuple(before)]) / 2
    gain = most - neutral
    found = shares_of(torch.tensor(neutral), torch.tensor(scores)).tolist()
    assert found[0] == pytest.approx(expected["color"] / gain)
    assert found[1] == pytest.approx(expected["shape"] / gain)
    assert found[2] == pytest.approx((both - neutral) / gain)
    assert found[3] == pytest.approx(((most - gray) - (flat - both)) / gain)
    assert sum(found[:3]) == pytest.approx(1)


def test_there_are_no_shares_of_no_gain():
    assert shares_of(torch.tensor(1.0), torch.ones(4)).isnan().all()


KINDS = [
    # shares of color, shape, brightness; the kind; the distance that decided
    ((1.0, 0.0, 0.0), "color", 0.4),
    ((0.6, 0.4, 0.0), "color", 0.0),
    ((0.62, 0.2, 0.18), "color", 0.02),
    ((0.1, 0.8, 0.1), "shape", 0.2),
    ((0.5, 0.5, 0.0), "color+shape", 0.1),
    ((0.58, 0.42, 0.0), "color+shape", 0.02),
    ((0.4, 0.3, 0.3), "color+shape", 0.05),
    ((0.2, 0.2, 0.6), "brightness", 0.2),
    ((0.0, 0.0, 1.0), "brightness", 0.5),
    ((0.3, 0.3, 0.4), "brightness", 0.05),
]


@pytest.mark.parametrize(("shares", "kind", "margin"), KINDS)
def test_a_kind_follows_from_the_shares(shares, kind, margin):
    assert kind_of(Shares(*shares, 0.0)) == (kind, pytest.approx(margin))


@pytest.mark.parametrize(("shares", "kind", "margin"), KINDS)
def test_shares_that_move_by_less_than_the_margin_leave_the_kind(shares, kind, margin):
    for signs in product((-1, 1), repeat=3):
        moved = [x + 0.99 * margin * sign for x, sign in zip(shares, signs, strict=True)]
        assert kind_of(Shares(*moved, 0.0))[0] == kind
