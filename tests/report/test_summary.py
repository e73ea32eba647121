import colorsys
import html
import re
from collections import Counter
from dataclasses import replace
from urllib.parse import unquote

import markdown
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prober.findings.behavior import ColorChange, Shortcut
from prober.findings.finding import (
    ClassEvidence,
    ClassLogit,
    Examples,
    Kind,
    Maxima,
    Maximum,
    RealEvidence,
    Shares,
    SingleHue,
    UsedShares,
    Variance,
)
from prober.report.markdown import plain
from prober.report.probed import Probed
from prober.report.summary import write_summary
from prober.report.words import (
    facet_words,
    hue_name,
    joined,
    orientation_words,
    percent,
    thing,
    unit_sentence,
    unit_words,
)
from tests.report.reports import EVIDENCE, GUESSING, HONEST, SHORTCUT, facet, finding, record, write

LOGIT = ClassLogit(own=9.0, color_changed=1.0, shape_changed=7.0, both_changed=-3.0)
NO_EXAMPLES = Examples("", (4, 6), ())


def real(of_class=None, variance=None):
    """What real images say of a unit, without a table and examples."""
    return RealEvidence(None, (), (), (), variance, of_class, NO_EXAMPLES)


def in_class(label, hue, flat_hue=None, **logit):
    return real(ClassEvidence(label, hue, None, flat_hue, replace(LOGIT, **logit), None))


def summary(folder, units, against=None, against_report=None, **given):
    """Writes a report's files and its summary, and returns the summary."""
    places = [(folder, units, given)]
    if against is not None:
        places.append((folder / "against", against, against_report or {}))
    for place, findings, settings in places:
        write(place, findings, record(findings, **settings))
        for path in (path for each in findings for f in each.facets for path in f.pictures):
            (place / path).parent.mkdir(parents=True, exist_ok=True)
            (place / path).write_bytes(b"a picture")
    file = write_summary(folder)
    assert file == folder / "SUMMARY.md"
    return file.read_text(encoding="utf-8")


def answers(text):
    """The three answers in the first lines."""
    lines = [line for line in text.splitlines() if re.match(r"\d\. ", line)]
    starts = [
        "1. **Which layers focus on color?** ",
        "2. **Is there evidence of shortcut learning?** ",
        "3. **Are there clear examples of polysemantic units?** ",
    ]
    for line, start in zip(lines, starts, strict=True):
        assert line.startswith(start)
    return [line.removeprefix(start) for line, start in zip(lines, starts, strict=True)]


def without_links(text):
    return re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", text)


def tables(text):
    """The tables as lists of rows of cells."""
    blocks = re.findall(r"(?:^\|.*\n)+", text, re.M)
    return [
        [re.split(r"(?<!\\)\|", line)[1:-1] for line in block.splitlines() if "---" not in line]
        for block in blocks
    ]


def table(text, *columns):
    """The one table that has these columns."""
    stripped = [[[cell.strip() for cell in row] for row in each] for each in tables(text)]
    (found,) = (each for each in stripped if set(columns) <= set(each[0]))
    return found


def colors(layer, wants, others=0):
    """Some units that want red, and some that want upright strokes."""
    wanting = [finding(layer, i, facet("color", 0.0)) for i in range(wants)]
    return wanting + [finding(layer, wants + i, facet("shape", None, 90.0)) for i in range(others)]


def logits(hues, **kwargs):
    """Logits of the ten classes, each with a hue or None; class k's own hue is 36 * k degrees."""
    return [
        finding(
            "logits",
            k,
            facet("shape" if hue is None else "color", hue, 90.0 if hue is None else None),
            data=in_class(str(k), 36.0 * k, hue, **kwargs),
        )
        for k, hue in enumerate(hues)
    ]


def test_what_the_hue_explains_is_a_mean_over_live_units(tmp_path):
    def shares(*of_units):
        return [
            finding(
                "conv", i, facet("color", 0.0), data=real(variance=Variance(share, 0, 0, 1 - share))
            )
            for i, share in enumerate(of_units)
        ]

    units = [*shares(0.9, 0.5), finding("conv", 2, data=real())]
    text = summary(tmp_path, units, against=shares(0.2, 0.3), against_report={"name": "CNN (b)"})
    assert table(text, "layer", "a: due to the hue") == [
        ["layer", "a: due to the hue", "b: due to the hue"],
        ["**conv**", "70%", "25%"],
    ]
    assert "due to the hue" not in summary(tmp_path / "none", [finding("conv", 2, data=real())])


# Words


def test_hues_are_named_as_rgb_has_them():
    names = {
        "red": (1, 0, 0),
        "yellow": (1, 1, 0),
        "green": (0, 1, 0),
        "cyan": (0, 1, 1),
        "blue": (0, 0, 1),
        "magenta": (1, 0, 1),
        "orange": (1, 0.5, 0),
        "violet": (0.5, 0, 1),
        "pink": (1, 0, 0.5),
    }
    for name, rgb in names.items():
        degrees = 360 * colorsys.rgb_to_hsv(*rgb)[0]
        for turn in (-360, -14, 0, 14, 360):
            assert hue_name(degrees + turn) == name
    assert len({hue_name(36.0 * k) for k in range(10)}) == 10
    assert orientation_words(177) == "horizontal (177°)"
    assert orientation_words(225) == "rising (45°)"


def test_what_is_not_all_is_not_said_to_be_all():
    said = [percent(share) for share in (0, 0.004, 0.5, 0.996, 0.9996, 1, 2e-5)]
    assert said == ["0%", "0.4%", "50%", "99.6%", "99.96%", "100%", "0.002%"]
    assert [percent(share) for share in (-1e-9, 1e-9, 1 - 1e-9)] == ["0%", "0%", "100%"]


def test_lists_are_said_as_in_a_sentence():
    assert [joined(list("abcd")[:n]) for n in range(4)] == ["", "a", "a and b", "a, b and c"]
    assert joined(list("abcd"), 2) == "a, b and 2 more"


@pytest.mark.parametrize(
    ("hue", "flat_hue", "color", "interaction", "said"),
    [
        (None, 245.0, 0.2, 0.0, "a blue shape"),
        (None, 245.0, 0.2, 0.4, "a blue shape"),  # flat blue adds nothing, but the class is blue
        (
            None,
            120.0,
            0.2,
            0.1,
            "a shape",
        ),  # flat green adds 0.15 of the gain, but not to blue ones
        (None, 245.0, 0.09, 0.0, "a shape"),  # color counts for too little
        (120.0, 245.0, 0.3, 0.6, "a blue shape"),  # whatever its one optimum would rather have
        (120.0, 200.0, 0.3, 0.6, "a green shape"),
        (None, None, 0.3, 0.0, "a shape"),
        (None, 230.0, 0.2, 0.0, "a blue shape"),  # sky blue, but near the class's own
    ],
)
def test_the_logit_of_a_class_wants_a_whole_shape(hue, flat_hue, color, interaction, said):
    own = replace(facet("shape", hue, 174.0), shares=Shares(color, 0.9 - color, 0.1, interaction))
    logit = finding("logits", 7, own, data=in_class("7", 245.0, flat_hue))
    assert thing(logit, own) == said
    assert facet_words(logit, own) == ("shape" if said == "a shape" else f"shape: {said}")
    assert unit_words(logit) == said


