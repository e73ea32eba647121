"""What happens beside the optimization: snapshots, TensorBoard, the progress bar, the record."""

import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import TQDMProgressBar
from lightning.pytorch.loggers import TensorBoardLogger
from tensorboard.compat.proto.summary_pb2 import Summary
from torch.utils.tensorboard.summary import hparams
from torchmetrics.aggregation import RunningMean
from torchmetrics.functional.image import total_variation

from prober.ascent.module import ActivationMaximization, Measures
from prober.ascent.objectives import Objective
from prober.ascent.targets import regularizers_of
from prober.common.errors import InputError
from prober.common.files import npy, write_whole
from prober.common.pictures import colorfulness, enlarge, gif, png, to_bytes


class AtSnapshots(Callback):
    """Calls `take` at the first step, every so many steps, and at the last, however it ends.

    At step s the image has been changed s times; it is in [0, 1].

    Args:
        every: Steps from one snapshot to the next, at least 1.

    Raises:
        InputError: `every` is below 1.
    """

    def __init__(self, every: int = 50) -> None:
        if every < 1:
            raise InputError(f"A snapshot every {every} steps cannot be; choose 1 or more.")
        self.every = every
        self._latest = -1

    def take(self, trainer: Trainer, module: ActivationMaximization, step: int) -> None:
        """Does what is to be done with the image at this step."""
        raise NotImplementedError

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: ActivationMaximization, *_: Any
    ) -> None:
        """Takes the first snapshot and those in between."""
        if trainer.global_step % self.every == 0:
            self._take_once(trainer, pl_module)

    def on_train_end(self, trainer: Trainer, pl_module: ActivationMaximization) -> None:
        """Takes the last snapshot."""
        self._take_once(trainer, pl_module)

    def on_exception(
        self, trainer: Trainer, pl_module: ActivationMaximization, exception: BaseException
    ) -> None:
        """Takes the last snapshot of an interrupted or failed run."""
        # The interrupt may have come between a step and its clamp.
        pl_module.keep_valid()
        self._take_once(trainer, pl_module)

    def _take_once(self, trainer: Trainer, module: ActivationMaximization) -> None:
        if trainer.global_step > self._latest:
            self.take(trainer, module, trainer.global_step)
            self._latest = trainer.global_step  # not before: Ctrl-C may have come in between


class Evolution(AtSnapshots):
    """Writes the snapshots into the run's folder, and at the end as one moving picture.

    Args:
        every: Steps from one snapshot to the next, at least 1.
    """

    def __init__(self, every: int = 50) -> None:
        super().__init__(every)
        self._frames: list[np.ndarray] = []

    def take(self, trainer: Trainer, module: ActivationMaximization, step: int) -> None:
        """Writes `evolution/step_0050.png`."""
        if folder := run_folder(trainer):
            frame = enlarge(to_bytes(module.pictures().detach()[0]))
            write_whole(folder / "evolution" / f"step_{step:04d}.png", png(frame))
            self._frames.append(frame)

    def on_train_end(self, trainer: Trainer, pl_module: ActivationMaximization) -> None:
        """Writes `evolution.gif`."""
        super().on_train_end(trainer, pl_module)
        self._write_gif(trainer)

    def on_exception(
        self, trainer: Trainer, pl_module: ActivationMaximization, exception: BaseException
    ) -> None:
        """Writes `evolution.gif` of what there is."""
        super().on_exception(trainer, pl_module, exception)
        self._write_gif(trainer)

    def _write_gif(self, trainer: Trainer) -> None:
        if (folder := run_folder(trainer)) and self._frames:
            write_whole(folder / "evolution.gif", gif(self._frames))


