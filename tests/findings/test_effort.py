"""The effort: what a pass costs decides how much a report does."""

import pytest
import torch
from torch import nn

from prober.findings.effort import (
    COSTLY,
    OF_COSTLY_CNNS,
    OF_LARGE_IMAGES,
    OF_SMALL_IMAGES,
    effort,
    operations,
    precision,
)
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
    ("side", "width", "expected"),
    [(28, 8, OF_SMALL_IMAGES), (64, 8, OF_LARGE_IMAGES), (64, 512, OF_COSTLY_CNNS)],
)
def test_a_costly_cnn_is_searched_less(side, width, expected):
    cnn = nn.Sequential(nn.Conv2d(3, width, 3, 2, padding=1), nn.Conv2d(width, width, 1))
    subject = Subject(cnn, input_shape=(3, side, side))
    assert (operations(subject) > COSTLY) is (expected is OF_COSTLY_CNNS)
    assert effort(subject) is expected


class InFloat32(nn.Module):
    """Adds to numbers of its own, in their precision."""

    def forward(self, x):
        own = torch.zeros(x.shape, dtype=torch.float32)
        return own.index_add(1, torch.arange(x.shape[1]), x)


class Chaotic(nn.Module):
    """Lets rounding decide."""

    def forward(self, x):
        return torch.sin(1e4 * x)


@pytest.mark.parametrize(
    ("side", "last", "amx", "accelerator", "expected"),
    [
        (64, nn.ReLU(), True, "cpu", "bf16-mixed"),
        (64, nn.ReLU(), True, "cuda", "32-true"),
        (64, nn.ReLU(), False, "cpu", "32-true"),
        (32, nn.ReLU(), True, "cpu", "32-true"),
        (64, InFloat32(), True, "cpu", "32-true"),
        (64, Chaotic(), True, "cpu", "32-true"),
    ],
)
def test_half_precision_is_chosen_where_it_pays_and_gives_about_the_same(
    monkeypatch, side, last, amx, accelerator, expected
):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"amx_bf16": amx}, raising=False)
    cnn = nn.Sequential(nn.Conv2d(3, 512, 3, 2, padding=1), nn.Conv2d(512, 512, 1), last)
    subject = Subject(cnn, input_shape=(3, side, side))
    assert precision(subject, accelerator) == expected


def test_signals_are_computed_in_float32(monkeypatch):
    """Their scores are told as the pictures have them."""
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"amx_bf16": True}, raising=False)
    cnn = nn.Sequential(nn.Conv1d(1, 512, 3, padding=1), nn.Conv1d(512, 512, 1))
    subject = Subject(cnn, input_shape=(1, 2000))
    assert effort(subject) is OF_COSTLY_CNNS
    assert precision(subject, "cpu") == "32-true"


def test_half_precision_does_not_pay_where_most_time_goes_to_other_than_products(monkeypatch):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"amx_bf16": True}, raising=False)
    depthwise = [nn.Conv2d(64, 64, 3, padding=1, groups=64) for _ in range(70)]
    subject = Subject(nn.Sequential(nn.Conv2d(3, 64, 1), *depthwise), input_shape=(3, 96, 96))
    assert effort(subject) is OF_COSTLY_CNNS
    assert precision(subject, "cpu") == "32-true"
