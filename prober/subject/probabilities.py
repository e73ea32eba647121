"""Outputs that are made of scores: probabilities, numbers of classes, and the layers behind."""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from prober.subject.layers import Layer

FUNCTIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "softmax": lambda scores: scores.softmax(1),
    "log-softmax": lambda scores: scores.log_softmax(1),
    "sigmoid": torch.sigmoid,
}
"""What makes probabilities of scores `[N, units]`."""

Answers = Callable[[Tensor, Mapping[str, Layer]], dict[str, Tensor]]
"""Gives for an image `[1, C, H, W]` what some layers answer, `[1, ...]` each; what the forward pass
does not reach is missing."""


def find_probabilities(
    answers: Answers, images: Tensor, layers: Mapping[str, Layer], output: Layer
) -> tuple[str, str | None] | None:
    """Finds out whether a flat output has probabilities, by their numbers.

    A layer gives the scores behind them if the function of what it gives is the output, but for
    rounding. Without such a layer units that are 0 or more and add up to 1 are taken for a softmax,
    and those of an `nn.Sigmoid` for what they are.

    Args:
        answers: What the CNN answers.
        images: `[N, 1, C, H, W]`, the images that are tried.
        layers: The layers that can be probed, in the order of the forward pass.
        output: The output, `[N, units]`.

    Returns:
        What makes the probabilities, one of `FUNCTIONS`, and the layer that gives what they are
        made of, None if no layer does; None if they are no probabilities.
    """
    own = {
        name: layer
        for name, layer in layers.items()
        if layer.module and layer.call is None and layer.shape == output.shape
    }
    seen: list[dict[str, Tensor]] = []
    functions = list(FUNCTIONS)
    for image in images:
        seen.append(answers(image, {**own, "": output}))
        functions = [function for function in functions if _may_be(function, seen[-1][""])]
        if not functions:
            return None
    own = {name: layer for name, layer in own.items() if all(name in outputs for outputs in seen)}
    values = torch.cat([outputs[""] for outputs in seen])
    for name in reversed(own):
        scores = torch.cat([outputs[name] for outputs in seen])
        for function in functions:
            if _agree(FUNCTIONS[function](scores), values) and not _agree(scores, values):
                return function, name
    last = list(own.values())[-1].kind if own else ""
    certain = "softmax" if "softmax" in functions else "sigmoid" if last == "Sigmoid" else None
    return (certain, None) if certain in functions else None


def find_numbered(
    answers: Answers, images: Tensor, layers: Mapping[str, Layer], output: Layer
) -> str | None:
    """Finds the flat layer whose largest unit has the number that an output is.

    It is the last one, or the first of several in a row.

    Args:
        answers: What the CNN answers.
        images: `[N, 1, C, H, W]`, the images that are tried.
        layers: The layers, in the order of the forward pass.
        output: The output, one whole number for each image.

    Returns:
        The layer; None if there is none, or if the number was always the same, which many layers
        may have by chance.
    """
    flat = {
        name: layer
        for name, layer in layers.items()
        if layer.module and layer.call is None and len(layer.shape) == 1 and layer.shape[0] > 1
    }
    seen = [answers(image, {**flat, "": output}) for image in images]
    numbers = [outputs[""].item() for outputs in seen]
    if len(set(numbers)) < 2:
        return None
    found = None
    for name in reversed(flat):
        named = [outputs[name].argmax().item() for outputs in seen if name in outputs]
        if named == numbers:
            found = name  # one before may give the scores that this one makes probabilities of
        elif found:
            break
    return found


def _may_be(function: str, values: Tensor) -> bool:
    """Whether values `[N, units]` may have come out of a function."""
    if function == "sigmoid":
        return bool(((values >= 0) & (values <= 1)).all())
    shares = values.exp() if function == "log-softmax" else values
    return values.shape[1] > 1 and bool((shares >= 0).all()) and _agree(shares.sum(1), 1.0)


def _agree(one: Tensor, other: Tensor | float) -> bool:
    return bool(((one - other).abs() <= 1e-5 * one.abs().clamp_min(1)).all())
