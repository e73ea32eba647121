import io
import pickle
import random
import zipfile
from argparse import Namespace
from collections import defaultdict, deque
from enum import Enum
from functools import partial
from pathlib import Path

import lightning
import numpy as np
import pytest
import torch
from lightning.fabric.utilities.data import AttributeDict
from safetensors.torch import save_file
from torch import nn

from prober.common.errors import InputError
from prober.subject import Subject
from prober.subject.checkpoints import loading
from prober.subject.checkpoints.format import Content, Format
from prober.subject.checkpoints.loading import load_weights
from prober.subject.reference import ReferenceCNN
from tests.files import RunsCode
from tests.plain import FOLDER

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
    donor, cnn = nn.Linear(3, 2), nn.Linear(3, 2)
    (tmp_path / "weights.pt").write_bytes(saved(donor.state_dict(), **kwargs))
    assert load_weights(cnn, str(tmp_path / "weights.pt")) == []
    assert torch.equal(cnn.weight, donor.weight)
    assert torch.equal(cnn.bias, donor.bias)


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
    if form == "inside a state dict":
        assert "missing: conv1.bias." in message
    assert not trap.exists()

    # The trap is a real one.
    if form == "pickle":
        pickle.loads(malicious)
    else:
        torch.load(io.BytesIO(malicious), weights_only=False)
    assert trap.read_text(encoding="utf-8") == "gotcha"


def test_subject_takes_its_weights_from_the_checkpoint(tmp_path):
    torch.manual_seed(3)
    donor = nn.Conv2d(3, 2, 3)
    torch.save(donor.state_dict(), tmp_path / "donor.weights.pt")
    subject = Subject(nn.Conv2d(3, 2, 3), str(tmp_path / "donor.weights.pt"))
    assert torch.equal(subject.cnn.weight, donor.weight)
    assert subject.name == "Conv2d (donor.weights)"
    assert subject.checkpoint == str(tmp_path / "donor.weights.pt")


class SmallCNN(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
        self.head = nn.Linear(4, 2)

    def forward(self, x):
        return self.head(self.features(x).mean((2, 3)))


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


def prefixed(module, prefix):
    return {f"{prefix}{name}": value for name, value in module.state_dict().items()}


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
    assert notes[1] == "Other weights that fit are not used: 'ema'."


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


class Color(Enum):
    RED = 1


class Settings:
    def __init__(self, size):
        self.size = size


class LitModule(lightning.LightningModule):
    def __init__(self, cnn, **kwargs):
        super().__init__()
        self.save_hyperparameters(ignore="cnn")
        self.cnn = cnn
        self.register_buffer("class_weights", torch.ones(2))

    def training_step(self, batch):
        return self.cnn(batch[0]).sum()

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), 0.01)


HYPER_PARAMETERS = {
    "none": {},
    "plain": {"lr": 0.1, "sizes": [1, 2], "nested": {"a": "b"}},
    "of any class": {
        "path": Path("x"),
        "options": Namespace(a=1),
        "attributes": AttributeDict(lr=0.1, inner=AttributeDict(b=2)),
        "color": Color.RED,
        "settings": Settings(3),
        "default": defaultdict(list, {"a": [1]}),
        "queue": deque([1, 2]),
        "function": partial(torch.optim.SGD, lr=0.1),
        "dtype": torch.float16,
        "device": torch.device("cpu"),
        "module": nn.Linear(1, 1),
    },
}


@pytest.mark.parametrize("kind", HYPER_PARAMETERS)
def test_lightning_checkpoint(loaded, tmp_path, kind):
    def make(cnn):
        trainer = lightning.Trainer(
            max_steps=1,
            accelerator="cpu",
            logger=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            default_root_dir=tmp_path,
        )
        data = torch.utils.data.TensorDataset(torch.rand(4, 3, 8, 8))
        module = LitModule(cnn, **HYPER_PARAMETERS[kind])
        trainer.fit(module, torch.utils.data.DataLoader(data, 2))
        trainer.save_checkpoint(tmp_path / "last.ckpt")

    assert loaded(make, "last.ckpt") == [
        "The CNN's weights are the tensors in 'state_dict' of 'last.ckpt' whose names start with "
        "'cnn.'.",
        "1 other tensor is not used: class_weights.",
    ]


@pytest.mark.parametrize("place", ["hyper_parameters", "state_dict", "callbacks"])
def test_code_beside_the_weights_is_not_run_and_the_weights_are_read(loaded, tmp_path, place):
    trap = tmp_path / "trap"

    def make(cnn):
        content = {"state_dict": cnn.state_dict(), "callbacks": {}, "hyper_parameters": {}}
        content[place]["trap"] = RunsCode(trap)
        return content

    loaded(make)
    assert not trap.exists()
    torch.load(tmp_path / "weights.pt", weights_only=False)
    assert trap.read_text(encoding="utf-8") == "gotcha"


