"""`layers`: what it prints of which CNN; receptive fields: `subject/test_receptive_fields.py`."""

import json
import re
import textwrap

import pytest
import torch
import yaml

from prober.cli.layer_table import layers_table
from prober.subject import Subject
from tests.command_line import CONFIGS, refused
from tests.subject.nets import Net, conv

REFERENCE = """\
layer type output channels neurons receptive field parameters
conv1 Conv2d [N, 16, 28, 28] 16 28 x 28 3 x 3 448
relu1 ReLU [N, 16, 28, 28] 16 28 x 28 3 x 3 0
pool1 MaxPool2d [N, 16, 14, 14] 16 14 x 14 4 x 4 0
conv2 Conv2d [N, 32, 14, 14] 32 14 x 14 8 x 8 4,640
relu2 ReLU [N, 32, 14, 14] 32 14 x 14 8 x 8 0
pool2 MaxPool2d [N, 32, 7, 7] 32 7 x 7 10 x 10 0
conv3 Conv2d [N, 64, 7, 7] 64 7 x 7 18 x 18 18,496
relu3 ReLU [N, 64, 7, 7] 64 7 x 7 18 x 18 0
pool3 MaxPool2d [N, 64, 3, 3] 64 3 x 3 22 x 22 0
classifier Linear [N, 10] 10 - whole 5,770
logits ReferenceCNN [N, 10] 10 - whole 29,354"""


def printed(prober, *args):
    ended = prober("layers", *args)
    assert ended.code == 0, ended.err
    assert ended.err == ""
    return ended.out


def listed(prober, *args):
    """The JSON list as a dictionary by name; nothing else is printed."""
    layers = json.loads(printed(prober, "--json", *args))
    return {layer.pop("name"): layer for layer in layers}


def table(out):
    """The table in what is printed, its columns one space apart, and the sentences around it."""
    above, rows, below = out.rstrip("\n").split("\n\n")
    return above, "\n".join(re.sub(" +", " ", row) for row in rows.splitlines()), below


@pytest.fixture
def net(tmp_path):
    """Writes the source of a CNN called `Net` and returns the options that name it."""

    def write(source, side=8):
        head = "import torch\nfrom torch import nn\n\n\n"
        (tmp_path / "nets.py").write_text(head + textwrap.dedent(source), encoding="utf-8")
        shape = f"[3, {side}, {side}]"
        return ["--model.subject.cnn", "nets.Net", "--model.subject.input_shape", shape]

    return write


def test_reference_cnn_where_nothing_is_named(prober, tmp_path):
    above, rows, below = table(printed(prober))
    assert above.startswith("ReferenceCNN (biased): input [3, 28, 28], 29,354 parameters.")
    assert "11 layers" in above
    assert rows == REFERENCE
    assert "height x width of what a neuron sees" in below
    for absent in ("calls", "?", "tokens", "reached", "Cannot"):
        assert absent not in below
    assert list(tmp_path.iterdir()) == []


def test_columns_stand_below_each_other(prober):
    lines = printed(prober).splitlines()
    head = next(line for line in lines if line.startswith("layer "))
    rows = lines[lines.index(head) + 1 : lines.index(head) + 12]
    assert len({row.index(row.split()[1]) for row in [head, *rows]}) == 1
    assert len({len(row) for row in [head, *rows]}) == 1
    assert max(map(len, lines)) <= 100


@pytest.mark.parametrize(
    ("config", "checkpoint"),
    [
        ("conv3_ch10_class7", "biased"),
        ("control_conv2_ch3", "control"),
        ("interpolate", "biased"),
        ("report", "biased"),
    ],
)
def test_takes_the_subject_out_of_any_config(prober, config, checkpoint):
    above, rows, _ = table(printed(prober, "--config", CONFIGS / f"{config}.yaml"))
    assert above.startswith(f"ReferenceCNN ({checkpoint})")
    assert rows == REFERENCE


def test_takes_the_config_of_a_run(prober, tmp_path, net):
    options = net("class Net(nn.Conv2d):\n    def __init__(self): super().__init__(3, 5, 3)")
    target = {"class_path": "ChannelMean", "init_args": {"layer": "logits", "channel": 4}}
    (tmp_path / "target.yaml").write_text(
        yaml.safe_dump({"model": {"objective": target}}), encoding="utf-8"
    )
    steps = ("--trainer.max_steps", 1, "--trainer.enable_progress_bar", "false")
    ended = prober("fit", "--config", "target.yaml", *options, *steps)
    assert ended.code == 0, ended.err
    [config] = (tmp_path / "lightning_logs").glob("*/version_0/config.yaml")
    assert list(listed(prober, "--config", config)) == ["logits"]


