"""The pictures of the four maxima: what is left when color, shape or both are taken away."""

from prober.findings.finding import Maxima, Maximum, ScoreRange
from prober.findings.kinds import IMAGE_SETS
from prober.findings.maxima import FourMaxima
from prober.findings.picture_folder import PictureFolder
from prober.findings.windows import Window


def draw_maxima(found: FourMaxima, window: Window, folder: PictureFolder) -> Maxima:
    """Writes the pictures of a unit's maxima, cropped to what its neuron sees.

    Args:
        found: The maxima of one unit.
        window: Where it looks.
        folder: Where its pictures are written.
    """
    most = ScoreRange(found.neutral.item(), found.scores[0].item())
    drawn = {}
    for name, score, image in zip(IMAGE_SETS, found.scores.tolist(), found.images, strict=True):
        path = folder.draw(f"best_{name}.png", window.crop(image))
        drawn[name] = Maximum(score, most.share(score), path)
    return Maxima(**drawn, level=window.crop(found.images[-1]).mean().item())
