"""Means of a convolution's channels without the convolution: what plain torch gives with it."""

import pytest
import torch
from torch import nn

from prober.ascent.objectives import ChannelMean, Neuron, TopKMean
from prober.ascent.scorer import Scorer
from prober.common.errors import InputError
from prober.subject import Subject
from prober.subject.channel_means import channel_means

SHAPE = (3, 19, 23)

CONVOLUTIONS = {
    "plain": nn.Conv2d(6, 9, 3),
    "padded": nn.Conv2d(6, 9, 5, padding=2),
    "same": nn.Conv2d(6, 9, (2, 4), padding="same"),
    "strided": nn.Conv2d(6, 9, 3, stride=(2, 3), padding=1),
    "dilated": nn.Conv2d(6, 9, 3, dilation=2),
    "circular": nn.Conv2d(6, 9, 3, padding=1, padding_mode="circular"),
    "reflected": nn.Conv2d(6, 9, 3, padding=1, padding_mode="reflect"),
    "without bias": nn.Conv2d(6, 9, 1, bias=False),
}


def cnn_of(convolution):
    return nn.Sequential(nn.Conv2d(3, 6, 3), nn.ReLU(), convolution, nn.ReLU(inplace=True))


def subject_of(cnn):
    return Subject(cnn, input_shape=SHAPE)


