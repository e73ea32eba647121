"""The subject: a CNN whose weights are buffers, and what its layers give for images."""

import hashlib
import math
from collections.abc import Collection, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from functools import cached_property
from numbers import Real
from typing import Any, Self, final

import numpy as np
import torch
from torch import Tensor, nn
from typing_extensions import override

from prober.common.errors import InputError, check_kinds
from prober.common.files import safe_name
from prober.common.inputs import Shape
from prober.common.patches import Conversion, ConvertsItself, hooks_of
from prober.subject.batchnorm_folding import Folding
from prober.subject.calling import Calling
from prober.subject.channel_layout import CONVOLUTIONS
from prober.subject.checkpoints.loading import load_cnn, load_weights
from prober.subject.class_names import read_class_names
from prober.subject.few_channels import gradients_in_blocks, takes_few_channels
from prober.subject.frozen_copy import copied, freeze, in_precision
from prober.subject.held_chances import HeldChances
from prober.subject.input_shape import known_input_shape, some_input
from prober.subject.late_layers import finish, gain_layers
from prober.subject.layers import LOGITS, Layer, Listing, list_layers, seen_at
from prober.subject.logits import Logits
from prober.subject.notes import notes_on
from prober.subject.passes import SingleSteps, other_weights, straight_checkpoints, watched
from prober.subject.reference import ReferenceCNN
from prober.subject.rejected import rejected, rejected_values
from prober.subject.state_between_calls import StateBetweenCalls
from prober.subject.unprobed import no_layer

BIASED = "prober/subject/reference/biased.pt"
"""The reference CNN's checkpoint where no CNN is named."""


class _Reached(BaseException):
    """Ends a forward pass; no `Exception`, so that no CNN catches it by accident."""


