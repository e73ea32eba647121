import copy
import json
import logging
import os
import signal
import subprocess
import sys
import threading
import time
import warnings
from contextlib import contextmanager
from importlib.util import module_from_spec, spec_from_file_location
from inspect import signature
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from torch.nn import functional as F

import prober
from prober import ChannelMean, ClassConditional, Diversity, InputError, Neuron, Subject, TopKMean
from prober.ascent.method import Method
from prober.ascent.targets import Target
from prober.subject.input_shape import guessed_input_shape
from tests import plain
from tests.cnns import Fixed, reference, small
from tests.command_line import CONV2_CH3, ROOT, run
from tests.files import opened
from tests.plain import SEVEN


class Raises(nn.Module):
    """Does something in the middle of the optimization: at its tenth forward pass."""

    calls = 0
    what = None

    def forward(self, x):
        Raises.calls += 1
        if Raises.calls == 10:
            Raises.what()
        return x


@pytest.fixture
def tenth(monkeypatch):
    def arm(what):
        monkeypatch.setattr(Raises, "calls", 0)
        monkeypatch.setattr(Raises, "what", staticmethod(what))
        return small(Raises())

    return arm


def test_the_picture_is_that_of_fit(tmp_path):
    assert run("fit", "--config", CONV2_CH3, "--trainer.max_steps=60", cwd=tmp_path).returncode == 0
    folder = tmp_path / "lightning_logs" / "conv2_ch3" / "version_0"
    made = prober.visualize(reference(), "conv2:3", steps=60, style="plain")
    assert made.array.dtype == np.float32
    np.testing.assert_array_equal(made.array, np.load(folder / "final.npy"))
    expected = json.loads((folder / "record.json").read_text(encoding="utf-8"))
    mine = json.loads(json.dumps(made.record))
    for record in (expected, mine):
        record.pop("seconds")
        for own in ("name", "checkpoint"):
            record["subject"].pop(own)
    assert mine.pop("notes") == [guessed_input_shape(reference())[1]]
    assert mine == expected
    saved = tmp_path / "saved"
    made.save(saved)
    assert sorted(f.name for f in saved.iterdir()) == [
        *("evolution.gif", "final.npy", "final.png", "matters.png", "record.json")
    ]
    for name in ("final.npy", "final.png", "matters.png"):
        assert (saved / name).read_bytes() == (folder / name).read_bytes()
    assert json.loads((saved / "record.json").read_text(encoding="utf-8")) == json.loads(
        json.dumps(made.record)
    )
    frames = Image.open(saved / "evolution.gif")
    assert (frames.n_frames, frames.size) == (len(made.evolution.steps), (280, 280))


def test_each_comes_out_in_company_as_it_does_alone():
    targets = ["logits:7", "conv1:0", ChannelMean("conv2", 3) - 0.1 * ChannelMean("conv1", 0)]
    together = prober.visualize(reference(), targets, seeds=[3, 0], steps=20)
    alone = [
        prober.visualize(reference(), target, seeds=[seed], steps=20)
        for target in targets
        for seed in (3, 0)
    ]
    assert [each.record["seed"] for each in together] == [3, 0] * 3
    assert [each.name for each in together] == [each.name for each in alone]
    for mine, other in zip(together, alone, strict=True):
        np.testing.assert_array_equal(mine.array, other.array)
        assert mine.record["score_end"] == other.record["score_end"]


def test_targets_as_texts():
    expected = {
        "conv2:3": ("ChannelMean", "conv2", 3, None),
        "conv2:3@7,5": ("Neuron", "conv2", 3, [7, 5]),
        "conv2:3@7, 5": ("Neuron", "conv2", 3, [7, 5]),
        "logits:7": ("ChannelMean", "logits", 7, None),
        "conv2": ("DeepDream", "conv2", None, None),
    }
    for text, told in expected.items():
        record = prober.visualize(reference(), text, steps=1).record
        assert tuple(record[k] for k in ("objective", "layer", "channel", "position")) == told


def test_one_target_gives_one_and_a_list_gives_a_list():
    model = reference()
    assert type(prober.visualize(model, "conv1:0", steps=1)).__name__ == "Visualization"
    assert len(prober.visualize(model, ["conv1:0"], steps=1)) == 1
    four = prober.visualize(model, Neuron("conv1", 0), seeds=4, steps=1)
    assert [each.record["seed"] for each in four] == [0, 1, 2, 3]
    assert type(four[1:]) is type(four) is prober.Visualizations
    assert [each.record["seed"] for each in four[1:]] == [1, 2, 3]


