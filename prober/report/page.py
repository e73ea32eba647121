"""A report as a page to browse: `index.html`, with a script for each layer beside it."""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from prober.common.errors import InputError
from prober.common.files import write_whole
from prober.report.words import DIRECTIONS, HUES, percent

TEMPLATES = Path(__file__).parent / "templates"

SCRIPTS = (
    "elements.js",
    "words.js",
    "overview.js",
    "unit.js",
    "evolution.js",
    "curves.js",
    "real.js",
    "page.js",
)
"""What the page runs, in this order."""

KINDS = ("color", "shape", "color+shape", "brightness", "unclear")

FLAGS = ("polysemantic", "dead", "not trusted")

SHARES = ("color", "shape", "color+shape", "brightness", "several kinds", "unclear", "dead")
"""What the units of a layer are divided into: each unit is exactly one of these."""


def write_page(folder: Path) -> Path:
    """Writes the page of a report: `index.html`, and `page/<layer>.js` for each layer.

    A page that is opened from the file system cannot fetch data, but it can add scripts. So
    `index.html` holds what the overview shows, and the evidence on the units of a layer waits in
    a script of its own until one of them is opened.

    Args:
        folder: Where `findings.json`, `report.json` and the pictures are, and those of a second
            subject in `against/`, if there is one. Paths of pictures are relative to the folder
            that holds the `findings.json` which names them.

    Returns:
        The path of `index.html`.

    Raises:
        InputError: The folder holds no report, or one that cannot be read.
        OSError: The folder cannot be written.
    """
    report = _read(folder / "report.json")
    units = _read(folder / "findings.json")
    others: list[dict] = []
    other_behavior = None
    if report["against"] and (folder / "against" / "findings.json").exists():
        others = _read(folder / "against" / "findings.json")
        other_behavior = _read(folder / "against" / "report.json")["behavior"]
    layers = list(dict.fromkeys([*report["subject"]["layers"], *(unit["layer"] for unit in units)]))
    for layer in layers:
        write_whole(_script_file(folder, layer), _script(layer, units, others))
    page = folder / "index.html"
    write_whole(page, _index(report, other_behavior, layers, units, others))
    return page


def _read(path: Path) -> Any:
    """Returns what a JSON file holds.

    Raises:
        InputError: It is missing or broken, or holds a number that is not finite.
    """

    def refuse(number: str) -> None:
        raise ValueError(f"{number} is no number that JSON knows")

    try:
        return json.loads(path.read_text(encoding="utf-8"), parse_constant=refuse)
    except FileNotFoundError:
        raise InputError(f"{path.parent} holds no report: {path.name} is missing.") from None
    except ValueError as error:
        raise InputError(f"{path} cannot be read: {error}.") from error


def _script_file(folder: Path, layer: str) -> Path:
    """Returns the place of a layer's script.

    Raises:
        InputError: The layer's name cannot be that of a file.
    """
    if "/" in layer or "\0" in layer:
        raise InputError(f"The layer '{layer}' cannot have a page: its name is not a file's name.")
    return folder / "page" / f"{layer}.js"


def _script(layer: str, units: Sequence[dict], others: Sequence[dict]) -> str:
    """Returns the script that hands the units of a layer to the page.

    Each unit comes whole, with that of the second subject as `other`, of which the page shows
    less: its evidence keeps only the scores.
    """
    beside = {
        _key(other): {**other, "evidence": {"score": other["evidence"]["score"]}}
        for other in _of(layer, others)
    }
    whole = {_key(unit): {**unit, "other": beside.get(_key(unit))} for unit in _of(layer, units)}
    return f"receive({_json(layer)}, {_json(whole)});\n"


def _index(
    report: dict,
    other_behavior: dict | None,
    layers: list[str],
    units: list[dict],
    others: list[dict],
) -> str:
    """Returns `index.html`."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    rows = [
        {
            "name": layer,
            "flat": all(unit["evidence"]["neuron"] is None for unit in _of(layer, units)),
            "counts": _counts(_of(layer, units)),
            "shares": _shares(_of(layer, units)),
            "other_shares": _shares(_of(layer, others)),
            "units": [_entry(unit) for unit in _of(layer, units)],
        }
        for layer in layers
    ]
    data = {
        "subject": report["subject"]["name"],
        "against": report["against"]["name"] if others else None,
        "input": report["subject"]["input_shape"],
        "shares": SHARES,
        "hues": HUES,
        "directions": DIRECTIONS,
        "layers": rows,
    }
    return environment.get_template("index.html.j2").render(
        report=report,
        against=data["against"],
        other_behavior=other_behavior,
        rows=rows,
        total=_counts(units),
        kinds=KINDS,
        flags=FLAGS,
        percent=percent,
        data=Markup(_json(data)),
        style=Markup(_template("page.css")),
        script=Markup("\n".join(map(_template, SCRIPTS))),
    )


def _template(name: str) -> str:
    """Returns a file that goes into the page as it is."""
    return (TEMPLATES / name).read_text(encoding="utf-8")


def _entry(unit: dict) -> dict:
    """Returns what the overview needs of a unit."""
    kept = ("kinds", "dead", "polysemantic", "trusted", "confidence", "hue", "orientation")
    pictures = [picture for facet in unit["facets"] for picture in facet["pictures"]]
    return {
        "key": _key(unit),
        **{name: unit[name] for name in kept},
        "facets": len(unit["facets"]),
        "picture": pictures[0] if pictures else None,
    }


def _key(unit: dict) -> str:
    """Returns a unit's name within its layer, as links have it: `3`, or `3/7,7` for a neuron."""
    position = unit["position"]
    return f"{unit['channel']}" + (f"/{position[0]},{position[1]}" if position else "")


def _of(layer: str, units: Iterable[dict]) -> list[dict]:
    """Returns the units of a layer in their order."""
    return [unit for unit in units if unit["layer"] == layer]


def _counts(units: Sequence[dict]) -> dict[str, int]:
    """Counts units by kind and flag; one of several kinds counts for each of them."""
    counts = Counter(kind for unit in units for kind in unit["kinds"])
    counts["polysemantic"] = sum(unit["polysemantic"] for unit in units)
    counts["dead"] = sum(unit["dead"] for unit in units)
    counts["not trusted"] = sum(unit["trusted"] is False for unit in units)
    counts["units"] = len(units)
    return {name: counts[name] for name in ("units", *KINDS, *FLAGS)}


def _shares(units: Sequence[dict]) -> dict[str, int]:
    """Divides units into `SHARES`; their numbers sum up to that of the units."""

    def share(unit: dict) -> str:
        if unit["dead"]:
            return "dead"
        return unit["kinds"][0] if len(unit["kinds"]) == 1 else "several kinds"

    counts = Counter(share(unit) for unit in units)
    return {name: counts[name] for name in SHARES if counts[name]}


def _json(value: Any) -> str:
    r"""Returns JSON that no text in it can end a script: `<`, `>` and `&` are written as `\u003c`.

    Jinja's `tojson` does the same; this is compact, too.
    """
    text = json.dumps(value, separators=(",", ":"))
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text
