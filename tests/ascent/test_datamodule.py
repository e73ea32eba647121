from itertools import islice

from prober.ascent.datamodule import StepsDataModule


def test_batches_never_end_and_begin_anew():
    loader = StepsDataModule().train_dataloader()
    for _ in range(2):
        assert list(islice(loader, 5000)) == [0] * 5000
