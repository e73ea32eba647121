"""The three answers that a summary begins with: at most three short sentences each."""

from collections.abc import Sequence

from prober.findings.behavior import NOISE_LOSS, Behavior, ColorChange, Shortcut
from prober.report.markdown import plain
from prober.report.probed import NAMED_LAYERS, Probed, flagged
from prober.report.tables import with_interval
from prober.report.words import changed_words, counted, joined, order_words, percent, unit_words

MOSTLY, PARTLY = 0.5, 0.2
"""Color makes up so much of what excites the units of a layer, in the mean, if they go by it mostly
or in part."""

RGB = ("red", "green", "blue")

NAMED_REAL = 3
"""Layers that are named of those which go mostly by the hue on real images."""

NAMED_SEVERAL = 2
"""Units that are named of those which may want several colors."""

CLEAR_CONFIDENCE = 0.8
"""The least confidence of a clear example."""


def color_answer(probed: Probed) -> str:
    """Answers which layers focus on color, by what color makes up of what excites their units."""
    channels = probed.record.subject.input_shape[0]
    if channels == 1:
        return "None can: the input has one channel, so there is no color in it."
    if channels != 3:
        return f"Not examined: the input has {channels} channels, not red, green and blue."
    if mix := probed.record.subject.mix:
        parts = joined([f"{part:.2f} {name}" for part, name in zip(mix, RGB, strict=True)])
        return f"None can: the CNN sees its input as one gray, {parts}."
    shares = _color_shares(probed)
    if not shares:
        return _why_none(probed)
    levels = {
        "mostly": [f"**{plain(name)}**" for name, share in shares.items() if share >= MOSTLY],
        "in part": [plain(name) for name, share in shares.items() if PARTLY <= share < MOSTLY],
        "hardly": [plain(name) for name, share in shares.items() if share < PARTLY],
    }
    number = len(probed.layers)
    said = [
        f"{_layers(names, number, NAMED_LAYERS)} {how}" for how, names in levels.items() if names
    ]
    verdict, explained = ", ".join(said), probed.hue_shares
    open_ones = [plain(name) for name in probed.layers if name not in shares]
    if len(levels["hardly"]) == len(shares):
        none = "None that is known" if open_ones else "None"
        if max(explained.values(), default=0) >= MOSTLY:
            none += ", by the pictures"
        verdict = f"{none}: {verdict} {'go' if len(shares) > 1 else 'goes'} by color"
    elif len(said) == 1 and len(shares) == number > 1:  # else it begins with a layer's name
        verdict = verdict.capitalize()
    if open_ones:
        verdict += f"; of {joined(open_ones, NAMED_LAYERS)} it is not known"
    sentences = [verdict, _in_pictures(probed)]
    if explained:
        sentences.append(_on_real_images(probed))
    return ". ".join(sentences) + "."


def _layers(names: Sequence[str], number: int, most: int) -> str:
    """Names layers out of so many: `conv1 and conv2`; where these are all, `both layers`."""
    if len(names) == number > 1:
        return "both layers" if number == 2 else f"all {number} layers"
    return joined(names, most)


def _in_pictures(probed: Probed) -> str:
    """Says in which layer color makes up most of what excites the units, and how much."""
    shares, against = _color_shares(probed), probed.against
    most = max(shares, key=shares.__getitem__)
    high = percent(shares[most])
    if high != percent(min(shares.values())):
        which = f"{plain(most)}, the most"
    else:
        which = plain(most) if len(shares) == 1 else "each of them"
    said = f"Color makes up {high} of what excites {which}"
    if against and (others := _color_shares(against)):
        said += f"; in {plain(against.name)} at most {percent(max(others.values()))}"
    return said


def _on_real_images(probed: Probed) -> str:
    """Says in which layers the hue explains most of the answers to real images, and how much.

    What is said of both CNNs is of the same layers.
    """
    explained, against = probed.hue_shares, probed.against
    mostly = {name: share for name, share in explained.items() if share >= MOSTLY}
    if mostly:
        which = _layers(list(map(plain, mostly)), len(explained), NAMED_REAL)
        least = ("at least " if len(mostly) > 1 else "") + percent(min(mostly.values()))
        said = f"{which} mostly: the hue explains {least} of the answers"
    else:
        most = percent(max(explained.values()))
        said = f"the hue explains at most {most} of the answers of a layer"
    others = against.hue_shares if against else {}
    same = [others[name] for name in mostly or explained if name in others]
    if against and same:
        said += f", in {plain(against.name)} at most {percent(max(same))}"
    by_class = probed.hue_by_class_shares
    layer = max(by_class, key=by_class.__getitem__)
    if by_class[layer] >= max(PARTLY, explained[layer]):
        more = percent(by_class[layer])
        said += f" by itself; another {more} of those of {plain(layer)} in each class otherwise"
    return f"On real images {said}"


