"""CNNs whose units are known by construction: the only test of what is claimed about a unit.

    planted = plant(3)
    planted.cnn, planted.layers, planted.input_shape, planted.mean, planted.std
    planted.units[0].kinds, planted.units[0].facets[0].hue, planted.units[0].recipe

In a YAML file the same CNN is `tests.planted.PlantedCNN` with `init_args: {seed: 3}`; no
checkpoint is needed, its weights follow from the seed. `STYLES` are the ways in which a whole CNN
is put together; eight seeds in a row are of eight styles. Within a CNN the units are put together
by different recipes. Seeds below 100 are for setting thresholds, those from 100 on for the figures.

Nothing here comes from the code that is tested. Where the construction alone does not say what is
true, it is computed from the isolated detector:

- Most detectors are linear in the image. The largest value over all images in [0, 1] is then the
  sum of the positive weights, and the largest value that two of them reach together follows from
  minimax in one dimension. So thresholds, ties and impossibilities are exact.
- A hue is the phase of the first harmonic of the response to flat patches of all hues, s = v = 1.
- An orientation is the axial mean over antialiased bars of all angles, the best width and offset
  at each. It is counterclockwise from the horizontal, while the rows of an image run downward.

What could be disputed is drawn again, or kept in `Planted.disputable`, which is never scored:

- Two hues are at least 75 degrees apart. Closer ones peak at the same corner of the color cube or
  at neighboring ones, so one would rather speak of one broad range of hues. Two strokes are at
  least 35 degrees apart, for bars of the angles between would excite both.
- Whatever the distance, the response falls by at least 15 % between the two optima of a maximum:
  on the straight line between them, and on the way by turning the hue or the bar.
- A sum of two things that one image may have at once is no "either ... or". Sums count as a maximum
  only where no image reaches both thresholds.
- Not scored: a saturating sum of two things, a stroke of either contrast, and a linear stroke of
  one color on its opposite.
"""

from tests.planted.cnn import STYLES, PlantedCNN, plant
from tests.planted.truth import Facet, Planted, Unit

__all__ = ["STYLES", "Facet", "Planted", "PlantedCNN", "Unit", "plant"]
