import numpy as np
import pytest
import torch
from torch import nn

from prober.common.errors import InputError
from prober.subject import Subject
from prober.subject.checkpoints import loading
from prober.subject.checkpoints.format import Content, Format


class Arrays(Format):
    """Arrays by name, under an ending that nobody has: a format that is not known."""

    def recognizes(self, path):
        return path.suffix == ".arrays"

    def read(self, path):
        with np.load(path) as arrays:
            return Content({name: torch.from_numpy(array) for name, array in arrays.items()})


def save(path, cnn, *names):
    with path.open("wb") as file:
        np.savez(file, **{name: cnn.state_dict()[name].numpy() for name in names})


def test_a_format_is_one_class_and_one_line(tmp_path, monkeypatch):
    torch.manual_seed(0)
    donor, cnn = nn.Conv2d(3, 4, 3), nn.Conv2d(3, 4, 3)
    path = tmp_path / "donor.arrays"
    save(path, donor, "weight", "bias")
    monkeypatch.setattr(loading, "FORMATS", (Arrays(), *loading.FORMATS))
    subject = Subject(cnn, checkpoint=str(path))
    assert torch.equal(subject.cnn.weight, donor.weight)
    assert subject.sha256 == Subject(donor).sha256
    save(path, donor, "weight")
    with pytest.raises(InputError, match=r"does not fit Conv2d: missing: bias"):
        Subject(cnn, checkpoint=str(path))
