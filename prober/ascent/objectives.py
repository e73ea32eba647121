"""What is maximized: objectives of one unit, and what is made of several objectives."""

import hashlib
import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import Field, dataclass, fields, replace
from typing import Any, ClassVar, Self

import torch
from torch import Tensor
from typing_extensions import override

from prober.ascent.records import as_setting, class_named, concrete, made, settings
from prober.common.errors import InputError, check_not_negative, check_range, make_int
from prober.subject import LOGITS, Subject

LONGEST_NAME = 100
"""Characters of an objective's name at the most: it names a folder."""


class Objective(ABC):
    """What is maximized: it gives each image a score.

    Objectives add and scale: `ChannelMean("conv2", 3) - 0.1 * ChannelMean("conv1", 0)` is a
    `WeightedSum`, `-ChannelMean("conv2", 3)` a `Negative`.

    Attributes:
        layer: The layer that is probed, by its name in the subject; of several, the first.
        channel: The channel of this layer (for a flat layer, the unit), None if it is none alone.
    """

    layer: str
    channel: int | None

    @property
    @abstractmethod
    def name(self) -> str:
        """What is probed, as a folder's name."""

    @property
    def compares(self) -> bool:
        """Whether images of equal objectives are compared, and so are optimized together."""
        return any(term.objective.compares for term in self.terms)

    @property
    @abstractmethod
    def terms(self) -> "tuple[Weighted, ...]":
        """The simple objectives of which this one is the weighted sum."""

    @property
    def layers(self) -> frozenset[str]:
        """The layers whose outputs it needs."""
        return frozenset(term.objective.layer for term in self.terms)

    @abstractmethod
    def resolved(self, subject: Subject) -> Self:
        """Returns the objective with everything filled in that depends on the subject.

        Raises:
            InputError: The subject has no such layer, channel, position or class, or its map is
                smaller than k.
        """

    @abstractmethod
    def record(self) -> dict[str, Any]:
        """Returns what a run's record says of the objective."""

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> "Objective":
        """Makes the objective again that a record is of.

        Args:
            record: What `record` returned, perhaps read from JSON, and whatever else a run's record
                holds.

        Raises:
            InputError: There is no such objective, or it has other settings.
            KeyError: It is no record of an objective.
        """
        found = class_named(Objective, record["objective"])
        return made(found, found.settings_of(record))

    @classmethod
    @abstractmethod
    def settings_of(cls, record: Mapping[str, Any]) -> dict[str, Any]:
        """Returns what the class is made with, from what `record` returned."""

    def __add__(self, other: "Objective | int") -> "Objective":
        """Adds two objectives; 0, from which `sum` starts, changes nothing."""
        if other == 0:
            return self
        if not isinstance(other, Objective):
            return NotImplemented
        return WeightedSum((*_weighted(self), *_weighted(other)))

    __radd__ = __add__

    def __sub__(self, other: "Objective") -> "Objective":
        """Subtracts an objective: what excites this one without exciting the other."""
        return self + -1 * other if isinstance(other, Objective) else NotImplemented

    def __mul__(self, weight: float) -> "Objective":
        """Scales the objective."""
        if not isinstance(weight, int | float):
            return NotImplemented
        return WeightedSum(tuple(replace(t, weight=weight * t.weight) for t in _weighted(self)))

    __rmul__ = __mul__

    def __truediv__(self, divisor: float) -> "Objective":
        """Scales the objective by 1 / divisor."""
        return self * (1 / divisor) if isinstance(divisor, int | float) else NotImplemented

    def __neg__(self) -> "Objective":
        """The negative of the objective: what suppresses the unit."""
        return Negative(self)


@dataclass(frozen=True)
class Weighted:
    """An objective in a sum.

    Args:
        objective: Any objective.
        weight: How much it counts; below 0, it is avoided.
    """

    objective: Objective
    weight: float = 1.0


