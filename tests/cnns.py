"""CNNs that several tests use; in a YAML file they are `tests.cnns.<class>`."""

import math

import torch
from torch import nn


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
