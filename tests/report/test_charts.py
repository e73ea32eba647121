"""The charts: bars as wide as the shares, both CNNs beside each other, readable by a program."""

import re
from dataclasses import replace
from xml.etree import ElementTree

import pytest

from prober.findings.finding import Shares
from prober.report.charts import BAR, FILLS, ROWS, write_charts
from prober.report.probed import load_report, mean_shares
from tests.report.reports import facet, finding, record, write

SVG = "{http://www.w3.org/2000/svg}"


def units(layer, *of_units):
    return [
        finding(layer, i, facet("color", 0.0), shares=Shares(*parts, 0.0))
        for i, parts in enumerate(of_units)
    ]


def drawn(folder, one, other=None):
    """The chart of the layers: widths of parts by their fill, and all texts."""
    write(folder, one, record(one))
    if other:
        write(folder / "against", other, record(other, name="CNN <b>"))
    write_charts(folder, load_report(folder))
    root = ElementTree.fromstring((folder / "charts/layers.svg").read_text(encoding="utf-8"))
    widths = {
        part: [
            float(rect.get("width"))
            for rect in root.iter(f"{SVG}rect")
            if rect.get("fill") == fill and rect.find(f"{SVG}title") is not None
        ]
        for part, fill in FILLS.items()
    }
    return widths, [text.text for text in root.iter(f"{SVG}text")]


def test_a_bar_is_divided_as_the_mean_of_the_units_is(tmp_path):
    layer = [*units("conv", (0.5, 0.2, 0.3), (0.1, 0.8, 0.1)), finding("conv", 7)]
    assert mean_shares(layer) == pytest.approx({"color": 0.3, "shape": 0.5, "brightness": 0.2})
    widths, texts = drawn(tmp_path, layer, units("conv", (0.0, 0.95, 0.05)))
    assert widths["color"] == pytest.approx([0.3 * BAR, 0.0])
    assert widths["shape"] == pytest.approx([0.5 * BAR, 0.95 * BAR])
    assert widths["brightness"] == pytest.approx([0.2 * BAR, 0.05 * BAR])
    for said in ("conv", "CNN (a)", "CNN <b>", "30%", "50%", "20%", "95%", *FILLS):
        assert said in texts
    assert "5%" not in texts  # there is no room for it


def test_a_layer_of_dead_units_has_no_bar(tmp_path):
    widths, texts = drawn(tmp_path, [*units("conv", (1.0, 0.0, 0.0)), finding("dead", 0)])
    assert "not known" in texts and widths["color"] == [BAR]
    assert mean_shares([finding("dead", 0)]) == {}


def test_many_layers_of_long_names_keep_to_a_page(tmp_path):
    names = [f"features.denseblock3.denselayer{i}.conv2" for i in range(ROWS + 5)]
    widths, texts = drawn(tmp_path, [u for name in names for u in units(name, (0.4, 0.5, 0.1))])
    assert len(widths["color"]) == ROWS
    assert max(len(text) for text in texts) < 50
    assert sum(bool(re.fullmatch(r"feature….*conv2", text)) for text in texts) == ROWS


def test_what_is_not_used_any_more_goes(tmp_path):
    (tmp_path / "charts").mkdir()
    (tmp_path / "charts/classes.svg").write_text("of another report", encoding="utf-8")
    drawn(tmp_path, [replace(unit, trusted=None) for unit in units("conv", (0.4, 0.5, 0.1))])
    assert not (tmp_path / "charts/classes.svg").exists()
