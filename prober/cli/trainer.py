"""The Trainer as people may ask for it: its defaults, and what cannot be."""

from collections.abc import Callable, Sequence
from inspect import signature
from typing import Any

import torch
from jsonargparse import Namespace
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint
from lightning.pytorch.core.optimizer import LightningOptimizer
from torch import nn
from typing_extensions import override

from prober.ascent.datamodule import StepsDataModule
from prober.common.errors import InputError

TRAINER_DEFAULTS = {
    "max_steps": 500,
    "max_epochs": -1,
    "precision": "64-true",
    "devices": 1,
    "log_every_n_steps": 25,
    "enable_progress_bar": True,
    "enable_checkpointing": False,
    "enable_model_summary": False,
}
"""The Trainer's arguments where none are given and a command has no others."""


def check_trainer(arguments: Namespace) -> None:
    """Refuses a Trainer whose steps would make no image.

    Args:
        arguments: The Trainer's arguments.

    Raises:
        InputError: It makes no step, or keeps the image in half precision, or no CPU can do it.
    """
    if arguments.max_steps < 1:
        raise InputError(f"trainer.max_steps is {arguments.max_steps}; choose 1 or more.")
    precision = str(arguments.precision)
    if precision.startswith(("16-true", "bf16-true", "transformer-engine")):
        raise InputError(
            f"trainer.precision {precision} would keep the image in half precision, where small "
            "steps are lost: choose bf16-mixed, which computes the CNN in it, or 32-true, 64-true."
        )
    if precision in ("16", "16-mixed") and not torch.cuda.is_available():
        raise InputError(f"trainer.precision {precision} needs a GPU: choose bf16-mixed.")


def check_callbacks(callbacks: Sequence[Callback]) -> None:
    """Refuses callbacks that watch what no run logs, which they would say after the last step.

    Args:
        callbacks: Those that were given.

    Raises:
        InputError: One of them watches something.
    """
    for each in callbacks:
        if isinstance(each, EarlyStopping | ModelCheckpoint) and each.monitor is not None:
            kind = type(each).__name__
            raise InputError(
                f"trainer.callbacks: {kind} monitors '{each.monitor}', and a run logs nothing that "
                "a callback could monitor. To end where the score no longer rises, give "
                "model.settle."
            )


class OneStep(LightningModule):
    """Does nothing, once, as the module of an image does its steps: by hand."""

    def __init__(self) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.number = nn.Parameter(torch.zeros(1))

    @override
    def training_step(self, *_: Any) -> None:
        optimizer = self.optimizers()
        assert isinstance(optimizer, LightningOptimizer)  # there is one
        optimizer.step()

    @override
    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD([self.number], lr=0.0)


def rehearse(make_trainer: Callable[[dict[str, Any]], Trainer], arguments: dict[str, Any]) -> None:
    """Makes one step of nothing with a Trainer, so that what it refuses is known in time.

    Lightning checks some of its arguments when the Trainer is made, some when the run starts, some
    never, so that they fail where they are used.

    Args:
        make_trainer: Makes the Trainer that the command uses, of these arguments. It shall write
            nothing.
        arguments: The Trainer's arguments that were given.

    Raises:
        InputError: It cannot be made, or it makes no step; the text names the argument.
    """
    failure = _failure(make_trainer, arguments)
    if failure is None:
        return
    parameters = signature(Trainer).parameters
    usual = {key: TRAINER_DEFAULTS.get(key, parameters[key].default) for key in arguments}
    for name, value in arguments.items():
        if value != usual[name] and not _failure(make_trainer, arguments | {name: usual[name]}):
            raise InputError(f"trainer.{name} is {value!r}, which cannot be: {failure}")
    raise InputError(f"The Trainer cannot be used: {failure}")


def _failure(
    make_trainer: Callable[[dict[str, Any]], Trainer], arguments: dict[str, Any]
) -> str | None:
    """Says why a Trainer of these arguments makes no step, None if it makes one."""
    try:
        with torch.random.fork_rng(devices=[]):
            trainer = make_trainer(arguments | {"max_steps": 1})
            trainer.fit(OneStep(), datamodule=StepsDataModule())
    except (Exception, SystemExit) as error:  # Lightning raises whatever its parts do
        return str(error) or type(error).__name__
    return None if trainer.global_step else "no step would be made."
