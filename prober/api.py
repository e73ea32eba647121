"""One line of Python from any CNN to pictures: `prober.visualize(model, "conv2:3")`."""

import copy
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import fields
from inspect import Parameter, Signature, signature
from itertools import chain
from typing import Any

import numpy as np
import torch
from torch import nn

from prober.ascent.hardware import threads_for
from prober.ascent.layer_objectives import DeepDream
from prober.ascent.method import Method, is_large
from prober.ascent.objectives import ChannelMean, Neuron, Objective
from prober.ascent.progress import ProgressBar
from prober.ascent.regularizers import Regularizer
from prober.ascent.starts import InitialImage
from prober.ascent.targets import Target, checked_seed
from prober.common.errors import InputError, check_kind, check_kinds, named_kind, whole_number
from prober.common.quiet import quiet_lightning
from prober.result import Curve, Evolution, Visualization, Visualizations
from prober.subject import LOGITS, Subject
from prober.subject.class_names import class_number
from prober.subject.input_shape import guessed_input_shape
from prober.subject.passes import exact_float32
from prober.sweep.chunks import cut, sizes_for
from prober.sweep.optimize import ChunkResult, Settings, optimize
from prober.sweep.planned import PlannedTarget

PRECISIONS = ("64-true", "32-true", "bf16-mixed")
"""Precisions that can be asked for, as the Trainer names them."""

TARGET = re.compile(r"(?P<layer>.+):(?P<channel>\d+)(@(?P<h>\d+),\s*(?P<w>\d+))?")
"""A target as a text, unless it is the name of a layer, which may have a colon or a space, too."""

LAYER = re.compile(r"[^:\s]+")
"""What would be the name of a layer, if there were one."""

TARGETS_ARE = (
    "write 'conv2:3' for channel 3 of layer conv2, 'conv2:3@7,5' for its neuron in row 7 and "
    "column 5, 'logits:7' for class 7, 'conv2' for the whole layer, or give an objective such as "
    'ChannelMean("conv2", 3)'
)


