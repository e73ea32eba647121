"""What units answer to real images: by hue and class, the best examples, the CNN's behavior."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor

from prober.findings.data import RealData
from prober.findings.tuning import Curves
from prober.findings.units import Place, Window, responses, responses_in_blocks
from prober.subject import LOGITS, Subject

LOGIT: Place = (LOGITS, None)
"""Where a class's logit is."""

EXAMPLES = 8
"""Real images shown for each unit."""

KNOWS = 0.25
"""An accuracy this far on the way from chance to always right shows that a CNN knows the classes;
an answer as often as that goes by what it agrees with."""

FALLS = 0.2
"""Accuracy lost with the color that is more than noise."""

HUE_RULES = 0.5
"""A share of the variance from which on the answers go by the hue."""

HOLDS = 0.05
"""Accuracy lost with the color that may be noise."""


@dataclass
class Answers:
    """The responses of some layers to real images, as they are and in every hue.

    Attributes:
        data: The images.
        plain: For each place `[N, channels]`, to the images as they are.
        plain_at_neuron: Likewise of the neurons that stand for their channels alone.
        tinted: For each place `[hues, N, channels]`; empty where images have no three channels.
        tinted_at_neuron: Likewise of the neurons.
        gray: The logits `[N, classes]` of the images without color, None without logits.
    """

    data: RealData
    plain: dict[Place, Tensor]
    plain_at_neuron: dict[Place, Tensor]
    tinted: dict[Place, Tensor]
    tinted_at_neuron: dict[Place, Tensor]
    gray: Tensor | None

    @property
    def in_every_hue(self) -> bool:
        """Whether the pool of real images has every shape in every hue.

        Where the color gives the class away, it does, as some of them are in such data; elsewhere
        it has only the images as they are.
        """
        return self.data.every_class_has_a_hue and bool(self.tinted)

    def responses_of_pool(self, place: Place) -> Tensor:
        """Returns the responses `[P, channels]` of a place to the pool of real images."""
        return self.tinted[place].flatten(0, 1) if self.in_every_hue else self.plain[place]

    def pool_at_neuron(self, place: Place) -> Tensor:
        """Returns the responses `[P, channels]` of single neurons to the pool."""
        if self.in_every_hue:
            return self.tinted_at_neuron[place].flatten(0, 1)
        return self.plain_at_neuron[place]

    def images_of_pool(self, numbers: Sequence[int]) -> Tensor:
        """Returns some images of the pool, `[len(numbers), C, H, W]`."""
        if not self.in_every_hue:
            return self.data.images[list(numbers)]
        of = torch.tensor(numbers, dtype=torch.long)
        number = len(self.data.images)
        return self.data.tinted(self.data.columns[of // number], of % number)

    def labels_of_pool(self) -> tuple[Tensor, Tensor]:
        """Returns the labels `[P]` and hues `[P]` of the pool."""
        if self.in_every_hue:
            number = len(self.data.columns)
            hues = self.data.columns.repeat_interleave(len(self.data.images))
            return self.data.labels.repeat(number), hues
        return self.data.labels, self.data.shown


def ask(subject: Subject, data: RealData, windows: dict[Place, Window]) -> Answers:
    """Computes the responses of layers, and of the logits, to real images."""
    number = len(data.images)
    colored = subject.input_shape[0] == 3
    if LOGITS in subject.layers and len(subject.layers[LOGITS].shape) == 1 and LOGIT not in windows:
        height, width = subject.input_shape[1:]
        windows = windows | {LOGIT: Window(None, 0, 0, height, width)}
    plain = responses(subject, data.images, windows)
    parts: dict[Place, list[Tensor]] = {place: [] for place in windows if colored}
    alone: dict[Place, list[Tensor]] = {place: [] for place in windows if colored}
    for hue in data.columns if colored else ():
        tinted = partial(data.tinted, hue)
        for place, (answer, own) in responses_in_blocks(subject, tinted, number, windows).items():
            parts[place].append(answer)
            alone[place].append(own)
    gray = None
    if colored and LOGIT in windows and windows[LOGIT].neuron is None:
        of_logits = {LOGIT: windows[LOGIT]}
        gray = responses_in_blocks(subject, data.without_color, number, of_logits)[LOGIT][0]
    return Answers(
        data,
        {place: answer for place, (answer, _) in plain.items()},
        {place: own for place, (_, own) in plain.items()},
        {place: torch.stack(part) for place, part in parts.items()},
        {place: torch.stack(part) for place, part in alone.items()},
        gray,
    )


def table(answers: Answers, place: Place, channel: int) -> dict[str, Any]:
    """Returns a unit's mean responses by class and hue, and what explains their variance.

    A two-way analysis of variance over all images in all hues: the shares of the total sum of
    squares that the hue, the class and their interaction explain; what is left to 1 is the
    difference between images of one class in one hue.
    """
    data = answers.data
    if place not in answers.tinted:
        return {"table": None, "rows": [], "columns": [], "variance": None}
    response = answers.tinted[place][:, :, channel].double()  # [hues, N]
    labeled = [i for i in range(len(data.classes)) if (data.labels == i).any()]
    rows = [(data.labels == i) for i in labeled] or [torch.ones(len(data.images), dtype=torch.bool)]
    names = [data.classes[i] for i in labeled] or ["all"]
    cells = torch.stack([response[:, row].mean(1) for row in rows])  # [classes, hues]
    share = torch.tensor([row.sum().item() for row in rows], dtype=torch.float64)
    response = response[:, torch.stack(rows).any(0)]
    share = share / share.sum()
    mean = response.mean()
    total = (response - mean).square().mean().item()
    of_hue = (share[:, None] * cells).sum(0) - mean
    of_class = cells.mean(1) - mean
    both = cells - mean - of_hue - of_class[:, None]
    parts = {
        "hue": of_hue.square().mean().item(),
        "class": (share * of_class.square()).sum().item(),
        "interaction": (share[:, None] * both.square()).sum().item() / len(of_hue),
    }
    explained = total > 1e-12 * max(1e-30, mean.square().item())
    return {
        "table": cells.tolist(),
        "rows": names,
        "columns": data.columns.tolist(),
        "variance": {k: v / total for k, v in parts.items()} if explained else None,
    }


def real_doubts(kinds: Sequence[str], found: dict[str, Any] | None) -> list[str]:
    """Says where real images speak otherwise than a unit's picture does.

    Args:
        kinds: What its pictures say.
        found: What `table` and the best examples say, or None without real images.
    """
    if found is None or not found["examples"]["items"]:
        return []
    said = []
    variance = found["variance"]
    if list(kinds) == ["shape"] and variance and variance["hue"] >= HUE_RULES:
        said.append(
            f"On real images its answers go by the hue, which explains {variance['hue']:.0%} of "
            f"their variance, the class {variance['class']:.0%}."
        )
    best = found["examples"]["items"][0]["score"]
    if best <= 0:
        said.append(f"No real image brings its score above 0; the best reaches {best:.2g}.")
    return said


def class_evidence(answers: Answers, channel: int, curves: Curves) -> dict[str, Any] | None:
    """Returns what becomes of a class's logit when color or shape of its real images change.

    Args:
        answers: What the CNN answers to real images.
        channel: The class.
        curves: What its logit answers to flat patches: `flat_hue` is the hue that raises it most.
    """
    data = answers.data
    own = data.labels == channel
    if LOGIT not in answers.plain or answers.plain[LOGIT].shape[1] != len(data.classes):
        return None
    if not own.any():
        return None
    logit = answers.plain[LOGIT][:, channel]
    hue = data.hues[channel].item()
    flat_hue = curves.chosen.hues[curves.flat.argmax()].item() if len(curves.flat) else None
    said = {
        "label": data.classes[channel],
        "hue": None if math.isnan(hue) else hue,
        "flat_hue": flat_hue,
    }
    if LOGIT not in answers.tinted:
        return said | {"logit": None}
    tinted = answers.tinted[LOGIT][:, :, channel]  # [hues, N]
    if math.isnan(hue):
        same = torch.zeros(len(data.columns), dtype=torch.bool)
    else:
        same = (data.columns - hue).abs() < 1e-3
    known = bool(same.any()) and bool((~own).any())

    def mean(part: Tensor) -> float | None:
        return part.mean().item() if part.numel() else None

    return said | {
        "logit": {
            "own": mean(logit[own]),
            "color_changed": mean(tinted[~same][:, own]),
            "shape_changed": mean(tinted[same][:, ~own]) if known else None,
            "both_changed": mean(tinted[~same][:, ~own]) if known else None,
        }
    }


def behavior(answers: Answers) -> dict[str, Any] | None:
    """Returns how well the CNN names the classes, with their colors and without.

    Returns:
        None if there are no classes, or not as many as logits. `shortcut` is `color` if the CNN
        knows the classes, loses them with the color and follows it to the class that it belongs
        to; `none` if it knows them and the color makes no difference; else `cannot say`.
    """
    data = answers.data
    logits = answers.plain.get(LOGIT)
    if logits is None or logits.shape[1] != len(data.classes) or len(data.classes) < 2:
        return None
    labels = data.labels
    accuracy = (logits.argmax(1) == labels).float().mean().item()
    counts = labels.bincount(minlength=len(data.classes))
    chance = (counts.max() / counts.sum()).item()
    found: dict[str, Any] = {
        "accuracy": accuracy,
        "accuracy_color_changed": None,
        "accuracy_without_color": None,
        "names_color": None,
        "chance": chance,
        "shortcut": "cannot say",
    }
    if LOGIT not in answers.tinted or answers.gray is None:
        return found
    found["accuracy_without_color"] = (answers.gray.argmax(1) == labels).float().mean().item()
    named = answers.tinted[LOGIT].argmax(2)  # [hues, N]
    if not data.every_class_has_a_hue:
        found["accuracy_color_changed"] = (named == labels).float().mean().item()
    else:
        of_column = (data.columns[:, None] - data.hues).abs().argmin(1)  # the class of each hue
        changed = of_column[:, None] != labels
        found["accuracy_color_changed"] = (named == labels)[changed].float().mean().item()
        found["names_color"] = (named == of_column[:, None])[changed].float().mean().item()
    lost = accuracy - found["accuracy_color_changed"]
    knows = accuracy >= chance + KNOWS * (1 - chance)
    by_chance = 1 / len(data.classes)
    follows = (found["names_color"] or 0) >= by_chance + KNOWS * (1 - by_chance)
    if knows and lost >= FALLS and follows:
        found["shortcut"] = "color"
    elif knows and abs(lost) <= HOLDS:
        found["shortcut"] = "none"
    return found
