"""Units: what a finding is about."""

from dataclasses import dataclass

from prober.subject import Subject

Site = tuple[str, tuple[int, ...] | None]
"""A layer, and the position of its neuron that is looked at; None for the channels as a whole."""


@dataclass(frozen=True)
class Unit:
    """A channel, or a single neuron, of a layer.

    Attributes:
        layer: Name of the layer.
        channel: Index of the channel; in a flat layer, of the unit.
        position: `(h, w)`, of a volume `(d, h, w)`, if the unit is a neuron, None if it is a
            channel.
    """

    layer: str
    channel: int
    position: tuple[int, ...] | None = None

    @property
    def site(self) -> Site:
        """Where in the CNN it is, whichever its channel."""
        return self.layer, self.position

    def folder(self, subject: Subject) -> str:
        """Where its pictures lie, it being of that CNN: `conv2/ch003`, `conv2/ch003_h07_w07`."""
        position = self.position or ()
        sides = "dhw"[3 - len(position) :]
        at = "".join(f"_{side}{place:02d}" for side, place in zip(sides, position, strict=True))
        return f"{subject.folder_name(self.layer)}/ch{self.channel:03d}{at}"
