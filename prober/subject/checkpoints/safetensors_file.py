"""Files of safetensors, which hold nothing but names and tensors."""

from pathlib import Path

import safetensors
import safetensors.torch
from typing_extensions import override

from prober.common.errors import InputError
from prober.subject.checkpoints.format import Content, Format


class SafetensorsFile(Format):
    """A file as `safetensors.torch.save_file` writes it."""

    @override
    def recognizes(self, path: Path) -> bool:
        with path.open("rb") as file:  # a file of another name begins with a length and JSON
            return path.suffix == ".safetensors" or file.read(10)[8:] == b'{"'

    @override
    def read(self, path: Path) -> Content:
        try:
            return Content(safetensors.torch.load_file(path))
        except (safetensors.SafetensorError, OSError, ValueError, KeyError) as error:
            raise InputError(
                f"Checkpoint '{path}' cannot be read; it is truncated or no safetensors file. Save "
                "it again: safetensors.torch.save_file(model.state_dict(), 'weights.safetensors')."
            ) from error
