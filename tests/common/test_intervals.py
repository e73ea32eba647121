import numpy as np
import pytest

from prober.common.intervals import NORMAL_95, wilson


@pytest.mark.parametrize("number", [1, 10, 1000])
@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.93, 1.0])
def test_ends_are_the_shares_that_lie_so_far_from_what_was_seen(share, number):
    """At either end, what was seen is 1.96 standard deviations of that end's own share away."""
    low, high = wilson(share, number)
    assert 0 <= low <= share + 1e-12 and share - 1e-12 <= high <= 1
    for end in (low, high):
        if 1e-12 < end < 1 - 1e-12:
            away = abs(share - end) / np.sqrt(end * (1 - end) / number)
            assert away == pytest.approx(NORMAL_95, rel=1e-6)


def test_the_true_share_lies_within_in_95_of_100():
    seen = np.random.default_rng(0).binomial(200, 0.3, 4000) / 200
    held = [low <= 0.3 <= high for low, high in (wilson(share, 200) for share in seen)]
    assert np.mean(held) == pytest.approx(0.95, abs=0.015)
