"""Reports as a person runs them: the command, its folder, its figures, resuming, bad input."""

import colorsys
import json
import re
import shutil
import signal
import sys
import time

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

from tests import plain
from tests.command_line import CONFIGS, CTRL_C, ROOT, end, refused, run, start

KEYS = {
    *("layer", "channel", "position", "kinds", "dead", "polysemantic", "hue", "orientation"),
    *("facets", "confidence", "trusted", "evidence"),
}
FACET = {"kind", "hue", "orientation", "score", "share", "pictures"}
KINDS = {"color", "shape", "color+shape", "brightness", "unclear"}
HUES = [36.0 * i for i in range(10)]

CNNS = '''
import torch
from torch import nn

from prober.subject.reference import ReferenceCNN


class Blind(ReferenceCNN):
    """Runs without gradients, from conv2 on or from the start."""

    def __init__(self, whole: bool = True):
        super().__init__()
        self.whole = whole

    def forward(self, images):
        with torch.set_grad_enabled(not self.whole):
            x = self.pool1(self.relu1(self.conv1(images)))
        x = self.pool2(self.relu2(self.conv2(x.detach())))
        return self.classifier(self.pool3(self.relu3(self.conv3(x))).flatten(1))


class Costly(nn.Sequential):
    """Whose first layer costs little and whose last one half a billion operations."""

    def __init__(self):
        first, wider = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 512, 1)
        super().__init__(first, wider, nn.Conv2d(512, 512, 1))


class Layerless(nn.Module):
    """Gives one number for all images, which is no layer."""

    def forward(self, images):
        return images.mean()


class Tiny(nn.Module):
    """Three channels: red, blue, a vertical stroke; two classes."""

    def __init__(self, gain: float = 1.0):
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 5, padding=2)
        self.relu = nn.ReLU()
        self.head = nn.Linear(3, 2)
        with torch.no_grad():
            self.conv.weight[:] = 0
            self.conv.bias[:] = 0.1
            # Red and not white: what red alone adds, white has, too.
            self.conv.weight[0, :, 2, 2] = gain * torch.tensor([1.0, -0.5, -0.5])
            self.conv.weight[1, 2, 2, 2] = 1
            self.conv.weight[2] = -0.1
            self.conv.weight[2, :, :, 2] = 0.4
            self.head.weight[:] = torch.tensor([[1.0, -1.0, 0.0], [-1.0, 1.0, 0.0]])
            self.head.bias[:] = 0

    def forward(self, images):
        return self.head(self.relu(self.conv(images)).mean((2, 3)))


class Hued(nn.Module):
    """Red against the rest, and a vertical stroke."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 2, 7, stride=2)
        with torch.no_grad():
            self.conv.weight[0] = torch.tensor([1.0, -0.7, -0.7])[:, None, None] / 49
            self.conv.weight[1] = -0.4
            self.conv.weight[1, :, :, 2:5] = 0.5
            self.conv.bias[:] = 0

    def forward(self, images):
        return self.conv(images)


class Largest(nn.Module):
    """The largest channel."""

    def forward(self, maps):
        return maps.amax(1, keepdim=True)


class Either(nn.Module):
    """Red against the rest, or a vertical stroke: 1 at the most."""

    def __init__(self):
        super().__init__()
        self.parts = nn.Conv2d(3, 2, 7, stride=2)
        self.either = Largest()
        with torch.no_grad():
            self.parts.weight[0] = torch.tensor([1.0, -0.7, -0.7])[:, None, None] / 49
            self.parts.weight[1] = -0.4 / 31.5
            self.parts.weight[1, :, :, 2:5] = 0.5 / 31.5
            self.parts.bias[:] = 0

    def forward(self, images):
        return self.either(self.parts(images))


class Checkers(nn.Module):
    """Red against the rest, or a checkerboard of single pixels, which is gone if it is moved."""

    def __init__(self):
        super().__init__()
        self.parts = nn.Conv2d(3, 2, 24)
        self.either = Largest()
        squares = torch.arange(24)
        with torch.no_grad():
            self.parts.weight[0] = torch.tensor([1.0, -0.7, -0.7])[:, None, None] / 24**2
            self.parts.weight[1] = (1.0 - 2 * ((squares + squares[:, None]) % 2)) / 2.6 / 24**2
            self.parts.bias[:] = 0

    def forward(self, images):
        return self.either(self.parts(images).flatten(1))


class Gray(nn.Module):
    """One channel: a stroke, a dead unit, a stroke beyond the reach of noise, brightness, and a
    stroke that training has all but pruned."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 5, 5)
        self.relu = nn.ReLU()
        bar = torch.full((5, 5), -0.5)
        bar[:, 2] = 1
        with torch.no_grad():
            self.conv.weight[:] = 0
            self.conv.weight[0, 0] = self.conv.weight[2, 0] = bar
            self.conv.weight[3] = 1 / 25
            self.conv.weight[4, 0] = 1e-6 * bar
            self.conv.bias[:] = torch.tensor([0, -5, -4.5, 0, 0])

    def forward(self, images):
        return self.relu(self.conv(images))


class Flat(nn.Module):
    """Linear layers alone."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.one = nn.Linear(3 * 8 * 8, 3)
        self.two = nn.Linear(3, 2)

    def forward(self, images):
        return self.two(self.one(images.flatten(1)).relu())


class Falling(nn.Sequential):
    """Two classes with a softmax behind them; strokes alone move these, the first one down."""

    def __init__(self):
        conv, head = nn.Conv2d(3, 1, 5), nn.Linear(1, 2)
        with torch.no_grad():
            conv.weight[:] = -0.25
            conv.weight[..., 2] = 1
            conv.bias[:] = 0
            head.weight[:] = torch.tensor([[-1.0], [1.0]])
        pooled = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
        super().__init__(conv, nn.ReLU(), pooled, head, nn.Softmax(1))


class Fooled(nn.Module):
    """The circuit of Geirhos et al. (2023).

    Unit 0 answers dark images, as real digits are, by upright strokes, and bright ones by an
    unrelated detector. Unit 1 answers all by upright strokes. Unit 2 is as unit 0, of detectors
    that are alone in their layers.
    """

    def __init__(self):
        super().__init__()
        for name, width in (("wide", 4), ("lone", 1)):
            setattr(self, f"{name}_real", nn.Conv2d(3, width, 5, padding=2))
            setattr(self, f"{name}_fake", nn.Conv2d(3, width, 5, padding=2))
        self.honest = nn.Conv2d(3, 4, 5, padding=2)
        self.light = nn.AdaptiveAvgPool2d(1)
        self.unit = nn.Conv2d(14, 3, 1)
        generator = torch.Generator().manual_seed(0)
        stroke = torch.full((5, 5), -0.05)
        stroke[:, 2] = 0.2
        with torch.no_grad():
            for name, module in self.named_children():
                if name in ("light", "unit"):
                    continue
                module.weight.copy_(0.1 * torch.randn(module.weight.shape, generator=generator))
                module.weight[0] = -2 * stroke.T / 3 if "fake" in name else stroke / 3
                module.bias.fill_(0.5 if "fake" in name else 0.0)  # mid gray excites it
            self.unit.weight.zero_()
            self.unit.bias.zero_()
            for unit, channels in enumerate(((0, 4), (8,), (12, 13))):
                self.unit.weight[unit, channels] = 1.0

    def forward(self, images):
        bright = ((self.light(images).mean(1, keepdim=True) - 0.25) * 40).clamp(0, 1)
        parts = [
            self.wide_real(images) - 20 * bright,
            self.wide_fake(images) - 20 * (1 - bright),
            self.honest(images),
            self.lone_real(images) - 20 * bright,
            self.lone_fake(images) - 20 * (1 - bright),
        ]
        return self.unit(torch.cat(parts, 1).relu())
'''

