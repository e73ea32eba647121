"""YAML that is too much, or not what it seems, is refused in one message, and at once."""

import json
import time

import pytest

from prober.cli.commands import command_files
from prober.cli.yaml_bounds import DEEPEST, MOST_OF_YAML, MOST_VALUES
from tests.command_line import refused

LAUGHS = "a0: &a0 [ha, ha, ha, ha, ha, ha, ha, ha, ha, ha]\n" + "".join(
    f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 10)
)
"""Ten billion values."""
CHAIN = "a0: &a0 [1]\n" + "".join(f"a{i}: &a{i} [*a{i - 1}]\n" for i in range(1, DEEPEST))

TOO_MUCH = {
    "billion laughs": (LAUGHS, ["holds more than 200,000 values"]),
    "billion laughs in a string": (
        f"trainer: {{max_steps: {json.dumps(LAUGHS)}}}",
        ["trainer.max_steps", "is not of type int"],
    ),
    "a list of many": (f"grid: [{'1,' * MOST_VALUES}]", ["holds more than 200,000 values"]),
    "many bytes": (f"a: {'x' * MOST_OF_YAML}", ["longer than 4 MB"]),
    "many brackets": ("[" * 100_000, [f"more than {DEEPEST} deep"]),
    "deep by aliases": (CHAIN, [f"more than {DEEPEST} deep"]),
    "what contains itself": ("model: &m {lr: *m}", ["within what it stands for"]),
    "a key twice": (
        "model: {lr: 0.1}\ntrainer: {}\nmodel: {}\n",
        ["'model' stands twice (line 3)"],
    ),
    "a key that one below replaces": (
        "model.lr: 0.1\ntrainer: {}\nmodel: {style: plain}\n",
        ["'model.lr' would be lost, for 'model' stands below it (line 3)"],
    ),
    "a tag": ("model: !!python/object/apply:os.system [ls]", ["python/object/apply:os.system"]),
    "a number of 5,000 digits": (f"seed_everything: {'1' * 5000}", ["not valid YAML"]),
    "keys that are numbers": ("1: 2\n", ["1"]),
    "keys that are lists": ("{[1]: 2}", ["unhashable"]),
    "two documents": ("model: {}\n---\nmodel: {}\n", ["single document"]),
    "no number": ("trainer: {max_steps: .nan}", ["max_steps", "nan", "int"]),
    "endless": ("trainer: {max_steps: .inf}", ["max_steps", "inf", "int"]),
    "half a seed": ("seed_everything: 1.5", ["seed_everything", "1.5"]),
    "unicode": ("trainer: {mäx_steps: 3}", ["trainer.mäx_steps"]),
    "a list for a group": ("trainer: [1]", ["trainer"]),
    "a number for a group": ("model: 3", ["model", "group of settings"]),
    "nothing for a group": ("seed_everything: 0\nmodel:\n", ["model is null", "group of settings"]),
    "nothing for another": ("seed_everything: 0\ntrainer:\n", ["trainer"]),
    "another command": ("fit: {}", ["'fit'"]),
    "a truth value for a key": ("yes: true\n", ["key yes is", "truth value (line 1): write 'yes'"]),
}


@pytest.mark.parametrize("command", ["fit", "sweep"])
@pytest.mark.parametrize(("text", "words"), TOO_MUCH.values(), ids=TOO_MUCH)
def test_yaml_that_is_refused(prober, tmp_path, command, text, words):
    (tmp_path / "bad.yaml").write_text(text, encoding="utf-8")
    began = time.process_time()
    ended = prober(command, "--config", "bad.yaml", "--trainer.max_steps=2.5")
    message = refused(ended)
    if "2.5" not in message:
        for word in words:
            assert word in message
    assert time.process_time() - began < 20
    assert [file.name for file in tmp_path.iterdir()] == ["bad.yaml"]