def _why_none(probed: Probed) -> str:
    """Says why it is known of no unit what it wants."""
    if not probed.has_pictures:
        return (
            "Cannot be said: the CNN cuts the gradient that pictures are made by. Where, stands "
            "under *What the pictures could not settle*."
        )
    return "Cannot be said: nothing that was tried excites any unit."


def _color_shares(probed: Probed) -> dict[str, float]:
    """Returns what color makes up of the gain of each layer's units, in the mean."""
    return {name: own["color"] for name, own in probed.shares.items()}


def shortcut_answer(probed: Probed) -> str:
    """Answers whether there is a shortcut by color, from what the CNN does with real images."""
    behavior = probed.record.behavior
    dealt = behavior is not None and behavior.color_change is not None
    if probed.record.subject.input_shape[0] == 1 and not dealt:
        sentences = ["None in color can be: the input has one channel."]
        if behavior:
            sentences.append("No brightness was found that belongs to a class.")
        sentences.append("Other shortcuts were not looked for.")
        if behavior:
            sentences.append(f"Of the real images {percent(behavior.accuracy)} are named right.")
            sentences.append(plain(order_words(behavior)))
        return " ".join(filter(None, sentences))
    if behavior is None and (data := probed.record.data) is not None:
        return (
            "Cannot be said. Whether the CNN names the real images right was not checked: they "
            f"have {data.unlike_logits}."
        )
    if behavior is None and all(logit.is_cut for logit in probed.classes):
        return "Cannot be said: no real images were given."
    if behavior is None:
        return (
            "Cannot be said. The pictures show what the logits want, not what the CNN does with "
            "real images. Those were not examined."
        )
    if behavior.shortcut == Shortcut.UNKNOWN:
        blind = probed.record.subject.mix is not None
        needs = "It needs color, but whether as a shortcut cannot be said"
        said = needs if behavior.needs_color and not blind else "Cannot be said"
        return f"{said}. {_why_unknown(behavior, probed.color_noun)}"
    verdict = {
        Shortcut.COLOR: "Yes, in",
        Shortcut.PARTLY: "In part, in",
        Shortcut.NONE: "None found in",
    }[behavior.shortcut]
    changed = _changed(behavior, probed.color_noun)
    if (explained := behavior.explained_errors) is not None:
        noun = probed.color_noun
        of_color = f"a class of that {noun}" if behavior.shared else f"that {noun}'s class"
        changed += f", and {percent(explained)} of the errors name {of_color}"
    sentences = [f"{verdict} {probed.color_noun}, the only one looked for", changed]
    for other in probed.cnns[1:]:
        if other.record.behavior and (goes := _goes(other.record.behavior)):
            sentences.append(f"The accuracy of {plain(other.name)} {goes}")
    return ". ".join(sentences) + "."


def _changed(behavior: Behavior, noun: str) -> str:
    """Says how a CNN names real images when their color is changed, which it could be."""
    words = changed_words(behavior, noun)
    said = f"{words[0].upper()}{words[1:]}, accuracy on real images {_goes(behavior)}"
    gray = behavior.accuracy_without_color
    strange = behavior.shortcut == Shortcut.UNKNOWN and behavior.hurt_by_color  # said with it
    told = behavior.explained_errors is not None or strange
    if gray is not None and behavior.lost > NOISE_LOSS and not told:
        said += f"; without color it is {percent(gray)}"
    return said


def _goes(behavior: Behavior) -> str:
    """Says how the accuracy changes with the color, as it is rounded: `falls from 100% to 20%`.

    Of what it falls to the 95% interval is told. `""` where the color could not be changed.
    """
    before, after = behavior.accuracy, behavior.accuracy_color_changed
    if after is None:
        return ""
    if percent(before) == percent(after):
        return f"stays at {percent(after)}"
    how = "falls" if after < before else "rises"
    to = with_interval(behavior, "accuracy_color_changed")
    return f"{how} from {percent(before)} to {to}"


def _why_unknown(behavior: Behavior, noun: str) -> str:
    """Says why nothing can be said of a shortcut."""
    right = f"Of the real images {percent(behavior.accuracy)} are named right"
    if behavior.accuracy_color_changed is None:
        # Without it they can be shown, so they are RGB: what is missing is a color to change.
        gray = behavior.accuracy_without_color is not None
        why = "most of them have no color" if gray else "they could not be shown in other colors"
        return f"{right}; {why}."
    if order := order_words(behavior):
        return f"{right}. {plain(order)}"
    beyond = _beyond_chance(behavior)
    if beyond < 0:
        return (
            f"{right}, fewer than by chance: the classes may be in another order than the logits."
        )
    if beyond == 0:
        return f"{right}, no better than by chance."
    if not behavior.knows_classes:
        return f"{right}, too few to tell what it goes by."
    if abs(behavior.lost) <= NOISE_LOSS and not behavior.crossed:
        return f"{right}{_though_accuracy_stays(behavior, noun)}."
    return f"{_changed(behavior, noun)}. {_though_accuracy_changes(behavior, noun)}."


