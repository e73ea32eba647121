"""The pictures of a facet: its optima, the best first."""

from collections.abc import Sequence

import torch

from prober.findings.finding import Facet
from prober.findings.found_facets import Found
from prober.findings.optima import Optima
from prober.findings.picture_folder import PictureFolder
from prober.findings.windows import Window

FACET_PICTURES = 4
"""Pictures of a facet, at the most."""


def draw_facet(number: int, found: Found, window: Window, folder: PictureFolder) -> Facet:
    """Writes a facet's pictures, cropped to the field and whole.

    Args:
        number: Which of the unit's facets it is.
        found: What the search has found of the unit.
        window: Where the unit looks.
        folder: Where the pictures are written.
    """
    group, optima = found.groups[number], found.optima
    best = group.members[0]
    pictures = [
        folder.draw(
            f"facet{number}_{i}.png" if i else f"facet{number}.png",
            window.crop(optima.images[member]),
        )
        for i, member in enumerate(various(group.members, optima))
    ]
    return Facet(
        kind=group.kind,
        shares=group.shares,
        strength=group.strength,
        hue=group.hue,
        orientation=group.orientation,
        score=optima.score[best].item(),
        share=len(group.members) / len(optima),
        pictures=tuple(pictures),
        full=folder.draw(f"facet{number}_full.png", optima.images[best]),
    )


def various(members: Sequence[int], optima: Optima) -> list[int]:
    """Picks optima so that after the best each next one is the least like those before it.

    Args:
        members: Their numbers, the best first.
        optima: All of the unit.

    Returns:
        The numbers of at most `FACET_PICTURES` of them.
    """
    left, order = list(members[1:]), [members[0]]
    flattened = optima.images.flatten(1)
    while left and len(order) < FACET_PICTURES:
        nearest = torch.cdist(flattened[left], flattened[order]).amin(1)
        order.append(left.pop(int(nearest.argmax())))
    return order
