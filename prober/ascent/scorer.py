"""From images to their scores, through no more of the CNN than these need."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from prober.ascent.batched_objectives import BatchedObjectives
from prober.ascent.objectives import Neuron, Objective, Weighted, WeightedSum
from prober.subject import Subject
from prober.subject.crops import Crop, crop_of


@dataclass
class _Part:
    """Images that go through the CNN together.

    Attributes:
        pieces: What of which images goes through the CNN: parts of one size, each with the numbers
            of the images that it is cut out of; None for the whole.
        scores: Their scores, from what the CNN gives for that.
    """

    pieces: list[tuple[Crop | None, Tensor]]
    scores: BatchedObjectives

    def __call__(self, subject: Subject, images: Tensor) -> Tensor:
        """Computes the scores `[M]` of its M images out of all N."""
        layers, channels = self.scores.layers, self.scores.channels
        fields = [self._cut_out(images, *piece) for piece in self.pieces]
        field = torch.cat(fields) if len(fields) > 1 else fields[0]
        crop = self.pieces[0][0]
        if crop is None:
            return self.scores(subject(field, layers, channels))
        [layer] = layers
        return self.scores({layer: crop.outputs(subject, field, layer, channels)})

    def _cut_out(self, images: Tensor, crop: Crop | None, numbers: Tensor) -> Tensor:
        fields = images if crop is None else crop.of(images)
        if len(numbers) == len(images):
            return fields  # of all images: then they are in order
        return fields.index_select(0, numbers.to(images.device))


class Scorer:
    """Scores N images by N objectives.

    The forward pass stops at the deepest layer that is needed. Of an image whose objective looks at
    one neuron only what that sees goes through the CNN, where this gives the same.

    Args:
        subject: The frozen CNN under study.
        objectives: One for each image, resolved.

    Attributes:
        compares: Whether images are compared with each other.

    Raises:
        InputError: An image is to be compared with others, but there is no other.
    """

    def __init__(self, subject: Subject, objectives: Sequence[Objective]) -> None:
        self._subject = subject
        self._objectives = objectives
        self._whole = BatchedObjectives(objectives)
        self.compares = self._whole.compares
        # A subject may change its precision, and with it what can be cropped.
        self._parts: dict[torch.dtype, list[_Part]] = {}

    def __call__(self, images: Tensor) -> Tensor:
        """Computes the scores `[N]` of images `[N, C, H, W]`; on their graph."""
        precision = self._subject.mean.dtype
        if precision not in self._parts:
            self._parts[precision] = self._divided()
        parts = self._parts[precision]
        if len(parts) == 1 and len(parts[0].pieces) == 1:
            return parts[0](self._subject, images)
        scores = torch.cat([part(self._subject, images) for part in parts])
        order = torch.cat([numbers for part in parts for _, numbers in part.pieces]).argsort()
        return scores[order.to(scores.device)]

    def _divided(self) -> list[_Part]:
        """Puts images together of which equally large parts go through the CNN."""
        crops = [crop_for(self._subject, objective) for objective in self._objectives]
        if not any(crops):
            return [_Part([(None, torch.arange(len(crops)))], self._whole)]
        alike: dict[tuple, dict[Crop | None, list[int]]] = {}
        for i, crop in enumerate(crops):
            key = (self._objectives[i].layer, crop.size, crop.neuron, crop.padded) if crop else ()
            alike.setdefault(key, {}).setdefault(crop, []).append(i)
        return [
            _Part(
                [(crop, torch.tensor(own)) for crop, own in pieces.items()],
                BatchedObjectives(
                    [self._in_crop(i, crops[i]) for own in pieces.values() for i in own]
                ),
            )
            for pieces in alike.values()
        ]

    def _in_crop(self, image: int, crop: Crop | None) -> Objective:
        """An objective as it is of the map that a crop gives."""
        objective = self._objectives[image]
        if crop is None:
            return objective
        h, w = crop.neuron
        neurons = [replace(neuron, h=h, w=w) for neuron in _neurons(objective)]
        weights = [term.weight for term in objective.terms]
        return WeightedSum(tuple(map(Weighted, neurons, weights)))


def crop_for(subject: Subject, objective: Objective) -> Crop | None:
    """Returns the crop that gives a resolved objective its score; None for the whole image."""
    neurons = _neurons(objective)
    places = {(neuron.layer, neuron.h, neuron.w) for neuron in neurons}
    if len(neurons) < len(objective.terms) or len(places) > 1:
        return None
    ((layer, h, w),) = places
    assert h is not None and w is not None  # it is resolved
    channels = sorted({neuron.channel for neuron in neurons})
    return crop_of(subject, layer, (h, w), channels)


def share_seen(subject: Subject, objectives: Iterable[Objective]) -> float:
    """Returns the largest share of an image that goes through the CNN for one of some objectives.

    Args:
        subject: The CNN.
        objectives: The objectives, resolved.
    """
    pixels = math.prod(subject.input_shape[1:])
    crops = [crop_for(subject, objective) for objective in dict.fromkeys(objectives)]
    return max((math.prod(crop.size) / pixels if crop else 1.0 for crop in crops), default=1.0)


def _neurons(objective: Objective) -> list[Neuron]:
    """The single neurons that an objective looks at."""
    simple = [term.objective for term in objective.terms]
    return [each for each in simple if type(each) is Neuron]
