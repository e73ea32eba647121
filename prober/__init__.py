"""The Prober: what the channels, neurons and classes of a trained CNN want to see.

From Python and notebooks: `prober.visualize(model, "conv2:3")`.
"""

from prober.api import visualize
from prober.ascent.held import Held
from prober.ascent.layer_objectives import (
    Caricature,
    ClassDifference,
    CosineDirection,
    DeepDream,
    Direction,
    Diversity,
)
from prober.ascent.objectives import (
    ChannelMean,
    ClassConditional,
    Negative,
    Neuron,
    TopKMean,
    Weighted,
    WeightedSum,
)
from prober.ascent.parameterizations import Fourier, MagnitudeConstrained, Pixels
from prober.ascent.regularizers import L2, Distance, TotalVariation
from prober.ascent.starts import (
    GaussianNoise,
    GivenImage,
    GrayNoise,
    LowFrequencyNoise,
    PinkNoise,
)
from prober.ascent.transforms import Blur, Jitter, Noise, Padding, Rotation, Scale, robust
from prober.common.errors import InputError
from prober.result import Visualization, Visualizations
from prober.subject import Subject

__all__ = [
    "L2",
    "Blur",
    "Caricature",
    "ChannelMean",
    "ClassConditional",
    "ClassDifference",
    "CosineDirection",
    "DeepDream",
    "Direction",
    "Distance",
    "Diversity",
    "Fourier",
    "GaussianNoise",
    "GivenImage",
    "GrayNoise",
    "Held",
    "InputError",
    "Jitter",
    "LowFrequencyNoise",
    "MagnitudeConstrained",
    "Negative",
    "Neuron",
    "Noise",
    "Padding",
    "PinkNoise",
    "Pixels",
    "Rotation",
    "Scale",
    "Subject",
    "TopKMean",
    "TotalVariation",
    "Visualization",
    "Visualizations",
    "Weighted",
    "WeightedSum",
    "robust",
    "visualize",
]
