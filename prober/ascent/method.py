"""The method: how images are optimized, whatever it is that they shall show."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Self

from prober.ascent.parameterizations import Fourier, Parameterization, Pixels
from prober.ascent.records import as_setting, settings
from prober.ascent.starts import (
    GaussianNoise,
    GrayNoise,
    InitialImage,
    LowFrequencyNoise,
    PinkNoise,
)
from prober.ascent.transforms import Jitter, Rotation, Scale, Transform, robust
from prober.common.errors import InputError, check_kind, check_kinds, is_number
from prober.common.inputs import Kind, Shape, kind_of

LARGE = 64
"""Images whose height and width are of so many pixels, or more, are large ones.

In smaller ones each pixel counts, and they are optimized as they are. In larger ones gradient
ascent on pixels finds high frequencies that excite a CNN and tell people little."""


@dataclass(frozen=True)
class Method:
    """How images are optimized: one value, which all commands and `prober.visualize` take.

    Args:
        lr: Adam's learning rate, greater than 0; of Pixels, in pixel values.
        parameterization: The basis of the images: Pixels (the default where height or width is
            below 64 pixels), Fourier (the default of larger images) or MagnitudeConstrained.
        transforms: What the pictures must be robust against: a list of Jitter, Scale, Rotation,
            Padding, Blur and Noise, drawn anew at every step; `[]` for none. Where none is given:
            a good list for images of 64 pixels and more, none for smaller ones.
        settle: The share of its gain by which a score still has to rise in 50 steps; if it does
            not, its picture is finished before the last step. A thousandth, 0.001, keeps 99.5 % of
            nearly every score and saves more than half of the steps. None makes all steps.

    Raises:
        InputError: A number is out of its range, or something is no parameterization or transform.
    """

    lr: float = 0.05
    parameterization: Parameterization | None = None
    transforms: Sequence[Transform] | None = None
    settle: float | None = None

    def __post_init__(self) -> None:
        """Checks the settings."""
        if not is_number(self.lr, 0) or self.lr == 0:
            raise InputError(f"The learning rate is {self.lr}; it must be greater than 0.")
        if self.settle is not None and not (is_number(self.settle, 0) and 0 < self.settle < 1):
            raise InputError(
                f"settle is {self.settle}; choose a share between 0 and 1, such as 0.001, or leave "
                "it out."
            )
        if self.parameterization is not None:
            check_kind("parameterization", self.parameterization, Parameterization, "Fourier()")
        if self.transforms is not None:
            check_kinds("transforms", self.transforms, Transform, "[Jitter(4)]")
            object.__setattr__(self, "transforms", tuple(self.transforms))

    def record(self) -> dict[str, Any]:
        """Returns what a record says of the method; it is resolved."""
        assert self.parameterization is not None and self.transforms is not None
        return {
            **{key: value for key, value in settings(self).items() if key != "lr"},
            "parameterization": self.parameterization.record(),
            "transforms": [transform.record() for transform in self.transforms],
            "optimizer": {"name": "Adam", "lr": self.lr},
        }

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Self:
        """Makes the method again by which a record's image was made.

        Args:
            record: What `record.json`, or a line of `records.jsonl`, holds.

        Raises:
            InputError: A class that it names is not there, or has other settings.
            KeyError: It is no record.
        """
        names = {each.name for each in fields(cls)}
        own = {key: as_setting(value) for key, value in record.items() if key in names}
        # Records from before there were others do not say.
        basis = record.get("parameterization", Pixels().record())
        transforms = record.get("transforms", ())
        return cls(
            **own
            | {
                "lr": record["optimizer"]["lr"],
                "parameterization": Parameterization.from_record(basis),
                "transforms": tuple(Transform.from_record(each) for each in transforms),
            }
        )

    def resolved(self, shape: Shape) -> Self:
        """Returns the method with everything settled that depends on the images' size.

        Args:
            shape: Channels, height and width of the images.
        """
        large = is_large(shape)
        transforms = (
            (robust(shape) if large else ()) if self.transforms is None else self.transforms
        )
        return replace(
            self,
            parameterization=self.parameterization or (Fourier() if large else Pixels()),
            transforms=transforms,
        )


def is_large(shape: Shape) -> bool:
    """Tells whether images `[C, H, W]` are large ones; of volumes, whether their slices are."""
    return min(shape[1:][-2:], default=0) >= LARGE


def gentle_transforms(shape: Shape) -> tuple[Transform, ...]:
    """What suits a neuron, which wants something at its place, as the others suit a channel.

    To be moved by more than a stroke's width, as large pictures are by default, would blur whatever
    fine strokes it wants; not to be moved at all lets high frequencies have their way.
    """
    if not is_large(shape):
        return ()
    turned = () if kind_of(shape) is Kind.SIGNAL else (Rotation(5.0),)
    return Jitter(2), Scale(0.95, 1.05), *turned


def various_initial_images(shape: Shape) -> list[InitialImage]:
    """Initial images that lead to different optima, where a unit has several."""
    if is_large(shape):
        sigma = min(shape[1:]) / 16
        return [PinkNoise(), PinkNoise(contrast=0.25), LowFrequencyNoise(sigma=sigma)]
    return [GaussianNoise(), GrayNoise(), LowFrequencyNoise()]
