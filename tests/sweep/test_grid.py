from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from prober.ascent.layer_objectives import DeepDream, Direction, Diversity
from prober.ascent.objectives import ChannelMean, Neuron, TopKMean, Weighted, WeightedSum
from prober.ascent.regularizers import L2
from prober.ascent.starts import GaussianNoise, GrayNoise, LowFrequencyNoise
from prober.common.errors import InputError
from prober.subject import Subject
from prober.sweep.grid import Grid, numbers, spread_positions


def test_every_combination_is_one_target(subject):
    grid = Grid(
        layers=["conv2", "conv1"],
        channels=[0, 3],
        objectives=["ChannelMean", "TopKMean", "Neuron"],
        k=7,
        positions=2,
        classes=[4],
        seeds=[5, 9],
        initial_images=[GaussianNoise(), GrayNoise()],
        regularizers=[[L2()], []],
    )
    planned = grid.plan(subject, 0)
    # layers x channels x (mean, top-k, 2 positions) and one class, x seeds x images x sets
    assert len(planned) == (2 * 2 * 4 + 1) * 2 * 2 * 2 == grid.count(subject)
    assert len({p.target for p in planned}) == len({p.path for p in planned}) == len(planned)
    assert [p.layer for p in planned] == sorted((p.layer for p in planned), key=str)
    assert {type(p.target.objective) for p in planned} == {ChannelMean, TopKMean, Neuron}
    assert {p.target.seed for p in planned} == {5, 9}
    assert {p.target.objective.k for p in planned if "top" in p.variant} == {7}
    assert planned[-1].target.objective == ChannelMean("logits", 4)


def test_a_number_of_seeds_counts_from_the_one_given(subject):
    planned = Grid(layers="conv1", channels=2, seeds=3).plan(subject, 40)
    assert [p.target.seed for p in planned] == [40, 41, 42]
    assert planned[0].path == "conv1/ch002/mean_seed40"


def test_numbers_name_the_layers_of_a_sequential():
    cnn = nn.Sequential(nn.Conv2d(3, 2, 3), nn.ReLU(), nn.Conv2d(2, 2, 3))
    planned = Grid(layers=[0, 2]).plan(Subject(cnn=cnn, input_shape=(3, 9, 9)), 0)
    assert [p.layer for p in planned] == ["0", "0", "2", "2"]


def test_all_layers_are_those_that_compute_channels(subject):
    planned = Grid(layers="all", classes="all").plan(subject, 0)
    layers = [p.layer for p in planned]
    assert {layer: layers.count(layer) for layer in layers} == {
        "conv1": 16,
        "conv2": 32,
        "conv3": 64,
        "logits": 10,
    }


@pytest.mark.parametrize(
    ("layers", "channels", "expected"),
    [
        (["logits"], "all", [*range(10)]),
        (["logits", "conv1"], [3], [3, 3, *range(3), *range(4, 10)]),
    ],
)
def test_logits_that_the_layers_name_are_not_looked_at_twice(subject, layers, channels, expected):
    grid = Grid(layers=layers, channels=channels, classes="all")
    planned = grid.plan(subject, 0)
    assert [p.target.objective.channel for p in planned] == expected
    assert grid.count(subject) == len(planned)


def test_where_the_logits_alone_compute_all_layers_are_none():
    cnn = nn.Sequential(nn.AvgPool2d(4), nn.Flatten(), nn.Linear(12, 2))
    subject = Subject(cnn, input_shape=(3, 8, 8))
    with pytest.raises(InputError, match="of Sequential none can be probed beside what gives the"):
        Grid(layers="all").plan(subject, 0)
    assert len(Grid(layers="all", classes="all").plan(subject, 0)) == 2


@pytest.mark.parametrize(
    ("given", "expected"),
    [(3, [3]), ([2, 0], [2, 0]), ("1-3", [1, 2, 3]), ("0-0", [0]), ("all", list(range(6)))],
)
def test_channels_are_read(given, expected):
    assert numbers("grid.channels", given, 6, "of 'x'") == expected


def test_a_layer_is_looked_at_in_those_of_the_channels_that_it_has(subject):
    grid = Grid(layers=["logits", "conv1", "conv2"], channels=[9, 20, 12, 3])
    looked_at = {}
    for planned in grid.plan(subject, 0):
        looked_at.setdefault(planned.layer, []).append(planned.target.objective.channel)
    assert looked_at == {"conv1": [9, 12, 3], "conv2": [9, 20, 12, 3], "logits": [9, 3]}
    assert grid.count(subject) == 9
    assert grid.left_out(subject).endswith(": 'logits' has 10, 'conv1' has 16.")
    for complete in (Grid(layers="all"), Grid(layers="all", channels="0-15")):
        assert complete.left_out(subject) is None
    with pytest.raises(InputError, match="32 is out of range: choose 0 to 31 of 'conv2'"):
        replace(grid, channels=[9, 32]).plan(subject, 0)


