"""CNNs and archives of them, for the tests of what reads them."""

import pytest
import torch
from packaging.version import Version
from torch import nn

needs_archives = pytest.mark.skipif(
    Version(torch.__version__) < Version("2.9"),
    reason="PyTorch before 2.9 writes archives of other formats",
)


class Block(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.conv = nn.Conv2d(width, width, 3, padding="same", bias=False, groups=2)
        self.norm = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.dropout = nn.Dropout(0.5)

    def forward(self, x):
        return self.dropout(self.relu(self.norm(self.conv(x)))) + x


class Net(nn.Module):
    """Residuals, a module called several times, constants, chunks, sizes, several types."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, stride=2, padding=(1, 0), dilation=1)
        self.blocks = nn.Sequential(Block(8), Block(8))
        self.odd = nn.Conv2d(8, 8, 3, padding=1, padding_mode="reflect")
        self.act = nn.GELU(approximate="tanh")
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.head = nn.Linear(8, 5)
        self.register_buffer("scale", torch.tensor(2.0))
        self.offset = torch.full((3, 1, 1), 0.5)

    def forward(self, x):
        x = self.stem(x - self.offset)
        x = self.act(self.odd(self.blocks(x)))
        x = self.blocks[0].relu(self.blocks[0].relu(x) - 0.1)
        first, second = x.chunk(2, 1)
        x = torch.cat([second, first], 1) * (x.shape[2] + x.shape[3])
        x = x + torch.arange(8, dtype=torch.float32)[:, None, None]
        return self.head(self.pool(x).flatten(1)) * self.scale


def network(kind=Net):
    torch.manual_seed(0)
    net = kind().eval()
    for name, buffer in net.named_buffers():
        if "running" in name:
            buffer.uniform_(0.5, 1.5)
    return net


def export(net, path, batch=1, dynamic=None):
    images = torch.rand(batch, 3, 12, 12)
    shapes = None if dynamic is None else (dict.fromkeys(dynamic, torch.export.Dim.AUTO),)
    torch.export.save(torch.export.export(net, (images,), dynamic_shapes=shapes), path)
    return path


IMAGES = torch.rand(5, 3, 12, 12, generator=torch.Generator().manual_seed(1))
