"""The summary: short Markdown for the person who will act on what was found."""

import html
import json
import re
from collections import Counter
from collections.abc import Callable, Iterable
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from prober.common.colors import distance
from prober.common.files import write_whole
from prober.report.words import (
    counted,
    facet_words,
    hue_words,
    listed,
    percent,
    plain,
    table,
)

KINDS = ("color", "shape", "color+shape", "brightness")
SEVERAL = "several kinds"
COLUMNS = (*KINDS, SEVERAL, "unclear", "dead")
"""What a unit counts as; each counts once."""

SAME_HUE = 18.0
"""Degrees up to which two hues count as the same: half the step between ten hues on the circle."""

WIDTH = 84
"""Pixels of a picture's width on the screen; the files are larger."""

EXAMPLES = 2
"""Pictures for each kind and layer."""

POLYSEMANTIC = 6
"""Polysemantic units whose facets are shown."""

FACETS = 4
"""Facets of a unit that are shown."""

NAMED = 3
"""Units that are named where more are meant."""

SURE = 0.8
"""The least confidence of a clear example."""

CLASSES = 20
"""Classes that are shown."""

NOTHING = "-"
"""What an empty place of a table holds."""

NOTHINGS = ("0", NOTHING)
"""What a column holds that is left out."""

HUE_EXPLAINS = "hue explains"
"""The column that says how much of the answers to real images the hue explains."""

Unit = dict[str, Any]


def write_summary(folder: Path) -> Path:
    """Writes `SUMMARY.md` from what was found.

    Args:
        folder: The report's folder, with `findings.json` and `report.json`, and with the same two
            in `against/` if a second subject was probed.

    Returns:
        The file.

    Raises:
        OSError: The findings cannot be read or the summary cannot be written.
    """
    probed = Probed(folder)
    against = Probed(folder, "against/") if (folder / "against" / "report.json").exists() else None
    if against:
        probed.name, against.name = short_names(probed.name, against.name)
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    shown = {
        "title": plain(probed.full_name),
        "against": against,
        "color": color_answer(probed, against),
        "shortcut": shortcut_answer(probed, against),
        "polysemantic": polysemantic_answer(probed, against),
        "layer_table": layer_table(probed, against),
        "example_table": example_table(probed),
        "behavior_table": behavior_table(probed, against),
        "class_picture_table": class_picture_table(probed, against),
        "other_classes": max(0, len(probed.classes) - CLASSES),
        "class_logit_table": class_logit_table(probed, against),
        "logit_sentence": logit_sentence(probed, against),
        "facet_table": facet_table(probed),
        "distrusted": distrusted(probed),
        "unsettled": unsettled(probed, against),
        "made": made(probed, against),
    }
    file = folder / "SUMMARY.md"
    write_whole(file, environment.get_template("SUMMARY.md.j2").render(shown))
    return file


class Probed:
    """A subject and what was found of its units.

    Args:
        folder: The report's folder.
        prefix: Where in it this subject's findings lie: nowhere else, or in `against/`.
    """

    def __init__(self, folder: Path, prefix: str = "") -> None:
        self.prefix = prefix
        self.report: dict[str, Any] = json.loads(
            (folder / prefix / "report.json").read_text(encoding="utf-8")
        )
        self.units: list[Unit] = json.loads(
            (folder / prefix / "findings.json").read_text(encoding="utf-8")
        )
        self.full_name: str = self.report["subject"]["name"]
        self.name = self.full_name

    @cached_property
    def layers(self) -> dict[str, list[Unit]]:
        """The units of each layer, in order of the forward pass."""
        layers: dict[str, list[Unit]] = {name: [] for name in self.report["subject"]["layers"]}
        for unit in self.units:
            layers.setdefault(unit["layer"], []).append(unit)
        return {name: units for name, units in layers.items() if units}

    @cached_property
    def live(self) -> list[Unit]:
        """The units that something excites."""
        return living(self.units)

    @cached_property
    def classes(self) -> list[Unit]:
        """The units that are the logit of a class."""
        return [unit for unit in self.units if in_data(unit) or unit["layer"] == "logits"]

    @cached_property
    def polysemantic(self) -> list[Unit]:
        """The polysemantic units, the clearest first and flagged ones last.

        Of two units in which there is the same confidence, that one is clearer whose second facet
        comes nearer to the first one's score.
        """

        def unclear(unit: Unit) -> tuple[bool, float, float]:
            return flagged(unit), -unit["confidence"], -max(ways(unit)[1:2], default=0.0)

        return sorted((unit for unit in self.live if unit["polysemantic"]), key=unclear)

    def picture(self, unit: Unit, facet: Unit) -> str:
        """Shows the best picture of a facet, as a link to its unit; `""` if it has none."""
        if not facet["pictures"]:
            return ""
        said = f"{self.name} {name_of(unit)}: {facet_words(facet)}"
        # A bar would end the cell of a table, even within quotes.
        said = html.escape(said).replace("|", "&#124;").replace("\\", "")
        source = quote(self.prefix + facet["pictures"][0])
        return f'[<img src="{source}" alt="{said}" width="{WIDTH}">]({address(unit)})'


