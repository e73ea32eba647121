"""The method: how images are optimized, whatever it is that they shall show."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Self

from prober.ascent.held import Held
from prober.ascent.parameterizations import Parameterization, Pixels
from prober.ascent.records import as_setting, settings
from prober.ascent.strangeness import normalizations_before
from prober.ascent.styles import STYLES, Style, look, transforms_of
from prober.ascent.targets import Target
from prober.ascent.transforms import Transform
from prober.common.errors import (
    InputError,
    check_kind,
    check_kinds,
    check_not_negative,
    is_number,
    make_int,
    suggestion,
)
from prober.common.inputs import Shape
from prober.subject import Subject

LARGE = 64
"""Images whose height and width are of so many pixels, or more, are large ones: they take a CNN
long, and single pixels of them matter little."""


@dataclass(frozen=True)
class Method:
    """How images are optimized: one value, which all commands and `prober.visualize` take.

    Args:
        lr: Adam's learning rate, greater than 0; of Pixels, in pixel values. Where none is given,
            the style's.
        parameterization: The basis of the images: Pixels (that of `plain`), Fourier (that of
            `legible`) or MagnitudeConstrained.
        transforms: What the pictures must be robust against: a list of Jitter, Scale, Rotation,
            Padding, Blur and Noise, drawn anew at every step; `[]` for none. Where none is given:
            none of `plain`, of `legible` as far as the unit can stand it.
        settle: The share of its gain by which a score still has to rise in 50 steps; if it does
            not, its picture is finished before the last step. A thousandth, 0.001, keeps 99.5 % of
            nearly every score and saves more than half of the steps. None makes all steps.
        averaging: Steps that the picture is the mean of, 1 for none: what differs from step to
            step, speckle, goes (Polyak and Juditsky, "Acceleration of stochastic approximation by
            averaging", 1992). Where none is given, the style's.
        batchnorm_statistics: How strongly the means and variances that batch normalizations see of
            a picture are held near those of the training (Yin et al., "Dreaming to distill", 2020),
            in parts of the gain, 0 for not at all; of units without a map, such as logits. Where
            none is given, the style's.
        style: One word for all of it: `legible`, such that people and other CNNs can read the
            pictures, or `plain`, pixels from noise with weak penalties, which shows what excites
            the most. What is given beside it comes first.
        held: Parts of the input that stay at a value while the rest is optimized: channels,
            regions.

    Raises:
        InputError: There is no such style, a number is out of its range, or something is no
            parameterization or transform.
    """

    lr: float | None = None
    parameterization: Parameterization | None = None
    transforms: Sequence[Transform] | None = None
    settle: float | None = None
    averaging: int | None = None
    batchnorm_statistics: float | None = None
    style: Style = "legible"
    held: Sequence[Held] | None = None

    def __post_init__(self) -> None:
        """Checks the settings."""
        if self.style not in STYLES:
            raise InputError(
                f"There is no style '{self.style}'.{suggestion(str(self.style), STYLES)} Choose "
                f"{' or '.join(STYLES)}."
            )
        if self.lr is not None and (not is_number(self.lr, 0) or self.lr == 0):
            raise InputError(f"The learning rate is {self.lr}; it must be greater than 0.")
        if self.settle is not None and not (is_number(self.settle, 0) and 0 < self.settle < 1):
            raise InputError(
                f"settle is {self.settle}; choose a share between 0 and 1, such as 0.001, or leave "
                "it out."
            )
        if self.averaging is not None:
            make_int(self, "averaging")
            if self.averaging < 1:
                raise InputError(
                    f"averaging is {self.averaging}; choose a number of steps, 1 for no mean."
                )
        if self.batchnorm_statistics is not None:
            check_not_negative(self, "batchnorm_statistics")
        if self.parameterization is not None:
            check_kind("parameterization", self.parameterization, Parameterization, "Fourier()")
        if self.transforms is not None:
            check_kinds("transforms", self.transforms, Transform, "[Jitter(4)]")
            object.__setattr__(self, "transforms", tuple(self.transforms))
        if self.held is not None:
            check_kinds("held", self.held, Held, "[Held(1.0, channels=[3])]")
            object.__setattr__(self, "held", tuple(self.held))

    def record(self) -> dict[str, Any]:
        """Returns what a record says of the method; it is resolved."""
        assert self.parameterization is not None and self.transforms is not None
        return {
            **settings(self, but=("lr",)),
            "parameterization": self.parameterization.record(),
            "transforms": [transform.record() for transform in self.transforms],
            "held": [asdict(each) for each in self.held or ()],
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
        before: dict[str, Any] = {"style": "plain", "averaging": 1, "batchnorm_statistics": 0.0}
        basis = record.get("parameterization", Pixels().record())
        transforms = record.get("transforms", ())
        return cls(
            **before
            | own
            | {
                "lr": record["optimizer"]["lr"],
                "parameterization": Parameterization.from_record(basis),
                "transforms": tuple(Transform.from_record(each) for each in transforms),
                "held": tuple(Held(**each) for each in record.get("held", ())) or None,
            }
        )

    def resolved(self, shape: Shape) -> Self:
        """Returns the method with everything filled in that depends on the images' size.

        Args:
            shape: Channels, height and width of the images.
        """
        style = look(self.style, shape)
        parameterization = self.parameterization or style.parameterization
        # These of a style suit its own basis; to another one they mean something else.
        suits = type(parameterization) is type(style.parameterization)
        chosen = style if suits else look("plain", shape)
        statistics = self.batchnorm_statistics
        return replace(
            self,
            parameterization=parameterization,
            lr=self.lr or chosen.lr,
            averaging=self.averaging or chosen.averaging,
            batchnorm_statistics=chosen.batchnorm_statistics if statistics is None else statistics,
        )

    def other_than_style(self, target: Target, shape: Shape) -> list[str]:
        """Names what of a target's picture, resolved, is not what its style stands for."""
        style = look(self.style, shape)
        settings = {**vars(self), **vars(target)}
        names = ("parameterization", "initial_image", "regularizers", "lr")
        return [name for name in names if settings[name] != getattr(style, name)]

    def of_target(self, target: Target, subject: Subject) -> tuple[Self, Target]:
        """Fills in everything for one target: the method that it is optimized by, and the target.

        Args:
            target: The target.
            subject: The CNN under study.

        Raises:
            InputError: The target does not fit the subject.
        """
        shape = subject.input_shape
        style, method = look(self.style, shape), self.resolved(shape)
        objective = target.objective.resolved(subject)
        own_basis = self.parameterization in (None, style.parameterization)
        assert method.parameterization is not None  # it is resolved
        start = style.initial_image if own_basis else method.parameterization.initial_image
        penalties = style.regularizers if target.regularizers is None else target.regularizers
        if method.transforms is None:
            method = replace(method, transforms=transforms_of(self.style, objective, subject))
        if method.batchnorm_statistics and not normalizations_before(subject, objective.layers):
            method = replace(method, batchnorm_statistics=0.0)
        return method, Target(objective, target.initial_image or start, penalties, target.seed)


def is_large(shape: Shape) -> bool:
    """Tells whether images `[C, H, W]` are large ones; of volumes, whether their slices are."""
    return min(shape[1:][-2:], default=0) >= LARGE
