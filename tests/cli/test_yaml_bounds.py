"""YAML is checked before it is read: how much it holds, how deep, and each key once."""

import time

import pytest
import yaml

from prober.cli.yaml_bounds import DEEPEST, MOST_OF_YAML, MOST_VALUES, check_yaml
from tests.command_line import CONFIGS, refused


def laughs(levels, width=10):
    """Lists of aliases of lists of aliases: `width ** levels` values in a few lines."""
    lines = ["a0: &a0 [" + ", ".join(["ha"] * width) + "]"]
    for level in range(1, levels):
        aliases = ", ".join([f"*a{level - 1}"] * width)
        lines.append(f"a{level}: &a{level} [{aliases}]")
    return "\n".join(lines)


REFUSED = {
    "a billion laughs": (laughs(9), "more than 200,000 values"),
    "just too many values": (f"a: [{'1, ' * MOST_VALUES}1]", "more than 200,000 values"),
    "values of aliases": (
        f"a: &a [{'1, ' * (MOST_VALUES // 4)}1]\nb: [*a, *a, *a, *a]",
        "more than 200,000 values",
    ),
    "too long": ("# " + "x" * MOST_OF_YAML, "longer than 4 MB"),
    "too deep": ("[" * (DEEPEST + 1) + "]" * (DEEPEST + 1), "more than 64 deep"),
    "too deep by aliases": (
        "a: &a " + "[" * 40 + "]" * 40 + "\nb: " + "[" * 40 + "*a" + "]" * 40,
        "more than 64 deep",
    ),
    "itself": ("a: &a [1, *a]", "stands within what it stands for"),
    "itself, deeper": ("a: &a {b: {c: *a}}", "stands within what it stands for"),
    "a key twice": ("a: 1\nb: 2\na: 3", r"key 'a' stands twice \(line 3\)"),
    "a key twice within": ("m: {lr: 1,\n lr: 2}", r"key 'lr' stands twice \(line 2\)"),
    "a number in base 60": ("a: 0\nb: [0, 1:3]", r"1:3 is a number in base 60 \(line 2\): put it"),
    "a fraction in base 60": ("a: 0:30.5", "0:30.5 is a number in base 60"),
    "no YAML": ("a: [1", "expected"),
}
FINE = {
    "nothing": "",
    "a value": "3",
    "an alias": "a: &a {lr: 1}\nb: *a\nc: *a",
    "merged keys": "a: &a {lr: 1}\nb: {<<: *a, <<: *a, steps: 2}",
    "a key that adds to one above": "a: {lr: 1}\na.steps: 2",
    "layers by their names": "g: {c: {layer1.0: 1, layer1: 2}}",
    "a key in two mappings": "a: {lr: 1}\nb: {lr: 1}\nlr: 1",
    "a value like a key": "a: b\nb: a",
    "times in quotes, and a time that is text": "a: '1:30'\nb: 00:12:00:00\n1:30: c",
    "a few laughs": laughs(4),
    "as deep as may be": "[" * (DEEPEST - 1) + "]" * (DEEPEST - 1),
}


@pytest.mark.parametrize(("text", "told"), REFUSED.values(), ids=REFUSED)
def test_what_would_take_for_ever_or_says_a_thing_twice_is_not_read(text, told):
    started = time.process_time()
    with pytest.raises(yaml.YAMLError, match=told):
        check_yaml(text)
    assert time.process_time() - started < 5


@pytest.mark.parametrize("text", FINE.values(), ids=FINE)
def test_other_yaml_is_read(text):
    check_yaml(text)
    yaml.safe_load(text)


def test_every_shipped_config_is_read():
    files = sorted(CONFIGS.glob("*.yaml"))
    assert files
    for file in files:
        check_yaml(file.read_text(encoding="utf-8"))


def test_a_billion_laughs_end_a_command_with_one_message(prober, tmp_path):
    (tmp_path / "laughs.yaml").write_text(laughs(9), encoding="utf-8")
    for command in ("fit", "report"):
        refused(prober(command, "--config", "laughs.yaml"), "laughs.yaml", "200,000 values")
