"""Behavior: how well a CNN names real images, with their colors, with others and without."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import torch
from torch import Tensor

from prober.common.intervals import wilson
from prober.findings.real_images import RealImages
from prober.findings.real_responses import LOGIT_SITE, RealResponses

KNOWLEDGE = 0.25
"""An accuracy this far on the way from chance to always right shows that a CNN knows the classes;
lost answers follow the color if as many name its class, on the way from what guessing gives."""

SHORTCUT_LOSS = 0.2
"""Accuracy lost with the color that is more than noise."""

REORDERED_GAIN = 0.25
"""Accuracy that is gained with the classes in another order where it is likely the logits'."""

COUNTERPART = 0.5
"""So large a part of a class's images are named as its counterpart, or after another color."""

NOISE_LOSS = 0.05
"""Accuracy lost with the color that may be noise."""

NAMED_ERRORS = 0.1
"""Of all errors in other colors so many, from guessing to all, have to name the color's class. Of
three CNNs that were trained on gray images, to which colors are strange, it was 0.05 and less, of
44 that go by color 0.14 and more."""

FOLLOWING_NOISE = 0.1
"""The part of the lost answers by which those that name the color's class may fall short, with more
than two classes."""

LOST_IN_GRAY = 0.1
"""Accuracy lost in gray that shows, where as much stays right in other colors or none goes with a
class, that one was not found. CNNs that do without color lost 8 points at the most, two that go by
a small tag 34 and 78."""

OTHER_ANSWERS = 0.1
"""Answers that become others with the color, from which on the color makes a difference, however
many are right. Of CNNs that do without it 0.4 and 3 % did, of two that go by it 18 and 67 %, though
their accuracy stayed as it was: images in random colors were given random ones."""


class Shortcut(StrEnum):
    """Whether a CNN takes a shortcut by color.

    Attributes:
        COLOR: It knows the classes, loses them with the color and follows it.
        PARTLY: Likewise, but it loses fewer than 20 points.
        NONE: It knows the classes, and the color makes no difference.
        UNKNOWN: None of these, or its answers in other colors are not known.
    """

    COLOR = "color"
    PARTLY = "partly"
    NONE = "none"
    UNKNOWN = "cannot say"


class ColorChange(StrEnum):
    """How the color of images was changed.

    Attributes:
        CLASS: They have the color of another class, in the areas that have it, or all over where it
            is one that whole images lean to.
        IMAGE: They have the color of any other image, as no color goes with a class.
        TURN: Their hue is turned, as they have no color that could be dealt.
    """

    CLASS = "another class's color"
    IMAGE = "another image's color"
    TURN = "hue turned"


