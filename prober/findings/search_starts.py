"""Starts of the search for facets, chosen to lead to what plain reseeding misses.

Noise finds the optimum with the widest basin. Others are looked for from what is known to be flat
or striped, from what excites other units, from real images, and from images that are pushed away
from the facets already found, see `ascents`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from typing_extensions import override

from prober.ascent.method import is_large
from prober.ascent.starts import (
    GaussianNoise,
    GrayNoise,
    InitialImage,
    LowFrequencyNoise,
    PinkNoise,
)
from prober.common.colors import distance
from prober.common.inputs import Shape
from prober.findings.batches import forward_batches
from prober.findings.effort import effort
from prober.findings.stimuli import TINTED_HUES
from prober.findings.survey import Survey
from prober.findings.tuning import Battery, peaks
from prober.findings.units import Unit
from prober.findings.windows import Window
from prober.subject import Subject

START_PEAK = 0.3
"""A peak of a tuning curve is a start if it has this share of the highest one's height."""

HUE_BETWEEN_STROKES = 90.0
ORIENTATION_BETWEEN_STROKES = 45.0
"""Degrees that two tinted strokes must lie apart, in one of the two, to be two starts."""

REAL_STARTS = 2
"""Starts that are real images, for each unit."""


def various_initial_images(shape: Shape) -> list[InitialImage]:
    """Initial images that lead to different optima, where a unit has several."""
    if is_large(shape):
        sigma = min(shape[1:]) / 16
        return [PinkNoise(), PinkNoise(contrast=0.25), LowFrequencyNoise(sigma=sigma)]
    return [GaussianNoise(), GrayNoise(), LowFrequencyNoise()]


@dataclass(frozen=True, eq=False)
class Start(InitialImage):
    """An image that a search starts from.

    Attributes:
        origin: Where it comes from: `flat`, `striped`, `real`, ….
        kept: `[C, H, W]`, float32 in [0, 1]; a large image in bytes, since all of a report are in
            memory together.
    """

    origin: str
    kept: Tensor

    @classmethod
    def of(cls, origin: str, image: Tensor) -> "Start":
        """Keeps an image `[C, H, W]` in [0, 1]."""
        bytes_do = is_large(image.shape)
        return cls(origin, (image * 255).round().byte() if bytes_do else image.clone())

    @property
    def image(self) -> Tensor:
        """The image, `[C, H, W]`, float32 in [0, 1]."""
        return self.kept if self.kept.is_floating_point() else self.kept.float() / 255

    @override
    def draw(self, shape: Shape, generator: torch.Generator) -> Tensor:
        return self.image.clone()

    @override
    def record(self) -> dict[str, Any]:
        """Says where it comes from, under the key `sort`."""
        return {"name": type(self).__name__, "sort": self.origin}


def choose_starts(survey: Survey, units: Sequence[Unit]) -> list[list[Start]]:
    """Chooses the starts for units of one site.

    Args:
        survey: What they answer to the images that are at hand.
        units: U units of the site.

    Returns:
        For each unit its starts.
    """
    subject, battery, real = survey.subject, survey.known.battery, survey.known.real
    others, answered = survey.pictures, survey.to_pictures[units[0].site].strongest
    chosen = effort(subject)
    numbers: list[int] = []
    origins: list[tuple[int, str]] = []
    for i, unit in enumerate(units):
        for origin, number in _stimuli(battery, unit, chosen.peaks):
            numbers.append(number)
            origins.append((i, origin))
    images = list(battery.images(numbers))
    best = answered.topk(min(chosen.others, len(others)), dim=0).indices
    for i, unit in enumerate(units):
        images += others[best[:, unit.channel]]
        origins += [(i, "other units")] * len(best)
    if real is not None:
        strongest = real.of_pool(units[0].site).strongest
        best = strongest.topk(min(REAL_STARTS, len(strongest)), dim=0).indices
        for i, unit in enumerate(units):
            images += real.images_of_pool(best[:, unit.channel].tolist())
            origins += [(i, "real")] * len(best)
    channels = [units[i].channel for i, _ in origins]
    layer, window = units[0].layer, survey.window(units[0])
    centered = brought_to_neuron(subject, layer, channels, torch.stack(images), window)
    starts: list[list[Start]] = [[] for _ in units]
    for (i, origin), image in zip(origins, centered, strict=True):
        starts[i].append(Start.of(origin, image))
    return starts


def _stimuli(battery: Battery, unit: Unit, most: int) -> list[tuple[str, int]]:
    """The flat and striped starts of a unit, `most` of each family: their origin and number."""
    curves = battery.curves(unit.site, unit.channel)
    response = battery.responses[unit.site][:, unit.channel]
    chosen = battery.chosen

    def best(numbers: Tensor) -> int:
        return int(numbers[response[numbers].argmax()])

    grays, strokes = battery.numbers("gray"), battery.numbers("bar", "grating")
    found = [("flat", best(grays))]
    if len(curves.flat):
        hues = battery.numbers("hue")
        tops = peaks(curves.flat, curves.neutral, START_PEAK)[:most]
        found += [("flat", int(hues[i])) for i in tops]
        tinted = battery.numbers("tinted")
        taken: list[tuple[float, float]] = []
        for cell in curves.tinted.flatten().argsort(descending=True).tolist():
            row, column = divmod(cell, len(chosen.tinted_angles))
            hue, angle = TINTED_HUES[row].item(), chosen.tinted_angles[column].item()
            far = all(
                distance(hue, h, 360) >= HUE_BETWEEN_STROKES
                or distance(angle, a, 180) >= ORIENTATION_BETWEEN_STROKES
                for h, a in taken
            )
            if far:
                taken.append((hue, angle))
                same = (battery.hue[tinted] == hue) & (battery.angle[tinted] == angle)
                found.append(("tinted stroke", best(tinted[same])))
            if len(taken) == most:
                break
    for i in peaks(curves.angles, curves.neutral, START_PEAK)[:most]:
        same = battery.angle[strokes] == chosen.angles[i]
        found.append(("striped", best(strokes[same])))
    return found


@torch.no_grad()
def brought_to_neuron(
    subject: Subject, layer: str, channels: Sequence[int], images: Tensor, window: Window
) -> Tensor:
    """Shifts images so that what excites a channel somewhere excites the neuron that is examined.

    Args:
        subject: The CNN under study.
        layer: The layer.
        channels: N channels, one for each image.
        images: `[N, C, H, W]`; what is shifted out on one side comes in on the other.
        window: Where the neuron looks.
    """
    if window.neuron is None:
        return images
    spans = (window.rows, window.columns)
    sizes = (window.height, window.width)
    steps = [
        # Between the first and the last neuron that see as much, the field goes through the image.
        max(1, round((side - size) / (last - 1 - first))) if last - 1 > first else 1
        for (first, last), size, side in zip(spans, sizes, images.shape[2:], strict=True)
    ]
    shifted = []
    for batch in forward_batches(subject, layer, len(images)):
        maps = subject(images[batch].to(subject.mean), [layer])[layer].cpu()
        for image, channel, of_image in zip(images[batch], channels[batch], maps, strict=True):
            inside = of_image[channel, slice(*spans[0]), slice(*spans[1])]
            at = divmod(int(inside.argmax()), inside.shape[1])
            shift = [(window.neuron[i] - spans[i][0] - at[i]) * steps[i] for i in range(2)]
            shifted.append(image.roll(shift, (1, 2)) if inside.max() > inside.min() else image)
    return torch.stack(shifted)
