"""How strange a picture is to batch normalizations, and pictures that are held to be less so."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

import prober
from prober.ascent.losses import Losses
from prober.ascent.method import Method
from prober.ascent.module import ActivationMaximization
from prober.ascent.objectives import ChannelMean
from prober.ascent.scorer import Scorer
from prober.ascent.strangeness import normalizations_before, strangeness
from prober.ascent.targets import Target
from prober.common.errors import InputError
from prober.subject import Subject
from tests import plain

LOGIT = ChannelMean("logits", 2)


def trained(*others):
    """A CNN whose normalizations, not all of one kind, have seen dark images with light squares."""
    torch.manual_seed(0)
    cnn = nn.Sequential(
        nn.Conv2d(3, 6, 3, padding=1),
        nn.BatchNorm2d(6),
        nn.ReLU(inplace=True),
        nn.Conv2d(6, 5, 3, stride=2),
        nn.BatchNorm2d(5, affine=False),
        nn.ReLU(inplace=True),
        nn.BatchNorm2d(5, track_running_stats=False),
        nn.ReLU(inplace=True),
        *others,
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(5, 4),
    )
    with torch.no_grad():
        cnn[1].weight.copy_(torch.tensor([1.0, -0.5, 2, 0, 1e-20, 0.1]))
        cnn[1].bias.copy_(torch.linspace(-1, 1, 6))
        for _ in range(50):
            cnn(images(8))
    return cnn.eval()


def images(number):
    dark = 0.1 * torch.rand(number, 3, 12, 12)
    dark[:, :, 3:7, 4:9] += 0.8
    return dark


def subject(*others):
    return Subject(trained(*others), input_shape=(3, 12, 12))


def expected(cnn, pictures):
    """By the inputs of the normalizations, in numpy, of each picture and each channel alone."""
    with torch.no_grad():
        inputs = {i: cnn[:i](pictures).double().numpy() for i in (1, 4)}
    strange = []
    for n in range(len(pictures)):
        layers = []
        for i, channels in ((1, [0, 1, 2, 5]), (4, range(5))):  # the others are switched off
            of_channels = []
            for c in channels:
                values = inputs[i][n, c]
                mean, variance = cnn[i].running_mean[c].item(), cnn[i].running_var[c].item()
                far = (values.mean() - mean) ** 2 / variance
                spread = np.log((values.var() / variance + 0.1) / 1.1) ** 2 / 4
                of_channels.append(far + spread)
            layers.append(np.mean(of_channels))
        strange.append(np.mean(layers))
    return strange


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_strangeness_is_the_distance_from_the_means_and_variances_of_the_training(dtype):
    pictures = torch.cat([torch.rand(3, 3, 12, 12), images(1), torch.full((1, 3, 12, 12), 0.5)])
    wanted = expected(trained(), pictures)
    own = subject().to(dtype)
    names = normalizations_before(own, LOGIT.layers)
    assert names == ("1", "4")
    found = strangeness(own, own(pictures.to(dtype), names), names)
    np.testing.assert_allclose(found, wanted, rtol=2e-4)
    assert wanted[3] < 0.1 < min(wanted[:3] + wanted[4:])  # a picture as in training is not strange


def test_only_units_without_a_map_are_held_and_only_by_what_is_before_them():
    of_parts = subject(nn.Conv2d(5, 5, 1), nn.BatchNorm2d(5))
    assert normalizations_before(of_parts, LOGIT.layers) == ("1", "4", "9")
    assert normalizations_before(of_parts, {"3"}) == ()
    assert normalizations_before(of_parts, (LOGIT + ChannelMean("3", 2)).layers) == ()
    assert normalizations_before(plain.subject(), {"logits"}) == ()
    targets = [Target(each, None, None, 0) for each in (LOGIT, ChannelMean("3", 2))]
    module = ActivationMaximization(of_parts, targets)
    assert [own.batchnorm_statistics for own in module.methods] == [1.0, 0.0]
    assert [own.record()["batchnorm_statistics"] for own in module.methods] == [1.0, 0.0]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_convolution_whose_map_is_one_pixel_is_held_as_a_linear_layer_is(dtype):
    held = Subject(nn.Sequential(*trained()[:3], nn.Conv2d(6, 4, 12)), input_shape=(3, 12, 12))
    assert normalizations_before(held, {"3"}) == ("1",)
    mean = ChannelMean("3", 2)
    pictures = images(2).to(dtype)
    held.to(dtype)
    _, found = Scorer(held, [mean] * 2, [("1",)] * 2).with_strangeness(pictures)
    torch.testing.assert_close(found, strangeness(held, held(pictures, ["1"]), ["1"]))
    assert (found > 0).all()


def test_it_is_in_the_gradient_of_the_loss_as_a_part_of_the_gain():
    own = subject()
    names = normalizations_before(own, LOGIT.layers)
    objectives = [LOGIT, ChannelMean("3", 2), ChannelMean("logits", 1), ChannelMean("logits", 0)]
    targets = [Target(each.resolved(own), None, None, 0) for each in objectives]
    pictures = torch.rand(4, 3, 12, 12).requires_grad_()
    losses = Losses(own, targets, None, [0.5, 0.0, 2.0, 1.0])
    scores = Scorer(own, [target.objective for target in targets])(pictures)
    begun = scores.detach() - torch.tensor([3.0, 1.0, 0.5, -2.0])  # the last has lost
    strange = strangeness(own, own(pictures, names), names)
    pull = torch.tensor([0.5 * 3, 0, 2 * 0.5, 0]) * strange
    for start, wanted in ((begun, pull - scores), (None, -scores)):
        measures = losses(pictures, None, None, exact=False, begun=start)
        torch.testing.assert_close(measures.score, scores)
        torch.testing.assert_close(measures.loss, -scores)
        (expected,) = torch.autograd.grad(wanted.sum(), pictures, retain_graph=True)
        (found,) = torch.autograd.grad(measures.loss.sum(), pictures)
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-7)


class Twice(nn.Module):
    """Calls a normalization twice, one that does more, one in training and one never trained."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 3, padding=1)
        self.norm, self.more, self.fresh = nn.BatchNorm2d(3), WithReLU(3), nn.BatchNorm2d(3)
        self.training_still = nn.BatchNorm2d(3)
        self.head = nn.Conv2d(3, 4, 1)
        for module in (self.norm, self.more, self.training_still):
            module.running_mean += 0.1

    def train(self, mode=True):
        super().train(mode)
        self.training_still.training = True
        return self

    def forward(self, x):
        for module in (self.norm, self.norm, self.more, self.fresh, self.training_still):
            x = module(self.conv(x))
        return self.head(x.mean((2, 3), keepdim=True))


