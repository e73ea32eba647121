"""The project's command line as a process of its own."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

CTRL_C = pytest.mark.skipif(os.name != "posix", reason="a test cannot press Ctrl-C here")

ROOT = Path(__file__).parents[1]
CONFIGS = ROOT / "configs"
CONV2_CH3 = CONFIGS / "conv2_ch3.yaml"


def hear_ctrl_c():
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def start(*args, cwd):
    environment = {key: value for key, value in os.environ.items() if key != "PL_GLOBAL_SEED"}
    return subprocess.Popen(
        [sys.executable, ROOT / "main.py", *map(str, args)],
        cwd=cwd,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        # Where the tests run in the background, Ctrl-C is ignored, and processes inherit that.
        preexec_fn=hear_ctrl_c if os.name == "posix" else None,
    )


def end(process):
    try:
        out, err = process.communicate(timeout=120)
    except subprocess.TimeoutExpired:
        process.kill()
        raise
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def run(*args, cwd):
    return end(start(*args, cwd=cwd))


def refused(ended, *words):
    """Returns the one message with which a command ended, which says all of this."""
    assert ended.code == 2, ended.err
    assert ended.err.startswith("Error: ") and ended.err.endswith("\n"), ended.err
    assert ended.err.count("\n") == 1, ended.err
    for word in words:
        assert str(word) in ended.err
    return ended.err.removeprefix("Error: ").rstrip("\n")


def lines(out):
    """The lines on the screen without the progress bar, which returns to the line's start."""
    return [
        line for line in out.replace("\r", "\n").splitlines() if line.strip() and "it/s" not in line
    ]
