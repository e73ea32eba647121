"""The command `sweep`: what it takes, what it says, what it refuses."""

import shutil

import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from tests.command_line import CONV2_CH3, refused
from tests.sweep.sweeps import arrays_of, records_of, same, write


def test_the_screen_says_how_many_how_long_and_where(swept):
    _, ended = swept
    said = ended.stdout
    assert "14 targets in 5 chunks" in said and "14 of 14 targets done, 0 dead, 0 failed" in said
    assert "Sweep: lightning_logs/sweep_conv1_conv2_logits/version_0" in said
    assert "targets/s" in ended.stderr and "14/14" in ended.stderr
    assert "Warning" not in ended.stderr and "Traceback" not in ended.stderr


STEMS = {
    "conv1": ["ch002/mean", "conv1_all/deepdream"],
    "conv2": [
        "minus_conv2_ch3/negative",
        "conv2_ch3-0.1_conv1_ch0/weightedsum",
        "conv2_ch5+2_conv2_diversity/weightedsum",
    ],
    "conv3": ["conv3_direction_7_against_1/direction", "conv3_caricature_seven/caricature"],
}


def test_a_sweep_takes_any_objectives_with_a_record_for_each(others):
    stems = [
        f"{layer}/{stem}_seed{seed}"
        for layer in STEMS
        for stem in STEMS[layer]
        for seed in range(3)
    ]
    records = records_of(others)
    assert [record["stem"] for record in records] == stems
    arrays = arrays_of(others)
    assert set(arrays) == {f"{stem}.npy" for stem in stems}
    assert all(a.min() >= 0 and a.max() <= 1 for a in arrays.values())
    assert (others / "sheets" / "conv3.png").is_file()
    for record in records:
        assert record["status"] == "finished" and not record["dead"]
        assert record["parameterization"] == {"name": "Fourier", "decay": 1.0, "least_slope": 0.0}
        assert [t["name"] for t in record["transforms"]] == ["Jitter", "Rotation"]
        assert record["initial_image"]["name"] == "PinkNoise"
        if record["objective"] not in ("WeightedSum",):
            assert record["score_end"] > record["score_start"], record["stem"]
    by_stem = {record["stem"]: record for record in records}
    assert by_stem[stems[6]]["of"]["objective"] == "ChannelMean"
    assert [s["weight"] for s in by_stem[stems[9]]["summands"]] == [1.0, -0.1]
    direction = next(r for r in records if r["objective"] == "Direction")
    assert direction["vector"] == {"of": 7, "against": 1, "data": "digits"}


def test_config_of_a_sweep_of_other_objectives_gives_the_same_bits(others, prober, tmp_path):
    config = tmp_path / "again.yaml"
    shutil.copy(others / "config.yaml", config)
    assert prober("sweep", "--config", config).code == 0
    again = tmp_path / "lightning_logs" / "sweep_conv1_conv2_conv3" / "version_0"
    assert same(arrays_of(again), arrays_of(others))
    assert (again / "config.yaml").read_text(encoding="utf-8") == config.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ([], "grid is empty"),
        (["--grid.layers", "conv9"], "no layer 'conv9'. Did you mean"),
        (["--grid.layers", "conv1", "--grid.channels", "[0,99]"], "99 is out of range"),
        (["--grid.layers", "conv1", "--grid.seeds", "1000000"], "16,000,000 targets"),
        (["--grid.layers", "conv1", "--grid.objectives", "[Neurn]"], "Neurn"),
        (["--grid.layers", "conv1", "--chunk_size", "0"], "chunk_size is 0"),
        (["--grid.layers", "conv1", "--snapshots.every", "0"], "every 0 steps"),
        (["--grid.layers", "conv1", "--model.lr", "-1"], "learning rate is -1"),
        (["--grid.layers", "conv1", "--trainer.max_steps", "0"], "max_steps is 0"),
        (["--grid.layers", "conv1", "--trainer.accelerator", "gpu"], "no GPU"),
        (["--grid.layers", "conv1", "--trainer.devices", "0"], "devices"),
        (["--grid.layers", "conv1", "--resume", "nowhere"], "not the folder of a sweep"),
        (["--grid.lairs", "conv1"], "no option 'grid.lairs'. Did you mean 'layers'"),
        (["--grid.layers", "conv1", "--interpolate.blends", "9"], "needs two seeds"),
        (["--grid.layers", "conv1", "--interpolate.blends", str(10**21)], "choose 3 to 100"),
        (["--interpolate.records", "[a,b]"], "not the record of a finished run"),
        (["--interpolate.records", "[a]"], "give two"),
        (
            ["--grid.layers", "conv1", "--grid.diversity", "1"],
            "compares the images of several seeds, and there is one: set grid.seeds to 2 or more",
        ),
        (
            ["--grid.layers", "conv1", "--grid.diversity", "-1", "--grid.seeds", "2"],
            "grid.diversity is -1.0; it must be 0 or more",
        ),
        (
            [
                *("--grid.layers", "conv1", "--grid.diversity", "1", "--grid.seeds", "4"),
                *("--chunk_size", "3"),
            ],
            "compares the images of 4 seeds, which are optimized together, and a chunk has 3",
        ),
        (
            [
                "--grid.layers",
                "conv1",
                "--grid.targets",
                "[{class_path: Diversity, init_args: {layer: conv1}}]",
            ],
            "conv1_diversity compares the images of several seeds, and there is one",
        ),
        (
            [
                *("--grid.layers", "conv1", "--grid.diversity", "1", "--grid.seeds", "2"),
                *("--interpolate.blends", "3"),
            ],
            "leave out grid.diversity",
        ),
        (
            ["--grid.targets", "[{class_path: DeepDraem, init_args: {layer: conv1}}]"],
            "Did you mean 'DeepDream'?",
        ),
        (
            ["--grid.targets", "[{class_path: DeepDream, init_args: {layer: conv11}}]"],
            "no layer 'conv11'. Did you mean 'conv1'",
        ),
        (
            ["--grid.layers", "conv1", "--model.parameterization", "Fourir"],
            "Did you mean 'Fourier'?",
        ),
        (
            [
                "--grid.layers",
                "conv1",
                "--model.transforms",
                "[{class_path: Padding, init_args: {border: 14}}]",
            ],
            "border of Padding is 14",
        ),
        (
            [
                "--grid.layers",
                "conv1",
                "--grid.initial_images",
                "[GrayNoise, {class_path: GivenImage, init_args: {path: nowhere.png}}]",
            ],
            "'nowhere.png' is not a file",
        ),
    ],
)
def test_bad_input_ends_with_one_message_and_no_folder(prober, tmp_path, options, said):
    refused(prober("sweep", *options), said)
    assert not (tmp_path / "lightning_logs").exists()


