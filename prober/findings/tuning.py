"""Tuning: how a layer's channels respond to flat patches and strokes around the circle."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from prober.findings import stimuli
from prober.findings.stimuli import ANGLES, FREQUENCIES, TINTED_HUES, Stimuli
from prober.findings.units import Window, responses
from prober.subject.frozen import Subject

VALLEY = 0.9
"""Two peaks are two where the curve falls below this share of the lower one between them."""

Shape = tuple[int, int, int]

SORTS: dict[str, Callable[[Shape], list[Callable[[], Stimuli]]]] = {
    "gray": lambda shape: [lambda: stimuli.grays(shape)],
    "hue": lambda shape: [lambda: stimuli.flat_hues(shape)] * (shape[0] == 3),
    "bar": lambda shape: [lambda: stimuli.gray_bars(shape)],
    "grating": lambda shape: [lambda: stimuli.gray_gratings(shape)],
    "tinted": lambda shape: [
        lambda hue=hue: stimuli.tinted_strokes(shape, hue)
        for hue in (TINTED_HUES if shape[0] == 3 else ())
    ],
}
"""The sorts of stimuli; each is made block by block, so that not all are in memory at once."""


@dataclass
class Curves:
    """What one channel answers.

    Attributes:
        grays: `[9]` over `GRAYS`.
        flat: `[72]` over `FLAT_HUES`, empty where images have no three channels.
        strokes: `[12]` over `TINTED_HUES`, the best tinted stroke of each hue; or empty.
        bars: `[24]` over `ANGLES`, the best bar of each angle.
        gratings: `[24]` over `ANGLES`, the best grating of each angle.
        frequencies: `[6]` over `FREQUENCIES`, the best grating of each frequency.
        tinted: `[12, 12]`, the best tinted stroke of each hue and each second angle; or empty.
    """

    grays: Tensor
    flat: Tensor
    strokes: Tensor
    bars: Tensor
    gratings: Tensor
    frequencies: Tensor
    tinted: Tensor

    @property
    def neutral(self) -> float:
        """The response to mid gray."""
        return self.grays[len(self.grays) // 2].item()

    @property
    def angles(self) -> Tensor:
        """`[24]`, the best gray stroke of each angle."""
        return torch.maximum(self.bars, self.gratings)


class Battery:
    """The responses of some layers to all stimuli, computed in one pass.

    Args:
        subject: The CNN under study.
        windows: The layers.

    Attributes:
        sort: `[N]`, for each stimulus the index of its sort among `SORTS`.
        hue: `[N]`, see `Stimuli`.
        angle: `[N]`.
        frequency: `[N]`.
        responses: For each layer `[N, channels]`, see `units.responses`.
    """

    def __init__(self, subject: Subject, windows: dict[str, Window]) -> None:
        self._shape = subject.input_shape
        parts: dict[str, list[Tensor]] = {layer: [] for layer in windows}
        sort, hue, angle, frequency = [], [], [], []
        for number, make in self._blocks():
            block = make()
            for layer, (strongest, _) in responses(subject, block.images, windows).items():
                parts[layer].append(strongest)
            sort.append(torch.full((len(block),), number))
            hue.append(block.hue)
            angle.append(block.angle)
            frequency.append(block.frequency)
        self.responses = {layer: torch.cat(part) for layer, part in parts.items()}
        self.sort, self.hue = torch.cat(sort), torch.cat(hue)
        self.angle, self.frequency = torch.cat(angle), torch.cat(frequency)

    def _blocks(self) -> list[tuple[int, Callable[[], Stimuli]]]:
        return [(i, make) for i, of in enumerate(SORTS.values()) for make in of(self._shape)]

    def of(self, *sorts: str) -> Tensor:
        """Returns the numbers of all stimuli of some sorts."""
        wanted = torch.tensor([list(SORTS).index(sort) for sort in sorts])
        return torch.isin(self.sort, wanted).nonzero()[:, 0]

    def images(self, numbers: list[int]) -> Tensor:
        """Makes some of the stimuli again, `[len(numbers), C, H, W]`."""
        found = torch.empty(len(numbers), *self._shape)
        first = 0
        for _, make in self._blocks():
            block = make()
            for i, number in enumerate(numbers):
                if first <= number < first + len(block):
                    found[i] = block.images[number - first]
            first += len(block)
        return found

    def curves(self, layer: str, channel: int) -> Curves:
        """Sums up the responses of a channel as tuning curves."""
        response = self.responses[layer][:, channel].double()

        def best(values: Tensor, wanted: Tensor, *sorts: str) -> Tensor:
            of = self.of(*sorts)
            same = values[of, None] == wanted
            return response[of, None].where(same, response.new_tensor(-math.inf)).amax(0)

        colored = self._shape[0] == 3
        none = response.new_zeros(0)
        of = self.of("tinted")
        tinted = none
        if colored:
            place = (self.hue[of] / 30).long() * 12 + (self.angle[of] / 15).long()
            tinted = response.new_full((144,), -math.inf)
            tinted = tinted.scatter_reduce(0, place, response[of], "amax").view(12, 12)
        return Curves(
            grays=response[self.of("gray")],
            flat=response[self.of("hue")],
            strokes=tinted.amax(1) if colored else none,
            bars=best(self.angle, ANGLES, "bar"),
            gratings=best(self.angle, ANGLES, "grating"),
            frequencies=best(self.frequency, FREQUENCIES, "grating"),
            tinted=tinted,
        )


def phase(curve: Tensor, period: float) -> float:
    """Returns the phase of a curve's first harmonic, in [0, period).

    Args:
        curve: `[N]`, evenly over one period, the first at 0.
        period: 360 for hues, 180 for orientations.
    """
    turns = torch.arange(len(curve), dtype=torch.float64) * 2 * math.pi / len(curve)
    x, y = (curve * turns.cos()).sum(), (curve * turns.sin()).sum()
    # Twice, since the remainder of a very small negative number is the period itself.
    return math.atan2(y, x) / (2 * math.pi) * period % period % period


def peaks(curve: Tensor, neutral: float, near: float) -> list[int]:
    """Finds the peaks of a closed curve, highest first, that a valley parts.

    Args:
        curve: `[N]`, evenly over one period.
        neutral: The response from which heights count.
        near: The share of the highest peak that another must have.
    """
    height = curve - neutral
    if not height.max() > 0:
        return []
    found: list[int] = []
    for i in height.argsort(descending=True).tolist():
        if height[i] < near * height.max():
            break
        if all(_pass(height, i, peak) < VALLEY * height[i] for peak in found):
            found.append(i)
    return found


def _pass(curve: Tensor, start: int, end: int) -> Tensor:
    """The lowest point of the better one of the two ways from one point to another."""
    n = len(curve)
    ways = []
    for step in (1, -1):
        way = [(start + step * k) % n for k in range((step * (end - start)) % n + 1)]
        ways.append(curve[way].min())
    return max(ways)