@pytest.mark.parametrize(
    ("kind", "own_hue", "interaction", "said"),
    [
        ("shape", None, 0.1, "a green shape"),  # flat green adds 0.15 of the gain
        ("shape", None, 0.3, "a shape"),  # 0.05
        ("color+shape", 245.0, 0.1, "a green shape"),
        ("color+shape", 245.0, 0.3, "a shape in color"),
    ],
)
def test_a_flat_color_is_that_of_a_logit_where_it_counts(kind, own_hue, interaction, said):
    own = replace(facet(kind), shares=Shares(0.2, 0.7, 0.1, interaction))
    logit = finding("logits", 7, own, data=in_class("7", own_hue, 120.0))
    assert thing(logit, own) == said


@pytest.mark.parametrize(
    ("own_hue", "in_yellow", "said"),
    [
        (245.0, 1.4, "a shape in color"),  # of a way from -1 to 4, that is 0.48
        (245.0, 1.6, "a yellow shape"),
        (245.0, None, "a yellow shape"),
        (None, 1.4, "a yellow shape"),
        (50.0, 1.4, "a yellow shape"),  # its own, whatever its images say
    ],
)
def test_a_class_is_not_said_with_a_color_that_its_own_images_deny(own_hue, in_yellow, said):
    own = replace(facet("color+shape", 60.0), shares=Shares(0.5, 0.5, 0.0, 0.0))
    known = ClassEvidence("7", own_hue, None, None, None, None)
    rows = ((9.0, 9.0, 9.0, 9.0), (-1.0, in_yellow, 4.0, 8.0))
    columns = (0.0, 63.0, 240.0, None)  # the last one gray
    colors = ((1.0, 0.0, 0.0), (1.0, 1.0, 0.0), (0.0, 0.0, 1.0), (0.5, 0.5, 0.5))
    data = RealEvidence(rows, ("3", "7"), columns, colors, None, known, NO_EXAMPLES)
    assert thing(finding("logits", 7, own, data=data), own) == said


def test_of_two_colors_of_one_hue_the_stronger_one_denies():
    """Red and dark red: yellow is compared with red, which raises the logit most."""
    own = replace(facet("color+shape", 60.0), shares=Shares(0.5, 0.5, 0.0, 0.0))
    known = ClassEvidence("7", 0.0, (1.0, 0.0, 0.0), None, None, None)
    colors = ((1.0, 0.0, 0.0), (0.3, 0.0, 0.0), (1.0, 1.0, 0.0), (0.0, 0.0, 1.0))
    row = ((8.0, 2.0, 2.5, -1.0),)
    data = RealEvidence(row, ("7",), (0.0, 0.0, 60.0, 240.0), colors, None, known, NO_EXAMPLES)
    assert thing(finding("logits", 7, own, data=data), own) == "a shape in color"


@pytest.mark.parametrize(("flat_hue", "said"), [(245.0, "blue"), (120.0, "sky blue")])
def test_a_class_of_color_alone_is_said_with_its_own_where_flat_ones_say_so(flat_hue, said):
    own = replace(facet("color", 200.0 + 9.0), shares=Shares(0.9, 0.1, 0.0, 0.0))
    logit = finding("logits", 7, own, data=in_class("7", 245.0, flat_hue))
    assert thing(logit, own) == said


@pytest.mark.parametrize(("color", "said"), [(0.001, "a shape"), (0.3, "a blue shape")])
def test_the_logit_of_a_class_that_goes_by_no_color_has_none(color, said):
    own = replace(facet("shape"), shares=Shares(0.2, 0.7, 0.1, 0.0))
    known = ClassEvidence("7", None, None, 245.0, None, UsedShares(color, 1 - color))
    assert thing(finding("logits", 7, own, data=real(known)), own) == said


@pytest.mark.parametrize(
    ("hue", "gray", "noun"),
    [(0.01, 0.97, "brightness"), (0.3, 0.97, "color"), (0.01, 0.6, "color")],
)
def test_what_a_cnn_sees_of_colors_may_be_their_brightness(tmp_path, hue, gray, noun):
    """It names the classes as well in gray, and the hue explains nothing."""
    units = [finding("conv", 0, facet("shape"), data=real(variance=Variance(hue, 0.5, 0.4, 0.1)))]
    found = replace(SHORTCUT, accuracy_without_color=gray)
    assert answers(summary(tmp_path, units, behavior=found))[1].startswith(f"Yes, in {noun}, the ")
    other = replace(found, accuracy_color_changed=0.98, shortcut=Shortcut.NONE)
    none = answers(summary(tmp_path / "none", units, behavior=other))[1]
    assert none.startswith("None found in color, the ")


@pytest.mark.parametrize(("gray", "noun"), [(0.98, "brightness"), (0.95, "color")])
def test_gray_loses_far_less_than_other_colors_where_it_is_their_brightness(tmp_path, gray, noun):
    units = [finding("conv", 0, facet("shape"), data=real(variance=Variance(0.01, 0.5, 0.4, 0.1)))]
    found = replace(SHORTCUT, accuracy_color_changed=0.92, accuracy_without_color=gray)
    found = replace(found, names_color=0.03, shortcut=Shortcut.PARTLY)
    said = answers(summary(tmp_path, units, behavior=found))[1]
    assert said.startswith(f"In part, in {noun}, the only one looked for.")


@pytest.mark.parametrize(("lost", "noun"), [(0.1, "brightness"), (0.04, "color")])
def test_brightness_may_be_what_matters_though_no_class_has_one(tmp_path, lost, noun):
    units = [finding("conv", 0, facet("shape"), data=real(variance=Variance(0.01, 0.5, 0.4, 0.1)))]
    found = replace(SHORTCUT, accuracy_color_changed=0.99 - lost, accuracy_without_color=0.98)
    found = replace(found, names_color=None, shortcut=Shortcut.UNKNOWN)
    found = replace(found, color_change=ColorChange.IMAGE)
    summary(tmp_path, units, behavior=found)
    assert Probed.load(tmp_path).color_noun == noun


def test_that_the_hue_counts_in_each_class_otherwise_is_said(tmp_path):
    """As where only color and shape together tell the class."""

    def said(by_class):
        own = Variance(0.02, 0.1, 0.1, 0.78, by_class)
        return answers(
            summary(tmp_path, [finding("conv", 0, facet("shape"), data=real(None, own))])
        )

    assert (
        "the hue explains at most 2% of the answers of a layer by itself; another 70% of those of "
        "conv in each class otherwise."
    ) in said(0.7)[0]
    assert "by itself" not in said(0.1)[0]


def test_that_classes_have_several_colors_each_is_said(tmp_path):
    units = [finding("conv", 0, facet("color", 0.0))]
    given = record(units, behavior=SHORTCUT)
    data = replace(given.data, classes=("0", "1"), hues=(None, None), colors=(None, None))
    write(tmp_path, units, replace(given, data=data))
    text = write_summary(tmp_path).read_text(encoding="utf-8")
    assert (
        "\n- Colors of the classes: none has one of its own, but several that others have not.\n"
        in text
    )
    turned = replace(given.behavior, color_change=ColorChange.TURN)
    write(tmp_path, units, replace(given, data=data, behavior=turned))
    assert "Colors of the classes" not in write_summary(tmp_path).read_text(encoding="utf-8")


