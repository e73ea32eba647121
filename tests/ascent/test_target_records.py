from prober.ascent.module import single_target
from prober.ascent.objectives import ChannelMean
from prober.ascent.regularizers import L2, TotalVariation
from prober.ascent.target_records import target_records
from tests import plain
from tests.ascent.runs import run


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
