"""The processes of a sweep: as many as one likes, the same bits, and what becomes of them."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading

import numpy as np
import pytest
import torch

from prober.ascent.method import Method
from prober.common.errors import InputError
from prober.subject import Subject
from prober.sweep.engine import make_chunks
from prober.sweep.optimize import Settings
from prober.sweep.processes import (
    Outcome,
    processes_for,
    start_method,
)
from prober.sweep.store import Store
from tests import elsewhere
from tests.command_line import CTRL_C, ROOT, run
from tests.sweep.sweeps import arrays_of, records_of, same, start_until_a_chunk_is_done, write

CPU = torch.device("cpu")

LOCAL = """
from torch import nn


def made():
    class Local(nn.Sequential):
        '''A class that no other process can find.'''

    return Local(nn.Conv2d(3, 2, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())
"""


def free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


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


@CTRL_C
def test_ctrl_c_keeps_what_is_finished(tmp_path):
    config = write(tmp_path, trainer={"max_steps": 300})
    process, children, folder = start_until_a_chunk_is_done(config, tmp_path)
    for each in [*children, process]:
        each.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "Traceback" not in err and f"--resume {folder.relative_to(tmp_path)}" in out
    kept = records_of(folder)
    assert 0 < len(kept) < 14 and all(r["status"] == "finished" for r in kept)
    assert (folder / "sheets").is_dir()


def test_a_process_that_dies_is_told(tmp_path):
    config = write(tmp_path, trainer={"max_steps": 300})
    process, children, folder = start_until_a_chunk_is_done(config, tmp_path)
    children[1].kill()
    _, err = process.communicate(timeout=60)
    assert process.returncode == 2 and "Traceback" not in err
    assert "has died" in err and f"--resume {folder.relative_to(tmp_path)}" in err


def says(device, first, stop):
    return Outcome(problem=f"{device} {stop()}" if first else None)


def fails(device, first, stop):
    raise ZeroDivisionError("nothing to divide by")


def says_much(device, first, stop):
    return Outcome(problem=f"{'much ' * 100_000}of {first}" if first else None)


def is_interrupted(device, first, stop):
    return Outcome(interrupted=not first)


def test_beside_a_gpu_that_cannot_be_hidden_no_process_is_forked(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert start_method() == "spawn"


@pytest.fixture(params=sorted({start_method(), "spawn"}))
def method(request, monkeypatch):
    monkeypatch.setattr("prober.sweep.processes.start_method", lambda: request.param)


def test_each_of_several_processes_does_the_work():
    assert processes_for("cpu", 2, 1, 2).run(says) == Outcome(problem="cpu False")


def test_an_interrupted_process_is_told(method):
    assert processes_for("cpu", 2, 1, 2).run(is_interrupted) == Outcome(interrupted=True)


def test_a_process_that_fails_is_told(method):
    outcome = processes_for("cpu", 2, 1, 2).run(fails)
    assert "a process of the sweep has died (ZeroDivisionError: nothing to" in outcome.problem


def test_what_does_not_fit_into_a_pipe_is_heard(method):
    outcome = processes_for("cpu", 2, 1, 2).run(says_much)
    assert outcome.problem == "much " * 100_000 + "of True"


def test_where_forks_fail_processes_are_spawned(monkeypatch):
    def fork():
        raise OSError("this system cannot fork")

    monkeypatch.setattr(os, "fork", fork, raising=False)
    assert processes_for("cpu", 2, 1, 2).run(says) == Outcome(problem="cpu False")


def test_one_alone_works_itself():
    assert processes_for("cpu", 1, 1, 2).run(lambda *_: Outcome(True)) == Outcome(True)


@pytest.mark.parametrize(
    ("devices", "chunks", "expected"), [(1, 9, 1), (4, 9, 4), (4, 2, 2), (4, 0, 1)]
)
def test_no_more_processes_than_chunks(devices, chunks, expected):
    processes = processes_for("cpu", devices, 1, chunks)
    assert (processes.number, processes.first, processes.device) == (expected, True, CPU)


def test_devices_that_are_not_there_are_told():
    with pytest.raises(InputError, match=r"trainer\.devices is 3"):
        processes_for("cuda", 3, 1, 9)


def test_machines_that_nobody_can_find_are_told(monkeypatch):
    for name in ("MASTER_ADDR", "SLURM_NTASKS"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(InputError, match=r"num_nodes is 2, .*with torchrun or SLURM"):
        processes_for("cpu", 2, 2, 9)


def test_a_cnn_that_cannot_be_handed_over_is_probed_by_one_process(tmp_path):
    (tmp_path / "local.py").write_text(LOCAL, encoding="utf-8")
    (tmp_path / "lacking").mkdir()
    options = ["--model.subject.cnn", "local.made", "--model.subject.input_shape", "[3, 8, 8]"]
    grid = ["--grid.layers", "0", "--grid.seeds", "2", "--chunk_size", "2"]
    steps = ["--trainer.max_steps", "3", "--trainer.devices", "2"]
    command = ("sweep", *options, *grid, *steps)
    ended = elsewhere.run(ROOT / "main.py", *command, cwd=tmp_path, folder=tmp_path / "lacking")
    assert ended.returncode == 0, ended.stderr
    assert "No other process can be started (" in ended.stdout
    assert "so this one makes all pictures" in ended.stdout and "4 of 4 targets" in ended.stdout
    folder = tmp_path / "lightning_logs" / "sweep_0" / "version_0"
    records = (folder / "records.jsonl").read_text(encoding="utf-8").splitlines()
    for record in map(json.loads, records):
        assert np.load(folder / f"{record['stem']}.npy").shape == (3, 8, 8)


@pytest.mark.parametrize(("first", "waits"), [(True, True), (False, False)])
def test_the_process_with_the_bar_ends_when_the_others_have(tmp_path, first, waits):
    store = Store(tmp_path, [[]])
    (tmp_path / "chunks").mkdir()
    assert store.claim(0)  # as another process does
    settings = Settings(Method(), 50, {"max_steps": 50}, threads=1, progress=False)
    released = threading.Timer(0.5, store.release, [0])
    released.start()
    make_chunks(Subject(), store, settings, CPU, first, lambda: False)
    assert store.in_hand() is not waits
    released.join()
