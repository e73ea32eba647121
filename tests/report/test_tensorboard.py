import math
import re
import socket
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from prober.findings.points import THUMB_SIDE, Point, effects
from prober.report import tensorboard
from prober.report.tensorboard import words_alone, write_report_tensorboard

SHEETS = ("sheets/conv1.png", "sheets/conv2_1.png")
HEAD = ["name", "kind", "layer", "channel", "facet", "seed", "score"]

SUMMARY = """# What it wants

1. **Color?** [conv1/0](index.html#conv1/0) \u26a0 and [a\\_b\\]](index.html#a_b%5D).

| unit | facet |
| --- | --- |
| x | [<img src="pictures/a.png" alt="red (0°)" width="84">](index.html#conv1/0)<br>red |
| y | [<img src="pictures/b.png" alt="[b]" width="84">](index.html#conv1/1) |
"""


def pixels(*shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (*shape, 3), dtype=np.uint8)


def label(i, **kwargs):
    known = {"name": f"conv1/{i}", "kind": "color", "layer": "conv1", "channel": i, "facet": 0}
    return known | {"seed": 2, "score": i / 4} | kwargs


@pytest.fixture
def folder(tmp_path):
    """A report's folder with two sheets."""
    (tmp_path / "sheets").mkdir()
    for name, seed in (("conv1", 1), ("conv2_1", 2)):
        Image.fromarray(pixels(12, 20, seed=seed)).save(tmp_path / "sheets" / f"{name}.png")
    (tmp_path / "SUMMARY.md").write_text(SUMMARY, encoding="utf-8")
    return tmp_path


def some_points(number, size=(6, 6), labels=None):
    answers = torch.from_numpy(np.random.default_rng(number).normal(size=(number, 4)))
    labels = labels or [label(i) for i in range(number)]
    return list(map(Point, answers, pixels(number, *size), labels))


def write(folder, number=5, labels=None):
    points = some_points(number, labels=labels)
    write_report_tensorboard(folder, SHEETS, points)
    return effects(points), [point.picture for point in points]


def events(folder):
    accumulator = EventAccumulator(str(folder / "tensorboard"), size_guidance={"images": 0})
    return accumulator.Reload()


def text(folder):
    (event,) = events(folder).Tensors("summary/text_summary")
    return event.tensor_proto.string_val[0].decode()


def projector(folder):
    """The sides of a picture, points, rows of labels, and sprite, where the configuration says."""
    here = folder / "tensorboard"
    config = (here / "projector_config.pbtxt").read_text(encoding="utf-8")
    paths = dict(re.findall(r'(\w+): "(.*)"', config))
    points = np.loadtxt(here / paths["tensor_path"], delimiter="\t", dtype=np.float32, ndmin=2)
    labels = (here / paths["metadata_path"]).read_text(encoding="utf-8").splitlines()
    sprite = np.asarray(Image.open(here / paths["image_path"]))
    sides = [int(side) for side in re.findall(r"single_image_dim: (\d+)", config)]
    return sides, points, [line.split("\t") for line in labels], sprite


def test_the_summary_is_text_without_pictures_and_links(folder):
    write(folder)
    assert text(folder) == (
        "# What it wants\n\n1. **Color?** conv1/0 \u26a0 and a\\_b\\].\n\n"
        "| unit | facet |\n| --- | --- |\n| x | red |\n| y |  |\n"
    )
    assert words_alone("no [link] (here)") == "no [link] (here)"


def test_each_sheet_is_an_image(folder):
    write(folder)
    found = events(folder)
    assert found.Tags()["images"] == ["sheets/conv1", "sheets/conv2_1"]
    for tag, seed in (("sheets/conv1", 1), ("sheets/conv2_1", 2)):
        (event,) = found.Images(tag)
        shown = np.asarray(Image.open(BytesIO(event.encoded_image_string)))
        assert np.array_equal(shown, pixels(12, 20, seed=seed))


def test_each_visualization_is_a_point_with_its_picture_and_labels(folder):
    labels = [label(i) for i in range(5)]
    labels[3] |= {"facet": None, "name": "two\tcolumns\nor lines", "more": "left out"}
    points, sprites = write(folder, labels=labels)
    sides, shown, rows, sprite = projector(folder)
    assert np.array_equal(shown, points)
    assert rows[0] == HEAD
    assert len(rows) == 6
    assert rows[3] == ["conv1/2", "color", "conv1", "2", "0", "2", "0.5"]
    assert rows[4] == ["two columns or lines", "color", "conv1", "3", "-", "2", "0.75"]
    assert sides == [6, 6]
    assert sprite.shape == (18, 18, 3)
    for i in range(5):
        top, left = 6 * (i // 3), 6 * (i % 3)
        assert np.array_equal(sprite[top : top + 6, left : left + 6], sprites[i])


def test_the_folder_can_be_moved_and_names_no_host(folder):
    write(folder)
    for file in filter(Path.is_file, (folder / "tensorboard").rglob("*")):
        content = file.read_bytes()
        for word in (str(folder), socket.gethostname()):
            assert word not in file.name
            assert word.encode() not in content
    moved = folder / "elsewhere"
    moved.mkdir()
    (folder / "tensorboard").rename(moved / "tensorboard")
    assert len(projector(moved)[1]) == 5
    assert "What it wants" in text(moved)


def test_writing_again_replaces(folder):
    write(folder)
    (folder / "tensorboard" / "left over").touch()
    (folder / "SUMMARY.md").write_text("# Another", encoding="utf-8")
    points, _ = write(folder, number=3)
    assert text(folder) == "# Another"
    assert len(events(folder).Images("sheets/conv1")) == 1
    assert np.array_equal(projector(folder)[1], points)
    files = [file.name for file in (folder / "tensorboard").rglob("*") if file.is_file()]
    assert len(files) == 5
    assert "left over" not in files
    assert sorted(file.name for file in folder.iterdir()) == [
        "SUMMARY.md",
        "sheets",
        "tensorboard",
    ]


def test_what_fails_leaves_what_was_there(folder):
    write(folder)
    (folder / "sheets" / "conv2_1.png").unlink()
    (folder / "SUMMARY.md").write_text("# Another", encoding="utf-8")
    with pytest.raises(FileNotFoundError):
        write(folder)
    assert text(folder).startswith("# What it wants")
    assert not list(folder.glob(".tensorboard*"))


def test_nothing_to_project(folder):
    write_report_tensorboard(folder, SHEETS, [])
    assert text(folder).startswith("# What it wants")
    assert len(list((folder / "tensorboard").iterdir())) == 1


def test_answers_that_are_no_numbers_or_all_the_same_are_left_out():
    points = some_points(5)
    points[2].answers[1] = torch.nan
    points[3].answers[3] = torch.inf
    for point in points:
        point.answers[2] = 7.0
    (column,) = effects(points).T
    own = np.array([point.answers[0].item() for point in points])
    np.testing.assert_allclose(column, (own - own.mean()) / own.std(), rtol=1e-6)


def test_too_many_points_are_thinned_evenly(folder, monkeypatch):
    monkeypatch.setattr(tensorboard, "MOST_POINTS", 5)
    write(folder, number=21, labels=[label(i) for i in range(21)])
    assert [row[3] for row in projector(folder)[2]][1:] == ["0", "5", "10", "15", "20"]


def test_the_sprite_of_all_points_fits_every_graphics_card():
    assert THUMB_SIDE * math.ceil(math.sqrt(tensorboard.MOST_POINTS)) <= 4096
