"""Held chances: a CNN that draws random numbers draws the same ones in every pass.

A variational autoencoder draws its code, dropout may be left on. What such a CNN answers would
differ from pass to pass, and with the place of an image among others.
"""

import random
from contextlib import AbstractContextManager, ExitStack, nullcontext
from typing import Any, Self

import numpy as np
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
"""What draws most random numbers, as modules, functions and methods of PyTorch call it."""


class HeldChances(TorchFunctionMode):
    """While it is active, random numbers are drawn anew, and are the same each time.

    What the functions above draw is drawn for one image, and each image gets it, in every
    precision. All else (a choice among several, numbers of NumPy or of Python) begins with the same
    seed: it is the same each time for an image alone, not for one among others.

    Attributes:
        drawn: Whether random numbers have been drawn so far.
        for_one_alone: Whether among them were some that are held for an image alone.
        watches: Whether it goes on to find that out, which takes as long as a small CNN.
    """

    def __init__(self) -> None:
        super().__init__()
        self.drawn = False
        self.for_one_alone = False
        self.watches = True

    def of(self, images: Tensor) -> AbstractContextManager[object]:
        """Returns what to enter for a pass of images `[N, ...]`: itself, unless none are drawn."""
        if not (self.watches or self.drawn):
            return nullcontext()
        self._number = len(images)
        self._device = images.device
        return self

    @override
    def __enter__(self) -> Self:
        """Starts over: whatever draws random numbers begins with the same."""
        self._draws = 0
        self._around = ExitStack()
        on_gpu = [self._device] if self._device.type == "cuda" else []
        self._around.enter_context(torch.random.fork_rng(on_gpu))
        self._around.callback(np.random.set_state, np.random.get_state())
        self._around.callback(random.setstate, random.getstate())
        self._seed(0)
        np.random.seed(0)
        random.seed(0)
        self._begun = _states() if self.watches else None
        return super().__enter__()

    @override
    def __exit__(self, *error: Any) -> None:
        """Puts back what random numbers would have come next outside of it."""
        super().__exit__(*error)
        if self.watches:
            self.for_one_alone |= _states() != self._begun
            self.drawn |= self.for_one_alone or self._draws > 0
        self._around.close()
        del self._around  # which cannot be copied

    def __torch_function__(
        self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        """Replaces the call of what draws random numbers."""
        kwargs = dict(kwargs or {})
        tensors = [each for each in args if isinstance(each, Tensor)]
        if func in DROPOUTS:
            return args[0] * self._dropped(func, args[0], **kwargs)
        if func in LIKE:
            return self._drawn(LIKE[func], torch.empty_like(*args, **kwargs))
        if func in SIZED:
            kwargs.pop("generator", None)
            return self._drawn(SIZED[func], torch.empty(*args, **kwargs))
        if func in IN_PLACE and len(tensors) == 1:
            return args[0].copy_(self._drawn(IN_PLACE[func], *args, **kwargs))
        if func in (torch.bernoulli, Tensor.bernoulli) and len(args) == 1:
            return (self._drawn("uniform_", args[0]) < args[0]).to(args[0])
        if func is torch.normal and len(tensors) == 2:
            mean, deviation = tensors[0].detach(), tensors[1].detach()
            return mean + deviation * self._drawn("normal_", mean)
        return func(*args, **kwargs)

    def _dropped(self, func: Any, like: Tensor, **kwargs: Any) -> Tensor:
        """By what each number of one image is multiplied: 0 where it is dropped."""
        self._draws += kwargs["training"]
        with torch.random.fork_rng([]):
            self._seed(self._draws)
            return func(torch.ones_like(like[:1]), **kwargs)

    def _seed(self, seed: int) -> None:
        """Seeds the generators; `torch.manual_seed`, once for each image, would take longer."""
        torch.random.default_generator.manual_seed(seed)
        if self._device.type == "cuda":
            torch.cuda.manual_seed_all(seed)

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


def _states() -> tuple[Any, ...]:
    """Where the generators of PyTorch, NumPy and Python stand, so that it can be compared."""
    _, numbers, *places = np.random.get_state()
    of_torch = torch.random.get_rng_state().numpy().tobytes()
    return of_torch, np.asarray(numbers).tobytes(), tuple(places), random.getstate()
