"""The four maxima of a unit's score: over all images, gray ones, flat ones, and flat gray ones.

What excites in a smaller set is a start in the larger one, and the gray version of what excites
among all is a start among the gray ones, so that the maxima are nested: B <= G <= A, B <= F <= A.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional as F

from prober.findings.box_ascent import climb, climb_by_adam
from prober.findings.cut_cnn import CutCNN
from prober.findings.finding import Shares
from prober.findings.kinds import shares_of
from prober.findings.search_starts import choose_starts
from prober.findings.survey import Survey
from prober.findings.units import Unit
from prober.findings.windows import Window
from prober.subject import Subject
from prober.sweep.on_cores import on_cores

NUMBER_OF_GRAYS = 129
"""Flat grays that are tried, evenly from black to white."""

FLAT_LAST_STEP = 1e-4
"""Length of the last step of flat fields."""

KNOWN_FIRST_STEP = 0.3
"""Length of the first step from an image that is known to excite the unit."""

NOISE_FIRST_STEP = 4.0
"""Length of the first step from noise: every pixel goes to a bound."""

KICKED = 0.3
"""The share of the pixels that a kick draws anew. Of 16 units of Bahng's SimpleConvNet the best
gray image gains 2 % in the mean by kicks, 24 % at most; four times as many starts from noise gain
half of that, in nine times the time. With half or a fifth of the pixels it gains less."""

NARROW_FROM = 1e8
"""Floating-point operations of one forward pass from which on the search is narrower."""

UNITS_AT_ONCE = 16
"""Units that are searched together; processes share the work by them."""

CUT_ERROR = 1e-3
"""What cutting may change of a maximum, as a share of the gain; else whole images are searched."""

FELL_SHORT = 0.03
"""By what share of the gain Adam must go further than the gradient's sign; else that has found what
there is, to within what changes no word."""

BESIDE = 1 / 64
"""How much darker and lighter flat images are by whose scores a spike is told from a hill."""

SETTLED = 0.05
"""By how much a share may differ between two halves of the search. Measured on 353 units of four
CNNs: at most 0.04."""


@dataclass(frozen=True)
class Breadth:
    """How far and wide is searched; by default, where a forward pass costs little.

    Attributes:
        noises: Starts of uniform noise, an even number; the same for every unit.
        steps: From each of them; the worse half of them is left half way.
        kicks: How often what is best is thrown off its peak, and climbs again.
        kicked: In how many ways at once.
        kick_steps: How long each climbs.
        colors: Flat colors that are tried: a lattice in the cube, of RGB 13 along each axis.
        peaks: The best of them for each unit, from which is climbed.
        flat_steps: From each of these.
        within_steps: Steps of Adam from what is best.
        local_steps: Steps from an image at hand to the maxima near it.
    """

    noises: int = 12
    steps: int = 150
    kicks: int = 6
    kicked: int = 4
    kick_steps: int = 40
    colors: int = 2197
    peaks: int = 8
    flat_steps: int = 30
    within_steps: int = 300
    local_steps: int = 30


WIDE = Breadth()
NARROW = Breadth(
    noises=4,
    steps=60,
    kicks=2,
    kicked=2,
    kick_steps=20,
    colors=729,
    peaks=4,
    flat_steps=15,
    within_steps=60,
    local_steps=10,
)
"""What is done where a forward pass is costly: shares then lie within 0.007 of the wide search."""


@dataclass(frozen=True)
class FourMaxima:
    """The maxima of U units of one layer, or of one unit, without the dimension U.

    Attributes:
        neutral: `[U]`, the scores of mid gray.
        scores: `[U, 4]`, for each of `IMAGE_SETS` the largest.
        images: For each of `IMAGE_SETS` `[U, C, H, W]` in [0, 1], the images that have them; mid
            gray where the neuron does not look, but flat ones have one color all over.
        halves: `[2, U, 4]`, what two halves of the search found that share no noise. Flat images
            are searched once.
        beside: `[U, 4]`, the scores, but of flat images the lowest of their own and of those a
            little darker and lighter; not below mid gray's.
    """

    neutral: Tensor
    scores: Tensor
    images: tuple[Tensor, ...]
    halves: Tensor
    beside: Tensor

    @property
    def gain(self) -> Tensor:
        """`[U]`, how far the scores go from mid gray's."""
        return self.scores[..., 0] - self.neutral

    @property
    def shares(self) -> Tensor:
        """`[U, 4]`, see `kinds.shares_of`."""
        return shares_of(self.neutral, self.scores)

    @property
    def known_shares(self) -> Shares | None:
        """Those of one unit; None where nothing excites it more than mid gray does."""
        shares = self.shares
        return Shares(*shares.tolist()) if shares.isfinite().all() else None

    @property
    def settled(self) -> Tensor:
        """`[U]`, whether both halves of the search say the same of what the gain is due to.

        Words rest on shares, so they, not the scores, have to stay.
        """
        one, other = shares_of(self.neutral, self.halves)[..., :3]
        return (one - other).abs().amax(-1) <= SETTLED

    @property
    def near_zero(self) -> Tensor:
        """`[U]`, whether mid gray's score lies no farther from 0 than the gain goes.

        bfloat16 rounds to a 256th of a score, which then is little of the gain.
        """
        return self.neutral.abs() <= self.gain

    def or_better(self, image: Tensor, score: Tensor) -> "FourMaxima":
        """Returns those of one unit with another image `[C, H, W]` where that excites it more.

        It may be gray, as all are of one channel, or flat, as all are of one pixel.
        """
        gray, flat = image.equal(image[:1].expand_as(image)), (image == image[:, :1, :1]).all()
        belongs = torch.tensor([True, gray, flat, gray and flat])
        better = belongs & (score > self.scores)
        return replace(
            self,
            scores=self.scores.where(~better, score.to(self.scores)),
            beside=self.beside.where(~better, score.to(self.beside)),
            images=tuple(
                image if is_better else own
                for own, is_better in zip(self.images, better.tolist(), strict=True)
            ),
        )

    def of(self, number: int) -> "FourMaxima":
        """Returns those of one unit."""
        return FourMaxima(
            self.neutral[number],
            self.scores[number],
            tuple(images[number] for images in self.images),
            self.halves[:, number],
            self.beside[number],
        )


