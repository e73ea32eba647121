"""Signals, volumes, vectors, and more inputs than one: as images are, in every command."""

import json
import re

import numpy as np
import pytest
import torch
import yaml
from PIL import Image
from torch import nn

import prober
from prober.ascent.given_images import read_images
from prober.cli.layer_table import describe_layers
from prober.common.drawn_inputs import drawn_one
from prober.common.errors import InputError
from prober.common.pictures import enlarge
from prober.findings.finding import load_findings
from prober.report.record import load_record
from prober.subject import Subject
from prober.subject.receptive_fields import receptive_fields
from tests import plain

SOURCE = """
import torch
from lightning.pytorch import LightningDataModule
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


def pooled(conv, channels):
    torch.manual_seed(0)
    body = [conv(channels, 4, 3, padding=1), nn.Tanh(), conv(4, 3, 3, stride=2)]
    return nn.Sequential(*body, nn.Flatten(2), nn.AdaptiveAvgPool1d(1), nn.Flatten())


class Signal(nn.Sequential):
    def __init__(self):
        super().__init__(pooled(nn.Conv1d, 2))


class Volume(nn.Sequential):
    def __init__(self):
        super().__init__(pooled(nn.Conv3d, 1))


class Vector(nn.Sequential):
    def __init__(self):
        torch.manual_seed(0)
        super().__init__(nn.Sequential(nn.Linear(12, 4), nn.Tanh(), nn.Linear(4, 3)))


class Data(LightningDataModule):
    def train_dataloader(self):
        return DataLoader(TensorDataset(*torch.load("data.pt")), batch_size=30)
"""
SPACE: dict = {}
exec(SOURCE, SPACE)  # what the command line imports from a file

INPUTS = {
    "Signal": ((2, 40), "0.2", (3, 19, 1), (5,), [1, 9, 0]),
    "Volume": ((1, 6, 10, 8), "0.2", (3, 2, 4, 3), (5, 5, 5), [1, 1, 2, 1]),
    "Vector": ((12,), "0.2", (3,), (12,), [1]),
}
"""For each net its input, a layer, that layer's shape and receptive field, a channel's middle."""


@pytest.mark.parametrize("name", INPUTS)
def test_layers_and_fields_are_those_of_the_input(name):
    shape, layer, output, field, _ = INPUTS[name]
    subject = Subject(SPACE[name](), input_shape=shape)
    assert plain.shapes(subject)[layer] == output
    assert receptive_fields(subject)[layer] == field
    mean = [0.5] * shape[0]
    shifted = Subject(SPACE[name](), input_shape=shape, mean=mean)
    half = torch.full((1, *shape), 0.5)
    found = shifted(half, ["logits"])["logits"]
    torch.testing.assert_close(found, SPACE[name]()(half * 0))


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"parameterization": prober.Fourier(), "initial_image": prober.PinkNoise()},
        {"transforms": [prober.Jitter(2), prober.Scale(), prober.Blur(), prober.Padding(1)]},
        {"initial_image": prober.LowFrequencyNoise(), "regularizers": [prober.Distance()]},
        {"transforms": [prober.Noise()], "initial_image": prober.GrayNoise()},
    ],
    ids=["default", "Fourier", "moved", "soft", "noise"],
)
@pytest.mark.parametrize("name", INPUTS)
def test_all_that_makes_sense_there_can_be_done(name, settings):
    shape, layer, _, _, (channel, *_) = INPUTS[name]
    target = f"{layer}:{channel}"
    moves = len(settings.get("transforms", ())) > 1
    if name == "Vector" and (moves or "parameterization" in settings):
        with pytest.raises(InputError, match="vectors of 12 numbers"):
            prober.visualize(SPACE[name](), target, input_shape=shape, steps=1, **settings)
        return
    made = prober.visualize(SPACE[name](), target, input_shape=shape, steps=15, **settings)
    assert made.array.shape == shape
    assert made.array.min() >= 0 and made.array.max() <= 1
    assert made.record["score_end"] > made.record["score_start"]
    same = prober.visualize(
        SPACE[name](), [target, f"{layer}:0"], input_shape=shape, steps=15, **settings
    )
    assert np.array_equal(same[0].array, made.array)  # alone and in company, in float64


def test_a_signal_is_not_turned():
    with pytest.raises(InputError, match="Rotation turns pictures, and a signal has no plane"):
        prober.visualize(
            SPACE["Signal"](), "0.2:1", input_shape=(2, 40), transforms=[prober.Rotation()]
        )


