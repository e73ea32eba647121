"""Where the pictures of a unit are written, and how large they are."""

from dataclasses import dataclass
from pathlib import Path

from prober.common.files import write_whole
from prober.findings.units import Unit

CELL_SIDE = 84
"""Pixels that a cell of a sprite may have on a side."""


@dataclass(frozen=True)
class PictureFolder:
    """The pictures of one unit in a report.

    Attributes:
        report: The report's folder.
        unit: The unit.
    """

    report: Path
    unit: Unit

    def write(self, name: str, content: bytes) -> str:
        """Writes a picture; returns its path relative to the report's folder."""
        file = Path("pictures") / self.unit.folder / name
        write_whole(self.report / file, content)
        return file.as_posix()
