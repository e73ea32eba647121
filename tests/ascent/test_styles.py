import numpy as np
import pytest
import torch
from torch import nn

from prober.ascent.method import Method
from prober.ascent.module import ActivationMaximization, single_target
from prober.ascent.objectives import ChannelMean, ClassConditional, Neuron
from prober.ascent.parameterizations import Fourier, Pixels
from prober.ascent.regularizers import L2, TotalVariation
from prober.ascent.starts import GaussianNoise, PinkNoise
from prober.ascent.styles import look, transforms_of
from prober.ascent.target_records import target_records
from prober.ascent.targets import Target
from prober.ascent.transforms import Jitter, Padding, Rotation, Scale, robust
from prober.subject import Subject
from tests import plain

ALL = Target(ChannelMean("classifier", 7), None, None, 0)


def settled(module):
    (method,), (target,) = module.methods, module.targets
    return method.parameterization, target.initial_image, target.regularizers, method.lr


def test_plain_is_pixels_from_noise_with_weak_penalties_at_every_size():
    module = single_target(plain.subject(), ChannelMean("conv2", 3), seed=0, style="plain")
    said = (Pixels(), GaussianNoise(0.0, 1.0), (L2(1e-4), TotalVariation(1e-3)), 0.05)
    assert settled(module) == said
    assert module.methods[0].transforms == ()
    assert settled(ActivationMaximization(large(), [deep(1)], Method(style="plain"))) == said


def deep(channel):
    return Target(ChannelMean("0", channel), None, None, 0)


def large(side=(160, 240)):
    torch.manual_seed(0)
    return Subject(nn.Sequential(nn.Conv2d(3, 4, 3, stride=4)), input_shape=(3, *side))


@pytest.mark.parametrize(
    ("side", "lr", "averaging"),
    [
        ((8, 9), 1.4, 1),
        ((40, 31), 0.36129, 1),
        ((32, 40), 0.175, 1),
        ((127, 300), 0.044094, 1),
        ((128, 300), 0.02625, 48),
        ((280, 240), 0.014, 48),
    ],
)
def test_legible_is_a_spectrum_whose_rate_goes_with_the_side(side, lr, averaging):
    """0.05, from 32 pixels on 0.025, from 128 on 0.015, times 224 over the shorter side."""
    module = ActivationMaximization(large(side), [deep(1)])
    assert module.methods[0].averaging == averaging
    said = (Fourier(1.5, 0.1), PinkNoise(0.05), (), pytest.approx(lr, rel=1e-3))
    assert settled(module) == said


@pytest.mark.parametrize(
    ("objective", "moved"),
    [
        # What a unit sees of 28 pixels: 3, 8, 18, all.
        (ChannelMean("conv1", 2), ()),
        (ChannelMean("conv2", 3), (Jitter(1), Scale(0.971, 1.029), Rotation(1.43))),
        (ChannelMean("conv3", 3), (Jitter(1), Scale(0.936, 1.064), Rotation(3.21))),
        (ChannelMean("classifier", 7), (Jitter(2), Scale(0.9, 1.1), Rotation(5.0))),
        # A neuron stays at its place; a flat unit has none.
        (Neuron("conv3", 3, 0, 6), ()),
        (Neuron("classifier", 7, 0, 0), (Jitter(2), Scale(0.9, 1.1), Rotation(5.0))),
        # Of two layers, what moves the finer one little.
        (
            ClassConditional(ChannelMean("conv2", 3), 7),
            (Jitter(1), Scale(0.971, 1.029), Rotation(1.43)),
        ),
    ],
)
def test_transforms_grow_with_what_the_unit_sees(objective, moved):
    subject = plain.subject()
    assert transforms_of("legible", objective.resolved(subject), subject) == moved


def test_large_pictures_are_moved_far_and_neurons_hardly():
    class Deep(nn.Module):
        def __init__(self):
            super().__init__()
            self.edge = nn.Conv2d(3, 2, 3, stride=8)
            self.part = nn.Conv2d(2, 2, 8)
            self.whole = nn.Linear(2 * 13 * 13, 2)

        def forward(self, x):
            return self.whole(self.part(self.edge(x)).flatten(1))

    shape = (3, 160, 160)
    subject = Subject(Deep(), input_shape=shape)

    def moved(objective):
        return transforms_of("legible", objective.resolved(subject), subject)

    # 12 and 24 pixels of 224 are 8.6 and 17.1 of 160.
    assert moved(ChannelMean("whole", 0)) == (
        Padding(9),
        Jitter(17),
        Scale(0.6, 1.4),
        Rotation(20.0),
    )
    assert moved(ChannelMean("edge", 0)) == ()
    # 7 steps of 8 pixels and a kernel of 3: 59 of 160 pixels.
    part = (Jitter(4), Scale(0.963, 1.037), Rotation(3.69))
    assert moved(ChannelMean("part", 0)) == part
    assert moved(Neuron("part", 0, 2, 3)) == (Jitter(2),)


