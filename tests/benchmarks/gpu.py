"""What a GPU of NVIDIA's gives: the CPU's scores, and how fast it is against the plain loop on it.

    python -m tests.benchmarks.gpu [--steps 200]

Where there is no such GPU, a line says so. `--device cpu` goes through all of it on the CPU, to try
the benchmark itself. It is a report: its exit code is always 0.
"""

import argparse
import copy
import logging
import subprocess
import sys
import tempfile
import time
import warnings
from concurrent.futures import ThreadPoolExecutor

import torch

import prober
from prober.common.files import PROJECT
from prober.findings.responses import scores
from prober.subject import Subject
from prober.sweep.chunks import automatic_size
from tests.benchmarks import anycnn
from tests.benchmarks.sweep import sweep

EQUAL = {torch.float32: 1e-4, torch.float64: 1e-9}
"""How far a score may be from the CPU's, as a share of it."""

LAYERS = {"reference CNN": "conv2", "ResNet-18": "layer2.1.conv2"}

BAR = 1 / 100
"""What a target may cost on the reference CNN, as a share of the plain loop's on the same GPU."""

SEEDS, STEPS = 256, 500
"""Of each of conv2's 32 channels, in the sweep that is measured as a whole."""


def line(what, figure, held=None):
    verdict = {None: "", True: "held", False: "NOT HELD"}[held]
    print(f"{what:<66} {figure}  {verdict}", flush=True)


def subject_of(name):
    """A CNN as a subject, with its weights on the CPU."""
    return Subject(anycnn.make_cnn(name), input_shape=anycnn.SHAPES[name])


def difference(subject, layer, device, precision, number=8):
    """How far scores of the same images are from the CPU's, as a share of the largest."""
    objectives = [prober.ChannelMean(layer, c).resolved(subject) for c in range(number)]
    images = torch.rand(number, *subject.input_shape, generator=torch.Generator().manual_seed(0))
    here, there = (copy.deepcopy(subject).to(place, precision) for place in ("cpu", device))
    expected, found = (scores(of, objectives, images).double() for of in (here, there))
    return ((found - expected).abs().max() / expected.abs().max()).item()


def optimized(model, target, device, precision, steps):
    """The score of `prober.visualize`, of a model on a device."""
    model = copy.deepcopy(model).to(device)
    made = prober.visualize(model, target, precision=precision, steps=steps, style="plain")
    return float(made.scores.values[-1])


def equality(name, device, steps):
    """Whether scores are the CPU's: of the same images, and after an optimization."""
    subject, layer = subject_of(name), LAYERS[name]
    for precision, bound in EQUAL.items():
        apart = difference(subject, layer, device, precision)
        what = f"{name}, {precision}: scores of the same images, apart"
        line(what, f"{apart:.1e} <= {bound}", apart <= bound)
    for precision in ("32-true", "64-true", "bf16-mixed"):
        places = ("cpu", device)
        here, there = (optimized(subject, f"{layer}:3", at, precision, steps) for at in places)
        what = f"{name}, {precision}: after {steps} steps, CPU and {device}"
        line(what, f"{here:.5g} {there:.5g}")


def repeated(name, device, steps):
    """Whether a chunk gives the same pictures again."""
    model = anycnn.make_cnn(name).to(device)
    how = {"steps": steps, "style": "plain", "input_shape": anycnn.SHAPES[name]}
    runs = [prober.visualize(model, f"{LAYERS[name]}:3", seeds=4, **how) for _ in range(2)]
    apart = max(abs(a.array - b.array).max() for a, b in zip(*runs, strict=True))
    line(f"{name}: pictures made twice, apart", f"{apart:.1e}", apart == 0)


