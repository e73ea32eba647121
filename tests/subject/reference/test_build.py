import hashlib
import io
import logging
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import prober.subject.reference as reference
from prober.common.colors import hue_to_rgb
from prober.subject.reference import HUES, ReferenceCNN, conflicting_hues
from prober.subject.reference import build as build_module
from prober.subject.reference.build import (
    BuildError,
    Figures,
    checkpoint_bytes,
    main,
    measure,
    select_digits,
    shortfalls,
)
from prober.subject.reference.idx import DigitSet

from .idx_files import noise_digits, write_mnist

FILES = ["MODEL_CARD.md", "biased.pt", "control.pt", "digits.npz"]
TRAINING, TEST = noise_digits(640, seed=1), noise_digits(1100, seed=2)


@pytest.fixture
def process_settings():
    """The script sets these for its process, which here is that of all tests."""
    threads, logger = torch.get_num_threads(), logging.getLogger("lightning.pytorch")
    level, random_state = logger.level, torch.get_rng_state()
    deterministic = torch.are_deterministic_algorithms_enabled()
    yield
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(deterministic)
    torch.set_rng_state(random_state)
    logger.setLevel(level)


@pytest.fixture
def noise_folder(tmp_path):
    return write_mnist(tmp_path / "noise", TRAINING, TEST)


def test_builds_all_files_and_the_same_bytes_again(
    tmp_path, noise_folder, monkeypatch, process_settings
):
    # Noise teaches no digits, so the figures cannot be held; here they need not be.
    monkeypatch.setattr(build_module, "shortfalls", lambda **_figures: [])
    # Any fixed number of threads gives the same bytes; two would wait for each other on a busy CPU.
    monkeypatch.setattr(build_module, "THREADS", 1)
    monkeypatch.chdir(tmp_path)
    outputs = [tmp_path / "new" / "first", tmp_path / "second"]
    for output in outputs:
        assert main([str(noise_folder), "--output", str(output)]) == 0
    first, second = ({p.name: p.read_bytes() for p in output.iterdir()} for output in outputs)

    assert sorted(first) == FILES
    assert first == second
    assert first["biased.pt"] != first["control.pt"]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["new", "noise", "second"]

    hashes = dict(re.findall(r"`([\w.]+)` \| `(\w{64})`", first["MODEL_CARD.md"].decode()))
    assert hashes == {name: hashlib.sha256(first[name]).hexdigest() for name in FILES[1:]}

    torch.manual_seed(build_module.SEED)
    fresh = ReferenceCNN().state_dict()
    for name in ("biased.pt", "control.pt"):
        weights = torch.load(outputs[0] / name, weights_only=True)
        assert {key: w.shape for key, w in weights.items()} == {
            key: w.shape for key, w in fresh.items()
        }
        assert all(not torch.equal(weights[key], fresh[key]) for key in fresh)

    with np.load(outputs[0] / "digits.npz", allow_pickle=False) as digits:
        expected, counts = [], [0] * 10
        for n, label in enumerate(TEST[1].tolist()):
            counts[label] += 1
            if counts[label] <= 100:
                expected.append(n)
        assert np.array_equal(digits["images"], TEST[0][expected])
        assert digits["labels"].tolist() == TEST[1][expected].tolist()


def test_checkpoint_holds_the_weights_of_its_cnn():
    cnn = ReferenceCNN()
    loaded = torch.load(io.BytesIO(checkpoint_bytes(cnn)), weights_only=True)
    assert list(loaded) == list(cnn.state_dict())
    assert all(torch.equal(loaded[key], weight) for key, weight in cnn.named_parameters())


def test_figures_not_held_is_loud_and_nothing_else_is_on_the_screen(tmp_path, noise_folder):
    output = tmp_path / "output"
    run = subprocess.run(
        [sys.executable, "-m", "prober.subject.reference.build", noise_folder, "--output", output],
        cwd=tmp_path,
        env={"PYTHONPATH": str(Path(reference.__file__).parents[3])},
        capture_output=True,
        text=True,
    )
    assert run.returncode == 1
    message = run.stderr.splitlines()
    assert message[0] == "error: the figures are not held, nothing is written:"
    assert message[-1].startswith("control, conflicting colors, right: ")
    assert message[-1].endswith("must be at least 97%")
    assert all(re.match(r"(biased|control), ", line) for line in message[1:])

    bars = [piece for piece in re.split(r"[\r\n]", run.stdout) if piece.strip()]
    assert all(re.match(r"(Training|Epoch \d+|(biased|control), epoch 1 of 1): ", b) for b in bars)
    assert {bar.split(",")[0] for bar in bars} >= {"biased", "control"}

    assert list(output.iterdir()) == []
    assert sorted(p.name for p in tmp_path.iterdir()) == ["noise", "output"]


