from itertools import combinations

import numpy as np
import pytest
import torch

from prober.common.drawing import thumb
from prober.common.drawn_inputs import HEIGHT, WIDTH, drawn, drawn_one, slices
from prober.common.inputs import InputKind, input_kind, plane_of
from prober.common.pictures import enlarge, to_bytes


def test_kinds_are_told_by_the_number_of_sides():
    shapes = {
        (5,): InputKind.VECTOR,
        (2, 9): InputKind.SIGNAL,
        (1, 1, 9): InputKind.IMAGE,
        (1, 2, 3, 4): InputKind.VOLUME,
    }
    assert {shape: input_kind(shape) for shape in shapes} == shapes
    assert [plane_of(shape) for shape in shapes] == [(5, 1, 1), (2, 1, 9), (1, 1, 9), (2, 3, 4)]
    assert InputKind.IMAGE.written == "[channels, height, width]"
    with pytest.raises(ValueError):
        input_kind((1, 2, 3, 4, 5))


@pytest.mark.parametrize("channels", [1, 3])
def test_images_of_colors_are_as_they_are(channels):
    images = torch.rand(2, channels, 5, 6)
    assert np.array_equal(drawn(images), to_bytes(images))


@pytest.mark.parametrize(
    ("channels", "rows", "columns"), [(2, 1, 2), (4, 2, 2), (5, 2, 3), (13, 4, 4)]
)
@pytest.mark.parametrize("side", [6, 60, 120])
def test_of_other_images_every_channel_is_shown_below_its_number(channels, rows, columns, side):
    image = torch.rand(channels, side, side) / 4 + 0.5  # which is lighter than ink
    sheet = drawn_one(image)
    number = sheet.shape[0] // rows - side  # the height of the numbers' rows
    across = (sheet.shape[1] + 1) // columns
    assert sheet.shape == (rows * (number + side) + rows - 1, columns * across - 1, 3)
    seen = []
    for channel in range(channels):
        row, column = divmod(channel, columns)
        top, left = row * (number + side + 1), column * across
        panel = sheet[top + number : top + number + side, left : left + side]
        assert np.array_equal(panel, to_bytes(image[channel : channel + 1]))
        seen.append(sheet[top : top + number, left : left + across - 1])
        high = np.ptp(np.flatnonzero(seen[-1].min((1, 2)) < 128)) + 1
        assert high * len(thumb(sheet)) / len(sheet) >= 6  # to be read on a contact sheet, too
    assert all((one != other).any() for one, other in combinations(seen, 2))


@pytest.mark.parametrize(("side", "larger"), [(2, 4), (3, 3), (5, 2)])
def test_tiny_maps_are_not_lost_below_their_numbers(side, larger):
    image = torch.rand(4, side, side)
    sheet = drawn_one(image)
    assert np.array_equal(
        sheet, drawn_one(image.repeat_interleave(larger, 1).repeat_interleave(larger, 2))
    )
    assert len(sheet) < 4 * side * larger + 8  # the maps take about half of it


def test_an_image_of_one_pixel_is_bars_unless_it_is_a_color():
    pixel = torch.rand(10, 1, 1)
    assert np.array_equal(drawn_one(pixel), drawn_one(pixel.flatten()))
    assert drawn_one(pixel[:3]).shape == drawn_one(pixel[:1]).shape == (1, 1, 3)


def ink(sheet):
    """Where something blue is drawn."""
    return (sheet[..., 2].astype(int) - sheet[..., 0]) > 60


def test_a_signal_has_a_curve_for_each_channel():
    step = torch.zeros(2, 1000)
    step[0, 500:] = 1
    step[1] = 0.5
    sheet = ink(drawn_one(step))
    assert sheet.shape == (HEIGHT, WIDTH)
    first, second = sheet[: HEIGHT // 2], sheet[HEIGHT // 2 :]
    heights = [first[:, x].nonzero()[0].mean() for x in (10, WIDTH - 10)]
    assert heights[0] > HEIGHT // 2 - 4 and heights[1] < 4  # from the bottom to the top
    assert first[:, WIDTH // 2 - 3 : WIDTH // 2 + 3].sum() > HEIGHT // 2 - 6  # the jump is a line
    assert abs(second.nonzero()[0].mean() - HEIGHT / 4) < 2


def test_a_long_signal_shows_its_extremes():
    signal = torch.full((1, 100_000), 0.5)
    signal[0, 70_001] = 1
    rows, columns = ink(drawn_one(signal)).nonzero()
    assert rows.min() < 3
    assert abs(columns[rows.argmin()] - 0.7 * WIDTH) < 3


def test_many_channels_of_a_signal_are_the_rows_of_an_image():
    signal = torch.rand(40, 100)
    assert np.array_equal(drawn_one(signal), to_bytes(signal[None]))


def test_a_vector_is_bars():
    sheet = ink(drawn_one(torch.tensor([0.0, 0.5, 1.0])))
    third = WIDTH // 3
    shares = [sheet[:, i * third + 8 : (i + 1) * third - 8].mean() for i in range(3)]
    assert shares == pytest.approx([0, 0.5, 1], abs=0.03)
    assert ink(drawn_one(torch.rand(240))).any() and ink(drawn_one(torch.rand(5000))).any()


def test_an_image_of_one_row_is_a_signal():
    row = torch.rand(2, 1, 240)
    assert np.array_equal(drawn_one(row), drawn_one(row[:, 0]))
    assert np.array_equal(drawn_one(row.transpose(1, 2)), drawn_one(row[:, 0]))


@pytest.mark.parametrize("channels", [1, 2, 3])
def test_a_volume_is_its_middle_slices(channels):
    volume = torch.rand(channels, 4, 6, 5)
    sheet = drawn_one(volume)
    front = drawn_one(volume[:, 2])
    side = drawn_one(volume[..., 2].transpose(1, 2))  # depth goes to the right
    top = drawn_one(volume[:, :, 3])  # depth goes down
    height, width = front.shape[:2]
    assert np.array_equal(sheet[:height, :width], front)
    assert np.array_equal(sheet[: len(side), width + 1 : width + 1 + side.shape[1]], side)
    assert np.array_equal(sheet[height + 1 :, : top.shape[1]], top)
    frames = slices(volume)
    assert len(frames) == 4
    for i, frame in enumerate(frames):
        assert np.array_equal(frame, drawn_one(volume[:, i]))


@pytest.mark.parametrize(
    "shape",
    [
        *((1, 1, 240), (2, 1, 10_000), (1, 8, 1024), (8, 1024), (3, 7, 512), (2, 512, 3), (240,)),
        *((9,), (1, 2), (1, 3, 3), (1, 64, 2, 2), (3, 16, 112, 112), (200, 5000), (7, 1, 1)),
    ],
)
def test_inputs_of_every_shape_are_drawn_at_a_size_that_can_be_looked_at(shape):
    high, wide, _ = enlarge(drawn_one(torch.rand(shape))).shape
    assert 56 <= high <= 1120 and 56 <= wide <= 8192
