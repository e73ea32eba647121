import json
from dataclasses import dataclass

import pytest

from prober.ascent.method import Method
from prober.common.errors import InputError


@pytest.mark.parametrize("lr", [0.0, -0.05, float("nan"), float("inf")])
def test_learning_rate_out_of_range_is_told(lr):
    with pytest.raises(InputError, match=f"learning rate is {lr}"):
        Method(lr=lr)


@pytest.mark.parametrize(
    ("averaging", "told"), [(0, "1 for no mean"), (-3, "1 for no mean"), (1.5, "whole number")]
)
def test_averaging_out_of_range_is_told(averaging, told):
    with pytest.raises(InputError, match=f"averaging.* is {averaging}; .*{told}"):
        Method(averaging=averaging)


def test_runs_from_before_there_was_averaging_are_made_again_without_it():
    record = Method(transforms=()).resolved((3, 224, 224)).record()
    assert record.pop("averaging") == 48
    assert Method.from_record(record).averaging == 1


def test_unknown_style_is_told():
    with pytest.raises(InputError, match="Did you mean 'legible'"):
        Method(style="legable")


@dataclass(frozen=True)
class Longer(Method):
    """A method with one option more, which nothing else knows of."""

    damping: float = 0.5
    sizes: tuple[int, ...] = (1,)


def test_a_new_option_stands_in_records_and_is_read_from_them():
    method = Longer(0.1, transforms=(), damping=0.25, sizes=(2, 3)).resolved((3, 28, 28))
    record = json.loads(json.dumps(method.record() | {"layer": "conv1", "seed": 3}))
    assert (record["damping"], record["sizes"]) == (0.25, [2, 3])
    assert Longer.from_record(record) == method
    del record["damping"], record["sizes"]  # of a run from before there were these
    assert Longer.from_record(record) == Longer(0.1, transforms=()).resolved((3, 28, 28))
