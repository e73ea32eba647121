"""What of a picture is held at given values while the rest of it is optimized."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from numbers import Integral

import torch
from torch import Tensor, nn

from prober.ascent.records import as_setting
from prober.common.errors import InputError, check_kinds
from prober.common.files import find_file, read_npy
from prober.common.inputs import Shape


@dataclass(frozen=True)
class Held:
    """A part of the input that stays at a value: a channel, a region, or both.

    Args:
        value: What it is held at, in [0, 1]; or the path of an array (`.npy`) of the input's shape,
            or of one that can be broadcast to it, whose numbers are held. Where the array is NaN,
            the picture is free.
        channels: Which channels; None for all.
        region: For each side the first place and the one past the last, `[[0, 8], [0, 28]]` for the
            uppermost eight rows; None for everywhere.

    Examples:
        Of an image of four channels the fourth, a mask, is white all over:

        >>> is_held, values = Held(1.0, channels=(3,)).of((4, 8, 8))
        >>> is_held.sum((1, 2)).tolist(), values[is_held].unique().item()
        ([0, 0, 0, 64], 1.0)
    """

    value: float | str
    channels: Sequence[int] | None = None
    region: Sequence[Sequence[int]] | None = None

    def __post_init__(self) -> None:
        """Takes lists for tuples.

        Raises:
            InputError: Something else stands in their place.
        """
        kinds = {"channels": (Integral, "[3]"), "region": (Iterable, "[[0, 8], [0, 28]]")}
        for name, (kind, example) in kinds.items():
            given = getattr(self, name)
            if given is not None:
                check_kinds(f"{name} of Held", given, kind, example)
                given = as_setting(list(given)) or None
            object.__setattr__(self, name, given)

    def of(self, shape: Shape) -> tuple[Tensor, Tensor]:
        """Returns which numbers of an input are held, and at what.

        Args:
            shape: The shape of the input, channels first.

        Returns:
            Two arrays of the input's shape: truth values, and float32.

        Raises:
            InputError: The input has no such part, or the value is out of its range.
        """
        values = self._values(shape)
        part = torch.zeros(shape, dtype=torch.bool)
        place: list[slice | list[int]] = [slice(None)] * len(shape)
        if self.channels is not None:
            wrong = [channel for channel in self.channels if not 0 <= channel < shape[0]]
            if wrong:
                raise InputError(
                    f"held: there is no channel {wrong[0]}; the input has {shape[0]}, from 0 on."
                )
            place[0] = list(self.channels)
        if self.region is not None:
            ends = [tuple(each) for each in self.region]
            fits = len(ends) == len(shape) - 1 and all(len(each) == 2 for each in ends)
            if not fits or not all(
                0 <= a < b <= s for (a, b), s in zip(ends, shape[1:], strict=True)
            ):
                raise InputError(
                    f"held: the region {[list(each) for each in self.region]} does not lie in "
                    f"{list(shape[1:])}: give [first, past the last] for each side."
                )
            place[1:] = [slice(a, b) for a, b in ends]
        part[tuple(place)] = True
        return part & ~values.isnan(), values.nan_to_num()

    def _values(self, shape: Shape) -> Tensor:
        if isinstance(self.value, str):
            path = find_file(self.value, "The array of held values,")
            values = read_npy(path, "an array of held values")
        else:
            values = torch.tensor(float(self.value))
        known = values[~values.isnan()]
        if known.numel() and not (known.min() >= 0 and known.max() <= 1):
            raise InputError(f"held: {self.value} is not in [0, 1].")
        try:
            return values.expand(shape).float()
        except RuntimeError as error:
            raise InputError(
                f"held: '{self.value}' is {list(values.shape)}; the input is {list(shape)}."
            ) from error


class Holding(nn.Module):
    """Puts what is held into pictures.

    Args:
        held: What is held; of two that hold the same the later counts.
        shape: The shape of one input.
    """

    is_held: Tensor
    values: Tensor

    def __init__(self, held: Sequence[Held], shape: Shape) -> None:
        super().__init__()
        is_held, values = torch.zeros(shape, dtype=torch.bool), torch.zeros(shape)
        for each in held:
            part, at = each.of(shape)
            is_held |= part
            values = torch.where(part, at, values)
        if is_held.all():
            raise InputError("held: all of the input is held, and nothing is left to optimize.")
        self.register_buffer("is_held", is_held, persistent=False)
        self.register_buffer("values", values, persistent=False)

    def forward(self, pictures: Tensor) -> Tensor:
        """Returns pictures `[N, C, H, W]` with what is held in its place; gradients go through."""
        return torch.where(self.is_held, self.values.to(pictures.dtype), pictures)
