"""Reads a `torch.export` archive as a CNN, without running anything that the archive holds.

`torch.export.load` is not used: it unpickles sample inputs and constants, evaluates symbolic
expressions and guards with Python, calls any function that a name below `torch` leads to, and
pastes the archive's names into Python source that it then executes (torch 2.13.0,
`torch/_export/serde/serialize.py`, `torch/export/pt2_archive/_package.py`, `torch/fx/graph.py`).
Here the graph is read as JSON and the weights as raw bytes; the only functions ever called are
ATen operators that compute tensors from tensors, and arithmetic on sizes.
"""

import json
import math
import operator
import re
import zipfile
from collections.abc import Callable
from itertools import takewhile
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from typing_extensions import override

from prober.common.errors import InputError
from prober.common.patches import OpOverload, arguments_of, is_written
from prober.subject.checkpoints.exported_cnn import (
    DEVICE,
    DTYPE,
    Call,
    ExportedCNN,
    ExportedModule,
    Ref,
    Step,
)
from prober.subject.checkpoints.format import Content, Format, zip_entries

EXPORT_AGAIN = (
    "Export it again: torch.export.save(torch.export.export(model.eval(), (images,)), 'net.pt2')."
)

_FORMAT, _MODEL = "archive_format", "models/model.json"
_WEIGHTS = "data/weights/model_weights_config.json"  # which PyTorch writes from 2.9 on
_CONSTANTS = "data/constants/model_constants_config.json"

# The numbers of torch/_export/serde/schema.py (torch 2.13.0), ScalarType and MemoryFormat.
_DTYPES = {
    1: torch.uint8,
    2: torch.int8,
    3: torch.int16,
    4: torch.int32,
    5: torch.int64,
    6: torch.float16,
    7: torch.float32,
    8: torch.float64,
    12: torch.bool,
    13: torch.bfloat16,
}
_MEMORY_FORMATS = {
    1: torch.contiguous_format,
    2: torch.channels_last,
    3: torch.channels_last_3d,
    4: torch.preserve_format,
}

_ATEN = re.compile(r"torch\.ops\.aten\.(\w+)\.(\w+)")
_SIZES: dict[str, Callable[..., Any]] = {
    f"{module}.{name}": getattr(library, name)
    for module, library, names in (
        ("_operator", operator, "add sub mul floordiv truediv mod neg pos and_ or_ not_"),
        ("_operator", operator, "eq ne lt le gt ge"),
        ("math", math, "ceil floor trunc sqrt"),
        ("torch", torch, "sym_int sym_float sym_not sym_max sym_min"),
    )
    for name in names.split()
}
"""Arithmetic on an image's height and width."""

_TEXTS = {"approximate", "equation", "indexing", "mode", "norm", "pad_mode", "padding", "reduce"}
"""Arguments that may be text. Other texts are names of files, say, that operators write to."""

_CHECKS = re.compile(r"_assert|_functional_assert|sym_constrain_range")
"""Operators that only check sizes and types; a run in another precision would fail them."""

# Modes such as the one that lets a gradient through shut ReLUs know the public functions.
_PUBLIC: dict[str, Callable[..., Tensor]] = {
    "relu.default": torch.relu,
    "relu_.default": torch.relu_,
    "hardtanh.default": F.hardtanh,
    "hardtanh_.default": F.hardtanh_,
}

_LAYERS: dict[str, tuple[OpOverload, ...]] = {
    "Conv2d": (torch.ops.aten.conv2d.default, torch.ops.aten.conv2d.padding),
    "Linear": (torch.ops.aten.linear.default,),
}
"""The operators that modules of PyTorch are, by their classes."""

Exported = TypeVar("Exported", bound=nn.Module)


class _Unusable(Exception):
    """Says why an archive cannot be probed."""


class ExportArchive(Format):
    """An archive as `torch.export.save` writes it, usually called `.pt2`, of any version."""

    @override
    def recognizes(self, path: Path) -> bool:
        return bool({_FORMAT, "serialized_exported_program.json"} & set(zip_entries(path)))

    @override
    def read(self, path: Path) -> Content:
        return Content(self.build(path).state_dict())

    @override
    def build(self, path: Path) -> ExportedCNN:
        """Builds the CNN of an archive.

        Raises:
            InputError: The archive is damaged, holds pickles, or a graph that cannot be hooked: one
                exported in training mode, with several inputs, or with operators not of PyTorch.
        """
        try:
            return _build(path)
        except _Unusable as error:
            raise InputError(f"Archive '{path}' cannot be probed: {error}") from error
        except Exception as error:  # damaged JSON can be anything that is not expected
            raise InputError(
                f"Archive '{path}' cannot be read; it is damaged. {EXPORT_AGAIN}"
            ) from error


