"""The grid of a sweep: layers, channels, what to look at, seeds, initial images, regularizers."""

import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from inspect import signature
from itertools import cycle, product
from typing import Any, TypeVar

from torch.quasirandom import SobolEngine

from prober.ascent.layer_objectives import Diversity
from prober.ascent.objectives import ChannelMean, Objective, OfChannel
from prober.ascent.regularizers import Regularizer
from prober.ascent.starts import InitialImage
from prober.ascent.targets import Target, name_of
from prober.common.errors import InputError, listed, suggestion
from prober.common.files import safe_name
from prober.subject import LOGITS, Subject
from prober.subject.class_names import class_number
from prober.sweep.named_objectives import named_objective
from prober.sweep.planned import PlannedTarget

Item = TypeVar("Item")

Run = tuple[str, InitialImage | None, tuple[Regularizer, ...] | None, int]
"""What an objective is optimized with: a label, an initial image, regularizers, a seed."""

ALL = "all"

MOST_TOLD = 6
"""Layers with fewer channels than are asked for that are named at the most."""


@dataclass
class Grid:
    """What a sweep looks at: every combination of the settings below is one target.

    Args:
        layers: Layers by name, or by number in an `nn.Sequential`; `all` for every convolutional
            and linear layer but the one whose units are the classes.
        channels: Channels of each layer: a number, a list, a range such as `0-4` (both ends
            count), or `all`. A layer with fewer is looked at in those that it has.
        objectives: What to look at in each channel: a list of objectives of a channel, each its
            name, such as Neuron, the import path of another, or one of them with settings,
            `{class_path: TopKMean, init_args: {k: 7}}`.
        k: How many values TopKMean counts, if it does not say so itself.
        positions: Where Neuron looks: how many positions (the first is the map's middle, the
            others are spread over the map; as many as there are on a small one), or a list of
            `[h, w]`, of volumes `[d, h, w]`. Where none is given, 3, and in a report what the CNN's
            cost allows.
        classes: Classes whose logits are targets, too: a number, a list, a range, or `all` that
            there are; by their names, too, if `model.subject.classes` has them.
        targets: Objectives that are written out, whatever they are, beside the others.
        diversity: Weight of a term that makes the images of a unit's seeds unlike each other, as
            its layer sees them; 0 for none.
        seeds: How many seeds, from `seed_everything` on, or a list of seeds. Where none is given,
            1, and in a report what the CNN's cost allows.
        initial_images: The initial images; where none is given, the one that suits the style.
        regularizers: Sets of regularizers, each a list; where none is given, the style's.
        in_turn: Whether initial images and sets of regularizers take turns over the seeds, so that
            each seed meets one of each, instead of every seed meeting all of them.

    Examples:
        Two channels of two layers, each from two seeds:

        >>> grid = Grid(layers=["conv1", "conv2"], channels="0-1", seeds=2)
        >>> planned = grid.plan(Subject(), seed=0)
        >>> len(planned), planned[0].path
        (8, 'conv1/ch000/mean_seed0')
    """

    layers: list[str | int] | str = field(default_factory=list)
    channels: int | list[int] | str = ALL
    objectives: list[str | dict[str, Any]] = field(default_factory=lambda: [ChannelMean.__name__])
    k: int = 20
    positions: int | list[list[int]] | None = None
    classes: int | list[int | str] | str | None = None
    targets: list[Objective] = field(default_factory=list)
    diversity: float = 0.0
    seeds: int | list[int] | None = None
    initial_images: list[InitialImage] | None = None
    regularizers: list[list[Regularizer]] | None = None
    in_turn: bool = False

    def plan(self, subject: Subject, seed: int) -> list[PlannedTarget]:
        """Expands the grid into its targets, layer by layer in the order of the forward pass.

        Args:
            subject: The CNN under study.
            seed: The first seed, where the grid gives only a number of seeds.

        Returns:
            The targets, those of one channel next to each other.

        Raises:
            InputError: The grid is empty, or a part of it does not exist in the subject.
        """
        if not subject.layers:
            raise InputError(_why_none(subject))
        if not 0 <= self.diversity < math.inf:
            raise InputError(f"grid.diversity is {self.diversity}; it must be 0 or more.")
        runs = self._runs(seed)
        planned: list[PlannedTarget] = []
        objectives = sorted(self._objectives(subject), key=lambda o: subject.depth(o[2].layer))
        for label, folder, objective in objectives:
            objective = objective.resolved(subject)
            if self.diversity:
                diversity = self.diversity * Diversity(objective.layer)
                objective = (objective + diversity).resolved(subject)
            folder = (
                f"{subject.folder_name(objective.layer)}/{safe_name(folder or name_of(objective))}"
            )
            for of_run, image, penalties, number in runs:
                variant = "_".join(filter(None, (label, of_run)))
                path = f"{folder}/{safe_name(f'{variant}_seed{number}')}"
                target = Target(objective, image, penalties, number)
                planned.append(PlannedTarget(target, path, variant))
        if not planned and self._all_layers and not self._layers(subject):
            raise InputError(
                f"The grid is empty: layers: {ALL} stands for the convolutional and linear layers, "
                f"and of {subject.name} none can be probed beside what gives the logits. Name "
                f"layers, or classes ({ALL})."
            )
        if not planned:
            raise InputError(
                "The grid is empty: give it layers and channels, classes or targets, and at least "
                "one objective, seed, initial image and set of regularizers ([] is a set)."
            )
        _check_names(planned)
        return planned

    @property
    def _all_layers(self) -> bool:
        return self.layers in (ALL, [ALL])

    def count(self, subject: Subject) -> int:
        """Counts the targets without expanding the seeds; raises as `plan` does."""
        given = 1 if self.seeds is None else self.seeds
        seeds = given if isinstance(given, int) else len(given)
        objectives = len(self.probed_layers(subject))
        starts = 1 if self.initial_images is None else len(self.initial_images)
        variants = starts * (1 if self.regularizers is None else len(self.regularizers))
        return objectives * max(0, seeds) * (min(1, variants) if self.in_turn else variants)

    def split(self, subject: Subject) -> "tuple[Grid, dict[str, list[int]]]":
        """Sets apart the layers that no gradient leads back from: they can be looked at alone.

        Returns:
            The grid without them, and the channels of each of them.

        Raises:
            InputError: A channel or class of one of them does not exist.
        """
        cut, measured = subject.listing.cut, subject.listing.measured
        layers = self._named(subject)
        channels = self._channels(subject, layers)
        found = {layer: own for layer, own in channels if layer in cut and own}
        classes = self.classes
        if classes is not None and LOGITS in cut:
            asked = _classes(classes, subject, measured[LOGITS].shape[0])
            found[LOGITS] = [*found.get(LOGITS, []), *asked]
            classes = None
        if not found:
            return self, {}
        others = [layer for layer in layers if layer not in cut]
        kept = dict.fromkeys(c for layer, own in channels if layer not in cut for c in own)
        once = {layer: list(dict.fromkeys(own)) for layer, own in found.items()}
        return replace(self, layers=[*others], channels=list(kept), classes=classes), once

    def left_out(self, subject: Subject) -> str | None:
        """Says which layers have fewer channels than it asks for; None if none has."""
        if self.channels == ALL:
            return None
        channels = self._channels(subject, self._named(subject))
        wanted = {channel for _, own in channels for channel in own}
        sizes = {
            layer: subject.listing.measured[layer].shape[0]
            for layer, own in channels
            if not wanted <= set(own)
        }
        if not sizes:
            return None
        said = listed([f"'{layer}' has {size}" for layer, size in sizes.items()], MOST_TOLD)
        return (
            "grid.channels asks for channels that not every layer has, and each is looked at in "
            f"those that it has: {said}."
        )

    def probed_layers(self, subject: Subject) -> list[str]:
        """Returns for each objective the layer that it probes; raises as `plan` does."""
        return [objective.layer for *_, objective in self._objectives(subject)]

    def _runs(self, seed: int) -> list[Run]:
        """Returns what each objective is optimized with; the first seed where it gives a number."""
        seeds = 1 if self.seeds is None else self.seeds
        if isinstance(seeds, int):
            if seeds < 1:
                raise InputError(f"The grid is empty, as grid.seeds is {seeds}: give 1 or more.")
            seeds = [seed + i for i in range(seeds)]
        if wrong := [each for each in seeds if not 0 <= each < 2**63]:
            raise InputError(f"grid.seeds has the seed {wrong[0]}; choose 0 to 2^63 - 1.")
        starts = [None] if self.initial_images is None else self.initial_images
        images = _labelled(starts, [type(i).__name__ for i in starts])
        sets = [None] if self.regularizers is None else list(map(tuple, self.regularizers))
        regularizers = _labelled(sets, ["reg"] * len(sets))
        variants = [
            ("_".join(filter(None, (start, penalties))), image, of_set)
            for (penalties, of_set), (start, image) in product(regularizers, images)
        ]
        if self.in_turn and variants:
            # Under one name: a sheet has one column for each seed, whatever its variant.
            turns = zip(cycle(variants), seeds, strict=False)
            return [("", image, of_set, number) for (_, image, of_set), number in turns]
        return [(*variant, seed) for variant in variants for seed in seeds]

    def _objectives(self, subject: Subject) -> Iterator[tuple[str, str, Objective]]:
        """Gives what is looked at: its name, that of its folder, and its objective."""
        logits: set[int] = set()  # those that the layers name
        named = [named_objective(each, self.k) for each in self.objectives]
        without_mean = all(each.func is not ChannelMean for each in named)
        for layer, channels in self._channels(subject, self._layers(subject)):
            shape = subject.check_layer(layer)
            for channel in channels:
                for each in named:
                    for place in self._places(each, shape, without_mean):
                        objective = each(layer, channel, **place)
                        if objective == ChannelMean(LOGITS, channel):
                            logits.add(channel)
                        yield objective.variant, f"ch{channel:03d}", objective
        none = self.classes == ALL and LOGITS not in subject.layers  # all that there are
        if self.classes is not None and not none:
            for channel in _classes(self.classes, subject, subject.check_layer(LOGITS)[0]):
                if channel not in logits:
                    yield "mean", f"ch{channel:03d}", ChannelMean(LOGITS, channel)
        for written in self.targets:
            for layer in written.layers:
                subject.check_layer(layer)
            yield type(written).__name__.lower(), "", written

    def _places(
        self, named: partial[OfChannel], shape: Sequence[int], without_mean: bool
    ) -> list[dict[str, int]]:
        """Returns where in a channel one kind of objective looks: at positions, or as a whole."""
        if not {"h", "w"} <= signature(named).parameters.keys():
            return [{}]
        if len(shape) == 1 and not without_mean:  # of a flat layer, it is the mean
            return []
        return [dict(zip("whd", reversed(p), strict=False)) for p in self._positions(shape)]

    def _layers(self, subject: Subject) -> list[str]:
        layers = self._named(subject)
        if self._all_layers:
            layers = [name for name in layers if name in subject.layers]
        for layer in layers:
            subject.check_layer(layer)
        return sorted(layers, key=subject.depth)

    def _named(self, subject: Subject) -> list[str]:
        """Returns the layers that it names, with those that no gradient leads back from."""
        if self._all_layers:
            return subject.computing_layers()
        given = [self.layers] if isinstance(self.layers, str) else self.layers
        return [str(layer) for layer in given]  # those of an nn.Sequential have numbers for names

    def _channels(self, subject: Subject, layers: Sequence[str]) -> list[tuple[str, list[int]]]:
        """Returns for each layer those of the channels that it has.

        Raises:
            InputError: A channel is in none of the layers.
        """
        measured = subject.listing.measured
        sizes = {layer: measured[layer].shape[0] for layer in layers if layer in measured}
        if not sizes:
            return []
        widest = max(sizes, key=sizes.__getitem__)
        asked = numbers("grid.channels", self.channels, sizes[widest], f"of '{widest}'")
        return [
            (layer, [channel for channel in asked if channel < sizes[layer]])
            for layer in layers
            if layer in sizes
        ]

    def _positions(self, shape: Sequence[int]) -> list[tuple[int, ...]]:
        sides = tuple(shape[1:]) or (1, 1)
        given = 3 if self.positions is None else self.positions
        if not isinstance(given, int):
            wrong = [p for p in given if len(p) != len(sides)]
            if wrong:
                written = "[h, w]" if len(sides) == 2 else "[d, h, w]"
                raise InputError(f"grid.positions: {wrong[0]} is not a position {written}.")
            return [tuple(position) for position in given]
        if given < 1:
            raise InputError(f"grid.positions is {given}: give 1 or more.")
        return spread_positions(min(given, math.prod(sides)), *sides)


