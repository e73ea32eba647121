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

from prober.findings.finding import ClassEvidence, ClassLogit, Examples, RealEvidence, Variance
from prober.report.markdown import plain
from prober.report.summary import write_summary
from prober.report.words import hue_name, joined, orientation_words, percent
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
    lines = text.splitlines()[2:5]
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
    (head, *rows) = table(text, "layer", "hue explains")
    assert [row[head.index("hue explains")] for row in rows] == ["70%", "25%"]


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
    said = [percent(share) for share in (0, 0.004, 0.5, 0.996, 0.9996, 1)]
    assert said == ["0%", "0.4%", "50%", "99.6%", "99.96%", "100%"]


def test_lists_are_said_as_in_a_sentence():
    assert [joined(list("abcd")[:n]) for n in range(4)] == ["", "a", "a and b", "a, b and c"]
    assert joined(list("abcd"), 2) == "a, b and 2 more"


@given(st.text("ab|*_`[]<>\\& \n", max_size=12).map(lambda text: f"x{text}x"))
def test_plain_text_is_shown_letter_by_letter(text):
    shown = markdown.markdown(f"| head |\n| --- |\n| {plain(text)} |", extensions=["tables"])
    (cell,) = re.findall(r"<td>(.*)</td>", shown)
    assert html.unescape(cell) == " ".join(text.split())


# The three answers


def test_a_layer_focuses_on_color_if_more_than_half_of_its_live_units_want_nothing_else(tmp_path):
    dead = finding("most", 9)
    mixed = [finding("partly", i, facet("color+shape", 10.0, 45.0)) for i in range(3)]
    unclear = [finding("open", i, facet("unclear")) for i in range(2)]
    units = [
        *colors("most", 2, 1),
        dead,
        *colors("half", 2, 2),
        *mixed,
        *unclear,
        *colors("open", 1, 1),
    ]
    units = [replace(each, channel=channel) for channel, each in enumerate(units)]
    (answer, _, _) = answers(summary(tmp_path, units))
    said = without_links(answer)
    assert said.startswith("**most** (2 of 3, such as most/0). ")
    assert "in partly (3 of 3, 0 of them color alone)." in said
    assert "Unclear units leave it open for open (1 of 4, 2 unclear)." in said
    assert "Not half (2 of 4)." in said


def test_no_layer_that_focuses_on_color_is_said_plainly(tmp_path):
    assert answers(summary(tmp_path, colors("conv", 1, 2)))[0].startswith(
        "No layer wants color alone. Not conv (1 of 3)."
    )
    units = [*colors("conv", 1, 1), finding("conv", 5, facet("unclear"))]
    assert answers(summary(tmp_path, units))[0].startswith("No layer wants color alone for sure. ")


@pytest.mark.parametrize(
    ("channels", "said"), [(1, "no color in it"), (5, "5 channels, not red, green and blue")]
)
def test_input_without_color(tmp_path, channels, said):
    units = [finding("conv", 0, facet("shape", None, 0.0))]
    answer = answers(summary(tmp_path, units, shape=(channels, 28, 28)))[0]
    assert said in answer
    assert "of 1" not in answer


def test_a_shortcut_is_said_with_its_figures(tmp_path):
    hues = [2.0, 36.0, 90.0, 108.0, 126.1, None, 216.0, 252.0, 288.0, 340.0]
    matches = [
        k
        for k, hue in enumerate(hues)
        if hue is not None and min(abs(hue - 36 * k + turn) for turn in (-360, 0, 360)) <= 18
    ]
    assert matches == [0, 1, 2, 3, 4, 6, 7, 8, 9]
    text = summary(tmp_path, logits(hues), behavior=SHORTCUT)
    answer = without_links(answers(text)[1])
    assert answer.startswith(
        "Yes, in color. On real images 99% of the answers are right (chance: 10%), with "
        "another class's color 20%, and 66% then name the class of that color. "
    )
    assert (
        "Of 9 class logits of CNN (a), 9 answer flat patches most in the hue of the own class "
        "(0, 1, 2, 3, 4, 6, 7, 8 and 9), within 18°; random hues would give 0.9."
    ) in answer
    assert "It is lower with another color than with another shape in 10 of 10 classes" in text


@pytest.mark.parametrize("turn", [19.0, -19.0, 180.0])
def test_hues_of_other_classes_are_not_counted(tmp_path, turn):
    units = logits([(36.0 * k + turn) % 360 for k in range(10)])
    text = summary(tmp_path, units, behavior=SHORTCUT)
    assert "Of 10 class logits of CNN (a), 0 answer flat patches most in" in answers(text)[1]
    pictures = table(text, "class", "best flat hue")
    assert [row[-1] for row in pictures[1:]] == [
        f"{hue_name(36 * k + turn)} ({(36 * k + turn) % 360:.0f}°): another hue" for k in range(10)
    ]


@pytest.mark.parametrize("against", [None, GUESSING])
def test_random_weights_have_no_shortcut(tmp_path, against):
    # Even where by chance many logits want their class's hue.
    units = logits([36.0 * k for k in range(10)])
    others = {"behavior": against, "name": "CNN (b)"}
    text = summary(
        tmp_path, units, behavior=GUESSING, against=against and units, against_report=others
    )
    answer = answers(text)[1]
    assert answer.startswith("Cannot be said. On real images 11% of the answers are right")
    assert "That is no better than chance" in answer
    assert not re.search(r"Yes|one in color|evidence of a", answer + text.split("##", 1)[1])


