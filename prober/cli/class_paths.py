"""The import paths that configs give: of classes that have moved, and of functions."""

import functools
import inspect
import sys
from contextlib import AbstractContextManager, suppress
from importlib import import_module
from types import FunctionType
from typing import Any, get_type_hints

from torch import nn

import prober
from prober.cli.old_configs import with_style
from prober.cli.yaml_bounds import check_yaml
from prober.common.errors import InputError, named_kind
from prober.common.patches import jsonargparse_with


def reading_configs() -> AbstractContextManager[None]:
    """Within it jsonargparse understands configs as people write them, and bounds their YAML."""
    once = functools.cache(why_not_imported)  # for every type that may be meant it is asked again
    return jsonargparse_with(current_path, once, buildable, check_yaml, with_style)


def current_path(path: str) -> str:
    """Returns where a class of this project is today, if it has moved since a config was written.

    Args:
        path: An import path, such as `prober.visualize.images.GaussianNoise`.

    Returns:
        The path of the class of that name, such as `prober.GaussianNoise`, if there is nothing at
        `path`; else the path as it is.
    """
    package, _, name = path.rpartition(".")
    if package.partition(".")[0] != prober.__name__:
        return path
    with suppress(ImportError):
        if hasattr(import_module(package), name):
            return path
    if name in prober.__all__:
        return f"{prober.__name__}.{name}"
    for module in sorted(sys.modules):
        own = vars(sys.modules[module]).get(name) if module.startswith("prober.") else None
        if inspect.isclass(own) and own.__module__ == module:
            return f"{module}.{name}"
    return path


def why_not_imported(path: str) -> str | None:
    """Says why the file that an import path leads to cannot be imported, if there is one.

    jsonargparse does not expect that a file may raise something else than an ImportError.

    Args:
        path: The import path.

    Returns:
        What it raises; None if it can be imported, or is not there.
    """
    package = path.rpartition(".")[0]
    if not all(part.isidentifier() for part in package.split(".")):
        return None  # the path of a file, or none at all
    try:
        import_module(package)
    except (Exception, SystemExit) as error:  # a person's own file, with whatever is wrong in it
        if isinstance(error, ModuleNotFoundError) and f"{package}.".startswith(f"{error.name}."):
            return None  # which the parser says, or it is a class within a class
        return f"cannot be imported: {type(error).__name__}: {error}"
    return None


def buildable(found: Any, path: str) -> Any:
    """Returns what can be built of what an import path leads to.

    jsonargparse takes only functions that declare what they return, which few people do, and does
    not check what comes.

    Args:
        found: What the path leads to.
        path: The path.

    Returns:
        A function that declares that it returns a module, and raises if it does not, in place of a
        function that may be meant to; anything else as it is.
    """
    if not isinstance(found, FunctionType):
        return found
    signature = inspect.signature(found)
    declared: Any = nn.Module
    if signature.return_annotation is not inspect.Signature.empty:
        try:
            declared = get_type_hints(found)["return"]
        except Exception:  # whatever the names in its annotations lead to
            return found
    if not (inspect.isclass(declared) and issubclass(declared, nn.Module)):
        return found

    @functools.wraps(found)
    def build(*args: Any, **kwargs: Any) -> nn.Module:
        built = found(*args, **kwargs)
        if not isinstance(built, nn.Module):
            kind = "None" if built is None else named_kind(built)
            raise InputError(f"{path} returns {kind}; a CNN is an nn.Module.")
        return built

    # The parser reads it.
    build.__signature__ = signature.replace(return_annotation=declared)  # type: ignore[attr-defined]
    return build