@pytest.mark.parametrize("cut", [["conv1"], ["conv3", "logits"], ["conv1", "conv2", "conv3"]])
def test_layers_that_are_cut_are_set_apart_with_the_channels_that_they_have(cut):
    subject = Subject()
    for layer in cut:
        subject.listing.unprobed[layer] = "no gradient leads back to the input"
    grid = Grid(layers="all", channels=[40, 20, 3, 3])
    rest, channels = grid.split(subject)
    has = {"conv1": [3], "conv2": [20, 3], "conv3": [40, 20, 3]}
    assert channels == {layer: has[layer] for layer in cut if layer in has}
    if cut == [*has]:
        assert rest.probed_layers(subject) == []
        return
    planned = {(each.layer, each.target.objective.channel) for each in rest.plan(subject, 0)}
    assert planned == {(name, c) for name in has if name not in cut for c in has[name]}


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({}, "empty"),
        ({"layers": "conv1", "seeds": 0}, "empty, as grid.seeds is 0: give 1 or more"),
        ({"layers": "conv1", "seeds": [-1]}, r"the seed -1; choose 0 to 2\^63 - 1"),
        ({"layers": "conv1", "seeds": [2**63]}, r"choose 0 to 2\^63 - 1"),
        ({"layers": "conv1", "seeds": [2**64]}, r"choose 0 to 2\^63 - 1"),
        ({"layers": "conv1", "objectives": []}, "empty"),
        ({"layers": "conv1", "channels": [0, 1, 77]}, r"77 .*0 to 15 of 'conv1'"),
        ({"layers": "conv1", "channels": "3-99"}, "0 to 15"),
        ({"layers": "conv1", "channels": "al"}, "Did you mean 'all'"),
        ({"layers": "conv1", "channels": "5-2"}, "'5-2' ends before it begins: write 2-5"),
        ({"layers": "conv9"}, "no layer 'conv9'"),
        ({"layers": "conv3", "objectives": ["Neuron"], "positions": [[7, 0]]}, "h = 7 .*0 to 6"),
        ({"layers": "conv3", "objectives": ["Neuron"], "positions": [[7]]}, r"\[h, w\]"),
        ({"layers": "conv3", "objectives": ["Neuron"], "positions": 0}, "positions is 0: give 1"),
        ({"layers": "conv3", "objectives": ["Neuron"], "positions": -2}, "positions is -2: give 1"),
        ({"layers": "conv3", "objectives": ["TopKMean"], "k": 50}, "1 to 49"),
        ({"classes": [10]}, "0 to 9"),
        ({"layers": "conv1", "channels": f"0-{10**15}"}, f"channels: {10**15} is out of range"),
        ({"layers": "conv1", "channels": "0-" + "9" * 5000}, "is no number, list such as"),
        ({"layers": "conv1", "seeds": [1, 1]}, "twice"),
        ({"targets": [DeepDream("conv1"), DeepDream("conv1")]}, "twice"),
        ({"targets": [DeepDream("conv9")]}, "no layer 'conv9'"),
        ({"targets": [DeepDream("conv1") - ChannelMean("conv9", 0)]}, "no layer 'conv9'"),
        ({"targets": [-ChannelMean("conv1", 16)]}, "Channel 16 is out of range: choose 0 to 15"),
        ({"targets": [Direction("conv1", "nowhere.npy")]}, "'nowhere.npy' is not a file"),
        ({"layers": "conv1", "seeds": 2, "diversity": -1.0}, "diversity is -1.0"),
        ({"layers": "conv1", "seeds": 2, "diversity": float("nan")}, "diversity is nan"),
        ({"layers": "conv1", "seeds": 2, "diversity": float("inf")}, "diversity is inf"),
    ],
)
def test_a_grid_that_cannot_be_says_why(subject, settings, said):
    with pytest.raises(InputError, match=said):
        Grid(**settings).plan(subject, 0)


