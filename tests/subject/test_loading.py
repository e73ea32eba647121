import io
import pickle
import random
import zipfile
from pathlib import Path

import pytest
import torch
from torch import nn

from prober.errors import InputError
from prober.subject import Subject
from prober.subject.loading import load_weights, read_state_dict
from prober.subject.reference import ReferenceCNN

from ..plain import FOLDER

BIASED = FOLDER / "biased.pt"


def saved(thing, **kwargs):
    file = io.BytesIO()
    torch.save(thing, file, **kwargs)
    return file.getvalue()


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


def test_loads_every_weight():
    cnn = ReferenceCNN()
    load_weights(cnn, str(BIASED))
    state = torch.load(BIASED, weights_only=True)
    assert set(state) == set(cnn.state_dict())
    assert all(torch.equal(value, state[key]) for key, value in cnn.state_dict().items())


@pytest.mark.parametrize("kwargs", [{}, {"_use_new_zipfile_serialization": False}])
def test_loads_both_formats_of_torch(tmp_path, kwargs):
    state = nn.Linear(3, 2).state_dict()
    (tmp_path / "weights.pt").write_bytes(saved(state, **kwargs))
    loaded = read_state_dict(str(tmp_path / "weights.pt"))
    assert list(loaded) == ["weight", "bias"]
    assert all(torch.equal(loaded[key], state[key]) for key in state)