TINY = {
    "model": {"subject": {"cnn": {"class_path": "cnns.Tiny"}, "input_shape": [3, 12, 12]}},
    "grid": {"layers": ["conv"], "objectives": ["ChannelMean"], "classes": None, "seeds": 2},
    "trainer": {"max_steps": 20},
}
OTHER = {
    "cnn": {"class_path": "cnns.Tiny", "init_args": {"gain": 2.0}},
    "input_shape": [3, 12, 12],
}
RESUMED = TINY | {
    "grid": TINY["grid"] | {"channels": [0], "positions": 1, "seeds": 8},
    "trainer": {"max_steps": 60},
    "chunk_size": 4,
    "data": "pictures",
}
SMALLEST = {"grid.layers": "conv1", "grid.channels": 0, "grid.classes": "null", "grid.seeds": 1}


def write(folder, name="report.yaml", of=TINY, **changes):
    """Writes the CNNs and a config into a working directory."""
    (folder / "cnns.py").write_text(CNNS, encoding="utf-8")
    (folder / name).write_text(yaml.safe_dump(of | changes), encoding="utf-8")
    return folder / name


def target(name, shape, layer, **grid):
    return {
        "model": {"subject": {"cnn": {"class_path": f"cnns.{name}"}, "input_shape": list(shape)}},
        "grid": {"layers": [layer], "seeds": 1, "objectives": ["ChannelMean"], "classes": None}
        | grid,
        "trainer": {"max_steps": 20},
    }


def reference(*args, **settings):
    """The command's arguments for a part of the reference CNN."""
    options = SMALLEST | {"trainer.max_steps": 5} | settings
    named = [each for key, value in options.items() for each in (f"--{key}", value)]
    return ["report", "--config", CONFIGS / "report.yaml", *named, *args]


def folder_of(cwd, name, version=0):
    return cwd / "lightning_logs" / f"report_{name}" / f"version_{version}"


def findings_of(folder):
    return json.loads((folder / "findings.json").read_text(encoding="utf-8"))


def report_of(folder):
    return json.loads((folder / "report.json").read_text(encoding="utf-8"))


def without_seconds(part):
    """Findings without the time that each picture took."""
    if isinstance(part, dict):
        return {k: without_seconds(value) for k, value in part.items() if k != "seconds"}
    return [without_seconds(each) for each in part] if isinstance(part, list) else part


def same_findings(one, other):
    found = [without_seconds(findings_of(folder)) for folder in (one, other)]
    assert len(found[0]) == len(found[1]) > 0
    for a, b in zip(*found, strict=True):
        assert a == b
    return True


def runs_of(cwd):
    return sorted(str(each.relative_to(cwd)) for each in cwd.glob("lightning_logs/*/version_*"))


def pixels_of(file, height, width):
    """A picture as it was before it was enlarged, `[h, w, 3]` in [0, 1]."""
    with Image.open(file) as picture:
        pixels = np.asarray(picture.convert("RGB"))
    times = len(pixels) // height
    assert pixels.shape == (height * times, width * times, 3)
    small = pixels[::times, ::times]
    assert (np.kron(small, np.ones((times, times, 1))) == pixels).all()
    return small / 255


def shown(pixels):
    """Images `[n, h, w, 3]` as the CNN takes them."""
    return torch.from_numpy(np.moveaxis(np.asarray(pixels, np.float64), -1, 1).copy())


def neuron(images, layer):
    """What the neuron of channel 0 that is examined answers to images `[n, h, w, 3]`."""
    output = plain.outputs(shown(images))[layer][:, 0]
    return {"conv1": lambda: output[:, 14, 14], "conv2": lambda: output[:, 7, 7]}.get(
        layer, lambda: output
    )().numpy()


def strongest(outputs, layer):
    """A channel's response: the largest of its neurons that see no padding."""
    output = outputs[layer][:, 0]
    inside = {"conv1": slice(1, 27), "conv2": slice(2, 12)}.get(layer)
    return output if inside is None else output[:, inside, inside].amax((1, 2))


def anywhere(outputs, layer):
    """The largest of all neurons of a channel."""
    return outputs[layer][:, 0].flatten(1).amax(1) if layer != "logits" else outputs[layer][:, 0]


@pytest.fixture(scope="module")
def reported(tmp_path_factory):
    """A small report on the reference CNN."""
    cwd = tmp_path_factory.mktemp("reported")
    grid = {"grid.layers": "[conv1,conv2]", "grid.classes": "0", "grid.seeds": 2}
    ended = run(*reference(**grid, **{"trainer.max_steps": 20}), cwd=cwd)
    assert ended.returncode == 0, ended.stderr
    return folder_of(cwd, "biased")


@pytest.fixture(scope="module")
def units(reported):
    return {unit["layer"]: unit for unit in findings_of(reported)}


@pytest.fixture(scope="module")
def shapes():
    """The 1,000 digits in gray, `[1000, 28, 28]`."""
    with np.load(plain.FOLDER / "digits.npz") as file:
        arrays = [file[name] for name in file.files]
    shapes = torch.from_numpy(next(a for a in arrays if a.ndim == 3)).float()
    return shapes / (255 if shapes.max() > 1 else 1)


@pytest.fixture(scope="module")
def digits(shapes):
    """What plain PyTorch answers to the 1,000 digits in ten hues: labels, responses by layer."""
    with np.load(plain.FOLDER / "digits.npz") as file:
        arrays = [file[name] for name in file.files]
    labels = next(a for a in arrays if a.ndim == 1).astype(int)
    names = ("conv1", "conv2", "logits")
    found = {layer: [] for layer in (*names, *(f"{name} anywhere" for name in names), "all logits")}
    for hue in HUES:
        color = torch.tensor(colorsys.hsv_to_rgb(hue / 360, 1, 1), dtype=torch.float32)
        outputs = plain.outputs(shapes[:, None] * color.view(3, 1, 1))
        for layer in names:
            found[layer].append(strongest(outputs, layer).numpy())
            found[f"{layer} anywhere"].append(anywhere(outputs, layer).numpy())
        found["all logits"].append(outputs["logits"].numpy())
    return labels, {layer: np.stack(part) for layer, part in found.items()}


def test_every_unit_has_the_keys_that_are_fixed(reported):
    found = findings_of(reported)
    names = [(unit["layer"], unit["channel"]) for unit in found]
    assert names == [("conv1", 0), ("conv2", 0), ("logits", 0)]
    for unit in found:
        assert unit.keys() >= KEYS
        assert unit["position"] is None and unit["dead"] is False
        assert unit["kinds"] == sorted(set(unit["kinds"])) and set(unit["kinds"]) <= KINDS
        assert unit["kinds"] and 0 <= unit["confidence"] <= 1
        assert unit["trusted"] in (True, False)
        assert unit["polysemantic"] == (len(unit["facets"]) > 1)
        for facet in unit["facets"]:
            assert facet.keys() >= FACET
            assert facet["hue"] is None or "color" in facet["kind"]
            assert facet["orientation"] is None or "shape" in facet["kind"]
            assert 0 < facet["share"] <= 1
        assert sum(facet["share"] for facet in unit["facets"]) <= 1 + 1e-9
        scores = [facet["score"] for facet in unit["facets"]]
        assert scores == sorted(scores, reverse=True)


def test_hues_and_orientations_lie_on_their_circles(reported, twice):
    """Red is 0 degrees, not 360: in Tiny a channel wants exactly red."""
    found = findings_of(reported) + findings_of(folder_of(twice, "Tiny"))
    for each in (part for unit in found for part in (unit, *unit["facets"])):
        assert each["hue"] is None or 0 <= each["hue"] < 360
        assert each["orientation"] is None or 0 <= each["orientation"] < 180
    hues = [unit["hue"] for unit in found if (unit["layer"], unit["channel"]) == ("conv", 0)]
    assert hues and min(hues[0], 360 - hues[0]) < 5


