"""How units respond to real images, as they are and in every hue."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from prober.findings.real_images import RealImages
from prober.findings.responses import Responses, responses, responses_in_blocks
from prober.findings.units import Site
from prober.findings.windows import Window
from prober.subject import LOGITS, Subject

LOGIT_SITE: Site = (LOGITS, None)
"""Where the logits of the classes are."""

TOP = 8
"""Real images that count as those which excite a unit most."""


@dataclass(frozen=True)
class RealResponses:
    """The responses of some sites to real images.

    They are asked of a pool of images. It has every shape in every hue where the color gives the
    class away, as some images are so in such data; elsewhere it has the images as they are.

    Attributes:
        real: The images.
        plain: For each site to the images as they are.
        tinted: For each site `[hues, N, channels]`, in each of the hues that all are shown in;
            empty where images have no three channels.
        white: The logits `[N, classes]` of the images in white; None without logits.
    """

    real: RealImages
    plain: Mapping[Site, Responses]
    tinted: Mapping[Site, Responses]
    white: Tensor | None

    @property
    def in_every_hue(self) -> bool:
        """Whether the pool has every shape in every hue."""
        return self.real.every_class_has_a_hue and bool(self.tinted)

    def of_pool(self, site: Site) -> Responses:
        """Returns the responses `[P, channels]` of a site to the pool."""
        if not self.in_every_hue:
            return self.plain[site]
        tinted = self.tinted[site]
        return Responses(tinted.strongest.flatten(0, 1), tinted.at_neuron.flatten(0, 1))

    def images_of_pool(self, numbers: Sequence[int]) -> Tensor:
        """Returns some images of the pool, `[len(numbers), C, H, W]`."""
        if not self.in_every_hue:
            return self.real.images[list(numbers)]
        chosen = torch.tensor(numbers, dtype=torch.long)
        number = len(self.real.images)
        return self.real.tinted(self.real.shown_hues[chosen // number], chosen % number)

    def labels_of_pool(self) -> tuple[Tensor, Tensor]:
        """Returns the labels `[P]` and hues `[P]` of the pool."""
        real = self.real
        if not self.in_every_hue:
            return real.labels, real.image_hues
        hues = real.shown_hues.repeat_interleave(len(real.images))
        return real.labels.repeat(len(real.shown_hues)), hues

    def top(self, response: Tensor) -> list[int]:
        """Returns the images of the pool with the largest responses `[P]`, no shape twice."""
        number = len(self.real.images)
        best, hue = response.view(-1, number).max(0)
        top = best.topk(min(TOP, number)).indices
        return (hue[top] * number + top).tolist()


def respond_to_real(
    subject: Subject, real: RealImages, windows: Mapping[Site, Window]
) -> RealResponses:
    """Computes the responses of sites, and of the logits, to real images."""
    number = len(real.images)
    colored = subject.input_shape[0] == 3
    flat_logits = LOGITS in subject.layers and len(subject.layers[LOGITS].shape) == 1
    if flat_logits and LOGIT_SITE not in windows:
        height, width = subject.input_shape[1:]
        windows = {**windows, LOGIT_SITE: Window(None, 0, 0, height, width)}
    plain = responses(subject, real.images, windows)
    parts: dict[Site, list[Responses]] = {site: [] for site in windows if colored}
    for hue in real.shown_hues if colored else ():
        tinted = partial(real.tinted, hue)
        for site, part in responses_in_blocks(subject, tinted, number, windows).items():
            parts[site].append(part)
    white = None
    if colored and LOGIT_SITE in windows and windows[LOGIT_SITE].neuron is None:
        logits = {LOGIT_SITE: windows[LOGIT_SITE]}
        found = responses_in_blocks(subject, real.in_white, number, logits)
        white = found[LOGIT_SITE].strongest
    stacked = {
        site: Responses(
            torch.stack([part.strongest for part in part_of_hue]),
            torch.stack([part.at_neuron for part in part_of_hue]),
        )
        for site, part_of_hue in parts.items()
    }
    return RealResponses(real, plain, stacked, white)
