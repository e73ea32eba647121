import re
from io import StringIO

import pytest

from prober.ascent.method import Method
from prober.ascent.module import ActivationMaximization, single_target
from prober.ascent.objectives import ChannelMean
from prober.ascent.progress import ProgressBar
from prober.ascent.starts import GaussianNoise
from prober.ascent.targets import Target
from tests import plain


def module(number=1):
    targets = [Target(ChannelMean("conv1", 2), GaussianNoise(), (), i) for i in range(number)]
    return ActivationMaximization(plain.subject(), targets, Method(style="plain"))


def shown(file):
    """What stands on the line, one after the other."""
    return [line for line in re.split(r"[\r\n]+", file.getvalue()) if line.strip()]


def test_the_bar_of_one_fit_counts_its_steps_and_shows_the_score():
    file = StringIO()
    ascent = module()
    plain.fit(ascent, 7, callbacks=[ProgressBar(every=3, file=file)])
    last = shown(file)[-1]
    assert last.startswith("conv1_ch2: 100%") and "7/7" in last
    assert f"score={ascent.measures.score.item():.4g}" in last
    assert file.getvalue().endswith("\n")  # what comes next has a line of its own


def test_the_bar_of_several_fits_counts_what_is_done():
    file, done = StringIO(), []
    with ProgressBar(total=3, unit="target", done=lambda: len(done), every=2, file=file) as bar:
        for number in (1, 2):
            plain.fit(module(number), 4, callbacks=[bar])
            done += [number] * number
    last = shown(file)[-1]
    assert "3/3" in last and "target" in last
    assert "step 4, score=" in last and last.startswith("conv1:")


def test_a_fit_that_breaks_leaves_the_line():
    file = StringIO()

    class Breaks(ProgressBar):
        def on_train_batch_end(self, trainer, *args):
            super().on_train_batch_end(trainer, *args)
            if trainer.global_step == 2:
                raise KeyError

    with pytest.raises(KeyError):
        plain.fit(module(), 5, callbacks=[Breaks(file=file)])
    assert "2/5" in shown(file)[-1] and file.getvalue().endswith("\n")


def test_a_bar_that_is_not_shown_writes_nothing():
    file = StringIO()
    ascent = single_target(plain.subject(), ChannelMean("conv1", 2), seed=1, style="plain")
    plain.fit(ascent, 3, callbacks=[ProgressBar(shown=False, file=file)])
    assert file.getvalue() == ""