def test_units_that_may_want_several_colors_are_told_beside_their_pictures(tmp_path):
    """Their picture is a mix, so the search finds one thing."""
    hues = (SingleHue(180.0, 0.68), SingleHue(0.0, 0.6))
    units = [finding("conv", i, facet("color", 90.0)) for i in (0, 3)]
    units += [finding("conv", 5, facet("color+shape", 90.0, 45.0))]
    units[1:] = [
        replace(each, evidence=replace(each.evidence, several_hues=hues)) for each in units[1:]
    ]
    assert [unit_words(each) for each in units[1:]] == ["cyan or red", "a shape in cyan or red"]

    def said_of(kind, shares, hues=hues):
        own = replace(facet(kind, 90.0), shares=shares)
        unit = finding("conv", 9, own)
        evidence = replace(unit.evidence, several_hues=hues)
        return unit_words(replace(unit, evidence=evidence))

    light = said_of("color+shape", Shares(0.55, 0.05, 0.4, 0.0))
    assert light == "cyan or red and brightness"
    assert "red" not in said_of("brightness", Shares(0.3, 0.1, 0.6, 0.0))
    alike = (SingleHue(350.0, 0.7), SingleHue(10.0, 0.6))
    assert said_of("color", Shares(1.0, 0.0, 0.0, 0.0), alike) == "red (350°) or red (10°)"
    unclear = replace(units[1], kinds=(Kind.UNCLEAR,))
    assert "several colors" not in answers(summary(tmp_path / "unclear", [units[0], unclear]))[2]
    said = answers(summary(tmp_path, units))[2]
    assert said.startswith(
        "None that is sure: no unit of 3 wants several things by its pictures. But 2 units may "
        "want several colors ([conv/3]("
    )
    units.append(finding("conv", 7, facet("color", 10.0), facet("color", 200.0)))
    assert "Besides, 2 units may want several colors (" in answers(summary(tmp_path, units))[2]


def test_that_colors_are_strange_to_a_cnn_is_said_once(tmp_path):
    found = replace(SHORTCUT, accuracy=0.5, accuracy_without_color=0.7, names_color=0.1)
    found = replace(found, shortcut=Shortcut.UNKNOWN)
    said = answers(summary(tmp_path, [finding("conv", 0, facet("shape"))], behavior=found))[1]
    assert said.startswith("Cannot be said.") and said.count("70%") == 1
    assert said.endswith("Without color it is 70%: the colors are strange to it.")


def test_strokes_in_a_color_that_is_not_known_are_said_to_be_in_color():
    own = facet("color+shape", None, 45.0)
    unit = finding("conv1", 0, own)
    assert thing(unit, own) == "rising strokes in color"
    assert facet_words(unit, own) == "color+shape: strokes rising (45°) in color"


def test_words_of_facets_have_angles_only_where_they_are_asked_for():
    own = facet("color+shape", 187.0, 83.0)
    unit = finding("conv1", 0, own, facet("brightness"))
    assert facet_words(unit, own) == "color+shape: cyan (187°), strokes upright (83°)"
    assert thing(unit, own) == "cyan, upright strokes"
    assert unit_words(unit) == "cyan, upright strokes or brightness"
    eight = finding("logits", 8, facet("shape"), data=in_class("8", None))
    assert unit_words(eight) == "a shape"


def test_where_there_is_little_shape_or_color_it_is_not_named():
    def said(color, shape, hue=None):
        shares = Shares(color, shape, 1 - color - shape, 0.0)
        own = replace(facet("color+shape", hue, 0.0), shares=shares)
        return thing(finding("conv", 0, own), own), facet_words(finding("conv", 0, own), own)

    assert said(0.55, 0.02, 0.0) == ("red and brightness", "red and brightness")
    assert said(0.55, 0.02)[0] == "color and brightness"
    assert said(0.02, 0.55)[0] == "a shape and brightness"
    assert said(0.4, 0.3, 0.0)[0] == "red, horizontal strokes"
    assert said(0.49, 0.14, 0.0)[0] == "red and brightness"
    assert said(0.2, 0.48, 0.0)[0] == "red, horizontal strokes"
    assert said(0.59, 0.21, 0.0)[0] == "red, horizontal strokes"
    assert said(0.4, 0.26, 0.0)[0] == "red, horizontal strokes"


def test_facets_of_the_same_words_are_told_apart_by_their_angles():
    facets = [facet("color+shape", 122.0, angle) for angle in (159.6, 9.4)]
    said = "green, horizontal strokes at 160° or green, horizontal strokes at 9°"
    assert unit_words(finding("conv", 0, *facets)) == said
    facets = [facet("shape", None, 4.0), facet("shape", None, 90.0)]
    assert unit_words(finding("conv", 0, *facets)) == "horizontal strokes or upright strokes"


@given(st.text("ab|*_`[]<>\\& \n", max_size=12).map(lambda text: f"x{text}x"))
def test_plain_text_is_shown_letter_by_letter(text):
    shown = markdown.markdown(f"| head |\n| --- |\n| {plain(text)} |", extensions=["tables"])
    (cell,) = re.findall(r"<td>(.*)</td>", shown)
    assert html.unescape(cell) == " ".join(text.split())


# The three answers


def shared(layer, *colors):
    """Units whose gain is due to color so far, and else to shape."""
    return [
        finding(layer, i, facet("color", 0.0), shares=Shares(color, 1 - color, 0.0, 0.0))
        for i, color in enumerate(colors)
    ]


def test_layers_go_by_color_as_far_as_it_makes_up_what_excites_their_units(tmp_path):
    units = [*shared("first", 0.9, 0.5), *shared("second", 0.1, 0.3), *shared("third", 0.1)]
    units += [finding("third", 9)]  # a dead one has no shares
    assert answers(summary(tmp_path, units))[0] == (
        "**first** mostly, second in part, third hardly. Color makes up 70% of what excites first, "
        "the most."
    )


@pytest.mark.parametrize(
    ("layers", "said"),
    [
        ((0.5, 0.9), "Both layers mostly. "),
        ((0.2, 0.49), "Both layers in part. "),
        ((0.1, 0.49), "layer1 in part, layer0 hardly. "),
        ((0.3, 0.3, 0.3, 0.1), "layer0, layer1 and layer2 in part, layer3 hardly. "),
        ((0.0, 0.19), "None: both layers hardly go by color. "),
        ((0.3,), "layer0 in part. Color makes up 30% of what excites layer0."),
        ((0.1,), "None: layer0 hardly goes by color. Color makes up 10% of what excites layer0."),
        ((0.6,) * 7, "All 7 layers mostly. "),
        (
            (0.6,) * 6 + (0.1,),
            "**layer0**, **layer1**, **layer2**, **layer3** and 2 more mostly, layer6 hardly. ",
        ),
    ],
)
def test_how_far_layers_go_by_color_is_said_in_few_words(tmp_path, layers, said):
    units = [unit for i, color in enumerate(layers) for unit in shared(f"layer{i}", color)]
    assert answers(summary(tmp_path, units))[0].startswith(said)


@pytest.mark.parametrize(
    ("colors", "said"),
    [
        ((0.3,), "layer0 in part; of logits it is not known. "),
        (
            (0.1, 0.1),
            "None that is known: layer0 and layer1 hardly go by color; of logits it is not known. ",
        ),
        (
            (0.6, 0.7),
            "**layer0** and **layer1** mostly; of logits it is not known. ",
        ),
    ],
)
def test_layers_that_nothing_is_known_of_are_told(tmp_path, colors, said):
    units = [unit for i, color in enumerate(colors) for unit in shared(f"layer{i}", color)]
    units.append(finding("logits", 0, polysemantic=None, dead=False, why=("It is cut.",)))
    assert units[-1].is_cut
    assert answers(summary(tmp_path, units))[0].startswith(said)


