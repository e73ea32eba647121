"""The record of a report: what was probed, with what, and how long it took; `report.json`."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from prober.common.files import write_whole
from prober.common.typed_json import finite, read_json, to_plain
from prober.findings.behavior import Behavior
from prober.findings.color_blind import mix_seen
from prober.findings.finding import Finding
from prober.findings.finished_sweep import FinishedSweep
from prober.findings.real_images import RealImages
from prober.report.words import says_number
from prober.subject import Subject

RECORD_FILE = "report.json"


@dataclass(frozen=True)
class SubjectRecord:
    """A CNN that was probed.

    Attributes:
        name: Its name.
        checkpoint: The file of its weights; `null` if there is none.
        sha256: Of its weights.
        input_shape: Of its inputs, channels first: `[C, H, W]` of images.
        layers: How many units of each layer were examined.
        notes: What a person should know of how it was taken, as sentences: which output has the
            classes, and which layers no gradient leads back from.
        classes: The names of the classes, in the order of the logits; `null` where they are not
            known.
        flat_layers: Those of the layers that have no maps: a channel is a single number, a unit.
        mix: What red, green and blue are of the one mix that it sees, 1 in all; `null` if it sees
            more than one.
    """

    name: str
    checkpoint: str | None
    sha256: str
    input_shape: tuple[int, ...]
    layers: dict[str, int]
    notes: tuple[str, ...] = ()
    classes: tuple[str, ...] | None = None
    flat_layers: tuple[str, ...] = ()
    mix: tuple[float, ...] | None = None

    @classmethod
    def of(cls, subject: Subject, findings: Sequence[Finding]) -> "SubjectRecord":
        """Describes a subject of whose units something was found."""
        layers = dict(Counter(finding.layer for finding in findings))
        return cls(
            name=subject.name,
            checkpoint=subject.checkpoint,
            sha256=subject.sha256,
            input_shape=tuple(subject.input_shape),
            layers=layers,
            notes=tuple(subject.notes),
            classes=subject.class_names,
            flat_layers=tuple(
                layer for layer in layers if len(subject.listing.measured[layer].shape) == 1
            ),
            mix=mix_seen(subject),
        )


@dataclass(frozen=True)
class DataRecord:
    """The real images.

    Attributes:
        name: What they are.
        images: How many.
        classes: Their classes.
        hues: Degrees: the hue of each class, `null` for one of none; `null` unless two classes or
            more have colors of their own.
        colors: Red, green, blue in [0, 1]: the color of each class, likewise.
        skipped: The files that could not be read, each with the reason.
        tinted: Whether the colors are those that whole images lean to.
    """

    name: str
    images: int
    classes: tuple[str, ...]
    hues: tuple[float | None, ...] | None
    colors: tuple[tuple[float, ...] | None, ...] | None
    skipped: tuple[tuple[str, ...], ...]
    tinted: bool = False

    @property
    def numbered(self) -> str:
        """Their name with how many there are: `1,000 digits`, `cats (12)`."""
        said = says_number(self.name, self.images)
        return self.name if said else f"{self.name} ({self.images:,})"

    @property
    def unlike_logits(self) -> str:
        """Says which classes they have, where these are not those of the logits."""
        if len(self.classes) < 2:
            return "one class alone" if self.classes else "no classes"
        return f"{len(self.classes)} classes, and the CNN has not one logit for each"

    @classmethod
    def of(cls, real: RealImages) -> "DataRecord":
        """Describes real images."""
        hues = colors = None
        if real.color_groups:
            hues = tuple(map(finite, real.class_hues.tolist()))
            colors = tuple(
                None if finite(color[0]) is None else tuple(color)
                for color in real.class_colors.tolist()
            )
        return cls(
            name=real.name,
            images=len(real.images),
            classes=tuple(real.classes),
            hues=hues,
            colors=colors,
            skipped=tuple(real.skipped),
            tinted=real.tinted,
        )


@dataclass(frozen=True)
class SettingsRecord:
    """How the pictures were made.

    Attributes:
        seeds: How many seeds.
        steps: The steps of the longest ascent.
        precision: The precision, `32-true` or `bf16-mixed`, say.
        initial_images: The names of what they started from.
        regularizers: The sets of regularizers, each with its weights.
    """

    seeds: int
    steps: int
    precision: str
    initial_images: tuple[str, ...]
    regularizers: tuple[str, ...]

    @classmethod
    def of(cls, sweep: FinishedSweep) -> "SettingsRecord":
        """Describes how a sweep was made."""
        records = [shown.record for shown in sweep.visualizations]
        starts = dict.fromkeys(record["initial_image"]["name"] for record in records)
        penalties = dict.fromkeys(shown.penalties for shown in sweep.visualizations)
        return cls(
            seeds=len({record["seed"] for record in records}),
            steps=max(record["steps"] for record in records),
            precision=records[0]["precision"],
            initial_images=tuple(starts),
            regularizers=tuple(penalties),
        )


@dataclass(frozen=True)
class ReportRecord:
    """What a report is about, as a whole.

    Attributes:
        subject: The CNN, see below.
        against: The second CNN that it is set beside; `null` without one.
        data: The real images, see below; `null` without any.
        behavior: How well the CNN names them, see below; `null` if that cannot be said.
        settings: How the pictures were made, see below; `null` if none could be, for no gradient
            leads back from any layer.
        sheets: Files: the contact sheets.
        seconds: How long each part has taken.
        date: The day, `2026-11-23`.
    """

    subject: SubjectRecord
    against: SubjectRecord | None
    data: DataRecord | None
    behavior: Behavior | None
    settings: SettingsRecord | None
    sheets: tuple[str, ...]
    seconds: dict[str, float]
    date: str


def save_record(record: ReportRecord, folder: Path) -> None:
    """Writes `report.json`.

    Raises:
        OSError: The folder cannot be written.
    """
    write_whole(folder / RECORD_FILE, json.dumps(to_plain(record), indent=2) + "\n")


def load_record(folder: Path) -> ReportRecord:
    """Reads `report.json`.

    Raises:
        InputError: It is missing, broken, or of another version.
    """
    return read_json(folder / RECORD_FILE, ReportRecord, "report")
