"""Every argument of the Trainer, with whatever value: it works, or one message says why not."""

import json
import signal
from inspect import signature

import pytest
from lightning.pytorch import Trainer

from tests.command_line import CONV2_CH3, refused

ARGUMENTS = list(signature(Trainer).parameters)
FIT = ["fit", "--config", CONV2_CH3]
SWEEP = ["sweep", "--grid.layers", "conv1", "--grid.channels", "0", "--trainer.devices", 1]
QUICK = ["--trainer.max_steps", 1, "--trainer.enable_progress_bar", "false"]

LATER = """
from dataclasses import dataclass
from itertools import count
from prober.ascent.regularizers import Regularizer

calls = count()


@dataclass(frozen=True)
class Later(Regularizer):
    weight: float = 1.0

    def penalties(self, images):
        if next(calls) >= 5:
            raise RuntimeError("no more")
        return images.mean((1, 2, 3))
"""


@pytest.mark.parametrize(
    ("command", "value"), [(FIT, "conv2"), (FIT, "-1"), (FIT, "0"), (SWEEP, "1.5")]
)
@pytest.mark.parametrize("name", ARGUMENTS)
def test_any_argument_works_or_is_refused_in_one_message(prober, tmp_path, command, name, value):
    ended = prober(*command, *QUICK, f"--trainer.{name}={value}")
    if ended.code == 0:
        assert ended.err == ""
    else:
        refused(ended)
        assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("command", "name", "value", "words"),
    [
        (FIT, "accumulate_grad_batches", "0", ["accumulate_grad_batches is 0"]),
        (FIT, "limit_train_batches", "0", ["limit_train_batches is 0", "no step would be made"]),
        (FIT, "max_time", "00:00:00:00", ["max_time is '00:00:00:00'", "no step would be made"]),
        (FIT, "barebones", "true", ["barebones is True"]),
        (FIT, "profiler", "fast", ["profiler is 'fast'"]),
        (FIT, "deterministic", "maybe", ["Choose one of warn, true, false"]),
        (FIT, "devices", "1.5", ["one device", "devices is 1.5"]),
        (FIT, "max_epochs", "", ["max_epochs: '' is not of type int"]),
        (SWEEP, "devices", "1.5", ["devices is 1.5", "1 or more, or auto"]),
        (SWEEP, "devices", "conv2", ["devices is conv2"]),
        (SWEEP, "devices", "nan", ["devices is nan"]),
        (SWEEP, "accumulate_grad_batches", "0", ["accumulate_grad_batches is 0"]),
        (SWEEP, "num_nodes", "0", ["num_nodes is 0"]),
        (SWEEP, "num_nodes", "1" + 22 * "0", ["num_nodes"]),
        (SWEEP, "strategy", "conv2", []),
    ],
)
def test_what_is_said_names_the_argument(prober, tmp_path, command, name, value, words):
    ended = prober(*command, *QUICK, f"--trainer.{name}={value}")
    if not words:
        assert ended.code == 0  # a sweep settles it itself
        return
    refused(ended, name, *words)
    assert list(tmp_path.iterdir()) == []


def test_a_part_that_fails_in_the_first_step_leaves_nothing(prober, tmp_path):
    """Callbacks are not rehearsed: they might write something."""
    (tmp_path / "breaks.py").write_text(
        "from lightning.pytorch import Callback\n\n\n"
        "class Breaks(Callback):\n"
        "    def on_train_batch_start(self, *_):\n"
        "        raise KeyError('no such thing')\n",
        encoding="utf-8",
    )
    ended = prober(*FIT, *QUICK, "--trainer.callbacks", "breaks.Breaks")
    refused(ended, "first step", "the callback Breaks failed: KeyError: 'no such thing'")
    assert not (tmp_path / "lightning_logs").exists()


