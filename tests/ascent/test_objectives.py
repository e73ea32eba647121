import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from prober.ascent.layer_objectives import DeepDream, Diversity
from prober.ascent.module import ActivationMaximization, visualization
from prober.ascent.objectives import (
    ChannelMean,
    ClassConditional,
    Negative,
    Neuron,
    TopKMean,
    Weighted,
    WeightedSum,
)
from prober.ascent.scores import Scores
from prober.ascent.starts import GaussianNoise
from prober.ascent.targets import Target
from prober.common.errors import InputError
from tests import plain


def largest(activations, k):
    return activations.flatten().sort(descending=True).values[:k].mean()


# Each objective with its name and its score, written out on the layers of a plain forward pass.
CASES = [
    (ChannelMean("conv2", 3), "conv2_ch3", lambda a: a["conv2"][3].mean()),
    (ChannelMean("conv2", 31), "conv2_ch31", lambda a: a["conv2"][31].mean()),
    (ChannelMean("pool3", 63), "pool3_ch63", lambda a: a["pool3"][63].mean()),
    (ChannelMean("classifier", 7), "classifier_ch7", lambda a: a["classifier"][7]),
    (ChannelMean("logits", 4), "logits_ch4", lambda a: a["logits"][4]),
    (Neuron("conv2", 5), "conv2_ch5_h7_w7", lambda a: a["conv2"][5, 7, 7]),
    (Neuron("conv1", 0), "conv1_ch0_h14_w14", lambda a: a["conv1"][0, 14, 14]),
    (Neuron("conv3", 10), "conv3_ch10_h3_w3", lambda a: a["conv3"][10, 3, 3]),
    (Neuron("pool3", 1), "pool3_ch1_h1_w1", lambda a: a["pool3"][1, 1, 1]),
    (Neuron("conv2", 5, 0, 13), "conv2_ch5_h0_w13", lambda a: a["conv2"][5, 0, 13]),
    (Neuron("conv2", 8, h=2), "conv2_ch8_h2_w7", lambda a: a["conv2"][8, 2, 7]),
    (Neuron("conv2", 8, w=0), "conv2_ch8_h7_w0", lambda a: a["conv2"][8, 7, 0]),
    (Neuron("classifier", 2), "classifier_ch2_h0_w0", lambda a: a["classifier"][2]),
    (TopKMean("conv2", 3), "conv2_ch3_top20", lambda a: largest(a["conv2"][3], 20)),
    (TopKMean("conv2", 6), "conv2_ch6_top20", lambda a: largest(a["conv2"][6], 20)),
    (TopKMean("conv2", 3, k=5), "conv2_ch3_top5", lambda a: largest(a["conv2"][3], 5)),
    (TopKMean("conv3", 3, k=49), "conv3_ch3_top49", lambda a: a["conv3"][3].mean()),
    (TopKMean("relu1", 1, k=1), "relu1_ch1_top1", lambda a: a["relu1"][1].max()),
    (TopKMean("logits", 1, k=1), "logits_ch1_top1", lambda a: a["logits"][1]),
    (
        ClassConditional(ChannelMean("conv3", 10), 7),
        "conv3_ch10_class7",
        lambda a: a["conv3"][10].mean() + 0.1 * a["logits"][7],
    ),
    (
        ClassConditional(Neuron("conv2", 1), 0, weight=0.5),
        "conv2_ch1_h7_w7_class0",
        lambda a: a["conv2"][1, 7, 7] + 0.5 * a["logits"][0],
    ),
    (
        ClassConditional(TopKMean("conv1", 2, k=9), 9, weight=0),
        "conv1_ch2_top9_class9",
        lambda a: largest(a["conv1"][2], 9),
    ),
    (Negative(ChannelMean("conv2", 3)), "minus_conv2_ch3", lambda a: -a["conv2"][3].mean()),
    (
        Negative(TopKMean("conv3", 8, 3)),
        "minus_conv3_ch8_top3",
        lambda a: -largest(a["conv3"][8], 3),
    ),
    (
        WeightedSum([Weighted(ChannelMean("conv2", 3)), Weighted(ChannelMean("conv1", 0), -0.1)]),
        "conv2_ch3-0.1_conv1_ch0",
        lambda a: a["conv2"][3].mean() - 0.1 * a["conv1"][0].mean(),
    ),
    (
        # The same unit twice, and one layer from which several channels are needed.
        Neuron("conv2", 1, 0, 0) + 2 * Neuron("conv2", 4, 3, 1) + 0.5 * Neuron("conv2", 1, 0, 0),
        "conv2_ch1_h0_w0+2_conv2_ch4_h3_w1+0.5_conv2_ch1_h0_w0",
        lambda a: 1.5 * a["conv2"][1, 0, 0] + 2 * a["conv2"][4, 3, 1],
    ),
    (
        ClassConditional(ChannelMean("conv1", 1), 2, weight=0.3) - DeepDream("conv2") / 4,
        "conv1_ch1_class2-0.25_conv2_all",
        lambda a: a["conv1"][1].mean() + 0.3 * a["logits"][2] - a["conv2"].pow(2).mean() / 4,
    ),
    (
        Negative(
            WeightedSum(
                [
                    Weighted(Negative(ChannelMean("logits", 4)), 2.0),
                    Weighted(
                        WeightedSum(
                            [Weighted(TopKMean("conv2", 0, 2), 3.0), Weighted(DeepDream("conv1"))]
                        ),
                        -0.5,
                    ),
                ]
            )
        ),
        "minus_2_minus_logits_ch4-0.5_3_conv2_ch0_top2+conv1_all",
        lambda a: (
            2 * a["logits"][4] + 1.5 * largest(a["conv2"][0], 2) + 0.5 * a["conv1"].pow(2).mean()
        ),
    ),
]
cases = pytest.mark.parametrize(("objective", "name", "score"), CASES, ids=[c[1] for c in CASES])
SUBJECT = plain.subject().double()
IMAGES = torch.rand(len(CASES), 3, 28, 28, generator=torch.Generator().manual_seed(2)).double()
LAYERS = plain.outputs(IMAGES)