def speed(name, device, steps):
    """A step and image of a chunk, against the plain loop on the same device."""
    subject, layer, shape = subject_of(name), LAYERS[name], anycnn.SHAPES[name]
    cnn = anycnn.make_cnn(name).to(device).requires_grad_(False)
    memory = None
    if device == "cuda":
        memory = torch.cuda.get_device_properties(0).total_memory
    by_memory = automatic_size(subject, layer, memory)
    accelerator = "gpu" if device == "cuda" else "cpu"
    anycnn.plain_loop(cnn, shape, layer, steps, device)  # the first one chooses kernels
    for precision in ("32-true", "bf16-mixed"):
        for number in sorted({1, 16, 256, by_memory}):
            plain = anycnn.plain_loop(cnn, shape, layer, steps, device)
            own = anycnn.prober(subject, layer, number, steps, accelerator, precision)
            chosen = " (by memory)" if number == by_memory else ""
            held = own <= BAR * plain if chosen and name == "reference CNN" else None
            what = f"{name}, {precision}, chunks of {number}{chosen}: a step and image"
            line(what, f"{1000 * own:.3f} of {1000 * plain:.3f} ms: 1/{plain / own:.1f}", held)


def whole_sweep(accelerator, device):
    """A whole sweep of conv2 against the plain loop; and in two processes that share the GPU."""
    options = ["--grid.layers", "conv2", "--trainer.accelerator", accelerator]
    options += ["--trainer.devices", 1, "--trainer.max_steps", STEPS, "--grid.seeds"]
    cnn = anycnn.make_cnn("reference CNN").to(device).requires_grad_(False)
    plain = STEPS * anycnn.plain_loop(cnn, (3, 28, 28), "conv2", STEPS, device)
    one, number = sweep(*options, SEEDS), 32 * SEEDS
    what = f"{number} targets of conv2, the whole command: a target"
    line(
        what,
        f"{1000 * one / number:.1f} ms: 1/{plain * number / one:.1f}",
        one <= BAR * plain * number,
    )
    halves = [list(range(SEEDS // 2)), list(range(SEEDS // 2, SEEDS))]
    began = time.perf_counter()
    with ThreadPoolExecutor(2) as both:
        list(both.map(lambda seeds: sweep(*options, seeds), halves))
    two = time.perf_counter() - began
    line("the same in one process, in two", f"{one:.1f} s, {two:.1f} s")


def commands(accelerator, device):
    """`fit`, `report` and `visualize`: whether they run, and how long they take."""
    config = {name: PROJECT / "configs" / f"{name}.yaml" for name in ("conv2_ch3", "report")}
    runs = {
        "fit": ["fit", "--config", config["conv2_ch3"], "--trainer.precision", "32-true"],
        "report of 16 units": ["report", "--config", config["report"], "--grid.channels", "0-3"],
    }
    for name, arguments in runs.items():
        command = [sys.executable, PROJECT / "main.py", *arguments]
        command += ["--trainer.accelerator", accelerator]
        with tempfile.TemporaryDirectory() as folder:
            began = time.perf_counter()
            ended = subprocess.run(command, cwd=folder, capture_output=True, text=True)
        said = f"{time.perf_counter() - began:.0f} s" if ended.returncode == 0 else ended.stderr
        line(name, said, ended.returncode == 0)
    model = anycnn.make_cnn("reference CNN").to(device)
    made = prober.visualize(model, ["conv2:3", "conv3:1@2,2"], seeds=2, steps=20)
    whole = len(made) == 4 and all(torch.isfinite(torch.tensor(each.array)).all() for each in made)
    line("visualize, of a model that is there", f"{len(made)} pictures", whole)


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--device", default="cuda", choices=["cuda", "cpu"])
    arguments.add_argument("--steps", type=int, default=200)
    given = arguments.parse_args()
    device, steps = given.device, given.steps
    if device == "cuda" and not torch.cuda.is_available():
        print(f"Skipped: torch {torch.__version__} finds no GPU of NVIDIA's here.")
        return
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    warnings.simplefilter("ignore")
    card = torch.cuda.get_device_name(0) if device == "cuda" else "the CPU"
    accelerator = "gpu" if device == "cuda" else "cpu"
    # As in the commands.
    torch.backends.cudnn.allow_tf32, torch.backends.cudnn.deterministic = False, True
    print(f"torch {torch.__version__}, {card}")
    for name in LAYERS:
        equality(name, device, steps)
        repeated(name, device, steps)
    for name in LAYERS:
        speed(name, device, steps)
    whole_sweep(accelerator, device)
    commands(accelerator, device)


if __name__ == "__main__":
    main()
