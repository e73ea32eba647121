"""The three answers that a summary begins with."""

from collections.abc import Callable, Iterable

from prober.common.colors import distance
from prober.findings.behavior import Behavior, ColorChange, Shortcut
from prober.findings.finding import Finding, Kind
from prober.report.markdown import plain
from prober.report.probed import (
    NAMED_UNITS,
    Probed,
    class_of,
    clearest,
    counts_as,
    flagged,
    link,
    living,
)
from prober.report.record import ReportRecord
from prober.report.words import counted, joined, percent, unit_words

SAME_HUE_DEGREES = 18.0
"""Degrees up to which two hues count as the same: half the step between ten hues on the circle."""

NAMED_CLASSES = 10
"""Classes that are named where more are meant."""

CLEAR_CONFIDENCE = 0.8
"""The least confidence of a clear example."""


def color_answer(probed: Probed, against: Probed | None) -> str:
    """Answers which layers focus on color.

    A layer does if more than half of its live units want color and nothing else. What the unclear
    units could tip is not decided.
    """
    channels = probed.record.subject.input_shape[0]
    if channels == 1:
        return "None can: the input has one channel, so there is no color in it."
    if channels != 3:
        return f"Not examined: the input has {channels} channels, not red, green and blue."
    if not probed.live:
        return "Cannot be said: nothing that was tried excites any unit."
    said: dict[str, list[str]] = {"yes": [], "partly": [], "unsettled": [], "no": []}
    for layer, findings in probed.layers.items():
        live = living(findings)
        alone = clearest(filter(wants_color_alone, live))
        some = sum(map(wants_color, live))
        unclear = sum(counts_as(finding) == Kind.UNCLEAR for finding in live)
        figure = f"{len(alone)} of {len(live)}"
        beside = _beside(against, layer, wants_color_alone)
        name = plain(layer)
        if 2 * len(alone) > len(live):
            flags = sum(map(flagged, alone))
            such = f", such as {link(alone[0])}" + (f"; {flags} of them ⚠" if flags else "")
            said["yes"].append(f"**{name}** ({figure}{such}{beside})")
        elif 2 * some > len(live):
            both = f"{some} of {len(live)}, {len(alone)} of them color alone"
            said["partly"].append(f"{name} ({both}{_beside(against, layer, wants_color)})")
        elif live and 2 * (some + unclear) > len(live):
            said["unsettled"].append(f"{name} ({figure}, {unclear} unclear{beside})")
        elif live:
            said["no"].append(f"{name} ({figure}{beside})")
    sure = " for sure" if said["unsettled"] else ""
    sentences = [joined(said["yes"]) or f"No layer wants color alone{sure}"]
    if said["partly"]:
        sentences.append(f"Most units need color, alone or with shape, in {joined(said['partly'])}")
    if said["unsettled"]:
        sentences.append(f"Unclear units leave it open for {joined(said['unsettled'])}")
    if said["no"]:
        sentences.append(f"Not {joined(said['no'])}")
    if said["yes"]:
        sentences.append("Counted are units that want color and nothing else")
    return ". ".join(sentences) + "."


def _beside(against: Probed | None, layer: str, wants: Callable[[Finding], bool]) -> str:
    """Says of how many live units of the second CNN's layer something holds; `""` without it."""
    others = living(against.layers.get(layer, [])) if against else []
    if against is None or not others:
        return ""
    return f"; {plain(against.name)}: {sum(map(wants, others))} of {len(others)}"


def wants_color_alone(finding: Finding) -> bool:
    """Whether all of a unit's facets are color."""
    return counts_as(finding) == Kind.COLOR


def wants_color(finding: Finding) -> bool:
    """Whether color belongs to any facet of a unit, alone or with shape."""
    return any("color" in kind for kind in finding.kinds) and not finding.dead


def shortcut_answer(probed: Probed, against: Probed | None) -> str:
    """Answers whether there is shortcut learning: what real images show, then what logits want."""
    behavior = probed.record.behavior
    if behavior is None:
        sentences = [
            "Cannot be said. The pictures show what the logits want, not what the CNN does with "
            "real images, and its answers to real images were not examined."
        ]
    else:
        verdicts = {
            Shortcut.COLOR: "Yes, in color.",
            Shortcut.PARTLY: "In part, in color.",
            Shortcut.NONE: "None found in color.",
        }
        verdict = verdicts.get(behavior.shortcut, "Cannot be said.")
        sentences = [verdict, f"On real images {behavior_words(behavior)}."]
        if behavior.shortcut == Shortcut.NONE:
            sentences.append("Other shortcuts were not looked for.")
        elif behavior.shortcut == Shortcut.UNKNOWN and _guesses(behavior, probed.record):
            sentences.append(
                "That is no better than chance, and a CNN that has not learned the classes has "
                "no shortcut to show."
            )
    if against and (other := against.record.behavior):
        verdicts = {
            Shortcut.COLOR: "there is one in color",
            Shortcut.PARTLY: "there is one in color, in part",
            Shortcut.NONE: "none is found",
        }
        verdict = verdicts.get(other.shortcut, "it cannot be said")
        sentences.append(f"In {plain(against.name)} {verdict}: {behavior_words(other)}.")
    sentences += [said for cnn in (probed, against) if cnn and (said := hue_sentence(cnn))]
    return " ".join(sentences)