class WithReLU(nn.BatchNorm2d):
    def forward(self, x):
        return super().forward(x).relu()


def test_each_call_of_a_trained_normalization_counts_once():
    own = Subject(Twice(), input_shape=(3, 8, 8))
    names = normalizations_before(own, {"logits"})  # [4, 1, 1] of an image: no map
    assert [own.layers[name].place[:2] for name in names] == [("norm", 0), ("norm", 1)]


def test_channels_that_hardly_varied_in_training_are_measured_by_what_left_them():
    """A normalization divides by more than the deviation: by that of the variance and eps."""
    cnn = nn.Sequential(nn.BatchNorm2d(2, affine=False), nn.Flatten(), nn.Linear(128, 2)).eval()
    cnn[0].running_mean[:] = torch.tensor([0.5, 0.2])
    cnn[0].running_var[:] = torch.tensor([1e-5, 0.04])
    own = Subject(cnn, input_shape=(2, 8, 8))
    signs = torch.tensor([1.0, -1]).repeat(32).view(8, 8)
    deviations = torch.tensor([1e-5**0.5, 0.2])[:, None, None]
    usual = torch.tensor([0.5, 0.2])[:, None, None] + deviations * signs
    assert strangeness(own, own(usual[None], ["0"]), ["0"]).item() == pytest.approx(0, abs=1e-4)


def test_pictures_do_not_depend_on_what_is_added_to_all_logits():
    made = []
    for added in (0.0, 20.0):
        cnn = trained()
        cnn[-1].bias.data += added
        own = Subject(cnn, input_shape=(3, 12, 12))
        made.append(prober.visualize(own, "logits:2", steps=40, precision="64-true").array)
    np.testing.assert_allclose(*made, atol=1e-6)


def made(own, **how):
    picture = prober.visualize(own, "logits:2", steps=60, **how)
    names = normalizations_before(own, LOGIT.layers)
    array = torch.from_numpy(picture.array)[None]
    return picture, strangeness(own, own(array, names), names).item()


def test_a_legible_picture_is_less_strange_at_less_score():
    held, less = made(subject())
    free, more = made(subject(), batchnorm_statistics=0)
    assert held.record["batchnorm_statistics"] == 1.0
    assert less < 0.7 * more and made(subject(), batchnorm_statistics=5)[1] < 0.3 * more
    assert held.record["score_start"] < held.record["score_end"] < free.record["score_end"]
    assert made(subject(), style="plain")[0].record["batchnorm_statistics"] == 0.0


def test_in_float64_it_is_bit_for_bit_the_same_alone_and_in_a_batch():
    own = subject()
    targets = [Target(ChannelMean("logits", i), None, None, i) for i in range(3)]
    together, *alone = [
        ActivationMaximization(copy.deepcopy(own).double(), some, Method()).double()
        for some in (targets, *([target] for target in targets))
    ]
    for module in (together, *alone):
        plain.fit(module, 4, precision="64-true")
    assert torch.equal(together.image, torch.cat([module.image for module in alone]))


def test_what_matters_is_the_gradient_of_the_score_alone():
    modules = [
        ActivationMaximization(subject(), [Target(LOGIT, None, None, 0)], Method(transforms=()))
        for _ in range(2)
    ]
    first, second = modules
    shown = [first.pictures().detach()]
    plain.fit(first, 10)
    plain.fit(second, 11)  # steps 0 and 10 are looked at
    shown.append(first.pictures().detach())
    seen, own = [], subject().double()
    for pictures in shown:
        pictures = pictures.double().requires_grad_()
        (gradient,) = torch.autograd.grad(own(pictures, ["logits"])["logits"][0, 2], pictures)
        seen.append(gradient.abs().sum(1))
    expected = (seen[0] / 2 + seen[1]) / 2
    torch.testing.assert_close(second.matters.gradient.double(), expected, rtol=1e-3, atol=1e-5)


def test_it_is_held_in_bfloat16_too():
    own = subject()
    names = normalizations_before(own, LOGIT.layers)
    pictures = images(2)
    wanted = strangeness(own, own(pictures, names), names)
    with torch.autocast("cpu", torch.bfloat16):
        found = strangeness(own, own(pictures, names), names)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, wanted, rtol=0.1, atol=0.02)


@pytest.mark.parametrize("weight", [-1, float("nan"), "much"])
def test_a_weight_out_of_range_is_told(weight):
    with pytest.raises(InputError, match=f"batchnorm_statistics of Method is {weight}; it must be"):
        Method(batchnorm_statistics=weight)


def test_runs_from_before_are_made_again_without_it():
    record = made(subject())[0].record
    assert record.pop("batchnorm_statistics") == 1.0
    assert Method.from_record(record).batchnorm_statistics == 0.0
