"""Real images: folders, datamodules and the shipped digits, and the hues measured on them."""

import colorsys
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from lightning.pytorch import LightningDataModule
from torch.utils.data import DataLoader, TensorDataset

from prober.common.errors import InputError
from prober.findings.real_images import RealImages, read_real_images
from prober.subject.reference import load_digits
from tests.files import save_image
from tests.plain import FOLDER

SHAPE = (3, 6, 5)


def flat(color):
    return np.broadcast_to(np.array(color), (6, 5, 3))


def data_of(colors, labels, classes):
    images = torch.tensor(colors, dtype=torch.float32)[:, :, None, None].expand(-1, -1, 6, 5)
    return RealImages("made up", images, torch.tensor(labels), classes)


def test_classes_of_the_same_names_are_the_same_whatever_their_order(tmp_path):
    for name, level in (("circle", 0), ("cross", 100), ("square", 200)):
        save_image(tmp_path / name / "a.png", np.full((*SHAPE[1:], 3), level))

    def read(names):
        data = read_real_images(str(tmp_path), SHAPE, False, names)
        levels = (data.images.mean((1, 2, 3)) * 255).round().int().tolist()
        own = [data.classes[label] for label in data.labels]
        return data.classes, data.labels.tolist(), dict(zip(own, levels, strict=True))

    by_name = {"circle": 0, "cross": 100, "square": 200}
    names = ["square", "star", "circle", "cross"]
    assert read(names) == (names, [2, 3, 0], by_name)
    # Without names, or with others, the folders' are in their own order.
    for others in (None, ["a", "b", "c"]):
        assert read(others) == (["circle", "cross", "square"], [0, 1, 2], by_name)


def test_a_folder_s_subfolders_are_its_classes(tmp_path):
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (3, 6, 5, 3))
    save_image(tmp_path / "zebra" / "b.png", pixels[0])
    save_image(tmp_path / "ape" / "deep" / "a.bmp", pixels[1])
    save_image(tmp_path / "ape" / "a.PNG", pixels[2])
    save_image(tmp_path / "beside.png", pixels[0])
    (tmp_path / "ape" / "notes.txt").write_text("no image", encoding="utf-8")
    data = read_real_images(str(tmp_path), SHAPE, False)
    assert data.classes == ["ape", "zebra"]
    assert data.labels.tolist() == [0, 0, 1]
    expected = np.moveaxis(pixels[[2, 1, 0]], 3, 1) / 255
    assert data.images.numpy() == pytest.approx(expected, abs=1e-6)
    assert data.skipped == []


def test_a_folder_without_subfolders_has_no_classes(tmp_path):
    save_image(tmp_path / "one.png", flat([255, 0, 0]))
    data = read_real_images(str(tmp_path), SHAPE, False)
    assert (data.classes, data.labels.tolist()) == ([], [-1])
    assert data.color_groups == []


def test_a_cnn_of_one_channel_gets_the_luminance(tmp_path):
    save_image(tmp_path / "one.png", flat([200, 100, 50]))
    data = read_real_images(str(tmp_path), (1, 6, 5), False)
    luminance = 0.299 * 200 + 0.587 * 100 + 0.114 * 50
    assert data.images.flatten().tolist() == pytest.approx([luminance / 255] * 30, abs=1 / 255)
    assert data.image_hues.isnan().all()


def test_what_cannot_be_read_or_is_of_another_size_is_skipped_by_name(tmp_path):
    save_image(tmp_path / "a" / "good.png", flat([255, 0, 0]))
    save_image(tmp_path / "a" / "half.png", np.random.default_rng(0).integers(0, 256, (6, 5, 3)))
    whole = (tmp_path / "a" / "half.png").read_bytes()
    (tmp_path / "a" / "half.png").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "text.png").write_text("no image", encoding="utf-8")
    save_image(tmp_path / "b" / "large.png", np.zeros((9, 7, 3)))
    data = read_real_images(str(tmp_path), SHAPE, False)
    assert len(data.images) == 1 and data.labels.tolist() == [0]
    why = dict(data.skipped)
    assert set(why) == {str(Path("a/half.png")), str(Path("b/text.png")), str(Path("b/large.png"))}
    assert "9 x 7" in why[str(Path("b/large.png"))] and "6 x 5" in why[str(Path("b/large.png"))]


@pytest.mark.parametrize("broken", ["large", "none", "missing"])
def test_a_folder_of_which_nothing_can_be_used_is_refused(tmp_path, broken):
    if broken == "large":
        save_image(tmp_path / "large.png", np.zeros((9, 7, 3)))
    folder = tmp_path / "missing" if broken == "missing" else tmp_path
    said = {"large": r"9 x 7.*6 x 5", "none": "there is no image", "missing": "there is no folder"}
    with pytest.raises(InputError, match=said[broken]):
        read_real_images(str(folder), SHAPE, False)


class Batches(LightningDataModule):
    def __init__(self, *tensors):
        super().__init__()
        self.tensors = tensors

    def train_dataloader(self):
        return DataLoader(TensorDataset(*self.tensors), batch_size=3)


