"""Runs with the callbacks of `fit`, and what they leave behind."""

from contextlib import suppress
from pathlib import Path

import numpy as np
from lightning.pytorch import Callback
from lightning.pytorch.loggers import TensorBoardLogger
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from prober.ascent.module import single_target
from prober.ascent.objectives import ChannelMean
from prober.ascent.run_files import RunRecord, Snapshots
from prober.ascent.tensorboard import TensorBoardScalars
from tests import plain


def run(folder, steps, every, before=(), log_every_n_steps=10):
    module = single_target(plain.subject(), ChannelMean("conv1", 2), seed=1, style="plain")
    logger = TensorBoardLogger(folder, name="run", version=0, default_hp_metric=False)
    record = RunRecord()
    callbacks = [*before, record, Snapshots(every), TensorBoardScalars()]
    with suppress(KeyError):
        plain.fit(
            module,
            steps,
            callbacks=callbacks,
            logger=logger,
            log_every_n_steps=log_every_n_steps,
        )
    logger.experiment.flush()
    return Path(logger.log_dir), module, record


def snapshots(folder):
    paths = sorted((folder / "evolution").iterdir())
    return {path.name: np.asarray(Image.open(path)) for path in paths}


def events(folder):
    return EventAccumulator(str(folder), size_guidance={"images": 0, "scalars": 0}).Reload()


class Keep(Callback):
    """Keeps the image after so many steps."""

    def __init__(self):
        self.images = []

    def on_train_batch_start(self, trainer, pl_module, *_):
        self.images.append(pl_module.image.detach()[0].clone().numpy())

    def on_train_end(self, trainer, pl_module):
        self.images.append(pl_module.image.detach()[0].clone().numpy())
