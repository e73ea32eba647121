"""From a subject's visualizations to its findings: the search for facets, then the evidence."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from prober.ascent.method import Method, is_large, various_initial_images
from prober.ascent.regularizers import L2, TotalVariation
from prober.ascent.targets import Target
from prober.common.errors import InputError
from prober.common.pictures import squared, to_bytes
from prober.findings import search, trust, verdict
from prober.findings.answers import Answers, ask, behavior, real_doubts
from prober.findings.data import RealData
from prober.findings.evidence import Evidence, of_tuning, various
from prober.findings.facets import Facet, alike, group_facets
from prober.findings.gallery import Gallery, Visualization
from prober.findings.profiles import Profiles, profile
from prober.findings.search import Start
from prober.findings.tuning import Battery, Curves
from prober.findings.units import (
    Place,
    Unit,
    Window,
    batches,
    images_at_once,
    look_through,
    responses,
    scores,
)
from prober.subject import Subject
from prober.sweep.planned import PlannedTarget

PENALTY = 0.02
"""The weight of the search's penalties, as a share of the score's whole way: whatever the scale of
a unit, pixels that hardly matter to it come out dark and smooth."""

THUMB = 32
"""Pixels of a side of a point's picture."""

KNOWN = 12
"""Images that a start is pushed away from, at the most."""

HELD = 32
"""Images that the search holds for one unit while it chooses its starts, at the most."""


@dataclass
class Layer:
    """Units of one layer, or one neuron of it, that are examined together.

    Attributes:
        window: Where they look.
        units: The units.
        battery: What the layer answers to flat and striped images.
        dead: Those units to which nothing makes a difference.
        answers: What it answers to real images, or None.
        starts: For each unit what the search for its facets starts from.
    """

    window: Window
    units: list[Unit]
    battery: Battery
    answers: Answers | None
    dead: set[Unit] = field(default_factory=set)
    starts: dict[Unit, list[Start]] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The layer's name."""
        return self.units[0].layer

    @property
    def place(self) -> Place:
        """The layer, and the position of its neuron that is looked at."""
        return self.units[0].place

    @property
    def live(self) -> list[Unit]:
        """The units that something makes a difference to."""
        return [unit for unit in self.units if unit not in self.dead]

    def curves(self, unit: Unit) -> Curves:
        """A unit's tuning curves."""
        return self.battery.curves(unit.place, unit.channel)


@dataclass
class Point:
    """An optimum, for TensorBoard's projector.

    Attributes:
        answers: `[D]`, the responses of all channels of the layers examined.
        picture: What the unit sees of it, uint8 `[THUMB, THUMB, 3]`.
        label: What it is.
    """

    answers: Tensor
    picture: np.ndarray
    label: dict[str, Any]


