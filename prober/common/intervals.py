"""How sure a share of so many is."""

NORMAL_95 = 1.959964
"""Standard deviations around the mean of a normal distribution that hold 95 % of it."""


def wilson(share: float, number: float) -> tuple[float, float]:
    """Returns the 95 % interval of a share of `number` trials (Wilson 1927).

    >>> low, high = wilson(0.5, 100)
    >>> round(low, 3), round(high, 3)
    (0.404, 0.596)
    """
    z = NORMAL_95**2 / number
    middle = (share + z / 2) / (1 + z)
    half = (z * (share * (1 - share) + z / 4)) ** 0.5 / (1 + z)
    return max(0.0, middle - half), min(1.0, middle + half)
