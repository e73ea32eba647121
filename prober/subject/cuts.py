"""Cuts: layers from which no gradient leads back to the input, and where in the CNN it ends."""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from prober.common.patches import has_own_backward, is_flat
from prober.subject.nested_outputs import Path, tensors
from prober.subject.passes import straight_checkpoints, watched

Place = tuple[str, int, Path]
"""A tensor that a CNN gives: the name of the module, `""` for the whole, the number of the call
among those of the module, and the keys that lead to it."""


@dataclass
class _Call:
    """A call of a module: whether a gradient leads from what it takes, and gives, to the input."""

    name: str
    takes: bool
    gives: bool
    switched_off: bool


def find_cuts(
    cnn: nn.Module, run: Callable[[Tensor], Any], image: Tensor, places: Iterable[Place]
) -> dict[Place, str]:
    """Finds out of which of a CNN's tensors no image whatever could be optimized.

    The graph of a forward pass tells, not the gradient's numbers: a ReLU that is shut for one image
    is open for another. What has a derivative of 0 everywhere (rounding, the sign) ends the
    gradient, as an operation without one does. A function with a backward pass of its own is asked
    for it. Several images are tried, for a CNN may go other ways with another.

    Args:
        cnn: The CNN.
        run: Runs it on images.
        image: One of the shape that it takes, `[1, C, ...]`.
        places: The tensors.

    Returns:
        For each that no gradient leads back from, why, as the end of a sentence.
    """
    generator = torch.Generator().manual_seed(0)
    noise = torch.rand(image.shape, generator=generator)
    cut = dict.fromkeys(places, "")
    for start in (noise, torch.zeros_like(noise), 1 - noise / 4):
        if cut:
            seen = _Pass(cnn, run, start.to(image))
            cut = {place: seen.why_cut(place) for place in cut if place not in seen.leading}
    return cut


class _Pass:
    """What a forward pass with a graph tells.

    Attributes:
        leading: The tensors from which a gradient leads back to the image.
    """

    def __init__(self, cnn: nn.Module, run: Callable[[Tensor], Any], image: Tensor) -> None:
        self._modules = dict(cnn.named_modules())
        self._calls: list[_Call] = []
        self._number: Counter[str] = Counter()
        self._error = ""
        self.leading: set[Place] = set()
        self._zero: set[Place] = set()
        with torch.inference_mode(False), torch.enable_grad(), straight_checkpoints():
            self._image = image.clone().requires_grad_()
            self._graph = _Graph(self._image)
            try:
                with watched({n: m for n, m in self._modules.items() if n}, self._note):
                    given = run(self._image)
                self._note("", (self._image,), given)
            except Exception as error:  # whatever a forward pass may raise
                self._error = " ".join(f"{type(error).__name__}: {error}".split())
        del self._graph, self._image  # with the activations

    def _note(self, name: str, inputs: tuple[Any, ...], given: Any) -> None:
        number = self._number[name]
        self._number[name] += 1
        found = {path: self._graph.leads(tensor) for path, tensor in tensors(given)}
        self.leading |= {(name, number, path) for path, leads in found.items() if leads}
        self._zero |= {(name, number, p) for p, t in tensors(given) if self._graph.is_zero(t)}
        takes = any(self._graph.leads(tensor) for _, tensor in tensors(inputs))
        off = not torch.is_grad_enabled()
        self._calls.append(_Call(name, takes, any(found.values()), off))

    def why_cut(self, place: Place) -> str:
        """Says why a tensor has no gradient, and where the gradient ends."""
        name, number, _ = place
        at = [i for i, call in enumerate(self._calls) if call.name == name]
        if number >= len(at):
            failed = f"fails ({self._error})" if self._error else "does not reach it"
            return f"the forward pass {failed} where gradients are computed"
        end = self._end(at[number])
        if place in self._zero:
            return f"the gradient is zero: a function with a backward of its own gives zeros {end}"
        return f"no gradient leads back to the input: it ends {end}"

    def _end(self, at: int) -> str:
        """Says where the gradient ends on the way to what a call has given."""
        call = self._calls[at]
        if call.switched_off:
            return self._where_off(at)
        before = self._calls[:at]
        inside = [j for j, each in enumerate(before) if _is_part(each.name, call.name)]
        if call.takes:
            latest = max((j for j, c in enumerate(before) if c.name == call.name), default=-1)
            inside = [j for j in inside if j > latest]
            for j in inside:
                if before[j].takes and not before[j].gives:
                    return self._end(j)
            left = [before[j].name for j in inside if before[j].gives]
            after = f", after '{left[-1]}'" if left else ""
            without = [before[j].name for j in inside if not before[j].takes]
            then = f" and before '{without[0]}'" if without and left else ""
            return f"in {self._called(call.name)}{after}{then}"
        follower = call.name  # the first module after the cut
        for j in reversed([j for j in range(at) if j not in inside]):
            name = before[j].name
            if before[j].takes and not before[j].gives:
                return self._end(j)
            if before[j].gives:
                parent = self._called(_parent(name, follower))
                return f"in {parent}, after '{name}' and before '{follower}'"
            if not _is_part(name, follower):
                follower = name
        return f"in {self._called(follower.rpartition('.')[0])}, before '{follower}'"

    def _where_off(self, at: int) -> str:
        """Names the outermost module around a call that has no gradients, for it runs without."""
        names = [self._calls[at].name]
        for call in self._calls[at + 1 :]:
            if _is_part(names[-1], call.name) and call.switched_off:
                names.append(call.name)
        where = f"at '{names[-1]}'" if names[-1] else f"in {self._called('')}"
        return f"{where}, which runs with gradients switched off (torch.no_grad, say)"

    def _called(self, name: str) -> str:
        kind = type(self._modules[name]).__name__
        return f"'{name}' ({kind})" if name else f"the forward pass of {kind}"


