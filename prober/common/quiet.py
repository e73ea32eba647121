"""Silence of what speaks to developers."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

LOGGERS = ("lightning", "lightning.pytorch", "lightning.fabric")


@contextmanager
def quiet_lightning(warnings_shown: bool = False) -> Iterator[None]:
    """Keeps Lightning's remarks and Python's warnings off the screen, and then lets them in again.

    Args:
        warnings_shown: Whether warnings stay, because they were asked for, by `python -W` say.
    """
    levels = {logger: logger.level for logger in map(logging.getLogger, LOGGERS)}
    try:
        for logger in levels:
            logger.setLevel(logging.ERROR)
        with warnings.catch_warnings():
            if not warnings_shown:
                warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in levels.items():
            logger.setLevel(level)
