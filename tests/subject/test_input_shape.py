"""The input shapes that CNNs are found to take."""

import pytest
from torch import nn

from prober.common.errors import InputError
from prober.subject import Subject
from prober.subject.input_shape import guessed_input_shape
from tests.cnns import Fixed, deep, reference, small


@pytest.mark.parametrize(
    "make, shape",
    [
        (reference, (3, 28, 28)),
        (lambda: small(), (3, 32, 32)),
        (lambda: small(nn.AvgPool2d(2), nn.MaxPool2d(4)), (3, 32, 32)),
        (lambda: small(nn.AvgPool2d(4), nn.MaxPool2d(4)), (3, 224, 224)),
        (lambda: small(channels=1), (1, 32, 32)),
        (lambda: small(nn.AdaptiveAvgPool2d(2), channels=5), (5, 32, 32)),
        (deep, (3, 224, 224)),
        (lambda: small(nn.AdaptiveAvgPool2d(1), nn.BatchNorm2d(4)), (3, 32, 32)),
        (lambda: Fixed(32, 1), (1, 32, 32)),
        (lambda: Fixed(224), (3, 224, 224)),
        (lambda: Fixed(299), (3, 299, 299)),
        (lambda: nn.Sequential(nn.Flatten(), nn.Linear(784, 5)), (1, 28, 28)),
        (lambda: nn.Sequential(nn.Flatten(), nn.Linear(3072, 5)), (3, 32, 32)),
        (lambda: nn.Sequential(nn.PixelUnshuffle(2), nn.Conv2d(12, 4, 3)), (3, 32, 32)),
        (lambda: nn.Sequential(nn.Conv2d(12, 8, 1), nn.Conv2d(8, 4, 1)), (12, 1, 1)),
        (lambda: nn.Sequential(nn.Conv2d(12, 8, 1), nn.AvgPool2d(2)), (12, 32, 32)),
    ],
)
def test_input_shapes_that_are_found(make, shape):
    found, note = guessed_input_shape(make())
    assert found == shape
    assert note.startswith(f"Assumed input_shape={shape}: ")


@pytest.mark.parametrize(
    ("first", "tried"),
    [
        (nn.Conv1d(12, 2, 3), [1, 12, 1024]),
        (nn.Conv2d(4, 2, 3), [1, 4, 32, 32]),
        (nn.Conv3d(1, 2, 3), [1, 1, 32, 32, 32]),
    ],
)
def test_a_cnn_of_an_unusual_size_is_told_of_an_input_of_its_own_kind(first, tried):
    cnn = nn.Sequential(first, nn.Flatten(), nn.Linear(77, 2))
    with pytest.raises(InputError) as raised:
        Subject(cnn)
    said = (
        f"Sequential rejects an input of shape {tried}: mat1 and mat2 shapes cannot be multiplied"
    )
    assert str(raised.value).startswith(said)
    assert "set input_shape to what it takes" in str(raised.value)
