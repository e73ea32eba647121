"""What a person does with `fit`, in this process; `test_processes.py` starts real ones."""

import json
import os
import re
import subprocess
import sys

import numpy as np
import pytest
import yaml

from prober.ascent.starts import GivenImage, GrayNoise, LowFrequencyNoise, PinkNoise
from tests import plain
from tests.cnns import NEVER, SHUT
from tests.command_line import CONFIGS, CONV2_CH3, ROOT, lines, refused

L2 = {"name": "l2", "weight": 1e-4}
TOTAL_VARIATION = {"name": "total_variation", "weight": 1e-3}
QUICK = ("--trainer.enable_progress_bar", "false", "--trainer.max_steps")


def fit(prober, *args, steps=2, config=CONV2_CH3):
    ended = prober("fit", "--config", config, *QUICK, steps, *args)
    assert ended.code == 0, ended.err
    assert ended.err == ""
    return ended


def runs(folder):
    return sorted(
        str(path.relative_to(folder / "lightning_logs"))
        for path in (folder / "lightning_logs").glob("*/version_*")
    )


def read(folder, run="conv2_ch3/version_0"):
    folder = folder / "lightning_logs" / run
    return json.loads((folder / "record.json").read_text(encoding="utf-8")), np.load(
        folder / "final.npy"
    )


def test_each_fit_makes_the_next_version_and_keeps_the_others(prober, tmp_path):
    fit(prober)
    first = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    fit(prober, "--seed_everything", 1)
    fit(prober, "--model.objective.channel", 4)
    assert runs(tmp_path) == ["conv2_ch3/version_0", "conv2_ch3/version_1", "conv2_ch4/version_0"]
    assert all(path.read_bytes() == content for path, content in first.items())
    (tmp_path / "lightning_logs/conv2_ch3/version_7").mkdir()
    fit(prober)
    assert "conv2_ch3/version_2" in runs(tmp_path)


def test_seed_changes_the_noise_and_is_in_the_record(prober, tmp_path):
    for i, args in enumerate([(), ("--seed_everything", 7), ("--model.seed", 7)]):
        fit(prober, *args)
        record, _ = read(tmp_path, f"conv2_ch3/version_{i}")
        seed = 7 if args else 0
        assert record["seed"] == seed
        score = plain.outputs(plain.noise(seed)[None].double())["conv2"][0, 3].mean().item()
        assert record["score_start"] == pytest.approx(score)
    first, second, third = (read(tmp_path, f"conv2_ch3/version_{i}")[1] for i in range(3))
    assert np.abs(first - second).mean() > 0.1
    assert np.array_equal(second, third)


def test_a_cnn_that_seeds_as_it_is_built_leaves_the_seed_of_the_noise_alone(prober, tmp_path):
    (tmp_path / "seeding.py").write_text(
        "import torch\n"
        "from prober.subject.reference import ReferenceCNN\n\n\n"
        "class Seeding(ReferenceCNN):\n"
        "    def __init__(self):\n"
        "        super().__init__()\n"
        "        torch.manual_seed(1)\n",
        encoding="utf-8",
    )
    cnn = ("--model.subject.cnn", "seeding.Seeding")
    for seed in (0, 7):
        fit(prober, *cnn, "--seed_everything", seed)
    records = [read(tmp_path, f"conv2_ch3/version_{i}")[0] for i in range(2)]
    assert [record["seed"] for record in records] == [0, 7]
    config = tmp_path / "lightning_logs" / "conv2_ch3" / "version_1" / "config.yaml"
    assert yaml.safe_load(config.read_text(encoding="utf-8"))["model"]["seed"] is None


def test_folder_is_named_after_what_was_really_probed(prober, tmp_path):
    fit(prober, "--model.objective.channel", 5)
    assert [path.name for path in (tmp_path / "lightning_logs").iterdir()] == ["conv2_ch5"]
    record, _ = read(tmp_path, "conv2_ch5/version_0")
    assert (record["layer"], record["channel"]) == ("conv2", 5)
    config = yaml.safe_load(
        (tmp_path / "lightning_logs/conv2_ch5/version_0/config.yaml").open(encoding="utf-8")
    )
    assert config["model"]["objective"]["init_args"] == {"layer": "conv2", "channel": 5}


