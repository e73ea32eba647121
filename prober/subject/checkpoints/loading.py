"""From a file to the weights of a CNN, without running anything that the file holds."""

import pickle
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn

from prober.common.errors import InputError, listed
from prober.common.files import find_file
from prober.subject.checkpoints.export_archive import entries, is_archive, load_exported

SAVE = "torch.save(model.state_dict(), 'weights.pt')"

WRAPPERS = ("_orig_mod", "module")
"""What `torch.compile` and data parallelism put into the names of the module they wrap."""

MOST = 8
"""A message names so many tensors or places at the most."""


def load_weights(cnn: nn.Module, checkpoint: str) -> list[str]:
    """Loads the weights of a checkpoint into a CNN, every one of them and none missing.

    The checkpoint is a state dict as `torch.save` writes it, alone or within the dictionary of a
    training (a Lightning checkpoint, say), a safetensors file, or a `torch.export` archive. The
    names of the weights may all have a prefix: the one is found that makes the CNN's own names fit.

    Args:
        cnn: The CNN, changed in place.
        checkpoint: Path of the file. A relative path is looked up in the working directory, then
            in the project.

    Returns:
        What a person should know of it: where in the file the weights were found, and what else
        there is that was not used. Nothing for a plain state dict.

    Raises:
        InputError: The file is missing, empty, damaged or of another kind, or the weights in it
            belong to another architecture.
    """
    path = find_file(checkpoint, "Checkpoint")
    found, strangers = _read(path)
    own = {name: value for name, value in cnn.state_dict().items() if isinstance(value, Tensor)}
    fits = [_fit(place, names, own) for place, names in _candidates(found)]
    if not fits:
        held = f"holds more than weights ({listed(strangers, 4)}), which is not run, and "
        raise InputError(
            f"Checkpoint '{path}' {held * bool(strangers)}is no state dict (names with tensors). "
            f"Save one: {SAVE}."
        )
    best = max(fits, key=lambda fit: fit.score)
    if best.problems:
        held = f" It holds more than weights, too ({listed(strangers, 4)}), which is not run; "
        raise InputError(
            f"Checkpoint '{path}' does not fit {type(cnn).__name__}{best.said('its')}: "
            f"{'; '.join(best.problems)}. "
            "Give the checkpoint of this CNN, or the CNN of this checkpoint."
            + f"{held}a state dict alone is saved with {SAVE}."
            * bool(strangers)
        )
    try:
        cnn.load_state_dict(best.weights, strict=False)
    except RuntimeError as error:
        raise InputError(
            f"{type(cnn).__name__} cannot take the weights of checkpoint '{path}': {error}"
        ) from error
    others = [fit for fit in fits if fit is not best and not fit.problems]
    return best.notes(path.name, others)


def load_cnn(archive: str) -> nn.Module | None:
    """Returns the CNN that a `torch.export` archive holds, or None for any other file.

    Raises:
        InputError: The file is missing, or an archive that cannot be probed.
    """
    path = find_file(archive, "Checkpoint")
    return load_exported(path) if is_archive(path) else None


def _read(path: Path) -> tuple[Any, list[str]]:
    """Reads a file of any kind: what is in it, and the names of what was not loaded."""
    if path.stat().st_size == 0:
        raise InputError(f"Checkpoint '{path}' is empty. Save it again.")
    if path.suffix == ".safetensors":
        try:
            return safetensors.torch.load_file(path), []
        except PermissionError:
            raise
        except (safetensors.SafetensorError, OSError, ValueError, KeyError) as error:
            raise InputError(
                f"Checkpoint '{path}' cannot be read; it is truncated or no safetensors file. Save "
                "it again: safetensors.torch.save_file(model.state_dict(), 'weights.safetensors')."
            ) from error
    if is_archive(path):
        return load_exported(path).state_dict(), []
    inside = entries(path)
    if "constants.pkl" in inside:
        raise InputError(
            f"Checkpoint '{path}' is a TorchScript archive, which is a program and is not run. "
            f"Save the state dict of the CNN that it was made of: {SAVE}."
        )
    try:
        return torch.load(path, map_location="cpu", weights_only=True), []
    except pickle.UnpicklingError as error:
        if inside:
            return _read_tensors(path)
        raise _more_than_weights(path) from error
    except PermissionError:
        raise
    except Exception as error:  # a damaged file can raise almost anything, even an OSError
        raise _unreadable(path) from error


