"""What stands around the answers: a unit to show, who the CNNs are, what figures rest on."""

from dataclasses import replace

import pytest

from prober.findings.finding import Examples, RealEvidence, Shares, Variance
from prober.report.opening import unit_to_show, what_figures_rest_on
from prober.report.probed import Probed
from prober.subject.reference import TRAINED_ON
from tests.report.reports import SHORTCUT, facet, finding, record


def unit(channel, color, shape, **given):
    wants = facet("color", 0.0) if color > 0.5 else facet("shape", None, 90.0)
    shares = Shares(color, shape, 1 - color - shape, 0.0)
    return finding("conv", channel, wants, shares=shares, **given)


def probed(*units, **given):
    return Probed(record(units, **given), units, "", "a")


def test_the_unit_to_show_is_the_most_colorful_of_those_that_are_sure_and_trusted():
    said = unit_to_show(
        probed(
            unit(0, 0.7, 0.2),
            unit(1, 0.8, 0.1),
            unit(2, 0.9, 0.1, trusted=False),
            unit(3, 0.9, 0.1, confidence=0.6),
            unit(4, 1.0, 0.0, why=("But.",)),
            finding("conv", 5),
        )
    )
    assert "**One unit to show: [conv/1](index.html#conv/1).** It wants red; 80% of what" in said
    assert said.startswith('[<img src="pictures/conv/ch001/facet0.png"')


@pytest.mark.parametrize(
    ("hue", "other", "shown", "said"),
    [
        (342.0, 124.0, 1, "green"),  # pink has red and magenta pixels, green is green
        (124.0, 342.0, 0, "green"),
        (342.0, 30.0, 0, "pink, between magenta and red"),  # orange has red and yellow pixels
        (354.0, 124.0, 0, "red"),
        (342.0, None, 0, "pink, between magenta and red"),
    ],
)
def test_the_unit_to_show_has_a_picture_of_the_color_that_is_said(hue, other, shown, said):
    units = [
        finding("conv", i, facet("color", own), shares=Shares(color, 1 - color, 0.0, 0.0))
        for i, (own, color) in enumerate(((hue, 0.8), (other, 0.7)))
    ]
    text = unit_to_show(probed(*units))
    assert f"conv/{shown}" in text and f" It wants {said}; " in text


def test_without_color_the_unit_to_show_is_one_of_shape():
    said = unit_to_show(probed(unit(0, 0.44, 0.4), unit(1, 0.0, 0.9)))
    assert "conv/1" in said and said.endswith("90% of what excites it is due to shape.")
    assert unit_to_show(probed(unit(0, 0.2, 0.5, confidence=0.5), finding("conv", 1))) == ""


def test_of_the_unit_to_show_the_largest_part_is_told():
    said = unit_to_show(probed(unit(0, 0.0, 0.3), unit(1, 0.1, 0.2)))
    assert "conv/0" in said and said.endswith("70% of what excites it is due to brightness.")


@pytest.mark.parametrize("sha256", TRAINED_ON)
def test_the_reference_cnns_are_told_by_what_they_learned_from(sha256):
    one = probed(unit(0, 0.2, 0.5), behavior=SHORTCUT)
    subject = replace(one.record.subject, sha256=sha256)
    shipped = replace(one, record=replace(one.record, subject=subject))
    lines = what_figures_rest_on(shipped)
    assert lines[0] == f"*a* is CNN (a); it was trained on {TRAINED_ON[sha256]}."
    alone = what_figures_rest_on(replace(shipped, name="CNN (a)"))
    assert alone[0] == f"*CNN (a)* was trained on {TRAINED_ON[sha256]}."
    assert lines[1] == (
        "Figures on real images rest on 1,000 images: some digits. 95% intervals of the accuracies "
        "are under *Shortcut learning*."
    )
    variance = Variance(0.5, 0.1, 0.1, 0.3)
    data = RealEvidence(None, (), (), (), variance, None, Examples("", (4, 6), ()))
    hued = probed(finding("conv", 0, facet("color", 0.0), data=data), behavior=SHORTCUT)
    assert what_figures_rest_on(hued)[1].endswith(
        "*Shortcut learning*. What the hue explains rests on at most 80 of them."
    )
    fewer = SHORTCUT.images | {"accuracy_color_changed": 13}
    some = probed(unit(0, 0.2, 0.5), behavior=replace(SHORTCUT, images=fewer))
    assert what_figures_rest_on(some)[1].endswith(
        "*Shortcut learning*. That in other colors rests on the 13 that could be shown so."
    )
    without = what_figures_rest_on(probed(unit(0, 0.2, 0.5)))
    assert without[1] == "Figures on real images rest on 1,000 images: some digits."
    data = replace(shipped.record.data, name="1,000 digits, each in its hue")
    numbered = replace(shipped, record=replace(shipped.record, data=data))
    assert what_figures_rest_on(numbered)[1].startswith(
        "Figures on real images rest on 1,000 digits, each in its hue."
    )


def test_another_cnn_is_told_by_its_weights():
    one, other = probed(unit(0, 0.2, 0.5), data=False), probed(unit(0, 0.1, 0.9))
    lines = what_figures_rest_on(replace(one, against=other))
    assert lines == [
        "*a* is CNN (a); it has the weights of net.pt.",
        "*a* is CNN (a); it has the weights of net.pt. It has the same layers and is there to "
        "compare with.",
    ]
