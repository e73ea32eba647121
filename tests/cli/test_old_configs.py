"""Configs that earlier versions have written still run, and what they began goes on.

`old_configs` has what they really wrote: the first knew `prober.visualize.images`, the second had
parameterizations, the third the public names that there are today.
"""

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml

import prober
from prober.cli.class_paths import current_path
from prober.cli.old_configs import with_style
from prober.cli.prober_cli import ProberCLI
from tests.command_line import ROOT, refused

OLD = Path(__file__).parent / "old_configs"
REPORT = OLD / "report_first.yaml"
REFERENCE = ROOT / "lightning_logs" / "reference" / "config.yaml"


@pytest.mark.parametrize(
    ("old", "today"),
    [
        ("prober.visualize.images.GaussianNoise", "prober.GaussianNoise"),
        ("prober.visualize.regularizers.L2", "prober.L2"),
        ("prober.visualize.layer_objectives.DeepDream", "prober.DeepDream"),
        ("prober.notebook.Neuron", "prober.Neuron"),
        ("prober.cnn.ReferenceCNN", "prober.subject.reference.cnn.ReferenceCNN"),
        # What is where a config says stays there, and what never was is not found.
        ("prober.ascent.starts.GrayNoise", "prober.ascent.starts.GrayNoise"),
        ("prober.visualize.images.GreyNoise", "prober.visualize.images.GreyNoise"),
        ("people.visualize.images.GrayNoise", "people.visualize.images.GrayNoise"),
        ("GrayNoise", "GrayNoise"),
    ],
)
def test_path_of_a_class_that_moved(old, today):
    assert current_path(old) == today


def test_every_class_of_prober_is_found_wherever_it_was():
    for name in prober.__all__:
        assert current_path(f"prober.somewhere.else_.{name}") == f"prober.{name}"


@pytest.mark.parametrize("file", sorted(OLD.glob("fit_*.yaml")), ids=lambda file: file.stem)
def test_fit_runs_with_an_old_config(prober, tmp_path, file):
    ended = prober("fit", "--config", file)
    assert (ended.code, ended.err) == (0, "")
    (written,) = tmp_path.rglob("config.yaml")
    assert "prober.visualize" not in written.read_text(encoding="utf-8")
    assert prober("fit", "--config", written).code == 0
    first, second = (np.load(image) for image in sorted(tmp_path.rglob("final.npy")))
    assert np.array_equal(first, second)


def begun(file, folder):
    """A sweep that an earlier version was killed in before it had made a picture."""
    folder.mkdir()
    shutil.copy(file, folder / "config.yaml")
    saved = json.loads(file.with_suffix(".json").read_text(encoding="utf-8"))
    # As a version wrote it that counted the targets.
    (folder / "sweep.json").write_text(json.dumps({"targets": 2} | saved), encoding="utf-8")
    return folder


@pytest.mark.parametrize("file", sorted(OLD.glob("sweep_*.yaml")), ids=lambda file: file.stem)
def test_sweep_runs_and_is_resumed_with_an_old_config(prober, tmp_path, file):
    folder = begun(file, tmp_path / "begun")
    new = prober("sweep", "--config", file, "--trainer.devices", 1)
    assert (new.code, new.err) == (0, "")
    ended = prober("sweep", "--config", file, "--trainer.devices", 1, "--resume", folder)
    assert (ended.code, ended.err) == (0, "")
    images = sorted(folder.rglob("seed*.npy")) or sorted(folder.rglob("*.npy"))
    assert images
    (whole,) = (tmp_path / "lightning_logs").glob("*/version_0")
    for image in images:
        assert np.array_equal(np.load(image), np.load(whole / image.relative_to(folder)))

    changed = ["--model.lr", 0.2, "--grid.initial_images", "[GrayNoise]"]
    message = refused(prober("sweep", "--config", file, *changed, "--resume", folder))
    assert "model.lr was 0.1 and is 0.2" in message and "grid.initial_images was" in message


