"""Responses, scores and gradients as plain PyTorch gives them."""

import pytest
import torch
from torch import nn

from prober.ascent.objectives import ChannelMean, Neuron
from prober.findings import batches
from prober.findings.behavior import behavior
from prober.findings.cut_cnn import CutCNN
from prober.findings.real_evidence import by_class_and_color, variance_of
from prober.findings.real_images import RealImages, read_real_images
from prober.findings.real_responses import LOGIT_SITE, respond_to_real
from prober.findings.responses import (
    MANY_BATCHES,
    gradients,
    responses,
    responses_in_blocks,
    scores,
)
from prober.findings.windows import Window, window_of
from prober.subject import Subject
from prober.sweep.processes import start_method
from tests import plain


def test_a_response_is_the_largest_of_the_neurons_that_count():
    subject = plain.subject()
    images = torch.rand(5, 3, 28, 28, generator=torch.Generator().manual_seed(0))
    sites = [("conv2", None), ("logits", None)]
    windows = {site: window_of(subject, *site) for site in sites}
    found = responses(subject, images, windows)
    layers = plain.outputs(images.double())
    conv2, logits = layers["conv2"].numpy(), layers["logits"].numpy()
    conv = found["conv2", None]
    strongest, own = conv.strongest.numpy(), conv.at_neuron.numpy()
    assert strongest == pytest.approx(conv2[:, :, 2:12, 2:12].max((2, 3)), rel=1e-4, abs=1e-5)
    assert own == pytest.approx(conv2[:, :, 7, 7], rel=1e-4, abs=1e-5)
    assert conv.anywhere.numpy() == pytest.approx(conv2.max((2, 3)), rel=1e-4, abs=1e-5)
    flat = found["logits", None]
    for answered in (flat.strongest, flat.at_neuron):
        assert answered.numpy() == pytest.approx(logits, rel=1e-4, abs=1e-4)


def test_processes_share_what_is_much_and_answer_the_same(monkeypatch):
    subject = plain.subject()
    windows = {site: window_of(subject, *site) for site in [("conv2", None), ("logits", None)]}
    monkeypatch.setitem(batches.ACTIVATION_BYTES, "CPU", 4 * subject.bytes_to("logits"))
    monkeypatch.setattr(batches, "FEW", 1)
    images = torch.rand(4 * MANY_BATCHES + 2, 3, 28, 28)
    passes = []
    monkeypatch.setattr(subject, "forward", lambda *args: passes.append(1) or whole(*args))
    whole = type(subject).forward.__get__(subject)
    alone, shared = (responses(subject, images, windows, cores) for cores in (1, 2))
    # Here only the first one's batches have gone through the subject.
    here = 1 if start_method() == "fork" else 2
    assert len(passes) == here * (MANY_BATCHES + 1)
    for site, own in alone.items():
        assert torch.equal(own.strongest, shared[site].strongest)
        assert torch.equal(own.at_neuron, shared[site].at_neuron)


def test_what_is_no_cpu_gets_large_batches():
    subject = plain.subject()
    few, many = (
        next(batches.forward_batches(subject.to(device), "conv2", 10**6)).stop
        for device in ("cpu", "meta")  # that any machine has; others are mps, xpu
    )
    assert 10**6 > many > 2 * few
    window = Window(None, 0, 0, 28, 28)
    assert len(CutCNN(subject, "conv2", window, whole=True).batches(2 * few)) == 1


@pytest.mark.parametrize(("side", "forth", "back"), [(64, 493, 246), (512, 8, 8), (2048, 6, 3)])
def test_images_that_no_cache_holds_go_through_a_few_at_a_time(side, forth, back):
    cnn = nn.Sequential(nn.Conv2d(3, 5, 1, stride=2), nn.Conv2d(5, 60, 4, stride=4))
    # 3 + 5 / 4 + 60 / 64 numbers a pixel.
    subject = Subject(cnn, input_shape=(3, side, side))
    assert subject.bytes_to("1") == 4 * (3 + 1.25 + 0.9375) * side**2
    assert next(batches.forward_batches(subject, "1", 1000)).stop == forth
    assert next(batches.gradient_batches(subject, "1", 1000)).stop == back


