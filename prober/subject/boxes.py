"""Boxes: which pixels each number depends on, followed through all that PyTorch computes."""

from collections.abc import Callable, Iterable
from functools import reduce
from typing import Any

import torch
from torch import Tensor
from torch.multiprocessing.reductions import StorageWeakRef
from torch.nn import functional as F

from prober.common.patches import TorchDispatchMode, arguments_of, is_written
from prober.subject.nested_outputs import tensors

NOTHING = float("-inf")
"""In a box: no pixel is seen."""

UNKNOWN = float("nan")
"""In a box: an operation on the way is not known here. It wins over every other value."""


class Boxes(TorchDispatchMode):
    """Follows, through everything that PyTorch computes, which pixels each number depends on.

    The pixels are known by the rectangle around them. Its box is four numbers: the first row
    negated, the last row, the first column negated, the last column; of a signal two, of a volume
    six. So the box of what depends on several others is their maximum, and convolutions, sums and
    products all become maxima.

    Boxes belong to memory, not to tensors: whatever shares memory shares them, so that views and
    changes in place need no care. What has no boxes does not depend on the image.

    Args:
        ends: How many numbers a box has: two for each side of an image.
    """

    def __init__(self, ends: int) -> None:
        super().__init__()
        self.ends = ends
        # As long as a weak reference is kept, no other memory gets the same key.
        self._memory: dict[StorageWeakRef, Tensor] = {}

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Computes an operation, then the boxes of its outputs."""
        output = func(*args, **(kwargs or {}))
        call = _Call(func, args, kwargs or {}, self)
        if not call.sees or torch.Tag.inplace_view in func.tags:
            return output
        inputs = {_storage(tensor) for tensor in call.tensors}
        fresh = [
            tensor for tensor in _dense(output) if call.in_place or _storage(tensor) not in inputs
        ]
        for tensor in fresh:
            try:
                self.write(tensor, _rule(call)(call, tensor))
            except (RuntimeError, IndexError, ValueError):  # an argument that a rule did not expect
                self.write(tensor, torch.tensor(UNKNOWN))
        return output

    def read(self, tensor: Tensor) -> Tensor | None:
        """Returns the boxes of a tensor, `[4, *shape]`, as a view; None if it has none."""
        try:
            memory = self._memory.get(_storage(tensor))
        except NotImplementedError:  # a sparse one, say, has no memory of its own
            return torch.full((self.ends, *tensor.shape), UNKNOWN)
        if memory is None:
            return None
        if tensor.element_size() * memory.shape[1] != tensor.untyped_storage().nbytes():
            # Seen as another type (a complex number as two real ones, say).
            return torch.full((self.ends, *tensor.shape), UNKNOWN)
        return memory.as_strided(
            (self.ends, *tensor.shape), (memory.shape[1], *tensor.stride()), tensor.storage_offset()
        )

    def write(self, tensor: Tensor, box: Tensor) -> None:
        """Sets the boxes of a tensor; `box` can be broadcast to `[4, *shape]`."""
        if (storage := _storage(tensor)) not in self._memory:
            for gone in [key for key in self._memory if key.expired()]:
                del self._memory[gone]
            numbers = tensor.untyped_storage().nbytes() // tensor.element_size()
            self._memory[storage] = torch.full((self.ends, numbers), NOTHING, device=tensor.device)
        view = self.read(tensor)
        assert view is not None
        # What an operation in place has may be this memory, with other strides of single lines,
        # which a copy takes for an overlap.
        view.copy_(box.clone())


class _Call:
    """One operation with its arguments and their boxes.

    Attributes:
        name: As in `torch.ops.aten`, without the underscore of the variant in place.
        arguments: By name, with the defaults.
        in_place: Whether it changes its first argument.
        tensors: All tensors among the arguments.
        sees: Whether any of them depends on the image.
    """

    def __init__(self, func: Any, args: tuple, kwargs: dict[str, Any], boxes: Boxes) -> None:
        self.func = func
        schema = arguments_of(func)
        self.arguments = {argument.name: argument.default_value for argument in schema}
        self.arguments |= dict(zip(self.arguments, args, strict=False)) | kwargs
        name = func.overloadpacket.__name__
        self.in_place = any(map(is_written, schema))
        self.name = name.removesuffix("_") if self.in_place else name
        self.tensors = _dense(self.arguments)
        self.boxes = boxes
        self.sees = any(boxes.read(tensor) is not None for tensor in self.tensors)

    def __getitem__(self, name: str) -> Any:
        """Returns an argument."""
        return self.arguments[name]

    def box(self, value: Any) -> Tensor:
        """Returns the boxes of an argument, `[4, *shape]`."""
        box = self.boxes.read(value)
        if box is None:
            return torch.full((self.boxes.ends, *value.shape), NOTHING, device=value.device)
        return box

    def answer(self, others: dict[str, Any]) -> Any:
        """Returns what the operation gives with other arguments.

        The first stands in its place: it may be called `self`, as that of `OpOverload.__call__` is
        in PyTorch 2.2.
        """
        arguments = self.arguments | others
        return self.func(arguments.pop(next(iter(arguments))), **arguments)


Rule = Callable[[_Call, Tensor], Tensor]
"""From a call and one of its outputs to the output's boxes."""


