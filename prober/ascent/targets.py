"""A target: exactly one image comes of it."""

from dataclasses import dataclass
from typing import Any

from prober.ascent.objectives import Objective
from prober.ascent.regularizers import Regularizer
from prober.ascent.starts import InitialImage


@dataclass(frozen=True)
class Target:
    """What exactly one image comes of: an objective, a seed, an initial image, regularizers.

    Attributes:
        objective: What is maximized, resolved against the subject.
        initial_image: The recipe of the image that the optimization starts from; None for the one
            that suits the parameterization.
        regularizers: The penalties on the image.
        seed: The seed of the initial image's noise.
    """

    objective: Objective
    initial_image: InitialImage | None
    regularizers: tuple[Regularizer, ...]
    seed: int

    @property
    def name(self) -> str:
        """What is probed, as a folder's name."""
        return self.objective.name

    def record(self) -> dict[str, Any]:
        """Returns what a run's record says of the target."""
        return {
            **self.objective.record(),
            "seed": self.seed,
            "initial_image": self.initial_image and self.initial_image.record(),
            "regularizers": [regularizer.record() for regularizer in self.regularizers],
        }
