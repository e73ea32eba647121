"""A command is one file; an option of the method is one field."""

import os
import shutil
import subprocess
import sys
from dataclasses import fields
from inspect import signature

import pytest

from prober import visualize
from prober.ascent.method import Method
from prober.cli import commands
from prober.cli.prober_cli import ProberCLI
from prober.common.patches import options_of
from tests.command_line import CONV2_CH3, ROOT, refused

COUNT = '''
"""The command `count`: how many channels a layer has."""

from prober.cli.command import Command
from prober.subject import Subject


class Count(Command):
    """Counts."""

    description = "Counts the channels of a layer."

    def add_arguments(self, cli, parser):
        parser.add_class_arguments(Subject, "model.subject")
        parser.add_argument("--layer", type=str, default="conv1", help="The layer.")

    def run(self, cli):
        settings = cli.config_init
        print(settings.model.subject.layers[settings.layer].shape[0])
        return 0
'''

PAIR = '''
"""The command `pair`: two runs."""

from prober.cli.command import Command


class Pair(Command):
    """Pairs."""

    description = "Pairs two runs."

    def add_arguments(self, cli, parser):
        parser.add_argument("run_a", type=str, metavar="RUN_A", help="A run's folder.")
        parser.add_argument("run_b", type=str, metavar="RUN_B", help="Another's.")

    def run(self, cli):
        settings = cli.config_init
        print(f"{settings.run_a} -> {settings.run_b}")
        return 0
'''


@pytest.fixture
def with_new(prober, tmp_path, monkeypatch):
    """The command line with two commands more, each of which is a file."""
    (tmp_path / "count.py").write_text(COUNT, encoding="utf-8")
    (tmp_path / "pair.py").write_text(PAIR, encoding="utf-8")
    monkeypatch.setattr(commands, "__path__", [*commands.__path__, str(tmp_path)])
    return prober


def test_a_new_command_is_one_file(with_new):
    ended = with_new("count", "--layer", "conv2")
    assert (ended.code, ended.out, ended.err) == (0, "32\n", "")
    assert "Counts the channels of a layer." in with_new("--help").out
    message = refused(with_new("count", "--leyer", "conv2"))
    assert message == "There is no option 'leyer'. Did you mean 'layer'?"


def test_a_new_command_can_have_arguments_without_dashes(with_new):
    ended = with_new("pair", "one", "other")
    assert (ended.code, ended.out, ended.err) == (0, "one -> other\n", "")
    usage = with_new("pair", "--help").out.split("\n\n")[0]
    assert usage.split()[-2:] == ["RUN_A", "RUN_B"]
    told = "is missing: --help after the command says what it is."
    assert refused(with_new("pair")) == f"RUN_A {told}"
    assert refused(with_new("pair", "one")) == f"RUN_B {told}"
    assert "run_b: other" in with_new("pair", "one", "other", "--print_config").out


@pytest.fixture
def cli(monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "argv", ["main.py"])
    monkeypatch.setenv("PL_GLOBAL_SEED", "0")
    (tmp_path / "layers.yaml").write_text("layers: {json: false}", encoding="utf-8")
    # Where no command comes first, all are loaded.
    return ProberCLI(["--config", str(tmp_path / "layers.yaml"), "layers"])


@pytest.mark.parametrize("command", ["fit", "sweep", "report"])
def test_every_setting_of_the_method_is_an_option_with_its_default(cli, command):
    (parsers,) = (o.choices for o in options_of(cli.parser.parent_parser) if o.choices)
    defaults = parsers[command].get_defaults().model
    own = {"settle": 0.001} if command == "report" else {}
    for field in fields(Method):
        assert defaults[field.name] == own.get(field.name, field.default), field.name


def test_every_setting_of_the_method_is_an_argument_of_visualize():
    parameters = signature(visualize).parameters
    assert {field.name for field in fields(Method)} <= set(parameters)


NEW_SETTING = """
import contextlib, io, sys
from prober.cli.main import main

config_of_fit = sys.argv[1]
for command, *args in (
    ["fit"], ["sweep"], ["report"],
    ["sweep", "--model.momentum", "0.5"], ["fit", "--model.momentum", "fast"],
):
    config = ["--config", config_of_fit] if command == "fit" else []
    sys.argv[1:] = [command, *config, *args, "--print_config"]
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.suppress(SystemExit):
        main()
    print(command, *args, [line for line in out.getvalue().splitlines() if "momentum" in line])
"""


def test_a_new_setting_of_the_method_is_one_field(tmp_path):
    shutil.copytree(ROOT / "prober", tmp_path / "prober")
    file = tmp_path / "prober" / "ascent" / "method.py"
    line = "    transforms: Sequence[Transform] | None = None\n"
    source = file.read_text(encoding="utf-8")
    assert source.count(line) == 1
    file.write_text(source.replace(line, f"{line}    momentum: float = 0.25\n"), encoding="utf-8")
    ended = subprocess.run(
        [sys.executable, "-c", NEW_SETTING, CONV2_CH3],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        encoding="utf-8",
    )
    assert ended.stdout.splitlines() == [
        "fit ['  momentum: 0.25']",
        "sweep ['  momentum: 0.25']",
        "report ['  momentum: 0.25']",
        "sweep --model.momentum 0.5 ['  momentum: 0.5']",
        "fit --model.momentum fast []",
    ], ended.stderr
    assert ended.stderr == "Error: model.momentum: 'fast' is not of type float.\n"