@final
class Subject(ConvertsItself):
    """A frozen CNN that lists its layers and gives their outputs.

    The CNN given may be on any device, in any precision and mode; it is copied and stays as it is,
    but that lazy weights are made.
    The copy is on the CPU, in float32; every parameter becomes a buffer, so it has none that could
    be trained, and it stays in eval mode whatever a parent module does. Hooks that were put on the
    CNN are not run. Images go in as they are seen, in [0, 1]; if the CNN was trained on others,
    `value_range`, `mean` and `std` make them such as it knows.

    Args:
        cnn: The CNN, in YAML by import path and arguments. Where none is given: the reference CNN
            that ships with the project, with its biased checkpoint if none is given either.
        checkpoint: Path of the CNN's weights, relative to the working directory or the project:
            a state dict, or another file of those that `docs/your_cnn.md` lists; some are a CNN by
            themselves and need no `cnn`. Without one the weights are those that the CNN is built
            with.
        input_shape: Channels, height and width of one input image; `[channels, length]` of a
            signal, `[channels, depth, height, width]` of a volume, `[numbers]` of a vector. Where
            none is given: `[3, 28, 28]` if the CNN takes it, else a usual shape that it takes.
        mean: What the CNN's training subtracted from each input channel, in units of
            `value_range`.
        std: What it then divided each input channel by, greater than 0.
        value_range: The values that stood for black and white before that: `(0, 255)` for a CNN
            that was trained on bytes. With `low` and `high`, the CNN gets
            `(low + (high - low) * image - mean) / std`.
        classes_from: Of a CNN that gives several outputs, which has the classes and so goes by
            `logits`: its key, `scores` or `1`, or the name of a layer. Where none is given: the
            only flat output with as many units as `classes` has names or real images have classes,
            the output whose key is `logits`, or the only one that can be probed.
        given: What the CNN takes beside the input that is optimized, by name or place: a number, a
            list of numbers, or the path of an array for one image (`.npy`).
        checkpoint_key: Which weights to take of a checkpoint that holds several sets: the key of
            their dictionary, `model_ema`, or what their names start with.
        classes: The names of the classes, in the order of the logits: a list, or a file of one
            name a line, or of JSON (a list, or names by number).

    Attributes:
        cnn: The copy of the CNN.
        listing: Its layers and what else was found when they were listed.
        weights: The names of the CNN's buffers that were parameters.
        notes: What a person should know of how the CNN was taken, as sentences.
        class_names: The names of the classes, None if they are not known.
        name: The CNN's class, with the checkpoint's name if there is one.
        sha256: SHA-256 of the CNN's weights and statistics when it was loaded.

    Raises:
        InputError: The CNN is of a kind that cannot be probed, the checkpoint does not fit, the
            CNN rejects such input, or `mean`, `std` and `value_range` do not fit it.

    Examples:
        The layers of the reference CNN, and what two of them give for four images:

        >>> subject = Subject()
        >>> list(subject.layers)[:4]
        ['conv1', 'relu1', 'pool1', 'conv2']
        >>> subject.layers["conv2"].shape
        (32, 14, 14)
        >>> outputs = subject(torch.rand(4, 3, 28, 28), ["conv2", "logits"])
        >>> {name: list(output.shape) for name, output in outputs.items()}
        {'conv2': [4, 32, 14, 14], 'logits': [4, 10]}

        A CNN of one's own stays as it is; its copy has nothing that could be trained:

        >>> cnn = nn.Sequential(nn.Conv2d(1, 4, 5), nn.ReLU())
        >>> subject = Subject(cnn, input_shape=(1, 16, 16), mean=[0.5], std=[0.2])
        >>> subject.name, len(list(subject.parameters())), len(list(cnn.parameters()))
        ('Sequential', 0, 2)
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        cnn: nn.Module | None = None,
        checkpoint: str | None = None,
        input_shape: tuple[int, ...] | None = None,
        mean: list[float] | None = None,
        std: list[float] | None = None,
        value_range: tuple[float, float] = (0.0, 1.0),
        classes_from: str | None = None,
        given: dict[str, float | str | list[float]] | None = None,
        checkpoint_key: str | None = None,
        classes: list[str] | str | None = None,
    ) -> None:
        super().__init__()
        exported = load_cnn(checkpoint) if cnn is None and checkpoint else None
        if cnn is None:
            cnn, checkpoint = exported or ReferenceCNN(), checkpoint or BIASED
        precisions = {tensor.dtype for tensor in cnn.parameters() if tensor.is_floating_point()}

        # A copy that nothing trains and no hook of others changes.
        finish(cnn, input_shape)
        self.cnn, hooked = copied(cnn)
        self.notes: list[str] = []
        if checkpoint is not None and exported is None:
            try:
                self.notes += load_weights(self.cnn, checkpoint, checkpoint_key)
            except InputError:
                if not gain_layers(self.cnn, input_shape):
                    raise
                self.notes += load_weights(self.cnn, checkpoint, checkpoint_key)
        self.weights = freeze(self.cnn)
        self.train(False)
        self.checkpoint = checkpoint
        stem = checkpoint and checkpoint.replace("\\", "/").rsplit("/", 1)[-1].rsplit(".", 1)[0]
        self.name = type(self.cnn).__name__ + (f" ({stem})" if stem else "")
        self.sha256 = self.hash_weights()
        self._modules_by_name = dict(self.cnn.named_modules())
        self._unhooked = {n: m for n, m in self._modules_by_name.items() if not any(hooks_of(m))}
        self._of_few_channels = [m for m in self._unhooked.values() if takes_few_channels(m)]
        self._attends = any(isinstance(m, nn.MultiheadAttention) for m in self.cnn.modules())
        self._folding: Folding | None = None

        # What it is called with. From here on `_called` can run it.
        self._call = Calling(self.cnn, given, precisions)
        self.input_shape, said = known_input_shape(input_shape, self.cnn, self._call.inputs.call)
        self.notes += said
        for key, values, default in (("mean", mean, 0.0), ("std", std, 1.0)):
            statistic = _per_channel(key, values, default, self.input_shape)
            self.register_buffer(key, statistic, persistent=False)
        if not (self.std > 0).all():
            raise InputError(f"std {std} has a value that is not greater than 0.")
        self._normalizes = mean is not None or std is not None
        self.value_range = _checked_range(value_range)
        self._chances = HeldChances()
        if hooked:
            names = ", ".join(f"'{name}'" if name else "the whole" for name in hooked)
            self.notes.append(f"The hooks that are on {self.name} ({names}) are not run.")

        # What some passes tell of its layers. From here on a pass can be asked for outputs.
        heard: list[str] = []
        with watched({"": self.cnn}, lambda name, *_: heard.append(name)):
            self.listing, self._state = self._listed()
        if not heard and any(not layer.module for layer in self.listing.measured.values()):
            raise InputError(
                f"{self.name} has a __call__ of its own, so that nothing can see what it gives: "
                "move what it does into forward, and leave __call__ to nn.Module."
            )
        self._chances.watches = False
        if self._chances.for_one_alone and self.listing.batch is None:
            self.listing.batch = 1
        for name in self._unmoved():
            self.listing.unprobed[name] = "it goes by what is given (model.subject.given) alone"
            del self.listing.measured[name]

        # Which of the layers has the classes, once it is known which there are.
        self._classes_from = classes_from
        if classes_from is None:
            self._logits().take_evident()
        else:
            self._logits().take_named(classes_from)
        self.class_names: tuple[str, ...] | None = None
        if classes is not None:
            of_classes = read_class_names(classes)
            self.take_classes(len(of_classes))
            self.name_classes(of_classes)
        as_seen = self.value_range == (0.0, 1.0) and not self._normalizes
        self.notes += notes_on(
            self.name, self.cnn, self.listing, as_seen, self.own_precision, self._chances
        )

    def _listed(self) -> tuple[Listing, StateBetweenCalls]:
        """Lists the layers, and what calls change, after finding out how the CNN is called.

        Raises:
            InputError: It does not take an input of this shape.
        """
        wrong: BaseException | None = None
        for _ in self._call.ways():
            state = StateBetweenCalls(self.cnn, self.weights)
            try:
                return list_layers(self.cnn, self._called, self._some_image(), state), state
            except Exception as error:  # whatever a forward pass may raise
                wrong = wrong or error
        assert wrong is not None  # as the first way has failed
        raise rejected(self.cnn, self.name, self.input_shape, self._call, wrong) from wrong

    def _unmoved(self) -> list[str]:
        """Returns those of the layers without a gradient to which given inputs alone lead."""
        cut = self.listing.cut
        if not self._call.inputs.given or not cut:
            return []
        one = self._some_image()
        with torch.no_grad():
            answers, others = (self(images, cut) for images in (one, 1 - one))
        return [name for name in cut if answers[name].equal(others[name])]

    def _some_image(self) -> Tensor:
        """Returns noise as the CNN takes it: one image, or as many as it takes at a time."""
        return self._call.filled(some_input(self.input_shape).to(self.mean))

    def take_classes(self, number: int) -> None:
        """Lets the output that has the classes go by `logits`, if it is plain which has them.

        That is the only flat one of several outputs with as many units as there are classes, unless
        `logits` has as many already, or what was given says which it is.

        Args:
            number: How many classes there are.
        """
        if self._classes_from is None and self.class_names is None:
            self._logits().take_of(number)

    def _logits(self) -> Logits:
        def run(image: Tensor) -> Any:
            return self.run(self._call.filled(image.to(self.mean)))

        return Logits(self.cnn, self.name, self.listing, run, self.input_shape, self.notes)

    def name_classes(self, names: Sequence[str]) -> None:
        """Gives the classes names, in the order of the logits.

        Raises:
            InputError: There are more classes, or fewer.
        """
        logits = self.listing.measured.get(LOGITS)
        number = logits.shape[0] if logits else 0
        if len(names) != number:
            raise InputError(
                f"classes has {len(names)} names, and {self.name} has {number} logits: give one "
                "name for each, in their order."
            )
        self.class_names = tuple(names)

    def class_name(self, layer: str, channel: int | None) -> str | None:
        """Returns the name of the class whose logit a unit is; None if it is none, or has none."""
        of_class = layer in (LOGITS, self.listing.gives_logits)
        if not of_class or self.class_names is None or channel is None:
            return None
        return self.class_names[channel]

    @property
    def layers(self) -> dict[str, Layer]:
        """The layers that can be probed, by name, in the order of the forward pass."""
        return self.listing.layers

    @property
    def own_precision(self) -> torch.dtype | None:
        """The only precision that the CNN computes in; None if it takes float32 and others."""
        return self._call.precision

    def depth(self, layer: str) -> int:
        """Returns the place of a layer, of those that can be measured, in the forward pass."""
        return list(self.listing.measured).index(layer)

    def folder_name(self, layer: str) -> str:
        """Returns what the folder of a layer is called, unlike those of all others."""
        return safe_name(layer, self.listing.measured)

    def check_layer(self, layer: str) -> tuple[int, ...]:
        """Returns the shape of a layer's output for one image.

        Raises:
            InputError: There is no such layer, or its output has no channels.
        """
        known = self.layers.get(layer)
        if known is None:
            raise no_layer(self.cnn, self.name, self.listing, layer)
        return known.shape

    def gives_channels(self, layer: str) -> bool:
        """Tells whether a layer can compute some of its channels alone.

        A plain convolution can: each of its channels has weights of its own. In the deepest layer
        that is needed this saves most of the layer's work.
        """
        known = self.layers.get(layer)
        if known is None or known.module != layer or known.calls != 1:
            return False
        module = self._modules_by_name[layer]
        return type(module) is nn.Conv2d and module.groups == 1 and layer in self._unhooked

    def computing_layers(self) -> list[str]:
        """Returns the convolutional and linear layers; the others only pass their channels on.

        The layer that gives the logits is left out: its units are the classes. Those that no
        gradient leads back from are among them.
        """
        kinds = (*CONVOLUTIONS, nn.Linear)
        return [
            name
            for name, layer in self.listing.measured.items()
            if name == layer.module
            and name != self.listing.gives_logits
            and isinstance(self._modules_by_name[name], kinds)
        ]

    def bytes_to(self, layer: str) -> int:
        """Returns the bytes of one image's float32 outputs of all layers up to this one."""
        numbers = math.prod(self.input_shape)
        for name, before in self.listing.measured.items():
            if before.calls == 1 or before.call is not None:  # the last call has two names
                numbers += math.prod(before.shape)
            if name == layer:
                break
        return 4 * numbers

    @override
    def train(self, mode: bool = True) -> Self:
        """Stays in eval mode, whatever is asked for."""
        return super().train(False)

    def forward(
        self, images: Tensor, layers: Collection[str], channels: Sequence[int] | None = None
    ) -> dict[str, Tensor]:
        """Runs the CNN as far as the deepest of the layers and returns their outputs.

        Args:
            images: `[N, C, H, W]` in [0, 1].
            layers: Names out of `layers`. The whole CNN runs only for `"logits"`. A layer that
                the CNN calls several times gives the output of its last call.
            channels: If only one layer is asked for, those of its channels that are needed. A
                layer for which `gives_channels` is true then computes no others.

        Returns:
            For each name the output, `[N, channels, h, w]` or `[N, units]`, on the graph of
            `images`.

        Raises:
            InputError: A layer has no such name, or no output with channels.
        """
        for layer in layers:
            if layer not in self.listing.measured:  # of which all but a gradient can be had
                self.check_layer(layer)
        batch = self.listing.batch
        if batch and len(images) != batch:
            parts = [
                {name: output[: len(part)] for name, output in found.items()}
                for part in images.split(batch)
                for found in [self(self._call.filled(part), layers, channels)]
            ]
            return {name: torch.cat([part[name] for part in parts]) for name in layers}
        with self._state.put_back():
            outputs = self._outputs(images, layers, channels)
        if self.own_precision is None:
            return outputs
        return {name: output.to(images.dtype) for name, output in outputs.items()}

    def entering(self, images: Tensor, layer: str) -> Tensor:
        """Runs the CNN as far as a layer and returns what would enter it.

        Args:
            images: `[N, C, H, W]` in [0, 1].
            layer: A layer for which `gives_channels` is true.

        Returns:
            `[N, channels, h, w]`, on the graph of `images`.

        Raises:
            InputError: The forward pass does not reach the layer.
        """
        entered: list[Tensor] = []

        def keep(_module: nn.Module, inputs: tuple[Any, ...]) -> None:
            entered.append(inputs[0])
            raise _Reached

        with (
            self._state.put_back(),
            suppress(_Reached),
            self._faster(images, [layer]),
            self._modules_by_name[layer].register_forward_pre_hook(keep),
        ):
            self._run(images)
        if not entered:
            raise self._not_reached(layer)
        return entered[0]

    def run(self, images: Tensor) -> Any:
        """Runs the whole CNN as it is, with nothing folded.

        Args:
            images: `[N, C, H, W]` in [0, 1]; N is `listing.batch` if there is one.

        Returns:
            What the CNN puts out, of any type.
        """
        with self._state.put_back():
            return self._run(images)

    def _outputs(
        self, images: Tensor, layers: Collection[str], channels: Sequence[int] | None
    ) -> dict[str, Tensor]:
        outputs: dict[str, Tensor] = {}
        wanted = {name: self.listing.measured[name] for name in layers}
        missing = set(wanted)

        def keep(name: str, call: int, output: Tensor) -> None:
            # Should the last call not come, for it depends on the image, the one before counts.
            if wanted[name].place[1] <= call:
                missing.discard(name)
            # The CNN may go on to change the output in place (an in-place ReLU, say).
            outputs[name] = output.clone() if missing else output
            if not missing:
                raise _Reached

        probed = {layer.module for layer in wanted.values()}
        with (
            suppress(_Reached),
            self._faster(images, probed),
            self._only(layers, channels),
            seen_at(self.cnn, wanted, keep),
        ):
            self._run(images)
        for name in layers:
            if name not in outputs:
                raise self._not_reached(name)
        return outputs

    @contextmanager
    def _faster(self, images: Tensor, probed: Collection[str]) -> Iterator[None]:
        """Makes passes cheaper, but in float64, the exact precision, in which it runs as it is."""
        if images.dtype == torch.float64:
            yield
            return
        with self.folding.applied(but=probed), gradients_in_blocks(self._of_few_channels):
            yield

    @property
    def folding(self) -> Folding:
        """The batch normalizations that run folded into convolutions, but in float64.

        Which, is found out when it is first needed, by some forward passes.
        """
        if self._folding is None:
            with self._state.put_back():
                image = self._some_image()
                folding = Folding(self._modules_by_name, self._unhooked, self._run, image)
            self._folding = folding.eval()
        return self._folding

    def _only(
        self, layers: Collection[str], channels: Sequence[int] | None
    ) -> AbstractContextManager[None]:
        """Makes a convolution compute only some of its channels, if it can."""
        [layer, *others] = layers
        if channels is None or others or not self.gives_channels(layer):
            return nullcontext()
        convolution = self._modules_by_name[layer]
        # One channel, or several in a row, are a view; others are copied.
        first, last = channels[0], channels[-1] + 1
        index = slice(first, last) if last - first == len(channels) else channels
        whole = {"weight": convolution.weight, "bias": convolution.bias}
        some = {name: value[index] for name, value in whole.items() if value is not None}
        return other_weights(convolution, **some)

    def _not_reached(self, layer: str) -> InputError:
        return InputError(
            f"The forward pass of {self.name} reached layer '{layer}' when its layers were "
            "listed, but not now: it depends on the image. Choose another layer; or, if you have "
            "not chosen it, set batchnorm_statistics to 0, that no picture is held to it."
        )

    def _run(self, images: Tensor) -> Any:
        try:
            with straight_checkpoints():
                return self._called(images)
        except (AssertionError, ValueError) as error:  # what checks raise
            raise rejected_values(self.name, images.detach(), error) from error

    def _called(self, images: Tensor) -> Any:
        steps = SingleSteps() if self._attends else nullcontext()
        with self._chances.of(images), steps:
            return self._call(self._normalized(images))

    def _normalized(self, images: Tensor) -> Tensor:
        low, high = self.value_range
        if (low, high) != (0.0, 1.0):
            images = low + (high - low) * images
        if self._normalizes:
            return (images - self.mean) / self.std
        # A CNN that starts in place must not change the image itself.
        return images.clone()

    def lay_out_channels_last(self) -> None:
        """Lays the weights out with the channels last, if the CNN takes it.

        Convolutions then run a third faster on a CPU. A CNN that calls `view` on a map raises an
        error; its weights stay as they were.
        """
        if self._takes_channels_last:
            self._lay_out(torch.channels_last)

    @cached_property
    def _takes_channels_last(self) -> bool:
        """Whether it does: tried once."""
        self._lay_out(torch.channels_last)
        images = some_input(self.input_shape, self.listing.batch or 2).to(self.mean)
        try:
            with torch.no_grad():
                self(images, [list(self.listing.measured)[-1]])
        except RuntimeError:
            self._lay_out(torch.contiguous_format)
            return False
        return True

    def _lay_out(self, layout: torch.memory_format) -> None:
        for buffer in self.buffers():
            if buffer.dim() == 4:
                buffer.data = buffer.data.to(memory_format=layout)

    @override
    def conversion(self, wanted: Conversion) -> Conversion:
        """Complex weights stay complex, and what is put back after a call comes along.

        A CNN that computes in one precision only keeps it; which it is, is found out here.
        """
        like = self.mean
        if wanted(like[:0]).dtype == torch.float64 != like.dtype:
            self.settle_precision()
        own = self.own_precision

        def convert(tensor: Tensor) -> Tensor:
            if own is not None and tensor.is_floating_point():
                return wanted(tensor).to(tensor.dtype)
            if not tensor.is_complex():
                return wanted(tensor)
            real = wanted(tensor.real)
            return in_precision(tensor.to(real.device), own or real.dtype)

        self._state.convert(convert)
        return convert

    def settle_precision(self) -> None:
        """Finds out whether the CNN computes in float64, too, and says so if it does not."""
        if self.mean.dtype == torch.float64 or self.own_precision is not None:
            return
        with self._state.put_back():
            image = self._some_image().double()
            with self._chances.of(image):
                takes = self._call.takes_float64(self._normalized(image))
        if not takes:
            self.notes.append(
                f"{self.name} computes in float32 wherever it runs, and not in float64; so it does "
                "here."
            )

    def hash_weights(self) -> str:
        """Returns the SHA-256 of the CNN's weights and statistics as they are now.

        Floating-point values are hashed as float64, so that a subject run in another, wider
        precision than it was loaded in has the same hash.
        """
        digest = hashlib.sha256()
        for name, value in sorted(self.cnn.state_dict().items()):
            if not isinstance(value, Tensor):  # what a module's get_extra_state gives
                continue
            value = in_precision(value.detach().cpu().contiguous(), torch.float64)
            digest.update(f"{name} {list(value.shape)}\n".encode())
            digest.update(value.numpy().reshape(-1).data)
        return digest.hexdigest()