def test_several_neurons_of_a_layer_are_answered_in_one_pass():
    subject = plain.subject()
    images = torch.rand(3, 3, 28, 28, generator=torch.Generator().manual_seed(2))
    sites = [("conv2", (0, 3)), ("conv2", (7, 7)), ("conv2", None)]
    windows = {site: window_of(subject, *site) for site in sites}
    passes = []
    subject.cnn.conv1.register_forward_hook(lambda *_: passes.append(1))
    found = responses(subject, images, windows)
    assert len(passes) == 1
    conv2 = plain.outputs(images.double())["conv2"].numpy()
    expected = {
        (0, 3): conv2[:, :, 0, 3],
        (7, 7): conv2[:, :, 7, 7],
        None: conv2[:, :, 2:12, 2:12].max((2, 3)),
    }
    for position, answers in expected.items():
        strongest = found["conv2", position].strongest.numpy()
        assert strongest == pytest.approx(answers, rel=1e-4, abs=1e-5)


def test_images_that_are_made_block_by_block_are_answered_as_all_together(monkeypatch):
    subject = plain.subject()
    images = torch.rand(7, 3, 28, 28, generator=torch.Generator().manual_seed(3))
    windows = {("conv2", None): window_of(subject, "conv2", None)}
    monkeypatch.setattr(batches, "IMAGE_BYTES", 3 * images[0].nbytes)
    made = []

    def make(numbers):
        made.append(numbers.stop - numbers.start)
        return images[numbers]

    found = responses_in_blocks(subject, make, 7, windows)
    assert made == [3, 3, 1]
    whole = responses(subject, images, windows)["conv2", None]
    for name in ("strongest", "at_neuron"):
        one, other = getattr(found["conv2", None], name), getattr(whole, name)
        assert one.numpy() == pytest.approx(other.numpy(), rel=1e-5, abs=1e-6)


def test_scores_and_gradients_are_those_of_plain_pytorch():
    images = torch.rand(3, 3, 28, 28, generator=torch.Generator().manual_seed(1))
    objectives = [Neuron("conv2", 1, 7, 7), Neuron("conv2", 4, 0, 3), ChannelMean("conv2", 2)]
    x = images.double().requires_grad_()
    conv2 = plain.outputs(x)["conv2"]
    expected = torch.stack([conv2[0, 1, 7, 7], conv2[1, 4, 0, 3], conv2[2, 2].mean()])
    subject = plain.subject()
    assert scores(subject, objectives, images).tolist() == pytest.approx(
        expected.tolist(), rel=1e-4
    )
    gradient = torch.autograd.grad(expected.sum(), x)[0]
    found = gradients(subject, objectives, images).double()
    assert torch.allclose(found, gradient, atol=1e-5)
    assert gradient.abs().max() > 0.01


def test_gray_images_say_nothing_of_hues():
    torch.manual_seed(0)
    subject = Subject(nn.Sequential(nn.Flatten(), nn.Linear(3 * 8 * 8, 2)), input_shape=(3, 8, 8))
    windows = {LOGIT_SITE: Window(None, 0, 0, 8, 8)}
    colored, labels = torch.rand(6, 3, 8, 8), torch.tensor([0, 1] * 3)
    for images, known in ((colored, True), (colored[:, :1].expand(-1, 3, -1, -1), False)):
        found = respond_to_real(subject, RealImages("some", images, labels, ["a", "b"]), windows)
        assert (variance_of(found, LOGIT_SITE, 0) is not None) == known
        assert (by_class_and_color(found, LOGIT_SITE, 0) is not None) == known


def test_logits_without_a_gradient_answer_real_images_all_the_same():
    torch.manual_seed(0)
    conv, head = nn.Conv2d(3, 4, 5, stride=3), nn.Linear(4, 10)

    class Cut(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.head = conv, head

        def forward(self, x):
            return self.head(self.conv(x).mean((2, 3)).detach())

    subject = Subject(Cut(), input_shape=(3, 28, 28))
    assert "logits" in subject.listing.cut
    real = read_real_images("digits", (3, 28, 28), is_reference=False)
    found = respond_to_real(subject, real, {})
    answers = head(conv(real.images).mean((2, 3)))
    torch.testing.assert_close(found.plain[LOGIT_SITE].strongest, answers)
    right = answers.argmax(1) == real.labels
    accuracy = torch.stack([right[real.labels == i].float().mean() for i in range(10)]).mean()
    assert behavior(found).accuracy == pytest.approx(accuracy.item(), abs=1e-6)