def test_it_is_said_which_images_mean_logits_are_of(tmp_path):
    assert (
        "The mean logit of each class on real images: as they are, in the color of another class, "
        "with the shape of another class in its own color, and with both.\n"
    ) in summary(tmp_path, logits([None] * 10))


def test_the_first_answer_says_what_the_hue_explains_on_real_images(tmp_path):
    explained = {"conv1": (0.5, 0.7), "conv2": (0.1, 0.1)}  # of two units each
    units = [
        finding(layer, i, facet("shape"), data=real(variance=Variance(hue, 0.1, 0.1, 0.1)))
        for layer, hues in explained.items()
        for i, hue in enumerate(hues)
    ]
    said = answers(summary(tmp_path, units))[0]
    assert said.endswith("On real images conv1 mostly: the hue explains 60% of the answers.")
    weak = answers(summary(tmp_path, units[2:]))[0]
    assert weak.endswith("On real images the hue explains at most 10% of the answers of a layer.")
    beside = answers(summary(tmp_path, units, against=units))[0]
    assert "the hue explains 60% of the answers, in " in beside
    assert beside.endswith(" at most 60%.")  # in the same layer


def test_that_no_layer_goes_by_color_is_said_of_the_pictures_where_real_images_say_otherwise(
    tmp_path,
):
    none = Shares(0.1, 0.9, 0.0, 0.0)
    for hue, said in ((0.4, "None: "), (0.6, "None, by the pictures: ")):
        data = real(variance=Variance(hue, 0.1, 0.1, 0.1))
        units = [finding("conv", 0, facet("shape"), shares=none, data=data)]
        text = answers(summary(tmp_path / str(hue), units))[0]
        assert text.startswith(f"{said}conv hardly goes by color. ")


@pytest.mark.parametrize(
    ("level", "wants"),
    [(0.0, "dark"), (0.5, "a medium gray"), (1.0, "light"), (None, "brightness")],
)
def test_it_is_said_which_brightness_a_unit_wants(level, wants):
    maxima = Maxima(*[Maximum(2.0, 0.5, "best.png")] * 4, level)
    unit = finding("conv", 0, facet("brightness"), maxima=maxima)
    assert unit_words(unit) == wants
    assert unit_sentence(unit) == f"Wants brightness{'' if level is None else f': {wants}'}."


@pytest.mark.parametrize(
    ("color", "shape", "hue", "level", "wants"),
    [
        (0.41, 0.0, 358.0, 0.0, "red, and dark rather than gray"),
        (0.29, 0.0, None, 1.0, "color, and light rather than gray"),
        (0.0, 0.45, None, 1.0, "a shape, and light rather than gray"),
        (0.3, 0.3, 120.0, 0.0, "a green shape, and dark rather than gray"),
        (0.3, 0.3, None, 0.5, "a shape in color and a medium gray"),
        (0.41, 0.0, 358.0, None, "red and brightness"),
        (0.24, 0.24, None, 0.0, "dark"),
    ],
)
def test_color_and_shape_are_named_beside_a_brightness_that_is_not_all(
    color, shape, hue, level, wants
):
    own = replace(facet("brightness", hue), shares=Shares(color, shape, 1 - color - shape, 0.0))
    maxima = Maxima(*[Maximum(2.0, 0.5, "best.png")] * 4, level)
    unit = finding("conv", 0, own, maxima=maxima)
    assert unit_words(unit) == wants
    kind = "" if wants == "red and brightness" else "brightness: "
    assert unit_sentence(unit) == f"Wants {kind}{wants}."


@pytest.mark.parametrize(
    ("channels", "said"), [(1, "no color in it"), (5, "5 channels, not red, green and blue")]
)
def test_input_without_color(tmp_path, channels, said):
    units = [finding("conv", 0, facet("shape", None, 0.0))]
    text = summary(tmp_path, units, shape=(channels, 28, 28))
    answer = answers(text)[0]
    assert said in answer
    assert "of 1" not in answer
    said_of_bars = "The input has 5 channels: *color* is how far they differ."
    assert (said_of_bars in text) == (channels == 5)


def test_an_input_of_one_channel_leaves_no_shortcut_in_color(tmp_path):
    gray = replace(
        GUESSING,
        accuracy=0.9,
        accuracy_color_changed=None,
        accuracy_without_color=None,
        names_color=None,
        color_change=None,
    )
    units = [finding("conv", 0, facet("shape", None, 0.0))]
    text = summary(tmp_path, units, shape=(1, 28, 28), behavior=gray)
    said = "None in color can be: the input has one channel. {}Other shortcuts were not looked for."
    looked = said.format("No brightness was found that belongs to a class. ")
    assert answers(text)[1] == f"{looked} Of the real images 90% are named right."
    assert table(text, "on real images")[0] == ["on real images", "named right", "chance"]
    assert "how the figures change with the color" not in text
    dealt = record(units, behavior=SHORTCUT, shape=(1, 28, 28))
    colors = ((0.2,) * 3, (0.6,) * 3)
    grays = replace(dealt.data, classes=("0", "1"), colors=colors, hues=(None, None))
    write(tmp_path / "dealt", units, replace(dealt, data=grays))
    by_gray = write_summary(tmp_path / "dealt").read_text(encoding="utf-8")
    assert answers(by_gray)[1] == (
        "Yes, in brightness, the only one looked for. Given another class's brightness, accuracy "
        "on real images falls from 99% to 20%, and 83% of the errors name that brightness's class."
    )
    other = replace(gray, accuracy=0.0, order=("dot", "bar*"))
    told = answers(summary(tmp_path / "other", units, shape=(1, 28, 28), behavior=other))[1]
    assert (
        "0% are named right. Far more are right if the logits stand for dot and bar\\*, in" in told
    )
    without = summary(tmp_path / "none", units, shape=(1, 28, 28), data=False)
    assert answers(without)[1] == said.format("")


PARTLY = replace(SHORTCUT, accuracy_color_changed=0.85, names_color=0.06, shortcut=Shortcut.PARTLY)
TURNED = replace(
    GUESSING, accuracy=0.9, accuracy_color_changed=0.5, names_color=None, color_change="hue turned"
)


