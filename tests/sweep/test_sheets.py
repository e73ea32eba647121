"""Contact sheets."""

import numpy as np
from PIL import Image, ImageDraw

from prober.common.drawing import font
from tests.sweep.sweeps import places_of


def test_the_contact_sheet_shows_every_image_four_times_as_large(swept):
    folder, _ = swept
    sheet = np.asarray(Image.open(folder / "sheets" / "conv2.png")).astype(int)
    array = np.load(folder / "conv2/ch007/mean_seed1.npy")
    thumb = np.kron(np.moveaxis(np.rint(array * 255), 0, 2), np.ones((4, 4, 1)))
    assert len(places_of(thumb, sheet)) == 1


def test_the_contact_sheet_names_the_style_of_its_pictures(swept):
    folder, _ = swept  # of the style plain
    sheet = np.asarray(Image.open(folder / "sheets" / "conv2.png")).astype(int)
    for style, times in (("plain", 1), ("legible", 0)):
        said = Image.new("RGB", (200, 40), "white")
        ImageDraw.Draw(said).text((10, 10), f"Style: {style}", "black", font(15))
        rows, columns = np.nonzero(np.asarray(said).min(2) < 255)
        box = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
        assert len(places_of(np.asarray(said.crop(box)).astype(int), sheet)) == times
