"""The pictures of a unit in both styles: one that people can read, one of what excites it most."""

from collections.abc import Sequence

from prober.ascent.matters import with_opacity
from prober.ascent.styles import Style
from prober.ascent.targets import Target
from prober.common.drawn_inputs import slices_gif
from prober.findings.finding import StyledPicture
from prober.findings.finished_sweep import FinishedSweep, SweepPicture
from prober.findings.picture_folder import PictureFolder
from prober.findings.units import Unit
from prober.sweep.planned import PlannedTarget

FIRST = "legible"
"""The style that is shown first."""


def style_beside(style: str) -> Style:
    """Returns the style of the picture that is shown beside one of a style."""
    return "plain" if style == "legible" else "legible"


def plan_other_style(sweep: FinishedSweep) -> list[PlannedTarget]:
    """Plans one picture of each unit, to be made in another style than the sweep's.

    It maximizes what the unit's first visualization does, from the same seed.
    """
    firsts = [sweep.of(unit)[0] for unit in sweep.units()]
    return [
        PlannedTarget(
            Target(shown.objective, None, None, shown.record["seed"]),
            shown.record["stem"],
            shown.variant,
        )
        for shown in firsts
    ]


def draw_styles(
    sweeps: Sequence[FinishedSweep], unit: Unit, folder: PictureFolder
) -> tuple[StyledPicture, ...]:
    """Writes a unit's picture in the style of each sweep, the best of each; the legible one first.

    Args:
        sweeps: One of each style; what the last one's first picture of the unit maximizes is shown.
        unit: The unit.
        folder: Where its pictures are written.

    Returns:
        Nothing if there is no sweep, or one of them has no picture of the unit.
    """
    found = [sweep.variants_of(unit) for sweep in sweeps]
    if not found or not all(found):
        return ()
    variant = next(iter(found[-1]))
    drawn = [
        _draw(sweep, max(own[variant], key=lambda shown: shown.score), folder)
        for sweep, own in zip(sweeps, found, strict=True)
    ]
    return tuple(sorted(drawn, key=lambda each: each.style != FIRST))


def _draw(sweep: FinishedSweep, shown: SweepPicture, folder: PictureFolder) -> StyledPicture:
    style, image = shown.style, sweep.image(shown)
    path = folder.draw(f"style_{style}.png", image)
    if (through := slices_gif(image)) is not None:
        folder.write(f"style_{style}.gif", through)
    opacity = sweep.opacity(shown)
    matters = None if opacity is None else with_opacity(image, opacity)
    return StyledPicture(
        style,
        shown.variant,
        shown.score,
        path,
        penalties_won=shown.record.get("penalties_won", False),
        matters=None if matters is None else folder.write(f"style_{style}_matters.png", matters),
    )