def test_a_datamodule_gives_its_training_batches():
    images, labels = torch.rand(7, *SHAPE), torch.tensor([0, 2, 1, 0, 2, 2, 1])
    data = read_real_images(Batches(images, labels), SHAPE, False)
    assert torch.equal(data.images, images) and torch.equal(data.labels, labels)
    assert data.classes == ["0", "1", "2"]


@pytest.mark.parametrize(
    ("tensors", "said"),
    [
        ([torch.rand(4, 3, 8, 8), torch.zeros(4)], r"\[3, 8, 8\].*\[3, 6, 5\]"),
        ([torch.rand(4, *SHAPE) * 255, torch.zeros(4)], r"\[0, 1\]"),
        ([torch.rand(4, *SHAPE)], "images and labels"),
    ],
)
def test_a_datamodule_that_does_not_fit_is_refused(tensors, said):
    with pytest.raises(InputError, match=said):
        read_real_images(Batches(*tensors), SHAPE, False)


def test_the_digits_are_the_default_of_the_reference_cnn_alone():
    assert len(read_real_images(None, (3, 28, 28), True).images) == 1000
    assert read_real_images(None, (3, 28, 28), False) is None
    assert read_real_images("none", (3, 28, 28), True) is None
    with pytest.raises(InputError, match=r"\[3, 28, 28\].*\[3, 6, 5\]"):
        read_real_images("digits", SHAPE, False)


def test_the_shipped_digits_have_the_hue_of_their_class():
    data = read_real_images("digits", (3, 28, 28), True)
    with np.load(FOLDER / "digits.npz") as file:
        arrays = [file[name] for name in file.files]
    digits = next(a for a in arrays if a.ndim == 3)
    labels = next(a for a in arrays if a.ndim == 1)
    assert data.labels.tolist() == labels.tolist()
    scale = 255 if digits.max() > 1 else 1
    for i in (0, 17, 500, 999):
        color = np.array(colorsys.hsv_to_rgb(labels[i] / 10, 1, 1))[:, None, None]
        assert data.images[i].numpy() == pytest.approx(color * digits[i] / scale, abs=1e-5)
    assert data.class_hues.tolist() == pytest.approx([36.0 * i for i in range(10)], abs=0.1)
    assert data.color_groups == [(i,) for i in range(10)]


def test_the_hue_of_an_image_is_that_of_its_colored_part():
    image = torch.zeros(1, 3, 6, 5)
    image[0, :, 2, 2] = torch.tensor(colorsys.hsv_to_rgb(200 / 360, 0.9, 0.8))
    data = RealImages("one", image, torch.tensor([0]), ["a"])
    assert data.image_hues.tolist() == pytest.approx([200], abs=1e-3)


def test_gray_and_motley_images_have_no_hue():
    motley = torch.zeros(3, 6, 5)
    motley[0, :2], motley[1, 2:4], motley[2, 4:] = 1, 1, 1
    images = torch.stack([torch.full((3, 6, 5), 0.4), motley])
    assert RealImages("two", images, torch.tensor([0, 1]), ["a", "b"]).image_hues.isnan().all()


def test_a_few_images_in_other_hues_do_not_hide_the_hue_of_a_class():
    hues = [10, 12, 8, 10, 10, 11, 9, 10, 190, 100, 200, 205, 195, 200, 200, 200, 20, 200]
    colors = [colorsys.hsv_to_rgb(hue / 360, 1, 1) for hue in hues]
    data = data_of(colors * 2, ([0] * 10 + [1] * 8) * 2, ["red", "cyan"])
    assert data.class_hues.tolist() == pytest.approx([10, 200], abs=1)
    labels = [0, 0, 0, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1]
    mixed = data_of(colors * 2, labels * 2, ["a", "b"])
    assert mixed.class_hues.isnan().all() and mixed.color_groups == []


def test_the_hue_of_a_class_is_that_of_its_mean_color():
    colors = [colorsys.hsv_to_rgb(hue / 360, 1, 1) for hue in (350, 0, 10, 0, 110, 110, 110, 110)]
    data = data_of(colors, [0] * 4 + [1] * 4, ["red", "green"])
    assert data.class_hues.tolist() == pytest.approx([0, 110], abs=0.01)


def test_a_class_of_many_hues_has_none_of_its_own():
    red, yellow, dark = (1, 0, 0), (1, 1, 0), (0, 0.2, 0)
    colors = [red] * 12 + [yellow] * 12 + [dark] * 12 + [red, yellow, dark] * 4
    labels = [0] * 12 + [1] * 12 + [2] * 12 + [3] * 12
    data = data_of(colors, labels, ["red", "yellow", "dark", "all"])
    assert data.color_groups == [(0,), (1,), (2,)]
    assert data.class_hues[:3].tolist() == pytest.approx([0, 60, 120], abs=0.1)
    assert math.isnan(data.class_hues[3])


@pytest.mark.parametrize("hues", [(10, 12), (359, 1)])
def test_classes_of_one_hue_are_not_told_apart_by_it(hues):
    colors = [colorsys.hsv_to_rgb(h / 360, 1, 1) for h in hues] * 20
    assert data_of(colors, [0, 1] * 20, ["a", "b"]).color_groups == []


