"""Channel layouts: tokens, channels that come last, maps of one dimension."""

import pytest
import torch
from torch import nn

from tests import plain
from tests.subject.nets import IMAGES, convnext, subject_of, transformer


def test_tokens_are_a_map_of_one_column():
    cnn = transformer().eval()
    subject = subject_of(cnn)
    assert plain.shapes(subject) == {
        "patches": (12, 4, 4),
        "block.self_attn.0": (12, 16, 1),
        "block.dropout1": (12, 16, 1),
        "block.norm1": (12, 16, 1),
        "block.linear1": (20, 16, 1),
        "block.dropout": (20, 16, 1),
        "block.linear2": (12, 16, 1),
        "block.dropout2": (12, 16, 1),
        "block.norm2": (12, 16, 1),
        "block": (12, 16, 1),
        "norm": (12, 16, 1),
        "head": (5,),
        "logits": (5,),
    }
    assert subject.layers["block.linear1"].output == [1, 16, 20]
    assert subject.layers["block.self_attn.0"].kind == "MultiheadAttention"
    tokens = cnn.block(cnn.patches(IMAGES).flatten(2).transpose(1, 2))
    outputs = subject(IMAGES, ["block", "logits"])
    for channel, patch in ((0, 0), (11, 15), (3, 7)):
        neurons = outputs["block"][:, channel, patch, 0]
        torch.testing.assert_close(neurons, tokens[:, patch, channel])
    torch.testing.assert_close(outputs["logits"], cnn(IMAGES))


def test_gradient_of_a_token_is_that_of_the_plain_pass():
    cnn = transformer().eval()
    ours, theirs = (IMAGES.clone().requires_grad_() for _ in range(2))
    subject_of(cnn)(ours, ["block.linear1"])["block.linear1"][:, 3].mean().backward()
    kept = []
    handle = cnn.block.linear1.register_forward_hook(lambda _m, _i, output: kept.append(output))
    cnn(theirs)
    handle.remove()
    kept[0][:, :, 3].mean().backward()
    assert ours.grad.abs().sum() > 0
    torch.testing.assert_close(ours.grad, theirs.grad)


@pytest.mark.parametrize("width", [6, 12])
def test_channels_that_come_last_are_found(width):
    cnn = convnext(width)
    subject = subject_of(cnn)
    last = {"2": width, "3": width, "4": 20, "5": 20, "6": width}
    first = {"0": width, "1": width, "7": width}
    for name, channels in (last | first).items():
        assert subject.layers[name].shape == (channels, 8, 8), name
        output = cnn[: int(name) + 1](IMAGES)
        expected = output.movedim(3, 1) if name in last else output
        torch.testing.assert_close(subject(IMAGES, [name])[name], expected)
    assert subject.layers["4"].output == [1, 8, 8, 20]


def test_module_that_knows_its_layout_where_the_size_does_not_tell():
    """As many channels as rows and columns: 8 x 8 x 8."""
    cnn = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Linear(8, 8), nn.GELU())
    subject = subject_of(cnn)
    x = cnn[:2](IMAGES)
    torch.testing.assert_close(subject(IMAGES, ["1"])["1"], x)
    torch.testing.assert_close(subject(IMAGES, ["2"])["2"], cnn[2](x).movedim(3, 1))
    torch.testing.assert_close(subject(IMAGES, ["3"])["3"], cnn(IMAGES[:]).movedim(3, 1))


def test_one_dimensional_convolution_has_its_channels_first():
    cnn = nn.Sequential(nn.Flatten(2), nn.Conv1d(3, 5, 9), nn.BatchNorm1d(5), nn.ReLU()).eval()
    subject = subject_of(cnn)
    for name in ("1", "2", "3"):
        assert subject.layers[name].shape == (5, 56, 1)
        expected = cnn[: int(name) + 1](IMAGES)[..., None]
        torch.testing.assert_close(subject(IMAGES, [name])[name], expected)
