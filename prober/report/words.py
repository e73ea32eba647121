"""What was found in words: hues, directions, facets, units, shares, numbers.

The summary and the page take them from here; the page gets them ready-made.
"""

from collections.abc import Sequence

from prober.findings.finding import Facet, Finding, Kind

HUE_NAMES = (
    "red",
    "orange",
    "yellow",
    "yellow-green",
    "green",
    "sea green",
    "cyan",
    "sky blue",
    "blue",
    "violet",
    "magenta",
    "pink",
)
"""Names of hues, each for 30 degrees around its multiple of 30: red from 345 to 15."""

DIRECTION_NAMES = ("horizontal", "rising", "upright", "falling")
"""Names of orientations, each for 45 degrees around its multiple of 45."""


def hue_name(degrees: float) -> str:
    """Names a hue of the HSV circle; any angle in degrees will do."""
    return HUE_NAMES[round(degrees % 360 / 30) % len(HUE_NAMES)]


def hue_words(degrees: float) -> str:
    """Says a hue as its name and its angle: `orange (36°)`."""
    return f"{hue_name(degrees)} ({round(degrees) % 360}°)"


def orientation_words(degrees: float) -> str:
    """Says an orientation, degrees counterclockwise from horizontal: `rising (45°)`."""
    return f"{DIRECTION_NAMES[round(degrees % 180 / 45) % 4]} ({round(degrees) % 180}°)"


def facet_words(facet: Facet) -> str:
    """Says what a facet wants: `color+shape: red (4°), strokes rising (45°)`."""
    found = [hue_words(facet.hue)] if facet.hue is not None else []
    if facet.orientation is not None:
        found.append(f"strokes {orientation_words(facet.orientation)}")
    return facet.kind + (": " if found else "") + ", ".join(found)


def unit_words(finding: Finding) -> str:
    """Says what a unit wants: its facets, each thing once."""
    if finding.dead:
        return "nothing excites it"
    return "; ".join(dict.fromkeys(map(facet_words, finding.facets))) or "unclear"


def unit_sentence(finding: Finding) -> str:
    """Says what a unit wants as a sentence."""
    if finding.dead:
        return "Dead: nothing that was tried excites it."
    if Kind.UNCLEAR in finding.kinds:
        return "Unclear: the figures contradict each other, or the search did not settle."
    facets = [facet_words(facet) for facet in finding.facets]
    if len(facets) == 1:
        return f"Wants {facets[0]}."
    listed_facets = "; ".join(words[0].upper() + words[1:] for words in facets)
    return f"Wants {len(facets)} different things. {listed_facets}."


def percent(share: float) -> str:
    """Says a share of 1 in percent; what is not all is never rounded to all, nor to nothing."""
    for digits in range(4):
        said = f"{100 * share + 1e-9:.{digits}f}"  # halves go up, as on the page
        if float(said) not in (0, 100) or share in (0, 1):
            break
    return f"{said}%"


def joined(items: Sequence[str], most: int | None = None) -> str:
    """Joins items as a sentence does, `a, b and c`; beyond `most`, `a, b and 3 more`."""
    if most is not None and len(items) > most:
        items = [*items[:most], f"{len(items) - most} more"]
    return " and ".join(filter(None, [", ".join(items[:-1]), *items[-1:]]))


def counted(number: int, noun: str, nouns: str = "") -> str:
    """Says how many there are: `1 unit`, `1,000 units`; an unusual plural is `nouns`."""
    return f"{number:,} {noun if number == 1 else nouns or noun + 's'}"
