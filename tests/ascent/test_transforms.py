import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from prober.ascent.starts import GaussianNoise
from prober.ascent.transforms import (
    Blur,
    Jitter,
    Noise,
    Padding,
    Rotation,
    Scale,
    Transforms,
    robust,
)
from prober.common.errors import InputError
from tests.common.test_frequencies import direct_blur

ALL = (Padding(2), Jitter(3), Scale(0.8, 1.3), Blur(1.5), Rotation(25), Noise(0.1), Jitter(1))
SIZES = [(3, 24, 24), (1, 17, 30), (2, 9, 8)]
sizes = pytest.mark.parametrize("shape", SIZES, ids=str)


def pictures(number, shape, dtype=torch.float64, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.rand((number, *shape), generator=generator, dtype=torch.float64).to(dtype)


def sources(plan, height, width):
    """From a plan: the matrix and the offset, in pixels from the middle as (x, y)."""
    halves = np.array([width / 2, height / 2])
    plan = np.asarray(plan)
    return plan[:, :2] * halves[:, None] / halves, plan[:, 2] * halves


def for_all(transforms, seeds, shape):
    """The same transformations for several targets."""
    return Transforms([transforms] * len(seeds), seeds, shape)


def drawn(transforms, steps, seed=0, shape=(1, 20, 20)):
    """The first plan of a single target at each step."""
    transforms = for_all(transforms, [seed], shape)
    return [transforms.draw().plans[0][0][0] for _ in range(steps)]


def wave(x, y):
    """A soft picture that goes on everywhere, at points counted from the middle in pixels."""
    return 0.5 + 0.2 * np.sin(0.11 * x + 0.3) + 0.2 * np.cos(0.13 * y - 0.05 * x)


def middle(height, width):
    y, x = np.mgrid[:height, :width]
    return x - (width - 1) / 2, y - (height - 1) / 2


def wave_picture(height, width):
    return torch.from_numpy(wave(*middle(height, width)))[None, None]


def assert_moved(found, matrix, offset, margin):
    """Checks a transformed wave against the wave at the points that were moved, off the edges."""
    height, width = found.shape
    x, y = middle(height, width)
    expected = wave(
        matrix[0, 0] * x + matrix[0, 1] * y + offset[0],
        matrix[1, 0] * x + matrix[1, 1] * y + offset[1],
    )
    inner = np.s_[margin : height - margin, margin : width - margin]
    np.testing.assert_allclose(found[inner], expected[inner], atol=3e-3)


def test_jitter_moves_by_whole_pixels_and_reflects_at_the_edge():
    picture = pictures(1, (3, 9, 7))
    transforms = for_all([Jitter(5)], [0], (3, 9, 7))
    seen = set()
    for _ in range(40):
        draw = transforms.draw()
        matrix, (right, down) = sources(draw.plans[0][0][0], 9, 7)
        np.testing.assert_allclose(matrix, np.eye(2), atol=1e-12)
        assert abs(right - round(right)) < 1e-9
        right, down = round(right), round(down)
        seen.add((right, down))
        padded = np.pad(picture[0].numpy(), ((0, 0), (5, 5), (5, 5)), mode="symmetric")
        expected = padded[:, 5 + down : 14 + down, 5 + right : 12 + right]
        np.testing.assert_allclose(transforms(picture, draw)[0], expected, atol=1e-12)
    assert len(seen) > 20


def test_jitter_goes_equally_often_to_every_place():
    moves = np.array([sources(plan, 20, 20)[1].round() for plan in drawn([Jitter(2)], 5000)])
    places, counts = np.unique(moves, axis=0, return_counts=True)
    assert sorted(map(tuple, places)) == [(x, y) for x in range(-2, 3) for y in range(-2, 3)]
    assert abs(counts - 200).max() < 4 * math.sqrt(200)


@pytest.mark.parametrize("size", [(60, 60), (48, 70)])
def test_rotation_turns_without_distortion(size):
    transforms = for_all([Rotation(30)], [1], (1, *size))
    for _ in range(5):
        draw = transforms.draw()
        matrix, offset = sources(draw.plans[0][0][0], *size)
        np.testing.assert_allclose(matrix @ matrix.T, np.eye(2), atol=1e-12)
        assert np.linalg.det(matrix) == pytest.approx(1)
        np.testing.assert_allclose(offset, 0, atol=1e-12)
        found = transforms(wave_picture(*size), draw)[0, 0].numpy()
        assert_moved(found, matrix, offset, 16)


@pytest.mark.parametrize("size", [(60, 60), (48, 70)])
def test_scale_enlarges_by_its_factor(size):
    transforms = for_all([Scale(1.6, 1.6)], [1], (1, *size))
    found = transforms(wave_picture(*size), transforms.draw())[0, 0].numpy()
    assert_moved(found, np.eye(2) / 1.6, np.zeros(2), 1)


def test_scale_and_rotation_cover_their_range_evenly():
    factors = [1 / sources(plan, 20, 20)[0][0, 0] for plan in drawn([Scale(0.7, 1.2)], 2000)]
    assert 0.7 <= min(factors) < 0.705 < 1.195 < max(factors) < 1.2
    assert np.mean(factors) == pytest.approx(0.95, abs=0.015)
    turned = [sources(plan, 20, 30)[0] for plan in drawn([Rotation(40)], 2000, shape=(1, 20, 30))]
    degrees = np.rad2deg([math.atan2(matrix[1, 0], matrix[0, 0]) for matrix in turned])
    assert -40 <= degrees.min() < -39.5 < 39.5 < degrees.max() <= 40
    assert degrees.std() == pytest.approx(80 / math.sqrt(12), rel=0.05)


def test_padding_shows_all_of_the_picture_within_gray():
    shape = (1, 40, 30)
    transforms = for_all([Padding(8)], [2], shape)
    borders = []
    for _ in range(200):
        draw = transforms.draw()
        found = transforms(torch.ones(1, *shape), draw)[0, 0].numpy()
        matrix, offset = sources(draw.plans[0][0][0], 40, 30)
        border = (30 - 30 / matrix[0, 0]) / 2
        assert border == pytest.approx((40 - 40 / matrix[1, 1]) / 2)
        np.testing.assert_allclose(offset, 0, atol=1e-12)
        borders.append(border)
        inner, outer = math.ceil(border) + 1, max(0, math.floor(border) - 1)
        assert np.allclose(found[inner:-inner, inner:-inner], 1)
        if outer:
            frame = np.concatenate([found[:outer], found[-outer:]], None)
            assert (frame == 0.5).all()
            assert (found[:, :outer] == 0.5).all()
            assert (found[:, -outer:] == 0.5).all()
        # The gray takes the area around what is left of the picture.
        left = (40 - 2 * border) * (30 - 2 * border)
        assert found.mean() == pytest.approx((left + 0.5 * (1200 - left)) / 1200, abs=0.02)
    assert 0 <= min(borders) < 0.2 < 7.8 < max(borders) < 8


def test_only_beside_a_padding_there_is_gray():
    white = torch.ones(1, 1, 20, 20)
    for others, lowest in (([], 1), ([Padding(0)], 0.5)):
        transforms = for_all([Jitter(9), *others, Rotation(30)], [0], (1, 20, 20))
        darkest = min(transforms(white, transforms.draw()).min().item() for _ in range(20))
        assert darkest == pytest.approx(lowest, abs=1e-5)


@pytest.mark.parametrize("jitter_first", [True, False])
def test_transformations_follow_each_other_in_their_order(jitter_first):
    size = (60, 50)
    chain = [Jitter(6), Scale(1.25, 1.25)]
    transforms = for_all(chain if jitter_first else chain[::-1], [4], (1, *size))
    far = 0
    for _ in range(5):
        draw = transforms.draw()
        _, offset = sources(draw.plans[0][0][0], *size)
        # Moved first, the picture's move is enlarged with it: in the picture's own pixels, which
        # offsets count in, it is whole. Moved last, it is whole in the result's.
        moved = offset if jitter_first else offset * 1.25
        np.testing.assert_allclose(moved, moved.round(), atol=1e-9)
        far = max(far, abs(moved).max())
        found = transforms(wave_picture(*size), draw)[0, 0].numpy()
        assert_moved(found, np.eye(2) / 1.25, offset, 8)
    assert far > 3


def test_neighbors_that_move_pixels_are_one_resampling():
    shape = (1, 9, 9)
    together = for_all([Padding(1), Jitter(2), Scale(), Rotation()], [0], shape)
    assert len(together.draw().plans[0]) == 1
    apart = for_all([Jitter(2), Blur(), Jitter(2), Rotation(), Noise(), Noise()], [0], shape)
    assert len(apart.draw().plans[0]) == 5


def test_blur_is_a_gaussian_of_each_pictures_own_width():
    images = pictures(4, (2, 12, 15))
    transforms = for_all([Blur(3.0)], [0, 1, 2, 3], (2, 12, 15))
    draw = transforms.draw()
    sigmas = draw.plans[0][0][:, 0].tolist()
    assert len({round(sigma, 6) for sigma in sigmas}) == 4
    wide = [i for i in range(4) if sigmas[i] > 0.8]  # a narrower one is not its samples
    assert len(wide) >= 2
    for i in wide:
        expected = direct_blur(images[i].numpy(), sigmas[i])
        np.testing.assert_allclose(transforms(images, draw)[i], expected, atol=2e-3)
    widths = [plan.item() for plan in drawn([Blur(3.0)], 1000)]
    assert 0 <= min(widths) < 0.02 < 2.98 < max(widths) < 3


def test_noise_is_gaussian_of_each_pictures_own_strength():
    shape = (3, 100, 100)
    transforms = for_all([Noise(0.2)], [0, 1], shape)
    gray = torch.full((2, *shape), 0.5)
    strengths, fields = [], []
    for _ in range(3):
        draw = transforms.draw()
        noise = (transforms(gray, draw) - gray).double()
        assert torch.equal(transforms(gray, draw), transforms(gray, draw))
        for own, plan in zip(noise, draw.plans[0][0], strict=True):
            assert own.std().item() == pytest.approx(plan[0].item(), rel=0.02)
            assert own.mean().item() == pytest.approx(0, abs=0.005)
            assert (own.abs() < plan[0]).double().mean().item() == pytest.approx(0.683, abs=0.01)
            strengths.append(plan[0].item())
            fields.append((own / own.norm()).flatten())
    assert len(set(strengths)) == 6
    alike = torch.stack(fields) @ torch.stack(fields).T - torch.eye(6)
    assert alike.abs().max() < 0.03
    widths = [plan[0].item() for plan in drawn([Noise(0.2)], 1000)]
    assert 0 <= min(widths) < 0.002 < 0.198 < max(widths) < 0.2


def test_numbers_of_a_target_do_not_depend_on_the_others():
    shape = (2, 12, 9)
    together = for_all(ALL, [5, 0, 7], shape)
    alone = for_all(ALL, [7], shape)
    for _ in range(150):  # some blocks of steps
        whole, one = together.draw().plans[0], alone.draw().plans[0]
        assert all(torch.equal(a[2:3], b) for a, b in zip(whole, one, strict=True))


def test_every_step_and_every_seed_has_other_numbers():
    shape = (2, 12, 9)
    transforms = for_all(ALL, [0, 1], shape)
    seen = {tuple(plan[:, 0].flatten().tolist()) for plan in first_plans(transforms, 150)}
    assert len(seen) == 150
    seen |= {tuple(plan[:, 0].flatten().tolist()) for plan in first_plans(transforms, 10)}
    assert len(seen) == 160
    for one, other in (plan[:, :2] for plan in first_plans(transforms, 20)):
        assert not torch.equal(one, other)


def first_plans(transforms, steps):
    return [transforms.draw().plans[0][0] for _ in range(steps)]


def test_numbers_are_the_targets_own_and_not_the_starts():
    shape = (1, 8, 8)
    torch.manual_seed(1)
    first = for_all(ALL, [3], shape).draw()
    after = torch.rand(3)
    torch.manual_seed(1)
    assert torch.equal(torch.rand(3), after)
    torch.set_default_dtype(torch.float64)
    try:
        again = for_all(ALL, [3], shape).draw()
    finally:
        torch.set_default_dtype(torch.float32)
    assert all(torch.equal(a, b) for a, b in zip(first.plans[0], again.plans[0], strict=True))

    strength = for_all([Noise(1.0)], [3], shape).draw().plans[0][0][0, 0].item()
    assert strength != torch.rand(1, generator=torch.Generator().manual_seed(3)).item()
    picture = torch.zeros(1, *shape)
    transforms = for_all([Noise(1.0)], [3], shape)
    noise = transforms(picture, transforms.draw())[0]
    start = GaussianNoise().make(shape, 3)
    assert not torch.allclose((noise / noise.std()).clamp(0, 1), start, atol=0.1)


@sizes
@pytest.mark.parametrize(("dtype", "error"), [(torch.float32, 1e-6), (torch.float64, 1e-13)])
def test_pictures_of_a_batch_do_not_mix(shape, dtype, error):
    images = pictures(5, shape, dtype).requires_grad_()
    transforms = for_all(ALL, range(5), shape)
    weights = pictures(5, shape, dtype, seed=1)
    for _ in range(3):
        draw = transforms.draw()
        found = transforms(images, draw)
        assert found.shape == images.shape
        assert found.dtype == dtype
        gradient = torch.autograd.grad((found * weights).sum(), images, retain_graph=True)[0]
        for i in range(5):
            own = images[i : i + 1].detach().clone().requires_grad_()
            alone = transforms(own, draw[i : i + 1])
            torch.testing.assert_close(found[i : i + 1], alone, rtol=0, atol=error)
            expected = torch.autograd.grad((alone * weights[i : i + 1]).sum(), own)[0]
            torch.testing.assert_close(gradient[i : i + 1], expected, rtol=0, atol=10 * error)
        reached = torch.autograd.grad(found[2].sum(), images)[0].flatten(1).any(1)
        assert reached.tolist() == [False, False, True, False, False]


def test_rows_of_a_draw_are_its_targets():
    images = pictures(4, (2, 12, 12))
    transforms = for_all(ALL, range(4), (2, 12, 12))
    draw = transforms.draw()
    whole = transforms(images, draw)
    rows = [3, 1]
    torch.testing.assert_close(transforms(images[rows], draw[rows]), whole[rows])
    torch.testing.assert_close(transforms(images[1:], draw[1:]), whole[1:])
    chosen = torch.tensor([True, False, False, True])
    torch.testing.assert_close(transforms(images[chosen], draw[chosen]), whole[chosen])


def test_gradients_are_right():
    transforms = for_all(ALL, [0, 1], (1, 6, 7))
    draw = transforms.draw()
    images = pictures(2, (1, 6, 7)).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: transforms(x, draw), images)


