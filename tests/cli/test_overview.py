"""What is said before there is a command is what the whole command line would say."""

import sys

import pytest

from prober.cli import overview
from prober.cli.prober_cli import ProberCLI
from prober.cli.refused import Refused
from tests.command_line import refused


@pytest.fixture
def whole(monkeypatch):
    """The whole command line, given these arguments."""

    def call(*args):
        monkeypatch.setattr(sys, "argv", ["main.py", *args])
        return ProberCLI()

    return call


@pytest.mark.parametrize("asked", ["-h", "--help"])
def test_help_is_that_of_the_whole(prober, whole, capsys, asked):
    ended = prober(asked)
    assert (ended.code, ended.err) == (0, "")
    assert "Lists the layers of a CNN that can be probed." in ended.out
    with pytest.raises(SystemExit):
        whole(asked)
    assert ended.out == capsys.readouterr().out


@pytest.mark.parametrize("args", [[], ["fitt"], ["fitt", "--help"]])
def test_errors_are_those_of_the_whole(prober, whole, args):
    with pytest.raises(Refused) as error:
        whole(*args)
    assert refused(prober(*args)) == error.value.message


@pytest.mark.parametrize("command", ["fit", "sweep"])
@pytest.mark.parametrize("option", [["--model.lr", "3"], ["--model.lr=3"]])
def test_an_option_before_its_command_is_told(prober, option, command):
    told = f"is of a command: write it after its name, as in {command} --model.lr ..."
    assert refused(prober(*option, command)) == f"--model.lr {told}"


@pytest.mark.parametrize("args", [["fit"], ["--config", "a.yaml"], ["--version"], ["layers", "-h"]])
def test_what_needs_a_command_is_left_to_it(args):
    overview.answer(args)
