"""Inputs: what a CNN takes, by the number of its dimensions: vectors, signals, images, volumes."""

from enum import Enum

Shape = tuple[int, ...]
"""The shape of one input, channels first: `(C,)`, `(C, L)`, `(C, H, W)` or `(C, D, H, W)`."""


ImageShape = tuple[int, int, int]
"""Channels, height and width of one image."""


class InputKind(Enum):
    """What an input is, by how many sides it has beside its channels."""

    VECTOR = 0
    SIGNAL = 1
    IMAGE = 2
    VOLUME = 3

    @property
    def axes(self) -> tuple[str, ...]:
        """What the sides are called, the first one first: `("height", "width")` of an image."""
        return _AXES[self.value]

    @property
    def has_color_and_shape(self) -> bool:
        """Whether what excites a unit can be told apart into color and shape; so of images alone.

        Of other inputs a report shows pictures, scores and answers, and claims nothing of them.
        """
        return self is InputKind.IMAGE

    @property
    def parts(self) -> str:
        """What it consists of: `pixels` of an image."""
        return _PARTS[self.value]

    @property
    def plural(self) -> str:
        """What several are called: `images`."""
        return f"{self.name.lower()}s"

    @property
    def written(self) -> str:
        """The shape as a message writes it: `[channels, height, width]`."""
        return f"[{', '.join(('channels', *self.axes))}]"


_PARTS = ("numbers", "samples", "pixels", "voxels")
_AXES = ((), ("length",), ("height", "width"), ("depth", "height", "width"))


def input_kind(shape: Shape) -> InputKind:
    """Tells what an input of a shape is.

    >>> input_kind((3, 28, 28)), input_kind((12, 1000))
    (<InputKind.IMAGE: 2>, <InputKind.SIGNAL: 1>)

    Raises:
        ValueError: It has more than three sides, or no channels.
    """
    return InputKind(len(shape) - 1)


def plane_of(shape: Shape) -> tuple[int, int, int]:
    """Returns an input's shape as that of images: what lies in a plane, and how often.

    A signal is one row, a volume has its slices as channels, a vector is one pixel.
    """
    channels, *sides = shape
    if len(sides) == InputKind.VOLUME.value:
        channels *= sides.pop(0)
    height, width = [1, 1, *sides][-2:]
    return channels, height, width