@pytest.mark.parametrize(
    ("args", "run", "expected"),
    [
        (["--model.lr", "0.1"], "conv2_ch3", {"optimizer": {"name": "Adam", "lr": 0.1}}),
        (["--trainer.max_steps", "3"], "conv2_ch3", {"steps": 3}),
        (["--trainer.precision", "32-true"], "conv2_ch3", {"precision": "32-true"}),
        (["--model.regularizers", "[]"], "conv2_ch3", {"regularizers": []}),
        (["--model.regularizers", "[TotalVariation]"], "conv2_ch3", {
            "regularizers": [TOTAL_VARIATION],
        }),
        (["--model.regularizers", '[{"class_path": "L2", "init_args": {"weight": 0.5}}]'],
         "conv2_ch3", {"regularizers": [{"name": "l2", "weight": 0.5}]}),
        (["--model.initial_image", "GrayNoise", "--model.initial_image.gray", "0.25"],
         "conv2_ch3", {"initial_image": GrayNoise(gray=0.25).record()}),
        (["--model.objective", "Neuron"], "conv2_ch3_h7_w7",
         {"objective": "Neuron", "position": [7, 7]}),
        (["--model.objective", "Neuron", "--model.objective.h", "2"], "conv2_ch3_h2_w7",
         {"objective": "Neuron", "position": [2, 7]}),
        (["--model.objective", "TopKMean", "--model.objective.k", "6"], "conv2_ch3_top6",
         {"objective": "TopKMean", "k": 6}),
        (["--model.objective.layer", "logits"], "logits_ch3", {"layer": "logits"}),
        (["--model.subject.checkpoint", "prober/subject/reference/control.pt"], "conv2_ch3", {
            "subject": {
                "name": "ReferenceCNN (control)",
                "checkpoint": "prober/subject/reference/control.pt",
                "sha256": plain.sha256(plain.weights("control")),
                "input_shape": [3, 28, 28],
                "mean": [0.0] * 3,
                "std": [1.0] * 3,
                "value_range": [0.0, 1.0],
            }
        }),
    ],
)  # fmt: skip
def test_overrides_by_flag_and_short_class_name(prober, tmp_path, args, run, expected):
    fit(prober, *args)
    assert runs(tmp_path) == [f"{run}/version_0"]
    record, _ = read(tmp_path, f"{run}/version_0")
    assert {key: record[key] for key in expected} == expected


def test_snapshot_interval_is_an_option(prober, tmp_path):
    fit(prober, "--snapshots.every", 2, steps=5)
    folder = tmp_path / "lightning_logs/conv2_ch3/version_0/evolution"
    assert sorted(path.name for path in folder.iterdir()) == [
        f"step_000{step}.png" for step in (0, 2, 4, 5)
    ]


