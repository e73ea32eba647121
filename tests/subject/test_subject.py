import copy

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from prober.common.errors import InputError
from prober.subject import Subject
from tests import plain

from .reference.test_cnn import SHAPES


def hooks(module):
    return sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in module.modules())


class Stop(nn.Module):
    """Passes on what it gets, until it is told to raise."""

    armed = False

    def forward(self, x):
        if self.armed:
            raise RuntimeError("the forward pass came here")
        return x


class Chain(nn.Module):
    """Layers that are registered in another order than they run in."""

    def __init__(self):
        super().__init__()
        self.head = nn.Linear(4 * 6 * 6, 5)
        self.stop = Stop()
        self.body = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(inplace=True))
        self.unused = nn.Conv2d(3, 1, 1)

    def forward(self, x):
        return self.head(self.stop(self.body(x)).flatten(1))


def chain():
    torch.manual_seed(0)
    return Subject(Chain(), input_shape=(3, 8, 8))


IMAGES = torch.rand(5, 3, 8, 8, generator=torch.Generator().manual_seed(1))


def test_layers_of_the_reference_cnn_and_their_shapes():
    assert list(plain.shapes(plain.subject()).items()) == [*SHAPES.items(), ("logits", (10,))]


def test_layers_come_in_the_order_in_which_they_run():
    assert list(plain.shapes(chain()).items()) == [
        ("body.0", (4, 6, 6)),
        ("body.1", (4, 6, 6)),
        ("body", (4, 6, 6)),
        ("stop", (4, 6, 6)),
        ("head", (5,)),
        ("logits", (5,)),
    ]


def test_outputs_are_those_of_a_plain_forward_pass():
    subject = plain.subject().double()
    images = torch.rand(4, 3, 28, 28, dtype=torch.float64)
    expected = plain.outputs(images)
    together = subject(images, list(expected))
    assert set(together) == set(expected)
    for layer, output in expected.items():
        alone = subject(images, [layer])
        assert list(alone) == [layer]
        torch.testing.assert_close(alone[layer], output, rtol=0, atol=1e-12)
        torch.testing.assert_close(together[layer], output, rtol=0, atol=1e-12)


def test_outputs_are_on_the_graph_of_the_images():
    images = IMAGES.clone().requires_grad_()
    subject = chain()
    subject(images, ["head"])["head"].sum().backward()
    expected = torch.autograd.grad(
        F.linear(
            F.conv2d(images, subject.cnn.body[0].weight, subject.cnn.body[0].bias)
            .clamp(min=0)
            .flatten(1),
            subject.cnn.head.weight,
            subject.cnn.head.bias,
        ).sum(),
        images,
    )[0]
    assert expected.abs().sum() > 0
    torch.testing.assert_close(images.grad, expected)


def test_stops_at_the_deepest_layer_that_is_needed():
    subject = chain()
    calls = []
    for name, module in subject.cnn.named_modules():
        module.register_forward_pre_hook(lambda _m, _i, name=name: calls.append(name))
    subject.cnn.stop.armed = True

    subject(IMAGES, ["body.0"])
    assert calls == ["", "body", "body.0"]
    calls.clear()
    outputs = subject(IMAGES, ["body.1", "body.0"])
    assert calls == ["", "body", "body.0", "body.1"]
    assert set(outputs) == {"body.0", "body.1"}

    for deeper in (["head"], ["logits"], ["body.0", "logits"], ["stop"]):
        with pytest.raises(RuntimeError, match="came here"):
            subject(IMAGES, deeper)


def test_hooks_are_removed_after_success_stop_and_error():
    subject = chain()
    for layers in (["body.0"], ["body.0", "head"], ["logits"], ["body", "logits"]):
        subject(IMAGES, layers)
        assert hooks(subject) == 0
    subject.cnn.stop.armed = True
    for layers in (["body.0", "head"], ["logits", "body"]):
        with pytest.raises(RuntimeError):
            subject(IMAGES, layers)
        assert hooks(subject) == 0
    with pytest.raises(RuntimeError):
        subject(torch.zeros(1, 2, 8, 8), ["body.0"])
    assert hooks(subject) == 0