@pytest.mark.parametrize(
    "content", ["model: {}".encode("utf-16"), b"\xff\xfe\x00", bytes(range(256)), b"", b"# nothing"]
)
@pytest.mark.parametrize("command", command_files())
def test_files_that_are_no_config(prober, tmp_path, command, content):
    (tmp_path / "bad.yaml").write_bytes(content)
    refused(prober(command, "--config", "bad.yaml"), "bad.yaml")
    refused(prober(command, "--config", tmp_path), tmp_path.name)
    assert [file.name for file in tmp_path.iterdir()] == ["bad.yaml"]


@pytest.mark.parametrize("command", ["fit", "sweep", "report"])
def test_yaml_on_the_command_line_is_bounded_too(prober, tmp_path, command):
    for option in ("--trainer.max_steps", "--model.subject.mean", "--trainer.callbacks", "--model"):
        refused(prober(command, f"{option}={LAUGHS}"))
    assert list(tmp_path.iterdir()) == []


def test_a_message_that_quotes_much_is_cut(prober):
    message = refused(prober("layers", "--model.subject.checkpoint", "x" * 200))
    assert "x" * 200 in message
    message = refused(prober("layers", "--model.subject.input_shape", "x" * 5000))
    assert "x" * 290 + "..." in message and len(message) < 1000


EMPTY = {
    "seed_everything": "seed_everything:\ngrid: {seeds: 1}\n",
    "trainer.max_steps": "trainer:\n  max_steps:\n",
    "snapshots.every": "snapshots: {every: }",
    "model.subject.value_range": "model: {subject: {value_range: }}",
    "model.style": "model: {style: null}",
    "low": "model: {transforms: [{class_path: Scale, init_args: {low: }}]}",
    "grid.layers": "grid: {layers: }",
    "grid.targets": "grid: {targets: [{class_path: }]}",
    "gray": "grid: {initial_images: [{class_path: GrayNoise, init_args: {gray: ~}}]}",
    "channels_last": "channels_last:\ngrid: {seeds: 1}\n",
}


@pytest.mark.parametrize(("key", "text"), EMPTY.items(), ids=EMPTY)
def test_a_key_without_a_value_is_told(prober, tmp_path, key, text):
    (tmp_path / "bad.yaml").write_text(text, encoding="utf-8")
    message = refused(prober("sweep", "--config", "bad.yaml"))
    assert message == f"{key} is null: give it a value, or leave the key out."


@pytest.mark.parametrize("command", ["fit", "sweep", "report"])
def test_what_stands_for_a_group_is_told_though_an_option_of_it_is_given(prober, tmp_path, command):
    (tmp_path / "bad.yaml").write_text("trainer: 3\n", encoding="utf-8")
    message = refused(prober(command, "--config", "bad.yaml", "--trainer.max_steps", 5))
    assert message.startswith("trainer is 3; it is a group of settings")


def test_a_config_whose_model_is_null_is_told_so(prober, tmp_path):
    (tmp_path / "bad.yaml").write_text("seed_everything: 0\nmodel:\n", encoding="utf-8")
    message = refused(prober("fit", "--config", "bad.yaml"))
    assert message.startswith("model is null; it is a group of settings")


def test_null_stays_where_it_means_something(prober, tmp_path):
    text = "model: {lr: , settle: , subject: {mean: }}\ngrid: {classes: }\nmemory:\n"
    (tmp_path / "good.yaml").write_text(text, encoding="utf-8")
    # The first thing that is wrong is one of those which are checked later.
    refused(prober("sweep", "--config", "good.yaml"), "The grid is empty")


def test_the_list_of_a_later_config_counts_as_a_whole(prober, tmp_path):
    """Also beside the command's own list of two sets of two penalties."""
    for name, penalties in (("one", "[[L2, L2]]"), ("other", "[[Distance, L2], [Distance, L2]]")):
        text = f"grid: {{layers: conv1, regularizers: {penalties}}}"
        (tmp_path / f"{name}.yaml").write_text(text, encoding="utf-8")
    ended = prober("report", "--config=one.yaml", "--config=other.yaml", "--print_config")
    assert ended.code == 0
    assert "weight" not in ended.out
    assert ended.out.count("prober.Distance") == 2