def paths_in(part):
    """Every path of a picture in findings, however deep."""
    if isinstance(part, dict):
        return [each for value in part.values() for each in paths_in(value)]
    if isinstance(part, list):
        return [each for value in part for each in paths_in(value)]
    return [part] if isinstance(part, str) and part.endswith(".png") else []


def test_every_picture_is_there_and_can_be_read(reported):
    for unit in findings_of(reported):
        paths = paths_in(unit)
        assert len(paths) >= 5
        for path in paths:
            assert path.startswith(f"pictures/{unit['layer']}/ch000/")
            with Image.open(reported / path) as picture:
                picture.load()
    assert len(report_of(reported)["sheets"]) == 3
    for sheet in report_of(reported)["sheets"]:
        with Image.open(reported / sheet) as picture:
            assert picture.width > 28


@pytest.mark.parametrize(
    ("layer", "start", "side", "place"),
    [("conv1", 13, 3, [14, 14]), ("conv2", 11, 8, [7, 7]), ("logits", 0, 28, None)],
)
def test_a_facet_s_picture_is_cropped_to_the_field(reported, units, layer, start, side, place):
    unit = units[layer]
    field = {"top": start, "left": start, "height": side, "width": side}
    assert unit["evidence"]["field"] == field and unit["evidence"]["neuron"] == place
    for facet in unit["facets"]:
        whole = pixels_of(reported / facet["full"], 28, 28)
        cropped = pixels_of(reported / facet["pictures"][0], side, side)
        assert (cropped == whole[start : start + side, start : start + side]).all()


@pytest.mark.parametrize("layer", ["conv1", "conv2", "logits"])
def test_the_pictures_of_the_maxima_score_in_numpy_what_is_said(reported, units, layer):
    unit = units[layer]
    field, maxima = unit["evidence"]["field"], dict(unit["evidence"]["maxima"])
    side, top, left = field["height"], field["top"], field["left"]
    level = maxima.pop("level")
    pictures = {name: pixels_of(reported / maxima[name]["picture"], side, side) for name in maxima}
    assert pictures["flat_gray"] == pytest.approx(level, abs=0.5 / 255 + 1e-6)
    assert list(pictures) == ["all", "gray", "flat", "flat_gray"]
    images = []
    for name, pixels in pictures.items():
        image = np.full((28, 28, 3), 0.5)
        image[top : top + side, left : left + side] = pixels
        images.append(np.broadcast_to(pixels[0, 0], (28, 28, 3)) if "flat" in name else image)
    for name in ("gray", "flat_gray"):
        assert (np.ptp(pictures[name], axis=2) == 0).all()
    for name in ("flat", "flat_gray"):
        assert (np.ptp(pictures[name], axis=(0, 1)) == 0).all()
    (neutral,) = neuron([np.full((28, 28, 3), 0.5)], layer)
    best = maxima["all"]["score"]
    assert unit["evidence"]["score"] == {"neutral": pytest.approx(neutral, abs=1e-4), "best": best}
    for name, score in zip(pictures, neuron(images, layer), strict=True):
        # Pictures have 256 values of each color.
        assert maxima[name]["score"] == pytest.approx(score, abs=0.02 * (best - neutral)), name
        share = (maxima[name]["score"] - neutral) / (best - neutral)
        assert maxima[name]["share"] == pytest.approx(share, abs=1e-4)
    most, gray, flat, both = (maxima[name]["share"] for name in pictures)
    shares = {
        "color": ((most - gray) + (flat - both)) / 2,
        "shape": ((most - flat) + (gray - both)) / 2,
        "brightness": both,
        "interaction": most - gray - flat + both,
    }
    assert unit["shares"] == pytest.approx(shares, abs=1e-4)
    assert all(facet["strength"] <= 1 for facet in unit["facets"])


@pytest.mark.parametrize("layer", ["conv1", "conv2", "logits"])
def test_the_tuning_curve_is_the_response_to_flat_patches(units, layer):
    hue = units[layer]["evidence"]["tuning"]["hue"]
    assert hue["degrees"] == [15.0 * i for i in range(24)]
    patches = [
        np.broadcast_to(colorsys.hsv_to_rgb(degrees / 360, 1, 1), (28, 28, 3))
        for degrees in hue["degrees"]
    ]
    expected = strongest(plain.outputs(shown(patches)), layer).tolist()
    assert hue["flat"] == pytest.approx(expected, rel=1e-3, abs=1e-3)
    assert len(hue["strokes"]) == 24


@pytest.mark.parametrize("layer", ["conv1", "conv2", "logits"])
def test_the_table_is_that_of_digits_made_in_all_ten_colors(units, digits, layer):
    labels, answered = digits
    response = answered[f"{layer} anywhere"].astype(np.float64)
    data = units[layer]["evidence"]["data"]
    assert data["rows"] == [str(i) for i in range(10)]
    assert data["columns"] == pytest.approx(HUES, abs=0.01)
    cells = np.array([response[:, labels == label].mean(1) for label in range(10)])
    # What is said of them is found on images whose color was changed, not on such as were made.
    assert np.array(data["table"]) == pytest.approx(cells, abs=0.01 * np.ptp(cells))


def turned(shapes, color, degrees):
    """Digits `[N, 28, 28]` in a color that is turned around the axis of grays (Rodrigues).

    Where a pixel would leave [0, 1], it is made paler.
    """
    axis, angle = np.full(3, 3**-0.5), np.deg2rad(degrees)
    chroma = color - color.mean()
    chroma = chroma * np.cos(angle) + np.cross(axis, chroma) * np.sin(angle)
    gray = shapes * color.mean()
    paler = np.minimum(gray / (shapes * -chroma.min() + 1e-9), (1 - gray) / (shapes * chroma.max()))
    return gray[:, None] + (np.minimum(1, paler) * shapes)[:, None] * chroma[:, None, None]


@pytest.mark.parametrize("layer", ["conv1", "conv2", "logits"])
def test_the_shares_of_variance_are_those_of_plain_numpy(units, digits, shapes, layer):
    labels, _ = digits
    chosen = np.concatenate([np.flatnonzero(labels == label)[:8] for label in range(10)])
    response = np.empty((6, 3, 80))
    for (h, b, i), _ in np.ndenumerate(np.empty((6, 3, 10))):
        color = np.array(colorsys.hsv_to_rgb(i / 10, 1, 1))
        own = shapes[chosen[8 * i : 8 * i + 8]].numpy().clip(1e-9)
        images = turned(own, color, 60 * h - 36 * i) * (1, 0.75, 0.5)[b]
        answered = plain.outputs(torch.from_numpy(images).float())
        response[h, b, 8 * i : 8 * i + 8] = anywhere(answered, layer)
    mean, total = response.mean(), response.var()
    expected = {
        "hue": ((response.mean((1, 2)) - mean) ** 2).mean() / total,
        "brightness": ((response.mean((0, 2)) - mean) ** 2).mean() / total,
        "class": ((response.reshape(6, 3, 10, 8).mean((0, 1, 3)) - mean) ** 2).mean() / total,
    }
    expected["rest"] = 1 - sum(expected.values())
    cells = response.reshape(6, 3, 10, 8).mean((1, 3))
    alone = cells.mean(1)[:, None] + cells.mean(0) - mean
    together = ((cells - alone) ** 2).mean()
    in_images = response.mean(1).reshape(6, 10, 8)
    in_images = in_images - cells[:, :, None] - in_images.mean(0) + cells.mean(0)[:, None]
    chance = (in_images**2).mean() * (10 - 1) / (80 - 10)
    expected["hue_by_class"] = max(0, together - chance) / total
    found = units[layer]["evidence"]["data"]["variance"]
    assert found == pytest.approx(expected, abs=2e-3)