class TensorBoardImages(AtSnapshots):
    """Shows the image in TensorBoard under one tag, so that its slider plays the evolution.

    Args:
        every: Steps from one snapshot to the next, at least 1.
    """

    def take(self, trainer: Trainer, module: ActivationMaximization, step: int) -> None:
        """Logs the image, enlarged so that each of its pixels can be seen."""
        if writer := tensorboard(trainer):
            pixels = enlarge(to_bytes(module.pictures().detach()[0]))
            height, width, colors = pixels.shape
            image = Summary.Image(
                height=height, width=width, colorspace=colors, encoded_image_string=png(pixels)
            )
            value = Summary.Value(tag="image", image=image)
            writer.file_writer.add_summary(Summary(value=[value]), step)


class TensorBoardScalars(Callback):
    """Logs score, loss, penalties and what the image is like, each as the mean over the images.

    The Trainer's `log_every_n_steps` says how often. At step s the image has been changed s times.
    """

    def __init__(self) -> None:
        self._running_score = RunningMean(window=10)

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: ActivationMaximization, *_: Any
    ) -> None:
        """Keeps the image's own figures of this step, before it is changed."""
        if self._due(trainer.global_step, trainer):
            self._image = self._describe(pl_module.pictures().detach())

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: ActivationMaximization, *_: Any
    ) -> None:
        """Logs the step that has just been made."""
        step = trainer.global_step - 1
        if self._due(step, trainer):
            self._log(trainer, pl_module.measures, step)

    def on_train_end(self, trainer: Trainer, pl_module: ActivationMaximization) -> None:
        """Logs the last image, too."""
        if trainer.logger and pl_module.measures:
            self._image = self._describe(pl_module.pictures().detach())
            self._log(trainer, pl_module.evaluate(), trainer.global_step)

    def _due(self, step: int, trainer: Trainer) -> bool:
        every = trainer.log_every_n_steps
        return bool(trainer.logger) and every > 0 and step % every == 0

    def _describe(self, images: torch.Tensor) -> dict[str, torch.Tensor]:
        figures = {
            "image/min": images.min(),
            "image/max": images.max(),
            "image/total_variation": total_variation(images, reduction="mean"),
        }
        if images.shape[1] == 3:
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


class ScoreBar(TQDMProgressBar):
    """The progress bar of a run: steps done of all, and the score.

    Args:
        refresh_rate: Steps from one refresh to the next.
    """

    def __init__(self, refresh_rate: int = 10) -> None:
        super().__init__(refresh_rate=refresh_rate, leave=True)

    def on_train_epoch_start(self, trainer: Trainer, *args: Any) -> None:
        """Says what is probed instead of an epoch's number."""
        super().on_train_epoch_start(trainer, *args)
        self.train_progress_bar.set_description(trainer.lightning_module.targets[0].name)

    def get_metrics(
        self, trainer: Trainer, pl_module: LightningModule
    ) -> dict[str, int | str | float | dict[str, float]]:
        """Returns the latest score."""
        measures = pl_module.measures
        return {"score": f"{measures.score.mean().item():.4g}"} if measures else {}

    def on_exception(self, *_: Any) -> None:
        """Ends the bar's line, so that what is told next has a line of its own."""
        if self._train_progress_bar is not None:
            self._train_progress_bar.close()


class RunRecord(Callback):
    """Writes the image and the run's record, also of a run that was interrupted or failed.

    Attributes:
        record: What `record.json` holds, once the run has ended.
    """

    def __init__(self) -> None:
        self.record: dict[str, Any] | None = None
        self._began = 0.0

    def on_train_start(self, trainer: Trainer, pl_module: ActivationMaximization) -> None:
        """Starts the clock."""
        self._began = time.perf_counter()

    def on_train_end(self, trainer: Trainer, pl_module: ActivationMaximization) -> None:
        """Writes the files of a run that has made all its steps."""
        end = pl_module.evaluate()
        pl_module.raise_if_none_is_left()  # the last step itself may have done it
        self._write(trainer, pl_module, end)

    def on_exception(
        self, trainer: Trainer, pl_module: ActivationMaximization, exception: BaseException
    ) -> None:
        """Writes the files of a run that ended early."""
        if pl_module.start is not None:
            pl_module.keep_valid()
            self._write(trainer, pl_module, pl_module.evaluate())

    def _write(self, trainer: Trainer, module: ActivationMaximization, end: Measures) -> None:
        seconds = time.perf_counter() - self._began
        self.record = target_records(module, end, trainer, seconds)[0]
        if folder := run_folder(trainer):
            image = module.pictures().detach()[0].float().cpu()
            write_whole(folder / "final.npy", npy(image.numpy()))
            write_whole(folder / "final.png", png(enlarge(to_bytes(image))))
            write_whole(folder / "record.json", json.dumps(self.record, indent=2) + "\n")
        if writer := tensorboard(trainer):
            for summary in hparams(*hyperparameters(self.record)):
                writer.file_writer.add_summary(summary)


