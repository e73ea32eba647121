"""Styles: how a picture is made, in one word, and what the word stands for.

Found by asking CNNs that were never probed what they see in the pictures (transferability, after
Fel et al., "Unlocking feature visualization for deeper networks with magnitude constrained
optimization", NeurIPS 2023); `python -m tests.benchmarks.legible` measures it again.
"""

from dataclasses import dataclass
from typing import Literal, get_args

from prober.ascent.objectives import Objective
from prober.ascent.parameterizations import Fourier, Parameterization, Pixels
from prober.ascent.regularizers import PLAIN_REGULARIZERS, Regularizer
from prober.ascent.starts import GaussianNoise, InitialImage, PinkNoise
from prober.ascent.transforms import Jitter, Padding, Rotation, Scale, Transform, robust
from prober.common.inputs import InputKind, Shape, input_kind
from prober.subject import Subject
from prober.subject.receptive_fields import receptive_field

Style = Literal["plain", "legible"]
"""The styles that there are."""

STYLES: tuple[Style, ...] = get_args(Style)

PLAIN_RATE = 0.05
"""Adam's learning rate for pixels, in pixel values."""

MEASURED_SIDE = 224
"""The side in pixels of the pictures that the rates, and what is in pixels, were measured with."""

FINE = 128
"""From sides of so many pixels on a picture is fine; in a coarse one a stroke is a few pixels wide.
Nothing was measured between 96 and 224 pixels; the border is a guess."""

LEGIBLE_RATES = {FINE: 0.015, 32: 0.025, 0: 0.05}
"""Adam's rates for the spectrum of a legible picture of `MEASURED_SIDE`, from sides of so many
pixels on. The smaller, the less of it is black, white and pure colors only, which digits of 28
pixels are: with 0.05 a face of 48 has no skin, and fewer CNNs name what they see at 224. But scores
fall, too: with 0.015 those of 48 pixels by another 3 to 15 %, of 28 pixels by 3 to 5 %."""

FINE_AVERAGING = 48
"""Steps that a fine picture is the mean of. Over three seeds of eight classes the CNNs that were
asked are surer of it by 0.03 and 0.07 in the mean, and to the eye it has less speckle. Coarse ones
are named no better."""

COARSE_STATISTICS = 1.0
"""How strongly a coarse picture is held to what the batch normalizations saw in training. Of five
CNNs of digits at 28 pixels others name the classes in 96 % of the pictures made with it, in 90 % of
those made without. Of fine ones, of EfficientNet-Lite0, they name no more, and some worse."""

LEAST_SLOPE = 0.1
"""Of the sigmoid where the gradient leads back, see `Fourier`. Of eight channels of the shipped
CNNs the median reaches 97 % of the plain score with it, 85 % without; 0.02 to 0.2 do alike."""

FAR_BORDER = 12
"""Pixels around a fine picture of `MEASURED_SIDE` that is moved far."""

FAR_JITTER = 24
"""Pixels that it is moved by at the most."""

FAR_SCALES = (0.6, 1.4)
"""The least and the most that it is scaled by; 0.5 to 1.5 do less."""

FAR_DEGREES = 20.0
"""Degrees that it is turned by at the most."""

LEAST_MOVED = 6
"""A unit that sees fewer pixels is not moved: a 3 x 3 field is only blurred by it."""

JITTER_PARTS = 14
"""What is not moved far is moved by at most one of so many parts of what the unit sees."""

SCALED_BY = 0.1
"""The share that it is made larger or smaller by at the most. This and the degrees are for units
that see the whole side; for one that sees a part they are as large a part of it."""

COARSE_DEGREES = 5
"""Degrees that a coarse picture is turned by at the most."""

FINE_DEGREES = 10
"""The same for a fine one, of which the unit sees a part; what is seen whole is moved far."""

NEURON_PARTS = 28
"""The picture of a neuron is moved by at most one of so many parts of what it sees."""

NEURON_JITTER = 2
"""Pixels that it is moved by at the most, however much it sees."""