def _is_part(name: str, whole: str) -> bool:
    return name != whole and (not whole or name.startswith(f"{whole}."))


def _parent(one: str, other: str) -> str:
    """The name of the module that two modules are parts of."""
    both = zip(one.split(".")[:-1], other.split(".")[:-1], strict=False)
    return ".".join(part for part, _ in takewhile(lambda parts: parts[0] == parts[1], both))


class _Graph:
    """The graph of a forward pass, and what of it leads back to the image."""

    def __init__(self, image: Tensor) -> None:
        self._image = image
        # By node. As long as these are kept, no other node gets the place of one of them.
        self._leads: dict[Any, tuple[bool, bool]] = {}
        self._zero: set[Any] = set()

    def leads(self, tensor: Tensor) -> bool:
        """Tells whether a gradient leads from a tensor back to the image."""
        if tensor is self._image:
            return True
        if tensor.grad_fn is None:
            return False
        for_certain, perhaps = self._walked(tensor.grad_fn)
        return for_certain or (perhaps and self._has_gradient(tensor))

    def is_zero(self, tensor: Tensor) -> bool:
        """Tells of a tensor that was asked about whether it has a gradient, but 0 everywhere."""
        return tensor.grad_fn in self._zero

    def _walked(self, node: Any) -> tuple[bool, bool]:
        """Whether a way leads back, and whether one does through functions with a backward."""
        waiting = [node]
        while waiting:
            at = waiting[-1]
            if at in self._leads:
                waiting.pop()
                continue
            if is_flat(at):
                self._leads[at] = False, False
                continue
            if getattr(at, "variable", None) is not None:
                self._leads[at] = (at.variable is self._image,) * 2
                continue
            nodes = [each for each, _ in at.next_functions if each is not None]
            missing = [each for each in nodes if each not in self._leads]
            if missing:
                waiting += missing
                continue
            found = [self._leads[each] for each in nodes]
            certain, perhaps = (any(each[i] for each in found) for i in range(2))
            self._leads[at] = (certain and not has_own_backward(at)), perhaps
        return self._leads[node]

    def _has_gradient(self, tensor: Tensor) -> bool:
        """Asks the functions on all ways for a gradient: not none, and not 0 everywhere."""
        # NumPy's own generator: within the pass, a draw of PyTorch's would count as the CNN's.
        random = np.random.default_rng(0).random(tuple(tensor.shape))
        weights = torch.as_tensor(random).to(tensor) + 0.5
        try:
            (found,) = torch.autograd.grad(
                tensor, self._image, weights, retain_graph=True, allow_unused=True
            )
        except (RuntimeError, NotImplementedError):
            return False
        if found is not None and not (found != 0).any():
            self._zero.add(tensor.grad_fn)
        return found is not None and tensor.grad_fn not in self._zero
