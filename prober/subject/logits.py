"""Logits: which of a CNN's layers has the scores of the classes, and so goes by `logits`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from prober.common.inputs import Shape
from prober.subject.input_shape import some_input
from prober.subject.layers import LOGITS, Layer, Listing, seen_at
from prober.subject.nested_outputs import joined
from prober.subject.probabilities import find_numbered, find_probabilities
from prober.subject.unprobed import no_layer

TRIED = 2
"""Images that are tried: numbers that agree for all units of both do not agree by chance."""

TRIED_FOR_NUMBERS = 24
"""Images that are tried where an output is the number of the largest score."""


@dataclass
class Logits:
    """Chooses which layer goes by `logits`, and says so.

    Attributes:
        cnn: The CNN.
        name: What it is called.
        listing: Its layers. What is chosen is changed there.
        run: Runs it on an image `[1, C, H, W]` in [0, 1], whatever has gone through it before.
        shape: The shape of an image.
        notes: What a person should know of how the CNN was taken. What is chosen is added there.
    """

    cnn: nn.Module
    name: str
    listing: Listing
    run: Callable[[Tensor], Any]
    shape: Shape
    notes: list[str]

    def take_named(self, given: str) -> None:
        """Takes the layer that a person means: an output by its key, or any layer by its name.

        Raises:
            InputError: There is no such layer, or nothing can be had of it.
        """
        listing = self.listing
        output = f"{LOGITS}.{given.removeprefix('output.').removeprefix(f'{LOGITS}.')}"
        name = output if output in {*listing.measured, *listing.unprobed} else given
        if name not in listing.measured:
            raise no_layer(self.cnn, self.name, listing, name)
        if name != LOGITS:
            self._take(name, "as classes_from says")

    def take_evident(self) -> None:
        """Takes the layer that has the scores of the classes where it is plain which has them."""
        listing = self.listing
        only = "the only output that can be probed"
        open_ones = [name for name in listing.outputs if name not in listing.unprobed]
        taken = listing.measured.get(LOGITS)
        named = taken is not None and taken.path[-1:] == (LOGITS,)
        numbered = None if named else self._numbered()
        if numbered:
            self._take(numbered, f"whose largest unit has the number that {self.name} gives")
        elif listing.outputs and taken:
            self._say_taken(joined(LOGITS, taken.path), "by its name" if named else only)
        elif len(open_ones) == 1:  # the others have no gradient
            self._take(open_ones[0], only)
        elif listing.outputs:
            why = listing.unprobed[LOGITS]
            self.notes.append(f"{why[0].upper()}{why[1:]}.")
        elif listing.numbers and not taken:
            self.notes.append(
                f"{self.name} gives one whole number for each image, that of a class it may be, "
                "and it is not plain which layer has the scores: name it "
                "(model.subject.classes_from), or let the forward pass give them. Without them a "
                "report cannot say how many images are named right."
            )
        self._take_scores()

    def take_of(self, number: int) -> None:
        """Takes the only flat one of several outputs with so many units, unless `logits` has them.

        Args:
            number: How many classes there are.
        """
        taken = self.listing.measured.get(LOGITS)
        outputs = [n for n, layer in self.listing.outputs.items() if layer.shape == (number,)]
        if len(outputs) == 1 and (taken is None or taken.shape[0] != number):
            self._take(outputs[0], f"the only flat output of {number} units, one for each class")
            self._take_scores()

    def _take(self, name: str, why: str) -> None:
        """Lets a layer go by `logits`.

        Args:
            name: The layer.
            why: Why it is this one, as the end of a sentence.
        """
        listing = self.listing
        listing.measured[LOGITS] = listing.measured[name]
        listing.unprobed.pop(LOGITS, None)
        if name in listing.unprobed:
            listing.unprobed[LOGITS] = listing.unprobed[name]
        listing.sources.pop(LOGITS, None)
        if source := listing.sources.get(name, name if listing.measured[name].module else None):
            listing.sources[LOGITS] = source
        self._say_taken(name, why)

    def _say_taken(self, name: str, why: str) -> None:
        output = self.listing.measured[LOGITS].output
        begun = (f"The layer {LOGITS} is ", f"The units of {LOGITS} are ", "The CNN gives ")
        self.notes[:] = [note for note in self.notes if not note.startswith(begun)]
        self.notes.append(f"The layer {LOGITS} is {name} {output}, {why}.")

    def _numbered(self) -> str | None:
        """Finds the scores whose largest has the number that the CNN gives for an image."""
        numbers = self.listing.numbers
        if numbers is None:
            return None
        channels, *sides = self.shape
        generator = torch.Generator().manual_seed(0)
        plain = torch.rand(TRIED_FOR_NUMBERS, 1, channels, *[1] * len(sides), generator=generator)
        noise = torch.rand(TRIED_FOR_NUMBERS, 1, *self.shape, generator=generator)
        images = (plain + noise - 0.5).clamp(0, 1)
        try:
            return find_numbered(self._answers, images, self.listing.measured, numbers)
        except Exception:  # whatever a forward pass of other images may raise
            return None

    def _take_scores(self) -> None:
        """Takes for `logits` the scores that the CNN makes probabilities of, if it gives these."""
        layers = self.listing.layers
        output = layers.get(LOGITS)
        if output is None or len(output.shape) != 1:
            return
        images = some_input(self.shape, TRIED)[:, None]
        try:
            found = find_probabilities(self._answers, images, layers, output)
        except Exception:  # whatever a forward pass of other images may raise
            return
        if found is None:
            return
        function, scores = found
        flat = "whose gradient vanishes where the CNN is sure"
        if scores is None:
            self.notes.append(
                f"The units of {LOGITS} are probabilities ({function}), {flat}; no layer "
                "gives the scores that they are made of."
            )
        else:
            self._take(
                scores,
                f"of which the CNN gives the {function}: probabilities, {flat} "
                f"(model.subject.classes_from: {LOGITS} takes these all the same)",
            )

    def _answers(self, image: Tensor, layers: Mapping[str, Layer]) -> dict[str, Tensor]:
        """Returns what some layers answer to an image; if several images run, the first counts."""
        found: dict[str, Tensor] = {}

        def keep(name: str, _call: int, given: Tensor) -> None:  # of several calls the last counts
            found[name] = given[:1].double().clone()

        with torch.no_grad(), seen_at(self.cnn, layers, keep):
            self.run(image)
        return found
