"""What layers a CNN has: two forward passes that note what each module gives."""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from prober.common.errors import named_kind
from prober.subject.channel_layout import CONVOLUTIONS, DEFAULT, Layout, layouts_of
from prober.subject.cuts import Place, find_cuts
from prober.subject.expected_bytes import ExpectedBytes
from prober.subject.mixing import images_mix
from prober.subject.nested_outputs import Path, joined, pick, tensors
from prober.subject.passes import straight_checkpoints, watched
from prober.subject.state_between_calls import StateBetweenCalls

LOGITS = "logits"
"""The name that the output of the whole CNN goes by, beside the names of its layers."""


WHOLE = (torch.int64, torch.int32, torch.int16, torch.uint8)
"""The types of what may be numbers of classes."""


@dataclass(frozen=True)
class Layer:
    """A tensor that can be probed.

    Attributes:
        module: The name of the module that gives it, `""` for the whole CNN.
        kind: The class of this module.
        path: The keys that lead to it in what the module gives.
        layout: Where its channels lie.
        output: Its shape for one image, as the module gives it: `[1, ...]`.
        shape: Its shape as it is probed: `(channels, h, w)` or `(units,)`. Tokens `[N, T, D]` are
            a map of T rows and one column with D channels.
        calls: How many times a forward pass calls the module.
        call: Which of these calls gives it, 0 for the first; None for whichever is the last.
    """

    module: str
    kind: str
    path: Path
    layout: Layout
    output: list[int]
    shape: tuple[int, ...]
    calls: int
    call: int | None = None

    @property
    def place(self) -> Place:
        """Where it lies in a forward pass."""
        return self.module, self.calls - 1 if self.call is None else self.call, self.path

    def taken_from(self, given: Any) -> Tensor:
        """Returns the tensor out of what the module gives, `[N, channels, h, w]`, `[N, units]`."""
        return self.layout.arranged(pick(given, self.path))


@dataclass
class Listing:
    """What some forward passes tell of a CNN.

    Attributes:
        measured: The layers that a forward pass can be asked for, by name, in the order in which
            they are given (of several calls the last counts); last what the whole CNN gives. A
            module that returns several tensors gives several: `attention.0`. Of one that is called
            several times, `head` is the last call from which a gradient leads back, and each is a
            layer, too: `head@0`, `head@1`. Some of the unprobed are among them: those that lack
            nothing but a gradient.
        unprobed: For each module that cannot be probed, and each tensor in its output, why not, as
            the end of a sentence.
        unreached: The modules that are never called.
        batch: How many images the CNN is given at a time, None for any number.
        numbers: What it gives that is one whole number for each image, of a class it may be; None
            if it gives no such tensor, or several.
        sources: For what the whole CNN gives, by name, the layer whose output it is, if there is
            one.
        divides_by_255: Whether the CNN divides its input by 255, as if it were bytes.
        makes_bytes: Whether it makes bytes of its input.
        mixes: Whether what it gives for an image depends on those beside it, so that each is given
            to it alone.
    """

    measured: dict[str, Layer]
    unprobed: dict[str, str]
    unreached: list[str]
    batch: int | None
    numbers: Layer | None
    sources: dict[str, str]
    divides_by_255: bool = False
    makes_bytes: bool = False
    mixes: bool = False

    @property
    def layers(self) -> dict[str, Layer]:
        """Those that can be probed, in the same order."""
        return {name: layer for name, layer in self.measured.items() if name not in self.unprobed}

    @property
    def outputs(self) -> dict[str, Layer]:
        """Of a CNN that gives several tensors, the layers that these are: `logits.0`."""
        return {n: each for n, each in self.measured.items() if not each.module and n != LOGITS}

    @property
    def gives_logits(self) -> str | None:
        """The name of the layer whose output goes by `logits`, if there is one."""
        return self.sources.get(LOGITS)

    @property
    def cut(self) -> list[str]:
        """The layers that lack nothing but a gradient, and can be looked at."""
        return [name for name in self.measured if name in self.unprobed]

    def by_reason(self, unprobed: Iterable[str]) -> dict[str, list[str]]:
        """Returns for each reason why some layers cannot be probed which these are."""
        reasons: dict[str, list[str]] = {}
        for name in unprobed:
            reasons.setdefault(self.unprobed[name], []).append(name)
        return reasons


