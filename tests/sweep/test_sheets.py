"""Contact sheets."""

import numpy as np
import pytest
from PIL import Image, ImageDraw

from prober.common.drawing import GAP, font
from tests.sweep.sweeps import places_of


def test_the_contact_sheet_shows_every_image_four_times_as_large(swept):
    folder, _ = swept
    sheet = np.asarray(Image.open(folder / "sheets" / "conv2.png")).astype(int)
    array = np.load(folder / "conv2/ch007/mean_seed1.npy")
    thumb = np.kron(np.moveaxis(np.rint(array * 255), 0, 2), np.ones((4, 4, 1)))
    assert len(places_of(thumb, sheet)) == 1


def test_below_a_wide_picture_stands_its_score(prober, tmp_path):
    command = ("--model.subject.cnn", "wide.Wide", "--model.subject.input_shape", "[1,8,40]")
    (tmp_path / "wide.py").write_text(
        "from torch import nn\n\n\n"
        "class Wide(nn.Sequential):\n"
        "    def __init__(self):\n"
        "        super().__init__(nn.Conv2d(1, 2, 3))\n",
        encoding="utf-8",
    )
    grid = ("--grid.layers", "[0]", "--trainer.max_steps", 1, "--trainer.devices", 1)
    assert prober("sweep", *command, *grid).code == 0
    (folder,) = tmp_path.glob("lightning_logs/*/version_0")
    sheet = np.asarray(Image.open(folder / "sheets" / "0.png").convert("L"))
    pixels = np.rint(np.load(folder / "0/ch000/mean_seed0.npy")[0] * 255)
    last = np.kron(pixels[-1], np.ones(3))
    rows = np.lib.stride_tricks.sliding_window_view(sheet, len(last), axis=1)
    end, left = np.argwhere((rows == last).all(2))[-1]
    below = sheet[end + 2 :, left : left + len(last)]
    assert 0 < (below < 200).any(1).argmax() < 12


def test_the_contact_sheet_names_the_style_of_its_pictures(swept):
    folder, _ = swept  # of the style plain
    sheet = np.asarray(Image.open(folder / "sheets" / "conv2.png")).astype(int)
    for style, times in (("plain", 1), ("legible", 0)):
        said = Image.new("RGB", (200, 40), "white")
        ImageDraw.Draw(said).text((10, 10), f"Style: {style}", "black", font(15))
        rows, columns = np.nonzero(np.asarray(said).min(2) < 255)
        box = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
        assert len(places_of(np.asarray(said.crop(box)).astype(int), sheet)) == times


def test_a_sheet_of_several_overwrites_none_of_a_layer_of_its_name(prober, tmp_path):
    (tmp_path / "traced.py").write_text(
        "from torch import nn\n\n\n"
        "def cnn():\n"
        "    layers = nn.Sequential()\n"
        '    layers.add_module("conv", nn.Conv2d(3, 250, 3))\n'
        '    layers.add_module("conv_1", nn.Conv2d(250, 2, 3))\n'
        "    return layers\n",
        encoding="utf-8",
    )
    ended = prober(
        *("sweep", "--model.subject.cnn", "traced.cnn", "--model.subject.input_shape", "[3,8,8]"),
        *("--grid.layers", "[conv,conv_1]", "--trainer.max_steps", 1, "--trainer.devices", 1),
    )
    assert ended.code == 0, ended.err
    (folder,) = tmp_path.glob("lightning_logs/*/version_0")
    names = sorted(file.name for file in (folder / "sheets").iterdir())
    assert names == ["conv_1.png", "conv_2.png", "conv__1.png"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ([], "a row for each, a column for each seed"),
        (
            ["--grid.objectives", "[ChannelMean, Neuron]", "--grid.positions", "[[3, 20]]"],
            "a row for each, a column for each variant and seed",
        ),
        (
            [
                *("--grid.objectives", "[Neuron]", "--grid.seeds", 7),
                *("--grid.positions", "[[3, 20], [4, 20], [5, 20]]"),
            ],
            "a row for each and each variant, a column for each seed",
        ),
    ],
)
def test_the_contact_sheet_says_what_its_rows_and_columns_are(prober, tmp_path, options, words):
    grid = ("--grid.layers", "conv1", "--grid.channels", "0-1", *options)
    quick = ("--model.style", "plain", "--trainer.max_steps", 1, "--trainer.devices", 1)
    assert prober("sweep", *grid, *quick).code == 0
    [file] = tmp_path.glob("lightning_logs/*/version_0/sheets/conv1.png")
    sheet = np.asarray(Image.open(file))
    neuron = "h03_w20: the neuron in row 3 and column 20 of its map, counted from 0\n"
    said = Image.new("RGB", (sheet.shape[1], 100), "white")
    ImageDraw.Draw(said).text(
        (GAP, GAP),
        f"What the channels of conv1 want to see: {words}, below each picture its score\n"
        f"{neuron if options else ''}Style: plain",
        "black",
        font(15),
    )
    wanted = np.asarray(said)
    end = np.nonzero(wanted.min(2).min(1) < 255)[0][-1] + 1
    assert (sheet[:end] == wanted[:end]).all()
