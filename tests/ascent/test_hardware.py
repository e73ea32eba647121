"""What computes: by the images' size, by what is there, and by what was asked for."""

import os

import pytest
import torch

from prober.ascent.hardware import accelerator_for, free_cores, note_of, threads_for
from prober.common.errors import InputError

SMALL, LARGE = (3, 28, 28), (3, 224, 224)

CHOICES = [
    # what is there, what is asked for, the images, the precision; what computes
    ("", "auto", SMALL, "64-true", "cpu"),
    ("", "auto", LARGE, "32-true", "cpu"),
    ("cuda", "auto", SMALL, "64-true", "cpu"),
    ("cuda", "auto", LARGE, "32-true", "cuda"),
    ("mps", "auto", LARGE, "32-true", "cpu"),
    ("cuda mps", "cpu", LARGE, "32-true", "cpu"),
    ("cuda", "gpu", SMALL, "64-true", "cuda"),
    ("cuda", "cuda", SMALL, "64-true", "cuda"),
    ("cuda mps", "gpu", SMALL, "64-true", "cuda"),
    ("mps", "gpu", SMALL, "32-true", "mps"),
    ("mps", "mps", SMALL, 32, "mps"),
]
REFUSED = [
    ("", "gpu", "32-true", "no GPU here"),
    ("", "cuda", "32-true", "no GPU of NVIDIA's here"),
    ("mps", "cuda", "32-true", "no GPU of NVIDIA's here"),
    ("cuda", "mps", "32-true", "no GPU of Apple's here"),
    ("mps", "mps", "64-true", "float32 only, and trainer.precision is 64-true"),
    ("", "tpu", "32-true", "is tpu; choose one of auto, cpu, gpu, cuda, mps"),
    ("mps", "gpu", "16-mixed", "float32 only, and trainer.precision is 16-mixed"),
]


@pytest.fixture
def there(monkeypatch):
    """Makes a machine's GPUs those that are named."""

    def be(names):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: "cuda" in names)
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda: "mps" in names)

    return be


@pytest.mark.parametrize(("gpus", "asked", "shape", "precision", "expected"), CHOICES)
def test_the_cpu_computes_unless_a_gpu_is_asked_for_or_pays(
    there, gpus, asked, shape, precision, expected
):
    there(gpus)
    assert accelerator_for(asked, shape, precision) == expected
    note = note_of(asked, expected)
    if asked == "auto" and expected == "cuda":
        assert "the GPU computes" in note
    else:
        assert note is None


@pytest.mark.parametrize(("gpus", "asked", "precision", "told"), REFUSED)
def test_a_gpu_that_is_not_there_or_cannot_is_told(there, gpus, asked, precision, told):
    there(gpus)
    with pytest.raises(InputError, match=told):
        accelerator_for(asked, SMALL, precision)


def test_small_images_take_one_thread_unless_it_is_said_otherwise(monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    assert threads_for(SMALL, 6) == 1
    assert threads_for(LARGE, 6) == 6
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert threads_for(SMALL, 3) == 3


def test_cores_are_those_that_are_free_or_all_where_that_cannot_be_known(monkeypatch):
    assert 1 <= free_cores() <= os.cpu_count()
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    assert free_cores() == os.cpu_count()
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert free_cores() == 1
