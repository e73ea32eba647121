"""Chunks: which targets are optimized together."""

import pytest

from prober.ascent.layer_objectives import DeepDream, Diversity
from prober.ascent.objectives import ChannelMean, Neuron
from prober.common.errors import InputError
from prober.sweep.chunks import MOST_IN_CHUNK, automatic_size, cut, sizes_for
from prober.sweep.grid import Grid


def test_chunks_hold_every_target_once_and_one_layer_each(subject):
    planned = Grid(layers="all", classes="all", seeds=2).plan(subject, 0)
    sizes = {"conv1": 5, "conv2": 64, "conv3": 7, "logits": 3}
    chunks = cut(planned, sizes)
    assert [p for chunk in chunks for p in chunk] == planned
    for chunk in chunks:
        assert len({p.layer for p in chunk}) == 1
        assert len(chunk) <= sizes[chunk[0].layer]


def test_deeper_layers_and_less_memory_make_smaller_chunks(subject):
    sizes = [automatic_size(subject, layer, None) for layer in ("conv1", "conv2", "logits")]
    assert sizes == sorted(sizes, reverse=True)
    assert automatic_size(subject, "conv2", 2**20) < sizes[1]
    assert automatic_size(subject, "logits", 1) == 1


def test_every_process_has_as_many_targets_in_chunks_as_large_as_is_good(subject):
    def sizes(seeds, settles=False, layers="conv1", objective="Neuron", processes=2):
        grid = Grid(layers=layers, seeds=seeds, positions=1, objectives=[objective])
        return sizes_for(subject, grid.plan(subject, 0), None, settles, processes)

    assert sizes(8) == {"neurons of conv1": 64}  # 128 targets, 64 for each process
    assert sizes(8, processes=1) == {"neurons of conv1": 128}
    assert sizes(8, processes=3) == {"neurons of conv1": 43}
    assert sizes(32) == {"neurons of conv1": MOST_IN_CHUNK}
    assert sizes(33) == {"neurons of conv1": 132}  # 528 targets in four chunks
    fits = automatic_size(subject, "conv2", None)
    assert 128 < fits < 160
    assert sizes(8, layers="conv2", objective="ChannelMean") == {"conv2": 128}
    assert sizes(10, layers="conv2", objective="ChannelMean") == {"conv2": 80}  # 320 in two rounds
    assert sizes(64, True, "conv2", "ChannelMean") == {"conv2": MOST_IN_CHUNK}


def test_many_processes_do_not_part_images_that_are_compared(subject):
    grid = Grid(layers="conv1", channels="0-1", seeds=6, diversity=1)
    planned = grid.plan(subject, 0)
    sizes = sizes_for(subject, planned, None, processes=8)
    assert [len(chunk) for chunk in cut(planned, sizes)] == [6, 6]


def test_neurons_are_in_chunks_of_their_own(subject):
    grid = Grid(layers=["conv1", "conv2"], objectives=["ChannelMean", "Neuron"], positions=1)
    planned = grid.plan(subject, 0)
    neurons = [type(each.target.objective) is Neuron for each in planned]
    sizes = {"conv1": 10, "neurons of conv1": 16, "conv2": 32, "neurons of conv2": 20}
    chunks = cut(planned, sizes)
    assert [len(chunk) for chunk in chunks] == [10, 6, 16, 32, 20, 12]
    assert sorted(p.path for chunk in chunks for p in chunk) == sorted(p.path for p in planned)
    alone = {p.path for p, neuron in zip(planned, neurons, strict=True) if neuron}
    assert [len({p.path for p in chunk} & alone) for chunk in chunks] == [0, 0, 16, 0, 20, 12]
    first = Grid(layers="conv1", objectives=["Neuron", "ChannelMean"], positions=1)
    in_turn = cut(first.plan(subject, 0), {"conv1": 20, "neurons of conv1": 20})
    assert [type(chunk[0].target.objective) for chunk in in_turn] == [Neuron, ChannelMean]
    # A sweep that an older version has begun stays in the chunks that it was in.
    old = cut(planned, {"conv1": 10, "conv2": 32})
    assert [p for chunk in old for p in chunk] == planned


def test_images_that_are_compared_are_a_chunk_of_their_own(subject):
    diverse = ChannelMean("conv1", 9) + 2 * Diversity("conv1")
    grid = Grid(layers="conv1", channels=[0, 1], targets=[diverse, DeepDream("conv1")], seeds=3)
    planned = grid.plan(subject, 0)
    for size, lengths in ((64, [6, 3, 3]), (4, [4, 2, 3, 3]), (3, [3, 3, 3, 3])):
        chunks = cut(planned, {"conv1": size})
        assert [len(chunk) for chunk in chunks] == lengths
        assert [p for chunk in chunks for p in chunk] == planned
        (own,) = [c for c in chunks if any(p.target.objective == diverse for p in c)]
        assert [p.target.objective for p in own] == [diverse] * 3
    each = cut(
        Grid(layers="conv1", channels="0-3", seeds=2, diversity=1).plan(subject, 0), {"conv1": 64}
    )
    assert [len({p.target.objective for p in chunk}) for chunk in each] == [1] * 4


def test_images_that_cannot_be_compared_in_one_chunk_are_told(subject):
    diverse = Grid(layers="conv1", channels=0, seeds=5, diversity=1.0).plan(subject, 0)
    with pytest.raises(InputError, match=r"compares the images of 5 seeds.* has 4 at the most"):
        cut(diverse, {"conv1": 4})
    # The first target of the sweep is not the one that lacks others.
    alone = Grid(layers="conv1", channels=0, targets=[ChannelMean("conv1", 1) + Diversity("conv1")])
    with pytest.raises(InputError, match=r"there is one: set grid\.seeds to 2 or more"):
        cut(alone.plan(subject, 0), {"conv1": 4})
