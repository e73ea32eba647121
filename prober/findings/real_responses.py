"""How units respond to real images: as they are, in other colors, hues and brightnesses."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from prober.ascent.method import is_large
from prober.findings.real_images import TURNS, RealImages
from prober.findings.responses import Responses, responses, responses_in_blocks, together
from prober.findings.units import Site
from prober.findings.windows import Window, window_of
from prober.subject import LOGITS, Subject
from prober.sweep.on_cores import on_cores

LOGIT_SITE: Site = (LOGITS, None)
"""Where the logits of the classes are."""

TOP = 8
"""Real images that count as those which excite a unit most."""

SIX_HUES = torch.arange(0, 360, 60).float()
"""The hues in which some images are shown, at equal brightness, in degrees, `[6]`."""

BRIGHTNESSES = (1.0, 0.75, 0.5)
"""Of the images as they are; saturated hues differ as much, yellow has twice the light of red."""

SHOWN_IN_HUES = 80
"""Images that are shown in all hues and brightnesses, at the most."""


@dataclass(frozen=True)
class RealResponses:
    """The responses of some sites to real images.

    They are asked of a pool of images. It has every shape in every class's color where classes have
    one, as some images are so in such data; elsewhere it has the images as they are.

    Attributes:
        real: The images.
        plain: For each site to the images as they are.
        dealt: For each site `[columns, N, channels]`, in the color of each of the groups of classes
            that have one; empty if none do.
        turned: For each site `[6, 3, M, channels]`, anywhere in some images that have a color, in
            all of `SIX_HUES` and `BRIGHTNESSES`; empty where most images have none.
        turned_labels: `[M]`, the classes of those.
        changed: The logits `[times, N, classes]` of the images with another class's color, or
            gray; where no class has one, of another image; where none can be dealt, with the hue
            turned. None without logits, or if they have none of these.
        gray: The logits `[2, N, classes]` of the images without color, at equal brightness and as
            light as their lightest channel; None without logits or three channels.
    """

    real: RealImages
    plain: Mapping[Site, Responses]
    dealt: Mapping[Site, Responses]
    turned: Mapping[Site, Tensor]
    turned_labels: Tensor
    changed: Tensor | None
    gray: Tensor | None

    @property
    def in_every_color(self) -> bool:
        """Whether the pool has every shape in every class's color."""
        return bool(self.dealt)

    @property
    def shown_labels(self) -> Tensor:
        """The labels of the images that were shown in other colors: all, or those in hues."""
        return self.real.labels if self.in_every_color else self.turned_labels

    def of_pool(self, site: Site) -> Responses:
        """Returns the responses `[P, channels]` of a site to the pool."""
        if not self.in_every_color:
            return self.plain[site]
        return Responses(*(answers.flatten(0, 1) for answers in self.dealt[site]))

    def images_of_pool(self, numbers: Sequence[int]) -> Tensor:
        """Returns some images of the pool, `[len(numbers), C, H, W]`."""
        if not self.in_every_color:
            return self.real.images[list(numbers)]
        number = len(self.real.images)
        return torch.cat(
            [self.real.dealt(i // number, torch.tensor([i % number])) for i in numbers]
        )

    def labels_of_pool(self) -> tuple[Tensor, Tensor]:
        """Returns the labels `[P]` and hues `[P]` of the pool."""
        real = self.real
        if not self.in_every_color:
            return real.labels, real.image_hues
        hues = real.group_hues.repeat_interleave(len(real.images))
        return real.labels.repeat(len(real.color_groups)), hues

    def top(self, response: Tensor) -> list[int]:
        """Returns the images of the pool with the largest responses `[P]`, no shape twice."""
        number = len(self.real.images)
        best, column = response.view(-1, number).max(0)
        top = best.topk(min(TOP, number)).indices
        return (column[top] * number + top).tolist()


def respond_to_real(
    subject: Subject, real: RealImages, windows: Mapping[Site, Window], cores: int = 1
) -> RealResponses:
    """Computes the responses of sites, and of the logits, to real images."""
    number = len(real.images)
    colored = subject.input_shape[0] == 3
    # Also those that no gradient leads back from: how the CNN names images can be said of them.
    logits_layer = subject.listing.measured.get(LOGITS)
    flat_logits = logits_layer is not None and len(logits_layer.shape) == 1
    if flat_logits:
        windows = {**windows, LOGIT_SITE: window_of(subject, *LOGIT_SITE)}
    plain = responses(subject, real.images, windows, cores)
    columns = list(range(len(real.color_groups)))
    # Processes share the colors, or, where these are too few for all, the images of each.
    among, within = (cores, 1) if len(columns) >= cores else (1, cores)
    dealt = together(
        torch.stack,
        on_cores(lambda i: _in_color(subject, real, i, plain, windows, within), columns, among),
    )
    sample = real.evenly(
        SHOWN_IN_HUES // 2 if is_large(subject.input_shape) else SHOWN_IN_HUES, real.in_color
    )
    # Gray images are the same in all hues: nothing would be known of what these explain.
    turned = _in_hues(subject, real, sample, windows, cores) if real.colored else {}
    changed = gray = None
    if flat_logits and (colored or real.color_groups):

        def logits(make: Callable[[slice], Tensor]) -> Tensor:
            site = {LOGIT_SITE: windows[LOGIT_SITE]}
            return responses_in_blocks(subject, make, number, site, cores)[LOGIT_SITE].strongest

        if colored:
            gray = torch.stack([logits(real.in_gray), logits(real.in_lightest_gray)])
        if real.color_groups:
            changed = dealt[LOGIT_SITE].strongest
        elif real.dealer:
            times = range(len(real.dealer.drawn))
            changed = torch.stack([logits(partial(real.dealt, i)) for i in times])
        elif real.colored:
            changed = torch.stack([logits(partial(real.turned_by, turn)) for turn in TURNS])
    return RealResponses(real, plain, dealt, turned, real.labels[sample], changed, gray)


def _in_color(
    subject: Subject,
    real: RealImages,
    column: int,
    plain: Mapping[Site, Responses],
    windows: Mapping[Site, Window],
    cores: int,
) -> dict[Site, Responses]:
    """Computes the responses to all images in a class's color, but for those that have it."""
    others = real.in_other_colors(column)
    found = responses_in_blocks(
        subject, lambda block: real.dealt(column, others[block]), len(others), windows, cores
    )
    return {
        site: Responses(
            *(own.index_copy(0, others, new) for own, new in zip(plain[site], part, strict=True))
        )
        for site, part in found.items()
    }


def _in_hues(
    subject: Subject,
    real: RealImages,
    sample: Tensor,
    windows: Mapping[Site, Window],
    cores: int,
) -> dict[Site, Tensor]:
    """Computes responses `[6, 3, M, channels]` of sites to M images in hues and brightnesses."""

    def in_hue(hue: float) -> dict[Site, Responses]:
        turned = real.turned_to(hue, sample)
        parts = [responses(subject, brightness * turned, windows) for brightness in BRIGHTNESSES]
        return together(torch.stack, parts)

    found = together(torch.stack, on_cores(in_hue, SIX_HUES.tolist(), cores))
    return {site: each.anywhere for site, each in found.items()}