def test_relative_path_is_looked_up_in_the_working_directory_then_in_the_project(
    tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    name = "prober/subject/reference/biased.pt"
    shipped = read_state_dict(name)
    assert torch.equal(shipped["conv1.bias"], torch.load(BIASED, weights_only=True)["conv1.bias"])

    (tmp_path / name).parent.mkdir(parents=True)
    torch.save({"own": torch.ones(1)}, tmp_path / name)
    assert list(read_state_dict(name)) == ["own"]


def test_path_in_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    torch.save({"own": torch.ones(1)}, tmp_path / "own.pt")
    assert list(read_state_dict("~/own.pt")) == ["own"]


@pytest.mark.parametrize("kind", ["missing", "folder"])
def test_missing_file_names_where_it_was_looked_for(tmp_path, monkeypatch, kind):
    monkeypatch.chdir(tmp_path)
    if kind == "folder":
        (tmp_path / "nowhere.pt").mkdir()
    with pytest.raises(InputError, match=r"'nowhere\.pt' is not a file") as raised:
        load_weights(ReferenceCNN(), "nowhere.pt")
    assert f"'{tmp_path}'" in str(raised.value)
    assert f"'{FOLDER.parents[2]}'" in str(raised.value)


def test_empty_file(refused):
    assert "is empty" in refused(b"")


@pytest.mark.parametrize("share", [0.0005, 0.01, 0.1, 0.5, 0.9, 0.999])
def test_truncated_file(refused, share):
    whole = BIASED.read_bytes()
    message = refused(whole[: int(len(whole) * share)])
    assert "truncated" in message or "damaged" in message


def test_truncated_anywhere_or_of_any_bytes(refused):
    small = nn.Linear(3, 2).state_dict()
    wholes = [
        BIASED.read_bytes(),
        saved(small, _use_new_zipfile_serialization=False),
        pickle.dumps({"weight": [1, 2], "bias": None}),
    ]
    draw = random.Random(0)
    for whole in wholes:
        for _ in range(60):
            refused(whole[: draw.randrange(1, len(whole))])
            refused(whole[: draw.randrange(1, 300)])
    for _ in range(100):
        refused(draw.randbytes(draw.randrange(1, 300)))


def test_damaged_bytes_are_refused_or_load_but_never_raise_anything_else(tmp_path):
    draw = random.Random(0)
    path = tmp_path / "weights.pt"
    state = nn.Linear(3, 2).state_dict()
    refusals = 0
    for whole in (saved(state), saved(state, _use_new_zipfile_serialization=False)):
        for _ in range(150):
            damaged = bytearray(whole)
            for _ in range(draw.choice((1, 3, 20))):
                damaged[draw.randrange(len(damaged))] = draw.randrange(256)
            path.write_bytes(damaged)
            try:
                load_weights(nn.Linear(3, 2), str(path))
            except InputError:
                refusals += 1
    assert refusals > 50


class OtherCNN(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 3)
        self.stem = nn.Conv2d(16, 4, 3)


def test_another_architecture_names_the_keys(refused):
    message = refused(saved(OtherCNN().state_dict()))
    missing, unexpected = message.split("missing: ")[1].split("unexpected: ")
    assert "ReferenceCNN" in message
    for key in ("conv2.weight", "conv3.bias", "classifier.weight"):
        assert key in missing
    assert "conv1.weight" not in missing
    for key in ("stem.weight", "stem.bias"):
        assert key in unexpected


def test_of_very_many_keys_only_some_are_named(refused):
    message = refused(saved({f"layer{i}.weight": torch.zeros(1) for i in range(500)}))
    assert "and 492 more" in message
    assert len(message) < 1000


def test_wrong_shape_names_key_and_both_shapes(refused):
    state = torch.load(BIASED, weights_only=True)
    state["conv2.weight"] = torch.zeros(32, 16, 5, 5)
    message = refused(saved(state))
    assert "conv2.weight [32, 16, 5, 5] instead of [32, 16, 3, 3]" in message
    assert "conv1.weight" not in message


class RunsCode:
    """Writes a file when it is unpickled by an ordinary pickle."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.write_text, (self.path, "gotcha")


@pytest.mark.parametrize("form", ["pickle", "torch", "torch, old format", "inside a state dict"])
def test_code_in_a_checkpoint_is_not_run(refused, tmp_path, form):
    trap = tmp_path / "trap"
    malicious = {
        "pickle": lambda: pickle.dumps(RunsCode(trap)),
        "torch": lambda: saved(RunsCode(trap)),
        "torch, old format": lambda: saved(RunsCode(trap), _use_new_zipfile_serialization=False),
        "inside a state dict": lambda: saved(
            {**torch.load(BIASED, weights_only=True), "conv1.bias": RunsCode(trap)}
        ),
    }[form]()
    message = refused(malicious)
    assert "holds more than weights" in message
    assert "torch.save(model.state_dict(), 'weights.pt')" in message
    assert not trap.exists()

    # The trap is a real one.
    if form == "pickle":
        pickle.loads(malicious)
    else:
        torch.load(io.BytesIO(malicious), weights_only=False)
    assert trap.read_text() == "gotcha"


def test_pickled_module_is_refused(refused):
    message = refused(saved(ReferenceCNN()))
    assert "state_dict()" in message


@pytest.mark.parametrize(
    "thing",
    [
        torch.zeros(3),
        [torch.zeros(3)],
        {"state_dict": {"conv1.bias": torch.zeros(16)}, "epoch": 3},
        {"conv1.bias": [0.0] * 16},
        {0: torch.zeros(3), 1: torch.zeros(3)},
    ],
    ids=["tensor", "list", "training checkpoint", "lists", "numbered"],
)
def test_what_is_no_state_dict_is_told(refused, thing):
    assert "is no state dict (names with tensors)" in refused(saved(thing))


def test_file_of_another_kind_is_told(refused):
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("notes.txt", "hello")
    for content in (b"\x89PNG\r\n\x1a\n" + bytes(100), b"hello, I am text\n", archive.getvalue()):
        message = refused(content)
        assert "cannot be read" in message or "is damaged" in message


def test_subject_takes_its_weights_from_the_checkpoint(tmp_path):
    torch.manual_seed(3)
    donor = nn.Conv2d(3, 2, 3)
    torch.save(donor.state_dict(), tmp_path / "donor.weights.pt")
    subject = Subject(nn.Conv2d(3, 2, 3), str(tmp_path / "donor.weights.pt"))
    assert torch.equal(subject.cnn.weight, donor.weight)
    assert subject.name == "Conv2d (donor.weights)"
    assert subject.checkpoint == str(tmp_path / "donor.weights.pt")
