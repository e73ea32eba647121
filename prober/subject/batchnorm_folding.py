"""Batch normalization folded into the convolutions before it, where that changes no score."""

import copy
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import fuse_conv_bn_eval

from prober.subject.nested_outputs import tensors
from prober.subject.passes import about_the_same, exact_float32, other_weights, watched

Run = Callable[[Tensor], Any]


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
        unhooked: Those of them that have no hooks, which may change what they give.
        run: Runs the CNN on images `[1, C, H, W]`.
        image: An image, `[1, C, H, W]`.

    Attributes:
        pairs: What is folded: those pairs with which every module but the convolution itself gives
            the same but for rounding. If the output of a convolution is also used elsewhere, that
            shows there.
    """

    def __init__(
        self,
        modules: dict[str, nn.Module],
        unhooked: dict[str, nn.Module],
        run: Run,
        image: Tensor,
    ) -> None:
        super().__init__()
        self.pairs: list[Pair] = []
        if not any(type(module) is nn.BatchNorm2d for module in modules.values()):
            return
        with exact_float32(), torch.no_grad():
            neighbors = _neighbors(unhooked, run, image)
            pairs = [self._pair(i, names, modules) for i, names in enumerate(neighbors)]
            folded = {pair.convolution for pair in pairs}
            others = {name: module for name, module in modules.items() if module not in folded}

            def outputs(pairs: list[Pair]) -> list[Tensor]:
                """What all modules but the convolutions give while these pairs are folded."""
                self.pairs = pairs
                found: list[Tensor] = []

                def keep(_name: str, _inputs: tuple[Any, ...], given: Any) -> None:
                    found.extend(tensor.clone() for _, tensor in tensors(given))

                with watched(others, keep), self.applied(but=()):
                    run(image)
                return found

            before = outputs([])

            def same(pairs: list[Pair]) -> bool:
                return all(
                    one.shape == other.shape and about_the_same(one, other, one)
                    for one, other in zip(before, outputs(pairs), strict=True)
                )

            sound = _sound(pairs, same)
            self.pairs = sound if same(sound) else []

    @contextmanager
    def applied(self, but: Collection[str]) -> Iterator[None]:
        """Folds for the time of a forward pass: the normalizations pass on what they get.

        Args:
            but: Modules that are probed. A convolution among them stays as it is; what a
                normalization gives is the same.
        """
        pairs = [pair for pair in self.pairs if pair.names[0] not in but]
        with ExitStack() as stack:
            for pair in pairs:
                weight, bias = getattr(self, pair.weight), getattr(self, pair.bias)
                stack.enter_context(other_weights(pair.convolution, weight=weight, bias=bias))
                stack.callback(vars(pair.normalization).pop, "forward")
                vars(pair.normalization)["forward"] = lambda input: input
            yield

    def _pair(self, number: int, names: tuple[str, str], modules: dict[str, nn.Module]) -> Pair:
        """Folds two modules: the weights become buffers, to go where those of the CNN go."""
        convolution, normalization = (modules[name] for name in names)
        assert isinstance(convolution, nn.Conv2d) and isinstance(normalization, nn.BatchNorm2d)
        # A CNN's own `train` need not have switched all modules.
        folded = fuse_conv_bn_eval(
            copy.deepcopy(convolution).double().eval(), copy.deepcopy(normalization).double().eval()
        )
        assert folded.bias is not None  # that of the normalization at least
        pair = Pair(names, convolution, normalization, f"weight_{number}", f"bias_{number}")
        for name, tensor in ((pair.weight, folded.weight), (pair.bias, folded.bias)):
            self.register_buffer(name, tensor.detach().to(convolution.weight), persistent=False)
        if convolution.bias is None:
            # A parameter that is None cannot become a tensor, a buffer can.
            del convolution.bias
            convolution.register_buffer("bias", None)
        return pair


def _sound(pairs: list[Pair], same: Callable[[list[Pair]], bool]) -> list[Pair]:
    """Returns those pairs that alone, or with their neighbors, change nothing."""
    if same(pairs):
        return pairs
    middle = len(pairs) // 2  # few are not: halving finds them soonest
    halves = (pairs[:middle], pairs[middle:]) if middle else ()
    return [pair for half in halves for pair in _sound(half, same)]


def _neighbors(modules: dict[str, nn.Module], run: Run, image: Tensor) -> list[tuple[str, str]]:
    """Finds the convolutions whose output, as it is, a batch normalization takes; both once."""
    kinds = (nn.Conv2d, nn.BatchNorm2d)
    both = {name: module for name, module in modules.items() if type(module) in kinds}
    calls: Counter[str] = Counter()
    given: dict[int, tuple[str, Tensor]] = {}
    found: list[tuple[str, str]] = []

    def note(name: str, inputs: tuple[Any, ...], output: Tensor) -> None:
        module = both[name]
        calls[name] += 1
        if type(module) is nn.Conv2d:
            given[id(output)] = name, output  # kept, so that no other tensor has its id
        elif inputs and id(inputs[0]) in given and module.running_mean is not None:
            found.append((given[id(inputs[0])][0], name))

    with watched(both, note):
        run(image)
    return [pair for pair in found if all(calls[name] == 1 for name in pair)]
