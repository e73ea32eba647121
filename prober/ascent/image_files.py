"""The files of an image: as numbers, as a picture, where it matters, and its record."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from prober.ascent.matters import with_opacity
from prober.common.drawn_inputs import drawn_one, slices_gif
from prober.common.files import npy, write_whole
from prober.common.pictures import enlarge, png


def write_image(
    folder: Path, image: Tensor, opacity: np.ndarray | None, record: dict[str, Any]
) -> None:
    """Writes `final.npy`, `final.png` and `record.json`, and `matters.png`, `slices.gif` if any.

    Args:
        folder: Where they go.
        image: `[C, H, W]` in [0, 1], float32.
        opacity: uint8 `[H, W]`, how much each pixel matters; None where that is not known.
        record: What is to be known of the image.
    """
    said = json.dumps(record, indent=2) + "\n"  # first: nothing half of what cannot be said
    write_whole(folder / "final.npy", npy(image.numpy()))
    write_whole(folder / "final.png", png(enlarge(drawn_one(image))))
    matters = None if opacity is None else with_opacity(image, opacity)
    for name, content in (("matters.png", matters), ("slices.gif", slices_gif(image))):
        if content is not None:
            write_whole(folder / name, content)
        else:  # there may be that of another image, which this one replaces
            (folder / name).unlink(missing_ok=True)
    write_whole(folder / "record.json", said)