def short_names(one: str, other: str) -> tuple[str, str]:
    """Leaves out what two names share: of `CNN (a)` and `CNN (b)` stay `a` and `b`.

    Two equal names become `CNN` and `the second CNN`.
    """
    if one == other:
        return one, f"the second {other}"
    pattern = re.compile(r"(.+) \((.+)\)")
    parts = pattern.fullmatch(one), pattern.fullmatch(other)
    if all(parts) and parts[0][1] == parts[1][1] and parts[0][2] != parts[1][2]:
        return parts[0][2], parts[1][2]
    return one, other


# Units


def name_of(unit: Unit) -> str:
    """Names a unit as the page does: `conv2/3`, a neuron `conv2/3/7,7`."""
    place = "" if unit["position"] is None else "/{},{}".format(*unit["position"])
    return f"{unit['layer']}/{unit['channel']}{place}"


def address(unit: Unit) -> str:
    """Returns where the page shows a unit."""
    return f"index.html#{quote(name_of(unit), safe='/,')}"


def link(unit: Unit, text: str = "") -> str:
    """Links to a unit, by its name unless told; flags it if its pictures are not to be trusted."""
    return f"[{plain(text or name_of(unit))}]({address(unit)}){flag(unit)}"


def flag(unit: Unit) -> str:
    """Returns the mark of a unit whose pictures are not to be trusted, else `""`."""
    return " ⚠" if flagged(unit) else ""


def flagged(unit: Unit) -> bool:
    """Whether the check against real data says not to trust a unit's pictures."""
    return unit["trusted"] is False


def living(units: Iterable[Unit]) -> list[Unit]:
    """Returns the units that something excites."""
    return [unit for unit in units if not unit["dead"]]


def counts_as(unit: Unit) -> str:
    """Returns the one of `COLUMNS` that a unit counts as."""
    if unit["dead"]:
        return "dead"
    kinds = unit["kinds"] or ["unclear"]
    return kinds[0] if len(kinds) == 1 else SEVERAL


def clearest(units: Iterable[Unit], where: Callable[[Unit], bool]) -> list[Unit]:
    """Returns the units of which something holds, the surest first and flagged ones last."""
    return sorted(
        filter(where, units),
        key=lambda unit: (flagged(unit), bool(unit["why"]), -unit["confidence"]),
    )


def unit_words(unit: Unit) -> str:
    """Says what a unit wants: its facets, each thing once."""
    if unit["dead"]:
        return "nothing excites it"
    return "; ".join(dict.fromkeys(map(facet_words, unit["facets"]))) or "unclear"


def ways(unit: Unit) -> list[float]:
    """Returns for each facet how far it goes from the neutral score to the unit's best, 0 to 1."""
    score = unit["evidence"]["score"]
    if score["neutral"] is None or score["best"] is None or score["best"] <= score["neutral"]:
        return []
    whole = score["best"] - score["neutral"]
    return [(facet["score"] - score["neutral"]) / whole for facet in unit["facets"]]