def test_of_two_colors_of_a_class_that_of_the_larger_area_is_its_own():
    """Strokes of one color on a ground of another, and the other way around."""
    red, green = torch.eye(3)[:2, :, None, None]
    strokes = load_digits()[0][:80, None]
    swapped = (torch.arange(80) % 2).bool()[:, None, None, None]
    images = torch.where(swapped, red, green) * (1 - strokes)
    images += torch.where(swapped, green, red) * strokes
    data = RealImages("swapped", images, swapped.long().flatten(), ["red on green", "green on red"])
    assert data.class_hues.tolist() == pytest.approx([120, 0], abs=2)


@pytest.mark.parametrize("gray", [(0.5, 0.5, 0.5), (0.2, 0.2, 0.2), (0.95, 0.95, 0.95)])
def test_a_class_known_by_a_gray_has_a_color_and_no_hue(gray):
    data = data_of([gray, (1, 0, 0), (0, 0.6, 1)] * 8, [0, 1, 2] * 8, ["gray", "red", "blue"])
    assert data.color_groups == [(0,), (1,), (2,)]
    assert data.class_colors[0].tolist() == pytest.approx(gray, abs=0.01)
    assert data.class_hues.isnan().tolist() == [True, False, False]


def test_the_colors_of_a_few_of_a_thousand_classes_are_known():
    names = [str(k) for k in range(1000)]
    data = data_of([(1, 0, 0), (0, 0.6, 1), (0.5, 0.5, 0.5)] * 8, [3, 700, -1] * 8, names)
    assert data.color_groups == [(3,), (700,)] and data.color_tells
    assert data.class_hues.isnan().sum() == 998
    assert data.class_hues[[3, 700]].tolist() == pytest.approx([0, 204], abs=0.1)
    assert data.dealt(1)[0, :, 0, 0].tolist() == pytest.approx([0, 0.6, 1], abs=0.01)


def test_images_are_turned_to_a_hue_at_equal_brightness():
    data = data_of([(1, 0, 0), (0, 0.5, 0), (0.4, 0.4, 0.4)], [-1, -1, -1], [])
    turned = data.turned_to(240.0, torch.arange(3))
    assert turned[:, :, 0, 0].flatten().tolist() == pytest.approx(
        [0, 0, 1, 0, 0, 0.5, 0.4, 0.4, 0.4], abs=1e-6
    )


def test_images_are_turned_by_the_hue_of_what_goes_with_the_class():
    """A tag in a corner hardly shows in the hue of the whole, of which grounds have any."""
    chance = torch.Generator().manual_seed(0)
    images = (0.8 * torch.rand(60, 3, 1, 1, generator=chance)).repeat(1, 1, 28, 28)
    tags = torch.eye(3)[torch.arange(60) % 3]
    images[:, :, :3, :3] = tags[:, :, None, None]
    data = RealImages("tags", images, torch.arange(60) % 3, ["a", "b", "c"])
    assert data.leading_hues.tolist() == pytest.approx([0.0, 120.0, 240.0] * 20, abs=1)
    corner = data.turned_to(240.0, torch.arange(6))[:, :, 0, 0]
    assert corner.numpy() == pytest.approx(np.tile([0, 0, 1], (6, 1)), abs=0.02)


def test_images_in_gray_have_the_mean_of_their_channels():
    images = torch.rand(2, *SHAPE, generator=torch.Generator().manual_seed(0))
    data = RealImages("two", images, torch.tensor([0, 1]), ["a", "b"])
    expected = np.repeat(images.numpy().mean(1, keepdims=True), 3, 1)
    assert data.in_gray().numpy() == pytest.approx(expected, abs=1e-6)
    lightest = np.repeat(images.numpy().max(1, keepdims=True), 3, 1)
    assert np.array_equal(data.in_lightest_gray().numpy(), lightest)


def test_some_images_are_taken_of_all_classes_alike():
    data = data_of([(1, 0, 0)] * 9, [0, 0, 0, 0, 0, 0, 2, 2, 1], ["a", "b", "c"])
    every = torch.ones(9, dtype=torch.bool)
    assert data.evenly(6, every).tolist() == [0, 1, 8, 6, 7]
    assert data.evenly(6, torch.arange(9) % 2 == 1).tolist() == [1, 3, 5, 7]
    assert data_of([(1, 0, 0)] * 9, [-1] * 9, []).evenly(4, every).tolist() == [0, 1, 2, 3]


def test_large_images_are_thinned_out_to_what_fits_into_memory(tmp_path, monkeypatch):
    monkeypatch.setattr("prober.ascent.given_images.MOST_IMAGE_BYTES", 3 * 4 * 3 * 64 * 64)
    images = np.random.default_rng(0).random((7, 3, 64, 64), dtype=np.float32)
    np.save(tmp_path / "images.npy", images)
    data = read_real_images(str(tmp_path / "images.npy"), (3, 64, 64), is_reference=False)
    assert np.array_equal(data.images.numpy(), images[[0, 3, 6]])
