"""What is told to a person whose input cannot be used."""

from collections.abc import Iterable, Sequence
from difflib import get_close_matches


class InputError(ValueError):
    """Input that cannot be used; its text says what is wrong and what to do about it.

    The command line prints the text alone, on one line, and exits with code 2.
    """

    def __str__(self) -> str:
        """Returns the text on one line, also where it quotes an error of several lines."""
        return " ".join(line.strip() for line in super().__str__().splitlines())


def suggestion(name: str, known: Iterable[str]) -> str:
    """Returns `" Did you mean 'conv2'?"` for the known name nearest to `name`, or `""`."""
    nearest = get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f" Did you mean '{nearest[0]}'?" if nearest else ""


def listed(items: Sequence[str], most: int, separator: str = ", ") -> str:
    """Joins the first items of a list: `a, b and 3 more`."""
    rest = f" and {len(items) - most} more" if len(items) > most else ""
    return separator.join(items[:most]) + rest
