"""How readable pictures are: asked of CNNs that were not probed, for each style.

Transferability after Fel et al., "Unlocking feature visualization for deeper networks with
magnitude constrained optimization" (NeurIPS 2023). At each size two small CNNs of different
architectures are trained on the shipped digits in random hues, each from two seeds, which takes
seconds; the classes of one are probed, and the others are asked what they see. How they name real
digits that they have not learned stands beside it: more can hardly be asked of them. Then, for the
channels of the shipped CNNs in which a report found one facet, how alike the pictures of five seeds
are.

`python -m tests.benchmarks.legible [SIDE ...]`, of 28, 48, 64 and 96 pixels if none are given. With
`--efficientnet` instead: classes of EfficientNet-Lite0 at 224 pixels, of which Lite1 and Lite2 are
asked (`tests/benchmarks/efficientnet.py` says what that needs).
"""

import argparse
import json
import sys
import time
from itertools import combinations, pairwise
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

import prober
from prober.common.evenly import evenly
from prober.subject import Subject
from prober.subject.reference import HUES, load_digits, tint
from tests.benchmarks.efficientnet import HOW, MEAN, MISSING, SIDES, STD, Asked, efficientnet_lite

STEPS, SEEDS, EPOCHS, BATCH = 256, 2, 14, 50
CONTROL = "prober/subject/reference/control.pt"
REPORTS = {"biased": "lightning_logs/reference", "control": "lightning_logs/reference/against"}

IMAGENET = {84: "peacock", 109: "brain coral", 145: "king penguin", 291: "lion"}
IMAGENET |= {323: "monarch", 327: "starfish", 388: "giant panda", 805: "soccer ball"}
"""Of 26 classes those that Lite1 and Lite2 were surest of in a picture from seed 0."""


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
    """A CNN trained on nine tenths of the digits, how it names the others, and with what p."""
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
        p = cnn(shown).softmax(1)
    right = (p.argmax(1) == labels[held]).float().mean().item()
    return cnn, right, p.gather(1, labels[held][:, None]).mean().item()


def pictures(subject, style, classes):
    """The pictures of classes from each seed, their mean score, and CPU seconds a step."""
    began = time.process_time()
    made = prober.visualize(
        subject,
        [f"logits:{c}" for c in classes],
        seeds=SEEDS,
        steps=STEPS,
        style=style,
        precision="32-true",
    )
    seconds = (time.process_time() - began) / STEPS
    images = torch.from_numpy(np.stack([each.array for each in made]))
    return images, np.mean([each.record["score_end"] for each in made]), seconds


@torch.no_grad()
def asked(cnn, images, classes):
    """For each picture whether a CNN names its class, and the probability that it gives it."""
    wanted = torch.tensor(list(classes)).repeat_interleave(SEEDS)
    p = torch.cat([cnn(some) for some in images.split(10)]).softmax(1)
    return (p.argmax(1) == wanted).numpy(), p.gather(1, wanted[:, None])[:, 0].numpy()


def compare(name, subject, others, classes=range(10)):
    """Prints what CNNs see in the pictures of another in both styles; returns the legible ones'."""
    plain = None
    for style in ("plain", "legible"):
        images, score, seconds = pictures(subject, style, classes)
        plain = plain or (score, seconds)
        answers = [asked(cnn, images, classes) for cnn in others.values()]
        each = ", ".join(
            f"{other} {right.mean():.2f} {p.mean():.2f}"
            for other, (right, p) in zip(others, answers, strict=True)
        )
        right, p = np.mean(answers, (0, 2))
        print(
            f"{name:22} {style:8} {right:.3f} {p:.3f}  {score / plain[0]:.2f}  "
            f"{seconds / plain[1]:.2f}  ({each})",
            flush=True,
        )
    return answers


def efficientnet():
    """Prints what Lite1 and Lite2 see in the pictures of Lite0's classes."""
    others = {f"Lite{i}": Asked(i) for i in (1, 2)}
    side = SIDES[0]
    subject = Subject(efficientnet_lite(0), input_shape=(3, side, side), mean=MEAN, std=STD)
    answers = compare("224 px, Lite0", subject, others, IMAGENET)
    for i, (number, name) in enumerate(IMAGENET.items()):
        own = slice(i * SEEDS, (i + 1) * SEEDS)
        p = ", ".join(
            f"{other} {answer[1][own].mean():.2f}"
            for other, answer in zip(others, answers, strict=True)
        )
        print(f"  legible {number} {name}: {p}")


def likeness():
    """Prints how alike five seeds' pictures of a channel with one facet are: their spectra."""
    for name, report in REPORTS.items():
        findings = json.loads(Path(report, "findings.json").read_text(encoding="utf-8"))
        for layer in ("conv1", "conv2", "conv3"):
            single = [
                f["channel"] for f in findings if f["layer"] == layer and len(f["facets"]) == 1
            ]
            channels = [single[i] for i in evenly(len(single), 8)]
            for style in ("plain", "legible"):
                alike = alike_of(name, layer, channels, style)
                print(
                    f"{name}, {layer}, {len(single)} channels with one facet, {len(channels)} of "
                    f"them, {style:8} likeness of five seeds {alike:.2f}",
                    flush=True,
                )


def alike_of(name, layer, channels, style):
    """The median correlation of the amplitude spectra of two seeds' pictures of a channel."""
    made = prober.visualize(
        Subject(checkpoint=f"prober/subject/reference/{name}.pt"),
        [f"{layer}:{channel}" for channel in channels],
        seeds=5,
        steps=128,
        style=style,
        precision="32-true",
    )
    spectra = np.abs(np.fft.fft2(np.stack([each.array.mean(0) for each in made])))
    spectra[:, 0, 0] = 0
    of_units = spectra.reshape(len(channels), 5, -1)
    return np.median(
        [
            np.corrcoef(of_unit[i], of_unit[j])[0, 1]
            for of_unit in of_units
            for i, j in combinations(range(5), 2)
            if of_unit[i].std() and of_unit[j].std()
        ]
    )


def digits(side):
    """Prints what small CNNs see in each other's pictures of one size."""
    cnns = {}
    for kind in (Pooled, Strided):
        for seed in (0, 1):
            name = f"{kind.__name__.lower()} {seed}"
            cnns[name], right, p = trained(kind, side, seed)
            print(f"{side} px, {name}: of real digits {right:.2f} {p:.2f}", flush=True)
    if side == 28:
        compare("28 px, control", Subject(checkpoint=CONTROL), cnns)
    for name in ("pooled 0", "strided 0"):
        others = {other: cnn for other, cnn in cnns.items() if other != name}
        compare(f"{side} px, {name}", Subject(cnns[name], input_shape=(3, side, side)), others)


def main():
    """Prints the tables."""
    parser = argparse.ArgumentParser()
    parser.add_argument("sides", nargs="*", type=int, default=[28, 48, 64, 96], metavar="SIDE")
    parser.add_argument("--efficientnet", action="store_true")
    options = parser.parse_args()
    if options.efficientnet and MISSING:
        sys.exit(HOW)
    torch.set_num_threads(1)
    print("probed                 style    right p      score time  (right, p of each)")
    if options.efficientnet:
        efficientnet()
        return
    for side in options.sides:
        digits(side)
    likeness()


if __name__ == "__main__":
    main()