class _StandIn:
    """Takes the place of anything that is not a tensor, does nothing and keeps nothing."""

    def __new__(cls, *args: Any, **kwargs: Any) -> "_StandIn":
        return super().__new__(cls)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        pass

    def __call__(self, *args: Any, **kwargs: Any) -> "_StandIn":
        return self

    def __setstate__(self, state: Any) -> None:
        pass

    def __setitem__(self, key: Any, value: Any) -> None:
        pass

    def append(self, item: Any) -> None:
        pass

    def extend(self, items: Any) -> None:
        pass


_REBUILDERS: dict[str, Callable[..., Any]] = {
    f"torch._utils.{name}": getattr(torch._utils, name)
    for name in ("_rebuild_tensor", "_rebuild_tensor_v2", "_rebuild_parameter")
}
_TYPES = {"collections.OrderedDict": OrderedDict, "torch.Size": torch.Size}
_DTYPES = {str(value): value for value in vars(torch).values() if isinstance(value, torch.dtype)}


def _read_tensors(path: Path) -> tuple[Any, list[str]]:
    """Reads the tensors of a checkpoint that holds other things, too, which are left out.

    Training frameworks put settings and states of any class beside the weights. The unpickler here
    finds nothing but what makes a tensor, and for each other name a class that does nothing, so no
    function that the file names is called.
    """
    strangers: dict[str, None] = {}

    class Tensors(pickle.Unpickler):
        def find_class(self, module: str, name: str) -> Any:
            path = f"{module}.{name}"
            if path in _REBUILDERS:
                # A new function each time: a pickle may set attributes of what it has found.
                return lambda *args: _REBUILDERS[path](*args)
            if found := _TYPES.get(path) or _DTYPES.get(path):
                return found
            strangers[path] = None
            return type("StandIn", (_StandIn,), {})

    reader = ModuleType("tensors")  # what torch.load uses in place of the module `pickle`
    reader.Unpickler = Tensors  # type: ignore[attr-defined]
    try:
        content = torch.load(path, map_location="cpu", pickle_module=reader, weights_only=False)
    except PermissionError:
        raise
    except Exception as error:  # a pickle that expects of its objects what a stand-in has not
        raise _more_than_weights(path) from error
    if isinstance(content, _StandIn):
        raise _more_than_weights(path)
    return content, list(strangers)


def _more_than_weights(path: Path) -> InputError:
    return InputError(
        f"Checkpoint '{path}' holds more than weights (a whole pickled model, perhaps), or is "
        f"damaged, and nothing in it is run. Save its state dict instead: {SAVE}."
    )


def _unreadable(path: Path) -> InputError:
    return InputError(
        f"Checkpoint '{path}' cannot be read; it is truncated or no PyTorch file. Save it "
        f"again: {SAVE}."
    )


Weights = dict[str, Tensor]


def _candidates(content: Any, place: str = "", depth: int = 2) -> Iterator[tuple[str, Weights]]:
    """Gives every dictionary of names and tensors, from the outermost to two levels within."""
    if not isinstance(content, Mapping):
        return
    named = {name: value for name, value in content.items() if isinstance(name, str)}
    tensors = {name: value for name, value in named.items() if isinstance(value, Tensor)}
    if tensors:
        yield place, tensors
    if depth:
        for name, value in named.items():
            yield from _candidates(value, f"{place}.{name}" if place else name, depth - 1)


