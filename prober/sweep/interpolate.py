"""Interpolation: do two optima of one unit join, or is there a valley between them?"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageDraw

from prober.ascent.method import Method
from prober.ascent.objectives import Objective
from prober.ascent.records import import_classes
from prober.ascent.regularizers import Regularizer
from prober.ascent.starts import Blend
from prober.ascent.targets import Target, regularizers_of
from prober.common.drawing import CURVE, GAP, Box, curve_points, font, thumb
from prober.common.drawn_inputs import drawn
from prober.common.errors import InputError
from prober.common.files import safe_name, write_whole
from prober.common.pictures import png
from prober.common.typed_json import finite
from prober.subject import Subject
from prober.sweep.optimize import ChunkResult, Settings, optimize
from prober.sweep.planned import PlannedTarget
from prober.sweep.store import Store

VALLEY = 0.05
"""Optima join if no blend, optimized again, stays further than this below the lower optimum's
score, as a share of it."""

MOST_BLENDS = 100
"""Blends at the most: they are optimized together, and beside each other in one picture."""


@dataclass
class Interpolation:
    """Blends between two finished visualizations, each optimized again for the same unit.

    Args:
        blends: How many, the two themselves among them, 3 to 100.
        records: Two finished runs of `fit` (their folders or their `record.json`); where none are
            given, the first two seeds of everything in the grid.
    """

    blends: int = 9
    records: list[str] | None = None

    def __post_init__(self) -> None:
        """Checks the settings."""
        if not 3 <= self.blends <= MOST_BLENDS:
            raise InputError(f"interpolate.blends is {self.blends}; choose 3 to {MOST_BLENDS}.")
        if self.records is not None and len(self.records) != 2:
            raise InputError(f"interpolate.records names {len(self.records)} runs; give two.")


@dataclass
class Pair:
    """Two finished visualizations of one unit.

    Attributes:
        name: What the files of the interpolation are called.
        target: The first one's target.
        arrays: The paths of their images.
        labels: What the two are called in the picture.
        method: The method that both were made with; None if it is the sweep's own.
    """

    name: str
    target: Target
    arrays: tuple[str, str]
    labels: tuple[str, str]
    method: Method | None = None


def pairs_of_grid(store: Store, targets: Sequence[PlannedTarget]) -> list[Pair]:
    """Pairs the first two seeds of everything in a grid that finished well."""
    finished = {each["stem"] for each in store.all_records() if each["status"] == "finished"}
    pairs = []
    for _, group in groupby(targets, key=lambda p: (p.layer, p.folder, p.variant)):
        first, second = list(group)[:2]
        if {first.path, second.path} <= finished:
            one, other = (store.target_files(each.path)[1].as_posix() for each in (first, second))
            labels = f"seed {first.target.seed}", f"seed {second.target.seed}"
            name = f"{first.path.replace('/', '_')}_to_seed{second.target.seed}"
            pairs.append(Pair(name, first.target, (one, other), labels))
    return pairs


def pair_of_records(paths: Sequence[str], subject: Subject) -> Pair:
    """Pairs two runs of `fit`.

    Raises:
        InputError: A record cannot be read, they are not of one objective on this subject, or they
            were made with different penalties, parameterizations or transforms.
    """
    files = [Path(p) / "record.json" if Path(p).is_dir() else Path(p) for p in paths]
    objectives, made = [], []
    for file in files:
        import_classes(file.with_name("config.yaml"))
        try:
            record = json.loads(file.read_text(encoding="utf-8"))
            objectives.append(Objective.from_record(record))
            made.append((regularizers_of(record), Method.from_record(record)))
            sha256, name = record["subject"]["sha256"], record["subject"]["name"]
        except InputError as error:
            raise InputError(f"'{file}' cannot be interpolated: {error}") from error
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise InputError(f"'{file}' is not the record of a finished run: {error}") from error
        if sha256 != subject.sha256:
            raise InputError(f"'{file}' is of another subject: {name}.")
    first, second = (objective.resolved(subject) for objective in objectives)
    if first != second:
        raise InputError(f"The records are of two units: {first} and {second}.")
    if made[0] != made[1]:
        described = ", the other with ".join(_described(*each) for each in made)
        raise InputError(
            f"The two runs were not made alike, one with {described}: what joins in one basis need "
            "not join in another. Give two that were made with the same."
        )
    if first.compares:
        raise InputError(
            f"{first.name} compares images with each other; an interpolation goes between optima "
            "that were found alone."
        )
    regularizers, method = made[0]
    one, other = (file.with_name("final.npy") for file in files)
    return Pair(
        name=safe_name(first.name),
        target=Target(first, Blend("", ""), regularizers, 0),
        arrays=(one.as_posix(), other.as_posix()),
        labels=(one.parent.name, other.parent.name),
        method=method,
    )


def _described(regularizers: Sequence[Regularizer], method: Method) -> str:
    """Says how a run was made."""
    transforms = ", ".join(map(str, method.transforms or ())) or "no transforms"
    penalties = " + ".join(map(str, regularizers)) or "none"
    return (
        f"{method.parameterization}, {transforms}, penalties {penalties} and a learning rate of "
        f"{method.lr:g}"
    )


def interpolate(
    pair: Pair,
    number: int,
    subject: Subject,
    settings: Settings,
    device: torch.device,
    folder: Path,
) -> dict[str, Any]:
    """Optimizes the blends between a pair and writes them as a picture and as data.

    Args:
        pair: Two finished visualizations.
        number: How many blends.
        subject: The CNN under study.
        settings: How to optimize; the pair's own method comes first.
        device: What computes.
        folder: Where `<name>.png` and `<name>.json` go.

    Returns:
        What the JSON file holds: the unit, the parameterization and the transforms, the shares, the
        scores before and after (of the pictures as they are, without transforms), the distance
        between neighboring results, and `joined`: whether every result reaches the lower optimum.
    """
    shares = np.linspace(0, 1, number).tolist()
    target = pair.target
    chunk = [
        PlannedTarget(
            replace(target, initial_image=Blend(*pair.arrays, share)),
            path=f"{pair.name}/{i}",
            variant="blend",
        )
        for i, share in enumerate(shares)
    ]
    # A start between two optima may lie on a long plain, which is not to pass for a valley.
    method = replace(pair.method or settings.method, settle=None)
    settings = replace(settings, method=method)
    result = optimize(subject, chunk, settings, device)
    # Those of the curves are of transformed pictures, but for the last.
    before, after = (
        np.array([record[key] for record in result.records], dtype=float)
        for key in ("score_start", "score_end")
    )
    lower = min(after[0], after[-1])
    images = result.images.flatten(1)
    data = {
        "unit": target.record(),
        **{key: result.records[0][key] for key in ("parameterization", "transforms")},
        "between": dict(zip(("first", "second"), pair.arrays, strict=True)),
        "shares": shares,
        "score_before": before.tolist(),
        "score_after": after.tolist(),
        "rmse_to_next": (images[1:] - images[:-1]).square().mean(1).sqrt().tolist(),
        "joined": bool((after >= lower - VALLEY * abs(lower)).all()),
    }
    write_whole(folder / f"{pair.name}.png", png(_picture(pair, result, data)))
    # A blend may have no score.
    told = {key: list(map(finite, data[key])) for key in ("score_before", "score_after")}
    # Last, for where it is, the interpolation is finished.
    write_whole(folder / f"{pair.name}.json", json.dumps(data | told, indent=2) + "\n")
    return data


def _picture(pair: Pair, result: ChunkResult, data: dict[str, Any]) -> np.ndarray:
    """Draws the row of starts, the row of results, and the scores before and after."""
    letters, shares = font(14), data["shares"]
    starts, results = (
        list(map(thumb, each)) for each in (result.evolution[:, 0], drawn(result.images))
    )
    side = max(starts[0].shape[:2])
    left, cell, line, plot = 90, side + GAP, 22, 170
    width = max(left + len(shares) * cell + 20, 620)
    rows_top, plot_top = 2 * line, 2 * line + 2 * cell + 2 * line
    sheet = Image.new("RGB", (width, plot_top + plot + line), "white")
    draw = ImageDraw.Draw(sheet)
    said = "the two optima join" if data["joined"] else "there is a valley between them"
    draw.text((GAP, GAP), f"{pair.name}: {said}", "black", letters)
    rows = (("start", starts), ("result", results))
    for i, (label, pixels) in enumerate(rows):
        top = rows_top + i * cell
        draw.text((GAP, top + side // 2 - 8), label, "black", letters)
        for j, image in enumerate(pixels):
            sheet.paste(Image.fromarray(image), (left + j * cell, top))
    for j, share in enumerate(shares):
        label = pair.labels[round(share)] if share in (0, 1) else f"{share:.0%}"
        draw.text((left + j * cell, line + GAP), label, "black", letters)
    before, after = data["score_before"], data["score_after"]
    low, high = float(np.nanmin([before, after])), float(np.nanmax([before, after]))
    legend = (("score of the start", "#c0504d", before), ("score of the result", CURVE, after))
    box = Box(left, plot_top, left + len(shares) * cell, plot_top + plot)
    across = [(j + side / cell / 2) / len(shares) for j in range(len(shares))]
    for i, (label, color, scores) in enumerate(legend):
        draw.text((left + i * 200, plot_top - line - GAP), label, color, letters)
        points = curve_points(across, scores, (low, high), box)
        draw.line(points, fill=color, width=2)
        for x, y in points:
            draw.ellipse((x - 3, y - 3, x + 3, y + 3), fill=color)
    draw.line((left - 6, plot_top, left - 6, plot_top + plot), fill="gray")
    for value, y in ((high, plot_top), (low, plot_top + plot)):
        draw.text((left - 12, y - 8), f"{value:.3g}", "gray", letters, anchor="ra")
    return np.asarray(sheet)