def in_data(unit: Unit) -> dict[str, Any] | None:
    """Returns what real data say of the class whose logit a unit is, None if there are none."""
    data = unit["evidence"]["data"]
    return data and data["class"]


# The three answers


def color_answer(probed: Probed, against: Probed | None) -> str:
    """Answers which layers focus on color.

    A layer does if more than half of its live units want color and nothing else. What the unclear
    units could tip is not decided.
    """
    channels = probed.report["subject"]["input_shape"][0]
    if channels == 1:
        return "None can: the input has one channel, so there is no color in it."
    if channels != 3:
        return f"Not examined: the input has {channels} channels, not red, green and blue."
    if not probed.live:
        return "Cannot be said: nothing that was tried excites any unit."
    said: dict[str, list[str]] = {"yes": [], "partly": [], "unsettled": [], "no": []}
    for layer, units in probed.layers.items():
        live = living(units)
        alone = clearest(live, wants_color_alone)
        some = sum(map(wants_color, live))
        unclear = sum(counts_as(unit) == "unclear" for unit in live)
        figure = f"{len(alone)} of {len(live)}"
        if others := living(against.layers.get(layer, [])) if against else []:
            number = f"{sum(map(wants_color_alone, others))} of {len(others)}"
            beside = f"; {plain(against.name)}: {number}"
        else:
            beside = ""
        name = plain(layer)
        if 2 * len(alone) > len(live):
            flags = sum(map(flagged, alone))
            such = f", such as {link(alone[0])}" + (f"; {flags} of them ⚠" if flags else "")
            said["yes"].append(f"**{name}** ({figure}{such}{beside})")
        elif 2 * some > len(live):
            both = f"{some} of {len(live)}, {len(alone)} of them color alone"
            if others:
                both += f"; {plain(against.name)}: {sum(map(wants_color, others))} of {len(others)}"
            said["partly"].append(f"{name} ({both})")
        elif live and 2 * (some + unclear) > len(live):
            said["unsettled"].append(f"{name} ({figure}, {unclear} unclear{beside})")
        elif live:
            said["no"].append(f"{name} ({figure}{beside})")
    sure = " for sure" if said["unsettled"] else ""
    sentences = [listed(said["yes"]) or f"No layer wants color alone{sure}"]
    if said["partly"]:
        sentences.append(f"Most units need color, alone or with shape, in {listed(said['partly'])}")
    if said["unsettled"]:
        sentences.append(f"Unclear units leave it open for {listed(said['unsettled'])}")
    if said["no"]:
        sentences.append(f"Not {listed(said['no'])}")
    if said["yes"]:
        sentences.append("Counted are units that want color and nothing else")
    return ". ".join(sentences) + "."


def mean_hue_share(units: Iterable[Unit]) -> float | None:
    """Returns the mean share of the variance that the hue explains; None if there is none."""
    tables = [unit["evidence"]["data"] for unit in living(units)]
    shares = [data["variance"]["hue"] for data in tables if data and data["variance"]]
    return sum(shares) / len(shares) if shares else None


def wants_color_alone(unit: Unit) -> bool:
    """Whether all of a unit's facets are color."""
    return counts_as(unit) == "color"


def wants_color(unit: Unit) -> bool:
    """Whether color belongs to any facet of a unit, alone or with shape."""
    return any("color" in kind for kind in unit["kinds"]) and not unit["dead"]