def test_a_very_large_grid_says_what_it_would_take(prober):
    ended = prober("sweep", "--grid.layers", "conv1", "--grid.seeds", "1000000")
    assert "hours" in ended.err and "GB on disk" in ended.err and "--yes true" in ended.err


def test_targets_that_settle_have_steps_of_their_own_wherever_they_are_shown(prober, tmp_path):
    changes = {
        "grid": {"layers": ["conv1", "conv2"], "channels": [0, 3, 7], "seeds": 2},
        "model": {"style": "plain", "settle": 0.01},
        "trainer": {"max_steps": 200, "log_every_n_steps": 20, "devices": 1},
    }
    config = write(tmp_path, **changes)
    ended = prober("sweep", "--config", config)
    assert ended.code == 0, ended.err
    folder = tmp_path / "lightning_logs" / "sweep_conv1_conv2" / "version_0"
    records = records_of(folder)
    steps = [record["steps"] for record in records]
    assert {record["status"] for record in records} == {"finished"}
    assert {record["settle"] for record in records} == {0.01}
    assert len(set(steps)) > 2 and max(steps) < 200
    made = 0
    for file in sorted((folder / "chunks").glob("*.npz")):
        with np.load(file) as chunk:
            own = steps[made : made + len(chunk["scores"])]
            made += len(own)
            assert chunk["steps"][-1] == chunk["score_steps"][-1] == max(own)
            for i, step in enumerate(own):
                end = records[made - len(own) + i]["score_end"]
                assert (chunk["scores"][i, chunk["score_steps"] >= step] == np.float32(end)).all()
                later = chunk["evolution"][i, chunk["steps"] >= step]
                assert (later == later[-1]).all()
    events = EventAccumulator(str(folder / "tensorboard"), {"images": 0}).Reload()
    assert events.Images("conv2")[-1].step == max(steps[6:])
    last = events.Scalars("score_lowest/conv2")[-1]
    assert last.value == pytest.approx(min(r["score_end"] for r in records[6:]), rel=1e-5)
    ended = prober("sweep", "--config", config, "--resume", folder, "--model.settle", "0.02")
    assert ended.code == 2 and "model.settle was 0.01 and is 0.02" in ended.err


OWN = """
from dataclasses import dataclass
from prober.ascent.objectives import OfChannel
from prober.ascent.parameterizations import Parameterization

@dataclass(frozen=True)
class Nowhere(Parameterization):
    def basis(self, shape):
        return None

@dataclass(frozen=True)
class Nothing(OfChannel):
    def scores(self, maps, images):
        return None
"""


@pytest.mark.parametrize(
    ("option", "given", "said"),
    [
        ("--model.parameterization", "own.Nowhere", "'NoneType' object has no attribute"),
        ("--grid.objectives", "[Neuron, own.Nothing]", "Nothing.scores gives a NoneType"),
    ],
)
def test_a_part_of_ones_own_that_fails_is_refused_before_a_folder_is_made(
    prober, tmp_path, option, given, said
):
    (tmp_path / "own.py").write_text(OWN, encoding="utf-8")
    few = ("--grid.layers", "conv1", "--grid.channels", "0-1", "--trainer.devices", 1)
    refused(prober("sweep", *few, option, given), said)
    assert not (tmp_path / "lightning_logs").exists()


def test_the_home_directory_has_one_name_for_all_that_is_written(prober, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("USERPROFILE", str(tmp_path / "home"))
    where = ("--trainer.default_root_dir=~/out", "--trainer.max_steps", 2)
    few = ("--grid.layers", "conv1", "--grid.channels", 0, "--trainer.devices", 1)
    assert prober("sweep", *few, *where).code == 0
    assert prober("fit", "--config", CONV2_CH3, *where).code == 0
    assert len(list(tmp_path.glob("home/out/lightning_logs/*/version_0"))) == 2
    assert not (tmp_path / "~").exists()
