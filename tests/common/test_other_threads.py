"""What other threads raise, and a full disk, which TensorBoard's thread meets first."""

import os
import subprocess
import sys
import threading

import pytest

from prober.common.files import PROJECT
from prober.common.other_threads import their_failures_raised


def fail_apart(error):
    def fail():
        raise error

    thread = threading.Thread(target=fail)
    thread.start()
    thread.join()


def test_that_a_thread_could_not_write_is_raised_at_the_end():
    before, went_on = threading.excepthook, False
    with pytest.raises(OSError, match="no space"), their_failures_raised():
        fail_apart(OSError("no space"))
        went_on = True
    assert went_on and threading.excepthook is before


def test_what_ends_the_block_itself_comes_first():
    with pytest.raises(ValueError, match="the block's"), their_failures_raised():
        fail_apart(OSError("no space"))
        raise ValueError("the block's")


def test_what_else_threads_raise_goes_on_to_whoever_heard_it_before(monkeypatch):
    heard = []
    monkeypatch.setattr(threading, "excepthook", heard.append)
    with their_failures_raised():
        fail_apart(KeyError("other"))
    assert [each.exc_type for each in heard] == [KeyError]


@pytest.mark.skipif(os.name != "posix", reason="this system does not limit files")
def test_a_full_disk_ends_fit_with_one_message(tmp_path):
    limit = "import resource as r; r.setrlimit(r.RLIMIT_FSIZE, (10_000, 10_000))"  # bytes
    command = [
        *(sys.executable, "-c", f"{limit}; from prober.cli.main import main; main()", "fit"),
        *("--config", str(PROJECT / "configs" / "conv2_ch3.yaml"), "--trainer.max_steps", "60"),
        *("--trainer.enable_progress_bar", "false", "--trainer.default_root_dir", str(tmp_path)),
    ]
    ended = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True)
    [events] = tmp_path.glob("lightning_logs/*/version_0/events.*")
    assert events.stat().st_size == 10_000  # there TensorBoard's thread has met it
    assert ended.returncode == 2
    assert ended.stderr.startswith("Error: File too large") and ended.stderr.count("\n") == 1
