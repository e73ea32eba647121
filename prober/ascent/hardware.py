"""On what it is computed: CPU or GPU, and how many cores and threads."""

import os
from collections.abc import Mapping
from typing import Any

import torch

from prober.ascent.method import is_large
from prober.common.errors import InputError
from prober.common.inputs import Shape


def accelerator_for(asked: str, shape: Shape, precision: Any) -> str:
    """Chooses what computes.

    A GPU is used where it is asked for, and, where nothing is, for large images if there is one of
    NVIDIA's; Apple's only where it is asked for. Small images are as fast on the CPU, which gives
    the same picture on every machine.

    Args:
        asked: What the Trainer was given: `auto`, `cpu`, `gpu`, `cuda` or `mps`.
        shape: Channels, height and width of the images.
        precision: The precision, as the Trainer takes it.

    Returns:
        `cpu`, `cuda` or `mps`.

    Raises:
        InputError: There is no such GPU, or it cannot compute in this precision, or something else
            was asked for.
    """
    nvidia, apple = torch.cuda.is_available(), torch.backends.mps.is_available()
    if asked == "auto":
        return "cuda" if is_large(shape) and nvidia else "cpu"
    if asked == "gpu":
        asked = "cuda" if nvidia else "mps" if apple else "gpu"
    here = {"cpu": True, "gpu": False, "cuda": nvidia, "mps": apple}
    if asked not in here:
        raise InputError(f"trainer.accelerator is {asked}; choose one of auto, {', '.join(here)}.")
    if not here[asked]:
        kind = {"cuda": "GPU of NVIDIA's", "mps": "GPU of Apple's"}.get(asked, "GPU")
        raise InputError(f"There is no {kind} here; leave trainer.accelerator out.")
    if asked == "mps" and str(precision) not in ("32", "32-true"):
        raise InputError(
            f"Apple's GPUs compute in float32 only, and trainer.precision is {precision}: add "
            "--trainer.precision 32-true, or leave trainer.accelerator out for the CPU."
        )
    return asked


def hide_idle_gpus(accelerator: str) -> None:
    """Hides NVIDIA's GPUs from this process, and from those that it starts, where the CPU computes.

    Whatever computes, Lightning asks each GPU that it sees where its random numbers stand. That
    takes seconds, and memory of the GPU, and a forked process cannot.

    Args:
        accelerator: What computes.
    """
    if accelerator == "cpu":
        os.environ["CUDA_VISIBLE_DEVICES"] = ""


def note_of(asked: str, accelerator: str) -> str | None:
    """Says what was chosen, if it is a GPU that nobody asked for; else None."""
    if asked == "auto" and accelerator != "cpu":
        return "The images are large, so the GPU computes; --trainer.accelerator cpu for the CPU."
    return None


def multiplies_bfloat16(accelerator: str) -> bool:
    """Tells whether what computes is a CPU that multiplies matrices of bfloat16 (AMX).

    A convolution then takes a third of the time that it takes in float32. False where PyTorch,
    in an older version, does not tell.
    """
    capabilities: Mapping[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
    return accelerator == "cpu" and bool(capabilities.get("amx_bf16"))


def free_cores() -> int:
    """Returns how many cores this process may use; where that cannot be known, how many there are.

    Only Linux tells.
    """
    try:
        return len(os.sched_getaffinity(0))
    except (AttributeError, OSError):
        return os.cpu_count() or 1


def threads_for(shape: Shape, threads: int) -> int:
    """Returns how many threads of torch are good for images of a size.

    A small image gains nothing from a second thread (measured at 28 px: 5 %), but two threads that
    wait for each other beside another busy process lose a hundredfold.

    Args:
        shape: Channels, height and width of the images.
        threads: How many there may be.

    Returns:
        1 for small images, unless `OMP_NUM_THREADS` says otherwise; else `threads`.
    """
    one = not is_large(shape) and "OMP_NUM_THREADS" not in os.environ
    return 1 if one else threads