def layers_of(image):
    return {layer: output[image] for layer, output in LAYERS.items()}


@cases
def test_score_is_the_formula(objective, name, score):
    resolved = objective.resolved(SUBJECT)
    assert resolved.name == name
    scores = Scores([resolved])
    actual = [scores(SUBJECT(image[None], scores.layers)).item() for image in IMAGES]
    expected = [float(score(layers_of(i))) for i in range(len(IMAGES))]
    assert actual == pytest.approx(expected, rel=1e-10, abs=1e-12)
    # Were all the same, a wrong image or position would not be seen.
    assert len(set(actual)) > 1


@given(st.lists(st.integers(0, len(CASES) - 1), min_size=1, max_size=len(CASES)))
def test_scores_of_any_mixed_batch_are_those_of_each_alone(picks):
    objectives = [CASES[pick][0].resolved(SUBJECT) for pick in picks]
    scores = Scores(objectives)
    images = IMAGES[: len(picks)]
    actual = scores(SUBJECT(images, scores.layers))
    expected = [float(CASES[pick][2](layers_of(i))) for i, pick in enumerate(picks)]
    assert actual.shape == (len(picks),)
    assert actual.tolist() == pytest.approx(expected, rel=1e-10, abs=1e-12)


def test_only_the_layers_that_are_needed_are_asked_for():
    assert Scores([ChannelMean("conv1", 0)]).layers == {"conv1"}
    both = [ChannelMean("conv1", 0), ClassConditional(ChannelMean("conv2", 0), 1)]
    assert Scores(both).layers == {"conv1", "conv2", "logits"}


@cases
def test_gradient_is_that_of_the_formula(objective, name, score):
    image = plain.noise(3).double()[None].requires_grad_()
    layers = {layer: output[0] for layer, output in plain.outputs(image).items()}
    expected = torch.autograd.grad(score(layers), image)[0][0]

    module = visualization(plain.subject(), objective, regularizers=[], seed=3).double()
    module.loss_of_step().backward()
    assert expected.abs().max() > 0
    torch.testing.assert_close(-module.image.grad[0], expected, rtol=0, atol=1e-12)


