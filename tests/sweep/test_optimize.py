"""The pictures of a sweep are those of `fit`."""

import json
from pathlib import Path

import numpy as np
import pytest
import yaml

from tests.sweep.sweeps import DIVERSE, EXACT, OTHERS, TARGETS, UNIT, arrays_of, records_of, write


def test_in_float64_every_picture_is_that_of_fit_bit_for_bit(prober, tmp_path):
    grid = {
        "layers": ["conv2", "conv3"],
        "channels": [3, 4],
        "objectives": ["ChannelMean", "TopKMean", "Neuron"],
        "positions": [[2, 5]],
        "classes": [6],
        "seeds": [0, 8],
    }
    config = write(tmp_path, grid=grid, chunk_size=6)
    exact = ["--trainer.precision", "64-true", "--trainer.devices", "1"]
    assert prober("sweep", "--config", config, *exact).code == 0
    swept = tmp_path / "lightning_logs" / "sweep_conv2_conv3_logits" / "version_0"
    for stem, name, options in (
        ("conv3/ch004/mean_seed8", "conv3_ch4", "ChannelMean layer=conv3 channel=4"),
        ("conv2/ch003/top20_seed0", "conv2_ch3_top20", "TopKMean layer=conv2 channel=3"),
        ("conv3/ch003/h02_w05_seed8", "conv3_ch3_h2_w5", "Neuron layer=conv3 channel=3 h=2 w=5"),
        ("logits/ch006/mean_seed0", "logits_ch6", "ChannelMean layer=logits channel=6"),
    ):
        objective, *settings = options.split()
        flags = [f"--model.objective.{setting}" for setting in settings]
        seed = stem.rsplit("seed", 1)[1]
        fit = ["fit", "--model.style", "plain", "--model.objective", objective, *flags]
        assert prober(*fit, "--seed_everything", seed, "--trainer.max_steps", "60").code == 0
        alone = np.load(tmp_path / "lightning_logs" / name / "version_0" / "final.npy")
        assert (np.load(swept / f"{stem}.npy") == alone).all(), stem


def test_in_float64_any_picture_is_that_of_fit_bit_for_bit(others, prober, tmp_path):
    for target, stem, name in (
        (TARGETS[1], "conv2/conv2_ch3-0.1_conv1_ch0/weightedsum", "conv2_ch3-0.1_conv1_ch0"),
        (TARGETS[3], "conv3/conv3_direction_7_against_1/direction", "conv3_direction_7_against_1"),
        (TARGETS[4], "conv3/conv3_caricature_seven/caricature", "conv3_caricature_seven"),
    ):
        model = OTHERS["model"] | {"objective": target}
        config = tmp_path / "fit.yaml"
        config.write_text(
            yaml.safe_dump({"model": model, "trainer": OTHERS["trainer"]}), encoding="utf-8"
        )
        assert prober("fit", "--config", config, "--seed_everything", 2).code == 0
        alone = np.load(tmp_path / "lightning_logs" / name / "version_0" / "final.npy")
        assert (np.load(others / f"{stem}_seed2.npy") == alone).all(), name


@pytest.mark.parametrize(("targets", "size"), [([DIVERSE], 3), ([UNIT, DIVERSE, TARGETS[0]], 5)])
def test_a_diverse_group_is_the_same_whatever_else_there_is_and_whatever_the_chunks(
    others, prober, tmp_path, targets, size
):
    grid = {"targets": targets, "seeds": 3, "layers": "conv2", "channels": [0, 1]}
    config = write(tmp_path, **(OTHERS | {"grid": grid, "chunk_size": size}))
    assert prober("sweep", "--config", config, *EXACT).code == 0
    folder = tmp_path / "lightning_logs" / "sweep_conv2" / "version_0"
    stem = "conv2/conv2_ch5+2_conv2_diversity/weightedsum_seed{}.npy"
    for seed in range(3):
        one, other = np.load(folder / stem.format(seed)), np.load(others / stem.format(seed))
        assert (one == other).all()


NANNY = """
import torch
from torch import nn

class Nanny(nn.Module):
    '''Channel 0 is no number once the image is bright, channel 2 moves nothing.'''

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(3))

    def forward(self, x):
        mean = x.mean((1, 2, 3))
        hole = torch.where(mean > 0.6, torch.full_like(mean, float("nan")), mean)
        return torch.stack([hole, mean, 0 * mean], 1)
"""


def test_a_target_without_a_number_stops_no_other(prober, tmp_path):
    (tmp_path / "nanny.py").write_text(NANNY, encoding="utf-8")
    grid = {"classes": "all", "seeds": 2}
    config = write(
        tmp_path,
        grid=grid,
        model={"style": "plain", "subject": {"cnn": "nanny.Nanny"}},
        chunk_size=6,
    )
    ended = prober("sweep", "--config", config, "--trainer.devices", "1")
    assert ended.code == 0
    folder = tmp_path / "lightning_logs" / "sweep_logits" / "version_0"
    records = records_of(folder)
    assert [r["status"] for r in records] == ["failed"] * 2 + ["finished"] * 4
    assert [r["dead"] for r in records] == [False] * 4 + [True] * 2
    steps = [r["failed_at_step"] for r in records[:2]]
    assert all(0 < step < 60 for step in steps)
    assert f"Failed: logits/ch000/mean_seed0 at step {steps[0]}" in ended.out
    assert "2 dead, 2 failed" in ended.out
    assert records[2]["score_end"] == pytest.approx(1, abs=0.01)
    assert all(np.isfinite(array).all() for array in arrays_of(folder).values())


def scores(prober, *options):
    fixed = ["--grid.layers", "conv3", "--grid.channels", "0-7", "--trainer.max_steps", "80"]
    ended = prober("sweep", *fixed, "--trainer.devices", "1", *options)
    assert ended.code == 0, ended.err
    folder = max(Path("lightning_logs/sweep_conv3").iterdir(), key=lambda p: p.name)
    records = [
        json.loads(line)
        for line in (folder / "records.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    return [record["score_end"] for record in records], {r["precision"] for r in records}


def test_bf16_and_channels_first_reach_the_same_scores(prober):
    plain, precision = scores(prober)
    assert precision == {"32-true"}
    first, _ = scores(prober, "--channels_last", "false")
    assert first == pytest.approx(plain, rel=0.01)
    half, precision = scores(prober, "--trainer.precision", "bf16-mixed")
    assert precision == {"bf16-mixed"}
    assert half != plain
    assert half == pytest.approx(plain, rel=0.1)
