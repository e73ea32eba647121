from prober.ascent.objectives import ChannelMean
from prober.ascent.regularizers import L2
from prober.ascent.starts import GrayNoise
from prober.ascent.targets import Target


def test_target_has_name_and_record():
    target = Target(ChannelMean("conv2", 3), GrayNoise(), (L2(2.0),), 5)
    assert target.name == "conv2_ch3"
    assert target.record() == {
        "layer": "conv2",
        "channel": 3,
        "position": None,
        "objective": "ChannelMean",
        "class": None,
        "seed": 5,
        "initial_image": {"name": "GrayNoise", "gray": 0.5, "noise": 0.05},
        "regularizers": [{"name": "l2", "weight": 2.0}],
    }