SEVEN = GivenImage(plain.SEVEN)
SHIPPED = {
    "class7": ("classifier_ch7", {"layer": "classifier", "channel": 7}),
    "control_conv2_ch3": ("conv2_ch3", {"objective": "ChannelMean"}),
    "conv2_ch3": (
        "conv2_ch3",
        {
            "objective": "ChannelMean",
            "seed": 0,
            "initial_image": {"name": "GaussianNoise", "mean": 0.0, "std": 1.0},
            "regularizers": [L2, TOTAL_VARIATION],
            "optimizer": {"name": "Adam", "lr": 0.05},
        },
    ),
    "conv2_ch3_from_gray": (
        "conv2_ch3",
        {"initial_image": GrayNoise().record(), "regularizers": [L2, TOTAL_VARIATION]},
    ),
    "conv2_ch3_from_low_frequency": (
        "conv2_ch3",
        {"initial_image": LowFrequencyNoise(sigma=2.0).record()},
    ),
    "conv2_ch3_smooth": (
        "conv2_ch3",
        {"regularizers": [L2, {"name": "total_variation", "weight": 0.1}]},
    ),
    "conv2_ch3_top20": ("conv2_ch3_top20", {"objective": "TopKMean", "k": 20}),
    "conv3_ch10_class7": (
        "conv3_ch10_class7",
        {"objective": "ClassConditional", "class": 7, "class_weight": 0.1},
    ),
    "conv2_ch3_suppressed": (
        "minus_conv2_ch3",
        {"objective": "Negative", "layer": "conv2", "channel": 3},
    ),
    "conv3_ch10_without_class7": (
        "conv3_ch10-0.1_logits_ch7",
        {"objective": "WeightedSum", "layer": "conv3", "channel": 10},
    ),
    "conv3_direction7": (
        "conv3_direction_7_against_1",
        {"objective": "Direction", "vector": {"of": 7, "against": 1, "data": "digits"}},
    ),
    "conv2_deepdream": (
        "conv2_all",
        {"objective": "DeepDream", "channel": None, "initial_image": SEVEN.record()},
    ),
    "conv3_caricature": (
        "conv3_caricature_seven",
        {"objective": "Caricature", "image": SEVEN.path},
    ),
    "conv2_ch3_accentuated": (
        "conv2_ch3",
        {
            "objective": "ChannelMean",
            "initial_image": SEVEN.record(),
            "regularizers": [{"name": "distance", "weight": 10.0}],
        },
    ),
    "conv2_ch3_robust": (
        "conv2_ch3",
        {
            "transforms": [
                {"name": "Jitter", "pixels": 2},
                {"name": "Rotation", "degrees": 10.0},
                {"name": "Scale", "low": 0.9, "high": 1.1},
            ],
            "parameterization": {"name": "Pixels"},
        },
    ),
    "class7_fourier": (
        "classifier_ch7",
        {
            "parameterization": {"name": "Fourier", "decay": 1.0, "least_slope": 0.0},
            "initial_image": PinkNoise().record(),
            "transforms": [],
        },
    ),
    "class7_maco": (
        "classifier_ch7",
        {
            "parameterization": {"name": "MagnitudeConstrained", "images": "digits"},
            "initial_image": PinkNoise().record(),
        },
    ),
    "conv3_ch10_neuron": (
        "conv3_ch10_h3_w3",
        {"objective": "Neuron", "channel": 10, "position": [3, 3]},
    ),
}


def test_every_shipped_config_of_fit_is_tested():
    configs = {
        path.stem: yaml.safe_load(path.read_text(encoding="utf-8")) for path in CONFIGS.iterdir()
    }
    assert {name for name, config in configs.items() if "objective" in config["model"]} == (
        set(SHIPPED)
    )


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_config_says_what_it_is_named_after(prober, tmp_path, name):
    run, expected = SHIPPED[name]
    fit(prober, config=CONFIGS / f"{name}.yaml")
    assert runs(tmp_path) == [f"{run}/version_0"]
    record, _ = read(tmp_path, f"{run}/version_0")
    checkpoint = "control" if "control" in name else "biased"
    assert record["subject"]["sha256"] == plain.sha256(plain.weights(checkpoint))
    assert {key: record[key] for key in expected} == expected


def test_help_names_what_a_person_sets(prober, tmp_path):
    ended = prober("fit", "--help")
    assert (ended.code, ended.err) == (0, "")
    for word in (
        *("--config", "--seed_everything", "--snapshots.every", "--trainer.max_steps"),
        *("--model.objective", "ChannelMean", "Neuron", "TopKMean", "ClassConditional"),
        *("--model.lr", "--model.initial_image", "--model.regularizers"),
        *("--model.subject.cnn", "--model.subject.checkpoint"),
    ):
        assert word in ended.out
    assert len(ended.out.splitlines()) < 180
    for noise in ("overfit_batches", "Known subclasses", "callbacks"):
        assert noise not in ended.out
    assert list(tmp_path.iterdir()) == []


