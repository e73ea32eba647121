"""Settling: when the score of a target no longer rises, so that it needs no more steps."""

import torch
from torch import Tensor

WINDOW = 50
"""Steps over which a score has to rise.

Measured on plain pictures of the 122 units of the reference CNN, 3 seeds of 500 steps each: with
0.001 of the gain the scores of 97 % of the targets are 99.5 % of those after all steps, or more,
after 212 steps on average; with 0.002 of 92 %, after 176; with 20 steps and 0.001 of 85 %, after
142. Where transforms make a score tremble it comes too early, see `docs/speed.md`."""

EVERY = 10
"""Steps from one look at the scores to the next."""


class Settling:
    """Looks at the scores of N targets and tells which no longer rise.

    A target has settled once the best of its scores has risen by no more than a share of its gain,
    that is of how far it has risen since the first step, in the last `WINDOW` steps.

    Args:
        share: The share.
    """

    def __init__(self, share: float) -> None:
        self._share = share
        self._first = self._best = torch.empty(0)
        self._before: list[Tensor] = []

    def settled(self, step: int, scores: Tensor) -> Tensor | None:
        """Takes the scores of a step, and tells from time to time which have settled.

        Args:
            step: How many steps have been made with it, from 1 on.
            scores: `[N]`, what the images gave before it.

        Returns:
            `[N]`, which have settled; None where it is not time to look.
        """
        if step == 1:
            self._first = self._best = scores
        self._best = torch.fmax(self._best, scores)  # the larger one, and no NaN
        if step % EVERY:
            return None
        self._before.append(self._best)
        if len(self._before) <= WINDOW // EVERY:
            return None
        risen = self._best - self._before.pop(0)
        gain = self._best - self._first
        return (gain > 0) & (risen <= self._share * gain)

    def keep(self, going: Tensor) -> None:
        """Goes on with some of the targets, by their numbers `[M]`."""
        self._first, self._best = self._first[going], self._best[going]
        self._before = [best[going] for best in self._before]
