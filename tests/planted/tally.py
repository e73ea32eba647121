"""What was claimed about planted units, against what is true."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise, permutations

from tests.planted.stimuli import apart
from tests.planted.truth import Facet, Unit

WITHIN = 10.0  # degrees
BINS = (0.0, 0.5, 0.7, 0.8, 0.9, 0.95, 0.99, 1.01)


@dataclass
class Tally:
    """What was claimed, against what is true. Tallies add up.

    Attributes:
        kinds: How often each kinds were claimed where others, or the same, are true.
        polysemantic: How often each was claimed: (truth, claim).
        dead: How often each was claimed: (truth, claim).
        hues: Errors in degrees for units with one facet that has a hue; None where no hue is
            claimed.
        orientations: The same for orientations.
        facet_hues: Errors for the facets of polysemantic units that have a hue, each matched to a
            claimed facet of the same kind; None where there is none left.
        facet_orientations: The same for orientations.
        confidences: Confidence of each claim, and whether kinds, polysemantic and dead are right.
        wrong: A line for each unit about which something is wrong.
        missing: Units about which nothing is claimed; they count as wrong.
    """

    kinds: Counter = field(default_factory=Counter)
    polysemantic: Counter = field(default_factory=Counter)
    dead: Counter = field(default_factory=Counter)
    hues: list[float | None] = field(default_factory=list)
    orientations: list[float | None] = field(default_factory=list)
    facet_hues: list[float | None] = field(default_factory=list)
    facet_orientations: list[float | None] = field(default_factory=list)
    confidences: list[tuple[float, bool]] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    missing: int = 0

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(**{name: getattr(self, name) + getattr(other, name) for name in vars(self)})

    @property
    def units(self) -> int:
        return self.kinds.total()

    @property
    def kinds_right(self) -> float:
        """Share of the units whose kinds are right."""
        return _share(
            sum(n for (truth, claim), n in self.kinds.items() if truth == claim), self.units
        )

    @property
    def precision(self) -> float:
        """Of the units said to be polysemantic, the share of those that are."""
        right = self.polysemantic[True, True]
        return _share(right, right + self.polysemantic[False, True])

    @property
    def recall(self) -> float:
        """Of the units that are polysemantic, the share of those said to be."""
        right = self.polysemantic[True, True]
        return _share(right, right + self.polysemantic[True, False])

    def lines(self) -> list[str]:
        """The figures as text."""
        text = [f"{self.units} units, {self.missing} of them without a claim", ""]
        text += _matrix(self.kinds)
        text += [
            "",
            f"kinds right          {self.kinds_right:7.1%}",
            f"polysemantic         precision {self.precision:.3f}  recall {self.recall:.3f}  "
            f"({self.polysemantic[True, True]} found, {self.polysemantic[True, False]} missed, "
            f"{self.polysemantic[False, True]} false)",
            f"dead                 {self.dead[True, True]} found, {self.dead[True, False]} missed, "
            f"{self.dead[False, True]} false",
            _errors("hue", self.hues),
            _errors("orientation", self.orientations),
            _errors("hue of facets", self.facet_hues),
            _errors("orientation of f.", self.facet_orientations),
            "",
            "confidence     claims   right",
        ]
        for low, high in pairwise(BINS):
            own = [right for confidence, right in self.confidences if low <= confidence < high]
            if own:
                share = _share(sum(own), len(own))
                text.append(f"{low:.2f} - {min(high, 1):.2f}  {len(own):7}  {share:6.1%}")
        return [*text, "", f"{len(self.wrong)} units with something wrong", *self.wrong]


def compare(truths: Sequence[Unit], findings: Sequence[dict], name: str = "") -> Tally:
    """Compares what is claimed with what is true.

    Args:
        truths: The units that count; claims about others are left out.
        findings: The units of `findings.json`, at most one a channel.
        name: What to call the CNN in the lines about wrong units.
    """
    claims = {(claim["layer"], claim["channel"]): claim for claim in findings}
    tally = Tally()
    for unit in truths:
        claim = claims.get((unit.layer, unit.channel))
        if claim is None:
            tally.missing += 1
            claim = {
                "kinds": ["nothing claimed"],
                "dead": False,
                "polysemantic": False,
                "facets": [],
            }
        # Two hues are two facets of one kind: kinds are compared as a set, polysemantic apart.
        truth = (_joined(unit.kinds), unit.polysemantic, unit.dead)
        said = (_joined(claim["kinds"]), bool(claim["polysemantic"]), bool(claim["dead"]))
        tally.kinds[truth[0], said[0]] += 1
        tally.polysemantic[truth[1], said[1]] += 1
        tally.dead[truth[2], said[2]] += 1
        notes = []
        for what, period, whole, parts in (
            ("hue", 360, tally.hues, tally.facet_hues),
            ("orientation", 180, tally.orientations, tally.facet_orientations),
        ):
            if unit.polysemantic:
                errors = _facet_errors(unit.facets, claim["facets"], what, period)
                parts.extend(errors)
            else:
                true = getattr(unit, what)
                errors = [] if true is None else [_error(true, claim.get(what), period)]
                whole.extend(errors)
            if any(error is None or error > WITHIN for error in errors):
                notes.append(_angles(unit, claim, what))
        right = truth == said
        if claim.get("confidence") is not None:
            tally.confidences.append((float(claim["confidence"]), right))
        if not right or notes:
            parts = [] if right else [f"{_words(*truth)} -> {_words(*said)}"]
            confidence = claim.get("confidence")
            parts += notes + ([] if confidence is None else [f"confidence {confidence:.2f}"])
            place = f"{name} {unit.layer}:{unit.channel}".strip()
            tally.wrong.append(f"  {place}  {'; '.join(parts)}  [{unit.recipe}]")
    return tally


def _joined(kinds: Sequence[str]) -> str:
    return " | ".join(sorted(set(kinds)))


def _words(kinds: str, polysemantic: bool, dead: bool) -> str:
    return (kinds or "no kind") + (" (several)" if polysemantic else "") + (" dead" if dead else "")


def _error(true: float, claimed: float | None, period: float) -> float | None:
    return None if claimed is None else apart(true, claimed, period)


def _facet_errors(
    facets: Sequence[Facet], claimed: Sequence[dict], what: str, period: float
) -> list[float | None]:
    """The errors of the best matching of facets to claimed ones of the same kind."""
    true = [facet for facet in facets if getattr(facet, what) is not None]
    rivals = [*claimed[:6], *[None] * len(true)]
    best: list[float | None] = [None] * len(true)
    cost = lambda errors: sum(period if error is None else error for error in errors)  # noqa: E731
    for chosen in permutations(rivals, len(true)):
        errors = [
            _error(getattr(facet, what), claim.get(what), period)
            if claim is not None and claim["kind"] == facet.kind
            else None
            for facet, claim in zip(true, chosen, strict=True)
        ]
        best = min(best, errors, key=cost)
    return best


def _angles(unit: Unit, claim: dict, what: str) -> str:
    show = lambda value: "none" if value is None else f"{value:.0f}"  # noqa: E731
    if unit.polysemantic:
        true = [getattr(f, what) for f in unit.facets]
        said = [f.get(what) for f in claim["facets"]]
    else:
        true, said = [getattr(unit, what)], [claim.get(what)]
    return f"{what} {', '.join(map(show, true))} -> {', '.join(map(show, said)) or 'none'}"


def _share(part: float, whole: float) -> float:
    return part / whole if whole else 1.0


def _errors(name: str, errors: Sequence[float | None]) -> str:
    if not errors:
        return f"{name:20} none to check"
    given = sorted(error for error in errors if error is not None)
    within = _share(sum(error <= WITHIN for error in given), len(errors))
    text = f"{name:20} {within:7.1%} of {len(errors)} within {WITHIN:.0f} degrees"
    if given:
        at = [given[min(int(share * len(given)), len(given) - 1)] for share in (0.5, 0.9, 0.95)]
        text += "; median {:.1f}, 90 % {:.1f}, 95 % {:.1f}".format(*at) + f", worst {given[-1]:.1f}"
    return text + (f"; {len(errors) - len(given)} not claimed" if len(given) < len(errors) else "")


def _matrix(counts: Counter) -> list[str]:
    """The confusion matrix: a row for each truth, a column for each claim."""
    rows = sorted({truth for truth, _ in counts})
    columns = sorted({claim for _, claim in counts})
    columns = [c for c in rows if c in columns] + [c for c in columns if c not in rows]
    titles = [column or "dead" for column in columns]
    width = max(len(row or "dead") for row in rows) + 2 if rows else 2
    text = ["kinds: rows are true, columns claimed", " " * width + "  ".join(titles)]
    for row in rows:
        cells = [f"{counts[row, c] or '.':>{len(t)}}" for c, t in zip(columns, titles, strict=True)]
        text.append(f"{row or 'dead':{width}}" + "  ".join(cells))
    return text
