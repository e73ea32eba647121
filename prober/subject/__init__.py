"""The subject: a trained CNN under study, frozen."""

from prober.subject.frozen import Subject

__all__ = ["Subject"]
