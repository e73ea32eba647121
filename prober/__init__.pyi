"""The names that are offered, each in a line of its own with the module where it is at home.

Editors and type checkers read this file, and `__init__.py` does, so that a name stands here alone.
"""

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

__all__: list[str]
