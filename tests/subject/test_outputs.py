"""CNNs that give several outputs: each can be named, and which has the classes is said."""

import dataclasses

import pytest
import torch
from torch import nn
from torch.distributions import Categorical, Independent, Normal

import prober
from prober.common.errors import InputError
from prober.subject import Subject
from tests.subject.nets import IMAGES, Net, conv


@dataclasses.dataclass
class Heads:
    policy: torch.Tensor
    value: torch.Tensor


def net(gather):
    """A CNN of maps, two flat heads of 6 and 1 units, and a box of 4 numbers."""

    def run(net, x):
        maps = net.conv(x)
        pooled = maps.mean((2, 3))
        return gather(maps, net.policy(pooled), net.value(pooled), net.boxes(pooled))

    return Net(
        run,
        conv=conv(),
        policy=lambda: nn.Linear(4, 6),
        value=lambda: nn.Linear(4, 1),
        boxes=lambda: nn.Linear(4, 4),
    )


def subject_of(gather, **settings):
    return Subject(net(gather), input_shape=(3, 8, 8), **settings)


CONTAINERS = {
    "tuple": (lambda m, p, v, b: (v, p), {"logits.0": (1,), "logits.1": (6,)}),
    "list": (lambda m, p, v, b: [m, p], {"logits.0": (4, 8, 8), "logits.1": (6,)}),
    "dict": (lambda m, p, v, b: {"boxes": b, "p": p}, {"logits.boxes": (4,), "logits.p": (6,)}),
    "dataclass": (lambda m, p, v, b: Heads(p, v), {"logits.policy": (6,), "logits.value": (1,)}),
    "nested": (
        lambda m, p, v, b: {"a": (m, p), "v": v},
        {"logits.a.0": (4, 8, 8), "logits.a.1": (6,), "logits.v": (1,)},
    ),
}


@pytest.mark.parametrize("container", CONTAINERS)
def test_each_output_is_a_layer_and_none_is_taken_without_a_reason(container):
    gather, expected = CONTAINERS[container]
    subject = subject_of(gather)
    outputs = {name: layer.shape for name, layer in subject.listing.outputs.items()}
    assert outputs == expected
    assert "logits" not in subject.layers
    for name, shape in expected.items():
        assert subject(IMAGES, [name])[name].shape == (3, *shape)
    with pytest.raises(InputError, match=r"'logits' .*several tensors.*model.subject.classes_from"):
        subject(IMAGES, ["logits"])
    assert any("several tensors" in note for note in subject.notes)
    # With real images of six classes it is plain.
    subject.take_classes(6)
    [name] = [name for name, shape in expected.items() if shape == (6,)]
    assert f"The layer logits is {name} [1, 6], the only flat output" in " ".join(subject.notes)
    assert not any("several tensors" in note for note in subject.notes)
    torch.testing.assert_close(subject(IMAGES, ["logits"])["logits"], subject(IMAGES, [name])[name])
    assert subject.listing.gives_logits == "policy"
    assert "policy" not in subject.computing_layers()


def test_the_names_of_the_classes_say_which_output_has_them():
    names = [f"class {number}" for number in range(6)]
    gather = lambda m, p, v, b: {"logits": b, "p": p}  # noqa: E731
    subject = subject_of(gather, classes=names)
    assert "The layer logits is logits.p [1, 6], the only flat output of 6" in subject.notes[-1]
    assert subject.layers["logits"].shape == (6,) and subject.class_name("policy", 2) == "class 2"
    subject.take_classes(4)  # what names say is not undone by images
    assert subject.layers["logits"].shape == (6,)
    assert subject_of(gather).layers["logits"].shape == (4,)
    with pytest.raises(InputError, match="classes has 6 names, and Net has 4 logits"):
        subject_of(gather, classes=names, classes_from="logits")


