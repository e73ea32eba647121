"""Objectives of whole layers against their formulas in numpy and loops."""

import math

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from prober.ascent.batched_objectives import BatchedObjectives
from prober.ascent.layer_objectives import (
    Caricature,
    ClassDifference,
    CosineDirection,
    DeepDream,
    Direction,
    Diversity,
)
from prober.ascent.method import Method
from prober.ascent.module import ActivationMaximization
from prober.ascent.objectives import ChannelMean
from prober.ascent.starts import GaussianNoise, GivenImage
from prober.ascent.targets import Target
from prober.common.errors import InputError
from prober.subject import Subject
from prober.subject.reference import load_digits
from tests import plain
from tests.files import RunsCode
from tests.plain import SEVEN

SUBJECT = plain.subject().double()
IMAGES = torch.rand(5, 3, 28, 28, generator=torch.Generator().manual_seed(6)).double()
LAYERS = {name: output.numpy() for name, output in plain.outputs(IMAGES).items()}
UNITS = {"conv1": 16, "conv2": 32, "conv3": 64, "relu3": 64, "logits": 10}


def vector_of(layer, seed=0):
    return np.random.default_rng(seed).normal(size=UNITS[layer])


def scores_of(objective, images=IMAGES):
    scores = BatchedObjectives([objective.resolved(SUBJECT)] * len(images))
    return scores(SUBJECT(images, scores.layers, scores.channels)).tolist()


def maps_of(layer):
    """`[N, channels, positions]`."""
    return LAYERS[layer].reshape(len(IMAGES), UNITS[layer], -1)


@pytest.mark.parametrize("layer", ["conv1", "conv2", "relu3", "logits"])
def test_deep_dream_is_the_mean_square_of_all_activations(layer):
    expected = [float(np.mean(np.square(a))) for a in LAYERS[layer]]
    assert scores_of(DeepDream(layer)) == pytest.approx(expected, rel=1e-10)


def along(a, vector):
    """Position by position, the length of an activation's shadow on a vector."""
    length = math.sqrt(sum(v * v for v in vector))
    return [
        float(sum(x * v for x, v in zip(column, vector, strict=True))) / length for column in a.T
    ]


@pytest.mark.parametrize("layer", ["conv1", "conv3", "relu3", "logits"])
@pytest.mark.parametrize("scale", [1.0, 1000.0])
def test_direction_is_the_mean_along_the_vector_whatever_its_length(tmp_path, layer, scale):
    vector = vector_of(layer).astype(np.float32)
    np.save(tmp_path / "v.npy", scale * vector)
    objective = Direction(layer, str(tmp_path / "v.npy"))
    expected = [float(np.mean(along(a, vector.astype(float)))) for a in maps_of(layer)]
    # The vector is kept as float32.
    assert scores_of(objective) == pytest.approx(expected, rel=1e-5, abs=1e-6)


@pytest.mark.parametrize("layer", ["conv1", "conv3", "relu3", "logits"])
def test_cosine_direction_is_the_mean_cosine_of_the_positions(tmp_path, layer):
    vector = vector_of(layer).astype(np.float32)
    np.save(tmp_path / "v.npy", vector)
    expected = []
    for a in maps_of(layer):
        lengths = [math.sqrt(float(sum(x * x for x in column))) for column in a.T]
        cosines = [
            shadow / length if length else 0.0
            for shadow, length in zip(along(a, vector.astype(float)), lengths, strict=True)
        ]
        expected.append(sum(cosines) / len(cosines))
    actual = scores_of(CosineDirection(layer, str(tmp_path / "v.npy")))
    assert actual == pytest.approx(expected, rel=1e-5, abs=1e-6)
    assert all(-1 <= score <= 1 for score in actual)


def test_direction_of_one_channel_is_its_mean(tmp_path):
    np.save(tmp_path / "one.npy", -3.0 * np.eye(32)[7])
    expected = [-float(a[7].mean()) for a in LAYERS["conv2"]]
    direction = Direction("conv2", str(tmp_path / "one.npy"))
    assert scores_of(direction) == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("layer", ["conv1", "conv3", "logits"])
def test_difference_of_classes_is_that_of_their_mean_activations(layer):
    digits, labels = load_digits()
    hues = {7: (0.2, 0.0, 1.0), 1: (1.0, 0.6, 0.0)}  # 252 and 36 degrees
    means = {}
    for digit, color in hues.items():
        images = digits[labels == digit][:, None] * torch.tensor(color)[:, None, None]
        output = plain.outputs(images.double())[layer].numpy()
        means[digit] = output.reshape(len(images), UNITS[layer], -1).mean((0, 2))
    expected = means[7] - means[1]
    expected /= math.sqrt((expected**2).sum())
    scores = [float(np.mean(along(a, expected))) for a in maps_of(layer)]
    for of, against in ((7, 1), ("7", "1")):
        objective = Direction(layer, ClassDifference(of, against))
        assert scores_of(objective) == pytest.approx(scores, rel=1e-4, abs=1e-5)
    opposite = scores_of(Direction(layer, ClassDifference(1, 7)))
    assert opposite == pytest.approx([-s for s in scores], rel=1e-4, abs=1e-5)


