"""What real images say of a unit: its answers by class and color, its class, the best examples."""

from collections.abc import Sequence

import torch
from torch import Tensor

from prober.common.colors import hue_to_rgb
from prober.common.drawn_inputs import drawn
from prober.common.pictures import shrunk, sprite
from prober.common.typed_json import finite
from prober.findings.behavior import behavior
from prober.findings.finding import (
    ClassEvidence,
    ClassLogit,
    Example,
    Examples,
    Kind,
    RealEvidence,
    ScoreRange,
    UsedShares,
    Variance,
)
from prober.findings.picture_folder import PictureFolder
from prober.findings.real_responses import LOGIT_SITE, SIX_HUES, RealResponses
from prober.findings.tuning import Curves
from prober.findings.units import Site, Unit
from prober.subject import LOGITS

HUE_RULES = 0.5
"""A share of the variance from which on the answers go by the hue."""

FAR_FROM_REAL = 0.1
"""Share of a picture's gain that the best real image brings where images come near. In reports
on 30 trained CNNs it is 0.2 to 0.9 in the median of most layers; of six layers it is below this."""

CERTAIN = 2.0
"""Standard errors that a difference of means must exceed, as chance does in 5 of 100 cases."""


def real_evidence(
    responses: RealResponses,
    unit: Unit,
    curves: Curves | None,
    score: ScoreRange,
    folder: PictureFolder,
) -> RealEvidence:
    """Writes the real images that excite a unit most; says what goes with class and color.

    Args:
        responses: What the CNN answers to real images.
        unit: The unit.
        curves: What it answers to flat patches; None where there are none.
        score: How far its score goes.
        folder: Where its pictures are written.
    """
    real = responses.real
    table = by_class_and_color(responses, unit.site, unit.channel)
    rows = [name for name, _ in _rows(real.classes, responses.shown_labels)]
    if responses.in_every_color:
        hues, colors = real.group_hues, real.group_colors
    else:
        hues, colors = SIX_HUES, hue_to_rgb(SIX_HUES)
    there = table is not None
    return RealEvidence(
        table=table,
        rows=tuple(rows) if there else (),
        columns=tuple(map(finite, hues.tolist())) if there else (),
        colors=tuple(map(_or_none, colors.tolist())) if there else (),
        variance=variance_of(responses, unit.site, unit.channel),
        label=class_evidence(responses, unit.channel, curves) if unit.layer == LOGITS else None,
        examples=_examples(responses, unit, score, folder),
    )


def _examples(
    responses: RealResponses, unit: Unit, score: ScoreRange, folder: PictureFolder
) -> Examples:
    labels, hues = responses.labels_of_pool()
    classes = responses.real.classes
    response = responses.of_pool(unit.site).strongest[:, unit.channel]
    top = responses.top(response)
    images = responses.images_of_pool(top)
    cells = shrunk(drawn(images), folder.cell_side(tuple(images.shape[1:])))
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


def _rows(classes: Sequence[str], labels: Tensor) -> list[tuple[str, Tensor]]:
    """The classes that some images are of, and which; all images in one where none has any."""
    rows = [(name, labels == i) for i, name in enumerate(classes)]
    rows = [(name, own) for name, own in rows if own.any()]
    return rows or [("all", torch.ones(len(labels), dtype=torch.bool))]


def by_class_and_color(
    responses: RealResponses, site: Site, channel: int
) -> tuple[tuple[float, ...], ...] | None:
    """Returns a unit's mean responses, a row for each class and a column for each color.

    The colors are those of the classes where they have some; else the hues at equal brightness.
    None where images have no color.
    """
    if responses.in_every_color:
        response = responses.dealt[site].anywhere[:, :, channel]
    elif site in responses.turned:
        response = responses.turned[site][..., channel].mean(1)
    else:
        return None
    rows = _rows(responses.real.classes, responses.shown_labels)
    return tuple(tuple(response[:, own].double().mean(1).tolist()) for _, own in rows)


def variance_of(responses: RealResponses, site: Site, channel: int) -> Variance | None:
    """Returns what explains the variance of a unit's responses to images in hues.

    An analysis of variance of images that are each shown in every hue at every brightness: the
    shares of the total sum of squares that hue, brightness and class explain. As each is crossed
    with the others, they add up, and what is left is the rest, with the interaction of hue and
    class.

    Returns:
        None where images have no color, or where all answers are the same.
    """
    if site not in responses.turned:
        return None
    response = responses.turned[site][..., channel].double()  # [hues, brightnesses, M]
    labels = responses.turned_labels
    rows = _rows(responses.real.classes, labels)
    kept = torch.stack([own for _, own in rows])
    response, kept = response[:, :, kept.any(0)], kept[:, kept.any(0)]
    mean = response.mean()
    total = (response - mean).square().mean().item()
    if total <= 1e-12 * max(1e-30, mean.square().item()):
        return None
    sizes = kept.double().mean(1)
    of_hue = response.mean((1, 2)) - mean
    cells = torch.stack([response[:, :, own].mean((1, 2)) for own in kept])  # [classes, hues]
    of_class = cells.mean(1) - mean
    hue, brightness, label, together = (
        part.item() / total
        for part in (
            of_hue.square().mean(),
            (response.mean((0, 2)) - mean).square().mean(),
            (sizes * of_class.square()).sum(),
            (sizes[:, None] * (cells - mean - of_hue - of_class[:, None]).square()).mean(1).sum(),
        )
    )
    rest = max(0.0, 1 - hue - brightness - label)
    # What the hue does in each image otherwise is more in some classes by chance.
    of_image = response.mean(1) - response.mean((0, 1)) - of_hue[:, None]  # [hues, M]
    in_images = of_image.square().mean().item() / total - together
    images, classes = kept.shape[1], len(kept)
    chance = in_images * (classes - 1) / (images - classes) if images > classes else together
    return Variance(hue, brightness, label, rest, hue_by_class=max(0.0, together - chance))


