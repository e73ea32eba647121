"""What is told of a CNN that does not take its input, by what it said."""

import re
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from prober.common.errors import InputError, listed
from prober.common.inputs import InputKind, Shape, input_kind
from prober.subject.calling import Calling
from prober.subject.input_shape import guessed_input_shape, some_input, takes

PRECISIONS = r"float|double|half|bfloat16|c10::|dtype|scalar type|uint8|byte"
"""Words of messages on precisions."""

RANGES = ((0, 255), (-1, 1), (-2, 2))
"""Values that are tried where a CNN rejects those from 0 to 1: bytes, normalized ones."""

MOST_DIMENSIONS = 8
"""More than an input has that a CNN takes apart by numbers."""

MEMORY = r"can't allocate memory|not enough memory|out of memory|Unable to allocate"
"""What messages say where memory does not suffice."""

NUMBERS = r"\b(float|int)\b"
"""Words of messages on numbers where tensors belong."""


def rejected(
    cnn: nn.Module, name: str, shape: Shape, calling: Calling, error: BaseException
) -> InputError:
    """Says why a CNN does not take one input of a shape, and what to do.

    Args:
        cnn: The CNN.
        name: What it is called.
        shape: The shape of the input, channels first.
        calling: How it was called.
        error: What it raised.
    """
    said = _said_by(error)
    if re.search(MEMORY, said, re.IGNORECASE):
        return InputError(
            f"There is not enough memory for {name} and an input of shape {[1, *shape]}: {said}. "
            "Set input_shape to a smaller one."
        )
    if told := _unlike_images(cnn, name, calling.inputs.missing, error, said):
        return told
    numbers = calling.inputs.numbers
    if numbers and isinstance(error, AttributeError | TypeError) and re.search(NUMBERS, said):
        return InputError(
            f"The forward pass of {name} takes no number for {' and '.join(numbers)}: {said}. Give "
            "an array for one image in model.subject.given, "
            f"{{{numbers[0]}: {numbers[0]}.npy}}, say."
        )
    tried = f"{name} rejects an input of shape {[1, *shape]}: {said}."
    usual = _usual_shape(cnn, calling.inputs.call)
    if usual is not None and usual != tuple(shape):
        return InputError(
            f"{tried} It takes {list(usual)}: set input_shape to that, or to another of the form "
            f"{input_kind(usual).written}."
        )
    if values := _values_that_fit(cnn, shape, calling):
        normalized = ", or mean and std to those of its training" if values[0] < 0 else ""
        return InputError(
            f"{tried} It takes values from {values[0]} to {values[1]}: set value_range to "
            f"{list(values)}{normalized}."
        )
    if told := _taken_otherwise(cnn, name, said):
        return told
    if re.search(PRECISIONS, said, re.IGNORECASE):
        return InputError(
            f"{name} computes in a precision that its weights have not: {said}. Leave that to the "
            "input (`.to(images.dtype)` in place of .half() or .float()), or give the CNN "
            "with weights of that precision."
        )
    forms = listed([f"{kind.written} of {kind.plural}" for kind in reversed(InputKind)], 4)
    return InputError(
        f"{tried} If it is the shape that it rejects, set input_shape to what it takes: {forms}. "
        "If none is it, wrap the CNN in a module whose forward takes one such tensor."
    )


def _usual_shape(cnn: nn.Module, call: Callable[[nn.Module, Tensor], Any]) -> Shape | None:
    """A usual shape that the CNN takes, called so; None if there is none, or none can be tried."""
    try:
        found, _ = guessed_input_shape(cnn, call)
        return found if takes(cnn, call, found) else None
    except InputError:  # it cannot be copied
        return None


def _values_that_fit(cnn: nn.Module, shape: Shape, calling: Calling) -> tuple[int, int] | None:
    """The values that the CNN takes, if it is these that it rejects; None if it takes none."""
    image = some_input(shape)
    for low, high in RANGES:
        try:
            with torch.no_grad():
                calling.inputs.call(cnn, low + (high - low) * image)
        except Exception:  # whatever a forward pass may raise
            continue
        return low, high
    return None


def _taken_otherwise(cnn: nn.Module, name: str, said: str) -> InputError | None:
    """Says what to do with a CNN that takes images in another form; None where it takes none.

    That is as bytes, in a list, or with the channels last.
    """
    if _is_taken(cnn, lambda images: images.to(torch.uint8)):
        return _of_bytes(name, said)
    for form, makes, code in (
        ("a list of images", list, "list(images)"),
        ("the channels last", lambda images: images.movedim(1, -1), "images.movedim(1, -1)"),
    ):
        if _is_taken(cnn, makes):
            return InputError(
                f"{name} takes {form}: {said}. Wrap it in a module whose forward takes images with "
                f"the channels first, [N, channels, height, width], and gives it {code}."
            )
    return None


