"""A regularizer and an objective from a file outside the package: those of `docs/extending.md`."""

import gc
import importlib
import json
import math
import re
import sys

import numpy as np
import pytest
import torch
import yaml
from PIL import Image, ImageDraw, ImageFont
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import prober as package
from prober.ascent.method import Method
from prober.ascent.module import ActivationMaximization
from prober.ascent.regularizers import Penalties
from prober.ascent.starts import GaussianNoise
from prober.ascent.targets import Target
from prober.common.drawing import wrapped
from prober.subject.reference import ReferenceCNN
from prober.sweep.sheets import LABEL, LETTERS
from tests.command_line import CONV2_CH3, ROOT, refused

PAGE = (ROOT / "docs" / "extending.md").read_text(encoding="utf-8")
PYTHON = re.search(r"```python\n(.*?)```", PAGE, re.DOTALL)[1]
FIT, SWEEP = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
QUICK = ["--trainer.max_steps", "4", "--trainer.devices", "1", "--snapshots.every", "2"]


@pytest.fixture(scope="module")
def my_parts(tmp_path_factory):
    """The page's file, imported from a folder of its own."""
    folder = tmp_path_factory.mktemp("mine")
    (folder / "my_parts.py").write_text(PYTHON, encoding="utf-8")
    sys.path.insert(0, str(folder))
    yield importlib.import_module("my_parts")
    sys.path.remove(str(folder))
    del sys.modules["my_parts"]
    gc.collect()  # else other tests would find its classes among those that there are


@pytest.fixture
def command(my_parts, prober, tmp_path):
    """Runs a command with the page's YAML for it, and returns the folder of the run."""

    def run(name, config, *args):
        (tmp_path / f"{name}.yaml").write_text(config, encoding="utf-8")
        ended = prober(name, "--config", f"{name}.yaml", *args)
        assert ended.code == 0, ended.err
        return tmp_path / re.findall(rf"^{FOLDERS[name]}: (\S+)$", ended.out, re.MULTILINE)[-1]

    return run


FOLDERS = {"fit": "Run", "sweep": "Sweep", "report": "Report"}


def huber(image, delta):
    """Huber's function of the differences of neighbors, by loops."""
    total = 0.0
    for d in (np.diff(image, axis=1), np.diff(image, axis=2)):
        d = np.abs(d).ravel()
        total += sum(x * x / (2 * delta) if x < delta else x - delta / 2 for x in d) / len(d)
    return total


def soft_maximum(values, temperature):
    return temperature * math.log(np.mean(np.exp(values.ravel() / temperature)))


