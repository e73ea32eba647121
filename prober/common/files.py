"""Files: found, and such as appear whole or not at all."""

import os
from io import BytesIO
from itertools import count
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from prober.common.errors import InputError

PROJECT = Path(__file__).parents[2]
"""The folder that holds the package `prober`, with what ships beside it."""


def find_file(name: str, what: str) -> Path:
    """Finds a file by its absolute path, in the working directory, or in the project.

    Args:
        name: Its path.
        what: What it is called in the message, `Checkpoint`.

    Raises:
        InputError: There is no such file.
    """
    for path in (Path(name).expanduser(), PROJECT / name):
        if path.is_file():
            return path
    places = " and ".join(f"'{place}'" for place in dict.fromkeys((Path.cwd(), PROJECT)))
    raise InputError(f"{what} '{name}' is not a file. Looked in {places}.")


def write_whole(path: Path, content: bytes | str) -> None:
    """Writes a file beside its place, then renames it there, so that no reader sees half of it.

    Args:
        path: Where the file shall be; its folder is made if need be.
        content: Bytes, or text to be written as UTF-8.

    Raises:
        OSError: The folder cannot be written or the disk is full. What stood at `path` stays.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        beside.write_bytes(content.encode() if isinstance(content, str) else content)
        beside.replace(path)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise OSError(error.errno, error.strerror, str(path)) from error
    except BaseException:
        beside.unlink(missing_ok=True)
        raise


def claim_version(parent: Path) -> Path:
    """Makes the first `version_N` that is free in a folder; no two processes get the same.

    Raises:
        OSError: The folder cannot be written.
    """
    parent.mkdir(parents=True, exist_ok=True)
    for number in count():
        folder = parent / f"version_{number}"
        try:
            folder.mkdir()
        except FileExistsError:
            continue
        return folder
    raise AssertionError("numbers do not end")


def npy(array: np.ndarray) -> bytes:
    """Returns an array as a `.npy` file."""
    file = BytesIO()
    np.save(file, array, allow_pickle=False)
    return file.getvalue()


def read_npy(path: Path | str, what: str) -> Tensor:
    """Reads a `.npy` file, whatever its shape, as float32.

    Args:
        path: The file.
        what: What it should be, for the message: `an image's array`.

    Raises:
        InputError: It is missing or damaged, or holds something else than numbers.
    """
    try:
        return torch.from_numpy(np.load(path, allow_pickle=False)).float()
    except (OSError, ValueError, TypeError) as error:
        raise InputError(f"'{path}' is not {what} (.npy): {error}") from error
