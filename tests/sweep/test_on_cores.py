import multiprocessing
import os
import signal
import subprocess
import sys
import time

import pytest
import torch

from prober.common.errors import InputError
from prober.sweep.engine import Stopped
from prober.sweep.on_cores import on_cores
from prober.sweep.processes import start_method

forks = pytest.mark.skipif(start_method() != "fork", reason="no process is forked here")


@pytest.mark.parametrize("cores", [1, 2, 5])
def test_results_come_in_the_order_of_their_pieces(cores):
    offset = torch.tensor(10.0)  # a closure has what is here
    found = on_cores(lambda piece: (piece, piece + offset), list(range(4)), cores)
    assert found == [(piece, torch.tensor(piece + 10.0)) for piece in range(4)]
    assert on_cores(lambda piece: piece, [], cores) == []


@forks
def test_pieces_are_done_in_processes_of_their_own():
    found = on_cores(lambda piece: (os.getpid(), torch.get_num_threads()), list(range(4)), 2)
    assert os.getpid() not in {process for process, _ in found}
    assert {threads for _, threads in found} == {1}


@pytest.mark.parametrize("cores", [1, 2])
def test_what_a_piece_raises_is_raised_here(cores):
    def refuse(piece):
        raise InputError(f"{piece} cannot be.")

    with pytest.raises(InputError, match=r"^[01] cannot be\.$"):
        on_cores(refuse, [0, 1], cores)


@forks
@pytest.mark.parametrize("failing", [0, 2, 8])
def test_a_failure_is_told_at_once_and_the_others_are_given_up(failing, tmp_path):
    def do(piece):
        (tmp_path / f"{piece} begun").touch()
        if piece == failing:
            raise InputError(f"{piece} cannot be.")
        time.sleep(0.1 if piece > failing else 60)
        (tmp_path / f"{piece} done").touch()

    begun = time.monotonic()
    with pytest.raises(InputError, match=rf"^{failing} cannot be\.$"):
        on_cores(do, list(range(9)), 2)
    assert time.monotonic() - begun < 30
    assert not multiprocessing.active_children()
    left = {f"{piece} {what}" for piece in range(failing) for what in ("begun", "done")}
    found = {file.name for file in tmp_path.iterdir()}
    assert len(found & left) <= 2  # the one beside it, and one that came when it had failed


@forks
def test_ctrl_c_gives_all_pieces_up():
    def do(piece):
        if piece == 3:
            time.sleep(1)  # until all are handed over
            os.kill(os.getppid(), signal.SIGINT)
        time.sleep(60)

    begun = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        on_cores(do, list(range(4)), 2)
    assert time.monotonic() - begun < 30
    assert not multiprocessing.active_children()


@forks
def test_a_process_that_dies_is_told():
    with pytest.raises(Stopped, match=r"has died.*; go on$"):
        on_cores(lambda piece: os._exit(1), [0, 1], 2)


WAITING = """
import os, time
from prober.sweep.on_cores import on_cores

def wait(piece):
    os.write(1, b"begun\\n")
    time.sleep(120)

on_cores(wait, [0, 1], 2)
"""


@forks
@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGTERM])
def test_no_process_outlives_the_one_that_started_it(sent):
    """They would wait for more pieces for ever, and keep a caller waiting who reads the output."""
    with subprocess.Popen([sys.executable, "-c", WAITING], stdout=subprocess.PIPE) as started:
        for _ in range(2):
            assert started.stdout.readline() == b"begun\n"
        started.send_signal(sent)
        began = time.monotonic()
        assert started.stdout.read() == b""  # ends once nobody can write any more
        assert time.monotonic() - began < 60
