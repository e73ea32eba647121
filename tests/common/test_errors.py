import math
from dataclasses import dataclass

import pytest

from prober.common.errors import (
    InputError,
    check_kind,
    check_kinds,
    check_not_negative,
    check_range,
    listed,
    suggestion,
)


def test_an_error_is_one_line_whatever_it_quotes():
    assert str(InputError("It said:\n  no\n\tnever ")) == "It said: no never"


@pytest.mark.parametrize(
    ("name", "expected"),
    [("conv22", " Did you mean 'conv2'?"), ("conv2", " Did you mean 'conv2'?"), ("xyz", "")],
)
def test_the_nearest_name_is_suggested_if_one_is_near(name, expected):
    assert suggestion(name, ["conv1", "conv2", "logits"]) == expected
    assert suggestion(name, []) == ""


@pytest.mark.parametrize(
    ("items", "expected"),
    [([], ""), (["a"], "a"), (["a", "b"], "a, b"), (["a", "b", "c", "d"], "a, b and 2 more")],
)
def test_of_many_the_first_are_listed(items, expected):
    assert listed(items, 2) == expected
    assert listed(items, 2, "; ") == expected.replace(",", ";")


@pytest.mark.parametrize("index", [-1, 4, 5])
def test_an_index_out_of_range_is_told_with_the_range(index):
    for inside in (0, 3):
        check_range("Channel", inside, 4, "of 'conv'")
    told = f"Channel {index} is out of range: choose 0 to 3 of 'conv'."
    with pytest.raises(InputError, match=told):
        check_range(f"Channel {index}", index, 4, "of 'conv'")


@dataclass
class Owner:
    weight: float


@pytest.mark.parametrize("value", [-1e-9, -math.inf, math.inf, math.nan])
def test_what_may_not_be_negative_is_told(value):
    for good in (0, 1e-300, 7):
        check_not_negative(Owner(good), "weight")
    with pytest.raises(InputError, match=f"weight of Owner is {value}; it must be 0 or more"):
        check_not_negative(Owner(value), "weight")


@pytest.mark.parametrize(
    ("given", "said"),
    [(3, "owner: an int does not fit"), (Owner, "owner: the class Owner does not fit")],
)
def test_what_is_of_another_kind_is_told_with_an_example(given, said):
    check_kind("owner", Owner(1), Owner, "Owner(1)")
    with pytest.raises(InputError, match=rf"{said}; give Owner\(1\), say"):
        check_kind("owner", given, Owner, "Owner(1)")
    with pytest.raises(InputError, match=rf"{said}; give \[Owner\(1\)\], say"):
        check_kinds("owner", [Owner(1), given], Owner, "[Owner(1)]")


@pytest.mark.parametrize("given", ["owners", 3, Owner(1), None])
def test_what_is_no_list_is_told(given):
    check_kinds("owners", (Owner(1), Owner(2)), Owner, "[Owner(1)]")
    check_kinds("owners", [], Owner, "[Owner(1)]")
    with pytest.raises(InputError, match=f"owners is an? {type(given).__name__}; give a list"):
        check_kinds("owners", given, Owner, "[Owner(1)]")
