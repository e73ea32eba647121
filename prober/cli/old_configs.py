"""Configs that earlier versions have written, before pictures had a style or what it stands for."""

from dataclasses import asdict
from typing import Any

from prober.ascent.method import LARGE
from prober.ascent.regularizers import PLAIN_REGULARIZERS
from prober.ascent.styles import PLAIN_RATE
from prober.ascent.transforms import robust
from prober.cli.resolved import written


def with_style(config: Any) -> Any:
    """Returns a config with the settings that it was run with, where it is from before styles.

    What this project writes names every setting, so that one that names all but a style is old.
    Images were plain then, but that those of 64 pixels and more were spectra and moved. Legible
    ones of one that names all but `batchnorm_statistics` were not held to any.

    Args:
        config: What was read of any YAML.

    Returns:
        The config, if it is an old one with what it then stood for, as it is asked for today;
        anything else as it is.
    """
    if not (
        isinstance(config, dict) and {"seed_everything", "snapshots", "trainer"} <= set(config)
    ):
        return config
    model, grid = config.get("model"), config.get("grid")
    if isinstance(model, dict) and {"averaging", "settle", "held"} <= set(model):
        if model.get("style") == "legible":
            model = {"batchnorm_statistics": 0.0} | model
        return config | {"model": model}
    if not isinstance(model, dict) or "style" in model or "lr" not in model:
        return config
    model = dict[str, Any](model, style="plain")
    if model["lr"] == PLAIN_RATE:
        model["lr"] = None
    if _are_defaults(model.get("regularizers")):
        model["regularizers"] = None
    if isinstance(grid, dict) and grid.get("regularizers"):
        first, *others = grid["regularizers"]
        if _are_defaults(first) and not others:
            config = config | {"grid": grid | {"regularizers": None}}
    subject = model.get("subject")
    shape = subject.get("input_shape") if isinstance(subject, dict) else None
    if isinstance(shape, list) and len(shape) == 3 and min(shape[1:]) >= LARGE:
        model["parameterization"] = model.get("parameterization") or "prober.Fourier"
        if model.get("transforms") is None:
            moved = robust((shape[0], shape[1], shape[2]))
            model["transforms"] = [written(each).as_dict() for each in moved]
    return config | {"model": model}


def _are_defaults(regularizers: Any) -> bool:
    """Tells whether a config's regularizers are those that stood where none were given."""
    defaults = [(type(each).__name__, asdict(each)) for each in PLAIN_REGULARIZERS]
    try:
        given = [(each["class_path"], each["init_args"]) for each in regularizers]
    except (TypeError, KeyError):  # in another form
        return False
    return [(path.rpartition(".")[2], settings) for path, settings in given] == defaults
