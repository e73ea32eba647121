"""ReLUs that let a gradient through where they are shut."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from prober.subject.leaky_relus import LeakyReLUs

RELUS = {
    "module": nn.ReLU(),
    "in place": nn.ReLU(inplace=True),
    "function": F.relu,
    "torch": torch.relu,
    "method": lambda x: x.relu(),
    "clamp_min": lambda x: x.clamp_min(0),
    "clamp": lambda x: x.clamp(min=0),
    "clamp, by position": lambda x: x.clamp(0),
    "clip": lambda x: torch.clip(x, 0),
    "clamp, in place": lambda x: x.clamp_(0),
    "relu_": torch.relu_,
    "ReLU6": nn.ReLU6(),
    "threshold": lambda x: F.threshold(x, 0.0, 0.0),
    "hard tangent": nn.Hardtanh(0.0, 4.0),
}


@pytest.mark.parametrize("name", RELUS)
def test_a_relu_leaks_while_asked_to_and_only_then(name):
    relu = RELUS[name]
    values = torch.tensor([-2.0, 0.5, 3.0])

    def slopes():
        x = values.clone().requires_grad_()
        relu(x * 1).sum().backward()
        return x.grad.tolist()

    with LeakyReLUs():
        below, *above = slopes()
        leaked = relu(values.clone())
    assert below == pytest.approx(0.1) and above == [1, 1]
    assert leaked.tolist() == [0.0, 0.5, 3.0]  # only the gradient leaks
    assert slopes() == [0, 1, 1]
    assert relu(values.clone()).tolist() == [0.0, 0.5, 3.0]


OTHERS = {
    "a floor above zero": lambda x: x.clamp_min(0.75),
    "a floor below zero": lambda x: x.clamp(min=-1),
    "a tensor as the floor": lambda x: x.clamp_min(torch.zeros(3)),
    "both ends": lambda x: x.clamp(0, 1),
    "another threshold": lambda x: F.threshold(x, 0.75, 0.0),
    "a hard tangent": nn.Hardtanh(),
    "absolute values": torch.abs,
    "the largest of all": lambda x: x.max(),
    "the largest of a map": lambda x: x.view(1, 1, 3).amax((1, 2)),
    "the smallest": lambda x: x.view(1, 3).amin(1),
}


@pytest.mark.parametrize("name", OTHERS)
def test_what_is_no_relu_stays(name):
    values = torch.tensor([-2.0, 0.5, 3.0])

    def answers():
        x = values.clone().requires_grad_()
        output = OTHERS[name](x)
        output.sum().backward()
        return output.tolist(), x.grad.tolist()

    with LeakyReLUs():
        found = answers()
    assert found == answers()


MAXIMA = {
    "amax": lambda x, one: torch.stack([x, one], 1).amax(1),
    "amax, of pieces": lambda x, one: torch.stack([x, one]).amax(dim=0, keepdim=True)[0],
    "max": lambda x, one: torch.stack([x, one], 1).max(1).values,
    "max, with its place": lambda x, one: torch.max(torch.stack([x, one]), dim=0)[0],
    "maximum": torch.maximum,
    "max of two": lambda x, one: x.max(one),
}


@pytest.mark.parametrize("name", MAXIMA)
def test_what_is_not_the_largest_leaks(name):
    values, one = torch.tensor([-2.0, 0.5, 3.0, -torch.inf]), torch.tensor([1.0, 1.0, 1.0, 1.0])

    def slopes():
        x = values.clone().requires_grad_()
        found = MAXIMA[name](x * 1, one)
        found.sum().backward()
        assert found.tolist() == [1, 1, 3, 1]  # only the gradient leaks
        return x.grad[:3].tolist()

    with LeakyReLUs():
        *below, above = slopes()
    assert below == pytest.approx([0.05, 0.05]) and above == pytest.approx(1.05)
    assert slopes() == [0, 0, 1]


def test_of_a_shut_map_most_leaks_where_it_is_nearest_to_opening():
    values = torch.tensor([[[[-1.0, -2.0], [-3.0, -6.0]], [[-5.0, -5.0], [-5.0, -5.0]]]])
    x = values.clone().requires_grad_()
    with LeakyReLUs(nearest=True):
        answer = F.relu(x)
    answer.sum().backward()
    assert answer.eq(0).all()
    deviation = (3.5) ** 0.5  # of -1, -2, -3 and -6, around -3
    expected = [0.1 * 2.718281828459045 ** (-below / deviation) for below in (0, 1, 2, 5)]
    assert x.grad[0, 0].flatten().tolist() == pytest.approx(expected, rel=1e-5)
    assert x.grad[0, 1].flatten().tolist() == pytest.approx([0.1] * 4)
