"""The folder of a sweep: what lies in it, and what becomes of it if some is damaged."""

import json
import os
import shutil

import numpy as np
import pytest
import torch
from PIL import Image

from prober.common.errors import InputError
from prober.subject.reference import ReferenceCNN
from prober.sweep.store import Store
from tests.command_line import ROOT
from tests.sweep.sweeps import arrays_of, records_of, same, write


def test_a_claim_that_somebody_has_open_is_made_and_removed_when_he_is_done(tmp_path, monkeypatch):
    store, refusals = Store(tmp_path, [[]]), []
    store.clear_claims()

    def sometimes(function):
        def refused(path, *args, **kwargs):
            if refusals:
                raise refusals.pop()
            return function(path, *args, **kwargs)

        return refused

    def with_refusals(change):
        refusals[:] = [PermissionError(13, "Access is denied")] * 2
        result = change()
        assert not refusals
        return result

    monkeypatch.setattr(os, "open", sometimes(os.open))
    monkeypatch.setattr(os, "unlink", sometimes(os.unlink))
    assert with_refusals(lambda: store.claim(0))
    with_refusals(lambda: store.release(0))
    assert not store.in_hand()
    assert store.claim(0) and not store.claim(0)
    with_refusals(store.clear_claims)
    assert not store.in_hand()


def test_there_is_a_picture_and_an_array_for_every_target(swept):
    folder, _ = swept
    stems = [
        f"{layer}/ch{channel:03d}/mean_seed{seed}"
        for layer, channels in (("conv1", (0, 3, 7)), ("conv2", (0, 3, 7)), ("logits", (1,)))
        for channel in channels
        for seed in (0, 1)
    ]
    assert [record["stem"] for record in records_of(folder)] == stems
    for stem in stems:
        array = np.load(folder / f"{stem}.npy")
        assert array.shape == (3, 28, 28) and array.dtype == np.float32
        assert array.min() >= 0 and array.max() <= 1
        with Image.open(folder / f"{stem}.png") as picture:
            pixels = np.asarray(picture)
        expected = np.kron(np.moveaxis(np.rint(array * 255), 0, 2), np.ones((10, 10, 1)))
        assert (pixels == expected).all()


def test_a_record_is_that_of_fit(swept):
    folder, _ = swept
    record = records_of(folder)[7]
    expected = {
        "status": "finished",
        "layer": "conv2",
        "channel": 0,
        "objective": "ChannelMean",
        "seed": 1,
        "steps": 60,
        "dead": False,
        "precision": "32-true",
    }
    assert expected.items() <= record.items()
    assert record["score_end"] > record["score_start"]
    image = torch.from_numpy(np.load(folder / f"{record['stem']}.npy"))[None]
    cnn = ReferenceCNN()
    cnn.load_state_dict(torch.load(ROOT / "prober/subject/reference/biased.pt"))
    score = cnn.conv2(cnn.pool1(cnn.relu1(cnn.conv1(image))))[0, 0].mean().item()
    assert record["score_end"] == pytest.approx(score, rel=1e-4)


def test_the_evolution_and_the_score_curves_are_kept(swept):
    folder, _ = swept
    with np.load(folder / "chunks" / "00000.npz") as chunk:
        assert chunk["steps"].tolist() == [0, 50, 60]
        assert chunk["evolution"].shape == (4, 3, 28, 28, 3)
        assert chunk["score_steps"].tolist() == [0, 25, 50, 60]
        records = json.loads(str(chunk["records"]))
        ends = [record["score_end"] for record in records]
        assert chunk["scores"][:, -1] == pytest.approx(ends, rel=1e-6)
        last = np.load(folder / f"{records[1]['stem']}.npy")
        assert (chunk["evolution"][1, -1] == np.moveaxis(np.rint(last * 255), 0, 2)).all()


def test_a_chunk_that_cannot_be_read_is_told(swept, tmp_path):
    folder = tmp_path / "copy"
    shutil.copytree(swept[0] / "chunks", folder / "chunks")
    content = bytearray((folder / "chunks/00000.npz").read_bytes())
    content[len(content) // 3] ^= 1
    (folder / "chunks/00000.npz").write_bytes(content)
    store = Store(folder, [])
    assert len(store.read(0, "steps")) == 1
    with pytest.raises(InputError, match=r"00000.npz' cannot be read .* with --resume"):
        store.read(0, "evolution")


def test_what_is_damaged_is_told_and_repaired(swept, prober, tmp_path):
    folder = tmp_path / "copy"
    shutil.copytree(swept[0], folder)
    (folder / "conv1/ch003/mean_seed0.png").unlink()
    array = folder / "conv2/ch007/mean_seed1.npy"
    array.write_bytes(array.read_bytes()[:700])
    array = folder / "conv1/ch007/mean_seed1.npy"
    array.write_bytes(array.read_bytes().replace(b"'descr'", b"[[[[[[["))
    for stray in ("abc", "00000 (1)", "00077"):
        shutil.copy(folder / "chunks/00000.npz", folder / f"chunks/{stray}.npz")
    chunk = folder / "chunks/00003.npz"
    chunk.write_bytes(chunk.read_bytes()[:100])
    content = bytearray((folder / "chunks/00001.npz").read_bytes())
    content[len(content) // 3] ^= 1  # as a failing disk does
    (folder / "chunks/00001.npz").write_bytes(content)
    lines = (folder / "records.jsonl").read_text(encoding="utf-8").splitlines()
    damaged = "\n".join([*lines[:5], lines[5][:40]]).encode() + b"\xff\n"
    (folder / "records.jsonl").write_bytes(damaged)
    ended = prober(
        *("sweep", "--config", write(tmp_path), "--trainer.devices", "1", "--resume", folder)
    )
    assert ended.code == 0
    for said in ("mean_seed0.png is missing", "mean_seed1.npy is damaged"):
        assert said in ended.out
    for chunk in ("00001.npz", "00003.npz"):
        assert f"{chunk} is damaged" in ended.out
    assert "1 damaged line" in ended.out
    assert same(arrays_of(folder), arrays_of(swept[0]))
    assert [r["stem"] for r in records_of(folder)] == [r["stem"] for r in records_of(swept[0])]
    assert (folder / "conv1/ch003/mean_seed0.png").is_file()
