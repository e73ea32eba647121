"""The reference CNN: small, plain, and with every layer a module that has a name."""

from torch import Tensor, nn


class ReferenceCNN(nn.Module):
    """A CNN of three convolutions for colored digits of 28x28 pixels.

    Its layers, in the order in which they run, and the shape that each puts out:

    | layer        | what it is                     | output            |
    |--------------|--------------------------------|-------------------|
    | `conv1`      | 3x3 convolution, padding 1     | `[N, 16, 28, 28]` |
    | `relu1`      | ReLU                           | `[N, 16, 28, 28]` |
    | `pool1`      | maximum over 2x2               | `[N, 16, 14, 14]` |
    | `conv2`      | 3x3 convolution, padding 1     | `[N, 32, 14, 14]` |
    | `relu2`      | ReLU                           | `[N, 32, 14, 14]` |
    | `pool2`      | maximum over 2x2               | `[N, 32, 7, 7]`   |
    | `conv3`      | 3x3 convolution, padding 1     | `[N, 64, 7, 7]`   |
    | `relu3`      | ReLU                           | `[N, 64, 7, 7]`   |
    | `pool3`      | maximum over 2x2               | `[N, 64, 3, 3]`   |
    | `classifier` | linear, from the flattened map | `[N, 10]`         |

    The images are plain: RGB in [0, 1], without any normalization.
    """

    def __init__(self) -> None:
        """Make the layers, with PyTorch's own random weights."""
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, kernel_size=3, padding=1)
        self.relu1 = nn.ReLU()
        self.pool1 = nn.MaxPool2d(2)
        self.conv2 = nn.Conv2d(16, 32, kernel_size=3, padding=1)
        self.relu2 = nn.ReLU()
        self.pool2 = nn.MaxPool2d(2)
        self.conv3 = nn.Conv2d(32, 64, kernel_size=3, padding=1)
        self.relu3 = nn.ReLU()
        self.pool3 = nn.MaxPool2d(2)
        self.classifier = nn.Linear(64 * 3 * 3, 10)

    def forward(self, images: Tensor) -> Tensor:
        """Classify images.

        Args:
            images: RGB in [0, 1], `[N, 3, 28, 28]`.

        Returns:
            The logits of the ten digits, `[N, 10]`.
        """
        x = self.pool1(self.relu1(self.conv1(images)))
        x = self.pool2(self.relu2(self.conv2(x)))
        x = self.pool3(self.relu3(self.conv3(x)))
        return self.classifier(x.flatten(start_dim=1))
