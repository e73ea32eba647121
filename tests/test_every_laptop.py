"""All commands where what only Linux has is taken away: the same pictures, bit for bit."""

import json
import re

import numpy as np
import pytest
import torch
import yaml

import prober
from prober.subject.reference import ReferenceCNN
from tests import command_line, elsewhere
from tests.command_line import CONV2_CH3, ROOT

TINY = '''
"""A CNN of a person's own, whose layers have names that Windows gives to no file."""

import torch
from torch import nn


class Tiny(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.aux = nn.Conv2d(3, 4, 3)
        self.blocks = nn.Module()
        self.blocks.add_module("first: 3 x 3?", nn.Conv2d(4, 4, 3))
        self.größe = nn.Linear(4, 4)
        self.last = nn.Linear(4, 3)

    def forward(self, images):
        maps = self.blocks.get_submodule("first: 3 x 3?")(self.aux(images).relu()).relu()
        return self.last(self.größe(maps.mean((2, 3))))
'''
SWEEP = {
    "model": {"subject": {"cnn": "tiny.Tiny", "input_shape": [3, 8, 8]}},
    "grid": {"layers": "all", "channels": [0, 2], "seeds": 2},
    "chunk_size": 3,
    "trainer": {"max_steps": 30, "precision": "64-true", "devices": 2},
}
REPORT = {
    "model": {"subject": {"cnn": "tiny.Tiny", "input_shape": [3, 8, 8]}},
    "grid": {"layers": ["aux"], "channels": [1], "classes": [], "positions": 1, "seeds": 2},
    "data": "none",
    "trainer": {"max_steps": 20, "precision": "64-true", "devices": 2},
}


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Working directories for here and elsewhere, with spaces and an umlaut in their names."""
    here, there = (tmp_path_factory.mktemp("Bilder für ") / name for name in ("hier", "dort x"))
    for folder in (here, there):
        folder.mkdir()
        (folder / "tiny.py").write_text(TINY, encoding="utf-8")
        for name, config in (("sweep", SWEEP), ("report", REPORT)):
            (folder / f"{name}.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    return here, there


@pytest.fixture(scope="module")
def lacking(folders, tmp_path_factory):
    """Runs a command where those things are taken away."""
    folder = tmp_path_factory.mktemp("lacking")

    def run(*args, **environment):
        main = ROOT / "main.py"
        return elsewhere.run(main, *args, cwd=folders[1], folder=folder, **environment)

    return run


def both(folders, lacking, *args, **environment):
    """Runs a command here and elsewhere; returns how both ended."""
    ended = command_line.run(*args, cwd=folders[0]), lacking(*args, **environment)
    for each in ended:
        assert each.returncode == 0, each.stderr
        assert "Traceback" not in each.stderr and "Warning" not in each.stderr
    return ended


def arrays(folder):
    return {file.relative_to(folder): np.load(file) for file in sorted(folder.rglob("*.npy"))}


def same(folders, where):
    one, other = (arrays(folder / "lightning_logs" / where) for folder in folders)
    assert one and one.keys() == other.keys()
    for file, array in one.items():
        assert np.array_equal(array, other[file]), file


def test_fit(folders, lacking):
    ended = both(folders, lacking, "fit", "--config", CONV2_CH3, "--trainer.max_steps", "30")
    assert ended[0].stdout.splitlines()[-3:] == ended[1].stdout.splitlines()[-3:]
    same(folders, "conv2_ch3")


def test_a_sweep_on_two_processes_and_what_is_missing_of_it(folders, lacking):
    both(folders, lacking, "sweep", "--config", "sweep.yaml", PYTHONIOENCODING="cp1252")
    name = "sweep_aux_blocks.first%3A 3 x 3%3F_größe"
    same(folders, name)
    folder = folders[1] / "lightning_logs" / name / "version_0"
    assert len(arrays(folder)) == 12
    chunk = folder / "chunks" / "00001.npz"
    chunk.rename(chunk.with_suffix(".claim"))  # as if killed while it was made
    for file in folder.glob("blocks*/*/*.npy"):
        file.unlink()
    alone = ("--trainer.devices", 1)  # a process elsewhere starts slowly
    ended = lacking("sweep", "--config", "sweep.yaml", "--resume", folder, *alone)
    assert ended.returncode == 0, ended.stderr
    same(folders, name)
    stems = [
        json.loads(line)["stem"]
        for line in (folder / "records.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    assert "%61ux/ch002/mean_seed1" in stems


def test_report(folders, lacking):
    both(folders, lacking, "report", "--config", "report.yaml")
    same(folders, "report_Tiny")
    findings = [
        (folder / "lightning_logs" / "report_Tiny" / "version_0" / "findings.json").read_text(
            encoding="utf-8"
        )
        for folder in folders
    ]
    one, other = (re.sub(r'"seconds":[^,}]*', "", found) for found in findings)
    assert one == other


def test_layers(folders, lacking):
    options = ("--model.subject.cnn", "tiny.Tiny", "--model.subject.input_shape", "[3, 8, 8]")
    here, there = both(folders, lacking, "layers", *options)
    assert there.stdout == here.stdout.replace("größe", r"gr\xf6\xdfe")


def test_visualize(folders, lacking, tmp_path):
    code = (
        "import prober, sys, torch\n"
        "from prober.subject.reference import ReferenceCNN\n"
        "torch.manual_seed(0)\n"
        "prober.visualize(ReferenceCNN(), 'conv1:3', steps=20).save(sys.argv[1])\n"
    )
    ended = elsewhere.run("-c", code, "picture.npy", cwd=folders[1], folder=tmp_path)
    assert ended.returncode == 0, ended.stderr
    torch.manual_seed(0)
    here = prober.visualize(ReferenceCNN(), "conv1:3", steps=20)
    assert np.array_equal(here.array, np.load(folders[1] / "picture.npy"))


def test_layers_whose_names_differ_in_case_alone_overwrite_no_files(prober, tmp_path):
    twins = TINY.replace("self.aux", "self.block").replace("self.größe", "self.Block")
    (tmp_path / "tiny.py").write_text(twins, encoding="utf-8")
    config = REPORT | {"grid": REPORT["grid"] | {"layers": ["block", "Block"]}}
    (tmp_path / "report.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    ended = prober("report", "--config", "report.yaml", "--trainer.devices", 1)
    assert ended.code == 0, ended.err
    files = [path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")]
    assert len({file.casefold() for file in files}) == len(files)
    (report,) = tmp_path.glob("lightning_logs/*/version_0")
    for name in ("block", "%42lock"):
        assert (report / "page" / f"{name}.js").is_file()
        assert list(report.rglob(f"sheets/{name}.png"))
        assert list((report / "pictures" / name / "ch001").iterdir())


@pytest.mark.parametrize(
    "options, said",
    [
        (["--trainer.accelerator", "mps"], "Apple's GPUs compute in float32 only"),
        (["--trainer.accelerator", "gpu"], "add --trainer.precision 32-true, or leave"),
        (["--trainer.accelerator", "cuda"], "There is no GPU of NVIDIA's here"),
    ],
)
def test_an_accelerator_that_cannot_be_is_told(lacking, folders, options, said):
    before = sorted((folders[1]).rglob("*"))
    ended = lacking("fit", "--config", CONV2_CH3, *options)
    assert ended.returncode == 2 and ended.stderr.count("\n") == 1
    assert ended.stderr.startswith("Error: ") and said in ended.stderr
    assert sorted((folders[1]).rglob("*")) == before
