"""The processes of a sweep: who starts them, and what each of them does."""

import multiprocessing
import os
import pickle
import signal
import sys
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

import torch
from lightning.fabric import Fabric
from lightning.fabric.utilities.exceptions import MisconfigurationException
from torch.multiprocessing import ProcessExitedException, ProcessRaisedException, start_processes

from prober.common.console import settle_console
from prober.common.errors import InputError
from prober.common.interrupts import interrupts, no_interrupt_lost
from prober.common.quiet import quiet_lightning

T = TypeVar("T")

REFUSALS = (MisconfigurationException, ArithmeticError, RuntimeError, TypeError, ValueError)
"""What Lightning raises where there are no such devices."""


class Outcome(NamedTuple):
    """How the work of the processes ended.

    Attributes:
        interrupted: Whether Ctrl-C ended it.
        problem: What else ended it early, and what to do, as an unfinished sentence; None if
            nothing did.
    """

    interrupted: bool = False
    problem: str | None = None


Work = Callable[[torch.device, bool, Callable[[], bool]], Outcome]
"""What a process does: it is given its device, whether it is the first, and whether to stop."""


class CannotStart(Exception):
    """No process can be started, or be handed what it needs."""


class Processes:
    """The processes of a sweep, however they are started.

    Several run the command alike, started by torchrun, SLURM or Lightning; or one runs it, and
    works itself or starts others that do. Nothing is exchanged between those that work: they share
    the sweep's folder.

    Args:
        fabric: What knows of all that run the command.
        number: How many work on this machine.
        apart: Whether they are others than this one, which it starts.

    Attributes:
        device: What computes in this process.
        first: Whether this process writes and says what concerns all.
    """

    def __init__(self, fabric: Fabric, number: int, apart: bool = False) -> None:
        self.device = fabric.device
        self.first = fabric.global_rank == 0
        self.number = number
        self._fabric = fabric
        self._apart = apart

    def from_first(self, get: Callable[[], T]) -> T:
        """Returns what `get` returned in the first process."""
        value = get() if self.first else None
        shared: Any = self._fabric.broadcast(value)
        return shared

    def run(self, work: Work) -> Outcome:
        """Does the work, alone where no other can be started, and waits for all who do it."""
        if self._apart:
            for method in dict.fromkeys((start_method(), "spawn")):
                try:
                    return self._run_apart(work, method)
                except CannotStart as error:
                    reason = error
            print(f"No other process can be started ({reason}), so this one makes all pictures.")
        outcome = work(self.device, self.first, lambda: False)
        self._fabric.barrier()
        return outcome

    def _run_apart(self, work: Work, method: str) -> Outcome:
        """Does the work in processes of their own.

        Raises:
            CannotStart: There are none.
        """
        try:
            given: bytes | tuple[Work, torch.device] = (work, self.device)
            if method == "spawn":
                # Not torch's own pickler, which leaves tensors in memory that processes share, of
                # which a system may have little.
                given = pickle.dumps(given)
            context = multiprocessing.get_context(method)
            outcomes, stop = context.SimpleQueue(), context.Event()
            # Ctrl-C reaches all processes of a terminal. Those that are being started are deaf
            # to it, and find out by `stop`; this one only waits for the others.
            with interrupts(signal.SIG_IGN):
                started = start_processes(
                    _start, (given, outcomes, stop), self.number, join=False, start_method=method
                )
        except Exception as error:  # whatever a person's own CNN, or a system, has against it
            raise CannotStart(f"{type(error).__name__}: {error}") from error
        found: list[Outcome] = []
        try:
            with interrupts(lambda *_: stop.set()):
                # A process that says more than a pipe holds ends only once somebody has read it.
                while not started.join(timeout=0.1):
                    while not outcomes.empty():
                        found.append(outcomes.get())
        except (ProcessExitedException, ProcessRaisedException) as error:
            last = str(error).strip().splitlines()[-1]
            return Outcome(
                problem=f"a process of the sweep has died ({last}). What is finished is kept; go on"
            )
        while not outcomes.empty():
            found.append(outcomes.get())
        if len(found) < self.number:  # Ctrl-C came before one had begun
            found.append(Outcome(interrupted=True))
        return max(found, key=lambda each: (each.problem is not None, each.interrupted))

    def close(self) -> None:
        """Waits for the first process."""
        self._fabric.barrier()
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            torch.distributed.destroy_process_group()


def processes_for(accelerator: str, devices: Any, nodes: int, chunks: int) -> Processes:
    """Chooses how the processes of a sweep are started, and starts those that run it alike.

    Under torchrun or SLURM they run already, one for each device. Else a CPU's processes are
    started when there is work, and those of several GPUs run the command once more.

    Args:
        accelerator: `cpu`, `cuda`, ….
        devices: Processes on this machine, or its devices, as the Trainer takes them.
        nodes: Machines.
        chunks: How many pieces the work has.

    Raises:
        InputError: There are no such devices, or nothing tells where the other machines are.
    """
    if nodes > 1 and not {"SLURM_NTASKS", "MASTER_ADDR"} & os.environ.keys():
        raise InputError(
            f"trainer.num_nodes is {nodes}, and nothing tells where the other machines are: start "
            "the command on each of them with torchrun or SLURM."
        )
    try:
        if "TORCHELASTIC_RUN_ID" in os.environ:
            devices = int(os.environ["LOCAL_WORLD_SIZE"])
            nodes = int(os.environ["WORLD_SIZE"]) // devices
        elif nodes == 1 and "SLURM_NTASKS" not in os.environ:
            if accelerator == "cpu":
                number = max(1, min(devices, chunks))  # more would have nothing to do
                # Where processes are forked, this one must not have computed with several threads.
                apart = number > 1 or (devices > 1 and start_method() == "fork")
                return Processes(Fabric(accelerator="cpu", devices=1), number, apart)
            if devices in (1, "1"):
                return Processes(Fabric(accelerator=accelerator, devices=1), 1)
            if isinstance(devices, int):
                devices = min(devices, max(1, chunks))
        fabric = Fabric(accelerator=accelerator, devices=devices, num_nodes=nodes, strategy="ddp")
        fabric.launch()
        return Processes(fabric, max(1, fabric.world_size // nodes))
    except REFUSALS as error:
        raise InputError(
            f"trainer.devices is {devices}, trainer.num_nodes is {nodes} and trainer.accelerator "
            f"is {accelerator}, which cannot be: {error}"
        ) from error


def start_method() -> str:
    """Returns how processes are started here: `fork` or `spawn`.

    A forked one has everything that its parent has, at once; a spawned one imports it anew, which
    takes seconds. Linux alone can fork a process that has loaded the libraries which compute:
    Apple's do not survive it, and Windows knows no fork. Nor does CUDA, where a person's own CNN
    has started it, or where GPUs cannot be counted without it.
    """
    forks = sys.platform == "linux" and hasattr(os, "fork") and not torch.cuda.is_available()
    return "fork" if forks and "fork" in multiprocessing.get_all_start_methods() else "spawn"


def _start(index: int, given: bytes | tuple[Work, torch.device], outcomes: Any, stop: Any) -> None:
    """What a process does that was started here."""
    settle_console()
    with quiet_lightning(bool(sys.warnoptions)), no_interrupt_lost():
        work, device = pickle.loads(given) if isinstance(given, bytes) else given
        outcomes.put(work(device, index == 0, stop.is_set))
