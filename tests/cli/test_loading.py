"""CNNs of a person's own on the command line: classes, functions, checkpoints, archives."""

import pytest
import torch
from torch import nn

from tests.command_line import refused
from tests.subject.checkpoints.archives import needs_archives

NETS = """
from __future__ import annotations
from torch import nn

class Net(nn.Sequential):
    def __init__(self, width: int = 4, bias: bool = True):
        conv = nn.Conv2d(3, width, 3, bias=bias)
        super().__init__(conv, nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())

def build(width=4, **kwargs):
    return Net(width, **kwargs)

def typed(*, width: int = 4, **kwargs: bool) -> Net:
    return Net(width, **kwargs)

def anything(**kwargs):
    return Net(**{key: value for key, value in kwargs.items()})

def nothing(width=4):
    Net(width)

def declared(width=4) -> nn.Module:
    return {"net": Net(width)}

def number() -> int:
    return 3

def fails():
    raise ValueError("weights of another\\ntime")
"""

CONFIG = """
model:
  subject:
    cnn: CNN
    input_shape: [3, 8, 8]
  objective: {class_path: ChannelMean, init_args: {layer: "0", channel: 5}}
trainer: {max_steps: 2, enable_progress_bar: false}
"""


@pytest.fixture
def fit(prober, tmp_path):
    """Runs `fit` on a CNN out of `nets.py` in the working directory."""
    (tmp_path / "nets.py").write_text(NETS, encoding="utf-8")

    def run(cnn, *args):
        (tmp_path / "own.yaml").write_text(CONFIG.replace("CNN", cnn), encoding="utf-8")
        return prober("fit", "--config", "own.yaml", *args)

    return run


@pytest.mark.parametrize(
    "cnn",
    [
        "{class_path: nets.Net, init_args: {width: 6}}",
        "{class_path: nets.build, init_args: {width: 6, bias: false}}",
        "{class_path: nets.typed, init_args: {width: 6, bias: false}}",
        "{class_path: nets.anything, dict_kwargs: {width: 6, bias: false}}",
    ],
)
def test_class_or_function_with_arguments(fit, tmp_path, cnn):
    assert fit(cnn).code == 0
    # The run's own config makes it again, with the weights that the seed gives.
    [config] = (tmp_path / "lightning_logs").rglob("config.yaml")
    assert "width: 6" in config.read_text(encoding="utf-8")
    ended = fit("null", "--config", str(config))
    assert ended.code == 0, ended.err
    first, second = sorted((tmp_path / "lightning_logs").rglob("final.npy"))
    assert first.read_bytes() == second.read_bytes()


def test_function_on_the_command_line(fit):
    ended = fit("null", "--model.subject.cnn", "nets.build", "--model.subject.cnn.width", "6")
    assert ended.code == 0, ended.err
    assert "0_ch5: score" in ended.out


@pytest.mark.parametrize(
    ("cnn", "words"),
    [
        ("nets.nowhere", ["nowhere"]),
        ("nots.build", ["nots.build"]),
        ("nets.nothing", ["nothing returns None", "nn.Module"]),
        ("nets.declared", ["declared returns a dict", "nn.Module"]),
        ("nets.number", ["number' is not the import path"]),
        ("nets.fails", ["weights of another time"]),
        ("{class_path: nets.typed, init_args: {width: wide}}", ["'wide'", "int"]),
        ("{class_path: nets.build, init_args: {widht: 6}}", ["'widht'", "'width'?"]),
    ],
)
def test_bad_function_is_told(fit, tmp_path, cnn, words):
    ended = fit(cnn)
    refused(ended, *words)
    assert ended.out == ""
    assert not (tmp_path / "lightning_logs").exists()


def net():
    torch.manual_seed(0)
    conv = nn.Conv2d(3, 6, 3)
    return nn.Sequential(conv, nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()).eval()


def test_notes_are_printed_first(fit, prober, tmp_path):
    state = {f"model.{name}": value for name, value in net().state_dict().items()}
    torch.save({"state_dict": {**state, "loss.weight": torch.ones(1)}}, tmp_path / "own.ckpt")
    checkpoint = ["--model.subject.checkpoint", "own.ckpt"]
    ended = fit("{class_path: nets.Net, init_args: {width: 6}}", *checkpoint)
    assert ended.out.splitlines()[:2] == [
        "Note: The CNN's weights are the tensors in 'state_dict' of 'own.ckpt' whose names start "
        "with 'model.'.",
        "Note: 1 other tensor is not used: loss.weight.",
    ]
    table = prober("layers", "--config", "own.yaml", *checkpoint)
    assert table.out.count("names start with 'model.'") == 1
    machines = prober("layers", "--config", "own.yaml", *checkpoint, "--json", "true")
    assert "Note: " not in machines.out


@needs_archives
def test_archive_needs_no_cnn(fit, tmp_path):
    exported = torch.export.export(net(), (torch.rand(1, 3, 8, 8),))
    torch.export.save(exported, tmp_path / "net.pt2")
    ended = fit("null", "--model.subject.checkpoint", "net.pt2")
    assert ended.code == 0, ended.err
    torch.save(net().state_dict(), tmp_path / "net.pt")
    given = fit(
        "{class_path: nets.Net, init_args: {width: 6}}", "--model.subject.checkpoint", "net.pt"
    )
    assert ended.out.splitlines()[0] == given.out.splitlines()[0]
