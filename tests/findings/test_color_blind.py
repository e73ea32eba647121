"""Color blindness: CNNs that make their images gray before anything else, and those that do not."""

import pytest
import torch
from torch import nn

from prober.findings.color_blind import mix_seen
from prober.subject import Subject


class MadeGray(nn.Module):
    """Mixes the channels, but for a share that goes past, and then convolves."""

    def __init__(self, mix, past=0.0):
        super().__init__()
        torch.manual_seed(0)
        self.mix, self.past = torch.tensor(mix), past
        self.convolve, self.out = nn.Conv2d(3, 8, 3), nn.Linear(8, 4)

    def forward(self, images):
        gray = (images * self.mix.view(3, 1, 1)).sum(1, keepdim=True).expand(-1, 3, -1, -1)
        maps = self.convolve(gray + self.past * images).relu()
        return self.out(maps.mean((2, 3)))


@pytest.mark.parametrize("mix", [(0.299, 0.587, 0.114), (1 / 3, 1 / 3, 1 / 3), (0.5, 0.5, 0.0)])
def test_the_one_mix_that_a_cnn_sees_is_found(mix):
    seen = mix_seen(Subject(MadeGray(mix), input_shape=(3, 12, 12)))
    assert seen == pytest.approx(mix, abs=1e-5)


def test_what_a_normalization_divides_by_is_a_part_of_the_mix():
    std = (0.2, 0.4, 0.4)
    subject = Subject(MadeGray((0.5, 0.25, 0.25)), input_shape=(3, 12, 12), std=std)
    assert mix_seen(subject) == pytest.approx((2 / 3, 1 / 6, 1 / 6), abs=1e-5)


class RedOrTexture(nn.Module):
    """Red against the rest, or light and dark by turns, which noise has more of than of red."""

    def forward(self, images):
        red = images[:, 0] - images[:, 1:].mean(1)
        texture = (images.sum(1).diff(dim=2)).abs().mean((1, 2))
        return torch.stack([red.mean((1, 2)), texture], 1).amax(1, keepdim=True)


@pytest.mark.parametrize(
    "subject",
    [
        Subject(),
        Subject(RedOrTexture(), input_shape=(3, 12, 12)),
        Subject(MadeGray((0.3, 0.6, 0.1), past=0.02), input_shape=(3, 12, 12)),
        Subject(MadeGray((1.0, -1.0, 0.0)), input_shape=(3, 12, 12)),  # that is a color
        Subject(MadeGray((1.0, 0.0, 0.0)), input_shape=(3, 12, 12)),  # red from blue it tells
        Subject(nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU()), input_shape=(1, 12, 12)),
    ],
)
def test_others_see_more_than_one(subject):
    assert mix_seen(subject) is None
