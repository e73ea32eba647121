"""The Prober: what the channels, neurons and classes of a trained CNN want to see.

From Python and notebooks: `prober.visualize(model, "conv2:3")`.
"""

from importlib import import_module
from inspect import Signature, cleandoc, signature
from types import ModuleType
from typing import Any

_PARTS = {
    "errors": ["InputError"],
    "subject": ["Subject"],
    "visualization": ["Visualization", "Visualizations"],
    "visualize.objectives": [
        *("ChannelMean", "ClassConditional", "Negative", "Neuron"),
        *("TopKMean", "Weighted", "WeightedSum"),
    ],
    "visualize.layer_objectives": [
        *("Caricature", "ClassDifference", "CosineDirection", "DeepDream"),
        *("Direction", "Diversity"),
    ],
    "visualize.images": [
        *("GaussianNoise", "GivenImage", "GrayNoise", "LowFrequencyNoise", "PinkNoise"),
    ],
    "visualize.regularizers": ["Distance", "L2", "TotalVariation"],
    "visualize.parameterizations": ["Fourier", "MagnitudeConstrained", "Pixels"],
    "visualize.transforms": [
        *("Blur", "Jitter", "Noise", "Padding", "Rotation", "Scale", "robust"),
    ],
}
"""What a notebook needs, and where it is. It is imported when it is first asked for: the parts of
the project are imported through this file, too, and only some of them need torch and Lightning."""

_HOMES = {name: f"{__name__}.{part}" for part, names in _PARTS.items() for name in names}

__all__ = ["visualize", *_HOMES]


def __getattr__(name: str) -> Any:
    """Imports what is asked for (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    found = globals()[name] = getattr(import_module(_HOMES[name]), name)
    return found


def __dir__() -> list[str]:
    """Names what there is, also what has not been imported yet."""
    return sorted({*globals(), *__all__})


class _Visualize(ModuleType):
    """The package `prober.visualize`, which can be called.

    The one line of a notebook, `prober.visualize(model, ...)`, has the name of the package that
    does the work, and whatever imports from the package must find it there. Python lets a module
    have a class of its own for such cases.
    """

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Calls `prober.notebook.visualize`."""
        from prober.notebook import visualize

        return visualize(*args, **kwargs)

    @property
    def __signature__(self) -> Signature:
        """The signature of the function, for `help` and a notebook's `?`."""
        from prober.notebook import visualize

        return signature(visualize)

    @property
    def __doc__(self) -> str:  # type: ignore[override]
        """The text of the function, for `help` and a notebook's `?`."""
        from prober.notebook import visualize

        plain = signature(visualize)
        names = [each.replace(annotation=each.empty) for each in plain.parameters.values()]
        plain = plain.replace(parameters=names, return_annotation=plain.empty)
        return f"visualize{plain}\n\n{cleandoc(visualize.__doc__)}"


visualize = import_module("prober.visualize")
visualize.__class__ = _Visualize
