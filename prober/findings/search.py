"""Looking for facets: starts that lead to what plain reseeding misses.

Noise finds the optimum with the widest basin. Others are looked for from what is known to be flat
or striped, from what excites other units, from real data, and from images that are pushed away
from the facets already found.
"""

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from prober.ascent.method import Method, is_large
from prober.ascent.objectives import Objective
from prober.ascent.scores import Scores
from prober.ascent.starts import InitialImage, PinkNoise
from prober.ascent.transforms import Transforms
from prober.common.colors import distance, without_color
from prober.findings.answers import Answers
from prober.findings.leaky import LeakyReLUs
from prober.findings.stimuli import TINTED_HUES
from prober.findings.tuning import Battery, peaks
from prober.findings.units import Unit, Window, batch_size, batches
from prober.subject import Subject


@dataclass(frozen=True)
class Effort:
    """How far and wide is searched.

    Attributes:
        steps: Of the gradient ascent from each start.
        peaks: Starts of each sort of flat and striped images, at the most.
        others: Starts that are pictures of other units.
        pushed: Starts that are pushed away from the unit's facets.
        pushes: Steps that such a start is made in.
    """

    steps: int
    peaks: int
    others: int
    pushed: int
    pushes: int


def effort(shape: tuple[int, int, int]) -> Effort:
    """Chooses how far and wide to search with images `[C, H, W]`.

    A step with a large image takes a CNN a hundred times as long. So that the search of a unit
    takes no longer than its pictures, it then has two thirds of the starts and half the steps.
    """
    return Effort(100, 2, 1, 2, 50) if is_large(shape) else Effort(200, 3, 2, 4, 100)


AWAY = 1.0
"""How much likeness to a known facet counts beside the whole way of the score."""

SIGNS_OF_LIFE = 1e-6
"""A unit whose responses all lie this near to each other, relative to their size, looks dead."""


@dataclass(frozen=True, eq=False)
class Start(InitialImage):
    """An image that a search starts from.

    Attributes:
        sort: Where it comes from: `flat`, `striped`, `real`, ….
        kept: `[C, H, W]`, float32 in [0, 1]; a large image in bytes, since all of a report are in
            memory together.
    """

    sort: str
    kept: Tensor

    @classmethod
    def of(cls, sort: str, image: Tensor) -> "Start":
        """Keeps an image `[C, H, W]` in [0, 1]."""
        bytes_do = is_large(image.shape)
        return cls(sort, (image * 255).round().byte() if bytes_do else image.clone())

    @property
    def image(self) -> Tensor:
        """The image, `[C, H, W]`, float32 in [0, 1]."""
        return self.kept if self.kept.is_floating_point() else self.kept.float() / 255

    def draw(self, shape: tuple[int, int, int], generator: torch.Generator) -> Tensor:
        """See `InitialImage.draw`; there is nothing random in it."""
        return self.image.clone()

    def record(self) -> dict[str, Any]:
        """Returns where the start comes from."""
        return {"name": type(self).__name__, "sort": self.sort}


def starts_of(
    subject: Subject,
    units: Sequence[Unit],
    window: Window,
    battery: Battery,
    others: Tensor,
    answered: Tensor,
    answers: Answers | None,
) -> list[list[Start]]:
    """Chooses the starts for units of one place.

    Args:
        subject: The CNN under study.
        units: U units of the place.
        window: Where they look.
        battery: The responses to flat and striped images.
        others: `[P, C, H, W]`, pictures of any units.
        answered: `[P, channels]`, the place's responses to them.
        answers: What it answers to real images, or None.

    Returns:
        For each unit its starts.
    """
    place = units[0].place
    found: list[list[Start]] = [[] for _ in units]
    numbers: list[int] = []
    origins: list[tuple[int, str]] = []
    for i, unit in enumerate(units):
        for sort, number in _stimuli(battery, unit):
            numbers.append(number)
            origins.append((i, sort))
    images = list(battery.images(numbers))
    most = effort(subject.input_shape).others
    best = answered.topk(min(most, len(others)), dim=0).indices
    for i, unit in enumerate(units):
        images += others[best[:, unit.channel]]
        origins += [(i, "other units")] * len(best)
    if answers is not None:
        strongest = answers.responses_of_pool(place)
        best = strongest.topk(min(2, len(strongest)), dim=0).indices
        for i, unit in enumerate(units):
            images += answers.images_of_pool(best[:, unit.channel].tolist())
            origins += [(i, "real")] * len(best)
    channels = [units[i].channel for i, _ in origins]
    centered = brought_to_neuron(subject, place[0], channels, torch.stack(images), window)
    for (i, sort), image in zip(origins, centered, strict=True):
        found[i].append(Start.of(sort, image))
    return found


