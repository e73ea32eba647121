"""Trust: likeness by numpy, contributions that add up, and what is judged of them."""

import numpy as np
import pytest
import torch
from torch import nn

from prober.ascent.objectives import ChannelMean
from prober.findings.finding import PathLikeness, Trust
from prober.findings.trust import judge, layers_before, likeness, lost_without, paths
from prober.subject import Subject
from tests import plain


def unit_vectors(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def test_likeness_is_the_cosine_with_the_top_examples():
    rng = np.random.default_rng(0)
    picture, top, random = (rng.normal(size=(n, 6)) + 0.5 for n in (2, 5, 7))
    unit = unit_vectors(top)
    mean = unit.mean(0) / np.linalg.norm(unit.mean(0))
    expected = [
        max(unit_vectors(picture) @ mean),
        np.mean([row @ unit_vectors([unit.sum(0) - row])[0] for row in unit]),
        np.mean(unit_vectors(random) @ mean),
    ]
    found = likeness(*(torch.from_numpy(each) for each in (picture, top, random)))
    assert found == pytest.approx(expected)


def test_the_scale_of_a_contribution_makes_no_difference():
    picture, top = torch.tensor([[2.0, 0.0]]), torch.tensor([[1.0, 0.0], [9.0, 0.0]])
    assert likeness(picture, top, torch.tensor([[0.0, 5.0]])) == pytest.approx((1, 1, 0))


class Linear(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.front = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Conv2d(4, 5, 3))
        self.head = nn.Linear(5 * 4 * 4, 3)

    def forward(self, images):
        return self.head(self.front(images).flatten(1))


def test_in_a_linear_cnn_the_contributions_of_a_layer_add_up_to_the_way():
    cnn = Linear()
    subject = Subject(cnn, input_shape=(3, 8, 8))
    images = torch.rand(4, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        way = (cnn(images) - cnn(torch.full((1, 3, 8, 8), 0.5)))[:, 2].tolist()
    found = paths(subject, [ChannelMean("head", 2)] * 4, images, ["front.0", "front.1"])
    assert found["front.0"].shape == (4, 4) and found["front.1"].shape == (4, 5)
    for contributions in found.values():
        assert contributions.sum(1).tolist() == pytest.approx(way, abs=1e-5)


def test_containers_and_what_comes_after_are_no_layers_before():
    subject = Subject(Linear(), input_shape=(3, 8, 8))
    assert layers_before(subject, "head") == ["front.0", "front.1"]
    assert layers_before(subject, "front.0") == []


def test_the_module_that_gives_the_logits_is_not_before_them():
    """Its contribution to the logit is the logit: every picture would be like every other."""
    layers = layers_before(plain.subject(), "logits")
    assert layers[0] == "conv1" and "classifier" not in layers


def compared(picture, real, times=2.0):
    first = PathLikeness("conv1", picture=0.9, real=0.9, random=0.1)
    return Trust(2.0, 1.0, times, (first, PathLikeness("conv2", picture, real, random=0.0)))


def test_a_picture_on_another_path_is_not_trusted_and_the_layer_is_named():
    trusted, why = judge(compared(0.1, 0.9))
    assert trusted is False and "conv2" in why[0]


def test_a_picture_on_the_path_of_real_images_is_trusted():
    assert judge(compared(0.8, 0.9)) == (True, [])


def test_where_real_images_share_no_path_nothing_is_held_against_the_picture():
    assert judge(compared(0.0, 0.2)) == (True, [])


def test_a_picture_that_a_real_image_beats_is_not_trusted():
    trusted, why = judge(compared(0.9, 0.9, times=0.6))
    assert trusted is False and len(why) == 1


def test_a_picture_that_is_compared_with_nothing_above_mid_gray_is_not_trusted():
    trusted, why = judge(compared(0.9, 0.9, times=None))
    assert trusted is False and "mid gray" in why[0]


class ChannelsLast(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.embed = nn.Linear(3, 5)
        self.head = nn.Linear(5, 4)

    def forward(self, x):
        return self.head(self.embed(x.permute(0, 2, 3, 1)).tanh().mean((1, 2)))


def test_paths_go_by_channels_where_they_come_last():
    cnn = ChannelsLast()
    subject = Subject(cnn, input_shape=(3, 6, 6))
    images = torch.rand(2, 3, 6, 6)
    found = paths(subject, [ChannelMean("head", 1)] * 2, images, ["embed"])["embed"]
    embedded, base = cnn.embed(images.movedim(1, 3)), cnn.embed(torch.full((1, 6, 6, 3), 0.5))
    slope = cnn.head.weight[1] * (1 - embedded.tanh() ** 2) / 36
    torch.testing.assert_close(found, ((embedded - base) * slope).sum((1, 2)).double())


def test_what_is_lost_without_a_channel_goes_by_channels_where_they_come_last():
    cnn = ChannelsLast()
    subject = Subject(cnn, input_shape=(3, 6, 6))
    images = torch.rand(2, 3, 6, 6)
    found = lost_without(subject, ChannelMean("head", 1), images, [("embed", 4), ("embed", 0)])
    embedded, base = cnn.embed(images.movedim(1, 3)), cnn.embed(torch.full((1, 6, 6, 3), 0.5))
    way = cnn.head.weight[1] * (embedded.tanh() - base.tanh()).mean((1, 2))
    torch.testing.assert_close(found, way[:, [4, 0]].double(), atol=1e-6, rtol=1e-4)


class Normalized(nn.Module):
    """Goes by its first channel alone, which a normalization sets against all others."""

    def __init__(self):
        super().__init__()
        self.front = nn.Conv2d(3, 4, 1, bias=False)
        self.norm = nn.GroupNorm(1, 4)
        self.head = nn.Linear(4, 2)
        with torch.no_grad():
            self.front.weight.copy_(torch.eye(4, 3)[..., None, None])
            self.head.weight.copy_(torch.tensor([[5.0, 1, 0, 0], [0, 0, 1, 0]]))

    def forward(self, x):
        return self.head(self.norm(self.front(x)).mean((2, 3)))


def test_what_is_lost_without_a_channel_holds_where_a_normalization_hides_it():
    subject = Subject(Normalized().eval(), input_shape=(3, 4, 4))
    image = torch.full((1, 3, 4, 4), 0.5)
    image[:, 0, :2] = 1.0
    neutral = torch.full((1, 3, 4, 4), 0.5)
    objective = ChannelMean("head", 0)
    found = lost_without(subject, objective, image, [("front", i) for i in range(4)])[0]
    with torch.no_grad():
        way = (subject.cnn(image) - subject.cnn(neutral))[0, 0].item()
    # Only its first channel differs from that of mid gray.
    assert found.tolist() == pytest.approx([way, 0, 0, 0], abs=1e-5)
