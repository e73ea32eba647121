"""The pictures of the four maxima: what is left when color, shape or both are taken away."""

from prober.findings.finding import Maxima, Maximum
from prober.findings.found_facets import Found
from prober.findings.kinds import IMAGE_SETS
from prober.findings.picture_folder import PictureFolder
from prober.findings.windows import Window


def draw_maxima(found: Found, window: Window, folder: PictureFolder) -> Maxima:
    """Writes the pictures of a unit's maxima, cropped to what its neuron sees.

    Args:
        found: What the search has found of the unit.
        window: Where it looks.
        folder: Where its pictures are written.
    """
    scores, images, drawn = found.maxima.scores.tolist(), found.maxima.images, {}
    for name, score, image in zip(IMAGE_SETS, scores, images, strict=True):
        path = folder.draw(f"best_{name}.png", window.crop(image))
        drawn[name] = Maximum(score, found.score.share(score), path)
    return Maxima(**drawn, level=window.crop(images[-1]).mean().item())