@pytest.mark.parametrize("style", ["plain", "legible"])
def test_ctrl_c_in_the_middle_of_a_step_leaves_what_that_many_steps_do(prober, tmp_path, style):
    (tmp_path / "presses.py").write_text(
        "import signal\n\n"
        "from lightning.pytorch import Callback\n\n\n"
        "class Presses(Callback):\n"
        "    def on_train_start(self, trainer, *_):\n"
        "        def press(*_):  # the image has changed, and is neither counted nor clamped\n"
        "            if trainer.global_step == 2:\n"
        "                signal.raise_signal(signal.SIGINT)\n\n"
        "        trainer.optimizers[0].register_step_post_hook(press)\n",
        encoding="utf-8",
    )
    command = [*FIT, *QUICK, "--model.style", style, "--model.lr", 0.5, "--model.averaging", 3]
    interrupted = ["--trainer.max_steps", 9, "--trainer.callbacks", "presses.Presses"]
    heard_by = signal.getsignal(signal.SIGINT)
    ended = prober(*command, *interrupted)
    assert (ended.code, ended.err) == (130, "")
    assert "Interrupted after 3 steps." in ended.out
    assert signal.getsignal(signal.SIGINT) is heard_by
    assert prober(*command, "--trainer.max_steps", 3).code == 0
    first, second = sorted(tmp_path.glob("lightning_logs/*/version_*"))
    records = [
        json.loads((run / "record.json").read_text(encoding="utf-8")) for run in (first, second)
    ]
    assert [record["status"] for record in records] == ["interrupted", "finished"]
    assert records[0]["steps"] == records[1]["steps"] == 3
    assert records[0]["score_end"] == records[1]["score_end"]
    for name in ("final.npy", "final.png", "evolution/step_0003.png"):
        assert (first / name).read_bytes() == (second / name).read_bytes()


@pytest.mark.parametrize(
    ("hook", "steps", "status"),
    [
        ("on_train_batch_end", 2, "interrupted"),
        ("on_train_end", 4, "finished"),
        ("teardown", 4, "finished"),
    ],
)
def test_a_callback_that_fails_later_leaves_what_an_interrupted_run_does(
    prober, tmp_path, hook, steps, status
):
    (tmp_path / "late.py").write_text(
        "from lightning.pytorch import Callback\n\n\n"
        "class Late(Callback):\n"
        f"    def {hook}(self, trainer, *_, **others):\n"
        f"        if trainer.global_step == {steps}:\n"
        "            raise OSError('no such thing')\n",
        encoding="utf-8",
    )
    ended = prober(*FIT, *QUICK, "--trainer.max_steps", 4, "--trainer.callbacks", "late.Late")
    (folder,) = tmp_path.glob("lightning_logs/*/version_0")
    said = f"After step {steps} the callback Late failed: OSError: no such thing. "
    refused(ended, said, f"is in '{folder.relative_to(tmp_path)}'")
    record = json.loads((folder / "record.json").read_text(encoding="utf-8"))
    assert (record["status"], record["steps"]) == (status, steps)
    for name in ("config.yaml", "final.png", "final.npy", "evolution.gif"):
        assert (folder / name).is_file()


def test_a_regularizer_that_fails_later_is_told(prober, tmp_path):
    (tmp_path / "later.py").write_text(LATER, encoding="utf-8")
    options = ["--model.regularizers", "[{class_path: later.Later}]", "--trainer.max_steps", 9]
    refused(prober(*FIT, *QUICK, *options), "After step 5 the run failed: RuntimeError: no more.")
    assert len(list(tmp_path.glob("lightning_logs/*/version_0/record.json"))) == 1


def test_a_picture_that_fails_later_is_no_file_that_cannot_be_written(prober, tmp_path):
    later = LATER.replace('RuntimeError("no more")', 'ConnectionError("the server is away.")')
    (tmp_path / "later.py").write_text(later, encoding="utf-8")
    options = ["--grid.regularizers", "[[later.Later]]", "--trainer.max_steps", 9]
    ended = prober(*SWEEP, *QUICK, *options)
    refused(
        ended, "A picture failed: ConnectionError: the server is away. What is finished is kept"
    )
    assert "written" not in ended.err


