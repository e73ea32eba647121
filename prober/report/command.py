"""The command `report`: from a subject to findings, a summary and a page to browse."""

import json
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
from lightning.pytorch import LightningDataModule
from PIL import Image

from prober.ascent.method import gentle_transforms
from prober.ascent.targets import method_of
from prober.common.errors import InputError
from prober.common.files import claim_version, write_whole
from prober.common.pictures import sprite
from prober.findings.data import RealData, read_data
from prober.findings.gallery import Gallery
from prober.findings.investigate import Investigation
from prober.findings.search import effort
from prober.report.page import write_page
from prober.report.summary import write_summary
from prober.report.tensorboard import write_report_tensorboard
from prober.subject import Subject
from prober.subject.reference import ReferenceCNN
from prober.sweep.command import (
    DONE,
    FAILED,
    INTERRUPTED,
    Made,
    Sweep,
    check_resumed,
    make_pictures,
)
from prober.sweep.engine import Engine, Stopped, read_saved
from prober.sweep.planned import PlannedTarget
from prober.sweep.resume import check_unchanged


@dataclass
class Report:
    """A report as the command line describes it.

    Attributes:
        sweep: The sweep that makes the pictures; its subject is what the report is about.
        against: A second subject that the first is set beside, or the path of another checkpoint
            of the same CNN, or None.
        data: Real images, see `read_data`.
        finished: The folder of a finished sweep to take the pictures from, None to make them.
        seconds: How long each part has taken.
        kept: What holds for each subject as a whole, for `report.json`.
    """

    sweep: Sweep
    against: Subject | None
    data: str | LightningDataModule | None
    finished: str | None
    seconds: dict[str, float] = field(default_factory=dict)
    kept: list[dict[str, Any]] = field(default_factory=list)

    def run(self) -> int:
        """Makes the report, or what is missing of it.

        Returns:
            The exit code: 0, 130 after Ctrl-C, 2 if something is missing.

        Raises:
            InputError: Something asked for cannot be done.
            OSError: The folder cannot be written.
        """
        self._check_processes()
        self._check_grid()
        subject = self.sweep.engine.subject
        reference = isinstance(subject.cnn, ReferenceCNN)
        data = read_data(self.data, subject.input_shape, reference)
        targets: list[PlannedTarget] = []
        if self.finished:
            gallery = Gallery(Path(self.finished), subject)
            if self.against is not None:
                targets = gallery.planned()
                self.sweep = replace(self.sweep, engine=as_made(self.sweep.engine, gallery))
                self.sweep.engine.check(targets)
        else:
            targets = self.sweep.check()
        if self.against is not None:
            self._check_against(subject, self.against, targets)
        folder = self._folder()
        ended = INTERRUPTED
        try:
            ended = self._make(folder, targets, data)
        except KeyboardInterrupt:
            pass
        except Stopped as stopped:
            raise InputError(f"{stopped} with the same command and --resume {folder}") from stopped
        finally:  # also if the disk is full
            if ended != DONE:
                print(f"The report is not complete. Go on with: --resume {folder}")
        if ended != DONE:
            return ended
        print(f"Summary: {folder / 'SUMMARY.md'}")
        print(f"Page: {folder / 'index.html'}")
        print(f"TensorBoard: tensorboard --logdir {folder / 'tensorboard'}")
        print(f"Report: {folder}")
        return DONE

    def _make(self, folder: Path, targets: list[PlannedTarget], data: RealData | None) -> int:
        subjects = [(self.sweep.engine.subject, folder, self.finished)]
        if self.against is not None:
            subjects.append((self.against, folder / "against", None))
        for number, (subject, own, finished) in enumerate(subjects):
            print(f"{subject.name}:")
            engine = replace(self.sweep.engine, subject=subject)
            ended, investigation = self._investigate(engine, own, targets, finished, data)
            if ended != DONE:
                return ended
            if number == 0:
                examined = investigation
        with self._timed("pages"):
            self._write_report(folder, data)
            write_summary(folder)
            write_page(folder)
            sprites, labels = examined.sprites(), [point.label for point in examined.points]
            write_report_tensorboard(folder, examined.effects(), sprites, labels)
        self._write_report(folder, data)  # now with all the seconds
        said = ", ".join(f"{name} {seconds:.0f} s" for name, seconds in self.seconds.items())
        print(f"Took: {said}.")
        return DONE

    def _investigate(
        self,
        engine: Engine,
        folder: Path,
        targets: list[PlannedTarget],
        finished: str | None,
        data: RealData | None,
    ) -> tuple[int, Investigation | None]:
        subject = engine.subject
        pictures = Path(finished) if finished else folder / "sweep"
        if not finished:
            with self._timed("pictures"):
                made = self._pictures(engine, targets, pictures)
                made.show(targets)
            if ended := self._ended(made):
                return ended, None
        with self._timed("evidence"):
            gallery = Gallery(pictures, subject)
            print(f"Showing it flat and striped images{' and real ones' if data else ''}.")
            method = engine.method
            if method.transforms is None:
                method = replace(method, transforms=gentle_transforms(subject.input_shape))
            investigation = Investigation(subject, gallery, data, method)
        with self._timed("search"):
            print("Looking for other facets.")
            planned = investigation.plan_search()
            searched = None
            if planned:
                steps = effort(subject.input_shape).steps
                trainer = engine.trainer | {"max_steps": steps}
                search = replace(engine, method=method, trainer=trainer)
                made = self._pictures(search, planned, folder / "search")
                if ended := self._ended(made):
                    return ended, None
                searched = Gallery(folder / "search", subject)
        with self._timed("evidence"):
            found = investigation.findings(searched, folder)
            write_whole(folder / "findings.json", as_json(found))
            self._copy_sheets(pictures, folder)
            self._keep(folder, subject, gallery, investigation.behavior, found)
        return DONE, investigation

    def _pictures(self, engine: Engine, targets: list[PlannedTarget], folder: Path) -> Made:
        """Makes the pictures of targets, or what is missing of them."""
        begun = (folder / "config.yaml").exists()  # which is written last
        # On another machine the stimuli may round otherwise and lead to other targets.
        if begun and read_saved(folder)["targets"] != len(targets):
            shutil.rmtree(folder)
            begun = False
        if begun:
            check_resumed(engine, folder, self.sweep.config)
        job = engine.plan(targets, folder if begun else None)
        return make_pictures(job, folder, self.sweep.config, begun)

    @staticmethod
    def _ended(made: Made) -> int:
        return made.ended or (FAILED if made.missing else DONE)

    def _keep(
        self,
        folder: Path,
        subject: Subject,
        gallery: Gallery,
        found_behavior: dict[str, Any] | None,
        found: list[dict[str, Any]],
    ) -> None:
        """Keeps what holds for a subject as a whole, for `report.json`."""
        layers: dict[str, int] = {}
        for finding in found:
            layers[finding["layer"]] = layers.get(finding["layer"], 0) + 1
        records = [v.record for v in gallery.visualizations]
        penalties = dict.fromkeys(each.penalties for each in gallery.visualizations)
        self.kept.append(
            {
                "subject": {
                    "name": subject.name,
                    "checkpoint": subject.checkpoint,
                    "sha256": subject.sha256,
                    "input_shape": list(subject.input_shape),
                    "layers": layers,
                },
                "behavior": found_behavior,
                "settings": {
                    "seeds": len({record["seed"] for record in records}),
                    "steps": max(record["steps"] for record in records),
                    "precision": records[0]["precision"],
                    "initial_images": list(
                        dict.fromkeys(record["initial_image"]["name"] for record in records)
                    ),
                    "regularizers": list(penalties),
                },
                "sheets": sorted(
                    file.relative_to(folder).as_posix()
                    for file in (folder / "sheets").glob("*.png")
                ),
            }
        )

    def _write_report(self, folder: Path, data: RealData | None) -> None:
        """Writes `report.json`, of the subject and of the one it is set against."""
        described = None
        if data is not None:
            hues = data.hues.tolist() if data.every_class_has_a_hue else None
            described = {
                "name": data.name,
                "images": len(data.images),
                "classes": data.classes,
                "hues": hues,
                "skipped": [list(each) for each in data.skipped],
            }
        others = [kept["subject"] for kept in self.kept[1:]]
        for number, kept in enumerate(self.kept):
            whole = {
                "subject": kept["subject"],
                "against": (others[0] if others and number == 0 else None),
                "data": described,
                **{key: kept[key] for key in ("behavior", "settings", "sheets")},
                "seconds": {name: round(each, 1) for name, each in self.seconds.items()},
                "date": date.today().isoformat(),
            }
            own = folder if number == 0 else folder / "against"
            write_whole(own / "report.json", json.dumps(whole, indent=2) + "\n")

    def _copy_sheets(self, pictures: Path, folder: Path) -> None:
        for sheet in sorted((pictures / "sheets").glob("*.png")):
            with Image.open(sheet) as picture:
                pixels = np.asarray(picture)
            write_whole(folder / "sheets" / sheet.name, sprite(pixels[None, None]))

    def _folder(self) -> Path:
        """Makes the report's folder, or checks the one that is resumed."""
        if self.sweep.resume:
            folder = Path(self.sweep.resume)
            check_unchanged(folder, self.sweep.config, "report")
        else:
            subject = self.sweep.engine.subject
            checkpoint = Path(subject.checkpoint or "").stem
            name = checkpoint or type(subject.cnn).__name__
            folder = claim_version(self.sweep.runs / f"report_{name}")
            write_whole(folder / "config.yaml", self.sweep.config)
        print(f"Report: {folder}")
        return folder

    def _check_processes(self) -> None:
        """Refuses what would start this command several times."""
        trainer = self.sweep.engine.trainer
        gpus = self.sweep.engine.accelerator != "cpu"
        started = {"TORCHELASTIC_RUN_ID", "SLURM_NTASKS"} & os.environ.keys()
        if started or trainer["num_nodes"] != 1 or (gpus and trainer["devices"] not in (1, "1")):
            raise InputError(
                "A report is made by processes on one machine's CPU, or on one GPU "
                "(--trainer.devices 1). To use more, make the pictures with sweep, and give the "
                "report its folder with --sweep."
            )

    def _check_grid(self) -> None:
        """Refuses what is no picture of a unit alone."""
        for option in ("targets", "diversity"):
            if getattr(self.sweep.grid, option, None):
                raise InputError(
                    f"A report looks at units: leave grid.{option} to sweep, which can show them."
                )

    def _check_against(
        self, subject: Subject, other: Subject, targets: list[PlannedTarget]
    ) -> None:
        """Checks that the layers of two subjects that are looked at are the same."""
        if other.input_shape != subject.input_shape:
            raise InputError(
                f"--against {other.name} takes images of {list(other.input_shape)}, {subject.name} "
                f"of {list(subject.input_shape)}: they cannot be set beside each other."
            )
        there = {name: layer.shape for name, layer in other.layers.items()}
        wanted = {each.layer: subject.layers[each.layer].shape for each in targets}
        differ = [
            f"{layer} ({there.get(layer, 'missing')} instead of {shape})"
            for layer, shape in wanted.items()
            if there.get(layer) != shape
        ]
        if differ:
            raise InputError(
                f"--against {other.name} has other layers than {subject.name}: "
                f"{', '.join(differ)}. Give a CNN with the same layers, or look at those that both "
                "have (grid.layers)."
            )

    @contextmanager
    def _timed(self, name: str) -> Iterator[None]:
        began = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0) + time.perf_counter() - began


def as_made(engine: Engine, gallery: Gallery) -> Engine:
    """Returns an engine that makes pictures as those of a finished sweep were made."""
    record = gallery.visualizations[0].record
    trainer = {"max_steps": record["steps"], "precision": record["precision"]}
    return replace(engine, method=method_of(record), trainer=engine.trainer | trainer)


def as_json(value: Any) -> str:
    """Returns a value as JSON, its numbers with six digits, which is more than is known."""
    return json.dumps(_rounded(value), separators=(",", ":"), allow_nan=False) + "\n"


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _rounded(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_rounded(each) for each in value]
    return float(f"{value:.6g}") if isinstance(value, float) else value
