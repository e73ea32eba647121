import gc
import json
import sys
from dataclasses import fields
from itertools import product
from typing import get_type_hints

import pytest

from prober.ascent.layer_objectives import ClassDifference
from prober.ascent.method import Method
from prober.ascent.objectives import Neuron, Objective, TopKMean, Weighted
from prober.ascent.parameterizations import Parameterization, Pixels
from prober.ascent.records import class_named, concrete, import_classes
from prober.ascent.regularizers import L2, Regularizer
from prober.ascent.starts import InitialImage
from prober.ascent.targets import Target, regularizers_of
from prober.ascent.transforms import Transform
from prober.common.errors import InputError

UNIT, NEURON = TopKMean("conv3", 1, 4), Neuron("conv1", 0, 1, 2)


def settings_of_type(kind, place):
    """Settings of a type, other ones at other places among those of a class."""
    return {
        float: [0.25 + place / 8],
        int: [3 + place],
        int | None: [2 + place, None],
        str: [f"seven_{place}.npy"],
        str | ClassDifference: ["v.npy", ClassDifference(7, "1", "digits")],
        Objective: [UNIT, NEURON],
        tuple[Weighted, ...]: [(Weighted(UNIT), Weighted(NEURON, -0.25), Weighted(-UNIT, 2.0))],
    }[kind]


def examples(base):
    """Objects of the project's own classes of a kind that can be made, with settings of all types.

    A new class is among them; if it has a setting of another type, that goes above.
    """
    found = []
    for kind in concrete(base):
        if kind.__module__.startswith("prober.ascent."):
            types = get_type_hints(kind)
            names = [each.name for each in fields(kind) if each.init]
            settings = [settings_of_type(types[name], i) for i, name in enumerate(names)]
            found += [kind(**dict(zip(names, own, strict=True))) for own in product(*settings)]
    return found


def test_everything_is_made_again_from_its_record():
    penalties, transforms = tuple(examples(Regularizer)), tuple(examples(Transform))
    others = {"averaging": 4, "batchnorm_statistics": 0.5, "style": "plain"}
    methods = [Method(0.25, each, transforms, **others) for each in examples(Parameterization)]
    assert len(penalties) >= 3 and len(transforms) >= 6 and len(methods) >= 3
    for objective, start in product(examples(Objective), examples(InitialImage)):
        target = Target(objective, start, penalties, 3)
        for method in methods:
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
        (Objective.from_record, {"objective": "Gone", "class": None}, "objective"),
        (InitialImage.from_record, {"name": "Gone", "size": 3}, "initial image"),
        (regularizers_of, {"regularizers": [{"name": "mine", "weight": 1}]}, "regularizer"),
        (Parameterization.from_record, {"name": "Gone"}, "parameterization"),
        (Transform.from_record, {"name": "Gone"}, "transform"),
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
    assert class_named(Regularizer, "Twin") is twins[1]
    twins.append(twin("other"))
    with pytest.raises(InputError, match=r"'Twin' may be any of one\.Twin, other\.Twin"):
        Regularizer.from_record({"name": "Twin", "weight": 0.5})
    twins.clear()
    gc.collect()  # lest other tests find them
    assert not [each for each in concrete(Regularizer) if each.__name__ == "Twin"]
