"""Sweeps that several tests look at."""

import json
import time

import numpy as np
import psutil
import yaml

from tests.command_line import start
from tests.plain import SEVEN

GRID = {
    "grid": {"layers": ["conv1", "conv2"], "channels": [0, 3, 7], "classes": [1], "seeds": 2},
    "chunk_size": 4,
    "model": {"style": "plain"},
    "trainer": {"max_steps": 60},
}


def write(folder, name="sweep.yaml", **changes):
    (folder / name).write_text(yaml.safe_dump(GRID | changes), encoding="utf-8")
    return folder / name


def start_until_a_chunk_is_done(config, cwd):
    """Returns the command's process, those that it has started, and the sweep's folder."""
    process = start("sweep", "--config", config, "--trainer.devices", "2", cwd=cwd)
    folder = cwd / "lightning_logs" / "sweep_conv1_conv2_logits" / "version_0"
    while not list(folder.glob("chunks/*.npz")):
        assert process.poll() is None
        time.sleep(0.005)
    return process, psutil.Process(process.pid).children(), folder


def records_of(folder):
    return [
        json.loads(line)
        for line in (folder / "records.jsonl").read_text(encoding="utf-8").splitlines()
    ]


def arrays_of(folder):
    return {str(file.relative_to(folder)): np.load(file) for file in sorted(folder.rglob("*.npy"))}


def same(one, other):
    return one.keys() == other.keys() and all((one[key] == other[key]).all() for key in one)


def of(name, **settings):
    return {"class_path": name, "init_args": settings}


UNIT = of("ChannelMean", layer="conv2", channel=3)


DIVERSE = of(
    "WeightedSum",
    summands=[
        {"objective": of("ChannelMean", layer="conv2", channel=5)},
        {"objective": of("Diversity", layer="conv2"), "weight": 2.0},
    ],
)


TARGETS = [
    of("Negative", objective=UNIT),
    of(
        "WeightedSum",
        summands=[
            {"objective": UNIT},
            {"objective": of("ChannelMean", layer="conv1", channel=0), "weight": -0.1},
        ],
    ),
    of("DeepDream", layer="conv1"),
    of("Direction", layer="conv3", vector={"of": 7, "against": 1}),
    of("Caricature", layer="conv3", image=SEVEN),
    DIVERSE,
]


OTHERS = {
    "grid": {"layers": "conv1", "channels": 2, "targets": TARGETS, "seeds": 3},
    "model": {
        "style": "plain",
        "parameterization": of("Fourier"),
        "transforms": [of("Jitter", pixels=2), of("Rotation", degrees=10.0)],
    },
    "trainer": {"max_steps": 15},
}


EXACT = ("--trainer.precision", "64-true", "--trainer.devices", "1")


def places_of(picture, sheet, tolerance=0):
    """Finds where a sheet shows a picture: by its first row, then as a whole."""
    rows = np.lib.stride_tricks.sliding_window_view(sheet[..., 1], picture.shape[1], axis=1)
    starts = np.argwhere((abs(rows - picture[0, :, 1]) <= tolerance).all(2))
    height, width = picture.shape[:2]
    cut = [sheet[top : top + height, left : left + width] for top, left in starts]
    return [c for c in cut if c.shape == picture.shape and abs(c - picture).max() <= tolerance]
