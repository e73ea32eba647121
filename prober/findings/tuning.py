"""Tuning: how a layer's channels respond to flat patches and strokes around the circle."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from prober.ascent.method import is_large
from prober.common.colors import angle_of
from prober.common.inputs import ImageShape, plane_of
from prober.findings import stimuli
from prober.findings.finding import FrequencyTuning, HueTuning, OrientationTuning, Tuning
from prober.findings.responses import responses
from prober.findings.stimuli import TINTED_HUES, Choice, Stimuli, choice
from prober.findings.units import Site
from prober.findings.windows import Window
from prober.subject import Subject
from prober.sweep.on_cores import on_cores

PEAK_VALLEY = 0.9
"""Two peaks are two where the curve falls below this share of the lower one between them."""

WANTED_HUE = 0.45
"""A hue is wanted if a flat patch or a stroke of it answers so far on the way from the least to the
most around the circle. The tint that raises the score of a picture of two hues most may lie between
them, where the unit wants nothing. Of 300 facets of trained CNNs 15 have less, in the median it is
0.98."""

LITTLE_VARIED = 0.05
"""A curve that varies by less, as a share of what the others do, tells no hue from another."""

Block = Callable[[], Stimuli]


def _at_once(shape: ImageShape, angles: Tensor) -> Sequence[Tensor]:
    """Cuts angles into those whose strokes are in memory at once: of large images each alone."""
    return angles.split(1) if is_large(shape) else [angles]


FAMILIES: dict[str, Callable[[ImageShape], list[Block]]] = {
    "gray": lambda shape: [partial(stimuli.grays, shape)],
    "hue": lambda shape: [partial(stimuli.flat_hues, shape)] * (shape[0] == 3),
    "bar": lambda shape: [
        partial(stimuli.gray_bars, shape, angles)
        for angles in _at_once(shape, choice(shape).angles)
    ],
    "grating": lambda shape: [
        partial(stimuli.gray_gratings, shape, angles)
        for angles in _at_once(shape, choice(shape).angles)
    ],
    "tinted": lambda shape: [
        partial(stimuli.tinted_strokes, shape, hue, angles)
        for hue in (TINTED_HUES if shape[0] == 3 else ())
        for angles in _at_once(shape, choice(shape).tinted_angles)
    ],
}
"""The stimuli by what they are; each family is made block by block, so that not all are in memory
at once."""


@dataclass(frozen=True)
class Curves:
    """What one channel answers.

    Attributes:
        chosen: The hues, angles and frequencies that the curves go over.
        grays: `[9]` over `GRAYS`.
        flat: Over `chosen.hues`, empty where images have no three channels.
        bars: Over `chosen.angles`, the best bar of each angle.
        gratings: Over `chosen.angles`, the best grating of each angle.
        frequencies: Over `chosen.frequencies`, the best grating of each frequency.
        tinted: Over `TINTED_HUES` and `chosen.tinted_angles`, the best tinted stroke; or empty.
    """

    chosen: Choice
    grays: Tensor
    flat: Tensor
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
        """Over `chosen.angles`, the best gray stroke of each angle."""
        return torch.maximum(self.bars, self.gratings)

    def wants_hue(self, hue: float) -> bool:
        """Tells whether flat patches or strokes of a hue excite, among those of all hues.

        Args:
            hue: Degrees, of images of three channels. Where all hues do alike, none is denied.
        """
        by_hue = [self.flat, self.tinted.amax(1)]
        varied = max(each.max() - each.min() for each in (*by_hue, self.grays, self.angles))
        above = [each - each.min() for each in by_hue]
        above = [each for each in above if each.max() > LITTLE_VARIED * varied]

        def answers(curve: Tensor) -> bool:
            place = hue / 360 * len(curve)
            beside = [curve[at % len(curve)] for at in (math.floor(place), math.ceil(place))]
            return bool(max(beside) >= WANTED_HUE * curve.max())

        return not above or any(map(answers, above))


class Battery:
    """The responses of some sites to all stimuli, computed in one pass.

    Args:
        subject: The CNN under study.
        windows: The sites, and where they look.
        cores: How many processes may share the work.

    Attributes:
        shape: Of the images, `(C, H, W)`.
        chosen: Which stimuli there are.
        family: `[N]`, for each stimulus the index of its family among `FAMILIES`.
        hue: `[N]`, see `Stimuli`.
        angle: `[N]`.
        frequency: `[N]`.
        responses: For each site `[N, channels]`, the strongest, see `responses.Responses`.
    """

    def __init__(self, subject: Subject, windows: Mapping[Site, Window], cores: int = 1) -> None:
        self.shape = plane_of(subject.input_shape)
        self.chosen = choice(self.shape)

        def answers(piece: tuple[int, Block]) -> tuple[dict[Site, Tensor], tuple[Tensor, ...]]:
            number, make = piece
            block = make()
            answered = responses(subject, block.images, windows)
            strongest = {site: answered[site].strongest for site in windows}
            family = torch.full((len(block),), number)
            return strongest, (family, block.hue, block.angle, block.frequency)

        parts, known = zip(*on_cores(answers, self._blocks(), cores), strict=True)
        self._sizes = [len(family) for family, *_ in known]
        self.responses = {site: torch.cat([part[site] for part in parts]) for site in windows}
        self.family, self.hue, self.angle, self.frequency = map(torch.cat, zip(*known, strict=True))

    def _blocks(self) -> list[tuple[int, Block]]:
        families = enumerate(FAMILIES.values())
        return [(i, make) for i, blocks in families for make in blocks(self.shape)]

    def numbers(self, *families: str) -> Tensor:
        """Returns the numbers of all stimuli of some families."""
        wanted = torch.tensor([list(FAMILIES).index(family) for family in families])
        return torch.isin(self.family, wanted).nonzero()[:, 0]

    def images(self, numbers: Sequence[int]) -> Tensor:
        """Makes some of the stimuli again, `[len(numbers), C, H, W]`."""
        found = torch.empty(len(numbers), *self.shape)
        first = 0
        for (_, make), size in zip(self._blocks(), self._sizes, strict=True):
            wanted = [i for i, number in enumerate(numbers) if first <= number < first + size]
            if wanted:
                block = make()
                for i in wanted:
                    found[i] = block.images[numbers[i] - first]
            first += size
        return found

    def curves(self, site: Site, channel: int) -> Curves:
        """Sums up the responses of a channel as tuning curves."""
        response = self.responses[site][:, channel].double()

        def best(values: Tensor, wanted: Tensor, family: str) -> Tensor:
            numbers = self.numbers(family)
            same = values[numbers, None] == wanted
            return response[numbers, None].where(same, response.new_tensor(-math.inf)).amax(0)

        tinted = response.new_zeros(0)
        if self.shape[0] == 3:
            numbers, angles = self.numbers("tinted"), len(self.chosen.tinted_angles)
            row, column = self.hue[numbers] * 12 / 360, self.angle[numbers] * angles / 180
            cell = row.long() * angles + column.long()
            tinted = response.new_full((12 * angles,), -math.inf)
            tinted = tinted.scatter_reduce(0, cell, response[numbers], "amax").view(12, angles)
        return Curves(
            chosen=self.chosen,
            grays=response[self.numbers("gray")],
            flat=response[self.numbers("hue")],
            bars=best(self.angle, self.chosen.angles, "bar"),
            gratings=best(self.angle, self.chosen.angles, "grating"),
            frequencies=best(self.frequency, self.chosen.frequencies, "grating"),
            tinted=tinted,
        )


def phase(curve: Tensor) -> float:
    """Returns the phase of a curve's first harmonic in degrees, in [0, 360).

    Args:
        curve: `[N]`, evenly around the circle of hues, the first at 0.
    """
    turns = torch.arange(len(curve), dtype=torch.float64) * 2 * math.pi / len(curve)
    return angle_of((curve * turns.cos()).sum(), (curve * turns.sin()).sum()).item()


def peaks(curve: Tensor, neutral: float, least: float) -> list[int]:
    """Finds the peaks of a closed curve, highest first, that a valley parts.

    Args:
        curve: `[N]`, around one period, in order.
        neutral: The response from which heights count.
        least: The share of the highest peak that another must have.
    """
    height = curve - neutral
    if not height.max() > 0:
        return []
    found: list[int] = []
    for i in height.argsort(descending=True).tolist():
        if height[i] < least * height.max():
            break
        if all(_pass(height, i, peak) < PEAK_VALLEY * height[i] for peak in found):
            found.append(i)
    return found


def dip(height: Tensor, one: int, other: int) -> float:
    """Tells how far a closed curve falls between two places, on its better side.

    Args:
        height: `[N]`, evenly over one period, from where heights count.
        one: A place.
        other: Another.

    Returns:
        The height there as a share of that of the lower place; 1 where this has none.
    """
    lower = height[[one, other]].min().item()
    return _pass(height, one, other) / lower if lower > 0 else 1.0


def _pass(curve: Tensor, start: int, end: int) -> float:
    """The lowest point on the better one of the two sides of a circle from one point to another."""
    n = len(curve)
    lowest = []
    for step in (1, -1):
        side = [(start + step * k) % n for k in range((step * (end - start)) % n + 1)]
        lowest.append(curve[side].min().item())
    return max(lowest)


def tuning_of(curves: Curves) -> Tuning:
    """Returns a unit's tuning curves as its finding has them."""
    hue = None
    if len(curves.flat):
        # The page draws 24 points around the circle, twice as many as there are tinted hues.
        best = curves.tinted.amax(1)
        strokes = best.repeat_interleave(2)
        strokes[1::2] = (best + best.roll(-1)) / 2
        every = len(curves.flat) // len(strokes)
        hue = HueTuning(
            degrees=tuple(curves.chosen.hues[::every].tolist()),
            flat=tuple(curves.flat[::every].tolist()),
            strokes=tuple(strokes.tolist()),
        )
    return Tuning(
        hue,
        OrientationTuning(
            degrees=tuple(curves.chosen.angles.tolist()),
            bars=tuple(curves.bars.tolist()),
            gratings=tuple(curves.gratings.tolist()),
            tinted=tuple(curves.tinted.amax(0).tolist()) if len(curves.tinted) else (),
        ),
        FrequencyTuning(
            cycles_per_pixel=tuple(curves.chosen.frequencies.tolist()),
            gratings=tuple(curves.frequencies.tolist()),
        ),
    )
