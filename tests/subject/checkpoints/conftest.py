import pytest
import torch

from prober.common.errors import InputError
from prober.subject.checkpoints.loading import load_weights
from prober.subject.reference import ReferenceCNN
from tests.subject.checkpoints.archives import export, network
from tests.subject.checkpoints.saving import SmallCNN


@pytest.fixture
def refused(tmp_path):
    """Loads bytes into a reference CNN, which must be refused and must change nothing."""

    def load(content):
        path = tmp_path / "weights.pt"
        path.write_bytes(content)
        cnn = ReferenceCNN()
        before = {key: value.clone() for key, value in cnn.state_dict().items()}
        with pytest.raises(InputError) as raised:
            load_weights(cnn, str(path))
        assert all(torch.equal(value, before[key]) for key, value in cnn.state_dict().items())
        assert str(path) in str(raised.value)
        return str(raised.value)

    return load


@pytest.fixture
def loaded(tmp_path):
    """Saves a checkpoint, loads it into a fresh CNN, compares, and returns what is to be said."""

    def check(make, name="weights.pt", save=torch.save):
        donor, cnn = SmallCNN(), SmallCNN()
        for value in donor.state_dict().values():
            value.add_(1)
        content = make(donor)
        if content is not None:
            save(content, tmp_path / name)
        notes = load_weights(cnn, str(tmp_path / name))
        expected = donor.state_dict()
        assert all(torch.equal(value, expected[key]) for key, value in cnn.state_dict().items())
        return notes

    return check


@pytest.fixture(scope="session")
def archive(tmp_path_factory):
    return export(network(), tmp_path_factory.mktemp("archive") / "net.pt2")


@pytest.fixture(scope="session")
def dynamic(tmp_path_factory):
    return export(network(), tmp_path_factory.mktemp("archive") / "net.pt2", 2, [0, 2, 3])
