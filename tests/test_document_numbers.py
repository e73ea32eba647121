"""The defaults in the documents are those that there are, read from the pages' own words."""

import inspect
import re
from itertools import pairwise

import pytest

from prober.ascent.objectives import Objective, OfChannel
from prober.ascent.records import concrete
from prober.ascent.styles import LEAST_MOVED, far, look, transforms_of
from prober.ascent.transforms import Jitter, Rotation, Scale
from prober.cli.commands.report import DEFAULTS
from prober.findings.effort import COSTLY, OF_COSTLY_CNNS, OF_SMALL_IMAGES
from prober.findings.search_starts import various_initial_images
from prober.subject import Subject
from prober.sweep.grid import Grid
from tests.command_line import ROOT

WORDS = [
    "no",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
]
SIZES = (28, 31, 32, 64, 127, 128, 224, 512)


def words_of(page):
    """The words of a page, without line breaks."""
    return " ".join((ROOT / "docs" / page).read_text(encoding="utf-8").split())


def rows(page, first):
    """The cells of the rows of a page's tables that begin with a cell."""
    lines = (ROOT / "docs" / page).read_text(encoding="utf-8").splitlines()
    found = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]
    return [cells[1:] for cells in found if cells[0] == first]


def said(pattern, page):
    """The words that stand in a page in the places of a pattern, as numbers if they are some."""
    (found,) = re.findall(pattern, words_of(page))
    found = (found,) if isinstance(found, str) else found
    return [WORDS.index(each) if each in WORDS else float(each) for each in found]


def by_side(cell, side):
    """What a cell such as `1, from 128 pixels on 48` says of a side."""
    first, *others = re.split(r",? from (\d+)(?: pixels)? on ", cell)
    steps = [(0, first), *zip(map(int, others[::2]), others[1::2], strict=True)]
    assert all(one[0] < other[0] for one, other in pairwise(steps))
    return [value for least, value in steps if side >= least][-1]


@pytest.mark.parametrize("side", SIZES)
def test_what_the_styles_stand_for(side):
    legible, plain = (look(style, (3, side, side)) for style in ("legible", "plain"))
    ((of_legible, of_plain),) = rows("styles.md", "`model.lr`")
    rate, times = re.fullmatch(r"(.+) · (\d+) / side", by_side(of_legible, side)).groups()
    assert legible.lr == pytest.approx(float(rate) * int(times) / side)
    assert plain.lr == float(of_plain)
    for name in ("averaging", "batchnorm_statistics"):
        ((of_legible, of_plain),) = rows("styles.md", f"`model.{name}`")
        assert getattr(legible, name) == float(by_side(of_legible.partition(":")[0], side))
        assert getattr(plain, name) == float(of_plain)
    ((of_legible, of_plain),) = rows("styles.md", "`model.regularizers`")
    assert (of_legible, legible.regularizers) == ("none", ())
    named = [f"`{type(each).__name__}` at {each.weight:.0e}" for each in plain.regularizers]
    assert of_plain == ", ".join(named).replace("e-0", "e-")
    for name in ("parameterization", "initial_image"):
        first, *_ = rows("styles.md", f"`model.{name}`")
        for cell, style in zip(first, (legible, plain), strict=True):
            assert cell.partition(",")[0] == f"`{type(getattr(style, name)).__name__}`"
            for setting, value in re.findall(r"`(\w+)` ([\d.]+)", cell):
                assert getattr(getattr(style, name), setting) == float(value)


def test_how_legible_pictures_are_moved():
    ((whole,),) = rows("styles.md", "the whole image from 128 pixels on")
    padding, jitter, scale, rotation = far((3, 224, 224))
    assert whole.startswith(
        f"`Padding` of {padding.border} pixels of 224, `Jitter` by {jitter.pixels}, `Scale` by "
        f"{scale.low} to {scale.high}, `Rotation` by {rotation.degrees:g} degrees;"
    )
    assert rows("styles.md", f"less than {LEAST_MOVED} pixels") == [["nothing"]]
    ((coarse,),) = rows("styles.md", "the whole image below 128 pixels")
    share, degrees = re.fullmatch(
        r"`Jitter` by a fourteenth of the side, `Scale` by (\d+) %, `Rotation` by (\d+) degrees",
        coarse,
    ).groups()
    objective = Objective.from_record({"objective": "ChannelMean", "layer": "logits", "channel": 3})
    assert transforms_of("legible", objective, Subject()) == (
        Jitter(28 // 14),
        Scale(1 - int(share) / 100, 1 + int(share) / 100),
        Rotation(float(degrees)),
    )


def test_what_a_report_makes():
    page = "reports.md"
    assert said(
        r"A report runs a sweep \((\w+) seeds, (\w+) sorts of initial images, (\w+) sets of "
        r"regularizers in turn, the whole channel and (\w+) of its neurons;",
        page,
    ) == [
        OF_SMALL_IMAGES.seeds,
        len(various_initial_images((3, 28, 28))),
        len(DEFAULTS["grid.regularizers"]),
        OF_SMALL_IMAGES.positions,
    ]
    costly = OF_COSTLY_CNNS
    assert said(
        r"makes less of each unit: (\w+) seeds, each from another sort of initial image, of the "
        r"whole channel and of (\w+) neuron, (\d+) steps each, and a search for facets from \w+ to "
        r"\w+ starts of (\d+) steps",
        page,
    ) == [costly.seeds, costly.positions, costly.picture_steps, costly.steps]
    assert said(r"`-1` steps, the default, are (\d+) or (\d+),", page) == [
        OF_SMALL_IMAGES.picture_steps,
        costly.picture_steps,
    ]
    assert "more than half a billion operations" in words_of(page) and COSTLY == 0.5e9


def test_the_settings_of_objectives():
    own = [each for each in concrete(Objective) if each.__module__.startswith("prober.")]
    for each in own:
        ((_, settings),) = rows("objectives.md", f"`{each.__name__}`")
        told = re.findall(r"`(\w+)` \(([\d.]+)\)", settings)
        of = {name: p.default for name, p in inspect.signature(each).parameters.items()}
        numbers = {name: each for name, each in of.items() if isinstance(each, int | float)}
        assert {name: float(value) for name, value in told} == numbers, each.__name__
    assert len(own) > 5


def test_the_objectives_of_a_grid_are_all_named():
    names = {each.__name__ for each in concrete(OfChannel) if each.__module__.startswith("prober.")}
    ((of_sweeps,),) = rows("sweeps.md", "`objectives`")
    assert set(re.findall(r"`(\w+)`", of_sweeps)) == names


def test_the_defaults_of_a_grid():
    for name in ("seeds", "positions"):
        ((meaning,),) = rows("sweeps.md", f"`{name}`")
        (default,) = re.findall(r"(\d+) if none are given", meaning)
        (own,) = re.findall(
            rf"\n    {name}: .*?Where none is\s+given,\s+(\d+), and in a report",
            inspect.getdoc(Grid),
            re.DOTALL,
        )
        assert own == default
    grid = Grid(layers="conv1", channels=0, objectives=["Neuron"])
    planned = grid.plan(Subject(), 0)
    assert len({each.target.seed for each in planned}) == 1 and len(planned) == 3