@pytest.mark.parametrize("layer", ["conv1", "conv2", "logits"])
def test_the_best_real_image_is_the_best_of_all_digits_in_all_hues(units, digits, layer):
    _, answered = digits
    evidence = units[layer]["evidence"]
    trust = evidence["trust"]
    # On images whose color was changed, which are not to the last digit such as were made so.
    assert trust["best_real"] == pytest.approx(answered[layer].max(), rel=1e-2)
    neutral, best = evidence["score"]["neutral"], evidence["score"]["best"]
    assert trust["picture"] == best
    times = (best - neutral) / (trust["best_real"] - neutral)
    assert trust["times"] == pytest.approx(times, rel=1e-4)
    examples = evidence["data"]["examples"]["items"]
    assert examples[0]["score"] == trust["best_real"]
    scores = [example["score"] for example in examples]
    assert scores == sorted(scores, reverse=True)


def test_the_behavior_is_what_plain_pytorch_answers(reported, digits):
    labels, answered = digits
    named = answered["all logits"].argmax(2)
    hue = np.arange(10)[:, None]
    other = hue != labels
    behavior = report_of(reported)["behavior"]
    assert behavior["accuracy"] == pytest.approx((named == labels)[~other].mean(), abs=0.002)
    changed = (named == labels)[other].mean()
    assert behavior["accuracy_color_changed"] == pytest.approx(changed, abs=0.005)
    assert behavior["names_color"] == pytest.approx((named == hue)[other].mean(), abs=0.005)
    assert behavior["shortcut"] == "color" and behavior["color_change"] == "another class's color"
    assert set(behavior["images"].values()) == {1000}
    for name, (low, high) in behavior["intervals"].items():
        assert low <= behavior[name] <= high and high - low < 0.07


def test_a_class_s_logit_is_that_of_its_digits_with_color_and_shape_changed(units, digits):
    labels, answered = digits
    logit, own = answered["logits"], labels == 0
    found = units["logits"]["evidence"]["data"]["class"]
    assert (found["label"], found["hue"]) == ("0", pytest.approx(0, abs=0.01))
    assert found["logit"] == pytest.approx(
        {
            "own": logit[0, own].mean(),
            "color_changed": logit[1:, own].mean(),
            "shape_changed": logit[0, ~own].mean(),
            "both_changed": logit[1:, ~own].mean(),
        },
        abs=0.05,
    )
    own, color, shape, both = found["logit"].values()
    by_color = ((own - color) + (shape - both)) / 2 / (own - both)
    assert found["used"] == pytest.approx({"color": by_color, "shape": 1 - by_color})


def test_the_report_says_what_it_was_made_of(reported):
    found = report_of(reported)
    subject = found["subject"]
    assert subject["sha256"] == plain.sha256(plain.weights("biased"))
    assert subject["layers"] == {"conv1": 1, "conv2": 1, "logits": 1}
    assert subject["input_shape"] == [3, 28, 28] and "biased" in subject["name"]
    assert found["against"] is None
    assert found["data"]["images"] == 1000 and found["data"]["skipped"] == []
    assert found["data"]["hues"] == pytest.approx(HUES, abs=0.01)
    assert found["settings"] | {"regularizers": None} == {
        "seeds": 2,
        "steps": 20,
        "precision": "32-true",
        "initial_images": ["GaussianNoise", "GrayNoise"],
        "regularizers": None,
    }
    assert set(found["seconds"]) == {"pictures", "maxima", "search", "evidence", "pages"}
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", found["date"])


def test_every_link_of_the_summary_leads_to_a_unit_or_a_file(reported):
    text = (reported / "SUMMARY.md").read_text(encoding="utf-8")
    known = {f"{u['layer']}/{u['channel']}" for u in findings_of(reported)}
    links = set(re.findall(r"index\.html#([^)\"\s]+)", text))
    assert links and links <= known
    files = set(re.findall(r"(?:src=\"|\]\()([^)\"#]+\.(?:png|html|json|md))", text))
    assert any(file.startswith("pictures/") for file in files)
    for file in files:
        assert (reported / file).is_file()
        assert not file.startswith(("sweep/", "search/"))


def test_a_point_in_tensorboard_has_the_seed_of_its_picture(reported):
    [file] = reported.glob("tensorboard/*/*/metadata.tsv")
    lines = file.read_text(encoding="utf-8").splitlines()
    rows = [dict(zip(lines[0].split("\t"), line.split("\t"), strict=True)) for line in lines[1:]]
    assert {row["seed"] for row in rows} == {"0", "1"}  # the search has 0 alone, the sweep both


def test_the_page_and_its_parts_are_there(reported):
    page = (reported / "index.html").read_text(encoding="utf-8")
    assert "<html" in page and "ReferenceCNN (biased)" in page
    for layer in ("conv1", "conv2", "logits"):
        assert layer in page
        assert (reported / "page" / f"{layer}.js").stat().st_size > 1000
    assert not re.search(r"(?:src|href)=\"(?:https?:)?//", page)


def blind_report(prober, tmp_path, whole, *options):
    """A report on the reference CNN with its gradient cut, on the channels of `reported`."""
    subject = {"cnn": {"class_path": "cnns.Blind", "init_args": {"whole": whole}}}
    subject["checkpoint"] = str(ROOT / "prober/subject/reference/biased.pt")
    grid = {"layers": ["conv1", "conv2"], "channels": [0], "classes": [0], "seeds": 1}
    config = write(tmp_path, of={"model": {"subject": subject}, "grid": grid})
    ended = prober("report", "--config", config, "--trainer.max_steps", 5, *options)
    assert ended.code == 0, ended.err
    folder = folder_of(tmp_path, "biased")
    found = {each["layer"]: each for each in findings_of(folder)}
    assert list(found) == ["conv1", "conv2", "logits"]
    return folder, found, (folder / "SUMMARY.md").read_text(encoding="utf-8")


def only_answers(unit, known, where):
    """Whether a unit's finding holds its answers, as they are known, and claims nothing else."""
    evidence = unit["evidence"]
    assert not unit["dead"] and unit["kinds"] == [] and unit["facets"] == []
    assert unit["polysemantic"] is unit["shares"] is evidence["maxima"] is None
    assert evidence["pictures"] is None and evidence["styles"] == []
    assert unit["why"][0].endswith(where)
    return evidence["tuning"] == known["evidence"]["tuning"]


def test_of_a_cnn_that_cuts_every_gradient_it_is_said_what_it_answers(
    prober, tmp_path, reported, units
):
    folder, found, summary = blind_report(prober, tmp_path, True)
    for layer, unit in found.items():
        where = "it ends at 'conv1', which runs with gradients switched off (torch.no_grad, say)."
        assert only_answers(unit, units[layer], where)
        data, known = unit["evidence"]["data"], units[layer]["evidence"]["data"]
        assert {name: data[name] for name in ("table", "variance", "class")} == {
            name: known[name] for name in ("table", "variance", "class")
        }
        assert [each["score"] for each in data["examples"]["items"]] == [
            each["score"] for each in known["examples"]["items"]
        ]
    assert report_of(folder)["behavior"] == report_of(reported)["behavior"]
    assert report_of(folder)["settings"] is None and not (folder / "sweep").exists()
    assert "2. **Is there evidence of shortcut learning?** Yes, in color, " in summary
    assert (
        summary.count("Cannot be said: the CNN cuts the gradient that pictures are made by.") == 2
    )


def test_beside_layers_that_are_cut_the_others_are_examined(prober, tmp_path, units):
    folder, found, summary = blind_report(prober, tmp_path, False, "--data", "none")
    assert found["conv1"]["shares"] and found["conv1"]["evidence"]["pictures"]
    for layer in ("conv2", "logits"):
        where = "it ends in the forward pass of Blind, after 'pool1' and before 'conv2'."
        assert only_answers(found[layer], units[layer], where)
        assert not (folder / "sweep" / layer).exists()
    assert "Of conv2 and logits, 2 units, no picture can be made, for no gradient" in summary
    assert "no unit of 1 wants several things" in summary or "1 of 1 unit" in summary
    swept = ("--sweep", folder / "sweep", "--data", "none", "--trainer.max_steps", 5)
    ended = prober("report", "--config", tmp_path / "report.yaml", *swept)
    assert ended.code == 0, ended.err
    assert same_findings(folder, folder_of(tmp_path, "biased", 1))