def _dense(values: Any) -> list[Tensor]:
    return [tensor for _, tensor in tensors(values) if tensor.layout is torch.strided]


def _storage(tensor: Tensor) -> StorageWeakRef:
    """The memory that a tensor is in; two references to the same are equal."""
    return StorageWeakRef(tensor.untyped_storage())


def _rule(call: _Call) -> Rule:
    if call.name in RULES:
        return RULES[call.name]
    if call.name.startswith("_scaled_dot_product"):
        return _attention
    return _pointwise if torch.Tag.pointwise in call.func.tags else _unknown


def _beside(box: Tensor, dims: int) -> Tensor:
    """Returns the boxes of a tensor as those of one with as many dimensions as another."""
    return box.view(len(box), *[1] * (dims + 1 - box.dim()), *box.shape[1:])


def _unknown(call: _Call, output: Tensor) -> Tensor:
    return torch.tensor(UNKNOWN)


def _all_of(boxes: Iterable[Tensor], output: Tensor) -> Tensor:
    """Returns the boxes of an output that depends on all of these, which broadcast to it."""
    return reduce(torch.maximum, (_beside(box, output.dim()) for box in boxes))


def _pointwise(call: _Call, output: Tensor) -> Tensor:
    return _all_of(map(call.box, call.tensors), output)


def _copy(call: _Call, output: Tensor) -> Tensor:
    return _beside(call.box(call["src"]), output.dim())


def _constant(call: _Call, output: Tensor) -> Tensor:
    return torch.tensor(NOTHING)


def _along(call: _Call, output: Tensor) -> Tensor:
    """What takes all values along some dimensions: sums, maxima, softmax, sorting, Fourier."""
    box = call.box(call["self"])
    dims = call.arguments.get("dim")
    dims = range(box.dim() - 1) if dims is None or dims == [] else dims
    dims = [dims] if isinstance(dims, int) else dims
    dims = [1 + d % max(box.dim() - 1, 1) for d in dims]
    keep = output.dim() == box.dim() - 1
    return box.amax(dims, keepdim=keep) if dims and box.dim() > 1 else box


def _product(call: _Call, output: Tensor) -> Tensor:
    """Matrices: `[..., n, k]` times `[..., k, m]`; where there is a third, it is added."""
    names = ("self", "mat1", "batch1", "mat2", "batch2")
    *added, left, right = (call.box(call[name]) for name in names if name in call.arguments)
    return _all_of([left.amax(-1, keepdim=True), right.amax(-2, keepdim=True), *added], output)


