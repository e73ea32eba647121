"""Where the pictures of a unit are written, and how large they are."""

from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from prober.common.drawn_inputs import drawn_one
from prober.common.files import write_whole
from prober.common.inputs import InputKind, Shape, input_kind
from prober.common.pictures import enlarged_png

CELL_SIDE, PLOT_SIDE = 84, 168
"""Pixels that a cell of a sprite may have on a side, of a picture and of a plot."""


@dataclass(frozen=True)
class PictureFolder:
    """The pictures of one unit in a report.

    Attributes:
        report: The report's folder.
        folder: That of the unit in the report's pictures.
    """

    report: Path
    folder: str

    @staticmethod
    def cell_side(shape: Shape) -> int:
        """Returns how many pixels a cell may have on a side that shows an input of a shape."""
        plotted = input_kind(shape) in (InputKind.VECTOR, InputKind.SIGNAL)
        return PLOT_SIDE if plotted else CELL_SIDE

    def write(self, name: str, content: bytes) -> str:
        """Writes a picture; returns its path relative to the report's folder."""
        file = Path("pictures") / self.folder / name
        write_whole(self.report / file, content)
        return file.as_posix()

    def draw(self, name: str, image: Tensor) -> str:
        """Writes the picture of an input `[C, ...]` in [0, 1], enlarged; returns its path."""
        return self.write(name, enlarged_png(drawn_one(image)))
