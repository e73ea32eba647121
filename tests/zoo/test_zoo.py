"""Every classification family of torchvision, with random weights: listed, and probed for 5 steps.

Deselected unless asked for, `pytest -m zoo`: the models take gigabytes to install.
"""

import time

import pytest
import torch
from torch import nn

from prober.ascent.module import single_target
from prober.ascent.objectives import ChannelMean
from prober.subject import Subject
from tests import plain

pytestmark = pytest.mark.zoo

FAMILIES = {
    "AlexNet": ("alexnet", 224),
    "VGG": ("vgg11_bn", 224),
    "ResNet": ("resnet18", 224),
    "ResNeXt": ("resnext50_32x4d", 224),
    "WideResNet": ("wide_resnet50_2", 224),
    "SqueezeNet": ("squeezenet1_1", 224),
    "DenseNet": ("densenet121", 224),
    "Inception v3": ("inception_v3", 299),
    "GoogLeNet": ("googlenet", 224),
    "ShuffleNet V2": ("shufflenet_v2_x0_5", 224),
    "MobileNet V2": ("mobilenet_v2", 224),
    "MobileNet V3": ("mobilenet_v3_small", 224),
    "MNASNet": ("mnasnet0_5", 224),
    "EfficientNet": ("efficientnet_b0", 224),
    "EfficientNet V2": ("efficientnet_v2_s", 384),
    "RegNet": ("regnet_y_400mf", 224),
    "ViT": ("vit_b_32", 224),
    "Swin": ("swin_t", 224),
    "Swin V2": ("swin_v2_t", 256),
    "MaxViT": ("maxvit_t", 224),
    "ConvNeXt": ("convnext_tiny", 224),
}
"""The smallest member of each, and the side of the images that it was made for."""

FAST = {"init_weights": False}
"""Inception v3's and GoogLeNet's own way of drawing weights takes a minute each."""

MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]


@pytest.fixture(scope="module")
def models():
    reason = "torchvision is not installed; see CONTRIBUTING.md for an environment that has it"
    return pytest.importorskip("torchvision.models", reason=reason)


@pytest.fixture(scope="module")
def table(request):
    rows = [f"{'family':16} {'member':20} layers    listing  5 steps: early / middle / late"]
    yield rows
    with request.config.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
        print("", *rows, sep="\n")


def build(models, member):
    torch.manual_seed(0)
    given = FAST if member in ("inception_v3", "googlenet") else {}
    cnn = getattr(models, member)(weights=None, **given)
    if given:  # PyTorch's own weights are so small that the last layers are the same for all images
        for module in cnn.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                nn.init.kaiming_normal_(module.weight)
    for parameter in cnn.parameters():
        if parameter.dim() == 2 and not parameter.any():  # ViT's head: no gradient leads through it
            nn.init.normal_(parameter, std=0.02)
    return cnn


def loudest_channel(subject, layer, image):
    """With random weights some channels are dead."""
    output = subject(image, [layer])[layer]
    return int(output.reshape(output.shape[1], -1).mean(1).argmax())


@pytest.mark.parametrize("family", FAMILIES)
def test_family_is_listed_and_probed(family, models, table):
    member, side = FAMILIES[family]
    cnn = build(models, member)
    began = time.perf_counter()
    subject = Subject(cnn, input_shape=(3, side, side), mean=MEAN, std=STD)
    listing = time.perf_counter() - began

    assert subject.layers["logits"].shape == (1000,)
    assert subject.listing.batch is None
    computing = subject.computing_layers()
    assert computing
    for name in computing:
        module = subject.cnn.get_submodule(name)
        channels = getattr(module, "out_channels", None) or module.out_features
        assert subject.layers[name].shape[0] == channels, name

    names = list(subject.layers)
    seconds = []
    for layer in (names[0], names[len(names) // 2], names[-2]):
        channel = loudest_channel(subject, layer, torch.rand(1, 3, side, side))
        module = single_target(subject, ChannelMean(layer, channel), seed=0)
        start = module.image.detach().clone()
        began = time.perf_counter()
        plain.fit(module, 5, precision="32-true")
        seconds.append(time.perf_counter() - began)
        image = module.image.detach()
        assert image.dtype == torch.float32
        assert not torch.equal(image, start), layer
        assert module.excited.all(), layer
        assert module.failed_at.item() == -1, layer
    assert subject.hash_weights() == subject.sha256
    times = " / ".join(f"{each:.2f}" for each in seconds)
    table.append(f"{family:16} {member:20} {len(names):6} {listing:8.1f} s  {times} s")


@pytest.mark.parametrize("family", ["ResNet", "MobileNet V3", "DenseNet", "ConvNeXt", "ViT"])
def test_an_exported_archive_gives_what_the_cnn_gives(family, models, tmp_path):
    member, side = FAMILIES[family]
    cnn = build(models, member).eval()
    exported = torch.export.export(cnn, (torch.rand(1, 3, side, side),))
    torch.export.save(exported, tmp_path / "net.pt2")
    archive = Subject(checkpoint=str(tmp_path / "net.pt2"), input_shape=(3, side, side))
    own = Subject(cnn, input_shape=(3, side, side))
    image = torch.rand(1, 3, side, side)
    layers = [name for name in own.computing_layers() if name in archive.layers]
    assert len(layers) >= 0.9 * len(own.computing_layers())
    for layer in (layers[0], layers[len(layers) // 2], "logits"):
        expected = own(image, [layer])[layer]
        torch.testing.assert_close(
            archive(image, [layer])[layer],
            expected,
            rtol=1e-4,
            atol=1e-5 * expected.abs().max().item(),
        )