def class_evidence(
    responses: RealResponses, channel: int, curves: Curves | None
) -> ClassEvidence | None:
    """Returns what becomes of a class's logit when color or shape of its real images change.

    Args:
        responses: What the CNN answers to real images.
        channel: The class.
        curves: What its logit answers to flat patches; None where there are none.
    """
    real = responses.real
    own = real.labels == channel
    plain = responses.plain.get(LOGIT_SITE)
    if plain is None or plain.strongest.shape[1] != len(real.classes) or not own.any():
        return None
    logit = used = None
    if (answers := class_answers(responses, channel)) is not None:
        logit = ClassLogit(*map(_mean, answers))
        named = behavior(responses)
        certain = _is_certain(answers) and not (named and named.needs_unfound_color)
        used = used_shares(logit) if certain else None
    color = real.class_colors[channel]
    return ClassEvidence(
        label=real.classes[channel],
        hue=finite(real.class_hues[channel].item()),
        color=_or_none(color.tolist()),
        flat_hue=curves.chosen.hues[curves.flat.argmax()].item()
        if curves and len(curves.flat)
        else None,
        logit=logit,
        used=used,
    )


def class_answers(
    responses: RealResponses, channel: int
) -> tuple[Tensor, Tensor, Tensor, Tensor] | None:
    """Returns a class's logit when the color or the shape of its images change.

    Where the class has a color, that is changed for another class's, and another class's shape is
    shown in it. Where no class has one, colors are those of other images, of the class or of
    others. Where colors cannot be dealt, nothing is known of another shape in the class's color.

    Returns:
        For each field of `ClassLogit`, in their order, the answers to so many images, in the mean
        over the colors that each is shown in.
    """
    real, dealer = responses.real, responses.real.dealer
    if responses.changed is None or dealer is None:
        return None
    plain = responses.plain[LOGIT_SITE].strongest[:, channel]
    changed = responses.changed[:, :, channel]  # [times, N]
    own, other = real.labels == channel, (real.labels != channel) & (real.labels >= 0)
    if dealer.groups:
        has_color = real.has_color(torch.tensor(channel))[:, None].expand(changed.shape)
    else:
        has_color = real.labels[torch.stack(dealer.drawn)] == channel
    asked = dealer.dealable.expand(changed.shape)
    shape_changed = _per_image(changed, asked & has_color & other)
    return (
        plain[own],
        _per_image(changed, asked & ~has_color & own),
        shape_changed,
        # Of a class that has no color of its own nothing can be said.
        _per_image(changed, asked & ~has_color & other) if len(shape_changed) else shape_changed,
    )


def _per_image(answers: Tensor, asked: Tensor) -> Tensor:
    """Averages answers `[times, N]` over the times that each image was asked, if it was."""
    times = asked.sum(0)
    return ((answers * asked).sum(0) / times)[times > 0]


def _is_certain(answers: tuple[Tensor, ...]) -> bool:
    """Whether own images excite a class more than others in other colors, beyond chance.

    By twice the standard error of the difference of their means; of what may be chance there are
    no shares.
    """
    own, *_, both = answers
    if min(len(own), len(both)) < 2:
        return False
    error = (own.var() / len(own) + both.var() / len(both)).sqrt()
    return bool(own.mean() - both.mean() > CERTAIN * error)


def used_shares(logit: ClassLogit) -> UsedShares | None:
    """Returns how much of a class's logit is due to color and to shape.

    The value of each is what it adds, averaged over the two orders in which they can be added
    (Shapley 1953), and its share is that of the values above 0. None if something is not known, or
    own images do not excite it more than others in other colors.
    """
    own, color = logit.own, logit.color_changed
    shape, both = logit.shape_changed, logit.both_changed
    if own is None or color is None or shape is None or both is None or own <= both:
        return None
    by_color = max(0.0, (own - color) + (shape - both))
    by_shape = max(0.0, (own - shape) + (color - both))
    return UsedShares(
        color=by_color / (by_color + by_shape), shape=by_shape / (by_color + by_shape)
    )


def _or_none(color: Sequence[float]) -> tuple[float, ...] | None:
    """A color as findings have it: None for NaN, where there is none or there are several."""
    return None if finite(color[0]) is None else tuple(color)


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
    no_color = list(kinds) in ([Kind.SHAPE], [Kind.BRIGHTNESS])
    if no_color and variance and variance.hue >= HUE_RULES:
        said.append(
            f"On real images its answers go by the hue, which explains {variance.hue:.0%} of "
            f"their variance, the class {variance.label:.0%}."
        )
    best = found.examples.items[0]
    if best.score <= 0:
        said.append(f"No real image brings its score above 0; the best reaches {best.score:.2g}.")
    elif best.share is not None and best.share < FAR_FROM_REAL:
        said.append(
            f"No real image comes near: the best brings {best.share:.0%} of its picture's gain."
        )
    return said
