"""CNNs that make layers, or their weights, when they first see an image."""

import warnings

import pytest
import torch
from torch import nn

from prober.common.errors import InputError
from prober.subject import Subject

SHAPE = (3, 12, 12)


class Late(nn.Module):
    """Makes its last layer once it knows how large its maps are."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.head = None

    def forward(self, x):
        x = self.conv(x).relu().flatten(1)
        if self.head is None:
            self.head = nn.Linear(x.shape[1], 5)
        return self.head(x)


def lazy():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        layers = nn.LazyConv2d(4, 3), nn.LazyBatchNorm2d(), nn.ReLU(), nn.Flatten()
        return nn.Sequential(*layers, nn.LazyLinear(5))


@pytest.mark.parametrize("kind", [lazy, Late])
def test_its_checkpoint_is_loaded_into_what_it_makes(kind, tmp_path):
    cnn, images = kind(), torch.rand(2, *SHAPE)
    cnn.train()(images)
    torch.save(cnn.state_dict(), tmp_path / "own.pt")
    subject = Subject(kind(), str(tmp_path / "own.pt"), input_shape=SHAPE)
    torch.testing.assert_close(subject(images, ["logits"])["logits"], cnn.eval()(images))


def test_a_lazy_cnn_says_what_it_needs():
    with pytest.raises(InputError, match=r"Sequential is lazy: .*input_shape: \[3, 28, 28\]"):
        Subject(lazy())
    with pytest.raises(InputError, match=r"cannot be run on an image of input_shape \(3, 2, 2\): "):
        Subject(lazy(), input_shape=(3, 2, 2))
    state, cnn = torch.get_rng_state(), lazy()
    assert list(Subject(cnn, input_shape=SHAPE).layers) == ["0", "1", "2", "3", "4", "logits"]
    assert torch.equal(torch.get_rng_state(), state)
    assert cnn.training


def test_a_checkpoint_of_another_cnn_is_told_as_ever(tmp_path):
    torch.save(nn.Conv2d(3, 7, 3).state_dict(), tmp_path / "other.pt")
    for shape in (SHAPE, None):
        with pytest.raises(InputError, match=r"does not fit Late: .*missing: conv\.weight"):
            Subject(Late(), str(tmp_path / "other.pt"), input_shape=shape)


class Unused(nn.Module):
    """Has a lazy part that no pass in eval mode comes to."""

    def __init__(self):
        super().__init__()
        self.first, self.aside = lazy(), nn.LazyLinear(3)
        self.first[1].eval()

    def forward(self, x):
        return self.aside(self.first(x)) if self.training else self.first(x)


def test_a_lazy_part_that_is_not_used_is_named_and_modes_stay():
    cnn = Unused()
    with pytest.raises(InputError, match=r"Its module 'aside' is lazy .* after a pass in eval"):
        Subject(cnn, input_shape=SHAPE)
    assert cnn.training and cnn.first[0].training and not cnn.first[1].training
