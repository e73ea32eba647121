"""Chunks that keep to a bound on memory, measured from outside on the real command."""

import contextlib
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.command_line import ROOT, refused

CONFIG = """
model:
  subject:
    cnn: nets.resnet
    input_shape: [3, 160, 160]
grid: {layers: [layer1.0.conv2], channels: 0-47}
chunk_size: 48
trainer: {max_steps: 2, enable_progress_bar: false, devices: 1}
"""
NETS = """
from tests.benchmarks.resnet import settled_resnet18


def resnet():
    return settled_resnet18(classes=10)
"""


def memory_of(process):
    """Bytes of a process and those it has started; what they share counts once."""
    total = 0
    for pid in [process, *children(process)]:
        with contextlib.suppress(OSError):
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="utf-8").splitlines()
            total += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return 1024 * total


def children(process):
    with contextlib.suppress(OSError):
        for file in Path(f"/proc/{process}/task").glob("*/children"):
            for child in map(int, file.read_text(encoding="utf-8").split()):
                yield child
                yield from children(child)


def sweep(folder, *options):
    """Runs a sweep; returns its code, what it said, and its largest memory in GiB."""
    process = subprocess.Popen(
        [sys.executable, ROOT / "main.py", "sweep", "--config", "config.yaml", *options],
        cwd=folder,
        env={"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "PATH": "/usr/bin:/bin"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    most = 0
    while process.poll() is None:
        most = max(most, memory_of(process.pid))
        time.sleep(0.05)
    return process.returncode, process.stdout.read(), most / 2**30


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "config.yaml").write_text(CONFIG, encoding="utf-8")
    (tmp_path / "nets.py").write_text(NETS, encoding="utf-8")
    return tmp_path


@pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="measures what processes share as Linux tells it"
)
def test_chunks_shrink_to_the_bound_and_say_so(folder):
    code, said, free = sweep(folder)
    assert code == 0 and "memory" not in said
    bound = round(free - 0.1, 2)
    code, said, held = sweep(folder, "--memory", str(bound))
    assert code == 0, said
    assert f"To keep to {bound:g} GiB of memory: " in said
    assert "instead of 48 images in a chunk of layer1.0.conv2" in said
    assert "48 of 48 targets done" in said
    assert held <= bound


SMALL = ["sweep", "--grid.layers", "conv1", "--grid.channels", "0", "--memory"]


def test_what_does_not_fit_is_told_before_anything_is_written(prober, tmp_path):
    said = refused(prober(*SMALL, "0.01"))
    assert "memory is 0.01 GiB, but one image of this subject needs" in said
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("memory", ["0", "-1", "nan", "x"])
def test_a_bound_that_cannot_be(prober, memory):
    assert "memory" in refused(prober(*SMALL, memory))