def test_hooks_that_were_put_on_the_cnn_are_not_run_and_stay_on_it():
    cnn = Chain()
    seen = []
    cnn.head.register_forward_hook(lambda _m, _i, output: seen.append("head") or output * 2)
    cnn.register_forward_pre_hook(lambda *_: seen.append("whole"))
    cnn.body.register_full_backward_hook(lambda *_: seen.append("back"))
    subject = Subject(cnn, input_shape=(3, 8, 8))
    images = IMAGES.clone().requires_grad_()
    logits = subject(images, ["logits"])["logits"]
    logits.sum().backward()
    assert seen == []
    assert hooks(cnn) == 2
    assert hooks(subject) == 0
    assert subject.notes == ["The hooks that are on Chain (the whole, 'head', 'body') are not run."]
    torch.testing.assert_close(cnn(IMAGES), logits * 2)
    assert seen == ["whole", "head"]


class Watches(nn.Module):
    """A CNN that takes what it needs from a hook on its own layer."""

    def __init__(self):
        super().__init__()
        self.body = nn.Conv2d(3, 4, 3)
        self.rest = nn.AvgPool2d(6)
        self.body.register_forward_hook(self.watch)

    def watch(self, _module, _inputs, output):
        self.seen = output

    def forward(self, x):
        self.rest(self.body(x))
        return self.seen.mean((2, 3))


def test_hooks_that_are_part_of_the_cnn_stay():
    cnn = Watches()
    subject = Subject(cnn, input_shape=(3, 8, 8))
    assert not hasattr(cnn, "seen")
    assert subject.notes == []
    expected = F.conv2d(IMAGES, cnn.body.weight, cnn.body.bias).mean((2, 3))
    torch.testing.assert_close(subject(IMAGES, ["logits"])["logits"], expected)
    assert not hasattr(cnn, "seen")


class CatchesAll(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 2, 3)
        self.other = nn.Conv2d(3, 2, 1)

    def forward(self, x):
        try:
            return self.conv(x).mean((2, 3))
        except Exception:
            return self.other(x).mean((2, 3))


def test_cnn_that_catches_exceptions_does_not_catch_the_stop():
    subject = Subject(CatchesAll(), input_shape=(3, 8, 8))
    calls = []
    subject.cnn.other.register_forward_pre_hook(lambda *_: calls.append("other"))
    output = subject(IMAGES, ["conv"])["conv"]
    torch.testing.assert_close(
        output, F.conv2d(IMAGES, subject.cnn.conv.weight, subject.cnn.conv.bias)
    )
    assert calls == []


def test_relu_in_place_does_not_alter_what_was_captured():
    subject = chain()
    expected = F.conv2d(IMAGES, subject.cnn.body[0].weight, subject.cnn.body[0].bias)
    assert (expected < 0).any()
    for layers in (["body.0"], ["body.0", "body.1"], ["body.0", "logits"]):
        torch.testing.assert_close(subject(IMAGES, layers)["body.0"], expected)


def test_cnn_that_starts_in_place_does_not_alter_the_images():
    subject = Subject(nn.Sequential(nn.Threshold(0.5, 0.0, inplace=True), nn.Conv2d(3, 2, 3)))
    images = torch.rand(1, 3, 28, 28)
    before = images.clone()
    output = subject(images, ["0"])["0"]
    assert torch.equal(images, before)
    assert torch.equal(output, torch.where(before > 0.5, before, 0.0))


class CallsTwice(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 3, padding=1)
        self.between = nn.Tanh()
        self.pool = nn.AdaptiveAvgPool2d(1)

    def forward(self, x):
        return self.pool(self.conv(self.between(self.conv(x)))).flatten(1)


def test_layer_called_twice_gives_the_last_call():
    torch.manual_seed(0)
    subject = Subject(CallsTwice(), input_shape=(3, 8, 8))

    def conv(x):
        return F.conv2d(x, subject.cnn.conv.weight, subject.cnn.conv.bias, padding=1)

    once, twice = conv(IMAGES), conv(conv(IMAGES).tanh())
    for layers in (["conv"], ["conv", "between"], ["conv", "pool"], ["conv", "logits"]):
        outputs = subject(IMAGES, layers)
        assert set(outputs) == set(layers)
        torch.testing.assert_close(outputs["conv"], twice)
    torch.testing.assert_close(subject(IMAGES, ["between"])["between"], once.tanh())


def test_has_no_parameters_and_every_weight_is_a_buffer():
    subject = plain.subject()
    assert list(subject.named_parameters()) == []
    buffers = {name.removeprefix("cnn."): value for name, value in subject.named_buffers()}
    for name, value in plain.weights(dtype=torch.float32).items():
        assert torch.equal(buffers[name], value)
        assert not buffers[name].requires_grad


