"""The command line as a person runs it: `python main.py fit ...` in a working directory.

A process takes seconds to start, so all of them start here at once, and two run at a time.
"""

import functools
import io
import json
import pickle
import re
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import yaml
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams.metadata import parse_session_start_info_plugin_data
from torch import nn

from tests import plain
from tests.command_line import CONV2_CH3, end, lines, refused, run, start
from tests.files import RunsCode

OWN_CNN = """
import torch
from torch import nn


class Stripes(nn.Module):
    def __init__(self, width: int = 4):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, width, (5, 1)), nn.BatchNorm2d(width), nn.GELU())
        self.head = nn.Linear(width, 2)

    def forward(self, x):
        return self.head(self.body(x).mean((2, 3)))
"""
OWN_YAML = """
model:
  subject:
    cnn:
      class_path: own_cnn.Stripes
      init_args: {width: 6}
    checkpoint: weights/stripes.pt
    input_shape: [3, 20, 15]
    mean: [0.4, 0.5, 0.6]
    std: [0.2, 0.3, 0.4]
  objective:
    class_path: ChannelMean
    init_args: {layer: body.2, channel: 5}
  initial_image: GrayNoise
  regularizers: []
trainer:
  max_steps: 25
  log_every_n_steps: 5
snapshots:
  every: 10
"""
FRAGILE_YAML = """
model:
  style: plain
  subject:
    cnn: {class_path: tests.cnns.Fragile, init_args: {beyond: .nan}}
  objective:
    class_path: ChannelMean
    init_args: {layer: bright, channel: 0}
"""


@functools.cache  # its statistics differ in the last bit with torch's threads
def stripes():
    """The person's CNN, trained; as own_cnn.py describes it."""
    torch.manual_seed(8)
    cnn = nn.Module()
    cnn.body = nn.Sequential(nn.Conv2d(3, 6, (5, 1)), nn.BatchNorm2d(6), nn.GELU())
    cnn.head = nn.Linear(6, 2)
    for _ in range(4):
        cnn.body(torch.randn(16, 3, 20, 15) * 3)
    return cnn.eval()


def own_folder(folder):
    (folder / "weights").mkdir()
    (folder / "own_cnn.py").write_text(OWN_CNN, encoding="utf-8")
    (folder / "own.yaml").write_text(OWN_YAML, encoding="utf-8")
    (folder / "fragile.yaml").write_text(FRAGILE_YAML, encoding="utf-8")
    torch.save(stripes().state_dict(), folder / "weights" / "stripes.pt")
    return folder


def interrupted(folder):
    """Ctrl-C in the middle of a long run."""
    process = start("fit", "--config", CONV2_CH3, "--trainer.max_steps", 1_000_000, cwd=folder)
    seen = folder / "lightning_logs/conv2_ch3/version_0/evolution/step_0100.png"
    until = time.monotonic() + 60
    while not seen.exists() and process.poll() is None and time.monotonic() < until:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    return end(process)


def malicious(folder):
    (folder / "bad.pt").write_bytes(pickle.dumps(RunsCode(folder / "trap")))
    return run("fit", "--config", CONV2_CH3, "--model.subject.checkpoint", "bad.pt", cwd=folder)


def fit(*args):
    return lambda folder: run("fit", *args, cwd=folder)


COMMANDS = {
    "conv2_ch3": fit("--config", CONV2_CH3, "--trainer.max_steps", 60),
    "interrupted": interrupted,
    "own": lambda folder: run("fit", "--config", "own.yaml", cwd=own_folder(folder)),
    "fragile": lambda folder: run("fit", "--config", "fragile.yaml", cwd=own_folder(folder)),
    "unknown layer": fit("--config", CONV2_CH3, "--model.objective.layer", "conv22"),
    "malicious": malicious,
}


