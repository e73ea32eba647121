"""What the tests and the examples in docstrings share."""

import os

# Before torch is loaded: its threads wait for each other, which beside another busy process
# takes a hundred times as long. Commands that the tests run inherit it.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest


@pytest.fixture(autouse=True)
def examples_run_in_a_folder_of_their_own(request: pytest.FixtureRequest) -> None:
    """Runs the examples of a docstring where they may write."""
    if isinstance(request.node, pytest.DoctestItem):
        folder = request.getfixturevalue("tmp_path")
        request.getfixturevalue("monkeypatch").chdir(folder)