def _though_accuracy_stays(behavior: Behavior, noun: str) -> str:
    """Says why nothing can be said, though the accuracy stays with other colors."""
    as_many = (
        f", about as many with {'other colors' if noun == 'color' else f'another {noun}'}, but"
    )
    if behavior.answers_otherwise:
        changed = percent(behavior.answers_changed or 0)
        others = f"{as_many} {changed} of the answers become others: it looks at {noun}"
        if behavior.color_change == ColorChange.CLASS:
            return f"{others}, but hardly names the class of that {noun}"
        return f"{others}, and no {noun} was found that belongs to a class"
    if behavior.needs_unfound_color:
        gray = f"{as_many} {percent(behavior.accuracy_without_color or 0)} without color"
        return f"{gray}: it needs color, and what of it tells a class was not found"
    return f"; {noun} tells their class in part, and that could not be changed"


def _though_accuracy_changes(behavior: Behavior, noun: str) -> str:
    """Says why nothing can be said, though the accuracy changes with the color."""
    if behavior.hurt_by_color:
        gray = percent(behavior.accuracy_without_color or 0)
        return f"Without color it is {gray}: the colors are strange to it"
    if behavior.crossed:
        return (
            f"Then classes that have a {noun} of their own are named as one of that {noun}, and no "
            f"others are: {noun} may be a part of what they are"
        )
    if behavior.names_color is None:
        return f"No {noun} was found that belongs to a class"
    return f"The errors do not name that {noun}'s class"


def _beyond_chance(behavior: Behavior) -> float:
    """Tells how far a CNN's accuracy on real images lies from what guessing gives, 0 within that.

    That is two standard deviations of the share of right guesses around their mean.
    """
    beyond, chance = behavior.accuracy - behavior.chance, behavior.chance
    within = 2 * (chance * (1 - chance) / behavior.images["accuracy"]) ** 0.5
    return beyond if abs(beyond) > within else 0.0


def polysemantic_answer(probed: Probed) -> str:
    """Answers whether there are clear examples of polysemantic units."""
    if not probed.searched:
        return _why_none(probed)
    found, units = probed.polysemantic, counted(len(probed.searched), "unit")
    colors = _several_colors(probed)
    if not found:
        none = f"no unit of {len(probed.searched):,} wants several things"
        sentences = [f"None found: {none}"]
        second = max(probed.live, key=lambda finding: finding.runner_up or 0)
        if colors:
            sentences = [f"None that is sure: {none} by its pictures", f"But {colors}"]
        elif second.runner_up:
            sentences.append(
                f"The strongest second thing, of {probed.link(second)}, reaches "
                f"{percent(second.runner_up)} of the gain; a facet needs half"
            )
        else:
            sentences.append(
                f"Each was tried from {probed.starts_tried}, which led to one color, brightness or "
                "direction; two digits, say, count as one shape"
            )
    else:
        clear = [f for f in found if not flagged(f) and (f.confidence or 0) >= CLEAR_CONFIDENCE]
        want = ("wants" if len(found) == 1 else "want") if clear else "may want"
        best = (clear or found)[0]
        which = "The clearest" if clear else "The likeliest"
        confidence = f"with at most {percent(best.confidence or 0)} confidence"
        if (best.confidence or 0) < CLEAR_CONFIDENCE:
            confidence += " (50% is a guess)"
        sentences = [
            f"{'Yes' if clear else 'None that is sure'}: {len(found)} of {units} {want} several "
            f"things, {confidence}",
            f"{which} is {probed.link(best)}: {plain(unit_words(best))}",
            *([f"Besides, {colors}"] if colors else []),
        ]
    if (against := probed.against) and against.searched:
        number = f"{len(against.polysemantic)} of {counted(len(against.searched), 'unit')}"
        sentences.append(f"In {plain(against.name)} {number} want several")
    return ". ".join(sentences) + "."


def _several_colors(probed: Probed) -> str:
    """Says which units of one facet may want several colors; `""` if none may."""
    several = probed.several_colors
    if not several:
        return ""
    named = joined([probed.link(each) for each in several], NAMED_SEVERAL)
    return (
        f"{counted(len(several), 'unit')} may want several colors ({named}): images of one hue "
        "beside grays excite in several hues, in those between less"
    )