def _build(path: Path) -> ExportedCNN:
    names = zip_entries(path)
    if not {_MODEL, _WEIGHTS} <= set(names):
        compiled = any("aotinductor" in name for name in names)
        why = "it is compiled" if compiled else "a PyTorch before 2.9 has written it"
        raise _Unusable(f"{why}, or has no model called 'model'. {EXPORT_AGAIN}")
    with zipfile.ZipFile(path) as archive:

        def read(name: str) -> bytes:
            return archive.read(names[name])

        program = json.loads(read(_MODEL))["graph_module"]
        tensors = _tensors(_WEIGHTS, read) | _tensors(_CONSTANTS, read)
    graph, specs = program["graph"], program["signature"]["input_specs"]
    weights, images = _inputs(specs)
    root = _calls(graph["nodes"], set(weights))
    root.inputs = [images]
    root.results = _results(graph["outputs"])[0]
    sizes = {name for step in root.all_steps() if step.is_size for name in step.results}
    shared = {DEVICE.name, DTYPE.name, *sizes, *weights}
    _connect(root, shared, set(root.results))

    cnn = _class(root.kind, ExportedCNN)()
    cnn.input_shape = tuple(size.get("as_int") for size in graph["tensor_values"][images]["sizes"])
    cnn.targets, cnn.whole = weights, root
    kinds = {call.module: call.kind for call in root.all_calls()}
    for name in kinds:
        _module(cnn, name, kinds)
    buffers = [spec["buffer"] for spec in specs if "buffer" in spec]
    persistent = {buffer["buffer_name"] for buffer in buffers if buffer["persistent"]}
    for target, (tensor, is_parameter) in tensors.items():
        owner, _, name = target.rpartition(".")
        module = _module(cnn, owner, kinds)
        if is_parameter:
            module.register_parameter(name, nn.Parameter(tensor, tensor.is_floating_point()))
        else:
            module.register_buffer(name, tensor, persistent=target in persistent)
    _restore_layers(cnn, root)
    return cnn


def _tensors(contents: str, read: Callable[[str], bytes]) -> dict[str, tuple[Tensor, bool]]:
    """Returns the tensors that a list of contents names, and whether each is a parameter."""
    tensors, folder = {}, contents.rpartition("/")[0]
    for name, entry in json.loads(read(contents))["config"].items():
        meta = entry["tensor_meta"]
        if entry["use_pickle"] or meta is None:
            raise _Unusable(
                f"'{name}' in it is a pickled object, which is not loaded. Export a CNN of plain "
                f"weights. {EXPORT_AGAIN}"
            )
        dtype = _DTYPES[meta["dtype"]]
        size, stride = ([side["as_int"] for side in meta[key]] for key in ("sizes", "strides"))
        content = bytearray(read(f"{folder}/{entry['path_name']}"))
        flat = torch.frombuffer(content, dtype=dtype) if content else torch.empty(0, dtype=dtype)
        offset = meta["storage_offset"]["as_int"]
        tensor = flat.as_strided(size, stride, offset).clone() if content else flat.reshape(size)
        tensors[name] = (tensor, bool(entry["is_param"]))
    return tensors


def _inputs(specs: list[dict[str, Any]]) -> tuple[dict[str, str], str]:
    """Returns which weight each name of the graph stands for, and the name of the images."""
    weights, inputs = {}, []
    for spec in specs:
        [(kind, content)] = spec.items()
        if kind == "user_input":
            [(type_, name)] = content["arg"].items()
            inputs.append(name["name"] if type_ == "as_tensor" else "")
        elif kind in ("parameter", "buffer", "tensor_constant"):
            weights[content["arg"]["name"]] = content[f"{kind}_name"]
        else:
            raise _Unusable(f"it takes '{kind}', not images alone. {EXPORT_AGAIN}")
    if len(inputs) != 1 or not inputs[0]:
        raise _Unusable(f"it takes {len(inputs)} inputs, not images alone. {EXPORT_AGAIN}")
    return weights, inputs[0]


