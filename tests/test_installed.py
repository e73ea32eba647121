"""What `pip install` gives, in an environment of its own that does not see the project's folder."""

import os
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

from tests.command_line import ROOT

QUICK = ["--trainer.max_steps", "3", "--trainer.devices", "1"]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The built package, from a copy: a build leaves files in the folder it builds from."""
    source, built = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("built")
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "prober", source / "prober", ignore=ignored)
    for name in ("pyproject.toml", "README.md"):
        shutil.copy(ROOT / name, source)
    offline = ["--no-build-isolation", "--no-deps", "--no-index", "--quiet"]
    command = [sys.executable, "-m", "pip", "wheel", *offline, "--wheel-dir", built, source]
    subprocess.run(command, check=True)
    return next(built.glob("*.whl"))


@pytest.fixture(scope="module")
def environment(wheel, tmp_path_factory):
    """The folder of the commands of an environment with the package and what it depends on.

    The libraries are those of this environment, as a path, by which what is installed here to be
    edited in its place is not found.
    """
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, symlinks=os.name != "nt")
    paths = {"base": str(folder), "platbase": str(folder)}
    scheme = sysconfig.get_default_scheme()
    packages = Path(sysconfig.get_path("purelib", scheme, paths))
    libraries = dict.fromkeys(sysconfig.get_path(name) for name in ("purelib", "platlib"))
    (packages / "libraries.pth").write_text("\n".join(libraries) + "\n", encoding="utf-8")
    commands = Path(sysconfig.get_path("scripts", scheme, paths))
    # Where the libraries are the package may be installed, too.
    offline = ["--no-deps", "--no-index", "--quiet"]
    install = ["-m", "pip", "install", "--ignore-installed", *offline, wheel]
    subprocess.run([commands / "python", *install], check=True)
    return commands


@pytest.fixture
def installed(environment, tmp_path):
    """Runs a command of the environment in an empty folder."""

    def run(*command):
        hidden = {"PYTHONPATH", "PL_GLOBAL_SEED"}
        return subprocess.run(
            [environment / command[0], *map(str, command[1:])],
            cwd=tmp_path,
            env={key: value for key, value in os.environ.items() if key not in hidden},
            capture_output=True,
            text=True,
            timeout=300,
        )

    return run


def succeeded(ended):
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def test_everything_in_the_package_is_in_the_wheel(wheel):
    there = {
        file.relative_to(ROOT).as_posix()
        for file in (ROOT / "prober").rglob("*")
        if file.is_file() and "__pycache__" not in file.parts
    }
    with zipfile.ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert held == there


def test_the_package_is_the_installed_one(installed, environment):
    said = succeeded(installed("python", "-c", "import prober; print(prober.__file__)"))
    assert Path(said.strip()).is_relative_to(environment.parent)


def test_fit_without_a_config(installed, tmp_path):
    unit = ["--model.objective.layer", "conv2", "--model.objective.channel", "3"]
    objective = ["--model.objective", "ChannelMean", *unit]
    said = succeeded(installed("prober", "fit", *objective, "--trainer.max_steps", "3"))
    assert "conv2_ch3: score " in said
    assert (tmp_path / "lightning_logs" / "conv2_ch3" / "version_0" / "final.png").exists()


def test_fit_with_a_config_of_the_folder(installed, tmp_path):
    shutil.copy(ROOT / "configs" / "conv2_ch3_accentuated.yaml", tmp_path / "mine.yaml")
    said = succeeded(installed("prober", "fit", "--config", "mine.yaml", "--trainer.max_steps", 3))
    assert "score " in said


def test_sweep(installed, tmp_path):
    grid = ["--grid.layers", "conv1", "--grid.channels", "0-1"]
    assert "2 of 2 targets done" in succeeded(installed("prober", "sweep", *grid, *QUICK))
    assert list(tmp_path.glob("lightning_logs/sweep_conv1/version_0/sheets/conv1.png"))


def test_report(installed, tmp_path):
    grid = ["--grid.layers", "conv1", "--grid.channels", "0", "--grid.classes", "null"]
    succeeded(installed("prober", "report", *grid, "--grid.positions", 1, *QUICK))
    folder = next(tmp_path.glob("lightning_logs/report_*/version_0"))
    for name in ("SUMMARY.md", "index.html", "findings.json"):
        assert (folder / name).exists()


def test_layers(installed):
    said = succeeded(installed("prober", "layers"))
    assert said.startswith("ReferenceCNN (biased): input [3, 28, 28]")


def test_bad_input(installed, tmp_path):
    ended = installed("prober", "fit", "--model.objective", "ChannelMeen")
    assert ended.returncode == 2
    assert ended.stderr.startswith("Error: ") and ended.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_from_python(installed):
    code = (
        "import prober, torch; from prober.subject.reference import ReferenceCNN;"
        "print(prober.visualize(ReferenceCNN(), 'conv2:3', steps=1))"
    )
    assert "Visualization of conv2_ch3" in succeeded(installed("python", "-c", code))
