import gc
import signal
import sys
import time
import weakref

import pytest

from prober.common.interrupts import no_interrupt_lost


class Thing:
    pass


def interrupted_while_cleared_away():
    """Ctrl-C in the callback of a weak reference, where Python forgets what is raised."""
    thing = Thing()
    reference = weakref.ref(thing, lambda _: signal.raise_signal(signal.SIGINT))
    del thing
    gc.collect()
    assert reference() is None


def test_an_interrupt_that_python_forgets_comes_again():
    hook = sys.unraisablehook
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt), no_interrupt_lost():
        interrupted_while_cleared_away()
        while time.monotonic() < began + 20:
            time.sleep(0.01)
    assert time.monotonic() < began + 10
    assert sys.unraisablehook is hook


def test_what_else_python_forgets_goes_on_to_whoever_heard_it_before(monkeypatch):
    heard = []
    monkeypatch.setattr(sys, "unraisablehook", heard.append)

    def fail(_):
        raise ValueError("of no use")

    with no_interrupt_lost():
        thing = Thing()
        reference = weakref.ref(thing, fail)
        del thing
        gc.collect()
    assert reference() is None
    assert [each.exc_type for each in heard] == [ValueError]
