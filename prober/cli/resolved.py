"""What a config's style stands for, as far as the images' size says it, for `--print_config`."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from jsonargparse import Namespace

from prober.ascent.records import Recorded
from prober.ascent.styles import look
from prober.subject.input_shape import SHIPPED
from prober.subject.reference import ReferenceCNN


def resolved(config: Namespace) -> Namespace:
    """Returns a config in which its style's settings stand in place of null.

    The transforms of `legible` go with the unit and stay null, as what suits another
    parameterization than the style's does.

    Args:
        config: That of a command.
    """
    model = config.get("model")
    if not isinstance(model, Namespace) or "style" not in model:
        return config
    plain = model.style == "plain"
    shape = _shape(model.subject)
    if not plain and (not shape or len(shape) > 4 or min(shape) < 1):
        return config
    style = look(model.style, tuple(shape or ()))
    said: dict[str, Any] = {"model.regularizers": [written(each) for each in style.regularizers]}
    said["grid.regularizers"] = [said["model.regularizers"]]
    said["model.transforms"] = [] if plain else None
    if model.parameterization is None:
        said["model.parameterization"] = written(style.parameterization)
        said["model.initial_image"] = written(style.initial_image)
    if plain or model.parameterization is None:
        said["model.lr"] = style.lr
        said["model.averaging"] = style.averaging
        said["model.batchnorm_statistics"] = style.batchnorm_statistics
    config = config.clone()
    for key, value in said.items():
        if key in config and config[key] is None:
            config[key] = value
    return config


def _shape(subject: Namespace) -> Sequence[int] | None:
    """The shape of the inputs where it is known without building the CNN."""
    given = subject.cnn and subject.cnn.get("class_path", "")
    reference = not given or given.endswith(ReferenceCNN.__name__)
    return subject.input_shape or (SHIPPED if reference else None)


def written(thing: Recorded) -> Namespace:
    """Returns something with settings as a config writes it."""
    return Namespace(
        class_path=f"prober.{type(thing).__name__}", init_args=Namespace(asdict(thing))
    )