@pytest.mark.parametrize(
    ("behavior", "said"),
    [
        (
            SHORTCUT,
            "Yes, in color, the only one looked for. Given another class's color, accuracy on real "
            "images falls from 99% to 20%, and 83% of the errors name that color's class.",
        ),
        (
            PARTLY,
            "In part, in color, the only one looked for. Given another class's color, accuracy on "
            "real images falls from 99% to 85%, and 40% of the errors name that color's class.",
        ),
        (
            replace(SHORTCUT, intervals={"accuracy_color_changed": (0.18, 0.23)}),
            "Yes, in color, the only one looked for. Given another class's color, accuracy on real "
            "images falls from 99% to 20% (18 to 23%), and 83% of the errors name that color's "
            "class.",
        ),
        (
            replace(SHORTCUT, shared=True),
            "Yes, in color, the only one looked for. Given another class's color, accuracy on real "
            "images falls from 99% to 20%, and 83% of the errors name a class of that color.",
        ),
        (
            replace(
                SHORTCUT,
                accuracy_without_color=0.12,
                shared=True,
                crossed=True,
                shortcut=Shortcut.UNKNOWN,
            ),
            "It needs color, but whether as a shortcut cannot be said. Given another class's "
            "color, accuracy on real images falls from 99% to 20%; without color it is 12%. Then "
            "classes that have a color of their own are named as one of that color, and no others "
            "are: color may be a part of what they are.",
        ),
        (
            HONEST,
            "None found in color, the only one looked for. Given another class's color, accuracy "
            "on real images falls from 99% to 98%.",
        ),
        (
            replace(SHORTCUT, colored=3),
            "Yes, in color, the only one looked for. Given the color of one of 3 classes that have "
            "one, accuracy on real images falls from 99% to 20%, and 83% of the errors name "
            "that color's class.",
        ),
        (
            GUESSING,
            "Cannot be said. Of the real images 11% are named right, no better than by chance.",
        ),
        (
            replace(GUESSING, order=("circle", "bar*", "dot")),
            "Cannot be said. Of the real images 11% are named right. Far more are right if the "
            "logits stand for circle, bar\\* and dot, in this order: if they do, name them so "
            "(model.subject.classes) or number the data's classes so.",
        ),
        (
            replace(GUESSING, accuracy=0.03, chance=0.5),
            "Cannot be said. Of the real images 3% are named right, fewer than by chance: the "
            "classes may be in another order than the logits.",
        ),
        (
            TURNED,
            "It needs color, but whether as a shortcut cannot be said. With the hue turned, "
            "accuracy on real images falls from 90% to 50%; without color it is 10%. No color was "
            "found that belongs to a class.",
        ),
        (
            replace(TURNED, accuracy_without_color=0.75),
            "Cannot be said. With the hue turned, accuracy on real images falls from 90% to 50%; "
            "without color it is 75%. No color was found that belongs to a class.",
        ),
        (
            replace(
                TURNED,
                accuracy_without_color=0.9,
                color_change="another class's color",
                names_color=0.1,
            ),
            "Cannot be said. Given another class's color, accuracy on real images falls from 90% "
            "to 50%; without color it is 90%. The errors do not name that color's class.",
        ),
        (
            replace(TURNED, accuracy=0.25, accuracy_color_changed=0.24),
            "Cannot be said. Of the real images 25% are named right, too few to tell what it goes "
            "by.",
        ),
        (
            replace(TURNED, accuracy_without_color=0.88, shortcut=Shortcut.NONE),
            "None found in color, the only one looked for. With the hue turned, accuracy on real "
            "images falls from 90% to 50%; without color it is 88%.",
        ),
        (
            replace(TURNED, accuracy_color_changed=0.88, answers_changed=0.6),
            "Cannot be said. Of the real images 90% are named right, about as many with other "
            "colors, but 60% of the answers become others: it looks at color, and no color was "
            "found that belongs to a class.",
        ),
        (
            replace(TURNED, accuracy_color_changed=0.88),
            "Cannot be said. Of the real images 90% are named right, about as many with other "
            "colors, but 10% without color: it needs color, and what of it tells a class was not "
            "found.",
        ),
        (
            replace(TURNED, accuracy_color_changed=0.88, accuracy_without_color=0.88),
            "Cannot be said. Of the real images 90% are named right; color tells their class in "
            "part, and that could not be changed.",
        ),
        (
            replace(TURNED, accuracy_color_changed=None),
            "It needs color, but whether as a shortcut cannot be said. Of the real images 90% are "
            "named right; most of them have no color.",
        ),
        (
            replace(TURNED, accuracy_color_changed=None, accuracy_without_color=0.85),
            "Cannot be said. Of the real images 90% are named right; most of them have no color.",
        ),
        (
            replace(TURNED, accuracy_color_changed=None, accuracy_without_color=None),
            "Cannot be said. Of the real images 90% are named right; they could not be shown in "
            "other colors.",
        ),
    ],
)
def test_a_shortcut_is_said_with_its_figures(tmp_path, behavior, said):
    assert answers(summary(tmp_path, logits([None] * 10), behavior=behavior))[1] == said


PLAIN_COLOR = "flat hue that excites it most"


@pytest.mark.parametrize(
    ("colors", "hues", "said", "noun"),
    [
        (((0.4, 0, 0), (1, 0.6, 0.6)), (0.0, 0.0), "0 dark red and 1 pale red", "color"),
        (((0, 0, 1), (0.5, 0.5, 0.5)), (240.0, None), "0 blue and 1 gray", "color"),
        (
            ((0.3, 0.3, 0.3), (0.7, 0.7, 0.7)),
            (None, None),
            "0 dark gray and 1 light gray",
            "brightness",
        ),
        (((0, 0, 0), (1, 1, 1)), (None, None), "0 black and 1 white", "brightness"),
        (
            ((0, 0.7, 1), (0, 0.4, 1)),
            (200.0, 218.0),
            "0 sky blue (200°) and 1 sky blue (218°)",
            "color",
        ),
        (((1, 0, 0), (1, 0, 0)), (0.0, 0.0), "0 red and 1 red", "color"),
    ],
)
def test_colors_of_classes_are_told_apart_as_colors(tmp_path, colors, hues, said, noun):
    units = [
        finding(
            "logits",
            k,
            facet("shape"),
            shares=Shares(0.1, 0.2, 0.7, 0.0),
            data=real(ClassEvidence(str(k), hue, color, None, LOGIT, UsedShares(0.9, 0.1))),
        )
        for k, (color, hue) in enumerate(zip(colors, hues, strict=True))
    ]
    given = record(units, behavior=SHORTCUT)
    data = replace(given.data, classes=("0", "1"), hues=hues, colors=colors)
    write(tmp_path, units, replace(given, data=data))
    text = write_summary(tmp_path).read_text(encoding="utf-8")
    assert f"\n- Colors of the classes: {said}.\n" in text
    write(tmp_path, units, replace(given, data=replace(data, tinted=True)))
    leaning = write_summary(tmp_path).read_text(encoding="utf-8")
    assert f"- Colors of the classes, to which the whole image leans: {said}.\n" in leaning
    assert [f"{row[0]} {row[1]}" for row in table(text, "its color")[1:]] == [
        f"[{k}](index.html#logits/{k}) {words.removeprefix(f'{k} ')}"
        for k, words in enumerate(said.split(" and "))
    ]
    assert answers(text)[1].startswith(f"Yes, in {noun}, the only one looked for. ")
    assert ("Classes that go more by color than their picture" in text) == (noun == "color")


def test_the_color_that_excites_a_class_most_is_its_own_within_half_a_step(tmp_path):
    hues = [2.0, 36.0, 90.0, 126.1, 144.0, None, 216.0, 252.0, 288.0, 342.0]
    rows = table(summary(tmp_path, logits(hues), behavior=SHORTCUT), "class", PLAIN_COLOR)[1:]
    own = "its own"
    green = "another green, not its own"
    assert [row[-1] for row in rows] == [own, own, own, green, own, "-", own, own, own, own]


@pytest.mark.parametrize(
    ("shares", "said"),
    [
        (Shares(0.04, 0.66, 0.3, 0.0), "its own"),  # 4 of 70: 6 %
        (Shares(0.03, 0.67, 0.3, 0.0), "none"),
        (Shares(0.0, 0.0, 1.0, 0.0), "none"),
        (None, "its own"),  # of a logit that is cut they are not known
    ],
)
def test_no_hue_excites_a_class_most_that_hardly_wants_color(tmp_path, shares, said):
    units = [replace(unit, shares=shares) for unit in logits([36.0 * k for k in range(10)])]
    rows = table(summary(tmp_path, units, behavior=SHORTCUT), "class", PLAIN_COLOR)[1:]
    assert [row[-1] for row in rows] == [said] * 10