@dataclass(frozen=True)
class Behavior:
    """How well a CNN names real images; every class weighs the same.

    Attributes:
        accuracy: The share that it names right, of the images as they are.
        accuracy_color_changed: With another color; `null` if they cannot be shown so.
        accuracy_without_color: In gray of the same brightness, or as light as the lightest channel,
            whichever changes the accuracy less, unless the better one raises it by more than 5
            points; `null` likewise.
        names_color: How often it names the class of the color instead, or one of those that share
            it; `null` likewise, or if no color goes with a class.
        chance: What guessing among the classes of the images gives.
        shortcut: `color`, `partly`, `none` or `cannot say`, see below.
        color_change: How the color was changed: `another class's color`, `another image's color`
            or `hue turned`; `null` if it was not.
        images: For each of the figures above that is known, how many images it rests on.
        intervals: For each of these, the lower and upper end of its 95 % interval (Wilson 1927),
            each image counted once.
        order: Where the classes of the images are likely to be in another order than the logits,
            since in it at least half, and 25 points more, would be named right, their names in
            that order; else `null`.
        shared: Whether classes share the colors that go with them, so that each stands for several.
        crossed: Whether all that share colors are named as counterparts of theirs in another such
            color, no two as the same: color is then a part of what the classes are, as of red
            squares and blue squares, red rings and blue rings. Or whether half of the images of
            classes that have a color of their own are named after another, and hardly any of those
            of classes that have none, as of circles and crosses in any color beside red squares and
            blue squares.
        answers_changed: How often its answer is another one with another color, right or wrong;
            `null` if they cannot be shown so.
        colored: Of how many classes the images were given colors, where not all that there are have
            colors of their own; else `null`.

    `shortcut` is `color` if the accuracy is at least a quarter of the way from chance to always
    right, falls by 20 points or more with another class's color, and the answers then follow that:
    of those lost, it gets as many as guessing among the other classes would give it and a quarter
    of the others, and of all errors as many as guessing would and a tenth of the others. It is
    `partly` if it falls by 5 to 20 points so; `none` if the accuracy is as high and falls by no
    more than 5 points, however the color was changed, and fewer than a tenth of the answers become
    others; but not with the hue turned if an area's color tells anything of the class, since it may
    do so by being there, and never if the accuracy falls by 10 points in gray: then it needs a
    color that was not found. Where color tells nothing, it is `none` also if the accuracy falls
    with the hue turned and not in gray: the CNN needs no color then, though others, which no image
    has, may be strange to it. Where the colors are `crossed` it is `cannot say`, and where the
    accuracy falls with another class's color and is 5 points higher in gray.
    """

    accuracy: float
    accuracy_color_changed: float | None
    accuracy_without_color: float | None
    names_color: float | None
    chance: float
    shortcut: Shortcut
    color_change: ColorChange | None
    images: dict[str, int]
    intervals: dict[str, tuple[float, ...]]
    order: tuple[str, ...] | None = None
    shared: bool = False
    crossed: bool = False
    answers_changed: float | None = None
    colored: int | None = None

    @property
    def lost(self) -> float:
        """The accuracy lost in other colors, to 4 digits, lest rounding tip what is at a limit."""
        changed = self.accuracy_color_changed
        return 0.0 if changed is None else round(self.accuracy - changed, 4)

    @property
    def lost_in_gray(self) -> float | None:
        """The accuracy lost without color, likewise; None if it is not known."""
        gray = self.accuracy_without_color
        return None if gray is None else round(self.accuracy - gray, 4)

    @property
    def knows_classes(self) -> bool:
        """Whether its accuracy shows that it knows the classes."""
        return self.accuracy >= self.chance + KNOWLEDGE * (1 - self.chance)

    @property
    def answers_otherwise(self) -> bool:
        """Whether the color makes a difference to its answers, however many are right."""
        return self.answers_changed is not None and self.answers_changed >= OTHER_ANSWERS

    @property
    def needs_unfound_color(self) -> bool:
        """Whether it needs color that was not found, in a corner say, and was not changed.

        It is wrong in gray, and with no color goes a class; or it is right in the other colors.
        Then what was changed says nothing of color.
        """
        found = self.color_change == ColorChange.CLASS and abs(self.lost) > NOISE_LOSS
        return not found and (self.lost_in_gray or 0.0) > LOST_IN_GRAY

    @property
    def hurt_by_color(self) -> bool:
        """Whether it names plainly more right in gray: the classes' colors are strange to it."""
        return (self.lost_in_gray or 0.0) < -NOISE_LOSS

    @property
    def explained_errors(self) -> float | None:
        """Of a shortcut, the share of the errors in other colors that name that color's class."""
        if self.shortcut not in (Shortcut.COLOR, Shortcut.PARTLY):
            return None
        assert self.accuracy_color_changed is not None and self.names_color is not None
        return self.names_color / (1 - self.accuracy_color_changed)

    @property
    def needs_color(self) -> bool:
        """Whether it knows the classes, and loses 20 points without color.

        If they could be shown in other colors, with these, too.
        """
        if self.lost_in_gray is None or not self.knows_classes:
            return False
        changed = self.accuracy_color_changed is not None
        lost = min(self.lost, self.lost_in_gray) if changed else self.lost_in_gray
        return lost >= SHORTCUT_LOSS