def _convolution(call: _Call, output: Tensor) -> Tensor:
    image, weight = call["input"], call["weight"]
    if call.boxes.read(weight) is not None:
        return torch.tensor(UNKNOWN)  # a kernel that depends on the image
    axes = weight.dim() - 2
    kernel = weight.shape[2:]
    stride, padding, dilation, extra = (
        list(call[name]) * (axes if len(call[name]) == 1 else 1)
        for name in ("stride", "padding", "dilation", "output_padding")
    )
    groups = call["groups"]
    box = call.box(image)
    *batch, _ = box.shape[: box.dim() - axes]
    sides = box.shape[box.dim() - axes :]
    # Every output channel sees all input channels of its group.
    box = box.reshape(-1, groups, image.shape[-axes - 1] // groups, *sides).amax(2)
    before, after = list(padding), list(padding)
    if call["transposed"]:
        # The same as a convolution of the image with gaps between its pixels.
        spread = [stride[i] * (sides[i] - 1) + 1 for i in range(axes)]
        gaps = torch.full((*box.shape[:2], *spread), NOTHING, device=box.device)
        pixels: tuple[Any, ...] = (..., *(slice(None, None, step) for step in stride))
        gaps[pixels] = box
        box = gaps
        before = [dilation[i] * (kernel[i] - 1) - padding[i] for i in range(axes)]
        after = [before[i] + extra[i] for i in range(axes)]
        stride = [1] * axes
    ends = [end for i in reversed(range(axes)) for end in (before[i], after[i])]
    box = F.pad(box, ends, value=NOTHING)
    box = getattr(F, f"max_pool{axes}d")(box, kernel, stride, 0, dilation)
    channels = output.shape[-axes - 1] // groups
    box = box.unsqueeze(2).expand(-1, -1, channels, *output.shape[-axes:])
    return box.reshape(*batch, channels * groups, *output.shape[-axes:])


def _pool(call: _Call, output: Tensor) -> Tensor:
    """Pooling by mean or maximum: what is seen is the same."""
    box = call.box(call["self"])
    axes = next(i for i in (1, 2, 3) if f"{i}d" in call.name)
    images = box.reshape(-1, *box.shape[box.dim() - axes - 1 :])
    if "adaptive" in call.name:
        pooled = getattr(F, f"adaptive_max_pool{axes}d")(images, call["output_size"])
    else:
        pooled = getattr(F, f"max_pool{axes}d")(
            images,
            call["kernel_size"],
            call["stride"] or None,
            call["padding"],
            call.arguments.get("dilation", 1),
            call["ceil_mode"],
        )
    return pooled.reshape(len(box), *output.shape)


def _interpolation(call: _Call, output: Tensor) -> Tensor:
    """Linear and cubic interpolation: along each side, which values take part in which."""
    image = call["self"]
    box = call.box(image)
    for axis in range(2, image.dim()):
        side, new = image.shape[axis], output.shape[axis]
        # Channel i is an image that is 1 in line i and 0 elsewhere.
        lines = torch.eye(side, device=image.device).view(
            1, side, *[-1 if i == axis else 1 for i in range(2, image.dim())]
        )
        lines = lines.expand(1, side, *image.shape[2:])
        answers = call.answer({"self": lines}).movedim(axis, 2).reshape(side, new, -1)
        takes = (answers != 0).any(2)
        parts = [box.index_select(axis + 1, takes[:, i].nonzero()[:, 0]) for i in range(new)]
        box = torch.cat([part.amax(axis + 1, keepdim=True) for part in parts], axis + 1)
    return box


def _unfold(call: _Call, output: Tensor) -> Tensor:
    """`im2col`, whose padding is no pixel."""
    (top, left) = call["padding"]
    box = F.pad(call.box(call["self"]), (left, left, top, top), value=NOTHING)
    settings = (call["kernel_size"], call["dilation"], 0, call["stride"])
    return torch.stack([F.unfold(ends, *settings) for ends in box])


def _layer_norm(call: _Call, output: Tensor) -> Tensor:
    box = call.box(call["input"])
    dims = list(range(-len(call["normalized_shape"]), 0))
    return box.amax(dims, keepdim=True)


def _group_norm(call: _Call, output: Tensor) -> Tensor:
    box = call.box(call["input"])
    grouped = box.reshape(len(box), call["N"], call["group"], -1)
    return grouped.amax(3, keepdim=True).expand_as(grouped).reshape(box.shape)


def _batch_norm(call: _Call, output: Tensor) -> Tensor:
    box = call.box(call["input"])
    if call.arguments.get("training"):  # without statistics of the training, those of the image
        box = box.amax([1, *range(3, box.dim())], keepdim=True)
    return box


def _attention(call: _Call, output: Tensor) -> Tensor:
    """Every query sees every key and value; what a mask hides is seen, too."""
    query, key, value = (call.box(call[name]) for name in ("query", "key", "value"))
    boxes = [query.amax(-1, True), key.amax((-2, -1), True), value.amax(-2, True)]
    return _all_of(boxes, output)


def _halves(call: _Call, output: Tensor) -> Tensor:
    """`glu`: one half of the channels opens the other."""
    box = call.box(call["self"])
    return torch.maximum(*box.chunk(2, 1 + call["dim"] % call["self"].dim()))


def _moved(call: _Call, output: Tensor) -> Tensor:
    """What only moves values about moves their boxes in the same way.

    Where the image tells which value goes where (the largest, say), the number of the place counts
    as much as the value.
    """
    data = {"self", "tensors", "src", "source", "values"}
    given = {key: value for key, value in call.arguments.items() if key in data}
    if call.name == "constant_pad_nd":
        given["value"] = NOTHING

    def one(value: Any, i: int) -> Any:
        if isinstance(value, Tensor):
            return call.box(value)[i].clone()
        return [one(part, i) for part in value] if isinstance(value, list | tuple) else value

    box = torch.stack(
        [
            call.answer({key: one(value, i) for key, value in given.items()})
            for i in range(call.boxes.ends)
        ]
    )
    places = {key: value for key, value in call.arguments.items() if key not in data}
    for place in _dense(places):
        if call.boxes.read(place) is None:
            continue
        if call.name == "scatter" or place.shape != output.shape:
            return torch.tensor(UNKNOWN)
        box = torch.maximum(box, call.box(place))
    return box


def _rules(rule: Rule, names: str) -> dict[str, Rule]:
    return dict.fromkeys(names.split(), rule)


RULES: dict[str, Rule] = {
    **_rules(_pointwise, "clone _to_copy masked_fill native_dropout lift_fresh _prelu_kernel"),
    **_rules(_pointwise, "hardswish log_sigmoid_forward rrelu_with_noise"),
    # Marked as pointwise in later versions than PyTorch 2.2.
    **_rules(_pointwise, "celu elu hardshrink hardsigmoid hardtanh leaky_relu mish relu6 rrelu"),
    **_rules(_pointwise, "selu softplus softshrink threshold"),
    **_rules(_copy, "copy"),
    **_rules(_constant, "zero fill zeros_like ones_like empty_like full_like rand_like randn_like"),
    **_rules(_constant, "new_zeros new_ones new_empty new_full new_empty_strided"),
    **_rules(_along, "mean sum amax amin max min aminmax median var std var_mean std_mean prod"),
    **_rules(_along, "logsumexp linalg_vector_norm norm argmax argmin any all count_nonzero"),
    **_rules(_along, "_softmax _safe_softmax _log_softmax cumsum cumprod"),
    **_rules(_along, "topk sort argsort kthvalue _fft_r2c _fft_c2c _fft_c2r"),
    **_rules(_product, "mm bmm addmm baddbmm"),
    **_rules(_convolution, "convolution"),
    **_rules(_pool, "max_pool1d max_pool2d_with_indices max_pool3d_with_indices"),
    **_rules(_pool, "avg_pool1d avg_pool2d avg_pool3d adaptive_max_pool2d adaptive_max_pool3d"),
    **_rules(_pool, "_adaptive_avg_pool2d _adaptive_avg_pool3d"),
    **_rules(_interpolation, "upsample_linear1d upsample_bilinear2d upsample_bicubic2d"),
    **_rules(_interpolation, "_upsample_bilinear2d_aa _upsample_bicubic2d_aa upsample_trilinear3d"),
    **_rules(_unfold, "im2col"),
    **_rules(_layer_norm, "native_layer_norm _fused_rms_norm"),
    **_rules(_group_norm, "native_group_norm"),
    **_rules(_batch_norm, "native_batch_norm _native_batch_norm_legit"),
    **_rules(_batch_norm, "_native_batch_norm_legit_no_training cudnn_batch_norm"),
    **_rules(_halves, "glu"),
    **_rules(_moved, "cat stack roll flip repeat index index_select gather index_put scatter"),
    **_rules(_moved, "slice_scatter select_scatter constant_pad_nd"),
    **_rules(_moved, "reflection_pad1d reflection_pad2d replication_pad1d replication_pad2d"),
    **_rules(_moved, "reflection_pad3d replication_pad3d upsample_nearest3d"),
    **_rules(_moved, "pixel_shuffle pixel_unshuffle channel_shuffle native_channel_shuffle"),
    **_rules(_moved, "upsample_nearest1d upsample_nearest2d _upsample_nearest_exact2d"),
}
"""The operations of PyTorch that are no views and not marked as pointwise; others are unknown."""
