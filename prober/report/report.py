"""A report: from a subject to findings, a summary and a page to browse."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lightning.pytorch import LightningDataModule
from lightning.pytorch.profilers import SimpleProfiler

from prober.ascent.method import Method, is_large
from prober.ascent.targets import Target
from prober.common.errors import InputError, listed
from prober.common.files import claim_version, safe_name, write_whole
from prober.findings.finished_sweep import FinishedSweep
from prober.findings.real_images import RealImages, read_real_images
from prober.findings.units import Unit
from prober.report.investigation import Investigation, NotDone
from prober.report.page import write_page
from prober.report.record import ReportRecord, save_record
from prober.report.summary import write_summary
from prober.report.tensorboard import write_report_tensorboard
from prober.subject import LOGITS, Subject
from prober.subject.reference import ReferenceCNN
from prober.sweep.engine import Engine, Stopped
from prober.sweep.planned import PlannedTarget
from prober.sweep.resume import check_unchanged
from prober.sweep.sweep import DONE, FAILED, Sweep

MOST_SKIPPED = 3
"""Files that are named at the most of those that cannot be used."""

MOST_CLASSES = 10
"""Classes of the data that are named at the most where they are taken by their order."""


@dataclass
class Report:
    """A report as the command line describes it.

    Attributes:
        sweep: The sweep that makes the pictures; its subject is what the report is about.
        against: A second subject that the first is set beside, or None.
        data: Real images, see `read_real_images`.
        finished: The folder of a finished sweep to take the pictures from, None to make them.
    """

    sweep: Sweep
    against: Subject | None
    data: str | LightningDataModule | None
    finished: str | None

    def run(self) -> int:
        """Makes the report, or what is missing of it.

        Returns:
            The exit code: 0, 2 if something is missing.

        Raises:
            KeyboardInterrupt: Ctrl-C was pressed, and what is finished is kept.
            InputError: Something asked for cannot be done.
            OSError: The folder cannot be written.
        """
        # Of the style that was asked for: the evidence has one of its own from the next line on.
        both_styles = self.sweep.engine.method.style == "legible"
        engine = evidence_engine(on_one_gpu(self.sweep.engine))
        self.sweep = replace(self.sweep, engine=engine)
        self._check_processes()
        self._check_grid()
        subject = self.sweep.engine.subject
        reference = isinstance(subject.cnn, ReferenceCNN)
        names = subject.class_names
        images = read_real_images(self.data, subject.input_shape, reference, names)
        if images is not None:
            if images.skipped:
                which = [f"{path} ({why})" for path, why in images.skipped]
                print(f"Unusable, so left out of the data: {listed(which, MOST_SKIPPED, '; ')}.")
            for each in filter(None, (subject, self.against)):
                each.take_classes(len(images.classes))
                _name_classes(each, images)
        targets, cut = self._planned(subject)
        if self.against is not None:
            layers = [each.layer for each in targets] + [unit.layer for unit in cut]
            self._check_against(subject, self.against, layers)
        folder = self._folder()
        complete = False
        try:
            self._make(folder, targets, cut, images, both_styles)
            complete = True
        except NotDone:
            pass
        except Stopped as stopped:
            raise InputError(f"{stopped} with the same command and --resume {folder}") from stopped
        finally:  # also after Ctrl-C, or if the disk is full
            if not complete:
                print(f"The report is not complete. Go on with: --resume {folder}")
        return DONE if complete else FAILED

    def _planned(self, subject: Subject) -> tuple[list[PlannedTarget], list[Unit]]:
        """Returns the targets of the pictures to be made, and the units that can have none.

        Of a finished sweep there are pictures already; only a second subject needs its own.
        """
        if not self.finished:
            grid, channels = self.sweep.grid.split(subject)
            self.sweep.say_left_out()
            cut = _cut_units(channels)
            if cut and not grid.probed_layers(subject):
                return [], cut
            self.sweep = replace(self.sweep, grid=grid)
            return self.sweep.check(), cut
        made = FinishedSweep(Path(self.finished), subject)
        cut = _cut_units(made.grid().split(subject)[1]) if subject.listing.cut else []
        if self.against is None:
            return [], cut
        targets = made.planned()
        self.sweep = replace(self.sweep, engine=as_made(self.sweep.engine, made))
        self.sweep.engine.check(targets)
        return targets, cut

    def _make(
        self,
        folder: Path,
        targets: Sequence[PlannedTarget],
        cut: Sequence[Unit],
        images: RealImages | None,
        both_styles: bool,
    ) -> None:
        watch, engine, config = SimpleProfiler(), self.sweep.engine, self.sweep.config
        finished = Path(self.finished) if self.finished else None
        investigation = Investigation(engine, config, folder, images, both_styles, watch)
        record, points = investigation.run(targets, cut, finished)
        records = {folder: record}
        if self.against is not None:
            beside = folder / "against"
            investigation = replace(
                investigation, engine=replace(engine, subject=self.against), folder=beside
            )
            other, _ = investigation.run(targets, cut, None)
            records = {folder: replace(record, against=other.subject), beside: other}
        with watch.profile("pages"):
            _write_records(records, watch)
            write_summary(folder)
            write_page(folder)
            write_report_tensorboard(folder, record.sheets, points)
        _write_records(records, watch)  # now with all the seconds
        took = watch.recorded_durations.items()
        print(f"Took: {', '.join(f'{name} {sum(seconds):.0f} s' for name, seconds in took)}.")
        print(f"Summary: {folder / 'SUMMARY.md'}")
        print(f"Page: {folder / 'index.html'}")
        print(f"TensorBoard: tensorboard --logdir {folder / 'tensorboard'}")
        print(f"Report: {folder}")

    def _folder(self) -> Path:
        """Makes the report's folder, or checks the one that is resumed."""
        if self.sweep.resume:
            folder = Path(self.sweep.resume)
            if (folder / "sweep.json").is_file():
                raise InputError(
                    f"'{folder}' is the folder of a sweep: with --sweep in place of --resume a "
                    "report takes its pictures."
                )
            check_unchanged(folder, self.sweep.config, "report")
        else:
            subject = self.sweep.engine.subject
            checkpoint = Path(subject.checkpoint or "").stem
            name = checkpoint or type(subject.cnn).__name__
            folder = claim_version(self.sweep.runs / safe_name(f"report_{name}"))
            write_whole(folder / "config.yaml", self.sweep.config.text)
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

    def _check_against(self, subject: Subject, other: Subject, layers: Sequence[str]) -> None:
        """Checks that the layers of two subjects that are looked at are the same."""
        if other.input_shape != subject.input_shape:
            raise InputError(
                f"--against {other.name} takes inputs of {list(other.input_shape)}, {subject.name} "
                f"of {list(subject.input_shape)}: they cannot be set beside each other."
            )
        own, there = subject.listing, other.listing
        found = {name: layer.shape for name, layer in there.measured.items()}
        differ = []
        for layer in dict.fromkeys(layers):
            shape = own.measured[layer].shape
            if found.get(layer) != shape:
                differ.append(f"{layer} ({found.get(layer, 'missing')} instead of {shape})")
            elif (layer in own.layers) != (layer in there.layers):
                differ.append(f"{layer} (one of them cuts its gradient)")
        if differ:
            raise InputError(
                f"--against {other.name} has other layers than {subject.name}: "
                f"{', '.join(differ)}. Give a CNN with the same layers, or look at those that both "
                "have (grid.layers)."
            )


