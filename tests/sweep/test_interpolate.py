import json

import numpy as np
import pytest
import torch
from PIL import Image

from tests import plain
from tests.sweep.sweeps import places_of

GRID = ["--grid.layers", "conv3", "--grid.channels", "[2]", "--grid.seeds", "2"]
PLAIN = ["--model.style", "plain"]
STEPS = ["--trainer.max_steps", "80", "--trainer.devices", "1"]


def test_blends_between_two_seeds_are_optimized_again(prober, tmp_path):
    ended = prober("sweep", *GRID, *PLAIN, *STEPS, "--interpolate.blends", "5")
    assert ended.code == 0
    folder = tmp_path / "lightning_logs" / "sweep_conv3" / "version_0"
    name = "conv3_ch002_mean_seed0_to_seed1"
    data = json.loads((folder / "interpolation" / f"{name}.json").read_text(encoding="utf-8"))
    assert data["shares"] == [0, 0.25, 0.5, 0.75, 1]
    before, after = data["score_before"], data["score_after"]
    ends = [
        json.loads(line)["score_end"] for line in (folder / "records.jsonl").open(encoding="utf-8")
    ]
    assert [before[0], before[-1]] == pytest.approx(ends, rel=1e-4)
    assert all(a >= b - 1e-3 for a, b in zip(after, before, strict=True))
    lower = min(after[0], after[-1])
    assert data["joined"] == all(a >= lower - 0.05 * abs(lower) for a in after)
    assert data["unit"]["layer"] == "conv3" and data["unit"]["channel"] == 2
    # The picture's row of starts has the blends themselves.
    first, last = (np.load(folder / f"conv3/ch002/mean_seed{seed}.npy") for seed in (0, 1))
    middle = np.moveaxis(np.rint((first + last) / 2 * 255), 0, 2)
    thumb = np.kron(middle, np.ones((4, 4, 1)))
    with Image.open(folder / "interpolation" / f"{name}.png") as picture:
        pixels = np.asarray(picture).astype(int)
    assert places_of(thumb, pixels, tolerance=1)


def test_two_records_of_fit_are_interpolated(prober, tmp_path):
    objective = [*PLAIN, "--model.objective", "Neuron", "--model.objective.layer", "conv2"]
    for seed in (3, 4):
        fit = ["fit", *objective, "--model.objective.channel", "1", "--trainer.max_steps", "40"]
        assert prober(*fit, "--seed_everything", seed).code == 0
    runs = tmp_path / "lightning_logs" / "conv2_ch1_h7_w7"
    records = f"[{runs / 'version_0'},{runs / 'version_1' / 'record.json'}]"
    ended = prober("sweep", *STEPS, "--interpolate.records", records, "--interpolate.blends", "3")
    assert ended.code == 0, ended.err
    folder = tmp_path / "lightning_logs" / "sweep_interpolation" / "version_0" / "interpolation"
    data = json.loads((folder / "conv2_ch1_h7_w7.json").read_text(encoding="utf-8"))
    ends = [
        json.loads((runs / f"version_{i}/record.json").read_text(encoding="utf-8"))["score_end"]
        for i in (0, 1)
    ]
    assert data["score_before"][::2] == pytest.approx(ends, rel=1e-4)
    assert data["unit"]["position"] == [7, 7]


HOLE = """
import torch


class Hole(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.bias = torch.nn.Parameter(torch.zeros(1))

    def forward(self, images):
        away = (images.mean((1, 2, 3)) - 0.5).abs()[:, None] + self.bias
        return torch.where(away < 0.02, torch.nan, away)
"""


def test_a_blend_without_a_score_has_none(prober, tmp_path):
    """Between dark and light lies gray, of which the CNN gives NaN."""
    (tmp_path / "hole.py").write_text(HOLE, encoding="utf-8")
    cnn = ["--model.subject.cnn", "hole.Hole", "--model.subject.input_shape", "[3,8,8]"]
    unit = ["--model.objective.layer", "logits", "--model.objective.channel", "0"]
    start = ["--model.initial_image", "GrayNoise", "--model.initial_image.noise", "0"]
    for gray in ("0.1", "0.9"):
        run = ["fit", *cnn, "--model.objective", "ChannelMean", *unit, *start, *PLAIN]
        ended = prober(*run, "--model.initial_image.gray", gray, "--trainer.max_steps", "5")
        assert ended.code == 0, ended.err
    runs = tmp_path / "lightning_logs" / "logits_ch0"
    records = f"[{runs / 'version_0'},{runs / 'version_1'}]"
    ended = prober(
        "sweep", *cnn, *STEPS, "--interpolate.records", records, "--interpolate.blends", "3"
    )
    assert ended.code == 0, ended.err
    folder = tmp_path / "lightning_logs" / "sweep_interpolation" / "version_0" / "interpolation"
    text = (folder / "logits_ch0.json").read_text(encoding="utf-8")
    data = json.loads(text, parse_constant=pytest.fail)
    assert data["score_after"][1] is None and data["joined"] is False
    assert min(data["score_after"][::2]) > 0.4


