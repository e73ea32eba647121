"""The scores of many images by their objectives, without a loop over images."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from prober.ascent.fitting import fitting
from prober.ascent.objectives import Objective, OfChannel, Simple
from prober.common.errors import InputError


@dataclass
class _Group:
    """Objectives that are alike (one class, one layer, the same k): one computation.

    Attributes:
        images: For each the number of its image; an image may have several.
        objectives: The objectives.
        weights: How much each counts.
        every: Whether there is one for every image, in order.
    """

    images: list[int]
    objectives: list[Simple]
    weights: list[float]
    every: bool = False


class BatchedObjectives:
    """The scores of N images by N objectives.

    Args:
        objectives: One for each image, resolved.

    Attributes:
        layers: The layers whose outputs the scores need.
        channels: If that is one layer, those of its channels that they need, in ascending order;
            None if it is all of them.
        compares: Whether images are compared with each other.

    Raises:
        InputError: An image is to be compared with others, but there is no other.
    """

    def __init__(self, objectives: Sequence[Objective]) -> None:
        self._number = len(objectives)
        groups: dict[tuple, _Group] = {}
        for i, objective in enumerate(objectives):
            for number, term in enumerate(objective.terms):
                simple = term.objective
                assert isinstance(simple, Simple)  # that is what terms are
                # Images are compared only with those of the same objective, by each term alone.
                compared = (objective, number) if simple.compares else None
                key = (type(simple), simple.layer, simple.shared, compared)
                group = groups.setdefault(key, _Group([], [], []))
                group.images.append(i)
                group.objectives.append(simple)
                group.weights.append(term.weight)
        self._groups = list(groups.values())
        self.compares = any(g.objectives[0].compares for g in self._groups)
        self.layers = {group.objectives[0].layer for group in self._groups}
        simples = [simple for group in self._groups for simple in group.objectives]
        channels = [simple.channel for simple in simples if isinstance(simple, OfChannel)]
        needed = sorted(set(channels)) if len(channels) == len(simples) else None
        self.channels = needed if len(self.layers) == 1 else None
        for group in self._groups:
            group.every = group.images == list(range(self._number))
            if group.objectives[0].compares and len(group.images) < 2:
                raise InputError(
                    f"{type(group.objectives[0]).__name__} compares the images of several seeds: "
                    "use sweep with grid.seeds of 2 or more."
                )

    def __call__(self, outputs: dict[str, Tensor]) -> Tensor:
        """Computes the scores.

        Args:
            outputs: What the subject gives for `layers` and `channels`, N images each.

        Returns:
            `[N]`.
        """
        parts = [self._spread(group, self._scores(group, outputs)) for group in self._groups]
        return sum(parts[1:], start=parts[0])

    def _scores(self, group: _Group, outputs: dict[str, Tensor]) -> Tensor:
        first = group.objectives[0]
        output = outputs[first.layer]
        if output.dim() == 2:
            output = output[..., None, None]
        if isinstance(first, OfChannel):
            channels = [unit.channel for unit in group.objectives if isinstance(unit, OfChannel)]
            if self.channels is not None and output.shape[1] == len(self.channels):
                channels = [self.channels.index(channel) for channel in channels]
            alike = group.every and len(set(channels)) == 1
            maps = output[:, channels[0]] if alike else output[group.images, channels]
        else:
            maps = output if group.every else output[group.images]
        scores = first.scores(maps, group.objectives)
        name = f"{type(first).__name__}.scores"
        return fitting(scores, [len(group.images)], name, "one number for each image")

    def _spread(self, group: _Group, scores: Tensor) -> Tensor:
        """Weights scores and puts them into their places among all N, zeros elsewhere."""
        weights = set(group.weights)
        if len(weights) > 1:
            scores = scores * scores.new_tensor(group.weights)
        elif weights != {1.0}:
            scores = scores * group.weights[0]
        if group.every:
            return scores
        places = torch.tensor(group.images, device=scores.device)
        return scores.new_zeros(self._number).index_add(0, places, scores)