@dataclass(frozen=True)
class Look:
    """What a style stands for with images of one size.

    Attributes:
        parameterization: The basis of the images.
        initial_image: Where they start.
        regularizers: The penalties.
        lr: Adam's learning rate.
        averaging: Steps that the picture is the mean of.
        batchnorm_statistics: How strongly those of the training are held.
    """

    parameterization: Parameterization
    initial_image: InitialImage
    regularizers: tuple[Regularizer, ...]
    lr: float
    averaging: int = 1
    batchnorm_statistics: float = 0.0


def look(style: str, shape: Shape) -> Look:
    """Returns what a style stands for, but for the transforms.

    A step of Adam changes a pixel the more, the more frequencies there are: in the basis `Fourier`
    in proportion to the side. So the rate grows as the side gets shorter; at 28 pixels 0.05 leaves
    half of the picture gray.

    Args:
        style: One of `STYLES`.
        shape: That of the inputs, channels first; of a volume the sides of its slices count.

    Examples:
        >>> look("legible", (3, 28, 28)).parameterization, look("legible", (3, 28, 28)).lr
        (Fourier(decay=1.5, least_slope=0.1), 0.4)
    """
    if style == "plain":
        return Look(Pixels(), GaussianNoise(), PLAIN_REGULARIZERS, PLAIN_RATE)
    if input_kind(shape) is InputKind.VECTOR:  # whose numbers have no order, and so no spectrum
        return Look(Pixels(), GaussianNoise(), (), PLAIN_RATE)
    side = min(shape[1:][-2:])
    rate = next(rate for least, rate in LEGIBLE_RATES.items() if side >= least)
    return Look(
        parameterization=Fourier(decay=1.5, least_slope=LEAST_SLOPE),
        initial_image=PinkNoise(contrast=0.05),
        regularizers=(),
        lr=rate * MEASURED_SIDE / side,
        averaging=FINE_AVERAGING if side >= FINE else 1,
        batchnorm_statistics=0.0 if side >= FINE else COARSE_STATISTICS,
    )


def transforms_of(style: str, objective: Objective, subject: Subject) -> tuple[Transform, ...]:
    """Returns what a style does to the pictures of a target at every step.

    The transforms grow with what the unit sees: what moves a digit a little moves a stroke out of
    a neuron's sight. A neuron, which wants something at its place, is moved by no more than keeps
    high frequencies from having their way, and is not turned or enlarged, for that goes around
    the middle of the picture.

    Args:
        style: One of `STYLES`.
        objective: What is maximized, resolved.
        subject: The CNN under study.
    """
    sides = subject.input_shape[1:]
    if style == "plain" or not sides:
        return ()
    fields = [receptive_field(subject, layer) or sides for layer in objective.layers]
    seen = min(min(field[-2:]) for field in fields)
    if seen < LEAST_MOVED:
        return ()
    whole = all(field == sides for field in fields)
    if objective.record()["position"] is not None and not whole:
        pixels = min(NEURON_JITTER, seen // NEURON_PARTS)
        return (Jitter(pixels),) if pixels else ()
    side = min(sides[-2:])
    if whole and side >= FINE:
        return far(subject.input_shape)
    share = seen / side
    factor = round(SCALED_BY * share, 3)
    degrees = round((COARSE_DEGREES if side < FINE else FINE_DEGREES) * share, 2)
    turned = () if input_kind(subject.input_shape) is InputKind.SIGNAL else (Rotation(degrees),)
    scaled = Scale(round(1 - factor, 3), round(1 + factor, 3))
    return Jitter(round(seen / JITTER_PARTS)), scaled, *turned


def far(shape: Shape) -> tuple[Transform, ...]:
    """Returns transformations that move the whole of a fine picture far.

    Lucid's (`robust`) move it a little. Moved this far, it shows its class in more than one place,
    size and slant, and CNNs that were not probed are much surer of what they see. Half as far
    does less. Signals and volumes, of which nothing was measured, are moved as Lucid moves
    pictures.

    Args:
        shape: Channels, height and width of the pictures, or the shape of other inputs.
    """
    if input_kind(shape) is not InputKind.IMAGE:
        return robust(shape)
    size = min(shape[1:]) / MEASURED_SIDE
    border, pixels = round(FAR_BORDER * size), round(FAR_JITTER * size)
    return Padding(border), Jitter(pixels), Scale(*FAR_SCALES), Rotation(FAR_DEGREES)
