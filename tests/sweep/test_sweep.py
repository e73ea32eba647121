"""Sweeps as a person runs them: the command, its folder, interrupting and resuming it."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from prober.subject.reference import ReferenceCNN
from tests.command_line import ROOT, refused, run, start
from tests.plain import SEVEN

GRID = {
    "grid": {"layers": ["conv1", "conv2"], "channels": [0, 3, 7], "classes": [1], "seeds": 2},
    "chunk_size": 4,
    "trainer": {"max_steps": 60},
}


def free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def write(folder, name="sweep.yaml", **changes):
    (folder / name).write_text(yaml.safe_dump(GRID | changes), encoding="utf-8")
    return folder / name


def start_until_a_chunk_is_done(config, cwd):
    """Returns the command's process, the numbers of those it forked, and the sweep's folder."""
    process = start("sweep", "--config", config, "--trainer.devices", "2", cwd=cwd)
    folder = cwd / "lightning_logs" / "sweep_conv1_conv2_logits" / "version_0"
    while not list(folder.glob("chunks/*.npz")):
        assert process.poll() is None
        time.sleep(0.005)
    children = (
        Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text(encoding="utf-8").split()
    )
    return process, list(map(int, children)), folder


def records_of(folder):
    return [
        json.loads(line)
        for line in (folder / "records.jsonl").read_text(encoding="utf-8").splitlines()
    ]


def arrays_of(folder):
    return {str(file.relative_to(folder)): np.load(file) for file in sorted(folder.rglob("*.npy"))}


def same(one, other):
    return one.keys() == other.keys() and all((one[key] == other[key]).all() for key in one)


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    """A small sweep on two processes."""
    folder = tmp_path_factory.mktemp("swept")
    ended = run("sweep", "--config", write(folder), "--trainer.devices", "2", cwd=folder)
    assert ended.returncode == 0, ended.stderr
    return folder / "lightning_logs" / "sweep_conv1_conv2_logits" / "version_0", ended


def test_there_is_a_picture_and_an_array_for_every_target(swept):
    folder, _ = swept
    stems = [
        f"{layer}/ch{channel:03d}/mean_seed{seed}"
        for layer, channels in (("conv1", (0, 3, 7)), ("conv2", (0, 3, 7)), ("logits", (1,)))
        for channel in channels
        for seed in (0, 1)
    ]
    assert [record["stem"] for record in records_of(folder)] == stems
    for stem in stems:
        array = np.load(folder / f"{stem}.npy")
        assert array.shape == (3, 28, 28) and array.dtype == np.float32
        assert array.min() >= 0 and array.max() <= 1
        with Image.open(folder / f"{stem}.png") as picture:
            pixels = np.asarray(picture)
        expected = np.kron(np.moveaxis(np.rint(array * 255), 0, 2), np.ones((10, 10, 1)))
        assert (pixels == expected).all()


def test_a_record_is_that_of_fit(swept):
    folder, _ = swept
    record = records_of(folder)[7]
    expected = {
        "status": "finished",
        "layer": "conv2",
        "channel": 0,
        "objective": "ChannelMean",
        "seed": 1,
        "steps": 60,
        "dead": False,
        "precision": "32-true",
    }
    assert expected.items() <= record.items()
    assert record["score_end"] > record["score_start"]
    image = torch.from_numpy(np.load(folder / f"{record['stem']}.npy"))[None]
    cnn = ReferenceCNN()
    cnn.load_state_dict(torch.load(ROOT / "prober/subject/reference/biased.pt"))
    score = cnn.conv2(cnn.pool1(cnn.relu1(cnn.conv1(image))))[0, 0].mean().item()
    assert record["score_end"] == pytest.approx(score, rel=1e-4)


def test_the_evolution_and_the_score_curves_are_kept(swept):
    folder, _ = swept
    with np.load(folder / "chunks" / "00000.npz") as chunk:
        assert chunk["steps"].tolist() == [0, 50, 60]
        assert chunk["evolution"].shape == (4, 3, 28, 28, 3)
        assert chunk["score_steps"].tolist() == [0, 25, 50, 60]
        records = json.loads(str(chunk["records"]))
        ends = [record["score_end"] for record in records]
        assert chunk["scores"][:, -1] == pytest.approx(ends, rel=1e-6)
        last = np.load(folder / f"{records[1]['stem']}.npy")
        assert (chunk["evolution"][1, -1] == np.moveaxis(np.rint(last * 255), 0, 2)).all()


def test_the_contact_sheet_shows_every_image_three_times_as_large(swept):
    folder, _ = swept
    sheet = np.asarray(Image.open(folder / "sheets" / "conv2.png")).astype(int)
    array = np.load(folder / "conv2/ch007/mean_seed1.npy")
    thumb = np.kron(np.moveaxis(np.rint(array * 255), 0, 2), np.ones((3, 3, 1)))
    assert len(places_of(thumb, sheet)) == 1


def test_tensorboard_plays_each_layer_and_shows_the_spread_and_hparams(swept):
    folder, _ = swept
    path = str(folder / "tensorboard")
    events = EventAccumulator(path, size_guidance={"images": 0, "scalars": 0}).Reload()
    assert set(events.Tags()["images"]) == {"conv1", "conv2", "logits"}
    assert [image.step for image in events.Images("conv2")] == [0, 50, 60]
    ends = [r["score_end"] for r in records_of(folder) if r["layer"] == "conv2"]
    for name, expected in (("lowest", min(ends)), ("highest", max(ends))):
        last = events.Scalars(f"score_{name}/conv2")[-1]
        assert last.step == 60 and last.value == pytest.approx(expected, rel=1e-5)
    session = EventAccumulator(str(folder / "hparams" / "conv2_ch003_mean_seed0")).Reload()
    assert any(tag.startswith("_hparams_") for tag in session.summary_metadata)


def test_the_screen_says_how_many_how_long_and_where(swept):
    _, ended = swept
    said = ended.stdout
    assert "14 targets in 5 chunks" in said and "14 of 14 targets done, 0 dead, 0 failed" in said
    assert "Sweep: lightning_logs/sweep_conv1_conv2_logits/version_0" in said
    assert "targets/s" in ended.stderr and "14/14" in ended.stderr
    assert "Warning" not in ended.stderr and "Traceback" not in ended.stderr


def test_one_process_gives_the_same_bits_as_two(swept, prober, tmp_path):
    ended = prober("sweep", "--config", write(tmp_path), "--trainer.devices", "1")
    assert ended.code == 0
    alone = tmp_path / "lightning_logs" / "sweep_conv1_conv2_logits" / "version_0"
    assert same(arrays_of(alone), arrays_of(swept[0]))


def test_processes_with_threads_of_their_own_do_not_wait_for_ever(tmp_path, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    options = ["--trainer.devices", "2", "--trainer.max_steps", "3"]
    ended = run("sweep", "--config", write(tmp_path), *options, cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr


def test_torchrun_gives_the_same_bits(swept, tmp_path):
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2"]
    command += ["--master-addr", "127.0.0.1", "--master-port", str(free_port())]
    command += [str(ROOT / "main.py"), "sweep", "--config", str(write(tmp_path))]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert ended.returncode == 0, ended.stderr
    folder = tmp_path / "lightning_logs" / "sweep_conv1_conv2_logits" / "version_0"
    assert same(arrays_of(folder), arrays_of(swept[0]))
    assert len(list(folder.parent.iterdir())) == 1


def test_in_float64_every_picture_is_that_of_fit_bit_for_bit(prober, tmp_path):
    grid = {
        "layers": ["conv2", "conv3"],
        "channels": [3, 4],
        "objectives": ["ChannelMean", "TopKMean", "Neuron"],
        "positions": [[2, 5]],
        "classes": [6],
        "seeds": [0, 8],
    }
    config = write(tmp_path, grid=grid, chunk_size=6)
    exact = ["--trainer.precision", "64-true", "--trainer.devices", "1"]
    assert prober("sweep", "--config", config, *exact).code == 0
    swept = tmp_path / "lightning_logs" / "sweep_conv2_conv3_logits" / "version_0"
    for stem, name, options in (
        ("conv3/ch004/mean_seed8", "conv3_ch4", "ChannelMean layer=conv3 channel=4"),
        ("conv2/ch003/top20_seed0", "conv2_ch3_top20", "TopKMean layer=conv2 channel=3"),
        ("conv3/ch003/h02_w05_seed8", "conv3_ch3_h2_w5", "Neuron layer=conv3 channel=3 h=2 w=5"),
        ("logits/ch006/mean_seed0", "logits_ch6", "ChannelMean layer=logits channel=6"),
    ):
        objective, *settings = options.split()
        flags = [f"--model.objective.{setting}" for setting in settings]
        seed = stem.rsplit("seed", 1)[1]
        fit = ["fit", "--model.objective", objective, *flags, "--seed_everything", seed]
        assert prober(*fit, "--trainer.max_steps", "60").code == 0
        alone = np.load(tmp_path / "lightning_logs" / name / "version_0" / "final.npy")
        assert (np.load(swept / f"{stem}.npy") == alone).all(), stem


def test_what_was_killed_is_resumed_to_the_same_bits(swept, tmp_path):
    config = write(tmp_path)
    process, children, folder = start_until_a_chunk_is_done(config, tmp_path)
    for pid in [*children, process.pid]:
        os.kill(pid, signal.SIGKILL)
    process.communicate()
    finished = {file: file.stat().st_mtime_ns for file in folder.glob("chunks/*.npz")}
    assert len(finished) < 5
    resume = ["--trainer.devices", "1", "--resume", folder]
    ended = run("sweep", "--config", config, *resume, cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert {file: file.stat().st_mtime_ns for file in finished} == finished
    assert same(arrays_of(folder), arrays_of(swept[0]))
    stems = [record["stem"] for record in records_of(folder)]
    assert stems == [record["stem"] for record in records_of(swept[0])]


def test_what_is_damaged_is_told_and_repaired(swept, prober, tmp_path):
    folder = tmp_path / "copy"
    shutil.copytree(swept[0], folder)
    (folder / "conv1/ch003/mean_seed0.png").unlink()
    array = folder / "conv2/ch007/mean_seed1.npy"
    array.write_bytes(array.read_bytes()[:700])
    chunk = folder / "chunks/00003.npz"
    chunk.write_bytes(chunk.read_bytes()[:100])
    lines = (folder / "records.jsonl").read_text(encoding="utf-8").splitlines()
    (folder / "records.jsonl").write_text("\n".join([*lines[:5], lines[5][:40]]), encoding="utf-8")
    ended = prober(
        *("sweep", "--config", write(tmp_path), "--trainer.devices", "1", "--resume", folder)
    )
    assert ended.code == 0
    for said in ("mean_seed0.png is missing", "mean_seed1.npy is damaged", "00003.npz is damaged"):
        assert said in ended.out
    assert "1 damaged line" in ended.out
    assert same(arrays_of(folder), arrays_of(swept[0]))
    assert [r["stem"] for r in records_of(folder)] == [r["stem"] for r in records_of(swept[0])]
    assert (folder / "conv1/ch003/mean_seed0.png").is_file()


def test_a_finished_sweep_resumed_does_nothing(swept, prober, tmp_path):
    folder = tmp_path / "copy"
    shutil.copytree(swept[0], folder)
    times = {file: file.stat().st_mtime_ns for file in folder.rglob("*.np?")}
    ended = prober("sweep", "--config", write(tmp_path), "--resume", folder)
    assert ended.code == 0 and "0 targets in 0 chunks" in ended.out
    assert {file: file.stat().st_mtime_ns for file in folder.rglob("*.np?")} == times


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (["--model.lr", "0.1"], "model.lr was 0.05 and is 0.1"),
        (["--grid.seeds", "3"], "grid.seeds was 2 and is 3"),
        (["--trainer.max_steps", "61"], "trainer.max_steps was 60 and is 61"),
        (["--seed_everything", "4"], "seed_everything was 0 and is 4"),
        (
            ["--model.subject.checkpoint", "prober/subject/reference/control.pt"],
            "the subject has other weights",
        ),
    ],
)
def test_a_sweep_with_other_settings_is_not_resumed(swept, prober, tmp_path, change, said):
    before = sorted(swept[0].rglob("*"))
    ended = prober("sweep", "--config", write(tmp_path), "--resume", swept[0], *change)
    refused(ended, said)
    assert sorted(swept[0].rglob("*")) == before


def test_ctrl_c_keeps_what_is_finished(tmp_path):
    config = write(tmp_path, trainer={"max_steps": 300})
    process, children, folder = start_until_a_chunk_is_done(config, tmp_path)
    for pid in [*children, process.pid]:
        os.kill(pid, signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "Traceback" not in err and f"--resume {folder.relative_to(tmp_path)}" in out
    kept = records_of(folder)
    assert 0 < len(kept) < 14 and all(r["status"] == "finished" for r in kept)
    assert (folder / "sheets").is_dir()


def test_a_process_that_dies_is_told(tmp_path):
    config = write(tmp_path, trainer={"max_steps": 300})
    process, children, folder = start_until_a_chunk_is_done(config, tmp_path)
    os.kill(children[1], signal.SIGKILL)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 2 and "Traceback" not in err
    assert "has died" in err and f"--resume {folder.relative_to(tmp_path)}" in err


def of(name, **settings):
    return {"class_path": name, "init_args": settings}


UNIT = of("ChannelMean", layer="conv2", channel=3)
DIVERSE = of(
    "WeightedSum",
    summands=[
        {"objective": of("ChannelMean", layer="conv2", channel=5)},
        {"objective": of("Diversity", layer="conv2"), "weight": 2.0},
    ],
)
TARGETS = [
    of("Negative", objective=UNIT),
    of(
        "WeightedSum",
        summands=[
            {"objective": UNIT},
            {"objective": of("ChannelMean", layer="conv1", channel=0), "weight": -0.1},
        ],
    ),
    of("DeepDream", layer="conv1"),
    of("Direction", layer="conv3", vector={"of": 7, "against": 1}),
    of("Caricature", layer="conv3", image=SEVEN),
    DIVERSE,
]
OTHERS = {
    "grid": {"layers": "conv1", "channels": 2, "targets": TARGETS, "seeds": 3},
    "model": {
        "parameterization": of("Fourier"),
        "transforms": [of("Jitter", pixels=2), of("Rotation", degrees=10.0)],
    },
    "trainer": {"max_steps": 15},
}
STEMS = {
    "conv1": ["ch002/mean", "conv1_all/deepdream"],
    "conv2": [
        "minus_conv2_ch3/negative",
        "conv2_ch3-0.1_conv1_ch0/weightedsum",
        "conv2_ch5+2_conv2_diversity/weightedsum",
    ],
    "conv3": ["conv3_direction_7_against_1/direction", "conv3_caricature_seven/caricature"],
}
EXACT = ("--trainer.precision", "64-true", "--trainer.devices", "1")


@pytest.fixture(scope="module")
def others(tmp_path_factory):
    """A sweep of objectives that are written out, in float64."""
    folder = tmp_path_factory.mktemp("others")
    ended = run("sweep", "--config", write(folder, **OTHERS), *EXACT, cwd=folder)
    assert ended.returncode == 0, ended.stderr
    return folder / "lightning_logs" / "sweep_conv1_conv2_conv3" / "version_0"


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
        assert record["parameterization"] == {"name": "Fourier", "decay": 1.0}
        assert [t["name"] for t in record["transforms"]] == ["Jitter", "Rotation"]
        assert record["initial_image"]["name"] == "PinkNoise"
        if record["objective"] not in ("WeightedSum",):
            assert record["score_end"] > record["score_start"], record["stem"]
    by_stem = {record["stem"]: record for record in records}
    assert by_stem[stems[6]]["of"]["objective"] == "ChannelMean"
    assert [s["weight"] for s in by_stem[stems[9]]["summands"]] == [1.0, -0.1]
    direction = next(r for r in records if r["objective"] == "Direction")
    assert direction["vector"] == {"of": 7, "against": 1, "data": "digits"}


def test_in_float64_any_picture_is_that_of_fit_bit_for_bit(others, prober, tmp_path):
    for target, stem, name in (
        (TARGETS[1], "conv2/conv2_ch3-0.1_conv1_ch0/weightedsum", "conv2_ch3-0.1_conv1_ch0"),
        (TARGETS[3], "conv3/conv3_direction_7_against_1/direction", "conv3_direction_7_against_1"),
        (TARGETS[4], "conv3/conv3_caricature_seven/caricature", "conv3_caricature_seven"),
    ):
        model = OTHERS["model"] | {"objective": target}
        config = tmp_path / "fit.yaml"
        config.write_text(
            yaml.safe_dump({"model": model, "trainer": OTHERS["trainer"]}), encoding="utf-8"
        )
        assert prober("fit", "--config", config, "--seed_everything", 2).code == 0
        alone = np.load(tmp_path / "lightning_logs" / name / "version_0" / "final.npy")
        assert (np.load(others / f"{stem}_seed2.npy") == alone).all(), name


@pytest.mark.parametrize(("targets", "size"), [([DIVERSE], 3), ([UNIT, DIVERSE, TARGETS[0]], 5)])
def test_a_diverse_group_is_the_same_whatever_else_there_is_and_whatever_the_chunks(
    others, prober, tmp_path, targets, size
):
    grid = {"targets": targets, "seeds": 3, "layers": "conv2", "channels": [0, 1]}
    config = write(tmp_path, **(OTHERS | {"grid": grid, "chunk_size": size}))
    assert prober("sweep", "--config", config, *EXACT).code == 0
    folder = tmp_path / "lightning_logs" / "sweep_conv2" / "version_0"
    stem = "conv2/conv2_ch5+2_conv2_diversity/weightedsum_seed{}.npy"
    for seed in range(3):
        one, other = np.load(folder / stem.format(seed)), np.load(others / stem.format(seed))
        assert (one == other).all()


def test_config_of_a_sweep_of_other_objectives_gives_the_same_bits(others, prober, tmp_path):
    config = tmp_path / "again.yaml"
    shutil.copy(others / "config.yaml", config)
    assert prober("sweep", "--config", config).code == 0
    again = tmp_path / "lightning_logs" / "sweep_conv1_conv2_conv3" / "version_0"
    assert same(arrays_of(again), arrays_of(others))
    assert (again / "config.yaml").read_text(encoding="utf-8") == config.read_text(encoding="utf-8")


def test_other_objectives_that_were_killed_are_resumed_to_the_same_bits(others, prober, tmp_path):
    folder = tmp_path / "killed"
    shutil.copytree(others, folder)
    chunks = sorted(folder.glob("chunks/*.npz"))
    diverse = [c for c in chunks if "diversity" in str(np.load(c)["records"])]
    assert len(chunks) == 7 and len(diverse) == 1
    for chunk in (chunks[-1], *diverse):  # as if killed while they were made
        chunk.rename(chunk.with_suffix(".claim"))
    for array in folder.rglob("*diversity/*"):
        array.unlink()
    config = write(tmp_path, **OTHERS)
    ended = prober("sweep", "--config", config, *EXACT, "--resume", folder)
    assert ended.code == 0 and "in 2 chunks" in ended.out
    assert same(arrays_of(folder), arrays_of(others))
    without = [{k: v for k, v in r.items() if k != "seconds"} for r in records_of(folder)]
    assert without == [{k: v for k, v in r.items() if k != "seconds"} for r in records_of(others)]
    changed = OTHERS | {"grid": OTHERS["grid"] | {"targets": TARGETS[1:]}}
    ended = prober("sweep", "--config", write(tmp_path, **changed), *EXACT, "--resume", folder)
    assert ended.code == 2 and "grid.targets was" in ended.err


def test_seeds_of_a_diverse_unit_are_resumed_and_run_on_two_processes_alike(prober, tmp_path):
    grid = {"layers": "conv2", "channels": "0-2", "seeds": 3, "diversity": 1.5}
    config = write(tmp_path, grid=grid, trainer={"max_steps": 20})
    alone = prober("sweep", "--config", config, "--trainer.devices", "1")
    assert alone.code == 0 and "9 targets in 3 chunks" in alone.out
    ended = run("sweep", "--config", config, "--trainer.devices", "2", cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    folders = [tmp_path / "lightning_logs" / "sweep_conv2" / f"version_{i}" for i in range(2)]
    assert same(*map(arrays_of, folders))
    (folders[0] / "chunks" / "00001.npz").unlink()
    (folders[0] / "conv2" / "ch001" / "mean_seed2.npy").unlink()
    resumed = prober(
        *("sweep", "--config", config, "--trainer.devices", "1", "--resume", folders[0])
    )
    assert resumed.code == 0 and "3 targets in 1 chunks" in resumed.out
    assert same(*map(arrays_of, folders))
    assert {record["objective"] for record in records_of(folders[0])} == {"WeightedSum"}


def places_of(picture, sheet, tolerance=0):
    """Finds where a sheet shows a picture: by its first row, then as a whole."""
    rows = np.lib.stride_tricks.sliding_window_view(sheet[..., 1], picture.shape[1], axis=1)
    starts = np.argwhere((abs(rows - picture[0, :, 1]) <= tolerance).all(2))
    height, width = picture.shape[:2]
    cut = [sheet[top : top + height, left : left + width] for top, left in starts]
    return [c for c in cut if c.shape == picture.shape and abs(c - picture).max() <= tolerance]


NANNY = """
import torch
from torch import nn

