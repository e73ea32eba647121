import os

import pytest
import torch

from prober.common.errors import InputError
from prober.findings.on_cores import on_cores
from prober.sweep.engine import Stopped
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


@pytest.mark.parametrize("cores", [1, 2])
def test_what_a_piece_raises_is_raised_here(cores):
    def refuse(piece):
        raise InputError(f"{piece} cannot be.")

    with pytest.raises(InputError, match=r"^0 cannot be\.$"):
        on_cores(refuse, [0, 1], cores)


@forks
def test_a_process_that_dies_is_told():
    with pytest.raises(Stopped, match=r"has died.*; go on$"):
        on_cores(lambda piece: os._exit(1), [0, 1], 2)
