import html
import json
import os
import re
import shutil
import tempfile
import time
from dataclasses import replace

import numpy as np
import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from prober.common.errors import InputError
from prober.common.files import write_whole
from prober.common.pictures import png
from prober.findings.behavior import Shortcut
from prober.findings.finding import (
    ClassEvidence,
    ClassLogit,
    Example,
    Examples,
    HueTuning,
    Maxima,
    Maximum,
    PathLikeness,
    Picture,
    Pictures,
    RealEvidence,
    ScoreRange,
    StyledFacet,
    StyledPicture,
    Trust,
    UsedShares,
    Variance,
)
from prober.findings.real_evidence import used_shares
from prober.report.page import write_page
from prober.report.words import percent
from tests.report.reports import EVIDENCE, HONEST, SHORTCUT, facet, finding, record, write

STEPS = (0, 50, 100)
EVIL = """a.b "'<i>&{{ 7 }}%2F"""
"""A layer's name as bad as a name can be that has no slash."""
LABEL = "</script><script>document.title = 'taken over'</script>"
FLAGS = (
    "--headless=new --no-sandbox --disable-gpu --disable-quic --no-first-run "
    "--disable-background-networking --disable-component-update --disable-sync"
)


def sprite(folder, path, rows, columns):
    """A sprite of 4x6 cells, each of a gray of its own."""
    grays = np.linspace(0, 255, rows * columns).astype(np.uint8).reshape(rows, columns)
    pixels = grays.repeat(4, 0).repeat(6, 1)
    write_whole(folder / path, png(np.stack([pixels] * 3, -1)))
    return path


def drawn(folder, base, kind, hue=None, orientation=None, styles=()):
    """A facet with its pictures; in these styles, the plain one is the best."""
    best = sprite(folder, f"{base}/facet_{kind}.png", 7, 5)
    legible = sprite(folder, f"{base}/facet_{kind}_legible.png", 7, 5)
    in_style = {
        "legible": StyledFacet("legible", 3.1, legible),
        "plain": StyledFacet("plain", 3.2, best),
    }
    return facet(
        kind,
        hue,
        orientation,
        score=3.2,
        share=0.75,
        pictures=(best,),
        full=sprite(folder, f"{base}/full_{kind}.png", 7, 7),
        styles=tuple(in_style[style] for style in styles),
    )


def seeds(folder, base, facets):
    items = [
        Picture(
            variant="mean",
            objective="ChannelMean",
            position=None,
            seed=seed,
            initial_image="GaussianNoise",
            regularizers="0.0001 l2",
            score=3.0 - seed,
            share=0.9 - seed,
            facet=0 if facets and seed == 0 else None,
            record={"stem": f"record of seed {seed}", "penalties_won": seed == 1},
        )
        for seed in range(2)
    ]
    path = sprite(folder, f"{base}/seeds.png", len(items), len(STEPS))
    return Pictures(path, (4, 6), STEPS, tuple(items))


def data(folder, base, of_class):
    logit = ClassLogit(own=9.1, color_changed=1.2, shape_changed=7.0, both_changed=-3.0)
    used = UsedShares(color=0.74, shape=0.26)
    known = ClassEvidence(LABEL, 216.0, (0.0, 0.4, 1.0), None, logit, used)
    return RealEvidence(
        table=((0.1, 1.5), (3.2, None)),
        rows=("0", LABEL),
        columns=(0.0, None),
        colors=((1.0, 0.0, 0.0), (0.4, 0.4, 0.4)),
        variance=Variance(0.6, 0.05, 0.2, 0.15),
        label=known if of_class else None,
        examples=Examples(
            sprite(folder, f"{base}/examples.png", 1, 1),
            (4, 6),
            (Example(2.4, 0.75, LABEL, None),),
        ),
    )


