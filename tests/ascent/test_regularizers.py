import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from prober.ascent.records import concrete
from prober.ascent.regularizers import L2, Distance, Penalties, Regularizer, TotalVariation
from prober.common.errors import InputError
from tests import plain

ALL = [each for each in concrete(Regularizer) if each.__module__ == Regularizer.__module__]


def images_of(number, channels, height, width, seed=0):
    generator = torch.Generator().manual_seed(seed)
    shape = (number, channels, height, width)
    return torch.rand(shape, generator=generator, dtype=torch.float64)


@given(st.integers(1, 4), st.integers(1, 4), st.integers(2, 12), st.integers(2, 12))
def test_penalties_follow_the_formulas(number, channels, height, width):
    images = images_of(number, channels, height, width)
    expected = [plain.l2(image) for image in images]
    assert L2().penalties(images).tolist() == pytest.approx(expected, rel=1e-12)
    expected = [plain.total_variation(image) for image in images]
    assert TotalVariation().penalties(images).tolist() == pytest.approx(expected, rel=1e-12)


def test_penalties_by_hand():
    checkered = torch.tensor([[0.0, 1.0], [1.0, 0.0]]).expand(1, 3, 2, 2)
    assert L2().penalties(checkered).item() == 0.5
    assert TotalVariation().penalties(checkered).item() == 2
    striped = torch.tensor([[0.0, 1.0], [0.0, 1.0]]).expand(1, 3, 2, 2)
    assert TotalVariation().penalties(striped).item() == 1


@pytest.mark.parametrize("shape", [(3, 5, 7), (1, 1, 6), (2, 9), (1, 3, 4, 5)])
def test_gradients_are_those_of_autograd_to_the_last_bit(shape):
    images = torch.rand(4, *shape, dtype=torch.float64, requires_grad=True)
    weights = torch.tensor([1.0, 0.3, 2.0, 7.0], dtype=torch.float64)
    inner = tuple(range(1, images.dim()))

    def differences(image):
        sides = [dim for dim in range(2, image.dim()) if image.shape[dim] > 1]
        means = [
            image.diff(dim=dim).abs().sum(inner) / image.diff(dim=dim)[0].numel() for dim in sides
        ]
        return sum(means[1:], start=means[0])

    squares = lambda image: image.square().sum(inner) / image[0].numel()  # noqa: E731
    for kind, formula in ((L2(), squares), (TotalVariation(), differences)):
        found, expected = (
            torch.autograd.grad((of(images) * weights).sum(), images)[0]
            for of in (kind.penalties, formula)
        )
        assert torch.equal(found, expected)
        assert found.abs().max() > 0


@pytest.mark.parametrize("kind", ALL)
def test_gradients_of_each_image_can_be_had_by_torch_func(kind):
    images = images_of(4, 3, 9, 7).requires_grad_()
    penalties = kind().penalties
    (expected,) = torch.autograd.grad(penalties(images).sum(), images)
    of_each = torch.func.vmap(torch.func.grad(lambda image: penalties(image[None])[0]))
    assert torch.equal(of_each(images.detach()), expected)


def test_side_of_one_pixel_has_no_variation():
    row = torch.tensor([0.0, 0.5, 0.25]).view(1, 1, 1, 3)
    assert TotalVariation().penalties(row).item() == pytest.approx(0.375)
    assert TotalVariation().penalties(row.transpose(2, 3)).item() == pytest.approx(0.375)
    assert TotalVariation().penalties(torch.rand(2, 3, 1, 1)).tolist() == [0, 0]


@given(
    st.lists(
        st.lists(
            st.builds(
                lambda kind, weight: kind(weight),
                st.sampled_from([L2, TotalVariation, Distance]),
                st.floats(0, 10),
            ),
            max_size=3,
        ),
        min_size=1,
        max_size=5,
    )
)
def test_each_image_has_regularizers_of_its_own(regularizers):
    images = images_of(len(regularizers), 3, 5, 6)
    starts = images_of(len(regularizers), 3, 5, 6, seed=1)
    penalties, total = Penalties(regularizers)(images, starts)

    def far(image, start):
        return float(np.mean((image.numpy() - start.numpy()) ** 2))

    formulas = {
        "l2": lambda image, start: plain.l2(image),
        "total_variation": lambda image, start: plain.total_variation(image),
        "distance": far,
    }
    used = {regularizer.name for each in regularizers for regularizer in each}
    assert set(penalties) == used
    for name in used:
        expected = [formulas[name](*pair) for pair in zip(images, starts, strict=True)]
        assert penalties[name].tolist() == pytest.approx(expected)
    expected = [
        sum(regularizer.weight * formulas[regularizer.name](image, start) for regularizer in each)
        for each, image, start in zip(regularizers, images, starts, strict=True)
    ]
    total = torch.as_tensor(total, dtype=torch.float64).expand(len(images))
    assert total.tolist() == pytest.approx(expected)


def test_only_a_distance_asks_where_the_pictures_started():
    assert Penalties([[Distance()], [L2()]]).of_change
    assert not Penalties([[L2(), TotalVariation()], []]).of_change


def test_default_weights_and_record():
    assert Distance().record() == {"name": "distance", "weight": 10.0}
    assert L2().record() == {"name": "l2", "weight": 1e-4}
    assert TotalVariation().record() == {"name": "total_variation", "weight": 1e-3}
    assert L2(3.0).record() == {"name": "l2", "weight": 3.0}


@pytest.mark.parametrize("kind", ALL)
@pytest.mark.parametrize("weight", [-1e-9, math.nan, math.inf])
def test_weight_out_of_range_is_told(kind, weight):
    with pytest.raises(InputError, match=f"weight of {kind.__name__} is {weight}"):
        kind(weight)
    assert kind(0).weight == 0
