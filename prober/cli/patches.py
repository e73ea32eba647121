"""Functions that build a CNN, in configs, in place of a class."""

import functools
import inspect
from collections.abc import Callable
from types import FunctionType
from typing import Any

from jsonargparse import _typehints
from jsonargparse._postponed_annotations import get_return_type
from torch import nn

from prober.common.errors import InputError


def take_functions() -> None:
    """Makes jsonargparse take any function as the `class_path` of an `nn.Module`.

    By itself (4.53.0) it takes only functions that declare what they return, which few people do,
    and does not check what comes; where it looks up a class path there is nothing public to ask.
    """
    import_object = _typehints.import_object

    @functools.wraps(import_object)
    def import_builder(name: str, *args: Any, **kwargs: Any) -> Any:
        found = import_object(name, *args, **kwargs)
        return _builder(found, name) if isinstance(found, FunctionType) else found

    _typehints.import_object = import_builder


def _builder(function: FunctionType, name: str) -> Callable[..., Any]:
    """Returns a function that declares that it returns a module, and raises if it does not."""
    signature = inspect.signature(function)
    declared = get_return_type(function)
    if signature.return_annotation is inspect.Signature.empty:
        declared = nn.Module
    if not (inspect.isclass(declared) and issubclass(declared, nn.Module)):
        return function

    @functools.wraps(function)
    def build(*args: Any, **kwargs: Any) -> nn.Module:
        built = function(*args, **kwargs)
        if not isinstance(built, nn.Module):
            kind = "None" if built is None else f"a {type(built).__name__}"
            raise InputError(f"{name} returns {kind}; a CNN is an nn.Module.")
        return built

    build.__signature__ = signature.replace(return_annotation=declared)  # type: ignore[attr-defined]
    return build
