"""ActivationMaximization: gradient ascent on the input image, as a LightningModule."""

from collections.abc import Sequence
from contextlib import nullcontext
from functools import partial
from typing import Any

import torch
from lightning.pytorch import LightningModule
from torch import Tensor, nn

from prober.ascent.held import Holding
from prober.ascent.losses import Losses, Measures
from prober.ascent.matters import EVERY, Matters
from prober.ascent.method import Method
from prober.ascent.objectives import Objective
from prober.ascent.regularizers import Regularizer
from prober.ascent.settling import Settling
from prober.ascent.silent import Silent
from prober.ascent.starts import InitialImage
from prober.ascent.targets import Target, checked_seed
from prober.ascent.transforms import Transforms
from prober.common.errors import InputError
from prober.common.interrupts import no_interrupt_inside
from prober.common.patches import trainer_of
from prober.subject import Subject

ROUNDING, EXACT_ROUNDING = 1e-6, 1e-12
"""The share of a score by which it may change though nothing moves it: in float32, in float64."""


class ScoreNotFinite(InputError):
    """Every score, or its gradient, became NaN or infinite; the run cannot go on."""


class ActivationMaximization(LightningModule):
    """Synthesizes the image that a subject's channel, neuron or class wants to see.

    Gradient ascent on the input image after Erhan et al., "Visualizing higher-layer features of a
    deep network" (2009): each step evaluates the score, subtracts the weighted penalties, and
    lets Adam change the image, so that the picture stays in [0, 1]. The only parameter is `image`,
    the picture in its basis; everything of the subject is a buffer.

    Args:
        subject: The frozen CNN under study.
        targets: N targets, of any objectives, seeds, initial images and regularizers.
        method: How the images are optimized.

    Attributes:
        image: `[N, C, H, W]`, what the steps change: the pictures in their basis, or what they are
            means of, one for each target; once some targets have settled, of those that go on. The
            images do not mix, but for those that an objective compares (Diversity): each comes out
            as it would alone (bit for bit in float64).
        targets: The N targets, resolved.
        going: The numbers of the targets that `image` is of.
        settled_at: `[N]`, the steps after which a target settled, -1 if it did not.
        methods: For each target the method, resolved. They differ in the transforms, and in whether
            the statistics of batch normalizations are held, alone.
        start: What the pictures gave before the first step, None before it.
        measures: What the latest step saw before it changed the image, None before the first; of
            the transformed pictures, if there are transforms.
        excited: `[N]`, whether the score has changed at all since the first step. It has not if
            no gradient reaches the image (a dead unit).
        reached: Whether the scores lead back to the image at all, once a step has been made.
        silent: Which targets found no gradient from their start, and were led on through ReLUs
            that leak.
        matters: How much each pixel of the pictures matters; None if they are no images.
        failed_at: `[N]`, the step at which the score or its gradient became NaN or infinite, -1
            if they did not.

    Raises:
        InputError: The objective does not fit the subject, or a number is out of its range.
    """

    starts: Tensor | None
    _average: Tensor | None

    def __init__(
        self, subject: Subject, targets: Sequence[Target], method: Method = Method()
    ) -> None:
        super().__init__()
        shape = subject.input_shape
        self.automatic_optimization = False
        self.subject = subject
        resolved = [method.of_target(target, subject) for target in targets]
        self.methods = [own for own, _ in resolved]
        self.targets = [target for _, target in resolved]
        lr, averaging = self.methods[0].lr, self.methods[0].averaging
        parameterization = self.methods[0].parameterization
        # They are resolved.
        assert parameterization is not None and lr is not None and averaging is not None
        self.lr, self._averaging = lr, averaging
        self.basis = parameterization.basis(shape)
        self._holding = Holding(method.held, shape) if method.held else None
        seeds = [target.seed for target in self.targets]
        moved = [own.transforms or () for own in self.methods]
        self._transform = Transforms(moved, seeds, shape) if any(moved) else None
        statistics = [own.batchnorm_statistics or 0.0 for own in self.methods]
        self._losses = Losses(subject, self.targets, self._transform, statistics)
        self._losses_of_going = self._losses
        # One by one: Fourier transforms of a batch round otherwise.
        pictures = [_start(target).make(shape, target.seed)[None] for target in self.targets]
        encoded = [self.basis.encode(picture) for picture in pictures]
        self.image = nn.Parameter(torch.cat(encoded))
        starts = None
        if self._losses.of_change:
            # What the basis cannot show of the start is no change of it.
            starts = torch.cat([self._decoded(image) for image in encoded])
        self.register_buffer("starts", starts, persistent=False)
        self.going = torch.arange(len(self.targets))
        self.settled_at = torch.full((len(self.targets),), -1)
        self._ended: Tensor | None = None  # once some have, what all showed then
        average = self.image.detach().clone() if averaging > 1 else None
        self.register_buffer("_average", average, persistent=False)
        self._settling = Settling(method.settle) if method.settle else None
        self._one_by_one = False
        self.measures: Measures | None = None
        self.start: Measures | None = None
        self.excited = torch.zeros(len(self.targets), dtype=torch.bool)
        self.reached = False
        self.silent = Silent(self._losses, len(self.targets))
        self.matters = Matters(len(self.targets), shape[1:]) if len(shape) == 3 else None
        self.failed_at = torch.full((len(self.targets),), -1)

    def pictures(self) -> Tensor:
        """Returns the pictures of all targets, `[N, C, H, W]` in [0, 1]."""
        if self._ended is None:
            return self._decoded(self._shown)
        return self._decoded(self._ended.index_copy(0, self.going.to(self.device), self._shown))

    def training_step(self, batch: Any, batch_idx: int) -> None:
        """One step, by hand: the Trainer's own way of it takes a fifth of a small step's time.

        It leaves the pictures in [0, 1].

        Raises:
            ScoreNotFinite: No target is left.
        """
        optimizer: Any = self.optimizers()  # there is one, so it is no list
        optimizer.zero_grad()
        try:
            loss = self.loss_of_step()
        except StopIteration as error:  # of somebody's own part; Lightning would go on for ever
            raise RuntimeError(f"StopIteration: {error}") from error
        self.manual_backward(loss)
        self._silence_the_failed()
        with no_interrupt_inside():  # what an interrupted run leaves is of whole steps
            optimizer.step()
            self.basis.keep_valid(self.image.data)
            self._take_into_average(self.global_step)

    def on_train_batch_end(self, *_: Any) -> None:
        """Ends the targets that have settled, and the run when all have."""
        if self.end_settled(self.global_step):
            self.trainer.should_stop = True

    def has_moved(self, scores: Tensor) -> Tensor:
        """Tells which scores `[N]` are no longer what they were at the start, but for rounding."""
        assert self.start is not None  # a step has been made
        rounding = EXACT_ROUNDING if self.image.dtype == torch.float64 else ROUNDING
        start = self.start.score
        return ~((scores - start).abs() <= rounding * start.abs())

    def loss_of_step(self) -> Tensor:
        """Evaluates the image; the loss is the sum over images, so that they do not mix.

        A target whose score is NaN or infinite no longer counts; the others go on.

        Raises:
            ScoreNotFinite: No target is left.
        """
        if self._transform and self.start is None:
            self.start = self.evaluate()
        draw = self._of_going(self._transform.draw() if self._transform else None)
        starts = self._of_going(self.starts)
        begun = self._of_going(self.start.score if self.start else None)
        pictures = seen = self._decoded(self.image)
        if self.matters is not None and self.global_step % EVERY == 0:
            seen = pictures.view_as(pictures)  # has the gradient of the scores alone
        losses = self._losses_of_going
        measures = losses(pictures, starts, draw, self._exact, seen, begun)
        if not (self._one_by_one or measures.score.isfinite().all()):
            # In a batch the gradient of one target's NaN may reach the others (0 times NaN, where
            # they share a convolution), so from here on each goes through the subject alone.
            self._one_by_one = True
            measures = losses(pictures, starts, draw, self._exact, seen, begun)
        self._note_measures(measures)
        score, loss = measures.score, measures.loss
        finite = score.detach().isfinite()
        if not finite.all():
            self._note_failures(finite, self.going)
            self.raise_if_none_is_left()
            loss = loss[finite]
        if not loss.requires_grad:
            # Nothing leads back to the image, which is no error: it stays as it is.
            return loss.sum() + 0 * self.image.sum()
        total = loss.sum()
        if self.reached:
            leaky = self.silent.leaky_scores(
                self.image, pictures, score, self.going, draw, self._exact
            )
            if leaky is not None:
                # A silent target's own score is 0 in its image's gradient, so nothing counts twice.
                total = total - leaky.sum()
            if seen is not pictures:
                self._see_what_matters(score, seen)
        return total

    def _note_measures(self, measures: Measures) -> None:
        """Notes what a step has seen of the images that go on."""
        latest = measures.detached()
        if self._ended is not None and self.measures is not None:  # the others keep theirs
            latest = self.measures.updated(latest, self.going.to(self.device))
        self.measures = latest
        self.start = self.start or latest
        self.reached = measures.score.requires_grad  # else only the penalties move the image
        if self.reached:
            self.excited |= self.has_moved(latest.score).cpu()

    def _see_what_matters(self, score: Tensor, seen: Tensor) -> None:
        """Lets `matters` have the gradient of the scores at the view that these alone are of."""
        assert self.matters is not None  # else there is no such view
        if self._losses_of_going.pulls:  # that of the loss is not the scores' alone
            (gradient,) = torch.autograd.grad(score.sum(), seen, retain_graph=True)
            self.matters.add(gradient, self.going)
        else:
            seen.register_hook(partial(self.matters.add, going=self.going))

    @torch.no_grad()
    def evaluate(self) -> Measures:
        """Evaluates the pictures as they are now, without a step and without transforms."""
        trainer = trainer_of(self)  # whose precision it is to be in, as the steps are
        with trainer.precision_plugin.forward_context() if trainer else nullcontext():
            measures = self._losses(self.pictures(), self.starts, None, self._exact)
        self._note_failures(measures.score.isfinite(), torch.arange(len(self.targets)))
        return measures

    def end_settled(self, step: int) -> bool:
        """Ends targets whose score no longer rises: their images are left as they are now.

        Images that are compared with each other end together. A target whose score has not changed
        at all goes on: what the penalties change may wake it.

        Args:
            step: How many steps have been made.

        Returns:
            Whether no target is left to go on with.
        """
        if self._settling is None:
            return False
        assert self.measures is not None  # a step has been made
        settled = self._settling.settled(step, self.measures.score[self.going.to(self.device)])
        if settled is None:
            return False
        settled = settled.cpu() & self.excited[self.going]
        failed = self.failed_at[self.going] >= 0
        if self._losses.compares:
            settled = (settled | failed).all().expand_as(settled)
        self.settled_at[self.going[settled & ~failed]] = step
        rest = (~(settled | failed)).nonzero()[:, 0]
        if 0 < len(rest) < len(self.going):
            self._go_on_with(rest)
        return len(rest) == 0

    def raise_if_none_is_left(self) -> None:
        """Raises ScoreNotFinite if every target has failed."""
        if (self.failed_at >= 0).all():
            step = self.failed_at[0].item()
            other = "a smaller learning rate" if step else "another start"  # 0: nothing has moved
            raise ScoreNotFinite(
                f"The score of {self.targets[0].name} or its gradient became NaN or infinite at "
                f"step {step}. Try {other} or another layer; weights that are not finite can cause "
                "it, too."
            )

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Adam on the image alone."""
        # Fused Adam is faster, but rounds the last few numbers of an array otherwise than the
        # rest, so an image's bits would depend on its place in the batch: not for exact runs.
        exact = self.image.dtype == torch.float64
        try:
            return torch.optim.Adam([self.image], lr=self.lr, fused=not exact)
        except RuntimeError:  # PyTorch 2.2 has it on GPUs only
            return torch.optim.Adam([self.image], lr=self.lr)

    @property
    def _shown(self) -> Tensor:
        """What the pictures are of: the images, or their means over steps."""
        return self.image if self._average is None else self._average

    @property
    def _exact(self) -> bool:
        """Whether each image goes through the subject alone."""
        return self.image.dtype == torch.float64 or self._one_by_one

    def _decoded(self, images: Tensor) -> Tensor:
        """The pictures of images in their basis.

        In float64, the exact precision, one by one: Fourier transforms of a batch round otherwise.
        """
        if images.dtype == torch.float64 and len(images) > 1:
            pictures = torch.cat([self.basis.decode(image) for image in images.split(1)])
        else:
            pictures = self.basis.decode(images)
        return pictures if self._holding is None else self._holding(pictures)

    def _take_into_average(self, step: int) -> None:
        """Takes the images into their mean, if the pictures are of one.

        It reaches back over a quarter of the steps at most, and each step counts less than the
        next, the newest one part in `averaging`.

        Args:
            step: How many steps have been made.
        """
        if self._average is not None:
            self._average.lerp_(self.image.data, 1 / min(self._averaging, 1 + step // 4))

    def _of_going(self, of_all: Any) -> Any:
        """What those that go on have of something that all targets have; None stays None."""
        return of_all if of_all is None or self._ended is None else of_all[self.going]

    def _go_on_with(self, rest: Tensor) -> None:
        """Leaves the images of the others as they are, in a smaller batch.

        Args:
            rest: The places in `going`, and in `image`, of those that go on.
        """
        assert self._settling is not None
        here = rest.to(self.device)
        images, shown = self.image.data, self._shown.data
        whole = shown.clone() if self._ended is None else self._ended
        self._ended = whole.index_copy(0, self.going.to(self.device), shown)
        if self._average is not None:
            self._average = self._average[here]
        optimizer: Any = self.optimizers(use_pl_optimizer=False)
        state = optimizer.state[self.image]
        for name, value in state.items():
            if value.shape == images.shape:
                state[name] = value[here]
        self.image.data, self.image.grad = images[here], None
        self.going = self.going[rest]
        self._settling.keep(here)
        self._losses_of_going = self._losses.of(self.going.tolist())

    def _silence_the_failed(self) -> None:
        """Keeps the images of failed targets as free of NaN as they were."""
        gradient = self.image.grad
        assert gradient is not None  # every loss leads back to the image
        if not gradient.sum().isfinite():  # cheap, and rare enough to look closer
            self._note_failures(gradient.isfinite().flatten(1).all(1), self.going)
            self.raise_if_none_is_left()
        failed = self.failed_at[self.going] >= 0
        if failed.any():
            gradient[failed] = 0

    def _note_failures(self, finite: Tensor, numbers: Tensor) -> None:
        """Notes which of the targets of these numbers have failed now."""
        failed = numbers[~finite.cpu()]
        self.failed_at[failed[self.failed_at[failed] < 0]] = self.global_step


def _start(target: Target) -> InitialImage:
    assert target.initial_image is not None  # it is resolved
    return target.initial_image


def single_target(
    subject: Subject,
    objective: Objective,
    initial_image: InitialImage | None = None,
    regularizers: Sequence[Regularizer] | None = None,
    seed: int | None = None,
    **method: Any,
) -> ActivationMaximization:
    """Makes the module of one target, as the command `fit` describes it.

    Args:
        subject: The frozen CNN under study.
        objective: What is maximized: any Objective, such as ChannelMean, Neuron or DeepDream.
        initial_image: Where the optimization starts: GaussianNoise (that of `plain`), GrayNoise,
            LowFrequencyNoise, PinkNoise (that of `legible`) or a GivenImage.
        regularizers: Penalties with weights, such as L2, TotalVariation and Distance, any list of
            them, `[]` for none. Where none are given, the style's: `PLAIN_REGULARIZERS` of
            `plain`, none of `legible`.
        seed: Seed of the initial image's noise; where none is given, that of `seed_everything`.
        **method: The settings of `Method`.

    Raises:
        InputError: The objective does not fit the subject, or a number is out of its range.
    """
    seed = checked_seed(torch.initial_seed() if seed is None else seed)
    penalties = None if regularizers is None else tuple(regularizers)
    target = Target(objective, initial_image, penalties, seed)
    return ActivationMaximization(subject, [target], Method(**method))
