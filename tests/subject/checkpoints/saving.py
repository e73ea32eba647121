"""Checkpoints that tests of their formats write, and what is to become of them."""

import io

import torch
from torch import nn

from tests.plain import FOLDER

BIASED = FOLDER / "biased.pt"


def saved(thing, **kwargs):
    file = io.BytesIO()
    torch.save(thing, file, **kwargs)
    return file.getvalue()


class SmallCNN(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
        self.head = nn.Linear(4, 2)

    def forward(self, x):
        return self.head(self.features(x).mean((2, 3)))


def prefixed(module, prefix):
    return {f"{prefix}{name}": value for name, value in module.state_dict().items()}