def test_print_config_is_yaml_of_all_settings(prober, tmp_path):
    ended = prober(
        "fit", "--config", CONFIGS / "class7.yaml", "--seed_everything=5", "--print_config"
    )
    assert (ended.code, ended.err) == (0, "")
    config = yaml.safe_load(ended.out)
    assert config["seed_everything"] == 5
    assert config["model"]["objective"]["init_args"] == {"layer": "classifier", "channel": 7}
    assert config["trainer"]["max_steps"] == 500
    assert config["trainer"]["precision"] == "64-true"
    assert config["model"]["lr"] == 0.05
    assert config["model"]["style"] == "plain"
    assert config["model"]["parameterization"]["class_path"] == "prober.Pixels"
    shape = ["--model.style", "legible", "--model.subject.input_shape", "[3, 56, 64]"]
    ended = prober("fit", "--config", CONFIGS / "class7.yaml", *shape, "--print_config")
    legible = yaml.safe_load(ended.out)["model"]
    assert legible["lr"] == pytest.approx(0.1) and legible["regularizers"] == []
    assert legible["parameterization"]["init_args"] == {"decay": 1.5, "least_slope": 0.1}
    assert config["snapshots"] == {"every": 50}
    assert list(tmp_path.iterdir()) == []


def test_config_of_a_run_gives_the_same_bits_again(prober, tmp_path):
    fit(
        prober,
        *("--seed_everything", 11, "--model.objective", "TopKMean", "--model.lr", 0.02),
        *("--model.initial_image", "LowFrequencyNoise", "--model.initial_image.sigma", 1.5),
        *("--model.subject.mean", "[0.1, 0.2, 0.3]", "--model.subject.std", "[0.5, 0.6, 0.7]"),
        steps=12,
    )
    run = "conv2_ch3_top20/version_0"
    config = tmp_path / "lightning_logs" / run / "config.yaml"
    assert prober("fit", "--config", config, "--trainer.enable_progress_bar", "false").code == 0
    first, second = read(tmp_path, run), read(tmp_path, "conv2_ch3_top20/version_1")
    assert np.array_equal(first[1], second[1])
    same = {key: value for key, value in first[0].items() if key != "seconds"}
    assert same == {key: second[0][key] for key in same}
    assert first[0]["seed"] == 11
    again = tmp_path / "lightning_logs/conv2_ch3_top20/version_1/config.yaml"
    assert again.read_text(encoding="utf-8") == config.read_text(encoding="utf-8")


def of(name, **settings):
    return {"class_path": name, "init_args": settings}


MEAN = of("ChannelMean", layer="conv2", channel=3)
WAY = of("Direction", layer="conv3", vector={"of": 7, "against": "1"})
MODELS = {
    "minus_conv2_ch3": {
        "objective": of("Negative", objective=MEAN),
        "transforms": [
            of("Padding", border=3),
            of("Jitter", pixels=1),
            of("Rotation", degrees=5.0),
            of("Scale", low=0.9, high=1.3),
            of("Blur", sigma=0.5),
            of("Noise", noise_std=0.02),
        ],
    },
    "conv2_ch3-0.1_conv3_direction_7_against_1+2_minus_conv2_ch3": {
        "objective": of(
            "WeightedSum",
            summands=[
                {"objective": MEAN},
                {"objective": WAY, "weight": -0.1},
                {"objective": of("Negative", objective=MEAN), "weight": 2},
            ],
        ),
        "parameterization": of("Fourier", decay=0.5, least_slope=0.0),
        "regularizers": [of("Distance", weight=0.5)],
    },
    "conv3_cosine_way": {
        "objective": of("CosineDirection", layer="conv3", vector="way.npy"),
        "parameterization": of("MagnitudeConstrained", images="digits"),
        "initial_image": of("PinkNoise", contrast=0.2),
    },
    "conv1_all": {
        "objective": of("DeepDream", layer="conv1"),
        "initial_image": of("GivenImage", path=SEVEN.path),
        "transforms": [],
    },
    "conv3_caricature_seven": {"objective": of("Caricature", layer="conv3", image=SEVEN.path)},
}


