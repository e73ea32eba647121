import io
import json
import pickle
import zipfile
from contextlib import suppress

import pytest
import torch
from torch import nn

from prober.common.errors import InputError
from prober.subject import Subject
from prober.subject.checkpoints.export_archive import ExportArchive
from prober.subject.checkpoints.loading import load_weights
from tests import plain
from tests.files import RunsCode
from tests.subject.checkpoints.archives import IMAGES, Net, needs_archives, network

pytestmark = needs_archives


def test_names_classes_and_weights_are_those_of_the_original(archive):
    net, cnn = network(), ExportArchive().build(archive)
    assert type(cnn).__name__ == "Net"
    kinds = {name: type(module).__name__ for name, module in net.named_modules()}
    assert {name: type(module).__name__ for name, module in cnn.named_modules()} == kinds
    assert set(cnn.state_dict()) == set(net.state_dict())
    assert all(torch.equal(v, net.state_dict()[k]) for k, v in cnn.state_dict().items())
    assert set(dict(cnn.named_parameters())) == set(dict(net.named_parameters()))


def test_convolutions_and_linear_layers_are_modules_of_pytorch(archive):
    net, cnn = network(), ExportArchive().build(archive)
    for name in ("stem", "blocks.0.conv", "head"):
        original, module = net.get_submodule(name), cnn.get_submodule(name)
        assert type(module) is type(original)
        assert str(module) == str(original)
    # Its padding is an operator of its own, so it is not one convolution alone.
    assert type(cnn.odd) is not nn.Conv2d


def test_subject_of_an_archive(archive, dynamic):
    subject = Subject(checkpoint=str(dynamic), input_shape=(3, 12, 12))
    assert subject.name == "Net (net)"
    assert not list(subject.parameters())
    given = Subject(network(), input_shape=(3, 12, 12))
    assert subject.sha256 == given.sha256
    # Modules that do nothing in eval mode but pass on leave no trace in an archive.
    assert plain.shapes(subject).items() <= plain.shapes(given).items()
    assert subject.computing_layers() == ["stem", "blocks.0.conv", "blocks.1.conv", "head"]
    with pytest.raises(
        InputError, match=r"rejects .*exported for images of shape \[1, 3, 12, 12\]"
    ):
        Subject(checkpoint=str(archive), input_shape=(3, 14, 14))


def test_weights_of_an_archive_for_a_cnn_that_is_named(archive):
    cnn = Net()
    assert load_weights(cnn, str(archive)) == []
    assert torch.equal(cnn.head.weight, network().head.weight)


def rewritten(archive, path, change=None, records=None):
    """Copies an archive with its model.json changed, and records added or replaced."""
    with zipfile.ZipFile(archive) as old, zipfile.ZipFile(path, "w") as new:
        top = old.namelist()[0].split("/")[0]
        replaced = {f"{top}/{name}": content for name, content in (records or {}).items()}
        for name in old.namelist():
            content = replaced.pop(name, old.read(name))
            if name.endswith("models/model.json") and change:
                model = json.loads(content)
                change(model)
                content = json.dumps(model)
            new.writestr(name, content)
        for name, content in replaced.items():
            new.writestr(name, content)
    return path


def springs(trap, path):
    """Tells whether a trap is a real one; what comes after it need not be an archive."""
    with suppress(Exception):
        torch.export.load(path)
    return trap.exists()


def pickled(trap):
    file = io.BytesIO()
    torch.save(({"x": RunsCode(trap)},), file)
    return file.getvalue()


def test_sample_inputs_are_not_unpickled(archive, tmp_path):
    trap = tmp_path / "trap"
    records = {"data/sample_inputs/model.pt": pickled(trap)}
    path = rewritten(archive, tmp_path / "bad.pt2", records=records)
    assert torch.equal(
        ExportArchive().build(path)(IMAGES[:1]), ExportArchive().build(archive)(IMAGES[:1])
    )
    assert not trap.exists()
    assert springs(trap, path)


@pytest.mark.parametrize("kind", ["weights", "constants"])
def test_pickled_tensors_are_refused(archive, tmp_path, kind):
    trap = tmp_path / "trap"
    folder = f"data/{kind}"
    with zipfile.ZipFile(archive) as file:
        name = f"{folder}/model_{kind}_config.json"
        config = json.loads(file.read(next(n for n in file.namelist() if n.endswith(name))))
    entry = next(iter(config["config"].values()))
    entry["use_pickle"] = True
    records = {
        name: json.dumps(config),
        f"{folder}/{entry['path_name']}": pickled(trap),
        f"{folder}/opaque_obj_0": pickle.dumps(RunsCode(trap)),
    }
    path = rewritten(archive, tmp_path / "bad.pt2", records=records)
    with pytest.raises(InputError, match="pickled object, which is not loaded"):
        ExportArchive().build(path)
    assert not trap.exists()
    assert springs(trap, path)


