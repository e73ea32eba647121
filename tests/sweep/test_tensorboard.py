"""What TensorBoard shows of a sweep."""

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from tests.sweep.sweeps import records_of


def test_tensorboard_plays_each_layer_and_shows_the_spread_and_hparams(swept):
    folder, _ = swept
    path = str(folder / "tensorboard")
    events = EventAccumulator(path, size_guidance={"images": 0, "scalars": 0}).Reload()
    assert set(events.Tags()["images"]) == {"conv1", "conv2", "logits"}
    assert [image.step for image in events.Images("conv2")] == [0, 50, 60]
    ends = [r["score_end"] for r in records_of(folder) if r["layer"] == "conv2"]
    for name, expected in (("lowest", min(ends)), ("highest", max(ends))):
        last = events.Scalars(f"score_{name}/conv2")[-1]
        assert last.step == 60 and last.value == pytest.approx(expected, rel=1e-5)
    session = EventAccumulator(str(folder / "hparams" / "conv2_ch003_mean_seed0")).Reload()
    assert any(tag.startswith("_hparams_") for tag in session.summary_metadata)


HUGE = """
from torch import nn


class Huge(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 2, 3)
        nn.init.constant_(self.conv.weight, 1e25)

    def forward(self, images):
        return self.conv(images).mean((2, 3))
"""


def test_scores_beyond_what_tensorboard_can_show_are_no_error(prober, tmp_path):
    (tmp_path / "huge.py").write_text(HUGE, encoding="utf-8")
    subject = ["--model.subject.cnn", "huge.Huge", "--model.subject.input_shape", "[3, 8, 8]"]
    steps = ["--trainer.max_steps", "3", "--trainer.devices", "1"]
    ended = prober("sweep", *subject, *steps, "--grid.layers", "conv")
    assert ended.code == 0, ended.err
    assert "2 of 2 targets done" in ended.out and "0 failed" in ended.out
