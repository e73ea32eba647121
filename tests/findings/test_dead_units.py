"""Dead units: what looks dead, whatever rounding does."""

import torch

from prober.findings.dead_units import looks_dead


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