def _cut_units(channels: Mapping[str, Sequence[int]]) -> list[Unit]:
    """Returns as units the channels of the layers that no gradient leads back from."""
    return [Unit(layer, channel) for layer, own in channels.items() for channel in own]


def _name_classes(subject: Subject, images: RealImages) -> None:
    """Names the classes after those of real images, or these after the classes, if they have none.

    Classes that are but numbers have no names.
    """
    number = len(images.classes)
    if images.classes == list(map(str, range(number))):
        if len(subject.class_names or ()) == number:
            images.classes = list(subject.class_names or ())
        return
    if subject.class_names and images.classes != list(subject.class_names):
        print(
            f"The data's classes are not called as those of {subject.name}, and are taken for them "
            f"in this order: {listed(images.classes, MOST_CLASSES)}."
        )
    logits = subject.listing.measured.get(LOGITS)
    if subject.class_names is None and logits and logits.shape == (number,):
        subject.name_classes(images.classes)


def as_made(engine: Engine, made: FinishedSweep) -> Engine:
    """Returns an engine that makes pictures as those of a finished sweep were made."""
    records = [shown.record for shown in made.visualizations]
    method = Method.from_record(records[0])
    if any(record.get("transforms") != records[0].get("transforms") for record in records):
        method = replace(method, transforms=None)  # the style's, which go with the unit
    # What the style stands for is left to it: pictures are made in the other one, too.
    style = Method(style=method.style).of_target(Target.from_record(records[0]), engine.subject)[0]
    names = ("lr", "parameterization", "transforms", "averaging", "batchnorm_statistics")
    same: dict[str, Any] = {
        name: None for name in names if getattr(method, name) == getattr(style, name)
    }
    method = replace(method, **same)
    # What has settled has made fewer steps than it could have.
    steps = max(record["steps"] for record in records)
    trainer = {"max_steps": steps, "precision": records[0]["precision"]}
    return replace(engine, method=method, trainer=engine.trainer | trainer)


def on_one_gpu(engine: Engine) -> Engine:
    """Returns an engine that, where GPUs compute, takes one, unless a number was asked for."""
    if engine.accelerator != "cpu" and engine.trainer["devices"] == "auto":
        return replace(engine, trainer=engine.trainer | {"devices": 1})
    return engine


def evidence_engine(engine: Engine) -> Engine:
    """Returns an engine that makes the pictures which the evidence is drawn from.

    Of small images it is plain pictures: they show what excites the most, and each pixel counts.
    Of large ones they would show high frequencies, which say nothing of the others.
    """
    if is_large(engine.subject.input_shape):
        return engine
    return replace(engine, method=replace(engine.method, style="plain"))


def _write_records(records: Mapping[Path, ReportRecord], watch: SimpleProfiler) -> None:
    """Writes `report.json` into the folder of each CNN, with how long all has taken so far."""
    seconds = {name: round(sum(all_), 1) for name, all_ in watch.recorded_durations.items()}
    for folder, record in records.items():
        save_record(replace(record, seconds=seconds), folder)