class Simple(Objective):
    """An objective that is no sum of others.

    `BatchedObjectives` computes those of many images together.

    A subclass is a frozen dataclass with a `layer` and whatever other settings it has.

    Attributes:
        of_image: The settings that may differ among objectives that are computed together, because
            `scores` looks at those of each image.
    """

    of_image: ClassVar[frozenset[str]] = frozenset({"channel"})
    compares = False
    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]

    @property
    def terms(self) -> tuple[Weighted, ...]:
        """The objective itself."""
        return (Weighted(self),)

    @property
    def shared(self) -> tuple[Any, ...]:
        """What objectives have in common that are computed together, beside their class.

        All settings but those `of_image`.
        """
        return tuple(settings(self, but=self.of_image).values())

    @override
    def record(self) -> dict[str, Any]:
        return {
            "layer": self.layer,
            "channel": self.channel,
            "position": None,
            "objective": type(self).__name__,
            "class": None,
            **settings(self, but=("layer", "channel")),
        }

    @classmethod
    @override
    def settings_of(cls, record: Mapping[str, Any]) -> dict[str, Any]:
        return {each.name: as_setting(record[each.name]) for each in fields(cls) if each.init}

    @abstractmethod
    def scores(self, maps: Tensor, alike: Sequence[Self]) -> Tensor:
        """Computes the scores of images whose objectives are alike.

        Args:
            maps: `[N, h, w]`, for each image the map of its own channel (h = w = 1 for a flat
                layer); for an objective of a whole layer `[N, channels, h, w]`.
            alike: The N objectives: of this class, and equal in all settings but those `of_image`.

        Returns:
            `[N]`.
        """


@dataclass(frozen=True)
class OfChannel(Simple):
    """An objective of one channel of a layer.

    Args:
        layer: Name of the layer.
        channel: Index of the channel.
    """

    layer: str
    channel: int

    def __post_init__(self) -> None:
        """Makes NumPy's whole numbers Python's, which JSON knows: of all settings that are ints."""
        for each in fields(self):
            is_given = each.type == int | None and getattr(self, each.name) is not None
            if each.type is int or is_given:
                make_int(self, each.name)

    @property
    @override
    def name(self) -> str:
        return f"{self.layer}_ch{self.channel}_{self.variant}"

    @property
    def variant(self) -> str:
        """What of its channel is looked at, as a part of a file's name: `mean`, `top20`."""
        own = settings(self, but=("layer", "channel"))
        return "_".join([type(self).__name__.lower(), *(f"{k}{v}" for k, v in own.items())])

    @override
    def resolved(self, subject: Subject) -> Self:
        channels = subject.check_layer(self.layer)[0]
        check_range(f"Channel {self.channel}", self.channel, channels, f"of '{self.layer}'")
        return self


@dataclass(frozen=True)
class ChannelMean(OfChannel):
    """Mean of a channel over its map: what the channel as a whole responds to.

    Args:
        layer: Name of the layer, or `logits` for the output of the whole CNN.
        channel: Index of the channel; for a flat layer, of the unit.

    Examples:
        What excites one channel without exciting another:

        >>> objective = ChannelMean("conv2", 3) - 0.1 * ChannelMean("conv1", 0)
        >>> objective.name
        'conv2_ch3-0.1_conv1_ch0'
    """

    @property
    @override
    def name(self) -> str:
        return f"{self.layer}_ch{self.channel}"

    @property
    @override
    def variant(self) -> str:
        return "mean"

    @override
    def scores(self, maps: Tensor, alike: Sequence[Self]) -> Tensor:
        return maps.flatten(1).mean(1)


@dataclass(frozen=True)
class Neuron(OfChannel):
    """Activation of a channel at one position: what one receptive field responds to.

    Args:
        layer: Name of the layer.
        channel: Index of the channel.
        h: Row of the neuron; the middle row where none is given. Of tokens, the token; of signals,
            the place.
        w: Column of the neuron; the middle column where none is given. Of tokens and signals, 0.
        d: Of volumes, the slice of the neuron; the middle slice where none is given.
    """

    of_image: ClassVar[frozenset[str]] = frozenset({"channel", "h", "w", "d"})
    h: int | None = None
    w: int | None = None
    d: int | None = None

    @property
    def position(self) -> tuple[int | None, ...]:
        """`(h, w)`, or of a volume `(d, h, w)`."""
        return (self.h, self.w) if self.d is None else (self.d, self.h, self.w)

    @property
    @override
    def name(self) -> str:
        of_slice = "" if self.d is None else f"_d{self.d}"
        return f"{self.layer}_ch{self.channel}{of_slice}_h{self.h}_w{self.w}"

    @property
    @override
    def variant(self) -> str:
        of_slice = "" if self.d is None else f"d{self.d:02d}_"
        return f"{of_slice}h{self.h:02d}_w{self.w:02d}"

    @override
    def resolved(self, subject: Subject) -> Self:
        """Fills in the middle where no position is given."""
        super().resolved(subject)
        sides = dict(zip("whd", reversed(_map_size(subject, self.layer)), strict=False))
        if self.d is not None and "d" not in sides:
            raise InputError(f"Position d = {self.d}: the map of '{self.layer}' has no slices.")
        position: dict[str, Any] = {}
        for key, size in sorted(sides.items()):
            given = getattr(self, key)
            index = position[key] = size // 2 if given is None else given
            check_range(f"Position {key} = {index}", index, size, f"of the map of '{self.layer}'")
        return replace(self, **position)

    @override
    def record(self) -> dict[str, Any]:
        """The position stands in it as `[h, w]`, of a volume as `[d, h, w]`."""
        record = super().record() | {"position": list(self.position)}
        return {key: value for key, value in record.items() if key not in ("h", "w", "d")}

    @classmethod
    @override
    def settings_of(cls, record: Mapping[str, Any]) -> dict[str, Any]:
        *d, h, w = record["position"]
        return super().settings_of({**record, "h": h, "w": w, "d": d[0] if d else None})

    @override
    def scores(self, maps: Tensor, alike: Sequence[Self]) -> Tensor:
        if len({neuron.position for neuron in alike}) == 1:
            return maps[:, *self.position]
        places = torch.tensor([neuron.position for neuron in alike], device=maps.device).unbind(1)
        return maps[torch.arange(len(maps), device=maps.device), *places]