def test_records_of_two_units_are_refused(prober, tmp_path):
    for channel in (1, 2):
        fit = ["fit", "--model.objective", "ChannelMean", "--model.objective.layer", "conv1"]
        fit += ["--model.objective.channel", channel, "--trainer.max_steps", "2"]
        assert prober(*fit).code == 0
    runs = tmp_path / "lightning_logs"
    pair = f"[{runs}/conv1_ch1/version_0,{runs}/conv1_ch2/version_0]"
    ended = prober("sweep", "--interpolate.records", pair)
    assert ended.code == 2 and "two units" in ended.err


FOURIER = ["--model.parameterization", "Fourier", "--model.parameterization.decay", "1.5"]
JITTER = ["--model.transforms", "[{class_path: Jitter, init_args: {pixels: 2}}]"]


def fitted(prober, *args, objective="ChannelMean", seed=0):
    fit = ["fit", "--model.objective", objective, "--model.objective.layer", "conv2"]
    channel = [] if objective == "DeepDream" else ["--model.objective.channel", "1"]
    given = [*PLAIN, *channel, *args, "--trainer.max_steps", "30", "--seed_everything", seed]
    assert prober(*fit, *given).code == 0


def test_records_are_interpolated_in_the_way_they_were_made(prober, tmp_path):
    for seed in (3, 4):
        fitted(prober, *FOURIER, *JITTER, seed=seed)
    runs = [tmp_path / "lightning_logs" / "conv2_ch1" / f"version_{i}" for i in (0, 1)]
    pair = ["--interpolate.records", f"[{runs[0]},{runs[1]}]", "--interpolate.blends", "3"]
    ended = prober("sweep", *STEPS, *pair, "--trainer.precision", "64-true")
    assert ended.code == 0, ended.err
    folder = tmp_path / "lightning_logs" / "sweep_interpolation" / "version_0" / "interpolation"
    data = json.loads((folder / "conv2_ch1.json").read_text(encoding="utf-8"))
    assert data["parameterization"] == {"name": "Fourier", "decay": 1.5, "least_slope": 0.0}
    assert data["transforms"] == [{"name": "Jitter", "pixels": 2}]
    # The scores are of the pictures as they are; Fourier takes them to [0.01, 0.99] first.
    for i, run in enumerate(runs):
        end = json.loads((run / "record.json").read_text(encoding="utf-8"))["score_end"]
        assert data["score_before"][2 * i] == pytest.approx(end, rel=0.05)
        picture = np.clip(np.load(run / "final.npy"), 0.01, 0.99)
        exact = plain.outputs(torch.from_numpy(picture)[None].double())["conv2"][0, 1].mean()
        assert data["score_before"][2 * i] == pytest.approx(exact.item(), rel=1e-6)


@pytest.mark.parametrize(
    ("second", "told"),
    [
        (FOURIER, "Pixels(), {rest}, the other with Fourier(decay=1.5, least_slope=0.0), {rest}"),
        (JITTER, "Pixels(), {rest}, the other with Pixels(), Jitter(pixels=2), "),
        (["--model.lr", "0.1"], "Pixels(), {rest}, the other with Pixels(), "),
        (
            ["--model.regularizers", "[L2]"],
            "{rest}, the other with Pixels(), no transforms, penalties",
        ),
    ],
)
def test_records_that_were_not_made_alike_are_refused(prober, tmp_path, second, told):
    fitted(prober)
    fitted(prober, *second)
    runs = tmp_path / "lightning_logs" / "conv2_ch1"
    ended = prober("sweep", "--interpolate.records", f"[{runs}/version_0,{runs}/version_1]")
    assert ended.code == 2
    penalties = "penalties 0.0001 l2 + 0.001 total_variation"
    told = told.replace("{rest}", f"no transforms, {penalties} and a learning rate of 0.05")
    assert "The two runs were not made alike, one with " in ended.err
    assert told in ended.err
    assert not list((tmp_path / "lightning_logs").glob("sweep*"))


def test_two_records_of_any_objective_are_interpolated(prober, tmp_path):
    for seed in (3, 4):
        fitted(prober, objective="DeepDream", seed=seed)
    runs = [tmp_path / "lightning_logs" / "conv2_all" / f"version_{i}" for i in (0, 1)]
    pair = ["--interpolate.records", f"[{runs[0]},{runs[1]}]", "--interpolate.blends", "3"]
    ended = prober("sweep", *STEPS, *pair, "--trainer.precision", "64-true")
    assert ended.code == 0, ended.err
    folder = tmp_path / "lightning_logs" / "sweep_interpolation" / "version_0" / "interpolation"
    data = json.loads((folder / "conv2_all.json").read_text(encoding="utf-8"))
    assert data["unit"]["objective"] == "DeepDream"
    for i, run in enumerate(runs):
        picture = torch.from_numpy(np.load(run / "final.npy"))[None].double()
        exact = plain.outputs(picture)["conv2"].square().mean()
        assert data["score_before"][2 * i] == pytest.approx(exact.item(), rel=1e-6)


def test_what_is_no_record_is_told(prober, tmp_path):
    for content in ("[]", "{}", "no JSON"):
        (tmp_path / "record.json").write_text(content, encoding="utf-8")
        ended = prober("sweep", "--interpolate.records", f"[{tmp_path},{tmp_path}]")
        assert ended.code == 2
        assert "record.json' is not the record of a finished run" in ended.err
