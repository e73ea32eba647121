"""The scores of many images by objectives of any kind, computed together."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from prober.ascent.batched_objectives import BatchedObjectives
from prober.ascent.method import Method
from prober.ascent.module import ActivationMaximization
from prober.ascent.objectives import ChannelMean, ClassConditional
from prober.ascent.starts import GaussianNoise
from prober.ascent.targets import Target
from tests import plain
from tests.ascent.objectives import CASES, IMAGES, SUBJECT, layers_of


@given(st.lists(st.integers(0, len(CASES) - 1), min_size=1, max_size=len(CASES)))
def test_scores_of_any_mixed_batch_are_those_of_each_alone(picks):
    objectives = [CASES[pick][0].resolved(SUBJECT) for pick in picks]
    scores = BatchedObjectives(objectives)
    images = IMAGES[: len(picks)]
    actual = scores(SUBJECT(images, scores.layers))
    expected = [float(CASES[pick][2](layers_of(i))) for i, pick in enumerate(picks)]
    assert actual.shape == (len(picks),)
    assert actual.tolist() == pytest.approx(expected, rel=1e-10, abs=1e-12)


def test_only_the_layers_that_are_needed_are_asked_for():
    assert BatchedObjectives([ChannelMean("conv1", 0)]).layers == {"conv1"}
    both = [ChannelMean("conv1", 0), ClassConditional(ChannelMean("conv2", 0), 1)]
    assert BatchedObjectives(both).layers == {"conv1", "conv2", "logits"}


def test_float32_batch_is_within_rounding_of_the_formulas():
    targets = [
        Target(objective, GaussianNoise(), (), i) for i, (objective, _, _) in enumerate(CASES)
    ]
    module = ActivationMaximization(plain.subject(), targets, Method(style="plain"))
    assert module.image.dtype == torch.float32
    layers = plain.outputs(torch.stack([plain.noise(i) for i in range(len(CASES))]).double())
    expected = [
        float(score({layer: output[i] for layer, output in layers.items()}))
        for i, (_, _, score) in enumerate(CASES)
    ]
    assert module.evaluate().score.tolist() == pytest.approx(expected, rel=1e-4, abs=1e-5)
