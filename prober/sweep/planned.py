"""A target of a sweep, and where its files lie."""

from dataclasses import dataclass

from prober.ascent.targets import Target


@dataclass(frozen=True)
class PlannedTarget:
    """A target of a sweep and where its files lie.

    Attributes:
        target: The target, resolved against the subject.
        path: Path of its files in the sweep's folder, without their suffix, with forward slashes:
            `conv2/ch003/mean_seed0`. It names the target among all of the sweep.
        variant: Which of its folder's targets it is, but for the seed: `mean`, `h07_w03_reg1`.
    """

    target: Target
    path: str
    variant: str

    @property
    def layer(self) -> str:
        """The layer that is probed."""
        return self.target.objective.layer

    @property
    def layer_folder(self) -> str:
        """The name of the folder of its layer."""
        return self.path.split("/")[0]

    @property
    def folder(self) -> str:
        """The name of the target's folder in that of its layer: `ch003`, or the objective's."""
        return self.path.rsplit("/", 2)[-2]
