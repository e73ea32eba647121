"""From images to their scores, through no more of the CNN than these need."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from prober.ascent.batched_objectives import BatchedObjectives
from prober.ascent.objectives import ChannelMean, Neuron, Objective, Weighted, WeightedSum
from prober.ascent.strangeness import strangeness
from prober.subject import Subject
from prober.subject.channel_means import ChannelMeans, channel_means
from prober.subject.crops import Crop, crop_of


@dataclass
class _Means:
    """Images whose score is the mean of a channel that need not be computed for it.

    Attributes:
        numbers: The images' numbers.
        means: Their scores.
    """

    numbers: Tensor
    means: ChannelMeans

    def __call__(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Computes the scores `[M]` of its M images out of all N; nobody asks how strange."""
        scores = self.means(_some(images, self.numbers))
        return scores, torch.zeros_like(scores)


@dataclass
class _Part:
    """Images that go through the CNN together.

    Attributes:
        subject: The CNN.
        pieces: What of which images goes through the CNN: parts of one size, each with the numbers
            of the images that it is cut out of; None for the whole.
        scores: Their scores, from what the CNN gives for that.
        normalizations: The batch normalizations that they are to be held to, if any.
    """

    subject: Subject
    pieces: list[tuple[Crop | None, Tensor]]
    scores: BatchedObjectives
    normalizations: tuple[str, ...] = ()

    @property
    def numbers(self) -> Tensor:
        """The images' numbers."""
        return torch.cat([numbers for _, numbers in self.pieces])

    def __call__(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Computes the scores `[M]` of its M images out of all N, and their strangeness `[M]`."""
        layers, channels = self.scores.layers, self.scores.channels
        fields = [
            _some(images if crop is None else crop.of(images), numbers)
            for crop, numbers in self.pieces
        ]
        field = torch.cat(fields) if len(fields) > 1 else fields[0]
        crop = self.pieces[0][0]
        if crop is None:
            outputs = self.subject(field, layers.union(self.normalizations), channels)
        else:
            [layer] = layers
            outputs = {layer: crop.outputs(self.subject, field, layer, channels)}
        scores = self.scores(outputs)
        if not self.normalizations:
            return scores, torch.zeros_like(scores)
        return scores, strangeness(self.subject, outputs, self.normalizations)


def _some(images: Tensor, numbers: Tensor) -> Tensor:
    """Returns those of these numbers, in ascending order; all of them as they are."""
    if len(numbers) == len(images):
        return images
    return images.index_select(0, numbers.to(images.device))


class Scorer:
    """Scores N images by N objectives.

    The forward pass stops at the deepest layer that is needed. Of an image whose objective looks at
    one neuron only what that sees goes through the CNN, where this gives the same.

    Args:
        subject: The frozen CNN under study.
        objectives: One for each image, resolved.
        normalizations: For each image the batch normalizations that tell how strange it is; None
            if nobody asks.

    Attributes:
        compares: Whether images are compared with each other.

    Raises:
        InputError: An image is to be compared with others, but there is no other.
    """

    def __init__(
        self,
        subject: Subject,
        objectives: Sequence[Objective],
        normalizations: Sequence[tuple[str, ...]] | None = None,
    ) -> None:
        self._subject = subject
        self._objectives = objectives
        self._normalizations = normalizations or [()] * len(objectives)
        self.compares = BatchedObjectives(objectives).compares
        # A subject may change its precision, and with it what can be cropped.
        self._divided: dict[torch.dtype, tuple[list[_Means | _Part], Tensor | None]] = {}

    def __call__(self, images: Tensor) -> Tensor:
        """Computes the scores `[N]` of images `[N, C, H, W]`; on their graph."""
        return self.with_strangeness(images)[0]

    def with_strangeness(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Computes the scores `[N]` of images `[N, C, H, W]`, and how strange these are.

        Returns:
            Both on the graph of the images; the second, `[N]`, as `strangeness` defines it, 0 of
            images without batch normalizations.
        """
        if images.dtype not in self._divided:
            with torch.inference_mode(False):  # the next images may have a graph, if not these
                parts = self._parts()
                numbers = torch.cat([part.numbers for part in parts])
                ascending = bool((numbers.diff() > 0).all())
                order = None if ascending else numbers.argsort()
            self._divided[images.dtype] = parts, order
        parts, order = self._divided[images.dtype]
        found = [part(images) for part in parts]

        def in_order(values: list[Tensor]) -> Tensor:
            together = torch.cat(values) if len(values) > 1 else values[0]
            return together if order is None else together[order.to(images.device)]

        return in_order([scores for scores, _ in found]), in_order([own for _, own in found])

    def _parts(self) -> list[_Means | _Part]:
        """Puts images together of which equally large parts go through equally much of the CNN."""
        parts: list[_Means | _Part] = []
        means: dict[str, dict[int, int]] = {}  # of each layer the images and their channels
        for i, objective in enumerate(self._objectives):
            # Of what is held to statistics, the normalizations before the layer are asked, too.
            if type(objective) is ChannelMean and not self._normalizations[i]:
                means.setdefault(objective.layer, {})[i] = objective.channel
        rest = set(range(len(self._objectives)))
        for layer, own in means.items():
            found = channel_means(self._subject, layer, list(own.values()))
            if found is not None:
                parts.append(_Means(torch.tensor(list(own)), found))
                rest.difference_update(own)
        alike: dict[tuple, dict[Crop | None, list[int]]] = {}
        for i in sorted(rest):
            key: tuple = self._normalizations[i]
            # A crop gives none of these.
            crop = None if key else crop_for(self._subject, self._objectives[i])
            if crop:
                key = (self._objectives[i].layer, crop.size, crop.neuron, crop.padded)
            alike.setdefault(key, {}).setdefault(crop, []).append(i)
        for pieces in alike.values():
            objectives = [self._in_crop(i, crop) for crop, own in pieces.items() for i in own]
            numbers = [(crop, torch.tensor(own)) for crop, own in pieces.items()]
            normalizations = self._normalizations[next(iter(pieces.values()))[0]]
            scores = BatchedObjectives(objectives)
            parts.append(_Part(self._subject, numbers, scores, normalizations))
        return parts

    def _in_crop(self, image: int, crop: Crop | None) -> Objective:
        """An objective as it is of the map that a crop gives."""
        objective = self._objectives[image]
        if crop is None:
            return objective
        h, w = crop.neuron
        neurons = [replace(neuron, h=h, w=w) for neuron in neurons_of(objective)]
        weights = [term.weight for term in objective.terms]
        return WeightedSum(tuple(map(Weighted, neurons, weights)))


def crop_for(subject: Subject, objective: Objective) -> Crop | None:
    """Returns the crop that gives a resolved objective its score; None for the whole image."""
    neurons = neurons_of(objective)
    places = {(neuron.layer, neuron.h, neuron.w) for neuron in neurons}
    if len(places) != 1:
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


def neurons_of(objective: Objective) -> list[Neuron]:
    """Returns the single neurons that an objective looks at; none if it looks at anything else."""
    neurons = [each.objective for each in objective.terms if type(each.objective) is Neuron]
    return neurons if len(neurons) == len(objective.terms) else []