@given(st.integers(1, 9), st.integers(1, 9), st.data())
def test_positions_are_different_and_on_the_map(rows, columns, data):
    number = data.draw(st.integers(1, rows * columns))
    positions = spread_positions(number, rows, columns)
    assert len(set(positions)) == len(positions) == number
    assert positions[0] == (rows // 2, columns // 2)
    assert all(0 <= h < rows and 0 <= w < columns for h, w in positions)


def test_low_frequency_noise_is_a_start_like_any_other(subject):
    grid = Grid(layers="conv1", channels=0, initial_images=[LowFrequencyNoise(), GrayNoise()])
    assert [p.variant for p in grid.plan(subject, 0)] == [
        "mean_LowFrequencyNoise",
        "mean_GrayNoise",
    ]


def test_variants_take_turns_over_the_seeds(subject):
    grid = Grid(
        layers=["conv1"],
        channels=[0, 1],
        seeds=8,
        initial_images=[GaussianNoise(), GrayNoise(), LowFrequencyNoise()],
        regularizers=[[L2()], []],
        in_turn=True,
    )
    planned = grid.plan(subject, 5)
    assert len(planned) == 2 * 8 == grid.count(subject)
    assert len({p.path for p in planned}) == 16 and {p.variant for p in planned} == {"mean"}
    of_one = [p.target for p in planned if p.target.objective.channel == 0]
    assert [t.seed for t in of_one] == list(range(5, 13))
    names = [type(t.initial_image).__name__ for t in of_one]
    assert names == ["GaussianNoise", "GrayNoise", "LowFrequencyNoise"] * 2 + names[:2]
    assert [len(t.regularizers) for t in of_one] == [1, 1, 1, 0, 0, 0, 1, 1]


def test_a_small_map_has_no_more_positions_than_it_has(subject):
    grid = Grid(layers=["conv3"], channels=0, objectives=["Neuron"], positions=50)
    planned = grid.plan(subject, 0)
    places = [(p.target.objective.h, p.target.objective.w) for p in planned]
    assert sorted(places) == [(h, w) for h in range(7) for w in range(7)]
    assert len(planned) == grid.count(subject)


def test_of_a_flat_layer_a_neuron_is_its_channel(subject):
    both = Grid(layers=["classifier"], channels=3, objectives=["ChannelMean", "Neuron"])
    assert [type(p.target.objective) for p in both.plan(subject, 0)] == [ChannelMean]
    alone = Grid(layers=["classifier"], channels=3, objectives=["Neuron"], positions=2)
    assert [type(p.target.objective) for p in alone.plan(subject, 0)] == [Neuron]


def test_written_out_targets_are_beside_the_others_in_the_order_of_the_layers(subject):
    first = ChannelMean("conv2", 3) - 0.1 * ChannelMean("conv1", 0)
    grid = Grid(
        layers=["conv3", "conv1"],
        channels=0,
        targets=[DeepDream("conv1"), first, -ChannelMean("conv3", 4)],
        seeds=2,
    )
    planned = grid.plan(subject, 7)
    assert [p.path for p in planned] == [
        f"{stem}_seed{seed}"
        for stem in (
            "conv1/ch000/mean",
            "conv1/conv1_all/deepdream",
            "conv2/conv2_ch3-0.1_conv1_ch0/weightedsum",
            "conv3/ch000/mean",
            "conv3/minus_conv3_ch4/negative",
        )
        for seed in (7, 8)
    ]
    assert planned[4].target.objective == first
    assert [p.folder for p in planned[::2]] == [
        "ch000",
        "conv1_all",
        "conv2_ch3-0.1_conv1_ch0",
        "ch000",
        "minus_conv3_ch4",
    ]
    assert grid.count(subject) == len(planned)
    probed = sorted(grid.probed_layers(subject))
    assert probed == ["conv1", "conv1", "conv2", "conv3", "conv3"]


def test_targets_alone_are_a_grid(subject):
    planned = Grid(targets=[DeepDream("conv2")]).plan(subject, 3)
    assert [(p.path, p.target.seed) for p in planned] == [("conv2/conv2_all/deepdream_seed3", 3)]


def test_no_initial_image_leaves_it_to_the_parameterization(subject):
    assert [p.target.initial_image for p in Grid(layers="conv1", channels=0).plan(subject, 0)] == [
        None
    ]
    given = Grid(layers="conv1", channels=0, initial_images=[GrayNoise()])
    assert [p.target.initial_image for p in given.plan(subject, 0)] == [GrayNoise()]


def test_diversity_is_a_term_of_each_unit_in_its_own_layer(subject):
    grid = Grid(layers="conv1", channels=[2, 3], classes=[4], seeds=3, diversity=0.5)
    planned = grid.plan(subject, 0)
    assert [p.path for p in planned[:3]] == [f"conv1/ch002/mean_seed{i}" for i in range(3)]
    expected = [
        WeightedSum((Weighted(unit), Weighted(Diversity(unit.layer), 0.5)))
        for unit in (ChannelMean("conv1", 2), ChannelMean("conv1", 3), ChannelMean("logits", 4))
    ]
    assert [p.target.objective for p in planned] == [e for e in expected for _ in range(3)]
    assert all(p.target.objective.compares for p in planned)
