"""From a checkpoint to the weights of a CNN, or to a CNN."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from prober.common.errors import InputError, listed, suggestion
from prober.common.files import find_file
from prober.common.patches import INSIDE_OF_COMPILED
from prober.subject.checkpoints.export_archive import ExportArchive
from prober.subject.checkpoints.format import SAVE, Format
from prober.subject.checkpoints.onnx_file import OnnxFile
from prober.subject.checkpoints.safetensors_file import SafetensorsFile
from prober.subject.checkpoints.torch_save import TorchSave

FORMATS: tuple[Format, ...] = (
    SafetensorsFile(),
    ExportArchive(),
    OnnxFile(),
    TorchSave(),  # last: it takes whatever no other recognizes, to say what is wrong with it
)
"""The kinds of files that are known; the first that recognizes a file reads it."""

NO_CHECKPOINTS = {
    b"version https://git-lfs": "is a pointer of Git LFS: fetch the file with `git lfs pull`",
    b"<!doctype html": "is a web page: download the file itself",
    b"<html": "is a web page: download the file itself",
}
"""What files begin with that are no checkpoints, and what is told of them."""

WRAPPERS = (INSIDE_OF_COMPILED, "module")
"""What `torch.compile` and data parallelism put into the names of the module they wrap."""

MOST_NAMED = 8
"""A message names so many tensors or places at the most."""


def load_weights(cnn: nn.Module, checkpoint: str, key: str | None = None) -> list[str]:
    """Loads the weights of a checkpoint into a CNN, every one of them and none missing.

    The checkpoint is a file of one of `FORMATS`. The names of the weights may all have a prefix:
    the one is found that makes the CNN's own names fit.

    Args:
        cnn: The CNN, changed in place.
        checkpoint: Path of the file. A relative path is looked up in the working directory, then
            in the project.
        key: Which weights to take of a file that holds several sets (those of a training and
            their moving average, say): the key of their dictionary, `model_ema`, or what their
            names start with.

    Returns:
        What a person should know of it: where in the file the weights were found, and what else
        there is that was not used. Nothing for a plain state dict.

    Raises:
        InputError: The file is missing, empty, damaged or of another kind, or the weights in it
            belong to another architecture.
    """
    path = find_file(checkpoint, "Checkpoint")
    content = _format(path).read(path)
    strangers = content.left_out
    own = {name: value for name, value in cnn.state_dict().items() if isinstance(value, Tensor)}
    candidates = list(_candidates(content.found))
    fits = [_fit(place, names, own) for place, names in candidates]
    if key is not None:
        places = [fit.place or "the top" for fit in fits if not fit.problems]
        fits = [_fit(place, names, own) for place, names in _at(key, candidates)]
        if not fits:
            raise InputError(
                f"checkpoint_key: '{path.name}' has no weights at '{key}'."
                f"{suggestion(key, places)} There are some that fit at: "
                f"{listed(places or ['none'], MOST_NAMED)}."
            )
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
            f"Checkpoint '{path}' does not fit {type(cnn).__name__}{best.where}: "
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


def load_cnn(checkpoint: str) -> nn.Module | None:
    """Returns the CNN that a file holds, as a `torch.export` archive does, or None if it has none.

    Raises:
        InputError: The file is missing or empty, or its CNN cannot be probed.
    """
    path = find_file(checkpoint, "Checkpoint")
    return _format(path).build(path)


def _format(path: Path) -> Format:
    with path.open("rb") as file:  # which says of any format if it may not be read
        beginning = file.read(64).lstrip().lower()
    if not beginning:
        raise InputError(f"Checkpoint '{path}' is empty. Save it again.")
    for start, told in NO_CHECKPOINTS.items():
        if beginning.startswith(start):
            raise InputError(f"Checkpoint '{path}' {told}.")
    return next(format for format in FORMATS if format.recognizes(path))


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


def _at(key: str, candidates: list[tuple[str, Weights]]) -> Iterator[tuple[str, Weights]]:
    """Gives those weights that a key names: a dictionary's, or some of it by how names start."""
    key = key.strip(".")
    for place, names in candidates:
        if f"{place}.".startswith(f"{key}."):
            yield place, names
        prefix = f"{key.removeprefix(f'{place}.')}."
        if below := {name: value for name, value in names.items() if name.startswith(prefix)}:
            yield place, below


class _Fit:
    """How well the tensors below one prefix of one dictionary are those of the CNN.

    Args:
        place: Where in the file the dictionary is.
        prefix: What the names start with that count.
        wrappers: What is left out of the names.
        named: The tensors of the dictionary, by such names.
        own: Those of the CNN.

    Attributes:
        weights: Those that fit.
        unused: The names that do not start with the prefix.
        problems: What does not fit.
        score: What makes one reading of a checkpoint better than another.
    """

    def __init__(
        self, place: str, prefix: str, wrappers: list[str], named: Weights, own: Weights
    ) -> None:
        self.place, self.prefix, self.wrappers = place, prefix, wrappers
        self.unused = [name for name in named if not name.startswith(prefix)]
        below = {
            name.removeprefix(prefix): value
            for name, value in named.items()
            if name.startswith(prefix)
        }
        shared = {name: value for name, value in own.items() if name in below}
        self.weights = {
            name: below[name] for name, value in shared.items() if below[name].shape == value.shape
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
            for name, value in shared.items()
            if name not in self.weights
        ]
        wrong = {"missing": missing, "unexpected": unexpected, "of another shape": shapes}
        self.problems = [
            f"{what}: {listed(names, MOST_NAMED)}" for what, names in wrong.items() if names
        ]
        self.score = not self.problems, len(self.weights) - len(unexpected)

    @property
    def where(self) -> str:
        """Which part of the checkpoint this is, in brackets, if not the whole."""
        place = [f"its '{self.place}'"] if self.place else []
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
            notes.append(f"{number} other {verb} not used: {listed(self.unused, MOST_NAMED)}.")
        if others:
            places = [f"'{other.place}'" for other in others]
            notes.append(
                f"Other weights that fit are not used: {listed(places, MOST_NAMED)}; "
                "checkpoint_key takes them."
            )
        return notes


def _fit(place: str, tensors: Weights, own: Weights) -> _Fit:
    """Finds the prefix, and the wrappers to leave out, with which most of the CNN's names fit."""
    readings: list[tuple[list[str], Weights]] = [([], tensors)]
    within = {part for name in tensors for part in name.split(".")}
    for known in (WRAPPERS[:1], WRAPPERS):
        shorter = {
            ".".join(part for part in name.split(".") if part not in known): tensor
            for name, tensor in tensors.items()
        }
        if len(shorter) == len(tensors) and shorter.keys() != readings[-1][1].keys():
            readings.append(([wrapper for wrapper in known if wrapper in within], shorter))
    fits = [
        _Fit(place, prefix, wrappers, named, own)
        for wrappers, named in readings
        for prefix in _prefixes(named, own)
    ]
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