def _calls(nodes: list[dict[str, Any]], weights: set[str]) -> Call:
    """Arranges the operators, which are one long list, into the calls of modules they came from."""
    root = Call((), "", "ExportedCNN")
    stack = [root]
    for node in nodes:
        path = _path(node["metadata"].get("nn_module_stack"), root)
        if path is not None:
            both = zip(stack[1:], path, strict=False)
            going_on = len(list(takewhile(lambda calls: calls[0].path == calls[1].path, both)))
            del stack[1 + going_on :]
            for call in path[going_on:]:
                stack[-1].steps.append(call)
                stack.append(call)
        if (step := _step(node, weights)) is not None:
            stack[-1].steps.append(step)
    return root


def _path(text: str | None, root: Call) -> list[Call] | None:
    """Reads in which calls of modules an operator lies, the outermost first.

    The text is `key,name,class;key,name,class;...`; the key tells the calls of one module apart.
    """
    if not text or text.startswith("_empty_nn_module_stack"):  # added by torch.export itself
        return None
    path: list[Call] = []
    for item in text.split(";"):
        key, module, kind = item.split(",", 2)
        module, kind = module.split("@")[0], kind.rsplit(".", 1)[-1]
        if module:
            path.append(Call((*(path[-1].path if path else ()), key), module, kind))
        else:
            root.kind = kind
    return path


def _step(node: dict[str, Any], weights: set[str]) -> Step | None:
    target = node["target"]
    args, kwargs = [], {}
    for given in node["inputs"]:
        value = _value(given["arg"], target)
        if given.get("kind") == 2:
            kwargs[given["name"]] = value
        else:
            args.append(value)
        if given["name"] in ("train", "training") and value is True:
            raise _Unusable(f"it was exported in training mode. {EXPORT_AGAIN}")
    if target in _SIZES:
        return Step(_SIZES[target], args, kwargs, *_results(node["outputs"]))
    aten = _ATEN.fullmatch(target)
    if aten is None:
        raise _Unusable(
            f"its operator '{target}' is not one of PyTorch's own that compute tensors. Export a "
            "CNN without it, or name the CNN with model.subject.cnn."
        )
    if _CHECKS.match(aten[1]):
        return None
    overload = getattr(getattr(torch.ops.aten, aten[1], None), aten[2], None)
    if not isinstance(overload, OpOverload):
        raise _Unusable(f"this version of PyTorch has no operator '{target}'. {EXPORT_AGAIN}")
    schema = arguments_of(overload)
    for argument, given in zip(schema, args, strict=False):
        if is_written(argument) and isinstance(given, Ref) and given.name in weights:
            raise _Unusable(f"it changes its own weights as it runs. {EXPORT_AGAIN}")
    texts = {argument.name for argument in schema if "str" in str(argument.type).lower()}
    if not texts <= _TEXTS | {"rounding_mode"}:
        raise _Unusable(f"its operator '{target}' does more than compute. {EXPORT_AGAIN}")
    function = _PUBLIC.get(f"{aten[1]}.{aten[2]}", overload)
    return Step(function, args, kwargs, *_results(node["outputs"]))


def _value(argument: dict[str, Any], target: str) -> Any:
    """Returns an operator's argument: a number, a text, a reference or a list of them."""
    [(kind, value)] = argument.items()
    if kind == "as_none":
        return None
    if kind in ("as_tensors", "as_floats", "as_sym_ints", "as_sym_floats", "as_sym_bools"):
        return [_value({kind[:-1]: part}, target) for part in value]
    if kind == "as_optional_tensors":
        return [_value(part, target) for part in value]
    if kind == "as_tensor":
        return Ref(value["name"])
    if kind in ("as_sym_int", "as_sym_float", "as_sym_bool"):
        [(type_, content)] = value.items()
        return Ref(content) if type_ == "as_name" else content
    if kind == "as_float":  # infinity is written as a text
        return float(value)
    if kind in ("as_int", "as_ints", "as_bool", "as_bools", "as_string", "as_int_lists"):
        return value
    if kind == "as_scalar_type":
        dtype = _DTYPES[value]
        # What was exported in one precision runs in another, as its weights do.
        return DTYPE if dtype.is_floating_point else dtype
    if kind == "as_memory_format":
        return _MEMORY_FORMATS[value]
    if kind == "as_device":
        return DEVICE
    if kind == "as_layout" and value == 7:
        return torch.strided
    raise _Unusable(f"its operator '{target}' takes an argument of kind '{kind}'. {EXPORT_AGAIN}")