def test_precision_of_the_run_does_not_matter_within_autocast():
    images = pictures(2, (3, 20, 20), torch.float32)
    transforms = for_all(ALL, [0, 1], (3, 20, 20))
    draw = transforms.draw()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = transforms(images, draw)
    assert torch.equal(found, transforms(images, draw))


@given(
    st.sampled_from([Jitter(0), Scale(1, 1), Rotation(0), Padding(0), Blur(0), Noise(0)]),
    st.integers(1, 4),
    st.integers(1, 33),
    st.integers(1, 33),
)
def test_range_of_nothing_changes_nothing(transform, channels, height, width):
    shape = (channels, height, width)
    images = pictures(2, shape)
    transforms = for_all([transform], [0, 1], shape)
    torch.testing.assert_close(transforms(images, transforms.draw()), images, rtol=0, atol=1e-12)


def test_no_transformations_are_none():
    images = pictures(2, (3, 4, 5))
    transforms = for_all([], [0, 1], (3, 4, 5))
    assert torch.equal(transforms(images, transforms.draw()[:2]), images)


@given(st.integers(1, 3), st.integers(1, 300), st.integers(1, 300))
def test_robust_set_fits_any_size(channels, height, width):
    shape = (channels, height, width)
    transforms = for_all(robust(shape), [0], shape)
    found = transforms(torch.rand(1, *shape), transforms.draw())
    assert found.shape == (1, *shape)
    assert found.isfinite().all()


