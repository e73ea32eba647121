"""Files: found, and such as appear whole or not at all."""

import hashlib
import os
import re
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from io import BytesIO
from itertools import count
from pathlib import Path
from threading import Lock

import numpy as np
import torch
from torch import Tensor

from prober.common.errors import InputError

_READING = Lock()
"""Held while arrays are read. NumPy parses a file's header as Python, and until Python 3.11.7 two
threads that parse at once end in `SystemError: AST constructor recursion depth mismatch`."""

PROJECT = Path(__file__).parents[2]
"""The folder that holds the package `prober`, with what ships beside it."""


NOT_IN_NAMES = re.compile(r'[<>:"/\\|?*\x00-\x1f\x7f]|%(?=[0-9A-Fa-f]{2})')
"""What no name of a file has on Windows, and what would read like a character written as a code."""

IN_CAPITALS = re.compile(rf"{NOT_IN_NAMES.pattern}|[A-Z]|[^\x00-\x7f]")
"""The same, and every letter that may be a capital."""

DEVICES = {"con", "prn", "aux", "nul", "conin$", "conout$"} | {
    f"{device}{number}" for device in ("com", "lpt") for number in "0123456789¹²³"
}
"""Names that Windows gives to devices, in capitals or not, with any ending."""

LONGEST = 120
"""Bytes of a name at the most: systems take 255, Windows 260 for a whole path."""

PAUSES = (0.01, 0.03, 0.1, 0.3, 1.0)
"""Seconds to wait, again and again, for a file that somebody else has open."""


def safe_name(name: str, others: Iterable[str] = ()) -> str:
    """Returns a name that a file or a folder can have on every system.

    Names that all systems take stay as they are. In the others, as those of layers may be, the
    characters that are in the way stand as codes, `%3A` for a colon. Of a name that is too long,
    the beginning stays, and a digest of it all takes the place of the rest. Different names stay
    different.

    Args:
        name: The name.
        others: Names that lie beside it. If one differs from it in upper and lower case alone,
            which many file systems do not tell apart, its capitals stand as codes, too.

    >>> safe_name("layer3.0.conv1"), safe_name("block:1"), safe_name("aux.conv")
    ('layer3.0.conv1', 'block%3A1', '%61ux.conv')
    >>> safe_name("block", ["Block"]), safe_name("Block", ["block"])
    ('block', '%42lock')
    """
    taken = any(each != name and each.casefold() == name.casefold() for each in others)
    name = (IN_CAPITALS if taken else NOT_IN_NAMES).sub(_code, name)
    name = re.sub(r"[. ]+\Z", _code, name)
    if name.split(".")[0].rstrip(" ").lower() in DEVICES:
        name = re.sub(r"\A.", _code, name)
    try:
        os.fsencode(name)
    except UnicodeEncodeError:  # the system's names are ASCII, say
        name = re.sub(r"[^\x00-\x7f]", _code, name)
    encoded = name.encode("utf-8", "surrogatepass")
    if len(encoded) > LONGEST:
        digest = hashlib.sha256(encoded).hexdigest()[:12]
        name = f"{encoded[: LONGEST - 13].decode('utf-8', 'ignore')}_{digest}"
    return name


def _code(found: re.Match[str]) -> str:
    return "".join(f"%{byte:02X}" for byte in found[0].encode("utf-8", "surrogatepass"))


def find_file(name: str, what: str) -> Path:
    """Finds a file by its absolute path, in the working directory, or in the project.

    Args:
        name: Its path.
        what: What it is called in the message, `Checkpoint`.

    Raises:
        InputError: There is no such file.
    """
    for path in (expanded(name), PROJECT / name):
        if path.is_file():
            return path
    places = " and ".join(f"'{place}'" for place in dict.fromkeys((Path.cwd(), PROJECT)))
    raise InputError(f"{what} '{name}' is not a file. Looked in {places}.")


def expanded(path: str | Path) -> Path:
    """Returns a path with the home directory in place of `~`, where it is known."""
    return Path(os.path.expanduser(path))


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
        patiently(lambda: beside.replace(path))
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error
    finally:
        beside.unlink(missing_ok=True)


def patiently(change: Callable[[], object]) -> None:
    """Makes, replaces or removes a file, which Windows refuses while somebody else has it open.

    Args:
        change: What is tried again and again.

    Raises:
        PermissionError: It is refused still.
    """
    for pause in PAUSES:
        try:
            change()
        except PermissionError:
            time.sleep(pause)
        else:
            return
    change()


def claim_version(parent: Path) -> Path:
    """Makes the first `version_N` that is free in a folder; no two processes get the same.

    Raises:
        OSError: The folder cannot be written.
    """
    parent.mkdir(parents=True, exist_ok=True)
    numbers = count()
    while True:
        folder = parent / f"version_{next(numbers)}"
        with suppress(FileExistsError):
            folder.mkdir()
            return folder


def npy(array: np.ndarray) -> bytes:
    """Returns an array as a `.npy` file."""
    file = BytesIO()
    np.save(file, array, allow_pickle=False)
    return file.getvalue()


def read_array(path: Path | str) -> np.ndarray:
    """Reads the array of a `.npy` file; several threads may do so at once.

    Raises:
        OSError: The file cannot be opened.
        ValueError: It is damaged, or holds something else.
    """
    try:
        with _READING:
            return np.load(path, allow_pickle=False)
    except OSError:
        raise  # but not MemoryError: a damaged header may ask for any size
    except Exception as error:  # a damaged header can raise almost anything
        raise _damaged(error) from error


def read_arrays(path: Path | str, names: Iterable[str]) -> list[np.ndarray]:
    """Reads those of the named arrays that a `.npz` file has; several threads may do so at once.

    Raises:
        OSError: The file cannot be opened.
        ValueError: It is damaged.
    """
    try:
        with _READING, np.load(path, allow_pickle=False) as file:
            return [file[name] for name in names if name in file]
    except (OSError, MemoryError):
        raise
    except Exception as error:  # a damaged part can raise almost anything
        raise _damaged(error) from error


def _damaged(error: Exception) -> ValueError:
    """Says what NumPy says, but for its advice to read what is no array as Python's pickles."""
    advises = "allow_pickle" in str(error)
    return ValueError("it holds no array of numbers" if advises else str(error))


def read_npy(path: Path | str, what: str) -> Tensor:
    """Reads a `.npy` file, whatever its shape, as float32.

    Args:
        path: The file.
        what: What it should be, for the message: `an image's array`.

    Raises:
        InputError: It is missing or damaged, or holds something else than numbers.
    """
    try:
        array = read_array(path)
        if array.dtype.kind not in "biuf":
            raise TypeError(f"it holds {array.dtype}, not real numbers")
        return torch.from_numpy(array.astype(np.float32))  # of any byte order
    except (OSError, ValueError, TypeError) as error:
        raise InputError(f"'{path}' is not {what} (.npy): {error}") from error
