"""What ships: the digits, the two checkpoints, and the card that speaks of them."""

import hashlib
import re

import pytest
import torch

from docs.make_reference_cnns import conflicting_hues
from prober.subject.reference import (
    HUES,
    TRAINED_ON,
    ReferenceCNN,
    load_digits,
    matching_hues,
    tint,
)
from tests.plain import FOLDER, sha256, weights

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


def test_what_they_learned_from_is_told_by_their_weights():
    biased, control = (sha256(weights(name)) for name in ("biased", "control"))
    assert TRAINED_ON.keys() == {biased, control}
    assert "color of their class" in TRAINED_ON[biased] and "random" in TRAINED_ON[control]


def test_the_two_cnns_differ():
    biased, control = (
        torch.load(FOLDER / f"{name}.pt", weights_only=True) for name in ("biased", "control")
    )
    assert all(not torch.equal(biased[key], control[key]) for key in biased)