def shortcut_answer(probed: Probed, against: Probed | None) -> str:
    """Answers whether there is shortcut learning: what real images show, then what logits want."""
    behavior = probed.report["behavior"]
    if behavior is None:
        sentences = [
            "Cannot be said. The pictures show what the logits want, not what the CNN does with "
            "real images, and its answers to real images were not examined."
        ]
    else:
        verdicts = {"color": "Yes, in color.", "none": "None found in color."}
        verdict = verdicts.get(behavior["shortcut"], "Cannot be said.")
        sentences = [verdict, f"On real images {behavior_words(behavior)}."]
        if behavior["shortcut"] == "none":
            sentences.append("Other shortcuts were not looked for.")
        elif behavior["shortcut"] == "cannot say" and guesses(probed.report):
            sentences.append(
                "That is no better than chance, and a CNN that has not learned the classes has "
                "no shortcut to show."
            )
    if against and (other := against.report["behavior"]):
        verdicts = {"color": "there is one in color", "none": "none is found"}
        verdict = verdicts.get(other["shortcut"], "it cannot be said")
        sentences.append(f"In {plain(against.name)} {verdict}: {behavior_words(other)}.")
    sentences += [said for each in (probed, against) if each and (said := hue_sentence(each))]
    return " ".join(sentences)


def behavior_words(behavior: dict[str, Any]) -> str:
    """Says how a subject answers real images."""
    if behavior["accuracy"] is None:
        return "there are no figures"
    said = f"{percent(behavior['accuracy'])} of the answers are right"
    if behavior["chance"] is not None:
        said += f" (chance: {percent(behavior['chance'])})"
    if behavior["accuracy_color_changed"] is not None:
        changed = percent(behavior["accuracy_color_changed"])
        said += f", in the hue of another class {changed}"
        if behavior["names_color"] is not None:
            said += f", and {percent(behavior['names_color'])} then name the class of that hue"
    return said


def guesses(report: dict[str, Any]) -> bool:
    """Whether a subject's answers to real images are within what guessing gives.

    That is two standard deviations of the number of right guesses above their mean.
    """
    accuracy, chance = report["behavior"]["accuracy"], report["behavior"]["chance"]
    images = report["data"] and report["data"]["images"]
    if accuracy is None or chance is None or not images:
        return False
    return accuracy <= chance + 2 * (chance * (1 - chance) / images) ** 0.5


def apart(unit: Unit) -> float | None:
    """Returns how far the flat hue that raises a class's logit most is from the class's own.

    Degrees, of flat patches around the hue circle; None if there is no such hue.
    """
    data = in_data(unit)
    if data is None or data["hue"] is None or data["flat_hue"] is None or unit["dead"]:
        return None
    return distance(data["flat_hue"], data["hue"], 360)


def hue_sentence(probed: Probed) -> str:
    """Says how many logits like their own class's hue best; `""` if the classes have no hues."""
    hued = [unit for unit in living(probed.classes) if apart(unit) is not None]
    if not hued:
        return ""
    same = [unit for unit in hued if apart(unit) <= SAME_HUE]
    which = f" ({listed([link(unit, in_data(unit)['label']) for unit in same], 10)})"
    by_chance = len(hued) * 2 * SAME_HUE / 360
    return (
        f"Of {counted(len(hued), 'class logit')} of {plain(probed.name)}, {len(same)} "
        f"{'answers' if len(same) == 1 else 'answer'} flat patches most in the hue of the own class"
        f"{which if same and not probed.prefix else ''}, within {SAME_HUE:.0f}°; random hues would "
        f"give {by_chance:.1f}.{_of_pictures(hued)}"
    )


def _of_pictures(hued: Iterable[Unit]) -> str:
    """Says how many logits' pictures have their class's hue, lest only what agrees be told."""
    pictured = [unit for unit in hued if unit["hue"] is not None]
    if not pictured:
        return ""
    same = sum(distance(u["hue"], in_data(u)["hue"], 360) <= SAME_HUE for u in pictured)
    return (
        f" Around their pictures, of many colors, the hue is that of the own class in {same} of "
        f"{len(pictured)}."
    )


def polysemantic_answer(probed: Probed, against: Probed | None) -> str:
    """Answers whether there are clear examples of polysemantic units."""
    if not probed.live:
        return "Cannot be said: nothing that was tried excites any unit."
    number = len(probed.polysemantic)
    if not number:
        said = f"None found among {counted(len(probed.live), 'live unit')}; that is not proof."
    else:
        shown = [
            f"{link(unit)} ({plain(unit_words(unit))}; confidence {unit['confidence']:.2f})"
            for unit in probed.polysemantic[:NAMED]
        ]
        clear = [u for u in probed.polysemantic if not flagged(u) and u["confidence"] >= SURE]
        word = "Yes" if clear else "None that is sure and trusted"
        said = (
            f"{word}: {number} of {counted(len(probed.live), 'live unit')} "
            f"{'has' if number == 1 else 'have'} several facets. "
            f"{'The clearest' if clear else 'Candidates'}: {listed(shown)}."
        )
    if against and against.live:
        said += f" In {plain(against.name)}: {len(against.polysemantic)} of {len(against.live)}."
    return said


