import json

import pytest

from prober.ascent.objectives import ChannelMean, ClassConditional, Neuron, TopKMean
from prober.ascent.parameterizations import (
    Fourier,
    MagnitudeConstrained,
    Parameterization,
    Pixels,
)
from prober.ascent.records import (
    initial_image_of,
    objective_of,
    parameterization_of,
    regularizers_of,
    transforms_of,
)
from prober.ascent.regularizers import L2, Distance, Regularizer, TotalVariation
from prober.ascent.starts import (
    Blend,
    GaussianNoise,
    GivenImage,
    GrayNoise,
    InitialImage,
    LowFrequencyNoise,
    PinkNoise,
)
from prober.ascent.targets import Target
from prober.ascent.transforms import Blur, Jitter, Noise, Padding, Rotation, Scale, Transform
from prober.common.errors import InputError

OBJECTIVES = [
    ChannelMean("conv2", 3),
    Neuron("conv2", 3, 7, 0),
    TopKMean("conv2", 3, 5),
    ClassConditional(Neuron("conv3", 1, 0, 2), 7, 0.25),
    ClassConditional(TopKMean("conv3", 1, 4), 0),
]
STARTS = [
    GaussianNoise(0.25, 0.5),
    GrayNoise(0.25, 0.125),
    LowFrequencyNoise(3.0, 0.25, 0.5),
    PinkNoise(0.25, 0.75),
    GivenImage("seven.png"),
    Blend("a.npy", "b.npy", 0.25),
]
PENALTIES = [L2(0.5), TotalVariation(0.25), Distance(3.0)]
BASES = [Pixels(), Fourier(1.5), MagnitudeConstrained("digits")]
TRANSFORMS = [Blur(2.0), Jitter(3), Noise(0.25), Padding(4), Rotation(15.0), Scale(0.5, 1.5)]


def kinds(base):
    """The project's own classes of a kind that can be made."""
    for kind in base.__subclasses__():
        yield from kinds(kind)
        if kind.__module__.startswith("prober.ascent.") and not kind.__abstractmethods__:
            yield kind


def test_everything_is_made_again_from_its_record():
    made = [STARTS, PENALTIES, BASES, TRANSFORMS]
    bases = [InitialImage, Regularizer, Parameterization, Transform]
    assert [{type(each) for each in group} for group in made] == [set(kinds(b)) for b in bases]
    for objective in OBJECTIVES:
        for start in STARTS:
            for basis in BASES:
                record = Target(objective, start, tuple(PENALTIES), 0).record() | {
                    "parameterization": basis.record(),
                    "transforms": [transform.record() for transform in TRANSFORMS],
                }
                record = json.loads(json.dumps(record))
                assert objective_of(record) == objective
                assert initial_image_of(record) == start
                assert regularizers_of(record) == tuple(PENALTIES)
                assert parameterization_of(record) == basis
                assert transforms_of(record) == tuple(TRANSFORMS)


def test_records_from_before_there_were_parameterizations():
    assert (parameterization_of({}), transforms_of({})) == (Pixels(), ())


@pytest.mark.parametrize(
    ("read", "record", "what"),
    [
        (objective_of, {"objective": "DeepDream", "class": None}, "objective of a unit"),
        (initial_image_of, {"initial_image": {"name": "Mine", "size": 3}}, "initial image"),
        (regularizers_of, {"regularizers": [{"name": "mine", "weight": 1}]}, "regularizer"),
        (parameterization_of, {"parameterization": {"name": "Mine"}}, "parameterization"),
        (transforms_of, {"transforms": [{"name": "Mine"}]}, "transform"),
    ],
)
def test_what_is_not_of_this_project_is_told(read, record, what):
    with pytest.raises(InputError, match=f"this project has no such {what}. Choose what was made"):
        read(record)