@pytest.mark.parametrize(
    ("callback", "words"),
    [
        (["ModelCheckpoint"], ["enable_checkpointing=False", "ModelCheckpoint"]),
        (["EarlyStopping", "--trainer.callbacks.monitor=score"], ["EarlyStopping", "settle"]),
        (
            ["ModelCheckpoint", "--trainer.callbacks.monitor=score"],
            ["ModelCheckpoint", "monitors 'score'"],
        ),
    ],
)
def test_a_callback_that_cannot_be_is_refused_before_anything_is_written(
    prober, tmp_path, callback, words
):
    refused(prober(*FIT, *QUICK, "--trainer.callbacks", *callback), *words)
    assert list(tmp_path.iterdir()) == []


def test_a_bar_that_is_given_is_shown_in_place_of_the_own_one(prober):
    ended = prober(*FIT, "--trainer.max_steps", 1, "--trainer.callbacks", "TQDMProgressBar")
    assert ended.code == 0, ended.err
    assert "Epoch 0" in ended.out + ended.err  # what Lightning's bar counts
    assert "conv2_ch3:" not in ended.out.partition("conv2_ch3: score")[0]


OWN = """
import sys
from dataclasses import dataclass
from prober.ascent.objectives import ChannelMean
from prober.ascent.regularizers import Regularizer
from prober.ascent.transforms import Noise
from torch import nn


@dataclass(frozen=True)
class Ends(Regularizer):
    weight: float = 1.0

    def penalties(self, images):
        sys.exit("enough")


class Nothing(Noise):
    def apply(self, pictures, plans):
        pass


class InPlace(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.conv1 = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3)

    def forward(self, x):
        return self.conv1(self.conv(x).sigmoid().mul_(2)).mean((2, 3))  # sigmoid needs its output


class Nameless(ChannelMean):
    @property
    def name(self):
        raise KeyError("no name")


class Numbered(ChannelMean):
    @property
    def name(self):
        return 5
"""


@pytest.mark.parametrize(
    ("command", "word"),
    [
        ([*FIT, "--model.regularizers", "[own.Ends]"], "SystemExit: enough"),
        ([*SWEEP, "--grid.regularizers", "[[own.Ends]]"], "SystemExit: enough"),
        ([*FIT, "--model.transforms", "[own.Nothing]"], "None"),
        ([*SWEEP, "--model.transforms", "[own.Nothing]"], "None"),
        (
            [*SWEEP, "--model.subject.cnn", "own.InPlace", "--grid.layers", "[conv, conv1]"],
            "layer='conv1', channel=0) fails at the first step: RuntimeError: one of the variables",
        ),
    ],
)
def test_own_parts_that_fail_at_the_first_step_leave_nothing(prober, tmp_path, command, word):
    (tmp_path / "own.py").write_text(OWN, encoding="utf-8")
    refused(prober(*command, *QUICK), "first step", word)
    assert not (tmp_path / "lightning_logs").exists()


@pytest.mark.parametrize(
    ("name", "words"), [("Nameless", "fails: KeyError: 'no name'"), ("Numbered", "is 5")]
)
def test_an_objective_without_a_name_is_told(prober, tmp_path, name, words):
    (tmp_path / "own.py").write_text(OWN, encoding="utf-8")
    own = f"{{class_path: own.{name}, init_args: {{layer: conv1, channel: 0}}}}"
    for command in (
        ["fit", "--model.objective", own],
        ["sweep", "--grid.targets", f"[{own}]", "--trainer.devices", 1],
    ):
        refused(prober(*command, *QUICK), f"The name of a {name} {words}")
    assert not (tmp_path / "lightning_logs").exists()