def unit(folder, layer, channel, facets=(), flat=False, plain=False, **other):
    """What is found of a unit; `plain` has as little evidence as there can be."""
    base = f"pictures/{layer}/ch{channel:03d}"
    evidence = {"neuron": None if flat else (7, 7), "score": ScoreRange(0.1, 3.2)}
    if not plain:
        hue = HueTuning((0, 120, 240), flat=(0.1, 2.0, 0.3), strokes=(0.5, None, 0.4))
        evidence |= {
            "pictures": seeds(folder, base, facets),
            "styles": tuple(
                StyledPicture(
                    style,
                    "mean",
                    3.2,
                    sprite(folder, f"{base}/{style}.png", 7, 5),
                    penalties_won=style == "plain",
                    matters=sprite(folder, f"{base}/{style}_matters.png", 7, 5),
                )
                for style in ("legible", "plain")
            ),
            "starts": {"noise": 8, "pushed away": 4},
            "tuning": replace(EVIDENCE.tuning, hue=hue),
            "data": data(folder, base, flat),
        }
        if facets:
            shares = {"all": 1.0, "gray": 0.7, "flat": 0.5, "flat_gray": -0.2}
            drawn_maxima = {
                name: Maximum(3.2 * share, share, sprite(folder, f"{base}/{name}.png", 4, 4))
                for name, share in shares.items()
            }
            evidence["maxima"] = Maxima(**drawn_maxima)
            paths = (PathLikeness("conv1", picture=0.9, real=0.95, random=0.4),)
            evidence["trust"] = Trust(picture=3.2, best_real=2.4, times=1.33, paths=paths)
    else:
        evidence["starts"] = {}
    return finding(
        layer,
        channel,
        *(drawn(folder, base, *each) for each in facets),
        **({"confidence": 0.5, "trusted": None} | evidence | other),
    )


def write_report(folder, units, shape=(3, 28, 28), against=None, shortcut="color", with_data=True):
    behavior = replace(SHORTCUT, accuracy_without_color=None, shortcut=Shortcut(shortcut or "none"))
    about = record(units, "Net <b>one</b>", behavior if shortcut else None, shape, data=with_data)
    about = replace(about, sheets=("sheets/conv1.png",))
    write(folder, units, about)
    if against:
        other = replace(HONEST, accuracy=0.98, accuracy_color_changed=0.97)
        write(folder / "against", against, record(against, "Net two", other if shortcut else None))
    return write_page(folder).as_uri()


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """A report with two subjects and units of every sort; its address."""
    folder = tmp_path_factory.mktemp("report #1 100%")
    color, shape = ("color", 12.0, None), ("shape", None, 45.0)
    both, neither = ("color+shape", 240.0, 90.0), ("brightness",)
    styled = [(*shape, ("legible", "plain")), (*color, ("plain",))]
    units = [
        unit(folder, "conv1", 0, [color], confidence=0.7, trusted=True),
        unit(folder, "conv1", 1, styled, confidence=0.9, trusted=False, why=["It lies."]),
        unit(folder, "conv1", 2),
        unit(folder, "conv1", 2, [neither], position=(7, 7)),
        unit(folder, EVIL, 0, [both], confidence=0.2),
        unit(folder, EVIL, 1, [("unclear",)], plain=True, why=[f"Thin: {LABEL}"]),
        unit(folder, "logits", 0, [color], flat=True),
    ]
    other = unit(folder / "against", "conv1", 0, [("shape", None, 90.0)])
    return write_report(folder, units, against=[other])


@pytest.fixture(scope="module")
def gray_page(tmp_path_factory):
    """A report on a CNN with one input channel, without real images and a second subject."""
    folder = tmp_path_factory.mktemp("gray")
    units = [
        unit(folder, "conv1", 0, [("shape", None, None)], plain=True),
        unit(folder, "conv1", 1, plain=True),
    ]
    return write_report(folder, units, shape=(1, 28, 28), shortcut=None, with_data=False)


@pytest.fixture(scope="module")
def browser():
    chromium, driver = (shutil.which(name) for name in ("chromium", "chromedriver"))
    if not driver:
        without = pytest.fail if os.environ.get("CI") else pytest.skip
        without("needs Chromium (Debian: chromium and chromium-driver) to look at the page")
    options = webdriver.ChromeOptions()
    if chromium:  # else the driver looks for Chrome
        options.binary_location = chromium
    for flag in FLAGS.split():
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        options.add_argument(f"--user-data-dir={profile}")
        browser = webdriver.Chrome(options, webdriver.ChromeService(driver))
        browser.set_window_size(1280, 900)
        yield browser
        browser.quit()


def visit(browser, address):
    """Opens an address afresh, even where only its hash is new."""
    browser.get("about:blank")
    browser.get(address)