def test_symbolic_expressions_and_guards_are_not_evaluated(dynamic, tmp_path):
    trap = tmp_path / "trap"
    code = f"__import__('pathlib').Path({str(trap)!r}).write_text('gotcha')"

    def change(model):
        model["guards_code"] = [code]
        for value in model["graph_module"]["graph"]["tensor_values"].values():
            for size in value["sizes"]:
                if "as_expr" in size:
                    size["as_expr"]["expr_str"] = code

    path = rewritten(dynamic, tmp_path / "bad.pt2", change)
    assert torch.equal(ExportArchive().build(path)(IMAGES), ExportArchive().build(dynamic)(IMAGES))
    assert not trap.exists()
    assert springs(trap, path)


@pytest.mark.parametrize(
    "target",
    [
        "torch.serialization.os.system",
        "torch.hub.os.system",
        "torch.ops.load_library",
        "torch.ops.aten.save.default",
        "torch.ops.aten.from_file.default",
        "torch.ops.aten.nowhere.default",
        "torch.ops.aten.add.__class__",
        "torch.ops.custom.op.default",
        "_operator.methodcaller",
        "_operator.__class__.mro",
        "math.__loader__.load_module",
        "#os:system",
        "",
    ],
)
def test_only_operators_that_compute_are_called(archive, tmp_path, target):
    trap = tmp_path / "trap"

    def change(model):
        [node] = [n for n in model["graph_module"]["graph"]["nodes"] if "gelu" in n["target"]]
        node["target"] = target
        node["inputs"] = [{"name": "x", "arg": {"as_string": f"touch {trap}"}, "kind": 1}]

    path = rewritten(archive, tmp_path / "bad.pt2", change)
    with pytest.raises(InputError, match=r"cannot be probed: .*operator"):
        ExportArchive().build(path)
    assert not trap.exists()


def test_names_are_not_pasted_into_source(archive, tmp_path):
    trap = tmp_path / "trap"
    code = f"x)\n    open({str(trap)!r}, 'w').close()\n    (x"
    renamed = {"gelu": code, "x": code + "1"}

    def rename(value):
        if isinstance(value, dict):
            return {renamed.get(k, k): rename(v) for k, v in value.items()}
        if isinstance(value, list):
            return [rename(each) for each in value]
        return renamed.get(value, value) if isinstance(value, str) else value

    def change(model):
        graph = model["graph_module"]
        graph["graph"] = rename(graph["graph"])
        graph["signature"] = rename(graph["signature"])
        for node in graph["graph"]["nodes"]:
            stack = node["metadata"].get("nn_module_stack", "")
            node["metadata"]["nn_module_stack"] = stack.replace("torch.nn", code)

    path = rewritten(archive, tmp_path / "bad.pt2", change)
    try:
        ExportArchive().build(path)(IMAGES[:1])
    except InputError as error:
        assert "damaged" in str(error)
    assert not trap.exists()


def refusal(net, images, path):
    torch.export.save(torch.export.export(net, images), path)
    with pytest.raises(InputError) as raised:
        ExportArchive().build(path)
    assert str(path) in str(raised.value)
    assert "xport" in str(raised.value)
    return str(raised.value)


class Adds(nn.Module):
    def forward(self, x, y):
        return x + y


def test_what_cannot_be_probed_is_told(tmp_path):
    images = torch.rand(2, 3, 12, 12)
    path = tmp_path / "net.pt2"
    assert "changes its own weights" in refusal(Net().train(), (images,), path)
    dropout = nn.Sequential(nn.Conv2d(3, 2, 3), nn.Dropout())
    assert "in training mode" in refusal(dropout.train(), (images,), path)
    assert "takes 2 inputs" in refusal(Adds(), (images, images), path)


@pytest.mark.parametrize("share", [0.001, 0.3, 0.9, 0.999])
def test_truncated_archive(archive, tmp_path, share):
    whole = archive.read_bytes()
    (tmp_path / "net.pt2").write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(InputError, match=r"net\.pt2' cannot be read"):
        Subject(checkpoint=str(tmp_path / "net.pt2"))


@pytest.mark.parametrize("record", ["models/model.json", "data/weights/model_weights_config.json"])
@pytest.mark.parametrize("content", [b"", b"{}", b"[1, 2]", b'{"config": {"a": 3}}'])
def test_damaged_records(archive, tmp_path, record, content):
    path = rewritten(archive, tmp_path / "net.pt2", records={record: content})
    with pytest.raises(InputError, match="cannot be read; it is damaged"):
        ExportArchive().build(path)


def test_weight_beyond_its_record(archive, tmp_path):
    with zipfile.ZipFile(archive) as file:
        name = "data/weights/weight_0"
        content = file.read(next(each for each in file.namelist() if each.endswith(name)))
    path = rewritten(archive, tmp_path / "net.pt2", records={name: content[:-4]})
    with pytest.raises(InputError, match="cannot be read; it is damaged"):
        ExportArchive().build(path)
