"""The subject's own copy of a CNN: on the CPU, in float32, frozen, and without anyone's hooks."""

import copy
from collections.abc import Collection, Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from prober.common.errors import InputError
from prober.common.patches import INSIDE_OF_COMPILED, convert_tensors, hooks_of

_FLOAT = ("FloatFunctional", "FXFloatFunctional")
"""Modules of `torch.ao.nn.quantized` that compute in floating point: of a CNN not yet quantized."""


class _CopyComputed(TorchFunctionMode):
    """Lets `copy.deepcopy` copy tensors that were computed, which it refuses.

    Pruning, the older weight and spectral norms, and modules that keep what they have seen leave
    such tensors on modules. Only their values are copied.
    """

    def __torch_function__(
        self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        if func is Tensor.__deepcopy__ and not args[0].is_leaf:
            tensor, memo = args
            memo[id(tensor)] = tensor.detach().clone()
            return memo[id(tensor)]
        return func(*args, **(kwargs or {}))


def copied(cnn: nn.Module) -> tuple[nn.Module, list[str]]:
    """Copies a CNN and leaves it as it was.

    What `torch.compile` and data parallelism wrap is taken out of its wrapper, also inside the
    CNN. Hooks that somebody has put on the CNN are not taken along: they are theirs, and not
    called for our passes. Those of PyTorch, which compute weights, and those that are methods of
    the CNN's own modules are part of it and stay.

    Args:
        cnn: Any CNN, on any device, in any precision and mode.

    Returns:
        The copy, on the CPU, its weights in float32; and the names of the modules whose hooks were
        left behind.

    Raises:
        InputError: The CNN is of a kind that cannot be copied, hooked or differentiated.
    """
    cnn = _unwrapped(cnn)
    _check_kind(cnn)
    own = {id(module) for module in cnn.modules()}
    strangers = {
        id(hook): hook
        for module in cnn.modules()
        for hooks in hooks_of(module)
        for hook in hooks.values()
        if not _is_part(hook, own)
    }
    memo: dict[int, Any] = dict(strangers)  # which are not copied, for they may hold anything
    try:
        with _CopyComputed():
            for module in reversed(list(cnn.modules())):
                if (inner := _unwrapped(module)) is not module:
                    memo[id(module)] = copy.deepcopy(inner, memo)
            taken = copy.deepcopy(cnn, memo)
    except Exception as error:
        raise InputError(
            f"{type(cnn).__name__} cannot be copied: {error} "
            "Give a CNN that copy.deepcopy can copy, or build it anew and load its state dict."
        ) from error
    hooked = []
    for name, module in taken.named_modules():
        for hooks in hooks_of(module):
            for key in [key for key, hook in hooks.items() if id(hook) in strangers]:
                del hooks[key]
                hooked.append(name)
    convert_tensors(taken, _float32)
    return taken, list(dict.fromkeys(hooked))


def freeze(cnn: nn.Module) -> frozenset[str]:
    """Turns every parameter of a CNN into a buffer of the same name, in place.

    A forward pass that asks a module for its parameters, for their device say, is given these.
    Tensors that a module holds as a plain attribute become buffers that no state dict lists, so
    that they follow the others to another precision or device.

    Returns:
        The names of the buffers that were parameters.
    """
    frozen: dict[int, Tensor] = {}  # a weight that two modules share stays shared
    weights = set()
    for prefix, module in cnn.named_modules():
        for name, parameter in list(module.named_parameters(recurse=False, remove_duplicate=False)):
            delattr(module, name)
            weights.add(f"{prefix}.{name}".removeprefix("."))
            module.register_buffer(name, frozen.setdefault(id(parameter), parameter.detach()))
        for name, value in list(vars(module).items()):
            # A buffer would be hidden behind an attribute of the class.
            if isinstance(value, Tensor) and not hasattr(type(module), name):
                delattr(module, name)
                module.register_buffer(name, _float32(value), persistent=False)
        for name, buffer in list(module.named_buffers(recurse=False, remove_duplicate=False)):
            setattr(module, name, buffer.detach())
    for prefix, module in cnn.named_modules():
        start = f"{prefix}." if prefix else ""
        own = frozenset(name.removeprefix(start) for name in weights if name.startswith(start))
        # Of the instance alone: what holds the CNN finds nothing in it that could be trained.
        vars(module)["named_parameters"] = partial(_named_weights, module, own)
    return frozenset(weights)


def _named_weights(
    module: nn.Module,
    names: Collection[str],
    prefix: str = "",
    recurse: bool = True,
    remove_duplicate: bool = True,
) -> Iterator[tuple[str, Tensor]]:
    """Does what `named_parameters` would, of a module whose parameters are buffers of these names.

    `parameters` goes by it, too.
    """
    for name, buffer in module.named_buffers("", recurse, remove_duplicate):
        if name in names:
            yield f"{prefix}.{name}".removeprefix("."), buffer


def _unwrapped(cnn: nn.Module) -> nn.Module:
    """Returns the module inside of what `torch.compile` or data parallelism has made of it."""
    while True:
        inside = dict(cnn.named_children()).get(INSIDE_OF_COMPILED)
        if inside is not None:
            cnn = inside
        elif isinstance(cnn, nn.DataParallel | nn.parallel.DistributedDataParallel):
            cnn = cnn.module
        else:
            return cnn


def _check_kind(cnn: nn.Module) -> None:
    whole = type(cnn).__name__
    for name, module in cnn.named_modules():
        where = f"Its module '{name}'" if name else "It"
        if isinstance(module, torch.jit.ScriptModule):
            raise InputError(
                f"{whole} cannot be probed. {where} is TorchScript, which runs outside of Python, "
                "so its layers cannot be reached. Give the CNN as Python builds it, with its state "
                "dict, or a torch.export archive."
            )
        held = [*module.parameters(recurse=False), *module.buffers(recurse=False)]
        quantized = ".quantized" in type(module).__module__ and type(module).__name__ not in _FLOAT
        if quantized or any(tensor.is_quantized for tensor in held):
            raise InputError(
                f"{whole} cannot be probed. {where} is quantized, and no gradient leads through "
                "it. Give the CNN as it was before quantization."
            )
        if any(tensor.is_meta for tensor in held):
            raise InputError(
                f"{whole} cannot be probed. {where} is on the device 'meta', where weights have "
                "no values. Load its weights onto the CPU first."
            )


def _is_part(hook: Any, own: set[int]) -> bool:
    """Tells whether a hook belongs to PyTorch or is a method of one of the CNN's own modules."""
    hook = getattr(hook, "func", hook)  # what functools.partial holds
    module = getattr(hook, "__module__", None) or type(hook).__module__
    return module.split(".")[0] == "torch" or id(getattr(hook, "__self__", None)) in own


def in_precision(tensor: Tensor, precision: torch.dtype) -> Tensor:
    """Brings real numbers to a precision, complex ones to that of their parts, and no others."""
    if tensor.is_complex():
        return tensor.to(torch.complex128 if precision == torch.float64 else torch.complex64)
    return tensor.to(precision) if tensor.is_floating_point() else tensor


def _float32(tensor: Tensor) -> Tensor:
    return in_precision(tensor.cpu(), torch.float32)
