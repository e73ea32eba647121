"""Puts a finished report into lightning_logs/reference/, without the raw runs it was made from.

    python main.py report --config configs/report.yaml --against prober/subject/reference/control.pt
    python docs/make_reference.py lightning_logs/report_biased/version_0

Copies the files as the command made them; takes a screenshot of the page for the README, if there
is a Chromium.
"""

import argparse
import shutil
import subprocess
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
REFERENCE = ROOT / "lightning_logs" / "reference"

RAW = ("sweep", "search", "legible", "facets", "tensorboard")
"""What a report was made from, and what only TensorBoard reads: some 180 MB."""

ONLY_OF_THE_FIRST = ("seeds.png", "examples.png", "facet*_[0-9].png")
"""Pictures that the page shows of the subject, but not of the one it is set against."""


def copy(report: Path) -> None:
    """Copies the report."""
    shutil.rmtree(REFERENCE, ignore_errors=True)
    shutil.copytree(report, REFERENCE, ignore=shutil.ignore_patterns(*RAW, ".*"))
    for pattern in ONLY_OF_THE_FIRST:
        for file in (REFERENCE / "against" / "pictures").rglob(pattern):
            file.unlink()
    shutil.rmtree(REFERENCE / "against" / "sheets", ignore_errors=True)
    size = sum(file.stat().st_size for file in REFERENCE.rglob("*") if file.is_file())
    print(f"{REFERENCE.relative_to(ROOT)}: {size / 2**20:.1f} MB")


def screenshot(picture: Path, unit: str) -> None:
    """Shows one unit of the page, as a reader sees it first."""
    browser = shutil.which("chromium")
    if browser is None:
        print("No Chromium: no screenshot.")
        return
    with tempfile.TemporaryDirectory() as profile:
        flags = (
            "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --hide-scrollbars"
        )
        page = f"{(REFERENCE / 'index.html').as_uri()}#{unit}"
        command = [browser, *flags.split(), f"--user-data-dir={profile}", "--window-size=1280,1000"]
        command += ["--virtual-time-budget=10000", f"--screenshot={picture}", page]
        subprocess.run(command, check=True, capture_output=True)
    print(f"Screenshot: {picture.relative_to(ROOT)}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("report", type=Path, help="the folder of a finished report")
    parser.add_argument("--unit", default="conv3/53", help="the unit on the screenshot")
    options = parser.parse_args()
    copy(options.report)
    screenshot(ROOT / "docs" / "page.png", options.unit)
