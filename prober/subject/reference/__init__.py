"""The reference subject: a small CNN, its two checkpoints, its colors and 1,000 digits.

`biased.pt` learned from digits whose color gave the answer away, `control.pt` from digits of random
colors; `MODEL_CARD.md` says how. `docs/make_reference_cnns.py` made them.
"""

from prober.subject.reference.cnn import ReferenceCNN
from prober.subject.reference.coloring import (
    HUES,
    conflicting_hues,
    draw_hues,
    matching_hues,
    tint,
)
from prober.subject.reference.digits import load_digits

__all__ = [
    "HUES",
    "ReferenceCNN",
    "conflicting_hues",
    "draw_hues",
    "load_digits",
    "matching_hues",
    "tint",
]
