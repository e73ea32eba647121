"""Makes `docs/results.png`, the picture at the top of the README, with the real `fit` command.

Run by hand: `python docs/make_results.py`.
"""

import json
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

PROJECT = Path(__file__).parents[1]
CNNS = {
    "biased": "biased: learned from digits whose color gives the answer away",
    "control": "control: the same CNN, learned from digits of random colors",
}
UNITS = [("conv1", 3), ("conv2", 3), ("conv3", 36), ("classifier", 0), ("classifier", 7)]
STYLES = {"legible": "as people can read it", "plain": "what excites it most"}

CELL, GAP, LABEL, MARGIN = 6 * 28, 16, 110, 20
INK, FAINT, LINE, PAPER = "#111111", "#666666", "#bbbbbb", "#ffffff"


def main() -> None:
    """Runs `fit` for each unit of each CNN in each style and draws what came of it."""
    width = 2 * MARGIN + LABEL + len(UNITS) * (CELL + GAP) - GAP
    row = CELL + 28
    block = 36 + 24 + len(STYLES) * row
    sheet = Image.new("RGB", (width, 2 * MARGIN + len(CNNS) * (block + GAP) - GAP), PAPER)
    draw = ImageDraw.Draw(sheet)
    for number, (cnn, title) in enumerate(CNNS.items()):
        top = MARGIN + number * (block + GAP)
        draw.text((MARGIN, top), title, INK, font(20))
        for column, (layer, channel) in enumerate(UNITS):
            left = MARGIN + LABEL + column * (CELL + GAP)
            name = f"class {channel}" if layer == "classifier" else f"{layer}, channel {channel}"
            draw.text((left, top + 36), name, INK, font(17))
            for line, style in enumerate(STYLES):
                with tempfile.TemporaryDirectory() as folder:
                    run = fit(Path(folder), cnn, layer, channel, style)
                    draw_picture(sheet, left, top + 60 + line * row, run)
        for line, (style, said) in enumerate(STYLES.items()):
            middle = top + 60 + line * row + CELL // 2
            draw.text((MARGIN, middle - 20), style, INK, font(17))
            folded = "\n".join(textwrap.wrap(said, 13))
            draw.multiline_text((MARGIN, middle + 2), folded, FAINT, font(13))
    sheet.save(PROJECT / "docs" / "results.png", optimize=True)


def fit(folder: Path, cnn: str, layer: str, channel: int, style: str) -> Path:
    """Runs the command in `folder` and returns the folder of the run."""
    command = [
        *(sys.executable, PROJECT / "main.py", "fit"),
        f"--model.subject.checkpoint=prober/subject/reference/{cnn}.pt",
        "--model.objective=ChannelMean",
        f"--model.objective.layer={layer}",
        f"--model.objective.channel={channel}",
        f"--model.style={style}",
    ]
    print(cnn, layer, channel, style)
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    return next((folder / "lightning_logs").glob("*/version_0"))


def draw_picture(sheet: Image.Image, left: int, top: int, run: Path) -> None:
    """Draws the last image of a run with its scores."""
    record = json.loads((run / "record.json").read_text(encoding="utf-8"))
    pixels = (np.load(run / "final.npy") * 255).round().astype(np.uint8).transpose(1, 2, 0)
    place(sheet, left, top, Image.fromarray(pixels), CELL)
    score = f"score {record['score_start']:.2f} to {record['score_end']:.2f}"
    ImageDraw.Draw(sheet).text((left, top + CELL + 4), score, FAINT, font(14))


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