def images(number, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(number, *SHAPE, generator=generator, requires_grad=True)


@pytest.mark.parametrize("laid_out", [False, True])
@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_means_and_gradients_are_those_of_the_convolution(name, laid_out):
    cnn, channels = cnn_of(CONVOLUTIONS[name]), [8, 0, 3, 3, 0]
    subject = subject_of(cnn)
    if laid_out:
        subject.lay_out_channels_last()
    x = images(len(channels))
    found = channel_means(subject, "2", channels)
    assert found is not None
    means = found(x)
    expected = cnn[:3](x).mean((2, 3))[range(len(channels)), channels]
    torch.testing.assert_close(means, expected, rtol=1e-4, atol=1e-5)
    weights = torch.arange(1.0, len(channels) + 1)
    gradients = [torch.autograd.grad((of * weights).sum(), x)[0] for of in (means, expected)]
    torch.testing.assert_close(*gradients, rtol=1e-4, atol=1e-6)


def test_other_images_are_other_means():
    torch.manual_seed(0)
    subject, channels = subject_of(cnn_of(nn.Conv2d(6, 9, 3))), [1, 2]
    found = channel_means(subject, "2", channels)
    first, second = found(images(2)), found(images(2, seed=1))
    assert (first - second).abs().min() > 1e-4


class ByKeyword(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 6, 3), nn.Conv2d(6, 9, 3)

    def forward(self, x):
        return self.second(input=torch.relu(self.first(x)))


class Square(nn.Conv2d):
    def forward(self, x):
        return super().forward(x) ** 2


class Rescaled(nn.Module):
    """Whose convolution has another weight than its own while it runs."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 6, 3), nn.Conv2d(6, 9, 3)

    def forward(self, x):
        other = {"weight": 0.5 * self.second.weight}
        return torch.func.functional_call(self.second, other, (torch.relu(self.first(x)),))


ODD = {
    "of another weight": (Rescaled(), "second"),
    "called by keyword": (ByKeyword(), "second"),
    "in groups": (cnn_of(nn.Conv2d(6, 9, 3, groups=3)), "2"),
    "no plain convolution": (cnn_of(Square(6, 9, 3)), "2"),
    "not a convolution": (cnn_of(nn.Conv2d(6, 9, 3)), "1"),
}


@pytest.mark.parametrize("name", ODD)
def test_else_the_layer_is_computed(name):
    cnn, layer = ODD[name]
    subject = subject_of(cnn)
    assert channel_means(subject, layer, [1, 2]) is None
    score = Scorer(subject, [ChannelMean(layer, 1), ChannelMean(layer, 2)])(images(2))
    maps = subject(images(2), [layer])[layer].mean((2, 3))
    torch.testing.assert_close(score, maps[range(2), [1, 2]])


class OfFour(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 6, 3), nn.Conv2d(6, 9, 3)

    def forward(self, x):
        return self.second(torch.relu(self.first(x.view(4, *SHAPE))))


@pytest.mark.parametrize("number", [2, 3, 4, 7])
def test_a_cnn_that_takes_so_many_images_gets_them(number):
    cnn = OfFour()
    subject = subject_of(cnn)
    x = images(number)
    found = Scorer(subject, [ChannelMean("second", i) for i in range(number)])(x)
    expected = cnn.second(torch.relu(cnn.first(x))).mean((2, 3))[range(number), range(number)]
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


class OneWayOrAnother(nn.Module):
    def __init__(self):
        super().__init__()
        self.dark, self.bright = nn.Conv2d(3, 6, 3), nn.Conv2d(3, 6, 3)

    def forward(self, x):
        return self.dark(x) if x.mean() < 0.7 else self.bright(x)


def test_a_layer_that_an_image_does_not_lead_to_is_told():
    subject = subject_of(OneWayOrAnother())
    score = Scorer(subject, [ChannelMean("dark", 1)])
    assert score(images(1)).shape == (1,)
    with pytest.raises(InputError, match="layer 'dark' when its layers were listed, but not now"):
        score(torch.ones(1, *SHAPE))


def test_in_float64_the_convolution_is_computed():
    subject = subject_of(cnn_of(nn.Conv2d(6, 9, 3))).double()
    assert channel_means(subject, "2", [1, 2]) is None


class InFloat32(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 6, 3), nn.Conv2d(6, 9, 3)

    def forward(self, x):
        return self.second(torch.relu(self.first(x.to(torch.float32))))


def test_a_cnn_that_computes_in_float32_alone_is_computed_when_float64_is_asked_for():
    cnn = InFloat32()
    subject, objectives = subject_of(cnn), [ChannelMean("second", 1), ChannelMean("second", 3)]
    scorer, x = Scorer(subject, objectives), images(2)
    assert channel_means(subject, "second", [1, 3]) is not None
    expected = cnn(x).double().mean((2, 3))[range(2), [1, 3]]
    torch.testing.assert_close(scorer(x), expected.float(), rtol=1e-4, atol=1e-5)
    subject.double()
    assert subject.mean.dtype == torch.float32
    assert channel_means(subject, "second", [1, 3]) is None
    assert torch.equal(scorer(x.double()), expected)


class Full(InFloat32):
    room = 8

    def forward(self, x):
        if len(x) > self.room:
            raise torch.cuda.OutOfMemoryError
        return super().forward(x)


def test_a_want_of_memory_is_told_and_does_not_last():
    subject, x = subject_of(Full()), images(2)
    scorer = Scorer(subject, [ChannelMean("second", 1), ChannelMean("second", 3)])
    subject.cnn.room = 1
    assert channel_means(subject, "second", [1, 3]) is None
    with pytest.raises(torch.cuda.OutOfMemoryError):
        scorer(x)
    subject.cnn.room = 8
    assert channel_means(subject, "second", [1, 3]) is not None


def test_normalization_after_the_layer_stays_out_of_it():
    cnn = nn.Sequential(nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6), nn.ReLU(), nn.Conv2d(6, 4, 3))
    for each in (cnn[1].running_mean, cnn[1].running_var, cnn[1].weight, cnn[1].bias):
        nn.init.uniform_(each, 0.5, 2)
    cnn.eval()
    subject = subject_of(cnn)
    for layer, until in (("0", 1), ("3", 4)):
        found = channel_means(subject, layer, [1, 3])(images(2))
        expected = cnn[:until](images(2)).mean((2, 3))[range(2), [1, 3]]
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


def test_means_stand_beside_other_objectives_in_their_order():
    cnn = cnn_of(nn.Conv2d(6, 9, 3))
    subject = subject_of(cnn)
    objectives = [
        TopKMean("2", 4, k=5),
        ChannelMean("2", 7),
        Neuron("2", 3, 8, 9),
        ChannelMean("0", 5),
        ChannelMean("2", 1),
        ChannelMean("1", 2),
    ]
    x = images(len(objectives))
    scorer = Scorer(subject, [objective.resolved(subject) for objective in objectives])
    scorer(x)
    computed = []
    subject.cnn[2].register_forward_hook(lambda _, given, maps: computed.append(len(maps)))
    found = scorer(x)
    assert computed == [2, 1]  # for those that are whole and the neuron, and not for its two means
    first, maps = cnn[0](x), cnn[:3](x)
    expected = [
        maps[0, 4].flatten().topk(5).values.mean(),
        maps[1, 7].mean(),
        maps[2, 3, 8, 9],
        first[3, 5].mean(),
        maps[4, 1].mean(),
        first[5, 2].relu().mean(),
    ]
    torch.testing.assert_close(found, torch.stack(expected), rtol=1e-4, atol=1e-5)
