"""Work on as many cores as there are: pieces that need nothing of each other."""

import multiprocessing
import os
import pickle
import signal
import threading
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from typing import Any, TypeVar

import torch

from prober.common.interrupts import interrupts
from prober.sweep.engine import Stopped
from prober.sweep.processes import start_method

Piece = TypeVar("Piece")
Result = TypeVar("Result")

_function: Callable[[Any], Any] | None = None
"""In a process that does pieces: what is done with each."""


def on_cores(function: Callable[[Piece], Result], pieces: list[Piece], cores: int) -> list[Result]:
    """Does something with each of many pieces, in forked processes where there are such.

    What comes of a piece does not depend on how many processes there are.

    Args:
        function: What is done. Its processes have all that this one has, so it may be a closure;
            what it changes in memory is lost.
        pieces: The pieces. The last ones are begun first: they are of the deepest layers, cost the
            most, and would else keep one core busy when the others have nothing left.
        cores: How many processes there may be.

    Returns:
        What the function returned for each, in order.

    Raises:
        Stopped: A process has died.
        Exception: What the function has raised for a piece, the first of which that happens. The
            other pieces, those that are begun too, are then given up; so they are at Ctrl-C.
    """
    cores = min(cores, len(pieces))
    if cores < 2 or start_method() != "fork":
        return [function(piece) for piece in pieces]
    others = multiprocessing.active_children()
    pool = ProcessPoolExecutor(
        cores, multiprocessing.get_context("fork"), initializer=_begin, initargs=(function,)
    )
    try:
        with interrupts(signal.SIG_IGN):  # this process alone hears them, and ends the others
            try:
                begun = [pool.submit(_do, piece) for piece in pieces[::-1]]
            except OSError:  # no process can be started
                return [function(piece) for piece in pieces]
        for each in as_completed(begun):
            each.result()  # raises at once what a piece has raised
        return [pickle.loads(each.result()) for each in begun[::-1]]
    except BrokenProcessPool as error:
        raise Stopped(
            "A process has died, for want of memory perhaps. What is finished is kept; go on"
        ) from error
    except BaseException:
        for process in multiprocessing.active_children():
            if process not in others:
                process.terminate()
        raise
    finally:
        pool.shutdown(cancel_futures=True)


def _begin(function: Callable[[Any], Any]) -> None:
    global _function
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    torch.set_num_threads(1)  # threads that the parent had are not forked, and would be waited for
    _function = function


def _end_with_parent() -> None:
    """Ends this process once the one that has started it is gone, and nobody waits for it."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def _do(piece: Any) -> bytes:
    """Returns the result as bytes: torch's own pickler would leave its tensors in shared memory."""
    assert _function is not None
    return pickle.dumps(_function(piece))
