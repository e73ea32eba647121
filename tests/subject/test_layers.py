"""The layers of CNNs of all kinds: their names, what they give, and what cannot be probed."""

import dataclasses
from collections import namedtuple

import pytest
import torch
from torch import nn

from prober.common.errors import InputError
from prober.subject import Subject
from prober.subject.receptive_fields import receptive_fields
from tests import plain
from tests.subject.nets import IMAGES, Gives, Net, conv, subject_of

Pair = namedtuple("Pair", "low high")


@dataclasses.dataclass
class Features:
    maps: torch.Tensor
    others: list


@pytest.mark.parametrize(
    ("make", "names"),
    [
        (lambda x: (x, None, x * 2), {"body.0": 1, "body.2": 2}),
        (lambda x: [x, [x * 2, {"deep": x * 3}]], {"body.0": 1, "body.1.0": 2, "body.1.1.deep": 3}),
        (lambda x: {"out": x, "aux": x * 2}, {"body.out": 1, "body.aux": 2}),
        (lambda x: Pair(x, x * 2), {"body.low": 1, "body.high": 2}),
        (lambda x: Features(x, [x * 2]), {"body.maps": 1, "body.others.0": 2}),
    ],
)
def test_tensors_in_a_container_have_names_with_a_dot(make, names):
    cnn = Net(
        lambda net, x: net.head(next(leaves(net.body(x)))), body=lambda: Gives(make), head=conv()
    )
    subject = subject_of(cnn)
    assert list(subject.layers) == [*names, "head", "logits"]
    for name, factor in names.items():
        assert torch.equal(subject(IMAGES, [name])[name], IMAGES * factor)
    together = subject(IMAGES, [*names, "head"])
    assert set(together) == {*names, "head"}
    assert torch.equal(together[name], IMAGES * factor)
    with pytest.raises(InputError, match=f"'body' .*name one of its tensors: {next(iter(names))}"):
        subject(IMAGES, ["body"])


def leaves(output):
    """The first tensor of the containers above."""
    if isinstance(output, torch.Tensor):
        yield output
    elif isinstance(output, Features):
        yield output.maps
    else:
        for value in output.values() if isinstance(output, dict) else output:
            yield from leaves(value)


@pytest.mark.parametrize(
    ("make", "factor"),
    [
        (lambda x: {"features": x, "logits": x * 2}, 2),
        (lambda x: {"features": x, "more": {"logits": x * 3}}, 3),
        (lambda x: {"loss": x.sum(), "out": x * 4}, 4),
        (lambda x: (x.flatten()[:3], [x * 5, x.argmax(1)]), 5),
        (lambda x: Pair(None, x * 6), 6),
    ],
)
def test_logits_are_the_entry_of_that_name_or_the_only_one_that_can_be_probed(make, factor):
    subject = subject_of(Gives(make))
    assert torch.equal(subject(IMAGES, ["logits"])["logits"], IMAGES * factor)


def test_layer_that_gives_the_logits_is_found_within_a_container():
    cnn = Net(
        lambda net, x: {"features": net.body(x), "logits": net.head(x)[1]},
        body=conv(),
        head=lambda: Gives(lambda x: (x, x.mean((2, 3)))),
    )
    assert subject_of(cnn).listing.gives_logits == "head.1"


def test_module_has_its_name_before_what_a_container_holds():
    class Couple(nn.Sequential):
        def forward(self, x):
            return self[0](x), x

    cnn = Net(lambda net, x: net.pair(x)[0], pair=lambda: Couple(nn.Conv2d(3, 4, 3)))
    subject = subject_of(cnn)
    assert plain.shapes(subject) == {"pair.0": (4, 6, 6), "pair.1": (3, 8, 8), "logits": (4, 6, 6)}
    assert subject.layers["pair.0"].kind == "Conv2d"


def odd(net, x):
    x = net.conv(x)
    net.volume(x)
    net.second(x)
    net.position(x)
    net.windows(x)
    net.whole(x)
    net.counts(x)
    net.spectrum(x)
    net.nothing(x)
    return net.squeeze(x)


def odd_net():
    return Net(
        odd,
        conv=conv(),
        volume=lambda: nn.Unflatten(3, (2, 2, 2)),
        second=lambda: Gives(lambda x: x.flatten(2).permute(2, 0, 1)),
        position=lambda: Gives(lambda x: torch.ones(1, 7, 4)),
        windows=lambda: Gives(lambda x: x.reshape(-1, 4, 4, 2)),
        whole=lambda: Gives(torch.sum),
        counts=lambda: Gives(lambda x: x.argmax(1)[:, None]),
        spectrum=lambda: Gives(torch.fft.fft2),
        nothing=lambda: Gives(lambda x: {"a": [None, "text"]}),
        squeeze=lambda: Gives(lambda x: x.mean((2, 3)).squeeze()),
    )


