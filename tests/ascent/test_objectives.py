import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from prober.ascent.batched_objectives import BatchedObjectives
from prober.ascent.layer_objectives import DeepDream, Diversity
from prober.ascent.module import single_target
from prober.ascent.objectives import (
    ChannelMean,
    ClassConditional,
    Negative,
    Neuron,
    TopKMean,
    Weighted,
    WeightedSum,
)
from prober.common.errors import InputError
from tests import plain
from tests.ascent.objectives import CASES, IMAGES, LAYERS, SUBJECT, largest, layers_of

cases = pytest.mark.parametrize(("objective", "name", "score"), CASES, ids=[c[1] for c in CASES])


@cases
def test_score_is_the_formula(objective, name, score):
    resolved = objective.resolved(SUBJECT)
    assert resolved.name == name
    scores = BatchedObjectives([resolved])
    actual = [scores(SUBJECT(image[None], scores.layers)).item() for image in IMAGES]
    expected = [float(score(layers_of(i))) for i in range(len(IMAGES))]
    assert actual == pytest.approx(expected, rel=1e-10, abs=1e-12)
    # Were all the same, a wrong image or position would not be seen.
    assert len(set(actual)) > 1


@cases
def test_gradient_is_that_of_the_formula(objective, name, score):
    image = plain.noise(3).double()[None].requires_grad_()
    layers = {layer: output[0] for layer, output in plain.outputs(image).items()}
    expected = torch.autograd.grad(score(layers), image)[0][0]

    module = single_target(
        plain.subject(), objective, regularizers=[], seed=3, style="plain"
    ).double()
    module.loss_of_step().backward()
    assert expected.abs().max() > 0
    torch.testing.assert_close(-module.image.grad[0], expected, rtol=0, atol=1e-12)


A, B, C = ChannelMean("conv2", 3), TopKMean("conv1", 0, 4), DeepDream("conv3")


def reckoned(objective):
    """The weight of each objective in a sum, and those of each image of `IMAGES`."""
    objective = objective.resolved(SUBJECT)
    weights = [(term.objective, term.weight) for term in objective.terms]
    scores = BatchedObjectives([objective] * len(IMAGES))
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
        (ClassConditional(C, 1), "this is a DeepDream: choose ChannelMean, Neuron, .* or write"),
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
    scores = BatchedObjectives([objective] * 2)(SUBJECT(IMAGES[:2], ["conv2"]))
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
        (lambda: ChannelMean("conv2", None), "channel of ChannelMean is None; it must be a whole"),
        (lambda: TopKMean("conv2", [3]), r"channel of TopKMean is \[3\]; it must be a whole"),
        (lambda: ClassConditional(A, None), "target_class of ClassConditional is None; it must"),
    ],
)
def test_other_numbers_are_told(make, message):
    with pytest.raises(InputError, match=message):
        make()
