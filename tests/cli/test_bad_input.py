"""Bad input ends with one message that helps, code 2, no traceback, and nothing written."""

import pickle

import numpy as np
import pytest
import torch
from PIL import Image

from tests import plain
from tests.command_line import CONV2_CH3, refused
from tests.files import RunsCode

REFERENCE_LAYERS = "conv1, relu1, pool1, conv2, relu2, pool2, conv3, relu3, pool3, classifier"


@pytest.fixture
def told(prober, tmp_path):
    """Runs `fit` and returns the one line that it must end with."""

    def run(*args, config=CONV2_CH3):
        before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
        # A few steps only, should the input turn out to be accepted.
        ended = prober("fit", "--config", config, "--trainer.max_steps", 2, *args)
        message = refused(ended)
        assert ended.out == ""
        after = {
            path: path.read_bytes()
            for path in tmp_path.rglob("*")
            if path.is_file() and path.suffix != ".pyc"
        }
        assert after == before
        assert not (tmp_path / "lightning_logs").exists()
        return message

    return run


BAD_OPTIONS = {
    "unknown layer": (
        ["--model.objective.layer", "conv22"],
        ["no layer 'conv22'", "Did you mean 'conv2'?", REFERENCE_LAYERS, "logits"],
    ),
    "layer of other case": (["--model.objective.layer", "Conv2"], ["Did you mean 'conv2'?"]),
    "empty layer": (["--model.objective.layer", ""], ["no layer ''", REFERENCE_LAYERS]),
    "channel too large": (["--model.objective.channel", "32"], ["Channel 32", "0 to 31", "conv2"]),
    "channel below 0": (["--model.objective.channel", "-1"], ["Channel -1", "0 to 31"]),
    "channel of no number": (["--model.objective.channel", "x"], ["channel", "'x'", "int"]),
    "channel of half a number": (["--model.objective.channel", "1.5"], ["'1.5'", "int"]),
    "position too large": (
        ["--model.objective", "Neuron", "--model.objective.h", "14"],
        ["h = 14", "0 to 13"],
    ),
    "position below 0": (
        ["--model.objective", "Neuron", "--model.objective.w", "-1"],
        ["w = -1", "0 to 13"],
    ),
    "k larger than the map": (
        ["--model.objective", "TopKMean", "--model.objective.k", "197"],
        ["k = 197", "14 x 14", "1 to 196"],
    ),
    "k of 0": (["--model.objective", "TopKMean", "--model.objective.k", "0"], ["1 to 196"]),
    "misspelt objective": (
        ["--model.objective", "ChannelMeen"],
        ["ChannelMeen", "Did you mean 'ChannelMean'?", "Negative, Neuron, ", "TopKMean"],
    ),
    "misspelt image": (
        ["--model.initial_image", "GreyNoise"],
        ["GreyNoise", "Did you mean 'GrayNoise'?", "GaussianNoise", "LowFrequencyNoise"],
    ),
    "misspelt regularizer": (
        ["--model.regularizers", "[L2, TotalVaration]"],
        ["TotalVaration", "Did you mean 'TotalVariation'?"],
    ),
    "image that is an objective": (["--model.initial_image", "Neuron"], ["Neuron"]),
    "misspelt parameterization": (
        ["--model.parameterization", "Fourir"],
        ["model.parameterization", "Fourir", "Did you mean 'Fourier'?", "MagnitudeConstrained"],
    ),
    "falling too slowly": (
        ["--model.parameterization", "Fourier", "--model.parameterization.decay", "-1"],
        ["decay of Fourier is -1.0", "0 or more"],
    ),
    "magnitude of no images": (
        ["--model.parameterization", "MagnitudeConstrained"],
        ["images"],
    ),
    "magnitude of missing images": (
        [
            *("--model.parameterization", "MagnitudeConstrained"),
            *("--model.parameterization.images", "nowhere"),
        ],
        ["MagnitudeConstrained", "no folder 'nowhere'", "digits"],
    ),
    "magnitude of an empty folder": (
        [
            *("--model.parameterization", "MagnitudeConstrained"),
            *("--model.parameterization.images", "empty"),
        ],
        ["MagnitudeConstrained", "no image", "'empty'"],
    ),
    "magnitude of one flat color": (
        [
            *("--model.parameterization", "MagnitudeConstrained"),
            *("--model.parameterization.images", "flat"),
        ],
        ["MagnitudeConstrained", "one flat color", "'flat'"],
    ),
    "misspelt transform": (
        ["--model.transforms", "[Jitter, Blurr]"],
        ["Blurr", "Did you mean 'Blur'?", "Noise, Padding"],
    ),
    "jitter over the edge": (
        ["--model.transforms", "[{class_path: Jitter, init_args: {pixels: 28}}]"],
        ["pixels of Jitter is 28", "28 x 28", "less than 28"],
    ),
    "border over the middle": (
        ["--model.transforms", "[{class_path: Padding, init_args: {border: 14}}]"],
        ["border of Padding is 14", "less than 14"],
    ),
    "rotation over half a turn": (
        ["--model.transforms", "[{class_path: Rotation, init_args: {degrees: 181}}]"],
        ["degrees of Rotation is 181", "0 to 180"],
    ),
    "scales in the wrong order": (
        ["--model.transforms", "[{class_path: Scale, init_args: {low: 1.2}}]"],
        ["low = 1.2", "high = 1.1"],
    ),
    "noise of no number": (
        ["--model.transforms", "[{class_path: Noise, init_args: {noise_std: .nan}}]"],
        ["noise_std of Noise is nan"],
    ),
    "misspelt setting of a transform": (
        ["--model.transforms", "[{class_path: Jitter, init_args: {pixel: 1}}]"],
        ["'pixel'", "Did you mean 'pixels'?"],
    ),
    "missing picture": (
        ["--model.initial_image", "GivenImage", "--model.initial_image.path", "nowhere.png"],
        ["'nowhere.png' is not a file", "Looked in"],
    ),
    "picture of text": (
        ["--model.initial_image", "GivenImage", "--model.initial_image.path", "text.png"],
        ["'text.png' cannot be used as a picture"],
    ),
    "picture without a path": (["--model.initial_image", "GivenImage"], ["path"]),
    "negative distance": (
        ["--model.regularizers", "[{class_path: Distance, init_args: {weight: -1}}]"],
        ["weight of Distance is -1.0", "0 or more"],
    ),
    "negative weight": (
        ["--model.regularizers", '[{"class_path": "L2", "init_args": {"weight": -0.5}}]'],
        ["weight of L2 is -0.5", "0 or more"],
    ),
    "negative learning rate": (["--model.lr", "-0.1"], ["learning rate is -0.1"]),
    "learning rate of 0": (["--model.lr", "0"], ["learning rate is 0"]),
    "learning rate of no number": (["--model.lr", "fast"], ["model.lr", "'fast'", "float"]),
    "negative steps": (["--trainer.max_steps", "-5"], ["max_steps is -5", "1 or more"]),
    "endless steps": (["--trainer.max_steps", "-1"], ["max_steps is -1", "1 or more"]),
    "no steps": (["--trainer.max_steps", "0"], ["max_steps is 0", "1 or more"]),
    "steps of no number": (["--trainer.max_steps", "ten"], ["trainer.max_steps", "'ten'", "int"]),
    "no snapshots": (["--snapshots.every", "0"], ["every 0 steps", "1 or more"]),
    "negative snapshots": (["--snapshots.every", "-2"], ["every -2 steps"]),
    "negative seed": (["--seed_everything", "-1"], ["seed_everything is -1", "0 to 4294967295"]),
    "seed too large": (["--seed_everything", str(2**32)], ["0 to 4294967295"]),
    "own negative seed": (["--model.seed", "-1"], ["seed is -1"]),
    "negative spread": (["--model.initial_image.std", "-1"], ["std of GaussianNoise is -1"]),
    "misspelt option": (
        ["--model.objective.chanel", "1"],
        ["'chanel'", "Did you mean 'channel'?"],
    ),
    "option of the objective's": (
        ["--channel", "4"],
        ["There is no option 'channel'. Did you mean 'model.objective.channel'?"],
    ),
    "option that another objective has": (
        ["--model.objective.k", "4"],
        ["There is no option 'k'. Those here: channel, layer."],
    ),
    "part of a trainer's option": (["--steps", "9"], ["Did you mean 'trainer.max_steps'?"]),
    "option like no other": (["--qqq", "9"], ["There is no option 'qqq'. --help after the"]),
    "transform that is no list": (["--model.transforms", "Jitter"], ["in brackets: [Jitter]."]),
    "module that there is not": (
        ["--model.subject.cnn", "nowhere.Net"],
        ["cannot import 'nowhere.Net': there is no module 'nowhere' in this folder"],
    ),
    "misspelt group": (["--modle.lr", "1"], ["'modle.lr'", "Did you mean 'model'?"]),
    "misspelt trainer option": (
        ["--trainer.max_stepz", "3"],
        ["'trainer.max_stepz'", "Did you mean 'max_steps'?"],
    ),
    "stray word": (["stray"], ["stray"]),
    "image in half precision": (["--trainer.precision", "bf16-true"], ["bf16-true", "bf16-mixed"]),
    "precision of a GPU": (["--trainer.precision", "16-mixed"], ["16-mixed", "needs a GPU"]),
    "unknown precision": (["--trainer.precision", "65"], ["trainer.precision", "64-true"]),
    "unknown accelerator": (["--trainer.accelerator", "abacus"], ["abacus", "cpu"]),
    "missing checkpoint": (
        ["--model.subject.checkpoint", "nowhere.pt"],
        ["'nowhere.pt' is not a file", "Looked in"],
    ),
    "missing module": (["--model.subject.cnn", "nowhere.Net"], ["nowhere"]),
    "path of a file": (
        ["--model.subject.cnn", "./nets/own.py:Net"],
        ["'./nets/own.py:Net' is no import path", "Write it with dots: nets.own.Net."],
    ),
    "path of a file without a class": (
        ["--model.subject.cnn", "nets/own.py"],
        ["'nets/own.py' is no import path", "Write it with dots: such as folder.file.Class."],
    ),
    "path on a drive": (
        ["--model.subject.cnn", "C:\\nets\\own.py::Net"],
        ["is no import path", "Write it with dots: nets.own.Net."],
    ),
    "missing class": (["--model.subject.cnn", "torch.nn.Konv2d"], ["Konv2d"]),
    "class that is no module": (["--model.subject.cnn", "json.JSONDecoder"], ["json.JSONDecoder"]),
    "mean of too few channels": (["--model.subject.mean", "[0.5]"], ["mean [0.5]", "3 channels"]),
    "mean of one number": (
        ["--model.subject.mean", "0.5"],
        ["model.subject.mean: '0.5'", "list[float]", "in brackets: [0.5, 0.5, 0.5]"],
    ),
    "mean of words": (["--model.subject.mean", "[a, b, c]"], ["list[float]", "[0.5, 0.5, 0.5]"]),
    "input shape without brackets": (
        ["--model.subject.input_shape", "3,28,28"],
        ["model.subject.input_shape: '3,28,28'", "list[int]", "in brackets: [1, 2, 3]"],
    ),
    "held without brackets": (["--model.held", "{value: 0.5}"], ["model.held", "list[Held]"]),
    "channel held without brackets": (
        ["--model.held", "[{value: 0.5, channels: 0}]"],
        ["channels: '0'", "list[int]", "in brackets"],
    ),
    "style in capitals": (["--model.style", "Legible"], ["model.style: 'Legible'", "legible"]),
    "std of 0": (["--model.subject.std", "[0, 1, 1]"], ["std", "greater than 0"]),
    "input of other channels": (
        ["--model.subject.input_shape", "[1, 28, 28]"],
        ["[1, 1, 28, 28]", "input_shape"],
    ),
    "input too small": (
        ["--model.subject.input_shape", "[3, 4, 4]"],
        ["[1, 3, 4, 4]", "input_shape"],
    ),
    "class of no name": (
        ["--model.parameterization", ""],
        ["parameterization: there is no ''", "Choose Fourier, MagnitudeConstrained, Pixels"],
    ),
    "class by a list": (
        ["--model.objective", "{class_path: [Neuron]}"],
        ["model.objective: '['Neuron']' is no import path", "folder.file.Class"],
    ),
    "class without a setting": (
        ["--model.objective", "ClassConditional"],
        ["without objective and target_class", "or --model.objective.objective VALUE"],
    ),
    "number that is a set": (["--model.lr={0}"], ["model.lr: '{0}' is not of type float"]),
    "value that argparse drops": (["--print_config=--"], ["'--print_config=--' has no value"]),
    "input of no size": (["--model.subject.input_shape", "[3, 0, 28]"], ["[3, 0, 28]"]),
    "input of two sides": (["--model.subject.input_shape", "[3, 28]"], ["input_shape", "3"]),
}