class Recurrent(nn.Module):
    """A CNN with weights in every place where PyTorch keeps some."""

    def __init__(self):
        super().__init__()
        self.conv = nn.utils.parametrizations.weight_norm(nn.Conv2d(3, 4, 3))
        self.list = nn.ParameterList([torch.ones(4, 1, 1)])
        self.lstm = nn.LSTM(6, 5, batch_first=True)
        self.norm = nn.BatchNorm2d(4, affine=False)

    def forward(self, x):
        x = self.norm(self.conv(x) * self.list[0])
        return self.lstm(x.mean(1))[0][:, -1]


def test_no_gradient_of_a_weight_in_any_kind_of_layer():
    cnn = Recurrent()
    subject = Subject(cnn, input_shape=(3, 8, 8))
    assert list(subject.named_parameters()) == []
    images = IMAGES.clone().requires_grad_()
    logits = subject(images, ["logits"])["logits"]
    torch.testing.assert_close(logits, cnn.eval()(images))
    logits.sum().backward()
    assert images.grad.abs().sum() > 0

    leaves = set()
    logits = subject(images, ["logits"])["logits"]
    seen = [logits.grad_fn]
    while seen:
        node = seen.pop()
        if hasattr(node, "variable"):
            leaves.add(id(node.variable))
        seen += [parent for parent, _ in node.next_functions if parent]
    assert leaves == {id(images)}