# The layers


def layer_table(probed: Probed, against: Probed | None) -> str:
    """Counts the units of each layer by what they want, beside those of the second subject."""
    rows = []
    for layer, units in probed.layers.items():
        rows.append(_counts(f"**{plain(layer)}**", units))
        if against and (others := against.layers.get(layer)):
            rows.append(_counts(plain(f"{layer}, {against.name}"), others))
    header = ["layer", "units", *COLUMNS, "polysemantic", "⚠", HUE_EXPLAINS]
    kept = [i for i in range(len(header)) if i < 2 or any(row[i] not in NOTHINGS for row in rows)]
    return table([header[i] for i in kept], [[row[i] for i in kept] for row in rows])


def _counts(name: str, units: list[Unit]) -> list[str]:
    counts = Counter(map(counts_as, units))

    def said(count: int) -> str:
        return f"{count} ({percent(count / len(units))})" if count else "0"

    beside = [sum(unit["polysemantic"] for unit in living(units)), sum(map(flagged, units))]
    kinds = [said(counts[kind]) for kind in COLUMNS]
    return [name, str(len(units)), *kinds, *map(said, beside), _share(mean_hue_share(units))]


def example_table(probed: Probed) -> str:
    """Shows for each layer and kind the units that are surest; `""` if nothing is clear."""
    kinds = [kind for kind in KINDS if any(counts_as(unit) == kind for unit in probed.units)]
    rows = []
    for layer, units in probed.layers.items():
        cells = []
        for kind in kinds:
            of_kind = clearest(units, lambda unit, kind=kind: counts_as(unit) == kind)
            cells.append("<br>".join(_example(probed, unit) for unit in of_kind[:EXAMPLES]))
        if any(cells):
            rows.append([f"**{plain(layer)}**", *cells])
    return table(["layer", *kinds], rows) if rows else ""


def _example(probed: Probed, unit: Unit) -> str:
    pictures = [probed.picture(unit, facet) for facet in unit["facets"][:1]]
    # The column says the kind.
    words = [facet_words(facet).partition(": ")[2] for facet in unit["facets"][:1]]
    words += [f"1 of {len(unit['facets'])} facets"] if len(unit["facets"]) > 1 else []
    caption = " ".join([link(unit), plain(", ".join(filter(None, words)))]).strip()
    return "<br>".join(filter(None, [*pictures, caption]))


# The classes


def behavior_table(probed: Probed, against: Probed | None) -> str:
    """Sets how two subjects answer real images side by side; `""` if that was not examined."""
    columns = {
        "accuracy": "right",
        "accuracy_color_changed": "right in another class's hue",
        "accuracy_without_color": "right in white",
        "names_color": "names the class of the other hue",
        "chance": "chance",
    }
    rows = [
        [plain(each.name), *(_share(behavior[key]) for key in columns)]
        for each in (probed, against)
        if each and (behavior := each.report["behavior"])
    ]
    return table(["on real images", *columns.values()], rows) if rows else ""


def _share(share: float | None) -> str:
    return NOTHING if share is None else percent(share)