def as_recorded(given):
    """What a record says of a part of a config."""
    return {"name": given["class_path"], **given["init_args"]}


@pytest.mark.parametrize("name", MODELS)
def test_run_of_any_kind_has_a_whole_record_and_a_config_that_gives_the_same_bits(
    prober, tmp_path, name
):
    np.save(tmp_path / "way.npy", np.arange(64.0) - 20)
    (tmp_path / "my.yaml").write_text(
        yaml.safe_dump({"model": {"style": "plain"} | MODELS[name]}), encoding="utf-8"
    )
    ended = fit(prober, "--seed_everything", 4, config="my.yaml", steps=8)
    assert lines(ended.out)[0].startswith(f"{name}: score ")
    config = tmp_path / "lightning_logs" / name / "version_0" / "config.yaml"
    assert prober("fit", "--config", config).code == 0
    first, second = (read(tmp_path, f"{name}/version_{i}") for i in range(2))
    assert np.array_equal(first[1], second[1])
    assert first[1].min() >= 0 and first[1].max() <= 1
    record = {key: value for key, value in first[0].items() if key != "seconds"}
    assert record == {key: second[0][key] for key in record}
    assert (config.parents[1] / "version_1" / "config.yaml").read_text(
        encoding="utf-8"
    ) == config.read_text(encoding="utf-8")

    model = MODELS[name]
    assert record["objective"] == model["objective"]["class_path"]
    assert record["score_end"] > record["score_start"] and record["seed"] == 4
    pixels = of("Pixels")
    assert record["parameterization"] == as_recorded(model.get("parameterization", pixels))
    assert record["transforms"] == [as_recorded(each) for each in model.get("transforms", [])]
    if "initial_image" in model:
        asked = as_recorded(model["initial_image"])
        assert asked.items() <= record["initial_image"].items()
    mean = {"layer": "conv2", "channel": 3, "objective": "ChannelMean"}
    if "objective" in model["objective"]["init_args"]:
        assert mean.items() <= record["of"].items()
    for asked, said in zip(
        model["objective"]["init_args"].get("summands", []),
        record.get("summands", []),
        strict=True,
    ):
        assert said["weight"] == asked.get("weight", 1)
        assert said["objective"] == asked["objective"]["class_path"]
    if "summands" in record:
        assert record["summands"][1]["vector"] == {"of": 7, "against": "1", "data": "digits"}
        assert record["regularizers"] == [{"name": "distance", "weight": 0.5}]


def test_transforms_do_not_hide_a_dead_unit(prober, tmp_path):
    noise = "[{class_path: Noise, init_args: {noise_std: 0.0}}]"
    ended = fit(prober, *silent(NEVER), "--model.transforms", noise)
    assert f"Nothing excites out_ch{NEVER} from this start" in ended.out
    assert read(tmp_path, f"out_ch{NEVER}/version_0")[0]["dead"] is True


@pytest.mark.parametrize(
    ("args", "name", "expected"),
    [
        (["--model.objective", "DeepDream"], "conv2_all", {"objective": "DeepDream"}),
        (
            ["--model.parameterization", "Fourier", "--model.parameterization.decay", "2"],
            "conv2_ch3",
            {"parameterization": {"name": "Fourier", "decay": 2.0, "least_slope": 0.0}},
        ),
        (
            [
                *("--model.parameterization", "MagnitudeConstrained"),
                *("--model.parameterization.images", "digits"),
            ],
            "conv2_ch3",
            {"parameterization": {"name": "MagnitudeConstrained", "images": "digits"}},
        ),
        (
            ["--model.transforms", "[Jitter, Blur]"],
            "conv2_ch3",
            {"transforms": [{"name": "Jitter", "pixels": 8}, {"name": "Blur", "sigma": 1.0}]},
        ),
        (
            ["--model.initial_image", "GivenImage", "--model.initial_image.path", SEVEN.path],
            "conv2_ch3",
            {"initial_image": SEVEN.record()},
        ),
    ],
)
def test_other_choices_by_flag_over_a_config(prober, tmp_path, args, name, expected):
    fit(prober, *args)
    record, _ = read(tmp_path, f"{name}/version_0")
    assert {key: record[key] for key in expected} == expected