def wait(condition, seconds=5):
    """Returns what a condition says as soon as it says something."""
    end = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < end, "nothing happened"
        time.sleep(0.02)
    return value


def find(browser, selector):
    return browser.find_elements(By.CSS_SELECTOR, selector)


def one(browser, selector):
    return wait(lambda: find(browser, selector))[0]


def text(browser, selector):
    return one(browser, selector).text


def cards(browser):
    """The units that the overview shows, in their order."""
    script = "return [...document.querySelectorAll('.card')].map(c => c.getAttribute('href'))"
    return [card.rsplit("#")[1] for card in browser.execute_script(script)]


def shown_units(browser):
    """Scrolls through the overview, so that every layer has its cards, and returns the units."""
    number = int(text(browser, "#shown").split()[0])
    browser.execute_script("scrollTo(0, document.scrollingElement.scrollHeight)")
    wait(lambda: len(cards(browser)) == number)
    return cards(browser)


def unit_name(browser):
    """At once, for what is found first may be gone when it is read."""
    return browser.execute_script("return document.querySelector('#unit h2')?.innerText.trim()")


def press(browser, key):
    one(browser, "body").send_keys(key)


def at(browser, name):
    wait(lambda: unit_name(browser) == name)


def evil(channel):
    return f"a.b%20%22'%3Ci%3E%26%7B%7B%207%20%7D%7D%252F/{channel}"


EVERY = ["conv1/0", "conv1/1", "conv1/2", "conv1/2/7,7", evil(0), evil(1), "logits/0"]


def test_first_view(browser, page):
    visit(browser, page)
    assert text(browser, "h1") == "What Net <b>one</b> wants to see"
    assert "takes a shortcut: the color" in text(browser, ".verdict")
    rows = [row.text.split() for row in find(browser, ".counts tbody tr")]
    assert rows[0] == ["conv1", "4", "2", "1", "0", "1", "0", "1", "1", "1"]
    assert rows[2] == ["logits", "1", "1", "0", "0", "0", "0", "0", "0", "0"]
    assert text(browser, "#shown") == "7 units"
    assert shown_units(browser) == EVERY
    assert "Net two" in text(browser, ".shares")
    first = "return performance.getEntriesByName('first-contentful-paint')[0]?.startTime"
    assert wait(lambda: browser.execute_script(first)) < 1000


def test_every_filter(browser, page):
    visit(browser, page)
    every = {
        "color": ["conv1/0", "conv1/1", "logits/0"],
        "shape": ["conv1/1"],
        "color+shape": [evil(0)],
        "brightness": ["conv1/2/7,7"],
        "unclear": [evil(1)],
        "polysemantic": ["conv1/1"],
        "dead": ["conv1/2"],
        "not trusted": ["conv1/1"],
    }
    for name, left in every.items():
        chip = one(browser, f"[data-kind='{name}'], [data-flag='{name}']")
        assert chip.text.endswith(f"{name} {len(left)}")
        chip.click()
        assert chip.get_attribute("aria-pressed") == "true"
        assert text(browser, "#shown") == f"{len(left)} of 7 units shown"
        assert shown_units(browser) == left
        one(browser, "#all").click()
        assert text(browser, "#shown") == "7 units"
    assert shown_units(browser) == EVERY


def test_a_part_of_a_bar_shows_the_units_in_which_it_is_the_largest(browser, page):
    visit(browser, page)
    rows = find(browser, ".mixes tbody tr")
    assert [row.find_elements(By.TAG_NAME, "button")[1].text for row in rows] == ["50%"] * 3
    shape, color = (
        one(browser, f"[data-layer='conv1'][data-part='{part}']") for part in ("shape", "color")
    )
    assert not color.is_enabled()  # of none of them is color the largest part
    assert shape.size["width"] / color.size["width"] == pytest.approx(5 / 3, rel=0.05)
    shape.click()
    assert text(browser, "#shown") == "3 of 7 units shown, most of all by shape"
    assert shown_units(browser) == ["conv1/0", "conv1/1", "conv1/2/7,7"]
    bars = find(browser, ".card .mix")
    assert [bar.get_attribute("title") for bar in bars] == [
        "color 30%, shape 50%, brightness 20%"
    ] * 3
    one(browser, "#all").click()
    assert text(browser, "#shown") == "7 units"
    assert len(rows[0].find_elements(By.TAG_NAME, "i")) == 3  # the second subject's bar


