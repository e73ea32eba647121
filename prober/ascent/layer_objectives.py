"""Objectives of a whole layer: directions in its space, all of it, the likeness of an image."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor
from torch.nn import functional as F
from typing_extensions import override

from prober.ascent.given_images import DIGITS, LabelledImages, read_images
from prober.ascent.objectives import Simple
from prober.ascent.starts import GivenImage
from prober.common.errors import InputError, named_kind, suggestion
from prober.common.files import find_file, read_npy
from prober.subject import Subject

BATCH_BYTES = 64 * 2**20
"""Bytes of activations that are held at once while the means of a class are taken."""


@dataclass(frozen=True)
class OfLayer(Simple):
    """An objective of all channels of a layer together.

    Args:
        layer: Name of the layer.
    """

    layer: str
    channel = None

    @override
    def resolved(self, subject: Subject) -> Self:
        subject.check_layer(self.layer)
        return self


@dataclass(frozen=True)
class DeepDream(OfLayer):
    """Mean square of all activations of a layer: whatever it sees, more of it.

    After Mordvintsev et al., "Inceptionism: going deeper into neural networks" (2015).

    Args:
        layer: Name of the layer.
    """

    @property
    @override
    def name(self) -> str:
        """`conv2_all`."""
        return f"{self.layer}_all"

    @override
    def scores(self, maps: Tensor, alike: Sequence[Self]) -> Tensor:
        """Means of A² over channels, h and w."""
        return maps.square().flatten(1).mean(1)


@dataclass(frozen=True)
class ClassDifference:
    """A direction: the mean activation of one class's images minus that of another's.

    Means go over images and positions, after Kim et al., "Interpretability beyond feature
    attribution: quantitative testing with concept activation vectors" (2018), where such a
    difference of means is the simplest of a concept's directions.

    Args:
        of: Name of the class that the direction leads to.
        against: Name of the class that it leads away from.
        data: Images with classes: `digits` (those that ship with the project), a folder whose
            subfolders are classes, or the import path of a LightningDataModule.
    """

    of: str | int
    against: str | int
    data: str = DIGITS


@dataclass(frozen=True)
class Direction(OfLayer):
    """Activations along a direction of a layer's channel space.

    The mean over h and w of A[:, h, w] · v / |v|; after Olah et al., "The building blocks of
    interpretability" (2018).

    Args:
        layer: Name of the layer.
        vector: Path of an array `[channels]` (`.npy`), or the difference of two classes' means.
    """

    vector: str | ClassDifference
    _unit: Tensor | None = field(default=None, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Checks that the vector is given in a form that a record can name."""
        if not isinstance(self.vector, str | ClassDifference):
            raise InputError(
                f"vector of {type(self).__name__} is {named_kind(self.vector)}; save it with "
                "numpy.save('direction.npy', vector) and give 'direction.npy', or give a "
                "ClassDifference."
            )

    @property
    @override
    def name(self) -> str:
        """`conv2_direction_7_against_1`, `conv2_direction_stripes`."""
        if isinstance(self.vector, ClassDifference):
            told = f"{self.vector.of}_against_{self.vector.against}"
        else:
            told = Path(self.vector).stem
        return f"{self.layer}_{self._called}_{told}".replace("/", "_")

    _called = "direction"

    @override
    def resolved(self, subject: Subject) -> Self:
        """Reads or computes the vector, whose length does not count."""
        channels = subject.check_layer(self.layer)[0]
        if self._unit is not None:
            return self
        if isinstance(self.vector, ClassDifference):
            vector = _difference(self.vector, subject, self.layer)
        else:
            vector = _read_vector(self.vector, self.layer, channels)
        if not vector.norm() > 0:
            raise InputError(
                f"The direction of '{self.layer}' is zero everywhere, so it leads nowhere."
            )
        found = replace(self)
        object.__setattr__(found, "_unit", vector / vector.norm())
        return found

    @override
    def record(self) -> dict[str, Any]:
        """The vector stands in it as it was given."""
        given = self.vector
        return super().record() | {"vector": given if isinstance(given, str) else vars(given)}

    @classmethod
    @override
    def settings_of(cls, record: Mapping[str, Any]) -> dict[str, Any]:
        vector = record["vector"]
        if not isinstance(vector, str):
            vector = ClassDifference(**vector)
        return {"layer": record["layer"], "vector": vector}

    @override
    def scores(self, maps: Tensor, alike: Sequence[Self]) -> Tensor:
        """Means over h and w of the activations along the vector."""
        return self._along(maps).flatten(1).mean(1)

    def _along(self, maps: Tensor) -> Tensor:
        assert self._unit is not None  # it is resolved
        return torch.einsum("nchw,c->nhw", maps, self._unit.to(maps))


