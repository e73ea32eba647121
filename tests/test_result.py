"""What `prober.visualize` returns: how it shows itself, and how it is saved."""

import json

import numpy as np
import pytest
import torch

import prober
from prober import ChannelMean, InputError, Neuron, TotalVariation
from prober.common.drawing import CURVE
from prober.common.pictures import enlarge, to_bytes
from prober.result import MARGIN
from tests import plain
from tests.cnns import reference, small
from tests.files import opened


def holds(sheet, picture, left, top):
    """Whether a sheet shows a picture at this place."""
    height, width = picture.shape[:2]
    return (sheet[top : top + height, left : left + width] == picture).all()


def found_in(sheet, picture):
    """How many times a sheet shows a picture."""
    rows, columns = (sheet.shape[i] - picture.shape[i] + 1 for i in range(2))
    corners = (sheet[:rows, :columns] == picture[0, 0]).all(2).nonzero()
    return sum(holds(sheet, picture, x, y) for y, x in zip(*corners, strict=True))


def test_curve_and_evolution_lead_from_the_start_to_the_end():
    made = prober.visualize(reference(), "conv2:3", steps=100, style="plain")
    assert made.scores.steps.tolist() == list(range(0, 101, 5))
    ends = [made.record["score_start"], made.record["score_end"]]
    np.testing.assert_allclose(made.scores.values[[0, -1]], ends, rtol=1e-6)
    assert made.evolution.steps.tolist() == list(range(0, 101, 10))
    last = to_bytes(torch.from_numpy(made.array))
    np.testing.assert_array_equal(made.evolution.frames[-1], last)
    assert (made.evolution.frames[0] != last).any()
    output = plain.outputs(torch.from_numpy(made.array)[None])["conv2"]
    assert output[0, 3].mean().item() == pytest.approx(ends[1], rel=1e-5)


def test_a_visualization_shows_itself():
    made = prober.visualize(reference(), "conv2:3", steps=50)
    sheet = opened(made._repr_png_())
    picture = enlarge(to_bytes(torch.from_numpy(made.array)))
    assert found_in(sheet, picture) == 1
    np.testing.assert_array_equal(np.asarray(made.image), picture)
    # The curve is blue, begins at the bottom, and ends at the top, at the right.
    blue = tuple(bytes.fromhex(CURVE[1:]))
    rows, columns = (sheet == blue).all(2).nonzero()
    beside = columns > MARGIN + picture.shape[1]
    rows, columns = rows[beside], columns[beside]
    assert rows[columns.argmin()] > rows[columns.argmax()] + 200
    assert columns.max() - columns.min() > 200
    said = f"score {made.record['score_start']:.4g} to {made.record['score_end']:.4g}"
    assert repr(made).startswith(f"<Visualization of conv2_ch3: {said} after 50 steps, seed 0")


def test_visualizations_show_themselves():
    several = prober.visualize(reference(), ["conv1:1", "conv2:3", "logits"], seeds=2, steps=3)
    sheet = opened(several._repr_png_())
    pictures = [enlarge(to_bytes(torch.from_numpy(each.array)), 168) for each in several]
    assert [found_in(sheet, picture) for picture in pictures] == [1] * 6
    assert sheet.shape[0] > 3 * 168 > sheet.shape[1] > 2 * 168  # three rows of two
    assert repr(several).count("<Visualization of") == 6
    many = prober.visualize(reference(), "conv1:1", seeds=6, steps=1)
    height, width = opened(many._repr_png_()).shape[:2]
    assert 6 * 168 > width > 5 * 168
    assert 3 * 168 > height > 2 * 168
    assert opened(many[:0]._repr_png_()).size


def test_large_pictures_are_shrunk_in_a_sheet():
    wide = prober.visualize(
        small(),
        ["0:1", "0:2"],
        steps=1,
        input_shape=(3, 180, 400),
        initial_image=prober.GrayNoise(),
    )
    height, width = opened(wide._repr_png_()).shape[:2]
    assert height < 168
    assert width < 2 * (200 + 2 * MARGIN) + MARGIN


def test_dead_and_failed_targets_are_told():
    model = small()
    with torch.no_grad():
        model[0].weight[1] = 0
        model[0].bias[1] = -1
    dead, alive = prober.visualize(model, ["1:1", "1:3"], steps=5)
    assert (dead.record["dead"], alive.record["dead"]) == (True, False)
    assert "nothing excites it from this start" in repr(dead)
    with torch.no_grad():
        model[0].bias[2] = float("nan")
    failed, other = prober.visualize(model, ["1:2", "1:3"], steps=5)
    assert failed.record["status"] == "failed"
    assert "failed at step 0, where its score was no number" in repr(failed)
    np.testing.assert_array_equal(other.array, alive.array)
    for each in (dead, failed):
        assert opened(each._repr_png_()).size
        assert np.isfinite(each.array).all()