def test_classes_are_those_of_a_folder_too(tmp_path):
    rng = np.random.default_rng(0)
    for name in ("ape", "zebra"):
        (tmp_path / name).mkdir()
        for i in range(3):
            pixels = rng.integers(0, 256, (28, 28, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / name / f"{i}.png")
    means = {}
    for name in ("ape", "zebra"):
        pixels = [np.asarray(Image.open(tmp_path / name / f"{i}.png")) for i in range(3)]
        images = torch.from_numpy(np.stack(pixels)).permute(0, 3, 1, 2).double() / 255
        means[name] = plain.outputs(images)["conv2"].mean((0, 2, 3)).numpy()
    expected = means["zebra"] - means["ape"]
    difference = ClassDifference("zebra", "ape", str(tmp_path))
    assert Direction("conv2", difference).name == "conv2_direction_zebra_against_ape"
    scores = [float(np.mean(along(a, expected))) for a in maps_of("conv2")]
    assert scores_of(Direction("conv2", difference)) == pytest.approx(scores, rel=1e-3, abs=1e-5)


def test_means_of_classes_do_not_depend_on_how_many_images_go_at_once(monkeypatch):
    whole = Direction("conv2", ClassDifference(7, 1)).resolved(plain.subject())
    monkeypatch.setattr("prober.ascent.layer_objectives.BATCH_BYTES", 10**6)
    parts = Direction("conv2", ClassDifference(7, 1)).resolved(plain.subject())
    image = torch.rand(1, 32, 5, 5)
    assert parts.scores(image, [parts]).item() == pytest.approx(
        whole.scores(image, [whole]).item(), rel=1e-4
    )


@pytest.mark.parametrize("layer", ["conv1", "conv3", "logits"])
@pytest.mark.parametrize("ending", ["png", "npy"])
def test_caricature_is_the_product_times_the_cosine(tmp_path, layer, ending):
    pixels = np.random.default_rng(1).integers(0, 256, (28, 28, 3), dtype=np.uint8)
    file = tmp_path / f"given.{ending}"
    if ending == "png":
        Image.fromarray(pixels).save(file)
    else:
        np.save(file, pixels.transpose(2, 0, 1).astype(np.float32) / 255)
    given = torch.from_numpy(pixels.transpose(2, 0, 1).copy())[None].double() / 255
    seen = plain.outputs(given)[layer].numpy().ravel()
    images = torch.cat([IMAGES, given, torch.zeros_like(given), 1 - given])
    expected = []
    for a in plain.outputs(images)[layer].numpy():
        product = float(np.dot(a.ravel(), seen)) / math.sqrt(float(np.dot(seen, seen)))
        cosine = product / math.sqrt(float(np.dot(a.ravel(), a.ravel())))
        expected.append(product * max(cosine, 0.1))
    actual = scores_of(Caricature(layer, str(file)), images)
    assert actual == pytest.approx(expected, rel=1e-4, abs=1e-5)
    assert actual[len(IMAGES)] == pytest.approx(math.sqrt(float(np.dot(seen, seen))), rel=1e-4)


def diversity(maps):
    """Minus the mean cosine between each map's Gram matrix and the others', by loops."""
    grams = []
    for a in maps:
        gram = np.zeros((len(a), len(a)))
        for i, first in enumerate(a):
            for j, second in enumerate(a):
                gram[i, j] = float((first * second).sum())
        grams.append(gram)
    scores = []
    for i, gram in enumerate(grams):
        likeness = [
            float((gram * other).sum())
            / math.sqrt(float((gram**2).sum()) * float((other**2).sum()))
            for j, other in enumerate(grams)
            if j != i
        ]
        scores.append(-sum(likeness) / len(likeness))
    return scores


@pytest.mark.parametrize("layer", ["conv1", "conv2", "logits"])
@pytest.mark.parametrize("number", [2, 5])
def test_diversity_is_minus_the_mean_likeness_to_the_other_images(layer, number):
    expected = diversity(maps_of(layer)[:number])
    actual = scores_of(Diversity(layer), IMAGES[:number])
    assert actual == pytest.approx(expected, rel=1e-9)
    assert all(-1 <= score < 0 for score in actual)


def test_diversity_of_equal_images_is_minus_one_whatever_moves_within_them():
    same = IMAGES[:1].expand(3, -1, -1, -1)
    assert scores_of(Diversity("conv2"), same) == pytest.approx([-1, -1, -1])
    shifted = torch.cat([IMAGES[:1], IMAGES[:1].roll(4, 3)])
    assert scores_of(Diversity("conv1"), shifted) == pytest.approx([-1, -1], abs=0.02)


def test_only_images_of_equal_objectives_are_compared():
    first, second = ChannelMean("conv2", 3), ChannelMean("conv2", 4)
    objectives = [
        first + 2 * Diversity("conv1"),
        second + 2 * Diversity("conv1"),
        first + 2 * Diversity("conv1"),
        ChannelMean("conv3", 0),
        second + 2 * Diversity("conv1"),
    ]
    scores = BatchedObjectives(objectives)
    actual = scores(SUBJECT(IMAGES, scores.layers, scores.channels)).tolist()
    maps = maps_of("conv1")
    of_first, of_second = diversity(maps[[0, 2]]), diversity(maps[[1, 4]])
    means = LAYERS["conv2"].mean((2, 3))
    assert actual == pytest.approx(
        [
            means[0, 3] + 2 * of_first[0],
            means[1, 4] + 2 * of_second[0],
            means[2, 3] + 2 * of_first[1],
            LAYERS["conv3"][3, 0].mean(),
            means[4, 4] + 2 * of_second[1],
        ],
        rel=1e-9,
    )


def test_two_terms_of_diversity_add_up_and_an_image_is_not_compared_with_itself():
    twice = Diversity("conv1") + 3 * Diversity("conv1") + Diversity("conv2")
    maps = [diversity(maps_of(layer)) for layer in ("conv1", "conv2")]
    expected = [4 * one + two for one, two in zip(*maps, strict=True)]
    assert scores_of(twice) == pytest.approx(expected, rel=1e-9)
    with pytest.raises(InputError, match="compares the images of several seeds"):
        BatchedObjectives([twice])


def test_diverse_images_are_less_alike_than_those_of_the_unit_alone():
    def likeness(objective):
        targets = [Target(objective, GaussianNoise(), (), seed) for seed in range(3)]
        module = ActivationMaximization(plain.subject(), targets, Method(style="plain"))
        plain.fit(module, 60, "32-true")
        maps = plain.outputs(module.image.detach().double())["conv3"].flatten(2).numpy()
        return -np.mean(diversity(maps)), module

    alone, _ = likeness(ChannelMean("conv3", 2))
    diverse, module = likeness(ChannelMean("conv3", 2) + 5 * Diversity("conv3"))
    assert alone > 0.95
    assert diverse < alone - 0.2
    means = plain.outputs(module.image.detach())["conv3"][:, 2].mean((1, 2))
    starts = torch.stack([plain.noise(seed) for seed in range(3)])
    assert (means > plain.outputs(starts)["conv3"][:, 2].mean((1, 2)) + 1).all()


NAMED = [
    (DeepDream("conv2"), "conv2_all", {"layer": "conv2", "objective": "DeepDream"}),
    (
        Caricature("conv3", SEVEN),
        "conv3_caricature_seven",
        {"layer": "conv3", "objective": "Caricature", "image": SEVEN},
    ),
    (Diversity("conv3"), "conv3_diversity", {"layer": "conv3", "objective": "Diversity"}),
    (
        Direction("conv2", ClassDifference(7, "1")),
        "conv2_direction_7_against_1",
        {
            "layer": "conv2",
            "objective": "Direction",
            "vector": {"of": 7, "against": "1", "data": "digits"},
        },
    ),
    (
        CosineDirection("logits", "on/my/way.npy"),
        "logits_cosine_way",
        {"layer": "logits", "objective": "CosineDirection", "vector": "on/my/way.npy"},
    ),
]


@pytest.mark.parametrize(("objective", "name", "record"), NAMED, ids=[n for _, n, _ in NAMED])
def test_name_and_record_say_what_is_probed(tmp_path, monkeypatch, objective, name, record):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "on" / "my").mkdir(parents=True)
    np.save("on/my/way.npy", np.ones(10))
    resolved = objective.resolved(SUBJECT)
    assert resolved.name == objective.name == name
    assert resolved == objective and hash(resolved) == hash(objective)
    nothing = {"channel": None, "position": None, "class": None}
    assert resolved.record() == record | nothing
    assert resolved.compares == (name == "conv3_diversity")