@pytest.mark.parametrize("turn", [19.0, -19.0, 180.0])
def test_hues_of_other_classes_are_not_its_own(tmp_path, turn):
    units = logits([(36.0 * k + turn) % 360 for k in range(10)])
    rows = table(summary(tmp_path, units, behavior=SHORTCUT), "class", PLAIN_COLOR)[1:]
    names = [(hue_name(36 * k + turn), hue_name(36 * k)) for k in range(10)]
    assert [row[-1] for row in rows] == [
        f"{'another ' if name == own else ''}{name}, not its own" for name, own in names
    ]


def test_a_class_whose_figures_contradict_each_other_is_not_said_to_want_anything(tmp_path):
    first, *rest = logits([36.0 * k for k in range(10)])
    units = [replace(first, kinds=(Kind.UNCLEAR,)), *rest]
    header, *rows = table(summary(tmp_path, units, behavior=SHORTCUT), "class", PLAIN_COLOR)
    wants = [row[header.index("wants")] for row in rows]
    assert wants[0] == "unclear" and "unclear" not in wants[1:]


@pytest.mark.parametrize("against", [None, GUESSING])
def test_random_weights_have_no_shortcut(tmp_path, against):
    # Even where by chance many logits want their class's hue.
    units = logits([36.0 * k for k in range(10)])
    others = {"behavior": against, "name": "CNN (b)"}
    text = summary(
        tmp_path, units, behavior=GUESSING, against=against and units, against_report=others
    )
    assert answers(text)[1].startswith("Cannot be said. Of the real images 11% are named right")
    assert not re.search(r"Yes|in color\.|evidence of a", answers(text)[1])


@pytest.mark.parametrize(
    ("accuracy", "guess"),
    [(0.118, True), (0.12, False), (0.5, False), (0.082, True), (0.08, False)],
)
def test_no_better_than_chance_is_said_only_if_so(tmp_path, accuracy, guess):
    # Of 1000 images 100 are guessed, give or take 9.5; two of these away are 81 and 119.
    behavior = replace(GUESSING, accuracy=accuracy, images={"accuracy": 1000})
    answer = answers(summary(tmp_path, logits([None] * 10), behavior=behavior))[1]
    assert ("no better than by chance" in answer) == guess
    assert ("fewer than by chance" in answer) == (accuracy < 0.081)


def test_images_of_no_class_make_chance_no_narrower(tmp_path):
    # Of 100 that have one, 10 are guessed, give or take 3.
    behavior = replace(GUESSING, accuracy=0.15, images={"accuracy": 100})
    answer = answers(summary(tmp_path, logits([None] * 10), behavior=behavior))[1]
    assert "no better than by chance" in answer


def test_where_every_gradient_is_cut_no_picture_is_spoken_of(tmp_path):
    text = summary(tmp_path / "1", cut("conv", 2), data=False)
    assert "Cannot be said: no real images were given." in answers(text)[1]
    assert "answer to flat and striped images." in text and "One picture is" not in text
    assert "what they answer to flat and striped images, and to real ones." in summary(
        tmp_path / "2", cut("conv", 2)
    )


def test_where_no_logit_has_a_picture_none_is_said_to_show_what_it_wants(tmp_path):
    seen = finding("conv", 0, facet("shape"))
    for place, others in (("none", []), ("cut", cut("logits", 3))):
        text = summary(tmp_path / place, [seen, *others], data=False)
        assert answers(text)[1] == "Cannot be said: no real images were given."


def test_pictures_alone_show_no_shortcut(tmp_path):
    units = logits([36.0 * k for k in range(10)])
    units = [replace(each, trusted=None, evidence=EVIDENCE) for each in units]
    text = summary(tmp_path, units, data=False)
    assert answers(text)[1].startswith(
        "Cannot be said. The pictures show what the logits want, not"
    )
    assert "No real images were given" in text
    assert "No unit could be checked with real images." in text
    (head, *rows) = table(text, "output")
    assert head == ["output", "picture", "wants"]
    assert "Whether the units of the output are classes is not known: they have no names" in text
    assert [row[2] for row in rows][:3] == ["red", "orange", "yellow"]


def test_missing_figures_are_left_out(tmp_path):
    behavior = replace(TURNED, accuracy_color_changed=None, accuracy_without_color=None)
    unknown = real(
        ClassEvidence(
            "0", None, None, None, replace(LOGIT, color_changed=None, both_changed=-0.04), None
        )
    )
    units = [replace(each, evidence=replace(EVIDENCE, data=unknown)) for each in logits([None] * 3)]
    text = summary(tmp_path, units, behavior=behavior)
    assert table(text, "on real images")[1] == [*("CNN (a)", "90% (98 to 99.5%)", "10%")]
    assert table(text, "class", "picture")[0] == ["class", "picture", "wants"]
    assert table(text, "class", "color changed")[1][1:] == ["9.0", "-", "7.0", "0.0"]
    assert "It is lower with" not in text
    assert "charts/classes.svg" not in text and not (tmp_path / "charts/classes.svg").exists()


def test_where_the_cnn_goes_by_color_otherwise_than_its_pictures_show_is_said(tmp_path):
    def logit(channel, wanted, used, brightness=0.0):
        known = ClassEvidence(
            str(channel), 30.0, (1.0, 0.5, 0.0), None, LOGIT, UsedShares(used, 1 - used)
        )
        both = 1 - brightness  # of color and shape, which alone are compared
        wants = Shares(wanted * both, (1 - wanted) * both, brightness, 0.0)
        return finding("logits", channel, facet("shape"), shares=wants, data=real(known))

    text = summary(
        tmp_path,
        [logit(0, 0.1, 0.31), logit(1, 0.404, 0.596), logit(2, 0.2, 0.9, 0.6), logit(3, 0.5, 0.0)],
    )
    rows = table(text, "class", "color used")[1:]
    wanted = ["10%", "40%", "20%", "50%"]
    assert [row[4:6] for row in rows] == [
        [a, b] for a, b in zip(wanted, ["**31%**", "**60%**", "**90%**", "**0%**"], strict=True)
    ]
    assert (
        "Classes that go more by color than their picture shows: 3 of 4 of CNN (a), class 2 the "
        "most." in text
    )
    drawn = (tmp_path / "charts/classes.svg").read_text(encoding="utf-8")
    assert drawn.count('fill="#ff8000"') == 4  # the color of each class
    assert "color 90%" in drawn and "shape 10%" in drawn


def test_polysemantic_units_go_by_confidence_then_by_the_second_facet(tmp_path):
    def two(channel, second, **kwargs):
        facets = facet("color", 0.0, share=0.6), facet("shape", None, 0.0, score=second, share=0.4)
        return finding("conv", channel, *facets, **kwargs)

    units = [
        two(0, 1.5),
        two(1, 2.5),
        two(2, 1.2, confidence=0.95),
        two(3, 2.9, confidence=0.99, trusted=False),
        finding("conv", 4, facet("color", 240.0)),
    ]
    text = summary(tmp_path, units)
    rows = table(text, "unit")[1:]
    assert [re.match(r"\[conv/(\d)\]", row[0])[1] for row in rows] == ["2", "1", "0", "3"]
    assert "⚠" in rows[3][0]
    assert "⚠" not in rows[0][0]
    # The neutral score is 1, the best 3: a score of 2.5 is three quarters of the gain.
    assert rows[1][2].endswith("horizontal strokes; 75% of the gain, from 40% of the starts")
    assert rows[1][2].count("<img") == 1
    assert without_links(answers(text)[2]) == (
        "Yes: 4 of 5 units want several things, with at most 95% confidence. The clearest is "
        "conv/2: red or horizontal strokes."
    )