def test_the_slices_of_a_volume_move_together():
    volume = torch.rand(2, 1, 3, 9, 9)
    transforms = prober.ascent.transforms.Transforms([[prober.Jitter(3)]] * 2, [0, 1], (1, 3, 9, 9))
    moved = transforms(volume, transforms.draw())
    slice_by_slice = prober.ascent.transforms.Transforms(
        [[prober.Jitter(3)]] * 2, [0, 1], (1, 9, 9)
    )
    draw = slice_by_slice.draw()
    for depth in range(3):
        torch.testing.assert_close(moved[:, :, depth], slice_by_slice(volume[:, :, depth], draw))


@pytest.mark.parametrize("name", INPUTS)
def test_fit_writes_what_can_be_looked_at(name, prober, tmp_path):
    shape, layer, _, _, place = INPUTS[name]
    (tmp_path / "nets.py").write_text(SOURCE, encoding="utf-8")
    objective = {"class_path": "Neuron", "init_args": {"layer": layer, "channel": place[0]}}
    subject = {"cnn": {"class_path": f"nets.{name}"}, "input_shape": list(shape)}
    config = {"model": {"subject": subject, "objective": objective}}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    steps = ("--trainer.max_steps", 4, "--trainer.enable_progress_bar", "false")
    ended = prober("fit", "--config", "config.yaml", *steps, "--snapshots.every", 2)
    assert ended.code == 0, ended.err
    [run] = (tmp_path / "lightning_logs").glob("*/version_0")
    final = torch.from_numpy(np.load(run / "final.npy"))
    assert tuple(final.shape) == shape
    shown = np.asarray(Image.open(run / "final.png"))
    assert np.array_equal(shown, enlarge(drawn_one(final)))
    with Image.open(run / "evolution.gif") as film:
        assert film.n_frames == 3
    record = json.loads((run / "record.json").read_text(encoding="utf-8"))
    assert record["position"] == (place[1:] or [0, 0])
    assert (run / "slices.gif").exists() == (name == "Volume")
    if name == "Volume":
        with Image.open(run / "slices.gif") as film:
            assert film.n_frames == shape[1]
    grid = {"layers": [layer], "channels": "0-1", "objectives": ["Neuron"], "positions": 2}
    config = {"model": {"subject": subject}, "grid": grid}
    (tmp_path / "grid.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    ended = prober("sweep", "--config", "grid.yaml", *steps, "--trainer.devices", 1)
    assert ended.code == 0, ended.err
    [sheet] = (tmp_path / "lightning_logs").glob("sweep*/version_0/sheets/*.png")
    assert len(np.unique(np.asarray(Image.open(sheet)))) > 5


@pytest.mark.parametrize("name", INPUTS)
def test_a_report_has_pictures_scores_and_answers_alone(name, prober, tmp_path):
    shape, layer, *_ = INPUTS[name]
    (tmp_path / "nets.py").write_text(SOURCE, encoding="utf-8")
    cnn = SPACE[name]()
    inputs = torch.rand(30, *shape, generator=torch.Generator().manual_seed(1))
    labels = torch.arange(30) % 3
    torch.save((inputs, labels), tmp_path / "data.pt")
    config = {
        "model": {"subject": {"cnn": {"class_path": f"nets.{name}"}, "input_shape": list(shape)}},
        "grid": {"layers": [layer], "channels": "0-1", "seeds": 3, "positions": 2},
        "data": "nets.Data",
    }
    names = ["0", "1", "2"]
    if name == "Signal":
        names = config["model"]["subject"]["classes"] = ["slow", "fast", "none"]
    if name == "Volume":  # whose channels are such without a neuron, too
        config["grid"]["objectives"] = ["ChannelMean"]
    (tmp_path / "report.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    steps = ("--trainer.max_steps", 4, "--trainer.devices", 1)
    ended = prober("report", "--config", "report.yaml", *steps)
    assert ended.code == 0, ended.err
    [folder] = (tmp_path / "lightning_logs").glob("report_*/version_0")
    summary = (folder / "SUMMARY.md").read_text(encoding="utf-8")
    assert f"The input is a {name.lower()}, {list(shape)}, which has neither color nor" in summary
    assert (folder / "index.html").exists() and list((folder / "tensorboard").glob("events*"))
    page = (folder / "index.html").read_text(encoding="utf-8")
    flat = re.findall(r'"name":"[^"]+","file":"[^"]+","flat":(true|false)', page)
    assert flat == ["true" if name == "Vector" else "false", "true"]  # a channel, not a unit
    findings = load_findings(folder)
    assert len(findings) == 2 + 3  # two channels, three classes
    for finding in findings:
        assert not finding.dead and finding.kinds == () and finding.facets == ()
        assert finding.shares is finding.polysemantic is finding.confidence is None
        assert [each.style for each in finding.evidence.styles] == ["legible", "plain"]
        for each in finding.evidence.styles:
            assert (folder / each.picture).exists()
            animation = (folder / each.picture).with_suffix(".gif")
            assert animation.exists() == (name == "Volume")
        pictures = finding.evidence.pictures
        assert finding.evidence.score.best == pytest.approx(
            max(item.score for item in pictures.items if item.variant == "mean"), rel=1e-5
        )
    half = torch.full((1, *shape), 0.5)
    logit = findings[-1]
    assert logit.evidence.score.neutral == pytest.approx(cnn(half)[0, 2].item(), rel=1e-4)
    examples = logit.evidence.data.examples.items
    expected = cnn(inputs)[:, 2].sort(descending=True)
    found = [example.score for example in examples]
    assert found == pytest.approx(expected.values[: len(found)].tolist(), rel=1e-4)
    assert [example.label for example in examples] == [
        names[labels[i]] for i in expected.indices[: len(found)].tolist()
    ]
    assert f"| [{names[2]}](index.html#logits/2) |" in summary
    right = (cnn(inputs).argmax(1) == labels).float().mean().item()  # of each class as many
    assert load_record(folder).behavior.accuracy == pytest.approx(right)


def test_a_folder_of_pictures_is_no_signals(tmp_path):
    with pytest.raises(InputError, match=r"no image of a folder: give an array \(.npy\)"):
        read_images(str(tmp_path), (2, 40))
    np.save(tmp_path / "signals.npy", np.random.default_rng(0).random((5, 2, 40), np.float32))
    assert read_images(str(tmp_path / "signals.npy"), (2, 40)).images.shape == (5, 2, 40)


class Steered(nn.Module):
    """A CNN of an image, an angle and a mask, the image neither first nor last."""

    def __init__(self, joined=False):
        super().__init__()
        torch.manual_seed(0)
        self.joined = joined
        self.conv = nn.Conv2d(3, 4, 3, padding=1)
        self.head = nn.Linear(4 + joined, 2)

    def forward(self, angle, image, mask, *, scale=1.0):
        maps = (self.conv(image) * mask).mean((2, 3))
        return self.head(torch.cat([maps, angle], 1) if self.joined else maps * angle * scale)


class OfTwo(nn.Module):
    def forward(self, one, other):
        if other.shape != one.shape:
            raise ValueError("two images of one shape")
        return (one - other).mean((2, 3))


class Siamese(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)

    def forward(self, one, other):
        return (self.conv(one) - self.conv(other)).mean((2, 3))


def test_of_two_images_in_one_module_that_counts_which_is_optimized(tmp_path):
    other = torch.rand(3, 8, 8)
    np.save(tmp_path / "other.npy", other.numpy())
    cnn, images = Siamese(), torch.rand(2, 3, 8, 8)
    for given, call in (("other", 0), ("one", 1)):
        subject = Subject(cnn, input_shape=(3, 8, 8), given={given: str(tmp_path / "other.npy")})
        assert [*subject.layers] == [f"conv@{call}", "conv", "logits"]
        assert not subject.listing.cut and not subject.notes
        torch.testing.assert_close(subject(images, ["conv"])["conv"], cnn.conv(images).detach())
        assert receptive_fields(subject)["conv"] == (3, 3)
        assert [layer["name"] for layer in describe_layers(subject)] == ["conv", "logits"]
        with pytest.raises(InputError, match=rf"'conv@{1 - call}' .*it goes by what is given"):
            subject.check_layer(f"conv@{1 - call}")


def test_what_a_cnn_says_of_a_number_is_cut_short():
    with pytest.raises(
        InputError, match=r"takes no number for other: conv2d.*\)\. Give an"
    ) as told:
        Subject(Siamese(), input_shape=(3, 8, 8), given={"other": 0.5})
    assert "expected one of" not in str(told.value) and len(str(told.value)) < 300


def test_a_number_where_a_tensor_belongs_is_told():
    with pytest.raises(InputError, match=r"takes no number for other: .*{other: other.npy}, say"):
        Subject(OfTwo(), input_shape=(3, 8, 8), given={"other": 0.5})


@pytest.mark.parametrize("joined", [False, True])
@pytest.mark.parametrize("names", [("angle", "mask"), ("0", "2")])
def test_other_inputs_are_held_at_what_is_given(names, joined, tmp_path):
    mask = torch.rand(4, 8, 8).round()
    np.save(tmp_path / "mask.npy", mask.numpy())
    given = {names[0]: 0.3, names[1]: str(tmp_path / "mask.npy")}
    cnn = Steered(joined)
    subject = Subject(cnn, input_shape=(3, 8, 8), given=given)
    images = torch.rand(2, 3, 8, 8)
    expected = cnn(torch.full((2, 1), 0.3), images, mask.expand(2, 4, 8, 8))
    torch.testing.assert_close(subject(images, ["logits"])["logits"], expected)
    made = prober.visualize(subject, "logits:1", steps=3)
    assert made.record["score_end"] > made.record["score_start"]
    scaled = Subject(cnn, input_shape=(3, 8, 8), given={**given, "scale": 2.0})
    if not joined:
        got = scaled(images, ["logits"])["logits"]
        other = cnn(0.3, images, mask.expand(2, 4, 8, 8), scale=2.0)
        torch.testing.assert_close(got, other)


class OfPlaces(nn.Module):
    def forward(self, *inputs):
        one, other = inputs
        return one.mean((2, 3)) - 2 * other.mean((2, 3))


class FirstByPlace(nn.Module):
    def forward(self, one, /, other):
        return one.mean((2, 3)) - 2 * other.mean((2, 3))


class OthersByPlace(nn.Module):
    def forward(self, one, *others):
        return one.mean((2, 3)) - 2 * others[0].mean((2, 3))


@pytest.mark.parametrize(
    ("cnn", "key", "place"),
    [
        *((OfPlaces, "0", 0), (OfPlaces, "1", 1), (OthersByPlace, "1", 1)),
        *((FirstByPlace, "0", 0), (FirstByPlace, "one", 0), (FirstByPlace, "1", 1)),
    ],
)
def test_an_input_that_has_a_place_only_is_held_there(cnn, key, place, tmp_path):
    images, other = torch.rand(2, 3, 8, 8), torch.rand(3, 8, 8)
    np.save(tmp_path / "other.npy", other.numpy())
    given = {key: str(tmp_path / "other.npy")}
    subject = Subject(cnn(), input_shape=(3, 8, 8), given=given)
    inputs = [images, other[None]] if place == 1 else [other[None], images]
    torch.testing.assert_close(subject(images, ["logits"])["logits"], cnn()(*inputs))


class OfMany(nn.Module):
    def forward(self, one, scale=1.0, *others):
        return scale * one.mean((2, 3)) + sum(others)


def test_the_image_goes_in_once():
    images = torch.rand(2, 3, 8, 8)
    subject = Subject(OfMany(), input_shape=(3, 8, 8), given={"scale": 3.0})
    torch.testing.assert_close(subject(images, ["logits"])["logits"], 3 * images.mean((2, 3)))
    for cnn, given in ((OthersByPlace, {"2": 7.0}), (OfMany, {"2": 7.0}), (OfPlaces, {"3": 1.0})):
        with pytest.raises(InputError, match=r"at place \d is given, but none at 1: give all but"):
            Subject(cnn(), input_shape=(3, 8, 8), given=given)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (None, r"takes more than one input, and image, mask are not given"),
        ({"angle": 0.3}, r"mask is not given: give numbers or arrays in model.subject.given"),
        ({"angel": 0.3}, r"has no input 'angel'. Did you mean 'angle'\?.*angle, image, mask"),
        ({"angle": 0.3, "mask": "nowhere.npy"}, r"'nowhere.npy' is not a file"),
        ({"angle": {}, "mask": 1}, r"'angle' is \{\}; give a number"),
    ],
)
def test_what_is_given_wrongly_is_told(given, message):
    with pytest.raises(InputError, match=message):
        Subject(Steered(), input_shape=(3, 8, 8), given=given)
