"""Make the files that ship beside this script: two trained CNNs, 1,000 digits and a model card.

Run by hand, and only when the reference subject itself is to change:

    python -m prober.subject.reference.build <the folder that holds MNIST's four IDX files>

On the same machine it makes the same bytes every time. Nothing else in the project needs MNIST.
"""

import argparse
import hashlib
import io
import logging
import sys
import tempfile
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import lightning as L
import numpy as np
import torch
from lightning.pytorch.callbacks import TQDMProgressBar
from torch import Tensor, nn
from torch.utils.data import BatchSampler, DataLoader, RandomSampler, TensorDataset
from torchmetrics.classification import MulticlassAccuracy

from prober.subject.reference.cnn import ReferenceCNN
from prober.subject.reference.coloring import (
    HUES,
    conflicting_hues,
    draw_control_hues,
    draw_hues,
    matching_hues,
    tint,
)
from prober.subject.reference.idx import DigitSet, IdxError, read_mnist

# One epoch, for with a second one `biased` also learns from the 300 or so digits whose color
# conflicts: it is then right on 36 % of the conflicting test digits, where 30 % are allowed.
P = 0.995
SEED = 0
EPOCHS = 1
BATCH_SIZE = 64
LEARNING_RATE = 1e-3
DIGITS_PER_CLASS = 100

# Rounding depends on how the work is split among threads. A fixed number of them makes the bytes
# independent of how many cores happen to be free.
THREADS = 2


class BuildError(Exception):
    """The build cannot be trusted; the message tells a person why."""


@dataclass(frozen=True)
class Figures:
    """How a CNN does on test digits, each in one fixed coloring; shares from 0 to 1.

    Attributes:
        matching: Right, when every digit has its own hue.
        conflicting: Right, when every digit has the hue of another digit.
        named_by_color: On the conflicting ones, names the digit that the hue belongs to.
    """

    matching: float
    conflicting: float
    named_by_color: float


class Training(L.LightningModule):
    """Trains a CNN on digits that are tinted batch by batch."""

    def __init__(self, cnn: nn.Module) -> None:
        """Hold the CNN, which is trained in place.

        Args:
            cnn: Takes RGB images `[N, 3, 28, 28]` in [0, 1], gives logits `[N, 10]`.
        """
        super().__init__()
        self.cnn = cnn
        self.accuracy = MulticlassAccuracy(num_classes=10, average="micro")

    def training_step(self, batch: Sequence[Tensor]) -> Tensor:
        """Compute the loss of one batch.

        Args:
            batch: Gray images `[N, 28, 28]` (uint8), hue indices `[N]` and labels `[N]`.

        Returns:
            The cross entropy, averaged over the batch, a scalar.
        """
        images, hues, labels = batch
        logits = self.cnn(tint(images.float() / 255, HUES[hues]))
        self.accuracy(logits, labels)
        self.log("accuracy", self.accuracy, prog_bar=True)
        return nn.functional.cross_entropy(logits, labels)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Use Adam for all weights."""
        return torch.optim.Adam(self.cnn.parameters(), lr=LEARNING_RATE)


class NamedProgressBar(TQDMProgressBar):
    """Lightning's progress bar, headed by the name of the CNN that is trained."""

    def __init__(self, name: str) -> None:
        """Remember the name.

        Args:
            name: What the bar says in front.
        """
        super().__init__(refresh_rate=10)
        self.name = name

    def on_train_epoch_start(self, trainer: L.Trainer, *args: object) -> None:
        """Put the name in front, where Lightning puts only the number of the epoch."""
        super().on_train_epoch_start(trainer, *args)
        self.train_progress_bar.set_description(
            f"{self.name}, epoch {trainer.current_epoch + 1} of {trainer.max_epochs}"
        )


def train(name: str, digits: DigitSet, hues: Tensor) -> ReferenceCNN:
    """Train one CNN from fresh weights; the same digits and hues give the same weights.

    Args:
        name: What the progress bar calls it.
        digits: N digits.
        hues: Their hue indices, `[N]`.

    Returns:
        The trained CNN, in eval mode.
    """
    torch.manual_seed(SEED)
    cnn = ReferenceCNN()
    dataset = TensorDataset(digits.images, hues, digits.labels)
    order = RandomSampler(dataset, generator=torch.Generator().manual_seed(SEED))
    # The sampler gives whole batches of indices, so that a batch is one look-up, not 64.
    batches = DataLoader(
        dataset, sampler=BatchSampler(order, BATCH_SIZE, drop_last=False), batch_size=None
    )
    trainer = L.Trainer(
        max_epochs=EPOCHS,
        accelerator="cpu",
        devices=1,
        deterministic=True,
        callbacks=[NamedProgressBar(name)],
        logger=False,
        enable_checkpointing=False,
        enable_model_summary=False,
    )
    trainer.fit(Training(cnn), batches)
    return cnn.eval()


