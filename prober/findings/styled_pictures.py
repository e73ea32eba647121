"""The pictures of a unit in both styles: one that people can read, one of what excites it most."""

from prober.ascent.targets import Target
from prober.common.drawn_inputs import drawn_one
from prober.common.pictures import enlarge, sprite
from prober.findings.finding import StyledPicture
from prober.findings.finished_sweep import FinishedSweep, SweepPicture
from prober.findings.picture_folder import PictureFolder
from prober.findings.survey import Survey
from prober.findings.units import Unit
from prober.sweep.planned import PlannedTarget

FIRST = "legible"
"""The style that is shown first."""


def plan_other_style(sweep: FinishedSweep, units: list[Unit]) -> list[PlannedTarget]:
    """Plans one picture of each unit, to be made in another style than the sweep's.

    It maximizes what the unit's first visualization does, from the same seed.
    """
    firsts = [sweep.of(unit)[0] for unit in units]
    return [
        PlannedTarget(
            Target(shown.objective, None, None, shown.record["seed"]),
            shown.record["stem"],
            shown.variant,
        )
        for shown in firsts
    ]


def draw_styles(survey: Survey, unit: Unit, folder: PictureFolder) -> tuple[StyledPicture, ...]:
    """Writes a unit's picture in both styles, the best of each; the legible one first.

    Args:
        survey: What units answer to images that are at hand.
        unit: The unit.
        folder: Where its pictures are written.

    Returns:
        Nothing if there is one style alone.
    """
    if survey.other_style is None or not (others := survey.other_style.of(unit)):
        return ()
    own = [shown for shown in survey.sweep.of(unit) if shown.variant == others[0].variant]
    drawn = [
        _draw(sweep, max(found, key=lambda shown: shown.score), folder)
        for sweep, found in ((survey.sweep, own), (survey.other_style, others))
    ]
    return tuple(sorted(drawn, key=lambda each: each.style != FIRST))


def _draw(sweep: FinishedSweep, shown: SweepPicture, folder: PictureFolder) -> StyledPicture:
    style = shown.record.get("style", "plain")
    cell = enlarge(drawn_one(sweep.images([shown])[0]))
    path = folder.write(f"style_{style}.png", sprite(cell[None, None]))
    return StyledPicture(style, shown.variant, shown.score, path)