class Nanny(nn.Module):
    '''Channel 0 is no number once the image is bright, channel 2 moves nothing.'''

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(3))

    def forward(self, x):
        mean = x.mean((1, 2, 3))
        hole = torch.where(mean > 0.6, torch.full_like(mean, float("nan")), mean)
        return torch.stack([hole, mean, 0 * mean], 1)
"""


def test_a_target_without_a_number_stops_no_other(prober, tmp_path):
    (tmp_path / "nanny.py").write_text(NANNY, encoding="utf-8")
    grid = {"classes": "all", "seeds": 2}
    config = write(tmp_path, grid=grid, model={"subject": {"cnn": "nanny.Nanny"}}, chunk_size=6)
    ended = prober("sweep", "--config", config, "--trainer.devices", "1")
    assert ended.code == 0
    folder = tmp_path / "lightning_logs" / "sweep_logits" / "version_0"
    records = records_of(folder)
    assert [r["status"] for r in records] == ["failed"] * 2 + ["finished"] * 4
    assert [r["dead"] for r in records] == [False] * 4 + [True] * 2
    steps = [r["failed_at_step"] for r in records[:2]]
    assert all(0 < step < 60 for step in steps)
    assert f"Failed: logits/ch000/mean_seed0 at step {steps[0]}" in ended.out
    assert "2 dead, 2 failed" in ended.out
    assert records[2]["score_end"] == pytest.approx(1, abs=0.01)
    assert all(np.isfinite(array).all() for array in arrays_of(folder).values())


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
        (["--interpolate.records", "[a,b]"], "not the record of a finished run"),
        (["--interpolate.records", "[a]"], "give two"),
        (
            ["--grid.layers", "conv1", "--grid.diversity", "1"],
            "compares the images of several seeds: use sweep with grid.seeds of 2 or more",
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
    assert "hours" in ended.err and "GB on disk" in ended.err and "--yes" in ended.err


HUGE = """
from torch import nn


class Huge(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 2, 3)
        nn.init.constant_(self.conv.weight, 1e25)

    def forward(self, images):
        return self.conv(images).mean((2, 3))
"""


def test_scores_beyond_what_tensorboard_can_show_are_no_error(prober, tmp_path):
    (tmp_path / "huge.py").write_text(HUGE, encoding="utf-8")
    subject = ["--model.subject.cnn", "huge.Huge", "--model.subject.input_shape", "[3, 8, 8]"]
    steps = ["--trainer.max_steps", "3", "--trainer.devices", "1"]
    ended = prober("sweep", *subject, *steps, "--grid.layers", "conv")
    assert ended.code == 0, ended.err
    assert "2 of 2 targets done" in ended.out and "0 failed" in ended.out