@pytest.mark.parametrize("doubt", [{"trusted": False}, {"confidence": 0.3}])
def test_polysemantic_units_in_doubt_are_no_clear_examples(tmp_path, doubt):
    units = [finding("conv", 0, facet("color", 0.0), facet("brightness"), **doubt)]
    answer = answers(summary(tmp_path, units))[2]
    assert answer.startswith("None that is sure: 1 of 1 unit may want several things")
    assert without_links(answer).endswith(
        "is conv/0" + " ⚠" * ("trusted" in doubt) + ": red or brightness."
    )


def test_without_polysemantic_units_the_strongest_second_thing_is_told(tmp_path):
    text = summary(tmp_path, colors("conv", 2, 1))
    assert answers(text)[2] == (
        "None found: no unit of 3 wants several things. Each was tried from 13 starts, which led "
        "to one color, brightness or direction; two digits, say, count as one shape."
    )
    assert "from 13 starts each" in text
    units = [replace(each, runner_up=0.2 + 0.1 * i) for i, each in enumerate(colors("conv", 2, 1))]
    assert without_links(answers(summary(tmp_path, units))[2]).endswith(
        "The strongest second thing, of conv/2, reaches 40% of the gain; a facet needs half."
    )


def test_classes_go_by_their_names_in_the_text(tmp_path):
    units = [finding("logits", 0, facet("shape"), confidence=0.95), finding("logits", 1)]
    about = record(units, data=False)
    about = replace(about, subject=replace(about.subject, classes=("zebra", "1")))
    write(tmp_path, units, about)
    text = write_summary(tmp_path).read_text(encoding="utf-8")
    assert "**One unit to show: [logits/0, zebra](index.html#logits/0).**" in text
    assert "nothing that was tried excites 1 of 2: [logits/1](index.html#logits/1)" in text
    assert "| [zebra](index.html#logits/0) |" in text


def test_all_dead(tmp_path):
    text = summary(tmp_path, [finding("conv", i, trusted=None) for i in range(3)])
    first, second, third = answers(text)
    for answer in (first, second, third):
        assert answer.startswith("Cannot be said")
    assert "No unit is clear enough for an example." in text
    assert "No class logit was probed." in text
    assert "nothing that was tried excites 3 of 3: [conv/0]" in text
    assert "charts/" not in text


def cut(layer, number):
    """Units that no gradient leads back from."""
    why = "No picture can be made, for no gradient leads back to the input: it ends at 'conv'."
    return [
        finding(layer, i, dead=False, polysemantic=None, trusted=None, confidence=None, why=(why,))
        for i in range(number)
    ]


def kinds_of_reports(folder):
    """Summaries of reports of several kinds, by name."""
    long = "features.denseblock3.denselayer24.conv2"
    units = {
        "everything": lambda at: write_everything(at),
        "dead": lambda at: summary(at, [finding("conv", i) for i in range(3)]),
        "gray": lambda at: summary(at, colors("conv", 0, 3), shape=(1, 28, 28)),
        "no data": lambda at: summary(at, colors("conv", 2, 1), data=False),
        "no gradient": lambda at: summary(at, cut("conv", 2)),
        "some gradients": lambda at: summary(at, [*colors("conv", 0, 3), *cut("head", 2)]),
        "many layers": lambda at: summary(
            at,
            [unit for i in range(30) for unit in shared(f"{long}{i}", 0.9 - 0.03 * i)],
            against=shared(f"{long}0", 0.5),
            against_report={"name": "My own CNN (from scratch)", "behavior": SHORTCUT},
            behavior=SHORTCUT,
        ),
    }
    for behavior in (SHORTCUT, PARTLY, HONEST, GUESSING, TURNED):
        units[f"{behavior.shortcut} {behavior.color_change}"] = lambda at, behavior=behavior: (
            summary(
                at,
                logits([None] * 10),
                behavior=behavior,
                against=logits([None] * 10),
                against_report={"name": "CNN (b)", "behavior": SHORTCUT},
            )
        )
    for number, (name, make) in enumerate(units.items()):
        yield name, make(folder / str(number))


AVOIDED = r"\bway\b|\blive units?\b|answer flat|another path|takes a path|within 18"


def test_every_answer_is_short_in_reports_of_all_kinds(tmp_path):
    for name, text in kinds_of_reports(tmp_path):
        for answer in answers(text):
            said = without_links(answer).replace("*", "")
            sentences = re.split(r"(?<=[.!?]) (?=[A-Z*])", said)
            assert len(sentences) <= 3, (name, said)
            assert max(len(sentence.split()) for sentence in sentences) <= 25, (name, said)
            assert len(re.findall(r"\]\(", answer)) <= 2, (name, said)
        assert not re.search(AVOIDED, text), (name, re.search(AVOIDED, text))
        prose = without_links(re.sub(r"<img [^>]*>|^\|.*$", "", text, flags=re.M))
        for inside in re.findall(r"\(([^()]*)\)", prose):
            assert len(inside.split()) <= 5, (name, inside)
        lines = text.splitlines()
        for i, line in enumerate(lines):
            # Above a table stands a line that says what to see.
            if line.startswith("| ") and not lines[i - 1].startswith("|"):
                assert (
                    lines[i - 1] == "" and lines[i - 2] and not lines[i - 2].startswith(("#", "|"))
                )


# The rest


def everything():
    """Units of every sort, some with names that Markdown would take for markup."""
    units = [
        *colors("conv1", 3, 1),
        finding("conv1", 4, facet("brightness"), trusted=False, why=["Not | the path."]),
        finding("conv1", 5),
        finding("a_b|c_", 0, facet("color+shape", 200.0, 45.0)),
        finding("a_b|c_", 1, facet("unclear"), why=["Two *things* at once."]),
        finding("a_b|c_", 2, facet("color", 1.0), facet("unclear", score=2.0), facet("brightness")),
        finding("conv2", 3, facet("shape", None, 91.0), position=[7, 8]),
        finding("conv2", 3, facet("color", 10.0), facet("color", 190.0), position=[0, 0]),
        *logits([36.0 * k for k in range(10)]),
    ]
    return [*units[:-1], replace(units[-1], trusted=False)]


def write_everything(folder):
    others = [each for each in everything() if each.layer != "conv2"]
    return summary(
        folder,
        everything(),
        behavior=SHORTCUT,
        skipped=[["a_b.png", "cannot | be read"], ["c.png", "empty"]],
        against=others,
        against_report={"name": "CNN (b)", "behavior": HONEST},
    )