def records(folder):
    lines = (folder / "records.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def reference():
    cnn = ReferenceCNN()
    cnn.load_state_dict(torch.load(ROOT / "prober/subject/reference/biased.pt"))
    return cnn


def test_penalties_of_a_batch_with_different_settings(my_parts):
    mine, l2 = my_parts.Huber, package.L2
    regularizers = [
        [mine(0.5, 0.1)],
        [mine(0.25, 0.4), l2(2.0)],
        [],
        [mine(0.5, 0.1), mine(3.0, 0.1), mine(1.0, 0.4)],
    ]
    images = torch.rand(4, 3, 5, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    penalties, total = Penalties(regularizers)(images)
    sharp, soft = ([huber(each, delta) for each in images.numpy()] for delta in (0.1, 0.4))
    assert set(penalties) == {"huber(delta=0.1)", "huber(delta=0.4)", "l2"}
    np.testing.assert_allclose(penalties["huber(delta=0.1)"], sharp)
    np.testing.assert_allclose(penalties["huber(delta=0.4)"], soft)
    expected = [
        0.5 * sharp[0],
        0.25 * soft[1] + 2 * np.mean(images[1].numpy() ** 2),
        0,
        3.5 * sharp[3] + soft[3],
    ]
    np.testing.assert_allclose(total, expected)


def test_scores_and_losses_of_a_batch_with_different_settings(my_parts):
    subject = package.Subject(reference(), input_shape=(3, 28, 28)).double()
    units = [(3, 0.5), (3, 2.0), (7, 0.5), (30, 0.5), (3, 0.5)]
    targets = [
        Target(
            my_parts.SoftMaximum("conv2", channel, temperature),
            GaussianNoise(),
            (my_parts.Huber(0.1, delta=0.1 * (1 + i % 2)),),
            seed=i,
        )
        for i, (channel, temperature) in enumerate(units)
    ]
    module = ActivationMaximization(subject, targets, Method(style="plain")).double()
    images = module.pictures().detach()
    with torch.no_grad():
        maps = reference().double()
        seen = {}
        maps.conv2.register_forward_hook(lambda *args: seen.update(maps=args[2].numpy()))
        maps(images)
    measures = module.evaluate()
    scores = [soft_maximum(seen["maps"][i, c], t) for i, (c, t) in enumerate(units)]
    np.testing.assert_allclose(measures.score, scores)
    penalties = [
        0.1 * huber(image, delta)
        for image, delta in zip(images.numpy(), [0.1, 0.2, 0.1, 0.2, 0.1], strict=True)
    ]
    np.testing.assert_allclose(measures.loss, np.subtract(penalties, scores))


def test_each_picture_is_what_it_would_be_alone(my_parts):
    objectives = [my_parts.SoftMaximum("conv2", 3, temperature) for temperature in (0.5, 2.0)]
    settings = {"steps": 5, "regularizers": [my_parts.Huber(0.05, 0.2)]}
    together = package.visualize(reference(), objectives, **settings)
    for made, objective in zip(together, objectives, strict=True):
        alone = package.visualize(reference(), objective, **settings)
        np.testing.assert_array_equal(made.array, alone.array)
    assert not np.array_equal(together[0].array, together[1].array)


def test_fit_records_and_shows_all_settings(command):
    folder = command("fit", FIT, "--trainer.max_steps", "4", "--trainer.log_every_n_steps", "1")
    assert folder.parent.name == "conv2_ch3_softmaximum_temperature0.5"
    record = json.loads((folder / "record.json").read_text(encoding="utf-8"))
    assert (record["objective"], record["temperature"]) == ("SoftMaximum", 0.5)
    assert record["regularizers"] == [{"name": "huber", "weight": 0.05, "delta": 0.2}]
    saved = yaml.safe_load((folder / "config.yaml").read_text(encoding="utf-8"))["model"]
    assert saved["objective"]["init_args"]["temperature"] == 0.5
    assert saved["regularizers"][0]["init_args"] == {"weight": 0.05, "delta": 0.2}
    events = EventAccumulator(str(folder)).Reload()
    assert any("huber" in tag and "0.2" in tag for tag in events.Tags()["scalars"])
    summary = events.summary_metadata["_hparams_/session_start_info"].plugin_data.content
    assert b"weight/huber(delta=0.2)" in summary
    assert b"conv2_ch3_softmaximum_temperature0.5" in summary


def shows(sheet, text, size):
    """Whether a sheet shows a text, as Pillow draws it."""
    font = ImageFont.load_default(size)
    drawn = Image.new("RGB", (int(font.getlength(text)) + 1, size + 4), "white")
    ImageDraw.Draw(drawn).text((0, 0), text, "black", font)
    drawn, sheet = np.asarray(drawn)[..., 0] < 128, np.asarray(sheet.convert("L")) < 128
    rows, columns = drawn.any(1).nonzero()[0], drawn.any(0).nonzero()[0]
    drawn = drawn[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    windows = np.lib.stride_tricks.sliding_window_view(sheet, drawn.shape)
    return any((row == drawn).all((1, 2)).any() for row in windows)


def test_sweep_records_and_shows_all_settings(command):
    folder = command("sweep", SWEEP, *QUICK)
    made = records(folder)
    # Of each of two channels the mean and two soft maxima, and one more; 2 seeds, 2 regularizers.
    assert len(made) == (2 * 3 + 1) * 2 * 2
    temperatures = [r["temperature"] for r in made if r["objective"] == "SoftMaximum"]
    assert sorted(temperatures) == [0.5] * 12 + [1.0] * 8
    assert {json.dumps(r["regularizers"]) for r in made} == {
        '[{"name": "huber", "weight": 0.05, "delta": 0.2}]',
        '[{"name": "huber", "weight": 0.05, "delta": 0.4}, {"name": "l2", "weight": 0.0001}]',
    }
    sheet = Image.open(folder / "sheets" / "conv2.png")
    assert shows(sheet, "reg0: 0.05 huber(delta=0.2)", 15)
    assert shows(sheet, "reg1: 0.05 huber(delta=0.4) + 0.0001 l2", 15)
    assert not shows(sheet, "reg1: 0.05 huber(delta=0.3) + 0.0001 l2", 15)
    name = wrapped("conv2_ch3_softmaximum_temperature0.5", LETTERS, LABEL)
    assert "".join(name).endswith("temperature0.5")
    assert all(shows(sheet, line, LETTERS) for line in name)
    name = "conv2_conv2_ch3_softmaximum_temperature0.5_softmaximum_reg1_seed0"
    events = EventAccumulator(str(folder / "hparams" / name)).Reload()
    summary = events.summary_metadata["_hparams_/session_start_info"].plugin_data.content
    assert b"weight/huber(delta=0.4)" in summary


def test_sweep_is_resumed_to_the_same_bits(command):
    exact = [*QUICK, "--trainer.precision", "64-true"]
    folder = command("sweep", SWEEP, *exact, "--chunk_size", "4")
    before = {r["stem"]: np.load(folder / f"{r['stem']}.npy") for r in records(folder)}
    chunks = sorted((folder / "chunks").glob("*.npz"))
    assert len(chunks) > 1
    for chunk in chunks[1:]:
        chunk.unlink()
    for stem in before:
        if "softmaximum" in stem:
            (folder / f"{stem}.npy").unlink()
    again = command("sweep", SWEEP, *exact, "--chunk_size", "4", "--resume", folder)
    assert again == folder
    for stem, array in before.items():
        np.testing.assert_array_equal(np.load(folder / f"{stem}.npy"), array)


def test_two_runs_are_interpolated(command, tmp_path):
    # The ends of spectra are brought to [0.01, 0.99] before they are blended.
    folders = [
        command(
            "fit",
            FIT,
            "--model.style",
            "plain",
            "--trainer.max_steps",
            "4",
            "--seed_everything",
            str(seed),
        )
        for seed in (0, 1)
    ]
    config = yaml.safe_dump({"interpolate": {"blends": 3, "records": list(map(str, folders))}})
    swept = command("sweep", config, *QUICK)
    (found,) = (swept / "interpolation").glob("*.json")
    said = json.loads(found.read_text(encoding="utf-8"))
    assert found.stem == "conv2_ch3_softmaximum_temperature0.5"
    # The ends start as the runs ended, and so from their scores.
    ends = [json.loads((f / "record.json").read_text(encoding="utf-8")) for f in folders]
    before = said["score_before"]
    np.testing.assert_allclose(
        [before[0], before[-1]], [each["score_end"] for each in ends], rtol=1e-4
    )


@pytest.mark.parametrize("sweep_first", [False, True])
def test_report_shows_pictures_of_the_objective(command, sweep_first):
    config = yaml.safe_load(SWEEP)
    targets = config["grid"].pop("targets")
    if sweep_first:
        config["grid"] |= {"channels": 3, "objectives": ["ChannelMean"], "targets": targets}
        swept = command("sweep", yaml.safe_dump(config), *QUICK)
        folder = command("report", "{}", "--sweep", swept, "--data", "none", *QUICK)
        expected = {3}
    else:
        config["grid"]["seeds"] = 4  # three starts and two sets of penalties take turns
        less = ("--grid.classes", "null", "--grid.positions", 1, "--data", "none")
        folder = command("report", yaml.safe_dump(config), *less, *QUICK)
        expected = {0, 1}
    found = json.loads((folder / "findings.json").read_text(encoding="utf-8"))
    channels = [unit for unit in found if unit["position"] is None]
    assert {unit["channel"] for unit in channels} == expected
    for unit in channels:
        shown = unit["evidence"]["pictures"]["items"]
        assert any(item["objective"] == "SoftMaximum" for item in shown), shown
        penalties = {item["regularizers"] for item in shown}
        assert penalties == {"0.05 huber(delta=0.2)", "0.05 huber(delta=0.4) + 0.0001 l2"}


WRONG = """
from dataclasses import dataclass
from prober.ascent.regularizers import Regularizer


@dataclass(frozen=True)
class Wrong(Regularizer):
    weight: float = 1.0

    def penalties(self, images):
        {line}
"""


@pytest.mark.parametrize("command", ["fit", "sweep"])
@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("return images.mean()", "Wrong.penalties gives [] of torch.float"),
        ("return images.mean(1)", "it must give one number for each image: a tensor ["),
        ("return images.mean((1, 2, 3)) > 0", "of torch.bool; it must give"),
        ("return None", "Wrong.penalties gives a NoneType; it must give"),
        ("return next(iter([]))", "StopIteration"),
        ("raise KeyError('no such thing')", "KeyError: 'no such thing'"),
    ],
)
def test_a_part_of_ones_own_that_gives_something_else_is_told(
    prober, tmp_path, command, line, said
):
    (tmp_path / "wrong.py").write_text(WRONG.format(line=line), encoding="utf-8")
    grid = ["--grid.layers", "conv1", "--grid.channels", "[0,1]", "--trainer.devices", 1]
    options = {
        "fit": ["--config", CONV2_CH3, "--model.regularizers", "[wrong.Wrong]"],
        "sweep": [*grid, "--grid.regularizers", "[[{class_path: wrong.Wrong}]]"],
    }
    quick = ["--trainer.max_steps", 2, "--trainer.enable_progress_bar", "false"]
    refused(prober(command, *options[command], *quick), said)
    gc.collect()


START = """
from dataclasses import dataclass
import torch
from prober.ascent.starts import InitialImage


@dataclass(frozen=True)
class Mine(InitialImage):
    def draw(self, shape, generator):
        {line}
"""


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("return None", "Mine.draw gives a NoneType; it must give one input"),
        ("return torch.zeros(3)", "Mine.draw gives [3] of torch.float32; it must give one input: "),
        ("return torch.zeros(shape) > 0", "[3, 28, 28] of torch.bool"),
        ("raise KeyError('no such thing')", "Mine.draw failed: KeyError: 'no such thing'"),
    ],
)
def test_a_start_of_ones_own_that_is_no_image_is_told(prober, tmp_path, line, said):
    (tmp_path / "start.py").write_text(START.format(line=line), encoding="utf-8")
    grid = ["--grid.layers", "conv1", "--grid.initial_images", "[{class_path: start.Mine}]"]
    refused(prober("fit", "--config", CONV2_CH3, "--model.initial_image", "start.Mine"), said)
    refused(prober("sweep", *grid, "--trainer.devices", 1), said)
    assert not (tmp_path / "lightning_logs").exists()
    gc.collect()


