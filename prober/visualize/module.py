"""ActivationMaximization: gradient ascent on the input image, as a LightningModule."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor, nn

from prober.errors import InputError
from prober.subject.frozen import Subject
from prober.visualize.images import GaussianNoise, InitialImage
from prober.visualize.objectives import Objective, Scores
from prober.visualize.regularizers import L2, Penalties, Regularizer, TotalVariation
from prober.visualize.targets import Target


@dataclass
class Measures:
    """What one evaluation of N images gives, detached.

    Attributes:
        score: `[N]`, what is maximized.
        loss: `[N]`, -score plus the weighted penalties.
        penalties: `[N]` for each regularizer's name, unweighted.
    """

    score: Tensor
    loss: Tensor
    penalties: dict[str, Tensor]


class ScoreNotFinite(InputError):
    """Every score, or its gradient, became NaN or infinite; the run cannot go on."""


class Clamp(Callback):
    """Clamps the image to [0, 1] after every step."""

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: "ActivationMaximization", *_: Any
    ) -> None:
        """Runs after each optimizer step."""
        pl_module.image.data.clamp_(0, 1)


class ActivationMaximization(LightningModule):
    """Synthesizes the image that a subject's channel, neuron or class wants to see.

    Gradient ascent on the input image after Erhan et al., "Visualizing higher-layer features of a
    deep network" (2009): each step evaluates the score, subtracts the weighted penalties, and
    lets Adam change the image, which is clamped to [0, 1] after every step. The only parameter is
    `image`; everything of the subject is a buffer.

    Args:
        subject: The frozen CNN under study.
        objective: What is maximized: ChannelMean, Neuron, TopKMean or ClassConditional.
        initial_image: Where the optimization starts: GaussianNoise (the default), GrayNoise or
            LowFrequencyNoise.
        regularizers: Penalties with weights: L2, TotalVariation, any list of them, `[]` for none.
            Where none are given: L2 at 1e-4 and TotalVariation at 1e-3.
        lr: Adam's learning rate, in pixel values, greater than 0.
        seed: Seed of the initial image's noise; where none is given, that of `seed_everything`.

    Attributes:
        image: `[N, C, H, W]` in [0, 1], N = 1 unless made by `of_targets`.
        targets: The N targets.
        start: What the first step saw, None before it.
        measures: What the latest step saw before it changed the image, None before the first.
        excited: `[N]`, whether the score has changed at all since the first step. It has not if
            no gradient reaches the image (a dead unit).
        failed_at: `[N]`, the step at which the score or its gradient became NaN or infinite, -1
            if they did not.

    Raises:
        InputError: The objective does not fit the subject, or a number is out of its range.
    """

    def __init__(
        self,
        subject: Subject,
        objective: Objective,
        initial_image: InitialImage = GaussianNoise(),  # noqa: B008 - a frozen value
        regularizers: Sequence[Regularizer] = (L2(), TotalVariation()),
        lr: float = 0.05,
        seed: int | None = None,
    ) -> None:
        super().__init__()
        self.automatic_optimization = False
        if initial_image is None or regularizers is None:  # what `key:` with no value is in YAML
            empty = "initial_image" if initial_image is None else "regularizers"
            raise InputError(f"model.{empty} is empty: give it a value, or leave out the key.")
        seed = torch.initial_seed() if seed is None else seed
        if not 0 <= seed < 2**63:
            raise InputError(f"The seed is {seed}; choose 0 to 2^63 - 1.")
        self._set_targets(
            subject, [Target(objective, initial_image, tuple(regularizers), seed)], lr
        )

    @classmethod
    def of_targets(cls, subject: Subject, targets: Sequence[Target], lr: float = 0.05) -> Self:
        """Makes a module that optimizes several targets together, one image each.

        Args:
            subject: The frozen CNN under study.
            targets: N targets, of any objectives, seeds, initial images and regularizers.
            lr: Adam's learning rate, greater than 0.

        Returns:
            A module whose image is `[N, C, H, W]`. The images do not mix: each comes out as it
            would alone (bit for bit in float64).
        """
        first = targets[0]
        module = cls(
            subject, first.objective, first.initial_image, first.regularizers, lr, first.seed
        )
        module._set_targets(subject, targets, lr)
        return module

    def _set_targets(self, subject: Subject, targets: Sequence[Target], lr: float) -> None:
        if not 0 < lr < float("inf"):
            raise InputError(f"The learning rate is {lr}; it must be greater than 0.")
        self.subject = subject
        self.lr = lr
        self.targets = [
            Target(t.objective.resolved(subject), t.initial_image, t.regularizers, t.seed)
            for t in targets
        ]
        objectives = [target.objective for target in self.targets]
        self._scores = Scores(objectives)
        self._scores_alone = [Scores([objective]) for objective in objectives]
        self._penalties = Penalties([target.regularizers for target in self.targets])
        shape = subject.input_shape
        self.image = nn.Parameter(
            torch.stack([t.initial_image.make(shape, t.seed) for t in self.targets])
        )
        self._one_by_one = False
        self.measures: Measures | None = None
        self.start: Measures | None = None
        self.excited = torch.zeros(len(self.targets), dtype=torch.bool)
        self.failed_at = torch.full((len(self.targets),), -1)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
        """Evaluates images, one for each target.

        Args:
            images: `[N, C, H, W]` in [0, 1].

        Returns:
            Scores `[N]`, losses `[N]`, and the unweighted penalties `[N]` by name.
        """
        if images.dtype == torch.float64 or self._one_by_one:
            scores = self._exact_scores(images)
        else:
            scores = self._scores(self.subject(images, self._scores.layers, self._scores.channels))
        penalties, weighted = self._penalties(images)
        return scores, weighted - scores, penalties

    def training_step(self, batch: Any, batch_idx: int) -> None:
        """One step, by hand: the Trainer's own way of it takes a fifth of a small step's time.

        Raises:
            ScoreNotFinite: No target is left.
        """
        optimizer = self.optimizers()
        optimizer.zero_grad()
        self.manual_backward(self.loss_of_step())
        self._still_the_failed()
        optimizer.step()

    def loss_of_step(self) -> Tensor:
        """Evaluates the image; the loss is the sum over images, so that they do not mix.

        A target whose score is NaN or infinite no longer counts; the others go on.

        Raises:
            ScoreNotFinite: No target is left.
        """
        score, loss, penalties = self(self.image)
        if not (self._one_by_one or score.isfinite().all()):
            # In a batch the gradient of one target's NaN may reach the others (0 times NaN, where
            # they share a convolution), so from here on each goes through the subject alone.
            self._one_by_one = True
            score, loss, penalties = self(self.image)
        self.measures = Measures(
            score.detach(), loss.detach(), {k: v.detach() for k, v in penalties.items()}
        )
        self.start = self.start or self.measures
        if score.requires_grad:  # else only the penalties move the image
            self.excited |= (self.measures.score != self.start.score).cpu()
        finite = self.measures.score.isfinite()
        if not finite.all():
            self._note_failures(finite)
            self.raise_if_none_is_left()
            loss = loss[finite]
        if not loss.requires_grad:
            # Nothing leads back to the image, which is no error: it stays as it is.
            return loss.sum() + 0 * self.image.sum()
        return loss.sum()

    @torch.no_grad()
    def evaluate(self) -> Measures:
        """Evaluates the image as it is now, without a step."""
        measures = Measures(*self(self.image))
        self._note_failures(measures.score.isfinite())
        return measures

    def raise_if_none_is_left(self) -> None:
        """Raises ScoreNotFinite if every target has failed."""
        if (self.failed_at >= 0).all():
            raise ScoreNotFinite(
                f"The score of {self.targets[0].name} or its gradient became NaN or infinite at "
                f"step {self.failed_at[0].item()}. Try a smaller learning rate or another layer; "
                "weights that are not finite can cause it, too."
            )

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Adam on the image alone."""
        # Fused Adam is faster, but rounds the last few numbers of an array otherwise than the
        # rest, so an image's bits would depend on its place in the batch: not for exact runs.
        exact = self.image.dtype == torch.float64
        return torch.optim.Adam([self.image], lr=self.lr, fused=not exact)

    def configure_callbacks(self) -> list[Callback]:
        """The image stays in [0, 1] under any Trainer."""
        return [Clamp()]

    def _exact_scores(self, images: Tensor) -> Tensor:
        # The kernels of a batch round otherwise than those of one image (matrix products, the
        # ends of vectorized loops, memory alignment), so in float64, the exact precision, each
        # image goes through the subject alone and in memory of its own: bit for bit as in `fit`.
        scores = [
            score(self.subject(image, score.layers, score.channels))
            for image, score in zip(images.split(1), self._scores_alone, strict=True)
        ]
        return torch.cat(scores) if len(scores) > 1 else scores[0]

    def _still_the_failed(self) -> None:
        """Keeps the images of failed targets as free of NaN as they were."""
        gradient = self.image.grad
        if not gradient.sum().isfinite():  # cheap, and rare enough to look closer
            self._note_failures(gradient.isfinite().flatten(1).all(1))
            self.raise_if_none_is_left()
        if (self.failed_at >= 0).any():
            gradient[self.failed_at >= 0] = 0

    def _note_failures(self, finite: Tensor) -> None:
        self.failed_at[~finite.cpu() & (self.failed_at < 0)] = self.global_step
