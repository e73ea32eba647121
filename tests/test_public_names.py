"""What `prober` offers is there when it is used, and costs nothing before."""

import ast
import inspect
import pickle
import subprocess
import sys
from importlib import import_module

import pytest

import prober
from tests.command_line import ROOT

LIGHT = """
import sys, time
began = time.process_time()
{}
took = time.process_time() - began
print([name for name in ("torch", "lightning", "numpy") if name in sys.modules], took)
"""


def in_types():
    """Where editors and type checkers find each name."""
    tree = ast.parse((ROOT / "prober" / "__init__.py").read_text(encoding="utf-8"))
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    found = [(each, node.module) for node in imports for each in node.names]
    return {each.name: module for each, module in found if each.asname == each.name}


def test_type_checkers_find_the_same_names_in_the_same_places():
    assert len(in_types()) > 30
    assert sorted(in_types()) == sorted(prober.__all__)
    for name, module in in_types().items():
        assert getattr(prober, name) is getattr(import_module(module), name)


def test_names_are_listed_described_and_pickled():
    assert set(prober.__all__) <= set(dir(prober))
    everything = {}
    exec("from prober import *", everything)
    assert everything["L2"] is prober.L2 and set(prober.__all__) <= set(everything)
    assert inspect.isfunction(prober.visualize)
    assert pickle.loads(pickle.dumps(prober.L2(0.5))) == prober.L2(0.5)
    assert pickle.loads(pickle.dumps(prober.Subject)) is prober.Subject


def test_other_names_are_none_of_it():
    with pytest.raises(AttributeError, match="'prober' has no attribute 'nonsense'"):
        prober.nonsense  # noqa: B018
    with pytest.raises(ImportError, match="cannot import name 'nonsense'"):
        from prober import nonsense  # noqa: F401


@pytest.mark.parametrize(
    ("done", "seconds"),
    [
        ("import prober; dir(prober), prober.__all__", 0.3),
        ("from prober.cli.overview import answer; answer(['fit'])", 1.5),
    ],
)
def test_nothing_large_is_loaded_before_it_is_used(done, seconds):
    said = subprocess.run(
        [sys.executable, "-c", LIGHT.format(done)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=True,
    ).stdout
    loaded, _, took = said.rpartition(" ")
    assert loaded == "[]"
    assert float(took) < seconds


def test_a_picture_in_python_does_not_load_tensorboard():
    """Which loads TensorFlow where that is installed."""
    done = "import prober, sys; prober.visualize; print('torch.utils.tensorboard' in sys.modules)"
    said = subprocess.run([sys.executable, "-c", done], cwd=ROOT, capture_output=True, text=True)
    assert said.stdout.strip() == "False", said.stderr
