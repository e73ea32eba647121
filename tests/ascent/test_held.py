import json

import numpy as np
import pytest
import torch
import yaml
from torch import nn

import prober as package
from prober import Fourier, Held, InputError, Jitter
from prober.ascent.method import Method


def net(channels=4):
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(channels, 3, 3, padding=1), nn.Tanh())


PARTS = {
    "a channel": (Held(1.0, channels=[3]), (slice(3, 4),)),
    "a region": (
        Held(0.25, region=[[0, 2], [3, 8]]),
        (slice(None), slice(0, 2), slice(3, 8)),
    ),
    "both": (
        Held(0.0, channels=[0, 2], region=[[5, 8], [0, 8]]),
        (slice(0, 4, 2), slice(5, 8)),
    ),
}


@pytest.mark.parametrize("method", [{}, {"parameterization": Fourier(), "transforms": [Jitter(1)]}])
@pytest.mark.parametrize("part", PARTS)
def test_what_is_held_stays_and_the_rest_is_optimized(part, method):
    held, place = PARTS[part]
    made = package.visualize(
        net(), ["0:1", "0:2"], input_shape=(4, 8, 8), steps=8, held=[held], **method
    )
    for each in made:
        assert (each.array[place] == held.value).all()
        free = np.ones_like(each.array, bool)
        free[place] = False
        assert len(np.unique(each.array[free])) > 50
        assert each.record["score_end"] > each.record["score_start"]
    assert Method.from_record(made[0].record).held == (held,)


def test_an_array_holds_where_it_is_a_number(tmp_path):
    values = np.full((4, 8, 8), np.nan, np.float32)
    values[1, 2:5] = np.linspace(0, 1, 24).reshape(3, 8)
    np.save(tmp_path / "parts.npy", values)
    held = [Held(0.5, channels=[1]), Held(str(tmp_path / "parts.npy"))]  # the later counts
    made = package.visualize(net(), "0:1", input_shape=(4, 8, 8), steps=3, held=held)
    assert np.array_equal(made.array[1, 2:5], values[1, 2:5])
    assert (made.array[1, :2] == 0.5).all() and (made.array[1, 5:] == 0.5).all()


def test_is_taken_from_a_config(prober, tmp_path):
    (tmp_path / "nets.py").write_text(
        "from torch import nn\n\n\nclass Net(nn.Conv2d):\n"
        "    def __init__(self): super().__init__(4, 2, 3)\n",
        encoding="utf-8",
    )
    model = {
        "subject": {"cnn": "nets.Net", "input_shape": [4, 8, 8]},
        "objective": {"class_path": "ChannelMean", "init_args": {"layer": "logits", "channel": 1}},
        "held": [{"value": 1.0, "channels": [3]}, {"value": 0.5, "region": [[0, 2], [0, 8]]}],
    }
    (tmp_path / "held.yaml").write_text(yaml.safe_dump({"model": model}), encoding="utf-8")
    ended = prober("fit", "--config", "held.yaml", "--trainer.max_steps", 3)
    assert ended.code == 0, ended.err
    [run] = (tmp_path / "lightning_logs").glob("*/version_0")
    final = np.load(run / "final.npy")
    assert (final[:, :2] == 0.5).all() and (final[3, 2:] == 1).all()
    record = json.loads((run / "record.json").read_text(encoding="utf-8"))
    assert record["held"][0] == {"value": 1.0, "channels": [3], "region": None}


def test_a_channel_that_is_no_list_is_told():
    with pytest.raises(InputError, match=r"channels of Held is an int; give a list: \[3\], say"):
        Held(0.5, channels=0)


@pytest.mark.parametrize(
    ("held", "message"),
    [
        ([Held(1.0, channels=[4])], r"no channel 4; the input has 4"),
        ([Held(1.5)], r"1\.5 is not in \[0, 1\]"),
        ([Held(1.0)], r"nothing is left to optimize"),
        ([Held(1.0, region=[[0, 9], [0, 8]])], r"does not lie in \[8, 8\]"),
        ([Held(1.0, region=[[0, 2]])], r"does not lie in \[8, 8\]: give \[first, past"),
        ([Held("nowhere.npy")], r"'nowhere.npy' is not a file"),
        ([1.0], r"held: .* does not fit; give \[Held"),
    ],
)
def test_what_cannot_be_held_is_told(held, message):
    with pytest.raises(InputError, match=message):
        package.visualize(net(), "0:1", input_shape=(4, 8, 8), steps=1, held=held)
