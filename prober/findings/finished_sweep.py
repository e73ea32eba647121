"""The visualizations of a finished sweep, read from its folder."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from torch import Tensor

from prober.ascent.objectives import Objective, OfChannel
from prober.ascent.records import import_classes
from prober.ascent.styles import Style
from prober.ascent.targets import Target, regularizers_of
from prober.common.errors import InputError
from prober.common.evenly import evenly
from prober.common.files import read_npy
from prober.findings.units import Unit
from prober.subject import Subject
from prober.sweep.engine import read_saved
from prober.sweep.grid import Grid
from prober.sweep.planned import PlannedTarget
from prober.sweep.resume import no_folder_of
from prober.sweep.store import Store, is_broken

ARRAYS_HELD = 4
"""Arrays of chunks that are held in memory: evolutions and opacities of two."""


@dataclass(frozen=True)
class SweepPicture:
    """One of a sweep's images.

    Attributes:
        record: What `records.jsonl` says of it.
        chunk: The chunk that it was made in.
        row: Its row in the chunk.
    """

    record: dict[str, Any]
    chunk: int
    row: int

    @cached_property
    def objective(self) -> Objective:
        """What it maximizes."""
        return Objective.from_record(self.record)

    @property
    def penalties(self) -> str:
        """Its regularizers in words: `0.0001 l2 + 0.001 total_variation`, or `none`."""
        return " + ".join(map(str, regularizers_of(self.record))) or "none"

    @property
    def variant(self) -> str:
        """Which of its channel's targets it is, but for the seed: `mean`, `h07_w07`."""
        if "variant" in self.record:
            return self.record["variant"]
        # The records of older sweeps have it in the name of their file alone.
        return self.record["stem"].rsplit("/", 1)[1].rsplit("_seed", 1)[0]

    @property
    def style(self) -> Style:
        """The style that it was made in; older records do not say it."""
        return self.record.get("style", "plain")

    @property
    def score(self) -> float:
        """Its score in the end."""
        return self.record["score_end"]