def visualize(
    model: nn.Module,
    targets: str | Objective | Sequence[str | Objective],
    *,
    input_shape: tuple[int, int, int] | None = None,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    value_range: tuple[float, float] = (0.0, 1.0),
    seeds: int | Sequence[int] = 1,
    steps: int = 500,
    initial_image: InitialImage | None = None,
    regularizers: Sequence[Regularizer] | None = None,
    precision: str | None = None,
    progress: bool = False,
    **method: Any,
) -> Visualization | Visualizations:
    """Synthesizes the images that excite channels, neurons or classes of a CNN the most.

    Gradient ascent on the input image after Erhan et al., "Visualizing higher-layer features of a
    deep network" (2009). Below 64 pixels the same target and seed give the same picture as in
    `fit`; larger ones run here in float32, unless `precision` says `"64-true"`, and there in
    float64. The CNN is copied: the given one, and all settings of the session, stay as they are,
    also after an error or Ctrl-C. No file is written.

    Args:
        model: Any CNN, on any device, in any precision and mode; or a Subject, which describes its
            input, too. It is probed on the GPU if it is on one, else on the CPU.
        targets: What to maximize: `"conv2:3"` for a channel's mean, `"conv2:3@7,5"` for its neuron
            in row 7 and column 5, `"logits:7"` for a class (`"logits:zebra"` if the Subject knows
            the classes' names), `"conv2"` for the whole layer
            (DeepDream), any objective, or a list of these, which are optimized together. Of a
            module that is called several times, `"head@0:3"` is the first call.
        input_shape: Channels, height and width of one image. Where none is given: the channels of
            the first convolution and the usual size that the CNN takes; if it takes any, 224
            pixels where its maps get 16 times smaller or more, else 32. The result says what was
            assumed.
        mean: What the CNN's training subtracted from each channel, in units of `value_range`.
        std: What it then divided each channel by, greater than 0.
        value_range: The values that stood for black and white before that.
        seeds: How many seeds, from 0 on, or a list of seeds. Each target has a picture from each.
        steps: Steps of Adam, at least 1.
        initial_image: Where the optimization starts; None for noise that suits the style.
            `GivenImage("photo.png")` starts from a picture.
        regularizers: Penalties with weights; `[]` for none, None for those of the style.
        precision: `"64-true"`, `"32-true"` or `"bf16-mixed"`; None for 64 below 64 pixels, where
            the same bits come out alone and in company, else 32.
        progress: Whether a progress bar is shown.
        **method: The settings of `Method`: style (`"legible"`, such that people can read the
            pictures, or `"plain"`), lr, parameterization, transforms, settle, averaging,
            batchnorm_statistics, held.

    Returns:
        A Visualization of one target from one seed. Of a list of targets or of several seeds
        Visualizations, a list: first all seeds of the first target.

    Raises:
        InputError: The model cannot be probed, no usual image fits it, a target is not in it, or
            a number is out of its range; the text says what to do.

    Examples:
        The channel 3 of conv2 of the reference CNN, which ships with the project:

        >>> made = visualize(Subject(), "conv2:3", steps=20, style="plain")
        >>> made
        <Visualization of conv2_ch3: score 0.75 to 2.83 after 20 steps, seed 0, image [3, 28, 28]>
        >>> made.array.shape, float(made.scores.values[-1])
        ((3, 28, 28), 2.83)
    """
    if not isinstance(model, nn.Module):
        raise InputError(f"The model is {named_kind(model)}; give an nn.Module or a Subject.")
    several = not isinstance(targets, str | Objective)
    listed = _as_list("targets", targets)
    for target in listed:
        if not isinstance(target, str | Objective):
            raise InputError(f"A target is {named_kind(target)}: {TARGETS_ARE}.")
    numbers = _seeds(seeds)
    if initial_image is not None:
        check_kind("initial_image", initial_image, InitialImage, "GrayNoise()")
    if regularizers is not None:
        check_kinds("regularizers", regularizers, Regularizer, "[L2(1e-3)]")
        regularizers = tuple(regularizers)
    number = whole_number(steps)
    if number is None or number < 1:
        raise InputError(f"steps is {steps}; choose a whole number, 1 or more.")
    if precision not in (None, *PRECISIONS):
        raise InputError(f"precision is '{precision}'; choose one of {', '.join(PRECISIONS)}.")
    if unknown := set(method) - {each.name for each in fields(Method)}:
        raise TypeError(f"visualize() got an unexpected keyword argument '{min(unknown)}'.")
    chosen = Method(**method)
    device = _device(model)
    with _undisturbed(device):
        described = {"input_shape": input_shape, "mean": mean, "std": std}
        subject, notes = _subject(model, described, value_range)
        objectives = [_objective(target, subject) for target in listed]
        planned = _plan(subject, objectives, initial_image, regularizers, numbers)
        small = not is_large(subject.input_shape)
        settings = Settings(
            method=chosen,
            every=max(1, number // 10),
            trainer={
                "max_steps": number,
                "max_epochs": -1,
                "precision": precision or ("64-true" if small else "32-true"),
                "accelerator": device.type,
                "log_every_n_steps": max(1, number // 20),
                "enable_checkpointing": False,
                "enable_model_summary": False,
            },
            threads=threads_for(subject.input_shape, torch.get_num_threads()),
            progress=progress,
        )
        found = _optimize(subject, planned, settings, device)
    shown = Visualizations(found[each.path] for each in planned)
    for each in shown:
        each.record["notes"] = notes
    return shown if several or len(numbers) > 1 else shown[0]


def _shown() -> Signature:
    """The signature of `visualize`, with the settings of `Method` in place of `**method`."""
    written = signature(visualize)
    *own, _ = written.parameters.values()
    settings = signature(Method).parameters.values()
    named = [each.replace(kind=Parameter.KEYWORD_ONLY) for each in settings]
    return written.replace(parameters=[*own, *named])


visualize.__signature__ = _shown()  # type: ignore[attr-defined]  # help reads it


def _as_list(name: str, given: Any) -> list:
    """Returns what may be one thing or several as a list."""
    if isinstance(given, str | Objective):
        return [given]
    if not isinstance(given, Iterable):
        raise InputError(f"{name} is {named_kind(given)}; give a list.")
    return list(given)


def _objective(target: str | Objective, subject: Subject) -> Objective:
    """Reads a target."""
    if isinstance(target, Objective):
        return target
    read = TARGET.fullmatch(target)
    if target in subject.layers or (read is None and LAYER.fullmatch(target)):
        return DeepDream(target)
    if read is None:
        layer, _, name = target.partition(":")
        if layer == LOGITS and name:
            return ChannelMean(LOGITS, class_number(subject.class_names, name, f"'{target}'"))
        raise InputError(f"'{target}' is no target: {TARGETS_ARE}.")
    layer, channel, h, w = read.group("layer", "channel", "h", "w")
    if h is None:
        return ChannelMean(layer, int(channel))
    return Neuron(layer, int(channel), int(h), int(w))


def _seeds(given: int | Sequence[int]) -> list[int]:
    """Returns the seeds that were given, or so many from 0 on."""
    number = whole_number(given)
    listed = _as_list("seeds", given) if number is None else list(range(number))
    seeds = [checked_seed(each) for each in listed]
    if not seeds or len(set(seeds)) < len(seeds):
        raise InputError("seeds names none, or one twice; give how many, or a list: seeds=[3, 4].")
    return seeds


def _device(model: nn.Module) -> torch.device:
    """Where the model is probed: on its own GPU, or on the CPU."""
    first = next(chain(model.parameters(), model.buffers()), None)
    return first.device if first is not None and first.is_cuda else torch.device("cpu")


def _subject(
    model: nn.Module, described: dict[str, Any], value_range: tuple[float, float]
) -> tuple[Subject, list[str]]:
    """Returns a subject of our own, and what a person should know of how it came about."""
    given = [name for name, value in described.items() if value is not None]
    if isinstance(model, Subject):
        given += ["value_range"] if tuple(np.ravel(value_range)) != (0.0, 1.0) else []
        if given:
            raise InputError(f"A Subject describes its input itself; leave out {given[0]}.")
        return copy.deepcopy(model), list(model.notes)  # whose precision will change
    notes = []
    if described["input_shape"] is None:
        described["input_shape"], said = guessed_input_shape(model)
        notes = [said]
    subject = Subject(model, **described, value_range=value_range)
    return subject, notes + subject.notes


def _plan(
    subject: Subject,
    objectives: Sequence[Objective],
    initial_image: InitialImage | None,
    regularizers: tuple[Regularizer, ...] | None,
    seeds: Sequence[int],
) -> list[PlannedTarget]:
    """The targets: all seeds of each objective."""
    resolved: list[Objective] = []
    for objective in objectives:
        objective = objective.resolved(subject)
        if objective in resolved:
            raise InputError(f"{objective.name} is among the targets twice; give it once.")
        if objective.compares and len(seeds) < 2:
            raise InputError(
                f"{objective.name} compares the images of several seeds; give seeds=4, say."
            )
        resolved.append(objective)
    if not resolved:
        raise InputError(f"There are no targets: {TARGETS_ARE}.")
    return [
        PlannedTarget(
            Target(objective, initial_image, regularizers, seed), f"{i}/{seed}", objective.name
        )
        for i, objective in enumerate(resolved)
        for seed in seeds
    ]


def _optimize(
    subject: Subject, planned: Sequence[PlannedTarget], settings: Settings, device: torch.device
) -> dict[str, Visualization]:
    """Optimizes all targets, in as few batches as are good; returns them by their paths."""
    memory = None
    if device.type == "cuda":
        memory = torch.cuda.get_device_properties(device).total_memory
    sizes = sizes_for(subject, planned, memory)
    for objective, seeds in Counter(each.target.objective for each in planned).items():
        if objective.compares:  # its images have to be together, be they many
            sizes[objective.layer] = max(sizes[objective.layer], seeds)
    chunks = cut(sorted(planned, key=lambda each: each.layer), sizes)
    found = {}
    steps = settings.trainer["max_steps"] * len(chunks)
    with ProgressBar(steps, " steps", shown=settings.progress, every=25) as bar:
        for chunk in chunks:
            result = optimize(subject, chunk, settings, device, bar)
            for i, each in enumerate(chunk):
                found[each.path] = _visualization(each, result, i)
    return found


def _visualization(planned: PlannedTarget, result: ChunkResult, i: int) -> Visualization:
    # A record is JSON; in Python its numbers may have been given as NumPy's, its paths as Path.
    record = json.loads(json.dumps(result.records[i], default=_plain))
    return Visualization(
        name=planned.target.name,
        array=result.images[i].numpy(),
        record=record,
        scores=Curve(*_of_own_steps(result.score_steps, result.scores[i], record["steps"])),
        evolution=Evolution(*_of_own_steps(result.steps, result.evolution[i], record["steps"])),
        opacity=None if result.opacity is None else result.opacity[i],
    )


def _of_own_steps(
    steps: np.ndarray, values: np.ndarray, last: int
) -> tuple[np.ndarray, np.ndarray]:
    """The steps of a batch and values there, as far as a target goes that settled before others."""
    own, first = np.unique(np.minimum(steps, last), return_index=True)
    return own, values[first]


def _plain(given: Any) -> Any:
    """What stands in JSON for something that it does not know."""
    return given.item() if hasattr(given, "item") else str(given)


@contextmanager
def _undisturbed(device: torch.device) -> Iterator[None]:
    """Leaves the session's settings as they were, runs without them, and keeps Lightning silent."""
    threads, dtype = torch.get_num_threads(), torch.get_default_dtype()
    # To name a default device costs a little at every call of torch.
    elsewhere = torch.empty(0).device.type != "cpu"
    try:
        with (
            quiet_lightning(),
            torch.random.fork_rng([device] if device.type == "cuda" else []),
            exact_float32(),
            torch.device("cpu") if elsewhere else nullcontext(),
        ):
            torch.set_default_dtype(torch.float32)
            torch.manual_seed(0)  # a CNN that takes chances takes the same ones every time
            yield
    except SystemExit:  # how a Trainer ends after Ctrl-C, and with it the whole program
        raise KeyboardInterrupt from None
    finally:
        torch.set_num_threads(threads)
        torch.set_default_dtype(dtype)
