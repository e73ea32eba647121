"""The command `layers`: what of a CNN can be probed, before anything is."""

from typing_extensions import override

from prober.cli.command import Command
from prober.cli.layer_table import layers_json, layers_table
from prober.cli.parser import ProberParser
from prober.cli.prober_cli import ProberCLI
from prober.subject import Subject


class LayersCommand(Command):
    """Prints the layers that can be probed, for people or for machines."""

    description = "Lists the layers of a CNN that can be probed."

    @override
    def add_arguments(self, cli: ProberCLI, parser: ProberParser) -> None:
        parser.only = "model.subject"
        parser.add_class_arguments(Subject, "model.subject", fail_untyped=False)
        parser.add_argument("--json", action="store_true", help="As JSON, for machines.")

    @override
    def run(self, cli: ProberCLI) -> int:
        settings = cli.config_init
        print((layers_json if settings.json else layers_table)(settings.model.subject))
        return 0