def test_filters_join_kinds_and_narrow_by_flags(browser, page):
    visit(browser, page)
    for name in ("shape", "color"):
        one(browser, f"[data-kind='{name}']").click()
    assert shown_units(browser) == ["conv1/0", "conv1/1", "logits/0"]
    one(browser, "[data-flag='polysemantic']").click()
    assert shown_units(browser) == ["conv1/1"]
    one(browser, ".card").click()
    at(browser, "conv1 / channel 1")
    assert text(browser, ".steps .note") == "1 of 1 shown"


def test_a_number_of_the_table_shows_its_units(browser, page):
    visit(browser, page)
    one(browser, "[data-layer='conv1'][data-only='dead']").click()
    assert shown_units(browser) == ["conv1/2"]
    one(browser, "[data-layer='conv1'][data-only='color']").click()
    assert shown_units(browser) == ["conv1/0", "conv1/1"]  # and not logits/0
    one(browser, "#all").click()
    assert len(shown_units(browser)) == 7


def test_every_order(browser, page):
    visit(browser, page)
    orders = {"most": [1, 0], "least": [2, "2/7,7"], "hue": [0, 1], "channel": [0, 1]}
    for order, first in orders.items():
        one(browser, f"#sort [value='{order}']").click()
        assert shown_units(browser)[:2] == [f"conv1/{key}" for key in first]


def test_from_the_overview_to_a_unit_and_back(browser, page):
    visit(browser, page)
    one(browser, ".card").click()
    at(browser, "conv1 / channel 0")
    assert browser.current_url.endswith("#conv1/0")
    assert text(browser, ".wants") == "Wants color: red (12°)."
    browser.back()
    wait(lambda: one(browser, "#overview").is_displayed())
    assert browser.switch_to.active_element.get_attribute("href").endswith("#conv1/0")
    browser.forward()
    at(browser, "conv1 / channel 0")
    press(browser, Keys.ESCAPE)
    wait(lambda: one(browser, "#overview").is_displayed())


def test_links_to_a_unit_a_neuron_a_layer_and_nothing(browser, page):
    visit(browser, page + "#conv1/1")
    at(browser, "conv1 / channel 1")
    visit(browser, page + "#conv1/2/7,7")
    at(browser, "conv1 / neuron (7, 7) of channel 2")
    visit(browser, page + "#logits")
    assert one(browser, "#overview").is_displayed()
    visit(browser, page + "#conv1/99")
    assert text(browser, "#notice") == "There is no conv1/99 in this report."


def test_a_class_is_shown_with_what_it_goes_by_beside_what_it_wants(browser, page):
    visit(browser, page + "#logits/0")
    wait(lambda: find(browser, ".bars"))
    assert (
        "So on real images 74% of it is due to color and 26% to shape. Of what excites it most, "
        "30% is due to color, 50% to shape and 20% to brightness."
    ) in text(browser, "#unit")


def test_what_lowers_a_class_s_logit_is_told(browser, tmp_path):
    lowered = unit(tmp_path, "logits", 0, [("shape", None, 90.0)], flat=True)
    of_class = lowered.evidence.data.label
    for name, answers in (("color", (5.0, 7.0, -3.0, 0.0)), ("shape", (5.0, -3.0, 7.0, 0.0))):
        logit = ClassLogit(*answers)
        known = replace(of_class, logit=logit, used=used_shares(logit))
        real = replace(lowered.evidence.data, label=known)
        unit_of_class = replace(lowered, evidence=replace(lowered.evidence, data=real))
        visit(browser, write_report(tmp_path, [unit_of_class]) + "#logits/0")
        wait(lambda: find(browser, ".bars"))
        said = {"color": "0% of it is due to color and 100% to shape; its color lowers it. Of"}
        said["shape"] = "100% of it is due to color and 0% to shape; its shape lowers it. Of"
        assert said[name] in text(browser, "#unit")