def test_old_report_compares_as_equal_with_what_is_asked_today(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["main.py"])
    monkeypatch.setenv("PL_GLOBAL_SEED", "0")
    cli = ProberCLI(
        [
            "report",
            *("--against", "prober/subject/reference/control.pt"),
            *("--grid.initial_images", "[GaussianNoise, GrayNoise, LowFrequencyNoise]"),
            *("--model.style", "plain", "--model.subject.cnn", "ReferenceCNN"),
            *("--model.subject.checkpoint", "prober/subject/reference/biased.pt"),
            *("--model.subject.input_shape", "[3, 28, 28]"),
            *("--grid.seeds", "8", "--grid.positions", "2"),
            *("--trainer.max_steps", "500", "--trainer.precision", "32-true"),
            *("--trainer.enable_progress_bar", "false"),
        ]
    )
    old = REPORT.read_text(encoding="utf-8")
    assert "prober.visualize" in old
    assert yaml.safe_load(cli.today(old)) == yaml.safe_load(cli.text)


def test_old_large_images_are_made_as_they_were():
    """Below 64 pixels in pixels, above as spectra, moved as Lucid moves 224 pixels."""
    old = yaml.safe_load((OLD / "fit_second.yaml").read_text(encoding="utf-8"))
    small = with_style(old)["model"]
    assert (small["style"], small["lr"], small["regularizers"]) == ("plain", None, None)
    assert small["parameterization"] is small["transforms"] is None
    old["model"]["subject"]["input_shape"] = [3, 224, 224]
    old["model"] |= {"lr": 0.1, "regularizers": []}
    large = with_style(old)["model"]
    assert (large["style"], large["lr"], large["regularizers"]) == ("plain", 0.1, [])
    assert large["parameterization"] == "prober.Fourier"
    assert [(each["class_path"], *each["init_args"].values()) for each in large["transforms"]] == [
        *(("prober.Padding", 12), ("prober.Jitter", 8), ("prober.Scale", 0.9, 1.1)),
        *(("prober.Rotation", 10.0), ("prober.Jitter", 4)),
    ]
    # What a person writes is no old config.
    written = {key: value for key, value in old.items() if key != "snapshots"}
    assert with_style(written) == written


@pytest.mark.parametrize("file", [REPORT, REFERENCE], ids=["the first", "the shipped"])
def test_report_runs_and_is_resumed_with_its_config(prober, tmp_path, file):
    less = [
        *("--grid.layers", "conv1", "--grid.channels", "0", "--grid.classes", "null"),
        *("--grid.objectives", "[ChannelMean]", "--grid.seeds", 2, "--trainer.max_steps", 2),
        *("--against", "null", "--data", "none", "--trainer.devices", 1),
        *("--trainer.enable_progress_bar", "false"),
    ]
    ended = prober("report", "--config", file, *less)
    assert (ended.code, ended.err) == (0, "")
    (report,) = (tmp_path / "lightning_logs").glob("report_*/version_0")
    config = report / "config.yaml"
    text = config.read_text(encoding="utf-8")
    # As it was written then: other paths, and without what has been added since.
    old = yaml.safe_load(text.replace("prober.L2", "prober.visualize.regularizers.L2"))
    del old["channels_last"], old["grid"]["diversity"], old["model"]["transforms"]
    for file in report.rglob("config.yaml"):
        file.write_text(yaml.safe_dump(old), encoding="utf-8")
    ended = prober("report", "--config", file, *less, "--resume", report)
    assert (ended.code, ended.err) == (0, "")


def test_what_was_written_before_pictures_were_held_to_statistics_is_made_without(prober, tmp_path):
    given = {
        "cnn": {"class_path": "tests.ascent.test_strangeness.Twice"},
        "input_shape": [3, 8, 8],
    }
    sweep = ["sweep", "--grid.layers", "logits", "--trainer.max_steps", "5"]
    sweep += ["--model.subject", json.dumps(given), "--trainer.default_root_dir", tmp_path / "new"]
    assert prober(*sweep).code == 0
    (folder,) = tmp_path.rglob("version_0")
    records = (folder / "records.jsonl").read_text(encoding="utf-8")
    assert records.count('"batchnorm_statistics": 1.0') == 4
    config = yaml.safe_load((folder / "config.yaml").read_text(encoding="utf-8"))
    del config["model"]["batchnorm_statistics"]
    (folder / "config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    refused(prober(*sweep, "--resume", folder), "model.batchnorm_statistics was 0.0 and is None")
    again = tmp_path / "again"
    ended = prober("sweep", "--config", folder / "config.yaml", "--trainer.default_root_dir", again)
    assert ended.code == 0
    (records,) = again.rglob("records.jsonl")
    assert records.read_text(encoding="utf-8").count('"batchnorm_statistics": 0.0') == 4