@pytest.fixture(scope="module")
def commands(tmp_path_factory):
    stripes()  # here: two threads that both make it would share torch's random numbers
    with ThreadPoolExecutor(2) as pool:

        def submit(name, command):
            folder = tmp_path_factory.mktemp(name.replace(" ", "_"))
            return folder, pool.submit(command, folder)

        submitted = {name: submit(name, command) for name, command in COMMANDS.items()}

        def ended(name):
            folder, future = submitted[name]
            process = future.result()
            return SimpleNamespace(
                folder=folder, code=process.returncode, out=process.stdout, err=process.stderr
            )

        yield ended
        pool.shutdown(cancel_futures=True)


@pytest.fixture
def conv2_ch3(commands):
    ended = commands("conv2_ch3")
    ended.run = ended.folder / "lightning_logs/conv2_ch3/version_0"
    ended.record = json.loads((ended.run / "record.json").read_text(encoding="utf-8"))
    ended.image = np.load(ended.run / "final.npy", allow_pickle=False)
    return ended


@pytest.fixture
def events(conv2_ch3):
    return EventAccumulator(str(conv2_ch3.run), size_guidance={"images": 0}).Reload()


def picture(source):
    return np.asarray(Image.open(source).convert("RGB"))


def enlarged(image):
    pixels = np.round(image.astype(np.float32) * 255).astype(np.uint8).transpose(1, 2, 0)
    return np.kron(pixels, np.ones((10, 10, 1), np.uint8))


def test_folder_of_a_run(conv2_ch3):
    names = sorted(
        str(path.relative_to(conv2_ch3.folder))
        for path in conv2_ch3.folder.rglob("*")
        if path.is_file()
    )
    run = "lightning_logs/conv2_ch3/version_0"
    tfevents = [name for name in names if name.startswith(f"{run}/events.out.tfevents.")]
    assert len(tfevents) == 1
    assert [name for name in names if name not in tfevents] == [
        f"{run}/config.yaml",
        f"{run}/evolution.gif",
        f"{run}/evolution/step_0000.png",
        f"{run}/evolution/step_0050.png",
        f"{run}/evolution/step_0060.png",
        f"{run}/final.npy",
        f"{run}/final.png",
        f"{run}/matters.png",
        f"{run}/record.json",
    ]


def test_screen_of_a_run(conv2_ch3):
    assert conv2_ch3.code == 0
    assert conv2_ch3.err == ""
    record = conv2_ch3.record
    assert lines(conv2_ch3.out) == [
        f"conv2_ch3: score {record['score_start']:.4g} at the start, "
        f"{record['score_end']:.4g} after 60 steps, style {record['style']}.",
        "Run: lightning_logs/conv2_ch3/version_0",
        "Evolution: tensorboard --logdir lightning_logs --samples_per_plugin images=1000",
    ]
    bars = [line for line in re.split(r"[\r\n]", conv2_ch3.out) if "it/s" in line]
    last = f"{plain.outputs(before_last_step())['conv2'][0, 3].mean().item():.4g}"
    assert bars[-1].startswith("conv2_ch3: 100%")
    assert "60/60" in bars[-1]
    assert f"score={last}" in bars[-1]


def plain_loop(steps):
    """The method, in float64."""
    image = plain.noise(0)[None].double().requires_grad_()
    optimizer = torch.optim.Adam([image], lr=0.05)
    for _ in range(steps):
        optimizer.zero_grad()
        loss = -plain.outputs(image)["conv2"][0, 3].mean() + 1e-4 * image.pow(2).mean()
        tv = (image[:, :, 1:] - image[:, :, :-1]).abs().mean()
        tv = tv + (image[:, :, :, 1:] - image[:, :, :, :-1]).abs().mean()
        (loss + 1e-3 * tv).backward()
        optimizer.step()
        image.data.clamp_(0, 1)
    return image.detach()


def before_last_step():
    return plain_loop(59)


