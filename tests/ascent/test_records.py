import gc
import json
import sys

import pytest

from prober.ascent.layer_objectives import (
    Caricature,
    ClassDifference,
    CosineDirection,
    DeepDream,
    Direction,
    Diversity,
)
from prober.ascent.method import Method
from prober.ascent.objectives import ChannelMean, ClassConditional, Neuron, Objective, TopKMean
from prober.ascent.parameterizations import Fourier, MagnitudeConstrained, Parameterization, Pixels
from prober.ascent.records import class_named, concrete, import_classes
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
from prober.ascent.targets import Target, regularizers_of
from prober.ascent.transforms import Blur, Jitter, Noise, Padding, Rotation, Scale, Transform
from prober.common.errors import InputError

SUM = ChannelMean("conv2", 3) - 0.25 * Neuron("conv1", 0, 1, 2) + Diversity("conv1")
OBJECTIVES = [
    ChannelMean("conv2", 3),
    Neuron("conv2", 3, 7, 0),
    TopKMean("conv2", 3, 5),
    ClassConditional(Neuron("conv3", 1, 0, 2), 7, 0.25),
    ClassConditional(TopKMean("conv3", 1, 4), 0),
    -TopKMean("conv3", 1, 4),
    SUM,
    DeepDream("conv2"),
    Direction("conv2", "v.npy"),
    Direction("conv2", ClassDifference(7, "1", "digits")),
    CosineDirection("conv2", "v.npy"),
    Caricature("conv2", "seven.png"),
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


OTHERS = {"averaging": 4, "batchnorm_statistics": 0.5, "style": "plain"}
METHODS = [Method(0.25, basis, tuple(TRANSFORMS), **OTHERS) for basis in BASES]


def kinds(base):
    """The project's own classes of a kind that can be made."""
    return {c for c in concrete(base) if c.__module__.startswith("prober.ascent.")}


def test_everything_is_made_again_from_its_record():
    made = [
        STARTS,
        PENALTIES,
        BASES,
        TRANSFORMS,
        [*OBJECTIVES, *(term.objective for term in SUM.terms)],
    ]
    bases = [InitialImage, Regularizer, Parameterization, Transform, Objective]
    assert [{type(each) for each in group} for group in made] == [kinds(base) for base in bases]
    for objective in OBJECTIVES:
        for start in STARTS:
            for method in METHODS:
                target = Target(objective, start, tuple(PENALTIES), 3)
                record = json.loads(json.dumps(target.record() | method.record()))
                assert Target.from_record(record) == target
                assert Method.from_record(record) == method


def test_records_from_before_there_were_parameterizations():
    assert Method.from_record({"optimizer": {"lr": 0.5}}) == Method(
        0.5, Pixels(), (), averaging=1, batchnorm_statistics=0.0, style="plain"
    )


@pytest.mark.parametrize(
    ("read", "record", "kind"),
    [
        (Objective.from_record, {"objective": "Mine", "class": None}, "objective"),
        (InitialImage.from_record, {"name": "Mine", "size": 3}, "initial image"),
        (regularizers_of, {"regularizers": [{"name": "mine", "weight": 1}]}, "regularizer"),
        (Parameterization.from_record, {"name": "Mine"}, "parameterization"),
        (Transform.from_record, {"name": "Mine"}, "transform"),
    ],
)
def test_what_is_not_there_is_told(read, record, kind):
    with pytest.raises(InputError, match=f"there is no such {kind} here. .* choose what was made"):
        read(record)


def test_other_settings_than_a_class_has_are_told():
    with pytest.raises(InputError, match=r"A record's Jitter has other settings: .*'inches'"):
        Transform.from_record({"name": "Jitter", "inches": 3})


def test_the_classes_that_a_config_names_are_imported(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    for name in ("of_config", "of_list", "of_cnn", "broken_one"):
        text = "raise RuntimeError" if name == "broken_one" else ""
        (tmp_path / f"{name}.py").write_text(text, encoding="utf-8")
    config = tmp_path / "config.yaml"
    config.write_text(
        "model: {subject: {cnn: {class_path: of_cnn.CNN}}, lr: 0.1}\n"
        "grid:\n"
        "  objectives: [ChannelMean, of_list.Mine, broken_one.Mine, nowhere.Mine]\n"
        "  regularizers: [[{class_path: of_config.Mine, init_args: {weight: 1.0}}]]\n",
        encoding="utf-8",
    )
    import_classes(config)
    assert {"of_config", "of_list"} <= sys.modules.keys()
    assert not {"of_cnn", "broken_one"} & sys.modules.keys()
    for text in ("grid: [", "- 3", ""):
        config.write_text(text, encoding="utf-8")
        import_classes(config)
    import_classes(tmp_path / "missing.yaml")


def test_a_name_that_two_classes_have_is_refused_and_the_later_of_one_is_taken():
    """Which of them a record means cannot be known: it says the name alone."""

    def twin(module):
        return type("Twin", (L2,), {"__module__": module})

    twins = [twin("one"), twin("one")]  # as of a notebook's cell that ran twice
    assert class_named(Regularizer, "Twin", "penalty") is twins[1]
    twins.append(twin("other"))
    with pytest.raises(InputError, match=r"'Twin' may be any of one\.Twin, other\.Twin"):
        Regularizer.from_record({"name": "Twin", "weight": 0.5})
    twins.clear()
    gc.collect()  # lest other tests find them
    assert not [each for each in concrete(Regularizer) if each.__name__ == "Twin"]