def find_maxima(
    subject: Subject,
    layer: str,
    channels: Sequence[int],
    window: Window,
    known: Tensor | None = None,
    half: bool = False,
) -> FourMaxima:
    """Looks for the four maxima of units of one layer.

    Flat images are tried on a lattice and the best of them climbed from. Gray ones start from noise
    and the best flat gray; images of any kind also from the best gray and the best flat one.

    Args:
        subject: The CNN under study.
        layer: The layer.
        channels: U channels of it.
        window: Where its neuron looks.
        known: `[K, C, H, W]` in [0, 1], images that are known to excite one of the units.
        half: Whether bfloat16 may lead the search, where it rounds to little of the gain; what the
            scores are is not computed in it.
    """
    cut = CutCNN(subject, layer, window, half=half)
    breadth = breadth_for(cut, channels[0])
    whole = CutCNN(subject, layer, window, whole=True, half=half)
    if known is None:
        known = torch.zeros(0, *subject.input_shape)
    found = _search(cut, channels, breadth, cut.crop(known))
    rescored = _rescored(whole, channels, found)
    # The cut was checked with noise. Should it differ elsewhere, the whole image does not.
    gain = rescored.gain.clamp_min(1e-12)
    if half and not rescored.near_zero.all():
        return find_maxima(subject, layer, channels, window, known)
    if ((rescored.scores - found.scores).abs() > CUT_ERROR * gain[:, None]).any():
        rescored = _rescored(whole, channels, _search(whole, channels, breadth, known))
    return rescored


def maxima_of_live_units(survey: Survey, cores: int) -> dict[Unit, FourMaxima]:
    """Looks for the four maxima of every unit that is not dead.

    Where that does not settle, no noise and no flat color moving a unit, say, the search is made
    again from the images that moved it in the survey.

    Args:
        survey: What units answer to images that are at hand.
        cores: How many processes may share the work.
    """

    def of_units(units: list[Unit]) -> dict[Unit, FourMaxima]:
        channels = [unit.channel for unit in units]
        window = survey.window(units[0])
        maxima = find_maxima(survey.subject, units[0].layer, channels, window, half=survey.half)
        return {
            unit: maxima.of(i) if settled else _from_what_moves(survey, unit)
            for i, (unit, settled) in enumerate(zip(units, maxima.settled, strict=True))
        }

    pieces = on_cores(of_units, survey.live(UNITS_AT_ONCE), cores)
    return {unit: maxima for own in pieces for unit, maxima in own.items()}


def _from_what_moves(survey: Survey, unit: Unit) -> FourMaxima:
    """Looks for the maxima of a unit from flat, striped and real images and others' pictures."""
    (starts,) = choose_starts(survey, [unit])
    images = [start.image for start in starts]
    images += [survey.awakened[unit]] if unit in survey.awakened else []
    window, known = survey.window(unit), torch.stack(images)
    maxima = find_maxima(
        survey.subject, unit.layer, [unit.channel], window, known=known, half=survey.half
    )
    return maxima.of(0)