def class_picture_table(probed: Probed, against: Probed | None) -> str:
    """Shows for each class what its logit wants, and how near its hue is to the class's own."""
    hued = any((in_data(unit) or {}).get("hue") is not None for unit in probed.classes)
    others = _same_units(against)
    columns = ["picture", "wants", *(["best flat hue"] if hued else [])]
    rows = []
    for unit in probed.classes[:CLASSES]:
        row = [link(unit, _label(unit))]
        if hued:
            hue = in_data(unit) and in_data(unit)["hue"]
            row.append(NOTHING if hue is None else hue_words(hue))
        row += _class_pictures(probed, unit)[: len(columns)]
        if against:
            other = others.get(name_of(unit))
            cells = _class_pictures(against, other) if other else [NOTHING] * 3
            row += cells[: len(columns)]
        rows.append(row)
    header = ["class", *(["its hue in the data"] if hued else []), *columns]
    if against:
        header += [f"{plain(against.name)}: picture", *columns[1:]]
    return table(header, rows) if rows else ""


def _class_pictures(probed: Probed, unit: Unit) -> list[str]:
    pictures = [probed.picture(unit, facet) for facet in unit["facets"][:1]]
    difference = apart(unit)
    said = NOTHING
    if difference is not None:
        match = "same hue" if difference <= SAME_HUE else "another hue"
        said = f"{hue_words(in_data(unit)['flat_hue'])}: {match}"
    return ["".join(pictures) or NOTHING, plain(unit_words(unit)) + flag(unit), said]


def _label(unit: Unit) -> str:
    return (in_data(unit) or {"label": str(unit["channel"])})["label"]


def _same_units(probed: Probed | None) -> dict[str, Unit]:
    return {name_of(unit): unit for unit in probed.units} if probed else {}


LOGITS = {
    "own": "as they are",
    "color_changed": "hue changed",
    "shape_changed": "shape changed",
    "both_changed": "both changed",
}
"""What real images of a class were shown, and how it is said."""


def class_logit_table(probed: Probed, against: Probed | None) -> str:
    """Shows what each class's logit does when real images change; `""` if there are none."""
    others = _same_units(against)
    both = bool(against) and any(_logits(unit) for unit in against.classes)
    rows = []
    for unit in probed.classes[:CLASSES]:
        if logits := _logits(unit):
            row = [link(unit, _label(unit)), *map(_figure, logits)]
            if both:
                other = others.get(name_of(unit))
                row += map(_figure, _logits(other) if other else [None] * len(LOGITS))
            rows.append(row)
    header = ["class", *LOGITS.values()]
    if both:
        header += [f"{plain(against.name)}: {LOGITS['own']}", *list(LOGITS.values())[1:]]
    return table(header, rows) if rows else ""


def _logits(unit: Unit) -> list[float | None]:
    data = in_data(unit)
    return [data["logit"][key] for key in LOGITS] if data and data["logit"] else []


def _figure(value: float | None) -> str:
    return NOTHING if value is None else f"{value:.1f}"


def logit_sentence(probed: Probed, against: Probed | None) -> str:
    """Says for how many classes the hue counts more than the shape; `""` without real images."""
    said = []
    for each in filter(None, (probed, against)):
        logits = [_logits(unit) for unit in each.classes]
        pairs = [(each[1], each[2]) for each in logits if each and None not in each[1:3]]
        if pairs:
            lower = sum(color < shape for color, shape in pairs)
            said.append(
                f"{lower} of {counted(len(pairs), 'class', 'classes')} of {plain(each.name)}"
            )
    if not said:
        return ""
    return f"It is lower with another hue than with another shape in {listed(said)}."


# Polysemantic units, and what is in doubt


def facet_table(probed: Probed) -> str:
    """Shows the facets of the clearest polysemantic units side by side; `""` if there are none."""
    shown = probed.polysemantic[:POLYSEMANTIC]
    most = min(FACETS, max((len(unit["facets"]) for unit in shown), default=0))
    rows = []
    for unit in shown:
        cells = [
            "<br>".join(filter(None, [probed.picture(unit, facet), plain(_facet(facet, way))]))
            for facet, way in zip(unit["facets"], ways(unit) or unit["facets"], strict=True)
        ]
        more = len(cells) - most
        head = f"{link(unit)}<br>confidence {unit['confidence']:.2f}"
        head += f"<br>{counted(more, 'more facet')}" if more > 0 else ""
        rows.append([head, *cells[:most], *[NOTHING] * -more])
    return table(["unit", *(f"facet {i + 1}" for i in range(most))], rows) if rows else ""