def test_float32_batch_is_within_rounding_of_the_formulas():
    targets = [
        Target(objective, GaussianNoise(), (), i) for i, (objective, _, _) in enumerate(CASES)
    ]
    module = ActivationMaximization(plain.subject(), targets)
    assert module.image.dtype == torch.float32
    layers = plain.outputs(torch.stack([plain.noise(i) for i in range(len(CASES))]).double())
    expected = [
        float(score({layer: output[i] for layer, output in layers.items()}))
        for i, (_, _, score) in enumerate(CASES)
    ]
    assert module.evaluate().score.tolist() == pytest.approx(expected, rel=1e-4, abs=1e-5)


A, B, C = ChannelMean("conv2", 3), TopKMean("conv1", 0, 4), DeepDream("conv3")


def reckoned(objective):
    """The weight of each objective in a sum, and those of each image of `IMAGES`."""
    objective = objective.resolved(SUBJECT)
    weights = [(term.objective, term.weight) for term in objective.terms]
    scores = Scores([objective] * len(IMAGES))
    return weights, scores(SUBJECT(IMAGES, scores.layers, scores.channels)).tolist()


@pytest.mark.parametrize(
    ("objective", "weights"),
    [
        (A + B, (1, 1, 0)),
        (A - B, (1, -1, 0)),
        (-A, (-1, 0, 0)),
        (-Negative(A), (1, 0, 0)),
        (A - (-B), (1, 1, 0)),
        (-A - B, (-1, -1, 0)),
        (3 * A, (3, 0, 0)),
        (A * 3, (3, 0, 0)),
        (A / 4, (0.25, 0, 0)),
        (2 * (A + 3 * B) / 4, (0.5, 1.5, 0)),
        (-(A - 2 * B) * 5, (-5, 10, 0)),
        (A - (B - (C - A)), (0, -1, 1)),
        (-2 * -A, (2, 0, 0)),
        (sum([A, B, C]), (1, 1, 1)),
        (sum([A, B, C]) / 3 - C, (1 / 3, 1 / 3, -2 / 3)),
        (0.5 * ClassConditional(A, 6, weight=2) - ClassConditional(A, 6, 1) + B, (-0.5, 1, 0)),
        (A - 0.1 * ChannelMean("conv1", 0) + 0.1 * ChannelMean("conv1", 0), (1, 0, 0)),
    ],
)
def test_objectives_add_and_scale_as_numbers_do(objective, weights):
    terms, scores = reckoned(objective)
    total = {A: 0.0, B: 0.0, C: 0.0}
    for term, weight in terms:
        total[term] = total.get(term, 0.0) + weight
    assert [total[each] for each in (A, B, C)] == pytest.approx(weights)
    assert sum(map(abs, total.values())) == pytest.approx(sum(map(abs, weights)))
    parts = [torch.stack([f(layers_of(i)) for i in range(len(IMAGES))]) for f in (
        lambda a: a["conv2"][3].mean(),
        lambda a: largest(a["conv1"][0], 4),
        lambda a: a["conv3"].pow(2).mean(),
    )]  # fmt: skip
    expected = sum(w * part for w, part in zip(weights, parts, strict=True))
    assert scores == pytest.approx(expected.tolist(), rel=1e-10, abs=1e-12)


def test_sums_stay_flat_and_a_sum_is_its_summands():
    assert WeightedSum((Weighted(A), Weighted(B), Weighted(C, -1.0))) == A + B - C
    assert WeightedSum((Weighted(A, 2.0), Weighted(C, -2.0))) == 2 * (A - C)
    assert 0 + A is A and A + 0 is A
    assert -Negative(A) is A
    assert Negative(A) == -A
    assert hash(A + B) == hash(WeightedSum([Weighted(A), Weighted(B)]))


