import pytest
import torch
from torch import nn

from prober.subject.watched import watched
from tests.subject.nets import Net


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
