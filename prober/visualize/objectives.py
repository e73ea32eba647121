"""What is maximized: a score for each image, from activations (and logits)."""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import torch
from torch import Tensor

from prober.errors import InputError
from prober.subject.frozen import LOGITS, Subject


class Objective(ABC):
    """The score of one image; `Scores` computes those of many images together.

    Attributes:
        layer: The layer that is probed, by its name in the subject.
        channel: The channel of this layer; for a flat layer, the unit.
    """

    layer: str
    channel: int

    @property
    def name(self) -> str:
        """What is probed, as a folder's name: `conv2_ch3`, `conv2_ch3_h7_w7`, `conv2_ch3_top20`."""
        return f"{self.layer}_ch{self.channel}"

    @property
    def unit(self) -> "Objective":
        """The part of the objective that looks at the channel alone."""
        return self

    def resolved(self, subject: Subject) -> Self:
        """Returns the objective with everything settled that depends on the subject.

        Raises:
            InputError: The subject has no such layer, channel, position or class, or its map is
                smaller than k.
        """
        channels = subject.check_layer(self.layer)[0]
        check_range(f"Channel {self.channel}", self.channel, channels, f"of '{self.layer}'")
        return self

    def record(self) -> dict[str, Any]:
        """Returns what a run's record says of the objective."""
        return {
            "layer": self.layer,
            "channel": self.channel,
            "position": None,
            "objective": type(self).__name__,
            "class": None,
        }

    @abstractmethod
    def scores(self, maps: Tensor, alike: Sequence[Self]) -> Tensor:
        """Computes the scores of images whose objectives are alike.

        Args:
            maps: `[N, h, w]`, for each image the map of its own channel (h = w = 1 for a flat
                layer).
            alike: The N objectives: of this class, for one layer, and equal in `shared`.

        Returns:
            `[N]`.
        """

    @property
    def shared(self) -> tuple[Any, ...]:
        """What objectives have in common that are computed together, beside class and layer."""
        return ()


@dataclass(frozen=True)
class ChannelMean(Objective):
    """Mean of a channel over its map: what the channel as a whole responds to.

    Args:
        layer: Name of the layer, or `logits` for the output of the whole CNN.
        channel: Index of the channel; for a flat layer, of the unit.
    """

    layer: str
    channel: int

    def scores(self, maps: Tensor, alike: Sequence[Self]) -> Tensor:
        """Means over h and w; see `Objective.scores`."""
        return maps.flatten(1).mean(1)


@dataclass(frozen=True)
class Neuron(Objective):
    """Activation of a channel at one position: what one receptive field responds to.

    Args:
        layer: Name of the layer.
        channel: Index of the channel.
        h: Row of the neuron; the middle row where none is given.
        w: Column of the neuron; the middle column where none is given.
    """

    layer: str
    channel: int
    h: int | None = None
    w: int | None = None

    @property
    def name(self) -> str:
        """See `Objective.name`."""
        return f"{super().name}_h{self.h}_w{self.w}"

    def resolved(self, subject: Subject) -> Self:
        """Fills in the middle where no position is given; see `Objective.resolved`."""
        super().resolved(subject)
        rows, columns = _map_size(subject, self.layer)
        h = rows // 2 if self.h is None else self.h
        w = columns // 2 if self.w is None else self.w
        for key, index, size in (("h", h, rows), ("w", w, columns)):
            check_range(f"Position {key} = {index}", index, size, f"of the map of '{self.layer}'")
        return replace(self, h=h, w=w)

    def record(self) -> dict[str, Any]:
        """See `Objective.record`; the position is `[h, w]`."""
        return super().record() | {"position": [self.h, self.w]}

    def scores(self, maps: Tensor, alike: Sequence[Self]) -> Tensor:
        """Activations at each objective's own position; see `Objective.scores`."""
        if len({(neuron.h, neuron.w) for neuron in alike}) == 1:
            return maps[:, self.h, self.w]
        width = maps.shape[2]
        places = torch.tensor([n.h * width + n.w for n in alike], device=maps.device)
        return maps.flatten(1).gather(1, places[:, None])[:, 0]


@dataclass(frozen=True)
class TopKMean(Objective):
    """Mean of a channel's k largest activations: the motif that it looks for, wherever it lies.

    Args:
        layer: Name of the layer.
        channel: Index of the channel; for a flat layer, of the unit.
        k: How many of the map's activations count, at least 1.
    """

    layer: str
    channel: int
    k: int = 20

    @property
    def name(self) -> str:
        """See `Objective.name`."""
        return f"{super().name}_top{self.k}"

    @property
    def shared(self) -> tuple[Any, ...]:
        """Objectives are computed together if their k is the same."""
        return (self.k,)

    def resolved(self, subject: Subject) -> Self:
        """Checks k against the map; see `Objective.resolved`."""
        super().resolved(subject)
        rows, columns = _map_size(subject, self.layer)
        if not 1 <= self.k <= rows * columns:
            raise InputError(
                f"k = {self.k} does not fit the map of '{self.layer}', which is {rows} x {columns}"
                f": choose 1 to {rows * columns}."
            )
        return self

    def record(self) -> dict[str, Any]:
        """See `Objective.record`; k is added."""
        return super().record() | {"k": self.k}

    def scores(self, maps: Tensor, alike: Sequence[Self]) -> Tensor:
        """Means of the k largest values; see `Objective.scores`."""
        return maps.flatten(1).topk(self.k, dim=1).values.mean(1)


