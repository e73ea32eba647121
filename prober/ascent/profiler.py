"""A profiler that measures nothing, and takes no time for it."""

from contextlib import nullcontext

from lightning.pytorch.profilers import PassThroughProfiler


class NoProfiler(PassThroughProfiler):
    """Stands in for Lightning's own, which opens a generator at each hook of each callback.

    There are some fifty of them in a step; measured at batch 1: 0.07 ms of 1.9.
    """

    _nothing = nullcontext()

    def profile(self, action_name: str) -> nullcontext:  # type: ignore[override]  # no generator
        """Measures nothing."""
        return self._nothing