def test_what_was_resolved_is_not_read_again(tmp_path):
    file = tmp_path / "way.npy"
    np.save(file, vector_of("conv2"))
    resolved = Direction("conv2", str(file)).resolved(SUBJECT)
    file.unlink()
    assert resolved.resolved(SUBJECT) is resolved
    with pytest.raises(InputError, match=r"way\.npy"):
        Direction("conv2", str(file)).resolved(SUBJECT)


def save(file, array):
    np.save(file, array)
    return str(file)


@pytest.mark.parametrize("kind", [Direction, CosineDirection])
def test_vector_that_cannot_be_used_is_told(tmp_path, kind):
    def told(vector, message, layer="conv2"):
        with pytest.raises(InputError, match=message):
            kind(layer, vector).resolved(SUBJECT)

    ones = np.ones(32)
    told(save(tmp_path / "short.npy", ones[:5]), r"is \[5\]; 'conv2' has 32 channels.* \[32\]")
    told(save(tmp_path / "map.npy", np.ones((32, 14, 14))), r"is \[32, 14, 14\]; 'conv2' has 32")
    told(save(tmp_path / "nan.npy", ones * np.nan), "NaN or infinite")
    told(save(tmp_path / "inf.npy", ones * np.inf), "NaN or infinite")
    told(save(tmp_path / "zero.npy", 0 * ones), "is zero everywhere, so it leads nowhere")
    told(save(tmp_path / "words.npy", np.array(["a"] * 32)), "is not a direction's array")
    told(str(tmp_path / "nowhere.npy"), "Direction '.*nowhere.npy' is not a file. Looked in '")
    (tmp_path / "text.npy").write_text("1, 2, 3", encoding="utf-8")
    told(str(tmp_path / "text.npy"), "text.npy' is not a direction's array")
    told(save(tmp_path / "ones.npy", ones), "no layer 'conv22'. Did you mean 'conv2'", "conv22")
    for given in (ones, torch.ones(32), [1.0] * 32):
        what = f"vector of {kind.__name__} is a {type(given).__name__}; save it with numpy.save"
        told(given, what)