class Shares(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(3, 3, 3, padding=1)
        self.second = nn.Conv2d(3, 3, 3, padding=1)
        self.second.weight = self.first.weight
        self.again = self.first
        self.head = nn.Linear(3, 2)

    def forward(self, x):
        return self.head(self.again(self.second(self.first(x))).mean((2, 3)))


def test_shared_weights_stay_shared():
    cnn = Shares()
    subject = Subject(cnn, input_shape=(3, 8, 8))
    subject.cnn.first.weight.mul_(0.5)
    assert torch.equal(subject.cnn.second.weight, subject.cnn.first.weight)
    subject.cnn.first.weight.mul_(2)
    assert subject.cnn.again is subject.cnn.first
    assert set(subject.cnn.state_dict()) == set(cnn.state_dict())
    torch.testing.assert_close(subject(IMAGES, ["logits"])["logits"], cnn(IMAGES))


class Convolutions(nn.Module):
    """Convolutions of all kinds, each on the images."""

    def __init__(self):
        super().__init__()
        self.plain = nn.Conv2d(3, 6, 3)
        self.no_bias = nn.Conv2d(3, 6, 3, stride=2, padding=1, dilation=2, bias=False)
        self.reflect = nn.Conv2d(3, 6, 3, padding="same", padding_mode="reflect")
        self.keyword = nn.Conv2d(3, 6, 3)
        self.grouped = nn.Conv2d(3, 6, 3, groups=3)
        self.transposed = nn.ConvTranspose2d(3, 6, 3)
        self.hooked = nn.Conv2d(3, 6, 3)
        self.hooked.register_forward_hook(self.double)
        self.before = nn.Conv2d(3, 6, 3)
        self.before.register_forward_pre_hook(self.triple)
        self.norm = nn.utils.parametrizations.weight_norm(nn.Conv2d(3, 6, 3))
        self.twice = nn.Conv2d(3, 3, 3, padding=1)

    def double(self, _module, _inputs, output):
        return output * 2

    def triple(self, _module, inputs):
        return inputs[0] * 3

    def forward(self, x):
        outputs = {
            name: module(input=x) if name == "keyword" else module(x)
            for name, module in self.named_children()
        }
        return outputs | {"twice": self.twice(outputs["twice"])}


ALONE = {"plain", "no_bias", "reflect", "keyword"}


@pytest.mark.parametrize("channels", [[2], [0, 2], [0, 1, 2, 3, 4, 5]])
def test_channels_alone_are_those_of_the_whole_layer(channels):
    torch.manual_seed(0)
    cnn = Convolutions()
    expected = cnn(IMAGES)
    subject = Subject(cnn, input_shape=(3, 8, 8))
    for layer, output in expected.items():
        picked = [channel for channel in channels if channel < output.shape[1]]
        images = IMAGES.clone().requires_grad_()
        actual = subject(images, [layer], picked)[layer]
        assert subject.gives_channels(layer) == (layer in ALONE)
        wanted = output[:, picked] if layer in ALONE else output
        torch.testing.assert_close(actual, wanted)
        assert actual.requires_grad
        assert hooks(subject) == 2


def test_channels_of_what_is_no_convolution_are_all_of_it():
    subject = chain()
    for layer in ("body", "body.1", "head", "logits"):
        assert not subject.gives_channels(layer)
        whole = subject(IMAGES, [layer])[layer]
        assert torch.equal(subject(IMAGES, [layer], [1])[layer], whole)


def test_pass_for_some_channels_stops_there_too():
    subject = chain()
    subject.cnn.stop.armed = True
    assert subject(IMAGES, ["body.0"], [1, 3])["body.0"].shape == (5, 2, 6, 6)
    assert hooks(subject) == 0


class Normalized(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.norm = nn.BatchNorm2d(4)
        self.drop = nn.Dropout(0.5)
        self.head = nn.Linear(4, 2)

    def forward(self, x):
        return self.head(self.drop(self.norm(self.conv(x)).mean((2, 3))))


def trained():
    torch.manual_seed(0)
    cnn = Normalized()
    for _ in range(3):
        cnn(torch.rand(8, 3, 8, 8) * 3)
    return cnn


def test_stays_in_eval_mode_whatever_a_parent_does():
    subject = Subject(trained(), input_shape=(3, 8, 8))
    parent = nn.Sequential(nn.Dropout(), subject)
    for again in (parent.train, subject.train, parent.eval, parent.train):
        again()
        assert not any(module.training for module in subject.modules())
    assert parent.training
    assert parent[0].training


def test_statistics_and_weights_are_the_same_after_use():
    cnn = trained()
    before = copy.deepcopy(cnn.state_dict())
    subject = Subject(cnn, input_shape=(3, 8, 8))
    nn.Sequential(subject).train()
    outputs = [subject(IMAGES * 9, ["norm", "logits"]) for _ in range(3)]
    for name, value in subject.cnn.state_dict().items():
        assert torch.equal(value, before[name]), name
    # Eval mode: no chance, and the statistics of the training, not of these images.
    expected = cnn.eval()(IMAGES * 9)
    for output in outputs:
        torch.testing.assert_close(output["logits"], expected)


def test_given_cnn_is_left_as_it_was():
    cnn = trained().train()
    cnn.conv.bias.requires_grad = False
    before = copy.deepcopy(cnn.state_dict())
    parameters = dict(cnn.named_parameters())
    subject = Subject(cnn, input_shape=(3, 8, 8), mean=[0.1] * 3, std=[0.2] * 3)
    subject(IMAGES, ["logits"])
    subject.double()

    assert {name: id(p) for name, p in cnn.named_parameters()} == {
        name: id(p) for name, p in parameters.items()
    }
    assert {name for name, p in parameters.items() if not p.requires_grad} == {"conv.bias"}
    assert all(p.grad is None for p in parameters.values())
    assert all(module.training for module in cnn.modules())
    assert hooks(cnn) == 0
    for name, value in cnn.state_dict().items():
        assert value.dtype == before[name].dtype
        assert torch.equal(value, before[name])


def test_normalizes_with_mean_and_std():
    cnn = nn.Conv2d(3, 2, 3)
    mean, std = [0.4914, 0.4822, 0.4465], [0.247, 0.243, 0.261]
    subject = Subject(cnn, input_shape=(3, 8, 8), mean=mean, std=std).double()
    normalized = (IMAGES.numpy() - np.reshape(mean, (3, 1, 1))) / np.reshape(std, (3, 1, 1))
    expected = copy.deepcopy(cnn).double()(torch.from_numpy(normalized))
    output = subject(IMAGES.double(), ["logits"])["logits"]
    torch.testing.assert_close(output, expected, rtol=0, atol=1e-5)
    # The weights' hash is about the CNN; how its input is normalized is not in it.
    assert subject.sha256 == Subject(cnn, input_shape=(3, 8, 8)).sha256


@pytest.mark.parametrize(
    ("given", "scale", "shift"), [({"mean": [0.5] * 3}, 1, 0.5), ({"std": [0.25] * 3}, 4, 0)]
)
def test_mean_or_std_alone(given, scale, shift):
    cnn = nn.Conv2d(3, 2, 3)
    output = Subject(cnn, input_shape=(3, 8, 8), **given)(IMAGES, ["logits"])["logits"]
    torch.testing.assert_close(output, cnn((IMAGES - shift) * scale))


def test_numbers_of_the_input_may_be_tensors_and_arrays():
    cnn = nn.Conv2d(3, 2, 3)
    mean, std = torch.tensor([0.5, 0.4, 0.3])[:, None, None], np.float32([0.25, 0.5, 0.5])
    given = {"mean": mean, "std": std, "value_range": torch.tensor([0, 255])}
    subject = Subject(cnn, input_shape=torch.tensor([3, 8, 8]), **given)
    expected = cnn((255 * IMAGES - mean) / std.reshape(3, 1, 1))
    torch.testing.assert_close(subject(IMAGES, ["logits"])["logits"], expected)
    single = Subject(cnn, input_shape=(3, 8, 8), mean=list(mean.flatten()))
    torch.testing.assert_close(single(IMAGES, ["logits"])["logits"], cnn(IMAGES - mean))


def test_value_range_gives_the_cnn_the_values_that_it_knows():
    cnn = nn.Conv2d(3, 2, 3)
    bytes_ = Subject(cnn, input_shape=(3, 8, 8), value_range=(0, 255))
    torch.testing.assert_close(bytes_(IMAGES, ["logits"])["logits"], cnn(IMAGES * 255))
    mean, std = [123.7, 116.3, 103.5], [58.4, 57.1, 57.4]
    both = Subject(cnn, input_shape=(3, 8, 8), value_range=(-1, 1), mean=mean, std=std)
    given = (IMAGES.double().numpy() * 2 - 1 - np.reshape(mean, (3, 1, 1))) / np.reshape(
        std, (3, 1, 1)
    )
    expected = copy.deepcopy(cnn).double()(torch.from_numpy(given))
    output = both.double()(IMAGES.double(), ["logits"])["logits"]
    torch.testing.assert_close(output, expected, rtol=0, atol=1e-6)


def test_default_value_range_changes_no_bit():
    cnn = nn.Conv2d(3, 2, 3)
    given = {"input_shape": (3, 8, 8), "mean": [0.4] * 3, "std": [0.3] * 3}
    plain_ = (IMAGES - torch.tensor(0.4)) / torch.tensor(0.3)
    for more in ({}, {"value_range": (0, 1)}):
        output = Subject(cnn, **given, **more)(IMAGES, ["logits"])["logits"]
        assert torch.equal(output, cnn(plain_))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"mean": [0.5]}, r"mean \[0\.5\] has 1 values for an input of 3 channels"),
        ({"std": [1.0] * 4}, r"std .* has 4 values for an input of 3 channels"),
        ({"std": [1.0, 0.0, 1.0]}, r"not greater than 0"),
        ({"std": [1.0, -1.0, 1.0]}, r"not greater than 0"),
        ({"std": [1.0, float("nan"), 1.0]}, r"not finite"),
        ({"mean": [0.5, float("inf"), 0.5]}, r"mean .* not finite"),
        ({"std": [1.0, float("inf"), 1.0]}, r"std .* not finite"),
        ({"input_shape": (3, 0, 8)}, r"\[3, 0, 8\]"),
        ({"input_shape": (3, 8)}, r"shape \[1, 3, 8\].*It takes \[3, 32, 32\]: set input_shape"),
        ({"input_shape": (1, 3, 8, 8)}, r"\[1, 1, 3, 8, 8\].*It takes \[3, 32, 32\]"),
        ({"input_shape": (1, 1, 3, 8, 8)}, r"\[1, 1, 3, 8, 8\] is none of .*height, width\]"),
        ({"input_shape": ()}, r"input_shape \[\] is none of \[channels\] of vectors"),
        ({"value_range": (255, 0)}, r"value_range \[255, 0\].*low below high"),
        ({"value_range": (1, 1)}, r"value_range \[1, 1\].*low below high"),
        ({"value_range": (0, float("inf"))}, r"value_range \[0, inf\].*finite"),
        ({"value_range": (0, float("nan"))}, r"value_range \[0, nan\].*finite"),
        ({"value_range": (0, 128, 255)}, r"value_range \[0, 128, 255\].*two finite numbers"),
        ({"input_shape": (1, 8, 8)}, r"rejects an input of shape \[1, 1, 8, 8\].*input_shape"),
        ({"input_shape": (3, 2, 2)}, r"rejects an input of shape \[1, 3, 2, 2\].*input_shape"),
    ],
)
def test_input_that_does_not_fit_is_told(given, message):
    with pytest.raises(InputError, match=message):
        Subject(nn.Conv2d(3, 2, 3), **{"input_shape": (3, 8, 8), **given})


