"""The Prober: what the channels, neurons and classes of a trained CNN want to see.

From Python and notebooks: `prober.visualize(model, "conv2:3")`.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

_HOMES = {
    "Blur": "prober.ascent.transforms",
    "Caricature": "prober.ascent.layer_objectives",
    "ChannelMean": "prober.ascent.objectives",
    "ClassConditional": "prober.ascent.objectives",
    "ClassDifference": "prober.ascent.layer_objectives",
    "CosineDirection": "prober.ascent.layer_objectives",
    "DeepDream": "prober.ascent.layer_objectives",
    "Direction": "prober.ascent.layer_objectives",
    "Distance": "prober.ascent.regularizers",
    "Diversity": "prober.ascent.layer_objectives",
    "Fourier": "prober.ascent.parameterizations",
    "GaussianNoise": "prober.ascent.starts",
    "GivenImage": "prober.ascent.starts",
    "GrayNoise": "prober.ascent.starts",
    "Held": "prober.ascent.held",
    "InputError": "prober.common.errors",
    "Jitter": "prober.ascent.transforms",
    "L2": "prober.ascent.regularizers",
    "LowFrequencyNoise": "prober.ascent.starts",
    "MagnitudeConstrained": "prober.ascent.parameterizations",
    "Negative": "prober.ascent.objectives",
    "Neuron": "prober.ascent.objectives",
    "Noise": "prober.ascent.transforms",
    "Padding": "prober.ascent.transforms",
    "PinkNoise": "prober.ascent.starts",
    "Pixels": "prober.ascent.parameterizations",
    "Rotation": "prober.ascent.transforms",
    "Scale": "prober.ascent.transforms",
    "Subject": "prober.subject",
    "TopKMean": "prober.ascent.objectives",
    "TotalVariation": "prober.ascent.regularizers",
    "Visualization": "prober.result",
    "Visualizations": "prober.result",
    "Weighted": "prober.ascent.objectives",
    "WeightedSum": "prober.ascent.objectives",
    "robust": "prober.ascent.transforms",
    "visualize": "prober.api",
}
"""The names that are offered, and where each is at home.

It is loaded when it is first used, because PyTorch and Lightning take seconds to load."""

__all__ = list(_HOMES)

if TYPE_CHECKING:  # the same for editors and type checkers
    from prober.api import visualize as visualize
    from prober.ascent.held import Held as Held
    from prober.ascent.layer_objectives import Caricature as Caricature
    from prober.ascent.layer_objectives import ClassDifference as ClassDifference
    from prober.ascent.layer_objectives import CosineDirection as CosineDirection
    from prober.ascent.layer_objectives import DeepDream as DeepDream
    from prober.ascent.layer_objectives import Direction as Direction
    from prober.ascent.layer_objectives import Diversity as Diversity
    from prober.ascent.objectives import ChannelMean as ChannelMean
    from prober.ascent.objectives import ClassConditional as ClassConditional
    from prober.ascent.objectives import Negative as Negative
    from prober.ascent.objectives import Neuron as Neuron
    from prober.ascent.objectives import TopKMean as TopKMean
    from prober.ascent.objectives import Weighted as Weighted
    from prober.ascent.objectives import WeightedSum as WeightedSum
    from prober.ascent.parameterizations import Fourier as Fourier
    from prober.ascent.parameterizations import MagnitudeConstrained as MagnitudeConstrained
    from prober.ascent.parameterizations import Pixels as Pixels
    from prober.ascent.regularizers import L2 as L2
    from prober.ascent.regularizers import Distance as Distance
    from prober.ascent.regularizers import TotalVariation as TotalVariation
    from prober.ascent.starts import GaussianNoise as GaussianNoise
    from prober.ascent.starts import GivenImage as GivenImage
    from prober.ascent.starts import GrayNoise as GrayNoise
    from prober.ascent.starts import LowFrequencyNoise as LowFrequencyNoise
    from prober.ascent.starts import PinkNoise as PinkNoise
    from prober.ascent.transforms import Blur as Blur
    from prober.ascent.transforms import Jitter as Jitter
    from prober.ascent.transforms import Noise as Noise
    from prober.ascent.transforms import Padding as Padding
    from prober.ascent.transforms import Rotation as Rotation
    from prober.ascent.transforms import Scale as Scale
    from prober.ascent.transforms import robust as robust
    from prober.common.errors import InputError as InputError
    from prober.result import Visualization as Visualization
    from prober.result import Visualizations as Visualizations
    from prober.subject import Subject as Subject
else:

    def __getattr__(name: str) -> Any:
        if name not in _HOMES:
            raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
        found = globals()[name] = getattr(import_module(_HOMES[name]), name)
        return found

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})
