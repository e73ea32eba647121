"""The truth about the planted CNNs, held against images that have no part in stating it."""

from functools import cache

import numpy as np
import pytest
import torch

from prober.subject import Subject
from tests.benchmarks.planted import compare, config
from tests.findings.planted import (
    FLAT,
    HUES,
    STYLES,
    PlantedCNN,
    apart,
    bar,
    phase,
    plant,
    run,
)

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
    settings = config(known)["model"]["subject"]
    settings.pop("cnn")
    subject = Subject(PlantedCNN(**known.init_args), **settings)
    layer = known.layers[0]
    assert subject.layers[layer].shape[0] == len(known.units) + len(known.disputable)
    image = torch.rand(2, *known.input_shape, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(subject(image, [layer])[layer], run(known, image, layer))


def claims(units):
    """Findings that are all right."""
    return [
        {
            "layer": unit.layer,
            "channel": unit.channel,
            "kinds": unit.kinds,
            "dead": unit.dead,
            "polysemantic": unit.polysemantic,
            "hue": unit.hue,
            "orientation": unit.orientation,
            "confidence": 0.97,
            "facets": [
                {"kind": facet.kind, "hue": facet.hue, "orientation": facet.orientation}
                for facet in reversed(unit.facets)
            ],
        }
        for unit in units
    ]


def test_compare_finds_nothing_wrong_in_the_truth():
    units = planted(2).units
    tally = compare(units, claims(units))
    assert (tally.kinds_right, tally.precision, tally.recall) == (1, 1, 1)
    assert not tally.wrong and not tally.missing
    assert tally.dead == {(True, True): 3, (False, False): 26}
    assert {*tally.hues, *tally.orientations, *tally.facet_hues, *tally.facet_orientations} == {0}
    assert "kinds right           100.0%" in tally.lines()
    assert tally.confidences == [(0.97, True)] * 29


def test_compare_counts_what_is_wrong():
    units = planted(2).units
    find = lambda test: next(i for i, unit in enumerate(units) if test(unit))  # noqa: E731
    findings = claims(units)
    color = find(lambda u: u.kinds == ["color"] and not u.polysemantic)
    shape = find(lambda u: u.kinds == ["shape"] and not u.polysemantic)
    either = find(lambda u: u.kinds == ["color", "shape"])
    dead = find(lambda u: u.dead)
    findings[color]["hue"] = (units[color].hue + 348) % 360
    findings[shape] |= {"kinds": ["color+shape"], "orientation": None}
    findings[either] |= {"polysemantic": False, "facets": findings[either]["facets"][:1]}
    findings[dead] |= {"kinds": ["unclear"], "dead": False}
    gone = find(lambda u: u.kinds == ["brightness"])
    del findings[gone]
    tally = compare(units, findings, "seed 2") + compare([], [])
    assert tally.kinds["shape", "color+shape"] == tally.kinds["", "unclear"] == 1
    assert tally.kinds["brightness", "nothing claimed"] == tally.missing == 1
    assert tally.kinds_right == pytest.approx(26 / 29)
    assert tally.dead[True, False] == tally.polysemantic[True, False] == 1
    assert tally.precision == 1 and tally.recall == pytest.approx(6 / 7)
    assert max(error for error in tally.hues) == pytest.approx(12)
    assert tally.orientations.count(None) == 1
    assert tally.facet_hues.count(None) + tally.facet_orientations.count(None) == 1
    assert len(tally.wrong) == 5
    assert sum(right for _, right in tally.confidences) == 25
    assert any(units[color].recipe in line and "hue" in line for line in tally.wrong)