@pytest.mark.parametrize("wrong", ["body0", "bodi.0", "boddy.0"])
def test_unknown_layer_names_the_layers_and_the_nearest(wrong):
    with pytest.raises(InputError) as raised:
        chain()(IMAGES, [wrong])
    assert f"'{wrong}'" in str(raised.value)
    assert "Did you mean 'body.0'?" in str(raised.value)
    assert "body.0, body.1, body, stop, head, logits" in str(raised.value)
    assert "python main.py layers --config" in str(raised.value)


def test_nothing_is_suggested_where_nothing_is_near():
    with pytest.raises(InputError) as raised:
        chain().check_layer("xyzzy")
    assert "Did you mean" not in str(raised.value)


class OwnLogits(nn.Module):
    def __init__(self):
        super().__init__()
        self.logits = nn.Linear(12, 4)

    def forward(self, x):
        return self.logits(x.flatten(1)).softmax(1)


def test_layer_that_is_called_logits_is_that_layer():
    subject = Subject(OwnLogits(), input_shape=(3, 2, 2))
    images = torch.rand(3, 3, 2, 2)
    expected = F.linear(images.flatten(1), subject.cnn.logits.weight, subject.cnn.logits.bias)
    torch.testing.assert_close(subject(images, ["logits"])["logits"], expected)
    assert plain.shapes(subject) == {"logits": (4,)}