@dataclass(frozen=True)
class CosineDirection(Direction):
    """The cosine of the angle between activations and a direction of a layer's channel space.

    Its mean over h and w, in [-1, 1]: the activations shall point this way and no other, however
    weak they are.

    Args:
        layer: Name of the layer.
        vector: Path of an array `[channels]` (`.npy`), or the difference of two classes' means.
    """

    _called = "cosine"

    @override
    def scores(self, maps: Tensor, alike: Sequence[Self]) -> Tensor:
        """Means over h and w of the cosines."""
        lengths = torch.linalg.vector_norm(maps, dim=1).clamp_min(1e-6)
        return (self._along(maps) / lengths).flatten(1).mean(1)


@dataclass(frozen=True)
class Caricature(OfLayer):
    """What a layer sees in a given image, exaggerated.

    The product of the activations with those of the given image, A · B / |B|, times the cosine of
    their angle where it is above 0.1, so that more of the same counts and not more of anything;
    after Olah et al., "Feature visualization" (2017), and Lucid's caricatures (2018).

    Args:
        layer: Name of the layer.
        image: Path of the image: a picture, or an array (`.npy`).
    """

    image: str
    _seen: Tensor | None = field(default=None, init=False, repr=False, compare=False)

    @property
    @override
    def name(self) -> str:
        """`conv2_caricature_seven`."""
        return f"{self.layer}_caricature_{Path(self.image).stem}"

    @torch.no_grad()
    @override
    def resolved(self, subject: Subject) -> Self:
        """Looks what the layer sees in the given image."""
        super().resolved(subject)
        if self._seen is not None:
            return self
        picture = GivenImage(self.image).make(subject.input_shape, seed=0)
        seen = subject(picture[None].to(subject.mean), [self.layer])[self.layer].flatten(1)
        if not seen.norm() > 0:
            raise InputError(f"Nothing in '{self.image}' excites '{self.layer}'; give another.")
        found = replace(self)
        object.__setattr__(found, "_seen", seen / seen.norm())
        return found

    @override
    def scores(self, maps: Tensor, alike: Sequence[Self]) -> Tensor:
        """Products with what the layer saw, times their cosines."""
        assert self._seen is not None  # it is resolved
        maps = maps.flatten(1)
        products = maps @ self._seen.to(maps)[0]
        cosines = products / torch.linalg.vector_norm(maps, dim=1).clamp_min(1e-6)
        return products * cosines.clamp_min(0.1)


@dataclass(frozen=True)
class Diversity(OfLayer):
    """How little the image of a seed is like those of the other seeds, as a layer sees them.

    Minus the mean cosine of the angles between its Gram matrix (channels by channels, summed over
    h and w) and theirs, so -1 where all are alike and 0 where they share nothing; after Olah et
    al., "Feature visualization" (2017). A term beside another objective: `ChannelMean("conv2", 3)
    + 2 * Diversity("conv2")`. Only images of equal objectives are compared.

    Args:
        layer: Name of the layer.
    """

    compares = True

    @property
    @override
    def name(self) -> str:
        """`conv2_diversity`."""
        return f"{self.layer}_diversity"

    @override
    def scores(self, maps: Tensor, alike: Sequence[Self]) -> Tensor:
        """Minus the mean likeness to the other images."""
        flat = maps.flatten(2)
        grams = F.normalize((flat @ flat.mT).flatten(1))
        likeness = grams @ grams.T
        others = likeness.sum(1) - likeness.diagonal()
        return -others / (len(maps) - 1)


def _read_vector(path: str, layer: str, channels: int) -> Tensor:
    vector = read_npy(find_file(path, "Direction"), "a direction's array")
    if vector.shape != (channels,):
        raise InputError(
            f"The direction '{path}' is {list(vector.shape)}; '{layer}' has {channels} channels, "
            f"so it must be [{channels}]."
        )
    if not vector.isfinite().all():
        raise InputError(f"The direction '{path}' has values that are NaN or infinite.")
    return vector


@torch.no_grad()
def _difference(given: ClassDifference, subject: Subject, layer: str) -> Tensor:
    """The difference `[channels]` of two classes' mean activations."""
    data = read_images(given.data, subject.input_shape)
    first, second = (_class_mean(name, data, subject, layer) for name in (given.of, given.against))
    return first - second


def _class_mean(name: str | int, data: LabelledImages, subject: Subject, layer: str) -> Tensor:
    if str(name) not in data.classes:
        raise InputError(
            f"There is no class '{name}' in {data.name}.{suggestion(str(name), data.classes)} "
            + (f"Its classes: {', '.join(data.classes)}." if data.classes else "It has no classes.")
        )
    images = data.images[data.labels == data.classes.index(str(name))]
    if not len(images):
        raise InputError(f"Class '{name}' of {data.name} has no image that can be used.")
    size = max(1, BATCH_BYTES // subject.bytes_to(layer))
    sums = []
    for batch in images.to(subject.mean).split(size):
        output = subject(batch, [layer])[layer]
        sums.append(output.reshape(*output.shape[:2], -1).mean(2).sum(0))
    return sum(sums[1:], start=sums[0]) / len(images)
