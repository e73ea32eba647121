"""Checkpoints that `torch.save` wrote: read as data, whatever is in them."""

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
import pytest
import torch
from lightning.fabric.utilities.data import AttributeDict
from torch import nn

from prober.common.errors import InputError
from prober.subject.checkpoints.loading import load_weights
from tests.files import RunsCode
from tests.subject.checkpoints.saving import BIASED, saved


@pytest.mark.parametrize("kwargs", [{}, {"_use_new_zipfile_serialization": False}])
def test_loads_both_formats_of_torch(tmp_path, kwargs):
    donor, cnn = nn.Linear(3, 2), nn.Linear(3, 2)
    (tmp_path / "weights.pt").write_bytes(saved(donor.state_dict(), **kwargs))
    assert load_weights(cnn, str(tmp_path / "weights.pt")) == []
    assert torch.equal(cnn.weight, donor.weight)
    assert torch.equal(cnn.bias, donor.bias)


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
