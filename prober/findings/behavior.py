"""Behavior: how well a CNN names real images, with their colors and without."""

from dataclasses import dataclass
from enum import StrEnum

from prober.findings.real_responses import LOGIT_SITE, RealResponses

KNOWLEDGE = 0.25
"""An accuracy this far on the way from chance to always right shows that a CNN knows the classes;
an answer as often as that goes by what it agrees with."""

SHORTCUT_LOSS = 0.2
"""Accuracy lost with the color that is more than noise."""

NOISE_LOSS = 0.05
"""Accuracy lost with the color that may be noise."""


class Shortcut(StrEnum):
    """Whether a CNN takes a shortcut by color.

    Attributes:
        COLOR: It knows the classes, loses them with the color and follows it.
        NONE: It knows the classes, and the color makes no difference.
        UNKNOWN: Neither, or its answers in other colors are not known.
    """

    COLOR = "color"
    NONE = "none"
    UNKNOWN = "cannot say"


@dataclass(frozen=True)
class Behavior:
    """How well a CNN names real images.

    Attributes:
        accuracy: The share that it names right, of the images as they are.
        accuracy_color_changed: In the hues of other classes; `null` if they cannot be shown so.
        accuracy_without_color: In white; `null` likewise.
        names_color: How often it names the class of the hue instead; `null` likewise.
        chance: The share of the most frequent class.
        shortcut: `color`, `none` or `cannot say`, see below.

    `shortcut` is `color` if the accuracy is at least a quarter of the way from chance to always
    right, falls by 20 points or more with the color, and the answers then follow it as far; `none`
    if the accuracy is as high and falls by no more than 5 points.
    """

    accuracy: float
    accuracy_color_changed: float | None
    accuracy_without_color: float | None
    names_color: float | None
    chance: float
    shortcut: Shortcut


def behavior(responses: RealResponses) -> Behavior | None:
    """Returns how well the CNN names the classes; None without classes, one logit for each."""
    real = responses.real
    plain = responses.plain.get(LOGIT_SITE)
    number = len(real.classes)
    if plain is None or plain.strongest.shape[1] != number or number < 2:
        return None
    labels = real.labels
    accuracy = (plain.strongest.argmax(1) == labels).float().mean().item()
    counts = labels.bincount(minlength=number)
    chance = (counts.max() / counts.sum()).item()
    if LOGIT_SITE not in responses.tinted or responses.white is None:
        return Behavior(accuracy, None, None, None, chance, Shortcut.UNKNOWN)
    named = responses.tinted[LOGIT_SITE].strongest.argmax(2)  # [hues, N]
    names_color = None
    if real.every_class_has_a_hue:
        class_of_hue = (real.shown_hues[:, None] - real.class_hues).abs().argmin(1)
        changed = class_of_hue[:, None] != labels
        color_changed = (named == labels)[changed].float().mean().item()
        names_color = (named == class_of_hue[:, None])[changed].float().mean().item()
    else:
        color_changed = (named == labels).float().mean().item()
    return Behavior(
        accuracy,
        color_changed,
        (responses.white.argmax(1) == labels).float().mean().item(),
        names_color,
        chance,
        _shortcut(accuracy, color_changed, names_color or 0.0, chance, number),
    )


def _shortcut(
    accuracy: float, color_changed: float, names_color: float, chance: float, classes: int
) -> Shortcut:
    lost = accuracy - color_changed
    knows = accuracy >= chance + KNOWLEDGE * (1 - chance)
    follows = names_color >= 1 / classes + KNOWLEDGE * (1 - 1 / classes)
    if knows and lost >= SHORTCUT_LOSS and follows:
        return Shortcut.COLOR
    if knows and abs(lost) <= NOISE_LOSS:
        return Shortcut.NONE
    return Shortcut.UNKNOWN
