"""The reference subject: a small CNN, its two checkpoints, its colors and 1,000 digits.

`biased.pt` learned from digits whose color gave the answer away, `control.pt` from digits of random
colors; `MODEL_CARD.md` says how. `docs/make_reference_cnns.py` made them.
"""

from prober.subject.reference.cnn import ReferenceCNN
from prober.subject.reference.coloring import HUES, matching_hues, tint
from prober.subject.reference.digits import load_digits

TRAINED_ON = {
    "e26f2f8499096193a129e2c2c4e507366e6195b6884a8f457d3605c8a9c33cf3": (
        "digits that nearly all have the color of their class"
    ),
    "539df5b7fb0a62fb8ada483d6c159659f3c1bb20888957c3af15550dfa377f6d": ("digits of random colors"),
}
"""What `biased` and `control` learned from, by the SHA-256 of their weights, `Subject.sha256`."""

__all__ = ["HUES", "TRAINED_ON", "ReferenceCNN", "load_digits", "matching_hues", "tint"]