def behavior_words(behavior: Behavior) -> str:
    """Says how a CNN answers real images."""
    said = f"{percent(behavior.accuracy)} of the answers are right"
    said += f" (chance: {percent(behavior.chance)})"
    if behavior.accuracy_color_changed is not None:
        said += f", {changed_words(behavior)} {percent(behavior.accuracy_color_changed)}"
        if behavior.names_color is not None:
            said += f", and {percent(behavior.names_color)} then name the class of that color"
    return said


def changed_words(behavior: Behavior) -> str:
    """Says how the color of images was changed: `with another class's color`."""
    if behavior.color_change is None or behavior.color_change == ColorChange.TURN:
        return "with the hue turned"
    return f"with {behavior.color_change}"


def _guesses(behavior: Behavior, record: ReportRecord) -> bool:
    """Whether a CNN's answers to real images are within what guessing gives.

    That is two standard deviations of the number of right guesses above their mean.
    """
    if record.data is None:
        return False
    chance = behavior.chance
    deviation = (chance * (1 - chance) / record.data.images) ** 0.5
    return behavior.accuracy <= chance + 2 * deviation


def hue_distance(finding: Finding) -> float | None:
    """Returns how far the flat hue that raises a class's logit most is from the class's own.

    Degrees, of flat patches around the hue circle; None if there is no such hue.
    """
    known = class_of(finding)
    if known is None or known.hue is None or known.flat_hue is None or finding.dead:
        return None
    return distance(known.flat_hue, known.hue, 360)


def hue_sentence(probed: Probed) -> str:
    """Says how many logits like their own class's hue best; `""` if the classes have no hues."""
    hued = {f.name: d for f in living(probed.classes) if (d := hue_distance(f)) is not None}
    if not hued:
        return ""
    own = [finding for finding in probed.classes if finding.name in hued]
    same = [finding for finding in own if hued[finding.name] <= SAME_HUE_DEGREES]
    which = f" ({joined([class_link(finding) for finding in same], NAMED_CLASSES)})"
    by_chance = len(hued) * 2 * SAME_HUE_DEGREES / 360
    return (
        f"Of {counted(len(hued), 'class logit')} of {plain(probed.name)}, {len(same)} "
        f"{'answers' if len(same) == 1 else 'answer'} flat patches most in the hue of the own class"
        f"{which if same and not probed.prefix else ''}, within {SAME_HUE_DEGREES:.0f}°; random "
        f"hues would give {by_chance:.1f}.{_of_pictures(own)}"
    )


def _of_pictures(hued: Iterable[Finding]) -> str:
    """Says how many logits' pictures have their class's hue, lest only what agrees be told."""
    distances = [
        distance(finding.hue, known.hue, 360)
        for finding in hued
        if finding.hue is not None and (known := class_of(finding)) and known.hue is not None
    ]
    if not distances:
        return ""
    same = sum(away <= SAME_HUE_DEGREES for away in distances)
    return (
        f" Around their pictures, of many colors, the hue is that of the own class in {same} of "
        f"{len(distances)}."
    )


def class_link(finding: Finding) -> str:
    """Links to the logit of a class by the class's name."""
    known = class_of(finding)
    return link(finding, known.label if known else str(finding.channel))


def polysemantic_answer(probed: Probed, against: Probed | None) -> str:
    """Answers whether there are clear examples of polysemantic units."""
    if not probed.live:
        return "Cannot be said: nothing that was tried excites any unit."
    found = probed.polysemantic
    if not found:
        said = f"None found among {counted(len(probed.live), 'live unit')}; that is not proof."
    else:
        shown = [
            f"{link(finding)} ({plain(unit_words(finding))}; confidence {finding.confidence:.2f})"
            for finding in found[:NAMED_UNITS]
        ]
        clear = any(not flagged(f) and f.confidence >= CLEAR_CONFIDENCE for f in found)
        said = (
            f"{'Yes' if clear else 'None that is sure and trusted'}: {len(found)} of "
            f"{counted(len(probed.live), 'live unit')} {'has' if len(found) == 1 else 'have'} "
            f"several facets. {'The clearest' if clear else 'Candidates'}: {joined(shown)}."
        )
    if against and against.live:
        said += f" In {plain(against.name)}: {len(against.polysemantic)} of {len(against.live)}."
    return said
