"""The command `sweep`: the images of a grid of targets."""

from typing_extensions import override

from prober.cli.grid_command import GridCommand
from prober.cli.parser import ProberParser
from prober.cli.prober_cli import ProberCLI
from prober.sweep.interpolate import Interpolation


class SweepCommand(GridCommand):
    """Optimizes the targets of a grid, or what is missing of them."""

    description = "Synthesizes the images of a grid of targets."

    @override
    def add_arguments(self, cli: ProberCLI, parser: ProberParser) -> None:
        super().add_arguments(cli, parser)
        parser.add_argument(
            "--interpolate", type=Interpolation | None, help="Interpolate between optima, too."
        )

    @override
    def run(self, cli: ProberCLI) -> int:
        return self.sweep(cli, cli.config_init.interpolate).run()
