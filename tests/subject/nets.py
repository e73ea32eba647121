"""CNNs and images that tests of the subject share."""

import torch
from torch import nn
from torch.nn import functional as F

from prober.subject import Subject

IMAGES = torch.rand(3, 3, 8, 8, generator=torch.Generator().manual_seed(1))


def subject_of(cnn, channels=3, side=8):
    return Subject(cnn, input_shape=(channels, side, side))


def state(cnn):
    """Everything about a CNN that a look at it could change."""
    modules = [
        (
            module.training,
            {key: id(value) for key, value in vars(module).items() if key != "training"},
            [list(getattr(module, key)) for key in vars(module) if key.endswith("_hooks")],
            list(module._modules.keys()),
        )
        for module in cnn.modules()
    ]
    tensors = [*cnn.parameters(), *cnn.buffers()]
    values = [(id(t), t.dtype, t.device, t.requires_grad, t._version, t.grad) for t in tensors]
    return modules, values


class Net(nn.Module):
    """A forward pass as a function over some modules."""

    def __init__(self, run, **modules):
        super().__init__()
        torch.manual_seed(0)
        self.run = run
        for name, module in modules.items():
            setattr(self, name, module())

    def forward(self, x):
        return self.run(self, x)


def conv(inputs=3, outputs=4, **given):
    return lambda: nn.Conv2d(inputs, outputs, 3, padding=1, **given)


def encode(net, x):
    x = net.patches(x).flatten(2).transpose(1, 2)
    return net.head(net.norm(net.block(x)).mean(1))


def transformer():
    return Net(
        encode,
        patches=lambda: nn.Conv2d(3, 12, 2, stride=2),
        block=lambda: nn.TransformerEncoderLayer(12, 3, 20, batch_first=True),
        norm=lambda: nn.LayerNorm(12),
        head=lambda: nn.Linear(12, 5),
    )


class Permute(nn.Module):
    def __init__(self, *dims):
        super().__init__()
        self.dims = dims

    def forward(self, x):
        return x.permute(self.dims)


class FirstNorm(nn.LayerNorm):
    """As torchvision's: derived from a norm of the last dimension, but of the second."""

    def forward(self, x):
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


def convnext(width):
    return nn.Sequential(
        nn.Conv2d(3, width, 3, padding=1),
        FirstNorm(width),
        Permute(0, 2, 3, 1),
        nn.LayerNorm(width),
        nn.Linear(width, 20),
        nn.GELU(),
        nn.Linear(20, width),
        Permute(0, 3, 1, 2),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
    )


class Gives(nn.Module):
    def __init__(self, make):
        super().__init__()
        self.make = make

    def forward(self, x):
        return self.make(x)


def in_place_on_views(net, x):
    x = net.conv(x)
    x[:, 2:].mul_(0.5).add_(1)
    x[:, :2].relu_()
    return net.head(x.mean((2, 3)))


def squeeze_excite(net, x):
    x = net.conv(x)
    return x * net.up(net.down(x.mean((2, 3), keepdim=True)).relu_()).sigmoid_()


def dense(net, x):
    first = torch.cat([x, net.first(x)], 1)
    return torch.cat([first, net.second(first)], 1)


def residual(net, x):
    x = net.relu(net.first(x))
    y = net.norm(net.second(x))
    y += x
    return net.relu(y)


class Spectral(nn.Module):
    """Complex weights on the image's spectrum."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(4, 3, dtype=torch.complex64))

    def forward(self, x):
        mixed = torch.einsum("oc,nchw->nohw", self.weight, torch.fft.rfft2(x).to(self.weight))
        return torch.fft.irfft2(mixed, s=x.shape[2:])


class Tables(nn.Module):
    """Buffers of integers and truth values, and a kernel that is no buffer."""

    def __init__(self):
        super().__init__()
        self.register_buffer("order", torch.tensor([2, 0, 1]))
        self.register_buffer("mask", torch.rand(8, 8) > 0.3)
        self.kernel = torch.rand(3, 1, 3, 3)

    def forward(self, x):
        return F.conv2d(x[:, self.order] * self.mask, self.kernel, groups=3)


KINDS = {
    "group norm": lambda: nn.Sequential(conv()(), nn.GroupNorm(2, 4), nn.ReLU(inplace=True)),
    "instance norm": lambda: nn.Sequential(
        conv()(), nn.InstanceNorm2d(4, track_running_stats=True), nn.SiLU(inplace=True)
    ),
    "layer norm": lambda: nn.Sequential(conv()(), nn.LayerNorm([4, 8, 8]), nn.LeakyReLU()),
    "batch norm and dropout": lambda: nn.Sequential(
        conv()(), nn.BatchNorm2d(4), nn.Dropout(0.5), nn.Dropout2d(0.5), nn.ReLU6(inplace=True)
    ),
    "grouped and depthwise": lambda: nn.Sequential(
        conv(3, 6, groups=3)(), conv(6, 6, groups=6)(), nn.Hardswish(inplace=True)
    ),
    "transposed and upsampled": lambda: nn.Sequential(
        nn.ConvTranspose2d(3, 4, 2, 2), nn.Upsample(scale_factor=2), nn.PixelShuffle(2)
    ),
    "residual": lambda: Net(
        residual,
        first=conv(),
        second=conv(4, 4),
        norm=lambda: nn.BatchNorm2d(4),
        relu=lambda: nn.ReLU(inplace=True),
    ),
    "dense": lambda: Net(dense, first=conv(3, 4), second=conv(7, 2)),
    "squeeze and excitation": lambda: Net(
        squeeze_excite,
        conv=conv(),
        down=lambda: nn.Conv2d(4, 2, 1),
        up=lambda: nn.Conv2d(2, 4, 1),
    ),
    "in place on views": lambda: Net(in_place_on_views, conv=conv(), head=lambda: nn.Linear(4, 2)),
    "complex weights": lambda: nn.Sequential(Spectral(), nn.ReLU()),
    "tables": lambda: nn.Sequential(Tables(), nn.Conv2d(3, 2, 3)),
    "transformer": transformer,
}