def _check_names(planned: Sequence[PlannedTarget]) -> None:
    """Raises an InputError if two targets have one name.

    Many file systems take names for the same that differ in upper and lower case alone.
    """
    paths = Counter(each.path.casefold() for each in planned)
    if len(paths) == len(planned):
        return
    twice = max(paths, key=paths.__getitem__)
    names = dict.fromkeys(each.path for each in planned if each.path.casefold() == twice)
    called = " and ".join(f"'{name}'" for name in names)
    if len(names) > 1:
        raise InputError(
            f"The grid has targets that would be called {called}, which many file systems take for "
            "the same name: look at one of them after the other."
        )
    raise InputError(
        f"The grid has two targets that would both be called {called}: it names a layer, channel, "
        "objective, position or seed twice, or has grid.targets of the same name."
    )


def numbers(name: str, given: int | list[int] | str, size: int, where: str) -> list[int]:
    """Reads channels or classes: a number, a list, a range `0-4`, or `all`.

    Args:
        name: The option, for messages.
        given: What the grid says.
        size: How many there are.
        where: Of what, for messages.

    Raises:
        InputError: It cannot be read, or a number in it is out of range.
    """
    if given == ALL:
        return list(range(size))
    if isinstance(given, str):
        ends = re.fullmatch(r"(\d{1,18})-(\d{1,18})", given.strip())
        if not ends:
            raise InputError(
                f"{name}: '{given}' is no number, list such as [0, 3], range such as "
                f"0-4, or '{ALL}'."
                f"{suggestion(given, [ALL])}"
            )
        first, last = int(ends[1]), int(ends[2])
        if last < first:
            raise InputError(f"{name}: '{given}' ends before it begins: write {last}-{first}.")
        given = [last] if last >= size else list(range(first, last + 1))
    found = [given] if isinstance(given, int) else list(given)
    wrong = [n for n in found if not 0 <= n < size]
    if wrong:
        raise InputError(
            f"{name}: {', '.join(map(str, wrong))} is out of range: choose 0 to {size - 1} {where}."
        )
    return found


