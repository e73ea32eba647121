"""Ctrl-C: who hears it, and that it is not lost."""

import signal
import sys
import threading
from _thread import interrupt_main
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from prober.common.replaced import replaced


@contextmanager
def interrupts(handler: Any) -> Iterator[None]:
    """While it is active, a handler of signals hears Ctrl-C.

    With `SIG_IGN` this process, and those that it starts meanwhile, are deaf to it; with
    `default_int_handler` it raises a KeyboardInterrupt, whatever their parent did with it.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # signals are the main thread's
        return
    before = signal.signal(signal.SIGINT, handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def no_interrupt_inside() -> Iterator[None]:
    """While it is active, a Ctrl-C waits: whoever hears it otherwise hears it as this ends."""
    usual = signal.getsignal(signal.SIGINT)
    if not callable(usual):  # nobody hears it, or something that is not Python's
        yield
        return
    heard: list[tuple[Any, ...]] = []
    with interrupts(lambda *of: heard.append(of)):
        yield
    if heard:
        usual(*heard[0])


@contextmanager
def no_interrupt_lost() -> Iterator[None]:
    """While it is active, a Ctrl-C that comes while Python clears something away is heard later.

    What is raised there, in the callback of a weak reference say, Python hands to a hook and then
    forgets.
    """
    before = sys.unraisablehook

    def again(lost: Any) -> None:
        if issubclass(lost.exc_type, KeyboardInterrupt):
            threading.Timer(0.05, interrupt_main).start()  # when what is cleared away is gone
        else:
            before(lost)

    with replaced(sys, "unraisablehook", again):
        yield
