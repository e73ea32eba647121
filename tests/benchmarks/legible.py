"""How readable pictures are: asked of CNNs that were not probed, for each style.

Transferability after Fel et al., "Unlocking feature visualization for deeper networks with
magnitude constrained optimization" (NeurIPS 2023). At each size two small CNNs of different
architectures are trained on the shipped digits in random hues, each from two seeds, which takes
seconds; the classes of one are probed, and the others are asked what they see. Then, for channels
of `control`, how alike the pictures of five seeds are.

`python -m tests.benchmarks.legible [SIDE ...]`, of 28, 48, 64 and 96 pixels if none are given.
"""

import sys
import time
from itertools import combinations, pairwise

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

import prober
from prober.subject import Subject
from prober.subject.reference import HUES, load_digits, tint

STEPS, SEEDS, EPOCHS, BATCH = 256, 2, 14, 50
CONTROL = "prober/subject/reference/control.pt"


class Pooled(nn.Sequential):
    """Convolutions, each with a maximum over 2 x 2, and a linear layer over the last map."""

    def __init__(self, side):
        widths = [3, 16, 32, 64, *[64] * ((side > 32) + (side > 80))]
        blocks = [
            nn.Sequential(nn.Conv2d(a, b, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2))
            for a, b in pairwise(widths)
        ]
        last = side // 2 ** len(blocks)
        super().__init__(*blocks, nn.Flatten(), nn.Linear(widths[-1] * last**2, 10))


class Strided(nn.Sequential):
    """Strided convolutions with batch normalization, and a mean over the last map."""

    def __init__(self, side):
        def block(a, b, size, stride):
            convolution = nn.Conv2d(a, b, size, stride, size // 2, bias=False)
            return nn.Sequential(convolution, nn.BatchNorm2d(b), nn.ReLU())

        down = [(16, 32), (32, 64), (64, 96)]
        blocks = [layer for a, b in down for layer in (block(a, b, 3, 2), block(b, b, 3, 1))]
        stem = block(3, 16, 5, 1 if side < 40 else 2)
        super().__init__(stem, *blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(96, 10))


def trained(architecture, side, seed):
    """A CNN trained on nine tenths of the shipped digits, and how it names the others."""
    torch.manual_seed(seed)
    images, labels = load_digits()
    size = (side, side)
    images = F.interpolate(images[:, None], size, mode="bilinear", antialias=True)[:, 0].clamp(0, 1)
    held = torch.arange(len(images)) % 10 == 0
    cnn, learned = architecture(side), (~held).nonzero()[:, 0]
    optimizer = torch.optim.Adam(cnn.parameters())
    steps = EPOCHS * (len(learned) // BATCH)
    rates = torch.optim.lr_scheduler.OneCycleLR(optimizer, 4e-3, steps)
    far = round(side / 14)
    for step in range(steps):
        batch = learned[torch.randint(len(learned), (BATCH,))]
        moved = images[batch].roll(torch.randint(-far, far + 1, (2,)).tolist(), (1, 2))
        colored = tint(moved, HUES[torch.randint(len(HUES), (BATCH,))])
        loss = F.cross_entropy(cnn(colored), labels[batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step + 1 < steps:
            rates.step()
    cnn.eval()
    with torch.no_grad():
        shown = tint(images[held], HUES[torch.arange(int(held.sum())) % len(HUES)])
        right = (cnn(shown).argmax(1) == labels[held]).float().mean().item()
    return cnn, right


def pictures(subject, style):
    """The pictures of all classes from each seed, their mean score, and CPU seconds a step."""
    began = time.process_time()
    made = prober.visualize(
        subject,
        [f"logits:{c}" for c in range(10)],
        seeds=SEEDS,
        steps=STEPS,
        style=style,
        precision="32-true",
    )
    seconds = (time.process_time() - began) / STEPS
    images = torch.from_numpy(np.stack([each.array for each in made]))
    return images, np.mean([each.record["score_end"] for each in made]), seconds


def asked(cnn, images):
    """How often a CNN names the class of a picture, and its mean probability."""
    classes = torch.arange(10).repeat_interleave(SEEDS)
    with torch.no_grad():
        p = cnn(images).softmax(1)
    right = (p.argmax(1) == classes).float().mean().item()
    return right, p.gather(1, classes[:, None]).mean().item()


def compare(name, subject, others):
    """Prints what CNNs see in the pictures of another in both styles."""
    plain = None
    for style in ("plain", "legible"):
        images, score, seconds = pictures(subject, style)
        plain = plain or (score, seconds)
        answers = np.array([asked(cnn, images) for cnn in others.values()])
        right, p = answers.mean(0)
        each = ", ".join(
            f"{other} {named:.2f}" for other, named in zip(others, answers[:, 0], strict=True)
        )
        print(
            f"{name:22} {style:8} {right:.3f} {p:.3f}  {score / plain[0]:.2f}  "
            f"{seconds / plain[1]:.2f}  ({each})",
            flush=True,
        )


def likeness():
    """Prints how alike five seeds' pictures of channels are: of their amplitude spectra."""
    for layer in ("conv1", "conv2", "conv3"):
        for style in ("plain", "legible"):
            targets = [f"{layer}:{channel}" for channel in range(0, 16, 2)]
            made = prober.visualize(
                Subject(checkpoint=CONTROL),
                targets,
                seeds=5,
                steps=128,
                style=style,
                precision="32-true",
            )
            spectra = np.abs(np.fft.fft2(np.stack([each.array.mean(0) for each in made])))
            spectra[:, 0, 0] = 0
            of_units = spectra.reshape(len(targets), 5, -1)
            alike = [
                np.corrcoef(of_unit[i], of_unit[j])[0, 1]
                for of_unit in of_units
                for i, j in combinations(range(5), 2)
                if of_unit[i].std() and of_unit[j].std()
            ]
            print(f"{layer} {style:8} likeness of five seeds {np.median(alike):.2f}", flush=True)


def main():
    """Prints the tables."""
    torch.set_num_threads(1)
    print("probed                 style    right p      score time  (right by each)")
    for side in map(int, sys.argv[1:] or ("28", "48", "64", "96")):
        cnns = {}
        for kind in (Pooled, Strided):
            for seed in (0, 1):
                name = f"{kind.__name__.lower()} {seed}"
                cnns[name], held = trained(kind, side, seed)
                print(f"{side} px, {name}: names {held:.2f} of held-out digits right", flush=True)
        if side == 28:
            compare("28 px, control", Subject(checkpoint=CONTROL), cnns)
        for name in ("pooled 0", "strided 0"):
            others = {other: cnn for other, cnn in cnns.items() if other != name}
            subject = Subject(cnns[name], input_shape=(3, side, side))
            compare(f"{side} px, {name}", subject, others)
    likeness()


if __name__ == "__main__":
    main()
