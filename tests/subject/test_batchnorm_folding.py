"""Batch normalization folded into convolutions: the scores stay, and so do the weights."""

import copy
from functools import partial

import pytest
import torch
from torch import nn

from prober.cli.layer_table import layers_table
from prober.subject import Subject
from tests.benchmarks.resnet import settled_resnet18


class Net(nn.Module):
    """Two convolutions with batch normalization; `also` uses the first one's output once more."""

    def __init__(self, also=False, **options):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, 6, 3, bias=False), nn.BatchNorm2d(6, **options)
        self.conv2, self.bn2 = nn.Conv2d(6, 4, 3, groups=2), nn.BatchNorm2d(4, **options)
        self.also = also
        for bn in (self.bn1, self.bn2):
            if bn.running_mean is not None:
                bn.running_mean.normal_()
                bn.running_var.uniform_(0.5, 2)
            if bn.weight is not None:
                nn.init.normal_(bn.weight)
                nn.init.normal_(bn.bias)

    def forward(self, x):
        first = self.conv1(x)
        x = self.bn1(first) + (first if self.also else 0)
        return self.bn2(self.conv2(x.relu())).mean((2, 3))


def subject(cnn, shape=(3, 12, 12)):
    return Subject(cnn, input_shape=shape)


def unfolded(of):
    other = copy.deepcopy(of)
    other.folding.pairs = []
    return other


def names(of):
    return [pair.names for pair in of.folding.pairs]


@pytest.mark.parametrize("options", [{}, {"affine": False}])
def test_every_layer_gives_the_same(options):
    torch.manual_seed(0)
    cnn = Net(**options).eval()
    folded = subject(cnn)
    assert names(folded) == [("conv1", "bn1"), ("conv2", "bn2")]
    images = torch.rand(3, 3, 12, 12, requires_grad=True)
    with torch.no_grad():
        expected = cnn.conv1(images)
        torch.testing.assert_close(folded(images, ["conv1"])["conv1"], expected)
        normalized = cnn.bn1(expected)
        torch.testing.assert_close(folded(images, ["bn1"])["bn1"], normalized)
        logits = cnn(images)
        assert (folded(images, ["logits"])["logits"] - logits).abs().max() < 1e-5
    # ... and leads to the same gradient.
    (gradient,) = torch.autograd.grad(folded(images, ["logits"])["logits"].sum(), images)
    (plain,) = torch.autograd.grad(cnn(images).sum(), images)
    torch.testing.assert_close(gradient, plain)


def test_it_does_run_folded():
    torch.manual_seed(0)
    folded = subject(Net())
    seen = []
    folded.folding.pairs[0].normalization.register_forward_hook(
        lambda _module, inputs, output: seen.append(output is inputs[0])
    )
    images = torch.rand(1, 3, 12, 12)
    folded(images, ["logits"])
    copy.deepcopy(folded).double()(images.double(), ["logits"])
    folded(images, ["bn1"])
    folded(images, ["conv1", "bn1"])
    # Not in float64 (a pass finds out whether the CNN takes that), nor with a probed convolution.
    assert seen == [True, False, False, True, False]


class SwitchesNorms(Net):
    """Whose own `train` leaves the convolutions as they are made, for training."""

    def train(self, mode=True):
        for module in (self.bn1, self.bn2):
            module.train(mode)
        return self


def test_a_convolution_that_is_still_training_is_folded_as_well():
    cnn = SwitchesNorms()
    images = torch.rand(2, 3, 12, 12)
    found = subject(cnn)
    expected = cnn.eval()(images)
    assert cnn.conv1.training and found.folding.pairs
    assert torch.allclose(found(images, ["logits"])["logits"], expected, atol=1e-5)


def test_what_is_folded_is_found_out_when_it_is_first_needed():
    torch.manual_seed(0)
    cnn = Net().eval()
    folded, images = subject(cnn), torch.rand(1, 3, 12, 12)
    passes = []
    folded.cnn.conv1.register_forward_hook(lambda *_: passes.append(1))
    layers_table(folded)
    assert len(passes) == 1  # for the receptive fields
    folded.double()(images.double(), ["logits"])
    assert len(passes) == 3  # and one that finds out whether the CNN takes float64
    folded.float()(images, ["logits"])
    assert len(passes) > 5
    passes.clear()
    folded(images, ["logits"])
    assert passes == [1]


