"""Images in [0, 1] as files that people look at."""

from io import BytesIO
from typing import Any

import numpy as np
from PIL import Image
from torch import Tensor

ENLARGED = 280
"""The height in pixels that small images are enlarged to, at least half of it."""

LONGEST = 8192
"""Pixels of a picture's side at the most: browsers and TensorBoard draw no much longer ones."""

SMALL = 64 * 64
"""Pixels up to which a picture's 256 colors are chosen with care: in 10 ms."""


def to_bytes(images: Tensor) -> np.ndarray:
    """Turns images `[..., C, H, W]` in [0, 1], C = 1 or 3, into uint8 pixels `[..., H, W, 3]`.

    One channel is shown as gray. Whatever else a CNN may take, `drawn_inputs.drawn` draws.
    """
    pixels = (images.detach().cpu().float() * 255).round().byte().numpy()
    pixels = np.moveaxis(pixels, -3, -1)
    if pixels.shape[-1] == 1:
        return np.repeat(pixels, 3, axis=-1)
    return np.ascontiguousarray(pixels)


def enlarge(pixels: np.ndarray, height: int = ENLARGED) -> np.ndarray:
    """Enlarges pixels `[..., H, W, 3]` by the whole number that brings H nearest below `height`.

    Each pixel becomes a square of equal pixels, so nothing is shown that is not in the image. A
    wide picture is enlarged less, so that it is four times as wide as `height` at the most. Where a
    side would then be less than a quarter of `height`, it alone is enlarged further, and pixels
    become rectangles; a side of more than `LONGEST` pixels is averaged down.
    """
    rows, columns = pixels.shape[-3:-1]
    factor = max(1, min(height // rows, 4 * height // columns))
    narrowest = height // 4
    for axis, side in ((-3, rows), (-2, columns)):
        if side > LONGEST:
            pixels = _averaged(pixels, axis, -(-side // LONGEST))
        else:
            repeats = factor if side * factor >= narrowest else max(factor, narrowest // side)
            pixels = pixels.repeat(repeats, axis=axis)
    return pixels


def _averaged(pixels: np.ndarray, axis: int, number: int) -> np.ndarray:
    """Takes the means of so many pixels each along an axis; the last may be of fewer."""
    firsts = np.arange(0, pixels.shape[axis], number)
    sums = np.add.reduceat(pixels, firsts, axis, dtype=np.float64)
    counts = np.diff(firsts, append=pixels.shape[axis])
    means = np.moveaxis(np.moveaxis(sums, axis, -1) / counts, -1, axis)
    return means.round().astype(np.uint8)


def png(pixels: np.ndarray) -> bytes:
    """Returns pixels `[H, W, 3]` as a PNG file."""
    # Level 1 writes a contact sheet ten times as fast as level 6, and hardly larger.
    return _file(Image.fromarray(pixels), "PNG", compress_level=1)


def sprite(rows: np.ndarray) -> bytes:
    """Lays small pictures out in one PNG file of 256 colors, for pages that show many.

    Args:
        rows: Pixels `[R, C, H, W, 3]`: R rows of C cells.
    """
    number, columns, height, width, _ = rows.shape
    sheet = rows.swapaxes(1, 2).reshape(number * height, columns * width, 3)
    return _file(_in_256_colors(sheet), "PNG")


def enlarged_png(pixels: np.ndarray) -> bytes:
    """Returns pixels `[H, W, 3]`, enlarged, as a PNG file of 256 colors.

    The colors are chosen before it is enlarged: the same ones, in half the time.
    """
    if max(pixels.shape) > LONGEST:  # then pixels are averaged
        return sprite(enlarge(pixels)[None, None])
    picture = _in_256_colors(pixels)
    larger = Image.fromarray(enlarge(np.asarray(picture)[..., None])[..., 0])
    palette = picture.getpalette()
    assert palette is not None  # it is quantized
    larger.putpalette(palette)
    return _file(larger, "PNG")


def _file(picture: Image.Image, kind: str, **options: Any) -> bytes:
    """Returns a picture as a file of a kind."""
    file = BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def _in_256_colors(pixels: np.ndarray) -> Image.Image:
    """Gives pixels `[H, W, 3]` a palette of their own: a third of the size, hardly to be told.

    If there are no more colors, these. Else those of Pillow's maximum coverage for a single small
    picture, of an octree for what is larger. Measured on the pictures of a report, how far colors
    are off, of 255, on average and at the most, and milliseconds a picture:

    | | maximum coverage | octree | median cut |
    |---|---|---|---|
    | 92 pictures of 28 x 28 pixels | 0.4, 10, 4.4 | 1.3, 15, 0.2 | 1.1, 149, 2.9 |
    | a smooth gradient of 64 x 64 | 3.5, 12, 10 | 5.3, 36, 0.3 | 3.6, 14, 5.8 |
    | 22 sheets of up to 336 x 196 | 6.5, 36, 28 | 3.3, 61, 0.6 | 3.2, 131, 21 |
    | 4 sheets of up to 1698 x 1043 | 3.4, 34, 80 | 2.0, 60, 12 | 1.4, 127, 111 |
    """
    picture = Image.fromarray(pixels)
    if picture.getcolors(256) is None:  # there are more
        small = picture.width * picture.height <= SMALL
        method = Image.Quantize.MAXCOVERAGE if small else Image.Quantize.FASTOCTREE
        return picture.quantize(256, method, dither=Image.Dither.NONE)
    packed = pixels.astype(np.int32) @ [1, 2**8, 2**16]
    colors, places = np.unique(packed, return_inverse=True)
    picture = Image.fromarray(places.reshape(packed.shape).astype(np.uint8))
    picture.putpalette(colors.astype("<i4").view(np.uint8).reshape(-1, 4)[:, :3].tobytes())
    return picture


def shrunk(pixels: np.ndarray, side: int) -> np.ndarray:
    """Brings pixels `[..., H, W, 3]` down to at most `side`, by averaging whole squares.

    Of a picture much longer than wide, the shorter side is not shrunk below a seventh of `side`.
    """
    height, width = pixels.shape[-3:-1]
    factor = -(-max(height, width) // side)
    if factor == 1:
        return pixels
    narrow = max(1, side // 7)
    down, across = (max(1, min(factor, length // narrow)) for length in (height, width))
    rows, columns = height // down, width // across
    cut = pixels[..., : rows * down, : columns * across, :].astype(np.float32)
    squares = cut.reshape(*pixels.shape[:-3], rows, down, columns, across, 3)
    return squares.mean((-4, -2)).round().astype(np.uint8)


def squared(pixels: np.ndarray, side: int) -> np.ndarray:
    """Brings pixels `[H, W, 3]` to `[side, side, 3]`: small ones repeated, large ones averaged."""
    how = Image.Resampling.BOX if max(pixels.shape) > side else Image.Resampling.NEAREST
    return np.asarray(Image.fromarray(pixels).resize((side, side), how))


def gif(frames: list[np.ndarray], milliseconds: int = 250) -> bytes:
    """Returns frames `[H, W, 3]` as an endless GIF that rests four times as long on the last one.

    All frames share one palette, drawn from all of them, so colors do not flicker between frames.
    """
    palette = Image.fromarray(np.concatenate(frames)).quantize(256)
    pictures = [
        Image.fromarray(frame).quantize(palette=palette, dither=Image.Dither.NONE)
        for frame in frames
    ]
    return _file(
        pictures[0],
        "GIF",
        save_all=True,
        append_images=pictures[1:],
        duration=[milliseconds] * (len(frames) - 1) + [4 * milliseconds],
        loop=0,
    )


def colorfulness(images: Tensor) -> Tensor:
    """How colorful images are: 0 is gray, 33 moderately, 109 extremely colorful.

    After Hasler and Süsstrunk, "Measuring colourfulness in natural images" (2003), equation (6),
    on their scale of 0 to 255 for each channel.

    Args:
        images: `[N, 3, H, W]` in [0, 1].

    Returns:
        `[N]`.
    """
    red, green, blue = (images * 255).flatten(2).unbind(1)
    one, other = red - green, (red + green) / 2 - blue
    spread = (one.var(1, correction=0) + other.var(1, correction=0)).sqrt()
    offset = (one.mean(1) ** 2 + other.mean(1) ** 2).sqrt()
    return spread + 0.3 * offset
