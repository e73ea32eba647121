"""Batch normalization folded into the convolutions before it, where that changes no score."""

from collections import Counter
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from prober.subject.channel_layout import tensors

TOLERANCE = 1e-5
"""Outputs may differ by this share of their largest number, which float32 rounds to about 1e-7."""


@dataclass
class Pair:
    """A convolution and the batch normalization that alone takes its output.

    Attributes:
        names: The names of the two.
        convolution: Its module.
        normalization: Its module.
        weight: The name of the buffer with the folded weight.
        bias: The name of the buffer with the folded bias.
    """

    names: tuple[str, str]
    convolution: nn.Conv2d
    normalization: nn.BatchNorm2d
    weight: str
    bias: str


class Folding(nn.Module):
    """Runs a CNN with its batch normalizations folded into the convolutions before them.

    In eval mode a normalization is a factor and an offset for each channel, which the convolution
    can have in its own weights: one pass over the activations less, forward and backward. The
    weights of the CNN itself are not changed.

    Args:
        modules: The CNN's modules by name.
        run: Runs the CNN on images `[1, C, H, W]`.
        image: An image, `[1, C, H, W]`.

    Attributes:
        pairs: What is folded: those pairs with which every module but the convolution itself gives
            the same within `TOLERANCE`. If the output of a convolution is also used elsewhere, that
            shows there.
    """

    def __init__(
        self, modules: dict[str, nn.Module], run: Callable[[Tensor], Any], image: Tensor
    ) -> None:
        super().__init__()
        self.pairs: list[Pair] = []
        if not any(type(module) is nn.BatchNorm2d for module in modules.values()):
            return
        with torch.no_grad():
            for names in _neighbors(modules, run, image):
                self._fold(names, *(modules[name] for name in names))
            folded = {pair.convolution for pair in self.pairs}
            self._watched = [module for module in modules.values() if module not in folded]
            before = self._outputs(run, image, folded=False)
            same = partial(self._same, before, run, image)
            self.pairs = self._sound(self.pairs, same)
            if not same():
                self.pairs = []
            del self._watched

    @contextmanager
    def applied(self, but: Collection[str]) -> Iterator[None]:
        """Folds for the time of a forward pass.

        Args:
            but: Modules that are probed, and so stay as they are.
        """
        pairs = [pair for pair in self.pairs if not any(name in but for name in pair.names)]
        own = [(pair.convolution.weight, pair.convolution.bias) for pair in pairs]
        try:
            for pair in pairs:
                pair.convolution._buffers["weight"] = self._buffers[pair.weight]
                pair.convolution._buffers["bias"] = self._buffers[pair.bias]
                vars(pair.normalization)["forward"] = _unchanged
            yield
        finally:
            for pair, (weight, bias) in zip(pairs, own, strict=True):
                pair.convolution._buffers["weight"] = weight
                pair.convolution._buffers["bias"] = bias
                vars(pair.normalization).pop("forward", None)

    def _fold(
        self, names: tuple[str, str], convolution: nn.Conv2d, normalization: nn.BatchNorm2d
    ) -> None:
        number = len(self.pairs)
        pair = Pair(names, convolution, normalization, f"weight_{number}", f"bias_{number}")
        mean, variance = normalization.running_mean.double(), normalization.running_var.double()
        factor = (variance + normalization.eps).rsqrt()
        if normalization.weight is not None:
            factor = factor * normalization.weight.double()
        bias = 0 if convolution.bias is None else convolution.bias.double()
        offset = 0 if normalization.bias is None else normalization.bias.double()
        weight = convolution.weight
        folded = (weight.double() * factor[:, None, None, None]).to(weight)
        self.register_buffer(pair.weight, folded, persistent=False)
        self.register_buffer(pair.bias, (offset + (bias - mean) * factor).to(weight), False)
        self.pairs.append(pair)

    def _sound(self, pairs: list[Pair], same: Callable[[], bool]) -> list[Pair]:
        """Returns those pairs that alone, or with their neighbors, change nothing."""
        self.pairs = pairs
        if same():
            return pairs
        middle = len(pairs) // 2  # few are not: halving finds them soonest
        halves = (pairs[:middle], pairs[middle:]) if middle else ()
        return [pair for half in halves for pair in self._sound(half, same)]

    def _same(self, before: list[Tensor], run: Callable[[Tensor], Any], image: Tensor) -> bool:
        after = self._outputs(run, image, folded=True)
        return all(
            (one - other).abs().max() <= TOLERANCE * one.abs().max()
            for one, other in zip(before, after, strict=True)
        )

    def _outputs(self, run: Callable[[Tensor], Any], image: Tensor, folded: bool) -> list[Tensor]:
        """Runs the CNN; returns what all modules give but the convolutions of the pairs."""
        found: list[Tensor] = []

        def keep(_module: nn.Module, _inputs: tuple[Any, ...], output: Any) -> None:
            found.extend(tensor.clone() for _, tensor in tensors(output))

        handles = [module.register_forward_hook(keep) for module in self._watched]
        try:
            with self.applied(() if folded else [pair.names[0] for pair in self.pairs]):
                run(image)
        finally:
            for handle in handles:
                handle.remove()
        return found


def _neighbors(
    modules: dict[str, nn.Module], run: Callable[[Tensor], Any], image: Tensor
) -> list[tuple[str, str]]:
    """Finds the convolutions whose output, as it is, a batch normalization takes; both once."""
    kinds = (nn.Conv2d, nn.BatchNorm2d)
    names = {module: name for name, module in modules.items() if type(module) in kinds}
    calls: Counter[str] = Counter()
    given: dict[int, tuple[str, Tensor]] = {}
    found: list[tuple[str, str]] = []

    def note(module: nn.Module, inputs: tuple[Any, ...], output: Tensor) -> None:
        name = names[module]
        calls[name] += 1
        if type(module) is nn.Conv2d:
            given[id(output)] = name, output  # kept, so that no other tensor has its id
        elif inputs and id(inputs[0]) in given and module.running_mean is not None:
            found.append((given[id(inputs[0])][0], name))

    plain = [m for m in names if not (m._forward_hooks or m._forward_pre_hooks)]
    handles = [module.register_forward_hook(note) for module in plain]
    try:
        run(image)
    finally:
        for handle in handles:
            handle.remove()
    return [pair for pair in found if all(calls[name] == 1 for name in pair)]


def _unchanged(activations: Tensor) -> Tensor:
    return activations
