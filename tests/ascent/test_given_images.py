"""Images that the user gives: where they are read from, and what is told if they cannot be."""

import re
import sys

import numpy as np
import pytest
import torch
from lightning.pytorch import LightningDataModule
from PIL import Image

from prober.ascent.given_images import MOST_IMAGES, read_images, read_picture, shipped_digits
from prober.common.errors import InputError
from prober.subject.reference import load_digits
from tests.files import save_image

SHAPE = (3, 6, 5)


def noise(number, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (number, 6, 5, 3), dtype=np.uint8)


def test_the_digits_are_white_strokes_in_the_hue_of_their_class():
    data = read_images("digits", (3, 28, 28))
    digits, labels = load_digits()
    assert torch.equal(data.labels, labels) and data.classes == list("0123456789")
    assert data.images.shape == (1000, 3, 28, 28)
    torch.testing.assert_close(data.images.amax(1), digits)
    zeros = data.images[labels == 0]
    assert zeros[:, 1:].max() == 0 and zeros[:, 0].max() == 1  # red
    assert torch.equal(data.images, shipped_digits().images)


def test_an_array_is_taken_as_it_is(tmp_path):
    values = np.random.default_rng(0).random((4, *SHAPE))
    np.save(tmp_path / "my.npy", values)
    data = read_images(str(tmp_path / "my.npy"), SHAPE)
    np.testing.assert_allclose(data.images.numpy(), values, atol=1e-7)
    assert data.images.dtype == torch.float32
    assert (data.labels.tolist(), data.classes) == ([-1] * 4, [])
    assert data.name == "4 images of my.npy"


def test_many_images_are_thinned_out_evenly(tmp_path):
    number = 2 * MOST_IMAGES + 1
    values = np.linspace(0, 1, number)[:, None, None, None] * np.ones((1, 1, 1, 1))
    np.save(tmp_path / "many.npy", values)
    found = read_images(str(tmp_path / "many.npy"), (1, 1, 1)).images.flatten().numpy()
    assert len(found) == MOST_IMAGES
    steps = np.diff(found) * (number - 1)
    assert found[0] == 0 and found[-1] > 0.999
    assert steps.min() > 1.9 and steps.max() < 3.1


def test_a_folder_is_read_in_order_with_its_subfolders_as_classes(tmp_path):
    pixels = noise(3)
    save_image(tmp_path / "zebra" / "b.png", pixels[0])
    save_image(tmp_path / "ape" / "a.bmp", pixels[1])
    save_image(tmp_path / "ape" / "deep" / "a.png", pixels[2])
    data = read_images(str(tmp_path), SHAPE)
    assert (data.classes, data.labels.tolist()) == (["ape", "zebra"], [0, 0, 1])
    expected = pixels[[1, 2, 0]].transpose(0, 3, 1, 2) / 255
    np.testing.assert_allclose(data.images.numpy(), expected, atol=1e-6)


def test_pictures_of_another_size_are_brought_to_the_subjects_or_skipped(tmp_path):
    save_image(tmp_path / "wide.png", np.full((12, 30, 3), (255, 51, 0)))
    save_image(tmp_path / "fits.png", np.full((6, 5, 3), 102))
    data = read_images(str(tmp_path), SHAPE)
    assert data.images.shape == (2, *SHAPE) and data.skipped == []
    expected = np.broadcast_to(np.array([1, 0.2, 0])[:, None, None], SHAPE)
    np.testing.assert_allclose(data.images[1].numpy(), expected, atol=1e-6)
    skipping = read_images(str(tmp_path), SHAPE, resize=False)
    assert len(skipping.images) == 1 and skipping.images[0].unique().tolist() == [
        pytest.approx(0.4)
    ]
    assert skipping.skipped == [
        ("wide.png", "it is 12 x 30 pixels, the subject takes 6 x 5"),
    ]


