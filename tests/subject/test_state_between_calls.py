"""What a forward pass leaves behind is put back before the next one."""

import copy

import pytest
import torch
from torch import nn

from prober.subject import Subject
from tests.subject.nets import IMAGES, KINDS, convnext, subject_of, transformer


class Remembers(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.hidden = None
        self.calls = 0
        self.register_buffer("mean", torch.zeros(4))
        self.register_buffer("last", torch.zeros(1))

    def forward(self, x):
        x = self.conv(x) + self.calls + self.mean.view(-1, 1, 1) + self.last.mean()
        x = x if self.hidden is None else x + self.hidden
        self.calls += 1
        self.hidden = x.mean()
        self.mean.add_(1)
        self.last = x
        self.extra = x
        return x


def test_every_call_is_like_the_first():
    cnn = Remembers()
    expected = cnn.conv(IMAGES)
    subject = subject_of(cnn)
    for layers in (["logits"], ["conv", "logits"], ["conv"], ["logits"]):
        images = IMAGES.clone().requires_grad_()
        output = subject(images, layers)[layers[-1]]
        torch.testing.assert_close(output, expected)
    assert subject.hash_weights() == subject.sha256
    assert (cnn.calls, cnn.hidden, float(cnn.mean.sum())) == (0, None, 0)
    for other in (copy.deepcopy(subject), copy.deepcopy(subject).double()):
        for _ in range(2):
            images = IMAGES.to(other.mean).clone().requires_grad_()
            output = other(images, ["logits"])["logits"]
            alone = copy.deepcopy(cnn.conv).to(images.dtype)
            torch.testing.assert_close(output, alone(images))
        assert other.hash_weights() == subject.sha256


def test_a_usual_cnn_keeps_nothing():
    for cnn in (transformer(), KINDS["residual"](), convnext(6)):
        state = subject_of(cnn)._state
        assert not any((state._names, state._values, state._containers))


class Collects(nn.Module):
    """Adds what it has seen before, which it keeps in a list, a dictionary and a tensor."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 2, 3)
        self.seen, self.last, self.total = [], {}, torch.zeros(())

    def forward(self, x):
        x = self.conv(x)
        before = sum(self.seen) + self.last.get("mean", 0) + self.total
        self.seen.append(x.mean())
        self.last["mean"] = x.mean()
        self.total = self.total + x.mean()
        return (x + before).mean((2, 3))


class CollectsOne(Collects):
    """... and takes one image at a time."""

    def forward(self, x):
        if len(x) != 1:
            raise ValueError("one image, please")
        return super().forward(x)


@pytest.mark.parametrize("cnn", [Collects, CollectsOne])
def test_what_is_kept_in_containers_is_forgotten_between_images(cnn):
    torch.manual_seed(0)
    subject = Subject(cnn(), input_shape=(3, 8, 8))
    images = torch.rand(3, 3, 8, 8)
    together = subject(images, ["logits"])["logits"]
    for i in (2, 0, 1):
        alone = subject(images[i : i + 1], ["logits"])["logits"]
        torch.testing.assert_close(alone, subject(images[i : i + 1], ["logits"])["logits"])
        if cnn is CollectsOne:
            torch.testing.assert_close(alone[0], together[i])


class Counts(nn.Module):
    """Multiplies by the number of its call, which a buffer counts and the graph needs."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 2, 3)
        self.register_buffer("calls", torch.zeros(()))

    def forward(self, x):
        self.calls += 1
        return (self.conv(x) * self.calls).mean((2, 3))


def test_a_gradient_goes_through_what_a_call_has_left_in_a_buffer():
    torch.manual_seed(0)
    cnn = Counts()
    subject = Subject(cnn, input_shape=(3, 8, 8))
    for of in (subject, copy.deepcopy(subject).double()):
        images = torch.rand(2, 3, 8, 8, dtype=of.mean.dtype, requires_grad=True)
        first = of(images, ["logits"])["logits"]
        of(images, ["logits"])  # a look at the pictures before the backward pass
        (gradient,) = torch.autograd.grad(first.sum(), images)
        plain = of.cnn.conv(images).mean((2, 3))
        torch.testing.assert_close(first, plain)  # every call is the first
        torch.testing.assert_close(gradient, torch.autograd.grad(plain.sum(), images)[0])