def raw_checkpoint(pickled):
    """A zipped checkpoint around any pickle."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("x/data.pkl", pickled)
        archive.writestr("x/version", "3\n")
        archive.writestr("x/byteorder", "little")
    return file.getvalue()


@pytest.mark.parametrize(
    "function",
    [
        "posix system",
        "os system",
        "builtins eval",
        "builtins exec",
        "subprocess getoutput",
        "torch.serialization os.system",
        "torch._utils importlib.import_module",
        "torch.hub _import_module",
        "torch.storage _load_from_bytes",
        "torch jit.load",
        "numpy.testing._private.utils runstring",
    ],
)
@pytest.mark.parametrize("protocol", [2, 4])
def test_no_function_that_a_pickle_names_is_called(refused, tmp_path, function, protocol):
    trap = tmp_path / "trap"
    argument = f"touch {trap}" if "system" in function else f"open({str(trap)!r}, 'w').close()"
    module, name = function.split()
    parts = [pickle.PROTO + bytes([protocol])]
    if protocol == 2:
        parts.append(f"c{module}\n{name}\n".encode())
    else:
        parts += [pickle.UNICODE + f"{text}\n".encode() for text in (module, name)]
        parts.append(pickle.STACK_GLOBAL)
    call = b"".join([*parts, pickle.UNICODE, argument.encode(), b"\n", b"\x85R"])
    refused(raw_checkpoint(call + b"."))
    refused(raw_checkpoint(b"}" + pickle.UNICODE + b"state_dict\n" + call + b"s."))
    refused(call + b".")
    assert not trap.exists()


def test_a_pickle_cannot_change_the_functions_that_make_tensors(refused):
    before = torch._utils._rebuild_tensor_v2.__defaults__
    build = pickle.PROTO + b"\x02ctorch._utils\n_rebuild_tensor_v2\n"
    build += b"N}" + pickle.UNICODE + b"__defaults__\n(I1\nI2\ntsN}" + b"\x86b."
    refused(raw_checkpoint(build))
    assert torch._utils._rebuild_tensor_v2.__defaults__ == before


def test_torchscript_is_refused(tmp_path):
    torch.jit.script(nn.Linear(3, 2)).save(tmp_path / "net.pt")
    with pytest.raises(InputError, match=r"TorchScript .*torch\.save\(model\.state_dict\(\)"):
        load_weights(nn.Linear(3, 2), str(tmp_path / "net.pt"))


def test_safetensors(loaded):
    assert loaded(lambda cnn: cnn.state_dict(), "w.safetensors", save_file) == []
    assert "'net.'" in loaded(lambda cnn: prefixed(cnn, "net."), "w.safetensors", save_file)[0]


@pytest.mark.parametrize("share", [0.001, 0.05, 0.5, 0.99])
def test_damaged_safetensors(tmp_path, share):
    path = tmp_path / "w.safetensors"
    save_file(SmallCNN().state_dict(), path)
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)] or b"x")
    with pytest.raises(InputError, match="truncated or no safetensors file"):
        load_weights(SmallCNN(), str(path))


def test_subject_keeps_what_is_to_be_said(tmp_path):
    torch.save({"model": nn.Conv2d(3, 2, 3).state_dict()}, tmp_path / "donor.pt")
    subject = Subject(nn.Conv2d(3, 2, 3), str(tmp_path / "donor.pt"))
    assert subject.notes == ["The CNN's weights are the tensors in 'model' of 'donor.pt'."]


class Npz(Format):
    """Arrays by name, as `numpy.savez` writes them: a format that is not known."""

    def recognizes(self, path):
        return path.suffix == ".npz"

    def read(self, path):
        with np.load(path) as arrays:
            return Content({name: torch.from_numpy(array) for name, array in arrays.items()})


def test_a_format_is_one_class_and_one_line(tmp_path, monkeypatch):
    torch.manual_seed(0)
    donor, cnn = nn.Conv2d(3, 4, 3), nn.Conv2d(3, 4, 3)
    path = tmp_path / "donor.npz"
    np.savez(path, **{name: value.numpy() for name, value in donor.state_dict().items()})
    monkeypatch.setattr(loading, "FORMATS", (Npz(), *loading.FORMATS))
    subject = Subject(cnn, checkpoint=str(path))
    assert torch.equal(subject.cnn.weight, donor.weight)
    assert subject.sha256 == Subject(donor).sha256
    np.savez(path, weight=donor.weight.detach().numpy())
    with pytest.raises(InputError, match=r"does not fit Conv2d: missing: bias"):
        Subject(cnn, checkpoint=str(path))
