"""A copy of a CNN that is frozen: what can be copied, and what stays as it was."""

import copy
import warnings

import pytest
import torch
from torch import nn
from torch.nn.utils import prune

from prober.common.errors import InputError
from prober.subject import Subject
from tests import plain
from tests.cnns import needs_compile
from tests.subject.nets import IMAGES, Gives, Tables, state, subject_of


class TwoInputs(nn.Module):
    def forward(self, image, mask):
        return image * mask


class NoInput(nn.Module):
    def forward(self):
        return torch.zeros(1, 3)


@pytest.mark.parametrize(
    ("cnn", "message"),
    [
        (
            TwoInputs,
            r"of TwoInputs takes more than one input, and mask is not given.*model.subject.given",
        ),
        (NoInput, r"of NoInput does not take one tensor of images.*Wrap the CNN in a module"),
        (lambda: nn.Conv2d(3, 4, 3, device="meta"), r"on the device 'meta'"),
        (lambda: torch.jit.trace(nn.Conv2d(3, 4, 3), IMAGES), r"TorchScript"),
        (
            lambda: nn.Sequential(torch.jit.script(nn.Conv2d(3, 4, 3)), nn.ReLU()),
            r"module '0' is TorchScript",
        ),
        (lambda: quantized(), r"module '0' is quantized"),
        (lambda: Gives(iter_()), r"Gives cannot be copied: .*generator"),
    ],
)
def test_cnn_of_a_kind_that_cannot_be_probed_is_told_once(cnn, message):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        cnn = cnn()
    before = state(cnn)
    with pytest.raises(InputError, match=message):
        subject_of(cnn)
    assert state(cnn) == before


def iter_():
    yield


class Added(nn.Module):
    """As a CNN that is made to be quantized, before it is."""

    def __init__(self):
        super().__init__()
        from torch.ao.nn.quantized import FloatFunctional

        self.conv, self.add = nn.Conv2d(3, 4, 3, padding=1), FloatFunctional()

    def forward(self, x):
        return self.add.add(self.conv(x), 1.0)


def test_what_is_made_to_be_quantized_is_not_quantized_yet():
    assert Subject(Added(), input_shape=(3, 8, 8)).layers["logits"].shape == (4, 8, 8)


def quantized():
    from torch.ao.nn.quantized import dynamic

    return nn.Sequential(dynamic.Linear(8, 4), nn.ReLU())


def old_weight_norm():
    return nn.utils.weight_norm(nn.Conv2d(3, 4, 3))


def old_spectral_norm():
    return nn.utils.spectral_norm(nn.Conv2d(3, 4, 3))


def pruned():
    return prune.l1_unstructured(nn.Conv2d(3, 4, 3), "weight", 0.5)


def new_weight_norm():
    return nn.utils.parametrizations.weight_norm(nn.Conv2d(3, 4, 3))


def new_spectral_norm():
    return nn.utils.parametrizations.spectral_norm(nn.Conv2d(3, 4, 3))


@pytest.mark.parametrize(
    "make", [old_weight_norm, old_spectral_norm, pruned, new_weight_norm, new_spectral_norm]
)
def test_computed_weights_stay_computed(make):
    cnn = nn.Sequential(make(), nn.ReLU())
    cnn(IMAGES).sum().backward()  # leaves weights on the module that are part of a graph
    before = state(cnn)
    subject = subject_of(cnn)
    assert state(cnn) == before
    assert list(subject.named_parameters()) == []
    assert subject.notes == []
    expected = cnn.eval()(IMAGES)
    for _ in range(2):
        images = IMAGES.clone().requires_grad_()
        output = subject(images, ["1"])["1"]
        torch.testing.assert_close(output, expected)
        output.sum().backward()
        assert images.grad.abs().sum() > 0
        assert not subject.gives_channels("0")
    subject = copy.deepcopy(subject).double()
    output = subject(IMAGES.double(), ["1"])["1"]
    torch.testing.assert_close(output, expected.double(), rtol=1e-5, atol=1e-5)
    assert subject.hash_weights() == subject.sha256


