"""Trust: whether a picture excites its unit by the path that real images take.

After Geirhos et al., "Don't trust your eyes: on the (un)reliability of feature visualizations"
(2023): a visualization can reach a unit through parts of the CNN that no real image uses, and then
says nothing of what the unit does. They compare the activations of the layers before. Here each
channel's activation counts by what it contributes to the unit's score, so that channels which the
unit does not listen to, and whether a picture is a flat patch or a digit, have no part in it.

To first order that costs one pass, but holds only near the image: behind a normalization by the
image's own figures (of groups, layers, instances) what a channel adds changes them, and where the
score flattens the gradient says little. So a picture is not said to take another path before its
channels were taken away, one by one.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from prober.ascent.batched_objectives import BatchedObjectives
from prober.ascent.objectives import Objective
from prober.common.errors import listed
from prober.common.evenly import evenly
from prober.findings.batches import gradient_batches
from prober.findings.finding import PathLikeness, Trust
from prober.findings.found_facets import Found
from prober.findings.real_responses import RealResponses
from prober.findings.survey import Survey
from prober.findings.units import Unit
from prober.subject import LOGITS, Subject
from prober.subject.passes import watched

COMPARED_LAYERS = 6
"""Layers before the unit's own that are compared at the most, evenly spread."""

OTHER_PATH_LIKENESS = 0.5
"""A picture takes another path if its likeness to the top real examples is below this share of
their likeness to each other."""

RANDOM_IMAGES = 32
"""Random real images whose paths are compared with those of the pictures."""

TAKEN_AWAY = 32
"""Channels of a layer that are taken away at the most: to first order the strongest."""

TAKEN_FROM_RANDOM = 8
"""Random images from which they are taken, too: a pass for each image and each channel."""


def layers_before(subject: Subject, layer: str) -> list[str]:
    """Returns the layers before a layer whose channels are compared, in order.

    At most `COMPARED_LAYERS` of several channels each, and all of one channel, which are compared
    together.
    """
    names = list(subject.layers)
    modules = dict(subject.cnn.named_modules())
    # What comes after the module that gives the logits, a softmax say, is not before them.
    given = subject.listing.gives_logits if layer == LOGITS else None
    before = [
        name
        for name in names[: names.index(given if given in names else layer)]
        # A container's output is that of its last part.
        if name in modules and not list(modules[name].children())
    ]
    several = [name for name in before if subject.layers[name].shape[0] > 1]
    compared = [several[i] for i in evenly(len(several), COMPARED_LAYERS)]
    return [name for name in before if name in compared or subject.layers[name].shape[0] == 1]


def paths(
    subject: Subject, objectives: Sequence[Objective], images: Tensor, layers: Sequence[str]
) -> dict[str, Tensor]:
    """Computes what each channel of earlier layers contributes to scores.

    To first order: the activation less that of mid gray, times the score's gradient by it, summed
    over the map.

    Args:
        subject: The CNN under study.
        objectives: N objectives of one layer.
        images: `[N, C, H, W]`.
        layers: Layers before it.

    Returns:
        For each layer `[N, channels]`; for all layers of one channel together, if there are
        several, one such array.
    """
    if not layers:
        return {}
    kept: dict[str, Tensor] = {}

    def keep(name: str, _inputs: tuple[Any, ...], output: Tensor) -> Tensor:
        # A copy that the CNN goes on with, so that the gradient by it is known and no module
        # can change it in place.
        kept[name] = output.clone()
        return kept[name].clone()

    modules = {name: subject.cnn.get_submodule(name) for name in layers}
    neutral = torch.full((1, *subject.input_shape), 0.5).to(subject.mean)
    parts: dict[str, list[Tensor]] = {name: [] for name in layers}
    with watched(modules, keep):
        with torch.no_grad():
            subject(neutral, [objectives[0].layer])
        base = {name: kept[name].detach() for name in layers}
        for batch in gradient_batches(subject, objectives[0].layer, len(images)):
            score = BatchedObjectives(objectives[batch])
            x = images[batch].to(subject.mean).detach().requires_grad_()
            total = score(subject(x, score.layers, score.channels)).sum()
            outputs = [kept[name] for name in layers]
            grads: Sequence[Tensor] = list(map(torch.zeros_like, outputs))
            if total.requires_grad:
                grads = torch.autograd.grad(total, outputs, materialize_grads=True)
            for name, output, gradient in zip(layers, outputs, grads, strict=True):
                part = (output.detach() - base[name]) * gradient.detach()
                part = subject.layers[name].layout.arranged(part)
                parts[name].append(part.flatten(2).sum(2) if part.dim() > 2 else part)
    found = {name: torch.cat(part).cpu().double() for name, part in parts.items()}
    single = [name for name, path in found.items() if path.shape[1] == 1]
    if single:
        together = torch.cat([found.pop(name) for name in single], 1)
        # One channel alone has no other that the path could take instead.
        found |= {listed(single, 3): together} if len(single) > 1 else {}
    return found


