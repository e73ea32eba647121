import pytest
import torch
from torch import nn

from prober.ascent.module import single_target
from prober.ascent.objectives import ChannelMean
from prober.ascent.regularizers import L2, TotalVariation
from prober.ascent.target_records import target_records
from prober.subject import Subject
from tests import plain
from tests.ascent.runs import run
from tests.cnns import CUT, NEVER, SHUT, Shut


def test_single_step_that_raises_the_score_is_not_dead(tmp_path):
    _, _, record = run(tmp_path, 1, 50)
    assert record.record["score_end"] > record.record["score_start"]
    assert record.record["dead"] is False


def test_penalties_that_win_are_told():
    """A hundred times the mean square falls by more than the score of conv2's channel can rise."""
    won = []
    for regularizers in ([L2(100.0)], [L2(1e-4), TotalVariation(1e-3)], []):
        unit = ChannelMean("conv2", 3)
        module = single_target(plain.subject(), unit, None, regularizers, 0, style="plain")
        trainer = plain.fit(module, 20)
        (record,) = target_records(module, module.evaluate(), trainer, 0.0)
        won.append(record["penalties_won"])
    assert won == [True, False, False]


class Sure(nn.Module):
    """Gives the probabilities of a CNN that is so sure that nothing moves them, and one that weighs
    less than rounding."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.tensor([60.0, -60.0, 0.0]))

    def forward(self, x):
        seen = x.mean((1, 2, 3))
        sure = (self.scale * (1 + seen[:, None])).softmax(1)
        return torch.cat([sure[:, :2], 1 + 1e-15 * seen[:, None]], 1)


@pytest.mark.parametrize(
    ("cnn", "layer", "channel", "dead"),
    [
        (Shut, "out", SHUT, False),
        (Shut, "out", NEVER, True),
        (Shut, "out", CUT, True),  # the penalties move its score
        (Sure, "logits", 1, True),  # its gradient is 1e-52
        (Sure, "logits", 2, True),  # only the last bit of its score moves
    ],
)
def test_dead_does_not_depend_on_the_penalties(cnn, layer, channel, dead):
    for regularizers in ([], [L2(1e-4), TotalVariation(1e-3)], [L2(1.0)]):
        subject = Subject(cnn(), input_shape=(1, 12, 12))
        unit = ChannelMean(layer, channel)
        module = single_target(subject, unit, None, regularizers, 0, style="plain")
        trainer = plain.fit(module, 40)
        (record,) = target_records(module, module.evaluate(), trainer, 0.0)
        assert record["dead"] is dead
        assert record["penalties_won"] is (dead and bool(regularizers))
