"""Files of `torch.save`: state dicts, and checkpoints of trainings that hold other things, too."""

import pickle
from collections import OrderedDict
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Self

import torch
from typing_extensions import override

from prober.common.errors import InputError
from prober.common.patches import TENSOR_MAKERS
from prober.subject.checkpoints.format import SAVE, Content, Format, zip_entries


class TorchSave(Format):
    """A file as `torch.save` writes it, or an older one that is no zip archive.

    Every other file is taken for one, too; that it is not shows when it is read.
    """

    @override
    def recognizes(self, path: Path) -> bool:
        return True

    @override
    def read(self, path: Path) -> Content:
        inside = zip_entries(path)
        if "constants.pkl" in inside:
            raise InputError(
                f"Checkpoint '{path}' is a TorchScript archive, which is a program and is not run. "
                f"Save the state dict of the CNN that it was made of: {SAVE}."
            )
        try:
            return Content(torch.load(path, map_location="cpu", weights_only=True))
        except pickle.UnpicklingError as error:
            if inside:
                return _read_tensors(path)
            raise _more_than_weights(path) from error
        except Exception as error:  # a damaged file can raise almost anything, even an OSError
            raise InputError(
                f"Checkpoint '{path}' cannot be read; it is truncated or no PyTorch file. Save it "
                f"again: {SAVE}."
            ) from error


class _StandIn:
    """Takes the place of anything that is not a tensor, does nothing and keeps nothing."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        pass

    def __call__(self, *args: Any, **kwargs: Any) -> Self:
        return self

    def __setstate__(self, state: Any) -> None:
        pass

    def __setitem__(self, key: Any, value: Any) -> None:
        pass

    def append(self, item: Any) -> None:
        pass

    def extend(self, items: Any) -> None:
        pass


_TYPES = {"collections.OrderedDict": OrderedDict, "torch.Size": torch.Size}
_DTYPES = {str(value): value for value in vars(torch).values() if isinstance(value, torch.dtype)}


def _read_tensors(path: Path) -> Content:
    """Reads the tensors of a checkpoint that holds other things, too, which are left out.

    Training frameworks put settings and states of any class beside the weights. The unpickler here
    finds nothing but what makes a tensor, and for each other name a class that does nothing, so no
    function that the file names is called.
    """
    strangers: dict[str, None] = {}

    class Tensors(pickle.Unpickler):
        @override
        def find_class(self, module: str, name: str) -> Any:
            path = f"{module}.{name}"
            if path in TENSOR_MAKERS:
                # A new function each time: a pickle may set attributes of what it has found.
                return lambda *args: TENSOR_MAKERS[path](*args)
            if found := _TYPES.get(path) or _DTYPES.get(path):
                return found
            strangers[path] = None
            return type("StandIn", (_StandIn,), {})

    # What torch.load uses in place of the module `pickle`.
    reader = SimpleNamespace(__name__="tensors", Unpickler=Tensors)
    try:
        found = torch.load(path, map_location="cpu", pickle_module=reader, weights_only=False)
    except Exception as error:  # a pickle that expects of its objects what a stand-in has not
        raise _more_than_weights(path) from error
    if isinstance(found, _StandIn):
        raise _more_than_weights(path)
    return Content(found, tuple(strangers))


def _more_than_weights(path: Path) -> InputError:
    return InputError(
        f"Checkpoint '{path}' holds more than weights (a whole pickled model, perhaps), or is "
        f"damaged, and nothing in it is run. Save its state dict instead: {SAVE}."
    )
