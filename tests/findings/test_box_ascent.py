"""Ascent by the gradient's sign: how far it goes, and who is gone on with half way."""

import torch
from torch import nn

from prober.findings.box_ascent import climb, climb_by_adam
from prober.findings.cut_cnn import CutCNN
from prober.findings.windows import Window
from prober.subject import Subject

SIDE, STEPS, FIRST, LAST = 5, 6, 0.03, 0.01


class Linear(nn.Module):
    """One linear unit, in the precision that is asked for."""

    def __init__(self, precision=torch.float32):
        super().__init__()
        torch.manual_seed(0)
        self.unit, self.out, self.precision = nn.Conv2d(3, 1, SIDE), nn.Identity(), precision

    def forward(self, x):
        return self.out(self.unit(x).to(self.precision))


def cut_of(cnn, layer):
    subject = Subject(cnn, input_shape=(3, SIDE, SIDE))
    return CutCNN(subject, layer, Window((0, 0), 0, 0, SIDE, SIDE))


def test_those_that_are_not_chosen_go_half_of_the_way():
    cnn = Linear()
    fields = torch.full((4, 3, SIDE, SIDE), 0.5)
    seen = []

    def choose(scores):
        seen.append(scores.clone())
        return torch.tensor([1, 3])

    scores, found = climb(
        cut_of(cnn, "unit"),
        fields,
        torch.zeros(4, dtype=torch.long),
        torch.full((4,), FIRST),
        STEPS,
        LAST,
        choose,
    )
    lengths = [FIRST * (LAST / FIRST) ** (step / (STEPS - 1)) for step in range(STEPS)]
    direction = cnn.unit.weight.detach()[0].sign()
    for number, moved in enumerate((sum(lengths[:3]), sum(lengths)) * 2):
        torch.testing.assert_close(found[number], 0.5 + moved * direction)
    torch.testing.assert_close(scores, cnn(found).flatten().detach())
    torch.testing.assert_close(seen[0], scores[:1].expand(4))


def test_adam_ends_early_where_it_gets_nowhere_soon():
    cut, fields = cut_of(Linear(), "unit"), torch.full((2, 3, SIDE, SIDE), 0.5)
    begun = cut.own_scores(fields, torch.zeros(2, dtype=torch.long))

    def reached(*soon):
        return climb_by_adam(
            cut, fields, torch.zeros(2, dtype=torch.long), 6, soon=torch.tensor(soon)
        )[0]

    never, always = torch.inf, -torch.inf
    early, late = reached(never, never), reached(always, always)
    assert (begun < early).all() and (early < late).all()
    torch.testing.assert_close(reached(never, always), late)


def test_a_layer_that_gives_another_precision_is_climbed_all_the_same():
    cnn = Linear(torch.float64)
    scores, found = climb(
        cut_of(cnn, "out"),
        torch.rand(2, 3, SIDE, SIDE),
        torch.zeros(2, dtype=torch.long),
        torch.full((2,), 4.0),
        STEPS,
    )
    expected = cnn.unit.weight.detach().clamp_min(0).sum() + cnn.unit.bias.detach()
    torch.testing.assert_close(scores, expected.expand(2))
    assert found.dtype == torch.float32
