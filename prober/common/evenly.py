"""Some of many things, evenly spread."""


def evenly(number: int, most: int) -> list[int]:
    """Picks of a number of things at most so many, the first and the last among them.

    >>> evenly(9, 3), evenly(2, 3), evenly(9, 1)
    ([0, 4, 8], [0, 1], [0])

    Args:
        number: How many things there are.
        most: How many are picked at the most; of 1, that is the first.

    Returns:
        The places of those that are picked, in order.
    """
    if number <= most:
        return list(range(number))
    return [round(i * (number - 1) / max(1, most - 1)) for i in range(most)]
