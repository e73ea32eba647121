"""What a sweep costs, as ratios to the plain loop of `plain.py`, taken in one run.

    python -m tests.benchmarks.sweep [--repeats 3] [--short]

The plain loop makes one target after another, 500 steps each, torch's threads as they come; a
sweep is the whole command, its start, everything it writes and logs included. Both are measured in
turn, so a ratio holds while the machine's speed drifts. It is a report: its exit code is always 0.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch
from torch.utils.flop_counter import FlopCounterMode

from prober.common.files import PROJECT
from prober.subject import Subject
from tests.benchmarks.plain import load_cnn, plain_batch, plain_loop

STYLE = ("--model.style", "plain")
"""Pictures are made as the plain loop makes them."""

PLAIN_TARGETS = 6
"""Targets of the plain loop in one measurement: their mean is the cost of one."""


def plain(layer):
    """Seconds a target of the plain loop."""
    cnn = load_cnn()
    began = time.perf_counter()
    for channel in range(PLAIN_TARGETS):
        plain_loop(cnn, layer, channel)
    return (time.perf_counter() - began) / PLAIN_TARGETS


def sweep(*options, records=None):
    """Seconds of a whole sweep; the records of its targets are added to a list."""
    environment = {k: v for k, v in os.environ.items() if k != "OMP_NUM_THREADS"}
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, PROJECT / "main.py", "sweep", *STYLE, *map(str, options)],
            cwd=folder,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        _, said = process.communicate()
        seconds = time.perf_counter() - began
        assert process.returncode == 0, said.decode()
        if records is not None:
            [file] = Path(folder).rglob("records.jsonl")
            records += map(json.loads, file.read_text(encoding="utf-8").splitlines())
    return seconds


def peak_memory():
    """Megabytes of the largest process that has ended so far."""
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024


def against_plain(what, layer, targets, options, repeats, bound=None):
    """Prints the ratio of a sweep's seconds a target to the plain loop's."""
    runs = [(sweep(*options) / targets, plain(layer)) for _ in range(repeats)]
    ratios = [other / one for one, other in runs]
    middle = statistics.median(ratios)
    held = "" if bound is None else "held" if middle >= bound else "NOT HELD"
    asked = "" if bound is None else f"1/{bound}"
    one, other = (statistics.median(side) for side in zip(*runs, strict=True))
    print(
        f"{what:<44} 1/{middle:<5.1f} (1/{min(ratios):.1f}-1/{max(ratios):.1f})  "
        f"{asked:<6}{held:<9}{one:.4f} / {other:.4f} s a target",
        flush=True,
    )
    return middle


def settled_scores(options):
    """Prints how the scores of settled targets of conv2 compare with those of the plain loop."""
    records = []
    sweep(*options, records=records)
    channels, seeds = ([record[key] for record in records] for key in ("channel", "seed"))
    cnn, scores = load_cnn(), []
    for first in range(0, len(records), 64):
        part = slice(first, first + 64)
        images, _, _ = plain_batch(cnn, "conv2", channels[part], seeds[part])
        with torch.no_grad():
            maps = cnn.conv2(cnn.pool1(cnn.relu1(cnn.conv1(images)))).mean((2, 3))
        scores += maps[torch.arange(len(images)), torch.tensor(channels[part])].tolist()
    ratios = [r["score_end"] / score for r, score in zip(records, scores, strict=True)]
    steps = [record["steps"] for record in records]
    enough = sum(ratio >= 0.995 for ratio in ratios) / len(ratios)
    print(
        f"{'the same, settled: scores of 99.5 % of the plain loop':<54} {enough:.1%} of targets  "
        f">= 99 %; lowest {min(ratios):.4f}; median of {statistics.median(steps):.0f} steps"
    )


def scaling():
    """Prints what 1,000 targets cost against 100."""
    small = ["--grid.layers", "conv2", "--grid.channels", "0-19", "--grid.seeds"]
    hundred, memory = sweep(*small, 5), peak_memory()
    thousand = sweep(*small, 50)
    grown = peak_memory() / memory
    print(f"{'1,000 targets against 100: time':<44} {thousand / hundred:.2f}  <= 10.5")
    print(f"{'1,000 targets against 100: peak memory':<44} {grown:.2f}  <= 1.15")


def throughput():
    """Prints the share of the machine's own conv2d forward throughput that a sweep reaches.

    The machine's: each convolution of the subject alone, forward, at the chunk's size. The
    sweep's: the floating-point operations of its forward and backward passes, counted by torch,
    in the time between the start of its first step and the end of its last, in one process.
    """
    from prober.ascent.method import Method
    from prober.sweep.allocator import settle_memory
    from prober.sweep.chunks import automatic_size
    from prober.sweep.grid import Grid
    from prober.sweep.optimize import Settings, optimize

    torch.set_num_threads(1)
    settle_memory()
    subject = Subject()
    number = automatic_size(subject, "conv2", None)
    chunk = Grid(layers="conv2", seeds=5).plan(subject, 0)[:number]
    channels = sorted({each.target.objective.channel for each in chunk})
    images = torch.rand(number, 3, 28, 28).to(memory_format=torch.channels_last)
    images.requires_grad_()
    with FlopCounterMode(display=False) as counter:
        subject(images, ["conv2"], channels)["conv2"].sum().backward()
    flops = counter.get_total_flops()
    best = 0.0
    inputs = {"conv1": images.detach(), "conv2": torch.rand(number, 16, 14, 14)}
    for layer, x in inputs.items():
        x = x.to(memory_format=torch.channels_last)
        convolution = subject.cnn.get_submodule(layer)
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            convolution(x)
        for _ in range(5):
            began = time.perf_counter()
            with torch.no_grad():
                for _ in range(50):
                    convolution(x)
            best = max(best, 50 * counter.get_total_flops() / (time.perf_counter() - began))
    trainer = {
        "max_steps": 300,
        "max_epochs": -1,
        "precision": "32-true",
        "log_every_n_steps": 10,
        "enable_checkpointing": False,
        "enable_model_summary": False,
        "accelerator": "cpu",
    }
    seconds = []
    for _ in range(4):
        began = time.perf_counter()
        optimize(
            subject,
            chunk,
            Settings(Method(style="plain"), 50, trainer, 1, False),
            torch.device("cpu"),
        )
        seconds.append((time.perf_counter() - began) / 300)
    reached = flops / min(seconds)
    print(
        f"{'share of conv2d forward throughput, conv2':<44} {reached / best:.0%}   "
        f"({reached / 1e9:.1f} of {best / 1e9:.1f} GFLOP/s on one core, chunks of {number})"
    )


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--repeats", type=int, default=3, help="Measurements of each ratio.")
    arguments.add_argument("--short", action="store_true", help="Only the ratios.")
    given = arguments.parse_args()
    repeats, short = given.repeats, given.short
    print(f"torch {torch.__version__}, {os.cpu_count()} cores, {torch.get_num_threads()} threads")
    atlas = ["--config", Path(PROJECT / "configs" / "atlas.yaml")]
    conv2 = ["--grid.layers", "conv2", "--grid.seeds", 16]
    conv1 = ["--grid.layers", "conv1", "--grid.seeds", 32]
    settled = ["--model.settle", 0.001]
    against_plain("512 channel targets on conv2", "conv2", 512, conv2, repeats, bound=12)
    against_plain("the same, settled", "conv2", 512, conv2 + settled, repeats, bound=25)
    settled_scores(conv2 + settled)
    against_plain("512 channel targets on conv1", "conv1", 512, conv1, repeats)
    for layer, seeds, bound in (("conv1", 32, 100), ("conv2", 16, 40), ("conv3", 8, 18)):
        neurons = ["--grid.layers", layer, "--grid.seeds", seeds, "--grid.positions", 1]
        neurons += ["--grid.objectives", "[Neuron]"]
        against_plain(f"512 neurons of {layer}", layer, 512, neurons, repeats, bound=bound)
    against_plain("atlas.yaml, 610 targets", "conv3", 610, atlas, repeats, bound=11)
    if not short:
        scaling()
        throughput()


if __name__ == "__main__":
    main()