def test_final_image_is_that_of_the_method(conv2_ch3):
    assert conv2_ch3.image.dtype == np.float32
    assert conv2_ch3.image.shape == (3, 28, 28)
    assert conv2_ch3.image.min() >= 0
    assert conv2_ch3.image.max() <= 1
    np.testing.assert_allclose(conv2_ch3.image, plain_loop(60)[0].numpy(), atol=1e-6)
    assert np.array_equal(picture(conv2_ch3.run / "final.png"), enlarged(conv2_ch3.image))


def test_record_of_a_run(conv2_ch3):
    images = torch.stack([plain.noise(0).double(), torch.from_numpy(conv2_ch3.image).double()])
    scores = plain.outputs(images)["conv2"][:, 3].mean((1, 2)).tolist()
    losses = [
        1e-4 * plain.l2(image) + 1e-3 * plain.total_variation(image) - score
        for image, score in zip(images, scores, strict=True)
    ]
    seconds = conv2_ch3.record["seconds"]
    assert 0 < seconds < 60
    assert conv2_ch3.record == {
        "status": "finished",
        "layer": "conv2",
        "channel": 3,
        "position": None,
        "objective": "ChannelMean",
        "class": None,
        "seed": 0,
        "initial_image": {"name": "GaussianNoise", "mean": 0.0, "std": 1.0},
        "regularizers": [
            {"name": "l2", "weight": 1e-4},
            {"name": "total_variation", "weight": 1e-3},
        ],
        "parameterization": {"name": "Pixels"},
        "transforms": [],
        "settle": None,
        "averaging": 1,
        "batchnorm_statistics": 0.0,
        "style": "plain",
        "held": [],
        "optimizer": {"name": "Adam", "lr": 0.05},
        "steps": 60,
        "leaky_steps": 0,
        "dead": False,
        "penalties_won": False,
        "score_start": pytest.approx(scores[0], rel=1e-9),
        "score_end": pytest.approx(scores[1], rel=1e-5),
        "loss_start": pytest.approx(losses[0], rel=1e-9),
        "loss_end": pytest.approx(losses[1], rel=1e-5),
        "precision": "64-true",
        "seconds": seconds,
        "subject": {
            "name": "ReferenceCNN (biased)",
            "checkpoint": "prober/subject/reference/biased.pt",
            "sha256": plain.sha256(plain.weights()),
            "input_shape": [3, 28, 28],
            "mean": [0.0, 0.0, 0.0],
            "std": [1.0, 1.0, 1.0],
            "value_range": [0.0, 1.0],
        },
    }
    assert scores[1] > scores[0] + 1


def test_evolution_of_a_run(conv2_ch3):
    steps = [picture(path) for path in sorted((conv2_ch3.run / "evolution").iterdir())]
    assert np.array_equal(steps[0], enlarged(plain.noise(0).numpy()))
    assert np.array_equal(steps[2], enlarged(conv2_ch3.image))
    middle = enlarged(plain_loop(50)[0].numpy())
    assert np.abs(steps[1].astype(int) - middle).max() <= 1
    with Image.open(conv2_ch3.run / "evolution.gif") as film:
        assert film.n_frames == 3
        for i, step in enumerate(steps):
            film.seek(i)
            # 256 colors for all.
            assert np.abs(np.asarray(film.convert("RGB")).astype(int) - step).mean() < 20


def test_snapshot_is_the_final_image_of_a_shorter_run_in_another_process(
    conv2_ch3, prober, tmp_path
):
    steps = ("--trainer.max_steps", 50, "--snapshots.every", 25)
    assert prober("fit", "--config", CONV2_CH3, *steps).code == 0
    shorter = tmp_path / "lightning_logs/conv2_ch3/version_0"
    snapshot = picture(conv2_ch3.run / "evolution/step_0050.png")
    assert np.array_equal(picture(shorter / "final.png"), snapshot)
    assert sorted(path.name for path in (shorter / "evolution").iterdir()) == [
        "step_0000.png",
        "step_0025.png",
        "step_0050.png",
    ]