def test_printed_config_gives_the_same_bits(prober, tmp_path):
    printed = prober("fit", "--config", CONV2_CH3, "--seed_everything", 3, "--print_config")
    assert printed.code == 0
    (tmp_path / "printed.yaml").write_text(printed.out, encoding="utf-8")
    fit(prober, "--seed_everything", 3)
    fit(prober, config=tmp_path / "printed.yaml")
    first, second = (read(tmp_path, f"conv2_ch3/version_{i}")[1] for i in range(2))
    assert np.array_equal(first, second)


def test_config_of_a_person_with_an_own_cnn(prober, tmp_path):
    (tmp_path / "stripes.py").write_text(
        "from torch import nn\n\n\n"
        "class Stripes(nn.Module):\n"
        "    def __init__(self, width: int = 4):\n"
        "        super().__init__()\n"
        "        self.body = nn.Sequential(nn.Conv2d(1, width, (5, 1)), nn.GELU())\n"
        "        self.head = nn.Linear(width, 2)\n\n"
        "    def forward(self, x):\n"
        "        return self.head(self.body(x).mean((2, 3)))\n",
        encoding="utf-8",
    )
    (tmp_path / "own.yaml").write_text(
        "model:\n"
        "  subject:\n"
        "    cnn:\n"
        "      class_path: stripes.Stripes\n"
        "      init_args: {width: 6}\n"
        "    input_shape: [1, 9, 13]\n"
        "  objective:\n"
        "    class_path: ClassConditional\n"
        "    init_args:\n"
        "      objective: {class_path: Neuron, init_args: {layer: body.0, channel: 5}}\n"
        "      target_class: 1\n",
        encoding="utf-8",
    )
    fit(prober, config="own.yaml")
    fit(prober, config="own.yaml")
    fit(prober, "--seed_everything", 1, config="own.yaml")
    records, images = zip(
        *(read(tmp_path, f"body.0_ch5_h2_w6_class1/version_{i}") for i in range(3)), strict=True
    )
    assert images[0].shape == (1, 9, 13)
    assert np.array_equal(images[0], images[1])
    assert [record["subject"]["name"] for record in records] == ["Stripes"] * 3
    assert [record["subject"]["checkpoint"] for record in records] == [None] * 3
    # Without a checkpoint the weights come from the seed.
    hashes = [record["subject"]["sha256"] for record in records]
    assert hashes[0] == hashes[1] != hashes[2]


def silent(channel):
    """Options that ask for a channel of a CNN behind whose ReLU there is no gradient."""
    cnn = {"cnn": "tests.cnns.Shut", "checkpoint": "null", "input_shape": "[1, 12, 12]"}
    subject = [word for key, v in cnn.items() for word in (f"--model.subject.{key}", v)]
    return [*subject, "--model.objective.layer", "out", "--model.objective.channel", channel]


@pytest.mark.parametrize("regularizers", ["[]", "[L2, TotalVariation]"])
def test_dead_unit_finishes_and_is_told(prober, tmp_path, regularizers):
    ended = fit(prober, *silent(NEVER), "--model.regularizers", regularizers, steps=5)
    said = f"Nothing excites out_ch{NEVER} from this start: its ReLUs stayed shut, though 5 steps"
    assert said in ended.out
    record, _ = read(tmp_path, f"out_ch{NEVER}/version_0")
    assert record["dead"] is True
    assert record["status"] == "finished"
    assert (record["score_start"], record["score_end"], record["steps"]) == (0, 0, 5)
    assert record["leaky_steps"] == 5