@lru_cache(1)  # more would keep the copies of the CNN that are done with
def breadth_for(cnn: CutCNN, channel: int) -> Breadth:
    """Chooses how far and wide to search, by the cost of a forward pass to a channel."""
    return NARROW if cnn.operations(channel) > NARROW_FROM else WIDE


def _rescored(whole: CutCNN, channels: Sequence[int], found: FourMaxima) -> FourMaxima:
    """Takes the scores from whole images that went through the whole CNN."""

    def of(images: Tensor) -> Tensor:
        return whole.scores(images, channels).diagonal()

    neutral = _mid_gray(whole, channels)
    scores = nested(torch.stack([of(images) for images in found.images], 1))
    beside = scores.clone()
    for column in (2, 3):
        for step in (-BESIDE, BESIDE):
            near = torch.maximum(of((found.images[column] + step).clamp(0, 1)), neutral)
            beside[:, column] = torch.minimum(beside[:, column], near)
    return replace(found, neutral=neutral, scores=scores, beside=nested(beside))


def _mid_gray(cnn: CutCNN, channels: Sequence[int]) -> Tensor:
    return cnn.scores(torch.full((1, 1, 1, 1), 0.5), channels)[0]


def nested(scores: Tensor) -> Tensor:
    """Makes `[..., 4]` what they are but for rounding: nested."""
    most, gray, flat, both = scores.unbind(-1)
    gray, flat = torch.maximum(gray, both), torch.maximum(flat, both)
    return torch.stack([torch.maximum(most, torch.maximum(gray, flat)), gray, flat, both], -1)


Best = tuple[Tensor, Tensor]
"""For U units their best scores `[U]` and the fields that had them `[U, c, h, w]`."""


def _search(cnn: CutCNN, channels: Sequence[int], breadth: Breadth, known: Tensor) -> FourMaxima:
    colors, neutral = cnn.shape[0], _mid_gray(cnn, channels)
    flat_gray = _flat(cnn, channels, 1, NUMBER_OF_GRAYS, breadth)
    flat = _better(_flat(cnn, channels, colors, breadth.colors, breadth), flat_gray)
    gray, half_gray = _wide(cnn, channels, 1, [flat_gray], breadth, known.mean(1, keepdim=True))
    most, half_most = _wide(cnn, channels, colors, [gray, flat], breadth, known)
    colorless = most[1].mean(1, keepdim=True)
    back = climb(cnn, colorless, torch.tensor(channels), KNOWN_FIRST_STEP, breadth.steps)
    gray = _within(cnn, channels, _better(gray, back), most[0] - neutral, breadth)
    most = _within(cnn, channels, most, most[0] - neutral, breadth)
    best = (_better(most, gray), gray, flat, flat_gray)
    halves = [half_most, half_gray, *(score.expand(2, -1) for score in (flat[0], flat_gray[0]))]
    scores = torch.stack([score for score, _ in best], 1)
    return FourMaxima(
        neutral=neutral,
        scores=scores,
        beside=scores,
        images=tuple(cnn.embedded(fields) for _, fields in best),
        halves=nested(torch.stack(halves, -1)),
    )


def _within(
    cnn: CutCNN, channels: Sequence[int], best: Best, gain: Tensor, breadth: Breadth
) -> Best:
    """Goes on by Adam, where signs fall short: one field for each unit, with the units' gain."""
    short = FELL_SHORT * gain
    score, fields = climb_by_adam(
        cnn, best[1], torch.tensor(channels), breadth.within_steps, soon=best[0] + short / 3
    )
    return _better(best, (score.where(score > best[0] + short, -torch.inf), fields))


def _better(one: Best, other: Best) -> Best:
    """The better of two findings for each unit."""
    better = (other[0] > one[0])[:, None, None, None]
    return torch.maximum(one[0], other[0]), torch.where(better, other[1], one[1])


def _flat(cnn: CutCNN, channels: Sequence[int], colors: int, most: int, breadth: Breadth) -> Best:
    """Searches flat fields, gray (`colors` = 1) or of any color.

    Of the points of a lattice that score no less than those around them the best are climbed from.
    A score that is linear in pieces has other pieces between two points, so the first step is as
    long as they lie apart.
    """
    points = round(most ** (1 / colors))
    is_lattice = points >= 3
    if is_lattice:
        spacing = 1 / (points - 1)
        axis = torch.linspace(0, 1, points)
        tried = torch.cartesian_prod(*[axis] * colors).view(-1, colors, 1, 1)
    else:  # too many axes for one: random colors, half of them corners
        spacing = 0.5
        tried = torch.rand(most, colors, 1, 1, generator=torch.Generator().manual_seed(0))
        tried[::2] = tried[::2].round()
    with cnn.roughly():
        scores = cnn.scores(tried, channels)
    if is_lattice:
        scores = torch.where(_are_peaks(scores, points, colors), scores, -torch.inf)
    chosen = scores.topk(min(breadth.peaks, len(tried)), 0).indices.T  # [U, peaks]
    of_units = torch.tensor(channels).repeat_interleave(chosen.shape[1])
    score, best = climb(
        cnn, tried[chosen.flatten()], of_units, spacing, breadth.flat_steps, last=FLAT_LAST_STEP
    )
    return _best_of_each(score.view(chosen.shape), best.view(*chosen.shape, *best.shape[1:]))