@dataclass(frozen=True)
class TopKMean(OfChannel):
    """Mean of a channel's k largest activations: the motif that it looks for, wherever it lies.

    Args:
        layer: Name of the layer.
        channel: Index of the channel; for a flat layer, of the unit.
        k: How many of the map's activations count, at least 1.
    """

    k: int = 20

    @property
    @override
    def variant(self) -> str:
        return f"top{self.k}"

    @override
    def resolved(self, subject: Subject) -> Self:
        """Checks k against the map."""
        super().resolved(subject)
        sides = _map_size(subject, self.layer)
        if not 1 <= self.k <= math.prod(sides):
            raise InputError(
                f"k = {self.k} does not fit the map of '{self.layer}', which is "
                f"{' x '.join(map(str, sides))}: choose 1 to {math.prod(sides)}."
            )
        return self

    @override
    def scores(self, maps: Tensor, alike: Sequence[Self]) -> Tensor:
        return maps.flatten(1).topk(self.k, dim=1).values.mean(1)


class Composed(Objective):
    """An objective that is made of others: layer and channel are those of its first term."""

    @property
    def layer(self) -> str:  # type: ignore[override]  # computed, elsewhere given
        """The layer of the first term."""
        return self.terms[0].objective.layer

    @property
    def channel(self) -> int | None:  # type: ignore[override]  # likewise
        """The channel of the first term."""
        return self.terms[0].objective.channel


@dataclass(frozen=True)
class ClassConditional(Composed):
    """Another objective plus a share of a class's logit: which of the two wins?

    Args:
        objective: The objective of the unit, any of one channel.
        target_class: Index of the class among the logits.
        weight: How much a logit counts beside the unit's own score, at least 0.
    """

    objective: Objective
    target_class: int
    weight: float = 0.1

    def __post_init__(self) -> None:
        """Makes NumPy's whole numbers Python's, which JSON knows."""
        make_int(self, "target_class")

    @property
    @override
    def name(self) -> str:
        return f"{self.objective.name}_class{self.target_class}"

    @property
    def terms(self) -> tuple[Weighted, ...]:
        """The unit's own objective and the class's logit."""
        return (
            *self.objective.terms,
            Weighted(ChannelMean(LOGITS, self.target_class), self.weight),
        )

    @override
    def resolved(self, subject: Subject) -> Self:
        """Checks the class, too."""
        if not isinstance(self.objective, OfChannel):
            other = type(self.objective).__name__
            raise InputError(
                f"ClassConditional cannot stand over another objective than of a channel, and this "
                f"is a {other}: choose {', '.join(each.__name__ for each in concrete(OfChannel))}, "
                "or write a WeightedSum."
            )
        classes, *places = subject.check_layer(LOGITS)
        if places:
            raise InputError(
                f"The output of {subject.name} is a map for each class, so no class has one logit: "
                "ClassConditional cannot be used with it."
            )
        check_range(f"Class {self.target_class}", self.target_class, classes, f"of {subject.name}")
        check_not_negative(self, "weight")
        return replace(self, objective=self.objective.resolved(subject))

    @override
    def record(self) -> dict[str, Any]:
        """The class, its weight and the unit's objective stand in it, too."""
        return self.objective.record() | {
            "objective": type(self).__name__,
            "unit_objective": type(self.objective).__name__,
            "class": self.target_class,
            "class_weight": self.weight,
        }

    @classmethod
    @override
    def settings_of(cls, record: Mapping[str, Any]) -> dict[str, Any]:
        unit = {**record, "objective": record["unit_objective"]}
        return {
            "objective": Objective.from_record(unit),
            "target_class": record["class"],
            "weight": record["class_weight"],
        }


