import gc
import signal
import sys
import threading
import time
import weakref

import pytest

from prober.common.interrupts import no_interrupt_inside, no_interrupt_lost


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


def test_an_interrupt_waits_for_the_end_of_what_must_be_whole():
    done = []
    heard_by = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt), no_interrupt_inside():
        signal.raise_signal(signal.SIGINT)
        done.append("all of it")
    assert done
    assert signal.getsignal(signal.SIGINT) is heard_by


@pytest.mark.parametrize("deaf", [signal.SIG_IGN, lambda *_: None])
def test_where_nobody_hears_an_interrupt_none_comes_later(deaf):
    heard_by = signal.signal(signal.SIGINT, deaf)
    try:
        with no_interrupt_inside():
            signal.raise_signal(signal.SIGINT)
        assert signal.getsignal(signal.SIGINT) is deaf
    finally:
        signal.signal(signal.SIGINT, heard_by)


def test_what_must_be_whole_may_fail_or_be_in_another_thread():
    with pytest.raises(ValueError, match="of its own"), no_interrupt_inside():
        raise ValueError("of its own")
    done = []

    def work():
        with no_interrupt_inside():
            done.append("all of it")

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert done


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
