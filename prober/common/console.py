"""What is printed: on consoles of every kind, and where nobody reads it."""

import io
import os
import sys
from typing import Any, TextIO

from typing_extensions import override


def settle_console() -> None:
    """Lets nothing that is printed fail, whoever reads it.

    A console that lacks a character, `⚠` or `°` say, shows its code. What a reader no longer wants
    to read, as of `layers | head -1`, is dropped and no error: a run is made for its files, and
    ends as it would have. So it is where there is no console at all (`2>&-`).
    """
    sys.stdout, sys.stderr = _settled(sys.stdout), _settled(sys.stderr)


class _Forsaken(io.FileIO):
    """A file that may be a pipe: what is written after its reader has gone is dropped.

    Another failure, of a full disk say, is raised once: Python writes again as it ends.
    """

    @override
    def write(self, given: Any) -> int:
        try:
            return super().write(given)
        except OSError as error:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self.fileno())
            os.close(nowhere)
            if not isinstance(error, BrokenPipeError):
                raise
            return super().write(given)


def _settled(stream: TextIO | None) -> TextIO:
    if stream is None:  # Python found it closed
        return open(os.devnull, "w", encoding="utf-8")
    if not isinstance(stream, io.TextIOWrapper):
        return stream
    stream.reconfigure(errors="backslashreplace")
    raw = getattr(stream.buffer, "raw", stream.buffer)
    if not isinstance(raw, io.FileIO):  # no file of the system's, but a console of Windows, say
        return stream
    stream.flush()
    file = _Forsaken(raw.fileno(), "wb", closefd=False)
    return io.TextIOWrapper(
        io.BufferedWriter(file),
        encoding=stream.encoding,
        errors=stream.errors,
        line_buffering=stream.line_buffering,
        write_through=stream.write_through,
    )
