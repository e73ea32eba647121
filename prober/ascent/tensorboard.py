"""What TensorBoard shows of a run beside its snapshots: the scalars, the hyperparameters."""

from io import BytesIO
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, Trainer
from lightning.pytorch.loggers import TensorBoardLogger
from PIL import Image
from tensorboard.compat.proto.summary_pb2 import Summary
from torchmetrics.aggregation import RunningMean
from torchmetrics.functional.image import total_variation

from prober.ascent.losses import Measures
from prober.ascent.objectives import Objective
from prober.ascent.targets import regularizers_of
from prober.common.pictures import colorfulness


class TensorBoardScalars(Callback):
    """Logs score, loss, penalties and what the image is like, each as the mean over the images.

    The Trainer's `log_every_n_steps` says how often. At step s the image has been changed s times.
    """

    def __init__(self) -> None:
        self._running_score = RunningMean(window=10)

    def on_train_batch_start(self, trainer: Trainer, pl_module: Any, *_: Any) -> None:
        """Keeps the image's own figures of this step, before it is changed."""
        if self._due(trainer.global_step, trainer):
            self._image = self._describe(pl_module.pictures().detach())

    def on_train_batch_end(self, trainer: Trainer, pl_module: Any, *_: Any) -> None:
        """Logs the step that has just been made."""
        step = trainer.global_step - 1
        if self._due(step, trainer):
            self._log(trainer, pl_module.measures, step)

    def on_train_end(self, trainer: Trainer, pl_module: Any) -> None:
        """Logs the last image, too."""
        if trainer.logger and pl_module.measures:
            self._image = self._describe(pl_module.pictures().detach())
            self._log(trainer, pl_module.evaluate(), trainer.global_step)

    def _due(self, step: int, trainer: Trainer) -> bool:
        every = trainer.log_every_n_steps  # type: ignore[attr-defined]  # Lightning sets it
        return bool(trainer.logger) and every > 0 and step % every == 0

    def _describe(self, images: torch.Tensor) -> dict[str, torch.Tensor]:
        figures = {
            "image/min": images.min(),
            "image/max": images.max(),
        }
        if images.dim() == 4:
            figures["image/total_variation"] = total_variation(images, reduction="mean")
        if images.dim() == 4 and images.shape[1] == 3:
            figures["image/colorfulness"] = colorfulness(images).mean()
        return figures

    def _log(self, trainer: Trainer, measures: Measures, step: int) -> None:
        score = measures.score.mean()
        self._running_score.update(score.cpu())
        figures = {
            "score": score,
            "score/running_mean": self._running_score.compute(),
            "loss": measures.loss.mean(),
            **{f"penalty/{name}": value.mean() for name, value in measures.penalties.items()},
            **self._image,
        }
        if writer := tensorboard(trainer):
            # One event for all: each call of the writer costs more than a figure does.
            values = [Summary.Value(tag=k, simple_value=v.item()) for k, v in figures.items()]
            writer.file_writer.add_summary(Summary(value=values), step)


def tensorboard(trainer: Trainer) -> Any:
    """Returns TensorBoard's writer of the Trainer's run, None if it has none."""
    logger = trainer.logger
    return logger.experiment if isinstance(logger, TensorBoardLogger) else None


def add_png(writer: Any, tag: str, file: bytes, step: int = 0) -> None:
    """Shows a PNG file in TensorBoard as it is.

    `SummaryWriter.add_image` compresses as hard as it can, which takes three times as long.

    Args:
        writer: A `SummaryWriter`.
        tag: What it is shown under.
        file: The file's bytes.
        step: Where the slider stands.
    """
    with Image.open(BytesIO(file)) as picture:
        width, height = picture.size
    image = Summary.Image(height=height, width=width, colorspace=3, encoded_image_string=file)
    writer.file_writer.add_summary(Summary(value=[Summary.Value(tag=tag, image=image)]), step)


def tensorboard_command(folder: Path) -> str:
    """Returns the command that shows a folder; by default TensorBoard keeps 10 images of a run."""
    return f"tensorboard --logdir {folder} --samples_per_plugin images=1000"


def hyperparameters(record: dict[str, Any]) -> tuple[dict[str, Any], dict[str, float]]:
    """Returns what was set and the score that came of it, for TensorBoard's HParams page."""
    target = Objective.from_record(record).name
    settings = {
        "layer": record["layer"],
        "channel": "none" if record["channel"] is None else record["channel"],
        "objective": record["objective"],
        "target": ", ".join(filter(None, (target, record.get("class_name")))),
        "position": str(record["position"]),
        "class": str(record["class"]),
        "seed": record["seed"],
        "initial_image": record["initial_image"]["name"],
        "parameterization": record["parameterization"]["name"],
        "lr": record["optimizer"]["lr"],
        "subject": record["subject"]["name"],
        **{f"weight/{each.label}": each.weight for each in regularizers_of(record)},
    }
    score = record["score_end"]
    return settings, {"score": float("nan") if score is None else score}
