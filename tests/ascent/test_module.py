import math

import pytest
import torch
from lightning.pytorch import Callback
from torch import nn
from torch.nn import functional as F

from prober.ascent.layer_objectives import (
    Caricature,
    ClassDifference,
    CosineDirection,
    DeepDream,
    Direction,
)
from prober.ascent.method import Method
from prober.ascent.module import ActivationMaximization, ScoreNotFinite, single_target
from prober.ascent.objectives import ChannelMean, ClassConditional, Neuron, TopKMean
from prober.ascent.parameterizations import Fourier, MagnitudeConstrained, Pixels
from prober.ascent.regularizers import L2, Distance, TotalVariation
from prober.ascent.starts import GaussianNoise, GivenImage, GrayNoise, LowFrequencyNoise, PinkNoise
from prober.ascent.targets import Target
from prober.ascent.transforms import Blur, Jitter, Noise, Padding, Rotation, Scale, Transforms
from prober.common.errors import InputError
from prober.subject import Subject
from tests import plain
from tests.cnns import NEVER, OPEN, Fragile, Shut
from tests.plain import SEVEN

DEFAULT = (L2(), TotalVariation())


def mixed_targets(layers, classes):
    """16 targets that have little in common."""
    first, second, third = layers
    objectives = [
        ChannelMean(first, 1),
        Neuron(second, 2),
        TopKMean(third, 3, k=5),
        ClassConditional(ChannelMean(third, 0), classes - 1),
        ChannelMean("logits", 1),
        Neuron(first, 0, h=1, w=2),
        TopKMean(second, 1, k=7),
        ClassConditional(Neuron(first, 3), 0, weight=0.5),
    ]
    starts = [GaussianNoise(), GrayNoise(), LowFrequencyNoise(), GaussianNoise(0.5, 0.2)]
    penalties = [DEFAULT, (), (L2(0.5),), (TotalVariation(0.1), L2(0.01))]
    return [
        Target(objectives[i % 8], starts[i % 4], penalties[(i // 2) % 4], 100 + i)
        for i in range(16)
    ]


def one(**kwargs):
    settings = {"objective": ChannelMean("conv2", 3), "seed": 0, **kwargs}
    return single_target(plain.subject(), style="plain", **settings)


class OddCNN(nn.Module):
    """Sides that are odd, strides, groups, and layers that look at more than one channel."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 10, (5, 3), stride=2, padding=1)
        self.grouped = nn.Conv2d(10, 15, 3, groups=5, padding=2, dilation=2)
        self.norm = nn.LayerNorm([15, 11, 10])
        self.act = nn.GELU()
        self.deep = nn.Conv2d(15, 7, 3, stride=(2, 1), bias=False)
        self.pool = nn.AvgPool2d((2, 3))
        self.head = nn.Linear(7 * 2 * 2, 3)

    def forward(self, x):
        x = F.silu(self.stem(x))
        x = self.act(self.norm(self.grouped(x)))
        return self.head(self.pool(self.deep(x)).flatten(1))


def odd_subject():
    torch.manual_seed(4)
    return Subject(OddCNN(), input_shape=(3, 23, 19), mean=[0.4, 0.5, 0.6], std=[0.2, 0.3, 0.4])


CNNS = {
    "reference": (plain.subject, mixed_targets(("conv1", "conv2", "conv3"), 10)),
    "odd": (odd_subject, mixed_targets(("stem", "norm", "deep"), 3)),
}


def final(module, steps, **kwargs):
    plain.fit(module, steps, **kwargs)
    return module.image.detach()


def test_image_is_the_only_parameter():
    module = one()
    assert {name: tuple(p.shape) for name, p in module.named_parameters()} == {
        "image": (1, 3, 28, 28)
    }
    buffers = {name for name, _ in module.named_buffers()}
    assert {f"subject.cnn.{name}" for name in plain.weights()} <= buffers

    targets = CNNS["odd"][1]
    module = ActivationMaximization(odd_subject(), targets, Method(style="plain"))
    assert {name: tuple(p.shape) for name, p in module.named_parameters()} == {
        "image": (16, 3, 23, 19)
    }


def test_starts_from_the_image_of_its_seed():
    assert torch.equal(one(seed=5).image.detach(), plain.noise(5)[None])
    torch.manual_seed(6)
    assert torch.equal(one(seed=None).image.detach(), plain.noise(6)[None])
    targets = CNNS["reference"][1]
    module = ActivationMaximization(plain.subject(), targets, Method(style="plain"))
    for image, target in zip(module.image, targets, strict=True):
        assert torch.equal(image, target.initial_image.make((3, 28, 28), target.seed))


def test_loss_is_the_sum_of_penalties_less_scores():
    regularizers = ((L2(0.3), TotalVariation(0.2)), (), (L2(7.0),), (TotalVariation(0.4),))
    targets = [
        Target(ChannelMean("conv2", i), GaussianNoise(), each, i)
        for i, each in enumerate(regularizers)
    ]
    module = ActivationMaximization(plain.subject(), targets, Method(style="plain")).double()
    images = torch.stack([plain.noise(i) for i in range(4)]).double()
    l2 = [plain.l2(image) for image in images]
    variation = [plain.total_variation(image) for image in images]
    score = [plain.outputs(images)["conv2"][i, i].mean().item() for i in range(4)]
    losses = [
        -score[0] + 0.3 * l2[0] + 0.2 * variation[0],
        -score[1],
        -score[2] + 7 * l2[2],
        -score[3] + 0.4 * variation[3],
    ]
    assert module.loss_of_step().item() == pytest.approx(sum(losses))
    for measures in (module.measures, module.evaluate()):
        assert measures.score.tolist() == pytest.approx(score)
        assert measures.loss.tolist() == pytest.approx(losses)
        assert measures.penalties["l2"].tolist() == pytest.approx(l2)
        assert measures.penalties["total_variation"].tolist() == pytest.approx(variation)


def test_gradient_is_that_of_the_method_and_only_the_image_has_one():
    module = one(regularizers=[L2(0.3), TotalVariation(0.2)]).double()
    module.loss_of_step().backward()
    image = plain.noise(0).double()[None].requires_grad_()
    down = (image[:, :, 1:] - image[:, :, :-1]).abs().mean()
    across = (image[:, :, :, 1:] - image[:, :, :, :-1]).abs().mean()
    loss = -plain.outputs(image)["conv2"][0, 3].mean()
    loss = loss + 0.3 * image.pow(2).mean() + 0.2 * (down + across)
    expected = torch.autograd.grad(loss, image)[0]
    torch.testing.assert_close(module.image.grad, expected, rtol=0, atol=1e-12)
    for _, buffer in module.named_buffers():
        assert not buffer.requires_grad
        assert buffer.grad is None
    optimizer = module.configure_optimizers()
    assert [p for group in optimizer.param_groups for p in group["params"]] == [module.image]


@pytest.mark.parametrize("precision", ["64-true", "32-true"])
def test_fit_is_the_loop_of_the_method(precision):
    dtype = torch.float64 if precision == "64-true" else torch.float32
    image = plain.noise(2)[None].to(dtype).requires_grad_()
    optimizer = torch.optim.Adam([image], lr=0.03)
    for _ in range(25):
        optimizer.zero_grad()
        loss = -plain.outputs(image)["conv2"][0, 3].mean() + 1e-4 * image.pow(2).mean()
        tv = torch.mean(torch.abs(image[:, :, :-1] - image[:, :, 1:])) + torch.mean(
            torch.abs(image[:, :, :, :-1] - image[:, :, :, 1:])
        )
        loss = loss + 1e-3 * tv
        loss.backward()
        optimizer.step()
        image.data.clamp_(0, 1)

    module = one(seed=2, lr=0.03)
    plain.fit(module, 25, precision)
    assert module.image.dtype == dtype
    error = (module.image.detach() - image.detach()).square().mean().sqrt()
    assert error < (1e-9 if dtype == torch.float64 else 0.02)
    assert (module.image.detach() - plain.noise(2)).abs().mean() > 0.1


class Watch(Callback):
    """Keeps the image as it is after each step, clamped or not."""

    def __init__(self):
        self.images = []

    def on_train_batch_start(self, trainer, pl_module, *_):
        self.images.append(pl_module.image.detach().clone())

    def on_train_end(self, trainer, pl_module):
        self.images.append(pl_module.image.detach().clone())


def test_averaged_pictures_are_means_of_the_last_steps():
    """The weights of all steps, written out; Pixels, whose picture is the image itself."""
    watch, plain_watch, steps = Watch(), Watch(), 60
    module = one(seed=2, averaging=8)
    plain.fit(module, steps, callbacks=[watch])
    plain.fit(one(seed=2), steps, callbacks=[plain_watch])
    assert torch.equal(watch.images[-1], plain_watch.images[-1])  # the ascent itself is the same
    newest = [1 / min(8, 1 + step // 4) for step in range(1, steps + 1)]
    weights = [w * math.prod(1 - later for later in newest[i + 1 :]) for i, w in enumerate(newest)]
    assert sum(weights) == pytest.approx(1)
    mean = sum(w * image for w, image in zip(weights, watch.images[1:], strict=True))
    torch.testing.assert_close(module.pictures().detach(), mean)
    assert (module.pictures() - module.image).abs().max() > 1e-4


def test_image_is_in_range_after_every_step():
    watch = Watch()
    # At this rate every step would leave [0, 1].
    plain.fit(one(lr=0.4), 30, callbacks=[watch])
    assert len(watch.images) == 31
    for image in watch.images:
        assert image.min() >= 0
        assert image.max() <= 1
    assert (watch.images[-1] == 1).any()
    assert (watch.images[-1] == 0).any()
    assert len({image.numpy().tobytes() for image in watch.images}) > 5


def test_subject_is_bit_for_bit_the_same_after_fit():
    module = one(objective=ClassConditional(ChannelMean("conv3", 1), 4))
    before = {name: value.clone() for name, value in module.subject.cnn.state_dict().items()}
    plain.fit(module, 20)
    checkpoint = torch.load(plain.FOLDER / "biased.pt", weights_only=True)
    assert module.subject.hash_weights() == module.subject.sha256 == plain.sha256(checkpoint)
    for name, value in module.subject.cnn.state_dict().items():
        assert torch.equal(value, before[name].to(value.dtype))
        assert value.grad is None


def test_statistics_of_a_batch_norm_are_the_same_after_fit():
    torch.manual_seed(0)
    cnn = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Dropout(0.9))
    for _ in range(3):
        cnn(torch.rand(8, 3, 9, 9) * 5)
    module = single_target(
        Subject(cnn, input_shape=(3, 9, 9)), ChannelMean("2", 1), seed=0, style="plain"
    )
    plain.fit(module, 10, "32-true")
    for name, value in module.subject.cnn.state_dict().items():
        assert torch.equal(value, cnn.state_dict()[name]), name
    assert not any(m.training for m in module.subject.modules())


@pytest.mark.parametrize("name", ["biased", "control"])
def test_score_rises_for_the_channels_of_all_layers(name):
    risen, alive, of_weights = 0, 0, []
    for layer, shape in plain.shapes(plain.subject(name)).items():
        targets = [
            Target(ChannelMean(layer, channel), GaussianNoise(), DEFAULT, channel)
            for channel in range(shape[0])
        ]
        module = ActivationMaximization(plain.subject(name), targets, Method(style="plain"))
        plain.fit(module, 20, "32-true")

        channels = torch.arange(shape[0])
        starts = torch.stack([plain.noise(channel) for channel in range(shape[0])])
        starts.requires_grad_()
        before = plain.outputs(starts, name)[layer][channels, channels]
        before = before.reshape(len(channels), -1).mean(1)
        gradient = torch.autograd.grad(before.sum(), starts)[0]
        after = plain.outputs(module.image.detach(), name)[layer][channels, channels]
        rises = after.reshape(len(channels), -1).mean(1) > before
        # A ReLU may hide a channel from all gradients: then nothing excites it from there.
        live = gradient.flatten(1).abs().amax(1) > 0
        risen += (rises & live).sum().item()
        alive += live.sum().item()
        if layer in ("conv1", "conv2", "conv3", "classifier"):
            of_weights += rises.tolist()
    assert len(of_weights) == 16 + 32 + 64 + 10
    assert sum(of_weights) >= 0.95 * len(of_weights)
    assert alive > 300
    assert risen >= 0.95 * alive


def test_same_seed_same_bits_other_seed_another_image():
    images = [final(one(seed=seed), 40) for seed in (3, 3, 4)]
    torch.manual_seed(77)
    again = final(one(seed=3), 40)
    assert torch.equal(images[0], images[1])
    assert torch.equal(images[0], again)
    assert (images[0] - images[2]).abs().mean() > 0.1


@pytest.mark.parametrize("cnn", CNNS)
def test_alone_and_in_a_batch_of_16_bit_for_bit_in_float64(cnn):
    make_subject, targets = CNNS[cnn]
    module = ActivationMaximization(make_subject(), targets, Method(style="plain"))
    start = module.image.detach().clone()
    batch = final(module, 40)
    assert batch.dtype == torch.float64
    assert ((batch - start).flatten(1).abs().mean(1) > 1e-3).all()
    for i, target in enumerate(targets):
        alone = single_target(
            make_subject(),
            target.objective,
            target.initial_image,
            target.regularizers,
            seed=target.seed,
            style="plain",
        )
        assert torch.equal(final(alone, 40)[0], batch[i]), f"target {i}"


@pytest.mark.parametrize("chunk", [3, 5])
def test_order_and_chunk_do_not_matter_in_float64(chunk):
    make_subject, targets = CNNS["reference"]
    batch = final(ActivationMaximization(make_subject(), targets, Method(style="plain")), 15)
    shuffled = torch.randperm(16, generator=torch.Generator().manual_seed(chunk)).tolist()
    for start in range(0, 16, chunk):
        places = shuffled[start : start + chunk]
        part = [targets[i] for i in places]
        images = final(ActivationMaximization(make_subject(), part, Method(style="plain")), 15)
        for i, image in zip(places, images, strict=True):
            assert torch.equal(image, batch[i])


@pytest.mark.parametrize("cnn", CNNS)
def test_alone_and_in_a_batch_of_16_score_within_1_percent_in_float32(cnn):
    make_subject, targets = CNNS[cnn]
    batch = ActivationMaximization(make_subject(), targets, Method(style="plain"))
    plain.fit(batch, 40, "32-true")
    assert batch.image.dtype == torch.float32
    scores = []
    for target in targets:
        alone = ActivationMaximization(make_subject(), [target], Method(style="plain"))
        plain.fit(alone, 40, "32-true")
        scores.append(alone.evaluate().score.item())
    assert batch.evaluate().score.tolist() == pytest.approx(scores, rel=0.01)
    # Rounding differs indeed, so this says something.
    assert batch.evaluate().score.tolist() != scores


def test_score_that_is_not_finite_stops_the_run_with_the_step():
    subject = Subject(nn.Sequential(Fragile()), input_shape=(3, 6, 6))
    module = single_target(subject, ChannelMean("0", 0), regularizers=[], seed=0, style="plain")
    watch = Watch()
    with pytest.raises(ScoreNotFinite) as raised:
        plain.fit(module, 200, callbacks=[watch])
    means = [image[0, 0].mean().item() for image in watch.images]
    step = len(means) - 1
    assert 0 < step < 199
    assert max(means[:-1]) <= 0.8 < means[-1]
    assert torch.equal(watch.images[-1], module.image)
    said = (
        f"0_ch0 or its gradient became NaN or infinite at step {step}. Try a smaller learning rate"
    )
    assert said in str(raised.value)


def test_score_that_is_not_finite_at_the_start_is_not_laid_to_the_learning_rate():
    start = GrayNoise(gray=1.0, noise=0.0)
    subject = Subject(nn.Sequential(Fragile()), input_shape=(3, 6, 6))
    module = single_target(subject, ChannelMean("0", 0), start, [], seed=0, style="plain")
    with pytest.raises(ScoreNotFinite, match=r"at step 0\. Try another start or another layer"):
        plain.fit(module, 5)


@pytest.mark.parametrize("precision", ["64-true", "32-true"])
def test_target_that_fails_does_not_touch_the_others(precision):
    subject = Subject(nn.Sequential(Fragile()), input_shape=(3, 6, 6))
    # Channel 1 leaves the mean of the first channel as it is, so its score stays finite.
    targets = [Target(ChannelMean("0", c), GaussianNoise(), DEFAULT, 4) for c in (1, 0, 1)]
    module = ActivationMaximization(subject, targets, Method(style="plain"))
    plain.fit(module, 40, precision)
    failed = module.failed_at.tolist()
    assert failed[0] == failed[2] == -1
    assert 0 < failed[1] < 40
    assert module.image.isfinite().all()
    assert module.evaluate().score.isfinite().tolist() == [True, False, True]
    alone = ActivationMaximization(subject, targets[:1], Method(style="plain"))
    plain.fit(alone, 40, precision)
    for image in (module.image[0], module.image[2]):
        torch.testing.assert_close(image, alone.image[0], rtol=0, atol=1e-6)
    assert module.image[0, 1].mean() > 0.9


def test_gradient_that_is_not_finite_stops_the_run_with_the_step():
    class Root(nn.Module):
        """Is finite at 0, where its slope is not."""

        def forward(self, x):
            return -x.sqrt()

    subject = Subject(nn.Sequential(Root()), input_shape=(3, 6, 6))
    start = GrayNoise(gray=0.3, noise=0.0)
    module = single_target(subject, ChannelMean("0", 0), start, [], seed=0, style="plain")
    watch = Watch()
    with pytest.raises(ScoreNotFinite) as raised:
        plain.fit(module, 200, callbacks=[watch])
    step = len(watch.images) - 1
    assert 0 < step < 199
    assert f"at step {step}." in str(raised.value)
    # It stops as soon as it is black, where the score itself is finite, and keeps that image.
    assert watch.images[-2][0, 0].min() > 0 == watch.images[-1][0, 0].min()
    assert module.image.isfinite().all()


class ShutForDark(nn.Module):
    """Lets no gradient through where the picture is dark."""

    def forward(self, x):
        return x.mean((2, 3)).detach() if x.mean() < 2 else x.mean((2, 3))


def test_unit_that_no_gradient_leads_back_from_is_no_error():
    subject = Subject(nn.Sequential(ShutForDark()), input_shape=(3, 6, 6), value_range=(0, 3))
    for regularizers in ([], DEFAULT):
        module = single_target(
            subject, ChannelMean("0", 0), regularizers=regularizers, seed=0, style="plain"
        )
        plain.fit(module, 3)
        assert module.excited.tolist() == [False]
        same = torch.equal(module.image, plain.noise(0, (3, 6, 6))[None].double())
        assert same == (not regularizers)


def test_dead_unit_is_no_error_and_is_noted():
    targets = [Target(ChannelMean("out", c), GaussianNoise(), DEFAULT, 0) for c in (NEVER, OPEN)]
    subject = Subject(Shut(), input_shape=(1, 12, 12))
    module = ActivationMaximization(subject, targets, Method(style="plain"))
    plain.fit(module, 20)
    assert module.excited.tolist() == [False, True]
    assert module.evaluate().score[0] == 0


@pytest.mark.parametrize("seed", [-1, 2**63])
def test_seed_out_of_range_is_told(seed):
    with pytest.raises(InputError, match=f"seed is {seed}"):
        one(seed=seed)


MOVES = (Jitter(2), Rotation(15.0), Scale(0.8, 1.2), Blur(0.7), Noise(0.1))


SETTINGS = {
    "pixels": {},
    "transforms": {"transforms": MOVES},
    "padded": {"transforms": (Padding(3), Jitter(1)), "parameterization": Pixels()},
    "fourier": {"parameterization": Fourier()},
    "maco": {"parameterization": MagnitudeConstrained("digits")},
    "fourier and transforms": {"parameterization": Fourier(1.5), "transforms": MOVES},
}


every_setting = pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)


def layer_targets():
    """11 targets, of whole layers, of sums, and of a picture that is given."""
    seven = ClassDifference(7, 1)
    starts = [GaussianNoise(), None, GivenImage(SEVEN), PinkNoise()]
    penalties = [DEFAULT, (Distance(1.0),), (), (Distance(0.1), L2(0.01))]
    objectives = [
        DeepDream("conv1"),
        -ChannelMean("conv2", 3),
        Direction("conv3", seven),
        ChannelMean("conv2", 3) - 0.1 * ChannelMean("conv1", 0),
        CosineDirection("conv2", seven),
        Caricature("conv3", SEVEN),
        0.5 * TopKMean("conv3", 1, 4) + 0.2 * DeepDream("conv2") - Neuron("conv1", 2, 5, 5),
        Caricature("conv2", SEVEN) / 10,
        ClassConditional(ChannelMean("conv1", 3), 2) - Neuron("logits", 7),
        ChannelMean("conv3", 5),
        Direction("conv3", ClassDifference(0, 1)),
    ]
    return [
        Target(objective, starts[i % 4], penalties[i // 2 % 4], 50 + i // 2)
        for i, objective in enumerate(objectives)
    ]


@every_setting
def test_any_target_alone_and_in_a_batch_bit_for_bit_in_float64(settings):
    targets = layer_targets()
    module = ActivationMaximization(plain.subject(), targets, Method(style="plain", **settings))
    start = module.pictures().detach().clone()
    plain.fit(module, 12)
    pictures = module.pictures().detach()
    assert pictures.dtype == torch.float64
    assert ((pictures - start).flatten(1).abs().mean(1) > 1e-3).all()
    for i, target in enumerate(targets):
        alone = single_target(
            plain.subject(),
            target.objective,
            target.initial_image,
            target.regularizers,
            seed=target.seed,
            style="plain",
            **settings,
        )
        plain.fit(alone, 12)
        assert torch.equal(alone.image[0], module.image[i]), target.name
        assert torch.equal(alone.pictures()[0], pictures[i]), target.name


@every_setting
def test_any_chunk_in_any_order_gives_the_same_bits_in_float64(settings):
    targets = layer_targets()
    module = ActivationMaximization(plain.subject(), targets, Method(style="plain", **settings))
    plain.fit(module, 4)
    for places in ([9, 2, 5], [10, 0, 7, 1], [8, 4, 6, 3]):
        part = [targets[i] for i in places]
        some = ActivationMaximization(plain.subject(), part, Method(style="plain", **settings))
        plain.fit(some, 4)
        assert torch.equal(some.image, module.image[places])


@pytest.mark.parametrize("transforms", [(Blur(1.0), *MOVES), MOVES, (Padding(2), Noise(0.1))])
@pytest.mark.parametrize("parameterization", [Pixels(), Fourier()])
def test_images_of_odd_size_alone_and_in_a_batch_bit_for_bit(transforms, parameterization):
    settings = {"transforms": transforms, "parameterization": parameterization}
    targets = [
        Target(objective, None, penalties, seed)
        for seed, (objective, penalties) in enumerate(
            [
                (ChannelMean("stem", 2) - Neuron("norm", 1), DEFAULT),
                (DeepDream("deep"), (Distance(),)),
                (-ChannelMean("logits", 0), DEFAULT),
                (TopKMean("deep", 3, 2), ()),
                (DeepDream("act") / 3, (L2(0.1),)),
            ]
        )
    ]
    batch = ActivationMaximization(odd_subject(), targets, Method(style="plain", **settings))
    plain.fit(batch, 12)
    for i, target in enumerate(targets):
        alone = ActivationMaximization(odd_subject(), [target], Method(style="plain", **settings))
        plain.fit(alone, 12)
        assert torch.equal(alone.image[0], batch.image[i]), target.name


def test_any_target_alone_and_in_a_batch_scores_within_1_percent_in_float32():
    targets = layer_targets()
    batch = ActivationMaximization(plain.subject(), targets, Method(style="plain"))
    plain.fit(batch, 20, "32-true")
    scores = []
    for target in targets:
        alone = ActivationMaximization(plain.subject(), [target], Method(style="plain"))
        plain.fit(alone, 20, "32-true")
        scores.append(alone.evaluate().score.item())
    assert batch.evaluate().score.tolist() == pytest.approx(scores, rel=0.01)


@pytest.mark.parametrize("parameterization", [Fourier(), MagnitudeConstrained("digits")])
def test_image_in_another_basis_is_the_only_parameter_and_its_pictures_are_in_range_and_rise(
    parameterization,
):
    targets = [
        Target(ChannelMean("conv2", 3), None, DEFAULT, 0),
        Target(ChannelMean("logits", 7), GivenImage(SEVEN), (), 1),
        Target(DeepDream("conv1"), GaussianNoise(), DEFAULT, 2),
    ]
    module = ActivationMaximization(
        plain.subject(), targets, Method(parameterization=parameterization, style="plain")
    )
    assert {name: tuple(p.shape) for name, p in module.named_parameters()} == {
        "image": (3, 3, 28, 28)
    }
    assert module.targets[0].initial_image == PinkNoise()

    ranges = []

    class Look(Callback):
        def on_train_batch_end(self, trainer, pl_module, *_):
            pictures = pl_module.pictures().detach()
            ranges.append((pictures.min().item(), pictures.max().item()))

    before = plain.outputs(module.pictures().detach())
    plain.fit(module, 60, callbacks=[Look()])
    assert len(ranges) == 60
    assert all(0 <= low <= high <= 1 for low, high in ranges)
    after = plain.outputs(module.pictures().detach())
    assert after["conv2"][0, 3].mean() > before["conv2"][0, 3].mean() + 0.2
    assert after["logits"][1, 7] > before["logits"][1, 7] + 1
    assert after["conv1"][2].square().mean() > before["conv1"][2].square().mean()
    end = module.evaluate().score
    assert end[1].item() == pytest.approx(after["logits"][1, 7].item())
    optimizer = module.configure_optimizers()
    assert [p for group in optimizer.param_groups for p in group["params"]] == [module.image]


def test_gradient_goes_through_basis_and_transforms():
    """Against finite differences of the scores written out."""
    objective = ChannelMean("conv2", 3) - 0.5 * DeepDream("conv1")
    module = single_target(
        plain.subject(),
        objective,
        seed=3,
        parameterization=Fourier(),
        transforms=(Jitter(2), Rotation(10.0)),
        style="plain",
    ).double()
    module.loss_of_step().backward()
    transforms = Transforms([(Jitter(2), Rotation(10.0))], [3], (3, 28, 28))
    draw = transforms.draw()
    basis = Fourier().basis((3, 28, 28)).double()

    def loss(image):
        picture = basis.decode(image)
        layers = plain.outputs(transforms(picture, draw))
        score = layers["conv2"][0, 3].mean() - 0.5 * layers["conv1"].pow(2).mean()
        one = picture[0].numpy()
        return -score.item() + 1e-4 * plain.l2(one) + 1e-3 * plain.total_variation(one)

    image = module.image.detach()
    assert module.measures.loss.item() == pytest.approx(loss(image), rel=1e-9)
    way = torch.randn(image.shape, generator=torch.Generator().manual_seed(0)).double()
    step = 1e-6
    slope = (loss(image + step * way) - loss(image - step * way)) / (2 * step)
    assert (module.image.grad * way).sum().item() == pytest.approx(slope, rel=1e-4)


def test_distance_counts_from_the_start_and_keeps_near_it():
    module = one(initial_image=GivenImage(SEVEN), regularizers=[Distance(2.0)]).double()
    seven = GivenImage(SEVEN).make((3, 28, 28), 0).double()
    assert module.evaluate().penalties["distance"].item() == 0
    with torch.no_grad():
        module.image.add_(0.3 * torch.rand(1, 3, 28, 28).double())
    image = module.image.detach().clone().requires_grad_()
    expected = (image - seven).pow(2).mean()
    score = plain.outputs(image)["conv2"][0, 3].mean()
    gradient = torch.autograd.grad(-score + 2 * expected, image)[0]
    module.loss_of_step().backward()
    assert module.measures.penalties["distance"].item() == pytest.approx(expected.item())
    torch.testing.assert_close(module.image.grad, gradient, rtol=0, atol=1e-12)

    changes = []
    for weight in (0.0, 1.0, 10.0, 100.0):
        module = one(initial_image=GivenImage(SEVEN), regularizers=[Distance(weight)])
        plain.fit(module, 60)
        changes.append((module.image.detach() - seven).square().mean().item())
        score = module.evaluate().score.item()
        assert score > plain.outputs(seven[None])["conv2"][0, 3].mean()
    assert changes == sorted(changes, reverse=True)
    assert changes[-1] < changes[0] / 10


def test_distance_in_a_basis_counts_from_what_the_basis_shows_of_the_start():
    seven = GivenImage(SEVEN)
    module = one(initial_image=seven, regularizers=[Distance()], parameterization=Fourier())
    # The basis cannot show black, and that is no change.
    shown = (module.pictures().detach() - seven.make((3, 28, 28), 0)).abs().max()
    assert shown > 0.009
    assert module.evaluate().penalties["distance"].item() == 0


def test_scores_at_start_and_end_are_of_the_picture_as_it_is():
    module = one(transforms=MOVES, seed=8)
    plain.fit(module, 5)
    start = plain.outputs(plain.noise(8)[None].double())["conv2"][0, 3].mean().item()
    end = plain.outputs(module.image.detach())["conv2"][0, 3].mean().item()
    assert module.start.score.item() == pytest.approx(start)
    assert module.evaluate().score.item() == pytest.approx(end)
    assert module.start.penalties["l2"].item() == pytest.approx(plain.l2(plain.noise(8)))
    # While a step sees it transformed.
    alone = one(transforms=MOVES, seed=8).double()
    alone.loss_of_step()
    transforms = Transforms([MOVES], [8], (3, 28, 28))
    seen = transforms(plain.noise(8)[None].double(), transforms.draw())
    expected = plain.outputs(seen)["conv2"][0, 3].mean().item()
    assert alone.measures.score.item() == pytest.approx(expected)
    assert abs(expected - start) > 1e-3
    assert alone.measures.penalties["l2"].item() == pytest.approx(plain.l2(plain.noise(8)))


def test_picture_made_robust_is_better_when_it_is_moved():
    moves = (Jitter(3), Rotation(20.0))
    plainly, robustly = (one(objective=ChannelMean("logits", 4), transforms=t) for t in ((), moves))
    for module in (plainly, robustly):
        plain.fit(module, 100, "32-true")
    transforms = Transforms([moves], [99], (3, 28, 28))
    draws = [transforms.draw() for _ in range(40)]

    def moved(module):
        picture = module.image.detach()
        seen = torch.cat([transforms(picture, draw) for draw in draws])
        return plain.outputs(seen)["logits"][:, 4].mean()

    assert moved(robustly) > moved(plainly) + 1


@every_setting
def test_dead_unit_is_told_in_any_basis_and_under_transforms(settings):
    torch.manual_seed(0)
    cnn = nn.Sequential(nn.Conv2d(3, 2, 3), nn.ReLU())
    with torch.no_grad():
        cnn[0].bias.copy_(torch.tensor([-100.0, 1.0]))
    subject = Subject(cnn, input_shape=(3, 28, 28))
    targets = [Target(ChannelMean("1", c), None, DEFAULT, 0) for c in (0, 1)]
    module = ActivationMaximization(subject, targets, Method(style="plain", **settings))
    plain.fit(module, 4)
    assert module.excited.tolist() == [False, True]
