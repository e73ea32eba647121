"""A ResNet-18 in plain PyTorch, as He et al. describe it ("Deep residual learning", 2015)."""

import torch
from torch import Tensor, nn

WIDTHS = (64, 128, 256, 512)


class Block(nn.Module):
    """Two 3x3 convolutions beside a shortcut."""

    def __init__(self, entering: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(entering, width, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.shortcut = nn.Identity()
        if stride != 1 or entering != width:
            self.shortcut = nn.Sequential(
                nn.Conv2d(entering, width, 1, stride, bias=False), nn.BatchNorm2d(width)
            )

    def forward(self, x: Tensor) -> Tensor:
        y = self.relu(self.bn1(self.conv1(x)))
        return self.relu(self.bn2(self.conv2(y)) + self.shortcut(x))


class ResNet18(nn.Module):
    """11.7 million parameters with 1,000 classes."""

    def __init__(self, classes: int = 1000) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, 2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.relu = nn.ReLU(inplace=True)
        self.pool = nn.MaxPool2d(3, 2, padding=1)
        entering = 64
        for i, width in enumerate(WIDTHS, 1):
            blocks = Block(entering, width, 1 if i == 1 else 2), Block(width, width, 1)
            self.add_module(f"layer{i}", nn.Sequential(*blocks))
            entering = width
        self.classifier = nn.Linear(entering, classes)

    def forward(self, images: Tensor) -> Tensor:
        x = self.pool(self.relu(self.bn1(self.conv1(images))))
        for i in range(1, 5):
            x = self.get_submodule(f"layer{i}")(x)
        return self.classifier(x.mean((2, 3)))


def settled_resnet18(classes: int = 1000, seed: int = 0) -> ResNet18:
    """Random weights, and the statistics that batch normalization would have in training."""
    torch.manual_seed(seed)
    cnn = ResNet18(classes).train()
    with torch.no_grad():
        for _ in range(4):
            cnn(torch.rand(4, 3, 112, 112))
    return cnn.eval()