def test_arrow_keys_step_through_the_units(browser, page):
    visit(browser, page + "#conv1/0")
    at(browser, "conv1 / channel 0")
    press(browser, Keys.ARROW_LEFT)
    at(browser, "conv1 / channel 0")
    for name in ("channel 1", "channel 2", "neuron (7, 7) of channel 2"):
        press(browser, Keys.ARROW_RIGHT)
        at(browser, f"conv1 / {name}")
    press(browser, Keys.ARROW_RIGHT)
    at(browser, f"{EVIL} / channel 0")
    press(browser, Keys.ARROW_LEFT)
    at(browser, "conv1 / neuron (7, 7) of channel 2")


def shown_column(browser):
    cell = one(browser, "#seeds .cell")
    return cell.value_of_css_property("background-position-x")


def test_arrow_keys_step_through_the_cards(browser, page):
    visit(browser, page)
    wait(lambda: cards(browser))
    browser.execute_script("document.querySelector('.card').focus()")
    for key in (Keys.ARROW_RIGHT, Keys.ARROW_RIGHT, Keys.ARROW_LEFT):
        browser.switch_to.active_element.send_keys(key)
    assert browser.switch_to.active_element.get_attribute("href").endswith("#conv1/1")


def test_the_slider_and_play_move_all_pictures(browser, page):
    visit(browser, page + "#conv1/0")
    at(browser, "conv1 / channel 0")
    slider = one(browser, "#slider")
    assert (shown_column(browser), text(browser, "#step")) == ("100%", "step 100 of 100")
    slider.send_keys(Keys.ARROW_LEFT)
    assert (shown_column(browser), text(browser, "#step")) == ("50%", "step 50 of 100")
    assert unit_name(browser) == "conv1 / channel 0"
    slider.send_keys(Keys.ARROW_RIGHT)
    one(browser, "#play").click()
    assert (shown_column(browser), text(browser, "#step")) == ("0%", "step 0 of 100")
    assert "pause" in text(browser, "#play")
    wait(lambda: shown_column(browser) == "100%")
    assert "play" in text(browser, "#play")
    assert len(find(browser, "#seeds .cell")) == 2
    slider.send_keys(Keys.ESCAPE)
    wait(lambda: one(browser, "#overview").is_displayed())


def test_a_unit_shows_its_evidence(browser, page):
    visit(browser, page + "#conv1/1")
    at(browser, "conv1 / channel 1")
    said = text(browser, "#unit")
    for words in (
        "polysemantic: 2 facets",
        "not trusted",
        "It lies.",
        "Facet 1 of 2: shape: strokes rising (45°)",
        "75% of the starts led to it",
        "\N{MINUS SIGN}20%",
        "the best without color",
        "70%",
        "60% goes with the hue",
        "1.33 times as far",
        "which sees 10 \N{MULTIPLICATION SIGN} 10 pixels: rows 5 to 14",
    ):
        assert words in said
    assert len(find(browser, ".chart svg[role='img'][aria-label]")) == 3
    label = one(browser, ".chart svg[role='img']").get_attribute("aria-label")
    assert "flat color: highest 2.00 at 120°, lowest 0.10 at 0°" in label
    assert [cell.text for cell in find(browser, ".heat td")] == [
        "0.10",
        "1.50",
        "3.20",
        "\N{EN DASH}",
    ]
    assert all(image.get_attribute("alt") for image in find(browser, "#unit img"))
    assert all(cell.get_attribute("aria-label") for cell in find(browser, "#unit .cell"))
    one(browser, "details:last-of-type summary").click()
    wait(lambda: "record of seed 1" in text(browser, "details:last-of-type pre"))
    broken = "return [...document.images].filter(i => i.complete && !i.naturalWidth).length"
    assert browser.execute_script(broken) == 0


@pytest.mark.parametrize(
    ("objective", "variant", "position", "whose"),
    [
        ("ChannelMean", "mean", None, "the channel's mean"),
        ("ChannelMean", "mean_reg0", None, "the channel's mean"),
        ("TopKMean", "top20", None, "the channel's"),
        ("SoftMaximum", "softmaximum_temperature0.5", None, "the channel's"),
        ("Neuron", "h07_w07", (7, 7), "one neuron's"),
    ],
)
def test_a_score_is_said_to_be_a_channel_s_or_one_neuron_s(
    browser, tmp_path, objective, variant, position, whose
):
    shown = unit(tmp_path, "conv1", 0, [("color", 12.0, None)])
    pictures, styles = shown.evidence.pictures, shown.evidence.styles
    maximized = {"objective": objective, "variant": variant, "position": position}
    items = tuple(replace(each, **maximized) for each in pictures.items)
    evidence = replace(
        shown.evidence,
        pictures=replace(pictures, items=items),
        styles=tuple(replace(each, variant=variant) for each in styles),
    )
    visit(browser, write_report(tmp_path, [replace(shown, evidence=evidence)]) + "#conv1/0")
    at(browser, "conv1 / channel 0")
    captions = [each.text for each in find(browser, "#unit figcaption")]
    assert captions[0] == f"legible: as people can read it; score 3.20 ({whose})"
    assert "The best picture has score 3.20 (one neuron's);" in text(browser, "#unit")