@pytest.mark.parametrize(
    ("layer", "why"),
    [
        ("volume", r"\[1, 4, 8, 2, 2, 2\], none of \[N\], \[N, units\], \[N, channels, h, w\]"),
        ("second", r"\[64, 1, 4\] has the images second.*batch_first"),
        ("position", r"\[1, 7, 4\] for any number of images"),
        ("windows", r"\[8, 4, 4, 2\] does not start with the images: for two .* \[16, 4, 4, 2\]"),
        ("whole", r"output is \[\]"),
        ("counts", r"type torch\.int64, which has no gradient"),
        ("spectrum", r"complex"),
        ("nothing", r"a dict, in which no tensor is found"),
        ("squeeze", r"loses the dimension of the images.* \[4\], for two \[2, 4\]"),
        ("logits", r"loses the dimension of the images"),
    ],
)
def test_layer_without_channels_says_why(layer, why):
    subject = subject_of(odd_net())
    assert list(subject.layers) == ["conv"]
    assert subject.listing.batch is None
    with pytest.raises(InputError, match=f"'{layer}' of Net cannot be probed: .*{why}.*: conv\\."):
        subject(IMAGES, [layer])


def test_batch_first_is_not_advised_where_it_is_set():
    subject = Subject(nn.LSTM(4, 3, batch_first=True), input_shape=(7, 4))
    assert subject.listing.unprobed["logits.1.0"] == "its output [1, 1, 3] has the images second"


def partly(net, x):
    return net.blocks[0](net.conv(x)) + net.conv.forward(x).mean()


def partly_used():
    return Net(
        partly,
        conv=conv(3, 3),
        unused=conv(),
        blocks=lambda: nn.ModuleList([nn.Conv2d(3, 2, 1), nn.Conv2d(3, 2, 1)]),
    )


@pytest.mark.parametrize(
    ("layer", "parts"),
    [("unused", "."), ("blocks.1", "."), ("blocks", ", but its parts: blocks.0.")],
)
def test_layer_that_is_never_reached_is_told_so(layer, parts):
    subject = subject_of(partly_used())
    assert subject.listing.unreached == ["unused", "blocks", "blocks.1"]
    with pytest.raises(InputError) as raised:
        subject(IMAGES, [layer])
    assert f"'{layer}' of Net is never reached in the forward pass" in str(raised.value)
    assert f"{parts} Layers that can be probed: conv, blocks.0, logits." in str(raised.value)


def test_of_hundreds_of_layers_a_message_names_the_nearest():
    cnn = nn.Sequential(*[nn.Sequential(nn.Conv2d(3, 3, 1), nn.ReLU()) for _ in range(60)])
    with pytest.raises(InputError) as raised:
        subject_of(cnn)(IMAGES, ["14.conv"])
    message = str(raised.value)
    assert "181 layers can be probed, the nearest are 14" in message
    assert "python main.py layers --config" in message
    assert len(message) < 250


def test_module_of_two_names_is_probed_by_its_first():
    cnn = Net(lambda net, x: net.second(net.first(x)), first=conv(3, 3))
    cnn.second = cnn.first
    subject = subject_of(cnn)
    assert subject.layers["first"].calls == 2
    torch.testing.assert_close(subject(IMAGES, ["first"])["first"], cnn(IMAGES))
    with pytest.raises(InputError, match="'second' of Net is also 'first'"):
        subject(IMAGES, ["second"])


def test_calls_are_counted_and_the_last_one_settles_the_place():
    cnn = Net(
        lambda net, x: net.head(net.conv(net.between(net.conv(x)))),
        conv=conv(3, 3),
        between=nn.Tanh,
        head=lambda: nn.Conv2d(3, 2, 1),
    )
    subject = subject_of(cnn)
    calls = {name: (layer.calls, layer.call) for name, layer in subject.layers.items()}
    assert list(calls.items()) == [
        *(("conv@0", (2, 0)), ("between", (1, None)), ("conv@1", (2, 1)), ("conv", (2, None))),
        *(("head", (1, None)), ("logits", (1, None))),
    ]
    found = subject(IMAGES, ["conv@0", "conv", "between"])
    torch.testing.assert_close(found["conv@0"], cnn.conv(IMAGES))
    torch.testing.assert_close(found["conv"], cnn.conv(cnn.conv(IMAGES).tanh()))
    for name in ("conv@0", "conv@1", "conv"):  # alone the pass ends there
        torch.testing.assert_close(
            subject(IMAGES, [name])[name], found["conv@0" if name == "conv@0" else "conv"]
        )
    assert receptive_fields(subject)["conv@0"] == (3, 3)
    assert receptive_fields(subject)["conv"] == receptive_fields(subject)["conv@1"] == (5, 5)
    with pytest.raises(InputError, match=r"no layer 'conv@2'.*Layers that can be probed"):
        subject(IMAGES, ["conv@2"])


def test_layer_that_only_some_images_reach_is_told():
    cnn = Net(
        lambda net, x: net.dark(x) if x.mean() < 0.1 else net.light(x), dark=conv(), light=conv()
    )
    subject = subject_of(cnn)  # lists with noise
    assert "dark" in subject.listing.unreached
    subject(IMAGES, ["light"])
    with pytest.raises(InputError, match=r"'light' .* depends on the image"):
        subject(IMAGES * 0, ["light"])
