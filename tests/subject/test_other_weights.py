"""Weights that a module has for a while."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from prober.subject.other_weights import other_weights


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