def test_images_that_are_compared_are_optimized_together(monkeypatch):
    monkeypatch.setattr("prober.sweep.chunks.WORKING_SET", 1)  # else one by one
    lone = prober.visualize(reference(), "conv2:3", seeds=2, steps=20)
    diverse = ChannelMean("conv2", 3) + 5 * Diversity("conv2")
    both = prober.visualize(reference(), ["conv1:1", diverse], seeds=2, steps=20)[2:]
    grams = []
    for pair in (lone, both):
        maps = plain.outputs(torch.stack([torch.from_numpy(each.array) for each in pair]))["conv2"]
        flat = maps.flatten(2)
        first, second = (flat @ flat.mT).flatten(1)
        grams.append((first @ second / first.norm() / second.norm()).item())
    assert grams[1] < grams[0]


def as_half(model):
    return model.half()


def frozen(model):
    return model.requires_grad_(False)


def in_training(model):
    return model.train()


def doubled(model):
    return model.double()


@pytest.mark.parametrize("change", [frozen, in_training, doubled, as_half])
def test_models_of_any_precision_and_mode(change):
    # Weights that half precision holds exactly give the same picture in each.
    model = small(nn.BatchNorm2d(4), nn.Dropout(0.5))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(parameter.half())
    expected = prober.visualize(model.eval(), "0:1", steps=10)
    made = prober.visualize(change(copy.deepcopy(model)), "0:1", steps=10)
    np.testing.assert_array_equal(made.array, expected.array)


def test_a_subject_describes_its_input_itself():
    subject = Subject(reference(), mean=[0.5] * 3, std=[0.25] * 3)
    made = prober.visualize(subject, "conv2:3", steps=10)
    same = prober.visualize(reference(), "conv2:3", mean=[0.5] * 3, std=[0.25] * 3, steps=10)
    np.testing.assert_array_equal(made.array, same.array)
    assert made.record["notes"] == []
    assert {b.dtype for b in subject.buffers()} == {torch.float32}
    with pytest.raises(InputError, match="describes its input itself; leave out std"):
        prober.visualize(subject, "conv2:3", std=[0.25] * 3)


class State:
    """Everything about a model that somebody could miss."""

    def __init__(self, model):
        self.modules = {
            name: (
                id(module),
                module.training,
                {kind: dict(hooks) for kind, hooks in vars(module).items() if "hooks" in kind},
                sorted(vars(module)),
            )
            for name, module in model.named_modules()
        }
        self.tensors = {
            name: (
                id(tensor),
                tensor.dtype,
                tensor.device,
                tensor.requires_grad,
                tensor._version,
                tensor.is_contiguous(),
                None if tensor.grad is None else tensor.grad.tolist(),
                tensor.tolist(),
            )
            for name, tensor in [*model.named_parameters(), *model.named_buffers()]
        }

    def __eq__(self, other):
        return vars(self) == vars(other)


def lived_in(model):
    """Gives a model what a session leaves on it."""
    model.train()
    model[2].eval()
    model[0].weight.requires_grad_(False)
    model[0].register_forward_hook(lambda *_: None)
    model[-1].register_full_backward_hook(lambda *_: None)
    model(torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))).sum().backward()
    return model


def interrupt():
    signal.raise_signal(signal.SIGINT)
    time.sleep(5)


def fail():
    raise RuntimeError("out of luck")


def nothing():
    pass


