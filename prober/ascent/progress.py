"""The progress bar of every command."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Self, TextIO

from lightning.pytorch import Callback, Trainer
from tqdm import tqdm
from typing_extensions import override


@dataclass(eq=False)
class ProgressBar(Callback):
    """What is done of all, the time left, what is probed, and its score.

    The bar of one fit, from its first step to its last; or, used in a `with`, of all fits in it.

    Args:
        total: How much there is to do; None for the steps of the fit.
        unit: What is counted.
        done: Returns how much is done, None to count the steps.
        shown: Whether the bar is shown.
        every: Steps from one score to the next.
        file: Where it is shown; None for the standard error stream.
    """

    total: int | None = None
    unit: str = "it"
    done: Callable[[], int] | None = None
    shown: bool = True
    every: int = 10
    file: TextIO | None = None
    _bar: tqdm | None = field(default=None, init=False)
    _of_one_fit: bool = field(default=False, init=False)

    def __enter__(self) -> Self:
        """Shows the bar."""
        self._open(self.total)
        return self

    def __exit__(self, *_: object) -> None:
        """Leaves the bar as it is."""
        self.refresh()
        self._close()

    def refresh(self) -> None:
        """Counts what is done."""
        if self._bar is not None and self.done is not None:
            self._bar.n = self.done()
            self._bar.refresh()

    @override
    def on_train_start(self, trainer: Trainer, pl_module: Any) -> None:
        if self._bar is None:
            self._of_one_fit = True
            self._open(self.total or trainer.max_steps)
        if self._bar is not None:
            objectives = [target.objective for target in pl_module.targets]
            probed = objectives[0].name if len(objectives) == 1 else objectives[0].layer
            self._bar.set_description(probed)

    @override
    def on_train_batch_end(self, trainer: Trainer, pl_module: Any, *_: Any) -> None:
        if self._bar is None:
            return
        step = trainer.global_step
        now = step % self.every == 0 or step == trainer.max_steps
        if now:
            at = "" if self.done is None else f"step {step}, "
            score = pl_module.measures.score.mean().item()
            self._bar.set_postfix_str(f"{at}score={score:.4g}", refresh=False)
        if self.done is None:
            self._bar.update()
        elif now:
            self.refresh()

    @override
    def on_train_end(self, trainer: Trainer, pl_module: Any) -> None:
        if self._of_one_fit:
            self._close()
        elif self._bar is not None and self.done is None:  # what has settled needed fewer steps
            self._bar.update(trainer.max_steps - trainer.global_step)

    @override
    def on_exception(self, trainer: Trainer, pl_module: Any, exception: BaseException) -> None:
        # So that what is told next has a line of its own.
        if self._of_one_fit:
            self._close()

    def _open(self, total: int | None) -> None:
        if self.shown:
            self._bar = tqdm(
                total=total,
                initial=self.done() if self.done else 0,
                unit=self.unit,
                file=self.file,
                dynamic_ncols=True,
            )

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None