def test_options_win_over_the_config(prober):
    config = CONFIGS / "conv2_ch3.yaml"
    checkpoint = "prober/subject/reference/control.pt"
    out = printed(prober, "--config", config, "--model.subject.checkpoint", checkpoint)
    assert out.startswith("ReferenceCNN (control)")


def test_json_holds_the_same(prober):
    layers = listed(prober)
    rows = [row.split(" ")[0] for row in REFERENCE.splitlines()[1:]]
    assert list(layers) == rows
    assert layers["conv2"] == {
        "type": "Conv2d",
        "output": [1, 32, 14, 14],
        "channels": 32,
        "neurons": [14, 14],
        "receptive_field": [8, 8],
        "parameters": 4640,
        "own_parameters": 4640,
        "calls": 1,
    }
    assert layers["classifier"]["neurons"] is None
    assert layers["logits"]["receptive_field"] == [28, 28]
    assert layers["logits"]["own_parameters"] == 0


def test_names_are_those_that_fit_takes(prober):
    steps = ("--trainer.max_steps", 1, "--trainer.enable_progress_bar", "false")
    for name in list(listed(prober))[4::5]:
        ended = prober(
            *("fit", "--config", CONFIGS / "conv2_ch3.yaml", *steps),
            *("--model.objective.layer", name),
        )
        assert ended.code == 0, ended.err


def test_parameters_of_parts_shared_and_own(prober, net):
    options = net("""
        class Part(nn.Module):
            def __init__(self, conv):
                super().__init__()
                self.scale = nn.Parameter(torch.ones(3, 1, 1))
                self.conv = conv
                self.norm = nn.BatchNorm2d(3)
                self.register_buffer("mask", torch.ones(8, 8))

            def forward(self, x):
                return self.norm(self.conv(x)) * self.scale * self.mask

        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                conv = nn.Conv2d(3, 3, 3, padding=1)
                self.first, self.second = Part(conv), Part(conv)

            def forward(self, x):
                return self.second(self.first(x))
    """)
    layers = listed(prober, *options)
    conv, norm, scale = 3 * 3 * 9 + 3, 2 * 3, 3  # statistics and the mask are no parameters
    for part in ("first", "second"):
        assert layers[part]["parameters"] == conv + norm + scale
        assert layers[part]["own_parameters"] == scale
        assert layers[f"{part}.norm"]["parameters"] == norm
    assert layers["logits"]["parameters"] == conv + 2 * (norm + scale)
    assert f"{conv + 2 * (norm + scale)} parameters" in printed(prober, *options)


def test_says_how_often_a_layer_is_called(prober, net):
    options = net("""
        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.conv = nn.Conv2d(3, 3, 3, padding=1)
                self.tanh = nn.Tanh()

            def forward(self, x):
                return self.conv(self.tanh(self.conv(x)))
    """)
    above, rows, below = table(printed(prober, *options))
    assert "3 layers can be probed" in above  # as there are rows: conv@0 has none
    assert rows.splitlines()[0].endswith("parameters calls")
    assert "tanh Tanh [N, 3, 8, 8] 3 8 x 8 3 x 3 0 1" in rows
    assert "conv Conv2d [N, 3, 8, 8] 3 8 x 8 5 x 5 84 2" in rows
    assert "the last is probed" in below
    assert {name: layer["calls"] for name, layer in listed(prober, *options).items()} == {
        "tanh": 1,
        "conv": 2,
        "logits": 1,
    }


def test_tokens_and_channels_that_come_last(prober, net):
    options = net("""
        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.patches = nn.Conv2d(3, 6, 2, 2)
                self.norm = nn.LayerNorm(6)
                self.attention = nn.TransformerEncoderLayer(6, 2, 10, batch_first=True)
                self.head = nn.Linear(6, 2)

            def forward(self, x):
                x = self.norm(self.patches(x).permute(0, 2, 3, 1))
                return self.head(self.attention(x.flatten(1, 2)).mean(1))
    """)
    layers = listed(prober, *options)
    assert layers["norm"]["output"] == [1, 4, 4, 6]
    assert (layers["norm"]["channels"], layers["norm"]["neurons"]) == (6, [4, 4])
    assert layers["norm"]["receptive_field"] == [2, 2]
    assert layers["attention"]["output"] == [1, 16, 6]
    assert (layers["attention"]["channels"], layers["attention"]["neurons"]) == (6, [16, 1])
    assert layers["attention"]["receptive_field"] == [8, 8]
    _, rows, below = table(printed(prober, *options))
    assert "norm LayerNorm [N, 4, 4, 6] 6 4 x 4 2 x 2 12" in rows
    assert "attention TransformerEncoderLayer [N, 16, 6] 6 16 x 1 whole" in rows
    below = " ".join(below.split())
    assert re.search(r"\[N, tokens, channels\]: .*attention.*\(h, 0\)|\(h, 0\).*attention", below)
    assert "[N, h, w, channels]: the channels come last (norm)." in below


