"""The dummy datamodule that drives the steps."""

from collections.abc import Iterable
from itertools import repeat

from lightning.pytorch import LightningDataModule


class StepsDataModule(LightningDataModule):
    """One empty batch after the other: the image needs no data, the Trainer needs something.

    The Trainer's `max_steps` says how many.
    """

    def train_dataloader(self) -> Iterable[int]:
        """Returns endless empty batches: anything that can be iterated is a data loader to it."""
        return repeat(0)
