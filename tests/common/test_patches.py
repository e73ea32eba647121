"""Private parts of PyTorch, Lightning and jsonargparse are as `prober.common.patches` takes them.

Where one of these fails with a new version of theirs, what it guards has changed.
"""

import argparse
import pickletools
import zipfile

import jsonargparse
import pytest
import torch
import yaml
from jsonargparse import ArgumentParser, Namespace
from lightning.pytorch import LightningModule, Trainer
from torch import nn
from torch.utils import checkpoint

from prober.common import patches
from prober.common.replaced import replaced
from tests.cnns import needs_compile


@needs_compile
def test_a_compiled_module_holds_the_original():
    original = nn.Conv2d(3, 2, 3)
    compiled = torch.compile(original)
    assert dict(compiled.named_children()) == {patches.INSIDE_OF_COMPILED: original}


@pytest.mark.parametrize(
    "tensor", [torch.rand(2, 3), nn.Parameter(torch.rand(2)), torch.rand(4, 4, dtype=torch.half).T]
)
def test_a_saved_tensor_is_made_by_what_is_known(tensor, tmp_path):
    torch.save({"weight": tensor}, tmp_path / "weights.pt")
    with zipfile.ZipFile(tmp_path / "weights.pt") as archive:
        content = archive.read("weights/data.pkl")
    named = {
        arg.replace(" ", ".") for op, arg, _ in pickletools.genops(content) if op.name == "GLOBAL"
    }
    makers = {name for name in named if "rebuild" in name}
    assert makers
    assert makers <= patches.TENSOR_MAKERS.keys()


def test_the_tables_hold_all_hooks():
    module = nn.Conv2d(1, 1, 1)
    calls = []
    for register in (
        module.register_forward_pre_hook,
        module.register_forward_hook,
        module.register_full_backward_pre_hook,
        module.register_full_backward_hook,
    ):
        register(lambda *_, name=register.__name__: calls.append(name))
    assert sum(map(len, patches.hooks_of(module))) == 4
    module(torch.rand(1, 1, 2, 2, requires_grad=True)).sum().backward()
    assert len(calls) == 4
    for hooks in patches.hooks_of(module):
        hooks.clear()
    module(torch.rand(1, 1, 2, 2, requires_grad=True)).sum().backward()
    assert len(calls) == 4


def test_the_table_holds_all_buffers_and_can_be_changed():
    module = nn.Module()
    module.register_buffer("held", torch.ones(2))
    module.register_buffer("missing", None)
    table = patches.buffers_of(module)
    assert list(table) == ["held", "missing"]
    table["missing"] = torch.zeros(3)
    assert module.missing is table["missing"]
    del table["held"]
    assert not hasattr(module, "held")
    assert list(module.state_dict()) == ["missing"]


def test_a_change_in_place_counts_even_if_no_value_changes():
    tensor = torch.zeros(2)
    before = patches.version_of(tensor)
    tensor * 2
    assert patches.version_of(tensor) == before
    tensor.mul_(2)
    assert patches.version_of(tensor) > before


class Complex(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.rand(2, dtype=torch.complex64))
        self.register_buffer("mean", torch.rand(2))


def test_all_tensors_are_converted_as_is_asked():
    module = nn.Sequential(Complex())
    weight = module[0].weight
    patches.convert_tensors(
        module, lambda each: each.to(torch.complex128 if each.is_complex() else torch.float64)
    )
    assert (module[0].weight.dtype, module[0].mean.dtype) == (torch.complex128, torch.float64)
    assert module[0].weight is weight  # an optimizer would still have it


class Halves(patches.ConvertsItself):
    def __init__(self):
        super().__init__()
        self.inner = Complex()
        self.calls = 0

    def conversion(self, wanted):
        self.calls += 1
        return lambda tensor: tensor if tensor.is_complex() else wanted(tensor) / 2


@pytest.mark.parametrize("convert", [nn.Module.double, lambda m: m.to(torch.float64)])
@pytest.mark.parametrize("hold", [lambda m: m, lambda m: nn.Sequential(nn.Sequential(m))])
def test_a_module_has_its_say_whoever_is_converted(convert, hold):
    module = Halves()
    mean = module.inner.mean.clone()
    convert(hold(module))
    assert module.calls == 1
    assert module.inner.weight.dtype == torch.complex64
    assert torch.equal(module.inner.mean, mean.double() / 2)


