"""A GPU of NVIDIA's, where there is one: the commands and Python give what the CPU gives."""

import pytest
import torch

import prober
from prober.ascent.method import Method
from prober.report.report import on_one_gpu
from prober.subject import Subject
from prober.subject.reference import ReferenceCNN
from prober.sweep.engine import Engine
from tests.command_line import CONFIGS, run

needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU of NVIDIA's")

TARGETS = ["conv1:3", "conv2:3@7,5", "conv3:10", "logits:7"]


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
    def scores(model):
        made = prober.visualize(model, TARGETS, seeds=2, steps=60, style=style, settle=0.01)
        return torch.tensor([each.record["score_end"] for each in made])

    torch.testing.assert_close(
        scores(ReferenceCNN().cuda()), scores(ReferenceCNN()), rtol=1e-3, atol=1e-3
    )


@needs_gpu
def test_a_report_runs_on_a_gpu(tmp_path):
    few = ["--grid.channels", "0-1", "--grid.seeds", "2", "--trainer.max_steps", "30"]
    ended = run(
        "report", "--config", CONFIGS / "report.yaml", *few, "--trainer.accelerator", "gpu",
        cwd=tmp_path,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    assert "Took:" in ended.stdout