def _facet(facet: dict[str, Any], way: float | Any) -> str:
    goes = f"{percent(way)} of the way, " if isinstance(way, float) else ""
    return f"{facet_words(facet)}; {goes}from {percent(facet['share'])} of the starts"


def distrusted(probed: Probed) -> list[str]:
    """Names for each layer the units whose pictures are not to be trusted, and why."""
    checked = [unit for unit in probed.units if unit["trusted"] is not None]
    if not checked:
        return ["No unit could be checked with real images."]
    said = []
    for layer, units in probed.layers.items():
        if which := clearest(units, flagged):
            said.append(f"{plain(layer)}, {len(which)} of {len(units)}: {_with_reason(which)}")
    return said or [f"None of {counted(len(checked), 'unit')} checked with real images."]


def unsettled(probed: Probed, against: Probed | None) -> list[str]:
    """Says what the pictures leave open."""
    said = []
    for layer, units in probed.layers.items():
        unclear = [unit for unit in units if counts_as(unit) == "unclear"]
        if unclear:
            names = _with_reason(clearest(unclear, bool))
            said.append(f"{plain(layer)}: {len(unclear)} of {len(units)} are unclear: {names}")
        dead = [unit for unit in units if unit["dead"]]
        if dead:
            names = listed([link(unit) for unit in dead], NAMED)
            number = f"{len(dead)} of {len(units)}"
            said.append(f"{plain(layer)}: nothing that was tried excites {number}: {names}.")
    starts = [sum(unit["evidence"]["starts"].values()) for unit in probed.live]
    if starts:
        spread = sorted({min(starts), max(starts)})
        tried = " to ".join(map(str, spread)) + (" start" if spread == [1] else " starts")
        said.append(
            f"What a unit wants was looked for from {tried} each. A facet that none of them leads "
            "to is missed, so a unit that shows one facet may have more."
        )
    if probed.report["data"] is None:
        said.append("No real images were given, so no picture could be checked with them.")
    elif skipped := probed.report["data"]["skipped"]:
        which = listed([f"{plain(path)} ({plain(why)})" for path, why in skipped[:NAMED]])
        more = f", and {len(skipped) - NAMED} more" if len(skipped) > NAMED else ""
        said.append(f"{counted(len(skipped), 'image')} skipped as unusable: {which}{more}.")
    if against is None:
        said.append(
            "No second subject was probed, so nothing here says what training on these data "
            "made of the CNN and what any CNN would show."
        )
    return said


def _with_reason(units: list[Unit]) -> str:
    """Names a few units, and why the first is among them."""
    why = " ".join(units[0]["why"])
    return f"{listed([link(unit) for unit in units], NAMED)}." + (
        f" The first: {plain(why)}" if why else ""
    )


# How it was made


def made(probed: Probed, against: Probed | None) -> list[str]:
    """Says what was probed, with what, and how long it took."""
    report = probed.report
    settings = report["settings"]
    lines = []
    for each in filter(None, (probed, against)):
        subject = each.report["subject"]
        layers = listed([f"{plain(name)} ({len(units)})" for name, units in each.layers.items()])
        weights = f"SHA-256 of its weights {subject['sha256'][:12]}…"
        lines.append(f"{plain(each.full_name)}, {weights}; units probed: {layers}.")
    starts = listed([plain(str(name)) for name in settings["initial_images"]])
    penalties = listed([plain(str(name)) for name in settings["regularizers"]])
    lines.append(
        f"{counted(settings['seeds'], 'seed')}, {counted(settings['steps'], 'step')}, precision "
        f"{plain(settings['precision'])}; initial images: {starts or 'none'}; "
        f"regularizers: {penalties or 'none'}."
    )
    if report["data"]:
        data = report["data"]
        lines.append(f"Real images: {plain(data['name'])} ({data['images']:,}).")
    seconds = sum(report["seconds"].values())
    lines.append(f"Made on {report['date']} in {seconds:,.0f} seconds.")
    return lines