@dataclass(frozen=True)
class ClassConditional(Objective):
    """Another objective plus a share of a class's logit: does the unit's digit or color win?

    Args:
        objective: The objective of the unit: ChannelMean, Neuron or TopKMean.
        target_class: Index of the class among the logits.
        weight: How much a logit counts beside the unit's own score, at least 0.
    """

    objective: Objective
    target_class: int
    weight: float = 0.1

    @property
    def layer(self) -> str:  # type: ignore[override]
        """The layer of the unit."""
        return self.objective.layer

    @property
    def channel(self) -> int:  # type: ignore[override]
        """The channel of the unit."""
        return self.objective.channel

    @property
    def name(self) -> str:
        """See `Objective.name`."""
        return f"{self.objective.name}_class{self.target_class}"

    @property
    def unit(self) -> Objective:
        """The objective without its class."""
        return self.objective

    def resolved(self, subject: Subject) -> Self:
        """Checks the class, too; see `Objective.resolved`."""
        if isinstance(self.objective, ClassConditional):
            raise InputError("ClassConditional cannot stand over another ClassConditional.")
        classes, *places = subject.check_layer(LOGITS)
        if places:
            raise InputError(
                f"The output of {subject.name} is a map for each class, so no class has one logit: "
                "ClassConditional cannot be used with it."
            )
        check_range(f"Class {self.target_class}", self.target_class, classes, f"of {subject.name}")
        check_weight(self)
        return replace(self, objective=self.objective.resolved(subject))

    def record(self) -> dict[str, Any]:
        """See `Objective.record`; the class, its weight and the unit's objective are added."""
        return self.objective.record() | {
            "objective": type(self).__name__,
            "unit_objective": type(self.objective).__name__,
            "class": self.target_class,
            "class_weight": self.weight,
        }

    def scores(self, maps: Tensor, alike: Sequence[Self]) -> Tensor:
        """The unit's own scores; `Scores` adds the logits."""
        return self.objective.scores(maps, [objective.objective for objective in alike])


class Scores:
    """The scores of N images by N objectives, computed without a loop over images.

    Objectives that are alike (one class, one layer, the same k) are one group and one computation.

    Args:
        objectives: One for each image, resolved.

    Attributes:
        layers: The layers whose outputs the scores need.
        channels: If that is one layer, those of its channels that they need, in ascending order.
    """

    def __init__(self, objectives: Sequence[Objective]) -> None:
        self.number = len(objectives)
        groups: dict[tuple, list[int]] = {}
        for i, objective in enumerate(objectives):
            unit = objective.unit
            groups.setdefault((type(unit), unit.layer, unit.shared), []).append(i)
        self._groups = [
            (images, [objectives[i].unit for i in images]) for images in groups.values()
        ]
        self._classes = [
            (i, objective.target_class, objective.weight)
            for i, objective in enumerate(objectives)
            if isinstance(objective, ClassConditional)
        ]
        self.layers = {objective.layer for objective in objectives}
        if self._classes:
            self.layers.add(LOGITS)
        needed = sorted({objective.channel for objective in objectives})
        self.channels = needed if len(self.layers) == 1 else None

    def __call__(self, outputs: dict[str, Tensor]) -> Tensor:
        """Computes the scores.

        Args:
            outputs: What the subject gives for `layers` and `channels`, N images each.

        Returns:
            `[N]`.
        """
        parts = [
            (images, units[0].scores(self._maps(outputs[units[0].layer], images, units), units))
            for images, units in self._groups
        ]
        if self._classes:
            logits = outputs[LOGITS]
            images, classes, weights = zip(*self._classes, strict=True)
            weight = torch.tensor(weights, dtype=logits.dtype, device=logits.device)
            parts.append((list(images), weight * logits[list(images), list(classes)]))
        return sum(self._spread(images, part) for images, part in parts)  # type: ignore[return-value]

    def _maps(self, output: Tensor, images: list[int], units: Sequence[Objective]) -> Tensor:
        """Picks for each image the map `[h, w]` of its own channel from `[N, channels, h, w]`."""
        if output.dim() == 2:
            output = output[..., None, None]
        channels = [unit.channel for unit in units]
        if self.channels is not None and output.shape[1] == len(self.channels):
            channels = [self.channels.index(channel) for channel in channels]
        if len(set(channels)) == 1 and len(images) == len(output):
            return output[:, channels[0]]
        return output[images, channels]

    def _spread(self, images: list[int], part: Tensor) -> Tensor:
        """Puts the scores of some images into their places among all N, zeros elsewhere."""
        if len(images) == self.number:
            return part
        return part.new_zeros(self.number).index_copy(0, torch.tensor(images).to(part.device), part)


def check_range(what: str, index: int, size: int, where: str) -> None:
    """Raises an InputError that names the range if `index` is not in 0 to `size` - 1."""
    if not 0 <= index < size:
        raise InputError(f"{what} is out of range: choose 0 to {size - 1} {where}.")


def check_weight(weighted: Any) -> None:
    """Raises an InputError unless an objective's or regularizer's `weight` is 0 or more."""
    if not 0 <= weighted.weight < math.inf:
        raise InputError(
            f"The weight of {type(weighted).__name__} is {weighted.weight}; it must be 0 or more."
        )


def _map_size(subject: Subject, layer: str) -> tuple[int, int]:
    return (*subject.check_layer(layer)[1:], 1, 1)[:2]
