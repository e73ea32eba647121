import gc
import io
import os
import threading
import time
from contextlib import contextmanager
from urllib.parse import unquote

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prober.common.errors import InputError
from prober.common.files import npy, read_arrays, read_npy, safe_name, write_whole
from tests import elsewhere


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
    resource = pytest.importorskip("resource", reason="this system does not limit files")
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


@pytest.mark.parametrize(
    "name",
    ["conv2_ch3", "layer3.0.conv1", "größe 2", "100%", "a%b", "console", "aux2", ".x", "%zz"],
)
def test_a_name_that_all_systems_have_stays(name):
    assert safe_name(name) == name


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a:b?", "a%3Ab%3F"),
        ("a/b\\c", "a%2Fb%5Cc"),
        ("NUL", "%4EUL"),
        ("com1.weight", "%63om1.weight"),
        ("end. .", "end%2E%20%2E"),
        ("..", "%2E%2E"),
        ("a%3Ab", "a%253Ab"),
        ("\n", "%0A"),
    ],
)
def test_a_name_that_some_system_lacks_gets_codes(name, expected):
    assert safe_name(name) == expected


@pytest.mark.parametrize("other", ["Block", "BLOCK", "block", "blockö", "straße"])
def test_a_name_stays_that_nothing_beside_it_is_like(other):
    assert safe_name("block", [other]) == "block"


@given(st.lists(st.text("aAbBßsSöÖ:%4KK", min_size=1, max_size=4), unique=True))
def test_names_that_differ_in_case_alone_are_told_apart_by_every_system(names):
    safe = [safe_name(name, names) for name in names]
    assert len({name.casefold() for name in safe}) == len(names)
    assert [unquote(name) for name in safe] == names


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=10))
def test_safe_names_are_safe_and_can_be_read_back(name):
    safe = safe_name(name)
    elsewhere.check_name(safe)
    assert "/" not in safe
    assert unquote(safe) == name


@pytest.mark.parametrize("letter", ["w", "é", "\N{GRINNING FACE}", ":"])
def test_long_names_are_cut_and_stay_different(letter, tmp_path):
    one, other = (safe_name(letter * 300 + end) for end in "ab")
    assert one != other and one[:20] == other[:20]
    for name in (one, other):
        assert len(name.encode()) <= 120
        (tmp_path / name).mkdir()
        elsewhere.check_name(name)
    assert safe_name("w" * 120) == "w" * 120


@pytest.mark.parametrize("times", [1, 3])
def test_a_file_that_somebody_reads_is_replaced_when_he_is_done(tmp_path, monkeypatch, times):
    replace, refusals = os.replace, [PermissionError(13, "Access is denied")] * times

    def refused(source, target):
        if refusals:
            raise refusals.pop()
        replace(source, target)

    monkeypatch.setattr(os, "replace", refused)
    write_whole(tmp_path / "file", "new")
    assert names(tmp_path) == ["file"] and not refusals


def test_a_file_that_is_never_free_is_told(tmp_path, monkeypatch):
    def refused(source, target):
        raise PermissionError(13, "Access is denied")

    monkeypatch.setattr(os, "replace", refused)
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    with pytest.raises(PermissionError) as raised:
        write_whole(tmp_path / "file", "new")
    assert raised.value.filename == str(tmp_path / "file")
    assert names(tmp_path) == []


@pytest.mark.parametrize("damaged", [b"", b"\x93NUMPY\x01\x00", b"'descr'", b"(3, 5"])
def test_a_damaged_array_is_told(tmp_path, damaged):
    whole = npy(np.zeros((3, 5)))
    content = whole.replace(damaged, b"[" * len(damaged)) if damaged else b""
    (tmp_path / "a.npy").write_bytes(content)
    with pytest.raises(InputError, match=r"a\.npy' is not an array \(\.npy\): "):
        read_npy(tmp_path / "a.npy", "an array")


def test_arrays_are_read_of_any_byte_order_and_of_real_numbers_alone(tmp_path):
    for kind in (">f4", "<f8", ">i2", "u1", "?"):
        np.save(tmp_path / "a.npy", np.array([0, 1], kind))
        assert read_npy(tmp_path / "a.npy", "an array").tolist() == [0, 1]
    np.save(tmp_path / "a.npy", np.array([1j]))
    with pytest.raises(InputError, match="it holds complex128, not real numbers"):
        read_npy(tmp_path / "a.npy", "an array")


def test_threads_read_arrays_at_once(tmp_path):
    """Until Python 3.11.7 two threads cannot parse at once, and NumPy parses headers.

    They meet where a collection of garbage lets the other thread go on in the middle of parsing,
    from another depth of calls. Here that is often.
    """
    array = np.arange(6.0).reshape(2, 3)
    (tmp_path / "array.npy").write_bytes(npy(array))
    np.savez(tmp_path / "arrays.npz", first=array)
    failed = []

    def read(depth: int) -> None:
        if depth:
            return read(depth - 1)
        try:
            for _ in range(100):
                assert (read_npy(tmp_path / "array.npy", "an array").numpy() == array).all()
                [first] = read_arrays(tmp_path / "arrays.npz", ["first", "missing"])
                assert (first == array).all()
        except BaseException as error:  # whatever it is, the test is to see it
            failed.append(error)

    def let_others_go_on(phase: str, info: dict) -> None:
        time.sleep(1e-6)

    threads = [threading.Thread(target=read, args=(10 * each,)) for each in range(4)]
    threshold = gc.get_threshold()
    gc.callbacks.append(let_others_go_on)
    gc.set_threshold(10)
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        gc.set_threshold(*threshold)
        gc.callbacks.remove(let_others_go_on)
    assert not failed
