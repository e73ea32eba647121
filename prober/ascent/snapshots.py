"""When snapshots of the image are taken."""

from typing import Any

from lightning.pytorch import Callback, Trainer

from prober.ascent.module import ActivationMaximization
from prober.common.errors import InputError


class AtSnapshots(Callback):
    """Calls `take` at the first step, every so many steps, and at the last, however it ends.

    At step s the image has been changed s times; it is in [0, 1].

    Args:
        every: Steps from one snapshot to the next, at least 1.

    Raises:
        InputError: `every` is below 1.
    """

    def __init__(self, every: int = 50) -> None:
        if every < 1:
            raise InputError(f"A snapshot every {every} steps cannot be; choose 1 or more.")
        self.every = every
        self._latest = -1

    def take(self, trainer: Trainer, module: ActivationMaximization, step: int) -> None:
        """Does what is to be done with the image at this step."""
        raise NotImplementedError

    def on_train_batch_start(self, trainer: Trainer, pl_module: Any, *_: Any) -> None:
        """Takes the first snapshot and those in between."""
        if trainer.global_step % self.every == 0:
            self._take_once(trainer, pl_module)

    def on_train_end(self, trainer: Trainer, pl_module: Any) -> None:
        """Takes the last snapshot."""
        self._take_once(trainer, pl_module)

    def on_exception(self, trainer: Trainer, pl_module: Any, exception: BaseException) -> None:
        """Takes the last snapshot of an interrupted or failed run."""
        self.on_train_end(trainer, pl_module)

    def _take_once(self, trainer: Trainer, module: ActivationMaximization) -> None:
        if trainer.global_step > self._latest:
            self.take(trainer, module, trainer.global_step)
            self._latest = trainer.global_step  # not before: Ctrl-C may have come in between