def test_robust_set_is_that_of_lucid_at_its_size():
    assert robust((3, 224, 300)) == (
        Padding(12),
        Jitter(8),
        Scale(0.9, 1.1),
        Rotation(10),
        Jitter(4),
    )
    assert robust((3, 112, 112)) == (
        Padding(6),
        Jitter(4),
        Scale(0.9, 1.1),
        Rotation(10),
        Jitter(2),
    )


@pytest.mark.parametrize(
    ("recipe", "settings", "message"),
    [
        (Jitter, {"pixels": -1}, "pixels of Jitter is -1; it must be 0 or more"),
        (Scale, {"low": 0}, "Scale goes from low = 0 to high = 1.1; low must be greater than 0"),
        (Scale, {"low": 1.2, "high": 1.0}, "Scale goes from low = 1.2 to high = 1.0"),
        (Scale, {"high": math.inf}, "Scale goes from low = 0.9 to high = inf"),
        (Scale, {"high": math.nan}, "Scale goes from low = 0.9 to high = nan"),
        (Rotation, {"degrees": -1}, "degrees of Rotation is -1; it must be 0 to 180"),
        (Rotation, {"degrees": 180.5}, "degrees of Rotation is 180.5; it must be 0 to 180"),
        (Padding, {"border": -1}, "border of Padding is -1; it must be 0 or more"),
        (Blur, {"sigma": math.nan}, "sigma of Blur is nan; it must be 0 or more"),
        (Noise, {"noise_std": -0.1}, "noise_std of Noise is -0.1; it must be 0 or more"),
    ],
)
def test_range_that_is_none_is_told(recipe, settings, message):
    with pytest.raises(InputError, match=message):
        recipe(**settings)


@pytest.mark.parametrize(
    ("transform", "message"),
    [
        (Jitter(9), "pixels of Jitter is 9; the pictures are 9 x 12, so it must be less than 9"),
        (
            Padding(5),
            r"border of Padding is 5; the pictures are 9 x 12, so it must be less than 4\.5",
        ),
    ],
)
def test_range_beyond_the_picture_is_told(transform, message):
    with pytest.raises(InputError, match=message):
        for_all([Blur(), transform], [0], (3, 9, 12))


def test_record_has_name_and_range():
    assert [t.record() for t in ALL[:6]] == [
        {"name": "Padding", "border": 2},
        {"name": "Jitter", "pixels": 3},
        {"name": "Scale", "low": 0.8, "high": 1.3},
        {"name": "Blur", "sigma": 1.5},
        {"name": "Rotation", "degrees": 25},
        {"name": "Noise", "noise_std": 0.1},
    ]
