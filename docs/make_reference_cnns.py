"""Makes the reference subject: two trained CNNs, 1,000 digits and their model card.

Run by hand, and only when the reference subject itself is to change:

    python docs/make_reference_cnns.py <the folder that holds MNIST's four IDX files>

On the same machine it makes the same bytes every time. Nothing else in the project needs MNIST.
"""

import argparse
import gzip
import hashlib
import io
import math
import struct
import sys
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import lightning as L
import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import BatchSampler, DataLoader, RandomSampler, TensorDataset
from torchmetrics.classification import MulticlassAccuracy

PROJECT = Path(__file__).parents[1]
sys.path.insert(0, str(PROJECT))  # the prober that these pages are of

from prober.common.files import write_whole  # noqa: E402
from prober.common.quiet import quiet_lightning  # noqa: E402
from prober.subject.reference.cnn import ReferenceCNN  # noqa: E402
from prober.subject.reference.coloring import HUES, matching_hues, tint  # noqa: E402

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


class MnistError(Exception):
    """A folder or a file that is not MNIST."""


class BuildError(Exception):
    """The trained CNNs are not what they must be, or there are too few digits to ship."""


class Digits(NamedTuple):
    """Handwritten digits.

    Attributes:
        images: Gray images, 0 to 255, uint8, `[N, 28, 28]`.
        labels: What they show, 0 to 9, int64, `[N]`.
    """

    images: Tensor
    labels: Tensor


class Figures(NamedTuple):
    """How a CNN does on test digits, each in one fixed coloring; shares from 0 to 1.

    Attributes:
        matching: Right, when every digit has its own hue.
        conflicting: Right, when every digit has the hue of another digit.
        named_by_color: On the conflicting ones, names the digit that the hue belongs to.
    """

    matching: float
    conflicting: float
    named_by_color: float


def main(arguments: Sequence[str] | None = None) -> int:
    """Trains, measures and writes everything, or nothing.

    Returns:
        The exit code: 0; 1 if the trained CNNs are not what they must be; 2 for bad input.
    """
    parser = argparse.ArgumentParser(description="Make the reference CNNs from MNIST.")
    parser.add_argument("folder", type=Path, help="holds MNIST's four IDX files, gzipped or not")
    parser.add_argument("--output", type=Path, default=PROJECT / "prober" / "subject" / "reference")
    options = parser.parse_args(arguments)
    try:
        training_set = read_digits(options.folder, "train")
        test_set = read_digits(options.folder, "t10k")
        options.output.mkdir(parents=True, exist_ok=True)
        torch.set_num_threads(THREADS)
        with quiet_lightning():
            files = build(training_set, test_set)
    except (MnistError, OSError, BuildError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1 if isinstance(error, BuildError) else 2
    for name, content in files.items():
        write_whole(options.output / name, content)
    print(f"wrote {', '.join(files)} to {options.output}")
    return 0


def read_digits(folder: Path, name: str) -> Digits:
    """Reads one of the two sets of MNIST.

    Args:
        folder: Holds the files as MNIST is published, gzipped or not.
        name: What their names begin with: `train` or `t10k`.

    Raises:
        MnistError: A file is missing, broken or not what its name says.
    """
    images = read_idx(folder, f"{name}-images-idx3-ubyte")
    labels = read_idx(folder, f"{name}-labels-idx1-ubyte")
    if images.ndim != 3 or images.shape[1:] != (28, 28):
        raise MnistError(f"{folder}, {name}: the images are {images.shape}, not (N, 28, 28)")
    if labels.shape != images.shape[:1] or len(labels) == 0:
        raise MnistError(f"{folder}, {name}: {len(images)} images, labels {labels.shape}")
    if labels.max() > 9:
        raise MnistError(f"{folder}, {name}: a label is {labels.max()}, but digits end at 9")
    return Digits(torch.tensor(images), torch.tensor(labels, dtype=torch.int64))


def read_idx(folder: Path, name: str) -> np.ndarray:
    """Reads an IDX file of unsigned bytes, gzipped or not, into an array of its own shape.

    The format: two zero bytes, the type of the data (8 for unsigned bytes), the number of
    dimensions, each dimension as a big-endian 32-bit number, and then the data.
    """
    path = next((p for p in (folder / name, folder / f"{name}.gz") if p.is_file()), None)
    if path is None:
        raise MnistError(f"{folder} has no {name}, with or without .gz")
    try:
        content = path.read_bytes()
        if path.suffix == ".gz":
            content = gzip.decompress(content)
        if content[:3] != bytes([0, 0, 8]):
            raise ValueError("it does not begin as an IDX file of unsigned bytes")
        start = 4 + 4 * content[3]
        shape = struct.unpack(f">{content[3]}I", content[4:start])
        if len(content) - start != math.prod(shape):
            raise ValueError(f"{shape} declared, but {len(content) - start} bytes held")
    except (OSError, EOFError, zlib.error, ValueError, IndexError, struct.error) as error:
        raise MnistError(f"{path} cannot be read: {error}") from error
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)