class Investigation:
    """The examination of one subject.

    Args:
        subject: The CNN under study.
        gallery: The visualizations of its units.
        data: Real images, or None.
        method: How the search's images are optimized.

    Attributes:
        layers: The units, those of one layer together, in the order of the forward pass.
        behavior: How it names real images, see `answers.behavior`; None without any.
        points: The facets' best optima, once there are findings.
    """

    def __init__(
        self,
        subject: Subject,
        gallery: Gallery,
        data: RealData | None,
        method: Method,
    ) -> None:
        self.subject = subject
        shape = subject.input_shape
        self._method = method.resolved(shape)
        self.gallery = gallery
        self.points: list[Point] = []
        if is_large(shape):
            subject.lay_out_channels_last()  # a third faster
        units: dict[Place, list[Unit]] = {}
        for unit in units_of(gallery, subject):
            units.setdefault(unit.place, []).append(unit)
        self._windows = {place: look_through(subject, *place) for place in units}
        battery = Battery(subject, self._windows)
        answers = data and ask(subject, data, self._windows)
        self.layers = [
            Layer(self._windows[place], of, battery, answers) for place, of in units.items()
        ]
        self._check_finite()
        self.behavior = answers and behavior(answers)
        # As many pictures of units as are held in memory at once, of all units alike.
        best = _best_of_each_look(gallery)
        number = min(len(best), images_at_once(subject))
        self._pictures = gallery.images([best[i * len(best) // number] for i in range(number)])
        self._of_pictures = responses(subject, self._pictures, self._windows)
        self._rounding = self._by_rounding(battery)
        for layer in self.layers:
            self._note_the_dead(layer)

    def _check_finite(self) -> None:
        for layer in self.layers:
            for unit in layer.units:
                if not layer.battery.responses[layer.place][:, unit.channel].isfinite().all():
                    raise InputError(
                        f"{self.subject.name} answers a plain gray, flat or striped image with NaN "
                        f"or infinity in channel {unit.channel} of '{unit.layer}', so nothing can "
                        "be said of it. Does it divide by the spread of each image? Leave the "
                        "channel out (grid.channels), or the layer."
                    )

    def _note_the_dead(self, layer: Layer) -> None:
        """Looks for signs of life in units that flat and striped images leave unmoved.

        Pictures of all units and real images may move them; if not, an ascent through ReLUs that
        leak may lead to where they are.
        """
        rounding = self._rounding[layer.place]

        def unmoved(units: Sequence[Unit], answered: Tensor) -> list[Unit]:
            return [
                unit
                for unit in units
                if search.look_dead(answered[:, unit.channel], rounding[unit.channel])
            ]

        of_battery = layer.battery.responses[layer.place]
        suspects = unmoved(layer.units, of_battery)
        if suspects:
            answered, _ = self._of_pictures[layer.place]
            suspects = unmoved(suspects, torch.cat([answered, of_battery[:1]]))
        if suspects and layer.answers is not None:
            real = layer.answers.responses_of_pool(layer.place)
            suspects = unmoved(suspects, torch.cat([real, of_battery[:1]]))
        if not suspects:
            return
        objectives = [layer.window.objective(unit) for unit in suspects]
        woken = search.awaken(self.subject, objectives, seed=0, method=self._method)
        before = scores(self.subject, objectives, torch.full_like(woken, 0.5))
        after = scores(self.subject, objectives, woken)
        for unit, image, *pair in zip(suspects, woken, before, after, strict=True):
            if search.look_dead(torch.stack(pair), rounding[unit.channel]):
                layer.dead.add(unit)
            else:
                layer.starts[unit] = [Start.of("awakened", image)]

    def _by_rounding(self, battery: Battery) -> dict[Place, Tensor]:
        """Measures by how much rounding alone moves each channel of each place, `[channels]`.

        A unit whose parts cancel each other answers with what their rounding leaves over.
        """
        images = battery.images(battery.of("gray", "hue").tolist())
        rough = responses(self.subject, images, self._windows)
        fine = responses(copy.deepcopy(self.subject).double(), images, self._windows)
        return {place: (rough[place][0] - fine[place][0]).abs().amax(0) for place in rough}

    def plan_search(self) -> list[PlannedTarget]:
        """Plans the search for facets: for every live unit a target from each of its starts."""
        planned = []
        for layer in self.layers:
            for batch in batches(len(layer.live), max(1, images_at_once(self.subject) // HELD)):
                planned += self._plan(layer, layer.live[batch])
        return planned

    def _plan(self, layer: Layer, units: list[Unit]) -> list[PlannedTarget]:
        answered, _ = self._of_pictures[layer.place]
        found = search.starts_of(
            self.subject,
            units,
            layer.window,
            layer.battery,
            self._pictures,
            answered,
            layer.answers,
        )
        for unit, starts in zip(units, found, strict=True):
            layer.starts.setdefault(unit, []).extend(starts)
        planned = []
        for unit, way in zip(units, self._push_away(layer, units).tolist(), strict=True):
            planned += self._targets(layer, unit, way)
        return planned

    def _push_away(self, layer: Layer, units: list[Unit]) -> Tensor:
        """Adds starts that are pushed away from what excites each unit; returns the ways `[U]`."""
        objectives = [layer.window.objective(unit) for unit in units]
        known, ways = [], []
        for unit, objective in zip(units, objectives, strict=True):
            images = torch.stack([start.image for start in layer.starts[unit]])
            if own := self._candidates(layer, unit):
                images = torch.cat([images, self.gallery.images(own)])
            score = scores(self.subject, [objective] * len(images), images).double()
            neutral = layer.curves(unit).neutral
            way = (score.max() - neutral).item()
            way = way if way > 0 else (score.max() - score.min()).item()
            ways.append(way if way > 0 else 1.0)
            best = score.argsort(descending=True)[:KNOWN]
            known.append(images[best[score[best] - neutral >= 0.5 * way]])
        scale = torch.tensor(ways, dtype=torch.float64)
        for seed in range(search.effort(self.subject.input_shape).pushed):
            pushed = search.push_away(
                self.subject,
                objectives,
                known,
                scale,
                layer.window,
                seed,
                leaky=seed % 2 == 1,
                method=self._method,
            )
            for unit, image in zip(units, pushed, strict=True):
                layer.starts[unit].append(Start.of("pushed away", image))
        return scale

    def _targets(self, layer: Layer, unit: Unit, way: float) -> list[PlannedTarget]:
        penalties = (L2(PENALTY * way), TotalVariation(PENALTY * way))
        objective = layer.window.objective(unit).resolved(self.subject)
        noises = various_initial_images(self.subject.input_shape)
        starts = [("noise", noise) for noise in noises]
        starts += [(start.sort.replace(" ", "_"), start) for start in layer.starts[unit]]
        return [
            PlannedTarget(
                Target(objective, start, penalties, seed=0),
                f"{unit.folder}/{i:02d}_{name}_seed0",
                f"{i:02d}_{name}",
            )
            for i, (name, start) in enumerate(starts)
        ]

    def _candidates(self, layer: Layer, unit: Unit) -> list[Visualization]:
        """The visualizations of exactly the neuron, or flat unit, that a unit is examined by."""
        objective = layer.window.objective(unit)
        return [each for each in self.gallery.of(unit) if each.objective == objective]

    def findings(self, searched: Gallery | None, folder: Path) -> list[dict[str, Any]]:
        """Gathers the evidence, writes its pictures and draws the conclusions.

        Args:
            searched: What the search for facets has made; None if every unit is dead.
            folder: The report's folder.

        Returns:
            The findings, one for each unit, as `findings.json` has them.
        """
        found = []
        for layer in self.layers:
            print(f"Examining {layer.name}.")
            evidence = Evidence(self.subject, self.gallery, layer.answers, folder)
            for unit in layer.units:
                if unit in layer.dead:
                    found.append(self._dead(layer, unit, evidence))
                else:
                    found.append(self._live(layer, unit, searched, evidence))
        return found

    def _optima(
        self, layer: Layer, unit: Unit, searched: Gallery | None
    ) -> tuple[list[Visualization], Profiles]:
        """Intervenes on all optima of a unit."""
        own = self._candidates(layer, unit)
        more = searched.of(unit) if searched else []
        images = torch.cat(
            [g.images(v) for g, v in ((self.gallery, own), (searched, more)) if v]
            # Should every start have failed, mid gray is all that there is to show.
            or [torch.full((1, *self.subject.input_shape), 0.5)]
        )
        objectives = [layer.window.objective(unit)] * len(images)
        return [*own, *more], profile(self.subject, objectives, images, layer.window)

    def _facets_of_others(
        self,
        layer: Layer,
        unit: Unit,
        facets: Sequence[Facet],
        evidence: Evidence,
    ) -> dict[str, int | None]:
        """Tells which facet the other pictures show: of the whole channel, of other positions.

        Also of this neuron, if they had to be robust against being moved: their scores cannot come
        near to those of the search.
        """
        objective = layer.window.objective(unit)
        shown = [
            each
            for each in evidence.shown(unit)
            if each.objective != objective or each.record.get("transforms")
        ]
        if not shown:
            return {}
        whole = Window(None, 0, 0, *self.subject.input_shape[1:])
        images = self.gallery.images(shown)
        others = profile(self.subject, [each.objective for each in shown], images, whole)
        stems = [each.record["stem"] for each in shown]
        return dict(zip(stems, alike(others, facets), strict=True))

    def _dead(self, layer: Layer, unit: Unit, evidence: Evidence) -> dict[str, Any]:
        curves = layer.curves(unit)
        return {
            **_names(unit),
            **verdict.of_the_dead(layer.answers is not None),
            "trusted": None,
            "facets": [],
            "evidence": {
                "score": {"neutral": curves.neutral, "best": curves.neutral},
                **_place(layer.window),
                "pictures": evidence.of_visualizations(unit, {}),
                "starts": {},
                "tuning": of_tuning(curves),
                "data": evidence.of_data(unit, curves, curves.neutral, curves.neutral),
                "trust": None,
            },
        }

    def _live(
        self, layer: Layer, unit: Unit, searched: Gallery | None, evidence: Evidence
    ) -> dict[str, Any]:
        optima, profiles = self._optima(layer, unit, searched)
        stems = [each.record["stem"] for each in optima] or [""]
        objective, curves = layer.window.objective(unit), layer.curves(unit)
        facets = group_facets(self.subject, objective, profiles, curves)
        neutral, best = profiles.neutral[0].item(), profiles.score.max().item()
        conclusion = verdict.conclude(facets, curves, best)
        data = evidence.of_data(unit, curves, neutral, best)
        conclusion["why"] += real_doubts(conclusion["kinds"], data)
        pictures = profiles.images[[facet.members[0] for facet in facets]]
        compared = None
        if facets:
            compared = evidence.of_trust(unit, objective, pictures, neutral, best)
        trusted, why = (None, []) if compared is None else trust.judge(compared)
        conclusion["why"] += why
        self._note_points(unit, facets, profiles, layer.window)
        facet_of = {stems[m]: number for number, each in enumerate(facets) for m in each.members}
        facet_of = self._facets_of_others(layer, unit, facets, evidence) | facet_of
        return {
            **_names(unit),
            **conclusion,
            "trusted": trusted,
            "facets": [
                evidence.of_facet(unit, number, facet, profiles, layer.window)
                for number, facet in enumerate(facets)
            ],
            "evidence": {
                "score": {"neutral": neutral, "best": best},
                **_place(layer.window),
                "pictures": evidence.of_visualizations(unit, facet_of),
                "starts": _counted(optima),
                "tuning": of_tuning(curves),
                "data": data,
                "trust": compared,
            },
        }

    def _note_points(
        self, unit: Unit, facets: Sequence[Facet], profiles: Profiles, window: Window
    ) -> None:
        for number, facet in enumerate(facets):
            members = various(facet.members, profiles)
            answered = responses(self.subject, profiles.images[members], self._windows)
            answers = torch.cat([strongest for strongest, _ in answered.values()], 1)
            for member, of_member in zip(members, answers, strict=True):
                label = {
                    "name": f"{unit.layer}/{unit.channel}",
                    "kind": facet.kind,
                    "layer": unit.layer,
                    "channel": unit.channel,
                    "facet": number,
                    "seed": 0,
                    "score": round(profiles.score[member].item(), 4),
                }
                picture = squared(to_bytes(window.crop(profiles.images[member])), THUMB)
                self.points.append(Point(of_member, picture, label))

    def effects(self) -> np.ndarray:
        """Returns what the points' images do to the subject, `[N, D]`.

        The responses of all channels of the layers examined, each brought to mean 0 and spread 1.
        """
        if not self.points:
            return np.zeros((0, 1), np.float32)
        effects = torch.stack([point.answers for point in self.points]).double()
        spread = effects.std(0, correction=0)
        moved = spread > 1e-9 * effects.abs().amax(0)
        return ((effects - effects.mean(0)) / spread)[:, moved].float().numpy()

    def sprites(self) -> np.ndarray:
        """Returns the points' pictures, uint8 `[N, THUMB, THUMB, 3]`."""
        pixels = [point.picture for point in self.points]
        return np.stack(pixels) if pixels else np.zeros((0, THUMB, THUMB, 3), np.uint8)


def units_of(gallery: Gallery, subject: Subject) -> list[Unit]:
    """Returns the units that a sweep has looked at, in the order of the forward pass.

    Channels; but where a channel was looked at by single neurons only, these neurons.
    """
    by_channel: dict[tuple[str, int], list[Visualization]] = {}
    for each in gallery.visualizations:
        by_channel.setdefault((each.record["layer"], each.record["channel"]), []).append(each)
    depth = list(subject.layers)
    units = []
    for (layer, channel), of in by_channel.items():
        positions = [each.record["position"] for each in of]
        if None in positions:
            units.append(Unit(layer, channel))
        else:
            units += [Unit(layer, channel, (h, w)) for h, w in dict.fromkeys(map(tuple, positions))]
    return sorted(units, key=lambda u: (depth.index(u.layer), u.channel, u.position or ()))


def _best_of_each_look(gallery: Gallery) -> list[Visualization]:
    """For each channel and look the visualization with the best score."""
    best: dict[tuple[str, int, str], Visualization] = {}
    for each in gallery.visualizations:
        key = (each.record["layer"], each.record["channel"], each.look)
        if key not in best or each.record["score_end"] > best[key].record["score_end"]:
            best[key] = each
    return list(best.values())


def _counted(optima: Sequence[Visualization]) -> dict[str, int]:
    """How many starts of each sort there were."""
    sorts = [each.record["initial_image"].get("sort", "noise") for each in optima]
    return {sort: sorts.count(sort) for sort in dict.fromkeys(sorts)}


def _names(unit: Unit) -> dict[str, Any]:
    position = None if unit.position is None else list(unit.position)
    return {"layer": unit.layer, "channel": unit.channel, "position": position}


def _place(window: Window) -> dict[str, Any]:
    field_of = {key: getattr(window, key) for key in ("top", "left", "height", "width")}
    return {"field": field_of, "neuron": None if window.neuron is None else list(window.neuron)}
