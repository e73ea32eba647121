"""The processes of a sweep: as many as one likes, the same bits, and what becomes of them."""

import os
import signal
import socket
import subprocess
import sys

from tests.command_line import ROOT, run
from tests.sweep.sweeps import arrays_of, records_of, same, start_until_a_chunk_is_done, write


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
