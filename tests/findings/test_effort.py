"""The effort: what a pass costs decides how much a report does."""

import pytest
from torch import nn

from prober.findings.effort import COSTLY, FULL, LARGE, LIGHT, effort, operations
from prober.subject import Subject


def test_operations_are_two_for_each_multiplication_of_a_weight():
    cnn = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 12 * 12, 5)
    )
    by_hand = 12 * 12 * 8 * 3 * 3 * 3 + 8 * 12 * 12 * 5
    assert operations(Subject(cnn, input_shape=(3, 12, 12))) == 2 * by_hand


def test_normalizations_that_can_be_folded_are_not_counted_nor_what_is_done_once():
    """The first pass tries out folding, which takes passes of its own."""
    cnn = nn.Sequential(nn.Conv2d(3, 8, 3, bias=False), nn.BatchNorm2d(8), nn.ReLU()).eval()
    assert operations(Subject(cnn, input_shape=(3, 12, 12))) == 2 * 10 * 10 * 8 * 27


@pytest.mark.parametrize(
    ("side", "width", "expected"), [(28, 8, FULL), (64, 8, LARGE), (64, 512, LIGHT)]
)
def test_a_costly_cnn_is_searched_less(side, width, expected):
    cnn = nn.Sequential(nn.Conv2d(3, width, 3, 2, padding=1), nn.Conv2d(width, width, 1))
    subject = Subject(cnn, input_shape=(3, side, side))
    assert (operations(subject) > COSTLY) is (expected is LIGHT)
    assert effort(subject) is expected