@dataclass
class _Fit:
    """How well the tensors below one prefix of one dictionary are those of the CNN."""

    place: str
    prefix: str
    wrappers: list[str]
    weights: Weights
    unexpected: list[str]
    unused: list[str]
    problems: list[str]

    @property
    def score(self) -> tuple[bool, int]:
        """What makes one reading of a checkpoint better than another."""
        return not self.problems, len(self.weights) - len(self.unexpected)

    def said(self, whose: str) -> str:
        """Says which part of the checkpoint this is, in brackets, if not the whole."""
        place = [f"{whose} '{self.place}'"] if self.place else []
        prefix = [f"names that start with '{self.prefix}'"] if self.prefix else []
        return f" ({', '.join(place + prefix)})" if place or prefix else ""

    def notes(self, file: str, others: "list[_Fit]") -> list[str]:
        """Says what is not as plain as it could be."""
        notes = []
        if self.place or self.prefix:
            where = f" in '{self.place}'" if self.place else ""
            which = f" whose names start with '{self.prefix}'" if self.prefix else ""
            notes.append(f"The CNN's weights are the tensors{where} of '{file}'{which}.")
        if self.wrappers:
            wrappers = " and ".join(f"'{wrapper}.'" for wrapper in self.wrappers)
            notes.append(f"{wrappers} within the names of '{file}' is left out.")
        if self.unused:
            number = len(self.unused)
            verb = "tensor is" if number == 1 else "tensors are"
            notes.append(f"{number} other {verb} not used: {listed(self.unused, MOST)}.")
        if others:
            which = [f"'{other.place}'" for other in others]
            notes.append(f"Other weights that fit are not used: {listed(which, MOST)}.")
        return notes


def _fit(place: str, tensors: Weights, own: Weights) -> _Fit:
    """Finds the prefix, and the wrappers to leave out, with which most of the CNN's names fit."""
    readings: list[tuple[list[str], dict[str, str]]] = [([], {name: name for name in tensors})]
    for wrappers in (WRAPPERS[:1], WRAPPERS):
        shorter = {}
        for name in tensors:
            parts = [part for part in name.split(".") if part not in wrappers]
            shorter.setdefault(".".join(parts), name)
        if len(shorter) == len(tensors) and shorter.keys() != readings[-1][1].keys():
            within = {part for name in tensors for part in name.split(".")}
            readings.append(([each for each in wrappers if each in within], shorter))
    fits = []
    for wrappers, reading in readings:
        named = {name: tensors[original] for name, original in reading.items()}
        fits += [_below(place, prefix, wrappers, named, own) for prefix in _prefixes(named, own)]
    return max(fits, key=lambda fit: fit.score)


def _prefixes(named: Weights, own: Weights) -> list[str]:
    """Returns the prefixes with which at least one name is the CNN's, the shortest first."""
    prefixes = {""}
    for name in named:
        parts = name.split(".")
        for i in range(1, len(parts)):
            if ".".join(parts[i:]) in own:
                prefixes.add(".".join(parts[:i]) + ".")
    return sorted(prefixes, key=lambda prefix: (len(prefix), prefix))


def _below(place: str, prefix: str, wrappers: list[str], named: Weights, own: Weights) -> _Fit:
    below = {
        name.removeprefix(prefix): value for name, value in named.items() if name.startswith(prefix)
    }
    weights = {
        name: below[name]
        for name, value in own.items()
        if name in below and below[name].shape == value.shape
    }
    unexpected = [name for name in below if name not in own]
    missing = [
        name
        for name in own
        # Older versions of PyTorch did not count batches, and nothing depends on it.
        if name not in below and name.rsplit(".", 1)[-1] != "num_batches_tracked"
    ]
    shapes = [
        f"{name} {list(below[name].shape)} instead of {list(value.shape)}"
        for name, value in own.items()
        if name in below and name not in weights
    ]
    wrong = {"missing": missing, "unexpected": unexpected, "of another shape": shapes}
    return _Fit(
        place=place,
        prefix=prefix,
        wrappers=wrappers,
        weights=weights,
        unexpected=unexpected,
        unused=[name for name in named if not name.startswith(prefix)],
        problems=[f"{what}: {listed(names, MOST)}" for what, names in wrong.items() if names],
    )
