import io
import resource
import threading
from contextlib import contextmanager

import numpy as np
import pytest

from prober.common.files import npy, write_whole


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("content", [b"\x00\xff\r\n", b"", "two\nlines, naïve\n"])
def test_writes_bytes_and_text_and_nothing_beside(tmp_path, content):
    path = tmp_path / "new" / "folder" / "file.txt"
    write_whole(path, content)
    assert path.read_bytes() == (content.encode("utf-8") if isinstance(content, str) else content)
    assert names(path.parent) == ["file.txt"]


def test_replaces_what_was_there(tmp_path):
    path = tmp_path / "file"
    write_whole(path, "a longer text")
    write_whole(path, "short")
    assert path.read_text(encoding="utf-8") == "short"
    assert names(tmp_path) == ["file"]


@contextmanager
def full_disk():
    """No file may grow beyond 1,000 bytes: writing fails halfway, as on a full disk.

    Not a fixture: pytest's own output may be a file, too.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_full_disk_keeps_the_old_file(tmp_path):
    path = tmp_path / "file"
    write_whole(path, "old")
    with pytest.raises(OSError) as raised, full_disk():
        write_whole(path, b"n" * 5000)
    assert raised.value.filename == str(path)
    assert raised.value.strerror
    assert path.read_text(encoding="utf-8") == "old"
    assert names(tmp_path) == ["file"]


def test_text_that_cannot_be_written_keeps_the_old_file(tmp_path):
    path = tmp_path / "file"
    write_whole(path, "old")
    with pytest.raises(UnicodeEncodeError):
        write_whole(path, "\ud800")
    assert path.read_text(encoding="utf-8") == "old"
    assert names(tmp_path) == ["file"]


def test_place_that_is_a_folder_is_told_and_nothing_is_left(tmp_path):
    (tmp_path / "place" / "inner").mkdir(parents=True)
    with pytest.raises(OSError) as raised:
        write_whole(tmp_path / "place", "text")
    assert raised.value.filename == str(tmp_path / "place")
    assert names(tmp_path) == ["place"]
    assert names(tmp_path / "place") == ["inner"]


def test_no_reader_sees_half_a_file(tmp_path):
    path = tmp_path / "file"
    whole = {b"a" * 3_000_000, b"b" * 3_000_000}
    write_whole(path, b"a" * 3_000_000)
    done = threading.Event()

    def write():
        for i in range(40):
            write_whole(path, b"ab"[i % 2 : i % 2 + 1] * 3_000_000)
        done.set()

    writer = threading.Thread(target=write)
    writer.start()
    reads = 0
    while not done.is_set():
        assert path.read_bytes() in whole
        reads += 1
    writer.join()
    assert reads > 5


def test_npy_is_what_numpy_reads():
    array = np.random.default_rng(0).random((3, 5, 2), dtype=np.float32)
    read = np.load(io.BytesIO(npy(array)), allow_pickle=False)
    assert read.dtype == np.float32
    assert np.array_equal(read, array)
