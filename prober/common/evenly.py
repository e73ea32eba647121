"""Some of many things, evenly spread."""


def evenly(number: int, most: int) -> list[int]:
    """Picks of a number of things at most so many, the first and the last among them.

    >>> evenly(9, 3), evenly(2, 3)
    ([0, 4, 8], [0, 1])

    Args:
        number: How many things there are.
        most: How many are picked at the most, 2 or more.

    Returns:
        The places of those that are picked, in order.
    """
    if number <= most:
        return list(range(number))
    return [round(i * (number - 1) / (most - 1)) for i in range(most)]
