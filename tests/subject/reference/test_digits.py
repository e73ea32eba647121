import torch

from prober.subject.reference import load_digits
from tests.plain import FOLDER


def test_digits_are_a_thousand_hundred_of_each():
    images, labels = load_digits()
    assert images.shape == (1000, 28, 28)
    assert images.dtype == torch.float32
    assert labels.dtype == torch.int64
    assert [labels.tolist().count(digit) for digit in range(10)] == [100] * 10


def test_digits_are_in_range_and_look_like_digits():
    images, _ = load_digits()
    assert images.min() == 0
    assert images.max() == 1
    assert torch.equal((images * 255).round() / 255, images)
    # White on black: most of every picture is black, and every picture has a bright stroke.
    assert ((images == 0).double().mean(dim=(1, 2)) > 0.5).all()
    assert (images.amax(dim=(1, 2)) > 0.9).all()
    assert len({image.numpy().tobytes() for image in images}) == 1000


def test_digits_stand_in_the_order_of_the_test_set():
    # MNIST's test set is known to begin so.
    assert load_digits()[1][:10].tolist() == [7, 2, 1, 0, 4, 1, 4, 9, 5, 9]


def test_digits_file_is_small():
    assert (FOLDER / "digits.npz").stat().st_size < 400_000


def test_license_stands_beside_the_digits():
    text = (FOLDER / "LICENSE-MNIST.md").read_text(encoding="utf-8")
    for word in ("LeCun", "Cortes", "Burges", "CC BY-SA 3.0", "subset"):
        assert word in text
