"""The yardstick of every benchmark: the method as a plain PyTorch loop, without Lightning.

One hook, the whole CNN at each step, float32, the loss curve and an image every 50 steps kept in
memory. `python -m tests.benchmarks.plain LAYER CHANNEL` runs it once as a process of its own that
imports what the command line has to import, too.
"""

import sys
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from prober.common.files import PROJECT
from prober.subject.reference import ReferenceCNN

STEPS = 500


def load_cnn(checkpoint: str = "prober/subject/reference/biased.pt") -> nn.Module:
    """The trained reference CNN, frozen as plain PyTorch does it."""
    cnn = ReferenceCNN()
    cnn.load_state_dict(torch.load(PROJECT / checkpoint, weights_only=True))
    cnn.eval()
    for p in cnn.parameters():
        p.requires_grad = False
    return cnn


def plain_loop(
    cnn: nn.Module, layer: str, channel: int, seed: int = 0, steps: int = STEPS, lr: float = 0.05
) -> tuple[Tensor, list[float], list[Tensor]]:
    """One image `[1, 3, 28, 28]` that excites a channel's mean, its losses and its snapshots."""
    activations = {}

    def hook(module, input, output):
        activations[layer] = output

    handle = cnn.get_submodule(layer).register_forward_hook(hook)
    img = noise([seed]).requires_grad_()
    optimizer = torch.optim.Adam([img], lr=lr)
    losses, snapshots = [], []
    for step in range(steps):
        optimizer.zero_grad()
        cnn(img)
        loss = -activations[layer][0, channel].mean()
        loss += 1e-4 * img.pow(2).mean()
        tv = torch.mean(torch.abs(img[:, :, :-1] - img[:, :, 1:])) + torch.mean(
            torch.abs(img[:, :, :, :-1] - img[:, :, :, 1:])
        )
        loss += 1e-3 * tv
        loss.backward()
        optimizer.step()
        img.data.clamp_(0, 1)
        losses.append(loss.item())
        if step % 50 == 0:
            snapshots.append(img.detach().clone())
    handle.remove()
    return img.detach(), losses, snapshots


def plain_batch(
    cnn: nn.Module,
    layer: str,
    channels: Sequence[int],
    seeds: Sequence[int],
    steps: int = STEPS,
    lr: float = 0.05,
) -> tuple[Tensor, list[float], list[Tensor]]:
    """The same loop for N images at once, each with a channel and a seed of its own.

    The loss is the sum over the images, so each one's gradient is what it would be alone.
    """
    activations = {}

    def hook(module, input, output):
        activations[layer] = output

    handle = cnn.get_submodule(layer).register_forward_hook(hook)
    images = torch.arange(len(channels))
    channels = torch.tensor(channels)
    img = noise(seeds).requires_grad_()
    optimizer = torch.optim.Adam([img], lr=lr)
    losses, snapshots = [], []
    for step in range(steps):
        optimizer.zero_grad()
        cnn(img)
        score = activations[layer][images, channels].reshape(len(images), -1).mean(1)
        loss = -score.sum()
        loss += 1e-4 * img.pow(2).flatten(1).mean(1).sum()
        down = torch.abs(img[:, :, :-1] - img[:, :, 1:]).flatten(1).mean(1)
        across = torch.abs(img[:, :, :, :-1] - img[:, :, :, 1:]).flatten(1).mean(1)
        loss += 1e-3 * (down + across).sum()
        loss.backward()
        optimizer.step()
        img.data.clamp_(0, 1)
        losses.append(loss.item())
        if step % 50 == 0:
            snapshots.append(img.detach().clone())
    handle.remove()
    return img.detach(), losses, snapshots


def noise(seeds: Sequence[int]) -> Tensor:
    """Gaussian noise in [0, 1], the same for a seed as the project's own `GaussianNoise`."""
    images = [torch.randn(3, 28, 28, generator=torch.Generator().manual_seed(s)) for s in seeds]
    return torch.stack(images).clamp_(0, 1)


if __name__ == "__main__":
    import lightning.pytorch.cli  # noqa: F401
    import torch.utils.tensorboard  # noqa: F401

    _, losses, _ = plain_loop(load_cnn(), sys.argv[1], int(sys.argv[2]))
    print(f"{sys.argv[1]} channel {sys.argv[2]}: loss {losses[0]:.4g} to {losses[-1]:.4g}.")
