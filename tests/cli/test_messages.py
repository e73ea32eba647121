"""Each row of the table of messages is what the parser really says, and what people are told."""

import re
from argparse import ArgumentParser

import pytest

from prober.cli.commands import command_files
from prober.cli.messages import MESSAGES
from prober.cli.parser import ProberParser
from tests.command_line import CONFIGS, CONV2_CH3, refused

MEAN = "{class_path: ChannelMean, init_args: {layer: conv2, channel: 4}}"
OWN = """
from dataclasses import dataclass
from prober.ascent.starts import InitialImage


@dataclass(frozen=True)
class Checkers(InitialImage):
    def {method}(self, shape, generator):
        raise NotImplementedError
"""
UNION = (
    "- Expected a path but {value} either not accessible or invalid - Does not validate against "
    "any of the Union subtypes Subtypes: [<class '{kind}'>, <class 'NoneType'>] Errors: - {why} - "
    "Expected a <class 'NoneType'> Given value type: <class 'str'> Given value: {value}"
)
SUBCLASS = (
    "Subclass types expect one of: - a class path (str) - a dict with class_path entry - a dict "
    "without class_path but with init_args entry (class path given previously) - a dict with "
    "parameters accepted by the base class (implicit class_path)"
)
PRECISIONS = (
    "typing.Literal['transformer-engine', 'transformer-engine-float16', '16-true', '16-mixed', "
    "'bf16-true', 'bf16-mixed', '32-true', '64-true']"
)
CAUSES = [
    (
        {},
        ["--print_config"],  # without it, the parser is not even asked
        f'expected "subcommand" to be one of {{{",".join(command_files())}}}, but it was not '
        "provided.",
    ),
    (
        {},
        ["--print_config", "fitt"],
        "argument subcommand: invalid choice: 'fitt' (choose from "
        f"{', '.join(map(repr, command_files()))})",
    ),
    (
        {},
        ["fit"],
        'Parser key "model.objective": Not a valid subclass of Objective. Got value: None '
        f"{SUBCLASS}",
    ),
    (
        {"bad.yaml": "model: [\n"},
        ["--config", "bad.yaml"],
        "Problems parsing config: while parsing a flow node did not find expected node content "
        'in "<unicode string>", line 2, column 1',
    ),
    ({"bad.yaml": "- model\n"}, ["--config", "bad.yaml"], "Unexpected config: - model"),
    ({}, ["--model.objective.chanel", "1"], "Option 'chanel' is not accepted"),
    (
        {"bad.yaml": "model: {initial_imag: GrayNoise}"},
        ["--config", "bad.yaml"],
        "Subcommand 'fit' does not accept option 'model.initial_imag'",
    ),
    ({}, ["--modle.lr", "1"], "unrecognized arguments: --modle.lr 1"),
    ({}, ["other.yaml"], "unrecognized arguments: other.yaml"),
    (
        {
            "bad.yaml": "model: {objective: {class_path: WeightedSum, init_args: {summands: "
            f"[{MEAN}]}}}}}}"
        },
        ["--config", "bad.yaml"],
        'Parser key "summands": Expected a dot import path string: ChannelMean',
    ),
    (
        {"bad.yaml": "snapshots: {every: }"},
        ["--config", "bad.yaml"],
        "Parser key \"snapshots.every\": Expected a <class 'int'>. Got value: None",
    ),
    (
        {},
        ["--model.objective", "ChannelMeen"],
        'Parser key "model.objective": - Expected a path but ChannelMeen either not accessible or '
        "invalid - Expected a dot import path string: ChannelMeen",
    ),
    (
        {},
        ["--model.subject.cnn", "./nets/own.py:Net"],
        'Parser key "model.subject.cnn": '
        + UNION.format(
            kind="torch.nn.modules.module.Module",
            value="./nets/own.py:Net",
            why="Unexpected import path format: ./nets/own.py:Net",
        ),
    ),
    (
        {"broken.py": "def f(:\n"},
        ["--model.subject.cnn", "broken.Net"],
        'Parser key "model.subject.cnn": '
        + UNION.format(
            kind="torch.nn.modules.module.Module",
            value="broken.Net",
            why="Problem with given class_path 'broken.Net': cannot be imported: SyntaxError: "
            "invalid syntax (broken.py, line 1)",
        ),
    ),
    (
        {},
        ["--model.objective", "Neuron", "--model.objective", "Direction"],
        "Parser key \"model.objective\": Problem with given class_path 'prober.Direction': the "
        "following arguments are required: vector",
    ),
    (
        {"bad.yaml": "model: {objective: {class_path: prober.ascent.objectives.ChannelMeen}}"},
        ["--config", "bad.yaml"],
        'Parser key "model.objective": Problem with given class_path \'prober.ascent.objectives.'
        "ChannelMeen': module 'prober.ascent.objectives' has no attribute 'ChannelMeen'",
    ),
    (
        {"bad.yaml": "model: {objective: {class_path: prober.ChannelMean, init_args: conv2}}"},
        ["--config", "bad.yaml"],
        "Parser key \"model.objective\": Problem with given class_path 'prober.ChannelMean': 'str' "
        "object has no attribute 'keys'",
    ),
    (
        {},
        ["--model.subject.cnn", "nowhere.Net"],
        'Parser key "model.subject.cnn": '
        + UNION.format(
            kind="torch.nn.modules.module.Module",
            value="nowhere.Net",
            why="Problem with given class_path 'nowhere.Net': No module named 'nowhere'",
        ),
    ),
    (
        {},
        ["--model.subject.cnn", "json.Net"],
        'Parser key "model.subject.cnn": '
        + UNION.format(
            kind="torch.nn.modules.module.Module",
            value="json.Net",
            why="Problem with given class_path 'json.Net': module 'json' has no attribute 'Net'",
        ),
    ),
    (
        {},
        ["--model.subject.cnn", "json.JSONDecoder"],
        'Parser key "model.subject.cnn": '
        + UNION.format(
            kind="torch.nn.modules.module.Module",
            value="json.JSONDecoder",
            why="Import path does not correspond to a subclass of Module",
        ),
    ),
    (
        {"own_starts.py": OWN.format(method="made")},
        ["--model.initial_image", "own_starts.Checkers"],
        'Parser key "model.initial_image": '
        + UNION.format(
            value="own_starts.Checkers",
            kind="prober.ascent.starts.InitialImage",
            why="Expected an instantiatable class, but is abstract",
        ),
    ),
    (
        {},
        ["--trainer.precision", "65"],
        'Parser key "trainer.precision": Does not validate against any of the Union subtypes '
        f"Subtypes: [typing.Literal[64, 32, 16], {PRECISIONS}, typing.Literal['64', '32', '16', "
        "'bf16'], <class 'NoneType'>] Errors: - Expected a typing.Literal[64, 32, 16] - Expected a "
        f"{PRECISIONS} - Expected a typing.Literal['64', '32', '16', 'bf16'] - Expected a <class "
        "'NoneType'> Given value type: <class 'str'> Given value: 65",
    ),
    (
        {},
        ["--model.style", "Legible"],
        "Parser key \"model.style\": Expected a typing.Literal['plain', 'legible']. Got value: "
        "Legible",
    ),
    (
        {
            "bad.yaml": "model: {objective: {class_path: Direction, init_args: {layer: conv2, "
            "vector: [1.0, 2.0]}}}"
        },
        ["--config", "bad.yaml"],
        'Parser key "vector": Does not validate against any of the Union subtypes Subtypes: '
        "[<class 'str'>, <class 'prober.ascent.layer_objectives.ClassDifference'>] Errors: - "
        f"Expected a <class 'str'> - Not a valid subclass of ClassDifference {SUBCLASS} Given "
        "value type: <class 'list'> Given value: [1.0, 2.0]",
    ),
    (
        {},
        ["--trainer.max_steps", "ten"],
        "Parser key \"trainer.max_steps\": Expected a <class 'int'>. Got value: ten",
    ),
    (
        {},
        ["--trainer", "-0.5"],
        "Parser key \"trainer\": Unable to load config '-0.5' - "
        'Parser key "trainer": Unable to load config "-0.5"',
    ),
    (
        {"bad.yaml": "model: {objective: [null]}"},
        ["--config", "bad.yaml"],
        'Parser key "model.objective": Not a valid subclass of Objective. Got value: [None] '
        f"{SUBCLASS}",
    ),
    (
        {"bad.yaml": "model: {class_path: a.b}"},
        ["sweep", "--config", "bad.yaml"],
        "Subclasses are disabled for Method, thus 'a.b' is not accepted as class_path. Only the "
        "class_path of Method itself is accepted, or its init args given directly. To accept "
        "subclasses use set_parsing_settings(subclasses_enabled=[Method]).",
    ),
    (
        {},
        ["--model.subject.value_range", "[3]"],
        'Parser key "model.subject.value_range": Expected a tuple with 2 elements. Got value: [3]',
    ),
]
"""For each row the files and the arguments, of `fit` if no command is named, that it was made for,
and what the parser then says."""