def test_tensorboard_plays_the_evolution(conv2_ch3, events):
    assert events.Tags()["images"] == ["image"]
    images = events.Images("image")
    assert [image.step for image in images] == [0, 50, 60]
    for image in images:
        assert (image.width, image.height) == (280, 280)
        shown = picture(io.BytesIO(image.encoded_image_string))
        written = picture(conv2_ch3.run / f"evolution/step_{image.step:04d}.png")
        assert np.array_equal(shown, written)


def test_tensorboard_has_the_scalars(conv2_ch3, events):
    figures = {
        "score": conv2_ch3.record["score_end"],
        "loss": conv2_ch3.record["loss_end"],
        "penalty/l2": plain.l2(conv2_ch3.image),
        "penalty/total_variation": plain.total_variation(conv2_ch3.image),
        "image/min": conv2_ch3.image.min(),
        "image/max": conv2_ch3.image.max(),
        "image/colorfulness": plain.colorfulness(conv2_ch3.image),
        "image/total_variation": sum(
            np.abs(np.diff(conv2_ch3.image.astype(np.float64), axis=axis)).sum() for axis in (1, 2)
        ),
        "score/running_mean": np.mean([event.value for event in events.Scalars("score")]),
    }
    assert set(events.Tags()["scalars"]) == set(figures)
    for tag, expected in figures.items():
        scalars = events.Scalars(tag)
        assert [scalar.step for scalar in scalars] == [0, 25, 50, 60], tag
        assert scalars[-1].value == pytest.approx(expected, rel=1e-4), tag
    scores = [scalar.value for scalar in events.Scalars("score")]
    assert scores[0] == pytest.approx(conv2_ch3.record["score_start"], rel=1e-6)
    for i, step in enumerate((25, 50), start=1):
        expected = plain.outputs(plain_loop(step))["conv2"][0, 3].mean().item()
        assert scores[i] == pytest.approx(expected, rel=1e-6)


def test_tensorboard_has_the_hyperparameters_with_the_score(events):
    content = events.SummaryMetadata("_hparams_/session_start_info").plugin_data.content
    values = parse_session_start_info_plugin_data(content).hparams
    settings = {name: getattr(value, value.WhichOneof("kind")) for name, value in values.items()}
    assert settings == {
        "layer": "conv2",
        "channel": 3,
        "objective": "ChannelMean",
        "target": "conv2_ch3",
        "position": "None",
        "class": "None",
        "seed": 0,
        "initial_image": "GaussianNoise",
        "parameterization": "Pixels",
        "lr": 0.05,
        "subject": "ReferenceCNN (biased)",
        "weight/l2": 1e-4,
        "weight/total_variation": 1e-3,
    }
    assert b"score" in events.SummaryMetadata("_hparams_/experiment").plugin_data.content


def test_config_of_a_run_is_everything_and_in_tensorboard(conv2_ch3, events):
    text = (conv2_ch3.run / "config.yaml").read_text(encoding="utf-8")
    config = yaml.safe_load(text)
    assert config["seed_everything"] == 0
    assert config["trainer"]["max_steps"] == 60
    assert config["trainer"]["precision"] == "64-true"
    assert config["snapshots"] == {"every": 50}
    assert config["model"]["lr"] == 0.05
    assert config["model"]["objective"] == {
        "class_path": "prober.ChannelMean",
        "init_args": {"layer": "conv2", "channel": 3},
    }
    shown = events.Tensors("config/text_summary")[0].tensor_proto.string_val[0].decode()
    assert [line.removeprefix("    ") for line in shown.splitlines()] == text.splitlines()


