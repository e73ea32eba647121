import io

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from prober.common.pictures import (
    colorfulness,
    enlarge,
    enlarged_png,
    gif,
    png,
    shrunk,
    sprite,
    squared,
    to_bytes,
)
from tests import plain


def rng(seed=0):
    return np.random.default_rng(seed)


def random_pixels(height, width, seed=0):
    return rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def test_to_bytes_is_every_pixel_times_255():
    images = torch.rand(2, 3, 4, 5, dtype=torch.float64)
    pixels = to_bytes(images)
    assert pixels.dtype == np.uint8
    assert pixels.shape == (2, 4, 5, 3)
    for n, c, h, w in np.ndindex(2, 3, 4, 5):
        assert abs(int(pixels[n, h, w, c]) - images[n, c, h, w].item() * 255) <= 0.5001
    ends = to_bytes(torch.tensor([0.0, 1.0]).expand(3, 1, 2))
    assert ends.tolist() == [[[0] * 3, [255] * 3]]


def test_one_channel_is_gray():
    image = torch.rand(3, 4, 6)
    gray = to_bytes(image[:1])
    assert gray.shape == (4, 6, 3)
    assert (gray == gray[..., :1]).all()
    assert np.array_equal(gray[..., 0], to_bytes(image)[..., 0])


@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 90))
def test_enlarge_makes_squares_of_equal_pixels_or_rectangles_where_it_is_narrow(
    height, width, wanted
):
    pixels = random_pixels(height, width)
    large = enlarge(pixels, wanted)
    factor = max(1, min(wanted // height, 4 * wanted // width))
    down, across = (
        factor if side * factor >= wanted // 4 else max(factor, wanted // 4 // side)
        for side in (height, width)
    )
    if 1 / 4 <= height / width <= 4:
        assert down == across == max(1, wanted // height)
    assert large.shape == (height * down, width * across, 3)
    as_pillow = Image.fromarray(pixels).resize(large.shape[1::-1], Image.Resampling.NEAREST)
    assert np.array_equal(large, np.asarray(as_pillow))


@given(st.integers(5, 600))
def test_enlarged_pictures_are_about_280_high(height):
    high = len(enlarge(random_pixels(height, 20)))
    assert high == height if height > 140 else 140 < high <= 280
    assert high % height == 0


@pytest.mark.parametrize(
    ("height", "width", "expected"),
    [
        (7, 512, (70, 1024)),
        (8, 1024, (64, 1024)),
        (512, 7, (512, 70)),
        (2, 5000, (70, 5000)),
        (1000, 1000, (1000, 1000)),
        (3, 20_000, (69, 6667)),
        (70_000, 70, (7778, 70)),
    ],
)
def test_narrow_and_long_pictures_are_of_a_size_that_can_be_looked_at(height, width, expected):
    pixels = np.full((height, width, 3), 90, np.uint8)
    large = enlarge(pixels)
    assert large.shape == (*expected, 3)
    assert (large == 90).all()


def test_a_side_that_is_too_long_is_averaged():
    pixels = random_pixels(1, 20_000)
    large = enlarge(pixels)[0].astype(float)
    means = [pixels[0, i : i + 3].mean(0) for i in range(0, 20_000, 3)]  # the last of two
    assert np.abs(large - means).max() <= 0.5


def test_enlarges_each_of_several():
    several = np.stack([random_pixels(28, 28, seed) for seed in range(3)])
    large = enlarge(several)
    assert large.shape == (3, 280, 280, 3)
    for picture, pixels in zip(large, several, strict=True):
        assert np.array_equal(picture, enlarge(pixels))


def test_png_holds_every_pixel():
    pixels = random_pixels(7, 9)
    file = png(pixels)
    assert file.startswith(b"\x89PNG")
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(file))), pixels)


def read_gif(data):
    picture = Image.open(io.BytesIO(data))
    frames, durations = [], []
    for i in range(picture.n_frames):
        picture.seek(i)
        frames.append(np.asarray(picture.convert("RGB")))
        durations.append(picture.info["duration"])
    return frames, durations, picture.info["loop"]


def test_gif_plays_the_frames_and_rests_on_the_last():
    red, green, blue = (np.zeros((20, 30, 3), np.uint8) for _ in range(3))
    for c, frame in enumerate((red, green, blue)):
        frame[..., c] = 255
    shown = [red, green, blue, red]
    frames, durations, loop = read_gif(gif(shown, milliseconds=120))
    assert durations == [120, 120, 120, 480]
    assert loop == 0
    for frame, expected in zip(frames, shown, strict=True):
        assert np.abs(frame.astype(int) - expected).max() <= 8


def test_gif_of_a_single_frame():
    frames, _, _ = read_gif(gif([random_pixels(10, 10)]))
    assert len(frames) == 1


def test_colors_of_a_gif_come_near_and_do_not_flicker():
    frames = [random_pixels(28, 28, seed) for seed in range(4)]
    for frame in frames:
        frame[:5] = (200, 40, 90)
    read, _, _ = read_gif(gif(frames))
    assert len(read) == 4
    for frame, expected in zip(read, frames, strict=True):
        assert np.abs(frame.astype(int) - expected).mean() < 20
        assert np.array_equal(frame[:5], read[0][:5])