@dataclass(frozen=True)
class Negative(Composed):
    """The negative of another objective: the image that suppresses a unit as much as it can.

    Args:
        objective: Any objective.
    """

    objective: Objective

    @property
    @override
    def name(self) -> str:
        return f"minus_{self.objective.name}"

    @property
    def terms(self) -> tuple[Weighted, ...]:
        """Those of the objective, with the opposite weights."""
        return tuple(replace(term, weight=-term.weight) for term in self.objective.terms)

    @override
    def resolved(self, subject: Subject) -> Self:
        return replace(self, objective=self.objective.resolved(subject))

    @override
    def record(self) -> dict[str, Any]:
        """`of` is the record of the objective itself."""
        of = self.objective.record()
        return of | {"objective": type(self).__name__, "of": of}

    @classmethod
    @override
    def settings_of(cls, record: Mapping[str, Any]) -> dict[str, Any]:
        return {"objective": Objective.from_record(record["of"])}

    def __neg__(self) -> Objective:
        """The objective itself."""
        return self.objective


@dataclass(frozen=True)
class WeightedSum(Composed):
    """A weighted sum of objectives: what excites one unit and another, or one without another.

    Args:
        summands: The objectives with their weights.
    """

    summands: tuple[Weighted, ...]

    def __post_init__(self) -> None:
        """Checks the weights."""
        if not self.summands:
            raise InputError("A WeightedSum needs at least one summand.")
        for each in self.summands:
            if not math.isfinite(each.weight):
                raise InputError(f"A weight of WeightedSum is {each.weight}; choose a number.")
        object.__setattr__(self, "summands", tuple(self.summands))  # a list, if it is from YAML

    @property
    def name(self) -> str:
        """The names of the summands with their weights: `conv2_ch3-0.1_conv1_ch0`."""
        parts = []
        for each in self.summands:
            sign = "-" if each.weight < 0 else "+"
            factor = "" if abs(each.weight) == 1 else f"{abs(each.weight):g}_"
            parts.append(f"{sign}{factor}{each.objective.name}")
        name = "".join(parts)
        name = f"minus_{name[1:]}" if name.startswith("-") else name[1:]
        if len(name) <= LONGEST_NAME:
            return name
        digest = hashlib.sha256(name.encode()).hexdigest()[:8]
        return f"{name[: LONGEST_NAME - 9]}_{digest}"

    @property
    def terms(self) -> tuple[Weighted, ...]:
        """The summands' terms, each with the product of its weights."""
        return tuple(
            replace(term, weight=each.weight * term.weight)
            for each in self.summands
            for term in each.objective.terms
        )

    @override
    def resolved(self, subject: Subject) -> Self:
        summands = [replace(s, objective=s.objective.resolved(subject)) for s in self.summands]
        return replace(self, summands=tuple(summands))

    @override
    def record(self) -> dict[str, Any]:
        """Layer and channel are the first summand's."""
        summands = [{"weight": s.weight, **s.objective.record()} for s in self.summands]
        first = self.summands[0].objective.record()
        return first | {"objective": type(self).__name__, "summands": summands}

    @classmethod
    @override
    def settings_of(cls, record: Mapping[str, Any]) -> dict[str, Any]:
        summands = record["summands"]
        return {
            "summands": tuple(Weighted(Objective.from_record(s), s["weight"]) for s in summands)
        }


def _weighted(objective: Objective) -> Sequence[Weighted]:
    """An objective as summands, so that sums of sums are one sum."""
    if isinstance(objective, WeightedSum):
        return objective.summands
    if isinstance(objective, Negative):
        return [Weighted(objective.objective, -1.0)]
    return [Weighted(objective)]


def _map_size(subject: Subject, layer: str) -> tuple[int, ...]:
    """Height and width of a layer's map, of a volume its depth before; 1 x 1 of a flat layer."""
    sides = subject.check_layer(layer)[1:]
    return sides or (1, 1)
