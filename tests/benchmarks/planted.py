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
from pathlib import Path

import yaml

from prober.common.files import PROJECT
from tests.planted import Planted, plant
from tests.planted.tally import Tally, compare


def report(planted: Planted, folder: Path, steps: int | None = None) -> list[dict]:
    """Runs the command line on a planted CNN in a folder and returns its findings."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"planted_{planted.seed}.yaml"
    path.write_text(yaml.safe_dump(planted.config(steps), sort_keys=False), encoding="utf-8")
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
