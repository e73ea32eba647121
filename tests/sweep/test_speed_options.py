"""bf16 autocast and the memory layout: options that change speed, and scores only a little."""

import json
from pathlib import Path

import pytest


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
