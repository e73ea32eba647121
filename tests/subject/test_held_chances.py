"""CNNs that draw random numbers: the same in every pass, for every image, in every precision."""

import copy
import random

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from prober.subject import Subject
from tests.subject.nets import IMAGES, Net, conv


def of(draw):
    """A CNN of six units that a function of theirs ends in."""
    return Net(lambda net, x: draw(net.conv(x).mean((2, 3))), conv=conv(outputs=6))


DRAWS = {
    "dropout": lambda x: F.dropout(x, 0.5, True),
    "dropout of maps": lambda x: F.dropout2d(x[:, :, None, None], 0.5, True).flatten(1),
    "randn": lambda x: x + torch.randn(x.shape),
    "rand, by numbers": lambda x: x * (torch.rand(len(x), 6, dtype=x.dtype) > 0.5),
    "like": lambda x: x + torch.randn_like(x) + torch.rand_like(input=x > 0, dtype=x.dtype),
    "in place": lambda x: x + torch.empty_like(x).normal_(0, 2),
    "a distribution": lambda x: torch.distributions.Normal(x, x.abs() + 1).rsample(),
    "yes or no": lambda x: x * torch.bernoulli(x.detach().sigmoid()),
}


@pytest.mark.parametrize("draw", DRAWS.values(), ids=DRAWS)
def test_each_image_gets_the_same_in_every_pass_and_precision(draw):
    cnn = of(draw)
    before = torch.random.get_rng_state()
    subject = Subject(cnn, input_shape=(3, 8, 8))
    (said,) = subject.notes
    assert said == "Net draws random numbers in its forward pass, here the same each time."

    def answers(images, cnn=subject):
        return cnn(images, ["logits"])["logits"]

    found = answers(IMAGES)
    assert torch.equal(answers(IMAGES), found)
    alone = torch.cat([answers(image[None]) for image in IMAGES])
    torch.testing.assert_close(alone, found)
    fine = answers(IMAGES.double(), copy.deepcopy(subject).double())
    torch.testing.assert_close(fine.float(), found)
    assert torch.equal(torch.random.get_rng_state(), before)
    plain = Subject(of(lambda x: x), input_shape=(3, 8, 8))
    assert not torch.allclose(answers(IMAGES, plain), found)  # something is drawn
    assert found[0].std() > 0 and not plain.notes


def chosen(x):
    """Three of the units, that are drawn, the likelier the larger."""
    return x.gather(1, torch.multinomial(x.softmax(1), 3))


def at_any_place(net, x):
    """Begins anywhere, so that its maps are of any size."""
    place = int(torch.randint(0, 6, ()))
    return net.conv(x[:, :, place:]).mean((2, 3))


FOR_ONE_ALONE = {
    "gumbel": of(lambda x: x + F.gumbel_softmax(x, hard=True)),
    "a choice": of(chosen),
    "an order": of(lambda x: x[:, torch.randperm(6)]),
    "a size": Net(at_any_place, conv=conv(outputs=6)),
    "names": of(lambda x: x + torch.normal(mean=torch.zeros_like(x), std=torch.ones_like(x))),
    "numpy": of(lambda x: x + torch.from_numpy(np.random.randn(*x.shape)).to(x)),
    "python": of(lambda x: x * random.random()),
}


@pytest.mark.parametrize("cnn", FOR_ONE_ALONE.values(), ids=FOR_ONE_ALONE)
def test_whatever_is_drawn_is_the_same_for_an_image_wherever_it_stands(cnn):
    before = random.getstate(), np.random.get_state()[1].tolist(), torch.random.get_rng_state()
    subject = Subject(cnn, input_shape=(3, 8, 8))
    assert subject.notes == [
        "Net draws random numbers in its forward pass, here the same each time, for images that go "
        "through one at a time."
    ]
    found = subject(IMAGES, ["conv", "logits"])
    again = subject(IMAGES.flip(0), ["conv", "logits"])
    for name, output in found.items():
        torch.testing.assert_close(again[name].flip(0), output)
    for place, image in enumerate(IMAGES):
        torch.testing.assert_close(
            subject(image[None], ["logits"])["logits"][0], found["logits"][place]
        )
    after = random.getstate(), np.random.get_state()[1].tolist(), torch.random.get_rng_state()
    assert before[:2] == after[:2] and before[2].equal(after[2])


def test_a_second_draw_is_another():
    subject = Subject(
        of(lambda x: torch.randn_like(x) - torch.randn_like(x)), input_shape=(3, 8, 8)
    )
    assert subject(IMAGES, ["logits"])["logits"].abs().min() > 1e-3


def test_dropout_that_is_off_draws_nothing():
    cnn = Net(lambda net, x: net.drop(net.conv(x)), conv=conv(), drop=lambda: nn.Dropout(0.5))
    assert not Subject(cnn, input_shape=(3, 8, 8)).notes


class Doubled(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return 2 * x

    @staticmethod
    def backward(ctx, gradient):
        return 2 * gradient


def test_a_backward_pass_of_its_own_draws_nothing():
    cnn = Net(
        lambda net, x: net.fc(Doubled.apply(net.conv(x)).mean((2, 3))),
        conv=conv(outputs=6),
        fc=lambda: nn.Linear(6, 4),
    )
    assert not Subject(cnn, input_shape=(3, 8, 8)).notes
