"""Notes: what a person should know of a CNN before its pictures are trusted, as sentences."""

import torch
from torch import nn

from prober.common.errors import listed
from prober.subject.held_chances import HeldChances
from prober.subject.layers import Listing

MOST_TOLD = 6
"""A note names so many weights, or layers without a gradient, at the most."""


def notes_on(
    name: str,
    cnn: nn.Module,
    listing: Listing,
    as_seen: bool,
    precision: torch.dtype | None,
    chances: HeldChances,
) -> list[str]:
    """Says what its weights and forward passes have shown of a CNN.

    Args:
        name: What it is called.
        cnn: The CNN, whose weights are buffers.
        listing: Its layers.
        as_seen: Whether it gets images as they are seen, in [0, 1].
        precision: The only one that it computes in; None if it takes float32 and others.
        chances: What it draws at random.
    """
    notes = []
    numbers = [(key, value) for key, value in cnn.named_buffers() if value.is_floating_point()]
    if wrong := [key for key, value in numbers if value.float().isnan().any()]:
        notes.append(
            f"Weights of {name} are NaN, and no picture can be made through them: "
            f"{listed(wrong, MOST_TOLD)}. Give weights from before their training failed."
        )
    wanted = "set value_range to [0, 255]"
    if listing.makes_bytes:
        notes.append(
            f"{name} makes bytes of its input, and whole numbers have no gradient: let its forward "
            f"pass take floating-point numbers from 0 to 255, and {wanted}."
        )
    elif listing.divides_by_255 and as_seen:
        notes.append(
            f"{name} divides its input by 255, as if it were bytes, but gets values from 0 to 1: "
            f"{wanted}."
        )
    for why, names in listing.by_reason(listing.cut).items():
        notes.append(f"{listed(names, MOST_TOLD)} cannot be probed: {why}.")
    if precision is not None:
        kind = str(precision).removeprefix("torch.")
        notes.append(f"{name} computes in {kind} wherever it runs; so it does here.")
    if listing.mixes and not chances.for_one_alone:
        notes.append(
            f"What {name} gives for an image depends on those beside it, as with batch "
            "normalization that has no running statistics: so images go through it one at a time."
        )
    if chances.drawn:
        alone = ", for images that go through one at a time" * chances.for_one_alone
        notes.append(
            f"{name} draws random numbers in its forward pass, here the same each time{alone}."
        )
    return notes