def _is_taken(cnn: nn.Module, form: Callable[[Tensor], Any]) -> bool:
    """Tells whether a CNN takes images of a usual shape in some form."""
    return _usual_shape(cnn, lambda cnn, images: cnn(form(images))) is not None


def rejected_values(name: str, images: Tensor, error: BaseException) -> InputError:
    """Says that a CNN takes inputs of their shape, but not these.

    Args:
        name: What it is called.
        images: The inputs, in [0, 1].
        error: What it raised.
    """
    low, high = images.min().item(), images.max().item()
    return InputError(
        f"The forward pass of {name} rejects an input of values from {low:.2g} to {high:.2g}, "
        f"before value_range, mean and std: {_said_by(error)}. Pictures, and what a report shows, "
        "may have any values from 0 to 1, or one alone: let it take these, without the check."
    )


def _unlike_images(
    cnn: nn.Module, name: str, missing: Sequence[str], error: BaseException, said: str
) -> InputError | None:
    """Says what to do with a CNN that no shape of an input would help; None if one might.

    `missing` are the names of the inputs that it needs and nobody has given.
    """
    if isinstance(error, TypeError) and missing:
        which = ", ".join(missing)
        return InputError(
            f"The forward pass of {name} takes more than one input, and {which} "
            f"{'is' if len(missing) == 1 else 'are'} not given: give numbers or arrays in "
            f"model.subject.given, {{{missing[0]}: 0.5}}, say, or wrap the CNN in a module whose "
            "forward takes one tensor of images and fills in the rest."
        )
    if isinstance(error, TypeError) and re.search(r"positional argument", said):
        return InputError(
            f"The forward pass of {name} does not take one tensor of images: {said}. Wrap the CNN "
            "in a module whose forward does."
        )
    if re.search(r"cuda|nvidia|same device|hip\b|mps", said, re.IGNORECASE):
        return InputError(
            f"The forward pass of {name} moves something to a GPU by itself: {said}. Let it make "
            "what it needs on the device of its input (`images.device`), without .cuda() and "
            "device='cuda'; what it is probed on is chosen with trainer.accelerator."
        )
    embedding = next((n for n, m in cnn.named_modules() if isinstance(m, nn.Embedding)), None)
    if re.search(r"indices|Long, ?Int", said) and embedding is not None:
        return InputError(
            f"{name} takes tokens: its layer '{embedding}' looks up whole numbers, which have no "
            "gradient. Wrap the part behind it in a module whose forward takes what the embedding "
            "gives, [N, tokens, channels], or [N, numbers] of one token."
        )
    if _asks_for_a_part(cnn, error):
        return InputError(
            f"The forward pass of {name} does not take a tensor of images, but something that "
            f"holds one: {type(error).__name__} {said}. Wrap the CNN in a module whose forward "
            "takes the tensor and puts it there."
        )
    if re.search(r"uint8|byte", said, re.IGNORECASE):
        return _of_bytes(name, said)
    return None


def _asks_for_a_part(cnn: nn.Module, error: BaseException) -> bool:
    """Tells whether a CNN has failed since it asks its input for what a tensor has not: `x["a"]`.

    PyTorch takes a key for as many indices as it has letters: too many, whatever the dimensions, or
    of a wrong type.
    """
    if isinstance(error, AttributeError):
        return "'Tensor' object has no attribute" in str(error)
    if not isinstance(error, IndexError) or "too many indices" not in str(error):
        return isinstance(error, TypeError) and "data type 'str'" in str(error)
    try:
        cnn(torch.zeros([1] * MOST_DIMENSIONS))
    except Exception as again:  # whatever a forward pass may raise
        told = re.search("too many indices|data type 'str'", str(again))
        return isinstance(again, IndexError | TypeError) and told is not None
    return False


def _of_bytes(name: str, said: str) -> InputError:
    return InputError(
        f"{name} takes bytes: {said}. Whole numbers have no gradient: let its forward pass "
        "take floating-point numbers from 0 to 255, and set value_range to [0, 255]."
    )


def _said_by(error: BaseException) -> str:
    """What an error says; of PyTorch's, without the list of all that would have been right."""
    said = " ".join(str(error).split()).partition(", but expected one of")[0]
    return said.rstrip(".") or type(error).__name__
