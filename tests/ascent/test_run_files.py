import json

from lightning.pytorch import Callback
from PIL import Image

from prober.ascent.module import single_target
from prober.ascent.objectives import ChannelMean
from prober.ascent.run_files import RunRecord, Snapshots
from prober.ascent.tensorboard import TensorBoardScalars
from tests import plain
from tests.ascent.runs import run, snapshots


class Breaks(Callback):
    """Ends the run in the middle."""

    def on_train_batch_end(self, trainer, pl_module, *_):
        if trainer.global_step == 5:
            raise KeyError


def test_run_that_breaks_keeps_the_image_the_snapshots_and_a_record(tmp_path):
    folder, _, record = run(tmp_path / "broken", 20, 3, before=[Breaks()])
    whole, _, _ = run(tmp_path / "whole", 5, 3)
    assert list(snapshots(folder)) == ["step_0000.png", "step_0003.png", "step_0005.png"]
    with Image.open(folder / "evolution.gif") as film:
        assert film.n_frames == 3
    assert (folder / "final.npy").read_bytes() == (whole / "final.npy").read_bytes()
    assert record.record == json.loads((folder / "record.json").read_text(encoding="utf-8"))
    assert record.record["status"] == "interrupted"
    assert record.record["steps"] == 5
    assert record.record["dead"] is False


def test_nothing_is_written_without_a_logger(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    record = RunRecord()
    module = single_target(plain.subject(), ChannelMean("conv1", 2), seed=1, style="plain")
    callbacks = [record, Snapshots(1), TensorBoardScalars()]
    plain.fit(module, 2, callbacks=callbacks)
    assert record.record["status"] == "finished"
    assert list(tmp_path.iterdir()) == []
