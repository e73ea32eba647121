"""The effort: how many pictures a report makes and how far it searches, by what a pass costs."""

from dataclasses import dataclass, replace
from functools import lru_cache

import torch
from torch.utils.flop_counter import FlopCounterMode

from prober.ascent.hardware import multiplies_bfloat16
from prober.ascent.method import is_large
from prober.common.inputs import input_kind
from prober.subject import Subject
from prober.subject.input_shape import some_input

COSTLY = 5e8
"""Floating-point operations of one forward pass from which on a report makes fewer pictures: a step
takes a core 20 ms and more. The reference CNN has 4e6, a ResNet-18 at 224 pixels 4e9."""

DENSE = 100
"""Operations for each number that the layers give from which on bfloat16 pays, for then most of the
time goes to products: a ResNet-18 has 380 and takes a third of the time in it, EfficientNet-Lite0,
many of whose convolutions are of single channels, has 27 and takes longer."""

HALF_ERROR = 0.05
"""What bfloat16 may change of a CNN's last layer, as a share of its largest number. Of a ResNet-18
it changes 1 %."""


@dataclass(frozen=True)
class Effort:
    """How much a report does for each unit by itself; by default, of small images.

    Attributes:
        seeds: Pictures of the unit as a whole, and of each of its neurons.
        positions: Neurons that have pictures.
        picture_steps: Steps of a picture, at the most.
        steps: Steps of the gradient ascent from each start of the search for facets.
        noises: Starts from noise.
        peaks: Starts of each family of flat and striped images, at the most.
        others: Starts that are pictures of other units.
        pushed: Starts that are pushed away from the unit's facets.
        pushes: Steps that such a start is made in.
    """

    seeds: int = 8
    positions: int = 2
    picture_steps: int = 500
    steps: int = 200
    noises: int = 3
    peaks: int = 3
    others: int = 2
    pushed: int = 4
    pushes: int = 100


# Seeds, positions and steps of pictures are those of large images, too.
OF_SMALL_IMAGES = Effort()

# A step with a large image takes a CNN a hundred times as long. So that the search of a unit takes
# no longer than its pictures, it then has two thirds of the starts and half the steps. Not
# fewer: after 64 steps a deep neuron of EfficientNet-Lite0 had half of what 200 give.
OF_LARGE_IMAGES = replace(OF_SMALL_IMAGES, steps=100, peaks=2, others=1, pushed=2, pushes=50)

OF_COSTLY_CNNS = replace(
    OF_LARGE_IMAGES, seeds=2, positions=1, picture_steps=128, noises=1, peaks=1
)


def effort(subject: Subject) -> Effort:
    """Chooses how much to do for each unit of a subject."""
    if operations(subject) > COSTLY:
        return OF_COSTLY_CNNS
    return OF_LARGE_IMAGES if is_large(subject.input_shape) else OF_SMALL_IMAGES


@lru_cache(2)  # a report has two subjects at the most
@torch.no_grad()
def operations(subject: Subject) -> int:
    """Counts the floating-point operations of a forward pass with one image; 0 without a layer."""
    if not subject.listing.measured:
        return 0
    deepest = [*subject.listing.measured][-1]
    image = torch.full((1, *subject.input_shape), 0.5).to(subject.mean)
    subject(image, [deepest])  # the first pass makes others, which try out what is faster
    with FlopCounterMode(display=False) as counter:
        subject(image, [deepest])
    return counter.get_total_flops()


@torch.no_grad()
def precision(subject: Subject, accelerator: str) -> str:
    """Chooses the precision of a report's pictures and searches, where none is given.

    Args:
        subject: The CNN under study.
        accelerator: What computes.

    Returns:
        As the Trainer takes it: `32-true`; for a costly CNN where bfloat16 is faster, and gives
        about the same, `bf16-mixed`.
    """
    looked_into = input_kind(subject.input_shape).has_color_and_shape  # else scores are published
    if (
        not looked_into
        or effort(subject) is not OF_COSTLY_CNNS
        or not multiplies_bfloat16(accelerator)
    ):
        return "32-true"
    deepest = [*subject.listing.measured][-1]
    if operations(subject) < DENSE * subject.bytes_to(deepest) / 4:
        return "32-true"
    image = some_input(subject.input_shape).to(subject.mean)
    exact = subject(image, [deepest])[deepest]
    try:
        with torch.autocast(image.device.type, torch.bfloat16):
            half = subject(image, [deepest])[deepest]
    except Exception:  # a CNN of a person's own may mix precisions, and raise whatever it likes
        return "32-true"
    same = (half - exact).abs().max() <= HALF_ERROR * exact.abs().max()
    return "bf16-mixed" if same else "32-true"