class FinishedSweep:
    """The visualizations of units that a finished sweep has made.

    Args:
        folder: The sweep's folder.
        subject: The CNN that it should be of.

    Attributes:
        folder: The sweep's folder.
        subject: The CNN.
        visualizations: Those that did not fail, in the sweep's order.

    Raises:
        InputError: It is no sweep, it is of another subject, it is not finished, or a picture is
            missing.
    """

    def __init__(self, folder: Path, subject: Subject) -> None:
        self.folder, self.subject = folder, subject
        self._store = Store(folder, [])
        number = _check_subject(folder, subject)
        import_classes(folder / "config.yaml")
        found = [
            SweepPicture(record, chunk, row)
            for chunk in self._store.finished()
            for row, record in enumerate(self._store.records(chunk))
        ]
        missing = [v for v in found if is_broken(self._array(v))]
        lost = len(missing) + (0 if number is None else number - len(found))
        if lost or not found:
            which = f", for one '{missing[0].record['stem']}'" if missing else ""
            raise InputError(
                f"The sweep in '{folder}' has {lost or 'all'} of its pictures missing or damaged"
                f"{which}. Run it again with --resume {folder}"
            )
        self.visualizations = [
            v
            for v in found
            if v.record["status"] == "finished" and isinstance(v.objective, OfChannel)
        ]
        if not self.visualizations:
            raise InputError(
                f"The sweep in '{folder}' has no picture of a unit: its targets failed, or have "
                "objectives of more than one channel."
            )
        self._by_channel: dict[tuple[str, int], list[SweepPicture]] = {}
        for shown in self.visualizations:
            key = shown.record["layer"], shown.record["channel"]
            self._by_channel.setdefault(key, []).append(shown)
        # The pictures of a unit are in few chunks, which others have theirs in, too.
        self._read = lru_cache(ARRAYS_HELD)(self._store.read)

    def units(self) -> list[Unit]:
        """Returns the units that were looked at, in the order of the forward pass.

        Channels; but where a channel was looked at by single neurons only, these neurons.
        """
        units = []
        for (layer, channel), own in self._by_channel.items():
            positions = [shown.record["position"] for shown in own]
            if None in positions:
                units.append(Unit(layer, channel))
            else:
                neurons = dict.fromkeys(map(tuple, positions))
                units += [Unit(layer, channel, neuron) for neuron in neurons]
        depth = self.subject.depth
        return sorted(units, key=lambda u: (depth(u.layer), u.channel, u.position or ()))

    def of(self, unit: Unit) -> list[SweepPicture]:
        """Returns the visualizations of a unit: a neuron's own, or all of its channel."""
        return [
            shown
            for shown in self._by_channel.get((unit.layer, unit.channel), [])
            if unit.position is None or shown.record["position"] == list(unit.position)
        ]

    def variants_of(self, unit: Unit) -> dict[str, list[SweepPicture]]:
        """Returns the visualizations of a unit by their variant."""
        variants: dict[str, list[SweepPicture]] = {}
        for shown in self.of(unit):
            variants.setdefault(shown.variant, []).append(shown)
        return variants

    def best_images(self, most: int) -> Tensor:
        """Reads the best image of each channel and variant, or of some of them, evenly spread.

        Args:
            most: How many are read at the most.

        Returns:
            `[N, C, H, W]` in [0, 1].
        """
        best: dict[tuple[str, int, str], SweepPicture] = {}
        for shown in self.visualizations:
            key = (shown.record["layer"], shown.record["channel"], shown.variant)
            if key not in best or shown.score > best[key].score:
                best[key] = shown
        found = list(best.values())
        return self.images([found[i] for i in evenly(len(found), most)])

    def planned(self) -> list[PlannedTarget]:
        """Plans the same targets once more, for another subject.

        Raises:
            InputError: A start or a regularizer is none of this project's own.
        """
        return [
            PlannedTarget(Target.from_record(shown.record), shown.record["stem"], shown.variant)
            for shown in self.visualizations
        ]

    def grid(self) -> Grid:
        """Reads which layers, channels and classes it was to look at.

        Raises:
            InputError: Its config cannot be read.
        """
        try:
            config = yaml.safe_load((self.folder / "config.yaml").read_text(encoding="utf-8"))
            return Grid(
                **{name: config["grid"][name] for name in ("layers", "channels", "classes")}
            )
        except (OSError, ValueError, KeyError, TypeError, yaml.YAMLError) as error:
            raise no_folder_of("sweep", self.folder) from error

    def image(self, visualization: SweepPicture) -> Tensor:
        """Reads an image, `[C, H, W]` in [0, 1].

        Raises:
            InputError: The file has been damaged since the folder was looked through.
        """
        return read_npy(self._array(visualization), "a picture's array")

    def images(self, visualizations: Sequence[SweepPicture]) -> Tensor:
        """Reads images, `[N, C, H, W]` in [0, 1]; raises as `image` does."""
        return torch.stack([self.image(shown) for shown in visualizations])

    def evolution(self, visualization: SweepPicture) -> tuple[np.ndarray, np.ndarray]:
        """Reads the snapshots `[S, H, W, 3]`, uint8, and their steps `[S]`."""
        evolution, steps = self._read(visualization.chunk, "evolution", "steps")
        return evolution[visualization.row], steps

    def opacity(self, visualization: SweepPicture) -> np.ndarray | None:
        """Reads how much each pixel matters, uint8 `[H, W]`; None where that is not known."""
        found = self._read(visualization.chunk, "opacity")
        return found[0][visualization.row] if found and found[0].size else None

    def _array(self, visualization: SweepPicture) -> Path:
        return self._store.target_files(visualization.record["stem"])[1]


def _check_subject(folder: Path, subject: Subject) -> int | None:
    """Checks that a folder is that of a sweep of a subject; returns the number of its targets."""
    saved = read_saved(folder)
    sha256 = saved["sha256"]
    if sha256 != subject.sha256:
        raise InputError(
            f"The sweep in '{folder}' is of another subject: its weights have the SHA-256 "
            f"{sha256[:12]}…, those of {subject.name} {subject.sha256[:12]}…. Give the subject "
            "that it was made with, or leave out --sweep."
        )
    return saved.get("targets")
