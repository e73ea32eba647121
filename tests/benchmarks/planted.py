"""How often `report` is right about CNNs whose units are known by construction.

    python -m tests.benchmarks.planted [--cnns 8] [--first 100] [--steps N] [--keep FOLDER]

The real command line probes each of the planted CNNs of the seeds `first` to `first + cnns - 1`;
what it claims is compared with the truth. Seeds below 100 are for setting thresholds, those from
100 on for the figures: no threshold may be set by looking at these. Eight seeds in a row are of
eight styles.

The figures asked for are: kinds at least 97 % right, precision and recall of polysemantic at least
0.97, all dead units found, hue and orientation within 10 degrees for at least 95 %. It is a report:
its exit code is always 0.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise, permutations
from pathlib import Path

import yaml

from prober.subject.loading import PROJECT
from tests.findings.planted import Facet, Planted, Unit, apart, plant

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


def config(planted: Planted, steps: int | None = None) -> dict:
    """What the command line is given to report on a planted CNN."""
    subject = {
        "cnn": {"class_path": planted.class_path, "init_args": planted.init_args},
        "input_shape": list(planted.input_shape),
    }
    if planted.mean is not None:
        subject |= {"mean": planted.mean, "std": planted.std}
    whole = {
        "seed_everything": 0,
        "model": {"subject": subject},
        # The logits of these CNNs are the layer itself. Fewer pictures than a person would want to
        # see: what decides is the search for facets, which comes after them.
        "grid": {"layers": planted.layers, "classes": None, "seeds": 3, "positions": 1},
        "data": "none",
    }
    return whole | ({"trainer": {"max_steps": steps}} if steps else {})


def report(planted: Planted, folder: Path, steps: int | None = None) -> list[dict]:
    """Runs the command line on a planted CNN in a folder and returns its findings."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"planted_{planted.seed}.yaml"
    path.write_text(yaml.safe_dump(config(planted, steps), sort_keys=False), encoding="utf-8")
    command = [sys.executable, str(PROJECT / "main.py"), "report", "--config", str(path)]
    ended = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    said = [line for line in ended.stdout.splitlines() if line.startswith("Report: ")]
    if ended.returncode or not said:
        tail = (ended.stdout + ended.stderr)[-2000:]
        raise SystemExit(f"report on seed {planted.seed} ended with {ended.returncode}:\n{tail}")
    found = folder / said[-1].removeprefix("Report: ").strip() / "findings.json"
    return json.loads(found.read_text(encoding="utf-8"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--cnns", type=int, default=8, help="how many planted CNNs")
    parser.add_argument("--first", type=int, default=100, help="the first one's seed")
    parser.add_argument("--steps", type=int, default=150, help="steps of each picture")
    parser.add_argument("--keep", type=Path, help="a folder for the reports, which else go")
    options = parser.parse_args()
    total = Tally()
    with tempfile.TemporaryDirectory() as temporary:
        folder = (options.keep or Path(temporary)).resolve()
        for seed in range(options.first, options.first + options.cnns):
            planted = plant(seed)
            start = time.perf_counter()
            findings = report(planted, folder, options.steps)
            seconds = time.perf_counter() - start
            tally = compare(planted.units, findings, f"seed {seed}")
            total += tally
            print(
                f"seed {seed} {planted.style:10} {tally.units:3} units  {seconds:5.0f} s  "
                f"kinds {tally.kinds_right:.1%}  {len(tally.wrong)} with something wrong",
                flush=True,
            )
    print("", *total.lines(), sep="\n")


if __name__ == "__main__":
    main()
