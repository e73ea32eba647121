"""What a kind of checkpoint file has to tell: how to know it, and how to read it."""

import zipfile
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

SAVE = "torch.save(model.state_dict(), 'weights.pt')"
"""How a state dict is saved, for messages."""


@dataclass(frozen=True)
class Content:
    """What a checkpoint file holds.

    Attributes:
        found: A dictionary of names and tensors, or one that holds such dictionaries.
        left_out: The names of classes and functions in the file that are none of PyTorch's
            tensors, and were not loaded.
    """

    found: Any
    left_out: tuple[str, ...] = ()


class Format(ABC):
    """A kind of checkpoint file. Nothing that a file holds is ever run."""

    @abstractmethod
    def recognizes(self, path: Path) -> bool:
        """Tells whether a file, which is not empty, is of this kind."""

    @abstractmethod
    def read(self, path: Path) -> Content:
        """Reads a file of this kind, onto the CPU.

        Raises:
            InputError: The file is damaged, or holds what is not loaded.
        """

    def build(self, path: Path) -> nn.Module | None:
        """Builds the CNN, with its weights, where the file holds that, too.

        Raises:
            InputError: The file is damaged, or the CNN cannot be probed.
        """
        return None


def zip_entries(path: Path) -> dict[str, str]:
    """Returns the entries of a zip archive by their names below its top folder, or none."""
    try:
        with zipfile.ZipFile(path) as archive:
            return {name.split("/", 1)[-1]: name for name in archive.namelist()}
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return {}
