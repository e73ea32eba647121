import numpy as np
import pytest
import torch

from tests import plain
from tests.ascent.runs import Keep, events, run


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
