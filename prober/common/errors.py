"""What is told to a person whose input cannot be used."""

import math
import operator
import re
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from numbers import Real
from typing import Any

MOST_OF_A_WORD, MOST_OF_A_MESSAGE = 300, 3_000
"""Characters that are printed of what a message quotes, and of all of it."""


class InputError(ValueError):
    """Input that cannot be used; its text says what is wrong and what to do about it.

    The command line prints the text alone, on one line, and exits with code 2.
    """

    def __str__(self) -> str:
        """Returns the text on one line, also where it quotes an error of several lines."""
        return " ".join(line.strip() for line in super().__str__().splitlines())


def on_one_line(message: str) -> str:
    """Returns a message as it is printed, whatever it quotes: on one line, and not without end."""
    line = " ".join(line.strip() for line in message.splitlines())
    line = re.sub(rf"(\S{{{MOST_OF_A_WORD}}})\S+", r"\1...", line)
    line = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in line)
    return line if len(line) <= MOST_OF_A_MESSAGE else f"{line[:MOST_OF_A_MESSAGE]}..."


def suggestion(name: str, known: Iterable[str]) -> str:
    """Returns `" Did you mean 'conv2'?"` for the known name nearest to `name`, or `""`."""
    nearest = get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f" Did you mean '{nearest[0]}'?" if nearest else ""


def named_kind(given: object) -> str:
    """Returns what something is, with its article: `an int`, `a str`."""
    kind = type(given).__name__
    return f"{'an' if kind[0].lower() in 'aeio' else 'a'} {kind}"


def listed(items: Sequence[str], most: int, separator: str = ", ") -> str:
    """Joins the first items of a list: `a, b and 3 more`."""
    rest = f" and {len(items) - most} more" if len(items) > most else ""
    return separator.join(items[:most]) + rest


def check_range(what: str, index: int, size: int, where: str) -> None:
    """Raises an InputError that names the range if `index` is not in 0 to `size` - 1."""
    if not 0 <= index < size:
        raise InputError(f"{what} is out of range: choose 0 to {size - 1} {where}.")


def is_number(value: object, least: float) -> bool:
    """Tells whether something is a finite number that is not below `least`."""
    return isinstance(value, Real) and least <= float(value) < math.inf


def whole_number(given: Any) -> int | None:
    """Returns a whole number of any kind, NumPy's, say, as an int; None for anything else."""
    if getattr(given, "ndim", 0):  # an array of one number is a list of one, not the number
        return None
    try:
        return operator.index(given)
    except TypeError:
        return None


def make_int(owner: object, name: str) -> None:
    """Makes an int of a setting that is a whole number of another kind, as records are JSON.

    Args:
        owner: What has the setting, frozen or not.
        name: Its name.

    Raises:
        InputError: It is no whole number.
    """
    given = getattr(owner, name)
    number = whole_number(given)
    if number is None:
        raise InputError(f"{name} of {type(owner).__name__} is {given}; it must be a whole number.")
    object.__setattr__(owner, name, number)


def check_not_negative(owner: object, *names: str) -> None:
    """Raises an InputError unless these settings of an object are finite numbers of 0 or more."""
    for name in names:
        value = getattr(owner, name)
        if not is_number(value, 0):
            raise InputError(f"{name} of {type(owner).__name__} is {value}; it must be 0 or more.")


def check_finite(owner: object, name: str) -> None:
    """Raises an InputError unless a setting of an object is a finite number."""
    value = getattr(owner, name)
    if not isinstance(value, Real) or not math.isfinite(value):
        raise InputError(f"{name} of {type(owner).__name__} is {value}; it must be finite.")


def check_kind(name: str, given: object, kind: type, example: str) -> None:
    """Raises an InputError with an example unless something given is an instance of a kind."""
    if not isinstance(given, kind):
        said = f"the class {given.__name__}" if isinstance(given, type) else named_kind(given)
        raise InputError(f"{name}: {said} does not fit; give {example}, say.")


def check_kinds(name: str, given: Any, kind: type, example: str) -> None:
    """Raises an InputError unless something given is a list of instances of a kind."""
    if isinstance(given, str) or not isinstance(given, Iterable):
        raise InputError(f"{name} is {named_kind(given)}; give a list: {example}, say.")
    for item in given:
        check_kind(name, item, kind, example)
