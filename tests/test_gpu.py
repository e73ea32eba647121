"""A GPU of NVIDIA's, where there is one: the commands and Python give what the CPU gives."""

import copy
import os
import subprocess
import sys

import pytest
import torch

import prober
from prober.ascent.method import Method
from prober.report.report import on_one_gpu
from prober.subject import Subject
from prober.subject.reference import ReferenceCNN
from prober.sweep.engine import Engine
from tests.command_line import CONFIGS, CONV2_CH3, ROOT, run
from tests.plain import FOLDER

needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU of NVIDIA's")

TARGETS = ["conv1:3", "conv2:3@7,5", "conv3:10", "logits:7"]


WITH_A_GPU = """
import os, runpy, sys, torch


def started():
    raise RuntimeError("CUDA was started")


torch.cuda.is_available = lambda: "CUDA_VISIBLE_DEVICES" not in os.environ
torch.cuda.get_rng_state_all = started
del sys.argv[0]
runpy.run_path(sys.argv[0], run_name="__main__")
"""
"""Runs a command where torch says that there is one, until it is hidden."""


@pytest.mark.parametrize(
    "command",
    [
        ["fit", "--config", CONV2_CH3],
        ["sweep", "--grid.layers", "conv1", "--chunk_size", 8, "--trainer.devices", 2],
    ],
)
def test_where_the_cpu_computes_no_gpu_is_started(tmp_path, command):
    environment = {k: v for k, v in os.environ.items() if k != "CUDA_VISIBLE_DEVICES"}
    options = [ROOT / "main.py", *command, "--trainer.max_steps", 3]
    ended = subprocess.run(
        [sys.executable, "-c", WITH_A_GPU, *map(str, options)],
        cwd=tmp_path,
        env=environment | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert ended.returncode == 0, ended.stderr


def engine(devices):
    trainer = {"accelerator": "gpu", "devices": devices, "precision": "32-true"}
    return Engine(Subject(), Method(), 50, trainer, threads=1)


@pytest.mark.parametrize(("devices", "expected"), [("auto", 1), (2, 2), (1, 1)])
def test_a_report_takes_one_gpu_unless_it_is_told_how_many(monkeypatch, devices, expected):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert on_one_gpu(engine(devices)).trainer["devices"] == expected


@needs_gpu
@pytest.mark.parametrize("style", ["plain", "legible"])
def test_a_model_on_a_gpu_gets_the_pictures_of_the_cpu(style):
    cnn = ReferenceCNN()
    cnn.load_state_dict(torch.load(FOLDER / "biased.pt", weights_only=True))

    def scores(model):
        made = prober.visualize(model, TARGETS, seeds=2, steps=60, style=style, settle=0.01)
        return torch.tensor([each.record["score_end"] for each in made])

    torch.testing.assert_close(scores(copy.deepcopy(cnn).cuda()), scores(cnn), rtol=1e-3, atol=1e-3)


@needs_gpu
def test_a_report_runs_on_a_gpu(tmp_path):
    few = ["--grid.channels", "0-1", "--grid.seeds", "2", "--trainer.max_steps", "30"]
    ended = run(
        "report", "--config", CONFIGS / "report.yaml", *few, "--trainer.accelerator", "gpu",
        cwd=tmp_path,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    assert "Took:" in ended.stdout
