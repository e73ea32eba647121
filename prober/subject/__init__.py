"""The subject: a trained CNN under study, frozen."""

from prober.subject.layers import LOGITS, Layer
from prober.subject.subject import Subject

__all__ = ["LOGITS", "Layer", "Subject"]