@pytest.fixture
def files(tmp_path):
    """What some of the bad input names."""
    for folder in ("empty", "flat"):
        (tmp_path / folder).mkdir()
    Image.new("RGB", (28, 28), "red").save(tmp_path / "flat" / "a.png")
    (tmp_path / "text.png").write_text("no picture", encoding="utf-8")
    for name, vector in {
        "short": np.ones(5),
        "nan": np.full(32, np.nan),
        "zero": np.zeros(32),
        "map": np.ones((32, 14, 14)),
    }.items():
        np.save(tmp_path / f"{name}.npy", vector)


@pytest.mark.usefixtures("files")
@pytest.mark.parametrize(("args", "words"), BAD_OPTIONS.values(), ids=BAD_OPTIONS)
def test_bad_option(told, args, words):
    message = told(*args)
    for word in words:
        assert word in message


def objective(text):
    return f"model:\n  objective:\n    {text}\n"


CHANNEL_MEAN = "{class_path: ChannelMean, init_args: {layer: conv2, channel: 4}}"


def conditional(inner=CHANNEL_MEAN, target_class=1, weight=0.1):
    return objective(
        "class_path: ClassConditional\n    init_args:\n"
        f"      objective: {inner}\n      target_class: {target_class}\n      weight: {weight}"
    )


