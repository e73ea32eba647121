"""What a report costs: seconds of each of its parts, beside those of the plain loop of `plain.py`.

    python -m tests.benchmarks.report [--channels 0-3]

Two reports, of everything in the reference CNN and of 24 units of four 7x7 convolutions with batch
normalization, as the command makes them. The plain loop is measured before and after each, so that
what is said in targets of the loop (500 steps) holds on other machines, too. It is a report: its
exit code is always 0.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch
from torch import nn

from prober.common.files import PROJECT
from tests.benchmarks.sweep import plain

WIDTHS = (16, 32, 64, 128)


class Wide(nn.Sequential):
    """Four 7x7 convolutions with batch normalization, of images of 28 pixels."""

    def __init__(self) -> None:
        torch.manual_seed(0)
        layers: list[nn.Module] = []
        for entering, width in zip((3, *WIDTHS), WIDTHS, strict=False):
            layers += [nn.Conv2d(entering, width, 7, padding=3), nn.BatchNorm2d(width), nn.ReLU()]
        super().__init__(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(WIDTHS[-1], 10))


WIDE = [
    *("--model.subject.cnn", f"{__name__ if __name__ != '__main__' else __spec__.name}.Wide"),
    *("--grid.layers", "['0', '3', '6', '9']", "--grid.channels", "0-5", "--grid.classes", "[]"),
    *("--data", "digits"),
]


def report(*options):
    """Seconds of a whole report, and of each of its parts."""
    environment = {k: v for k, v in os.environ.items() if k != "OMP_NUM_THREADS"}
    environment["PYTHONPATH"] = str(PROJECT)
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        command = [sys.executable, PROJECT / "main.py", "report", *map(str, options)]
        ended = subprocess.run(command, cwd=folder, env=environment, capture_output=True)
        seconds = time.perf_counter() - began
        assert ended.returncode == 0, ended.stderr.decode()
        [file] = Path(folder).glob("lightning_logs/*/version_0/report.json")
        return seconds, json.loads(file.read_text(encoding="utf-8"))["seconds"]


def show(what, bound, *options):
    """Prints what a report costs."""
    before = plain("conv2")
    seconds, parts = report(*options)
    target = (before + plain("conv2")) / 2
    of_parts = ", ".join(f"{name} {part:.0f}" for name, part in parts.items())
    held = "held" if seconds <= bound else "NOT HELD"
    print(
        f"{what:<44} {seconds:6.0f} s  <= {bound} {held:<9} {seconds / target:6.0f} targets of the "
        f"plain loop ({target:.3f} s); {of_parts}",
        flush=True,
    )


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--channels", help="Only these channels of the reference CNN.")
    channels = arguments.parse_args().channels
    print(f"torch {torch.__version__}, {os.cpu_count()} cores; load {os.getloadavg()[0]:.1f}")
    config = ["--config", PROJECT / "configs" / "report.yaml"]
    few = ["--grid.channels", channels] if channels else []
    show("the reference CNN, 122 units" if not few else "of them a few", 90, *config, *few)
    show("24 units of four 7x7 convolutions", 180, *WIDE)


if __name__ == "__main__":
    main()