@pytest.mark.parametrize(
    "reckon",
    [lambda: A + 1, lambda: 1 + A, lambda: A - 1, lambda: A * B, lambda: "2" * A, lambda: A / B,
     lambda: A + "conv1", lambda: A - None],
)  # fmt: skip
def test_what_is_no_objective_cannot_be_added_and_what_is_no_number_does_not_scale(reckon):
    with pytest.raises(TypeError, match=r"unsupported operand|can.t multiply"):
        reckon()


def test_a_sum_of_very_many_has_a_name_that_a_folder_can_have():
    many = [sum(ChannelMean("conv2", i) for i in range(32)) + each for each in (A, C)]
    names = [each.name for each in many]
    assert all(len(name) <= 100 and name.startswith("conv2_ch0+conv2_ch1+") for name in names)
    assert names[0] != names[1]


def test_unit_of_a_sum_is_that_of_its_first_summand():
    both = B - A
    assert (both.layer, both.channel) == ("conv1", 0)
    assert ((-A).layer, (-A).channel) == ("conv2", 3)
    assert ((C + A).layer, (C + A).channel) == ("conv3", None)
    assert not both.compares and (both + Diversity("conv2")).compares
    assert (-(2 * Diversity("conv1"))).compares


@pytest.mark.parametrize("weight", [float("nan"), float("inf"), -float("inf")])
def test_weight_that_is_no_number_is_told(weight):
    with pytest.raises(InputError, match=f"weight of WeightedSum is {weight}"):
        A + weight * B


def test_sum_of_nothing_is_told():
    for none in ([], ()):
        with pytest.raises(InputError, match="at least one summand"):
            WeightedSum(none)


POSITION = {"position": None, "class": None}
MEAN = {"layer": "conv2", "channel": 3, "objective": "ChannelMean", **POSITION}
NEURON = {
    "layer": "conv1",
    "channel": 2,
    "objective": "Neuron",
    "position": [14, 14],
    "class": None,
}


@pytest.mark.parametrize(
    ("objective", "record"),
    [
        (
            ChannelMean("conv2", 3),
            {"layer": "conv2", "channel": 3, "objective": "ChannelMean", **POSITION},
        ),
        (
            Neuron("conv2", 3, w=1),
            {
                "layer": "conv2",
                "channel": 3,
                "objective": "Neuron",
                "position": [7, 1],
                "class": None,
            },
        ),
        (
            TopKMean("conv2", 3),
            {"layer": "conv2", "channel": 3, "objective": "TopKMean", "k": 20, **POSITION},
        ),
        (
            ClassConditional(TopKMean("conv3", 3, 4), 7),
            {
                "layer": "conv3",
                "channel": 3,
                "objective": "ClassConditional",
                "unit_objective": "TopKMean",
                "k": 4,
                "position": None,
                "class": 7,
                "class_weight": 0.1,
            },
        ),
        (Negative(A), {**MEAN, "objective": "Negative", "of": MEAN}),
        (
            A - 0.5 * Neuron("conv1", 2),
            {
                **MEAN,
                "objective": "WeightedSum",
                "summands": [{"weight": 1.0, **MEAN}, {"weight": -0.5, **NEURON}],
            },
        ),
        (
            Negative(Neuron("conv1", 2)) * 2,
            {
                **NEURON,
                "objective": "WeightedSum",
                "summands": [{"weight": -2.0, **NEURON}],
            },
        ),
    ],
)
def test_record_says_what_is_probed(objective, record):
    assert objective.resolved(SUBJECT).record() == record


