import os
import signal
import sys
from dataclasses import dataclass

if "PYTEST_XDIST_WORKER" in os.environ:  # else the processes would take each other's cores
    os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest
from hypothesis import settings

from prober.cli.main import main

# A shell makes what it starts in the background deaf to Ctrl-C, and the commands inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)

settings.register_profile("prober", deadline=None, database=None, derandomize=True)
settings.load_profile("prober")


@dataclass
class Ended:
    code: int
    out: str
    err: str


@pytest.fixture
def prober(tmp_path, monkeypatch, capsys):
    """Runs a command line in this process, in a working directory of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    # The command sets these; so they are reset afterwards.
    monkeypatch.setenv("PL_GLOBAL_SEED", "0")
    monkeypatch.setenv("PYTORCH_NVML_BASED_CUDA_CHECK", "1")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    modules = set(sys.modules)

    def run(*args):
        monkeypatch.setattr(sys, "argv", ["main.py", *map(str, args)])
        capsys.readouterr()
        try:
            main()
            code = 0
        except SystemExit as end:
            code = end.code
        return Ended(code, *capsys.readouterr())

    yield run
    for name in set(sys.modules) - modules:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(tmp_path)):
            del sys.modules[name]
