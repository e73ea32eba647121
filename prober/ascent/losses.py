"""What is made small: for many images the penalties less the scores, with each image on its own."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, partial

import torch
from torch import Tensor

from prober.ascent.regularizers import Penalties
from prober.ascent.scorer import Scorer
from prober.ascent.strangeness import normalizations_before
from prober.ascent.targets import Target
from prober.ascent.transforms import Draw, Transforms
from prober.subject import Subject


@dataclass
class Measures:
    """What one evaluation of N images gives.

    Attributes:
        score: `[N]`, what is maximized.
        loss: `[N]`, -score plus the weighted penalties; its gradient is also that of the pull to
            the statistics of the training, which its value leaves out.
        penalties: `[N]` for each regularizer's name, unweighted.
    """

    score: Tensor
    loss: Tensor
    penalties: dict[str, Tensor]

    def detached(self) -> "Measures":
        """Returns them without their graph."""
        penalties = {name: value.detach() for name, value in self.penalties.items()}
        return Measures(self.score.detach(), self.loss.detach(), penalties)

    def updated(self, newer: "Measures", numbers: Tensor) -> "Measures":
        """Returns them with newer ones of some of the images, by their numbers `[M]`."""
        penalties = self.penalties | {
            name: self.penalties[name].index_copy(0, numbers, value)
            for name, value in newer.penalties.items()
        }
        return Measures(
            self.score.index_copy(0, numbers, newer.score),
            self.loss.index_copy(0, numbers, newer.loss),
            penalties,
        )


class Losses:
    """The losses of the pictures of N targets, which do not mix.

    Args:
        subject: The frozen CNN under study.
        targets: N targets, resolved.
        transforms: What the pictures are transformed by before the subject sees them, or None.
        statistics: For each target how strongly its picture is held to the batch normalization
            statistics of the training, as `Method` says it.

    Attributes:
        compares: Whether pictures are compared with each other; then, and only then, they mix.
        of_change: Whether a penalty needs to know where the pictures started.
        pulls: Whether any is so held.
    """

    def __init__(
        self,
        subject: Subject,
        targets: Sequence[Target],
        transforms: Transforms | None,
        statistics: Sequence[float],
    ) -> None:
        self._subject, self._targets, self._transforms = subject, targets, transforms
        self._statistics = statistics
        self.pulls = any(statistics)
        objectives = [target.objective for target in targets]
        before = cache(partial(normalizations_before, subject))
        self._normalizations = [
            before(each.layers) if strength else ()
            for each, strength in zip(objectives, statistics, strict=True)
        ]
        self._scores = Scorer(subject, objectives, self._normalizations)
        self._penalties = Penalties([target.regularizers or () for target in targets])
        self.compares = self._scores.compares
        self.of_change = self._penalties.of_change
        self._alone: list[Scorer] = []

    def of(self, numbers: Sequence[int]) -> "Losses":
        """Returns those of some of the targets."""
        targets = [self._targets[i] for i in numbers]
        statistics = [self._statistics[i] for i in numbers]
        return Losses(self._subject, targets, self._transforms, statistics)

    def __call__(
        self,
        pictures: Tensor,
        starts: Tensor | None,
        draw: Draw | None,
        exact: bool,
        seen: Tensor | None = None,
        begun: Tensor | None = None,
    ) -> Measures:
        """Evaluates pictures.

        Args:
            pictures: `[N, C, H, W]` in [0, 1].
            starts: `[N, C, H, W]`, what they were at the start, if a penalty is `of_change`.
            draw: How they are transformed, which the penalties do not see; None for not at all.
            exact: Whether each goes through the subject alone.
            seen: A view of `pictures` that the scores alone are of; None for these themselves.
            begun: `[N]`, the scores at the start. None there, where nothing has been gained that
                the pull to the statistics of the training could be a part of.
        """
        scores, strange = self._scored(pictures if seen is None else seen, draw, exact)
        penalties, weighted = self._penalties(pictures, starts)
        loss = weighted - scores
        if self.pulls and begun is not None:
            gains = (scores.detach() - begun).clamp_min(0)
            pull = loss.new_tensor(self._statistics) * gains * strange
            # It weighs as much as has been gained by now, so only its gradient means something.
            loss = loss + (pull - pull.detach())
        return Measures(scores, loss, penalties)

    def scores(self, pictures: Tensor, draw: Draw | None, exact: bool) -> Tensor:
        """Evaluates the scores alone, `[N]`; takes what evaluating the losses does."""
        return self._scored(pictures, draw, exact)[0]

    def _scored(self, pictures: Tensor, draw: Draw | None, exact: bool) -> tuple[Tensor, Tensor]:
        if exact and not self.compares:
            return self._scored_alone(pictures, draw)
        return self._scores.with_strangeness(self._transformed(pictures, draw))

    def _scored_alone(self, pictures: Tensor, draw: Draw | None) -> tuple[Tensor, Tensor]:
        # The kernels of a batch round otherwise than those of one image (matrix products, the
        # ends of vectorized loops, memory alignment), so in float64, the exact precision, each
        # image goes through the subject alone and in memory of its own: bit for bit as in `fit`.
        if not self._alone:
            self._alone = [
                Scorer(self._subject, [target.objective], [own])
                for target, own in zip(self._targets, self._normalizations, strict=True)
            ]
        found = []
        for i, picture in enumerate(pictures.split(1)):
            seen = self._transformed(picture, None if draw is None else draw[i : i + 1])
            found.append(self._alone[i].with_strangeness(seen))
        if len(found) == 1:
            return found[0]
        return torch.cat([scores for scores, _ in found]), torch.cat([own for _, own in found])

    def _transformed(self, pictures: Tensor, draw: Draw | None) -> Tensor:
        if self._transforms is None or draw is None:
            return pictures
        return self._transforms(pictures, draw)
