"""Given inputs: what a CNN takes beside the one that is optimized, held at values."""

import inspect
from collections.abc import Mapping
from inspect import Parameter
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from prober.common.errors import InputError, suggestion
from prober.common.files import find_file, read_array

Given = Mapping[str, float | str | list[float]]
"""By the name of an input, or its place (`1` for the second): a number, a list of numbers, or the
path of an array (`.npy`)."""

_ANY = (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD)


class GivenInputs:
    """Calls a CNN with one input that is optimized and others that stay as they are.

    A number goes in as it is, or, if the CNN does not take it so, as `[N, 1]`. A list and an array
    are for one image: every image gets the same, `[N, *shape]`.

    Args:
        cnn: The CNN.
        given: What is given.

    Attributes:
        missing: The names of the inputs that the CNN needs, beside the one that is optimized, and
            nobody has given.

    Raises:
        InputError: The CNN has no such input, or a file cannot be read.
    """

    def __init__(self, cnn: nn.Module, given: Given | None) -> None:
        parameters = list(inspect.signature(cnn.forward).parameters.values())
        named = [each for each in parameters if each.kind not in _ANY]
        names = [each.name for each in named]
        takes_any = {each.kind for each in parameters} & set(_ANY)
        self._values: dict[str | int, Any] = {}
        for key, value in (given or {}).items():
            place = names.index(key) if key in names else int(key) if str(key).isdigit() else None
            if place is not None and place < len(named):
                by_name = named[place].kind is not Parameter.POSITIONAL_ONLY
                name: str | int = names[place] if by_name else place
            elif place is not None and Parameter.VAR_POSITIONAL in takes_any:
                name = place
            elif Parameter.VAR_KEYWORD in takes_any:
                name = str(key)
            else:
                raise InputError(
                    f"given: the forward pass of {type(cnn).__name__} has no input '{key}'."
                    f"{suggestion(str(key), names)} Its inputs are {', '.join(names) or 'none'}."
                )
            self._values[name] = _read(str(key), value)
        last = max((name for name in self._values if isinstance(name, int)), default=0)
        named_places = {place for place, each in enumerate(named) if each.name in self._values}
        unknown = sorted({*range(last)} - self._values.keys() - named_places)
        if len(unknown) > 1:  # one is the image's
            raise InputError(
                f"given: an input at place {last} is given, but none at {unknown[1]}: give all but "
                "the one that is optimized, places counted from 0."
            )
        free = [
            each
            for place, each in enumerate(named)
            if each.name not in self._values and place not in self._values
        ]
        self._image = free[0] if free else None
        self.missing = [each.name for each in free[1:] if each.default is each.empty]
        self.as_columns = False

    @property
    def given(self) -> bool:
        """Whether anything is given."""
        return bool(self._values)

    @property
    def numbers(self) -> list[str]:
        """The names of the inputs for which a number is given."""
        return [str(name) for name, value in self._values.items() if not isinstance(value, Tensor)]

    def call(self, cnn: nn.Module, images: Tensor) -> Any:
        """Runs the CNN on images, `[N, C, H, W]`, as it takes them."""
        if not self._values:
            return cnn(images)
        values = {name: self._for(value, images) for name, value in self._values.items()}
        positional: list[Any] = []
        image, by_place = self._image, any(isinstance(name, int) for name in values)
        if image is None or image.kind is Parameter.POSITIONAL_ONLY or by_place:
            # Those that have a place only, the image in the first that is free.
            free = next(place for place in count() if place not in values)
            last = max([free, *(name for name in values if isinstance(name, int))])
            positional = [values.pop(place, images) for place in range(last + 1)]
        else:
            values[image.name] = images
        return cnn(*positional, **{str(name): value for name, value in values.items()})

    def _for(self, value: Any, images: Tensor) -> Any:
        if isinstance(value, Tensor):
            kind = images.dtype if value.is_floating_point() else value.dtype
            return value.to(images.device, kind).expand(len(images), *value.shape)
        if self.as_columns:
            return images.new_full((len(images), 1), float(value))
        return value


def _read(key: str, value: Any) -> Any:
    """Reads one of the values."""
    if isinstance(value, str):
        path = find_file(value, f"The array of the input '{key}',")
        return _array(key, path)
    if isinstance(value, list | tuple | np.ndarray | Tensor):
        try:
            return torch.as_tensor(np.asarray(value, np.float32))
        except (TypeError, ValueError) as error:
            raise InputError(f"given: '{key}' is {value}, which is no list of numbers.") from error
    if isinstance(value, int | float):
        return value
    raise InputError(f"given: '{key}' is {value}; give a number, a list, or the path of an array.")


def _array(key: str, path: Path) -> Tensor:
    """Reads an array; whole numbers and truth values stay what they are."""
    try:
        array = read_array(path)
    except (OSError, ValueError) as error:
        raise InputError(f"given: '{path}' of '{key}' is no array (.npy): {error}") from error
    if array.dtype.kind in "iu":
        return torch.from_numpy(array.astype(np.int64))
    return torch.from_numpy(array if array.dtype.kind == "b" else array.astype(np.float32))
