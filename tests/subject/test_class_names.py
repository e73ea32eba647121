import json

import numpy as np
import pytest
import yaml
from PIL import Image
from torch import nn

import prober
from prober.common.errors import InputError
from prober.subject import Subject
from prober.subject.class_names import class_number, read_class_names
from tests.command_line import refused

NAMES = ["ant", "bee", "water buffalo"]


def small(**settings):
    cnn = nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3))
    return Subject(cnn, input_shape=(3, 8, 8), **settings)


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("names.txt", "ant\nbee\nwater buffalo\n"),
        ("names.json", json.dumps(NAMES)),
        ("names.json", json.dumps({"2": "water buffalo", "0": "ant", "1": "bee"})),
    ],
)
def test_names_are_read_from_a_list_or_a_file(tmp_path, file, text):
    (tmp_path / file).write_text(text, encoding="utf-8")
    assert read_class_names(str(tmp_path / file)) == read_class_names(NAMES) == tuple(NAMES)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["ant", "ant", "bee"], "'ant' twice"),
        (["ant", " ", "bee"], "empty name"),
        (["ant", "bee"], "2 names, and Sequential has 3 logits"),
    ],
)
def test_names_that_cannot_be_are_told(given, said):
    with pytest.raises(InputError, match=said):
        small(classes=given)


@pytest.mark.parametrize("text", ['{"1": "ant"}', '"ant"', "{"])
def test_json_of_something_else_is_told(tmp_path, text):
    (tmp_path / "names.json").write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match="a list of names, or an object of names by number"):
        read_class_names(str(tmp_path / "names.json"))


def test_a_file_that_is_not_utf_8_is_told(tmp_path):
    (tmp_path / "names.txt").write_text("ant\nbee\n", encoding="utf-16")
    with pytest.raises(InputError, match=r"names\.txt' cannot be read: .* in UTF-8, one name a"):
        read_class_names(str(tmp_path / "names.txt"))


def test_a_class_is_found_by_its_name_and_the_nearest_is_told():
    made = prober.visualize(small(classes=NAMES), "logits:water buffalo", steps=1)
    assert (made.record["channel"], made.record["class_name"]) == (2, "water buffalo")
    with pytest.raises(InputError, match="Did you mean 'bee'"):
        prober.visualize(small(classes=NAMES), "logits:beee", steps=1)
    with pytest.raises(InputError, match="the classes have no names here"):
        prober.visualize(small(), "logits:bee", steps=1)
    assert class_number(NAMES, "ant", "here") == 0
    assert "class_name" not in prober.visualize(small(), "logits:1", steps=1).record


def test_a_sweep_takes_names_and_shows_them(prober, tmp_path):
    names = [f"class number {i}" for i in range(8)] + ["zebra", "nine"]
    (tmp_path / "names.txt").write_text("\n".join(names), encoding="utf-8")
    config = {"model": {"subject": {"classes": "names.txt"}}, "grid": {"classes": ["zebra", 9]}}
    (tmp_path / "sweep.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    quick = ["--trainer.max_steps", "1", "--trainer.devices", "1"]
    ended = prober("sweep", "--config", "sweep.yaml", *quick)
    assert ended.code == 0, ended.err
    folder = tmp_path / "lightning_logs" / "sweep_logits" / "version_0"
    lines = (folder / "records.jsonl").read_text(encoding="utf-8").splitlines()
    shown = [(json.loads(line)["channel"], json.loads(line)["class_name"]) for line in lines]
    assert shown == [(8, "zebra"), (9, "nine")]
    for channel, name in shown:
        [run] = (folder / "hparams").glob(f"logits_ch{channel:03d}_*")
        [file] = run.glob("events.out.tfevents.*")
        assert f"logits_ch{channel}, {name}".encode() in file.read_bytes()
    sheet = np.asarray(Image.open(folder / "sheets" / "logits.png").convert("L"))
    assert sheet.shape[0] > 2 * 112
    wrong = prober("sweep", "--config", "sweep.yaml", "--grid.classes", "[zebro]", *quick)
    refused(wrong, "grid.classes", "Did you mean 'zebra'?")
