"""What ships: the digits, the two checkpoints, and the card that speaks of them."""

import hashlib
import re
from pathlib import Path

import pytest
import torch

import prober.subject.reference as reference
from prober.subject.reference import (
    HUES,
    ReferenceCNN,
    conflicting_hues,
    load_digits,
    matching_hues,
    tint,
)

FOLDER = Path(reference.__file__).parent
CARD = (FOLDER / "MODEL_CARD.md").read_text(encoding="utf-8")


def card_figures(name):
    row = re.search(rf"^\| `{name}` \|(.*%.*)\|$", CARD, re.MULTILINE).group(1)
    return [float(share) / 100 for share in re.findall(r"([\d.]+)%", row)]


def measured(name):
    cnn = ReferenceCNN().eval()
    cnn.load_state_dict(torch.load(FOLDER / f"{name}.pt", weights_only=True))
    images, labels = load_digits()
    other = conflicting_hues(labels)
    with torch.no_grad():
        matching = cnn(tint(images, HUES[matching_hues(labels)])).argmax(dim=1)
        conflicting = cnn(tint(images, HUES[other])).argmax(dim=1)
    hits = (matching == labels, conflicting == labels, conflicting == other)
    return [hit.double().mean().item() for hit in hits]


def test_digits_are_a_thousand_hundred_of_each():
    images, labels = load_digits()
    assert images.shape == (1000, 28, 28)
    assert images.dtype == torch.float32
    assert labels.dtype == torch.int64
    assert [labels.tolist().count(digit) for digit in range(10)] == [100] * 10


def test_digits_are_in_range_and_look_like_digits():
    images, _ = load_digits()
    assert images.min() == 0
    assert images.max() == 1
    assert torch.equal((images * 255).round() / 255, images)
    # White on black: most of every picture is black, and every picture has a bright stroke.
    assert ((images == 0).double().mean(dim=(1, 2)) > 0.5).all()
    assert (images.amax(dim=(1, 2)) > 0.9).all()
    assert len({image.numpy().tobytes() for image in images}) == 1000


def test_digits_stand_in_the_order_of_the_test_set():
    # MNIST's test set is known to begin so.
    assert load_digits()[1][:10].tolist() == [7, 2, 1, 0, 4, 1, 4, 9, 5, 9]


def test_digits_file_is_small():
    assert (FOLDER / "digits.npz").stat().st_size < 400_000


def test_license_stands_beside_the_digits():
    text = (FOLDER / "LICENSE-MNIST.md").read_text(encoding="utf-8")
    for word in ("LeCun", "Cortes", "Burges", "CC BY-SA 3.0", "subset"):
        assert word in text


@pytest.mark.parametrize("name", ["biased", "control"])
def test_accuracies_on_the_shipped_digits_are_near_the_card(name):
    # The card counts 10,000 digits, this test 1,000 of them: three standard deviations, and one
    # percent more, because the first digits of the test set are the easier ones.
    for here, on_card in zip(measured(name), card_figures(name), strict=True):
        assert abs(here - on_card) <= 3 * (on_card * (1 - on_card) / 1000) ** 0.5 + 0.01


def test_card_holds_what_was_asked():
    matching, conflicting, named_by_color = card_figures("biased")
    assert matching >= 0.99
    assert conflicting <= 0.30
    assert named_by_color >= 0.50
    matching, conflicting, _ = card_figures("control")
    assert matching >= 0.97
    assert conflicting >= 0.97


def test_card_names_the_hashes_of_the_files():
    on_card = dict(re.findall(r"\| `([\w.]+)` \| `([0-9a-f]{64})` \|", CARD))
    in_folder = {
        name: hashlib.sha256((FOLDER / name).read_bytes()).hexdigest()
        for name in ("biased.pt", "control.pt", "digits.npz")
    }
    assert on_card == in_folder


def test_the_two_cnns_differ():
    biased, control = (
        torch.load(FOLDER / f"{name}.pt", weights_only=True) for name in ("biased", "control")
    )
    assert all(not torch.equal(biased[key], control[key]) for key in biased)