def test_a_picture_of_16_bits_keeps_its_shades(tmp_path):
    gray = np.linspace(0, 65535, 30).reshape(6, 5).astype(np.uint16)
    Image.fromarray(gray).save(tmp_path / "deep.png")
    image = read_picture(tmp_path / "deep.png", (1, 6, 5))
    np.testing.assert_allclose(image[0].numpy(), gray / 65535, atol=0.51 / 255)


@pytest.mark.parametrize(
    ("pixels", "said"),
    [
        (np.full((6, 5), 200, np.float32), "within [0, 1]"),
        (np.full((6, 5), np.nan, np.float32), "within [0, 1]"),
        (np.full((6, 5), -0.1, np.float32), "within [0, 1]"),
        (np.full((6, 5), 70_000, np.int32), "0 to 65535"),
    ],
)
def test_pixels_of_another_range_are_left_out_with_the_reason(tmp_path, pixels, said):
    Image.fromarray(pixels).save(tmp_path / "other.tif")
    with pytest.raises(ValueError, match=re.escape(said)):
        read_picture(tmp_path / "other.tif", (1, 6, 5))


def test_what_is_transparent_is_black(tmp_path):
    pixels = np.full((6, 5, 4), 255, np.uint8)
    pixels[:3, :, 3] = 0
    Image.fromarray(pixels).save(tmp_path / "half.png")
    image = read_picture(tmp_path / "half.png", SHAPE)
    assert image[:, :3].max() == 0 and image[:, 3:].min() == 1


MODULE = """
import torch
from lightning.pytorch import LightningDataModule
from torch.utils.data import DataLoader, TensorDataset


class Mine(LightningDataModule):
    def train_dataloader(self):
        images = torch.full((5, 3, 6, 5), 0.25)
        return DataLoader(TensorDataset(images, torch.tensor([0, 2, 1, 2, 0])), batch_size=2)


class Broken(LightningDataModule):
    def train_dataloader(self):
        raise ValueError("the disk\\nis missing")


class Unbuilt(LightningDataModule):
    def __init__(self):
        super().__init__()
        self.images = torch.no_such_function()
"""


def test_a_datamodule_is_named_by_its_import_path(tmp_path, monkeypatch):
    (tmp_path / "my_images.py").write_text(MODULE, encoding="utf-8")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    data = read_images("my_images.Mine", SHAPE)
    assert data.labels.tolist() == [0, 2, 1, 2, 0] and data.classes == ["0", "1", "2"]
    assert data.images.unique().tolist() == [0.25] and data.name == "5 images of Mine"
    with pytest.raises(InputError, match="Broken gives no batches of images and labels: the disk"):
        read_images("my_images.Broken", SHAPE)
    with pytest.raises(InputError, match=r"there is no folder 'my_images\.Nobody'"):
        read_images("my_images.Nobody", SHAPE)
    with pytest.raises(InputError, match=r"my_images\.Unbuilt cannot be built: .*no_such_function"):
        read_images("my_images.Unbuilt", SHAPE)
    del sys.modules["my_images"]


def gives(*batches):
    class Loader(LightningDataModule):
        def train_dataloader(self):
            if not batches:
                raise SystemExit(3)
            return batches

    return Loader()


IMAGES, PAIR = torch.full((2, *SHAPE), 0.25), r"each batch must be a pair \(images, labels\)"


@pytest.mark.parametrize(
    ("batches", "message"),
    [
        ([IMAGES], f"{PAIR}, and one is a Tensor"),
        ([{"image": IMAGES}], f"{PAIR}, and one is a dict"),
        ([[IMAGES]], f"{PAIR}, and one is a list"),
        ([(IMAGES[:0], [])], "its train_dataloader has no batch"),
        ([], "no batches of images and labels: 3"),
        ([(IMAGES, [0.7, 1.0])], "one whole number for each image"),
        ([(IMAGES, [float("nan"), 1.0])], "one whole number for each image"),
        ([(IMAGES, [0, -1])], "from 0 to less than 100,000"),
        ([(IMAGES, [0, 10**12])], "from 0 to less than 100,000"),
        ([(IMAGES, [0])], "one whole number for each image"),
        ([(IMAGES * torch.nan, [0, 1])], "Loader lie in .*nan.*; give them in"),
    ],
)
def test_a_datamodule_of_something_else_is_told_what_to_give(batches, message):
    with pytest.raises(InputError, match=f"^data: .*{message}"):
        read_images(gives(*batches), SHAPE)