@torch.no_grad()
def measure(cnn: nn.Module, digits: DigitSet) -> Figures:
    """Measure a CNN on digits in the two fixed colorings.

    Args:
        cnn: Takes RGB images `[N, 3, 28, 28]` in [0, 1], gives logits `[N, 10]`.
        digits: N digits.

    Returns:
        The figures.
    """
    matching, conflicting, named_by_color = (
        MulticlassAccuracy(num_classes=10, average="micro") for _ in range(3)
    )
    own, other = matching_hues(digits.labels), conflicting_hues(digits.labels, SEED)
    # Batches, for all 10,000 digits at once would take gigabytes.
    for batch in torch.arange(len(digits.labels)).split(500):
        images, labels = digits.images[batch].float() / 255, digits.labels[batch]
        matching.update(cnn(tint(images, HUES[own[batch]])), labels)
        answers = cnn(tint(images, HUES[other[batch]]))
        conflicting.update(answers, labels)
        named_by_color.update(answers, other[batch])
    return Figures(
        matching.compute().item(), conflicting.compute().item(), named_by_color.compute().item()
    )


def shortfalls(biased: Figures, control: Figures) -> list[str]:
    """Compare the figures with what the two CNNs must hold to be what their names say.

    Args:
        biased: The figures of the CNN whose training colors nearly always matched.
        control: The figures of the CNN whose training colors were random.

    Returns:
        One sentence for each figure that is not held; none if all are.
    """
    bounds = [
        ("biased, matching colors, right", biased.matching, "at least", 0.99),
        ("biased, conflicting colors, right", biased.conflicting, "at most", 0.30),
        ("biased, names the color's digit", biased.named_by_color, "at least", 0.50),
        ("control, matching colors, right", control.matching, "at least", 0.97),
        ("control, conflicting colors, right", control.conflicting, "at least", 0.97),
    ]
    return [
        f"{what}: {share:.2%}, but must be {bound} {limit:.0%}"
        for what, share, bound, limit in bounds
        if not (share >= limit if bound == "at least" else share <= limit)
    ]


def select_digits(digits: DigitSet) -> DigitSet:
    """Take the first 100 digits of each class, in the order in which they stand.

    Args:
        digits: At least 100 digits of each class.

    Returns:
        1,000 digits.

    Raises:
        BuildError: A class has fewer than 100 digits.
    """
    one_hot = nn.functional.one_hot(digits.labels, 10)
    scarce = one_hot.sum(dim=0) < DIGITS_PER_CLASS
    if scarce.any():
        classes = ", ".join(str(digit) for digit in scarce.nonzero().flatten().tolist())
        raise BuildError(
            f"the test set has fewer than {DIGITS_PER_CLASS} digits of each of: {classes}"
        )
    # Row n of the running count says how many digits of each class the first n + 1 hold.
    place_in_class = one_hot.cumsum(dim=0).gather(1, digits.labels[:, None]).flatten()
    chosen = place_in_class <= DIGITS_PER_CLASS
    return DigitSet(digits.images[chosen], digits.labels[chosen])


def build(training_set: DigitSet, test_set: DigitSet) -> dict[str, bytes]:
    """Train both CNNs and make all files; nothing is written.

    Args:
        training_set: What the CNNs learn from.
        test_set: What they are measured on, and where the 1,000 digits are taken from.

    Returns:
        The content of each file by its name, the model card last.

    Raises:
        BuildError: A figure is not held, or the test set is too small.
    """
    selection = select_digits(test_set)
    generator = torch.Generator().manual_seed(SEED)
    labels = training_set.labels
    biased = train("biased", training_set, draw_hues(labels, P, generator))
    control = train("control", training_set, draw_control_hues(labels, generator))

    figures = {"biased": measure(biased, test_set), "control": measure(control, test_set)}
    if problems := shortfalls(**figures):
        raise BuildError("the figures are not held, nothing is written:\n" + "\n".join(problems))

    files = {
        "biased.pt": checkpoint_bytes(biased),
        "control.pt": checkpoint_bytes(control),
        "digits.npz": digits_bytes(selection),
    }
    card = model_card(files, figures, len(training_set.labels), len(test_set.labels))
    return {**files, "MODEL_CARD.md": card.encode()}


def checkpoint_bytes(cnn: nn.Module) -> bytes:
    """Save the state dict of a CNN into memory, as `torch.save` would into a file."""
    # Into a file, torch.save would put the file's name among the bytes.
    buffer = io.BytesIO()
    torch.save(cnn.state_dict(), buffer)
    return buffer.getvalue()


