"""The evidence for a unit: its pictures and figures, as `findings.json` and the page show them."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from prober.ascent.objectives import Objective
from prober.common.colors import without_color
from prober.common.files import write_whole
from prober.common.pictures import enlarge, shrunk, sprite, to_bytes
from prober.findings import interventions, trust
from prober.findings.answers import EXAMPLES, Answers, class_evidence, table
from prober.findings.facets import Facet
from prober.findings.gallery import Gallery, Visualization
from prober.findings.interventions import TURNS
from prober.findings.profiles import NAMES, Profiles
from prober.findings.tuning import Curves
from prober.findings.units import Unit, Window, scores
from prober.subject import LOGITS, Subject

CELL = 84
"""Pixels that a cell of a sprite may have on a side."""

SNAPSHOTS = 7
"""Snapshots of an evolution on the page, at the most."""

SHOWN = 12
"""Visualizations of a unit on the page, at the most."""

PICTURES = 4
"""Pictures of a facet, at the most."""

RANDOM = 32
"""Random real images whose paths are compared with those of the pictures."""

Section = dict[str, Any]


class Evidence:
    """Writes the pictures of units and returns what goes with them.

    Args:
        subject: The CNN under study.
        gallery: The visualizations of its units.
        answers: What it answers to real images, or None.
        folder: The report's folder.
    """

    def __init__(
        self, subject: Subject, gallery: Gallery, answers: Answers | None, folder: Path
    ) -> None:
        self._subject = subject
        self._gallery = gallery
        self._answers = answers
        self._folder = folder

    def of_facet(
        self, unit: Unit, number: int, facet: Facet, profiles: Profiles, window: Window
    ) -> Section:
        """Writes a facet's pictures, cropped to the field and whole, and its interventions."""
        best = facet.members[0]
        pictures = [
            self._write(
                unit,
                f"facet{number}_{i}.png" if i else f"facet{number}.png",
                _alone(window.crop(profiles.images[member])),
            )
            for i, member in enumerate(various(facet.members, profiles)[:PICTURES])
        ]
        return {
            "kind": facet.kind,
            "hue": facet.hue,
            "orientation": facet.orientation,
            "score": profiles.score[best].item(),
            "share": len(facet.members) / len(profiles),
            "pictures": pictures,
            "full": self._write(unit, f"facet{number}_full.png", _alone(profiles.images[best])),
            "interventions": self._of_interventions(unit, number, best, profiles, window),
        }

    def _of_interventions(
        self, unit: Unit, number: int, best: int, profiles: Profiles, window: Window
    ) -> Section:
        image = profiles.images[[best]]
        shown = [
            image,
            torch.full_like(image, 0.5),
            without_color(image),
            interventions.shuffled(image, window)[0],
            interventions.flat(profiles.color[[best]], image),
            interventions.flat(profiles.gray[[best]], image),
        ]
        names = ["as synthesized", *NAMES]
        values = [profiles.score[best].item(), *profiles.scores[best].tolist()]
        if image.shape[1] == 3:
            shown += [interventions.hue_turned(image, turn) for turn in TURNS]
            names += [f"hue turned {turn}°" for turn in TURNS]
        cells = shrunk(to_bytes(window.crop(torch.cat(shown))), CELL)
        return {
            "sprite": self._write(unit, f"facet{number}_interventions.png", sprite(cells[None])),
            "cell": list(cells.shape[1:3]),
            "items": [
                {"name": name, "score": value, "share": share(value, values[1], values[0])}
                for name, value in zip(names, values, strict=True)
            ],
        }

    def shown(self, unit: Unit) -> list[Visualization]:
        """Returns the visualizations of a unit that are shown: of all looks as many as may be."""
        looks: dict[str, list[Visualization]] = {}
        for each in self._gallery.of(unit):
            looks.setdefault(each.look, []).append(each)
        most = -(-SHOWN // len(looks)) if looks else 0
        first = [each for of in looks.values() for each in of[:most]]
        rest = [each for of in looks.values() for each in of[most:]]
        return (first + rest)[:SHOWN]

    def of_visualizations(self, unit: Unit, facets: dict[str, int]) -> Section | None:
        """Writes a unit's visualizations and their evolution as a sprite, one row for each.

        Args:
            unit: The unit.
            facets: The number of the facet that a visualization belongs to, by its stem.
        """
        own, shown = self._gallery.of(unit), self.shown(unit)
        if not shown:
            return None
        tops: dict[str, float] = {}
        for each in own:
            score = each.record["score_end"]
            tops[each.look] = max(score, tops.get(each.look, score))
        gray = torch.full((1, *self._subject.input_shape), 0.5)
        rows, items, kept = [], [], []
        for each in shown:
            evolution, steps = self._gallery.evolution(each)
            picked = _evenly(len(steps), SNAPSHOTS)
            kept = [steps[i] for i in picked]
            rows.append(shrunk(evolution[picked], CELL))
            record = each.record
            neutral = scores(self._subject, [each.objective], gray).item()
            items.append(
                {
                    "look": each.look,
                    "objective": record["objective"],
                    "position": record["position"],
                    "seed": record["seed"],
                    "initial_image": record["initial_image"]["name"],
                    "regularizers": each.penalties,
                    "score": record["score_end"],
                    "share": share(record["score_end"], neutral, tops[each.look]),
                    "facet": facets.get(record["stem"]),
                    "record": record,
                }
            )
        return {
            "sprite": self._write(unit, "seeds.png", sprite(np.stack(rows))),
            "cell": list(rows[0].shape[1:3]),
            "steps": kept,
            "items": items,
        }

    def of_data(self, unit: Unit, curves: Curves, neutral: float, best: float) -> Section | None:
        """Writes the real images that excite a unit most; its table, and its class if it is one."""
        if self._answers is None:
            return None
        labels, hues = self._answers.labels_of_pool()
        classes = self._answers.data.classes
        response = self._answers.responses_of_pool(unit.place)[:, unit.channel]
        top = self._top(response)
        cells = shrunk(to_bytes(self._answers.images_of_pool(top)), CELL)
        of_class = None
        if unit.layer == LOGITS:
            of_class = class_evidence(self._answers, unit.channel, curves)
        return {
            **table(self._answers, unit.place, unit.channel),
            "class": of_class,
            "examples": {
                "sprite": self._write(unit, "examples.png", sprite(cells[None])),
                "cell": list(cells.shape[1:3]),
                "items": [
                    {
                        "score": response[i].item(),
                        "share": share(response[i].item(), neutral, best),
                        "label": classes[labels[i]] if labels[i] >= 0 else None,
                        "hue": number_or_none(hues[i].item()),
                    }
                    for i in top
                ],
            },
        }

    def of_trust(
        self, unit: Unit, objective: Objective, pictures: Tensor, neutral: float, best: float
    ) -> Section | None:
        """Compares the paths of a unit's pictures, `[P, C, H, W]`, with those of real images."""
        if self._answers is None:
            return None
        response = self._answers.responses_of_pool(unit.place)[:, unit.channel]
        # Of the neuron's own top examples: only there what it sees is what the gradient tells of.
        top = self._top(self._answers.pool_at_neuron(unit.place)[:, unit.channel])
        generator = torch.Generator().manual_seed(0)
        random = torch.randperm(len(response), generator=generator)[:RANDOM].tolist()
        real = self._answers.images_of_pool([*top, *random])
        layers = trust.layers_before(self._subject, objective.layer)
        batch = torch.cat([pictures, real])
        paths = trust.paths(self._subject, [objective] * len(batch), batch, layers)
        compared = []
        for layer, path in paths.items():
            parts = path.split([len(pictures), len(top), len(random)])
            names = ("picture", "real", "random")
            compared.append(
                {"layer": layer, **dict(zip(names, trust.likeness(*parts), strict=True))}
            )
        best_real = response.max().item()
        way = best_real - neutral
        return {
            "picture": best,
            "best_real": best_real,
            "times": (best - neutral) / way if way > 0 else None,
            "paths": compared,
        }

    def _top(self, response: Tensor) -> list[int]:
        """The real images that excite a unit most, no shape twice."""
        number = len(self._answers.data.images)
        best, hue = response.view(-1, number).max(0)
        top = best.topk(min(EXAMPLES, number)).indices
        return (hue[top] * number + top).tolist()

    def _write(self, unit: Unit, name: str, content: bytes) -> str:
        file = Path("pictures") / unit.folder / name
        write_whole(self._folder / file, content)
        return str(file)


def of_tuning(curves: Curves) -> Section:
    """Returns a unit's tuning curves."""
    hue = None
    if len(curves.flat):
        # The page draws 24 points around the circle, twice as many as there are tinted hues.
        strokes = curves.strokes.repeat_interleave(2)
        between = (curves.strokes + curves.strokes.roll(-1)) / 2
        strokes[1::2] = between
        every = len(curves.flat) // len(strokes)
        hue = {
            "degrees": curves.chosen.hues[::every].tolist(),
            "flat": curves.flat[::every].tolist(),
            "strokes": strokes.tolist(),
        }
    return {
        "hue": hue,
        "orientation": {
            "degrees": curves.chosen.angles.tolist(),
            "bars": curves.bars.tolist(),
            "gratings": curves.gratings.tolist(),
        },
        "frequency": {
            "cycles_per_pixel": curves.chosen.frequencies.tolist(),
            "gratings": curves.frequencies.tolist(),
        },
    }


def various(members: Sequence[int], profiles: Profiles) -> list[int]:
    """Orders optima so that after the best each next one is the least like those before it.

    Args:
        members: Their numbers, the best first.
        profiles: The optima.
    """
    left, order = list(members[1:]), [members[0]]
    flat = profiles.images.flatten(1)
    while left and len(order) < PICTURES:
        distance = torch.cdist(flat[left], flat[order]).amin(1)
        order.append(left.pop(int(distance.argmax())))
    return order


def share(score: float, neutral: float, best: float) -> float | None:
    """Returns a score as a share of the way from that of mid gray to the best."""
    return number_or_none((score - neutral) / (best - neutral)) if best != neutral else None


def number_or_none(value: float) -> float | None:
    """JSON knows no NaN."""
    return value if math.isfinite(value) else None


def _alone(image: Tensor) -> bytes:
    """An enlarged picture `[C, H, W]` of its own, as a small file."""
    return sprite(enlarge(to_bytes(image))[None, None])


def _evenly(number: int, most: int) -> list[int]:
    """At most so many of a number of places, the first and the last among them."""
    if number <= most:
        return list(range(number))
    return [round(i * (number - 1) / (most - 1)) for i in range(most)]
