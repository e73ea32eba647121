import pytest
import torch
from torch import nn

from prober.ascent.batched_objectives import BatchedObjectives
from prober.ascent.layer_objectives import DeepDream
from prober.ascent.objectives import ChannelMean, Neuron, TopKMean
from prober.ascent.scorer import Scorer, share_seen
from prober.subject import Subject
from prober.subject.crops import crop_of

SUBJECT = Subject()

NEURON = Neuron("conv2", 3, 7, 7)

BATCHES = {
    "one neuron of several channels": [Neuron("conv2", c, 7, 7) for c in (3, 0, 3)],
    "neurons in the middle, apart": [Neuron("conv2", c, 3 + c, 8 - c) for c in range(4)],
    "neurons at the border": [
        Neuron("conv3", c, h, w) for c, (h, w) in enumerate([(0, 3), (6, 6)])
    ],
    "neurons among others": [
        *(ChannelMean("conv2", 1), NEURON, TopKMean("conv2", 5, 9), Neuron("conv2", 4, 0, 0)),
    ],
    "sums of one neuron's channels": [NEURON - 0.5 * Neuron("conv2", 9, 7, 7), -NEURON],
    "sums of several neurons": [NEURON + Neuron("conv2", 3, 2, 2), NEURON],
    "of several layers": [NEURON + 0.1 * ChannelMean("logits", 3), DeepDream("conv1")],
}


@pytest.mark.parametrize("objectives", BATCHES.values(), ids=BATCHES)
def test_a_score_is_what_the_whole_image_gives(objectives):
    resolved = [objective.resolved(SUBJECT) for objective in objectives]
    images = torch.rand(len(resolved), 3, 28, 28, generator=torch.Generator().manual_seed(2))
    images.requires_grad_()
    whole = BatchedObjectives(resolved)
    wanted = whole(SUBJECT(images, whole.layers))
    found = Scorer(SUBJECT, resolved)(images)
    torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-5)
    gradients = [torch.autograd.grad(scores.sum(), images)[0] for scores in (found, wanted)]
    torch.testing.assert_close(*gradients, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("without", [torch.no_grad, torch.inference_mode])
def test_what_was_scored_without_gradients_is_scored_with_them_alike(without, dtype):
    objectives = [each.resolved(SUBJECT) for batch in BATCHES.values() for each in batch]
    x = torch.rand(len(objectives), 3, 28, 28, dtype=dtype).requires_grad_()
    found = []
    for first in (without, torch.enable_grad):
        subject = Subject().to(dtype)
        scorer = Scorer(subject, objectives)
        with first():
            before = scorer(x)
        scores = scorer(x)
        assert torch.equal(before, scores)
        found.append((scores.detach(), *torch.autograd.grad(scores.sum(), x)))
    assert all(map(torch.equal, *found))


def test_a_crop_gives_no_statistics_that_a_picture_is_held_to():
    cnn = nn.Sequential(nn.Conv2d(3, 8, 4, 4), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 16, 7))
    nn.init.normal_(cnn[1].running_mean)
    subject = Subject(cnn.eval(), input_shape=(3, 30, 30))  # two lines of it count nowhere
    assert crop_of(subject, "3", (0, 0), [0]).size == (28, 28)
    images = torch.rand(2, 3, 30, 30)
    found = []
    for objective in (Neuron("3", 0, 0, 0), ChannelMean("3", 0)):  # the same, of a map of a pixel
        scorer = Scorer(subject, [objective.resolved(subject)] * 2, [("1",)] * 2)
        found.append(scorer.with_strangeness(images))
    for of_neuron, of_mean in zip(*found, strict=True):
        torch.testing.assert_close(of_neuron, of_mean)
    assert (found[0][1] > 0).all()


def test_of_an_image_only_what_its_neuron_sees_goes_through_the_cnn():
    sizes = []
    subject = Subject()
    scorer = Scorer(subject, [NEURON, Neuron("conv2", 4, 5, 6)])
    images = torch.rand(2, 3, 28, 28)
    scorer(images)
    subject.cnn.conv1.register_forward_pre_hook(lambda _, given: sizes.append(given[0].shape[2:]))
    scorer(images)
    assert sizes == [(8, 8)]
    assert share_seen(subject, [NEURON]) == pytest.approx(64 / 784)
    assert share_seen(subject, [NEURON, ChannelMean("conv2", 3)]) == 1
