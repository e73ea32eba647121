import logging
import warnings

import pytest

from prober.common.quiet import LOGGERS, quiet_lightning


def remarks(caplog):
    """What comes through of a remark, a warning of Lightning's logger, and an error."""
    caplog.clear()
    logger = logging.getLogger("lightning.pytorch")
    for level in (logging.INFO, logging.WARNING, logging.ERROR):
        logger.log(level, "said")
    return [record.levelno for record in caplog.records]


def test_errors_alone_come_through_and_then_all_again(caplog):
    caplog.set_level(logging.INFO, "lightning.pytorch")
    levels = [logging.getLogger(name).level for name in LOGGERS]
    with quiet_lightning():
        assert remarks(caplog) == [logging.ERROR]
    assert remarks(caplog) == [logging.INFO, logging.WARNING, logging.ERROR]
    with pytest.raises(KeyError), quiet_lightning():
        raise KeyError
    assert [logging.getLogger(name).level for name in LOGGERS] == levels


@pytest.mark.parametrize("shown", [False, True])
def test_warnings_are_shown_only_if_they_were_asked_for(shown):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with quiet_lightning(warnings_shown=shown):
            warnings.warn("inside", stacklevel=1)
        warnings.warn("outside", stacklevel=1)
    said = [str(each.message) for each in caught]
    assert said == (["inside", "outside"] if shown else ["outside"])