def behavior(responses: RealResponses) -> Behavior | None:
    """Returns how well the CNN names the classes; None without classes, one logit for each."""
    real = responses.real
    plain = responses.plain.get(LOGIT_SITE)
    classes = len(real.classes)
    if plain is None or plain.strongest.shape[1] != classes or classes < 2:
        return None
    labels = real.labels
    known = (labels >= 0)[None]
    named = plain.strongest.argmax(1)
    figures = {"accuracy": _Figure.of((named == labels)[None], known, labels)}
    change, colored, followed, shared, crossed = None, None, 0.0, 1.0, False
    if responses.gray is not None:
        right = [(each.argmax(1) == labels)[None] for each in responses.gray]
        grays = [_Figure.of(each, known, labels) for each in right]
        named_right = figures["accuracy"].share
        nearest = min(grays, key=lambda f: abs(f.share - named_right))
        best = max(grays, key=lambda f: f.share)
        strange = round(best.share - named_right, 4) > NOISE_LOSS  # the colors are, to the CNN
        figures["accuracy_without_color"] = best if strange else nearest
    if responses.changed is not None:
        answer = responses.changed.argmax(2)  # [times, N]
        asked = known.expand(len(answer), -1)
        change = ColorChange.TURN
        if real.dealer:
            change, asked = ColorChange.IMAGE, asked & real.dealer.dealable
        if real.color_groups:
            change = ColorChange.CLASS
            asked = asked & ~real.has_color(labels)
            of_color = real.has_color(torch.arange(classes))  # [times, classes]
            names = _Figure.of(of_color.gather(1, answer), asked, labels)
            figures["names_color"] = names
            followed = names.share - _Figure.of(of_color[:, named], asked, labels).share
            shared = int(of_color.sum()) / len(of_color)
            have = of_color.any(0)[labels[known[0]].unique()]
            colored = None if have.all() else int(have.sum())
            crossed = _crossed(answer, asked, labels, of_color) or _only_colored_follow(
                answer, asked, labels, of_color
            )
        figures["answers_changed"] = _Figure.of(answer != named, asked, labels)
        figures["accuracy_color_changed"] = _Figure.of(answer == labels, asked, labels)
    shares = {name: figure.share for name, figure in figures.items()}
    found = Behavior(
        accuracy=shares["accuracy"],
        accuracy_color_changed=shares.get("accuracy_color_changed"),
        accuracy_without_color=shares.get("accuracy_without_color"),
        names_color=shares.get("names_color"),
        chance=1 / len(labels[known[0]].unique()),
        shortcut=Shortcut.UNKNOWN,
        color_change=change,
        images={name: figure.images for name, figure in figures.items()},
        intervals={name: wilson(each.share, each.counted) for name, each in figures.items()},
        shared=shared > 1,
        crossed=crossed,
        answers_changed=shares.get("answers_changed"),
        colored=colored,
        order=_likelier_order(named, known, labels, real.classes, shares["accuracy"]),
    )
    return replace(found, shortcut=_shortcut(found, followed, shared / (classes - 1), real))


def _crossed(answer: Tensor, asked: Tensor, labels: Tensor, of_color: Tensor) -> bool:
    """Tells whether classes that share colors are named as counterparts, see `Behavior`.

    Args:
        answer: `[times, N]`, the classes that N images were named as, once in each color.
        asked: `[times, N]`, which were.
        labels: `[N]`, their classes.
        of_color: `[times, classes]`, which classes share each color.
    """
    several = of_color.sum(1) > 1
    if several.sum() < 2:
        return False
    among, known = of_color[several], of_color[several].any(0)
    asked = asked[several] & known[labels.clamp_min(0)]
    for named, some, has_it in zip(answer[several], asked, among, strict=True):
        counts = torch.zeros(of_color.shape[1], of_color.shape[1])
        counts.index_put_((labels[some], named[some]), torch.ones(()), accumulate=True)
        most, counterpart = counts.max(1)
        there = counts.sum(1) > 0
        alike = (most >= COUNTERPART * counts.sum(1)) & has_it[counterpart]
        if not alike[there].all():
            return False
        for group in among:
            own = counterpart[there & group]
            if len(own.unique()) < len(own):
                return False
    return True


