"""Checkpoints of safetensors."""

import pytest
from safetensors.torch import save_file

from prober.common.errors import InputError
from prober.subject.checkpoints.loading import load_weights
from tests.subject.checkpoints.saving import SmallCNN, prefixed


def test_safetensors(loaded):
    assert loaded(lambda cnn: cnn.state_dict(), "w.safetensors", save_file) == []
    assert loaded(lambda cnn: cnn.state_dict(), "w.pt", save_file) == []
    assert "'net.'" in loaded(lambda cnn: prefixed(cnn, "net."), "w.safetensors", save_file)[0]


@pytest.mark.parametrize("share", [0.001, 0.05, 0.5, 0.99])
def test_damaged_safetensors(tmp_path, share):
    path = tmp_path / "w.safetensors"
    save_file(SmallCNN().state_dict(), path)
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)] or b"x")
    with pytest.raises(InputError, match="truncated or no safetensors file"):
        load_weights(SmallCNN(), str(path))