@contextmanager
def seen_at(
    cnn: nn.Module, layers: Mapping[str, Layer], see: Callable[[str, int, Tensor], None]
) -> Iterator[None]:
    """While it is active, what some layers give is seen at once, before the CNN may change it.

    Args:
        cnn: The CNN.
        layers: The layers, by the names that `see` gets.
        see: Called with a layer's name, the number of the call among those of its module, and its
            tensor, `[N, channels, h, w]` or `[N, units]`. Of one whose `call` is None with each.
    """
    names: dict[str, list[str]] = {}
    for name, layer in layers.items():
        names.setdefault(layer.module, []).append(name)
    calls: Counter[str] = Counter()

    def note(module: str, _inputs: tuple[Any, ...], given: Any) -> None:
        call = calls[module]
        calls[module] += 1
        for name in names[module]:
            if layers[name].call in (None, call):
                see(name, call, layers[name].taken_from(given))

    with watched({module: cnn.get_submodule(module) for module in names}, note):
        yield


@dataclass
class _Pass:
    """What the modules gave, call by call in order, last the whole CNN's own output.

    Each with the name of the module and the number of the call among its own.
    """

    given: list[tuple[str, int, Any]]
    calls: Counter[str]
    unbatched: str = ""  # a convolution that has taken its input for one image alone

    def shapes(self) -> dict[tuple[str, int, Path], torch.Size]:
        return {
            (name, call, path): tensor.shape
            for name, call, output in self.given
            for path, tensor in tensors(output)
        }


def list_layers(
    cnn: nn.Module, run: Callable[[Tensor], Any], images: Tensor, state: StateBetweenCalls
) -> Listing:
    """Lists the layers of a CNN.

    The first pass, of one image, tells the shapes. The second, of two, tells for certain which
    dimension counts the images: the one that has grown from 1 to 2. Further ones tell from which
    layers a gradient leads back (`cuts.find_cuts`), and whether images mix (`images_mix`).

    Args:
        cnn: The CNN.
        run: Runs it on images `[N, C, H, W]`.
        images: As many as it takes: one, or a batch of fixed size.
        state: What each pass changes, and what is put back.

    Raises:
        Exception: Whatever the CNN raises if it does not take these images.
        ValueError: It takes them, but as another number of images.
    """
    with ExpectedBytes(images) as bytes_:
        first = _watch(cnn, run, images)
    whole = [tensor for _, tensor in tensors(first.given[-1][2])]
    apart = any(tensor.shape[:1] == images.shape[:1] for tensor in whole)
    if not apart and (len(images) > 1 or first.unbatched):
        raise ValueError(f"{first.unbatched or 'it'} takes the images for the channels of one")
    state.find_changes()

    def run_anew(images: Tensor) -> Any:
        with state.put_back():
            return run(images)

    try:
        second = _watch(cnn, run_anew, torch.cat([images, images])) if len(images) == 1 else first
        doubled = None if _only_one(first, second) else second.shapes()
    except Exception:  # a network of a fixed batch size can raise anything
        doubled = None
    listing = _Lister(cnn, images, first, doubled).listing()
    listing.divides_by_255, listing.makes_bytes = bytes_.divides, bytes_.rounds
    del first
    if listing.batch is None and images_mix(cnn, run_anew, images):
        listing.batch, listing.mixes = 1, True
    places = {layer.place for layer in listing.measured.values()}
    cuts = find_cuts(cnn, run_anew, images, places)
    for name, layer in listing.measured.items():
        if layer.place not in cuts:
            continue
        earlier = [listing.measured.get(f"{name}@{call}") for call in range(layer.calls - 1)]
        leading = [each.call for each in earlier if each and each.place not in cuts]
        if leading:
            listing.measured[name] = replace(layer, call=leading[-1])
        else:
            listing.unprobed[name] = cuts[layer.place]
    return listing