@pytest.mark.parametrize("name", ["biased", "control"])
def test_hash_is_that_of_the_checkpoint(name):
    subject = plain.subject(name)
    expected = plain.sha256(torch.load(plain.FOLDER / f"{name}.pt", weights_only=True))
    assert subject.sha256 == expected
    assert subject.hash_weights() == expected
    assert subject.double().hash_weights() == expected


def test_hash_changes_with_the_least_bit():
    subject = plain.subject()
    weight = subject.cnn.conv2.weight
    weight[0, 0, 0, 0] = torch.nextafter(weight[0, 0, 0, 0], torch.tensor(1.0))
    assert subject.hash_weights() != subject.sha256
    statistics = Subject(trained(), input_shape=(3, 8, 8))
    statistics.cnn.norm.num_batches_tracked += 1
    assert statistics.hash_weights() != statistics.sha256


def test_subject_where_nothing_is_named_is_the_biased_reference_cnn():
    subject = Subject()
    assert subject.name == "ReferenceCNN (biased)"
    assert subject.sha256 == plain.subject("biased").sha256
    assert Subject(checkpoint=str(plain.FOLDER / "control.pt")).sha256 == (
        plain.subject("control").sha256
    )


def test_cnn_without_a_checkpoint_keeps_its_weights():
    cnn = nn.Conv2d(3, 2, 3)
    subject = Subject(cnn)
    assert subject.name == "Conv2d"
    assert subject.checkpoint is None
    assert torch.equal(subject.cnn.weight, cnn.weight)


sides = st.integers(5, 24)


@given(
    height=sides,
    width=sides,
    channels=st.integers(1, 4),
    number=st.integers(1, 3),
    kernel=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    stride=st.integers(1, 3),
    padding=st.integers(0, 2),
    dilation=st.integers(1, 2),
)
def test_shapes_follow_the_formula_of_a_convolution(
    height, width, channels, number, kernel, stride, padding, dilation
):
    cnn = nn.Sequential(
        nn.Conv2d(channels, 6, kernel, stride, padding, dilation),
        nn.GELU(),
        nn.AdaptiveAvgPool2d((2, 1)),
        nn.Flatten(),
        nn.Linear(12, 7),
    )
    subject = Subject(cnn, input_shape=(channels, height, width))
    out = [
        (side + 2 * padding - dilation * (k - 1) - 1) // stride + 1
        for side, k in zip((height, width), kernel, strict=True)
    ]
    assert plain.shapes(subject) == {
        "0": (6, *out),
        "1": (6, *out),
        "2": (6, 2, 1),
        "3": (12,),
        "4": (7,),
        "logits": (7,),
    }
    outputs = subject(torch.rand(number, channels, height, width), list(subject.layers))
    assert {name: tuple(o.shape) for name, o in outputs.items()} == {
        name: (number, *shape) for name, shape in plain.shapes(subject).items()
    }
