"""CNNs of three makes, trained on images of a family in seconds to minutes."""

import torch
from torch import Tensor, nn

from prober.subject import Subject


class SmallCNN(nn.Module):
    """Two convolutions of stride 2 and a linear layer, for images of 28 x 28 pixels."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 5, stride=2, padding=2)
        self.conv2 = nn.Conv2d(16, 32, 3, stride=2, padding=1)
        self.logits = nn.Linear(32 * 7 * 7, classes)

    def forward(self, images: Tensor) -> Tensor:
        """Names `[N, 3, 28, 28]`: logits `[N, classes]`."""
        x = self.conv2(self.conv1(images).relu()).relu()
        return self.logits(x.flatten(1))


class StridedCNN(nn.Module):
    """Three convolutions with batch normalization, one of stride 2, and average pooling."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.conv1, self.norm1 = nn.Conv2d(3, 16, 5, padding=2), nn.BatchNorm2d(16)
        self.conv2 = nn.Conv2d(16, 24, 3, stride=2, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(24)
        self.conv3, self.norm3 = nn.Conv2d(24, 32, 3, padding=1, bias=False), nn.BatchNorm2d(32)
        self.pool = nn.AvgPool2d(2)
        self.logits = nn.Linear(32 * 9, classes)

    def forward(self, images: Tensor) -> Tensor:
        """Names `[N, 3, 28, 28]`: logits `[N, classes]`."""
        x = self.norm1(self.conv1(images)).relu()
        x = self.pool(self.norm2(self.conv2(x)).relu())
        x = self.pool(self.norm3(self.conv3(x)).relu())
        return self.logits(x.flatten(1))


class SimpleConvNet(nn.Module):
    """The shape of the CNN of Bahng et al., "Learning de-biased representations" (2020).

    Four 7x7 convolutions of 16 to 128 channels with batch normalization, and a global average.
    """

    def __init__(self, classes: int) -> None:
        super().__init__()
        for i, (before, after) in enumerate(((3, 16), (16, 32), (32, 64), (64, 128)), 1):
            self.add_module(f"conv{i}", nn.Conv2d(before, after, 7, padding=3))
            self.add_module(f"norm{i}", nn.BatchNorm2d(after))
            self.add_module(f"relu{i}", nn.ReLU())
        self.logits = nn.Linear(128, classes)

    def forward(self, images: Tensor) -> Tensor:
        """Names `[N, 3, 28, 28]`: logits `[N, classes]`."""
        x = images
        for name, module in self.named_children():
            x = x if name == "logits" else module(x)
        return self.logits(x.mean((2, 3)))


def train(images: Tensor, labels: Tensor, classes: int, epochs: int = 8, seed: int = 0) -> Subject:
    """Trains a `SmallCNN` on images `[N, 3, 28, 28]` and returns it as a subject."""
    return train_as(SmallCNN, images, labels, classes, epochs, seed)


def train_as(
    make: type[nn.Module],
    images: Tensor,
    labels: Tensor,
    classes: int,
    epochs: int = 8,
    seed: int = 0,
) -> Subject:
    """Trains a CNN of some make."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        cnn = make(classes)
        optimizer = torch.optim.Adam(cnn.parameters(), lr=3e-3)
        for _ in range(epochs):
            for batch in torch.randperm(len(images)).split(50):
                loss = nn.functional.cross_entropy(cnn(images[batch]), labels[batch])
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
    return Subject(cnn.eval())