def _only_one(first: _Pass, second: _Pass) -> bool:
    """Tells whether a CNN takes two images, but in a loop or as one."""
    after = second.shapes()
    whole = [key for key, shape in first.shapes().items() if key[0] == "" and shape[:1] == (1,)]
    stays = bool(whole) and not any(after.get(key, ())[:1] == (2,) for key in whole)
    return first is second or stays or first.calls != second.calls


def _watch(cnn: nn.Module, run: Callable[[Tensor], Any], images: Tensor) -> _Pass:
    seen = _Pass([], Counter())

    def note(name: str, inputs: tuple[Any, ...], given: Any) -> None:
        seen.given.append((name, seen.calls[name], given))
        seen.calls[name] += 1
        if not seen.unbatched and inputs and _takes_as_one(modules[name], inputs[0]):
            seen.unbatched = f"layer '{name}'" if name else "it"

    modules = dict(cnn.named_modules())
    parts = {name: module for name, module in modules.items() if name}
    with torch.no_grad(), straight_checkpoints(), watched(parts, note):
        note("", (images,), run(images))
    return seen


def _takes_as_one(module: nn.Module, given: Any) -> bool:
    """Tells whether a convolution takes what it is given for one image without a batch."""
    kernel = getattr(module, "kernel_size", None)
    if not isinstance(module, CONVOLUTIONS) or not isinstance(kernel, tuple):
        return False
    return isinstance(given, Tensor) and given.dim() == len(kernel) + 1