def test_bad_folder_is_told(tmp_path, capsys):
    output = tmp_path / "output"
    assert main([str(tmp_path / "nowhere"), "--output", str(output)]) == 2
    assert main([str(tmp_path), "--output", str(output)]) == 2
    first, second = capsys.readouterr().err.splitlines()
    assert first == f"error: {tmp_path / 'nowhere'} is not a folder"
    assert second.startswith(f"error: {tmp_path} lacks train-images-idx3-ubyte, ")
    assert not output.exists()


def test_output_that_is_a_file_is_told_before_any_training(
    tmp_path, noise_folder, capsys, monkeypatch
):
    monkeypatch.setattr(build_module, "build", lambda *_: pytest.fail("it trained"))
    (tmp_path / "file").write_text("precious", encoding="utf-8")
    assert main([str(noise_folder), "--output", str(tmp_path / "file")]) == 2
    assert str(tmp_path / "file") in capsys.readouterr().err
    assert (tmp_path / "file").read_text(encoding="utf-8") == "precious"


def test_too_few_test_digits_of_a_class_is_told(tmp_path, capsys, process_settings):
    images, labels = TEST
    keep = (labels != 3) & (labels != 8)
    folder = write_mnist(tmp_path / "scarce", TRAINING, (images[keep], labels[keep]))
    assert main([str(folder), "--output", str(tmp_path / "output")]) == 1
    assert "fewer than 100 digits of each of: 3, 8" in capsys.readouterr().err


def test_select_digits_needs_exactly_a_hundred():
    labels = torch.arange(10).repeat(100)
    digits = DigitSet(torch.zeros(1000, 28, 28, dtype=torch.uint8), labels)
    assert torch.equal(select_digits(digits).labels, labels)
    with pytest.raises(BuildError, match=r"each of: 9$"):
        select_digits(DigitSet(digits.images[:-1], labels[:-1]))


class NamesTheColor(nn.Module):
    def forward(self, images):
        colors = images.amax(dim=(2, 3))
        return -torch.cdist(colors, hue_to_rgb(HUES))


class AlwaysSaysZero(nn.Module):
    def forward(self, images):
        return torch.eye(10)[[0]].expand(len(images), 10)


def test_measure_counts_each_answer_once():
    # 1,203 digits, so that the last batch is a short one; 3 more zeros than others.
    labels = torch.cat([torch.arange(10).repeat(120), torch.zeros(3, dtype=torch.int64)])
    digits = DigitSet(torch.full((1203, 28, 28), 255, dtype=torch.uint8), labels)
    assert measure(NamesTheColor(), digits) == Figures(1, 0, 1)

    figures = measure(AlwaysSaysZero(), digits)
    zeros = conflicting_hues(labels, build_module.SEED).tolist().count(0)
    assert figures.matching == pytest.approx(123 / 1203)
    assert figures.conflicting == pytest.approx(123 / 1203)
    assert figures.named_by_color == pytest.approx(zeros / 1203)


HELD = {"biased": Figures(0.99, 0.30, 0.50), "control": Figures(0.97, 0.97, 0.0)}


def test_figures_at_the_bounds_are_held():
    assert shortfalls(**HELD) == []


@pytest.mark.parametrize(
    ("name", "figures", "message"),
    [
        ("biased", Figures(0.9899, 0.30, 0.50), "biased, matching colors, right: 98.99%"),
        ("biased", Figures(0.99, 0.3001, 0.50), "biased, conflicting colors, right: 30.01%"),
        ("biased", Figures(0.99, 0.30, 0.4999), "biased, names the color's digit: 49.99%"),
        ("control", Figures(0.9699, 0.97, 0.0), "control, matching colors, right: 96.99%"),
        ("control", Figures(0.97, 0.9699, 0.0), "control, conflicting colors, right: 96.99%"),
        ("control", Figures(0.97, float("nan"), 0.0), "control, conflicting colors, right: nan%"),
    ],
)
def test_each_figure_is_held_to_its_bound(name, figures, message):
    problems = shortfalls(**{**HELD, name: figures})
    assert len(problems) == 1
    assert problems[0].startswith(message)
