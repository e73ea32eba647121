"""From a file to the weights of a CNN, without running anything that the file holds."""

import pickle
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from prober.errors import InputError

PROJECT = Path(__file__).parents[2]


def load_weights(cnn: nn.Module, checkpoint: str) -> None:
    """Loads a state dict into a CNN, every key of it and none missing.

    Args:
        cnn: The CNN, changed in place.
        checkpoint: Path of a state dict as `torch.save` writes it. A relative path is looked up
            in the working directory, then in the project.

    Raises:
        InputError: The file is missing, empty, truncated or no state dict, would run code when
            loaded, or belongs to another architecture.
    """
    state = read_state_dict(checkpoint)
    own = cnn.state_dict()
    problems = [
        *_listed("missing", [key for key in own if key not in state]),
        *_listed("unexpected", [key for key in state if key not in own]),
        *_listed(
            "of another shape",
            [
                f"{key} {list(state[key].shape)} instead of {list(own[key].shape)}"
                for key in own
                if key in state and state[key].shape != own[key].shape
            ],
        ),
    ]
    if problems:
        raise InputError(
            f"Checkpoint '{checkpoint}' does not fit {type(cnn).__name__}: {'; '.join(problems)}. "
            "Give the checkpoint of this CNN, or the CNN of this checkpoint."
        )
    cnn.load_state_dict(state)


def read_state_dict(checkpoint: str) -> dict[str, Tensor]:
    """Reads a state dict; see `load_weights` for where it is looked up and what is raised."""
    path = find_file(checkpoint, "Checkpoint")
    if path.stat().st_size == 0:
        raise InputError(f"Checkpoint '{path}' is empty. Save it again.")
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise InputError(
            f"Checkpoint '{path}' holds more than weights, or is damaged, and nothing in it is "
            "run. Save its state dict instead: torch.save(model.state_dict(), 'weights.pt')."
        ) from error
    except PermissionError:
        raise
    except Exception as error:  # a damaged file can raise almost anything, even an OSError
        raise InputError(
            f"Checkpoint '{path}' cannot be read; it is truncated or no PyTorch file. Save it "
            "again: torch.save(model.state_dict(), 'weights.pt')."
        ) from error
    named = isinstance(state, Mapping) and all(isinstance(name, str) for name in state)
    if not named or not all(isinstance(value, Tensor) for value in state.values()):
        raise InputError(
            f"Checkpoint '{path}' is no state dict (names with tensors). Save one: "
            "torch.save(model.state_dict(), 'weights.pt')."
        )
    return dict(state)


def find_file(name: str, what: str) -> Path:
    """Finds a file by its absolute path, in the working directory, or in the project.

    Raises:
        InputError: There is no such file.
    """
    for path in (Path(name).expanduser(), PROJECT / name):
        if path.is_file():
            return path
    places = " and ".join(f"'{place}'" for place in dict.fromkeys((Path.cwd(), PROJECT)))
    raise InputError(f"{what} '{name}' is not a file. Looked in {places}.")


def _listed(what: str, items: list[str], most: int = 8) -> list[str]:
    if not items:
        return []
    rest = f" and {len(items) - most} more" if len(items) > most else ""
    return [f"{what}: {', '.join(items[:most])}{rest}"]
