"""The orientations that units prefer, of images of any proportions."""

import pytest
import torch
from torch import nn

from prober.ascent.objectives import ChannelMean
from prober.findings.preferences import preferences
from prober.findings.windows import window_of
from prober.subject import Subject


@pytest.mark.parametrize("sides", [(40, 40), (4, 200), (200, 4), (2, 80)])
def test_an_orientation_is_looked_for_in_images_of_any_proportions(sides):
    cnn = nn.Sequential(nn.Flatten(), nn.Linear(3 * sides[0] * sides[1], 1))
    subject = Subject(cnn, input_shape=(3, *sides))
    images = torch.rand(2, 3, *sides, generator=torch.Generator().manual_seed(0))
    _, _, found, contrast, agreement = preferences(
        subject, [ChannelMean("logits", 0)] * 2, images, window_of(subject, "1", None)
    )
    assert found.shape == contrast.shape == agreement.shape == (2,)
    assert all(((figure >= 0) & (figure <= 1)).all() for figure in (contrast, agreement))


@pytest.mark.parametrize("stroke", [0.0, 0.1, 1.0])
def test_what_is_no_stroke_has_no_orientation(stroke):
    """A linear unit of noise, and of a stroke that goes down to the right, in these parts."""
    weights = torch.randn(40, 40, generator=torch.Generator().manual_seed(1))
    weights = weights / weights.norm()
    across = torch.arange(40)[:, None] - torch.arange(40)
    drawn = (across.abs() <= 2).float() - 4 * 0.5 * ((across.abs() - 5).abs() <= 1).float()
    weights = (1 - stroke) * weights + stroke * drawn / drawn.norm()
    cnn = nn.Sequential(nn.Flatten(), nn.Linear(1600, 1, bias=False))
    cnn[1].weight.data = weights.view(1, -1)
    subject = Subject(cnn, input_shape=(1, 40, 40))
    image = torch.full((1, 1, 40, 40), 0.5)
    unit, window = [ChannelMean("logits", 0)], window_of(subject, "1", None)
    _, _, found, _, agreement = preferences(subject, unit, image, window)
    if stroke < 1:
        assert found.isnan() and agreement < 0.2
    else:
        assert found.item() == pytest.approx(135, abs=3) and agreement > 0.4
