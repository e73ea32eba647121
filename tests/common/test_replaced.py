import sys

import pytest

from prober.common.replaced import replaced


def test_what_is_replaced_comes_back():
    original = sys.excepthook
    with pytest.raises(KeyError), replaced(sys, "excepthook", 3):
        assert sys.excepthook == 3
        raise KeyError
    assert sys.excepthook is original