@given(st.integers(1, 3), st.integers(1, 9), st.integers(1, 9), st.integers(0, 10))
def test_colorfulness_is_that_of_the_paper(number, height, width, seed):
    images = torch.from_numpy(rng(seed).random((number, 3, height, width)))
    expected = [plain.colorfulness(image) for image in images]
    assert colorfulness(images).tolist() == pytest.approx(expected, rel=1e-9)


def test_colorfulness_by_hand():
    gray = torch.rand(1, 1, 6, 6).expand(1, 3, 6, 6)
    red = torch.zeros(1, 3, 6, 6)
    red[:, 0] = 1
    assert colorfulness(gray).item() == pytest.approx(0, abs=1e-3)
    # No spread, and a mean of (255, 127.5) in the two opponents.
    assert colorfulness(red).item() == pytest.approx(0.3 * (255**2 + 127.5**2) ** 0.5, rel=1e-6)


def test_a_sprite_has_its_cells_in_rows_and_columns():
    colors = np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255]], [[0, 0, 0], [255] * 3, [9, 9, 9]]])
    cells = np.broadcast_to(colors[:, :, None, None], (2, 3, 4, 5, 3)).astype(np.uint8)
    with Image.open(io.BytesIO(sprite(cells))) as picture:
        pixels = np.asarray(picture.convert("RGB")).astype(int)
    assert pixels.shape == (2 * 4, 3 * 5, 3)
    for row, column in np.ndindex(2, 3):
        cell = pixels[row * 4 : row * 4 + 4, column * 5 : column * 5 + 5]
        assert (cell == colors[row, column]).all()


def test_shrinking_averages_whole_squares():
    pixels = random_pixels(9, 12)
    small = shrunk(pixels[None], 5)[0]  # by 3, the fewest that bring 12 to 5 or less
    assert small.shape == (3, 4, 3)
    for row, column in np.ndindex(3, 4):
        square = pixels[row * 3 : row * 3 + 3, column * 3 : column * 3 + 3].reshape(9, 3)
        assert np.abs(small[row, column] - square.mean(0)).max() <= 0.5
    assert (shrunk(pixels, 12) == pixels).all()
    assert shrunk(random_pixels(7, 512), 56).shape == (7, 51, 3)
    assert shrunk(random_pixels(500, 20), 56).shape == (55, 10, 3)


def test_a_square_shows_small_pictures_pixel_by_pixel_and_large_ones_averaged():
    small = random_pixels(4, 4)
    assert (squared(small, 16) == np.kron(small, np.ones((4, 4, 1), np.uint8))).all()
    large = random_pixels(32, 32)
    means = large.reshape(8, 4, 8, 4, 3).mean((1, 3))
    assert np.abs(squared(large, 8) - means).max() <= 1


def smooth_pixels(height, width):
    y, x = np.mgrid[0:height, 0:width] * 255 // (max(height, width) - 1)
    return np.stack([x, y, 255 - (x + y) // 2], -1).astype(np.uint8)


def grays_and_a_color():
    """All 256 grays, and one color more."""
    grays = (np.arange(28 * 28) // 3).clip(max=255).astype(np.uint8)
    pixels = grays.reshape(28, 28, 1).repeat(3, 2)
    pixels[::7, ::7] = 255, 0, 0
    return pixels


def half_dark(height, width):
    pixels = random_pixels(height, width)
    pixels[: height // 2] //= 100
    return pixels


OFF = {
    "smooth": (smooth_pixels(28, 28), 3.5, 14),
    "smooth and larger": (smooth_pixels(64, 64), 4, 14),
    "smooth and large": (smooth_pixels(224, 224), 6.5, 42),
    "grays and a color": (grays_and_a_color(), 0.02, 2),
    "noise": (random_pixels(28, 28), 7.5, 32),
    "half dark": (half_dark(28, 28), 2.2, 28),
    "wide": (half_dark(7, 90), 2.2, 26),
    "longer than is drawn": (half_dark(3, 20_000), 8, 55),
}
"""Pictures, and how far their colors may be off: on average, and any of them."""


@pytest.mark.parametrize("name", OFF)
def test_an_enlarged_picture_has_256_colors_near_to_its_own(name):
    pixels, mean, most = OFF[name]
    with Image.open(io.BytesIO(enlarged_png(pixels))) as picture:
        assert picture.mode == "P"
        found = np.asarray(picture.convert("RGB")).astype(int)
    assert len(np.unique(found.reshape(-1, 3), axis=0)) <= 256
    expected = enlarge(pixels)
    assert found.shape == expected.shape
    off = np.abs(found - expected)
    assert off.mean() <= mean
    assert off.max() <= most


def test_an_enlarged_picture_of_few_colors_has_these():
    pixels = random_pixels(28, 28) // 200 * 77  # of each channel two values
    with Image.open(io.BytesIO(enlarged_png(pixels))) as picture:
        assert (np.asarray(picture.convert("RGB")) == enlarge(pixels)).all()
