"""The survey: what the units of a subject answer to images that are at hand, before any search."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from torch import Tensor

from prober.ascent.method import Method, is_large
from prober.ascent.objectives import Objective
from prober.findings.batches import batches, images_at_once
from prober.findings.cut_cnn import CutCNN
from prober.findings.dead_units import moved_by_rounding, split_dead
from prober.findings.finished_sweep import FinishedSweep, SweepPicture
from prober.findings.real_images import RealImages
from prober.findings.real_responses import RealResponses, respond_to_real
from prober.findings.responses import Responses, check_finite, responses
from prober.findings.tuning import Battery, Curves
from prober.findings.units import Site, Unit
from prober.findings.windows import Window, window_of
from prober.subject import Subject

_cut_cnn = lru_cache(1)(CutCNN)
"""One is held at a time, for each has a copy of the CNN: a site's units are examined in a row."""


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
    for unit in units:
        answers = battery.responses[unit.site][:, unit.channel]
        check_finite(subject, unit, answers, "a plain gray, flat or striped image", "image")
    return AllResponses(
        windows=windows,
        battery=battery,
        rounding=moved_by_rounding(subject, battery, windows),
        real=None if images is None else respond_to_real(subject, images, windows, cores),
    )


@dataclass(frozen=True)
class Survey:
    """What the units of a subject answer to flat, striped and real images, and to pictures.

    Attributes:
        subject: The CNN under study.
        sweep: The visualizations of its units.
        method: How the search's images are optimized.
        units: The units of each site, in the order of the forward pass.
        windows: Where the units of each site look.
        known: What they answer to flat, striped and real images.
        pictures: `[P, C, H, W]`, pictures of units, of as many as are held in memory at once.
        to_pictures: The responses to them.
        dead: The units that nothing makes a difference to.
        awakened: For units that only looked dead, an image `[C, H, W]` that moves them.
        other_style: A picture of each unit in another style than the sweep's; None without any.
        half: Whether searches compute gradients in bfloat16.
    """

    subject: Subject
    sweep: FinishedSweep
    method: Method
    units: Mapping[Site, list[Unit]]
    windows: Mapping[Site, Window]
    known: AllResponses
    pictures: Tensor
    to_pictures: Mapping[Site, Responses]
    dead: frozenset[Unit]
    awakened: Mapping[Unit, Tensor]
    other_style: FinishedSweep | None
    half: bool

    def curves(self, unit: Unit) -> Curves:
        """Returns a unit's tuning curves."""
        return self.known.battery.curves(unit.site, unit.channel)

    def window(self, unit: Unit) -> Window:
        """Returns where a unit looks."""
        return self.windows[unit.site]

    def objective(self, unit: Unit) -> Objective:
        """Returns what is maximized for a unit: its neuron, or the flat unit."""
        return self.window(unit).objective(unit)

    def cut_cnn(self, site: Site) -> CutCNN:
        """Returns the CNN cut down to what the units of a site see."""
        return _cut_cnn(self.subject, site[0], self.windows[site], half=self.half)

    def live(self, most: int) -> list[list[Unit]]:
        """Returns the units that are not dead, those of a site in lists of so many at the most."""
        sites = [[unit for unit in own if unit not in self.dead] for own in self.units.values()]
        return [own[batch] for own in sites for batch in batches(len(own), most)]

    def candidates(self, unit: Unit) -> list[SweepPicture]:
        """Returns the visualizations of exactly the neuron, or flat unit, that is examined."""
        objective = self.objective(unit)
        return [shown for shown in self.sweep.of(unit) if shown.objective == objective]


def survey(
    sweep: FinishedSweep,
    known: AllResponses,
    other_style: FinishedSweep | None,
    method: Method,
    half: bool,
    cores: int,
) -> Survey:
    """Shows a subject the pictures of its units, and looks for units that are dead.

    Args:
        sweep: The visualizations of its units.
        known: What its units answer to flat, striped and real images.
        other_style: A picture of each unit in another style than these; None without any.
        method: How the search's images are optimized.
        half: Whether searches compute gradients in bfloat16.
        cores: How many processes may share the work.

    Raises:
        InputError: A picture is damaged.
    """
    subject = sweep.subject
    units: dict[Site, list[Unit]] = {}
    for unit in sweep.units():
        units.setdefault(unit.site, []).append(unit)
    windows = {site: known.windows[site] for site in units}
    pictures = sweep.best_images(images_at_once(subject))
    to_pictures = responses(subject, pictures, windows, cores)
    dead: list[Unit] = []
    awakened: dict[Unit, Tensor] = {}
    for site, own in units.items():
        answered = [known.battery.responses[site], to_pictures[site].strongest]
        if known.real is not None:
            answered.append(known.real.of_pool(site).strongest)
        found = split_dead(subject, own, windows[site], answered, known.rounding[site], method)
        dead += found[0]
        awakened |= found[1]
    return Survey(
        subject=subject,
        sweep=sweep,
        method=method,
        units=units,
        windows=windows,
        known=known,
        pictures=pictures,
        to_pictures=to_pictures,
        dead=frozenset(dead),
        awakened=awakened,
        other_style=other_style,
        half=half,
    )