def direction(vector, kind="Direction"):
    return objective(f"{{class_path: {kind}, init_args: {{layer: conv2, vector: {vector}}}}}")


def weighted(*summands):
    listed = ", ".join(summands)
    return objective(f"{{class_path: WeightedSum, init_args: {{summands: [{listed}]}}}}")


SUMMAND = f"{{objective: {CHANNEL_MEAN}}}"

BAD_YAML = {
    "direction of another length": (
        direction("short.npy"),
        ["'short.npy' is [5]", "'conv2' has 32 channels", "[32]"],
    ),
    "direction of a map": (direction("map.npy"), ["'map.npy' is [32, 14, 14]", "[32]"]),
    "direction that is no number": (
        direction("nan.npy", "CosineDirection"),
        ["'nan.npy'", "NaN or infinite"],
    ),
    "direction of zeros": (direction("zero.npy"), ["zero everywhere", "leads nowhere"]),
    "missing direction": (
        direction("nowhere.npy"),
        ["Direction 'nowhere.npy' is not a file", "Looked in"],
    ),
    "direction of numbers": (
        direction("[1.0, 2.0]"),
        ["vector: '[1.0, 2.0]' is not of type str or ClassDifference."],
    ),
    "direction of a class that there is not": (
        direction("{of: 7, against: 11}"),
        ["no class '11'", "Its classes: 0, 1, 2, 3, 4, 5, 6, 7, 8, 9"],
    ),
    "direction from a class to itself": (direction("{of: 7, against: 7}"), ["zero everywhere"]),
    "direction of one class": (direction("{of: 7}"), ["against"]),
    "direction of missing images": (
        direction("{of: 7, against: 1, data: nowhere}"),
        ["no folder 'nowhere'"],
    ),
    "direction of images without classes": (
        direction("{of: 7, against: 1, data: flat}"),
        ["no class '7'", "It has no classes"],
    ),
    "caricature of a missing image": (
        objective("{class_path: Caricature, init_args: {layer: conv2, image: nowhere.png}}"),
        ["'nowhere.png' is not a file"],
    ),
    "caricature of text": (
        objective("{class_path: Caricature, init_args: {layer: conv2, image: text.png}}"),
        ["'text.png' cannot be used as a picture"],
    ),
    "caricature of an array of another shape": (
        objective("{class_path: Caricature, init_args: {layer: conv2, image: zero.npy}}"),
        ["'zero.npy' is [32]", "3 channels"],
    ),
    "diversity of one image": (
        objective("{class_path: Diversity, init_args: {layer: conv2}}"),
        ["Diversity compares the images of several seeds", "sweep", "grid.seeds"],
    ),
    "diversity within a sum": (
        weighted(SUMMAND, "{objective: {class_path: Diversity, init_args: {layer: conv2}}}"),
        ["Diversity compares the images of several seeds"],
    ),
    "dream of a channel": (
        objective("{class_path: DeepDream, init_args: {layer: conv2, channel: 2}}"),
        ["There is no option 'channel'. Those here: layer."],
    ),
    "dream of a class": (
        conditional("{class_path: DeepDream, init_args: {layer: conv2}}"),
        ["this is a DeepDream", "WeightedSum"],
    ),
    "sum of nothing": (weighted(), ["WeightedSum needs at least one summand"]),
    "sum of what has no objective": (weighted("{weight: 2}"), ["objective"]),
    "sum of bare objectives": (
        weighted(CHANNEL_MEAN),
        ["summands", "{objective: {class_path: ..., init_args: ...}, weight: ...}"],
    ),
    "weight of no number": (
        weighted(f"{{objective: {CHANNEL_MEAN}, weight: .nan}}"),
        ["weight of WeightedSum is nan"],
    ),
    "weight of a word": (
        weighted(f"{{objective: {CHANNEL_MEAN}, weight: heavy}}"),
        ["weight", "'heavy'", "float"],
    ),
    "misspelt weight": (
        weighted(f"{{objective: {CHANNEL_MEAN}, wieght: 2}}"),
        ["'wieght'", "Did you mean 'weight'?"],
    ),
    "unknown layer of the second summand": (
        weighted(SUMMAND, SUMMAND.replace("conv2", "conv22")),
        ["no layer 'conv22'", "Did you mean 'conv2'?"],
    ),
    "channel of the second summand": (
        weighted(SUMMAND, SUMMAND.replace("4", "32")),
        ["Channel 32", "0 to 31"],
    ),
    "misspelt summand": (
        weighted(SUMMAND, SUMMAND.replace("Mean", "Meen")),
        ["ChannelMeen", "Did you mean 'ChannelMean'?"],
    ),
    "negative of nothing": (objective("{class_path: Negative}"), ["objective"]),
    "channel of a negative": (
        objective(
            "{class_path: Negative, init_args: {objective: "
            + CHANNEL_MEAN.replace("4", "99") + "}}"
        ),
        ["Channel 99", "0 to 31"],
    ),
    "class too large": (conditional(target_class=10), ["Class 10", "0 to 9"]),
    "class below 0": (conditional(target_class=-1), ["Class -1", "0 to 9"]),
    "negative class weight": (conditional(weight=-1), ["ClassConditional is -1", "0 or more"]),
    "channel of the inner objective": (
        conditional(CHANNEL_MEAN.replace("4", "40")),
        ["Channel 40", "0 to 31"],
    ),
    "misspelt inner objective": (
        conditional(CHANNEL_MEAN.replace("Mean", "Meen")),
        ["ChannelMeen", "Did you mean 'ChannelMean'?"],
    ),
    "class over class": (
        conditional(
            "{class_path: ClassConditional, init_args: {objective: "
            + CHANNEL_MEAN
            + ", target_class: 1}}"
        ),
        ["cannot stand over another"],
    ),
    "misspelt key": (
        objective(CHANNEL_MEAN.replace("channel:", "chanel:")),
        ["'chanel'", "Did you mean 'channel'?"],
    ),
    "objective without its class": (
        objective("{layer: conv2, channel: 4}"),
        ["{class_path: ..., init_args: {...}}", "Choose Caricature, ChannelMean, "],
    ),
    "objective with settings beside its class": (
        objective("{class_path: ChannelMean, layer: conv2, channel: 4}"),
        ["model.objective names no class, or has settings beside it", "in init_args"],
    ),
    "numbers for the names of classes": (
        objective(CHANNEL_MEAN) + "  subject: {classes: [0, 1, 2]}\n",
        ["model.subject.classes", "list[str] or str. Write a list in brackets: ['0', '1', '2']"],
    ),
    "number for the name of a layer": (
        objective("{class_path: ChannelMean, init_args: {layer: 0, channel: 4}}"),
        ["layer: '0' is not of type str. Write it in quotes: '0'."],
    ),
    "misspelt group": (
        objective(CHANNEL_MEAN) + "modell:\n  lr: 0.1\n",
        ["'modell", "Did you mean 'model'?"],
    ),
    "objective beside the model": (
        "objective: {class_path: ChannelMean, init_args: {layer: conv2, channel: 4}}\n",
        ["no option 'objective.", "Did you mean 'model.objective'?"],
    ),
    "subject beside the model": (
        objective(CHANNEL_MEAN) + "subject: {mean: [0, 0, 0]}\n",
        ["no option 'subject.mean'", "Did you mean 'model.subject'?"],
    ),
    "steps beside the trainer": (
        objective(CHANNEL_MEAN) + "max_steps: 3\n",
        ["no option 'max_steps'", "Did you mean 'trainer.max_steps'?"],
    ),
    "misspelt key of the model": (
        objective(CHANNEL_MEAN) + "  initial_imag: GrayNoise\n",
        ["'model.initial_imag'", "Did you mean 'initial_image'?"],
    ),
    "key of a name far from all": (
        objective(CHANNEL_MEAN) + "  learning_rate: 0.1\n",
        ["There is no option 'model.learning_rate'."],
    ),
    "misspelt key of the objective": (
        "model:\n  objectiv:\n    class_path: ChannelMean\n",
        ["objectiv", "objective"],
    ),
    "misspelt class": (
        objective(CHANNEL_MEAN.replace("ChannelMean", "ChannelMeann")),
        ["ChannelMeann", "Did you mean 'ChannelMean'?"],
    ),
    "misspelt class with its path": (
        objective(CHANNEL_MEAN.replace("ChannelMean", "prober.ascent.objectives.ChannelMeen")),
        ["ChannelMeen", "ChannelMean"],
    ),
    "no channel": (objective("{class_path: ChannelMean, init_args: {layer: conv2}}"), ["channel"]),
    "no objective": ("model:\n  lr: 0.1\n", ["objective"]),
    "misspelt regularizer key": (
        objective(CHANNEL_MEAN)
        + "  regularizers: [{class_path: L2, init_args: {wieght: 1.0}}]\n",
        ["'wieght", "Did you mean 'weight'?"],
    ),
    "broken YAML": ("model: [\n", ["bad.yaml"]),
    "empty file": ("", ["bad.yaml"]),
    "list": ("- model\n", ["bad.yaml"]),
    "no text": ("\x00\x01\x02", ["bad.yaml"]),
}  # fmt: skip


