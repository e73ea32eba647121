"""The orientations that units prefer, of images of any proportions."""

import pytest
import torch
from torch import nn

from prober.ascent.objectives import ChannelMean
from prober.findings.preferences import local_orientation
from prober.findings.windows import window_of
from prober.subject import Subject


@pytest.mark.parametrize("sides", [(40, 40), (4, 200), (200, 4), (2, 80)])
def test_an_orientation_is_looked_for_in_images_of_any_proportions(sides):
    cnn = nn.Sequential(nn.Flatten(), nn.Linear(3 * sides[0] * sides[1], 1))
    subject = Subject(cnn, input_shape=(3, *sides))
    images = torch.rand(2, 3, *sides, generator=torch.Generator().manual_seed(0))
    found, contrast = local_orientation(
        subject, [ChannelMean("logits", 0)] * 2, images, 0 * images, window_of(subject, "1", None)
    )
    assert found.shape == contrast.shape == (2,)
    assert ((contrast >= 0) & (contrast <= 1)).all()