def test_a_silent_unit_that_wakes_is_told(prober, tmp_path):
    ended = fit(prober, *silent(SHUT), steps=30)
    record, _ = read(tmp_path, f"out_ch{SHUT}/version_0")
    assert record["score_start"] == 0 < record["score_end"] and record["dead"] is False
    leaky = f"out_ch{SHUT} was silent at the start: {record['leaky_steps']} steps went through"
    assert leaky in ended.out and "Nothing excites" not in ended.out


@pytest.mark.parametrize("steps", [1, 2])
def test_live_unit_is_not_called_dead_after_however_few_steps(prober, tmp_path, steps):
    ended = fit(prober, steps=steps)
    assert "Nothing excites" not in ended.out
    assert read(tmp_path)[0]["dead"] is False


def test_says_score_folder_and_how_to_watch(prober, tmp_path):
    ended = fit(prober, steps=30)
    record, _ = read(tmp_path)
    assert lines(ended.out) == [
        f"conv2_ch3: score {record['score_start']:.4g} at the start, "
        f"{record['score_end']:.4g} after 30 steps, style {record['style']}.",
        "Run: lightning_logs/conv2_ch3/version_0",
        "Evolution: tensorboard --logdir lightning_logs --samples_per_plugin images=1000",
    ]


def test_says_what_of_a_style_is_given_otherwise(prober):
    said = lines(fit(prober, "--model.style", "legible", steps=1).out)[1]
    assert said == "Other than the style's: initial_image, regularizers, lr."
    assert "Other than" not in prober("fit", "--config", CONFIGS / "class7.yaml", *QUICK, 1).out


def test_runs_elsewhere_if_asked(prober, tmp_path):
    ended = fit(prober, "--trainer.default_root_dir", "else where")
    assert (tmp_path / "else where/lightning_logs/conv2_ch3/version_0/final.png").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["else where"]
    assert "Run: else where/lightning_logs/conv2_ch3/version_0" in lines(ended.out)


def test_without_a_logger_nothing_is_written(prober, tmp_path):
    ended = fit(prober, "--trainer.logger", "false")
    assert lines(ended.out)[0].startswith("conv2_ch3: score ")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("value", ["nan", "inf"])
def test_score_that_is_not_finite_only_after_the_last_step(prober, tmp_path, value):
    (tmp_path / "fragile.yaml").write_text(
        "model:\n  style: plain\n  subject:\n"
        f"    cnn: {{class_path: tests.cnns.Fragile, init_args: {{beyond: .{value}}}}}\n"
        "  objective: {class_path: ChannelMean, init_args: {layer: bright, channel: 0}}\n",
        encoding="utf-8",
    )
    args = ["fit", "--config", "fragile.yaml", "--trainer.enable_progress_bar", "false"]
    told = re.compile(
        r"Error: The score of bright_ch0 .* became NaN or infinite at step (\d+)\. .*\n"
    )

    ended = prober(*args, "--trainer.max_steps", 100)
    assert ended.code == 2
    step = int(told.fullmatch(ended.err)[1])
    for version, steps in enumerate((step, step - 1), start=1):
        ended = prober(*args, "--trainer.max_steps", steps)
        record, image = read(tmp_path, f"bright_ch0/version_{version}")
        assert record["steps"] == steps
        assert (image[0].mean() > 0.8) == (steps == step)
        if steps == step:
            assert ended.code == 2
            assert int(told.fullmatch(ended.err)[1]) == step
            assert (record["status"], record["failed_at_step"]) == ("failed", step)
            assert record["score_end"] is None
        else:
            assert (ended.code, ended.err) == (0, "")
            assert record["status"] == "finished"


def test_a_sweep_all_of_whose_targets_fail_does_not_end_as_one_that_made_pictures(prober):
    cnn = "{class_path: tests.cnns.Fragile, init_args: {beyond: .nan}}"
    args = ["--grid.layers", "bright", "--grid.channels", 0, "--grid.seeds", 2]
    args += ["--trainer.devices", 1, "--trainer.enable_progress_bar", "false"]
    ended = prober("sweep", "--model.subject.cnn", cnn, *args)
    refused(ended, "Every target failed")
    assert "2 of 2 targets done, 0 dead, 2 failed." in ended.out