def test_vector_is_looked_for_as_other_files_are(tmp_path, monkeypatch):
    save(tmp_path / "stripes.npy", np.arange(32.0))
    monkeypatch.setenv("HOME", str(tmp_path))
    found = Direction("conv2", "~/stripes.npy").resolved(SUBJECT)
    exact = torch.arange(32.0) / sum(i * i for i in range(32)) ** 0.5
    assert torch.allclose(found._unit, exact)


def test_vector_of_code_is_not_run(tmp_path):
    traps = np.array([RunsCode(tmp_path / "trap")] * 32, dtype=object)
    np.save(tmp_path / "code.npy", traps, allow_pickle=True)
    with pytest.raises(InputError, match="is not a direction's array"):
        Direction("conv2", str(tmp_path / "code.npy")).resolved(SUBJECT)
    assert not (tmp_path / "trap").exists()


def test_class_that_does_not_exist_is_told(tmp_path):
    def told(difference, message):
        with pytest.raises(InputError, match=message):
            Direction("conv2", difference).resolved(SUBJECT)

    told(
        ClassDifference(7, 10),
        "no class '10' in 1,000 digits of MNIST's test set.* Its classes: 0, 1,",
    )
    told(ClassDifference("seven", 1), "no class 'seven'")
    told(ClassDifference(7, 7), "zero everywhere")
    told(ClassDifference(7, 1, str(tmp_path / "nowhere")), "data: there is no folder")
    told(ClassDifference(7, 1, str(tmp_path)), "data: there is no image")
    Image.new("RGB", (28, 28), "red").save(tmp_path / "a.png")
    told(ClassDifference(7, 1, str(tmp_path)), "no class '7' .* It has no classes")
    (tmp_path / "full").mkdir()
    (tmp_path / "empty").mkdir()
    (tmp_path / "a.png").rename(tmp_path / "full" / "a.png")
    told(
        ClassDifference("full", "empty", str(tmp_path)), "'empty' .* has no image that can be used"
    )
    told(ClassDifference("ful", "empty", str(tmp_path)), "Did you mean 'full'?")


def test_image_of_a_caricature_that_cannot_be_used_is_told(tmp_path):
    def told(file, message, subject=SUBJECT, layer="conv2"):
        with pytest.raises(InputError, match=message):
            Caricature(layer, str(tmp_path / file)).resolved(subject)

    told("nowhere.png", "nowhere.png' is not a file")
    (tmp_path / "text.png").write_text("no picture", encoding="utf-8")
    told("text.png", "text.png' cannot be used as a picture")
    told("text.png", "no layer 'conv22'", layer="conv22")
    Image.new("RGB", (28, 28), "black").save(tmp_path / "black.png")
    unbiased = Subject(nn.Sequential(nn.Conv2d(3, 4, 3, bias=False)), input_shape=(3, 28, 28))
    told("black.png", "Nothing in '.*black.png' excites '0'", unbiased, "0")


def test_the_shipped_seven_is_the_first_of_the_shipped_digits_in_its_hue():
    digits, labels = load_digits()
    seven = digits[labels == 7][0].numpy()
    expected = np.stack([0.2 * seven, 0 * seven, seven])
    actual = GivenImage(SEVEN).make((3, 28, 28), 0).numpy()
    np.testing.assert_allclose(actual, expected, atol=0.51 / 255)
