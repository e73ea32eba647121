"""Held chances: a CNN that draws random numbers draws the same ones in every pass.

A variational autoencoder draws its code, dropout may be left on. What such a CNN answers would
differ from pass to pass, and with the place of an image among others.
"""

from typing import Any, Self

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode
from typing_extensions import override

SIZED = {torch.rand: "uniform_", torch.randn: "normal_"}
LIKE = {torch.rand_like: "uniform_", torch.randn_like: "normal_"}
IN_PLACE = {
    getattr(Tensor, name): name
    for name in ("normal_", "uniform_", "bernoulli_", "exponential_", "log_normal_", "cauchy_")
}
DROPOUTS = {F.dropout, F.dropout1d, F.dropout2d, F.dropout3d}
"""What draws random numbers, as modules, functions and methods of PyTorch call it."""


class HeldChances(TorchFunctionMode):
    """While it is active, random numbers are drawn for one image, and each image gets these.

    Args:
        number: How many images there are; what has another first side is drawn as it is.
    """

    def __init__(self, number: int) -> None:
        super().__init__()
        self._number = number

    @override
    def __enter__(self) -> Self:
        """Starts over; what else draws random numbers begins with the same, too."""
        self._draws = 0
        self._before = torch.random.get_rng_state()
        torch.random.default_generator.manual_seed(0)
        return super().__enter__()

    @override
    def __exit__(self, *error: Any) -> None:
        super().__exit__(*error)
        torch.random.set_rng_state(self._before)

    def __torch_function__(
        self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        """Replaces the call of what draws random numbers."""
        kwargs = dict(kwargs or {})
        if func in DROPOUTS:
            kept = func(torch.ones_like(args[0][:1]), *args[1:3], **kwargs)
            return args[0] * kept
        if func in LIKE:
            return self._drawn(LIKE[func], args[0])
        if func in SIZED:
            kwargs.pop("generator", None)
            return self._drawn(SIZED[func], torch.empty(*args, **kwargs))
        if func in IN_PLACE:
            return args[0].copy_(self._drawn(IN_PLACE[func], *args, **kwargs))
        if func in (torch.bernoulli, Tensor.bernoulli) and len(args) == 1:
            return (self._drawn("uniform_", args[0]) < args[0]).to(args[0])
        if func is torch.normal and all(isinstance(each, Tensor) for each in args[:2]):
            mean, deviation = args[0].detach(), args[1].detach()
            return mean + deviation * self._drawn("normal_", mean)
        return func(*args, **kwargs)

    def _drawn(self, how: str, like: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        """Draws numbers for one image, and gives them to as many as a tensor has."""
        several = like.dim() > 0 and len(like) == self._number
        shape = (1, *like.shape[1:]) if several else like.shape
        # In float32, so that they are the same in every precision.
        found = torch.empty(shape, dtype=torch.float32, device=like.device)
        self._draws += 1  # each is another, and the same in every pass
        kwargs["generator"] = torch.Generator(like.device).manual_seed(self._draws)
        getattr(found, how)(*args, **kwargs)
        return found.to(like.dtype).expand(like.shape).clone()
