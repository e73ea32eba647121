"""ONNX files: a CNN as data, of which `onnx2torch` makes a PyTorch model where it is installed."""

from importlib import import_module
from pathlib import Path

from torch import nn
from typing_extensions import override

from prober.common.errors import InputError
from prober.subject.checkpoints.format import Content, Format


class OnnxFile(Format):
    """A file that ends in `.onnx`. It holds operations and weights, and no code."""

    @override
    def recognizes(self, path: Path) -> bool:
        return path.suffix.lower() == ".onnx"

    @override
    def read(self, path: Path) -> Content:
        raise InputError(
            f"Checkpoint '{path}' is an ONNX file, which is a CNN by itself: leave "
            "model.subject.cnn out."
        )

    @override
    def build(self, path: Path) -> nn.Module:
        """Builds the CNN.

        Raises:
            InputError: The package `onnx2torch` is missing, or does not know an operation.
        """
        try:
            convert = import_module("onnx2torch").convert
        except ImportError as error:
            raise InputError(
                f"Checkpoint '{path}' is an ONNX file, which needs the package onnx2torch: "
                "pip install onnx2torch onnx."
            ) from error
        try:
            return convert(str(path))
        except Exception as error:  # whatever a damaged file or an unknown operation leads to
            raise InputError(
                f"onnx2torch cannot make a CNN of '{path}': {type(error).__name__}: "
                f"{' '.join(str(error).split())} Export the CNN from PyTorch with torch.export, or "
                "give it as Python builds it, with its state dict."
            ) from error
