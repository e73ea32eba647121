"""Makes `docs/results.png`, the picture at the top of the README, with the real `fit` command.

Run by hand: `python docs/make_results.py`.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

PROJECT = Path(__file__).parents[1]
CNNS = {
    "biased": "biased: learned from digits whose color gives the answer away",
    "control": "control: the same CNN, learned from digits of random colors",
}
UNITS = [("conv1", 3), ("conv2", 3), ("conv3", 36), ("classifier", 0), ("classifier", 7)]
STEPS = [0, 10, 50]
"""The steps shown small, on the way to the last one, 500."""

FINAL, SMALL, GAP, MARGIN = 6 * 28, 2 * 28, 16, 20
INK, FAINT, LINE, PAPER = "#111111", "#666666", "#bbbbbb", "#ffffff"


def main() -> None:
    """Runs `fit` for each unit of each CNN and draws what came of it."""
    width = 2 * MARGIN + len(UNITS) * (FINAL + GAP) - GAP
    block = 36 + 46 + FINAL + 8 + SMALL + 18
    sheet = Image.new("RGB", (width, 2 * MARGIN + len(CNNS) * block + GAP), PAPER)
    draw = ImageDraw.Draw(sheet)
    for row, (cnn, title) in enumerate(CNNS.items()):
        top = MARGIN + row * (block + GAP)
        draw.text((MARGIN, top), title, INK, font(20))
        for column, (layer, channel) in enumerate(UNITS):
            with tempfile.TemporaryDirectory() as folder:
                run = fit(Path(folder), cnn, layer, channel)
                draw_unit(sheet, MARGIN + column * (FINAL + GAP), top + 36, run)
    sheet.save(PROJECT / "docs" / "results.png", optimize=True)


def fit(folder: Path, cnn: str, layer: str, channel: int) -> Path:
    """Runs the command in `folder` and returns the folder of the run."""
    command = [
        *(sys.executable, PROJECT / "main.py", "fit"),
        f"--config={PROJECT / 'configs' / 'conv2_ch3.yaml'}",
        f"--model.subject.checkpoint=prober/subject/reference/{cnn}.pt",
        f"--model.objective.layer={layer}",
        f"--model.objective.channel={channel}",
        "--snapshots.every=10",
    ]
    print(cnn, layer, channel)
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    return next((folder / "lightning_logs").glob("*/version_0"))


def draw_unit(sheet: Image.Image, left: int, top: int, run: Path) -> None:
    """Draws one unit: its name and scores, the last image, and how it came about."""
    draw = ImageDraw.Draw(sheet)
    record = json.loads((run / "record.json").read_text(encoding="utf-8"))
    layer, channel = record["layer"], record["channel"]
    name = f"class {channel}" if layer == "classifier" else f"{layer}, channel {channel}"
    draw.text((left, top), name, INK, font(17))
    score = f"score {record['score_start']:.2f} to {record['score_end']:.2f}"
    draw.text((left, top + 22), score, FAINT, font(14))
    pixels = (np.load(run / "final.npy") * 255).round().astype(np.uint8).transpose(1, 2, 0)
    place(sheet, left, top + 46, Image.fromarray(pixels), FINAL)
    for i, step in enumerate(STEPS):
        snapshot = Image.open(run / "evolution" / f"step_{step:04d}.png")
        x, y = left + i * SMALL, top + 46 + FINAL + 8
        place(sheet, x, y, snapshot.resize((28, 28), Image.Resampling.NEAREST), SMALL)
        label = f"step {step}" if i == 0 else str(step)
        draw.text((x + SMALL / 2, y + SMALL + 3), label, FAINT, font(12), anchor="ma")


def place(sheet: Image.Image, left: int, top: int, image: Image.Image, size: int) -> None:
    """Pastes an image enlarged to `size`, with a line around it so that white is seen, too."""
    sheet.paste(image.resize((size, size), Image.Resampling.NEAREST), (left, top))
    frame = (left - 1, top - 1, left + size, top + size)
    ImageDraw.Draw(sheet).rectangle(frame, outline=LINE)


def font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Pillow's own font, so that the picture does not depend on the machine's."""
    return ImageFont.load_default(size)


if __name__ == "__main__":
    main()
