"""A CNN that was exported by `torch.export`, run step by step."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any

from torch import Tensor, nn


@dataclass(frozen=True)
class Ref:
    """The name of a value in place of the value."""

    name: str


DEVICE, DTYPE = Ref(".device"), Ref(".dtype")
"""What follows the images."""


@dataclass
class Step:
    """One operator: what is called, with what, and the names that its results get."""

    function: Callable[..., Any]
    args: list[Any]
    kwargs: dict[str, Any]
    results: list[str]
    several: bool
    """Whether the operator gives a list or tuple of results, be it of one."""
    is_size: bool
    """Whether the result is a number for all to use, not a tensor."""

    def reads(self) -> Iterator[str]:
        """Names the values that it takes."""
        for value in (*self.args, *self.kwargs.values()):
            for part in value if isinstance(value, list) else [value]:
                if isinstance(part, Ref):
                    yield part.name


@dataclass
class Call:
    """One call of a module: its steps and inner calls, and the values that go in and come out."""

    path: tuple[str, ...]
    module: str
    kind: str
    steps: "list[Step | Call]" = field(default_factory=list)
    inputs: list[str] = field(default_factory=list)
    results: list[str] = field(default_factory=list)

    @property
    def several(self) -> bool:
        """Whether it gives a tuple."""
        return len(self.results) != 1

    def all_steps(self) -> Iterator[Step]:
        """Gives its steps and those of its inner calls, in order."""
        for step in self.steps:
            yield from step.all_steps() if isinstance(step, Call) else [step]

    def all_calls(self) -> Iterator["Call"]:
        """Gives its inner calls and theirs, each before those within it."""
        for step in self.steps:
            if isinstance(step, Call):
                yield step
                yield from step.all_calls()

    def reads(self) -> list[str]:
        """Names the values that it takes, each once, but for those that it makes."""
        made = {name for step in self.all_steps() for name in step.results}
        read = (name for step in self.all_steps() for name in step.reads())
        return [name for name in dict.fromkeys(read) if name not in made]


@dataclass
class Run:
    """What all calls of one forward pass share.

    The values are the weights, what follows the images, and sizes of tensors: an archive works each
    size out once, in any module, for all to use.
    """

    values: dict[str, Any]
    modules: dict[str, nn.Module]


class ExportedModule(nn.Module):
    """A module of the CNN that was exported, under its name and with its weights.

    It has a class of its own, named like the original's. Its output is what the original put out;
    several values come as a tuple.
    """

    def forward(self, *inputs: Any, call: Call, run: Run) -> Any:
        """Runs the steps of one call."""
        return _run(call, inputs, run)


class ExportedCNN(nn.Module):
    """The CNN of an archive, with the modules and the names of the CNN that was exported.

    Convolutions and linear layers are modules of PyTorch again. The archive is in eval mode or
    refused, so there is no mode to change.

    Attributes:
        input_shape: The shape that it was exported for, `(N, C, H, W)`, None where any size goes.
        targets: For the names that the steps use, the names of the weights.
        whole: The call that is the whole forward pass.
    """

    input_shape: tuple[int | None, ...]
    targets: dict[str, str]
    whole: Call

    def forward(self, images: Tensor) -> Any:
        """Runs the CNN on images `[N, C, H, W]`; N is 1 if that is what it was exported for.

        Raises:
            ValueError: The images do not have the shape that the CNN was exported for.
        """
        fits = len(images.shape) == len(self.input_shape) and all(
            wanted in (None, side)
            for wanted, side in zip(self.input_shape, images.shape, strict=True)
        )
        if not fits:
            wanted = ["any" if side is None else side for side in self.input_shape]
            raise ValueError(
                f"the archive was exported for images of shape {wanted}, not {list(images.shape)}. "
                "(Export with one image, or with dynamic_shapes for what shall vary.)"
            )
        values = {name: attrgetter(target)(self) for name, target in self.targets.items()}
        values |= {DEVICE.name: images.device, DTYPE.name: images.dtype}
        run = Run(values, dict(self.named_modules(remove_duplicate=False)))
        return _run(self.whole, (images,), run)


def _run(call: Call, inputs: tuple[Any, ...], run: Run) -> Any:
    """Runs the steps of one call on what goes into it."""
    values = dict(zip(call.inputs, inputs, strict=True))

    def resolve(value: Any) -> Any:
        if isinstance(value, Ref):
            return run.values[value.name] if value.name in run.values else values[value.name]
        return [resolve(part) for part in value] if isinstance(value, list) else value

    for step in call.steps:
        if isinstance(step, Step):
            kwargs = {key: resolve(value) for key, value in step.kwargs.items()}
            output = step.function(*map(resolve, step.args), **kwargs)
        else:
            module = run.modules[step.module]
            given = [values[name] for name in step.inputs]
            plain = not isinstance(module, ExportedModule)
            output = module(*given) if plain else module(*given, call=step, run=run)
        outputs = output if step.several else [output]
        kept = run.values if isinstance(step, Step) and step.is_size else values
        kept.update(zip(step.results, outputs, strict=True))
    results = tuple(values[name] for name in call.results)
    return results if call.several else results[0]
