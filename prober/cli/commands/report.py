"""The command `report`: what the units of a CNN want to see, with the evidence."""

from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml
from jsonargparse import Namespace
from lightning.pytorch import LightningDataModule
from typing_extensions import override

from prober.ascent.hardware import accelerator_for
from prober.ascent.regularizers import PLAIN_REGULARIZERS
from prober.ascent.starts import InitialImage
from prober.cli.command import say_notes
from prober.cli.grid_command import GridCommand
from prober.cli.parser import ProberParser
from prober.cli.prober_cli import ProberCLI
from prober.cli.resolved import written
from prober.findings.effort import OF_COSTLY_CNNS, effort, operations, precision
from prober.findings.search_starts import various_initial_images
from prober.report.report import Report
from prober.report.words import joined
from prober.subject import Subject
from prober.sweep.resume import flat

AS_NEEDED = -1
"""The number of steps, Lightning's own, that stands for as many as the CNN's cost allows."""

DEFAULTS: dict[str, Any] = {
    "grid.layers": "all",
    "grid.channels": "all",
    "grid.classes": "all",
    "grid.objectives": ["ChannelMean", "Neuron"],
    "grid.regularizers": [
        [
            written(replace(each, weight=times * each.weight)).as_dict()
            for each in PLAIN_REGULARIZERS
        ]
        for times in (1, 10)
    ],
    "grid.in_turn": True,
    "model.settle": 0.001,
    "trainer.max_steps": AS_NEEDED,
    "trainer.precision": None,
}
"""What a report looks at, and how its pictures are made, if its config does not say otherwise.

Its initial images, where none are given, are those that `various_initial_images` gives, its seeds,
positions, steps and precision what the CNN's cost allows, see `effort`."""


class ReportCommand(GridCommand):
    """Gathers the evidence for every unit and writes it down, or what is missing of it."""

    description = "Says what the units of a CNN want to see, with the evidence for it."

    @override
    def add_arguments(self, cli: ProberCLI, parser: ProberParser) -> None:
        super().add_arguments(cli, parser)
        parser.add_function_arguments(_given, fail_untyped=False)
        parser.set_defaults(DEFAULTS)

    @override
    def check(self, config: Namespace) -> None:
        if config.trainer.max_steps == AS_NEEDED:
            config = config.clone()
            config.trainer.max_steps = 1
        super().check(config)

    @override
    def run(self, cli: ProberCLI) -> int:
        settings = cli.config_init
        if settings.grid.initial_images is None:
            settings.grid.initial_images = _initial_images(settings.model.subject)
        against = settings.against
        if isinstance(against, str):
            against = self._other_checkpoint(cli, against)
        choose(cli, against)
        sweep = self.sweep(cli)
        if against is not None:
            say_notes(against)
        return Report(sweep, against, settings.data, settings.sweep).run()

    def _other_checkpoint(self, cli: ProberCLI, path: str) -> Subject:
        """Builds the subject once more, with another checkpoint."""
        config = cli.config.clone()
        config.update(path, "model.subject.checkpoint")
        for option in ("against", "data"):
            config.update(None, option)
        return cli.built(config).model.subject


def _given(
    sweep: str | None = None,
    against: str | Subject | None = None,
    data: str | LightningDataModule | None = None,
) -> None:
    """What a report is made of, as the parser takes it.

    Args:
        sweep: A finished sweep's folder, to take pictures from.
        against: A second CNN to set beside: another checkpoint of the same, or a subject.
        data: Real images: 'digits' (those that ship with the project; the default with the
            reference CNN), a folder of images (subfolders are classes), a LightningDataModule,
            'none'.
    """


def _initial_images(subject: Subject) -> list[InitialImage]:
    """Returns the initial images that the seeds take in turn."""
    images = various_initial_images(subject.input_shape)
    # Fewer seeds would meet the first ones alone, which are alike.
    return images if effort(subject).seeds >= len(images) else [images[0], images[-1]]


def choose(cli: ProberCLI, against: Subject | None) -> None:
    """Chooses what is not given and goes with the CNN's cost, and says so where that is less.

    What is resumed stays as it was chosen when it was begun.

    Args:
        cli: The command line.
        against: The second CNN, if there is one.
    """
    settings, config = cli.config_init, cli.config
    subject, grid, trainer = settings.model.subject, settings.grid, settings.trainer
    chosen, said = effort(subject), []
    begun = _begun(settings.resume)

    def settle(group: str, name: str, choice: Any) -> Any:
        """Takes what it was begun with, or else a choice; returns it."""
        value = begun.get(f"{group}.{name}")
        value = choice if value in (None, AS_NEEDED) else value
        setattr(settings[group], name, value)
        config[group][name] = value
        return value

    if grid.seeds is None:
        said.append(f"{settle('grid', 'seeds', chosen.seeds)} seeds (grid.seeds)")
    if grid.positions is None:
        neurons = settle("grid", "positions", chosen.positions)
        said.append(f"{neurons} neuron of a channel (grid.positions)")
    if trainer.max_steps == AS_NEEDED:
        steps = settle("trainer", "max_steps", chosen.picture_steps)
        said.append(f"{steps} steps (trainer.max_steps)")
    if trainer.precision is None:
        own = "32-true"
        if not settings.sweep:  # whose pictures are there, whatever they were made in
            computes = accelerator_for(trainer.accelerator, subject.input_shape, own)
            fit = {precision(each, computes) for each in (subject, against) if each is not None}
            own = own if len(fit) > 1 else fit.pop()
        if settle("trainer", "precision", own) != "32-true":
            said.append("gradients in bfloat16 (trainer.precision)")
    if chosen is OF_COSTLY_CNNS:
        of_its_own = said and not settings.sweep  # else its pictures are those of the sweep
        has = f" and, as nothing else is given, has {joined(said)}" if of_its_own else ""
        print(
            f"Note: an image takes {subject.name} {operations(subject) / 1e9:.1f} billion "
            f"operations, so its report searches from fewer starts{has}."
        )


def _begun(resume: str | None) -> dict[str, Any]:
    """Returns the settings of the report that is resumed, by dotted names; none of a new one."""
    if resume:
        with suppress(OSError, ValueError, yaml.YAMLError):  # which is told where it is checked
            text = (Path(resume) / "config.yaml").read_text(encoding="utf-8")
            return flat(yaml.safe_load(text))
    return {}
