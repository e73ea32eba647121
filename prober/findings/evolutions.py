"""The visualizations of a unit that are shown, and how they came about."""

from collections.abc import Mapping

import numpy as np
import torch

from prober.common.evenly import evenly
from prober.common.pictures import shrunk, sprite
from prober.findings.finding import Picture, Pictures, ScoreRange
from prober.findings.finished_sweep import FinishedSweep, SweepPicture
from prober.findings.picture_folder import PictureFolder
from prober.findings.responses import scores
from prober.findings.units import Unit
from prober.sweep.store import latest

SNAPSHOTS = 7
"""Snapshots of an evolution on the page, at the most."""

VISUALIZATIONS = 12
"""Visualizations of a unit on the page, at the most."""


def shown_of(sweep: FinishedSweep, unit: Unit) -> list[SweepPicture]:
    """Returns the visualizations of a unit that are shown: as many of each variant as may be."""
    variants = sweep.variants_of(unit).values()
    most = -(-VISUALIZATIONS // max(1, len(variants)))
    first = [shown for own in variants for shown in own[:most]]
    rest = [shown for own in variants for shown in own[most:]]
    return (first + rest)[:VISUALIZATIONS]


def draw_evolutions(
    sweep: FinishedSweep, unit: Unit, facets: Mapping[str, int | None], folder: PictureFolder
) -> Pictures | None:
    """Writes a unit's visualizations and their evolution as a sprite, one row for each.

    Args:
        sweep: What made them.
        unit: The unit.
        facets: The number of the facet that a visualization shows, by its stem.
        folder: Where the sprite is written.

    Returns:
        None if there are no visualizations of the unit.
    """
    visualizations = shown_of(sweep, unit)
    if not visualizations:
        return None
    subject = sweep.subject
    variants = sweep.variants_of(unit)
    best = {variant: max(shown.score for shown in own) for variant, own in variants.items()}
    gray = torch.full((1, *subject.input_shape), 0.5)
    evolutions = [sweep.evolution(shown) for shown in visualizations]
    # What has settled has made fewer steps than others, and stays as it was then.
    steps = np.unique(np.concatenate([own for _, own in evolutions]))
    kept = [int(steps[i]) for i in evenly(len(steps), SNAPSHOTS)]
    side = folder.cell_side(subject.input_shape)
    rows, items = [], []
    for shown, (evolution, own) in zip(visualizations, evolutions, strict=True):
        rows.append(shrunk(evolution[[latest(own, step) for step in kept]], side))
        neutral = scores(subject, [shown.objective], gray).item()
        record = shown.record
        items.append(
            Picture(
                variant=shown.variant,
                objective=record["objective"],
                position=record["position"],
                seed=record["seed"],
                initial_image=record["initial_image"]["name"],
                regularizers=shown.penalties,
                score=shown.score,
                share=ScoreRange(neutral, best[shown.variant]).share(shown.score),
                facet=facets.get(record["stem"]),
                record={key: value for key, value in record.items() if key != "variant"},
            )
        )
    return Pictures(
        sprite=folder.write("seeds.png", sprite(np.stack(rows))),
        cell=rows[0].shape[1:3],
        steps=tuple(kept),
        items=tuple(items),
    )