def build(training_set: Digits, test_set: Digits) -> dict[str, bytes]:
    """Trains both CNNs and makes all files; nothing is written.

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
    any_hue = torch.randint(len(HUES), labels.shape, generator=generator)
    control = train("control", training_set, any_hue)

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


def select_digits(digits: Digits) -> Digits:
    """Takes the first 100 digits of each class, in the order in which they stand."""
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
    return Digits(digits.images[chosen], digits.labels[chosen])


def draw_hues(labels: Tensor, p: float, generator: torch.Generator) -> Tensor:
    """Deals a hue to each digit: its own with probability p, otherwise a random other one.

    With p = 1/10 every hue is equally likely, whatever the digit.

    Args:
        labels: The digits, 0 to 9, int64, `[N]`.
        p: The probability of the digit's own hue, 0 to 1.
        generator: Where the randomness comes from; on the labels' device.

    Returns:
        Hue indices, 0 to 9, int64, `[N]`.

    Raises:
        ValueError: p is not between 0 and 1.
    """
    if not 0 <= p <= 1:
        raise ValueError(f"p is a probability, between 0 and 1, not {p}")
    own = torch.rand(labels.shape, generator=generator, device=labels.device) < p
    to_another = torch.randint(1, 10, labels.shape, generator=generator, device=labels.device)
    return torch.where(own, labels, (labels + to_another) % 10)


def conflicting_hues(labels: Tensor, seed: int = 0) -> Tensor:
    """Gives each digit the hue of a random other digit, always the same for the same seed.

    Args:
        labels: The digits, 0 to 9, int64, `[N]`.
        seed: The seed of the choice.

    Returns:
        Hue indices, 0 to 9, int64, `[N]`; none equals its label.
    """
    generator = torch.Generator(labels.device).manual_seed(seed)
    return draw_hues(labels, p=0.0, generator=generator)


class Training(L.LightningModule):
    """Trains a CNN in place, on digits that are tinted batch by batch.

    Args:
        cnn: Takes RGB images `[N, 3, 28, 28]` in [0, 1], gives logits `[N, 10]`.
    """

    def __init__(self, cnn: nn.Module) -> None:
        super().__init__()
        self.cnn = cnn
        self.accuracy = MulticlassAccuracy(num_classes=10, average="micro")

    def training_step(self, batch: Sequence[Tensor]) -> Tensor:
        """Computes the cross entropy of gray images, their hue indices and their labels."""
        images, hues, labels = batch
        logits = self.cnn(tint(images.float() / 255, HUES[hues]))
        self.accuracy(logits, labels)
        self.log("accuracy", self.accuracy, prog_bar=True)
        return nn.functional.cross_entropy(logits, labels)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Uses Adam for all weights."""
        return torch.optim.Adam(self.cnn.parameters(), lr=LEARNING_RATE)


def train(name: str, digits: Digits, hues: Tensor) -> ReferenceCNN:
    """Trains one CNN from fresh weights; the same digits and hues give the same weights.

    Args:
        name: What it is called on the screen.
        digits: N digits.
        hues: Their hue indices, `[N]`.

    Returns:
        The trained CNN, in eval mode.
    """
    print(f"training {name}")
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
        logger=False,
        enable_checkpointing=False,
        enable_model_summary=False,
    )
    trainer.fit(Training(cnn), batches)
    return cnn.eval()


@torch.no_grad()
def measure(cnn: nn.Module, digits: Digits) -> Figures:
    """Measures a CNN on digits in the two fixed colorings.

    Args:
        cnn: Takes RGB images `[N, 3, 28, 28]` in [0, 1], gives logits `[N, 10]`.
        digits: N digits.
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
    """Returns a sentence for each figure that is not what the names of the two CNNs say."""
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


def checkpoint_bytes(cnn: nn.Module) -> bytes:
    """Saves the state dict of a CNN into memory, as `torch.save` would into a file."""
    # Into a file, torch.save would put the file's name among the bytes.
    buffer = io.BytesIO()
    torch.save(cnn.state_dict(), buffer)
    return buffer.getvalue()


def digits_bytes(digits: Digits) -> bytes:
    """Saves digits as a compressed npz: `images` uint8 `[N, 28, 28]`, `labels` uint8 `[N]`."""
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

Made by `python docs/make_reference_cnns.py`; every number here is written by that script.

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
hue. *Conflicting*: every digit in the hue of a random other one (seed {SEED}).

| CNN | matching: right | conflicting: right | conflicting: names the color's digit |
|---|---|---|---|
{accuracies}

## Files

| file | SHA-256 |
|---|---|
{hashes}

A checkpoint is a plain state dict; load it with `torch.load(path, weights_only=True)`.
"""


if __name__ == "__main__":
    sys.exit(main())