def test_a_picture_that_the_penalties_made_is_told():
    penalties = [TotalVariation(500.0)]
    shown = prober.visualize(small(), "1:3", steps=5, style="plain", regularizers=penalties)
    assert shown.record["penalties_won"]
    assert "this is what the penalties want" in repr(shown)


def test_saving(tmp_path):
    several = prober.visualize(reference(), ["conv1:1", "conv2:3"], steps=3)
    made = several[0]
    made.save(tmp_path / "a.png")
    picture = opened((tmp_path / "a.png").read_bytes())
    np.testing.assert_array_equal(picture, enlarge(to_bytes(torch.from_numpy(made.array))))
    made.save(str(tmp_path / "a.npy"))
    np.testing.assert_array_equal(np.load(tmp_path / "a.npy"), made.array)
    with pytest.raises(InputError, match=r"ends in '.jpg'; choose .png, .npy, or a folder."):
        made.save(tmp_path / "a.jpg")
    made.save(f"{tmp_path}/layer1.0/")
    assert (tmp_path / "layer1.0" / "final.png").exists()
    several.save(tmp_path / "all.png")
    assert (tmp_path / "all.png").read_bytes() == several._repr_png_()
    several.save(tmp_path / "all")
    folders = sorted((tmp_path / "all").iterdir())
    assert [folder.name for folder in folders] == ["conv1_ch1_seed0", "conv2_ch3_seed0"]
    np.testing.assert_array_equal(np.load(folders[0] / "final.npy"), made.array)
    with pytest.raises(InputError, match="Two of them are named conv1_ch1_seed0"):
        prober.Visualizations([made, made]).save(tmp_path / "twice")
    with pytest.raises(InputError, match=r"ends in '.npy'; choose .png, or a folder."):
        several.save(tmp_path / "all.npy")
    assert not {"a.jpg", "twice", "all.npy"} & {file.name for file in tmp_path.iterdir()}


def test_folders_of_layers_whose_names_differ_in_case_alone(tmp_path):
    cnn = torch.nn.Sequential()
    cnn.add_module("block", torch.nn.Conv2d(3, 2, 3))
    cnn.add_module("Block", torch.nn.Conv2d(2, 2, 3))
    shown = prober.visualize(cnn, ["block:0", "Block:0"], input_shape=(3, 8, 8), steps=1)
    shown.save(tmp_path)
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["%42lock_ch0_seed0", "block_ch0_seed0"]


def test_numbers_of_numpy(tmp_path):
    expected = prober.visualize(
        reference(), ["conv2:3", "conv2:3@7,5"], seeds=[3], steps=3, style="plain"
    )
    whole = np.int64(3)
    targets = [ChannelMean("conv2", whole), Neuron("conv2", whole, np.int32(7), np.uint8(5))]
    for seeds in ([np.int64(3)], np.array([3]), torch.tensor([3])):
        made = prober.visualize(
            reference(),
            targets,
            seeds=seeds,
            steps=whole,
            style="plain",
            lr=np.float32(0.05),
            input_shape=tuple(np.array([3, 28, 28])),
            regularizers=[prober.L2(np.float32(1e-4)), prober.TotalVariation(np.float64(1e-3))],
        )
        for mine, other in zip(made, expected, strict=True):
            np.testing.assert_allclose(mine.array, other.array, atol=1e-6)
            assert json.dumps(mine.record)
    assert len(prober.visualize(reference(), "conv2:3", seeds=np.int64(2), steps=1)) == 2
    made.save(tmp_path / "all")
    saved = json.loads(
        (tmp_path / "all" / "conv2_ch3_h7_w5_seed3" / "record.json").read_text(encoding="utf-8")
    )
    assert saved == made[1].record
    assert (saved["position"], saved["seed"], saved["steps"]) == ([7, 5], 3, 3)


def test_a_record_that_cannot_be_written_leaves_nothing_half(tmp_path):
    made = prober.visualize(reference(), "conv2:3", steps=1)
    made.record["mine"] = {1, 2}
    with pytest.raises(TypeError):
        made.save(tmp_path / "half")
    assert not (tmp_path / "half").exists()