def test_beside_a_picture_stands_that_the_penalties_won(browser, page):
    visit(browser, page + "#conv1/1")
    at(browser, "conv1 / channel 1")
    told = [
        figure.text for figure in find(browser, "#unit figure") if "penalties want" in figure.text
    ]
    assert len(told) == 2
    assert told[0].startswith("plain: what excites it most") and "seed 1" in told[1]


def test_a_switch_shows_where_the_pictures_matter(browser, page):
    visit(browser, page + "#conv1/1")
    at(browser, "conv1 / channel 1")
    images = find(browser, "img[data-matters]")
    assert len(images) == 2
    for named in ("legible.png", "legible_matters.png", "legible.png"):
        assert images[0].get_attribute("src").endswith(f"/pictures/conv1/ch001/{named}")
        wait(lambda: images[0].get_property("naturalWidth") == 30)
        one(browser, "#matters").click()


def test_a_facet_is_shown_in_both_styles_or_said_to_have_left(browser, page):
    visit(browser, page + "#conv1/1")
    at(browser, "conv1 / channel 1")
    one_facet, other = (
        part for part in find(browser, "#unit .part") if part.text.startswith("Facet ")
    )
    legible, plain, whole = one_facet.find_elements(By.TAG_NAME, "figure")
    assert legible.text.startswith("legible: as people can read it; score 3.10")
    assert plain.text.startswith("plain: what excites it most; score 3.20")
    assert whole.text.startswith("the plain one, whole")
    shown = [each.find_element(By.TAG_NAME, "img") for each in (legible, plain)]
    assert [image.get_attribute("src").rsplit("/", 1)[1] for image in shown] == [
        "facet_shape_legible.png",
        "facet_shape.png",
    ]
    assert "legible one was made from the plain one" in one_facet.text
    assert len(other.find_elements(By.TAG_NAME, "figure")) == 2
    assert "There is no legible one: made from the plain one, it left this facet." in other.text


def test_the_same_unit_of_the_other_subject(browser, page):
    visit(browser, page + "#conv1/0")
    at(browser, "conv1 / channel 0")
    this, other = find(browser, ".panel")
    assert this.text.startswith("Net <b>one</b>")
    assert "Wants color: red (12°)." in this.text
    assert other.text.startswith("Net two")
    assert "Wants shape: strokes upright (90°)." in other.text
    assert "Due to color 30%, to shape 50%, to brightness 20%." in other.text
    picture = other.find_element(By.TAG_NAME, "img")
    assert "/against/pictures/conv1/" in picture.get_attribute("src")
    wait(lambda: picture.get_property("naturalWidth") == 30)
    visit(browser, page + "#conv1/1")
    at(browser, "conv1 / channel 1")
    assert "not examined there" in find(browser, ".panel")[1].text


def test_a_dead_unit(browser, page):
    visit(browser, page + "#conv1/2")
    at(browser, "conv1 / channel 2")
    said = text(browser, "#unit")
    assert "Dead: nothing that was tried excites it." in said
    assert "A dead unit has no facets." in said
    assert "There is no picture of a dead unit to trust." in said
    assert "nothing moves a dead unit" in said
    assert not find(browser, "#unit .chart")
    for words in ("%", "what excites it most", "penalties", "best picture"):
        assert words not in said
    assert "confidence" not in text(browser, ".head")


