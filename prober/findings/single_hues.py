"""Single hues: how far a unit goes by images in which there is one hue beside grays.

What wants several colors may have a single picture: a mix of them, pixel by pixel, which leads from
one to the other without a valley. So the search finds one facet, and its hue lies anywhere between.
Where flat patches of several hues excite a unit, and those between less, images are climbed in
which each pixel is gray or of one hue. Of the reference CNN's 122 units flat patches alone would
say so of seven more: six of them go by one of these hues, and the other flat patch is no part of
what excites them.
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from typing_extensions import override

from prober.common.colors import hue_to_rgb
from prober.findings.box_ascent import climb
from prober.findings.cut_cnn import CutCNN
from prober.findings.facets import FACET_GAIN, Group
from prober.findings.finding import SingleHue
from prober.findings.maxima import KNOWN_FIRST_STEP, NOISE_FIRST_STEP, FourMaxima, breadth_for
from prober.findings.tuning import Curves, peaks

SOME_COLOR = 0.2
"""The share of color from which on a unit may want several colors."""

LEAST_SHARE, BEYOND_GRAY = 0.35, 0.1
"""A hue excites a unit by itself if it brings the first share of the gain, and the second one more
than the best gray image. Of classes of two hues each the weaker hue brings 0.41 and more, 0.16 more
than gray; of units that multiply what they find of two hues each brings 0.23 and less."""


def several_hues(
    cut: CutCNN, channel: int, groups: Sequence[Group], maxima: FourMaxima, curves: Curves
) -> tuple[SingleHue, ...]:
    """Finds the hues that each excite a unit of one facet; none if they are not several.

    Args:
        cut: The CNN cut down to what units of its layer see.
        channel: The unit's.
        groups: Its facets.
        maxima: Its maxima.
        curves: Its answers to flat patches of hues and grays.
    """
    if len(groups) != 1 or groups[0].shares.color < SOME_COLOR:
        return ()
    places = _asked(curves)
    if not places:
        return ()
    hues = curves.chosen.hues[places].float()
    scores = _best_of_hues(cut, channel, hues, maxima.images[0])
    shares = ((scores.double() - maxima.neutral) / maxima.gain).clamp_max(1)
    gray = ((maxima.scores[1] - maxima.neutral) / maxima.gain).item()
    least = max(LEAST_SHARE, gray + BEYOND_GRAY)
    kept = [i for i in peaks(shares, 0.0, FACET_GAIN) if shares[i] >= least]
    if len(kept) < 2:
        return ()
    return tuple(SingleHue(hues[i].item(), shares[i].item()) for i in kept)


def _asked(curves: Curves) -> list[int]:
    """Chooses hues by the answers to flat patches, around the circle; none of less than two peaks.

    Returns:
        The places of the peaks, and between each and the next that of the lowest answer.
    """
    if not len(curves.flat):
        return []
    # Yellow, cyan and magenta are light: what a gray gives is not due to a hue.
    floor = max(curves.neutral, curves.grays.max().item())
    found = sorted(peaks(curves.flat, floor, FACET_GAIN))
    if len(found) < 2:
        return []
    number = len(curves.flat)
    asked = []
    for start, end in zip(found, [*found[1:], found[0] + number], strict=True):
        between = [place % number for place in range(start + 1, end)]
        asked += [start, min(between, key=lambda place: curves.flat[place].item())]
    return asked


def _best_of_hues(cut: CutCNN, channel: int, hues: Tensor, best: Tensor) -> Tensor:
    """Climbs among images of one hue beside grays, from noise and from the best image.

    Args:
        cut: The CNN cut down to what units of one layer see.
        channel: The unit's.
        hues: `[N]`, degrees.
        best: `[C, H, W]`, the image that excites the unit most.

    Returns:
        The best scores `[N]`.
    """
    size = cut.shape[1:]
    colors = hue_to_rgb(hues)[:, :, None, None].expand(-1, -1, *size)
    noise = torch.rand(1, 2, *size, generator=torch.Generator().manual_seed(0))
    field = cut.crop(best[None]).to(noise)
    gray = field.mean(1, keepdim=True)
    # What its pixels have of each hue, as far as they lie from gray in its direction.
    tints = colors - colors.mean(1, keepdim=True)
    parts = ((field - gray) * tints).sum(1, keepdim=True) / tints.square().sum(1, keepdim=True)
    starts = [
        torch.cat([noise.expand(len(hues), -1, -1, -1), colors], 1),
        torch.cat([parts.clamp(0, 1), gray.expand(len(hues), -1, -1, -1), colors], 1),
    ]
    first = torch.tensor([NOISE_FIRST_STEP, KNOWN_FIRST_STEP]).repeat_interleave(len(hues))
    channels = torch.full((len(first),), channel)
    steps = breadth_for(cut, channel).local_steps
    scores, _ = climb(_InOneHue(cut), torch.cat(starts), channels, first, steps)
    return scores.view(len(starts), -1).amax(0)


class _InOneHue(CutCNN):
    """A cut CNN that is given what pixels are made of.

    Its fields are `[N, 5, h, w]`: how far a pixel has the hue, which gray it has else, and the
    color of the hue, which no gradient changes.

    Args:
        cut: The CNN that sees the images.
    """

    def __init__(self, cut: CutCNN) -> None:
        vars(self).update(vars(cut.in_float32()))

    @override
    def activations(self, fields: Tensor, channels: Sequence[int]) -> Tensor:
        part, gray, color = fields.split([1, 1, 3], 1)
        return super().activations(
            torch.lerp(gray.expand_as(color), color.detach(), part), channels
        )
