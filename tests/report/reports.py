"""Reports as they might be, without a CNN: findings and records of which little is given."""

from collections import Counter
from dataclasses import replace

from prober.findings.behavior import Behavior, ColorChange, Shortcut
from prober.findings.finding import (
    Evidence,
    Facet,
    Field,
    Finding,
    FrequencyTuning,
    Kind,
    OrientationTuning,
    ScoreRange,
    Shares,
    Tuning,
    save_findings,
)
from prober.report.record import (
    DataRecord,
    ReportRecord,
    SettingsRecord,
    SubjectRecord,
    save_record,
)

EVIDENCE = Evidence(
    score=ScoreRange(neutral=1.0, best=3.0),
    maxima=None,
    field=Field(top=5, left=5, height=10, width=10),
    neuron=(7, 7),
    pictures=None,
    starts={"noise": 8, "flat": 5},
    tuning=Tuning(
        hue=None,
        orientation=OrientationTuning((0.0, 90.0), bars=(0.2, 1.9), gratings=(0.1, 0.3)),
        frequency=FrequencyTuning((0.1, 0.5), gratings=(0.3, 0.2)),
    ),
    data=None,
    trust=None,
)
"""As little as there can be."""

SHARES = Shares(0.3, 0.5, 0.2, 0.1)

SHORTCUT = Behavior(
    accuracy=0.99,
    accuracy_color_changed=0.2,
    accuracy_without_color=0.6,
    names_color=0.66,
    chance=0.1,
    shortcut=Shortcut.COLOR,
    color_change=ColorChange.CLASS,
    images={"accuracy": 1000},
    intervals={"accuracy": (0.98, 0.995)},
)
HONEST = replace(SHORTCUT, accuracy_color_changed=0.98, names_color=0.01, shortcut=Shortcut.NONE)
GUESSING = replace(
    SHORTCUT,
    accuracy=0.11,
    accuracy_color_changed=0.09,
    accuracy_without_color=0.1,
    names_color=0.1,
    shortcut=Shortcut.UNKNOWN,
)

LIGHT_SHARES = Shares(0.1, 0.1, 0.8, 0.0)


def facet(kind, hue=None, orientation=None, score=3.0, share=1.0, strength=None, **files):
    """A facet, as strong as its score; its files are named by `finding` unless they are given."""
    whole = {"pictures": (), "full": ""} | files
    strength = EVIDENCE.score.share(score) if strength is None else strength
    shares = LIGHT_SHARES if kind == Kind.BRIGHTNESS else SHARES
    return Facet(Kind(kind), shares, strength, hue, orientation, score, share, **whole)


def finding(layer, channel, *facets, **given):
    """What is found of a unit with these facets, or of a dead one.

    What is given may be fields of the finding or sections of its evidence.
    """
    folder = f"pictures/{layer}/ch{channel:03d}"
    facets = tuple(
        each if each.pictures else replace(each, pictures=(f"{folder}/facet{i}.png",))
        for i, each in enumerate(facets)
    )
    angles = [each.orientation for each in facets if each.orientation is not None]
    if "tuning" not in given and len(angles) == 1:  # bars of its orientation excite it most
        degrees = (angles[0], (angles[0] + 90) % 180)
        bars = OrientationTuning(degrees, bars=(2.9, 1.2), gratings=(1.3, 1.1))
        given["tuning"] = replace(EVIDENCE.tuning, orientation=bars)
    sections = {name: given.pop(name) for name in list(given) if hasattr(EVIDENCE, name)}
    fields = {
        "layer": layer,
        "channel": channel,
        "position": None,
        "kinds": tuple(sorted({each.kind for each in facets})),
        "shares": SHARES if facets else None,
        "dead": not facets,
        "polysemantic": len(facets) > 1,
        "hue": facets[0].hue if facets else None,
        "orientation": facets[0].orientation if facets else None,
        "confidence": 0.9,
        "why": (),
        "trusted": True,
        "facets": facets,
        "runner_up": None,
        "evidence": replace(EVIDENCE, **sections),
    }
    return Finding(**(fields | given))


def record(
    findings, name="CNN (a)", behavior=None, shape=(3, 28, 28), skipped=(), data=True, mix=None
):
    """The record of a report with these findings."""
    layers = dict(Counter(each.layer for each in findings))
    given = DataRecord("some digits", 1000, ("0",), None, None, tuple(map(tuple, skipped)), False)
    flat = tuple(layer for layer in layers if layer == "logits")
    subject = SubjectRecord(name, "net.pt", "0123456789abcdef" * 4, tuple(shape), layers)
    return ReportRecord(
        subject=replace(subject, flat_layers=flat, mix=mix),
        against=None,
        data=given if data else None,
        behavior=behavior,
        settings=SettingsRecord(8, 500, "32-true", ("GaussianNoise",), ("0.0001 l2",)),
        sheets=(),
        seconds={"pictures": 150.0, "search": 60.0},
        date="2026-11-23",
    )


def write(folder, findings, of_report):
    """Writes a report's files, as the command does."""
    folder.mkdir(parents=True, exist_ok=True)
    save_findings(findings, folder)
    save_record(of_report, folder)
