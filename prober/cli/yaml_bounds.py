"""YAML that would take for ever to read, or says what nobody means, is refused."""

import math
import re
from collections.abc import Iterator
from typing import Any

import yaml

MOST_OF_YAML = 4 * 2**20
"""A config file may be so large."""

MOST_VALUES = 200_000
"""A config may hold so many keys and values, each alias counting as what it stands for.

jsonargparse takes some 20 microseconds for each, several times over."""

DEEPEST = 64
"""Keys and lists may stand so deep within each other. Those of this project stand up to 12 deep."""

BASE_60 = r"[-+]?([1-9][0-9_]*(:[0-5]?[0-9])+|[0-9][0-9_]*(:[0-5]?[0-9])+\.[0-9_]*)"
"""What YAML takes for minutes and seconds, and nobody means: 1:30 would be 90."""


def check_yaml(text: str) -> None:
    """Checks YAML before it is read.

    Follows its events, which takes time and memory of the text's own size, whatever its aliases
    stand for (billion laughs).

    Raises:
        yaml.YAMLError: It is not valid, holds too much, stands too deep, contains itself, names
            a key twice, or has a number in base 60.
    """
    if len(text) > MOST_OF_YAML:
        raise yaml.YAMLError(f"it is longer than {MOST_OF_YAML // 2**20} MB.")
    events = yaml.parse(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    _follow(events, mapping=False, depth=1, anchored={})


def _follow(
    events: Iterator[Any], mapping: bool, depth: int, anchored: dict[str, tuple[float, int]]
) -> tuple[float, int]:
    """Follows a list or a mapping that has begun, or all of the text, to its end.

    Args:
        events: What is still to come.
        mapping: Whether it is a mapping, every second thing in which is a key.
        depth: How many lists and mappings are open, this and the text itself among them.
        anchored: What this function has returned for what aliases stand for, by their names.

    Returns:
        How many keys and values it holds, itself one of them, and how many lists and mappings
        stand within each other there, this the first of them.
    """
    size, height = 1.0, 0
    _check_bounds(size, depth)
    keys: set[str] = set()
    is_key = mapping
    for event in events:
        if isinstance(event, yaml.CollectionEndEvent):
            break
        if not isinstance(event, yaml.NodeEvent):
            continue  # a document begins or ends
        if isinstance(event, yaml.ScalarEvent):
            if is_key:
                _note_key(keys, event, outermost=depth == 2)
            elif event.implicit[0] and re.fullmatch(BASE_60, event.value):
                raise yaml.YAMLError(
                    f"{event.value} is a number in base 60 (line {event.start_mark.line + 1}): put "
                    "it in quotes."
                )
        is_key = mapping and not is_key
        item_size, item_height = 1.0, 0
        if isinstance(event, yaml.AliasEvent):
            item_size, item_height = anchored.get(event.anchor, (item_size, item_height))
        elif isinstance(event, yaml.CollectionStartEvent):
            anchored[event.anchor] = math.inf, 0  # until it ends
            of_mapping = isinstance(event, yaml.MappingStartEvent)
            item_size, item_height = _follow(events, of_mapping, depth + 1, anchored)
        anchored[event.anchor] = item_size, item_height
        size += item_size
        height = max(height, item_height)
        _check_bounds(size, depth + height)
    return size, height + 1


def _check_bounds(size: float, depth: int) -> None:
    if size == math.inf:
        raise yaml.YAMLError("an alias stands within what it stands for.")
    if size > MOST_VALUES:
        raise yaml.YAMLError(
            f"it holds more than {MOST_VALUES:,} values, each alias counting as what it stands for."
        )
    if depth > DEEPEST:
        raise yaml.YAMLError(f"its keys and lists stand more than {DEEPEST} deep.")


def _note_key(keys: set[str], event: yaml.ScalarEvent, outermost: bool) -> None:
    """Notes a key of a mapping, which is there once and is a text."""
    if event.value == "<<":
        return
    where = f"(line {event.start_mark.line + 1})"
    if event.value in keys:
        raise yaml.YAMLError(f"the key '{event.value}' stands twice {where}.")
    if outermost and (lost := [key for key in keys if key.startswith(f"{event.value}.")]):
        raise yaml.YAMLError(
            f"the key '{lost[0]}' would be lost, for '{event.value}' stands below it {where}: "
            f"write it within '{event.value}'."
        )
    if event.implicit[0] and event.value.lower() in ("yes", "no", "on", "off"):
        raise yaml.YAMLError(
            f"the key {event.value} is no text but a truth value {where}: write '{event.value}'."
        )
    keys.add(event.value)
