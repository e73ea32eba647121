"""How near the maxima of a report come to those of a long search, on trained CNNs.

    python -m tests.benchmarks.trained [--cnn NAME ...] [--units N] [--starts N] [--steps N]

For `biased`, `control` and two CNNs of other make that are trained on the shipped digits, some
units of each layer are searched from 64 starts of 1,000 steps of Adam each, over all images and
over gray ones, and on dense lattices of flat colors; the better of that and the report's own
maximum counts as the truth. Asked for are: of units and sets 95 % or more at 98 % of it, 3 % or
fewer of all units unclear, and of claims with a confidence of 0.9 or more 97 % whose word the
truth bears out; within 0.03 of the limit of a word either is right. It is a report: its exit code
is always 0.
"""

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import torch
from torch import Tensor
from torch.nn import functional as F

from prober.findings.cut_cnn import CutCNN
from prober.findings.finding import Shares
from prober.findings.kinds import kind_of, shares_of
from prober.findings.maxima import FourMaxima, find_maxima
from prober.findings.verdict import EITHER, KIND_CONFIDENCE, between
from prober.findings.windows import window_of
from prober.subject import LOGITS, Subject
from prober.subject.reference import ReferenceCNN
from tests.families import SimpleConvNet, StridedCNN, make, train_as
from tests.plain import FOLDER

NEAR_ENOUGH = 0.98
"""The share of the true gain that a maximum is to reach."""

SURE = 0.9

LIMIT = 0.03
"""A share this near to the limit of a word bears out either word."""

MOST_CLAIMS = 32
"""Units of a layer of which claims are looked at, evenly spread."""

LEARNING_RATE = 0.05


def shipped(name: str) -> Callable[[], Subject]:
    return lambda: Subject(ReferenceCNN(), str(FOLDER / f"{name}.pt"))


def strided() -> Subject:
    given = make("foreground", 0.9)
    return train_as(StridedCNN, given.images, given.labels, given.classes)


def simple() -> Subject:
    given = make("ground", 0.97)
    return train_as(SimpleConvNet, given.images, given.labels, given.classes, epochs=3)


CNNS: dict[str, tuple[Callable[[], Subject], Sequence[str]]] = {
    "biased": (shipped("biased"), ("conv1", "conv2", "conv3", LOGITS)),
    "control": (shipped("control"), ("conv1", "conv2", "conv3", LOGITS)),
    "strided": (strided, ("conv1", "conv2", "conv3", LOGITS)),
    # A pass to its logits costs a hundred times one of the others.
    "simple": (simple, ("conv1", "conv2", "conv3")),
}


@dataclass
class Tally:
    """What was counted.

    Attributes:
        reached: For each unit and set the share of the true gain.
        unclear: For each unit whether it is unclear.
        claims: For each unit how far its shares lie from another word, and whether its word holds.
    """

    reached: list[float] = field(default_factory=list)
    unclear: list[bool] = field(default_factory=list)
    claims: list[tuple[float, bool]] = field(default_factory=list)

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(
            self.reached + other.reached, self.unclear + other.unclear, self.claims + other.claims
        )

    def line(self) -> str:
        near = sum(share >= NEAR_ENOUGH for share in self.reached)
        sure = [right for margin, right in self.claims if confidence(margin) >= SURE]
        return (
            f"at 98 %: {near} of {len(self.reached)} (worst {min(self.reached):.3f})  "
            f"unclear: {sum(self.unclear)} of {len(self.unclear)}  "
            f"sure claims right: {sum(sure)} of {len(sure)}"
        )

    def by_margin(self) -> list[str]:
        """How often words held, by how far from another one the shares lie."""
        lines = ["margin         claims   right"]
        limits = [0.0, 0.03, 0.06, 0.1, 0.2, 0.3, 0.51]
        for low, high in pairwise(limits):
            own = [right for margin, right in self.claims if low <= margin < high]
            if own:
                lines.append(f"{low:.2f} - {high:.2f}  {len(own):7}  {sum(own) / len(own):6.1%}")
        return lines


def confidence(margin: float) -> float:
    return between(KIND_CONFIDENCE, margin)


def long_search(cut: CutCNN, channel: int, colors: int, starts: int, steps: int) -> float:
    """The best score of `starts` ascents by Adam over fields, gray ones if `colors` is 1."""
    chance = torch.Generator().manual_seed(1000 + channel)
    size = (colors, *cut.shape[1:])
    best = -torch.inf
    for x in _starts(starts, size, chance).split(128):
        x = x.clone().requires_grad_()
        adam = torch.optim.Adam([x], lr=LEARNING_RATE, maximize=True)
        for _ in range(steps):
            score = cut.activations(x, [channel])[:, 0]
            best = max(best, score.max().item())
            adam.zero_grad()
            score.sum().backward()
            adam.step()
            with torch.no_grad():
                x.clamp_(0, 1)
        best = max(best, cut.scores(x.detach(), [channel]).max().item())
    return best


