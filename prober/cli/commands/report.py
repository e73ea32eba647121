"""The command `report`: what the units of a CNN want to see, with the evidence."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jsonargparse import Namespace
from lightning.pytorch import LightningDataModule
from typing_extensions import override

from prober.ascent.method import various_initial_images
from prober.cli.command import say_notes
from prober.cli.grid_command import GridCommand
from prober.cli.parser import ProberParser
from prober.findings.effort import LIGHT, effort, operations
from prober.report.report import Report
from prober.subject import Subject

if TYPE_CHECKING:
    from prober.cli.prober_cli import ProberCLI

GRID: dict[str, Any] = {
    "layers": "all",
    "channels": "all",
    "classes": "all",
    "objectives": ["ChannelMean", "Neuron"],
    "regularizers": [
        [
            {"class_path": "prober.L2", "init_args": {"weight": l2}},
            {"class_path": "prober.TotalVariation", "init_args": {"weight": tv}},
        ]
        for l2, tv in ((1e-4, 1e-3), (1e-3, 1e-2))
    ],
    "in_turn": True,
}
"""What a report looks at if its config does not say otherwise.

Its initial images, where none are given, are those that `various_initial_images` gives, its seeds
and positions what the CNN's cost allows, see `effort`."""

AS_NEEDED = -1
"""The number of steps, Lightning's own, that stands for as many as the CNN's cost allows."""

SETTLE = 0.001
"""The share of its gain by which a score of a report still has to rise, see `Method`."""


class ReportCommand(GridCommand):
    """Gathers the evidence for every unit and writes it down, or what is missing of it."""

    description = "Says what the units of a CNN want to see, with the evidence for it."

    @override
    def add_arguments(self, cli: ProberCLI, parser: ProberParser) -> None:
        super().add_arguments(cli, parser)
        add = parser.add_argument
        add("--sweep", type=str | None, help="A finished sweep's folder, to take pictures from.")
        add(
            "--against",
            type=str | Subject | None,
            help="A second CNN to set beside: another checkpoint of the same, or a subject.",
        )
        add(
            "--data",
            type=str | LightningDataModule | None,
            help="Real images: 'digits' (those that ship with the project; the default with the "
            "reference CNN), a folder of images (subfolders are classes), a LightningDataModule, "
            "'none'.",
        )
        parser.set_defaults({f"grid.{key}": value for key, value in GRID.items()})
        parser.set_defaults({"model.settle": SETTLE, "trainer.max_steps": AS_NEEDED})

    @override
    def check(self, config: Namespace) -> None:
        if config.trainer.max_steps == AS_NEEDED:
            config = config.clone()
            config.trainer.max_steps = 1
        super().check(config)

    @override
    def run(self, cli: ProberCLI) -> int:
        settings = cli.config_init
        subject, grid = settings.model.subject, settings.grid
        chosen = effort(subject)
        if chosen is LIGHT:
            print(f"Note: {_why_light(subject)}")
        if grid.initial_images is None:
            grid.initial_images = various_initial_images(subject.input_shape)
        if grid.seeds is None:
            grid.seeds = chosen.seeds
        if grid.positions is None:
            grid.positions = chosen.positions
        if settings.trainer.max_steps == AS_NEEDED:
            settings.trainer.max_steps = chosen.picture_steps
        sweep = self.sweep(cli)
        against = settings.against
        if isinstance(against, str):
            against = self._other_checkpoint(cli, against)
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


def _why_light(subject: Subject) -> str:
    """Says that a report of a costly CNN makes less, and how to have more."""
    return (
        f"an image takes {subject.name} {operations(subject) / 1e9:.1f} billion operations, so its "
        f"report searches from fewer starts and, unless they are given, has {LIGHT.seeds} seeds "
        f"(grid.seeds), {LIGHT.positions} neuron of a channel (grid.positions) and "
        f"{LIGHT.picture_steps} steps (trainer.max_steps)."
    )
