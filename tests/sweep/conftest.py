import pytest

from prober.subject import Subject
from tests.command_line import run
from tests.sweep.sweeps import EXACT, OTHERS, write


@pytest.fixture(scope="session")
def swept(tmp_path_factory):
    """A small sweep on two processes."""
    folder = tmp_path_factory.mktemp("swept")
    ended = run("sweep", "--config", write(folder), "--trainer.devices", "2", cwd=folder)
    assert ended.returncode == 0, ended.stderr
    return folder / "lightning_logs" / "sweep_conv1_conv2_logits" / "version_0", ended


@pytest.fixture(scope="session")
def others(tmp_path_factory):
    """A sweep of objectives that are written out, in float64."""
    folder = tmp_path_factory.mktemp("others")
    ended = run("sweep", "--config", write(folder, **OTHERS), *EXACT, cwd=folder)
    assert ended.returncode == 0, ended.stderr
    return folder / "lightning_logs" / "sweep_conv1_conv2_conv3" / "version_0"


@pytest.fixture(scope="session")
def subject():
    return Subject()