def _results(outputs: list[dict[str, Any]]) -> tuple[list[str], bool, bool]:
    """Returns the names of results ("" for none), whether they are several, and a size."""
    names: list[str] = []
    several = len(outputs) > 1
    for output in outputs:
        [(kind, value)] = output.items()
        if kind == "as_tensors":
            names, several = [*names, *(part["name"] for part in value)], True
        elif kind == "as_tensor":
            names.append(value["name"])
        else:
            names.append(value.get("as_name", "") if isinstance(value, dict) else "")
    is_size = bool(outputs) and all(next(iter(output)).startswith("as_sym_") for output in outputs)
    return names or [""], several, is_size


def _connect(call: Call, shared: set[str], wanted: set[str]) -> None:
    """Finds what goes into each inner call and what of it is needed afterwards.

    Args:
        call: The call whose inner calls get their inputs and results.
        shared: Names that all calls share.
        wanted: Names of what is needed after the call itself.
    """
    needed = set(wanted)
    for step in reversed(call.steps):
        if isinstance(step, Call):
            inner = (name for one in step.all_steps() for name in one.results)
            made = [name for name in inner if name not in shared]
            # A call that changes its input in place may have a result that nobody reads.
            step.results = [name for name in made if name in needed] or made[-1:]
            step.inputs = [name for name in step.reads() if name not in shared]
            _connect(step, shared, set(step.results))
        needed.update(step.reads())


def _module(cnn: nn.Module, path: str, kinds: dict[str, str]) -> nn.Module:
    """Returns the module of that name; it and those above it are made where they are missing.

    Args:
        cnn: The CNN.
        path: The name of the module, `""` for the CNN.
        kinds: The classes of modules by their names; of those that only hold others none is known.
    """
    if not path:
        return cnn
    owner, _, name = path.rpartition(".")
    holder = _module(cnn, owner, kinds)
    if name not in dict(holder.named_children()):
        holder.add_module(name, _class(kinds.get(path, "ExportedModule"), ExportedModule)())
    return holder.get_submodule(name)


def _class(name: str, base: type[Exported]) -> type[Exported]:
    return type(name if name.isidentifier() else base.__name__, (base,), {"__module__": __name__})


def _restore_layers(cnn: nn.Module, root: Call) -> None:
    """Puts modules of PyTorch in place of those that are one convolution or linear operator."""
    calls: dict[str, list[Call]] = {}
    for call in root.all_calls():
        calls.setdefault(call.module, []).append(call)
    for name, same in calls.items():
        module = cnn.get_submodule(name)
        layer, *others = (_layer(module, call) for call in same)
        # One that is called several times must do the same each time.
        if layer is None or any(str(other) != str(layer) for other in others):
            continue
        own = dict(module.named_parameters(recurse=False))
        layer.weight, layer.bias = own["weight"], own.get("bias")
        owner, _, last = name.rpartition(".")
        setattr(cnn.get_submodule(owner), last, layer)


def _layer(module: nn.Module, call: Call) -> nn.Conv2d | nn.Linear | None:
    """Returns a module of PyTorch that does what a call does, without weights, if there is one."""
    kind, step = type(module).__name__, call.steps[0] if len(call.steps) == 1 else None
    if not isinstance(step, Step) or step.function not in _LAYERS.get(kind, ()):
        return None
    own = {name for name, _ in module.named_parameters(recurse=False)}
    if not {"weight"} <= own <= {"weight", "bias"} or [*module.buffers(), *module.children()]:
        return None
    schema = arguments_of(step.function)
    given = {argument.name: argument.default_value for argument in schema}
    given |= {argument.name: value for argument, value in zip(schema, step.args, strict=False)}
    if [given["input"]] != [Ref(name) for name in call.inputs]:
        return None
    number, inputs, *kernel = module.get_parameter("weight").shape
    with torch.device("meta"):
        if kind == "Linear":
            return nn.Linear(inputs, number, "bias" in own)
        options: dict[str, Any] = {
            key: value if isinstance(value, int | str) else tuple(value)
            for key, value in {**given, **step.kwargs}.items()
            if key in ("stride", "padding", "dilation", "groups")
        }
        inputs *= options["groups"]
        return nn.Conv2d(inputs, number, (kernel[0], kernel[1]), bias="bias" in own, **options)
