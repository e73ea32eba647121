"""How a CNN is called: with all its inputs, in its own precision, on as many images as it takes."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from prober.common.patches import convert_tensors
from prober.subject.frozen_copy import in_precision
from prober.subject.given_inputs import Given, GivenInputs

BATCHES = (2, 4, 8, 16, 32, 64, 3, 5, 10, 128)
"""Numbers of images that are tried where a CNN does not take one."""


class Calling:
    """Calls a CNN as it takes to be called, whatever the precision of the images is.

    Args:
        cnn: The CNN, in float32.
        given: What it takes beside the images.
        before: The precisions that its weights had before they became float32.

    Attributes:
        inputs: What it takes beside the images.
        precision: The only one that it computes in; None if it takes float32 and others.
        batch: The number of images that it takes at a time, None for any.
    """

    def __init__(self, cnn: nn.Module, given: Given | None, before: set[torch.dtype]) -> None:
        self._cnn = cnn
        self._before = before
        self.inputs = GivenInputs(cnn, given)
        self.precision: torch.dtype | None = None
        self.batch: int | None = None

    def __call__(self, images: Tensor) -> Any:
        """Runs the CNN on images as it knows them, `[N, C, H, W]`, N being `batch` if there is one.

        Returns:
            What it gives, in its own precision.
        """
        return self.inputs.call(self._cnn, images.to(self.precision or images.dtype))

    def ways(self) -> Iterator[None]:
        """Tries one way of calling after the other: whoever goes on has found that it fails.

        First as it is, then with numbers as columns, then in the precision that its weights had,
        then on batches of several images.
        """
        yield
        if self.inputs.numbers:
            self.inputs.as_columns = True
            yield
            self.inputs.as_columns = False
        others = sorted(self._before - {torch.float32}, key=str)
        for self.precision in others:
            self._convert(self.precision)
            yield
            self._convert(torch.float32)
        self.precision = None
        for self.batch in BATCHES:
            yield
        self.batch = None

    def filled(self, images: Tensor) -> Tensor:
        """Repeats the last of some images until they are as many as the CNN takes."""
        if self.batch is None or len(images) >= self.batch:
            return images
        last = images[-1:].expand(self.batch - len(images), *images.shape[1:])
        return torch.cat([images, last])

    def takes_float64(self, images: Tensor) -> bool:
        """Finds out whether the CNN, which is in float32, computes in float64, too.

        A CNN that makes its input float32 does not, or one that asks for the input's precision.

        Args:
            images: Some that it takes, in float64.
        """
        self._convert(torch.float64)
        try:
            with torch.no_grad():
                self(images)
        except Exception:  # whatever a forward pass may raise
            self.precision = torch.float32
        finally:
            self._convert(torch.float32)
        return self.precision is None

    def _convert(self, precision: torch.dtype) -> None:
        convert_tensors(self._cnn, lambda tensor: in_precision(tensor, precision))
