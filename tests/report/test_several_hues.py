"""A report on a unit that sums up what it finds of red and of its opposite."""

import json

CNN = """
from torch import nn
from torch.nn import functional as F


class RedAndCyan(nn.Module):
    def __init__(self):
        super().__init__()
        self.unit = nn.Identity()

    def forward(self, x):
        redness = (x[:, :1] - x[:, 1:].mean(1, keepdim=True)).flatten(1, 2)
        areas = [F.relu(redness), F.relu(-redness)]
        strokes = [each.diff(dim=2).abs().mean((1, 2)) for each in areas]
        return self.unit((sum(strokes) + 0.3 * sum(areas).mean((1, 2)))[:, None])
"""


def test_hues_that_each_excite_are_named_and_that_of_their_mix_is_not(prober, tmp_path):
    (tmp_path / "mixed.py").write_text(CNN, encoding="utf-8")
    ended = prober(
        *("report", "--model.subject.cnn", "mixed.RedAndCyan"),
        *("--model.subject.input_shape", "[3,8,8]", "--grid.layers", "unit", "--grid.seeds", 2),
        *("--data", "none", "--trainer.max_steps", 60, "--trainer.devices", 1),
    )
    assert ended.code == 0, ended.err
    (folder,) = tmp_path.glob("lightning_logs/*/version_0")
    found, *_ = json.loads((folder / "findings.json").read_text(encoding="utf-8"))
    hues = found["evidence"]["several_hues"]
    assert sorted(each["degrees"] for each in hues) == [0, 180]
    assert all(abs(each["share"] - 0.5) < 0.02 for each in hues)
    assert found["hue"] is None and [each["hue"] for each in found["facets"]] == [None]
    assert found["polysemantic"] is False and found["confidence"] == 0.5
    text = (folder / "SUMMARY.md").read_text(encoding="utf-8")
    assert "may want several colors" in text
    assert "red or cyan" in text or "cyan or red" in text