@pytest.mark.usefixtures("files")
@pytest.mark.parametrize(("text", "words"), BAD_YAML.values(), ids=BAD_YAML)
def test_bad_yaml(told, tmp_path, text, words):
    (tmp_path / "bad.yaml").write_text(text, encoding="utf-8")
    message = told(config="bad.yaml")
    for word in words:
        assert word in message


@pytest.mark.parametrize("config", ["nowhere.yaml", "folder"])
def test_config_that_is_no_file(told, tmp_path, config):
    (tmp_path / "folder").mkdir()
    assert config in told(config=config)


def test_config_that_cannot_be_decoded(told, tmp_path):
    (tmp_path / "bad.yaml").write_bytes(b"model: \xff\xfe\n")
    told(config="bad.yaml")


def bad_checkpoints(trap):
    whole = (plain.FOLDER / "biased.pt").read_bytes()
    state = plain.weights(dtype=torch.float32)
    return {
        "empty": (b"", ["is empty"]),
        "truncated": (whole[: len(whole) // 2], ["truncated"]),
        "pointer of Git LFS": (
            b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n",
            ["is a pointer of Git LFS", "git lfs pull"],
        ),
        "web page": (b"\n<!DOCTYPE html><html></html>", ["is a web page", "download the file"]),
        "truncated to a few bytes": (whole[:20], ["truncated"]),
        "of another architecture": (
            {"stem.weight": torch.zeros(3), "conv1.bias": state["conv1.bias"]},
            ["missing: conv1.weight", "classifier.weight", "unexpected: stem.weight"],
        ),
        "of another shape": (
            {**state, "conv1.weight": torch.zeros(8, 3, 3, 3)},
            ["conv1.weight [8, 3, 3, 3] instead of [16, 3, 3, 3]"],
        ),
        "that runs code": (pickle.dumps(RunsCode(trap)), ["more than weights", "state_dict"]),
        "that runs code, zipped": ({"conv1.bias": RunsCode(trap)}, ["more than weights"]),
        "of a training without weights": ({"state_dict": {}, "epoch": 3}, ["no state dict"]),
        "of text": (b"conv1.weight: 1, 2, 3\n", ["weights.pt"]),
    }


@pytest.mark.parametrize("kind", bad_checkpoints(None))
def test_bad_checkpoint(told, tmp_path, kind):
    content, words = bad_checkpoints(tmp_path / "trap")[kind]
    if isinstance(content, bytes):
        (tmp_path / "bad.pt").write_bytes(content)
    else:
        torch.save(content, tmp_path / "bad.pt")
    message = told("--model.subject.checkpoint", "bad.pt")
    assert "'bad.pt'" in message
    for word in words:
        assert word in message
    assert not (tmp_path / "trap").exists()


OWN = """
import torch
from torch import nn

class Recurrent(nn.Module):
    def __init__(self, width: int = 5):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.rows = nn.Flatten(2)
        self.lstm = nn.LSTM(26 * 26, width, batch_first=True)

    def forward(self, x):
        return self.lstm(self.rows(self.conv(x)))[0][:, -1]

class Fails(nn.Module):
    def __init__(self):
        super().__init__()
        raise ValueError("this CNN\\ncannot be made")

class Untyped(nn.Conv2d):
    def __init__(self, width, size=3):
        super().__init__(3, 2 * width, size)

class Called(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)

    def __call__(self, x):
        return self.conv(x)

class PixelsByPixels(nn.Module):
    def forward(self, x):
        return x.new_empty(10**15)

class Typed(nn.Conv2d):
    def __init__(self, head: str | None):
        raise ValueError("no such CNN")

class Rejects(nn.Module):
    def forward(self, x):
        raise ValueError("such input\\nis not taken")
"""
BAD_CNNS = {
    "layer without channels": (
        ["--model.subject.cnn", "own_{}.Recurrent", "--model.objective.layer", "lstm.1.0"],
        ["'lstm.1.0' of Recurrent cannot be probed", "[1, 1, 5]", "conv, rows, lstm.0, logits"],
    ),
    "layer that puts out a tuple": (
        ["--model.subject.cnn", "own_{}.Recurrent", "--model.objective.layer", "lstm"],
        ["'lstm' of Recurrent cannot be probed", "tuple", "lstm.0"],
    ),
    "class that is missing in the file": (
        ["--model.subject.cnn", "own_{}.Recurent"],
        ["own_{}.Recurent"],
    ),
    "argument that it does not have": (
        ["--model.subject.cnn", "own_{}.Recurrent", "--model.subject.cnn.widht", "4"],
        ["widht"],
    ),
    "argument of another type": (
        ["--model.subject.cnn", "own_{}.Recurrent", "--model.subject.cnn.width", "wide"],
        ["width", "'wide'", "int"],
    ),
    "argument without a type that is not given": (
        ["--model.subject.cnn", "own_{}.Untyped"],
        ["NoneType", "(model.subject.cnn.width: without a default, and null; give a value)"],
    ),
    "CNN that cannot be made": (["--model.subject.cnn", "own_{}.Fails"], ["cannot be made"]),
    "CNN with a call of its own": (
        ["--model.subject.cnn", "own_{}.Called"],
        ["Called has a __call__ of its own", "move what it does into forward"],
    ),
    "CNN that needs more memory than there is": (
        [*("--model.subject.cnn", "own_{}.PixelsByPixels"), "--model.subject.input_shape=[3,9,9]"],
        ["not enough memory for PixelsByPixels", "[1, 3, 9, 9]", "Set input_shape to a smaller"],
    ),
    "CNN that takes no such input": (
        ["--model.subject.cnn", "own_{}.Rejects"],
        ["is not taken", "[1, 3, 32, 32]"],
    ),
    "file that cannot be read": (["--model.subject.cnn", "broken_{}.Net"], ["broken_{}"]),
}


@pytest.mark.parametrize("kind", BAD_CNNS)
def test_bad_own_cnn(told, tmp_path, kind):
    # A name of its own for each test, because Python keeps what was imported.
    number = list(BAD_CNNS).index(kind)
    args, words = BAD_CNNS[kind]
    (tmp_path / f"own_{number}.py").write_text(OWN, encoding="utf-8")
    (tmp_path / f"broken_{number}.py").write_text("class Net(:\n", encoding="utf-8")
    (tmp_path / "own.yaml").write_text(
        objective(CHANNEL_MEAN.replace("conv2", "conv")), encoding="utf-8"
    )
    message = told(*[arg.format(number) for arg in args], config="own.yaml")
    for word in words:
        assert word.format(number) in message


def test_an_argument_that_may_be_null_is_not_blamed(told, tmp_path):
    (tmp_path / "typed_one.py").write_text(OWN, encoding="utf-8")
    text = objective(CHANNEL_MEAN.replace("conv2", "conv"))
    (tmp_path / "own.yaml").write_text(text, encoding="utf-8")
    given = ["--model.subject.cnn", "typed_one.Typed", "--model.subject.cnn.head", "null"]
    assert told(*given, config="own.yaml").endswith("cannot be built: no such CNN")


def test_folder_of_runs_that_cannot_be_made(prober, tmp_path):
    (tmp_path / "lightning_logs").write_text("a file", encoding="utf-8")
    ended = prober("fit", "--config", CONV2_CH3, "--trainer.max_steps", 2)
    refused(ended, "lightning_logs")
    assert (tmp_path / "lightning_logs").read_text(encoding="utf-8") == "a file"


@pytest.mark.parametrize(
    ("args", "words"), [([], ["fit"]), (["fitt"], ["fitt", "fit"]), (["fit"], ["objective"])]
)
def test_command_that_is_missing_or_unknown(prober, tmp_path, args, words):
    refused(prober(*args), *words)
    assert list(tmp_path.iterdir()) == []