@pytest.mark.parametrize(
    ("row", "cause"),
    zip(MESSAGES, CAUSES, strict=True),
    ids=[row[-40:] for row in MESSAGES],
)
def test_what_the_parser_says_is_told_by_its_row(prober, tmp_path, monkeypatch, row, cause):
    files, args, says = cause
    for name, text in files.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    said = []
    error = ProberParser.error
    monkeypatch.setattr(
        ProberParser,
        "error",
        lambda self, message, ex=None: (
            said.append(" ".join(message.split())),
            error(self, message),
        ),
    )
    fit = ["fit", "--config", CONV2_CH3, "--trainer.max_steps", 2]
    whole = args[0] in ("fit", "sweep", "--print_config")
    told = refused(prober(*([] if whole else fit), *args))
    assert said[-1] == says  # what a class's own parser says of it may come first
    assert told != says
    # An earlier row may have the same words and leave it to this one.
    assert re.search(row, says)
    first = next(each for each in MESSAGES if re.search(each, says))
    assert first == row or MESSAGES[first](re.search(first, says), ArgumentParser()) is None


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("def f(:", "SyntaxError: invalid syntax (broken.py, line 3)"),
        ("raise ValueError('unfinished')", "ValueError: unfinished"),
        ("import nowhere", "ModuleNotFoundError: No module named 'nowhere'"),
        ("raise SystemExit(3)", "SystemExit: 3"),
        (
            "import argparse\nargparse.ArgumentParser().parse_args(['--width'])",
            "RuntimeError: it reads the command line, which is not its own (unrecognized "
            "arguments: --width): let it do that below if __name__ == '__main__' alone",
        ),
    ],
)
@pytest.mark.parametrize("option", ["model.subject.cnn", "model.objective"])
def test_a_file_that_cannot_be_imported_is_told_with_the_reason(
    prober, tmp_path, option, text, why
):
    once = "with open('times', 'x'):\n    pass\n"
    (tmp_path / "broken.py").write_text(once + text, encoding="utf-8")
    ended = prober("fit", "--config", CONV2_CH3, f"--{option}", "broken.Mine")
    assert refused(ended) == f"{option}: cannot import 'broken.Mine': {why}."


