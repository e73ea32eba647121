"""YAML that would take for ever to read, or says a key twice, is refused."""

import math
from dataclasses import dataclass, field

import yaml

MOST_OF_YAML = 4 * 2**20
"""A config file may be so large."""

MOST_VALUES = 200_000
"""A config may hold so many keys and values, each alias counting as what it stands for.

jsonargparse takes some 20 microseconds for each, several times over."""

DEEPEST = 64
"""Keys and lists may stand so deep within each other. Those of this project stand up to 12 deep."""


@dataclass
class _OpenCollection:
    """A list or a mapping that has begun.

    Attributes:
        anchor: Its name for aliases, if it has one.
        mapping: Whether it is a mapping.
        size: How many keys and values it holds so far.
        height: How many lists and mappings stand within each other in it so far.
        keys: The keys of a mapping so far.
        items_seen: Counts keys and values, so that a mapping's next one is a key if it is even.
    """

    anchor: str | None
    mapping: bool
    size: float = 1
    height: int = 0
    keys: set[str] = field(default_factory=set)
    items_seen: int = 0


def check_yaml(text: str) -> None:
    """Checks YAML before it is read.

    Follows its events, which takes time and memory of the text's own size, whatever its aliases
    stand for (billion laughs).

    Raises:
        yaml.YAMLError: It is not valid, holds too much, stands too deep, contains itself, or names
            a key twice.
    """
    if len(text) > MOST_OF_YAML:
        raise yaml.YAMLError(f"it is longer than {MOST_OF_YAML // 2**20} MB.")
    anchored: dict[str, tuple[float, int]] = {}
    path = [_OpenCollection(None, mapping=False)]
    for event in yaml.parse(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
        outer = path[-1]
        size, height = 1.0, 0
        if isinstance(event, yaml.CollectionEndEvent):
            ended = path.pop()
            outer, size, height = path[-1], ended.size, ended.height + 1
            if ended.anchor:
                anchored[ended.anchor] = size, height
        elif not isinstance(event, yaml.NodeEvent):
            continue
        else:
            _note_key(outer, event)
            if isinstance(event, yaml.AliasEvent):
                size, height = anchored.get(event.anchor, (size, height))
            elif event.anchor:
                anchored[event.anchor] = size, height
            if isinstance(event, yaml.CollectionStartEvent):
                if event.anchor:
                    anchored[event.anchor] = math.inf, 0  # until it ends
                path.append(
                    _OpenCollection(event.anchor, isinstance(event, yaml.MappingStartEvent))
                )
                size = 0  # is added when it ends
        outer.size += size
        outer.height = max(outer.height, height)
        if outer.size == math.inf:
            raise yaml.YAMLError("an alias stands within what it stands for.")
        if outer.size > MOST_VALUES:
            raise yaml.YAMLError(
                f"it holds more than {MOST_VALUES:,} values, each alias counting as what it "
                "stands for."
            )
        if len(path) + height > DEEPEST:
            raise yaml.YAMLError(f"its keys and lists stand more than {DEEPEST} deep.")


def _note_key(outer: _OpenCollection, event: yaml.NodeEvent) -> None:
    """Notes whether the next thing in a mapping is a key, and that it is there once."""
    key = outer.mapping and outer.items_seen % 2 == 0 and isinstance(event, yaml.ScalarEvent)
    outer.items_seen += 1
    if key and event.value != "<<":
        where = f"(line {event.start_mark.line + 1})"
        if event.value in outer.keys:
            raise yaml.YAMLError(f"the key '{event.value}' stands twice {where}.")
        if event.implicit[0] and event.value.lower() in ("yes", "no", "on", "off"):
            raise yaml.YAMLError(
                f"the key {event.value} is no text but a truth value {where}: "
                f"write '{event.value}'."
            )
        outer.keys.add(event.value)