@pytest.mark.parametrize(
    "name, said",
    [
        ("Neurn", "there is no 'Neurn'. Did you mean 'Neuron'? Choose ChannelMean, "),
        ("my_parts.Huber", "there is no 'my_parts.Huber'."),
        ("my_parts.Nothing", "there is no 'my_parts.Nothing'."),
        (
            "nowhere.Mine",
            "cannot import 'nowhere.Mine': ModuleNotFoundError: No module named 'nowhere'.",
        ),
        ("broken.Mine", "cannot import 'broken.Mine': RuntimeError: unfinished."),
        ("ends.Mine", "cannot import 'ends.Mine': SystemExit: 3."),
        (
            "open_one.Mine",
            "open_one.Mine has no default for power: write {class_path: open_one.Mine, init_args: "
            "{power: …}}.",
        ),
        ("{class_path: TopKMean, init_args: {kk: 3}}", "TopKMean has no setting 'kk'."),
        (
            "{class_path: TopKMean, init_args: {layer: conv1}}",
            "TopKMean has no setting 'layer' here: layers, channels and positions are the grid's.",
        ),
        (
            "{class_path: TopKMean, init_args: {k: three}}",
            "k of TopKMean: 'three' is not of type int.",
        ),
        (
            "{class_path: my_parts.SoftMaximum, init_args: {temperature: null}}",
            "temperature of SoftMaximum: None is not of type float.",
        ),
        ("{class_path: TopKMean, init_args: {1: 3}}", "TopKMean has no setting '1'."),
        ("[TopKMean]", "[[TopKMean]] is no objective."),
        ("{class: TopKMean}", "{'class': 'TopKMean'} is no objective. Write its name, or"),
        ("prober.DeepDream", "there is no 'prober.DeepDream'."),
    ],
)
def test_what_is_no_objective_of_a_channel_is_refused(prober, my_parts, tmp_path, name, said):
    (tmp_path / "broken.py").write_text("raise RuntimeError('unfinished')", encoding="utf-8")
    (tmp_path / "ends.py").write_text("raise SystemExit(3)", encoding="utf-8")
    (tmp_path / "open_one.py").write_text(
        PYTHON.replace("SoftMaximum", "Mine").replace("temperature: float = 1.0", "power: float"),
        encoding="utf-8",
    )
    ended = prober("sweep", "--grid.layers", "conv1", "--grid.objectives", f"[{name}]")
    refused(ended, f"grid.objectives: {said}")
    assert not (tmp_path / "lightning_logs").exists()
    gc.collect()
