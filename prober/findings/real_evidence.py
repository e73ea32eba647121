"""What real images say of a unit: its answers by class and hue, its class, the best examples."""

from collections.abc import Sequence

import torch
from torch import Tensor

from prober.common.pictures import shrunk, sprite, to_bytes
from prober.findings.finding import (
    ClassEvidence,
    ClassLogit,
    Example,
    Examples,
    Kind,
    RealEvidence,
    Score,
    Variance,
    finite,
)
from prober.findings.picture_folder import CELL_SIDE, PictureFolder
from prober.findings.real_responses import LOGIT_SITE, RealResponses
from prober.findings.tuning import Curves
from prober.findings.units import Site, Unit
from prober.subject import LOGITS

HUE_RULES = 0.5
"""A share of the variance from which on the answers go by the hue."""


def real_evidence(
    responses: RealResponses, unit: Unit, curves: Curves, score: Score, folder: PictureFolder
) -> RealEvidence:
    """Writes the real images that excite a unit most; says what goes with class and hue.

    Args:
        responses: What the CNN answers to real images.
        unit: The unit.
        curves: What it answers to flat patches.
        score: How far its score goes.
        folder: Where its pictures are written.
    """
    table, rows, variance = by_class_and_hue(responses, unit.site, unit.channel)
    return RealEvidence(
        table=table,
        rows=rows,
        columns=() if table is None else tuple(responses.real.shown_hues.tolist()),
        variance=variance,
        label=class_evidence(responses, unit.channel, curves) if unit.layer == LOGITS else None,
        examples=_examples(responses, unit, score, folder),
    )


def _examples(
    responses: RealResponses, unit: Unit, score: Score, folder: PictureFolder
) -> Examples:
    labels, hues = responses.labels_of_pool()
    classes = responses.real.classes
    response = responses.of_pool(unit.site).strongest[:, unit.channel]
    top = responses.top(response)
    cells = shrunk(to_bytes(responses.images_of_pool(top)), CELL_SIDE)
    return Examples(
        sprite=folder.write("examples.png", sprite(cells[None])),
        cell=cells.shape[1:3],
        items=tuple(
            Example(
                score=response[i].item(),
                share=score.share(response[i].item()),
                label=classes[labels[i]] if labels[i] >= 0 else None,
                hue=finite(hues[i].item()),
            )
            for i in top
        ),
    )


def by_class_and_hue(
    responses: RealResponses, site: Site, channel: int
) -> tuple[tuple[tuple[float, ...], ...] | None, tuple[str, ...], Variance | None]:
    """Returns a unit's mean responses by class and hue, and what explains their variance.

    A two-way analysis of variance over all images in all hues: the shares of the total sum of
    squares that the hue, the class and their interaction explain.

    Returns:
        The means, a row for each class and a column for each hue; the names of the rows; the
        shares. None where images cannot be shown in hues, or where all answers are the same.
    """
    real = responses.real
    if site not in responses.tinted:
        return None, (), None
    response = responses.tinted[site].strongest[:, :, channel].double()  # [hues, N]
    labeled = [i for i in range(len(real.classes)) if (real.labels == i).any()]
    rows = [(real.labels == i) for i in labeled] or [torch.ones(len(real.images), dtype=torch.bool)]
    names = [real.classes[i] for i in labeled] or ["all"]
    cells = torch.stack([response[:, row].mean(1) for row in rows])  # [classes, hues]
    share = torch.tensor([row.sum().item() for row in rows], dtype=torch.float64)
    response = response[:, torch.stack(rows).any(0)]
    share = share / share.sum()
    mean = response.mean()
    total = (response - mean).square().mean().item()
    of_hue = (share[:, None] * cells).sum(0) - mean
    of_class = cells.mean(1) - mean
    of_both = cells - mean - of_hue - of_class[:, None]
    variance = None
    if total > 1e-12 * max(1e-30, mean.square().item()):
        variance = Variance(
            hue=of_hue.square().mean().item() / total,
            label=(share * of_class.square()).sum().item() / total,
            interaction=(share[:, None] * of_both.square()).sum().item() / len(of_hue) / total,
        )
    return tuple(map(tuple, cells.tolist())), tuple(names), variance


def class_evidence(responses: RealResponses, channel: int, curves: Curves) -> ClassEvidence | None:
    """Returns what becomes of a class's logit when color or shape of its real images change.

    Args:
        responses: What the CNN answers to real images.
        channel: The class.
        curves: What its logit answers to flat patches.
    """
    real = responses.real
    own = real.labels == channel
    plain = responses.plain.get(LOGIT_SITE)
    if plain is None or plain.strongest.shape[1] != len(real.classes) or not own.any():
        return None
    hue = finite(real.class_hues[channel].item())
    flat_hue = curves.chosen.hues[curves.flat.argmax()].item() if len(curves.flat) else None
    logit = None
    if LOGIT_SITE in responses.tinted:
        tinted = responses.tinted[LOGIT_SITE].strongest[:, :, channel]  # [hues, N]
        shown = real.shown_hues
        same = torch.zeros(len(shown), dtype=torch.bool)
        if hue is not None:
            same = (shown - hue).abs() < 1e-3
        known = bool(same.any()) and bool((~own).any())
        logit = ClassLogit(
            own=_mean(plain.strongest[:, channel][own]),
            color_changed=_mean(tinted[~same][:, own]),
            shape_changed=_mean(tinted[same][:, ~own]) if known else None,
            both_changed=_mean(tinted[~same][:, ~own]) if known else None,
        )
    return ClassEvidence(real.classes[channel], hue, flat_hue, logit)


def _mean(part: Tensor) -> float | None:
    return part.mean().item() if part.numel() else None


def real_doubts(kinds: Sequence[Kind], found: RealEvidence | None) -> list[str]:
    """Says where real images speak otherwise than a unit's picture does.

    Args:
        kinds: What its pictures say.
        found: What real images say, or None without any.
    """
    if found is None or not found.examples.items:
        return []
    said = []
    variance = found.variance
    if list(kinds) == [Kind.SHAPE] and variance and variance.hue >= HUE_RULES:
        said.append(
            f"On real images its answers go by the hue, which explains {variance.hue:.0%} of "
            f"their variance, the class {variance.label:.0%}."
        )
    best = found.examples.items[0].score
    if best <= 0:
        said.append(f"No real image brings its score above 0; the best reaches {best:.2g}.")
    return said