def test_the_home_directory_is_known(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    save_image(tmp_path / "mine" / "a.png", noise(1)[0])
    assert len(read_images("~/mine", SHAPE).images) == 1


def test_what_cannot_be_used_is_told_with_the_option_that_names_it(tmp_path):
    def told(name, message, shape=SHAPE):
        with pytest.raises(InputError, match=f"^my option: .*{message}"):
            read_images(str(tmp_path / name), shape, "my option")

    told("nowhere", "there is no folder .* or 'digits'")
    with pytest.raises(InputError, match=r"^data: there is no folder ''\."):
        read_images("", SHAPE)
    (tmp_path / "a.npz").touch()
    told("a.npz", r"a.npz' is a file. Give .* an array of them \(\.npy\)")
    (tmp_path / "nothing.npy").touch()
    told("nothing.npy", r"is not an array of images \(\.npy\)")
    told("nowhere.npy", r"is not an array of images \(\.npy\): .*No such file")
    (tmp_path / "empty").mkdir()
    told("empty", r"there is no image \(\.bmp, .*\) in")
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "a.png").write_bytes(b"no picture")
    told("broken", "no image in .* can be used. 'a.png': cannot identify")
    save_image(tmp_path / "rgb" / "a.png", noise(1)[0])
    told("rgb", "the subject takes 4 channels, an image file has 1 or 3", (4, 6, 5))
    np.save(tmp_path / "one.npy", np.zeros(SHAPE))
    told("one.npy", r"is \[3, 6, 5\]; this subject takes \[N, 3, 6, 5\]")
    np.save(tmp_path / "none.npy", np.zeros((0, *SHAPE)))
    told("none.npy", r"is \[0, 3, 6, 5\]")
    np.save(tmp_path / "bytes.npy", np.full((2, *SHAPE), 255.0))
    told("bytes.npy", r"has values outside \[0, 1\], or NaN; divide bytes by 255")
    np.save(tmp_path / "nan.npy", np.full((2, *SHAPE), np.nan))
    told("nan.npy", r"has values outside \[0, 1\], or NaN")
    with pytest.raises(InputError, match=r"my option: the shipped digits are \[3, 28, 28\]"):
        read_images("digits", SHAPE, "my option")
    with pytest.raises(InputError, match=r"Give an array \(\.npy\) of \[N, 2, 90\]\.$"):
        read_images("digits", (2, 90))


@pytest.mark.skipif(sys.platform == "win32", reason="there links need a right of their own")
def test_links_are_followed_and_what_is_hidden_is_no_class_and_no_image(tmp_path):
    folder, pixels = tmp_path / "data", noise(3)
    save_image(folder / "ape" / "a.png", pixels[0])
    save_image(tmp_path / "elsewhere" / "b.png", pixels[1])
    for hidden in ("ape/.checkpoints/c.png", "ape/._a.png", "__MACOSX/ape/a.png"):
        save_image(folder / hidden, pixels[2])
    (folder / "bat").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    (folder / "ape" / "back").symlink_to(folder, target_is_directory=True)
    (folder / "cow").mkdir()
    (folder / "cow" / "same").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    (tmp_path / "elsewhere" / "cow").symlink_to(folder / "cow", target_is_directory=True)
    data = read_images(str(folder), SHAPE)
    # A link that leads back is not followed again, and what two links lead to is in both.
    assert data.classes == ["ape", "bat", "cow"]
    assert data.labels.tolist() == [0, 1, 2]
    assert data.skipped == []


def test_subfolders_without_images_make_no_classes(tmp_path):
    save_image(tmp_path / "a.png", noise(1)[0])
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels" / "a.txt").write_text("7", encoding="utf-8")
    data = read_images(str(tmp_path), SHAPE)
    assert (data.classes, data.labels.tolist()) == ([], [-1])
