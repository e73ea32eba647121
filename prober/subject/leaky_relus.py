"""ReLUs, and maxima, that let a gradient through where they are shut, for a search alone.

Their values stay what they are, so that nothing behind them, a root or a logarithm, say, gets what
it cannot take.
"""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

SLOPE = 0.1
"""What is left of a gradient where the value is below zero."""

_RELUS = {F.relu, F.relu_, F.relu6, torch.relu, torch.relu_, Tensor.relu, Tensor.relu_}
_CLAMPS = {torch.clamp, torch.clamp_, torch.clip, Tensor.clamp, Tensor.clamp_, Tensor.clip}
_CLAMPS |= {torch.clamp_min, torch.clamp_min_, Tensor.clamp_min, Tensor.clamp_min_}
_LARGEST = {torch.amax, Tensor.amax, torch.max, Tensor.max}
_LARGER = {torch.maximum, Tensor.maximum, torch.max, Tensor.max, torch.fmax, Tensor.fmax}
_THRESHOLDS = {F.threshold, torch.threshold_, F.hardtanh, F.hardtanh_}


class LeakyReLUs(TorchFunctionMode):
    """While it is active, all that cuts values off at zero lets a tenth of the gradient through.

    ReLU and ReLU6 as modules, functions and methods, in place or not; clamps at 0 without an upper
    end; thresholds and hard tangents whose lower end is 0. Of the values whose maximum is taken
    over one dimension, or of two tensors, those that are not it do likewise: the largest may be a
    constant (maxout). Other calls are left as they are.

    Args:
        nearest: Whether of the neurons of a channel those that are nearest to opening let most of
            it through. The mean of a channel would else pull all of its neurons alike, and where
            the weights of its filter add up to 0, nowhere.
    """

    def __init__(self, nearest: bool = False) -> None:
        super().__init__()
        self._nearest = nearest

    def __torch_function__(
        self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        """Replaces the call of a ReLU."""
        kwargs = dict(kwargs or {})
        rivals = _rivals(func, args, kwargs)
        if rivals is not None:
            return _with_gradient_of(rivals, func(*args, **kwargs))
        if not _cuts_at_zero(func, args[1:], kwargs):
            return func(*args, **kwargs)
        value = args[0] if args else kwargs.pop("input")
        exact = func(value.clone(), *args[1:], **kwargs)
        if self._nearest and value.dim() > 2:
            leaky = torch.where(value > 0, value, SLOPE * _nearness(value.detach()) * value)
        else:
            leaky = F.leaky_relu(value.clone(), SLOPE)
        result = leaky + (exact - leaky).detach()
        in_place = kwargs.get("inplace") or func.__name__.endswith("_")
        return value.copy_(result) if in_place else result


def _cuts_at_zero(func: Any, others: tuple, kwargs: dict[str, Any]) -> bool:
    if func in _RELUS:
        return True
    if func in _CLAMPS:
        low = others[0] if others else kwargs.get("min")
        high = others[1] if len(others) > 1 else kwargs.get("max")
        return _is_zero(low) and high is None
    if func in _THRESHOLDS:
        name = "threshold" if "threshold" in func.__name__ else "min_val"
        return _is_zero(others[0] if others else kwargs.get(name, -1.0))
    return False


def _rivals(func: Any, args: tuple, kwargs: dict[str, Any]) -> Tensor | None:
    """Returns the mean of the values whose maximum a call takes; None of another call."""
    value, second, *_ = (*args, None, None)
    second = kwargs.get("other", kwargs.get("dim", second)) if second is None else second
    if not isinstance(value, Tensor) or not value.is_floating_point():
        return None
    if func in _LARGER and isinstance(second, Tensor):
        return (value + second) / 2
    if func in _LARGEST and isinstance(second, int):
        keeps = args[2] if len(args) > 2 else kwargs.get("keepdim", False)
        return value.mean(second, keepdim=keeps)
    return None


def _with_gradient_of(rivals: Tensor, found: Any) -> Any:
    """Adds a tenth of a gradient to a maximum, or to the values that `torch.max` has found."""
    if not isinstance(found, Tensor):
        return type(found)((_with_gradient_of(rivals, found.values), found.indices))
    leak = SLOPE * rivals
    return found + (leak - leak.detach()).nan_to_num(0, 0, 0)  # of what is infinite


def _is_zero(value: Any) -> bool:
    return isinstance(value, int | float) and value == 0


def _nearness(values: Tensor) -> Tensor:
    """How near neurons `[N, C, ...]` are to opening beside the nearest of their channel, 0 to 1.

    exp((x - max) / standard deviation), over the neurons of the channel.
    """
    flat = values.flatten(2)
    spread = flat.std(2, keepdim=True, correction=0).clamp_min(1e-12)
    return ((flat - flat.amax(2, keepdim=True)) / spread).exp().view_as(values)
