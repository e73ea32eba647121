import json
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import torch
from lightning.pytorch import Callback
from lightning.pytorch.loggers import TensorBoardLogger
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from prober.ascent.module import visualization
from prober.ascent.objectives import ChannelMean
from prober.ascent.run_files import RunRecord, SnapshotFiles
from prober.ascent.tensorboard import TensorBoardImages, TensorBoardScalars
from prober.common.errors import InputError
from tests import plain


def run(folder, steps, every, before=(), log_every_n_steps=10):
    module = visualization(plain.subject(), ChannelMean("conv1", 2), seed=1)
    logger = TensorBoardLogger(folder, name="run", version=0, default_hp_metric=False)
    record = RunRecord()
    callbacks = [
        *before,
        record,
        SnapshotFiles(every),
        TensorBoardScalars(),
        TensorBoardImages(every),
    ]
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


@pytest.mark.parametrize(
    ("steps", "every", "expected"),
    [
        (1, 50, [0, 1]),
        (7, 3, [0, 3, 6, 7]),
        (6, 3, [0, 3, 6]),
        (3, 1, [0, 1, 2, 3]),
        (4, 5, [0, 4]),
        (5, 5, [0, 5]),
    ],
)
def test_snapshots_are_the_first_every_so_many_and_the_last(tmp_path, steps, every, expected):
    folder, _, _ = run(tmp_path, steps, every)
    assert list(snapshots(folder)) == [f"step_{step:04d}.png" for step in expected]
    assert [image.step for image in events(folder).Images("image")] == expected


class Keep(Callback):
    """Keeps the image after so many steps."""

    def __init__(self):
        self.images = []

    def on_train_batch_start(self, trainer, pl_module, *_):
        self.images.append(pl_module.image.detach()[0].clone().numpy())

    def on_train_end(self, trainer, pl_module):
        self.images.append(pl_module.image.detach()[0].clone().numpy())


def test_snapshot_of_a_step_is_the_image_after_so_many_steps(tmp_path):
    keep = Keep()
    folder, _, _ = run(tmp_path, 8, 3, before=[keep])
    pictures = snapshots(folder)
    shown = {image.step: image for image in events(folder).Images("image")}
    with Image.open(folder / "evolution.gif") as film:
        assert film.n_frames == 4
    for step in (0, 3, 6, 8):
        pixels = np.round(keep.images[step].astype(np.float32) * 255).transpose(1, 2, 0)
        expected = np.kron(pixels.astype(np.uint8), np.ones((10, 10, 1), np.uint8))
        assert np.array_equal(pictures[f"step_{step:04d}.png"], expected)
        assert (shown[step].width, shown[step].height) == (280, 280)
    assert len({picture.tobytes() for picture in pictures.values()}) == 4


class Breaks(Callback):
    """Ends the run within a step, after the image was changed and before it is clamped."""

    def on_train_batch_end(self, trainer, pl_module, *_):
        if trainer.global_step == 5:
            pl_module.image.data.add_(9)
            raise KeyError


def test_run_that_breaks_keeps_the_image_the_snapshots_and_a_record(tmp_path):
    folder, _, record = run(tmp_path, 20, 3, before=[Breaks()])
    assert list(snapshots(folder)) == ["step_0000.png", "step_0003.png", "step_0005.png"]
    with Image.open(folder / "evolution.gif") as film:
        assert film.n_frames == 3
    assert (np.load(folder / "final.npy") == 1).all()
    assert record.record == json.loads((folder / "record.json").read_text(encoding="utf-8"))
    assert record.record["status"] == "interrupted"
    assert record.record["steps"] == 5
    assert record.record["dead"] is False


@pytest.mark.parametrize(("every", "steps"), [(10, [0, 4]), (3, [0, 3, 4]), (1, [0, 1, 2, 3, 4])])
def test_scalars_are_logged_as_often_as_the_trainer_says(tmp_path, every, steps):
    keep = Keep()
    folder, _, _ = run(tmp_path, 4, 50, before=[keep], log_every_n_steps=every)
    acc = events(folder)
    images = torch.from_numpy(np.stack([keep.images[step] for step in steps]))
    expected = plain.outputs(images)["conv1"][:, 2].mean((1, 2)).tolist()
    values = {
        "score": expected,
        "penalty/l2": [plain.l2(image) for image in images],
        "penalty/total_variation": [plain.total_variation(image) for image in images],
        "image/min": images.flatten(1).amin(1).tolist(),
        "image/max": images.flatten(1).amax(1).tolist(),
        "image/colorfulness": [plain.colorfulness(image) for image in images],
    }
    for tag, figures in values.items():
        assert [scalar.step for scalar in acc.Scalars(tag)] == steps
        logged = [scalar.value for scalar in acc.Scalars(tag)]
        assert logged == pytest.approx(figures, rel=1e-4, abs=1e-6), tag


def test_no_scalars_in_between_where_none_are_asked_for(tmp_path):
    folder, _, _ = run(tmp_path, 3, 50, log_every_n_steps=0)
    assert [scalar.step for scalar in events(folder).Scalars("score")] == [3]


def test_single_step_that_raises_the_score_is_not_dead(tmp_path):
    _, _, record = run(tmp_path, 1, 50)
    assert record.record["score_end"] > record.record["score_start"]
    assert record.record["dead"] is False


@pytest.mark.parametrize("callback", [SnapshotFiles, TensorBoardImages])
@pytest.mark.parametrize("every", [0, -3])
def test_interval_out_of_range_is_told(callback, every):
    with pytest.raises(InputError, match=f"every {every} steps"):
        callback(every)


def test_nothing_is_written_without_a_logger(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    record = RunRecord()
    module = visualization(plain.subject(), ChannelMean("conv1", 2), seed=1)
    callbacks = [record, SnapshotFiles(1), TensorBoardScalars(), TensorBoardImages(1)]
    plain.fit(module, 2, callbacks=callbacks)
    assert record.record["status"] == "finished"
    assert list(tmp_path.iterdir()) == []
