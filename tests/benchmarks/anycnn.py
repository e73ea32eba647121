"""What a target costs in a large CNN and in a small one, as ratios to the spec's plain loop.

    python -m tests.benchmarks.anycnn [--steps 20] [--repeats 3]

The plain loop, one image, the whole CNN, float32, is measured in turn with each way of the project
that is set against it, both on the same threads, so a ratio holds while the machine's speed drifts.
Below 1 the project is faster. It is a report: its exit code is always 0.
"""

import argparse
import copy
import logging
import statistics
import subprocess
import sys
import time
import warnings
from pathlib import Path

import torch

from prober.ascent.method import Method
from prober.ascent.parameterizations import Fourier, Pixels
from prober.ascent.transforms import robust
from prober.subject import Subject
from prober.sweep.allocator import settle_memory
from prober.sweep.grid import Grid
from prober.sweep.memory import bytes_of_image
from prober.sweep.optimize import Settings, optimize
from tests.benchmarks.plain import load_cnn
from tests.benchmarks.resnet import settled_resnet18

SHAPES = {"ResNet-18": (3, 224, 224), "reference CNN": (3, 28, 28)}
LAYERS = {
    "ResNet-18": ("conv1", "layer1.0.conv2", "layer2.1.conv2", "layer3.1.conv2", "layer4.1.conv2"),
    "reference CNN": ("conv1", "conv2", "conv3"),
}
"""From early to late."""


def make_cnn(name):
    return settled_resnet18() if name == "ResNet-18" else load_cnn()


def plain_loop(cnn, shape, layer, steps, device):
    """The spec's loop: one image, a hook, the whole CNN at each step. Seconds of a step."""
    activations = {}
    hook = lambda module, input, output: activations.update(it=output)  # noqa: E731
    handle = cnn.get_submodule(layer).register_forward_hook(hook)
    img = torch.randn(1, *shape, device=device).clamp_(0, 1).requires_grad_()
    optimizer = torch.optim.Adam([img], lr=0.05)
    began = time.perf_counter()
    for _ in range(steps):
        optimizer.zero_grad()
        cnn(img)
        loss = -activations["it"][0, 0].mean() + 1e-4 * img.pow(2).mean()
        tv = torch.mean(torch.abs(img[:, :, :-1] - img[:, :, 1:])) + torch.mean(
            torch.abs(img[:, :, :, :-1] - img[:, :, :, 1:])
        )
        loss += 1e-3 * tv
        loss.backward()
        optimizer.step()
        img.data.clamp_(0, 1)
        loss.item()
    seconds = time.perf_counter() - began
    handle.remove()
    return seconds / steps


def prober(
    subject,
    layer,
    number,
    steps,
    accelerator,
    precision="32-true",
    objective="ChannelMean",
    channels_last=True,
    **method,
):
    """Seconds of a step and image of a chunk, everything included that a sweep does with it."""
    grid = Grid(layers=layer, channels=0, seeds=number, objectives=[objective], positions=1)
    chunk = grid.plan(subject, 0)
    trainer = {"max_steps": steps, "precision": precision, "accelerator": accelerator}
    trainer |= {"max_epochs": -1, "enable_checkpointing": False, "enable_model_summary": False}
    method = Method(**{"parameterization": Pixels(), "transforms": ()} | method)
    device = torch.device("cuda", 0) if accelerator == "gpu" else torch.device("cpu")
    subject = copy.deepcopy(subject)  # whose precision and memory layout change
    began = time.perf_counter()
    optimize(subject, chunk, Settings(method, steps, trainer, 1, False, channels_last), device)
    return (time.perf_counter() - began) / steps / number


def compare(what, ways, repeats):
    """Measures ways in turn; prints each as a ratio to the first."""
    runs = [[way() for way in ways.values()] for _ in range(repeats)]
    for i, name in enumerate(ways):
        seconds = statistics.median(run[i] for run in runs)
        ratios = [run[i] / run[0] for run in runs]
        ratio = f"{statistics.median(ratios):5.2f} ({min(ratios):.2f}-{max(ratios):.2f})"
        ratio = "1" if i == 0 else ratio
        print(f"{what:<14} {name:<44} {1000 * seconds:8.2f} ms  {ratio}", flush=True)