def test_ctrl_c_keeps_what_there_is(commands):
    ended = commands("interrupted")
    assert ended.code == 130
    assert ended.err == ""
    run = ended.folder / "lightning_logs/conv2_ch3/version_0"
    record = json.loads((run / "record.json").read_text(encoding="utf-8"))
    assert record["status"] == "interrupted"
    assert 100 <= record["steps"] < 1_000_000
    assert f"Interrupted after {record['steps']} steps." in lines(ended.out)
    assert "Run: lightning_logs/conv2_ch3/version_0" in lines(ended.out)

    image = np.load(run / "final.npy")
    assert image.shape == (3, 28, 28)
    assert image.min() >= 0
    assert image.max() <= 1
    score = plain.outputs(torch.from_numpy(image)[None].double())["conv2"][0, 3].mean().item()
    assert record["score_end"] == pytest.approx(score, rel=1e-5)
    assert record["dead"] is False

    steps = sorted(path.name for path in (run / "evolution").iterdir())
    assert steps[:3] == ["step_0000.png", "step_0050.png", "step_0100.png"]
    assert steps[-1] == f"step_{record['steps']:04d}.png"
    assert np.array_equal(picture(run / "evolution" / steps[-1]), enlarged(image))
    assert np.array_equal(picture(run / "final.png"), enlarged(image))
    with Image.open(run / "evolution.gif") as film:
        assert film.n_frames > 1
    shown = EventAccumulator(str(run), size_guidance={"images": 0}).Reload().Images("image")
    assert shown[-1].step == record["steps"]
    assert (run / "config.yaml").exists()


def test_own_cnn_with_a_checkpoint(commands):
    ended = commands("own")
    assert (ended.code, ended.err) == (0, "")
    assert lines(ended.out)[1:3] == [
        "Other than the style's: initial_image.",
        "Run: lightning_logs/body.2_ch5/version_0",
    ]
    run = ended.folder / "lightning_logs/body.2_ch5/version_0"
    record = json.loads((run / "record.json").read_text(encoding="utf-8"))
    cnn = stripes()
    assert record["subject"] == {
        "name": "Stripes (stripes)",
        "checkpoint": "weights/stripes.pt",
        "sha256": plain.sha256(cnn.state_dict()),
        "input_shape": [3, 20, 15],
        "mean": [0.4, 0.5, 0.6],
        "std": [0.2, 0.3, 0.4],
        "value_range": [0.0, 1.0],
    }
    assert record["steps"] == 25
    image = np.load(run / "final.npy")
    assert image.shape == (3, 20, 15)
    normalized = (torch.from_numpy(image) - torch.tensor([0.4, 0.5, 0.6]).view(3, 1, 1)) / (
        torch.tensor([0.2, 0.3, 0.4]).view(3, 1, 1)
    )
    with torch.no_grad():
        score = cnn.body(normalized[None])[0, 5].mean().item()
    assert record["score_end"] == pytest.approx(score, rel=1e-4)
    assert record["score_end"] > record["score_start"]
    assert sorted(path.name for path in (run / "evolution").iterdir()) == [
        f"step_00{step}.png" for step in ("00", "10", "20", "25")
    ]
    assert Image.open(run / "final.png").size == (15 * 14, 20 * 14)


def test_score_that_becomes_nan_stops_the_run_with_the_step(commands):
    ended = commands("fragile")
    assert ended.code == 2
    message = re.fullmatch(
        r"Error: The score of bright_ch0 .* became NaN or infinite at step (\d+)\. .*\n", ended.err
    )
    step = int(message[1])
    assert 0 < step < 60
    run = ended.folder / "lightning_logs/bright_ch0/version_0"
    record = json.loads((run / "record.json").read_text(encoding="utf-8"))
    assert record["status"] == "failed"
    assert record["failed_at_step"] == record["steps"] == step
    assert record["score_end"] is None
    assert record["dead"] is False
    image = np.load(run / "final.npy")
    assert 0.8 < image[0].mean() < 0.9
    assert np.isfinite(image).all()
    assert (run / f"evolution/step_{step:04d}.png").exists()


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("unknown layer", ["conv22", "Did you mean 'conv2'?", "classifier"]),
        ("malicious", ["'bad.pt'", "more than weights", "nothing in it is run"]),
    ],
)
def test_bad_input(commands, name, words):
    ended = commands(name)
    refused(ended, *words)
    assert ended.out == ""
    assert {path.name for path in ended.folder.iterdir()} <= {"bad.pt"}
