import gzip

import numpy as np
import pytest
import torch

from prober.subject.reference.idx import IdxError, read_mnist

from .idx_files import idx_bytes, noise_digits, write_mnist

TRAINING, TEST = noise_digits(30, seed=1), noise_digits(20, seed=2)


@pytest.mark.parametrize("zipped", [True, False])
def test_reads_what_was_written(tmp_path, zipped):
    sets = read_mnist(write_mnist(tmp_path, TRAINING, TEST, zipped))
    for digits, (images, labels) in zip(sets, (TRAINING, TEST), strict=True):
        assert digits.images.dtype == torch.uint8
        assert digits.labels.dtype == torch.int64
        assert digits.images.tolist() == images.tolist()
        assert digits.labels.tolist() == labels.tolist()


IMAGES, LABELS = "train-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"
WHOLE = gzip.compress(idx_bytes(TRAINING[0]))

# What is wrong: the file that is replaced, its content (None: missing), what the message says.
BROKEN = {
    "missing": (LABELS, None, "lacks t10k-labels-idx1-ubyte"),
    "empty": (IMAGES, b"", "not an IDX file"),
    "not gzip": (IMAGES, b"hello, I am no gzip file", "cannot be read"),
    "truncated gzip": (IMAGES, WHOLE[: len(WHOLE) // 2], "cannot be read"),
    "damaged gzip": (IMAGES, WHOLE[:2000] + bytes(100) + WHOLE[2100:], "cannot be read"),
    "not idx": (IMAGES, gzip.compress(b"hello, I am no IDX file"), "not an IDX file"),
    "cut header": (IMAGES, gzip.compress(idx_bytes(TRAINING[0])[:9]), "ends within its header"),
    "cut data": (
        IMAGES,
        gzip.compress(idx_bytes(TRAINING[0])[:-1]),
        "declares 23520 bytes of data but holds 23519",
    ),
    "not 28x28": (
        IMAGES,
        gzip.compress(idx_bytes(np.zeros((30, 32, 32), np.uint8))),
        r"training set: the images are \(30, 32, 32\)",
    ),
    "too few labels": (
        LABELS,
        gzip.compress(idx_bytes(np.zeros(19, np.uint8))),
        r"test set: 20 images, but labels of shape \(19,\)",
    ),
    "no digit": (
        LABELS,
        gzip.compress(idx_bytes(np.full(20, 10, np.uint8))),
        "test set: a label is 10",
    ),
}


@pytest.mark.parametrize(("name", "content", "message"), BROKEN.values(), ids=BROKEN)
def test_broken_file_is_told(tmp_path, name, content, message):
    write_mnist(tmp_path, TRAINING, TEST)
    if content is None:
        (tmp_path / name).unlink()
    else:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(IdxError, match=message):
        read_mnist(tmp_path)


def test_empty_set_is_told(tmp_path):
    nothing = np.zeros((0, 28, 28), np.uint8), np.zeros(0, np.uint8)
    with pytest.raises(IdxError, match="training set: it is empty"):
        read_mnist(write_mnist(tmp_path, nothing, TEST))
