"""What is done to modules while a pass runs: seen, given other weights, run without detours."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils import checkpoint

from prober.subject.passes import exact_float32, other_weights, watched
from tests.subject.nets import IMAGES, Net, subject_of


def net():
    """The second of its modules calls the first, which is called once more at the end."""
    made = Net(
        lambda net, x: net.inner(net.outer(x)),
        inner=nn.ReLU,
        outer=lambda: nn.Sequential(nn.Tanh()),
    )
    made.outer.append(made.inner)
    return made


def hooks(cnn):
    return sum(len(module._forward_hooks) for module in cnn.modules())


def test_calls_are_seen_as_they_end_with_inputs_and_output():
    cnn, image = net(), torch.tensor([-1.0, 2.0])
    seen = []
    with watched({"a": cnn.inner, "b": cnn.outer}, lambda *call: seen.append(call)):
        result = cnn(image)
    inner = image.tanh().relu()
    assert [name for name, _, _ in seen] == ["a", "b", "a"]
    assert [given.tolist() for _, _, given in seen] == [inner.tolist()] * 3
    assert [inputs[0].tolist() for _, inputs, _ in seen] == [
        image.tanh().tolist(),
        image.tolist(),
        inner.tolist(),
    ]
    assert torch.equal(result, inner)
    assert hooks(cnn) == 0


def test_the_cnn_goes_on_with_what_is_returned():
    cnn, image = net(), torch.tensor([-1.0, 2.0])
    with watched({"b": cnn.outer}, lambda _name, _inputs, given: given + 1):
        assert torch.equal(cnn(image), image.tanh().relu() + 1)
    assert torch.equal(cnn(image), image.tanh().relu())


def test_nothing_is_watched_after_an_error():
    cnn = net()

    def fail(*_call):
        raise RuntimeError("seen enough")

    with pytest.raises(RuntimeError, match="seen enough"), watched({"a": cnn.inner}, fail):
        cnn(torch.ones(2))
    assert hooks(cnn) == 0
    assert torch.equal(cnn(torch.ones(2)), torch.ones(2).tanh())


def frozen(**options):
    """A convolution whose weights are buffers."""
    convolution = nn.Conv2d(2, 3, 3, **options)
    for name, parameter in list(convolution.named_parameters()):
        delattr(convolution, name)
        convolution.register_buffer(name, parameter.detach())
    return convolution


@pytest.mark.parametrize("channels", [1, 5])
def test_it_computes_with_the_others_and_then_with_its_own(channels):
    torch.manual_seed(0)
    convolution, images = frozen(padding=1), torch.rand(2, 2, 6, 6)
    before = convolution(images)
    weight, bias = torch.rand(channels, 2, 3, 3), torch.rand(channels)
    with other_weights(convolution, weight=weight, bias=bias):
        torch.testing.assert_close(convolution(images), F.conv2d(images, weight, bias, padding=1))
    assert torch.equal(convolution(images), before)


def test_its_own_come_back_after_an_error_the_very_same():
    convolution = frozen(bias=False)
    own = convolution.weight
    with pytest.raises(KeyError), other_weights(convolution, weight=own[:1]):
        assert len(convolution.weight) == 1
        raise KeyError
    assert convolution.weight is own
    assert list(convolution.state_dict()) == ["weight"]


@pytest.mark.parametrize("reentrant", [True, False])
def test_gradient_leads_through_checkpoints(reentrant):
    cnn = Net(
        lambda net, x: checkpoint.checkpoint(net.body, x, use_reentrant=reentrant).mean((2, 3)),
        body=lambda: nn.Sequential(nn.Conv2d(3, 4, 3), nn.Tanh(), nn.Conv2d(4, 2, 3), nn.Tanh()),
    )
    subject = subject_of(cnn)
    for layer, depth in (("body.0", 1), ("body.2", 3), ("body", 4), ("logits", 4)):
        ours, theirs = (IMAGES.clone().requires_grad_() for _ in range(2))
        output = subject(ours, [layer])[layer]
        expected = cnn.body[:depth](theirs)
        expected = expected.mean((2, 3)) if layer == "logits" else expected
        torch.testing.assert_close(output, expected)
        output.square().sum().backward()
        expected.square().sum().backward()
        torch.testing.assert_close(ours.grad, theirs.grad)
    assert isinstance(checkpoint.CheckpointFunction, type)


@pytest.mark.parametrize("asked", ["highest", "high", "medium"])
def test_float32_is_exact_whatever_the_session_asks_of_products(asked):
    torch.set_float32_matmul_precision(asked)
    try:
        with exact_float32():
            assert torch.get_float32_matmul_precision() == "highest"
            assert not torch.backends.cuda.matmul.allow_tf32
        assert torch.get_float32_matmul_precision() == asked
    finally:
        torch.set_float32_matmul_precision("highest")


@pytest.mark.skipif(
    not hasattr(torch.backends.cuda.matmul, "fp32_precision"),
    reason="single backends can be settled from PyTorch 2.9 on",
)
def test_a_session_that_has_settled_a_backend_keeps_it():
    products = torch.backends.cuda.matmul
    before = products.fp32_precision
    products.fp32_precision = "tf32"
    try:
        with exact_float32():
            assert products.fp32_precision == "tf32"
        assert products.fp32_precision == "tf32"
    finally:
        products.fp32_precision = before
