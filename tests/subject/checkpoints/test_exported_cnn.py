"""The CNN out of an archive of `torch.export` gives what the original gives."""

import copy

import pytest
import torch
from torch import nn

from prober.subject import Subject
from prober.subject.checkpoints.export_archive import ExportArchive
from prober.subject.leaky_relus import LeakyReLUs
from tests.subject.checkpoints.archives import IMAGES, Net, export, needs_archives, network

pytestmark = needs_archives


class Tokens(nn.Module):
    def __init__(self):
        super().__init__()
        self.patches = nn.Conv2d(3, 16, 4, 4)
        layer = nn.TransformerEncoderLayer(16, 2, 32, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.head = nn.Linear(16, 5)

    def forward(self, x):
        tokens = self.patches(x).flatten(2).transpose(1, 2)
        return self.head(self.encoder(tokens)[:, 0])


def captured(net, images):
    """What each module of a CNN puts out in its last call, if it is a tensor."""
    outputs = {}
    for name, module in net.named_modules():

        def hook(_module, _inputs, output, name=name):
            if isinstance(output, torch.Tensor):
                outputs[name] = output.clone()

        module.register_forward_hook(hook)
    net(images)
    return outputs


@pytest.mark.parametrize("kind", [Net, Tokens])
def test_every_module_gives_what_the_original_gives(tmp_path, kind):
    net = network(kind)
    path = export(net, tmp_path / "net.pt2", 2, [0])
    assert {n for n, _ in ExportArchive().build(path).named_modules()} <= {
        n for n, _ in net.named_modules()
    }
    # With gradients, for without them PyTorch runs a transformer's layer as one, not its modules.
    expected, found = captured(net, IMAGES), captured(ExportArchive().build(path), IMAGES)
    assert {"blocks.0.relu", "blocks.1"} <= set(found) or "encoder.layers.1.norm2" in found
    # An attention gives a tuple, of which what is not used is not in the archive.
    attentions = {name for name in found if name.endswith("self_attn")}
    assert set(found) - attentions == set(expected)
    for name in expected:
        output = found[name]
        torch.testing.assert_close(output, expected[name], rtol=0, atol=1e-6, msg=name)


def test_is_as_torch_loads_it(dynamic):
    loaded = torch.export.load(dynamic).module()
    images = torch.rand(2, 3, 15, 17)
    assert torch.equal(ExportArchive().build(dynamic)(images), loaded(images))


def test_gradients_are_those_of_the_original(archive):
    images = IMAGES[:1].clone().requires_grad_()
    (expected,) = torch.autograd.grad(network()(images)[:, 2].sum(), images)
    (found,) = torch.autograd.grad(ExportArchive().build(archive)(images)[:, 2].sum(), images)
    torch.testing.assert_close(found, expected)
    assert expected.abs().sum() > 0


def test_runs_in_another_precision(archive):
    images = IMAGES[:1].double()
    cnn = copy.deepcopy(ExportArchive().build(archive)).double()
    net = network().double()
    net.offset = net.offset.double()
    torch.testing.assert_close(cnn(images), net(images), rtol=0, atol=1e-12)


def test_relus_are_seen_by_what_lets_gradients_through(tmp_path):
    net = nn.Sequential(nn.ReLU(), nn.Flatten())
    path = tmp_path / "net.pt2"
    torch.export.save(torch.export.export(net, (torch.ones(1, 3, 2, 2),)), path)
    images = torch.full((1, 3, 2, 2), -1.0, requires_grad=True)
    with LeakyReLUs():
        (gradient,) = torch.autograd.grad(ExportArchive().build(path)(images).sum(), images)
    assert torch.equal(gradient, torch.full_like(images, 0.1))


def test_archive_of_one_image_is_probed_one_by_one(archive):
    cnn = ExportArchive().build(archive)
    with pytest.raises(ValueError, match=r"shape \[1, 3, 12, 12\], not \[5, 3, 12, 12\]"):
        cnn(IMAGES)
    subject = Subject(checkpoint=str(archive), input_shape=(3, 12, 12))
    layers = ["blocks.0.norm", "blocks.0.relu", "logits"]
    outputs = subject(IMAGES, layers)
    with torch.no_grad():
        expected = captured(network(), IMAGES)
    for layer in layers[:-1]:
        torch.testing.assert_close(outputs[layer], expected[layer], rtol=0, atol=1e-5)
    torch.testing.assert_close(outputs["logits"], expected[""], rtol=0, atol=1e-4)
