"""CNNs that several tests use; in a YAML file they are `tests.cnns.<class>`."""

import math
import sys

import pytest
import torch
from packaging.version import Version
from torch import nn

from prober.subject.reference import ReferenceCNN
from tests import plain

needs_compile = pytest.mark.skipif(
    sys.version_info >= (3, 12) and Version(torch.__version__) < Version("2.4"),
    reason="PyTorch compiles on Python 3.12 from 2.4 on",
)


class Fragile(nn.Module):
    """Gives an image as it is, until the mean of its first channel is above 0.8.

    Args:
        beyond: What it gives instead from there on.
    """

    def __init__(self, beyond: float = math.inf):
        super().__init__()
        self.beyond = beyond
        self.bright = nn.Identity()

    def forward(self, x):
        mean = x[:, :1].mean((1, 2, 3), keepdim=True)
        return self.bright(torch.where(mean > 0.8, self.beyond, x))


def reference():
    model = ReferenceCNN()
    model.load_state_dict(plain.weights(dtype=torch.float32))
    return model


def small(*layers, channels=3):
    torch.manual_seed(0)
    first = [nn.Conv2d(channels, 4, 3, padding=1), nn.ReLU(inplace=True)]
    return nn.Sequential(*first, *layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 5))


class Fixed(nn.Module):
    """Takes images of one size only, as transformers do."""

    def __init__(self, side, channels=3):
        super().__init__()
        self.side = side
        self.conv = nn.Conv2d(channels, 4, 3)

    def forward(self, x):
        if x.shape[2:] != (self.side, self.side):
            raise ValueError(f"{self.side} pixels, please")
        return self.conv(x)


def deep():
    """As ImageNet's CNNs: any size fits, and 32 times smaller."""
    steps = [nn.Sequential(nn.Conv2d(4, 4, 3, 2, 1), nn.ReLU()) for _ in range(5)]
    return small(*steps, nn.AdaptiveAvgPool2d(6))


OPEN, SHUT, EDGE, NEVER, CUT = range(5)


class Shut(nn.Module):
    """Of images `[N, 1, H, W]` channels that are open, shut or cut off.

    `OPEN` is open; `SHUT` until a bright field comes, `EDGE` until an upright edge does; `NEVER`
    opens; no gradient leads back from `CUT`.
    """

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 5, 5)
        with torch.no_grad():
            self.conv.weight[:] = torch.ones(5, 5)
            self.conv.weight[EDGE] = torch.tensor([1.0, 1, 0, -1, -1]).expand(5, 5)
            # Of the brightest field, 25, and of the best edge, 10, so much has to be there.
            self.conv.bias[:] = -torch.tensor([0.0, 23, 8, 100, 0])
        self.relu = nn.ReLU()
        self.out = nn.Identity()

    def forward(self, x):
        seen = self.relu(self.conv(x))
        return self.out(torch.cat([seen[:, :CUT], seen[:, CUT:].detach()], 1))
