"""Typed JSON: what is written is read again as it was, and what does not fit is told."""

import json
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import pytest

from prober.common.errors import InputError
from prober.common.typed_json import KEY, from_plain, keys, read_json, to_plain


class Color(StrEnum):
    RED = "red"
    PALE_BLUE = "pale blue"


@dataclass(frozen=True)
class Part:
    """A part.

    Attributes:
        label: Another name in files.
        size: How large it is.
    """

    label: str = field(metadata={KEY: "class"})
    size: float | None = None


@dataclass(frozen=True)
class Whole:
    parts: tuple[Part, ...]
    colors: tuple[Color, ...]
    grid: tuple[tuple[float | None, ...], ...] | None
    numbers: dict[str, int]
    sure: bool
    rest: Any
    later: Part | None = None


WHOLE = Whole(
    parts=(Part("one", 2.5), Part("two")),
    colors=(Color.PALE_BLUE, Color.RED),
    grid=((1.0, None), ()),
    numbers={"b": 2, "a": 1},
    sure=True,
    rest={"any": [1, "thing"]},
)
PLAIN = {
    "parts": [{"class": "one", "size": 2.5}, {"class": "two", "size": None}],
    "colors": ["pale blue", "red"],
    "grid": [[1.0, None], []],
    "numbers": {"b": 2, "a": 1},
    "sure": True,
    "rest": {"any": [1, "thing"]},
    "later": None,
}


def test_objects_become_what_json_can_write_in_the_order_of_their_fields():
    assert json.dumps(to_plain(WHOLE)) == json.dumps(PLAIN)
    assert keys(Part) == {"label": "class", "size": "size"}


def test_what_was_written_is_read_as_it_was():
    found = from_plain(Whole, json.loads(json.dumps(PLAIN)))
    assert found == WHOLE
    assert type(found.colors[0]) is Color


def test_what_a_file_may_lack_gets_its_default():
    without = {key: value for key, value in PLAIN.items() if key != "later"}
    assert from_plain(Whole, without) == WHOLE
    assert from_plain(Part, {"class": "a"}) == Part("a", None)


def test_whole_numbers_are_numbers():
    assert from_plain(Part, {"class": "a", "size": 2}) == Part("a", 2)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"parts": [{"class": "one", "size": "large"}]}, ".parts[0].size is 'large'"),
        ({"parts": [{"class": "one"}, {"size": 1.0}]}, ".parts[1] has no 'class'"),
        ({"parts": [{"class": "one", "weight": 1.0}]}, ".parts[0] has 'weight'"),
        ({"parts": None}, ".parts is None"),
        ({"colors": ["green"]}, ".colors[0] is 'green', not one of 'red', 'pale blue'"),
        ({"colors": [["red"]]}, ".colors[0] is ['red']"),
        ({"grid": [[True]]}, ".grid[0][0] is True"),
        ({"numbers": {"a": 1.5}}, ".numbers.a is 1.5"),
        ({"sure": 1}, ".sure is 1"),
        ({"unknown": 1}, "has 'unknown'"),
    ],
)
def test_what_does_not_fit_is_told_with_its_place(tmp_path, changes, said):
    file = tmp_path / "whole.json"
    file.write_text(json.dumps(PLAIN | changes), encoding="utf-8")
    with pytest.raises(InputError) as told:
        read_json(file, Whole, "thing")
    assert said in str(told.value) and "whole.json" in str(told.value)


@pytest.mark.parametrize("content", ["{", "[1, NaN]", "\u00e4"])
def test_what_is_no_json_is_told(tmp_path, content):
    file = tmp_path / "whole.json"
    file.write_bytes(content.encode("latin-1"))
    with pytest.raises(InputError, match="cannot be read"):
        read_json(file, Whole, "thing")
    with pytest.raises(InputError, match=r"holds no thing: other\.json is missing"):
        read_json(tmp_path / "other.json", Whole, "thing")