def test_a_report_looks_at_the_same_with_its_config_and_without(prober):
    def grid(*args):
        printed = prober("report", *args, "--print_config").out
        return yaml.safe_load(printed)["grid"]

    assert grid("--config", CONFIGS / "report.yaml") == grid()


OTHERS = {
    "grid": {
        "layers": "conv1",
        "channels": [0, 1],
        "seeds": 2,
        "targets": [of("DeepDream", layer="conv2"), of("Negative", objective=MEAN)],
    },
    "trainer": {"max_steps": 4, "devices": 1},
}


def test_a_report_looks_at_units_and_refuses_other_objectives(prober, tmp_path):
    for option, value in (
        ("targets", "[{class_path: DeepDream, init_args: {layer: conv1}}]"),
        ("diversity", "0.5"),
    ):
        ended = prober("report", f"--grid.{option}", value)
        assert ended.code == 2
        assert ended.err == (
            f"Error: A report looks at units: leave grid.{option} to sweep, which can show them.\n"
        )
    assert list(tmp_path.iterdir()) == []


def test_a_report_of_a_sweep_leaves_out_its_other_objectives(prober, tmp_path):
    (tmp_path / "sweep.yaml").write_text(yaml.safe_dump(OTHERS), encoding="utf-8")
    assert prober("sweep", "--config", "sweep.yaml").code == 0
    swept = "lightning_logs/sweep_conv1_conv2/version_0"
    ended = prober("report", "--sweep", swept, "--data", "none", "--trainer.devices", 1)
    assert ended.code == 0, ended.err
    report = tmp_path / "lightning_logs" / "report_biased" / "version_0"
    found = json.loads((report / "findings.json").read_text(encoding="utf-8"))
    assert {(unit["layer"], unit["channel"]) for unit in found} == {("conv1", 0), ("conv1", 1)}

    only = OTHERS | {"grid": OTHERS["grid"] | {"layers": []}}
    (tmp_path / "only.yaml").write_text(yaml.safe_dump(only), encoding="utf-8")
    assert prober("sweep", "--config", "only.yaml").code == 0
    swept = "lightning_logs/sweep_conv2/version_0"
    ended = prober("report", "--sweep", swept)
    assert ended.code == 2 and "has no picture of a unit" in ended.err
    assert "have objectives of more than one channel" in ended.err


@pytest.mark.skipif(os.name != "posix", reason="its shell has other pipes")
@pytest.mark.parametrize("end", ["| head -c 1", "2>&-"])
def test_a_sweep_is_finished_though_nobody_reads_what_it_says(tmp_path, end):
    options = "--grid.layers conv1 --grid.channels 0-1 --chunk_size 1 --trainer.devices 2"
    command = f"'{sys.executable}' '{ROOT / 'main.py'}' sweep {options} --trainer.max_steps 1 {end}"
    ended = subprocess.run(
        ["sh", "-c", command], cwd=tmp_path, check=True, capture_output=True, text=True
    )
    assert "Error" not in ended.stderr
    assert (tmp_path / "lightning_logs/sweep_conv1/version_0/sheets/conv1.png").exists()


@pytest.mark.skipif(os.name != "posix", reason="its shell closes no streams")
def test_the_exit_code_says_it_where_no_message_can(tmp_path):
    command = f"'{sys.executable}' '{ROOT / 'main.py'}' fit --nope 2>&-"
    assert subprocess.run(["sh", "-c", command], cwd=tmp_path).returncode == 2


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no full disk")
def test_a_full_disk_for_what_is_printed_is_said_once(tmp_path):
    command = f"'{sys.executable}' '{ROOT / 'main.py'}' layers > /dev/full"
    ended = subprocess.run(["sh", "-c", command], cwd=tmp_path, capture_output=True, text=True)
    assert (ended.returncode, ended.stderr) == (2, "Error: No space left on device\n")