@pytest.mark.parametrize(
    ("layers", "shape", "moved"),
    [
        # A signal is not turned, of a volume the slices are moved, and a vector has no places.
        ([nn.Conv1d(2, 3, 9)], (2, 90), (Jitter(1), Scale(0.99, 1.01))),
        (
            [nn.Conv3d(1, 3, (3, 9, 9))],
            (1, 4, 18, 20),
            (Jitter(1), Scale(0.95, 1.05), Rotation(2.5)),
        ),
        ([nn.Linear(6, 3)], (6,), ()),
    ],
)
def test_other_inputs_than_images_have_styles_too(layers, shape, moved):
    torch.manual_seed(0)
    subject = Subject(nn.Sequential(*layers), input_shape=shape)
    module = ActivationMaximization(subject, [deep(1)])
    assert module.methods[0].transforms == moved
    plain.fit(module, 2)
    assert module.start.score < module.evaluate().score


def test_a_long_signal_is_moved_as_lucid_moves_pictures():
    subject = Subject(nn.Sequential(nn.Flatten(), nn.Linear(320, 3)), input_shape=(2, 160))
    objective = ChannelMean("1", 0).resolved(subject)
    assert transforms_of("legible", objective, subject) == robust((2, 160))


def test_what_is_given_comes_before_the_style():
    given = {"parameterization": Pixels(), "transforms": [Jitter(3)], "lr": 0.02}
    module = single_target(
        plain.subject(), ChannelMean("conv2", 3), GaussianNoise(0.5), [L2(0.1)], 0, **given
    )
    assert settled(module) == (Pixels(), GaussianNoise(0.5), (L2(0.1),), 0.02)
    assert module.methods[0].transforms == (Jitter(3),)


def test_another_basis_has_its_own_start_and_rate():
    """Those of the style would be too coarse for pixels."""
    module = single_target(
        plain.subject(), ChannelMean("conv2", 3), seed=0, parameterization=Pixels()
    )
    assert settled(module) == (Pixels(), GaussianNoise(), (), 0.05)


def test_record_says_what_the_style_stood_for_and_makes_the_method_again():
    targets = [ALL, Target(Neuron("conv2", 3, 1, 2), None, None, 1)]
    module = ActivationMaximization(plain.subject(), targets)
    trainer = plain.fit(module, 1)
    first, second = target_records(module, module.evaluate(), trainer, 0.0)
    assert first["style"] == second["style"] == "legible"
    assert first["optimizer"] == {"name": "Adam", "lr": pytest.approx(0.4)}
    assert first["parameterization"] == {"name": "Fourier", "decay": 1.5, "least_slope": 0.1}
    assert first["regularizers"] == [] and first["initial_image"]["name"] == "PinkNoise"
    assert [each["name"] for each in first["transforms"]] == ["Jitter", "Scale", "Rotation"]
    assert second["transforms"] == []
    for record, method in zip((first, second), module.methods, strict=True):
        assert Method.from_record(record) == method


def test_record_from_before_there_were_styles_is_of_what_it_was():
    method = Method.from_record({"optimizer": {"lr": 0.1}})
    assert method == Method(0.1, Pixels(), (), averaging=1, batchnorm_statistics=0.0, style="plain")


@pytest.mark.parametrize("precision", ["64-true", "32-true"])
def test_targets_of_one_batch_are_each_moved_by_their_own(precision):
    """A class, a neuron and two channels, which have three lists of transforms, come out alone."""
    objectives = [
        *(ChannelMean("conv2", 3), Neuron("conv2", 5, 2, 2)),
        *(ChannelMean("classifier", 7), ChannelMean("conv2", 4)),
    ]
    targets = [Target(objective, None, None, i) for i, objective in enumerate(objectives)]

    def made(some):
        module = ActivationMaximization(plain.subject(), some)
        plain.fit(module, 4, precision=precision)
        return module.pictures().detach().numpy()

    together = made(targets)
    apart = np.concatenate([made([target]) for target in targets])
    if precision == "64-true":
        assert np.array_equal(together, apart)
    else:
        np.testing.assert_allclose(together, apart, atol=1e-3)


def test_legible_classes_are_named_by_a_cnn_that_was_not_probed():
    """In 64 steps: the control CNN's 7 and 2, asked of the one of the shortcut only in shape."""
    targets = [Target(ChannelMean("classifier", c), None, None, 0) for c in (0, 2, 7)]
    module = ActivationMaximization(plain.subject("control"), targets)
    plain.fit(module, 64, precision="32-true")
    pictures = module.pictures().detach().float()
    named = plain.outputs(pictures.double(), "control")["logits"].argmax(1)
    assert named.tolist() == [0, 2, 7]
    assert pictures.std((2, 3)).mean() > 0.2  # no gray fog


def test_a_style_is_looked_up_without_a_cnn():
    assert look("plain", (1, 8, 8)).lr == 0.05
