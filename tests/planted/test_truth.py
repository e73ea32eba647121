"""The truth about the planted CNNs, held against images that have no part in stating it."""

from functools import cache

import numpy as np
import pytest
import torch

from prober.subject import Subject
from tests.planted import STYLES, PlantedCNN, plant
from tests.planted.stimuli import FLAT, HUES, apart, bar, phase
from tests.planted.truth import run

pytestmark = pytest.mark.planted

SEEDS = range(len(STYLES))  # one of each style
ANGLES = np.arange(0, 180, 15.0)


@cache
def planted(seed):
    return plant(seed)


@cache
def responses(seed):
    """For each channel the responses of the middle to flat colors, bars and noise, above gray's."""
    known = planted(seed)
    side = known.input_shape[1]
    gray = known.middle(torch.full((1, 3, side, side), 0.5))[0]
    flat = lambda colors: torch.tensor(colors).float()[:, :, None, None].expand(-1, -1, side, side)  # noqa: E731
    widths, offsets = (1, 2, 3.5), range(-5, 6)
    bars = np.array([[bar(side, a, w, o) for w in widths for o in offsets] for a in ANGLES])
    bars = torch.from_numpy(np.concatenate([bars, 1 - bars], axis=1)).float()
    barred = known.middle(bars.reshape(-1, 1, side, side).expand(-1, 3, -1, -1))
    noise = torch.rand(64, 3, side, side, generator=torch.Generator().manual_seed(0))
    return {
        "gray": gray,
        "hues": (known.middle(flat(FLAT)) - gray).numpy(),
        "neutral": (known.middle(flat([[0.0] * 3, [1.0] * 3])) - gray).numpy(),
        "bars": (barred - gray).numpy().reshape(len(ANGLES), bars.shape[1], -1),
        "noise": (known.middle(noise) - gray).numpy(),
    }


def rise(seed, unit, image):
    known = planted(seed)
    return float((known.middle(image[None])[0] - responses(seed)["gray"])[unit.channel])


def of_kind(seed, kind):
    units = planted(seed).units
    return [unit for unit in units if unit.kinds == [kind] and not unit.polysemantic]


def everything(seed, channel):
    own = responses(seed)
    return np.concatenate(
        [own[key][..., channel].ravel() for key in ("hues", "neutral", "bars", "noise")]
    )


def test_there_are_enough_units_of_every_sort():
    units = [unit for seed in SEEDS for unit in planted(seed).units]
    assert len(units) >= 200
    assert len({unit.recipe for unit in units}) > 100
    sorts = [(tuple(unit.kinds), unit.polysemantic) for unit in units]
    for sort in (
        (("color",), False),
        (("shape",), False),
        (("color+shape",), False),
        (("brightness",), False),
        ((), False),
        (("color", "shape"), True),
        (("color",), True),
        (("shape",), True),
    ):
        assert sorts.count(sort) >= 8, sort
    assert sum(unit.quiet for unit in units) >= 20


@pytest.mark.parametrize("seed", SEEDS)
def test_stated_images_are_the_best(seed):
    for unit in planted(seed).units:
        if unit.facets:
            best = max(rise(seed, unit, facet.image) for facet in unit.facets)
            assert best > 0
            assert everything(seed, unit.channel).max() <= 1.02 * best, unit.recipe


@pytest.mark.parametrize("seed", SEEDS)
def test_color_units_want_their_hue(seed):
    for unit in of_kind(seed, "color"):
        own, best = responses(seed), rise(seed, unit, unit.facets[0].image)
        hues = own["hues"][:, unit.channel]
        assert apart(phase(hues), unit.hue, 360) < 6, unit.recipe
        assert hues[np.argmin(np.abs(HUES - unit.hue))] > 0.4 * hues.max(), unit.recipe
        for key in ("bars", "neutral"):
            assert own[key][..., unit.channel].max() < 0.4 * best, unit.recipe


@pytest.mark.parametrize("seed", SEEDS)
def test_shape_units_want_a_bar_of_their_angle(seed):
    for unit in of_kind(seed, "shape"):
        own, best = responses(seed), rise(seed, unit, unit.facets[0].image)
        bars = own["bars"][..., unit.channel].max(1)
        for key in ("hues", "neutral"):
            assert own[key][:, unit.channel].max() < 0.4 * best, unit.recipe
        if bars.max() > 0.1 * best:  # beyond a high threshold a bar may not get
            upper = np.clip(bars - (bars.max() + bars.min()) / 2, 0, None)
            mean = np.degrees(np.angle((upper * np.exp(2j * np.radians(ANGLES))).sum())) / 2
            assert apart(mean, unit.orientation, 180) < 12, unit.recipe
            assert (
                bars[np.argmin(np.abs(ANGLES - (unit.orientation + 90) % 180))] < 0.6 * bars.max()
            )


