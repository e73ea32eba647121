"""Silent targets: no gradient leads to them from the start, but one through ReLUs that leak may."""

import torch
from torch import Tensor

from prober.ascent.losses import Losses
from prober.ascent.transforms import Draw
from prober.subject.leaky_relus import LeakyReLUs

LEAKY_STEPS = 50
"""Steps at the most that a silent target is led through ReLUs that leak. Six filters of 7 x 7, of
which 30 to 80 % of what excites them most was not enough, woke within 14, in both styles."""


class Silent:
    """Looks which of N targets find no gradient from their start, and leads them on.

    Behind a ReLU that is shut there is no gradient to follow. Until a target finds one, its image
    follows that of ReLUs that leak, after the redirected gradients of Lucid (Olah et al., "Feature
    visualization", 2017). All others go the plain way, bit for bit.

    Args:
        losses: Those of all N targets.
        number: N.

    Attributes:
        still: `[N]`, which have not found a gradient yet.
        pull: `[N]`, the largest number in the first gradient of the score that an image has found,
            through ReLUs that leak if there was no other; 0 if none was found.
        leaky_steps: `[N]`, how many steps went through ReLUs that leak.
    """

    def __init__(self, losses: Losses, number: int) -> None:
        self._losses = self._losses_of_some = losses
        self._some = list(range(number))
        self._looks = 0
        self.still = torch.ones(number, dtype=torch.bool)
        self.pull = torch.zeros(number, dtype=torch.float64)
        self.leaky_steps = torch.zeros(number, dtype=torch.long)

    def leaky_scores(
        self,
        image: Tensor,
        pictures: Tensor,
        scores: Tensor,
        going: Tensor,
        draw: Draw | None,
        exact: bool,
    ) -> Tensor | None:
        """Looks at the scores of a step, and returns those that it shall raise beside them.

        Args:
            image: `[M, ...]`, what is optimized, of M of the targets.
            pictures: `[M, C, H, W]` in [0, 1], what it shows; on its graph.
            scores: `[M]`, what they gave, on the graph of `image`.
            going: `[M]`, the numbers of these targets.
            draw: How the pictures were transformed.
            exact: Whether each went through the subject alone.

        Returns:
            The scores of those that are silent, `[S]` with S up to M, through ReLUs that leak; None
            of none.
        """
        if self._looks == LEAKY_STEPS or not self.still.any():
            return None
        self._looks += 1
        places = self.still[going].nonzero()[:, 0]
        pull = _pull(scores[places.to(scores.device)], image)[places]
        shut = pull == 0
        if self._losses.compares:  # then a gradient leads to all of them, or to none
            shut = shut.all().expand_as(shut)
        self.still[going[places]] = shut
        self._note(going[places], pull)
        places = places[shut]
        numbers = going[places]
        if not len(numbers):
            return None
        if self._some != numbers.tolist():
            self._some = numbers.tolist()
            self._losses_of_some = self._losses.of(self._some)
        with LeakyReLUs(nearest=True):
            leaky = self._losses_of_some.scores(
                pictures[places.to(scores.device)], None if draw is None else draw[places], exact
            )
        pull = _pull(leaky, image)[places]
        self.leaky_steps[numbers] += pull != 0
        self._note(numbers, pull)
        return leaky

    def _note(self, numbers: Tensor, pull: Tensor) -> None:
        self.pull[numbers] = torch.where(self.pull[numbers] == 0, pull, self.pull[numbers])


def _pull(scores: Tensor, image: Tensor) -> Tensor:
    """Returns for each of M images the largest number in the gradient of scores, `[M]`."""
    (gradient,) = torch.autograd.grad(
        scores.sum(), image, retain_graph=True, materialize_grads=True
    )
    return gradient.abs().flatten(1).amax(1).cpu().double()
