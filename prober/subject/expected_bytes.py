"""Expected bytes: whether a CNN takes its input for bytes from 0 to 255, by what it does to it."""

import math
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

MOST = 255.0
"""What stands for white in bytes."""

DIVIDE = ("div", "div_", "divide", "true_divide", "__truediv__", "__itruediv__")
MULTIPLY = ("mul", "mul_", "multiply", "__mul__", "__rmul__", "__imul__")
"""The names of functions that bring bytes to [0, 1]."""


class ExpectedBytes(TorchFunctionMode):
    """Watches what a forward pass does to its input, before a layer has made something else of it.

    Args:
        image: The input.

    Attributes:
        divides: Whether it is divided by 255.
        rounds: Whether it is made bytes, which have no gradient.

    Examples:
        >>> image = torch.rand(1, 3, 8, 8)
        >>> with ExpectedBytes(image) as seen:
        ...     scaled = image.permute(0, 2, 3, 1).float() / 255.0
        >>> seen.divides, seen.rounds
        (True, False)
    """

    def __init__(self, image: Tensor) -> None:
        super().__init__()
        self._same = {id(image): image}  # the input and what it has become; kept, so that ids last
        self.divides = False
        self.rounds = False

    def __torch_function__(
        self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        """Runs a function of PyTorch, and looks at what it is given and gives."""
        result = func(*args, **(kwargs or {}))
        given = next((value for value in args if id(value) in self._same), None)
        if given is not None and isinstance(result, Tensor) and result.numel() == given.numel():
            self._same[id(result)] = result
            name = getattr(func, "__name__", "")
            numbers = [_number(value) for value in args if value is not given]
            divided = name in DIVIDE and MOST in numbers
            scaled = name in MULTIPLY and any(math.isclose(n, 1 / MOST) for n in numbers)
            self.divides |= divided or scaled
            self.rounds |= result.dtype == torch.uint8
        return result


def _number(value: Any) -> float:
    """A number, or the only one of a tensor; 0 of anything else."""
    if isinstance(value, Tensor) and value.numel() == 1:
        value = value.item()
    return float(value) if isinstance(value, int | float) else 0.0
