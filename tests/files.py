"""Files that tests write and read."""

from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image


class RunsCode:
    """Writes `gotcha` into a file when it is unpickled by an ordinary pickle."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.write_text, (self.path, "gotcha")


def save_image(file, pixels):
    """Saves pixels `[H, W]` or `[H, W, 3]` of 0 to 255 as an image, and its folder if need be."""
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.asarray(pixels, np.uint8)).save(file)


def opened(data):
    """The pixels of a PNG file's bytes."""
    picture = Image.open(BytesIO(data))
    picture.load()
    assert picture.format == "PNG"
    return np.asarray(picture)