def speed(name, steps, repeats, accelerator):
    shape, layers = SHAPES[name], LAYERS[name]
    device = "cuda" if accelerator == "gpu" else "cpu"
    cnn = make_cnn(name)
    for p in cnn.parameters():
        p.requires_grad = False
    subject = Subject(cnn, input_shape=shape)
    unfolded = Subject(cnn, input_shape=shape)
    unfolded.folding.pairs = []
    cnn.to(device)
    late = layers[-1]
    steps = steps if name == "ResNet-18" else 10 * steps

    def way(number, layer=late, of=subject, **settings):
        return lambda: prober(of, layer, number, steps, accelerator, **settings)

    batch = 8 if name == "ResNet-18" else 64
    ways = {
        f"plain loop, {late}": lambda: plain_loop(cnn, shape, late, steps, device),
        "one image": way(1),
        "one image, float64 (as fit)": way(1, precision="64-true"),
        **{f"a chunk of {n}": way(n) for n in (batch // 4, batch)},
        f"a chunk of {batch}, channels first": way(batch, channels_last=False),
        f"a chunk of {batch}, no folding": way(batch, of=unfolded),
        f"a chunk of {batch}, bf16-mixed": way(batch, precision="bf16-mixed"),
        f"a chunk of {batch}, Fourier": way(batch, parameterization=Fourier()),
        f"a chunk of {batch}, Fourier, robust transforms": way(
            batch, parameterization=Fourier(), transforms=robust(shape)
        ),
        **{f"a chunk of {batch}, {layer}": way(batch, layer) for layer in layers},
        f"a chunk of {batch}, logits": way(batch, "logits"),
        **{f"a chunk of 64 neurons, {n}": way(64, n, objective="Neuron") for n in layers[:3]},
    }
    compare(name, ways, repeats)


def memory(name):
    """Prints what an image of a chunk needs, counted and measured, each in a process of its own."""
    subject = Subject(make_cnn(name), input_shape=SHAPES[name])
    for layer in LAYERS[name]:
        counted = bytes_of_image(subject, [layer], 2) / 2**20
        sizes = (4, 12) if name == "ResNet-18" else (64, 256)
        peaks = [
            float(
                subprocess.run(
                    [sys.executable, "-m", __spec__.name, "--peak", name, layer, str(size)],
                    capture_output=True,
                    check=True,
                    text=True,
                ).stdout.split()[-1]
            )
            for size in sizes
        ]
        measured = (peaks[1] - peaks[0]) / (sizes[1] - sizes[0])
        print(
            f"{name:<14} {layer:<20} memory of an image: counted {counted:7.2f} MiB, measured "
            f"{measured:7.2f} MiB; the process with {sizes[1]} images {peaks[1]:.0f} MiB",
            flush=True,
        )


def peak(name, layer, number):
    """Prints the largest memory that this process had, in MiB, with a chunk of images."""
    torch.set_num_threads(1)
    settle_memory()
    prober(Subject(make_cnn(name), input_shape=SHAPES[name]), layer, number, 3, "cpu")
    # Not getrusage's, which starts from that of the process that started this one.
    status = dict(
        line.split(":", 1)
        for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    )
    print(int(status["VmHWM"].split()[0]) / 1024)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--peak", nargs=3, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.peak:
        name, layer, number = given.peak
        peak(name, layer, int(number))
        return
    for logger in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(logger).setLevel(logging.ERROR)
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    settle_memory()
    accelerators = ["cpu", *(["gpu"] if torch.cuda.is_available() else [])]
    print("Milliseconds of a step and image, one thread; the ratio to the plain loop (spread).")
    for name in SHAPES:
        for accelerator in accelerators:
            if len(accelerators) > 1:
                print(f"{accelerator}:")
            speed(name, given.steps, given.repeats, accelerator)
    for name in SHAPES:
        memory(name)


if __name__ == "__main__":
    main()