def test_angles_are_counterclockwise():
    image = bar(9, 45, 1)
    assert min(image[0, 8], image[8, 0]) > 0.99
    assert max(image[0, 0], image[8, 8]) < 0.01


@pytest.mark.parametrize("seed", SEEDS)
def test_color_and_shape_units_want_both(seed):
    for unit in of_kind(seed, "color+shape"):
        image = unit.facets[0].image
        best = rise(seed, unit, image)
        own = responses(seed)
        for key in ("hues", "neutral", "bars"):
            assert own[key][..., unit.channel].max() < 0.4 * best, unit.recipe
        gray = image.mean(0, keepdim=True).expand(3, -1, -1)
        assert rise(seed, unit, gray) < 0.4 * best, unit.recipe


@pytest.mark.parametrize("seed", SEEDS)
def test_brightness_units_want_black_or_white(seed):
    for unit in of_kind(seed, "brightness"):
        neutral = responses(seed)["neutral"][:, unit.channel]
        assert neutral.max() >= 0.999 * everything(seed, unit.channel).max(), unit.recipe
        assert neutral.min() <= 0, unit.recipe


@pytest.mark.parametrize("seed", SEEDS)
def test_polysemantic_units_want_either_of_two(seed):
    for unit in planted(seed).units:
        if unit.polysemantic:
            one, other = (facet.image for facet in unit.facets)
            lower, upper = sorted(rise(seed, unit, image) for image in (one, other))
            assert lower > 0.84 * upper, unit.recipe
            way = [one * (1 - t) + other * t for t in np.linspace(0, 1, 21)]
            assert min(rise(seed, unit, image) for image in way) < 0.88 * lower, unit.recipe


@pytest.mark.parametrize("seed", SEEDS)
def test_dead_units_do_not_move(seed):
    known = planted(seed)
    optima = torch.stack([facet.image for unit in known.units for facet in unit.facets])
    moved = (known.middle(optima) - responses(seed)["gray"]).abs().amax(0)
    for unit in known.units:
        if unit.dead:
            slack = 1e-5 * max(1, abs(float(responses(seed)["gray"][unit.channel])))
            assert np.abs(everything(seed, unit.channel)).max() < slack, unit.recipe
            assert moved[unit.channel] < slack, unit.recipe


@pytest.mark.parametrize("seed", SEEDS)
def test_quiet_units_give_no_gradient_from_noise(seed):
    known = planted(seed)
    generator = torch.Generator().manual_seed(seed)
    starts = torch.randn(4, *known.input_shape, generator=generator).clamp(0, 1)
    quiet = [unit for unit in known.units if unit.quiet]
    starts.requires_grad_()
    output = run(known, starts, known.layers[0])
    middle = (
        output.flatten(2)[..., output.flatten(2).shape[2] // 2] if output.dim() == 4 else output
    )
    for unit in quiet:
        (slope,) = torch.autograd.grad(middle[:, unit.channel].sum(), starts, retain_graph=True)
        assert not slope.any(), unit.recipe
        assert rise(seed, unit, unit.facets[0].image) > 0, unit.recipe


def test_same_seed_same_cnn():
    one, again, other = PlantedCNN(6), PlantedCNN(6), PlantedCNN(14)
    for name, value in one.state_dict().items():
        assert torch.equal(value, again.state_dict()[name])
    first = next(iter(one.state_dict().values())), next(iter(other.state_dict().values()))
    assert first[0].shape != first[1].shape or not torch.equal(*first)


@pytest.mark.parametrize("seed", SEEDS)
def test_prober_loads_them(seed):
    known = planted(seed)
    settings = known.config()["model"]["subject"]
    settings.pop("cnn")
    subject = Subject(PlantedCNN(**known.init_args), **settings)
    layer = known.layers[0]
    assert subject.layers[layer].shape[0] == len(known.units) + len(known.disputable)
    image = torch.rand(2, *known.input_shape, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(subject(image, [layer])[layer], run(known, image, layer))