def test_hostile_names_are_text(browser, page):
    visit(browser, page + "#logits/0")
    at(browser, f"logits / unit 0, class {LABEL}")
    assert LABEL in text(browser, ".heat")
    visit(browser, f"{page}#{evil(1)}")
    at(browser, f"{EVIL} / channel 1")
    assert f"Thin: {LABEL}" in text(browser, ".why")
    assert "taken over" not in browser.title
    picture = one(browser, "#unit img")
    wait(lambda: picture.get_property("naturalWidth") == 30)


def test_a_unit_with_little_evidence(browser, gray_page):
    visit(browser, gray_page)
    assert "Not checked with real images." in text(browser, ".verdict")
    assert not find(browser, ".shares")
    visit(browser, gray_page + "#conv1/0")
    at(browser, "conv1 / channel 0")
    said = text(browser, "#unit")
    for words in (
        "Wants shape.",
        "trust not checked: no real images",
        "There are no pictures of this unit.",
        "the input does not have three color channels",
        "No real images were given.",
        "there was nothing real to compare it with",
    ):
        assert words in said
    assert len(find(browser, ".chart")) == 2
    visit(browser, gray_page + "#conv1/1")
    at(browser, "conv1 / channel 1")


def test_a_unit_that_no_gradient_leads_back_from_shows_its_answers_alone(browser, tmp_path):
    why = "No picture can be made, for no gradient leads back to the input: it ends at 'conv1'."
    known = {"polysemantic": None, "confidence": None, "trusted": None, "dead": False}
    seen = {"tuning": EVIDENCE.tuning, "data": data(tmp_path, "pictures/conv2/ch000", False)}
    cut = unit(tmp_path, "conv2", 0, plain=True, why=[why], **known, **seen)
    address = write_report(tmp_path, [unit(tmp_path, "conv1", 0, [("color", 12.0, None)]), cut])
    browser.get_log("browser")
    visit(browser, address)
    assert "Of conv2, 1 unit, no picture can be made, for no gradient" in text(browser, "header")
    assert "no picture" in wait(lambda: [c.text for c in find(browser, ".card")][1:])[0]
    visit(browser, f"{address}#conv2/0")
    assert (
        text(browser, ".wants") == "Not known. What it was shown brings its score from 0.1 to 3.2."
    )
    assert text(browser, ".why") == why
    assert text(browser, ".facts") == ""
    parts = [each.text for each in find(browser, "#unit .part > h3")]
    assert parts == ["Tuning curves", "Real images", "The record"]
    said = text(browser, "#unit")
    assert "strongest answer" in said and "best picture" not in said
    assert browser.get_log("browser") == []


def test_a_phone_does_not_scroll_sideways(browser, page):
    metrics = {"width": 390, "height": 800, "deviceScaleFactor": 2, "mobile": True}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    fits = "return document.scrollingElement.scrollWidth <= 390 && innerWidth === 390"
    try:
        for unit in ("", "#conv1/1", "#logits/0", f"#{evil(0)}"):
            visit(browser, page + unit)
            if unit:
                one(browser, "#seeds .cell")
            assert browser.execute_script(fits), unit
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_a_layer_without_its_script_is_told(browser, tmp_path):
    address = write_report(tmp_path, [unit(tmp_path, "conv1", 0)])
    (tmp_path / "page" / "conv1.js").unlink()
    visit(browser, address + "#conv1/0")
    assert "page/conv1.js could not be loaded" in text(browser, "#unit .notice")
    browser.get_log("browser")  # the browser tells it, too


def test_no_complaint_and_no_request_to_any_host(browser, page, gray_page):
    for log in ("browser", "performance"):
        browser.get_log(log)
    for address in (page, gray_page):
        visit(browser, address)
        for unit in shown_units(browser):
            visit(browser, f"{address}#{unit}")
            one(browser, "#unit h2")
            browser.execute_script("document.querySelector('#play')?.click()")
    assert browser.get_log("browser") == []
    events = [json.loads(e["message"])["message"] for e in browser.get_log("performance")]
    requests = [
        e["params"]["request"]["url"]
        for e in events
        if "requestWillBeSent" in e["method"] and "request" in e["params"]
    ]
    assert any(request.endswith("page/conv1.js") for request in requests)
    assert {request.split(":")[0] for request in requests} <= {"file", "data", "about"}


def test_the_page_holds_no_address():
    from prober.report.page import SCRIPTS, TEMPLATES

    for name in ("index.html.j2", "page.css", *SCRIPTS):
        content = (TEMPLATES / name).read_text(encoding="utf-8")
        assert "//" not in content.replace("http://www.w3.org/2000/svg", "").replace("// ", "")


