import copy

import numpy as np
import pytest
import torch
from lightning.pytorch import Trainer

from prober.ascent.datamodule import StepsDataModule
from prober.ascent.layer_objectives import Diversity
from prober.ascent.method import Method
from prober.ascent.module import ActivationMaximization
from prober.ascent.objectives import ChannelMean, Neuron, TopKMean
from prober.ascent.regularizers import L2, Distance, TotalVariation
from prober.ascent.settling import EVERY, WINDOW, Settling
from prober.ascent.starts import GaussianNoise, GrayNoise
from prober.ascent.targets import Target
from prober.ascent.transforms import Jitter
from prober.common.errors import InputError
from prober.subject import Subject
from tests import plain
from tests.cnns import NEVER, OPEN, Shut

SUBJECT = Subject()


def settled_step(scores, share):
    """The step after which one score has settled, by its definition; -1 if it does not."""
    for step in range(WINDOW + EVERY, len(scores) + 1, EVERY):
        best, before = np.nanmax(scores[:step]), np.nanmax(scores[: step - WINDOW])
        gain = best - scores[0]
        if gain > 0 and best - before <= share * gain:
            return step
    return -1


@pytest.mark.parametrize("share", [0.3, 0.01, 0.001])
def test_a_score_has_settled_when_its_best_has_risen_by_no_more_than_a_share_of_its_gain(share):
    step = np.arange(300)
    noise = np.random.default_rng(0).normal(0, 0.05, 300)
    curves = np.stack(
        [1 - np.exp(-step / 20), 1 - np.exp(-step / 60), np.sqrt(step), 0 * step, -step, noise + 3]
    )
    curves[0, 100] = np.nan
    settling, found, going = Settling(share), np.full(len(curves), -1), np.arange(len(curves))
    for i in step:
        settled = settling.settled(i + 1, torch.tensor(curves[going, i]))
        if settled is not None and settled.any():
            found[going[settled.numpy()]] = i + 1
            rest = torch.nonzero(~settled)[:, 0]
            settling.keep(rest)
            going = going[rest.numpy()]
    assert found.tolist() == [settled_step(curve, share) for curve in curves]
    assert found[0] > 0 and (found[3:5] == -1).all()


def fitted(targets, steps=200, precision="64-true", **method):
    trainer = Trainer(
        accelerator="cpu",
        max_steps=steps,
        max_epochs=-1,
        precision=precision,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    module = ActivationMaximization(
        copy.deepcopy(SUBJECT), targets, Method(style="plain", **method)
    )
    trainer.fit(module, StepsDataModule())
    return module, trainer


TARGETS = [
    Target(ChannelMean("conv1", 3), GaussianNoise(), (L2(), TotalVariation()), 1),
    Target(ChannelMean("conv2", 3), GaussianNoise(), (L2(), TotalVariation()), 2),
    Target(Neuron("conv2", 5), GrayNoise(), (Distance(0.5),), 3),
    Target(TopKMean("conv2", 5, k=7), GrayNoise(), (), 4),
]


@pytest.mark.parametrize(
    "method",
    [{}, {"transforms": (Jitter(2),)}, {"averaging": 12}],
    ids=["still", "moved", "averaged"],
)
def test_what_has_settled_is_bit_for_bit_what_so_many_steps_give_alone(method):
    together, trainer = fitted(TARGETS, settle=0.01, **method)
    steps = together.settled_at.tolist()
    assert len(set(steps)) > 1 and min(steps) > 0 and trainer.global_step == max(steps)
    pictures, end = together.pictures().detach(), together.evaluate().score
    for i, target in enumerate(TARGETS):
        alone, _ = fitted([target], steps[i], **method)
        assert torch.equal(alone.pictures()[0], pictures[i])
        assert alone.evaluate().score == end[i]
        itself, own = fitted([target], settle=0.01, **method)
        assert own.global_step == steps[i] and torch.equal(itself.pictures()[0], pictures[i])


def test_the_others_go_on_in_a_smaller_batch_to_the_last_step():
    module, trainer = fitted(TARGETS, 100, "32-true", settle=0.005)
    settled = module.settled_at >= 0
    assert 0 < settled.sum() < len(TARGETS) and trainer.global_step == 100
    assert module.going.tolist() == torch.nonzero(~settled)[:, 0].tolist()
    assert len(module.image) == len(module.going)
    assert len(module.pictures()) == len(module.measures.score) == len(TARGETS)


def test_images_that_are_compared_settle_together():
    objective = ChannelMean("conv2", 3) + 0.5 * Diversity("conv2")
    targets = [Target(objective, GaussianNoise(), (L2(),), seed) for seed in range(3)]
    module, _ = fitted(targets, settle=0.02)
    assert len(set(module.settled_at.tolist())) == 1 and module.settled_at[0] > 0


def test_a_target_that_nothing_excites_makes_all_steps():
    subject = Subject(Shut(), input_shape=(1, 12, 12))
    targets = [Target(ChannelMean("out", channel), None, (), 0) for channel in (NEVER, OPEN)]
    module = ActivationMaximization(subject, targets, Method(style="plain", settle=0.01))
    trainer = plain.fit(module, 120)
    assert module.settled_at[0] == -1 and module.settled_at[1] > 0
    assert trainer.global_step == 120


@pytest.mark.parametrize("settle", [0, 1, -0.1, float("nan"), "soon"])
def test_a_share_lies_between_0_and_1(settle):
    with pytest.raises(InputError, match=r"settle is .*; choose a share between 0 and 1"):
        Method(settle=settle)
