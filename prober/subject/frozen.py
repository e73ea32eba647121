"""A CNN whose weights are buffers: what is probed."""

import copy
import hashlib
import math
from collections.abc import Collection, Sequence
from typing import Any, Self, final

import torch
from torch import Tensor, nn

from prober.errors import InputError, suggestion
from prober.subject.loading import load_weights
from prober.subject.reference import ReferenceCNN

LOGITS = "logits"
"""The name that the output of the whole CNN goes by, beside the names of its layers."""


BIASED = "prober/subject/reference/biased.pt"
"""The reference CNN's checkpoint where no CNN is named."""


class _Reached(BaseException):
    """Ends a forward pass; no `Exception`, so that no CNN catches it by accident."""


@final
class Subject(nn.Module):
    """A frozen CNN that lists its layers and gives their outputs.

    The CNN given is copied; in the copy every parameter becomes a buffer, so it has none that
    could be trained, and it stays in eval mode whatever a parent module does. Images go in as
    they are seen, in [0, 1]; if the CNN was trained on normalized ones, `mean` and `std` normalize
    them here.

    Args:
        cnn: The CNN, in YAML by import path and arguments. Where none is given: the reference CNN
            that ships with the project, with its biased checkpoint if none is given either.
        checkpoint: Path of the CNN's state dict, relative to the working directory or the
            project. Without one the weights are those that the CNN is built with.
        input_shape: Channels, height and width of one input image.
        mean: What the CNN's training subtracted from each input channel, in [0, 1] units.
        std: What it then divided each input channel by, greater than 0.

    Attributes:
        shapes: For each layer that can be probed, in the order of the forward pass, and last for
            the logits, the shape of its output for one image: `(channels, h, w)` or `(units,)`.
        name: The CNN's class, with the checkpoint's name if there is one.
        sha256: SHA-256 of the CNN's weights and statistics when it was loaded.
        gives_logits: The name of the layer whose output is that of the whole CNN, if there is one.

    Raises:
        InputError: The checkpoint does not fit, the CNN rejects such input, or `mean` and `std`
            do not fit the input's channels.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        cnn: nn.Module | None = None,
        checkpoint: str | None = None,
        input_shape: tuple[int, int, int] = (3, 28, 28),
        mean: list[float] | None = None,
        std: list[float] | None = None,
    ) -> None:
        super().__init__()
        if cnn is None:
            cnn, checkpoint = ReferenceCNN(), checkpoint or BIASED
        self.cnn = copy.deepcopy(cnn)
        if checkpoint is not None:
            load_weights(self.cnn, checkpoint)
        _freeze(self.cnn)
        self.input_shape = tuple(input_shape)
        if min(self.input_shape) < 1:
            raise InputError(f"input_shape {list(input_shape)} has a side below 1.")
        for key, values, default in (("mean", mean, 0.0), ("std", std, 1.0)):
            statistic = _per_channel(key, values, default, self.input_shape[0])
            self.register_buffer(key, statistic, persistent=False)
        if not (self.std > 0).all():
            raise InputError(f"std {std} has a value that is not greater than 0.")
        self.normalizes = mean is not None or std is not None
        stem = checkpoint and checkpoint.replace("\\", "/").rsplit("/", 1)[-1].rsplit(".", 1)[0]
        self.name = type(cnn).__name__ + (f" ({stem})" if stem else "")
        self.checkpoint = checkpoint
        self.sha256 = self.hash_weights()
        self.train(False)
        self.shapes: dict[str, tuple[int, ...]] = {}
        self._no_channels: dict[str, str] = {}
        self._calls: dict[str, int] = {}
        self._list_layers()

    def train(self, mode: bool = True) -> Self:
        """Stays in eval mode, whatever is asked for."""
        return super().train(False)

    def forward(
        self, images: Tensor, layers: Collection[str], channels: Sequence[int] | None = None
    ) -> dict[str, Tensor]:
        """Runs the CNN as far as the deepest of the layers and returns their outputs.

        Args:
            images: `[N, C, H, W]` in [0, 1].
            layers: Names out of `shapes`. The whole CNN runs only for `"logits"`. A layer that
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
            self.check_layer(layer)
        outputs: dict[str, Tensor] = {}
        waiting = {name: self._calls[name] for name in layers if name in self._calls}
        wants_logits = LOGITS in layers and LOGITS not in self._calls
        handles = []

        def keep(name: str, output: Tensor) -> None:
            waiting[name] -= 1
            if waiting[name] <= 0:
                waiting.pop(name)
            if not waiting and not wants_logits:
                outputs[name] = output
                raise _Reached
            # The CNN may go on to change the output in place (an in-place ReLU, say).
            outputs[name] = output.clone()

        def keep_channels(name: str, convolution: nn.Conv2d, inputs: tuple[Tensor]) -> None:
            bias = convolution.bias
            # One channel, or several in a row, are a view; others are copied.
            first, last = channels[0], channels[-1] + 1
            index = slice(first, last) if last - first == len(channels) else channels
            outputs[name] = convolution._conv_forward(
                inputs[0], convolution.weight[index], None if bias is None else bias[index]
            )
            raise _Reached

        try:
            for name in list(waiting):
                if channels is not None and self.gives_channels(name):
                    before = lambda *hooked, name=name: keep_channels(name, *hooked)  # noqa: E731
                    handles.append(self.cnn.get_submodule(name).register_forward_pre_hook(before))
                    continue
                hook = lambda _module, _inputs, output, name=name: keep(name, output)  # noqa: E731
                handles.append(self.cnn.get_submodule(name).register_forward_hook(hook))
            logits = self.cnn(self._normalized(images))
            if wants_logits:
                outputs[LOGITS] = logits
        except _Reached:
            pass
        finally:
            for handle in handles:
                handle.remove()
        return outputs

    def gives_channels(self, layer: str) -> bool:
        """Tells whether a layer can compute some of its channels alone.

        A plain convolution can: each of its channels has weights of its own. In the deepest layer
        that is needed this saves most of the layer's work.
        """
        if self._calls.get(layer) != 1 or layer in self._called_by_keyword:
            return False
        module = self.cnn.get_submodule(layer)
        hooked = module._forward_hooks or module._forward_pre_hooks
        return type(module) is nn.Conv2d and module.groups == 1 and not hooked

    def check_layer(self, layer: str) -> tuple[int, ...]:
        """Returns the shape of a layer's output for one image.

        Raises:
            InputError: There is no such layer, or its output has no channels.
        """
        if layer in self.shapes:
            return self.shapes[layer]
        if layer in self._no_channels:
            raise InputError(
                f"Layer '{layer}' of {self.name} has no channels: its output is "
                f"{self._no_channels[layer]}, not [N, channels, h, w] or [N, units]. "
                f"Layers that can be probed: {', '.join(self.shapes)}."
            )
        raise InputError(
            f"{self.name} has no layer '{layer}'.{suggestion(layer, self.shapes)} "
            f"Its layers: {', '.join(self.shapes)}."
        )

    def computing_layers(self) -> list[str]:
        """Returns the convolutional and linear layers; the others only pass their channels on.

        The layer that gives the logits is left out: its units are the classes.
        """
        kinds = (nn.modules.conv._ConvNd, nn.Linear)
        return [
            name
            for name in self.shapes
            if name in self._calls
            and name != self.gives_logits
            and isinstance(self.cnn.get_submodule(name), kinds)
        ]

    def bytes_to(self, layer: str) -> int:
        """Returns the bytes of one image's float32 outputs of all layers up to this one."""
        numbers = math.prod(self.input_shape)
        for name, shape in self.shapes.items():
            numbers += math.prod(shape)
            if name == layer:
                break
        return 4 * numbers

    def hash_weights(self) -> str:
        """Returns the SHA-256 of the CNN's weights and statistics as they are now.

        Floating-point values are hashed as float64, so that a subject run in another, wider
        precision than it was loaded in has the same hash.
        """
        digest = hashlib.sha256()
        for name, value in sorted(self.cnn.state_dict().items()):
            value = value.detach().cpu().contiguous()
            value = value.double() if value.is_floating_point() else value
            digest.update(f"{name} {list(value.shape)}\n".encode())
            digest.update(value.numpy().tobytes())
        return digest.hexdigest()

    def _normalized(self, images: Tensor) -> Tensor:
        if self.normalizes:
            return (images - self.mean) / self.std
        # A CNN that starts in place must not change the image itself.
        return images.clone()

    def _list_layers(self) -> None:
        outputs: list[tuple[str, Any]] = []
        names = {module: name for name, module in self.cnn.named_modules() if name}
        self._called_by_keyword: set[str] = set()

        def note(module: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
            outputs.append((names[module], output))
            if not inputs:
                self._called_by_keyword.add(names[module])

        handles = [module.register_forward_hook(note) for module in names]
        reference = self.mean
        images = torch.zeros(1, *self.input_shape, dtype=reference.dtype, device=reference.device)
        try:
            with torch.no_grad():
                logits = self.cnn(self._normalized(images))
        except Exception as error:
            raise InputError(
                f"{self.name} rejects an input of shape {[1, *self.input_shape]}: {error} "
                "Set input_shape to what the CNN takes: [channels, height, width]."
            ) from error
        finally:
            for handle in handles:
                handle.remove()
        self.gives_logits = next((name for name, output in outputs if output is logits), None)
        for name, _ in outputs:
            self._calls[name] = self._calls.get(name, 0) + 1
        if LOGITS not in names.values():
            outputs.append((LOGITS, logits))
        for name, output in outputs:
            if isinstance(output, Tensor) and output.dim() in (2, 4) and output.shape[0] == 1:
                self.shapes[name] = tuple(output.shape[1:])
            else:
                is_tensor = isinstance(output, Tensor)
                kind = list(output.shape) if is_tensor else f"a {type(output).__name__}"
                self._no_channels[name] = str(kind)


def _freeze(cnn: nn.Module) -> None:
    """Turns every parameter of a CNN into a buffer of the same name, in place."""
    frozen: dict[int, Tensor] = {}  # a weight that two modules share stays shared
    for module in cnn.modules():
        for name, parameter in list(module._parameters.items()):
            del module._parameters[name]
            if parameter is not None:
                parameter = frozen.setdefault(id(parameter), parameter.detach())
            module._buffers[name] = parameter
        for name, buffer in module._buffers.items():
            if buffer is not None:
                module._buffers[name] = buffer.detach()


def _per_channel(key: str, values: Sequence[float] | None, default: float, channels: int) -> Tensor:
    if values is None:
        values = [default] * channels
    if len(values) != channels:
        raise InputError(
            f"{key} {list(values)} has {len(values)} values for an input of {channels} channels."
        )
    return torch.tensor(values, dtype=torch.float32).view(-1, 1, 1)