def _per_channel(key: str, values: Sequence[float] | None, default: float, shape: Shape) -> Tensor:
    channels, *sides = shape
    if values is None:
        values = [default] * channels
    values = _numbers(key, values, "[0.5, 0.5, 0.5]")
    if len(values) != channels:
        raise InputError(
            f"{key} {list(values)} has {len(values)} values for an input of {channels} channels."
        )
    if not all(map(math.isfinite, values)):
        raise InputError(f"{key} {list(values)} has a value that is not finite.")
    return torch.tensor(values, dtype=torch.float32).view(-1, *[1] * len(sides))


def _numbers(key: str, given: Any, example: str) -> list[float]:
    """Returns numbers that are given as a list, or as a tensor or an array of any shape."""
    if isinstance(given, Tensor | np.ndarray) and given.ndim:
        given = given.flatten().tolist()
    if isinstance(given, list | tuple):
        given = [each.item() if isinstance(each, Tensor) else each for each in given]
    check_kinds(key, given, Real, example)
    return list(given)


def _checked_range(values: Sequence[float]) -> tuple[float, float]:
    values = _numbers("value_range", values, "[0, 255]")
    fits = len(values) == 2 and all(math.isfinite(value) for value in values)
    if not fits or not values[0] < values[1]:
        raise InputError(
            f"value_range {list(values)} is not [low, high], two finite numbers with low below "
            "high: [0, 1] or [0, 255], say."
        )
    return float(values[0]), float(values[1])
