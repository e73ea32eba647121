"""The dummy datamodule that drives the steps."""

from collections.abc import Iterator
from itertools import repeat

from lightning.pytorch import LightningDataModule


class StepsDataModule(LightningDataModule):
    """One empty batch after the other: the image needs no data, the Trainer needs something.

    The Trainer's `max_steps` says how many.
    """

    def train_dataloader(self) -> "Steps":
        """Returns endless empty batches."""
        return Steps()


class Steps:
    """Endless empty batches; anything that can be iterated is a data loader to Lightning."""

    def __iter__(self) -> Iterator[int]:
        """Goes on for as long as the Trainer asks."""
        return repeat(0)
