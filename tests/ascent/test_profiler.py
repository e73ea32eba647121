import pytest
import torch

from prober.ascent.module import single_target
from prober.ascent.objectives import ChannelMean
from prober.ascent.profiler import NoProfiler
from tests import plain


def test_it_is_in_the_way_of_nothing():
    profiler = NoProfiler()
    with profiler.profile("outer"), profiler.profile("inner"), profiler.profile("outer"):
        pass
    with pytest.raises(KeyError), profiler.profile("breaks"):
        raise KeyError


def test_a_fit_with_it_is_the_same():
    images = []
    for settings in ({}, {"profiler": NoProfiler()}):
        module = single_target(plain.subject(), ChannelMean("conv1", 2), seed=1, style="plain")
        plain.fit(module, 5, **settings)
        images.append(module.image.detach())
    assert torch.equal(*images)
