"""From a record back to what it was made with: objective, start, penalties, basis, transforms."""

from typing import Any

from prober.ascent.objectives import ChannelMean, ClassConditional, Neuron, Objective, TopKMean
from prober.ascent.parameterizations import (
    Fourier,
    MagnitudeConstrained,
    Parameterization,
    Pixels,
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
from prober.ascent.transforms import Blur, Jitter, Noise, Padding, Rotation, Scale, Transform
from prober.common.errors import InputError

UNITS = {each.__name__: each for each in (ChannelMean, Neuron, TopKMean)}
STARTS = {
    each.__name__: each
    for each in (GaussianNoise, GrayNoise, LowFrequencyNoise, PinkNoise, GivenImage, Blend)
}
PENALTIES = {each.name: each for each in (L2, TotalVariation, Distance)}
BASES = {each.__name__: each for each in (Pixels, Fourier, MagnitudeConstrained)}
TRANSFORMS = {each.__name__: each for each in (Blur, Jitter, Noise, Padding, Rotation, Scale)}
"""What a record names, by its name."""


def objective_of(record: dict[str, Any]) -> Objective:
    """Returns the objective of one unit, alone or together with a class.

    Args:
        record: What `record.json`, or a line of `records.jsonl`, holds.

    Raises:
        InputError: The objective is not of one unit.
    """
    kind = _known(UNITS, record.get("unit_objective", record["objective"]), "objective of a unit")
    own = {Neuron: record["position"], TopKMean: [record.get("k")]}.get(kind, [])
    unit = kind(record["layer"], record["channel"], *own)
    if record["class"] is None:
        return unit
    return ClassConditional(unit, record["class"], record["class_weight"])


def initial_image_of(record: dict[str, Any]) -> InitialImage:
    """Returns the initial image.

    Raises:
        InputError: It is none of this project's own.
    """
    return _made(STARTS, record["initial_image"], "initial image")


def regularizers_of(record: dict[str, Any]) -> tuple[Regularizer, ...]:
    """Returns the regularizers.

    Raises:
        InputError: One of them is none of this project's own.
    """
    return tuple(_made(PENALTIES, each, "regularizer") for each in record["regularizers"])


def parameterization_of(record: dict[str, Any]) -> Parameterization:
    """Returns the parameterization.

    Raises:
        InputError: It is none of this project's own.
    """
    # Records from before there were others do not say.
    return _made(BASES, record.get("parameterization", {"name": "Pixels"}), "parameterization")


def transforms_of(record: dict[str, Any]) -> tuple[Transform, ...]:
    """Returns the transforms.

    Raises:
        InputError: One of them is none of this project's own.
    """
    return tuple(_made(TRANSFORMS, each, "transform") for each in record.get("transforms", []))


def _made(classes: dict[str, type], named: dict[str, Any], what: str) -> Any:
    settings = dict(named)
    return _known(classes, settings.pop("name"), what)(**settings)


def _known(classes: dict[str, type], name: str, what: str) -> type:
    if name not in classes:
        raise InputError(
            f"A record names '{name}', which cannot be made again: this project has no such {what}."
            f" Choose what was made with {', '.join(classes)}."
        )
    return classes[name]
