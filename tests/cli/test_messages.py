"""Each row of the table of messages is what the parser really says, and what people are told."""

import pytest

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
CAUSES = [
    ({}, ["--print_config"]),  # without it, the parser is not even asked
    ({}, ["--print_config", "fitt"]),
    ({}, ["fit"]),
    ({"bad.yaml": "model: [\n"}, ["--config", "bad.yaml"]),
    ({"bad.yaml": "- model\n"}, ["--config", "bad.yaml"]),
    ({}, ["--model.objective.chanel", "1"]),
    ({"bad.yaml": "model: {initial_imag: GrayNoise}"}, ["--config", "bad.yaml"]),
    ({}, ["--modle.lr", "1"]),
    (
        {
            "bad.yaml": "model: {objective: {class_path: WeightedSum, init_args: {summands: "
            f"[{MEAN}]}}}}}}"
        },
        ["--config", "bad.yaml"],
    ),
    ({"bad.yaml": "snapshots: {every: }"}, ["--config", "bad.yaml"]),
    ({}, ["--model.objective", "ChannelMeen"]),
    ({"broken.py": "def f(:\n"}, ["--model.subject.cnn", "broken.Net"]),
    (
        {"bad.yaml": "model: {objective: {class_path: prober.ascent.objectives.ChannelMeen}}"},
        ["--config", "bad.yaml"],
    ),
    (
        {"bad.yaml": "model: {objective: {class_path: prober.ChannelMean, init_args: conv2}}"},
        ["--config", "bad.yaml"],
    ),
    ({}, ["--model.subject.cnn", "nowhere.Net"]),
    ({}, ["--model.subject.cnn", "json.JSONDecoder"]),
    (
        {"own_starts.py": OWN.format(method="made")},
        ["--model.initial_image", "own_starts.Checkers"],
    ),
    ({}, ["--trainer.precision", "65"]),
    (
        {
            "bad.yaml": "model: {objective: {class_path: Direction, init_args: {layer: conv2, "
            "vector: [1.0, 2.0]}}}"
        },
        ["--config", "bad.yaml"],
    ),
    ({}, ["--trainer.max_steps", "ten"]),
    ({}, ["--trainer", "-0.5"]),
    ({"bad.yaml": "model: {objective: [null]}"}, ["--config", "bad.yaml"]),
    ({"bad.yaml": "model: {class_path: a.b}"}, ["sweep", "--config", "bad.yaml"]),
    ({}, ["--model.subject.value_range", "[3]"]),
]
"""For each row, the files and the arguments, of `fit` if none is named, that it was made for."""


@pytest.mark.parametrize(
    ("row", "cause"),
    zip(MESSAGES, CAUSES, strict=True),
    ids=[row.said.pattern[-40:] for row in MESSAGES],
)
def test_example_is_what_the_parser_says_and_its_row_tells_it(
    prober, tmp_path, monkeypatch, row, cause
):
    files, args = cause
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
    ended = prober(*([] if whole else fit), *args)
    refused(ended)
    assert said == [row.example]
    first = next(each for each in MESSAGES if each.said.search(said[0]))
    told = ended.err.removeprefix("Error: ").rstrip("\n")
    assert told != said[0]
    # An earlier row may have the same words and leave it to this one.
    assert row.said.search(said[0])
    assert first is row or first.told(first.said.search(said[0]), _nothing()) is None


def _nothing():
    from argparse import ArgumentParser

    from prober.cli.messages import Parsed

    return Parsed(ArgumentParser(), "")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("def f(:", "SyntaxError: invalid syntax (broken.py, line 1)"),
        ("raise ValueError('unfinished')", "ValueError: unfinished"),
        ("import nowhere", "ModuleNotFoundError: No module named 'nowhere'"),
        ("raise SystemExit(3)", "SystemExit: 3"),
    ],
)
@pytest.mark.parametrize("option", ["model.subject.cnn", "model.objective"])
def test_a_file_that_cannot_be_imported_is_told_with_the_reason(
    prober, tmp_path, option, text, why
):
    (tmp_path / "broken.py").write_text(text, encoding="utf-8")
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


def test_a_config_of_another_command_is_told_from_a_misspelt_one(prober):
    sweep = CONFIGS / "checklist.yaml"
    refused(prober("fit", "--config", sweep), "takes no grid", "sweep and report")
    refused(prober("sweep", "--config", CONV2_CH3), "takes no model.objective", "grid.targets")
    message = refused(prober("fit", "--config", CONV2_CH3, "--trainer.nope", 3))
    assert message == (
        "There is no option 'trainer.nope'. --help after the command lists what there is."
    )
