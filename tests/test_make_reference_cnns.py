"""`docs/make_reference_cnns.py`: MNIST is read, two CNNs are trained, measured and written."""

import gzip
import hashlib
import io
import re
import subprocess
import sys
from collections import Counter

import numpy as np
import pytest
import torch
from torch import nn

from docs import make_reference_cnns
from docs.make_reference_cnns import (
    BuildError,
    Digits,
    Figures,
    MnistError,
    checkpoint_bytes,
    conflicting_hues,
    draw_hues,
    main,
    measure,
    read_digits,
    select_digits,
    shortfalls,
)
from prober.common.colors import hue_to_rgb
from prober.subject.reference import HUES, ReferenceCNN
from tests.command_line import ROOT


def idx_bytes(array):
    header = bytes([0, 0, 8, array.ndim])
    return header + b"".join(int(n).to_bytes(4, "big") for n in array.shape) + array.tobytes()


def noise_digits(count, seed):
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 256, (count, 28, 28), dtype=np.uint8)
    labels = rng.permutation(np.arange(count) % 10).astype(np.uint8)
    return images, labels


def write_mnist(folder, training, test, zipped=True):
    folder.mkdir(exist_ok=True)
    for name, (images, labels) in (("train", training), ("t10k", test)):
        for kind, array in (("images-idx3-ubyte", images), ("labels-idx1-ubyte", labels)):
            content = idx_bytes(array)
            file = folder / (f"{name}-{kind}.gz" if zipped else f"{name}-{kind}")
            file.write_bytes(gzip.compress(content) if zipped else content)
    return folder


FILES = ["MODEL_CARD.md", "biased.pt", "control.pt", "digits.npz"]
TRAINING, TEST = noise_digits(640, seed=1), noise_digits(1100, seed=2)


@pytest.fixture
def process_settings():
    """The script sets these for its process, which here is that of all tests."""
    threads, random_state = torch.get_num_threads(), torch.get_rng_state()
    deterministic = torch.are_deterministic_algorithms_enabled()
    yield
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(deterministic)
    torch.set_rng_state(random_state)


@pytest.fixture
def noise_folder(tmp_path):
    return write_mnist(tmp_path / "noise", TRAINING, TEST)


def test_builds_all_files_and_the_same_bytes_again(
    tmp_path, noise_folder, monkeypatch, process_settings
):
    # Noise teaches no digits, so the figures cannot be held; here they need not be.
    monkeypatch.setattr(make_reference_cnns, "shortfalls", lambda **_figures: [])
    # Any fixed number of threads gives the same bytes; two would wait for each other on a busy CPU.
    monkeypatch.setattr(make_reference_cnns, "THREADS", 1)
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

    torch.manual_seed(make_reference_cnns.SEED)
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


def test_figures_not_held_is_loud_and_nothing_else_is_on_the_screen(
    tmp_path, noise_folder, monkeypatch, capfd, process_settings
):
    monkeypatch.setattr(make_reference_cnns, "THREADS", 1)
    output = tmp_path / "output"
    assert main([str(noise_folder), "--output", str(output)]) == 1
    screen = capfd.readouterr()
    message = screen.err.splitlines()
    assert message[0] == "error: the figures are not held, nothing is written:"
    assert message[-1].startswith("control, conflicting colors, right: ")
    assert message[-1].endswith("must be at least 97%")
    assert all(re.match(r"(biased|control), ", line) for line in message[1:])

    lines = [line for line in re.split(r"[\r\n]", screen.out) if line.strip()]
    known = r"training (biased|control)$|(Training|Epoch \d+): "
    assert all(re.match(known, line) for line in lines)
    assert {"training biased", "training control"} <= set(lines)

    assert list(output.iterdir()) == []
    assert sorted(p.name for p in tmp_path.iterdir()) == ["noise", "output"]


def test_it_is_a_command_by_itself(tmp_path):
    command = [sys.executable, ROOT / "docs" / "make_reference_cnns.py", tmp_path]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert run.returncode == 2
    assert run.stderr.startswith(f"error: {tmp_path} has no train-images-idx3-ubyte")


def test_bad_folder_is_told(tmp_path, capsys):
    output = tmp_path / "output"
    assert main([str(tmp_path / "nowhere"), "--output", str(output)]) == 2
    assert main([str(tmp_path), "--output", str(output)]) == 2
    first, second = capsys.readouterr().err.splitlines()
    assert first.startswith(f"error: {tmp_path / 'nowhere'} has no train-images-idx3-ubyte, ")
    assert second.startswith(f"error: {tmp_path} has no train-images-idx3-ubyte, ")
    assert not output.exists()


def test_output_that_is_a_file_is_told_before_any_training(
    tmp_path, noise_folder, capsys, monkeypatch
):
    monkeypatch.setattr(make_reference_cnns, "build", lambda *_: pytest.fail("it trained"))
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
    digits = Digits(torch.zeros(1000, 28, 28, dtype=torch.uint8), labels)
    assert torch.equal(select_digits(digits).labels, labels)
    with pytest.raises(BuildError, match=r"each of: 9$"):
        select_digits(Digits(digits.images[:-1], labels[:-1]))


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
    digits = Digits(torch.full((1203, 28, 28), 255, dtype=torch.uint8), labels)
    assert measure(NamesTheColor(), digits) == Figures(1, 0, 1)

    figures = measure(AlwaysSaysZero(), digits)
    zeros = conflicting_hues(labels, make_reference_cnns.SEED).tolist().count(0)
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


