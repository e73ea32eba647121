"""The files of a run: the snapshots as pictures and as a film, the image, and the record."""

import time
from pathlib import Path
from typing import Any

import numpy as np
from lightning.pytorch import Callback, Trainer
from torch.utils.tensorboard.summary import hparams

from prober.ascent.image_files import write_image
from prober.ascent.losses import Measures
from prober.ascent.module import ActivationMaximization
from prober.ascent.snapshots import AtSnapshots
from prober.ascent.target_records import target_records
from prober.ascent.tensorboard import add_png, hyperparameters, tensorboard
from prober.common.drawn_inputs import drawn_one
from prober.common.files import write_whole
from prober.common.pictures import enlarge, gif, png


def run_folder(trainer: Trainer) -> Path | None:
    """Returns the folder of the Trainer's run, None if it logs nothing."""
    return Path(trainer.log_dir) if trainer.logger and trainer.log_dir else None


class Snapshots(AtSnapshots):
    """Writes the snapshots into the run's folder, and at the end as one moving picture.

    TensorBoard has them under one tag, so that its slider plays the evolution.

    Args:
        every: Steps from one snapshot to the next, at least 1.
    """

    def __init__(self, every: int = 50) -> None:
        super().__init__(every)
        self._frames: list[np.ndarray] = []

    def take(self, trainer: Trainer, module: ActivationMaximization, step: int) -> None:
        """Writes `evolution/step_0050.png`, enlarged so that each pixel can be seen."""
        if folder := run_folder(trainer):
            frame = enlarge(drawn_one(module.pictures().detach()[0]))
            file = png(frame)
            write_whole(folder / "evolution" / f"step_{step:04d}.png", file)
            self._frames.append(frame)
            if writer := tensorboard(trainer):
                add_png(writer, "image", file, step)

    def on_train_end(self, trainer: Trainer, pl_module: Any) -> None:
        """Takes the last snapshot, however the run ends, and writes `evolution.gif` of all."""
        super().on_train_end(trainer, pl_module)
        if (folder := run_folder(trainer)) and self._frames:
            write_whole(folder / "evolution.gif", gif(self._frames))


class RunRecord(Callback):
    """Writes the image and the run's record, also of a run that was interrupted or failed.

    Attributes:
        record: What `record.json` holds, once the run has ended.
    """

    def __init__(self) -> None:
        self.record: dict[str, Any] | None = None
        self._began = 0.0

    def on_train_start(self, trainer: Trainer, pl_module: Any) -> None:
        """Starts the clock."""
        self._began = time.perf_counter()

    def on_train_end(self, trainer: Trainer, pl_module: Any) -> None:
        """Writes the files of a run that has made all its steps."""
        end = pl_module.evaluate()
        pl_module.raise_if_none_is_left()  # the last step itself may have done it
        self._write(trainer, pl_module, end)

    def on_exception(self, trainer: Trainer, pl_module: Any, exception: BaseException) -> None:
        """Writes the files of a run that ended early."""
        if pl_module.start is not None:
            try:
                end = pl_module.evaluate()
            except Exception:  # what has failed may fail again
                end = pl_module.measures
            self._write(trainer, pl_module, end)

    def _write(self, trainer: Trainer, module: ActivationMaximization, end: Measures) -> None:
        seconds = time.perf_counter() - self._began
        self.record = target_records(module, end, trainer, seconds)[0]
        if folder := run_folder(trainer):
            image = module.pictures().detach()[0].float().cpu()
            opacity = None if module.matters is None else module.matters.opacity()[0].numpy()
            write_image(folder, image, opacity, self.record)
        if writer := tensorboard(trainer):
            for summary in hparams(*hyperparameters(self.record)):
                writer.file_writer.add_summary(summary)
