"""All responses: what the units of a CNN answer to flat, striped and real images, asked once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor

from prober.ascent.method import is_large
from prober.findings.dead_units import moved_by_rounding
from prober.findings.real_images import RealImages
from prober.findings.real_responses import RealResponses, respond_to_real
from prober.findings.tuning import Battery
from prober.findings.units import Site, Unit
from prober.findings.windows import Window, window_of
from prober.subject import Subject


@dataclass(frozen=True)
class AllResponses:
    """What the units of some sites answer to flat, striped and real images.

    Attributes:
        windows: Where the units of each site look.
        battery: The responses to flat and striped images.
        rounding: For each site `[channels]`, by how much rounding was seen to move these.
        real: The responses to real images; None without any.
    """

    windows: Mapping[Site, Window]
    battery: Battery
    rounding: Mapping[Site, Tensor]
    real: RealResponses | None


def respond_to_all(
    subject: Subject, units: Sequence[Unit], images: RealImages | None, cores: int
) -> AllResponses:
    """Shows units flat, striped and real images.

    Args:
        subject: The CNN under study, which takes images; one of large images gets another memory
            layout, a third faster.
        units: The units, with those that no gradient leads back from.
        images: Real images, or None.
        cores: How many processes may share the work.

    Raises:
        InputError: A unit answers with what is no number.
    """
    if is_large(subject.input_shape):
        subject.lay_out_channels_last()
    windows = {unit.site: window_of(subject, *unit.site) for unit in units}
    battery = Battery(subject, windows, cores)
    battery.check_finite(subject, units)
    return AllResponses(
        windows=windows,
        battery=battery,
        rounding=moved_by_rounding(subject, battery, windows),
        real=None if images is None else respond_to_real(subject, images, windows, cores),
    )