def _stimuli(battery: Battery, unit: Unit) -> list[tuple[str, int]]:
    """The flat and striped starts of a unit, by their number in the battery."""
    curves = battery.curves(unit.place, unit.channel)
    response = battery.responses[unit.place][:, unit.channel]
    chosen = battery.chosen
    most = effort(battery.shape).peaks

    def best(of: Tensor) -> int:
        return int(of[response[of].argmax()])

    grays, gratings = battery.of("gray"), battery.of("bar", "grating")
    found = [("flat", best(grays))]
    if len(curves.flat):
        hues = battery.of("hue")
        found += [("flat", int(hues[i])) for i in peaks(curves.flat, curves.neutral, 0.3)[:most]]
        tinted = battery.of("tinted")
        tops: list[tuple[float, float]] = []
        for cell in curves.tinted.flatten().argsort(descending=True).tolist():
            row, column = divmod(cell, len(chosen.tinted_angles))
            hue, angle = TINTED_HUES[row].item(), chosen.tinted_angles[column].item()
            far = all(distance(hue, h, 360) >= 90 or distance(angle, a, 180) >= 45 for h, a in tops)
            if far:
                tops.append((hue, angle))
                same = (battery.hue[tinted] == hue) & (battery.angle[tinted] == angle)
                found.append(("tinted stroke", best(tinted[same])))
            if len(tops) == most:
                break
    for i in peaks(curves.angles, curves.neutral, 0.3)[:most]:
        same = battery.angle[gratings] == chosen.angles[i]
        found.append(("striped", best(gratings[same])))
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
    for batch in batches(len(images), batch_size(subject, layer)):
        maps = subject(images[batch].to(subject.mean), [layer])[layer].cpu()
        for image, channel, of_image in zip(images[batch], channels[batch], maps, strict=True):
            inside = of_image[channel, slice(*spans[0]), slice(*spans[1])]
            place = divmod(int(inside.argmax()), inside.shape[1])
            shift = [(window.neuron[i] - spans[i][0] - place[i]) * steps[i] for i in range(2)]
            shifted.append(image.roll(shift, (1, 2)) if inside.max() > inside.min() else image)
    return torch.stack(shifted)


def look_dead(responses: Tensor, rounding: Tensor) -> bool:
    """Tells whether a unit's responses are all the same, but for rounding.

    Args:
        responses: `[N]`.
        rounding: By how much rounding was seen to move them.
    """
    spread = responses.max() - responses.min()
    return bool(spread <= torch.maximum(SIGNS_OF_LIFE * responses.abs().max(), 20 * rounding))


