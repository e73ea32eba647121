import importlib.util
import sys

import pytest

from prober.common.errors import InputError
from prober.subject import Subject
from tests.cnns import small

MISSING = importlib.util.find_spec("onnx2torch") is None


def test_without_its_package_an_onnx_file_is_told_with_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx2torch", None)
    (tmp_path / "net.onnx").write_bytes(b"\x08\x07")
    with pytest.raises(InputError, match=r"is an ONNX file.*pip install onnx2torch onnx"):
        Subject(checkpoint=str(tmp_path / "net.onnx"))


def test_an_onnx_file_is_no_checkpoint_of_another_cnn(tmp_path):
    (tmp_path / "net.onnx").write_bytes(b"\x08\x07")

    with pytest.raises(InputError, match="ONNX file, which is a CNN by itself"):
        Subject(small(), str(tmp_path / "net.onnx"))


@pytest.mark.skipif(MISSING, reason="onnx2torch is not installed")
def test_a_damaged_onnx_file_is_told(tmp_path):
    (tmp_path / "net.onnx").write_bytes(b"no net")
    with pytest.raises(InputError, match="onnx2torch cannot make a CNN of"):
        Subject(checkpoint=str(tmp_path / "net.onnx"))
