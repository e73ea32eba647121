"""What goes wrong in other threads: TensorBoard writes its events in one of its own."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from prober.common.replaced import replaced


@contextmanager
def their_failures_raised() -> Iterator[None]:
    """Raises, at its end, that another thread could not read or write, instead of printing it.

    What ends the block itself comes first: a full disk fails both.

    Raises:
        OSError: That of the thread.
    """
    failures: list[OSError] = []
    before = threading.excepthook

    def keep(ended: threading.ExceptHookArgs) -> None:
        if isinstance(ended.exc_value, OSError):
            failures.append(ended.exc_value)
        else:
            before(ended)

    with replaced(threading, "excepthook", keep):
        yield
    if failures:
        raise failures[0]