def _classes(given: int | list[int | str] | str, subject: Subject, size: int) -> list[int]:
    """Reads classes, of which there are so many: as `numbers` does, and by their names."""
    names, option = subject.class_names, "grid.classes"
    if isinstance(given, str) and given in (names or ()):
        given = [given]
    numbered = (
        given
        if isinstance(given, int | str)
        else [class_number(names, c, option) if isinstance(c, str) else c for c in given]
    )
    return numbers(option, numbered, size, f"of {subject.name}")


def spread_positions(number: int, *sides: int) -> list[tuple[int, ...]]:
    """Spreads positions over a map: its middle, then the middles of its quarters, and so on.

    Follows Sobol's sequence (1967), whose first points cover the square evenly for every number
    of them; a position that is already taken is passed over.
    """
    points = SobolEngine(len(sides))
    points.fast_forward(1)  # past the corner
    positions: dict[tuple[int, ...], None] = {}
    while len(positions) < number:
        point = points.draw()[0].tolist()
        positions[tuple(int(x * side) for x, side in zip(point, sides, strict=True))] = None
    return list(positions)


def _labelled(items: Sequence[Item], names: list[str]) -> list[tuple[str, Item]]:
    """Labels items by their names, numbered if they share one, or not at all if there is one."""
    if len(items) == 1:
        return [("", items[0])]
    labels = [name if names.count(name) == 1 else f"{name}{i}" for i, name in enumerate(names)]
    return list(zip(labels, items, strict=True))


def _why_none(subject: Subject) -> str:
    """Says why no layer of a subject can be probed, and what to do."""
    none = f"No layer of {subject.name} can be probed"
    first = next(iter(subject.listing.cut), None)
    if first is None:
        return f"{none}. {' '.join(subject.notes)}".strip()
    return (
        f"{none}: {subject.listing.unprobed[first]}. Pictures are made by following it. Let it "
        "through there: without torch.no_grad and detach() a CNN gives the same, with the same "
        "weights. What units answer without it, a report says."
    )