@needs_compile
def test_wrappers_are_taken_off():
    inner = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU())
    for cnn in (
        nn.DataParallel(inner),
        torch.compile(inner),
        nn.DataParallel(torch.compile(inner)),
    ):
        subject = subject_of(cnn)
        assert subject.name == "Sequential"
        assert list(subject.layers) == ["0", "1", "logits"]
        assert subject.sha256 == subject_of(inner).sha256
    cnn = nn.Sequential(torch.compile(inner), nn.DataParallel(nn.Conv2d(4, 2, 1)))
    subject = subject_of(cnn)
    assert list(subject.layers) == ["0.0", "0.1", "0", "1", "logits"]
    assert subject.layers["0"].kind == "Sequential"
    inner.cpu()  # DataParallel has moved it, where there is a GPU
    torch.testing.assert_close(subject(IMAGES, ["0"])["0"], inner(IMAGES))
    assert type(cnn[0]).__name__ == "OptimizedModule"
    inner.compile()
    assert subject_of(inner).cnn._compiled_call_impl is None


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_cnn_in_another_precision_is_probed_in_float32(dtype):
    cnn = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU()).to(dtype).train()
    cnn[0].weight.requires_grad = False
    before = state(cnn)
    subject = subject_of(cnn)
    output = subject(IMAGES, ["logits"])["logits"]
    assert output.dtype == torch.float32
    assert state(cnn) == before
    torch.testing.assert_close(output, copy.deepcopy(cnn).float().eval()(IMAGES))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_cnn_on_a_gpu_is_probed_on_the_cpu():
    cnn = nn.Conv2d(3, 4, 3).cuda()
    before = state(cnn)
    output = subject_of(cnn)(IMAGES, ["logits"])["logits"]
    torch.testing.assert_close(output, cnn(IMAGES.cuda()).cpu())
    assert state(cnn) == before


def test_cnn_is_left_as_it_was_after_an_error():
    cnn = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)).half().train()
    cnn[0].register_forward_hook(lambda *_: None)
    before = state(cnn)
    with pytest.raises(InputError, match="rejects"):
        subject_of(cnn, channels=2)
    assert state(cnn) == before


def test_weights_that_are_nan_are_listed_all_the_same():
    cnn = nn.Sequential(nn.Conv2d(3, 2, 3), nn.BatchNorm2d(2))
    cnn[0].weight.data.fill_(float("nan"))
    cnn[1].running_mean.fill_(float("nan"))
    subject = subject_of(cnn)
    assert plain.shapes(subject)["logits"] == (2, 6, 6)
    assert subject.notes == [
        "Weights of Sequential are NaN, and no picture can be made through them: 0.weight, "
        "1.running_mean. Give weights from before their training failed."
    ]


def test_names_of_weights_are_those_of_the_parameters():
    cnn = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), Tables())
    assert subject_of(nn.Sequential(*cnn[:2])).weights == {
        name for name, _ in cnn[:2].named_parameters()
    }


class AsksForItsParameters(nn.Module):
    """Moves its input to its weights, and scales by what it finds under their names."""

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))

    def forward(self, images):
        images = images.to(next(self.parameters()))
        own = dict(self.named_parameters())
        return self.body(images) * own["body.0.weight"].abs().sum() * len(list(self.parameters()))


def test_a_forward_pass_finds_its_parameters():
    torch.manual_seed(0)
    cnn, images = AsksForItsParameters().eval(), torch.rand(2, 3, 8, 8)
    subject = subject_of(cnn)
    assert torch.allclose(subject(images, ["logits"])["logits"], cnn(images), rtol=1e-4, atol=1e-3)
    assert not list(subject.parameters())
    double = copy.deepcopy(subject).double()
    assert next(double.cnn.parameters()).dtype == torch.float64
    assert next(subject.cnn.parameters()).dtype == torch.float32
    assert [name for name, _ in subject.cnn.body.named_parameters("x", recurse=True)] == [
        f"x.{name}" for name, _ in cnn.body.named_parameters()
    ]
