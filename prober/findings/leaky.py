"""ReLUs that let a gradient through where they are shut, for a search or a measurement alone."""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

SLOPE = 0.1
"""What is left of a value below zero."""

_RELUS = {F.relu, F.relu_, F.relu6, torch.relu, torch.relu_, Tensor.relu, Tensor.relu_}
_CLAMPS = {torch.clamp, torch.clamp_, torch.clip, Tensor.clamp, Tensor.clamp_, Tensor.clip}
_MINIMA = {torch.clamp_min, torch.clamp_min_, Tensor.clamp_min, Tensor.clamp_min_}
_THRESHOLDS = {F.threshold, F.threshold_, F.hardtanh, F.hardtanh_}


class LeakyReLUs(TorchFunctionMode):
    """While it is active, all that cuts values off at zero lets a tenth of them through.

    ReLU and ReLU6 as modules, functions and methods, in place or not; clamps at 0 without an upper
    end; thresholds and hard tangents whose lower end is 0. Other calls are left as they are.
    """

    def __torch_function__(
        self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        """Replaces the call of a ReLU."""
        kwargs = kwargs or {}
        if not _cuts_at_zero(func, args[1:], kwargs):
            return func(*args, **kwargs)
        value = args[0] if args else kwargs["input"]
        in_place = kwargs.get("inplace") or func.__name__.endswith("_")
        if in_place:
            return value.copy_(F.leaky_relu(value.clone(), SLOPE))
        return F.leaky_relu(value, SLOPE)


def _cuts_at_zero(func: Any, others: tuple, kwargs: dict[str, Any]) -> bool:
    if func in _RELUS:
        return True
    if func in _MINIMA:
        return _is_zero(others[0] if others else kwargs.get("min"))
    if func in _CLAMPS:
        low = others[0] if others else kwargs.get("min")
        high = others[1] if len(others) > 1 else kwargs.get("max")
        return _is_zero(low) and high is None
    if func in _THRESHOLDS:
        name = "threshold" if "threshold" in func.__name__ else "min_val"
        return _is_zero(others[0] if others else kwargs.get(name, -1.0))
    return False


def _is_zero(value: Any) -> bool:
    return isinstance(value, int | float) and value == 0