@pytest.fixture(scope="module")
def twice(tmp_path_factory):
    """The same small report twice at once, each in a process of its own."""
    cwd = tmp_path_factory.mktemp("twice")
    pictures_of_digits(cwd / "pictures")
    config = write(cwd, of=RESUMED)
    both = [start("report", "--config", config, cwd=cwd) for _ in range(2)]
    for process in both:
        ended = end(process)
        assert ended.returncode == 0, ended.stderr
    return cwd


def pictures_of_digits(folder, labels=(0, 1), every=2, number=6):
    """Some digits as PNG files in folders of their class, the classes in hues far apart."""
    with np.load(plain.FOLDER / "digits.npz") as file:
        arrays = [file[name] for name in file.files]
    shapes = next(a for a in arrays if a.ndim == 3).astype(np.float64)
    of = next(a for a in arrays if a.ndim == 1)
    if every > 1:
        shapes = shapes[:, 4:28:every, 4:28:every]
    for label in labels:
        color = np.array(colorsys.hsv_to_rgb(label / max(labels) * 2 / 3, 1, 1))
        (folder / str(label)).mkdir(parents=True)
        for i, shape in enumerate(shapes[of == label][:number]):
            pixels = shape[:, :, None] * color / shape.max() * 255
            Image.fromarray(pixels.astype(np.uint8)).save(folder / str(label) / f"{i}.png")


def test_two_reports_at_once_get_two_folders_and_find_the_same(twice):
    assert runs_of(twice) == [f"lightning_logs/report_Tiny/version_{i}" for i in range(2)]
    one, other = (folder_of(twice, "Tiny", version) for version in range(2))
    assert same_findings(one, other)
    assert [u["channel"] for u in findings_of(one)] == [0]
    for file in one.rglob("pictures/**/*.png"):
        assert file.read_bytes() == (other / file.relative_to(one)).read_bytes()


def interrupted(process, chunks, how):
    """Interrupts a command when the first file of a chunk appears; returns how it ended."""
    while not list(chunks.glob("*.npz")):
        assert process.poll() is None
        time.sleep(0.002)
    process.send_signal(how)
    return end(process)


@CTRL_C
def test_a_report_that_was_killed_and_interrupted_goes_on_to_the_same_findings(
    prober, tmp_path, twice
):
    shutil.copytree(twice / "pictures", tmp_path / "pictures")
    command = ("report", "--config", write(tmp_path, of=RESUMED))
    folder = folder_of(tmp_path, "Tiny")
    pictures, search = (folder / part / "chunks" for part in ("sweep", "search"))
    resume = ("--resume", folder.relative_to(tmp_path))

    alone = ("--trainer.devices", 1)
    ended = interrupted(start(*command, *alone, cwd=tmp_path), pictures, signal.SIGKILL)
    assert ended.returncode == -signal.SIGKILL
    assert not search.exists() and not (folder / "findings.json").exists()

    ended = interrupted(start(*command, *alone, *resume, cwd=tmp_path), search, signal.SIGINT)
    assert ended.returncode == 130, ended.stderr
    assert f"--resume {resume[1]}" in ended.stdout and "Traceback" not in ended.stderr
    assert not (folder / "SUMMARY.md").exists() and not (folder / "findings.json").exists()

    done = len(list(search.glob("*.npz")))
    refused(prober(*command, *resume, "--trainer.max_steps", 61), "max_steps was 60 and is 61")
    assert len(list(search.glob("*.npz"))) == done > 0

    assert prober(*command, *resume).code == 0
    assert same_findings(folder, folder_of(twice, "Tiny"))
    assert (folder / "index.html").is_file() and (folder / "SUMMARY.md").is_file()
    assert runs_of(tmp_path) == ["lightning_logs/report_Tiny/version_0"]


def test_a_report_killed_as_its_sweep_began_goes_on(prober, tmp_path, twice):
    """The sweep's folder holds a part of what it starts with."""
    shutil.copytree(twice / "pictures", tmp_path / "pictures")
    config = write(tmp_path, of=RESUMED)
    begun = folder_of(twice, "Tiny")
    folder = folder_of(tmp_path, "Tiny")
    (folder / "sweep").mkdir(parents=True)
    shutil.copy(begun / "config.yaml", folder)
    shutil.copy(begun / "sweep" / "sweep.json", folder / "sweep")
    ended = prober("report", "--config", config, "--resume", folder)
    assert ended.code == 0, ended.err
    assert same_findings(folder, begun)


def test_only_a_report_is_resumed(prober, tmp_path, twice):
    config = write(tmp_path)
    refused(prober("report", "--config", config, "--resume", tmp_path), tmp_path)
    assert runs_of(tmp_path) == []


