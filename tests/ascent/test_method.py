import json
from dataclasses import dataclass

import pytest
import torch
from torch import nn

from prober.ascent.method import Method
from prober.ascent.module import visualization
from prober.ascent.objectives import ChannelMean
from prober.ascent.parameterizations import Fourier, Pixels
from prober.ascent.starts import GaussianNoise, PinkNoise
from prober.ascent.transforms import robust
from prober.common.errors import InputError
from prober.subject import Subject


@pytest.mark.parametrize("lr", [0.0, -0.05, float("nan"), float("inf")])
def test_learning_rate_out_of_range_is_told(lr):
    with pytest.raises(InputError, match=f"learning rate is {lr}"):
        Method(lr=lr)


@pytest.mark.parametrize(("side", "large"), [((63, 80), False), ((64, 64), True)])
def test_large_images_have_other_defaults(side, large):
    torch.manual_seed(0)
    subject = Subject(nn.Sequential(nn.Conv2d(3, 4, 3, stride=4)), input_shape=(3, *side))
    module = visualization(subject, ChannelMean("0", 1), seed=0)
    assert type(module.method.parameterization) is (Fourier if large else Pixels)
    assert type(module.targets[0].initial_image) is (PinkNoise if large else GaussianNoise)
    assert module.method.transforms == (robust((3, *side)) if large else ())
    asked = visualization(
        subject, ChannelMean("0", 1), seed=0, parameterization=Pixels(), transforms=[]
    )
    assert type(asked.targets[0].initial_image) is GaussianNoise
    assert (type(asked.method.parameterization), asked.method.transforms) == (Pixels, ())


@dataclass(frozen=True)
class Longer(Method):
    """A method with one option more, which nothing else knows of."""

    damping: float = 0.5
    sizes: tuple[int, ...] = (1,)


def test_a_new_option_stands_in_records_and_is_read_from_them():
    method = Longer(0.1, damping=0.25, sizes=(2, 3)).resolved((3, 28, 28))
    record = json.loads(json.dumps(method.record() | {"layer": "conv1", "seed": 3}))
    assert (record["damping"], record["sizes"]) == (0.25, [2, 3])
    assert Longer.from_record(record) == method
    del record["damping"], record["sizes"]  # of a run from before there were these
    assert Longer.from_record(record) == Longer(0.1).resolved((3, 28, 28))