def test_the_arguments_of_operators():
    assert isinstance(torch.ops.aten.add_.Tensor, patches.OpOverload)
    assert not isinstance(torch.relu, patches.OpOverload)
    *both, alpha = patches.arguments_of(torch.ops.aten.add_.Tensor)
    assert [(each.name, str(each.type), patches.is_written(each)) for each in both] == [
        ("self", "Tensor", True),
        ("other", "Tensor", False),
    ]
    assert (alpha.name, alpha.default_value) == ("alpha", 1)
    convolution = {each.name: each for each in patches.arguments_of(torch.ops.aten.conv2d.default)}
    assert convolution["stride"].default_value == [1, 1]
    assert not any(map(patches.is_written, convolution.values()))
    texts = patches.arguments_of(torch.ops.aten.conv2d.padding)
    assert [each.name for each in texts if "str" in str(each.type).lower()] == ["padding"]


def test_a_dispatch_mode_sees_the_operators_of_modules():
    class Names(patches.TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            names.append(func.overloadpacket.__name__)
            return func(*args, **(kwargs or {}))

    names = []
    with torch.no_grad(), Names():
        nn.Sequential(nn.Conv2d(1, 1, 1), nn.ReLU())(torch.rand(1, 1, 2, 2))
    assert "convolution" in names
    assert "relu" in names


def test_reentrant_checkpoints_call_what_stands_in_for_their_function():
    class StandIn:
        @staticmethod
        def apply(function, preserve, *args):
            return function(*args) + 1

    with replaced(checkpoint, "CheckpointFunction", StandIn):
        assert checkpoint.checkpoint(torch.neg, torch.ones(1), use_reentrant=True) == 0


class Fruit:
    """What grows."""

    def __init__(self, weight: int = 1):
        self.weight = weight


class Apple(Fruit):
    """One kind."""


def make_pear(path):
    """Not a class, and it does not say what it returns."""


def parser_of_fruit():
    parser = ArgumentParser(exit_on_error=False)
    parser.add_argument("--fruit", type=Fruit | None, default=None, help="Eat.")
    parser.add_argument("--number", type=int, default=3)
    return parser


def unchanged(path):
    return path


def as_found(found, path):
    return found


def importable(path):
    """Everything can be imported."""


def no_bounds(text):
    """Everything is read."""


def as_read(value):
    return value


def test_class_paths_are_taken_for_what_they_are_called_today_and_only_within():
    parser = parser_of_fruit()
    old = "old.place.Apple"
    here = f"{__name__}.Apple"

    def current(path):
        return here if path == old else path

    def parse():
        return parser.parse_args(["--fruit", old, "--fruit.weight", "4"])

    with patches.jsonargparse_with(current, importable, as_found, no_bounds, as_read):
        config = parse()
        fruit = parser.instantiate_classes(config).fruit
        assert type(fruit) is Apple and fruit.weight == 4
        assert yaml.safe_load(parser.dump(config))["fruit"]["class_path"] == here
    with pytest.raises(argparse.ArgumentError, match=r"old\.place\.Apple"):
        parse()


def test_what_a_path_leads_to_can_be_another_thing():
    parser = parser_of_fruit()
    seen = []

    def found(thing, path):
        seen.append((thing, path))
        return Apple if thing is make_pear else thing

    with patches.jsonargparse_with(unchanged, importable, found, no_bounds, as_read):
        config = parser.parse_args(["--fruit", f"{__name__}.make_pear"])
        assert type(parser.instantiate_classes(config).fruit) is Apple
    assert (make_pear, f"{__name__}.make_pear") in seen


def test_a_path_that_shall_not_be_looked_up_is_not():
    def unimportable(path):
        raise ImportError(f"not {path}")

    with (
        patches.jsonargparse_with(unchanged, unimportable, as_found, no_bounds, as_read),
        pytest.raises(argparse.ArgumentError, match=rf"not {__name__}\.Apple"),
    ):
        parser_of_fruit().parse_args(["--fruit", f"{__name__}.Apple"])


@pytest.mark.parametrize("args", [["--fruit", "{weight: 2}"], ["--number", "[4]"]])
def test_all_yaml_is_checked_that_is_read_and_only_within(args):
    """Also where a number is expected, which jsonargparse reads in another way."""
    parser = parser_of_fruit()
    seen = []
    with patches.jsonargparse_with(unchanged, importable, as_found, seen.append, as_read):
        try:
            parser.parse_args(args)
        except argparse.ArgumentError:
            assert args[0] == "--number"  # a list is none
    assert args[1] in seen
    seen.clear()
    with pytest.raises(argparse.ArgumentError):
        parser.parse_args(["--number", "[4]"])
    assert seen == []


def test_a_list_takes_the_place_of_another_as_a_whole_and_only_within():
    parser = ArgumentParser(exit_on_error=False)
    parser.add_argument("--fruits", type=list[Fruit])
    one, another = (f"[{{class_path: {__name__}.{name}{weight}}}]" for name, weight in (
        ("Fruit", ", init_args: {weight: 5}"), ("Apple", ""),
    ))  # fmt: skip

    def weight(*args):
        return parser.parse_args(args).fruits[0].init_args.weight

    with patches.jsonargparse_with(unchanged, importable, as_found, no_bounds, as_read):
        assert weight("--fruits", one, "--fruits", another) == 1
        assert weight("--fruits", one, "--fruits.weight", "7") == 7
        added = parser.parse_args(["--fruits", one, "--fruits+", another]).fruits
        assert [each.init_args.weight for each in added] == [5, 1]
    assert weight("--fruits", one, "--fruits", another) == 5


def test_yaml_that_shall_not_be_read_is_not():
    def nothing(text):
        raise yaml.YAMLError("not this")

    parser = parser_of_fruit()
    with (
        patches.jsonargparse_with(unchanged, importable, as_found, nothing, as_read),
        pytest.raises(argparse.ArgumentError, match="not this"),
    ):
        parser.parse_string("number: 4")
    assert parser.parse_string("number: 4") == Namespace(fruit=None, number=4)


def test_what_was_read_of_yaml_can_be_another_thing():
    parser = parser_of_fruit()

    def doubled(value):
        return {"number": 2 * value["number"]} if isinstance(value, dict) else value

    with patches.jsonargparse_with(unchanged, importable, as_found, no_bounds, doubled):
        assert parser.parse_string("number: 4").number == 8


def test_options_of_a_parser_with_their_groups_and_types():
    parser = parser_of_fruit()
    assert {"fruit", "number"} <= {option.dest for option in patches.options_of(parser)}
    types = {option.dest: patches.type_of(option) for option in patches.options_of(parser)}
    assert types["fruit"] == Fruit | None and types["number"] is int and types["help"] is None
    listed = [option for _, options in patches.option_groups_of(parser) for option in options]
    assert set(map(id, listed)) == set(map(id, patches.options_of(parser)))
    group, _ = patches.option_groups_of(parser)[-1]
    group.title = "What is eaten"
    assert "What is eaten:" in parser.format_help()


def test_the_help_of_an_option_lists_what_it_is_given_in_place_of_all_classes():
    parser = ArgumentParser()
    parser.add_argument("--cnn", type=nn.Module | None, help="A CNN.")

    def help_text():
        return " ".join(parser.format_help().split())

    assert "known subclasses" in help_text()
    for option in patches.options_of(parser):
        patches.list_in_help(option, lambda: ["this", "that"])
    assert "known subclasses" not in help_text()
    assert "A CNN." in help_text() and "; one of this, that)" in help_text()


def test_made_for_this_version():
    assert jsonargparse.__version__.startswith("4.53."), "read prober/common/patches.py again"


def test_the_trainer_of_a_module():
    module, trainer = LightningModule(), Trainer(logger=False, accelerator="cpu")
    assert patches.trainer_of(module) is None
    trainer.strategy.connect(module)
    module.trainer = trainer
    assert patches.trainer_of(module) is trainer
