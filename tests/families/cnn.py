"""Small CNNs, trained on a family in seconds."""

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


def train(images: Tensor, labels: Tensor, classes: int, epochs: int = 8, seed: int = 0) -> Subject:
    """Trains a CNN on images `[N, 3, 28, 28]` and returns it as a subject."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        cnn = SmallCNN(classes)
        optimizer = torch.optim.Adam(cnn.parameters(), lr=3e-3)
        for _ in range(epochs):
            for batch in torch.randperm(len(images)).split(50):
                loss = nn.functional.cross_entropy(cnn(images[batch]), labels[batch])
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
    return Subject(cnn.eval())
