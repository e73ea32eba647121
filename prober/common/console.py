"""What is printed, on consoles of every kind."""

import io
import sys


def forgive_code_pages() -> None:
    """Lets a console that lacks a character, `⚠` or `°` say, show its code instead of failing."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
