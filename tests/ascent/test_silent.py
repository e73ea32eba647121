"""Targets behind ReLUs that are shut at the start."""

import pytest
import torch

from prober.ascent.method import Method
from prober.ascent.module import ActivationMaximization, single_target
from prober.ascent.objectives import ChannelMean, Neuron
from prober.ascent.silent import LEAKY_STEPS
from prober.ascent.target_records import target_records
from prober.ascent.targets import Target
from prober.subject import Subject
from tests import plain
from tests.cnns import CUT, EDGE, NEVER, OPEN, SHUT, Shut


@pytest.fixture
def subject():  # whose precision a run changes
    return Subject(Shut(), input_shape=(1, 12, 12))


def records(subject, objectives, style, precision="64-true", steps=60):
    targets = [Target(objective, None, None, seed) for seed, objective in enumerate(objectives)]
    module = ActivationMaximization(subject, targets, Method(style=style))
    trainer = plain.fit(module, steps, precision)
    return target_records(module, module.evaluate(), trainer, 0.0), module


@pytest.mark.parametrize("style", ["plain", "legible"])
def test_a_silent_unit_wakes_and_others_go_the_plain_way(subject, style):
    objectives = [ChannelMean("out", channel) for channel in (OPEN, SHUT, EDGE, NEVER, CUT)]
    found, _ = records(subject, objectives, style)
    assert all(record["score_start"] == 0 for record in found[SHUT:CUT])
    assert found[SHUT]["score_end"] > 0.5 and found[EDGE]["score_end"] > 0.1
    assert [record["dead"] for record in found[:CUT]] == [False, False, False, True]
    leaky = [record["leaky_steps"] for record in found]
    assert leaky[OPEN] == 0 < min(leaky[SHUT], leaky[EDGE])
    assert max(leaky[SHUT], leaky[EDGE]) < LEAKY_STEPS
    # What stays shut is told from what the CNN cuts off.
    assert leaky[NEVER] == LEAKY_STEPS and leaky[CUT] == 0


@pytest.mark.parametrize("style", ["plain", "legible"])
def test_a_silent_target_is_the_same_alone_and_in_a_batch(subject, style):
    objectives = [ChannelMean("out", SHUT), ChannelMean("out", OPEN), Neuron("out", EDGE, 3, 3)]
    together, module = records(subject, objectives, style, steps=25)
    assert [record["leaky_steps"] > 0 for record in together] == [True, False, True]
    for seed, objective in enumerate(objectives):
        alone = single_target(subject, objective, seed=seed, style=style)
        plain.fit(alone, 25)
        assert torch.equal(alone.image[0], module.image[seed])


def test_what_is_not_silent_is_left_bit_for_bit(subject):
    """A channel that is open goes as it does in the method written out once more."""
    (record,), module = records(subject, [ChannelMean("out", OPEN)], "plain", steps=5)
    x = plain.noise(0, (1, 12, 12)).double().requires_grad_()
    optimizer = torch.optim.Adam([x], lr=0.05)
    cnn = Shut().double()
    for _ in range(5):
        optimizer.zero_grad()
        shifts = x.diff(dim=1).abs().mean() + x.diff(dim=2).abs().mean()
        score = cnn.relu(cnn.conv(x[None]))[0, OPEN].mean()
        (1e-4 * (x**2).mean() + 1e-3 * shifts - score).backward()
        optimizer.step()
        x.data.clamp_(0, 1)
    assert record["leaky_steps"] == 0
    torch.testing.assert_close(module.image[0], x, rtol=0, atol=1e-12)


def test_settling_with_silent_targets_in_the_batch(subject):
    """What ends early leaves the others' numbers and steps as they are."""
    targets = [Target(ChannelMean("out", c), None, None, 0) for c in (OPEN, NEVER, SHUT)]
    module = ActivationMaximization(subject, targets, Method(style="plain", settle=0.01))
    plain.fit(module, 150, "32-true")
    assert module.settled_at[0] > 0 > module.settled_at[1]
    assert module.silent.leaky_steps[1] == LEAKY_STEPS
    assert 0 < module.silent.leaky_steps[2] < LEAKY_STEPS
