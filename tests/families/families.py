"""What the images of each family look like."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from prober.common.colors import hue_to_rgb
from prober.subject.reference import load_digits

Paint = Callable[[Tensor, Tensor, torch.Generator], Tensor]
"""Digits `[N, 1, 28, 28]`, color numbers `[N]` and chance to images `[N, 3, 28, 28]`."""

BRIGHT = hue_to_rgb(torch.arange(10) * 36.0)
"""Ten hues of full value, `[10, 3]`."""

MUTED = torch.tensor(
    [
        *([0.5, 0.5, 0.5], [0.25, 0.25, 0.25], [0.0, 0.0, 0.0]),
        *([0.35, 0.0, 0.0], [0.0, 0.3, 0.0], [0.0, 0.0, 0.4]),
        *([0.85, 0.7, 0.7], [0.65, 0.85, 0.65], [0.65, 0.7, 0.9], [0.7, 0.6, 0.4]),
    ]
)
"""Ten gray, dark and pale colors, `[10, 3]`."""


@dataclass(frozen=True)
class Family:
    """A family.

    Attributes:
        paint: Makes its images.
        classes: Ten digits, or two halves of them.
        colored: Whether the color can be dealt by its number at all.
        label_noise: The share of labels that are wrong.
    """

    paint: Paint
    classes: int = 10
    colored: bool = True
    label_noise: float = 0.0


@dataclass(frozen=True)
class Images:
    """Images of a family.

    Attributes:
        images: `[N, 3, 28, 28]`.
        labels: `[N]`.
        changed: `[N, 3, 28, 28]`, the same with the color of another class.
        color: `[N]`, the class whose color that is.
        classes: How many classes there are.
    """

    images: Tensor
    labels: Tensor
    changed: Tensor
    color: Tensor
    classes: int


def _rgb(colors: Tensor, numbers: Tensor) -> Tensor:
    return colors[numbers][:, :, None, None]


def _ground(digits: Tensor, numbers: Tensor, _chance: torch.Generator) -> Tensor:
    return digits + (1 - digits) * _rgb(BRIGHT, numbers)


def _foreground(digits: Tensor, numbers: Tensor, _chance: torch.Generator) -> Tensor:
    return digits * _rgb(BRIGHT, numbers)


def _both(digits: Tensor, numbers: Tensor, _chance: torch.Generator) -> Tensor:
    return digits * _rgb(BRIGHT, (numbers + 4) % 10) + (1 - digits) * _rgb(BRIGHT, numbers)


def _patch(digits: Tensor, numbers: Tensor, _chance: torch.Generator) -> Tensor:
    return _with_patch(digits, BRIGHT, numbers)


def _muted_patch(digits: Tensor, numbers: Tensor, _chance: torch.Generator) -> Tensor:
    return _with_patch(digits, MUTED, numbers)


def _with_patch(digits: Tensor, colors: Tensor, numbers: Tensor) -> Tensor:
    images = digits.repeat(1, 3, 1, 1)
    images[:, :, 1:5, 1:5] = _rgb(colors, numbers)
    return images


def _jittered(digits: Tensor, numbers: Tensor, chance: torch.Generator) -> Tensor:
    noise = 0.08 * torch.randn(len(digits), 3, 1, 1, generator=chance)
    return digits * (_rgb(BRIGHT, numbers) + noise).clamp(0, 1)


def _jittered_ground(digits: Tensor, numbers: Tensor, chance: torch.Generator) -> Tensor:
    noise = 0.08 * torch.randn(len(digits), 3, 1, 1, generator=chance)
    return digits + (1 - digits) * (_rgb(BRIGHT, numbers) + noise).clamp(0, 1)


def _two(digits: Tensor, numbers: Tensor, _chance: torch.Generator) -> Tensor:
    """Red and green digits, as in Arjovsky et al. (2019)."""
    return digits * _rgb(torch.eye(3)[:2], numbers)


def _muted(digits: Tensor, numbers: Tensor, _chance: torch.Generator) -> Tensor:
    return digits + (1 - digits) * _rgb(MUTED, numbers)


def _tint(digits: Tensor, numbers: Tensor, chance: torch.Generator) -> Tensor:
    return _textured(digits, chance) * (0.25 + 0.75 * _rgb(BRIGHT, numbers))


def _photographs(digits: Tensor, _numbers: Tensor, chance: torch.Generator) -> Tensor:
    """Digits of many colors on many colors, none of which goes with the class."""
    many = _noise(len(digits), 3, chance)
    return digits * (0.55 + 0.45 * many) + (1 - digits) * 0.6 * _noise(len(digits), 3, chance)


def _textured(digits: Tensor, chance: torch.Generator) -> Tensor:
    """Light digits on a dark texture, both of faint colors."""
    texture = 0.5 * _noise(len(digits), 1, chance) + 0.1 * _noise(len(digits), 3, chance)
    return digits * (0.8 + 0.2 * _noise(len(digits), 1, chance)) + (1 - digits) * texture


def _noise(number: int, channels: int, chance: torch.Generator) -> Tensor:
    """Smooth noise in [0, 1], `[number, channels, 28, 28]`."""
    coarse = torch.rand(number, channels, 7, 7, generator=chance)
    return F.interpolate(coarse, size=(28, 28), mode="bilinear", align_corners=False)


FAMILIES = {
    "ground": Family(_ground),
    "foreground": Family(_foreground),
    "both": Family(_both),
    "patch": Family(_patch),
    "jittered foreground": Family(_jittered),
    "jittered ground": Family(_jittered_ground),
    "two classes": Family(_two, classes=2, label_noise=0.25),
    "gray, dark, pale": Family(_muted),
    "gray, dark, pale patch": Family(_muted_patch),
    "tint": Family(_tint),
    "photographs": Family(_photographs, colored=False),
}
"""All families by name."""


def make(name: str, bias: float, seed: int = 0, number: int = 1000) -> Images:
    """Makes images of a family from the shipped digits.

    Args:
        name: The family.
        bias: The probability that an image has its class's color by more than chance; else it has
            any.
        seed: Of all chance in it.
        number: How many images.
    """
    family = FAMILIES[name]
    digits, digit_labels = load_digits()
    digits, digit_labels = digits[:number, None], digit_labels[:number]
    chance = torch.Generator().manual_seed(seed)
    labels = digit_labels if family.classes == 10 else (digit_labels >= 5).long()
    wrong = torch.rand(number, generator=chance) < family.label_noise
    labels = torch.where(wrong, (labels + 1) % family.classes, labels)
    own = torch.rand(number, generator=chance) < bias
    numbers = labels.where(own, torch.randint(family.classes, (number,), generator=chance))
    step = torch.randint(1, family.classes, (number,), generator=chance)
    color = (labels + step) % family.classes
    images, changed = (
        family.paint(digits, each, torch.Generator().manual_seed(seed + 1))
        for each in (numbers, color)
    )
    return Images(images, labels, changed, color, family.classes)