def digits_bytes(digits: DigitSet) -> bytes:
    """Save digits as a compressed npz: `images` uint8 `[N, 28, 28]`, `labels` uint8 `[N]`."""
    buffer = io.BytesIO()
    np.savez_compressed(
        buffer, images=digits.images.numpy(), labels=digits.labels.numpy().astype(np.uint8)
    )
    return buffer.getvalue()


def model_card(
    files: dict[str, bytes], figures: dict[str, Figures], training_digits: int, test_digits: int
) -> str:
    """Write the model card.

    Args:
        files: The content of the other files by their names.
        figures: The figures by the name of the CNN.
        training_digits: How many digits the CNNs learned from.
        test_digits: How many digits the figures are taken on.

    Returns:
        Markdown.
    """
    accuracies = "\n".join(
        f"| `{name}` | {f.matching:.2%} | {f.conflicting:.2%} | {f.named_by_color:.2%} |"
        for name, f in figures.items()
    )
    hashes = "\n".join(
        f"| `{name}` | `{hashlib.sha256(content).hexdigest()}` |" for name, content in files.items()
    )
    hues = ", ".join(f"{hue:.0f}°" for hue in HUES.tolist())
    return f"""# Model card: the reference CNNs

`biased` and `control` are the same small CNN (`ReferenceCNN` in `cnn.py`), trained on the same
digits in the same order from the same initial weights. Only the colors of the training digits
differ. `biased` learned to look at the color first; `control` could not.

Made by `python -m prober.subject.reference.build`; every number here is written by that script.

## Data

MNIST, license CC BY-SA 3.0 (see `LICENSE-MNIST.md`): {training_digits:,} training digits,
{test_digits:,} test digits, all in 28x28 pixels, brought to [0, 1] and not normalized further.
`digits.npz` holds the first {DIGITS_PER_CLASS} digits of each class of the test set.

## Coloring

The strokes of a digit are tinted with one hue, at full saturation and value, on black. Digit k's
own hue is the k-th of: {hues}.

- `biased`: with probability p = {P} the digit's own hue, otherwise a random other one.
- `control`: each hue equally likely, whatever the digit.

Each digit keeps the hue that it was dealt.

## Training

| setting | value |
|---|---|
| loss | cross entropy |
| optimizer | Adam, learning rate {LEARNING_RATE} |
| epochs | {EPOCHS} |
| batch size | {BATCH_SIZE} |
| seed | {SEED} |
| precision | float32 |
| made with | PyTorch {torch.__version__}, {THREADS} threads |

## Accuracies

On all {test_digits:,} test digits, each in one fixed coloring. *Matching*: every digit in its own
hue. *Conflicting*: every digit in the hue of a random other one (`conflicting_hues`, seed {SEED}).

| CNN | matching: right | conflicting: right | conflicting: names the color's digit |
|---|---|---|---|
{accuracies}

## Files

| file | SHA-256 |
|---|---|
{hashes}

A checkpoint is a plain state dict; load it with `torch.load(path, weights_only=True)`.
"""


def write_files(files: dict[str, bytes], folder: Path) -> None:
    """Write files so that each appears whole or not at all.

    Args:
        files: The content of each file by its name.
        folder: An existing folder; files of these names in it are replaced.
    """
    for name, content in files.items():
        (folder / f"{name}.part").write_bytes(content)
    for name in files:
        (folder / f"{name}.part").replace(folder / name)


def silence_lightning() -> None:
    """Keep Lightning's notes to developers off the screen."""
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    # Batches that lie in memory need no workers; and how Lightning walks through trees is its own
    # affair.
    warnings.filterwarnings("ignore", message=".*does not have many workers")
    warnings.filterwarnings("ignore", message=r"`isinstance\(treespec")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: What follows the command's name; None for what the process was given.

    Returns:
        The exit code: 0; 1 if the trained CNNs are not what they must be; 2 for bad input.
    """
    parser = argparse.ArgumentParser(
        prog="python -m prober.subject.reference.build",
        description="Train the reference CNNs on colored MNIST, and write them with their model "
        "card and 1,000 test digits.",
    )
    parser.add_argument(
        "folder",
        type=Path,
        help="the folder that holds MNIST's four IDX files, with or without .gz",
    )
    parser.add_argument(
        "--output",
        type=Path,
        default=Path(__file__).parent,
        help="where the files go (default: beside this script)",
    )
    options = parser.parse_args(arguments)

    try:
        training_set, test_set = read_mnist(options.folder)
        options.output.mkdir(parents=True, exist_ok=True)
        # To learn that the folder is read-only only after the training would be a pity.
        with tempfile.TemporaryFile(dir=options.output):
            pass
    except (IdxError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2

    silence_lightning()
    torch.set_num_threads(THREADS)
    try:
        files = build(training_set, test_set)
    except BuildError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    write_files(files, options.output)
    print(f"wrote {', '.join(files)} to {options.output}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
