"""Contact sheets."""

import numpy as np
from PIL import Image

from tests.sweep.sweeps import places_of


def test_the_contact_sheet_shows_every_image_four_times_as_large(swept):
    folder, _ = swept
    sheet = np.asarray(Image.open(folder / "sheets" / "conv2.png")).astype(int)
    array = np.load(folder / "conv2/ch007/mean_seed1.npy")
    thumb = np.kron(np.moveaxis(np.rint(array * 255), 0, 2), np.ones((4, 4, 1)))
    assert len(places_of(thumb, sheet)) == 1
