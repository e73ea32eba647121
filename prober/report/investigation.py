"""One CNN of a report: its pictures, the search for facets, its findings."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

import numpy as np
from lightning.pytorch.profilers import SimpleProfiler
from PIL import Image

from prober.ascent.styles import STYLES, Style
from prober.common.errors import InputError
from prober.common.files import write_whole
from prober.common.inputs import input_kind
from prober.common.pictures import sprite
from prober.findings.behavior import behavior
from prober.findings.effort import OF_COSTLY_CNNS, effort
from prober.findings.examination import examine
from prober.findings.facet_search import plan_search
from prober.findings.finding import Finding, save_findings
from prober.findings.finished_sweep import FinishedSweep
from prober.findings.maxima import maxima_of_live_units
from prober.findings.plain_findings import cut_findings, plain_findings
from prober.findings.points import Point
from prober.findings.real_images import RealImages
from prober.findings.real_responses import RealResponses
from prober.findings.styled_facets import draw_styled_facets, plan_styled_facets
from prober.findings.styled_pictures import plan_other_style, style_beside
from prober.findings.survey import AllResponses, respond_to_all, survey
from prober.findings.units import Unit
from prober.report.record import DataRecord, ReportRecord, SettingsRecord, SubjectRecord
from prober.sweep.engine import Engine, read_saved
from prober.sweep.on_cores import on_cores
from prober.sweep.planned import PlannedTarget
from prober.sweep.resume import Config
from prober.sweep.sweep import Made, make_pictures


class NotDone(Exception):
    """Some pictures of a report are missing, though nothing has interrupted it."""


@dataclass(frozen=True)
class Investigation:
    """How one CNN of a report is probed.

    Attributes:
        engine: Makes the pictures.
        config: Everything that was set.
        folder: Where the findings are written.
        images: Real images, or None.
        both_styles: Whether each unit has a picture in the other style, too.
        watch: Measures how long each part of it takes.
    """

    engine: Engine
    config: Config
    folder: Path
    images: RealImages | None
    both_styles: bool
    watch: SimpleProfiler

    def run(
        self, targets: Sequence[PlannedTarget], cut: Sequence[Unit], finished: Path | None
    ) -> tuple[ReportRecord, list[Point]]:
        """Makes the pictures of a CNN's units, searches for their facets and writes its findings.

        Args:
            targets: The targets of the pictures.
            cut: The units of which no pictures can be made, for no gradient leads back from them.
            finished: The folder of a finished sweep to take the pictures from, None to make them.

        Returns:
            The record of a report on this CNN alone, without how long it has taken; and the facets'
            best optima.

        Raises:
            KeyboardInterrupt: It was interrupted.
            NotDone: Some pictures are missing.
            Stopped: The disk is full, say, or a process has died.
            InputError: Something asked for cannot be done.
        """
        subject, folder, images = self.engine.subject, self.folder, self.images
        print(f"{subject.name}:")
        pictures = finished or folder / "sweep"
        if targets and finished is None:
            with self.watch.profile("pictures"):
                made = self._make(self.engine, targets, pictures)
                made.show(targets)
            _check_done(made)
        if self.engine.accelerator == "cuda":
            subject.to("cuda")  # all that it is asked from here on
        sweep = FinishedSweep(pictures, subject) if targets or finished else None
        other_style = None
        if self.both_styles and sweep is not None:
            with self.watch.profile("pictures"):
                style = style_beside(sweep.visualizations[0].style)
                print(f"Making {style} pictures, too.")
                other_style = self._in_style(style, plan_other_style(sweep), folder / style)
        findings: list[Finding] = []
        points: list[Point] = []
        real: RealResponses | None = None
        if not input_kind(subject.input_shape).has_color_and_shape:
            with self.watch.profile("evidence"):
                print(f"Asking it what it answers{' to real inputs, too' if images else ''}.")
                findings, real = plain_findings(subject, sweep, cut, other_style, images, folder)
        else:
            with self.watch.profile("evidence"):
                print(f"Showing it flat and striped images{' and real ones' if images else ''}.")
                open_units = sweep.units() if sweep else []
                known = respond_to_all(subject, [*open_units, *cut], images, self._cores)
                real = known.real
            if sweep is not None:
                findings, points = self._examined(sweep, known, other_style)
            if cut:
                with self.watch.profile("evidence"):
                    findings += cut_findings(subject, cut, known, folder)
        findings.sort(key=lambda found: subject.depth(found.layer))
        save_findings(findings, folder)
        with self.watch.profile("pages"):
            sheets = _copy_sheets(pictures, folder, self._cores)
        record = ReportRecord(
            subject=SubjectRecord.of(subject, findings),
            against=None,
            data=DataRecord.of(images) if images else None,
            behavior=behavior(real) if real else None,
            settings=SettingsRecord.of(sweep) if sweep else None,
            sheets=sheets,
            seconds={},
            date=date.today().isoformat(),
        )
        return record, points

    def _examined(
        self, sweep: FinishedSweep, known: AllResponses, other_style: FinishedSweep | None
    ) -> tuple[list[Finding], list[Point]]:
        """Finds out what the units of a CNN of images want, and how much is color and shape."""
        subject, folder, cores = self.engine.subject, self.folder, self._cores
        with self.watch.profile("evidence"):
            half = (
                self.engine.trainer["precision"] == "bf16-mixed"
                and effort(subject) is OF_COSTLY_CNNS
            )
            surveyed = survey(sweep, known, other_style, self.engine.method, half, cores)
        with self.watch.profile("maxima"):
            print("Looking for what excites its units most with and without color and shape.")
            maxima = maxima_of_live_units(surveyed, cores)
        with self.watch.profile("search"):
            print("Looking for other facets.")
            planned, searched = plan_search(surveyed, cores), None
            if planned:
                trainer = self.engine.trainer | {"max_steps": effort(subject).steps}
                searcher = replace(self.engine, trainer=trainer)
                searched = self._finished(searcher, planned, folder / "search")
        with self.watch.profile("evidence"):
            print("Examining what was found.")
            examined = examine(surveyed, maxima, searched, folder, cores)
        points = [point for each in examined for point in each.points]
        if other_style is None or not any(each.bests for each in examined):
            return [each.finding for each in examined], points
        made: list[FinishedSweep] = []
        with self.watch.profile("pictures"):
            print("Making pictures of facets in the other style, too.")
            for style in STYLES:
                if planned := plan_styled_facets(surveyed, examined, style):
                    made.append(self._in_style(style, planned, folder / "facets" / style))
        with self.watch.profile("evidence"):
            findings = draw_styled_facets(surveyed, maxima, examined, made, folder, cores)
        return findings, points

    @property
    def _cores(self) -> int:
        """Several processes are not to have more memory together than they may."""
        return self.engine.cores() if self.engine.memory is None else 1

    def _in_style(
        self, style: Style, targets: Sequence[PlannedTarget], folder: Path
    ) -> FinishedSweep:
        """Makes pictures in a style that the others need not have.

        They make all steps: there are few of them, and where transforms make a score tremble, it
        seems to have settled before it has.
        """
        method = replace(self.engine.method, style=style, settle=None)
        return self._finished(replace(self.engine, method=method), targets, folder)

    def _finished(
        self, engine: Engine, targets: Sequence[PlannedTarget], folder: Path
    ) -> FinishedSweep:
        """Makes pictures whose evolution nobody watches, or what is missing, and reads them all."""
        engine = replace(engine, every=engine.trainer["max_steps"])
        _check_done(self._make(engine, targets, folder))
        return FinishedSweep(folder, engine.subject)

    def _make(self, engine: Engine, targets: Sequence[PlannedTarget], folder: Path) -> Made:
        """Makes the pictures of targets, or what is missing of them."""
        begun = (folder / "config.yaml").exists()  # which is written last
        # On another machine the stimuli may round otherwise and lead to other targets.
        if begun and self._number_in(folder) != len(targets):
            shutil.rmtree(folder)
            begun = False
        saved = engine.begun(folder, self.config) if begun else None
        job = engine.plan(targets, self.config, saved)
        return make_pictures(job, folder)

    def _number_in(self, folder: Path) -> int | None:
        """Reads how many targets a folder of this report was begun with."""
        try:
            return read_saved(folder).get("targets")
        except InputError as error:
            raise InputError(
                f"'{folder / 'sweep.json'}' cannot be read, so what is in that part of the report "
                f"cannot be told. Remove that folder: --resume {self.folder} makes it anew"
            ) from error


def _check_done(made: Made) -> None:
    if made.interrupted:
        raise KeyboardInterrupt
    if made.missing:
        raise NotDone


def _copy_sheets(pictures: Path, folder: Path, cores: int) -> tuple[str, ...]:
    """Copies contact sheets, smaller; returns their paths, relative to the folder."""

    def copy(sheet: Path) -> str:
        with Image.open(sheet) as picture:
            pixels = np.asarray(picture)
        write_whole(folder / "sheets" / sheet.name, sprite(pixels[None, None]))
        return f"sheets/{sheet.name}"

    return tuple(on_cores(copy, sorted((pictures / "sheets").glob("*.png")), cores))
