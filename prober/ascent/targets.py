"""A target: exactly one image comes of it; and how it is read from the record of a run."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from prober.ascent.objectives import Objective
from prober.ascent.regularizers import Regularizer
from prober.ascent.starts import InitialImage
from prober.common.errors import InputError, whole_number


@dataclass(frozen=True)
class Target:
    """What exactly one image comes of: an objective, a seed, an initial image, regularizers.

    Attributes:
        objective: What is maximized, resolved against the subject.
        initial_image: The recipe of the image that the optimization starts from; None for the one
            that suits the style and the parameterization.
        regularizers: The penalties on the image; None for those of the style.
        seed: The seed of the initial image's noise.
    """

    objective: Objective
    initial_image: InitialImage | None
    regularizers: tuple[Regularizer, ...] | None
    seed: int

    @property
    def name(self) -> str:
        """What is probed, as a folder's name."""
        return name_of(self.objective)

    def record(self) -> dict[str, Any]:
        """Returns what a run's record says of the target."""
        return {
            **self.objective.record(),
            "seed": self.seed,
            "initial_image": self.initial_image and self.initial_image.record(),
            "regularizers": [each.record() for each in self.regularizers or ()],
        }

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Self:
        """Makes the target again that a record is of.

        Args:
            record: What `record.json`, or a line of `records.jsonl`, holds.

        Raises:
            InputError: A class that it names is not there, or has other settings.
            KeyError: It is no record.
        """
        return cls(
            Objective.from_record(record),
            InitialImage.from_record(record["initial_image"]),
            regularizers_of(record),
            record["seed"],
        )


def name_of(objective: Objective) -> str:
    """Returns the name of an objective, which may be a person's own.

    Raises:
        InputError: It gives none.
    """
    try:
        name = objective.name
    except Exception as error:  # whatever a person's own objective does
        said = f"{type(error).__name__}: {error}"
        raise InputError(f"The name of a {type(objective).__name__} fails: {said}") from error
    if not isinstance(name, str):
        raise InputError(f"The name of a {type(objective).__name__} is {name!r}, which is no text.")
    return name


def checked_seed(given: Any) -> int:
    """Returns a seed, a whole number of any kind, as an int.

    Raises:
        InputError: It is none, or out of its range.
    """
    seed = whole_number(given)
    if seed is None or not 0 <= seed < 2**63:
        raise InputError(f"The seed is {given}; choose 0 to 2^63 - 1.")
    return seed


def regularizers_of(record: Mapping[str, Any]) -> tuple[Regularizer, ...]:
    """Makes the regularizers again that a record names; raises as `Target.from_record` does."""
    return tuple(Regularizer.from_record(each) for each in record["regularizers"])
