"""Dead units: what looks dead, whatever rounding does."""

import torch
from torch import nn

from prober.ascent.method import Method
from prober.findings.dead_units import looks_dead, split_dead, why_faint
from prober.findings.units import Unit
from prober.findings.windows import window_of
from prober.subject import Subject


class Checkerboards(nn.Sequential):
    """Two units: one that answers to hardly less than a full checkerboard, one to nothing."""

    SIDE = 20

    def __init__(self):
        super().__init__(nn.Conv2d(1, 2, self.SIDE), nn.ReLU())
        numbers = torch.arange(self.SIDE)
        with torch.no_grad():
            self[0].weight[:] = ((numbers[:, None] + numbers) % 2) * 2.0 - 1
            self[0].bias[:] = -(self.SIDE**2) / 2 * torch.tensor([0.95, 1.01])


def test_pixels_wake_what_soft_pictures_do_not():
    subject = Subject(Checkerboards(), input_shape=(1, 64, 64))
    units = [Unit("1", 0), Unit("1", 1)]
    window = window_of(subject, *units[0].site)
    tried = torch.zeros(5, 2)
    dead, awakened = split_dead(
        subject, units, window, [tried], torch.zeros(2), Method(style="legible")
    )
    assert dead == [units[1]] and list(awakened) == [units[0]]
    answers = subject(awakened[units[0]][None], ["1"])["1"]
    assert answers[0, 0].max() > 1


def test_what_never_moves_looks_dead():
    exact = torch.tensor(0.0)
    assert looks_dead(torch.full((5,), 3.0), exact)
    assert looks_dead(torch.zeros(5), exact)
    assert looks_dead(torch.tensor([1e6, 1e6 + 0.1]), exact)
    assert not looks_dead(torch.tensor([0.0, 0.0, 1e-12]), exact)
    assert not looks_dead(torch.tensor([3.0, 3.001]), exact)


def test_what_rounding_alone_may_move_looks_dead():
    noisy = torch.tensor([0.0, 1e-5, -2e-5])
    assert looks_dead(noisy, torch.tensor(1e-5))
    assert not looks_dead(noisy, torch.tensor(1e-8))


def test_a_faint_unit_is_told_with_both_figures():
    [said] = why_faint(4e-6, 3.0)
    assert "by 4e-06" in said and "by 3:" in said
    assert why_faint(4e-4, 3.0) == why_faint(0.0, 3.0) == why_faint(3.0, 3.0) == []
