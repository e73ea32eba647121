"""Private parts of PyTorch, Lightning and jsonargparse that are used: why nothing public will do.

Made for torch 2.2.2 to 2.13.0, Lightning 2.6.6 and jsonargparse 4.53.0: which of them a newer
version has changed, `tests/common/test_patches.py` tells.
"""

from argparse import Action, ArgumentParser
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Self

import torch
from lightning.pytorch import LightningModule, Trainer
from torch import Tensor, nn
from torch._ops import OpOverload
from torch.utils._python_dispatch import TorchDispatchMode
from typing_extensions import override

from prober.common.replaced import replaced

__all__ = ["OpOverload", "TorchDispatchMode"]

Conversion = Callable[[Tensor], Tensor]
"""What brings a tensor to another precision, device or memory format."""

INSIDE_OF_COMPILED = "_orig_mod"
"""Under this name the module that `torch.compile` has made holds the original one, as its state
dict shows; its class, `torch._dynamo.OptimizedModule`, is not public either."""

TENSOR_MAKERS: dict[str, Callable[..., Tensor]] = {
    f"torch._utils.{name}": getattr(torch._utils, name)
    for name in ("_rebuild_tensor", "_rebuild_tensor_v2", "_rebuild_parameter")
}
"""The functions that a pickle of tensors names, which an unpickler of one's own has to know."""


OWN_FORWARD = frozenset({"forward", "_conv_forward"})
"""Attributes under which somebody gives a convolution another forward pass: a circular padding is
usually put into `_conv_forward`, which is not public."""


def hooks_of(module: nn.Module) -> list["OrderedDict[int, Callable[..., Any]]"]:
    """Returns the tables of a module's hooks, to be read and to be deleted from.

    Public is only the handle that one gets for a hook of one's own. What others have put on a
    module is copied along with it.
    """
    kinds = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    return [getattr(module, kind) for kind in kinds]


def buffers_of(module: nn.Module) -> dict[str, Tensor | None]:
    """Returns the table of a module's own buffers, to be read and to be changed.

    `named_buffers` leaves out those that are None: a state that is not there yet. And to set a
    buffer as an attribute takes 0.03 ms, which counts in the passes of a small CNN.
    """
    return module._buffers


def version_of(tensor: Tensor) -> int:
    """Returns how many times a tensor was changed in place.

    A running mean of an image of zeros is changed and stays 0: its values do not show it.
    """
    return tensor._version


def convert_tensors(module: nn.Module, conversion: Conversion) -> None:
    """Converts all parameters and buffers of a module, in place.

    `nn.Module.to` with a real precision makes complex tensors real.
    """
    module._apply(conversion)


class ConvertsItself(nn.Module):
    """A module that has a say in how its tensors come to another precision or device.

    Its own `to`, `double`, `cuda` and those of modules that hold it all end in `_apply`.
    """

    def conversion(self, wanted: Conversion) -> Conversion:
        """Returns what is done in place of `wanted`; called once before every conversion."""
        return wanted

    @override
    def _apply(self, fn: Conversion, recurse: bool = True) -> Self:
        return super()._apply(self.conversion(fn), recurse)


def arguments_of(operator: OpOverload) -> list[Any]:
    """Returns the arguments of an operator of PyTorch, which only its schema knows.

    Each has its `name`, its `type` and its `default_value`.
    """
    return operator._schema.arguments


def is_written(argument: Any) -> bool:
    """Whether an operator changes one of its arguments in place."""
    return argument.alias_info is not None and argument.alias_info.is_write