def push_away(
    subject: Subject,
    objectives: Sequence[Objective],
    known: Sequence[Tensor],
    ways: Tensor,
    window: Window,
    seed: int,
    leaky: bool,
    method: Method,
) -> Tensor:
    """Makes starts that excite their unit and look unlike what is known to excite it.

    The diversity term is the likeness, after Olah et al., "Feature Visualization" (2017), but of
    descriptors that ignore position: the mean color and the structure tensor of the field.

    Args:
        subject: The CNN under study.
        objectives: N objectives of one layer.
        known: For each the pictures `[K, C, H, W]` that are known, K may be 0.
        ways: `[N]`, how far the score goes, for scale.
        window: Where they look.
        seed: Of the noise.
        leaky: Whether ReLUs let the gradient through, see `awaken`: to what else excites a unit
            there may lead no gradient from here.
        method: How images are optimized, resolved; what the starts lead to is optimized alike. A
            start that may do what the others may not, such as to excite its unit as long as no
            pixel moves, would pass for the best picture, and no other would come near to it.

    Returns:
        `[N, C, H, W]` in [0, 1].
    """
    images = _noise(subject, len(objectives), seed)
    pushes = effort(subject.input_shape).pushes
    most = max(map(len, known), default=0)
    shape = subject.input_shape
    away = torch.zeros(len(known), most, shape[0] + 2)
    for i, pictures in enumerate(known):
        if len(pictures):
            away[i, : len(pictures)] = descriptors(window.crop(pictures))
    size = max(1, batch_size(subject, objectives[0].layer) // 2)
    for batch in batches(len(images), size):
        scale = ways[batch].clamp_min(1e-30).to(subject.mean)

        def loss(x: Tensor, score: Tensor, batch: slice = batch, scale: Tensor = scale) -> Tensor:
            likeness = (descriptors(window.crop(x))[:, None] * away[batch].to(x)).sum(2)
            return AWAY * likeness.clamp_min(0).sum(1) - score / scale

        with LeakyReLUs() if leaky else nullcontext():
            images[batch] = _descend(
                subject, objectives[batch], images[batch], loss, pushes, method
            )
    return images


def awaken(subject: Subject, objectives: Sequence[Objective], seed: int, method: Method) -> Tensor:
    """Makes starts for units that look dead: ascends with ReLUs that let the gradient through.

    Behind a ReLU that is shut there is no gradient to follow. So the search, and it alone, goes
    through a CNN whose ReLUs leak; whether the unit answers is then asked of the CNN as it is.

    Returns:
        `[N, C, H, W]` in [0, 1].
    """
    images = _noise(subject, len(objectives), seed)
    steps = 2 * effort(subject.input_shape).pushes
    size = max(1, batch_size(subject, objectives[0].layer) // 2)
    for batch in batches(len(images), size):
        with LeakyReLUs():
            images[batch] = _descend(
                subject, objectives[batch], images[batch], lambda x, score: -score, steps, method
            )
    return images


def _noise(subject: Subject, number: int, seed: int) -> Tensor:
    """Draws images `[N, C, H, W]` to push: of all values; soft ones where a spectrum is pushed."""
    generator = torch.Generator().manual_seed(seed)
    shape = subject.input_shape
    if not is_large(shape):
        return torch.rand(number, *shape, generator=generator)
    soft = PinkNoise(contrast=0.25)
    return torch.stack([soft.draw(shape, generator).clamp(0, 1) for _ in range(number)])


def _descend(
    subject: Subject,
    objectives: Sequence[Objective],
    images: Tensor,
    loss: Any,
    steps: int,
    method: Method,
) -> Tensor:
    score = Scores(objectives)
    shape = subject.input_shape
    basis = method.parameterization.basis(shape).to(subject.mean)
    seeds = [0] * len(images)
    transform = Transforms(method.transforms, seeds, shape) if method.transforms else None
    x = basis.encode(images.to(subject.mean)).requires_grad_()
    optimizer = torch.optim.Adam([x], lr=method.lr)
    for _ in range(steps):
        optimizer.zero_grad()
        picture = basis.decode(x)
        seen = transform(picture, transform.draw()) if transform else picture
        value = loss(picture, score(subject(seen, score.layers, score.channels))).sum()
        if not value.requires_grad:
            break
        value.backward()
        x.grad.nan_to_num_(0, 0, 0)  # one image's must not end the others' search
        optimizer.step()
        basis.keep_valid(x)
    return basis.decode(x).detach().cpu()


def descriptors(fields: Tensor) -> Tensor:
    """Describes images by mean color and direction, wherever in the image they are.

    Args:
        fields: `[N, C, h, w]` in [0, 1].

    Returns:
        `[N, C + 2]`, of length 1: the mean of the colors, 0 for gray, and the two parts of the
        luminance's structure tensor that say a direction.
    """
    color = fields.mean((2, 3)) - 0.5
    luminance = without_color(fields)[:, :1]
    down = F.pad(luminance.diff(dim=2), (0, 0, 0, 1))
    across = F.pad(luminance.diff(dim=3), (0, 1, 0, 0))
    tensor = torch.cat([across**2 - down**2, 2 * across * down], 1).mean((2, 3))
    tensor = tensor / (across**2 + down**2).mean((1, 2, 3))[:, None].clamp_min(1e-3)
    return F.normalize(torch.cat([2 * color, tensor], 1), dim=1)