@pytest.mark.parametrize(
    ("accuracy", "guess"), [(0.118, True), (0.12, False), (0.5, False), (0.05, True)]
)
def test_no_better_than_chance_is_said_only_if_so(tmp_path, accuracy, guess):
    # Of 1000 images 100 are guessed, give or take 9.5; two of these above are 119.
    behavior = replace(GUESSING, accuracy=accuracy)
    answer = answers(summary(tmp_path, logits([None] * 10), behavior=behavior))[1]
    assert ("no better than chance" in answer) == guess
    assert "within 18°" not in answer


def test_no_shortcut_and_what_was_not_looked_for(tmp_path):
    answer = answers(summary(tmp_path, logits([None] * 10), behavior=HONEST))[1]
    assert answer.startswith("None found in color. On real images 99% of the answers are right")
    assert "Other shortcuts were not looked for." in answer


def test_pictures_alone_show_no_shortcut(tmp_path):
    units = logits([36.0 * k for k in range(10)])
    units = [replace(each, trusted=None, evidence=EVIDENCE) for each in units]
    text = summary(tmp_path, units, data=False)
    answer = answers(text)[1]
    assert answer.startswith("Cannot be said. The pictures show what the logits want, not what")
    assert "within 18°" not in text
    assert "No real images were given" in text
    assert "No unit could be checked with real images." in text
    (head, *rows) = table(text, "class")
    assert head == ["class", "picture", "wants"]
    assert [row[2] for row in rows][:3] == [
        "color: red (0°)",
        "color: orange (36°)",
        "color: yellow (72°)",
    ]


def test_missing_figures_are_left_out(tmp_path):
    behavior = replace(
        GUESSING,
        accuracy=0.9,
        accuracy_color_changed=None,
        accuracy_without_color=None,
        names_color=None,
        color_change=None,
    )
    unknown = real(ClassEvidence("0", None, None, None, replace(LOGIT, color_changed=None), None))
    units = [replace(each, evidence=replace(EVIDENCE, data=unknown)) for each in logits([None] * 3)]
    text = summary(tmp_path, units, behavior=behavior)
    assert answers(text)[1] == (
        "Cannot be said. On real images 90% of the answers are right (chance: 10%)."
    )
    assert table(text, "on real images")[1] == ["CNN (a)", "90%", "-", "-", "-", "10%"]
    assert table(text, "class", "picture")[0] == ["class", "picture", "wants"]
    assert table(text, "class", "color changed")[1][1:] == ["9.0", "-", "7.0", "-3.0"]
    assert "It is lower with" not in text


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
    assert rows[1][2].endswith(
        "shape: strokes horizontal (0°); 75% of the gain, from 40% of the starts"
    )
    assert rows[1][2].count("<img") == 1
    answer = without_links(answers(text)[2])
    assert answer.startswith("Yes: 4 of 5 live units have several facets. The clearest: conv/2 (")
    assert "color: red (0°); shape: strokes horizontal (0°); confidence 0.95" in answer


@pytest.mark.parametrize("doubt", [{"trusted": False}, {"confidence": 0.3}])
def test_polysemantic_units_in_doubt_are_no_clear_examples(tmp_path, doubt):
    units = [finding("conv", 0, facet("color", 0.0), facet("brightness"), **doubt)]
    assert answers(summary(tmp_path, units))[2].startswith("None that is sure and trusted: 1 of 1")


def test_no_polysemantic_unit_is_no_proof(tmp_path):
    text = summary(tmp_path, colors("conv", 2, 1))
    assert answers(text)[2] == "None found among 3 live units; that is not proof."
    assert "from 13 starts each" in text


def test_all_dead(tmp_path):
    text = summary(tmp_path, [finding("conv", i, trusted=None) for i in range(3)])
    first, second, third = answers(text)
    for answer in (first, second, third):
        assert answer.startswith("Cannot be said")
    assert "No unit is clear enough for an example." in text
    assert "No class logit was probed." in text
    assert "nothing that was tried excites 3 of 3: [conv/0]" in text


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
    assert len(re.findall(r"\]\(", text)) == len(targets) + 1  # the page itself


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
    # One of the six units of conv1 is dead in both.
    assert "**conv1** (3 of 5, such as conv1/0; b: 3 of 5)" in first
    assert "**logits** (10 of 10, such as logits/0; 1 of them ⚠; b: 10 of 10)" in first
    assert "In b none is found: 99% of the answers are right" in second
    live = [each for each in everything() if each.facets and each.layer != "conv2"]
    assert third.endswith(f"In b: 1 of {len(live)}.")
    assert table(text, "on real images")[1:] == [
        ["a", "99%", "20%", "60%", "66%", "10%"],
        ["b", "99%", "98%", "60%", "1%", "10%"],
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
    assert "2 images skipped as unusable: a\\_b.png (cannot \\| be read) and c.png (empty)." in text
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