@contextmanager
def jsonargparse_with(
    current_path: Callable[[str], str],
    why_not_imported: Callable[[str], str | None],
    found: Callable[[Any, str], Any],
    check_yaml: Callable[[str], None],
    read: Callable[[Any], Any],
) -> Iterator[None]:
    """Lets jsonargparse understand more class paths, and less YAML, while a config is read.

    Where it looks up a class path there is nothing public to ask; a loader of YAML can be given to
    it (`set_loader`), but where it expects a number or a truth value it uses its own. And a list
    takes the place of one that was given before: jsonargparse would fill in what its items leave
    out from those of a list of the same length, the weight of another regularizer, say.

    Args:
        current_path: What a class path is called today.
        why_not_imported: Says why a class path shall not be looked up, None if it may be.
        found: What is to be used in place of what a class path leads to.
        check_yaml: Raises `yaml.YAMLError` if a text shall not be read.
        read: Returns what is to be used in place of what was read of YAML.
    """
    # Here, because whoever looks at a CNN from Python has no use for jsonargparse.
    import yaml
    from jsonargparse import _loaders_dumpers, _typehints, get_loader, set_loader

    import_object = _typehints.import_object
    resolve_class_path_by_name = _typehints.resolve_class_path_by_name
    adapt_typehints = _typehints.adapt_typehints
    yaml_load, loader = _loaders_dumpers.yaml_load, get_loader("yaml")

    def import_current(name: str, *args: Any, **kwargs: Any) -> Any:
        path = current_path(name)
        if why := why_not_imported(path):
            raise ImportError(why)
        return found(import_object(path, *args, **kwargs), path)

    def resolve_current(cls: type | tuple[type], name: str) -> str:
        if not isinstance(name, str | None):
            raise ValueError(f"Unexpected import path format: {name}")
        return current_path(resolve_class_path_by_name(cls, name))

    def adapt_whole_lists(value: Any, *args: Any, **kwargs: Any) -> Any:
        if type(value) is list and not kwargs.get("append"):
            kwargs["prev_val"] = None
        return adapt_typehints(value, *args, **kwargs)

    def load_checked(stream: str) -> Any:
        check_yaml(stream)
        try:
            return read(yaml_load(stream))
        except (ValueError, RecursionError) as error:  # a number of 5,000 digits
            raise yaml.YAMLError(str(error)) from error
        except TypeError as error:  # `{0}`, which is asked whether it is text with a colon
            raise yaml.YAMLError("what should be the name of a setting is no text") from error

    set_loader("yaml", load_checked, (yaml.YAMLError,))
    try:
        with (
            replaced(_typehints, "import_object", import_current),
            replaced(_typehints, "resolve_class_path_by_name", resolve_current),
            replaced(_typehints, "adapt_typehints", adapt_whole_lists),
            replaced(_loaders_dumpers, "yaml_load", load_checked),
        ):
            yield
    finally:
        set_loader("yaml", loader, (yaml.YAMLError,))


def options_of(parser: ArgumentParser) -> list[Action]:
    """Returns the options of a parser, which argparse only takes and never gives back."""
    return parser._actions


def option_groups_of(parser: ArgumentParser) -> list[tuple[Any, list[Action]]]:
    """Returns the groups under which a parser's help lists its options, with the options."""
    return [(group, group._group_actions) for group in parser._action_groups]


def type_of(option: Action) -> Any:
    """Returns the type hint of an option, None if it has none; argparse's own `type` is another."""
    return getattr(option, "_typehint", None)


def list_in_help(option: Action, choices: Callable[[], list[str]]) -> None:
    """Lets an option's help list these choices in place of the classes that it takes.

    jsonargparse names all that there are; of torch's modules there are hundreds.
    """

    def extra_help() -> str:
        names = choices()
        return f"; one of {', '.join(names)}" if names else ""

    option.extra_help = extra_help  # type: ignore[attr-defined]  # help asks for it


def trainer_of(module: LightningModule) -> Trainer | None:
    """Returns the Trainer that a module is attached to; asked for in public, none is an error."""
    return module._trainer


FLAT = frozenset(["Round", "Floor", "Ceil", "Trunc", "Sign", "Zero", "Fill", "Bernoulli"])
"""Operations whose derivative is 0 everywhere, by the names of their nodes less `Backward0`."""


def is_flat(node: Any) -> bool:
    """Tells whether a node of autograd's graph lets no gradient through, whatever the numbers are.

    Its derivative is 0 everywhere, or there is none (the node is called `NotImplemented`). A
    division that rounds is known by what it keeps, and that only under a private name.
    """
    name = node.name()
    kind = name.split("Backward")[0]
    rounds = kind == "Div" and getattr(node, "_saved_rounding_mode", None) is not None
    return kind in FLAT or name.endswith("NotImplemented") or rounds


def has_own_backward(node: Any) -> bool:
    """Tells whether a node of autograd's graph is a `torch.autograd.Function` of somebody's own.

    Public is `Function`, which is not what stands in the graph.
    """
    return isinstance(node, torch.autograd.function.BackwardCFunction)