def target_records(
    module: ActivationMaximization, end: Measures, trainer: Trainer, seconds: float
) -> list[dict[str, Any]]:
    """Returns for each target what its record holds.

    Args:
        module: The module, after its steps.
        end: What its image gives now.
        trainer: The Trainer that made the steps.
        seconds: How long it took.
    """
    records = []
    for i, target in enumerate(module.targets):
        failed_at = module.failed_at[i].item()
        if failed_at >= 0:
            status = {"status": "failed", "failed_at_step": failed_at}
        else:
            finished = trainer.global_step >= trainer.max_steps
            status = {"status": "finished" if finished else "interrupted"}
        # After a single step only the end shows that the score has changed.
        changed = module.reached and bool(end.score[i] != module.start.score[i])
        excited = module.excited[i].item() or changed
        records.append(
            {
                **status,
                **target.record(),
                "parameterization": module.method.parameterization.record(),
                "transforms": [transform.record() for transform in module.method.transforms],
                "optimizer": {"name": "Adam", "lr": module.method.lr},
                "steps": trainer.global_step,
                "dead": status["status"] == "finished" and not excited,
                **{
                    f"{name}_{when}": _number(getattr(measures, name)[i].item())
                    for name in ("score", "loss")
                    for when, measures in (("start", module.start), ("end", end))
                },
                "precision": str(trainer.precision),
                "seconds": round(seconds, 3),
                "subject": {
                    "name": module.subject.name,
                    "checkpoint": module.subject.checkpoint,
                    "sha256": module.subject.sha256,
                    "input_shape": list(module.subject.input_shape),
                    "mean": _decimals(module.subject.mean),
                    "std": _decimals(module.subject.std),
                    "value_range": list(module.subject.value_range),
                },
            }
        )
    return records


def run_folder(trainer: Trainer) -> Path | None:
    """Returns the folder of the Trainer's run, None if it logs nothing."""
    return Path(trainer.log_dir) if trainer.logger and trainer.log_dir else None


def tensorboard(trainer: Trainer) -> Any:
    """Returns TensorBoard's writer of the Trainer's run, None if it has none."""
    logger = trainer.logger
    return logger.experiment if isinstance(logger, TensorBoardLogger) else None


def tensorboard_command(folder: Path) -> str:
    """Returns the command that shows a folder; by default TensorBoard keeps 10 images of a run."""
    return f"tensorboard --logdir {folder} --samples_per_plugin images=1000"


def hyperparameters(record: dict[str, Any]) -> tuple[dict[str, Any], dict[str, float]]:
    """Returns what was set and the score that came of it, for TensorBoard's HParams page."""
    settings = {
        "layer": record["layer"],
        "channel": "none" if record["channel"] is None else record["channel"],
        "objective": record["objective"],
        "target": Objective.from_record(record).name,
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


def _decimals(values: torch.Tensor) -> list[float]:
    """The shortest numbers that are these in float32: 0.4, not 0.4000000059604645."""
    return [float(str(value)) for value in values.detach().flatten().float().cpu().numpy()]


def _number(value: float) -> float | None:
    """JSON knows no NaN and no infinity."""
    return value if np.isfinite(value) else None