SOME, OTHERS = noise_digits(30, seed=1), noise_digits(20, seed=2)


@pytest.mark.parametrize("zipped", [True, False])
def test_reads_what_was_written(tmp_path, zipped):
    folder = write_mnist(tmp_path, SOME, OTHERS, zipped)
    for name, (images, labels) in (("train", SOME), ("t10k", OTHERS)):
        digits = read_digits(folder, name)
        assert digits.images.dtype == torch.uint8
        assert digits.labels.dtype == torch.int64
        assert digits.images.tolist() == images.tolist()
        assert digits.labels.tolist() == labels.tolist()


IMAGES, LABELS = "train-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"
WHOLE = gzip.compress(idx_bytes(SOME[0]))

# What is wrong: the file that is replaced, its content (None: missing), what the message says.
BROKEN = {
    "missing": (LABELS, None, "has no t10k-labels-idx1-ubyte"),
    "empty": (IMAGES, b"", "does not begin as an IDX file"),
    "not gzip": (IMAGES, b"hello, I am no gzip file", "cannot be read"),
    "truncated gzip": (IMAGES, WHOLE[: len(WHOLE) // 2], "cannot be read"),
    "damaged gzip": (IMAGES, WHOLE[:2000] + bytes(100) + WHOLE[2100:], "cannot be read"),
    "not idx": (IMAGES, gzip.compress(b"hello, I am no IDX file"), "does not begin as an IDX file"),
    "cut header": (IMAGES, gzip.compress(idx_bytes(SOME[0])[:9]), "unpack requires"),
    "cut data": (
        IMAGES,
        gzip.compress(idx_bytes(SOME[0])[:-1]),
        r"\(30, 28, 28\) declared, but 23519 bytes held",
    ),
    "not 28x28": (
        IMAGES,
        gzip.compress(idx_bytes(np.zeros((30, 32, 32), np.uint8))),
        r"train: the images are \(30, 32, 32\)",
    ),
    "too few labels": (
        LABELS,
        gzip.compress(idx_bytes(np.zeros(19, np.uint8))),
        r"t10k: 20 images, labels \(19,\)",
    ),
    "no digit": (
        LABELS,
        gzip.compress(idx_bytes(np.full(20, 10, np.uint8))),
        "t10k: a label is 10",
    ),
}


@pytest.mark.parametrize(("name", "content", "message"), BROKEN.values(), ids=BROKEN)
def test_broken_file_is_told(tmp_path, name, content, message):
    write_mnist(tmp_path, SOME, OTHERS)
    if content is None:
        (tmp_path / name).unlink()
    else:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(MnistError, match=message):
        read_digits(tmp_path, "train"), read_digits(tmp_path, "t10k")


def test_empty_set_is_told(tmp_path):
    nothing = np.zeros((0, 28, 28), np.uint8), np.zeros(0, np.uint8)
    with pytest.raises(MnistError, match="train: 0 images"):
        read_digits(write_mnist(tmp_path, nothing, OTHERS), "train")


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


LABELS = torch.arange(10).repeat(9_000)


@pytest.mark.parametrize("p", [0.0, 0.3, 0.995, 1.0])
def test_own_hue_comes_with_frequency_p(p):
    hues = draw_hues(LABELS, p, rng())
    own = sum(hue == label for hue, label in zip(hues.tolist(), LABELS.tolist(), strict=True))
    four_sigma = 4 * (p * (1 - p) / len(LABELS)) ** 0.5
    assert abs(own / len(LABELS) - p) <= four_sigma


def test_other_hues_are_equally_likely_for_every_digit():
    hues = draw_hues(LABELS, 0.1, rng())
    pairs = Counter(zip(LABELS.tolist(), hues.tolist(), strict=True))
    # 9,000 of each digit, a tenth in each hue: 900, give or take 28.
    assert len(pairs) == 100
    assert all(abs(count - 900) < 5 * 28.5 for count in pairs.values())


def test_drawing_depends_on_its_generator_alone():
    torch.manual_seed(1)
    first = draw_hues(LABELS, 0.5, rng(3))
    torch.manual_seed(2)
    assert torch.equal(first, draw_hues(LABELS, 0.5, rng(3)))
    assert not torch.equal(first, draw_hues(LABELS, 0.5, rng(4)))


@pytest.mark.parametrize("p", [-0.1, 1.1, float("nan")])
def test_p_is_a_probability(p):
    with pytest.raises(ValueError, match="probability"):
        draw_hues(LABELS, p, rng())


def test_conflicting_hues_never_match_and_are_fixed():
    hues = conflicting_hues(LABELS)
    assert not (hues == LABELS).any()
    pairs = Counter(zip(LABELS.tolist(), hues.tolist(), strict=True))
    assert len(pairs) == 90
    assert all(abs(count - 1000) < 5 * 30 for count in pairs.values())
    assert torch.equal(hues, conflicting_hues(LABELS, seed=0))
    assert not torch.equal(hues, conflicting_hues(LABELS, seed=1))