def test_says_what_cannot_be_probed_and_why(prober, net):
    options = net("""
        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.blocks = nn.ModuleList([nn.Conv2d(3, 4, 3)])
                self.unused = nn.ModuleList([nn.Conv2d(3, 1, 1)])
                self.deep = nn.Unflatten(1, (1, 2, 2))
                self.lstm = nn.LSTM(6, 7, batch_first=True)

            def forward(self, x):
                x = self.blocks[0](x)
                self.deep(x)
                return self.lstm(x.flatten(1, 2))[0][:, -1]
    """)
    above, rows, below = table(printed(prober, *options))
    below = " ".join(below.split())
    assert [row.split(" ")[0] for row in rows.splitlines()[1:]] == ["blocks.0", "lstm.0", "logits"]
    assert "3 layers" in above
    assert re.search(r"Never reached in the forward pass: unused, unused\.0\.", below)
    assert re.search(r"Cannot be probed: deep: its output is \[1, 1, 2, 2, 6, 6\]", below)
    assert "lstm: " not in below  # one of its tensors can be
    # How a recurrence mixes its rows is not known.
    assert "logits Net [N, 7] 7 - ?" in rows
    assert "?: " in below
    assert listed(prober, *options)["logits"]["receptive_field"] is None


@pytest.mark.parametrize(
    ("config", "parts"),
    [
        ("model: [", ["'bad.yaml' is not valid YAML"]),
        ("- 1", ["'bad.yaml' holds no settings"]),
        ("model: {subject: {chekpoint: x.pt}}", ["chekpoint", "Did you mean 'checkpoint'?"]),
        ("model: {subject: {checkpoint: x.pt}}", ["'x.pt' is not a file"]),
        ("model: {subject: {cnn: nowhere.Net}}", ["nowhere"]),
        ("model: {subject: {input_shape: [1, 28, 28]}}", ["[1, 1, 28, 28]", "input_shape"]),
    ],
)
def test_bad_config_ends_with_one_message(prober, tmp_path, config, parts):
    (tmp_path / "bad.yaml").write_text(config, encoding="utf-8")
    ended = prober("layers", "--config", "bad.yaml", "--json")
    refused(ended, *parts)
    assert ended.out == ""


def test_option_that_layers_does_not_have(prober):
    ended = prober("layers", "--jsn")
    assert (ended.code, ended.out) == (2, "")
    assert "Did you mean 'json'?" in ended.err


def test_help_is_short_and_lists_it(prober):
    assert re.search(r"layers +Lists the layers", prober("--help").out)
    own = prober("layers", "--help").out
    assert "--json" in own
    assert "--model.subject.cnn" in own
    assert "trainer" not in own
    assert own.count("\n") < 80


def test_why_no_output_can_be_probed_is_told_once():
    def found(net, x):
        return [{"boxes": net.conv(x).mean((0, 2, 3)), "labels": torch.arange(4)}]

    table = " ".join(layers_table(Subject(Net(found, conv=conv()), input_shape=(3, 8, 8))).split())
    assert table.count("its output is [4] for any number of images") == 1
    assert table.count("torch.int64, which has no gradient") == 1
    assert "logits: the CNN gives a list, of which nothing can be probed (logits.0.boxes: " in table


def test_where_no_layer_can_be_probed_there_is_no_table():
    cnn = Net(torch.inference_mode()(lambda net, x: net.conv(x)), conv=conv())
    table = layers_table(Subject(cnn, input_shape=(3, 8, 8))).replace("\n", " ")
    assert ": input [3, 8, 8], 112 parameters. No layer can be probed: " in table
    assert "conv, logits cannot be probed: no gradient leads back to the input: it ends" in table
    assert "receptive field" not in table and "0 layers" not in table


def test_of_a_vector_a_neuron_sees_so_many_numbers():
    table = layers_table(Subject(torch.nn.Linear(5, 2), input_shape=(5,)))
    assert "receptive field: how many numbers a neuron sees; whole: the whole vector." in table
