import io
import zipfile
from pathlib import Path

import pytest
import torch
from torch import nn

from prober.common.errors import InputError
from prober.subject import Subject
from prober.subject.checkpoints.loading import load_weights
from prober.subject.reference import ReferenceCNN
from tests.plain import FOLDER
from tests.subject.checkpoints.saving import BIASED, SmallCNN, prefixed, saved


def test_loads_every_weight():
    cnn = ReferenceCNN()
    load_weights(cnn, str(BIASED))
    state = torch.load(BIASED, weights_only=True)
    assert set(state) == set(cnn.state_dict())
    assert all(torch.equal(value, state[key]) for key, value in cnn.state_dict().items())


def test_relative_path_is_looked_up_in_the_working_directory_then_in_the_project(
    tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    name = "prober/subject/reference/biased.pt"
    cnn = ReferenceCNN()
    load_weights(cnn, name)
    shipped = torch.load(BIASED, weights_only=True)
    assert torch.equal(cnn.conv1.bias, shipped["conv1.bias"])

    (tmp_path / name).parent.mkdir(parents=True)
    torch.save({**shipped, "conv1.bias": torch.ones(16)}, tmp_path / name)
    load_weights(cnn, name)
    assert torch.equal(cnn.conv1.bias, torch.ones(16))


def test_path_in_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    donor, cnn = nn.Linear(3, 2), nn.Linear(3, 2)
    torch.save(donor.state_dict(), tmp_path / "own.pt")
    load_weights(cnn, "~/own.pt")
    assert torch.equal(cnn.weight, donor.weight)


@pytest.mark.parametrize("kind", ["missing", "folder"])
def test_missing_file_names_where_it_was_looked_for(tmp_path, monkeypatch, kind):
    monkeypatch.chdir(tmp_path)
    if kind == "folder":
        (tmp_path / "nowhere.pt").mkdir()
    with pytest.raises(InputError, match=r"'nowhere\.pt' is not a file") as raised:
        load_weights(ReferenceCNN(), "nowhere.pt")
    assert f"'{tmp_path}'" in str(raised.value)
    assert f"'{FOLDER.parents[2]}'" in str(raised.value)


class OtherCNN(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 3)
        self.stem = nn.Conv2d(16, 4, 3)


def zipped(name, content):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(name, content)
    return file.getvalue()


def reference_with(**changed):
    return {**torch.load(BIASED, weights_only=True), **changed}


NO_STATE_DICT = "is no state dict (names with tensors)"


REFUSED = {
    # what is saved, or the bytes; what is said in this order; what is not said
    "an empty file": (b"", ["is empty"], []),
    "a picture": (b"\x89PNG\r\n\x1a\n" + bytes(100), ["is damaged"], []),
    "text": (b"hello, I am text\n", ["cannot be read"], []),
    "an archive of text": (zipped("notes.txt", "hello"), ["cannot be read"], []),
    "a pickled module": (ReferenceCNN(), ["state_dict()"], []),
    "another architecture": (
        OtherCNN().state_dict(),
        [
            "ReferenceCNN",
            "missing: ",
            "conv2.weight",
            "conv3.bias",
            "classifier.weight",
            "unexpected: ",
            "stem.weight",
            "stem.bias",
        ],
        ["conv1.weight"],
    ),
    "very many keys": (
        {f"layer{i}.weight": torch.zeros(1) for i in range(500)},
        ["and 492 more"],
        ["layer400"],
    ),
    "a wrong shape": (
        reference_with(**{"conv2.weight": torch.zeros(32, 16, 5, 5)}),
        ["conv2.weight [32, 16, 5, 5] instead of [32, 16, 3, 3]"],
        ["conv1.weight"],
    ),
    "weights of something else": (
        {"state_dict": {"loss.weight": torch.ones(2)}, "lr": Path("x")},
        ["does not fit ReferenceCNN (its 'state_dict'): missing: conv1.weight"],
        [],
    ),
    "a tensor": (torch.zeros(3), [NO_STATE_DICT], []),
    "a list": ([torch.zeros(3)], [NO_STATE_DICT], []),
    "a training without weights": ({"state_dict": {}, "epoch": 3}, [NO_STATE_DICT], []),
    "lists": ({"conv1.bias": [0.0] * 16}, [NO_STATE_DICT], []),
    "numbered tensors": ({0: torch.zeros(3), 1: torch.zeros(3)}, [NO_STATE_DICT], []),
}


@pytest.mark.parametrize(("content", "said", "unsaid"), REFUSED.values(), ids=REFUSED)
def test_what_does_not_fit_is_told(refused, content, said, unsaid):
    message = refused(content if isinstance(content, bytes) else saved(content))
    rest = message
    for words in said:
        assert words in rest
        rest = rest.split(words, 1)[1]
    assert not [words for words in unsaid if words in message]
    assert len(message) < 1000


def test_subject_takes_its_weights_from_the_checkpoint(tmp_path):
    torch.manual_seed(3)
    donor = nn.Conv2d(3, 2, 3)
    torch.save(donor.state_dict(), tmp_path / "donor.weights.pt")
    subject = Subject(nn.Conv2d(3, 2, 3), str(tmp_path / "donor.weights.pt"))
    assert torch.equal(subject.cnn.weight, donor.weight)
    assert subject.name == "Conv2d (donor.weights)"
    assert subject.checkpoint == str(tmp_path / "donor.weights.pt")


@pytest.mark.parametrize(
    "prefix",
    ["module.", "model.", "_orig_mod.", "net.backbone.", "model._orig_mod.module.", "a.1."],
)
def test_prefix_is_found_and_said(loaded, prefix):
    notes = loaded(lambda cnn: prefixed(cnn, prefix))
    assert notes == [
        f"The CNN's weights are the tensors of 'weights.pt' whose names start with '{prefix}'."
    ]


@pytest.mark.parametrize(("wrapper", "prefix"), [("_orig_mod", ""), ("module", "model.")])
def test_wrappers_in_the_middle_of_names_are_left_out(loaded, wrapper, prefix):
    def make(cnn):
        state = prefixed(cnn, prefix)
        return {
            name.replace("features.0", f"features.{wrapper}.0"): value
            for name, value in state.items()
        }

    notes = loaded(make)
    assert f"'{wrapper}.' within the names of 'weights.pt' is left out." in notes
    assert any(prefix and prefix in note for note in notes) == bool(prefix)


def test_what_lies_beside_the_prefix_is_said_and_not_used(loaded):
    def make(cnn):
        return {**prefixed(cnn, "net."), "loss.weight": torch.ones(2), "ema": torch.ones(1)}

    assert loaded(make)[1] == "2 other tensors are not used: loss.weight, ema."


@pytest.mark.parametrize("place", ["model", "state_dict", "model_state_dict", "ema.weights"])
def test_weights_within_the_checkpoint_of_a_training(loaded, place):
    def make(cnn):
        optimizer = torch.optim.Adam(cnn.parameters())
        cnn(torch.ones(2, 3, 8, 8)).sum().backward()
        optimizer.step()
        content = cnn.state_dict()
        for key in reversed(place.split(".")):
            content = {key: content}
        return {"epoch": 3, "optimizer": optimizer.state_dict(), **content}

    assert loaded(make) == [f"The CNN's weights are the tensors in '{place}' of 'weights.pt'."]


def test_of_several_weights_that_fit_the_first_are_used_and_the_others_said(loaded):
    def make(cnn):
        return {"model": cnn.state_dict(), "ema": SmallCNN().state_dict()}

    notes = loaded(make)
    assert "'model'" in notes[0]
    assert notes[1] == "Other weights that fit are not used: 'ema'; checkpoint_key takes them."


def test_of_several_weights_others_can_be_named(tmp_path):
    sets = {name: SmallCNN() for name in ("plain", "ema", "flat", "deep")}
    content = {
        "model": sets["plain"].state_dict(),
        "model_ema": {"module": sets["ema"].state_dict(), "decay": 0.99},
        "state_dict": prefixed(sets["flat"], "ema_net.") | prefixed(sets["deep"], "net."),
    }
    torch.save(content, tmp_path / "all.pt")
    named = {
        **{"model": "plain", "model_ema": "ema", "model_ema.module": "ema", "ema_net": "flat"},
        **{"state_dict.ema_net": "flat", "net.": "deep"},
    }
    for key, which in named.items():
        subject = Subject(
            SmallCNN(), str(tmp_path / "all.pt"), input_shape=(3, 8, 8), checkpoint_key=key
        )
        assert torch.equal(subject.cnn.head.weight, sets[which].head.weight), key
        assert "The CNN's weights are the tensors" in subject.notes[0]
    with pytest.raises(InputError, match=r"no weights at 'ema_module'.*'?model"):
        load_weights(SmallCNN(), str(tmp_path / "all.pt"), "ema_module")


def test_batches_that_were_not_counted_are_no_fault(tmp_path):
    donor, cnn = SmallCNN(), SmallCNN()
    state = donor.state_dict()
    del state["features.1.num_batches_tracked"]
    torch.save(state, tmp_path / "old.pt")
    assert load_weights(cnn, str(tmp_path / "old.pt")) == []
    assert torch.equal(cnn.head.weight, donor.head.weight)


def test_misfit_is_told_of_the_part_that_fits_best(tmp_path):
    state = prefixed(SmallCNN(), "net.")
    state["net.head.weight"] = torch.zeros(7, 4)
    del state["net.features.0.bias"]
    state["net.extra.weight"] = torch.zeros(1)
    torch.save({"averages": {"mean": torch.zeros(3)}, "state_dict": state}, tmp_path / "x.pt")
    with pytest.raises(InputError) as raised:
        load_weights(SmallCNN(), str(tmp_path / "x.pt"))
    message = str(raised.value)
    assert "SmallCNN (its 'state_dict', names that start with 'net.')" in message
    assert "missing: features.0.bias; unexpected: extra.weight; of another shape: " in message
    assert "head.weight [7, 4] instead of [2, 4]" in message


def test_subject_keeps_what_is_to_be_said(tmp_path):
    torch.save({"model": nn.Conv2d(3, 2, 3).state_dict()}, tmp_path / "donor.pt")
    subject = Subject(nn.Conv2d(3, 2, 3), str(tmp_path / "donor.pt"))
    assert subject.notes == ["The CNN's weights are the tensors in 'model' of 'donor.pt'."]