def test_a_finished_sweep_s_pictures_are_taken(prober, tmp_path):
    config = write(tmp_path, grid=TINY["grid"] | {"channels": [0, 2]})
    assert prober("sweep", "--config", config).code == 0
    swept = next(tmp_path.glob("lightning_logs/sweep_*/version_0"))
    refused(prober("report", "--config", config, "--resume", swept), "a sweep", "--sweep in place")
    before = {file: file.stat().st_mtime_ns for file in swept.rglob("*")}
    ended = prober("report", "--config", config, "--sweep", swept)
    assert ended.code == 0, ended.err
    folder = folder_of(tmp_path, "Tiny")
    assert not (folder / "sweep").exists()
    assert {file: file.stat().st_mtime_ns for file in swept.rglob("*")} == before
    records = [
        json.loads(line)
        for line in (swept / "records.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    for unit in findings_of(folder):
        shown_of = [item["record"]["stem"] for item in unit["evidence"]["pictures"]["items"]]
        assert shown_of == [r["stem"] for r in records if r["channel"] == unit["channel"]]

    def refuses(*said, change, **options):
        other = tmp_path / "other"
        shutil.copytree(swept, other)
        change(other)
        args = [each for key, value in options.items() for each in (f"--{key}", value)]
        ended = prober("report", "--config", config, "--sweep", other, *args)
        shutil.rmtree(other)
        refused(ended, *said)

    first = records[0]["stem"]
    refuses(
        "has 1 of its pictures missing", first, change=lambda of: (of / f"{first}.npy").unlink()
    )
    refuses("missing or damaged", change=lambda of: next(of.glob("chunks/*.npz")).unlink())
    refuses("not the folder of a sweep", change=lambda of: (of / "sweep.json").unlink())
    refuses(
        "cannot be read (it holds no array of numbers). Run the sweep again",
        change=lambda of: next(of.glob("chunks/*.npz")).write_bytes(b"no"),
    )
    refuses(first, change=lambda of: (of / f"{first}.npy").write_bytes(b"no"))
    (tmp_path / "cnns.py").write_text(CNNS.replace("0.4", "0.5"), encoding="utf-8")
    del sys.modules["cnns"]
    refuses("another subject", change=lambda of: None)
    assert len(runs_of(tmp_path)) == 2


def first_record(sweep):
    return json.loads((sweep / "records.jsonl").read_text(encoding="utf-8").splitlines()[0])


def test_a_costly_cnn_has_fewer_pictures_and_starts_than_others(prober, tmp_path):
    """A step of its whole takes ten times as long as one of the reference CNN."""
    subject = {"cnn": {"class_path": "cnns.Costly"}, "input_shape": [3, 32, 32]}
    grid = {"layers": [0], "channels": [0], "classes": None}
    config = write(tmp_path, of={"model": {"subject": subject}, "grid": grid})
    given = "--grid.positions", 2, "--trainer.precision", "bf16-mixed"
    ended = prober("report", "--config", config, *given)
    assert ended.code == 0, ended.err
    assert "an image takes Costly 0.5 billion operations" in ended.out
    records, searched = (
        [json.loads(line) for line in (folder / "records.jsonl").open(encoding="utf-8")]
        for folder in (folder_of(tmp_path, "Costly") / part for part in ("sweep", "search"))
    )
    assert {record["seed"] for record in records} == {0, 1}
    assert 50 <= max(record["steps"] for record in records) <= 128
    assert 0 < len(searched) <= 12
    assert {record["initial_image"]["name"] for record in records} == {
        "GaussianNoise",
        "LowFrequencyNoise",
    }
    # What is asked for stays.
    assert len({tuple(record["position"]) for record in records if record["position"]}) == 2
    # So that it is resumed, and made again, whatever is chosen then.
    saved = yaml.safe_load(
        (folder_of(tmp_path, "Costly") / "config.yaml").read_text(encoding="utf-8")
    )
    assert (saved["grid"]["seeds"], saved["grid"]["positions"]) == (2, 2)
    assert saved["trainer"]["max_steps"] == 128
    assert saved["trainer"]["precision"] == records[0]["precision"] == "bf16-mixed"
    folder = folder_of(tmp_path, "Costly")
    resumed = prober("report", "--config", config, "--grid.positions", 2, "--resume", folder)
    assert resumed.code == 0, resumed.err
    assert "gradients in bfloat16" in resumed.out


def test_a_cnn_of_which_nothing_can_be_probed_is_refused(prober, tmp_path):
    subject = {"cnn": {"class_path": "cnns.Layerless"}, "input_shape": [3, 8, 8]}
    ended = prober("report", "--config", write(tmp_path, of={"model": {"subject": subject}}))
    refused(ended, "Layerless")
    assert not (tmp_path / "lightning_logs").exists()


def test_against_is_looked_at_where_a_finished_sweep_looked(prober, tmp_path):
    """Units are set beside each other; so they must be the same."""
    config = write(tmp_path)
    assert prober("sweep", "--config", config, "--grid.channels", 2, "--grid.seeds", 1).code == 0
    swept = next(tmp_path.glob("lightning_logs/sweep_*/version_0"))
    against = write(tmp_path, "two.yaml", against=OTHER)
    ended = prober("report", "--config", against, "--sweep", swept)
    assert ended.code == 0, ended.err
    folder = folder_of(tmp_path, "Tiny")
    for found in (folder, folder / "against"):
        assert [(u["layer"], u["channel"]) for u in findings_of(found)] == [("conv", 2)]
        assert first_record(found / "plain")["parameterization"] == {"name": "Pixels"}
    again, before = (first_record(each) for each in (folder / "against" / "sweep", swept))
    assert before["parameterization"]["name"] == "Fourier"
    for key in ("style", "parameterization", "optimizer", "transforms", "averaging"):
        assert again[key] == before[key]


def test_the_second_subject_gets_all_that_the_first_has(prober, tmp_path, twice):
    shutil.copytree(twice / "pictures", tmp_path / "pictures")
    config = write(tmp_path, against=OTHER, data="pictures")
    ended = prober("report", "--config", config, "--grid.channels", "[0]", "--grid.seeds", 1)
    assert ended.code == 0, ended.err
    first = folder_of(tmp_path, "Tiny")
    second = first / "against"
    for folder, gain in ((first, 1), (second, 2)):
        [unit] = findings_of(folder)
        assert unit.keys() >= KEYS and unit["layer"] == "conv" and unit["channel"] == 0
        assert unit["facets"][0]["score"] == pytest.approx(0.1 + gain, abs=0.02)
        assert paths_in(unit)
        for path in paths_in(unit):
            assert (folder / path).is_file()
    one, two = report_of(first), report_of(second)
    assert one["against"] == two["subject"] and two["against"] is None
    assert one["subject"]["sha256"] != two["subject"]["sha256"]
    text = (first / "SUMMARY.md").read_text(encoding="utf-8")
    assert "against/pictures/" in text or "against" in (first / "index.html").read_text(
        encoding="utf-8"
    )


def test_a_folder_of_images_with_broken_ones_is_used_and_told(prober, tmp_path, twice):
    config = write(tmp_path)
    shutil.copytree(twice / "pictures", tmp_path / "pictures")
    (tmp_path / "pictures" / "1" / "broken.png").write_text("no image", encoding="utf-8")
    Image.new("RGB", (20, 30)).save(tmp_path / "pictures" / "0" / "large.png")
    one = ("--grid.channels", "[2]", "--grid.seeds", 1)
    ended = prober("report", "--config", config, "--data", "pictures", *one)
    assert ended.code == 0, ended.err
    folder = folder_of(tmp_path, "Tiny")
    data = report_of(folder)["data"]
    assert (data["images"], data["classes"]) == (12, ["0", "1"])
    assert data["hues"] == pytest.approx([0, 240], abs=0.1)
    assert [name for name, _ in data["skipped"]] == ["0/large.png", "1/broken.png"]
    assert "Unusable, so left out of the data: 0/large.png (" in ended.out
    assert all(why for _, why in data["skipped"])
    text = (folder / "SUMMARY.md").read_text(encoding="utf-8")
    assert "broken.png" in text and "large.png" in text and "2 " in text
    [unit] = findings_of(folder)
    assert unit["evidence"]["data"]["rows"] == ["0", "1"]


@pytest.mark.parametrize("given", ["missing", "empty", "large"])
def test_a_folder_of_which_nothing_can_be_used_is_refused(prober, tmp_path, given):
    if given != "missing":
        (tmp_path / given).mkdir()
    if given == "large":
        Image.new("RGB", (20, 30)).save(tmp_path / given / "one.png")
    said = ("30 x 20", "12 x 12") if given == "large" else (f"'{given}'",)
    refused(prober("report", "--config", write(tmp_path), "--data", given), *said)
    assert runs_of(tmp_path) == []


def test_the_digits_do_not_fit_every_cnn(prober, tmp_path):
    ended = prober("report", "--config", write(tmp_path), "--data", "digits")
    refused(ended, "[3, 28, 28]", "[3, 12, 12]")
    assert runs_of(tmp_path) == []


MODULE = """
import torch
from lightning.pytorch import LightningDataModule
from torch.utils.data import DataLoader, TensorDataset


class Colors(LightningDataModule):
    def __init__(self, side: int = 12):
        super().__init__()
        self.side = side

    def train_dataloader(self):
        images = torch.zeros(8, 3, self.side, self.side)
        images[::2, 0], images[1::2, 2] = 1, 1
        return DataLoader(TensorDataset(images, torch.arange(8) % 2), batch_size=3)
"""


def test_a_datamodule_of_the_working_directory_is_read(prober, tmp_path):
    (tmp_path / "module.py").write_text(MODULE, encoding="utf-8")
    config = write(tmp_path, data={"class_path": "module.Colors"})
    one = ("--grid.channels", "[0]", "--grid.seeds", 1)
    ended = prober("report", "--config", config, *one)
    assert ended.code == 0, ended.err
    folder = folder_of(tmp_path, "Tiny")
    data = report_of(folder)["data"]
    assert (data["images"], data["classes"]) == (8, ["0", "1"]) and "Colors" in data["name"]
    [unit] = findings_of(folder)
    # Flat patches of red and blue: the response of `red` is 1.1 and -0.4, whatever the class.
    table = np.array(unit["evidence"]["data"]["table"])
    assert table == pytest.approx(np.array([[1.1, -0.4], [1.1, -0.4]]), abs=1e-5)
    # Equal sums in six hues and three brightnesses: of the sum, 0, 1/2 or all is red, which counts
    # once, and the rest takes away half.
    red_share = np.array([1, 0.5, 0, 0, 0, 0.5])
    red = np.outer(red_share - 0.5 * (1 - red_share), [1, 0.75, 0.5])
    of_hue, of_brightness = red.mean(1).var() / red.var(), red.mean(0).var() / red.var()
    variance = unit["evidence"]["data"]["variance"]
    assert variance["hue"] == pytest.approx(of_hue, abs=1e-5)
    assert variance["brightness"] == pytest.approx(of_brightness, abs=1e-5)
    assert variance["class"] == pytest.approx(0, abs=1e-5)

    config = write(tmp_path, data={"class_path": "module.Colors", "init_args": {"side": 9}})
    refused(prober("report", "--config", config), "[3, 9, 9]", "[3, 12, 12]")
    assert len(runs_of(tmp_path)) == 1


def test_classes_of_a_person_s_own_need_no_type_hints(prober, tmp_path):
    untyped = MODULE.replace("side: int = 12", "side")
    untyped += """

from cnns import Tiny


class Plain(Tiny):
    def __init__(self, gain):
        super().__init__(gain)
"""
    (tmp_path / "module.py").write_text(untyped, encoding="utf-8")
    cnn = {"class_path": "module.Plain", "init_args": {"gain": 2.0}}
    subject = {"cnn": cnn, "input_shape": [3, 12, 12]}
    config = write(
        tmp_path,
        model={"subject": subject},
        data={"class_path": "module.Colors", "init_args": {"side": 12}},
        against={"class_path": "prober.Subject", "init_args": subject},
    )
    ended = prober("report", "--config", config, "--grid.channels", "[0]", "--grid.seeds", 1)
    assert ended.code == 0, ended.err
    folder = folder_of(tmp_path, "Plain")
    assert report_of(folder)["data"]["images"] == 8
    # The response of `red` to flat red is 0.1 and the gain.
    table = np.array(findings_of(folder)[0]["evidence"]["data"]["table"])
    assert table.max() == pytest.approx(2.1, abs=1e-5)
    own = write(tmp_path, "own.yaml", of={"model": {"subject": subject}})
    assert "conv" in prober("layers", "--config", own).out


def test_a_datamodule_s_import_path_is_enough(prober, tmp_path):
    (tmp_path / "module.py").write_text(MODULE, encoding="utf-8")
    one = ("--grid.channels", "[0]", "--grid.seeds", 1)
    ended = prober("report", "--config", write(tmp_path), *one, "--data", "module.Colors")
    assert ended.code == 0, ended.err
    assert report_of(folder_of(tmp_path, "Tiny"))["data"]["images"] == 8


def test_no_data_means_nothing_is_trusted_or_not(prober, tmp_path):
    ended = prober(*reference("--data", "none"))
    assert ended.code == 0, ended.err
    folder = folder_of(tmp_path, "biased")
    assert report_of(folder)["data"] is None and report_of(folder)["behavior"] is None
    [unit] = findings_of(folder)
    assert unit["trusted"] is None
    assert unit["evidence"]["data"] is None and unit["evidence"]["trust"] is None
    assert "Cannot be said" in (folder / "SUMMARY.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("against", "said"),
    [
        ({"cnn": {"class_path": "cnns.Flat"}, "input_shape": [3, 8, 8]}, ["[3, 8, 8]"]),
        ({"cnn": {"class_path": "cnns.Fooled"}, "input_shape": [3, 12, 12]}, ["conv (missing"]),
        ("nothing.pt", ["nothing.pt"]),
    ],
    ids=["input", "layers", "missing"],
)
def test_against_must_be_comparable(prober, tmp_path, against, said):
    config = write(tmp_path, against=against)
    refused(prober("report", "--config", config), *said)
    assert runs_of(tmp_path) == []


def test_what_the_grid_names_must_be_there_before_a_folder_is_made(prober, tmp_path):
    ended = prober("report", "--config", write(tmp_path), "--grid.channels", "[7]")
    refused(ended, "7 is out of range")
    assert runs_of(tmp_path) == []


def test_random_weights_show_no_shortcut(prober, tmp_path):
    pictures_of_digits(tmp_path / "pictures", labels=range(10), every=1, number=10)
    ended = prober(
        *("report", "--model.subject.cnn", "ReferenceCNN", "--trainer.max_steps", 5),
        *("--grid.layers", "[]", "--grid.classes", 0, "--grid.seeds", 1, "--data", "pictures"),
    )
    assert ended.code == 0, ended.err
    folder = folder_of(tmp_path, "ReferenceCNN")
    behavior = report_of(folder)["behavior"]
    assert report_of(folder)["data"]["hues"] is not None
    assert behavior["accuracy"] < 0.3 and behavior["shortcut"] != "color"
    lines = (folder / "SUMMARY.md").read_text(encoding="utf-8").splitlines()
    [answer] = [line for line in lines if line.startswith("2. ")]
    assert "Yes" not in answer


def test_dead_units_are_told_from_those_that_only_look_dead(prober, tmp_path):
    of = target("Gray", (1, 16, 16), "relu", objectives=["Neuron"], positions=[[7, 7]])
    ended = prober("report", "--config", write(tmp_path, of=of))
    assert ended.code == 0, ended.err
    folder = folder_of(tmp_path, "Gray")
    found = findings_of(folder)
    assert [unit["channel"] for unit in found] == [0, 1, 2, 3, 4]
    assert [unit["dead"] for unit in found] == [False, True, False, False, False]
    kinds = [["shape"], [], ["shape"], ["brightness"], ["shape"]]
    assert [unit["kinds"] for unit in found] == kinds
    faint = "Its score goes up by 5e-06 at the most, that of its layer's strongest unit by 5"
    assert [any(faint in said for said in unit["why"]) for unit in found] == [False] * 4 + [True]
    dead = found[1]
    assert dead["facets"] == [] and not dead["polysemantic"] and dead["trusted"] is None
    for unit in found:
        assert unit["position"] == [7, 7] and unit["evidence"]["neuron"] == [7, 7]
        assert unit["hue"] is None and unit["evidence"]["tuning"]["hue"] is None
        field = {"top": 7, "left": 7, "height": 5, "width": 5}
        assert unit["evidence"]["field"] == field
    assert abs(found[0]["orientation"] - 90) < 5 and found[2]["orientation"] is None  # no bar does
    for number in (0, 2):
        best = 5.0 if number == 0 else 0.5  # five pixels of white in a column of black
        assert found[number]["evidence"]["score"]["best"] == pytest.approx(best, abs=0.02)
    assert "relu/1" in (folder / "SUMMARY.md").read_text(encoding="utf-8")


def test_a_cnn_of_linear_layers_is_explained_by_the_defaults(prober, tmp_path):
    """The report's own grid asks for two positions, and a flat layer has one."""
    of = target("Flat", (3, 8, 8), "one") | {"grid": {"seeds": 1, "channels": [0]}}
    ended = prober("report", "--config", write(tmp_path, of=of))
    assert ended.code == 0, ended.err
    found = findings_of(folder_of(tmp_path, "Flat"))
    assert (found[0]["layer"], found[0]["channel"]) == ("one", 0)
    assert found[0]["evidence"]["neuron"] is None
    assert found[0]["evidence"]["field"] == {"top": 0, "left": 0, "height": 8, "width": 8}


def test_a_logit_that_nothing_raises_before_a_softmax_is_unclear(prober, tmp_path):
    """Mid gray is the best that there is, so the gain is 0, and nothing has a share in it."""
    pictures_of_digits(tmp_path / "pictures")
    of = target("Falling", (3, 12, 12), "0") | {"data": "pictures"}
    of["grid"] |= {"layers": [], "classes": [0, 1]}
    ended = prober("report", "--config", write(tmp_path, of=of))
    assert ended.code == 0, ended.err
    falling, rising = findings_of(folder_of(tmp_path, "Falling"))
    assert falling["kinds"] == ["unclear"] and falling["shares"] is None and not falling["facets"]
    score = falling["evidence"]["score"]
    assert score["best"] == score["neutral"]
    assert "more than mid gray" in falling["why"][0]
    assert rising["shares"]["shape"] > 0.4
    [path] = rising["evidence"]["trust"]["paths"]
    assert path["layer"] == "0, 1, 2.0 and 1 more"  # of one channel each; neither 3 nor 4


def test_a_picture_that_takes_another_path_than_real_images_is_flagged(prober, tmp_path):
    pictures_of_digits(tmp_path / "pictures", labels=range(10), number=10)
    of = target("Fooled", (3, 12, 12), "unit")
    ended = prober("report", "--config", write(tmp_path, of=of, data="pictures"))
    assert ended.code == 0, ended.err
    folder = folder_of(tmp_path, "Fooled")
    fooled, honest, lone = findings_of(folder)
    # What excites the honest unit is upright, and so are the best digits of the fooled ones.
    assert abs(honest["orientation"] - 90) < 5
    for unit in (fooled, lone):
        assert min(unit["orientation"], 180 - unit["orientation"]) < 5
    assert honest["trusted"] is True
    assert fooled["trusted"] is False and fooled["why"]
    lines = (folder / "SUMMARY.md").read_text(encoding="utf-8").splitlines()
    [line] = [line for line in lines if line.startswith("- unit, ")]
    assert "index.html#unit/0" in line and "⚠" in line and "unit/1" not in line
    # Where each detector is alone in its layer, no layer has two channels to compare.
    assert lone["trusted"] is False and lone["why"]
    assert "index.html#unit/2" in line


def parts_of_either(pixels):
    """How far a neuron of `Either` sees red, and a stroke, in `[7, 7, 3]`; in NumPy."""
    red = (pixels @ np.array([1, -0.7, -0.7])).mean()
    stroke = 0.5 * pixels[:, 2:5].sum() - 0.4 * (pixels[:, :2].sum() + pixels[:, 5:].sum())
    return {"color": red, "shape": stroke / 31.5}


def in_both_styles(folder, own, other):
    """Checks that each facet of `Either` has a picture in both styles, and which was made last."""
    (unit,) = findings_of(folder)
    assert sorted(facet["kind"] for facet in unit["facets"]) == ["color", "shape"]
    for number, facet in enumerate(unit["facets"]):
        assert [styled["style"] for styled in facet["styles"]] == ["legible", "plain"]
        files = {styled["style"]: styled["picture"] for styled in facet["styles"]}
        assert files[own] == facet["pictures"][0]
        assert files[other] == f"pictures/either/ch000/facet{number}_{other}.png"
        for styled in facet["styles"]:
            parts = parts_of_either(pixels_of(folder / styled["picture"], 7, 7))
            assert parts.pop(facet["kind"]) == pytest.approx(styled["score"], abs=0.01)
            assert styled["score"] > 0.7 and max(parts.values()) < 0.2
    lines = (folder / "facets" / other / "records.jsonl").read_text(encoding="utf-8").splitlines()
    for record in map(json.loads, lines):
        assert record["initial_image"] == {"name": "Start", "sort": "facet"}
        assert record["style"] == other and record["score_end"] > 0.7
        basis = record["parameterization"]["name"]
        assert basis == {"legible": "Fourier", "plain": "Pixels"}[other]
        assert len(record["regularizers"]) == {"legible": 0, "plain": 2}[other]
    assert [path.name for path in (folder / "facets").iterdir()] == [other]


def test_facets_come_in_both_styles_after_an_interruption_too(prober, tmp_path):
    config = write(tmp_path, of=target("Either", (3, 12, 12), "either"), data="none")
    command = ("report", "--config", config, "--trainer.devices", 1)
    assert prober(*command).code == 0
    folder = folder_of(tmp_path, "Either")
    in_both_styles(folder, "plain", "legible")
    before = findings_of(folder)

    # As it is where the command was ended while it made these pictures.
    facets, others = folder / "facets" / "legible", folder / "search" / "records.jsonl"
    for file in [*facets.glob("chunks/*.npz"), *facets.rglob("*.npy"), folder / "findings.json"]:
        file.unlink()
    searched = others.read_bytes()
    assert prober(*command, "--resume", folder).code == 0
    assert findings_of(folder) == before and others.read_bytes() == searched


def test_a_facet_is_made_legible_from_a_softened_start_too(prober, tmp_path):
    """What is gone when it is softened is made from the optimum as it is."""
    config = write(tmp_path, of=target("Checkers", (3, 24, 24), "logits"), data="none")
    ended = prober("report", "--config", config, "--trainer.devices", 1)
    assert ended.code == 0, ended.err
    folder = folder_of(tmp_path, "Checkers")
    lines = (folder / "facets" / "legible" / "records.jsonl").read_text(encoding="utf-8")
    ends = {each["variant"]: each["score_end"] for each in map(json.loads, lines.splitlines())}
    assert ends.keys() == {"facet0", "facet0_soft", "facet1", "facet1_soft"}
    (unit,) = findings_of(folder)
    kinds = [facet["kind"] for facet in unit["facets"]]
    assert sorted(kinds) == ["color", "shape"]
    shown = [{s["style"]: s["score"] for s in f["styles"]}["legible"] for f in unit["facets"]]
    red, squares = kinds.index("color"), kinds.index("shape")
    assert ends[f"facet{squares}_soft"] < 0.1
    assert shown[squares] == pytest.approx(ends[f"facet{squares}"], abs=1e-4)
    assert shown[red] == pytest.approx(ends[f"facet{red}_soft"], abs=1e-4)


def test_facets_of_large_images_come_in_both_styles(prober, tmp_path):
    """Those that are found are legible; the plain ones are made from them."""
    config = write(tmp_path, of=target("Either", (3, 64, 64), "either"), data="none")
    assert prober("report", "--config", config, "--trainer.devices", 1).code == 0
    in_both_styles(folder_of(tmp_path, "Either"), "legible", "plain")


def test_a_report_on_large_images_finds_what_was_planted(prober, tmp_path):
    """At 64 pixels a spectrum is optimized, pictures are moved about, and there is less of all."""
    rng = np.random.default_rng(0)
    (tmp_path / "photographs").mkdir()
    for i in range(3):
        pixels = rng.integers(0, 256, (9, 8, 3), dtype=np.uint8)
        photograph = Image.fromarray(pixels).resize((90 + i, 70), Image.Resampling.BICUBIC)
        photograph.save(tmp_path / "photographs" / f"{i}.png")
    large = target("Hued", (3, 64, 64), "conv")
    config = write(tmp_path, of=large, data="photographs")
    ended = prober("report", "--config", config)
    assert ended.code == 0, ended.err
    folder = folder_of(tmp_path, "Hued")
    red, stroke = findings_of(folder)
    assert red["kinds"] == ["color"] and red["hue"] == pytest.approx(0, abs=3)
    assert stroke["kinds"] == ["shape"] and stroke["orientation"] == pytest.approx(90, abs=5)
    for unit in (red, stroke):
        assert 6 <= sum(unit["evidence"]["starts"].values()) <= 16
        assert len(unit["evidence"]["data"]["examples"]["items"]) == 3
        tuning = unit["evidence"]["tuning"]
        assert len(tuning["hue"]["flat"]) == len(tuning["hue"]["degrees"]) == 24
        assert len(tuning["orientation"]["bars"]) == len(tuning["orientation"]["degrees"]) == 12
    records = [
        json.loads(line) for line in (folder / "search" / "records.jsonl").open(encoding="utf-8")
    ]
    assert 80 <= max(record["steps"] for record in records) <= 100  # what settles stops before
    assert {record["parameterization"]["name"] for record in records} == {"Fourier"}
    names = {tuple(each["name"] for each in record["transforms"]) for record in records}
    assert names == {()}  # a neuron that sees a few pixels is not moved at all
    page = (folder / "index.html").read_text(encoding="utf-8")
    assert "Not checked with real images." not in page
    assert "given have no classes." in page