@pytest.mark.parametrize(
    "what, error", [(nothing, None), (fail, RuntimeError), (interrupt, KeyboardInterrupt)]
)
def test_model_and_session_stay_as_they_were(what, error, tenth, tmp_path, monkeypatch):
    model = lived_in(tenth(what))
    Raises.calls = 0
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("OMP_NUM_THREADS")
    loggers = [logging.getLogger(name) for name in ("lightning", "lightning.pytorch")]
    loggers[1].setLevel(logging.INFO)

    def session():
        return (
            torch.get_rng_state().tolist(),
            torch.get_num_threads(),
            torch.is_grad_enabled(),
            torch.get_default_dtype(),
            torch.are_deterministic_algorithms_enabled(),
            (torch.backends.cudnn.allow_tf32, torch.backends.cudnn.deterministic),
            torch.get_float32_matmul_precision(),
            signal.getsignal(signal.SIGINT),
            signal.getsignal(signal.SIGTERM),
            [logger.level for logger in loggers],
            list(warnings.filters),
            dict(os.environ),
        )

    torch.set_num_threads(2)
    torch.use_deterministic_algorithms(True)
    torch.set_float32_matmul_precision("high")
    try:
        before = State(model), session()
        with torch.no_grad():
            if error is None:
                prober.visualize(model, "2:1", steps=15)
            else:
                with pytest.raises(error):
                    prober.visualize(model, "2:1", steps=15)
            assert not torch.is_grad_enabled()
        assert Raises.calls >= 10
        assert (State(model), session()) == before
    finally:
        torch.set_num_threads(1)
        torch.use_deterministic_algorithms(False)
        torch.set_float32_matmul_precision("highest")
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_said_and_no_file_is_written(tmp_path):
    code = (
        "import prober\n"
        "from prober.subject.reference import ReferenceCNN\n"
        "prober.visualize(ReferenceCNN(), 'conv1:0', steps=2)\n"
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-W", "default::UserWarning", "-c", code]
    ended = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    assert (ended.stdout, ended.stderr) == ("", "")
    assert list(tmp_path.iterdir()) == []


def test_a_target_that_is_not_there_leaves_the_model_as_it_was():
    model = lived_in(small(nn.Dropout()))
    before = State(model)
    with pytest.raises(InputError, match="has no layer 'convolution'"):
        prober.visualize(model, "convolution:1")
    assert State(model) == before


def test_works_beside_inference_mode_and_in_other_threads():
    model = reference()
    expected = prober.visualize(model, "conv1:2", steps=5).array
    with torch.inference_mode():
        np.testing.assert_array_equal(prober.visualize(model, "conv1:2", steps=5).array, expected)
    made = []
    worker = threading.Thread(
        target=lambda: made.append(prober.visualize(model, "conv1:2", steps=5))
    )
    worker.start()
    worker.join()
    np.testing.assert_array_equal(made[0].array, expected)


def test_settings_of_the_session_change_nothing():
    class Ramp(nn.Module):
        def forward(self, x):
            return x + torch.linspace(0, 1, x.shape[3])  # of the default dtype and device

    model = small(Ramp(), nn.BatchNorm2d(4))
    targets = ["0:1", TopKMean("3", 2, 5), "logits:3"]

    def shown(**settings):
        made = prober.visualize(model, targets, steps=8, **settings)
        return np.stack([each.array for each in made]), [each.record["score_end"] for each in made]

    large = {"input_shape": (3, 64, 64)}
    expected, expected_large = shown(), shown(**large)
    for arrangement in (
        lambda: torch.autocast("cpu", dtype=torch.bfloat16),
        lambda: torch.device("meta"),
        as_default(torch.set_default_device, "meta", None),
        as_default(torch.set_default_dtype, torch.float64, torch.float32),
        as_default(torch.set_default_dtype, torch.float16, torch.float32),
    ):
        with arrangement():
            before = settings_of_the_session()
            found, found_large = shown(), shown(**large)
            assert settings_of_the_session() == before
        for mine, other in ((found, expected), (found_large, expected_large)):
            np.testing.assert_array_equal(mine[0], other[0])
            assert mine[1] == other[1]


def settings_of_the_session():
    made = torch.ones(1, 1)
    return made.device, made.dtype, F.linear(made, made).dtype  # which autocast makes another


def as_default(set_default, value, usual):
    @contextmanager
    def arrangement():
        set_default(value)
        try:
            yield
        finally:
            set_default(usual)

    return arrangement


def test_a_cnn_that_takes_chances_gives_the_same_picture_every_time():
    class Noisy(nn.Module):
        def forward(self, x):
            return x * torch.rand_like(x)

    pictures = []
    for seed in (1, 2):
        model = small(Noisy())
        torch.manual_seed(seed)
        pictures.append(prober.visualize(model, "2:1", steps=5).array)
    np.testing.assert_array_equal(*pictures)


def test_a_bar_is_shown_only_if_asked_for(capfd):
    prober.visualize(reference(), ["conv1:0", "conv2:0", "conv1:1"], steps=30, progress=True)
    out, err = capfd.readouterr()
    assert out == ""
    assert "60/60" in err  # one batch for each layer
    assert "conv2_ch0" in err


def test_what_was_assumed_is_said():
    made = prober.visualize(small(), "0:1", steps=1)
    note = (
        "Assumed input_shape=(3, 32, 32): layer '0' takes 3 channels, any size fits, and in the "
        "smallest map 224 pixels become 224. Give input_shape if it is another."
    )
    assert made.record["notes"] == [note]
    assert note in repr(made)
    assert note in repr(prober.visualize(small(), ["0:1"], steps=1))
    told = prober.visualize(small(), "0:1", steps=1, input_shape=(3, 20, 24))
    assert told.array.shape == (3, 20, 24)
    assert told.record["notes"] == []


def test_large_images_are_in_float32_and_everything_can_be_set():
    made = prober.visualize(small(), "0:1", steps=2, input_shape=(3, 64, 70))
    assert made.record["precision"] == "32-true"
    assert made.record["style"] == "legible"
    assert made.record["parameterization"]["name"] == "Fourier"
    plain = prober.visualize(small(), "0:1", steps=2, input_shape=(3, 64, 70), style="plain")
    assert plain.record["parameterization"]["name"] == "Pixels"
    given = prober.visualize(
        small(),
        "0:1",
        steps=2,
        input_shape=(3, 64, 70),
        precision="64-true",
        parameterization=prober.Pixels(),
        transforms=[],
        initial_image=prober.GrayNoise(),
        regularizers=[prober.L2(0.5)],
        lr=0.1,
    ).record
    assert (given["precision"], given["transforms"]) == ("64-true", [])
    assert given["parameterization"]["name"] == "Pixels"
    assert given["initial_image"]["name"] == "GrayNoise"
    assert given["regularizers"] == [{"name": "l2", "weight": 0.5}]
    assert given["optimizer"]["lr"] == 0.1


@pytest.mark.parametrize(
    "given, told",
    [
        ({"targets": "conv2:x"}, "'conv2:x' is no target: write 'conv2:3' for channel 3"),
        ({"targets": "conv2:3@7"}, "'conv2:3@7' is no target"),
        ({"targets": "conv2:32"}, "Channel 32 is out of range: choose 0 to 31 of 'conv2'."),
        ({"targets": "conv2:3@14,0"}, "Position h = 14 is out of range: choose 0 to 13"),
        ({"targets": "logits:10"}, "Channel 10 is out of range"),
        ({"targets": "konv2:3"}, "has no layer 'konv2'. Did you mean 'conv2'?"),
        ({"lr": "fast"}, "The learning rate is fast; it must be greater than 0."),
        ({"targets": 3}, "targets is an int; give a list."),
        ({"targets": [3]}, "A target is an int: write 'conv2:3'"),
        ({"targets": []}, "There are no targets: write"),
        ({"targets": ["conv2:3", ChannelMean("conv2", 3)]}, "conv2_ch3 is among the targets twice"),
        ({"targets": Diversity("conv2")}, "compares the images of several seeds; give seeds=4"),
        ({"targets": ClassConditional(ChannelMean("conv2", 3), 12)}, "Class 12 is out of range"),
        ({"model": "resnet18"}, "The model is a str; give an nn.Module or a Subject."),
        (
            {"model": nn.Conv2d(3, 1, 700)},
            "If it is the shape that it rejects, set input_shape to what it takes: ",
        ),
        (
            {"model": Fixed(33)},
            "Fixed rejects an input of shape [1, 3, 32, 32]: 33 pixels, please.",
        ),
        ({"input_shape": (3, 64, 64)}, "ReferenceCNN"),
        ({"mean": [0.5]}, "mean [0.5] has 1 values for an input of 3 channels."),
        ({"std": [1, 1, 0]}, "std [1, 1, 0] has a value that is not greater than 0."),
        ({"value_range": (1, 0)}, "value_range [1, 0]"),
        ({"seeds": 0}, "seeds names none, or one twice"),
        ({"seeds": [1, 1]}, "seeds names none, or one twice"),
        ({"seeds": [-1]}, "The seed is -1; choose 0 to 2^63 - 1."),
        ({"seeds": "four"}, "The seed is four; choose 0 to 2^63 - 1."),
        ({"seeds": None}, "seeds is a NoneType; give a list."),
        ({"steps": 0}, "steps is 0; choose a whole number, 1 or more."),
        ({"steps": 2.5}, "steps is 2.5; choose a whole number, 1 or more."),
        ({"seeds": [0.5]}, "The seed is 0.5; choose 0 to 2^63 - 1."),
        ({"targets": prober.Direction("conv2", "v.npy")}, "Direction 'v.npy' is not a file."),
        ({"lr": 0}, "The learning rate is 0; it must be greater than 0."),
        ({"precision": "8-bit"}, "precision is '8-bit'; choose one of 64-true, 32-true"),
        ({"initial_image": "photo.png"}, "initial_image: a str does not fit"),
        ({"parameterization": prober.Fourier}, "the class Fourier does not fit; give Fourier()"),
        ({"regularizers": [1]}, "regularizers: an int does not fit; give [L2(1e-3)], say."),
        ({"transforms": [prober.Jitter(28)]}, "pixels of Jitter is 28"),
        ({"mean": 0.5}, "mean is a float; give a list: [0.5, 0.5, 0.5], say."),
        ({"std": [None] * 3}, "std: a NoneType does not fit; give [0.5, 0.5, 0.5], say."),
        ({"value_range": 255}, "value_range is an int; give a list: [0, 255], say."),
        ({"value_range": None}, "value_range is a NoneType; give a list: [0, 255], say."),
        ({"model": Subject(), "value_range": 255}, "leave out value_range"),
        ({"input_shape": 28}, "input_shape is an int; give a list: [3, 28, 28], say."),
        ({"input_shape": (3.0, 28, 28)}, "input_shape: a float does not fit"),
    ],
)
def test_bad_input_is_told(given, told):
    with pytest.raises(InputError) as raised:
        prober.visualize(**{"model": reference(), "targets": "conv2:3", "steps": 1} | given)
    assert told in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_record_is_enough_to_run_it_again(tmp_path):
    made = prober.visualize(
        small(),
        ClassConditional(TopKMean("0", 2, 7), 3),
        input_shape=(3, 20, 24),
        mean=[0.4, 0.5, 110.1],
        std=[0.1, 60.0, 1 / 3],
        value_range=(-1, 254.5),
        seeds=[5],
        steps=7,
        initial_image=prober.GivenImage(Path(SEVEN)),
        regularizers=[prober.Distance(0.3)],
        parameterization=prober.Fourier(0.7),
        transforms=[prober.Jitter(2), prober.Noise(0.1)],
        lr=0.07,
        precision="32-true",
    )
    made.save(tmp_path / "run")
    record = json.loads((tmp_path / "run" / "record.json").read_text(encoding="utf-8"))
    assert record["subject"] | {"sha256": None} == {
        "name": "Sequential",
        "checkpoint": None,
        "sha256": None,
        "input_shape": [3, 20, 24],
        "mean": [0.4, 0.5, 110.1],
        "std": [0.1, 60.0, 0.33333334],
        "value_range": [-1.0, 254.5],
    }
    described = {k: record["subject"][k] for k in ("input_shape", "mean", "std", "value_range")}
    target, method = Target.from_record(record), Method.from_record(record)
    again = prober.visualize(
        small(),
        target.objective,
        **described,
        seeds=[record["seed"]],
        steps=record["steps"],
        initial_image=target.initial_image,
        regularizers=target.regularizers,
        parameterization=method.parameterization,
        transforms=method.transforms,
        lr=method.lr,
        precision=record["precision"],
    )
    np.testing.assert_array_equal(again.array, made.array)
    assert again.record | {"seconds": None} == record | {"seconds": None}


def test_batches_go_by_the_deepest_layer_that_is_needed(monkeypatch):
    asked = []

    def size(subject, layer, *_):
        asked.append(layer)
        return 8

    monkeypatch.setattr("prober.sweep.chunks.automatic_size", size)
    deep = ChannelMean("conv1", 0) + ChannelMean("conv3", 1)
    prober.visualize(reference(), ["conv2:0", deep], steps=1)
    assert asked == ["conv2", "conv3"]


def test_what_has_settled_has_the_curve_and_the_evolution_of_its_own_steps():
    several = [f"conv2:{channel}" for channel in range(5)]
    made = prober.visualize(reference(), several, steps=150, settle=0.02, style="plain")
    early, *_, late = sorted(made, key=lambda each: each.record["steps"])
    target = f"conv2:{early.record['channel']}"
    alone = prober.visualize(reference(), target, steps=early.record["steps"], style="plain")
    assert early.record["steps"] != late.record["steps"]
    np.testing.assert_array_equal(early.array, alone.array)
    for each in (early, late):
        last = each.record["steps"]
        assert each.scores.steps[-1] == each.evolution.steps[-1] == last < 150
        assert len(each.evolution.frames) == len(each.evolution.steps)
        assert each.scores.values[-1] == np.float32(each.record["score_end"])


def test_help_shows_the_function():
    names = list(signature(prober.visualize).parameters)
    of_method = [name for name in names if f"    {name}: " in Method.__doc__]
    assert of_method == list(signature(Method).parameters)
    others = [name for name in names if f"    {name}: " in prober.visualize.__doc__]
    assert sorted(others + of_method) == sorted(names)


def test_everything_that_is_named_is_there():
    assert {"Subject", "ChannelMean", "Fourier", "Jitter", "L2", "visualize"} <= set(dir(prober))
    for name in prober.__all__:
        assert getattr(prober, name)
    with pytest.raises(AttributeError, match="has no attribute 'visualise'"):
        prober.visualise  # noqa: B018


@pytest.fixture
def page():
    """What makes the page of documentation, and the page."""
    spec = spec_from_file_location("make_python", ROOT / "docs" / "make_python.py")
    maker = module_from_spec(spec)
    spec.loader.exec_module(maker)
    return maker, maker.PAGE.read_text(encoding="utf-8")


def test_the_code_of_the_page_runs(page, monkeypatch):
    maker, text = page
    function = prober.visualize
    quick = lambda *args, **kwargs: function(*args, **kwargs | {"steps": 2})  # noqa: E731
    monkeypatch.setattr("prober.visualize", quick)
    blocks = list(maker.run(text))
    assert len(blocks) == text.count("```python") >= 8
    for block, output in blocks:
        if block["picture"]:
            assert (
                opened(output).shape
                == opened((ROOT / "docs" / block["picture"]).read_bytes()).shape
            )
        elif block["text"]:
            assert len(output.splitlines()) == 1 + len(block["text"].splitlines())


def test_the_page_shows_what_its_code_gives(page):
    maker, text = page
    block, output = next(maker.run(text))
    shown = opened((ROOT / "docs" / block["picture"]).read_bytes())
    # Another processor may round otherwise, and an edge of a curve fall into another pixel.
    assert (opened(output) == shown).all(2).mean() > 0.99


def test_a_page_that_does_not_show_an_output_is_told(page):
    maker, _ = page
    with pytest.raises(ValueError, match="The page does not show the output of:\n1 \+ 1"):
        list(maker.run("```python\n1 + 1\n```\n\nNothing.\n"))


def test_an_option_that_is_none_is_told_as_python_tells_it():
    with pytest.raises(TypeError, match=r"^visualize\(\) got an unexpected .* 'blur'"):
        prober.visualize(Subject(), "conv2:3", blur=1)


class Odd(nn.Module):
    """Layers that are called as people call them, and one that is called twice."""

    def __init__(self):
        super().__init__()
        self.add_module("block:1", nn.Conv2d(3, 4, 3, padding=1))
        self.add_module("my head", nn.Conv2d(4, 4, 1))
        self.add_module("aux", nn.Conv2d(4, 4, 1))
        self.add_module("w" * 300, nn.Conv2d(4, 3, 1))

    def forward(self, x):
        x = self.get_submodule("my head")(self.get_submodule("block:1")(x)).relu()
        return self.get_submodule("w" * 300)(self.aux(self.get_submodule("my head")(x)))


@pytest.mark.parametrize(
    ("target", "layer", "channel"),
    [
        ("block:1", "block:1", None),
        ("block:1:2", "block:1", 2),
        ("block:1:2@3,4", "block:1", 2),
        ("my head:3", "my head", 3),
        ("my head@0:3", "my head@0", 3),
        ("my head@1", "my head@1", None),
        ("my head@0:3@1, 2", "my head@0", 3),
        ("aux:1", "aux", 1),
        ("w" * 300 + ":2", "w" * 300, 2),
    ],
)
def test_layers_of_any_name_are_targets_and_their_files_can_be_saved(
    target, layer, channel, tmp_path
):
    made = prober.visualize(Odd(), [target], input_shape=(3, 8, 8), steps=1)
    assert (made[0].record["layer"], made[0].record["channel"]) == (layer, channel)
    made.save(tmp_path / "made")
    assert len(list((tmp_path / "made").glob("*/final.png"))) == 1