@pytest.mark.parametrize(
    "mode",
    [torch.inference_mode, torch.no_grad, partial(torch.autocast, "cpu", dtype=torch.bfloat16)],
)
def test_it_is_found_out_in_whatever_mode_the_first_pass_runs(mode):
    torch.manual_seed(0)
    cnn = Net().eval()
    folded, images = subject(cnn), torch.rand(1, 3, 12, 12)
    with mode():
        folded(images, ["logits"])
    assert names(folded) == [("conv1", "bn1"), ("conv2", "bn2")]
    images.requires_grad_()
    (gradient,) = torch.autograd.grad(folded(images, ["logits"])["logits"].sum(), images)
    (plain,) = torch.autograd.grad(cnn(images).sum(), images)
    torch.testing.assert_close(gradient, plain)


def test_hooks_that_are_put_on_it_later_do_not_matter():
    torch.manual_seed(0)
    folded = subject(Net())
    folded.cnn.bn1.register_forward_hook(lambda *_: None)
    assert names(folded) == [("conv1", "bn1"), ("conv2", "bn2")]


def test_the_weights_are_not_touched_by_it():
    torch.manual_seed(0)
    cnn = Net()
    before = {name: value.clone() for name, value in cnn.state_dict().items()}
    folded = subject(cnn)
    folded(torch.rand(1, 3, 12, 12), ["logits"])
    for name, value in folded.cnn.state_dict().items():
        assert torch.equal(value, before[name])
    assert folded.hash_weights() == folded.sha256
    assert dict(folded.named_parameters()) == {}


def test_an_output_that_is_used_elsewhere_stays_as_it_is():
    torch.manual_seed(0)
    cnn = Net(also=True).eval()
    folded = subject(cnn)
    assert names(folded) == [("conv2", "bn2")]
    images = torch.rand(2, 3, 12, 12)
    assert (folded(images, ["logits"])["logits"] - cnn(images)).abs().max() < 1e-5


class Branches(nn.Module):
    """A convolution whose output goes elsewhere, too."""

    def __init__(self, branch):
        super().__init__()
        self.block = nn.Sequential(nn.Conv2d(3, 4, 3))
        self.drop, self.aux = nn.Dropout(), nn.Conv2d(4, 2, 1)
        self.bn = nn.BatchNorm2d(4)
        self.bn.running_mean.normal_()
        self.branch = branch

    def forward(self, x):
        x = self.block(x)
        if self.branch:
            self.aux(x)
        return self.bn(self.drop(x)).mean((2, 3))


@pytest.mark.parametrize("branch", [False, True])
def test_layers_between_and_beside_give_the_same(branch):
    torch.manual_seed(0)
    cnn = Branches(branch).eval()
    folded, images = subject(cnn), torch.rand(2, 3, 12, 12)
    expected = {"block": cnn.block(images), "aux": cnn.aux(cnn.block(images))}
    for layer in ("block", "block.0", "drop", *(["aux"] if branch else [])):
        wanted = expected["aux" if layer == "aux" else "block"]
        torch.testing.assert_close(folded(images, [layer])[layer], wanted)


def test_statistics_of_the_batch_are_not_folded():
    assert names(subject(Net(track_running_stats=False), (3, 12, 12))) == []


def test_an_error_in_the_forward_pass_leaves_nothing_folded():
    torch.manual_seed(0)
    folded = subject(Net())
    own = folded.cnn.conv1.weight
    with pytest.raises(RuntimeError):
        folded(torch.rand(1, 4, 12, 12), ["logits"])
    assert folded.cnn.conv1.weight is own
    assert "forward" not in vars(folded.cnn.bn1)


def test_a_resnet_s_scores_are_the_same_to_1e_5():
    folded = subject(settled_resnet18(classes=10), (3, 64, 64))
    assert len(folded.folding.pairs) == 20
    other, images = unfolded(folded), torch.rand(2, 3, 64, 64)
    for layer in ("layer1.0.conv2", "layer2.0.shortcut.1", "layer3.1", "layer4.1.bn2", "logits"):
        one, two = (s(images, [layer])[layer] for s in (folded, other))
        assert (one - two).abs().max() <= 1e-5 * two.abs().max()


class FindsNothing(nn.Module):
    """A detector whose boxes are those above a score that none has."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.bn = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)

    def forward(self, x):
        maps = self.bn(self.conv(x))
        scores = maps.flatten()
        return {"maps": maps, "boxes": scores[scores > 1e6]}


def test_a_detector_that_finds_nothing_is_folded_all_the_same():
    folded = Subject(FindsNothing(), input_shape=(3, 8, 8))
    assert len(folded.folding.pairs) == 1
    found = folded(torch.rand(2, 3, 8, 8), ["logits"])["logits"]
    assert found.shape == (2, 4, 6, 6)
