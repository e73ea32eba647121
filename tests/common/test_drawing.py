import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from prober.common.drawing import (
    GAP,
    INK,
    SMALLEST,
    Box,
    Paragraph,
    curve_points,
    font,
    paste_framed,
    side_by_side,
    text_block,
    thumb,
    wrapped,
)


@given(st.text("ab lmW", max_size=60), st.integers(8, 20), st.integers(40, 300))
def test_lines_fit_the_width_and_hold_every_letter(text, size, width):
    lines = wrapped(text, size, width)
    assert all(font(size).getlength(line) <= width for line in lines)
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")
    if len(lines) > 1:
        assert all(lines)


def test_a_text_is_cut_at_its_spaces():
    width = math.ceil(font(12).getlength("one two"))
    assert wrapped("one two three", 12, width) == ["one two", "three"]


def test_a_block_is_as_high_as_its_lines():
    block = text_block([Paragraph("one", INK, 10), Paragraph("two", INK, 20)], 100)
    assert block.size == (100, 10 + 6 + 20 + 6)
    pixels = np.asarray(block)
    for top, height in ((0, 16), (16, 26)):  # something stands in either line
        assert pixels[top : top + height].min() < 100
    assert text_block([Paragraph("a b c d e f g h", INK, 10)], 20).size[1] > 16


def test_a_frame_lies_around_the_picture():
    sheet = Image.new("RGB", (20, 20), "white")
    paste_framed(sheet, np.zeros((4, 6, 3), np.uint8), 5, 8)
    pixels = np.asarray(sheet)
    assert (pixels[8:12, 5:11] == 0).all()
    around = [pixels[7, 4:12], pixels[12, 4:12], pixels[7:13, 4], pixels[7:13, 11]]
    assert all((line == 0xBB).all() for line in around)
    assert (pixels[6] == 255).all() and (pixels[:, 12] == 255).all()


def test_points_of_a_curve_lie_between_its_limits():
    box = Box(10, 20, 110, 70)
    points = curve_points([0, 0.5, 1], [1.0, 2.0, 3.0], (1.0, 3.0), box)
    assert points == [(10, 70), (60, 45), (110, 20)]  # upward is less
    assert curve_points([0, 0.5, 1], [1.0, math.nan, math.inf], (1.0, 3.0), box) == [(10, 70)]
    assert curve_points([0.5], [2.0], (2.0, 2.0), box) == [(60, 70)]


@pytest.mark.parametrize(
    ("height", "width", "expected"),
    [
        (28, 28, (112, 112)),
        (48, 48, (144, 144)),
        (10, 28, (40, 112)),
        (40, 30, (120, 90)),
        (112, 112, (112, 112)),
        (224, 224, (160, 160)),
        (168, 84, (160, 80)),
        (2000, 3, (160, 28)),
        (1, 40, (28, 120)),
    ],
)
def test_a_thumbnail_can_be_seen_and_small_pictures_keep_their_pixels(height, width, expected):
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    small = thumb(pixels)
    assert small.shape == (*expected, 3) and 112 <= max(expected) <= 160
    times = expected[1] // width
    if times and expected[0] == times * height:
        assert np.array_equal(small, np.kron(pixels, np.ones((times, times, 1), np.uint8)))
    elif not times:
        assert small.mean() == pytest.approx(pixels.mean(), abs=4)


@pytest.mark.parametrize(("number", "rows", "columns"), [(1, 1, 1), (3, 2, 2), (5, 2, 3)])
def test_pictures_lie_side_by_side_in_order(number, rows, columns):
    grays = np.linspace(0, 200, number).astype(np.uint8)
    sheet = side_by_side([np.full((28, 28, 3), gray) for gray in grays])
    step = SMALLEST + GAP
    assert sheet.shape == (rows * step, columns * step, 3)
    for place in range(rows * columns):
        row, column = divmod(place, columns)
        cell = sheet[row * step : (row + 1) * step, column * step : (column + 1) * step]
        assert (cell[:SMALLEST, :SMALLEST] == (grays[place] if place < number else 255)).all()
        assert (cell[SMALLEST:] == 255).all() and (cell[:, SMALLEST:] == 255).all()
