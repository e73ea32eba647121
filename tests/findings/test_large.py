"""Large images: fewer stimuli that are as coarse as the image, and a search that holds little."""

import math
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from prober.ascent.method import Method
from prober.ascent.parameterizations import Fourier
from prober.common.frequencies import frequencies
from prober.findings import stimuli, tuning
from prober.findings.ascents import push_away
from prober.findings.effort import effort
from prober.findings.responses import Responses, scores
from prober.findings.search_starts import Start, brought_to_neuron, choose_starts
from prober.findings.tuning import Battery, phase
from prober.findings.units import Unit
from prober.findings.windows import window_of
from prober.subject import Subject

LARGE = (3, 96, 96)
CONV = ("conv", None)
ANGLES = {1: 30.0, 2: 120.0}
PERIODS = {1: 24.0, 2: 5.0}


class Planted(nn.Module):
    """Unit 0 wants green, 1 a broad stroke of 30 degrees, 2 a fine one of 120."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 25, stride=4)
        rows, columns = torch.meshgrid(*[torch.arange(25.0) - 12] * 2, indexing="ij")
        blob = torch.exp(-(rows**2 + columns**2) / 60)
        with torch.no_grad():
            self.conv.bias[:] = 0
            self.conv.weight[0] = torch.tensor([-0.6, 1.0, -0.6])[:, None, None] * blob / blob.sum()
            for unit, angle in ANGLES.items():
                # Rows run downward: a stroke of 30 degrees goes 0.87 to the right and 0.5 up.
                radians = math.radians(angle)
                across = columns * math.sin(radians) + rows * math.cos(radians)
                gabor = torch.cos(across * 2 * math.pi / PERIODS[unit]) * blob
                self.conv.weight[unit] = (gabor - gabor.mean()) / gabor.abs().sum()

    def forward(self, images):
        return self.conv(images)


@pytest.fixture(scope="module")
def subject():
    return Subject(Planted(), input_shape=LARGE)


@pytest.fixture(scope="module")
def window(subject):
    return window_of(subject, *CONV)


@pytest.fixture(scope="module")
def battery(subject, window):
    return Battery(subject, {CONV: window})


def test_small_images_have_all_stimuli_and_large_ones_a_quarter(battery):
    small = Subject(nn.Sequential(nn.Conv2d(3, 1, 5)), input_shape=(3, 28, 28))
    site = ("0", None)
    number = len(Battery(small, {site: window_of(small, *site)}).family)
    assert number == 9 + 72 + 24 * 3 * 7 * 2 + 24 * 6 * 4 + 12 * 12 * (3 * 2 * 3 + 3 * 4)
    assert len(battery.family) < number / 4


@pytest.mark.parametrize("side", [64, 224, 512])
def test_strokes_are_as_coarse_as_the_image(side):
    of = stimuli.choice((3, side, side))
    # At 64 pixels what small images have; then the coarsest grow with the side.
    assert of.widths[0] == pytest.approx(1.2) and of.widths[-1] == pytest.approx(4.5 * side / 64)
    assert 1 / of.frequencies[0].item() == pytest.approx(side / 4)
    assert 1 / of.frequencies[-1].item() == pytest.approx(3)
    steps = of.frequencies[1:] / of.frequencies[:-1]
    assert steps.numpy() == pytest.approx(steps[0].item(), rel=1e-5)
    assert steps[0] > 1


def test_no_block_of_stimuli_takes_much_memory():
    """Blocks of 10 MB at 224 pixels, where all stimuli together would take a gigabyte."""
    shape = (3, 224, 224)
    blocks = [make for family in tuning.FAMILIES.values() for make in family(shape)]
    strokes = [blocks[2](), blocks[-1]()]  # the first two are flat
    assert max(len(block) for block in strokes) <= 18
    assert sum(block.images.nbytes for block in strokes) < 32e6


def test_planted_hues_and_strokes_are_found_in_the_curves(battery):
    green = battery.curves(CONV, 0)
    assert phase(green.flat) == pytest.approx(120, abs=1)
    assert len(green.flat) == 24
    for unit, angle in ANGLES.items():
        curves = battery.curves(CONV, unit)
        assert battery.chosen.angles[curves.angles.argmax()] == angle
        best = battery.chosen.frequencies[curves.frequencies.argmax()].item()
        step = (battery.chosen.frequencies[1] / battery.chosen.frequencies[0]).item()
        assert abs(math.log(best * PERIODS[unit])) <= math.log(step)


def test_starts_excite_their_unit_at_its_neuron(subject, window, battery):
    units = [Unit("conv", channel) for channel in range(3)]
    others = torch.rand(4, *LARGE, generator=torch.Generator().manual_seed(0))
    answered = subject(others, ["conv"])["conv"].amax((2, 3))
    survey = SimpleNamespace(
        subject=subject,
        window=lambda unit: window,
        known=SimpleNamespace(battery=battery, real=None),
        pictures=others,
        to_pictures={CONV: Responses(answered, answered, answered)},
    )
    found = choose_starts(survey, units)
    for unit, starts in zip(units, found, strict=True):
        images = torch.stack([start.image for start in starts])
        best = scores(subject, [window.objective(unit)] * len(images), images).max().item()
        strongest = battery.responses[CONV][:, unit.channel].max().item()
        assert best == pytest.approx(strongest, rel=0.1)
        assert len(starts) <= 1 + 3 * effort(subject).peaks + effort(subject).others


def test_a_start_of_a_large_image_is_kept_in_bytes_and_one_of_a_small_image_as_it_is():
    image = torch.rand(LARGE, generator=torch.Generator().manual_seed(1))
    large, small = Start.of("flat", image), Start.of("flat", image[:, :28, :28])
    assert large.kept.nbytes * 4 == image.nbytes
    assert (large.make(LARGE, 0) - image).abs().max() <= 0.5 / 255 + 1e-6
    assert torch.equal(small.make((3, 28, 28), 0), image[:, :28, :28])


def test_what_is_pushed_away_is_soft_and_excites_its_unit(subject, window):
    """In pixels it would be noise of high frequencies."""
    objective = window.objective(Unit("conv", 2))
    known = [torch.rand(1, *LARGE, generator=torch.Generator().manual_seed(2))]
    method = Method(parameterization=Fourier(), transforms=())
    image = push_away(subject, [objective], known, torch.ones(1), window, method)[0]
    assert image.min() >= 0 and image.max() <= 1
    neutral = scores(subject, [objective], torch.full_like(image, 0.5))
    assert scores(subject, [objective], image) > neutral + 0.05
    power = torch.fft.fft2(image[0] - image[0].mean((1, 2), keepdim=True)).abs().square().sum(0)
    high = frequencies(*LARGE[1:]) > 0.25
    assert power[high].sum() / power.sum() < 0.5 * high.float().mean()


def test_what_lies_elsewhere_is_brought_to_the_neuron(subject, window):
    image = torch.zeros(1, *LARGE)
    image[0, 1, 8:33, 60:85] = 1  # a green square that the neuron in the middle does not see
    objective = [window.objective(Unit("conv", 0))]
    before = scores(subject, objective, image)
    shifted = brought_to_neuron(subject, "conv", [0], image, window)
    assert scores(subject, objective, shifted) > before + 0.5