def test_every_link_leads_to_a_unit_and_every_picture_exists(tmp_path):
    text = write_everything(tmp_path)
    units = {
        "/".join(
            [each.layer, str(each.channel)]
            + ([",".join(map(str, each.position))] if each.position else [])
        )
        for each in everything()
    }
    targets = [unquote(target) for target in re.findall(r"\]\(index\.html#([^)]*)\)", text)]
    assert len(targets) > 30
    assert set(targets) <= units
    assert {"conv2/3/0,0", "logits/9", "a_b|c_/2"} <= set(targets)
    pictures = re.findall(r'<img src="([^"]*)" alt="([^"]*)"', text)
    assert len(pictures) > 20
    assert any(source.startswith("against/") for source, _ in pictures)
    for source, alt in pictures:
        assert (tmp_path / unquote(source)).is_file()
        assert alt
    assert (
        len(re.findall(r"\]\(", text)) == len(targets) + 2
    )  # the page itself, from the chart, too


def test_each_mention_of_a_flagged_unit_is_flagged(tmp_path):
    text = write_everything(tmp_path)
    for name, number in (("conv1/4", 2), ("logits/9", 2)):
        mentions = re.findall(rf"\[[^]<]*\]\(index\.html#{name}\)( ⚠)?", text)
        assert len(mentions) >= number
        assert all(mentions)
    assert " ⚠" not in "".join(re.findall(r"\(index\.html#conv1/0\)(..)", text))
    assert "- conv1, 1 of 6: [conv1/4](index.html#conv1/4) ⚠. The first: Not \\| the path." in text


def test_layers_are_counted_beside_the_second_subject(tmp_path):
    rows = table(write_everything(tmp_path), "layer", "units")
    head, first = rows[0], rows[1]
    assert first[0] == "**conv1**"
    expected = {"units": 6, "color": 3, "shape": 1, "brightness": 1, "dead": 1, "⚠": 1}
    for name, cell in zip(head[1:], first[1:], strict=True):
        assert int(cell.split()[0]) == expected.get(name, 0)
    assert first[2] == "3 (50%)"


def test_every_count_of_the_layers_is_that_of_the_findings(tmp_path):
    text = write_everything(tmp_path)
    (names, *rows) = table(text, "layer", "units")
    seen = []
    for row in rows:
        cells = dict(zip(names, row, strict=True))
        name = cells["layer"].replace("\\", "").replace("**", "")
        layer = name.split(", ")[0]
        seen.append(name)
        units = [each for each in everything() if each.layer == layer]
        counted = Counter(
            "dead"
            if not each.facets
            else "several kinds"
            if len({f.kind for f in each.facets}) > 1
            else each.facets[0].kind
            for each in units
        )
        counted["polysemantic"] = sum(len(each.facets) > 1 for each in units)
        counted["⚠"] = sum(each.trusted is False for each in units)
        assert int(cells["units"]) == len(units)
        for column in names[2:]:
            count, share = re.fullmatch(r"(\d+)(?: \((\d+)%\))?", cells[column]).groups()
            assert int(count) == counted[column]
            assert share is None or abs(int(share) - 100 * counted[column] / len(units)) <= 0.5
        assert sum(int(cells[column].split()[0]) for column in names[2:-2]) == len(units)
    assert seen == ["conv1", "conv1, b", "a_b|c_", "a_b|c_, b", "conv2", "logits", "logits, b"]


def test_tables_are_whole(tmp_path):
    text = write_everything(tmp_path)
    assert len(tables(text)) == 6
    for each in tables(text):
        assert len(each) > 1
        assert len({len(row) for row in each}) == 1
    shown = markdown.markdown(text, extensions=["tables"])
    assert shown.count("<table>") == 6
    assert "<em>things" not in shown
    assert "{" not in text


def test_the_second_subject_stands_beside_the_first(tmp_path):
    text = write_everything(tmp_path)
    first, second, third = map(without_links, answers(text))
    assert first == (
        "All 4 layers in part. Color makes up 30% of what excites each of them; in b at most 30%."
    )
    assert second.endswith("that color's class. The accuracy of b falls from 99% to 98%.")
    live = [each for each in everything() if each.facets and each.layer != "conv2"]
    assert third.endswith(f"In b 1 of {len(live)} units want several.")
    assert table(text, "on real images")[1:] == [
        ["a", "99% (98 to 99.5%)", "20%", "60%", "66%", "10%"],
        ["b", "99% (98 to 99.5%)", "98%", "60%", "1%", "10%"],
    ]
    assert "No second subject" not in text


@pytest.mark.parametrize(
    ("names", "shown"),
    [
        (("CNN (a)", "Net (b)"), ("CNN (a)", "Net (b)")),
        (("CNN", "CNN"), ("CNN", "the second CNN")),
        (("CNN (a)", "CNN (b)"), ("a", "b")),
    ],
)
def test_two_subjects_are_told_apart(tmp_path, names, shown):
    units = colors("conv", 2, 1)
    others = {"name": names[1], "behavior": HONEST}
    text = summary(
        tmp_path, units, name=names[0], behavior=HONEST, against=units, against_report=others
    )
    assert [row[0] for row in table(text, "on real images")[1:]] == list(shown)
    assert text.startswith(f"# What {names[0]} wants to see\n")


def test_what_is_open_and_what_was_skipped(tmp_path):
    text = write_everything(tmp_path)
    assert "2 files skipped as unusable: a\\_b.png (cannot \\| be read) and c.png (empty)." in text
    assert "a\\_b\\|c\\_: 1 of 3 are unclear: " in text
    assert "The first: Two \\*things\\* at once." in text
    assert "SHA-256 of its weights 0123456789ab…" in text
    assert "8 seeds, 500 steps" in text
    assert "Made on 2026-11-23 in 210 seconds." in text


def test_a_large_subject_has_a_short_summary(tmp_path):
    units = [
        finding(
            f"conv{layer}",
            i,
            facet("color", 3.0 * i % 360),
            *([facet("brightness")] if i % 3 == 0 else []),
            trusted=i % 4 > 0,
            why=["It goes another way."],
        )
        for layer in range(4)
        for i in range(200)
    ]
    units += [
        finding("logits", i, facet("color", 1.0), data=in_class(str(i), 36.0)) for i in range(300)
    ]
    text = summary(tmp_path, units, behavior=SHORTCUT)
    assert len(text.splitlines()) < 200
    assert len(text) < 40_000
    assert "The page has 280 more" in text


def test_of_a_cnn_that_sees_one_mix_of_the_channels_no_color_is_said(tmp_path):
    mix = (0.299, 0.587, 0.114)
    color, shortcut, _ = answers(summary(tmp_path, logits([None] * 10), behavior=SHORTCUT, mix=mix))
    assert color == (
        "None can: the CNN sees its input as one gray, 0.30 red, 0.59 green and 0.11 blue."
    )
    assert shortcut.startswith("Yes, in brightness, the only one looked for.")
    needing = replace(SHORTCUT, shortcut=Shortcut.UNKNOWN, accuracy_without_color=0.2)
    text = summary(tmp_path, logits([None] * 10), behavior=needing, mix=mix)
    assert answers(text)[1].startswith("Cannot be said.")


@pytest.mark.parametrize(
    ("classes", "said"),
    [
        ((), "no classes"),
        (("cat",), "one class alone"),
        (("cat", "dog"), "2 classes, and the CNN has not one logit for each"),
    ],
)
def test_it_is_said_why_images_are_not_named(tmp_path, classes, said):
    units = colors("conv", 2)
    given = record(units)
    write(tmp_path, units, replace(given, data=replace(given.data, classes=classes)))
    text = write_summary(tmp_path).read_text(encoding="utf-8")
    assert f"was not checked: they have {said}." in text
