"""The method once more in plain PyTorch and numpy, for expected values."""

import hashlib
from pathlib import Path

import numpy as np
import torch
from lightning.pytorch import Trainer
from torch.nn import functional as F

import prober.subject.reference as reference
from prober.ascent.datamodule import StepsDataModule
from prober.subject import Subject
from prober.subject.reference import ReferenceCNN

FOLDER = Path(reference.__file__).parent
SEVEN = "prober/subject/reference/seven.png"


def weights(name="biased", dtype=torch.float64):
    state = torch.load(FOLDER / f"{name}.pt", weights_only=True)
    return {key: value.to(dtype) for key, value in state.items()}


def outputs(images, name="biased"):
    """All layers of the reference CNN."""
    w, x, layers = weights(name, images.dtype), images, {}
    for i in "123":
        x = layers[f"conv{i}"] = F.conv2d(x, w[f"conv{i}.weight"], w[f"conv{i}.bias"], padding=1)
        x = layers[f"relu{i}"] = x.clamp(min=0)
        x = layers[f"pool{i}"] = F.max_pool2d(x, 2)
    logits = x.flatten(1) @ w["classifier.weight"].T + w["classifier.bias"]
    return layers | {"classifier": logits, "logits": logits}


def shapes(subject):
    """The layers of a subject with the shapes of their outputs for one image."""
    return {name: layer.shape for name, layer in subject.layers.items()}


def noise(seed, shape=(3, 28, 28)):
    """The method's default start."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator).clamp(0, 1)


def l2(image):
    return float((np.asarray(image, np.float64) ** 2).mean())


def total_variation(image):
    image = np.asarray(image, np.float64)
    return float(
        np.abs(image[:, 1:] - image[:, :-1]).mean()
        + np.abs(image[:, :, 1:] - image[:, :, :-1]).mean()
    )


def colorfulness(image):
    """Hasler and Süsstrunk (2003), equations (3) to (6) of an RGB image in [0, 1]."""
    r, g, b = np.asarray(image, np.float64).reshape(3, -1) * 255
    rg, yb = r - g, 0.5 * (r + g) - b
    sigma = np.sqrt(np.std(rg) ** 2 + np.std(yb) ** 2)
    mu = np.sqrt(np.mean(rg) ** 2 + np.mean(yb) ** 2)
    return float(sigma + 0.3 * mu)


def sha256(state):
    """The hash of weights: each one's name, shape and values as float64, sorted by name."""
    text = b""
    for name in sorted(state):
        array = state[name].numpy()
        array = array.astype("<f8") if array.dtype.kind == "f" else array
        text += f"{name} {list(array.shape)}\n".encode() + array.tobytes()
    return hashlib.sha256(text).hexdigest()


def subject(name="biased", **kwargs):
    return Subject(ReferenceCNN(), str(FOLDER / f"{name}.pt"), **kwargs)


def fit(module, steps, precision="64-true", callbacks=(), logger=False, **kwargs):
    trainer = Trainer(
        max_steps=steps,
        max_epochs=-1,
        precision=precision,
        callbacks=list(callbacks),
        logger=logger,
        accelerator="cpu",
        devices=1,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        **kwargs,
    )
    trainer.fit(module, StepsDataModule())
    return trainer