class _Lister:
    """Makes a listing from two passes; the second is missing for a fixed number of images."""

    def __init__(self, cnn: nn.Module, images: Tensor, seen: _Pass, doubled: dict | None) -> None:
        self._images = images
        self._seen = seen
        self._last = {name: output for name, _, output in seen.given}
        self._doubled = doubled
        self._modules = dict(cnn.named_modules())
        self._layouts = layouts_of(self._modules, seen.given)
        self._layers: dict[str, Layer] = {}
        self._unprobed: dict[str, str] = {}

    def listing(self) -> Listing:
        for module, call, output in self._seen.given:
            if module:
                self._add(module, call, output, module)
        if LOGITS not in self._modules:
            self._add("", 0, self._last[""], LOGITS)
            self._choose_logits()
        return Listing(
            measured=self._layers,
            unprobed=self._unprobed,
            unreached=[name for name in self._modules if name and name not in self._seen.calls],
            batch=len(self._images) if self._doubled is None else None,
            numbers=self._numbers(),
            sources=self._sources(),
        )

    def _add(self, module: str, call: int, output: Any, known_as: str) -> None:
        """Adds what a call of a module has given, under the name that the module is known as."""
        found = list(tensors(output))
        last = call == self._seen.calls[module] - 1
        if last and not any(path == () for path, _ in found):
            self._unprobed[known_as] = _container(output, known_as, found)
        for path, tensor in found:
            name = joined(known_as, path)
            if path and name in self._modules:
                continue
            why = self._why_not(module, call, path, tensor)
            if why and last:
                self._unprobed[name] = why
            if why:
                continue
            layer = self._layer(module, call, path, tensor)
            if layer.calls > 1:
                self._layers[f"{name}@{call}"] = layer
            if last:
                self._layers[name] = replace(layer, call=None)

    def _choose_logits(self) -> None:
        """Chooses which of several tensors that the whole CNN gives is `logits`, too.

        That is the one whose key is that, or the only one that can be probed.
        """
        output = self._last[""]
        if isinstance(output, Tensor):
            return
        del self._unprobed[LOGITS]
        outputs = {name: layer for name, layer in self._layers.items() if not layer.module}
        named = [name for name, layer in outputs.items() if layer.path[-1] == LOGITS]
        if named or len(outputs) == 1:
            self._layers[LOGITS] = outputs[(named or list(outputs))[0]]
        elif any(tensors(output)):
            self._unprobed[LOGITS] = _several(named_kind(output), outputs, self._unprobed)
        else:
            self._unprobed[LOGITS] = f"it is {named_kind(output)}, in which no tensor is found"

    def _sources(self) -> dict[str, str]:
        """Returns for what the whole CNN gives, by name, the first layer that gives the same."""
        given = {
            name: pick(self._last[layer.module], layer.path)
            for name, layer in self._layers.items()
            if layer.call is None
        }
        sources: dict[str, str] = {}
        for end in [name for name in given if not self._layers[name].module]:
            for name, tensor in given.items():
                if self._layers[name].module and tensor is given[end]:
                    sources.setdefault(end, name)
        return sources

    def _numbers(self) -> Layer | None:
        """Returns the only tensor of one whole number for each image that the whole CNN gives."""
        number = len(self._images)
        doubled = self._doubled or {}
        found = [
            (path, tensor)
            for path, tensor in tensors(self._last[""])
            if tensor.dtype in WHOLE
            and tensor.shape[:1] == (tensor.numel(),) == (number,)
            and (not doubled or doubled["", 0, path].numel() == 2 * number)
        ]
        if len(found) != 1:
            return None
        [(path, tensor)] = found
        kind = type(self._modules[""]).__name__
        return Layer("", kind, path, Layout.UNITS, [1, *tensor.shape[1:]], (1,), calls=1)

    def _layer(self, module: str, call: int, path: Path, tensor: Tensor) -> Layer:
        layout = self._layouts[module, call, path]
        shape = tuple(layout.arranged(tensor).shape[1:])
        kind = type(self._modules[module]).__name__
        calls = self._seen.calls[module]
        output = [1, *tensor.shape[1:]]
        return Layer(module, kind, path, layout, output, shape, calls, call)

    def _why_not(self, module: str, call: int, path: Path, tensor: Tensor) -> str | None:
        shape = list(tensor.shape)
        doubled = list((self._doubled or {}).get((module, call, path), ()))
        if doubled == [2, *shape]:
            return (
                f"its output loses the dimension of the images where there is one: it is {shape}, "
                f"for two {doubled}. Let squeeze() name the dimensions that it takes away"
            )
        if tensor.dim() not in DEFAULT:
            known = ", ".join(layout.value for layout in Layout)
            return f"its output is {shape}, none of {known}"
        if not (tensor.is_floating_point() or tensor.is_complex()):
            return f"its output {shape} is of type {tensor.dtype}, which has no gradient"
        if tensor.is_complex():
            return f"its output {shape} is complex, and a score is one number"
        if not math.prod(shape):
            return f"its output {shape} is empty"
        if self._doubled is None:
            right = shape[0] == len(self._images)
            return None if right else f"its output {shape} does not start with the images"
        if shape[0] == 1 and doubled == [2, *shape[1:]]:
            return None
        if doubled == shape:
            return f"its output is {shape} for any number of images"
        if len(doubled) > 1 and shape[1] == 1 and doubled == [shape[0], 2, *shape[2:]]:
            # Of an LSTM's states it changes nothing.
            is_set = getattr(self._modules[module], "batch_first", False)
            advice = "" if is_set else ": set batch_first=True if it can be"
            return f"its output {shape} has the images second{advice}"
        return f"its output {shape} does not start with the images: for two of them it is {doubled}"


def _several(kind: str, outputs: dict[str, Layer], unprobed: dict[str, str]) -> str:
    """Says that the CNN gives several tensors, and which, as the end of a sentence."""
    known = ", ".join(f"{name} {layer.output}" for name, layer in outputs.items())
    if not known:
        known = "; ".join(f"{n}: {why}" for n, why in unprobed.items() if n.startswith(LOGITS))
        return f"the CNN gives {kind}, of which nothing can be probed ({known})"
    return (
        f"the CNN gives {kind} of several tensors ({known}): name one of them, or say with "
        "model.subject.classes_from which has the classes"
    )


def _container(output: Any, name: str, found: list[tuple[Path, Tensor]]) -> str:
    if not found:
        return f"its output is {named_kind(output)}, in which no tensor is found"
    parts = ", ".join(joined(name, path) for path, _ in found[:4])
    return f"its output is {named_kind(output)}; name one of its tensors: {parts}"