@pytest.mark.parametrize(
    ("objective", "message"),
    [
        (ChannelMean("conv4", 0), "no layer 'conv4'. Did you mean 'conv"),
        (ChannelMean("conv2", 32), "Channel 32 is out of range: choose 0 to 31 of 'conv2'"),
        (ChannelMean("conv2", -1), "Channel -1 is out of range: choose 0 to 31"),
        (ChannelMean("classifier", 10), "Channel 10 is out of range: choose 0 to 9"),
        (Neuron("conv2", 0, 14, 0), "h = 14 is out of range: choose 0 to 13"),
        (Neuron("conv2", 0, -1, 0), "h = -1 is out of range: choose 0 to 13"),
        (Neuron("conv3", 0, 0, 7), "w = 7 is out of range: choose 0 to 6"),
        (Neuron("classifier", 0, 1, 0), "h = 1 is out of range: choose 0 to 0"),
        (TopKMean("conv2", 0, 197), "k = 197 .* 14 x 14: choose 1 to 196"),
        (TopKMean("conv2", 0, 0), "k = 0 .* choose 1 to 196"),
        (TopKMean("pool3", 0), "k = 20 .* 3 x 3: choose 1 to 9"),
        (TopKMean("logits", 0), "k = 20 .* choose 1 to 1"),
        (ClassConditional(ChannelMean("conv2", 0), 10), "Class 10 is out of range: choose 0 to 9"),
        (ClassConditional(ChannelMean("conv2", 0), -1), "Class -1 is out of range: choose 0 to 9"),
        (ClassConditional(ChannelMean("conv2", 0), 1, -0.1), "ClassConditional is -0.1"),
        (ClassConditional(ChannelMean("conv2", 99), 1), "Channel 99 is out of range"),
        (
            ClassConditional(ClassConditional(ChannelMean("conv2", 0), 1), 1),
            "cannot stand over another",
        ),
        (ClassConditional(C, 1), "this is a DeepDream: choose ChannelMean, Neuron or TopKMean"),
        (ClassConditional(-A, 1), "this is a Negative"),
        (-ChannelMean("conv2", 32), "Channel 32 is out of range"),
        (A - ChannelMean("conv4", 0), "no layer 'conv4'. Did you mean 'conv"),
        (A + (B - Neuron("conv3", 0, 7, 0)), "h = 7 is out of range: choose 0 to 6"),
        (A + DeepDream("conv22"), "no layer 'conv22'. Did you mean 'conv2'"),
    ],
)
def test_objective_that_does_not_fit_is_told(objective, message):
    with pytest.raises(InputError, match=message):
        objective.resolved(SUBJECT)


@given(st.integers(1, 196), st.integers(0, 31))
def test_any_k_that_fits_the_map(k, channel):
    objective = TopKMean("conv2", channel, k).resolved(SUBJECT)
    scores = Scores([objective] * 2)(SUBJECT(IMAGES[:2], ["conv2"]))
    expected = [largest(LAYERS["conv2"][i, channel], k).item() for i in range(2)]
    assert scores.tolist() == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("whole", [np.int64, np.uint8, torch.tensor])
def test_whole_numbers_of_any_kind(whole):
    objectives = [
        ChannelMean("conv2", whole(3)),
        Neuron("conv2", whole(3), whole(7), whole(5)),
        TopKMean("conv2", whole(3), whole(4)),
        ClassConditional(ChannelMean("conv2", whole(3)), whole(7)),
    ]
    assert objectives == [
        ChannelMean("conv2", 3),
        Neuron("conv2", 3, 7, 5),
        TopKMean("conv2", 3, 4),
        ClassConditional(ChannelMean("conv2", 3), 7),
    ]
    numbers = [
        value
        for each in objectives
        for name, value in each.resolved(SUBJECT).record().items()
        if name in ("channel", "k", "class") and value is not None
    ]
    assert numbers == [3, 3, 3, 4, 3, 7]
    assert {type(number) for number in [*numbers, *objectives[1].record()["position"]]} == {int}


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ChannelMean("conv2", 3.5), "channel of ChannelMean is 3.5; it must be a whole"),
        (lambda: Neuron("conv2", 3, 7, np.float64(1)), "w of Neuron is 1.0; it must be a whole"),
        (lambda: TopKMean("conv2", 3, "4"), "k of TopKMean is 4; it must be a whole number"),
        (lambda: TopKMean("conv2", [3]), r"channel of TopKMean is \[3\]; it must be a whole"),
        (lambda: ClassConditional(A, None), "target_class of ClassConditional is None; it must"),
    ],
)
def test_other_numbers_are_told(make, message):
    with pytest.raises(InputError, match=message):
        make()
