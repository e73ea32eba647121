import pytest
import torch
from torch import nn
from torch.utils import checkpoint

from tests.subject.nets import IMAGES, Net, subject_of


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