def test_no_output_is_taken_that_fits_no_class_or_that_is_one_of_two():
    subject = subject_of(lambda m, p, v, b: (v, b))
    subject.take_classes(6)
    assert "logits" not in subject.layers
    twice = subject_of(lambda m, p, v, b: (p, 2 * p))
    twice.take_classes(6)
    assert "logits" not in twice.layers


@pytest.mark.parametrize(
    ("named", "output", "source"),
    [
        ("scores", "logits.scores", "policy"),
        ("output.scores", "logits.scores", "policy"),
        ("logits.scores", "logits.scores", "policy"),
        ("policy", "policy", "policy"),
        ("boxes", "logits.boxes", "boxes"),
    ],
)
def test_the_output_with_the_classes_can_be_named(named, output, source):
    subject = subject_of(lambda m, p, v, b: {"boxes": b, "scores": p}, classes_from=named)
    assert f"The layer logits is {output} " in " ".join(subject.notes)
    found = subject(IMAGES, ["logits", output])
    torch.testing.assert_close(found["logits"], found[output])
    assert subject.listing.gives_logits == source
    assert prober.visualize(subject, "logits:3", steps=1).name == "logits_ch3"
    subject.take_classes(1)  # changes nothing any more
    assert subject.layers["logits"].shape == found[output].shape[1:]


def test_an_output_that_is_not_there_is_told():
    with pytest.raises(InputError, match=r"no layer 'score'.*logits.scores"):
        subject_of(lambda m, p, v, b: {"boxes": b, "scores": p}, classes_from="score")
    with pytest.raises(InputError, match=r"'logits.0' .*type torch.int64"):
        subject_of(lambda m, p, v, b: (p.argmax(1, keepdim=True), p, v), classes_from="0")


def test_a_key_that_is_called_logits_is_taken_and_said():
    subject = subject_of(lambda m, p, v, b: {"features": m, "logits": p, "value": v})
    assert subject.layers["logits"].shape == (6,)
    assert {"logits.features", "logits.logits", "logits.value"} < set(subject.layers)
    assert "The layer logits is logits.logits [1, 6], by its name." in subject.notes


def test_the_only_output_with_a_gradient_is_taken():
    def gaussian(m, p, v, b):  # as policies give it: of one width, whatever the image
        return Independent(Normal(p, torch.ones_like(p)), 1)

    subject = subject_of(gaussian)
    assert subject.layers["logits"].shape == (6,)
    said = "The layer logits is logits.base_dist.loc [1, 6], the only output that can be probed."
    assert said in subject.notes
    assert subject.listing.cut == ["logits.base_dist.scale"]


def test_a_policy_s_distribution_gives_the_scores_that_it_is_made_of():
    subject = subject_of(lambda m, p, v, b: (Categorical(logits=p), v))
    subject.take_classes(6)
    assert {"logits.0.probs", "logits.0.logits", "logits.1"} < set(subject.layers)
    assert subject.layers["logits"].module == "policy"


def test_without_a_gradient_an_output_can_be_named_and_is_cut():
    subject = subject_of(lambda m, p, v, b: (v, p.detach()), classes_from="1")
    assert "logits" not in subject.layers and "logits" in subject.listing.cut
    with pytest.raises(InputError, match=r"'logits' .*no gradient leads"):
        prober.visualize(subject, "logits:3", steps=1)
    assert subject(IMAGES, ["logits"])["logits"].shape == (3, 6)


def test_a_number_for_each_image_is_one_unit():
    subject = subject_of(lambda m, p, v, b: v.squeeze(1))
    layer = subject.layers["logits"]
    assert layer.shape == (1,) and layer.output == [1]
    expected = net(lambda m, p, v, b: v)
    expected.load_state_dict(subject.cnn.state_dict())
    torch.testing.assert_close(subject(IMAGES, ["logits"])["logits"], expected(IMAGES))
    record = prober.visualize(subject, "logits:0", steps=3).record
    assert record["score_end"] > record["score_start"]