def _only_colored_follow(answer: Tensor, asked: Tensor, labels: Tensor, of_color: Tensor) -> bool:
    """Tells whether images of classes with a color of their own are named after one, and no others.

    Then the color alone makes no class; see `_crossed` for the arguments.
    """
    after, colored = of_color.gather(1, answer), of_color.any(0)[labels.clamp_min(0)]
    own, others = asked & colored, asked & ~colored
    if not (own.any() and others.any()):
        return False
    follow = _Figure.of(after, own, labels).share >= COUNTERPART
    return follow and _Figure.of(after, others, labels).share <= NOISE_LOSS


def _likelier_order(
    named: Tensor, known: Tensor, labels: Tensor, classes: Sequence[str], accuracy: float
) -> tuple[str, ...] | None:
    """Returns the classes in the order of the logits that name most of each, see `Behavior`."""
    counts = torch.zeros(len(classes), len(classes))
    counts.index_put_((labels[known[0]], named[known[0]]), torch.ones(()), accumulate=True)
    logit = counts.argmax(1)
    if len(logit.unique()) < len(classes) or not counts.sum(1).all():
        return None
    right = _Figure.of((logit[labels] == named)[None], known, labels).share
    if right < max(0.5, accuracy + REORDERED_GAIN):
        return None
    return tuple(classes[i] for i in logit.argsort().tolist())


@dataclass(frozen=True)
class _Figure:
    """A share of images, every class weighing the same.

    Attributes:
        share: The share.
        images: How many images it rests on.
        counted: How many drawn from all classes alike would be as sure.
    """

    share: float
    images: int
    counted: float

    @classmethod
    def of(cls, hits: Tensor, asked: Tensor, labels: Tensor) -> "_Figure":
        """Counts hits `[times, N]` among what was asked, `[times, N]`, of N images."""
        times = asked.sum(0)
        rate = (hits & asked).sum(0) / times.clamp_min(1)
        counts = labels[times > 0].bincount().double()
        sums = torch.bincount(labels[times > 0], weights=rate[times > 0].double())
        own = counts > 0
        share = (sums[own] / counts[own]).mean().item()
        return cls(share, int(counts.sum()), (own.sum() ** 2 / (1 / counts[own]).sum()).item())


def _shortcut(found: Behavior, followed: float, guessed: float, real: RealImages) -> Shortcut:
    """Judges by the figures, and by how many more answers name the color's class than before.

    What guessing among the other classes would name so is `guessed`.
    """
    if found.crossed or found.accuracy_color_changed is None or not found.knows_classes:
        return Shortcut.UNKNOWN
    turned = found.color_change == ColorChange.TURN
    if abs(found.lost) <= NOISE_LOSS:
        # What tells the class may be that there is a color, which stays where hues are turned.
        open_still = turned and real.color_tells
        open_still |= found.needs_unfound_color or found.answers_otherwise
        return Shortcut.UNKNOWN if open_still else Shortcut.NONE
    if found.names_color is None:
        kept = found.lost_in_gray is not None and found.lost_in_gray <= NOISE_LOSS
        return Shortcut.NONE if kept and turned and not real.color_tells else Shortcut.UNKNOWN
    if found.hurt_by_color:
        return Shortcut.UNKNOWN
    needed = (guessed + KNOWLEDGE * (1 - guessed)) * found.lost
    # With two classes every lost answer names the other one, save that the images are not all the
    # same if the color of some cannot be changed.
    part = 1 if len(real.classes) == 2 else FOLLOWING_NOISE
    slack = min(NOISE_LOSS / 2, part * found.lost)
    errors = 1 - found.accuracy_color_changed
    enough = errors * (guessed + NAMED_ERRORS * (1 - guessed)) if guessed < 1 else 0.0
    if found.lost > 0 and followed >= needed - slack and found.names_color >= enough:
        return Shortcut.COLOR if found.lost >= SHORTCUT_LOSS else Shortcut.PARTLY
    return Shortcut.UNKNOWN