def _starts(number: int, size: tuple[int, int, int], chance: torch.Generator) -> Tensor:
    """Noise of several sorts: uniform, near mid gray, smooth, and near one color."""
    quarter = -(-number // 4)
    colors, height, width = size
    coarse = torch.randn(quarter, colors, max(1, height // 4), max(1, width // 4), generator=chance)
    smooth = F.interpolate(coarse, size=(height, width), mode="bilinear", align_corners=False)
    near = 0.1 * torch.randn(quarter, *size, generator=chance)
    one_color = torch.rand(quarter, colors, 1, 1, generator=chance)
    sorts = [
        torch.rand(quarter, *size, generator=chance),
        0.5 + near,
        torch.sigmoid(2 * smooth),
        one_color + near / 2,
    ]
    return torch.stack(sorts, 1).flatten(0, 1)[:number].clamp(0, 1)


def long_flat_search(cut: CutCNN, channel: int, colors: int) -> float:
    """The best score of flat fields: a dense lattice, and a finer one around its best point."""
    points = 1001 if colors == 1 else 25
    axis = torch.linspace(0, 1, points)
    tried = torch.cartesian_prod(*[axis] * colors).view(-1, colors, 1, 1)
    scores = cut.scores(tried, [channel])[:, 0]
    around = torch.linspace(-1, 1, 9) / (points - 1)
    around = torch.cartesian_prod(*[around] * colors).view(-1, colors, 1, 1)
    finer = torch.cat([(tried[i] + around).clamp(0, 1) for i in scores.topk(8).indices])
    return max(scores.max().item(), cut.scores(finer, [channel]).max().item())


def true_scores(cut: CutCNN, channel: int, own: Tensor, starts: int, steps: int) -> Tensor:
    """The largest scores known, `[4]`: all, gray, flat, flat gray; nested."""
    colors = cut.shape[0]
    flat_gray = max(own[3].item(), long_flat_search(cut, channel, 1))
    flat = max(own[2].item(), flat_gray, long_flat_search(cut, channel, colors))
    gray = max(own[1].item(), flat_gray, long_search(cut, channel, 1, starts, steps))
    most = max(own[0].item(), gray, flat, long_search(cut, channel, colors, starts, steps))
    return torch.tensor([most, gray, flat, flat_gray], dtype=torch.float64)


def bears_out(word: str, truth: Shares) -> bool:
    """Whether the true shares have this word, or are so near that either will do."""
    kind, margin = kind_of(truth)
    return kind == word or margin <= LIMIT


def judge(subject: Subject, layer: str, units: int, starts: int, steps: int) -> Tally:
    """Compares what a report finds of a layer with the long search."""
    window = window_of(subject, layer, None)
    cut = CutCNN(subject, layer, window)
    total = subject.layers[layer].shape[0]
    asked = torch.linspace(0, total - 1, min(total, MOST_CLAIMS)).round().long().tolist()
    found = find_maxima(subject, layer, asked, window)
    compared = torch.linspace(0, len(asked) - 1, min(units, len(asked))).round().long().tolist()
    tally = Tally(unclear=[_is_unclear(found.of(i)) for i in range(len(asked))])
    for i in compared:
        own = found.of(i)
        truth = true_scores(cut, asked[i], own.scores, starts, steps)
        gain = truth[0] - own.neutral
        reached = (own.scores - own.neutral) / (truth - own.neutral).clamp_min(1e-9 * gain)
        # A set whose maximum is hardly above mid gray has no share to speak of.
        reached = torch.where((truth - own.scores) <= 1e-3 * gain, 1.0, reached)
        tally.reached += reached.tolist()
        if not _is_unclear(own):
            word, margin = kind_of(Shares(*own.shares.tolist()))
            true_shares = Shares(*shares_of(own.neutral, truth).tolist())
            tally.claims.append((margin, bears_out(word, true_shares)))
    return tally


def _is_unclear(maxima: FourMaxima) -> bool:
    """Whether a unit that shows one facet would be called unclear."""
    return not bool(maxima.settled) or maxima.shares[3].item() <= EITHER


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--cnn", nargs="*", default=list(CNNS), choices=CNNS)
    parser.add_argument("--units", type=int, default=4, help="units of each layer")
    parser.add_argument("--starts", type=int, default=64, help="starts of the long search")
    parser.add_argument("--steps", type=int, default=1000, help="steps of each of them")
    options = parser.parse_args()
    total = Tally()
    for name in options.cnn:
        load, layers = CNNS[name]
        subject = load()
        for layer in layers:
            began = time.process_time()
            tally = judge(subject, layer, options.units, options.starts, options.steps)
            total += tally
            seconds = time.process_time() - began
            print(f"{name:8} {layer:7} {tally.line()}  {seconds:.0f} s of CPU", flush=True)
    print("", total.line(), "", *total.by_margin(), sep="\n")


if __name__ == "__main__":
    main()
