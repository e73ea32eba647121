"""Every argument of the Trainer, with whatever value: it works, or one message says why not."""

from inspect import signature

import pytest
from lightning.pytorch import Trainer

from tests.command_line import CONV2_CH3, refused

ARGUMENTS = list(signature(Trainer).parameters)
FIT = ["fit", "--config", CONV2_CH3]
SWEEP = ["sweep", "--grid.layers", "conv1", "--grid.channels", "0", "--trainer.devices", 1]
QUICK = ["--trainer.max_steps", 1, "--trainer.enable_progress_bar", "false"]


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
    refused(ended, "first step failed", "KeyError", "no such thing")
    assert not (tmp_path / "lightning_logs").exists()


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
