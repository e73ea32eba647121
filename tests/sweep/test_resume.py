"""A sweep that ended early goes on to the same bits."""

import shutil

import numpy as np
import pytest

from prober.common.errors import InputError
from prober.sweep.engine import read_saved
from tests.command_line import refused, run
from tests.sweep.sweeps import (
    EXACT,
    OTHERS,
    TARGETS,
    arrays_of,
    records_of,
    same,
    start_until_a_chunk_is_done,
    write,
)


def test_what_was_killed_is_resumed_to_the_same_bits(swept, tmp_path):
    config = write(tmp_path)
    process, children, folder = start_until_a_chunk_is_done(config, tmp_path)
    for each in [*children, process]:
        each.kill()
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


def test_a_finished_sweep_resumed_does_nothing(swept, prober, tmp_path):
    folder = tmp_path / "copy"
    shutil.copytree(swept[0], folder)
    times = {file: file.stat().st_mtime_ns for file in folder.rglob("*.np?")}
    ended = prober("sweep", "--config", write(tmp_path), "--resume", folder)
    assert ended.code == 0 and "0 targets in 0 chunks" in ended.out
    assert {file: file.stat().st_mtime_ns for file in folder.rglob("*.np?")} == times


@pytest.mark.parametrize("unwritable", ["sheets", "tensorboard"])
def test_what_cannot_be_written_at_the_end_is_told_with_how_to_go_on(
    swept, prober, tmp_path, unwritable
):
    folder = tmp_path / "copy"
    shutil.copytree(swept[0], folder)
    kept, place = tmp_path / "kept", folder / unwritable
    place.rename(kept)
    place.touch()  # a file, where a folder is to be
    command = ("sweep", "--config", write(tmp_path), "--resume", folder)
    refused(prober(*command), unwritable, "once it can be written, go on", f"--resume {folder}")
    place.unlink()
    assert prober(*command).code == 0
    assert place.is_dir()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (["--model.lr", "0.1"], "model.lr was None and is 0.1"),
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


SIZES = '{"sha256": "e2", "sizes": {"conv1": "64"}}'


@pytest.mark.parametrize(
    "content", [None, "", "[1]", '["sha256"]', "3", '{"name": "another"}', SIZES]
)
def test_a_folder_of_something_else_is_told(tmp_path, content):
    if content is not None:
        (tmp_path / "sweep.json").write_text(content, encoding="utf-8")
    with pytest.raises(
        InputError, match=r"not the folder of a sweep \(it has no readable sweep.js"
    ):
        read_saved(tmp_path)


@pytest.mark.parametrize("content", ["", "[]", "null", "model: ["])
def test_a_config_that_says_nothing_is_told(swept, prober, tmp_path, content):
    folder = tmp_path / "copy"
    shutil.copytree(swept[0], folder)
    (folder / "config.yaml").write_text(content, encoding="utf-8")
    ended = prober("sweep", "--config", write(tmp_path), "--resume", folder)
    refused(ended, "not the folder of a sweep (it has no readable config.yaml)")


def test_what_is_missing_of_a_command_is_told_where_it_is_resumed(swept, prober):
    message = refused(prober("sweep", "--resume", swept[0]), "started with other settings")
    assert "grid.layers was" in message


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