def _are_peaks(scores: Tensor, points: int, axes: int) -> Tensor:
    """Tells which points `[points ** axes, U]` of a lattice score no less than their neighbors."""
    around = scores.T.reshape(-1, *[points] * axes)
    for axis in range(1, axes + 1):
        lines = around.movedim(axis, -1)
        pooled = F.max_pool1d(lines.reshape(-1, 1, points), 3, 1, 1)
        around = pooled.view(lines.shape).movedim(-1, axis)
    return scores >= around.reshape(scores.T.shape).T


def _wide(
    cnn: CutCNN,
    channels: Sequence[int],
    colors: int,
    within: Sequence[Best],
    breadth: Breadth,
    known: Tensor,
) -> tuple[Best, Tensor]:
    """Searches fields with a shape, gray (`colors` = 1) or of any colors.

    Args:
        cnn: What scores them.
        channels: U channels.
        colors: Of the fields.
        within: The maxima of the sets within.
        breadth: How far and wide.
        known: `[K, colors, h, w]`, what is known to excite one of the units.

    Returns:
        What is best, and the best scores from each half of the noise and all that is known,
        `[2, U]`.
    """
    units, size = len(channels), (colors, *cnn.shape[1:])
    generator = torch.Generator().manual_seed(colors)
    noise = torch.rand(breadth.noises, *size, generator=generator)
    others = [fields.expand(-1, *size)[:, None] for _, fields in within]
    others.append(known.expand(units, *known.shape))
    starts = torch.cat([noise.expand(units, *noise.shape), *others], 1)
    first = torch.full(starts.shape[:2], KNOWN_FIRST_STEP)
    first[:, : breadth.noises] = NOISE_FIRST_STEP
    of_units = torch.tensor(channels).repeat_interleave(starts.shape[1])

    def choose(scores: Tensor) -> Tensor:
        """All but the worse half of the starts from noise, of each of its two halves."""
        going = torch.ones(starts.shape[:2], dtype=torch.bool)
        halves = scores.view(units, -1)[:, : breadth.noises].view(units, 2, -1)
        worse = halves.topk(breadth.noises // 4, 2, largest=False).indices
        going[:, : breadth.noises].view(units, 2, -1).scatter_(2, worse, False)
        return going.flatten().nonzero()[:, 0]

    score, best = climb(
        cnn, starts.flatten(0, 1), of_units, first.flatten(), breadth.steps, choose=choose
    )
    score = score.view(units, -1)
    found = _best_of_each(score, best.view(*score.shape, *size))
    for smaller in within:
        found = _better(found, smaller)
    halves = score[:, : breadth.noises].view(units, 2, -1).amax(2)
    if len(known):
        halves = torch.maximum(halves, score[:, -len(known) :].amax(1, keepdim=True))
    return _kicked(cnn, channels, found, breadth, generator), halves.T


def _kicked(
    cnn: CutCNN, channels: Sequence[int], found: Best, breadth: Breadth, generator: torch.Generator
) -> Best:
    """Throws the best fields off their peaks by drawing some pixels anew, and climbs again.

    Iterated local search (Lourenco, Martin and Stutzle, "Iterated local search", 2003): where many
    pixels have to agree, a better peak is nearer to a good one than to noise. What is drawn is the
    same for all units.
    """
    number = breadth.kicked
    of_units = torch.tensor(channels).repeat_interleave(number)
    for _ in range(breadth.kicks):
        fields = found[1]
        size = number, *fields.shape[1:]
        drawn, where = (torch.rand(size, generator=generator) for _ in range(2))
        kicked = torch.where(where < KICKED, drawn, fields[:, None]).flatten(0, 1)
        score, best = climb(cnn, kicked, of_units, KNOWN_FIRST_STEP, breadth.kick_steps)
        own = _best_of_each(score.view(-1, number), best.view(-1, *size))
        found = _better(found, own)
    return found


def _best_of_each(scores: Tensor, fields: Tensor) -> Best:
    """The best of K fields `[U, K, c, h, w]` with scores `[U, K]` for each of U units."""
    best = scores.max(1)
    return best.values, fields[torch.arange(len(fields)), best.indices]
