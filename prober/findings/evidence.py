"""The evidence for a unit: every section of its page is gathered here, one line for each."""

from prober.findings.evolutions import draw_evolutions
from prober.findings.finding import Evidence, Field, ScoreRange
from prober.findings.found_facets import Found, facets_by_stem
from prober.findings.maxima_pictures import draw_maxima
from prober.findings.picture_folder import PictureFolder
from prober.findings.real_evidence import real_evidence
from prober.findings.single_hues import several_hues
from prober.findings.styled_pictures import draw_styles
from prober.findings.survey import Survey
from prober.findings.trust import compare_paths
from prober.findings.tuning import tuning_of
from prober.findings.units import Unit


def gather(survey: Survey, unit: Unit, found: Found | None, folder: PictureFolder) -> Evidence:
    """Gathers what a finding rests on, and writes its pictures.

    Args:
        survey: What units answer to images that are at hand.
        unit: The unit.
        found: What the search has found; None if the unit is dead.
        folder: Where its pictures are written.
    """
    window, curves, real = survey.window(unit), survey.curves(unit), survey.known.real
    score = found.score if found else ScoreRange(curves.neutral, curves.neutral)
    return Evidence(
        score=score,
        maxima=draw_maxima(found, window, folder) if found else None,
        field=Field(window.top, window.left, window.height, window.width),
        neuron=window.neuron,
        pictures=draw_evolutions(
            survey.sweep, unit, facets_by_stem(survey, unit, found) if found else {}, folder
        ),
        starts=found.starts if found else {},
        tuning=tuning_of(curves),
        data=real_evidence(real, unit, curves, score, folder) if real else None,
        trust=compare_paths(survey, unit, found, real) if found and found.groups and real else None,
        styles=draw_styles((survey.sweep, survey.other_style), unit, folder)
        if survey.other_style
        else (),
        several_hues=several_hues(
            survey.cut_cnn(unit.site), unit.channel, found.groups, found.maxima, curves
        )
        if found
        else (),
    )