def lost_without(
    subject: Subject, objective: Objective, images: Tensor, channels: Sequence[tuple[str, int]]
) -> Tensor:
    """Computes by how much scores fall without one channel of an earlier layer.

    The CNN goes on with that channel's map of mid gray in place of its own.

    Args:
        subject: The CNN under study.
        objective: What scores the images.
        images: `[N, C, H, W]`.
        channels: The layers before it, each with the number of a channel.

    Returns:
        `[N, len(channels)]`.
    """
    modules = {name: subject.cnn.get_submodule(name) for name, _ in channels}
    calls: Counter[str] = Counter()
    neutral: dict[str, tuple[int, Tensor]] = {}  # of the last call, as paths go by

    def keep(name: str, _inputs: tuple[Any, ...], output: Tensor) -> None:
        calls[name] += 1
        neutral[name] = calls[name], output.clone()

    @torch.no_grad()
    def scores(of: Tensor) -> Tensor:
        whole = BatchedObjectives([objective] * len(of))
        return whole(subject(of.to(subject.mean), whole.layers, whole.channels)).cpu().double()

    def without(layer: str, channel: int) -> Tensor:
        calls.clear()
        of = subject.layers[layer].layout.arranged

        def take_away(name: str, _inputs: tuple[Any, ...], output: Tensor) -> Tensor | None:
            calls[name] += 1
            if calls[name] != neutral[name][0]:
                return None
            output = output.clone()
            of(output)[:, channel] = of(neutral[name][1])[:, channel]
            return output

        with watched({layer: modules[layer]}, take_away):
            return scores(images)

    with watched(modules, keep):
        scores(torch.full((1, *subject.input_shape), 0.5))
    whole = scores(images)
    return torch.stack([whole - without(*each) for each in channels], 1)


def likeness(picture: Tensor, top: Tensor, random: Tensor) -> tuple[float, float, float]:
    """Compares paths: cosines between contributions.

    Args:
        picture: `[P, channels]`, of the unit's pictures, one for each facet; the likest counts.
        top: `[T, channels]`, of the top real examples.
        random: `[R, channels]`, of random real images.

    Returns:
        The likeness to the top real examples of the picture, of these to each other, and of the
        random ones, -1 to 1.
    """
    top = F.normalize(top, dim=1)
    mean = F.normalize(top.mean(0), dim=0)
    others = F.normalize(top.sum(0) - top, dim=1) if len(top) > 1 else top
    return (
        (F.normalize(picture, dim=1) @ mean).max().item(),
        (top * others).sum(1).mean().item(),
        (F.normalize(random, dim=1) @ mean).mean().item(),
    )


def compare_paths(survey: Survey, unit: Unit, found: Found, real: RealResponses) -> Trust:
    """Compares the paths of a unit's pictures, the best of each facet, with those of real images.

    Args:
        survey: What units answer to images that are at hand.
        unit: The unit.
        found: What the search has found of it, with at least one facet.
        real: The responses to real images.
    """
    pictures = found.optima.images[[group.members[0] for group in found.groups]]
    pool = real.of_pool(unit.site)
    response = pool.strongest[:, unit.channel]
    # Of the neuron's own top examples: only there what it sees is what the gradient tells of.
    top = real.top(pool.at_neuron[:, unit.channel])
    generator = torch.Generator().manual_seed(0)
    random = torch.randperm(len(response), generator=generator)[:RANDOM_IMAGES].tolist()
    batch = torch.cat([pictures, real.images_of_pool([*top, *random])])
    objective = survey.objective(unit)
    subject, layers = survey.subject, layers_before(survey.subject, unit.layer)
    contributions = paths(subject, [objective] * len(batch), batch, layers)
    numbers = [len(pictures), len(top), len(random)]
    compared = {}
    for name, path in contributions.items():
        compared[name] = likeness(*path.split(numbers))
        if takes_another(*compared[name][:2]):
            # To first order alone: so it is looked at what is lost without them.
            of_each = _channels(subject, name, layers)
            most = F.normalize(path[: sum(numbers[:2])], dim=1).abs().mean(0)
            chosen = most.topk(min(TAKEN_AWAY, len(most))).indices.tolist()
            few = [*numbers[:2], min(TAKEN_FROM_RANDOM, numbers[2])]
            lost = lost_without(subject, objective, batch[: sum(few)], [of_each[i] for i in chosen])
            compared[name] = likeness(*lost.split(few))
    score, best_real = found.score, response.max().item()
    real_gain = best_real - score.neutral
    return Trust(
        picture=score.best,
        best_real=best_real,
        times=(score.best - score.neutral) / real_gain if real_gain > 0 else None,
        paths=tuple(PathLikeness(layer, *alike) for layer, alike in compared.items()),
    )


def _channels(subject: Subject, name: str, layers: Sequence[str]) -> list[tuple[str, int]]:
    """The channels, each with its layer, that a name of `paths` stands for."""
    if name in layers:
        return [(name, channel) for channel in range(subject.layers[name].shape[0])]
    return [(layer, 0) for layer in layers if subject.layers[layer].shape[0] == 1]


def takes_another(picture: float, real: float) -> bool:
    """Whether a picture takes another path than the top real images, by its and their likeness."""
    return real >= OTHER_PATH_LIKENESS and picture < OTHER_PATH_LIKENESS * real


def judge(compared: Trust) -> tuple[bool | None, list[str]]:
    """Tells whether a picture can be trusted, and if not, why not.

    Where the top real examples themselves take no common path, nothing can be said of the
    picture's: None.
    """
    why = []
    others = [
        (path.picture / path.real, path.layer)
        for path in compared.paths
        if takes_another(path.picture, path.real)
    ]
    if others:
        why.append(
            "Its picture excites it through other channels than real images do: of "
            f"{min(others)[1]} it needs others than the top real images need."
        )
    if compared.times is None:
        why.append(
            "No real image excites it more than mid gray does: what is said of its gain is said of "
            "images that are unlike all of these."
        )
    elif compared.times < 1:
        why.append(
            f"A real image excites it more: the picture reaches {compared.times:.0%} of that."
        )
    if why:
        return False, why
    if compared.paths and all(path.real < OTHER_PATH_LIKENESS for path in compared.paths):
        return None, ["The real images that excite it most share no channels to compare with."]
    return True, []
