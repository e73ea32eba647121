"""What `prober` offers is there when it is used, and costs nothing before."""

import ast
import compileall
import inspect
import os
import pickle
import shutil
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
    tree = ast.parse((ROOT / "prober" / "__init__.pyi").read_text(encoding="utf-8"))
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    found = [(each, node.module) for node in imports for each in node.names]
    offered = {each.name: module for each, module in found if each.asname == each.name}
    assert len(offered) == len(found), "a name stands twice, and the first one is lost"
    return offered


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


def test_names_are_found_in_a_zip_archive_and_without_sources(tmp_path):
    (tmp_path / "bare" / "prober").mkdir(parents=True)
    for name in ("__init__.py", "__init__.pyi"):
        shutil.copy(ROOT / "prober" / name, tmp_path / "bare" / "prober")
    shutil.make_archive(str(tmp_path / "packed"), "zip", tmp_path / "bare")
    assert compileall.compile_dir(tmp_path / "bare", quiet=1, legacy=True)
    (tmp_path / "bare" / "prober" / "__init__.py").unlink()
    done = "import prober, sys; print(prober.__file__, prober.__all__)"
    for place, file in (("packed.zip", "__init__.py"), ("bare", "__init__.pyc")):
        environment = os.environ | {"PYTHONPATH": str(tmp_path / place)}
        command = [sys.executable, "-c", done]
        said = subprocess.check_output(command, cwd=tmp_path, env=environment, text=True)
        found = os.path.join(tmp_path, place, "prober", file)
        assert said == f"{found} {prober.__all__}\n"


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