def choices(prober, *args):
    message = refused(prober("fit", "--config", CONV2_CH3, "--trainer.max_steps", 2, *args))
    return message.split("Choose ")[1].rstrip(".").split(", ")


def test_choices_are_what_prober_offers_and_nothing_internal(prober):
    assert choices(prober, "--model.initial_image", "GreyNoise") == [
        *("GaussianNoise", "GivenImage", "GrayNoise", "LowFrequencyNoise", "PinkNoise")
    ]
    assert choices(prober, "--model.parameterization", "Fourir") == [
        *("Fourier", "MagnitudeConstrained", "Pixels")
    ]


def test_a_person_s_own_class_is_a_choice(prober, tmp_path):
    (tmp_path / "own_starts.py").write_text(OWN.format(method="draw"), encoding="utf-8")
    args = ["--model.initial_image", "own_starts.Checkers", "--model.initial_image", "Chekers"]
    message = refused(prober("fit", "--config", CONV2_CH3, *args))
    assert "Did you mean 'Checkers'?" in message


def test_a_config_that_stands_at_the_wrong_place_is_told(prober):
    assert refused(prober("fit", CONV2_CH3)) == (
        f"'{CONV2_CH3}' follows no option: give a config as --config {CONV2_CH3}."
    )
    refused(prober("--config", CONV2_CH3, "fit"), "after its name, as in fit --config ...")


def test_a_config_of_another_command_is_told_from_a_misspelt_one(prober):
    sweep = CONFIGS / "checklist.yaml"
    refused(prober("fit", "--config", sweep), "takes no grid", "sweep and report")
    refused(prober("sweep", "--config", CONV2_CH3), "takes no model.objective", "grid.targets")
    message = refused(prober("fit", "--config", CONV2_CH3, "--trainer.nope", 3))
    assert message == (
        "There is no option 'trainer.nope'. --help after the command lists what there is."
    )