def test_shares_are_said_in_percent_as_python_says_them(browser, page):
    visit(browser, page)
    shares = [0, 1, 0.5, 0.004, 0.005, 0.0049, 0.996, 0.9951, 0.99996, 0.125, 0.335, 1.8, 2 / 3]
    shares += [-1e-9, 1e-9, 1 - 1e-9, 2e-5]
    said = browser.execute_script("return arguments[0].map(percent)", shares)
    assert said == [percent(share) for share in shares]


@pytest.mark.parametrize("shortcut", ["color", "none", "cannot say", None])
def test_every_verdict(tmp_path, shortcut):
    write_report(tmp_path, [unit(tmp_path, "conv1", 0)], shortcut=shortcut)
    said = {
        "color": "It takes a shortcut: the color.",
        "none": "No shortcut by color was found.",
        "cannot say": "Whether it takes a shortcut cannot be said.",
        None: "Whether it names real images right was not checked.",
        "without images": "Not checked with real images.",
    }
    written = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert [name for name, words in said.items() if words in written] == [shortcut]
    (look,) = re.findall('<p class="verdict (.*?)">', written)
    assert look == ("shortcut-" + shortcut.replace(" ", "-") if shortcut else "")


def test_that_the_classes_may_be_in_another_order_is_said(tmp_path):
    units = [unit(tmp_path, "conv1", 0)]
    order = ("dot", LABEL)
    behavior = replace(SHORTCUT, accuracy=0.0, shortcut=Shortcut.UNKNOWN, order=order)
    write(tmp_path, units, record(units, "Net", behavior, (1, 28, 28)))
    write_page(tmp_path)
    written = html.unescape((tmp_path / "index.html").read_text(encoding="utf-8"))
    assert f"Far more are right if the logits stand for dot and {LABEL}, in this order" in written


@pytest.mark.parametrize("dealt", [True, False])
def test_of_gray_images_the_page_says_what_brightness_does(tmp_path, dealt):
    units = [unit(tmp_path, "conv1", 0)]
    behavior = replace(SHORTCUT, shortcut=Shortcut.UNKNOWN, accuracy_without_color=None)
    if not dealt:
        behavior = replace(behavior, color_change=None, accuracy_color_changed=None)
    write(tmp_path, units, record(units, "Net", behavior, (1, 28, 28)))
    write_page(tmp_path)
    written = " ".join((tmp_path / "index.html").read_text(encoding="utf-8").split())
    assert ("There can be no shortcut by color" in written) != dealt
    assert ("Whether it takes a shortcut cannot be said" in written) == dealt
    assert ("given another class&#39;s brightness, 20%" in written) == dealt


def test_nothing_of_the_verdict_looks_like_a_missing_picture(browser, gray_page, page):
    """The class of a missing picture once was that of a verdict, too."""
    for address in (gray_page, page):
        visit(browser, address)
        size, place = (
            one(browser, ".verdict").value_of_css_property(name)
            for name in ("font-size", "text-align")
        )
        assert (size, place) == ("16px", "start")


def test_no_real_images_are_said_to_be_missing(tmp_path):
    units = [unit(tmp_path, "conv1", 0)]
    write_report(tmp_path, units, shortcut=None, with_data=False)
    assert "Not checked with real images." in (tmp_path / "index.html").read_text(encoding="utf-8")


def test_a_folder_without_a_report_is_told(tmp_path):
    with pytest.raises(InputError, match=r"holds no report: report\.json is missing"):
        write_page(tmp_path)
    write_report(tmp_path, [unit(tmp_path, "conv1", 0)])
    (tmp_path / "findings.json").write_text('[{"confidence": NaN}]', encoding="utf-8")
    with pytest.raises(InputError, match="NaN is no number"):
        write_page(tmp_path)


def test_a_layer_that_is_no_file_name_has_a_page(browser, tmp_path):
    page = write_report(tmp_path, [unit(tmp_path, "a/b: 1", 0)])
    assert (tmp_path / "page" / "a%2Fb%3A 1.js").is_file()
    visit(browser, page)
    one(browser, "a.card").click()
    at(browser, "a/b: 1 / channel 0")
