import numpy as np
import pytest
from PIL import Image

from prober.ascent.run_files import Snapshots
from prober.common.errors import InputError
from tests.ascent.runs import Keep, events, run, snapshots


@pytest.mark.parametrize(
    ("steps", "every", "expected"),
    [
        (1, 50, [0, 1]),
        (7, 3, [0, 3, 6, 7]),
        (6, 3, [0, 3, 6]),
        (3, 1, [0, 1, 2, 3]),
        (4, 5, [0, 4]),
        (5, 5, [0, 5]),
    ],
)
def test_snapshots_are_the_first_every_so_many_and_the_last(tmp_path, steps, every, expected):
    folder, _, _ = run(tmp_path, steps, every)
    assert list(snapshots(folder)) == [f"step_{step:04d}.png" for step in expected]
    assert [image.step for image in events(folder).Images("image")] == expected


def test_snapshot_of_a_step_is_the_image_after_so_many_steps(tmp_path):
    keep = Keep()
    folder, _, _ = run(tmp_path, 8, 3, before=[keep])
    pictures = snapshots(folder)
    shown = {image.step: image for image in events(folder).Images("image")}
    with Image.open(folder / "evolution.gif") as film:
        assert film.n_frames == 4
    for step in (0, 3, 6, 8):
        pixels = np.round(keep.images[step].astype(np.float32) * 255).transpose(1, 2, 0)
        expected = np.kron(pixels.astype(np.uint8), np.ones((10, 10, 1), np.uint8))
        assert np.array_equal(pictures[f"step_{step:04d}.png"], expected)
        assert (shown[step].width, shown[step].height) == (280, 280)
    assert len({picture.tobytes() for picture in pictures.values()}) == 4


@pytest.mark.parametrize("every", [0, -3])
def test_interval_out_of_range_is_told(every):
    with pytest.raises(InputError, match=f"every {every} steps"):
        Snapshots(every)
